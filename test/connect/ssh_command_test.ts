import { expect, test } from "bun:test";
import { sshCommand, type SshSession } from "../../src/connect/ssh_command.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { runChild } from "../support/child.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const SESSION: SshSession = {
  user: "bob",
  deviceId: 7,
  selfCommand: ["/opt/mf agent/migasfree-agent"],
  gatewayArgs: ["--gateway", "wss://gw.example.org/tunnel?site=100%"],
  knownHostsFile: "/home/op/.migasfree-connect/gw.example.org/known_hosts",
  sshArgs: [],
  platform: "linux",
};

const missing = missingProgram("ssh");

test("sshCommand() reaches a device through connect --stdio", () => {
  expect(sshCommand({ ...SESSION, sshArgs: ["-A", "uptime"] })).toEqual([
    "ssh",
    "-o",
    "ProxyCommand='/opt/mf agent/migasfree-agent' connect 7 ssh --stdio " +
    "--gateway 'wss://gw.example.org/tunnel?site=100%%'",
    "-o",
    "HostKeyAlias=CID-7.mf",
    "-o",
    'UserKnownHostsFile="/home/op/.migasfree-connect/gw.example.org/known_hosts"' +
    " ~/.ssh/known_hosts",
    "-o",
    "StrictHostKeyChecking=accept-new",
    "-o",
    "CheckHostIP=no",
    "bob@CID-7.mf",
    "-A",
    "uptime",
  ]);
});

test("sshCommand() writes Windows' paths so that ssh keeps them whole", () => {
  const argv = sshCommand({
    ...SESSION,
    user: undefined,
    selfCommand: ["C:\\Program Files\\mf\\migasfree-agent.exe"],
    gatewayArgs: ["--ca", "D:\\pki\\ca.pem"],
    knownHostsFile: "C:\\Users\\Ana P\\known_hosts",
    platform: "win32",
  });
  expect(argv.slice(1, 7)).toEqual([
    "-o",
    'ProxyCommand="C:/Program Files/mf/migasfree-agent.exe" connect 7 ssh ' +
    "--stdio --ca D:/pki/ca.pem",
    "-o",
    "HostKeyAlias=CID-7.mf",
    "-o",
    'UserKnownHostsFile="C:/Users/Ana P/known_hosts" ~/.ssh/known_hosts',
  ]);
  expect(argv.at(-1)).toBe("CID-7.mf");
});

test.each(["", "-oProxyCommand=id", "-l"])(
  "sshCommand() refuses the user %p",
  (user) => {
    let error: unknown;
    try {
      sshCommand({ ...SESSION, user });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({
      code: "usageInvalid",
      message: `Cannot log in as "${user}"`,
    });
  },
);

/** What ssh itself makes of the command: one value for each keyword. */
async function effective(sshArgs: readonly string[]) {
  const knownHostsFile = '/tmp/a b/100% "known"';
  const [, ...rest] = sshCommand({ ...SESSION, knownHostsFile, sshArgs });
  const ran = await runChild(["ssh", "-G", "-F", "/dev/null", ...rest]);
  expect(ran).toMatchObject({ status: 0 });
  const found = new Map(
    ran.stdout.trim().split("\n").map((line) => {
      const [keyword = "", ...value] = line.split(" ");
      return [keyword, value.join(" ")];
    }),
  );
  return Object.fromEntries(
    Object.keys(OURS).map((keyword) => [keyword, found.get(keyword)]),
  );
}

// ssh writes a host key's alias in lower case, and compares it so.
const OURS = {
  host: "CID-7.mf",
  user: "bob",
  proxycommand: "'/opt/mf agent/migasfree-agent' connect 7 ssh --stdio " +
    "--gateway 'wss://gw.example.org/tunnel?site=100%%'",
  hostkeyalias: "cid-7.mf",
  userknownhostsfile: expect.stringMatching(
    /^\/tmp\/a b\/100% "known" \/\S*\/\.ssh\/known_hosts$/,
  ),
  stricthostkeychecking: "accept-new",
  checkhostip: "no",
};

testUnless(missing)(
  "sshCommand() is understood by ssh as it was meant",
  async () => {
    expect(await effective([])).toEqual(OURS);
  },
);

const THEIRS: [sshArgs: string[], changed: Partial<Record<string, unknown>>][] =
  [
    [["-o", "StrictHostKeyChecking=yes"], { stricthostkeychecking: "true" }],
    [["-o", "stricthostkeychecking no"], { stricthostkeychecking: "false" }],
    [["-o", " StrictHostKeyChecking = ask"], { stricthostkeychecking: "ask" }],
    [["-oSTRICTHOSTKEYCHECKING=yes"], { stricthostkeychecking: "true" }],
    [["-Ao", "StrictHostKeyChecking=yes"], { stricthostkeychecking: "true" }],
    [["-AoStrictHostKeyChecking=yes"], { stricthostkeychecking: "true" }],
    [["-p", "22", "-o", "CheckHostIP=yes"], { checkhostip: "yes" }],
    [["-p22", "-L8080:localhost:80", "-oCheckHostIP=yes"], {
      checkhostip: "yes",
    }],
    [["-o", '"HostKeyAlias" other'], { hostkeyalias: "other" }],
    [["-o", "UserKnownHostsFile=/dev/null"], {
      userknownhostsfile: "/dev/null",
    }],
    [["-o", "ProxyCommand=nc %h %p"], { proxycommand: "nc %h %p" }],
    // No options of ssh: a value, or a part of the remote command.
    [["-i", "-oCheckHostIP=yes"], {}],
    [["uptime", "-o", "CheckHostIP=yes"], {}],
    [["--", "-oCheckHostIP=yes"], {}],
  ];

testUnless(missing).each(THEIRS)(
  "sshCommand() yields to what the user says: %j",
  async (sshArgs, changed) => {
    expect(await effective(sshArgs)).toEqual({ ...OURS, ...changed });
  },
);
