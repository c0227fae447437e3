import { expect, test } from "bun:test";
import { join } from "node:path";
import {
  pkiApprove,
  pkiPending,
  pkiToken,
} from "../../src/cli/pki_enroll_command.ts";
import { parseEnrollToken } from "../../src/policy/enroll_token.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { caPin } from "../../src/runtime/certificate_request.ts";
import { initPki } from "../../src/runtime/pki_directory.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

async function makePki() {
  const made = await makeTemporaryDir();
  const dir = join(made.path, "pki");
  await initPki(dir, ["gw.test"], 30);
  const answers: string[] = [];
  const said: string[] = [];
  const output = {
    answer: (line: string) => void answers.push(line),
    say: (line: string) => void said.push(line),
  };
  return {
    ...{ answers, dir, output, said },
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  };
}

async function faultOf(work: Promise<unknown>): Promise<[string, string]> {
  const { code, message } = Fault.from(await rejection(work));
  return [code, message];
}

test("pki token prints one line, with the CA's pin and what was asked for", async () => {
  await using pki = await makePki();
  const { answers, dir, output, said } = pki;
  const before = Math.floor(Date.now() / 1_000);
  await pkiToken(
    dir,
    { device: "CID-7", ttl: "2d", gateway: "gw.test" },
    output,
  );
  const { claims } = parseEnrollToken(answers.join("\n"));
  const caPem = await Bun.file(join(dir, "ca.pem")).text();
  expect(claims).toMatchObject({
    ...{ device: 7, gateway: "wss://gw.test/tunnel", pin: caPin(caPem) },
  });
  expect(claims.expires - before).toBeGreaterThanOrEqual(2 * 86_400);
  expect(claims.expires - before).toBeLessThan(2 * 86_400 + 60);
  expect(said).toEqual([
    expect.stringMatching(/^Good once, until .* device 7$/),
  ]);
});

test("pki token takes a life of 1 s to a week, and says an hour if none is given", async () => {
  await using pki = await makePki();
  const { answers, dir, output } = pki;
  const lives: [string | undefined, number][] = [
    ...[["1s", 1], ["90", 90], ["5m", 300]] as [string, number][],
    ...[["8h", 28_800], ["7d", 604_800], [undefined, 3_600]] as [
      string,
      number,
    ][],
  ];
  for (const [ttl, seconds] of lives) {
    const nowSeconds = Date.now() / 1_000;
    await pkiToken(dir, ttl === undefined ? {} : { ttl }, output);
    const { claims } = parseEnrollToken(answers.at(-1) ?? "");
    expect(Math.abs(claims.expires - nowSeconds - seconds)).toBeLessThan(5);
  }
  for (const ttl of ["0s", "8d", "169h", "1w", "-1h", "h", "1.5h", ""]) {
    expect(await faultOf(pkiToken(dir, { ttl }, output))).toEqual([
      "usageInvalid",
      `Cannot make token: ${ttl} is no life of a token`,
    ]);
  }
});

test("pki token refuses what is no device, and a directory that is no CA", async () => {
  await using pki = await makePki();
  const { answers, dir, output } = pki;
  for (const device of ["aula-7", "0", "7.5", ""]) {
    expect(await faultOf(pkiToken(dir, { device }, output))).toEqual([
      "usageInvalid",
      `Cannot make token: ${device} is no device id`,
    ]);
  }
  const [code] = await faultOf(pkiToken(join(dir, "issued"), {}, output));
  expect([code, answers]).toEqual(["configInvalid", []]);
});

test("pki pending and approve say when there is nobody, and no CA", async () => {
  await using pki = await makePki();
  const { answers, dir, output, said } = pki;
  expect(await pkiPending(dir, {}, output)).toBe(0);
  expect(await pkiPending(dir, { json: true }, output)).toBe(0);
  expect([answers, said]).toEqual([["[]"], ["Nobody waits for approval"]]);
  const [code] = await faultOf(pkiPending(join(dir, "issued"), {}, output));
  expect(code).toBe("configInvalid");
  expect(await faultOf(pkiApprove(dir, "0123456789abcdef", output))).toEqual([
    "usageInvalid",
    "Cannot approve 0123456789abcdef: nobody waits under this id",
  ]);
});
