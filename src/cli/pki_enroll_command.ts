import { plainText } from "../base/text.ts";
import { gatewayUrlOf } from "../connect/config.ts";
import {
  formatEnrollToken,
  newEnrollSecret,
  TOKEN_TTL_DEFAULT_MS,
  TOKEN_TTL_MAX_MS,
  TOKEN_TTL_MIN_MS,
} from "../policy/enroll_token.ts";
import { enrollKey } from "../protocol/enroll_message.ts";
import { Fault } from "../protocol/fault.ts";
import { parseDeviceRef, randomHex } from "../protocol/id.ts";
import { EnrollDirectory } from "../runtime/enroll_directory.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";

/** Without a unit it is seconds. */
const UNITS_MS: Readonly<Record<string, number>> = {
  "": 1_000,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Tokens are forgotten so long after their end: until then a reason is told. */
const FORGET_AFTER_MS = 7 * 86_400_000;

/** `pki token`: makes the right to get one certificate, once. */
export async function pkiToken(
  dir: string,
  options: Options,
  output: Output,
): Promise<number> {
  const ttlMs = ttlOf(options);
  const device = deviceOf(options);
  const gateway = textOption(options, "gateway");
  const gatewayUrl = gateway === undefined ? undefined : gatewayUrlOf(gateway);
  const directory = new EnrollDirectory(dir);
  const pin = await directory.pin();
  // Whether it could sign is better known now than when a computer comes.
  await directory.site();
  const nowMs = Date.now();
  const expiresAtMs = nowMs + ttlMs;
  const id = randomHex();
  const secret = newEnrollSecret();
  const key = (await enrollKey(secret)).toHex();
  await directory.forgetTokens(nowMs - FORGET_AFTER_MS);
  await directory.createToken({
    ...{ id, key, expiresAtMs },
    ...device === undefined ? {} : { device },
  });
  const token = formatEnrollToken({
    claims: {
      ...{ id, pin, expires: Math.floor(expiresAtMs / 1_000) },
      ...device === undefined ? {} : { device },
      ...gatewayUrl === undefined ? {} : { gateway: gatewayUrl },
    },
    secret,
  });
  const until = new Date(expiresAtMs).toISOString();
  if (options["json"]) {
    output.answer(
      JSON.stringify({ token, id, expires_at: until, device, pin }),
    );
    return 0;
  }
  output.say(`Good once, until ${until}, for ${deviceText(device)}`);
  output.answer(token);
  return 0;
}

/** `pki pending`: whose certificate has expired, and who waits for a word. */
export async function pkiPending(
  dir: string,
  options: Options,
  output: Output,
): Promise<number> {
  const directory = new EnrollDirectory(dir);
  // Whoever names the wrong directory must not hear that nobody waits.
  await directory.caPem();
  const rows = (await directory.pending()).map((one) => ({
    id: one.id,
    name: one.commonName,
    serial: one.serial,
    address: one.address,
    expired_at: new Date(one.expiredAtMs).toISOString(),
    asked_at: new Date(one.askedAtMs).toISOString(),
  }));
  if (options["json"]) {
    output.answer(JSON.stringify(rows));
    return 0;
  }
  if (rows.length === 0) output.say("Nobody waits for approval");
  for (const { address, expired_at, id, name } of rows) {
    const day = expired_at.slice(0, 10);
    output.answer(
      `${id}  ${name}  expired ${day}  from ${plainText(address, 64)}`,
    );
  }
  return 0;
}

/** `pki approve`: lets one of them have its next certificate. */
export async function pkiApprove(
  dir: string,
  id: string,
  output: Output,
): Promise<number> {
  const directory = new EnrollDirectory(dir);
  if (!await directory.approve(id)) {
    throw new Fault(
      "usageInvalid",
      `Cannot approve ${plainText(id, 64)}: nobody waits under this id`,
      { hint: `Run \`migasfree-agent pki pending ${dir}\`` },
    );
  }
  output.say(
    "Approved: it gets its certificate when it asks again, in minutes",
  );
  return 0;
}

function ttlOf(options: Options): number {
  const text = textOption(options, "ttl");
  if (text === undefined) return TOKEN_TTL_DEFAULT_MS;
  const [, digits, unit = ""] = /^([0-9]{1,9})([smhd]?)$/.exec(text) ?? [];
  const ttlMs = Number(digits) * (UNITS_MS[unit] ?? NaN);
  if (ttlMs >= TOKEN_TTL_MIN_MS && ttlMs <= TOKEN_TTL_MAX_MS) return ttlMs;
  throw usage(
    `${plainText(text, 32)} is no life of a token`,
    "Give --ttl from 1s to 7d, such as 30m, 8h or 2d",
  );
}

function deviceOf(options: Options): number | undefined {
  const text = textOption(options, "device");
  if (text === undefined) return undefined;
  const ref = parseDeviceRef(text);
  if (ref?.tag === "id") return ref.id;
  throw usage(
    `${plainText(text, 32)} is no device id`,
    "Give 7, or CID-7, with --device",
  );
}

function deviceText(device: number | undefined): string {
  return device === undefined
    ? "any device that has no certificate yet"
    : `device ${device}`;
}

function usage(fact: string, hint: string): Fault {
  return new Fault("usageInvalid", `Cannot make token: ${fact}`, { hint });
}
