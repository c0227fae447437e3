import { standstill } from "../support/standstill.ts";
import { expect, test } from "bun:test";
import {
  ANSWER_BYTES,
  FLOOD_BYTES,
  LETTERS_COUNT,
  pattern,
  type ProgramName,
  type Report,
  sha256,
} from "./byte_socket_programs.ts";

/** The other end of a socket under test, moved by hand and sharing no code. */
export interface FarEnd {
  /** Resolves when the kernel has taken all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
  /** Reads nothing until {@linkcode FarEnd.readAll}. */
  pause(): void;
  /** Resolves with exactly `size` bytes. */
  read(size: number): Promise<Uint8Array>;
  /** Resolves with what comes until the end, and how it ended. */
  readAll(): Promise<{ bytes: Uint8Array; ending: "end" | "reset" }>;
  /** Breaks off. Never called where the platform has no such thing. */
  reset(): void;
}

/** A socket in use by one program, and its far end. */
export interface Bench extends AsyncDisposable {
  readonly far: FarEnd;
  readonly report: Promise<Report>;
  /** Lets the program go on; resolves when it has heard. */
  cue(): Promise<void>;
}

/** An implementation, and how to get at it. */
export interface Candidate {
  readonly name: string;
  /** Starts the program of that name on a fresh socket. */
  readonly open: (program: ProgramName) => Promise<Bench>;
  /** False where no reset passes between two programs: pipes. */
  readonly knowsReset: boolean;
}

/** What two kernels' buffers and ours may hold of an unread stream. */
const UNREAD_MAX_BYTES = 16 * 1024 * 1024;

/** A byte may wait neither for company nor for an acknowledgement. */
const ROUND_TRIPS_COUNT = 200;
const ROUND_TRIPS_MAX_MS = 4_000;

/** Tests what every {@linkcode ByteSocket} promises. */
export function testByteSocketContract(candidate: Candidate): void {
  testBytes(candidate);
  testEnds(candidate);
  testPauses(candidate);
  testOwnReset(candidate);
  if (candidate.knowsReset) testFarReset(candidate);
}

function testBytes({ name, open }: Candidate): void {
  test(`${name} carries 10 MiB both ways at once, unchanged`, async () => {
    await using bench = await open("echo");
    const sent = pattern(ANSWER_BYTES);
    const answered = bench.far.readAll();
    await bench.far.write(sent);
    bench.far.end();
    const { bytes, ending } = await answered;
    expect([bytes.byteLength, sha256(bytes), ending])
      .toEqual([sent.byteLength, sha256(sent), "end"]);
    const report = await bench.report;
    expect(report.receivedSha).toBe(sha256(sent));
    expect(report.events.filter((event) => event !== "drain"))
      .toEqual(["end", "closed cleanly"]);
  });

  test(`${name} delays no single byte`, async () => {
    await using bench = await open("echoTwice");
    await roundTrip(bench, 0); // The first one pays for the start.
    const startMs = performance.now();
    for (let i = 1; i <= ROUND_TRIPS_COUNT; i++) await roundTrip(bench, i);
    expect(performance.now() - startMs).toBeLessThan(ROUND_TRIPS_MAX_MS);
  });

  test(`${name} sends single bytes at once and in order`, async () => {
    await using bench = await open("letters");
    // The far end has not ended: nothing but the bytes can push them out.
    const bytes = await bench.far.read(LETTERS_COUNT);
    expect(sha256(bytes)).toBe(sha256(pattern(LETTERS_COUNT)));
  });
}

async function roundTrip({ far }: Bench, value: number): Promise<void> {
  const byte = value & 0xff;
  await far.write(Uint8Array.of(byte));
  expect(await far.read(2)).toEqual(Uint8Array.of(byte, byte));
}

function testEnds({ name, open }: Candidate): void {
  test(`${name} answers 10 MiB after the far end has ended`, async () => {
    await using bench = await open("answerAfterEnd");
    await bench.far.write(pattern(1_000));
    bench.far.end();
    const { bytes, ending } = await bench.far.readAll();
    expect([bytes.byteLength, sha256(bytes), ending])
      .toEqual([ANSWER_BYTES, sha256(pattern(ANSWER_BYTES)), "end"]);
    const report = await bench.report;
    expect(report.events).toEqual(["end", "drain", "closed cleanly"]);
    expect(report.receivedSha).toBe(sha256(pattern(1_000)));
  });

  test(`${name} says that all was taken, even after its end`, async () => {
    await using bench = await open("endUndrained");
    const { bytes } = await bench.far.readAll();
    expect(sha256(bytes)).toBe(sha256(pattern(ANSWER_BYTES)));
    bench.far.end();
    expect((await bench.report).events)
      .toEqual(["drain", "end", "closed cleanly"]);
  });

  test(`${name} reads 10 MiB after its own end, said before handle()`, async () => {
    await using bench = await open("endBeforeHandle");
    const { bytes, ending } = await bench.far.readAll();
    expect([new TextDecoder().decode(bytes), ending]).toEqual(["bye", "end"]);
    const sent = pattern(ANSWER_BYTES);
    const written = bench.far.write(sent);
    await bench.cue();
    await written;
    bench.far.end();
    const report = await bench.report;
    expect([report.receivedBytes, report.receivedSha, report.events])
      .toEqual([sent.byteLength, sha256(sent), ["end", "closed cleanly"]]);
  });

  test(`${name} ends cleanly when both had ended before handle()`, async () => {
    await using bench = await open("endBeforeHandle");
    bench.far.end();
    await bench.far.readAll();
    await bench.cue();
    expect((await bench.report).events).toEqual(["end", "closed cleanly"]);
  });

  test(`${name} keeps what came before handle(), and the end`, async () => {
    await using bench = await open("handleLate");
    const sent = pattern(32 * 1024);
    await bench.far.write(sent);
    bench.far.end();
    await bench.cue();
    const report = await bench.report;
    expect([report.receivedSha, report.events])
      .toEqual([sha256(sent), ["end", "closed cleanly"]]);
  });
}

