import { expect, test } from "bun:test";
import {
  chooseProgram,
  type ProgramChoice,
} from "../../src/connect/choose_program.ts";
import { sshChoice } from "../../src/connect/ssh_command.ts";
import { rdpCommands, vncCommands } from "../../src/connect/viewer.ts";
import { Fault } from "../../src/protocol/fault.ts";

const ADDRESS = { host: "127.0.0.1", port: 49_159 };
const TARGET = { deviceId: 7, deviceName: "aula-7", gatewayHost: "gw" };

function faultOf(choice: ProgramChoice, installed: readonly string[]): Fault {
  try {
    chooseProgram(choice, (program) => installed.includes(program));
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("Expected a fault");
}

test("chooseProgram() takes the first that is installed", () => {
  const choice = vncCommands("linux", ADDRESS);
  const installed = ["krdc", "vncviewer"];
  expect(chooseProgram(choice, (program) => installed.includes(program)))
    .toEqual({ program: "vncviewer", args: ["127.0.0.1::49159"] });
});

test("chooseProgram() says what it looked for when nothing is installed", () => {
  expect(faultOf(vncCommands("linux", ADDRESS), [])).toMatchObject({
    code: "programMissing",
    message: "Cannot find a VNC viewer: no xtigervncviewer, vncviewer, " +
      "remmina, krdc, gvncviewer is installed",
    hint: "Install TigerVNC, or name your viewer by --viewer",
  });
});

test.each([
  ["linux", "apt-get", "sudo apt install tigervnc-viewer"],
  ["linux", "dnf", "sudo dnf install tigervnc"],
  ["linux", "zypper", "sudo zypper install tigervnc"],
  ["linux", "pacman", "sudo pacman -S tigervnc"],
  ["linux", "apk", "sudo apk add tigervnc-client"],
  ["win32", "winget", "winget install GlavSoft.TightVNC"],
])("chooseProgram() says how to install a VNC viewer on %s by %s", (
  platform,
  manager,
  command,
) => {
  const fault = faultOf(vncCommands(platform, ADDRESS), [manager]);
  expect(fault.hint).toBe(`Install one: ${command}`);
});

test.each([
  [
    "linux",
    "apt-get",
    "sudo apt install freerdp3-x11, on Debian 12 freerdp2-x11",
  ],
  ["linux", "dnf", "sudo dnf install freerdp"],
  ["darwin", "brew", "brew install freerdp"],
])("chooseProgram() says how to install an RDP viewer on %s by %s", (
  platform,
  manager,
  command,
) => {
  const fault = faultOf(rdpCommands(platform, ADDRESS, TARGET), [manager]);
  expect(fault.hint).toBe(`Install one: ${command}`);
});

test.each([
  ["linux", "apt-get", "Install one: sudo apt install openssh-client"],
  ["darwin", "brew", "Install the OpenSSH client"],
  [
    "win32",
    "winget",
    "Add the optional feature OpenSSH Client in the settings of Windows",
  ],
])("chooseProgram() says how to get ssh on %s", (platform, manager, hint) => {
  const choice = sshChoice({
    deviceId: 7,
    selfCommand: ["/usr/bin/migasfree-agent"],
    gatewayArgs: [],
    knownHostsFile: "/tmp/known_hosts",
    sshArgs: [],
    platform,
  });
  expect(faultOf(choice, [manager])).toMatchObject({
    code: "programMissing",
    message: "Cannot find the OpenSSH client: no ssh is installed",
    hint,
  });
  const isSsh = (program: string) => program === "ssh";
  expect(chooseProgram(choice, isSsh).args.at(-1)).toBe("CID-7.mf");
});
