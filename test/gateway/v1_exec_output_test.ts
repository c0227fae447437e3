import { expect, test } from "bun:test";
import { V1ExecOutput } from "../../src/gateway/v1_exec_output.ts";

function bench() {
  const said: unknown[] = [];
  let bufferedBytes = 0;
  let drainCount = 0;
  const output = new V1ExecOutput("e", {
    say: (message) => said.push(message),
    bufferedBytes: () => bufferedBytes,
  });
  output.handle({ drain: () => drainCount++, failed: () => undefined });
  return {
    output,
    said,
    fill: (bytes: number) => void (bufferedBytes = bytes),
    drains: () => drainCount,
  };
}

function piece(stream: "stdout" | "stderr", data: string) {
  return { type: "exec_output", exec_id: "e", stream, data };
}

test("V1ExecOutput never splits a character, of either output", () => {
  const { output, said } = bench();
  const text = "ñ€😀\r";
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at++) {
    output.write("stdout", bytes.subarray(at, at + 1));
    output.write("stderr", bytes.subarray(at, at + 1));
  }
  const both = [...text].flatMap((character) => [
    piece("stdout", character),
    piece("stderr", character),
  ]);
  expect(said).toEqual(both);
  output.flush();
  expect(said.length).toBe(both.length);
});

test("V1ExecOutput says what is no text as U+FFFD, and keeps a mark at the beginning", () => {
  const { output, said } = bench();
  output.write("stdout", new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff, 0xc3]));
  output.flush();
  expect(said).toEqual([
    piece("stdout", "\ufeffa\ufffd"),
    piece("stdout", "\ufffd"),
  ]);
});

test("V1ExecOutput lets the command wait while much is to be sent", () => {
  const { drains, fill, output } = bench();
  expect(output.write("stdout", new Uint8Array([97]))).toBe(true);
  output.drained();
  fill(1024 * 1024 + 1);
  expect(output.write("stdout", new Uint8Array([97]))).toBe(false);
  fill(0);
  output.drained();
  output.drained();
  expect(drains()).toBe(1);
});