function testPauses({ name, open }: Candidate): void {
  for (const program of ["pauseAtOnce", "pauseWhileIdle"] as const) {
    test(`${name} reads nothing while paused, and loses nothing (${program})`, async () => {
      await using bench = await open(program);
      await bench.far.write(pattern(1));
      await bench.far.read(1);
      await expectBackpressure(bench, 1);
      expect((await bench.report).pausedBytes).toBe(0);
    });
  }

  test(`${name} reads nothing before handle()`, async () => {
    await using bench = await open("handleLate");
    await expectBackpressure(bench, 0);
  });

  test(`${name} says to wait while the far end reads nothing`, async () => {
    await using bench = await open("flood");
    const first = await bench.far.read(1);
    bench.far.pause();
    await standstill(() => 0, 100);
    await bench.cue();
    const { bytes, ending } = await bench.far.readAll();
    expect([1 + bytes.byteLength, ending]).toEqual([FLOOD_BYTES, "end"]);
    const whole = Buffer.concat([first, bytes]);
    expect(sha256(whole)).toBe(sha256(pattern(FLOOD_BYTES)));
    bench.far.end();
    expect((await bench.report).earlyBytes).toBeLessThan(UNREAD_MAX_BYTES);
  });
}

/** Offers more than any buffer holds before the cue, the rest after it. */
async function expectBackpressure(
  bench: Bench,
  alreadyBytes: number,
): Promise<void> {
  const { far } = bench;
  const chunk = pattern(64 * 1024);
  const chunkCount = FLOOD_BYTES / chunk.byteLength;
  let takenBytes = 0;
  const written = (async () => {
    for (let i = 0; i < chunkCount; i++) {
      await far.write(chunk);
      takenBytes += chunk.byteLength;
    }
  })();
  await standstill(() => takenBytes, 100);
  expect(takenBytes).toBeLessThan(UNREAD_MAX_BYTES);
  await bench.cue();
  await written;
  far.end();
  const report = await bench.report;
  expect([report.receivedBytes, report.events])
    .toEqual([alreadyBytes + FLOOD_BYTES, ["end", "closed cleanly"]]);
}

function testOwnReset({ name, open, knowsReset }: Candidate): void {
  const farEnding = knowsReset ? "reset" : "end";

  test(`${name} calls its own reset no clean end, and reads no more`, async () => {
    await using bench = await open("resetAtFirst");
    await bench.far.write(pattern(10));
    const report = await bench.report;
    expect(report.events).toEqual(["closed streamReset"]);
    expect(report.receivedBytes).toBe(10);
    expect((await bench.far.readAll()).ending).toBe(farEnding);
  });

  test(`${name} may be reset before handle(), and twice`, async () => {
    await using bench = await open("resetBeforeHandle");
    expect((await bench.far.readAll()).ending).toBe(farEnding);
    await bench.cue();
    expect((await bench.report).events).toEqual(["closed streamReset"]);
  });
}

function testFarReset({ name, open }: Candidate): void {
  for (const program of ["echo", "pauseAtOnce", "handleLate"] as const) {
    test(`${name} tells a reset of the far end from an end (${program})`, async () => {
      await using bench = await open(program);
      await bench.far.write(pattern(1));
      if (program !== "handleLate") await bench.far.read(1);
      bench.far.reset();
      await bench.cue();
      expect((await bench.report).events).toEqual(["closed streamReset"]);
    });
  }

  test(`${name} sees a reset after its own end`, async () => {
    await using bench = await open("endBeforeHandle");
    await bench.cue();
    await bench.far.readAll();
    bench.far.reset();
    expect((await bench.report).events).toEqual(["closed streamReset"]);
  });

  test(`${name} sees a reset after the far end's end`, async () => {
    await using bench = await open("answerAfterEnd");
    bench.far.end();
    await bench.far.read(1);
    bench.far.reset();
    const { events } = await bench.report;
    expect([events[0], events.at(-1)]).toEqual(["end", "closed streamReset"]);
  });
}
