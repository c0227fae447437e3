import { expect, test } from "bun:test";
import { customViewer } from "../../src/connect/custom_viewer.ts";
import { vncCommands } from "../../src/connect/viewer.ts";
import { Fault } from "../../src/protocol/fault.ts";

const ADDRESS = { host: "127.0.0.1", port: 49_159 };
const CHOICE = vncCommands("linux", ADDRESS);

test.each([
  ["vinagre {host}:{port}", ["vinagre", "127.0.0.1:49159"]],
  ["xfreerdp /v:{host}:{port} /u:{user} /p:", [
    "xfreerdp",
    "/v:127.0.0.1:49159",
    "/u:{port}",
    "/p:",
  ]],
  [`"C:\\My Tools\\v.exe" -o "a b" ''{port}' x'`, [
    "C:\\My Tools\\v.exe",
    "-o",
    "a b",
    "49159 x",
  ]],
  ["v {port} $HOME ; rm *", ["v", "49159", "$HOME", ";", "rm", "*"]],
  ["vncviewer -Shared {host}::{port}", [
    "vncviewer",
    "-Shared",
    "127.0.0.1::49159",
  ]],
])("customViewer() reads %p", (commandLine, [program = "", ...args]) => {
  expect(customViewer(commandLine, CHOICE, ADDRESS, "{port}"))
    .toEqual({ program, args });
});

test.each([
  ["gvncviewer", "gvncviewer", ["127.0.0.1:43259"]],
  ["/opt/tiger/vncviewer", "/opt/tiger/vncviewer", ["127.0.0.1::49159"]],
  ['"C:\\my vnc\\VncViewer.exe"', "C:\\my vnc\\VncViewer.exe", [
    "127.0.0.1::49159",
  ]],
])("customViewer() knows what %p needs", (commandLine, program, args) => {
  expect(customViewer(commandLine, CHOICE, ADDRESS, undefined))
    .toEqual({ program, args });
});

const HINT = 'Say where the address goes: --viewer "PROGRAM {host}:{port}"';

test.each([
  ["", "it is empty", HINT],
  ["  ", "it is empty", HINT],
  ["myviewer", "it has no {port}", HINT],
  ["vncviewer -Shared", "it has no {port}", HINT],
  ["{port}", "it has no {port}", HINT],
  ['v "{port}', "a quote is left open", HINT],
  ["v it's {port}", "a quote is left open", HINT],
  ["v {port} {user}", "it wants a {user}", "Give USER@DEVICE"],
])("customViewer() refuses %p", (commandLine, why, hint) => {
  let error: unknown;
  try {
    customViewer(commandLine, CHOICE, ADDRESS, undefined);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(Fault);
  expect(error).toMatchObject({
    code: "usageInvalid",
    message: `Cannot use that --viewer: ${why}`,
    hint,
  });
});
