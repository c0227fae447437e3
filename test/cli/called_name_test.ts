import { expect, test } from "bun:test";
import { calledName } from "../../src/cli/called_name.ts";

test("calledName() goes by the file's name, wherever it is", () => {
  const called = [
    "migasfree-connect",
    "./migasfree-connect",
    "/usr/bin/migasfree-connect",
    "bin/migasfree-connect",
  ];
  for (const argv0 of called) {
    expect([argv0, calledName(argv0, "linux")]).toEqual([
      argv0,
      "migasfree-connect",
    ]);
  }
});

test("calledName() is ours for every other name", () => {
  const others = [
    "",
    "/",
    "migasfree-agent",
    "/opt/migasfree-connect/agent",
    "migasfree-connect-2",
    "Migasfree-Connect",
    "migasfree-connect.exe",
    "bun",
  ];
  for (const argv0 of others) {
    expect([argv0, calledName(argv0, "linux")]).toEqual([
      argv0,
      "migasfree-agent",
    ]);
  }
});

test("calledName() knows how Windows writes names", () => {
  const called = [
    "migasfree-connect",
    "C:\\Program Files\\migasfree\\Migasfree-Connect.EXE",
    "C:/tools/migasfree-connect.exe",
  ];
  expect(called.map((argv0) => calledName(argv0, "win32"))).toEqual(
    called.map(() => "migasfree-connect"),
  );
  expect(calledName("C:\\migasfree-connect\\agent.exe", "win32")).toBe(
    "migasfree-agent",
  );
});
