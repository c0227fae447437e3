/**
 * A long, thin and lossy line between two network namespaces, as a process:
 *
 *     slow_line.ts NEAR_DEVICE FAR_DEVICE
 *
 * It makes two TUN devices, which somebody moves to where they belong, and
 * carries packets between them. Does what netem does with `delay`, `loss`,
 * `rate` and `limit`, on kernels that were built without it. Each line of
 * standard input is a {@linkcode LineOrder}, and holds from then on.
 *
 * One loop that never yields: the delay of a packet must not hang on timers.
 */
import { dlopen, ptr } from "bun:ffi";
import { Lane, type LineOrder } from "./lane.ts";

const { symbols: libc } = dlopen("libc.so.6", {
  open: { args: ["ptr", "i32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  read: { args: ["i32", "ptr", "u64"], returns: "i64" },
  write: { args: ["i32", "ptr", "u64"], returns: "i64" },
});

/** linux/fcntl.h, linux/if_tun.h, poll.h. */
const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 1;
const IFF_NO_PI = 0x1000;
const IFREQ_BYTES = 40;
const IFREQ_FLAGS_OFFSET = 16;
const POLLIN = 1;
const POLLFD_BYTES = 8;

const PACKET_MAX_BYTES = 65_536;
const STDIN = 0;

const [nearName = "", farName = ""] = process.argv.slice(2);
const near = openTun(nearName);
const far = openTun(farName);
process.stdout.write("ready\n");

const there = new Lane(Math.random);
const back = new Lane(Math.random);
let orderCount = 0;
const buffer = new Uint8Array(PACKET_MAX_BYTES);
const waits = pollSet([near, far, STDIN]);
for (;;) {
  libc.poll(ptr(waits), 3, waitMs());
  if (isReadable(2)) obey();
  take(near, there);
  take(far, back);
  deliver(there, far);
  deliver(back, near);
}

function openTun(name: string): number {
  const path = Buffer.from("/dev/net/tun\0");
  const fd = libc.open(ptr(path), O_RDWR | O_NONBLOCK);
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(name);
  request.writeUInt16LE(IFF_TUN | IFF_NO_PI, IFREQ_FLAGS_OFFSET);
  if (fd < 0 || libc.ioctl(fd, TUNSETIFF, ptr(request)) < 0) {
    throw new Error(`Cannot make the TUN device ${name}`);
  }
  return fd;
}

function pollSet(fds: readonly number[]): Buffer {
  const set = Buffer.alloc(POLLFD_BYTES * fds.length);
  for (const [index, fd] of fds.entries()) {
    set.writeInt32LE(fd, index * POLLFD_BYTES);
    set.writeInt16LE(POLLIN, index * POLLFD_BYTES + 4);
  }
  return set;
}

function isReadable(index: number): boolean {
  return waits.readInt16LE(index * POLLFD_BYTES + 6) !== 0;
}

/** Reads the next order; ends with who gives them. */
function obey(): void {
  const count = Number(libc.read(STDIN, ptr(buffer), buffer.length));
  if (count <= 0) process.exit(0);
  const text = Buffer.from(buffer.subarray(0, count)).toString();
  const order = JSON.parse(text.trim().split("\n").at(-1) ?? "") as LineOrder;
  there.order = back.order = order;
  process.stdout.write(`set ${++orderCount}\n`);
}

function take(fd: number, lane: Lane): void {
  for (;;) {
    const count = Number(libc.read(fd, ptr(buffer), buffer.length));
    if (count <= 0) return;
    lane.push(buffer.slice(0, count), performance.now());
  }
}

function deliver(lane: Lane, fd: number): void {
  for (;;) {
    const packet = lane.shift(performance.now());
    if (!packet) return;
    // A device that is full drops it, as a router does.
    libc.write(fd, ptr(packet), packet.length);
  }
}

/** For poll(2): whole milliseconds, none if something is due; -1: for ever. */
function waitMs(): number {
  const dueMs = Math.min(there.dueMs, back.dueMs);
  if (dueMs === Infinity) return -1;
  return Math.max(0, Math.ceil(dueMs - performance.now()));
}
