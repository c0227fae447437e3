import { expect, test } from "bun:test";
import { launchdJobs } from "../../src/runtime/launchd_jobs.ts";
import { plistText } from "../../src/runtime/plist_text.ts";
import { launchdSchema } from "../support/launchd_schema.ts";
import { parsePlist } from "../support/parse_plist.ts";

const PROGRAM = "/usr/local/bin/migasfree-agent";

test("launchdJobs() are property lists that say what was meant, in launchd's keys", () => {
  for (const { label, plist } of launchdJobs(PROGRAM)) {
    const read = parsePlist(plistText(plist));
    expect(read).toEqual(plist as typeof read);
    expect(launchdSchema.parse(read)).toMatchObject({ Label: label });
  }
});

test("launchdJobs() keep the agent running, as its own user, with its own watchdog", () => {
  const agent = launchdJobs(PROGRAM).find(({ label }) =>
    label === "org.migasfree.agent"
  );
  expect(agent?.plist).toMatchObject({
    UserName: "_migasfree-agent",
    GroupName: "_migasfree-agent",
    KeepAlive: true,
    RunAtLoad: true,
    ThrottleInterval: 10,
    Umask: 63,
  });
  const args = agent?.plist["ProgramArguments"];
  expect(args).toEqual([
    PROGRAM,
    "run",
    "--identity",
    "/var/lib/migasfree-agent-identity",
    "--log-file",
    "/var/log/migasfree-agent/agent.log",
    "--watchdog",
    "10",
  ]);
});

test("launchdJobs() have root do nothing but hand the identity over", () => {
  const ofRoot = launchdJobs(PROGRAM).filter(({ plist }) =>
    plist["UserName"] === undefined
  );
  expect(ofRoot.map(({ plist }) => plist["ProgramArguments"])).toEqual([
    [PROGRAM, "hand-identity", "/var/lib/migasfree-agent-identity"],
  ]);
});

test("plistText() writes text that is XML itself so that it is read as text", () => {
  const value = { "a<b": ["&amp;", "</string>"], n: 3, yes: true, no: false };
  expect(parsePlist(plistText(value))).toEqual(value);
  expect(() => plistText({ n: 1.5 })).toThrow(RangeError);
});

test("launchdSchema refuses what launchd would pass over or misread", () => {
  const [job] = launchdJobs(PROGRAM);
  for (
    const wrong of [
      { Keepalive: true },
      { Umask: "077" },
      { ThrottleInterval: 5 },
      { ProgramArguments: ["migasfree-agent"] },
      { KeepAlive: "yes" },
    ]
  ) {
    const read = launchdSchema.safeParse({ ...job?.plist, ...wrong });
    expect(read.success).toBe(false);
  }
});

test("parsePlist() refuses a key without a value, and what is not closed", () => {
  const text = plistText({ a: "b", c: ["d"] });
  expect(parsePlist(text)).toEqual({ a: "b", c: ["d"] });
  for (
    const broken of [
      text.replace("<string>b</string>", ""),
      text.replace("</array>", ""),
      text.replace("</dict>", "</array>"),
      text.replace("<key>c</key>", "<key>a</key>"),
      text.replace("b</string>", "&b</string>"),
      `${text}<dict>`,
    ]
  ) {
    expect(() => parsePlist(broken)).toThrow();
  }
});
