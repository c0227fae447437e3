import { expect, test } from "bun:test";
import type { ProgramChoice } from "../../src/connect/choose_program.ts";
import { rdpCommands, vncCommands } from "../../src/connect/viewer.ts";

const ADDRESS = { host: "127.0.0.1", port: 49_159 };
const TARGET = {
  user: "SCHOOL\\ana",
  deviceId: 7,
  deviceName: "aula-7",
  gatewayHost: "gw.example.org",
};

/** One line for each command: how it would be typed, but for quotes. */
function lines(choice: ProgramChoice): string[] {
  return choice.commands.map(({ program, args, mayDetach }) =>
    [program, ...args, mayDetach ? "&" : ""].join(" ").trim()
  );
}

test("vncCommands() knows the viewers of Linux", () => {
  expect(lines(vncCommands("linux", ADDRESS))).toEqual([
    "xtigervncviewer 127.0.0.1::49159",
    "vncviewer 127.0.0.1::49159",
    "remmina -c vnc://127.0.0.1:49159 &",
    "krdc vnc://127.0.0.1:49159 &",
    "gvncviewer 127.0.0.1:43259",
  ]);
});

test("vncCommands() knows the viewers of macOS", () => {
  expect(lines(vncCommands("darwin", ADDRESS))).toEqual([
    "vncviewer 127.0.0.1::49159",
    "open vnc://127.0.0.1:49159 &",
  ]);
});

test("vncCommands() finds Windows' viewers where they are installed", () => {
  expect(lines(vncCommands("win32", ADDRESS)).slice(0, 4)).toEqual([
    "tvnviewer 127.0.0.1::49159",
    "vncviewer 127.0.0.1::49159",
    "C:\\Program Files\\TightVNC\\tvnviewer.exe 127.0.0.1::49159",
    "C:\\Program Files\\TigerVNC\\vncviewer.exe 127.0.0.1::49159",
  ]);
});

test("vncCommands() writes an IPv6 address in brackets", () => {
  const [first] = lines(vncCommands("linux", { host: "::1", port: 5_901 }));
  expect(first).toBe("xtigervncviewer [::1]::5901");
});

test("rdpCommands() lets FreeRDP remember the device's certificate", () => {
  const { commands } = rdpCommands("linux", ADDRESS, TARGET);
  const args = [
    "/v:127.0.0.1:49159",
    "/cert:tofu,name:CID-7.gw.example.org.mf",
    "/t:aula-7 (CID-7)",
    "/dynamic-resolution",
    "/u:SCHOOL\\ana",
  ];
  expect(commands).toEqual([
    ...[
      "xfreerdp3",
      "xfreerdp",
      "sdl-freerdp3",
      "sdl-freerdp",
      "wlfreerdp3",
      "wlfreerdp",
    ].map((program) => ({ program, args })),
    {
      program: "remmina",
      args: ["-c", "rdp://SCHOOL%5Cana@127.0.0.1:49159"],
      mayDetach: true,
    },
  ]);
});

test("rdpCommands() makes harmless text of names that others chose", () => {
  const target = {
    deviceId: 7,
    deviceName: `\x1b]0;evil\x07\n${"x".repeat(200)}`,
    gatewayHost: "[FE80::1],ignore",
  };
  const [first] = rdpCommands("linux", ADDRESS, target).commands;
  expect(first?.args).toEqual([
    "/v:127.0.0.1:49159",
    "/cert:tofu,name:CID-7.-fe80--1--ignore.mf",
    `/t:?]0;evil??${"x".repeat(69)}… (CID-7)`,
    "/dynamic-resolution",
  ]);
});

test("rdpCommands() knows the viewers of macOS and Windows", () => {
  const mac = lines(rdpCommands("darwin", ADDRESS, TARGET));
  expect(mac.at(-1)).toBe(
    "open rdp://full%20address=s:127.0.0.1%3A49159&username=s:SCHOOL%5Cana &",
  );
  expect(lines(rdpCommands("win32", ADDRESS, TARGET)))
    .toEqual(["mstsc /v:127.0.0.1:49159"]);
});

test.each(["linux", "darwin", "win32"])(
  "rdpCommands() never switches the check of certificates off on %s",
  (platform) => {
    const all = lines(rdpCommands(platform, ADDRESS, TARGET)).join("\n");
    expect(all).not.toMatch(/ignore|cert:.*deny|insecure/);
  },
);
