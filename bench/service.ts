/**
 * The service at the far end of every path, as a process of its own: its
 * argument is the address that it listens on (127.0.0.1). A connection says what it wants by one line:
 *
 *     D <bytes>   the service sends so many random bytes, then ends
 *     U <bytes>   it reads so many, then says "ok"
 *     E           it sends back what it gets
 *     H           it says "hello" and ends: how long opening takes
 */
import { randomBytes } from "node:crypto";
import { createServer, type Socket } from "node:net";

const BLOCK = randomBytes(4 * 1024 * 1024);
const PIECE_BYTES = 256 * 1024;

const server = createServer({ allowHalfOpen: true, noDelay: true }, serve);
server.listen(0, process.argv[2] ?? "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address) {
    process.stdout.write(`listening 127.0.0.1:${address.port}\n`);
  }
});

function serve(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  socket.once("data", (first: Buffer) => {
    const end = first.indexOf("\n");
    const [what, count] = first.subarray(0, end).toString().split(" ");
    const rest = first.subarray(end + 1);
    const bytes = Number(count);
    if (what === "D") return send(socket, bytes);
    if (what === "U") return take(socket, bytes, rest);
    if (what === "E") return echo(socket, rest);
    socket.end("hello");
  });
}

function send(socket: Socket, bytes: number): void {
  let left = bytes;
  const more = () => {
    while (left > 0) {
      const from = (bytes - left) % (BLOCK.length - PIECE_BYTES);
      const piece = BLOCK.subarray(from, from + Math.min(left, PIECE_BYTES));
      left -= piece.length;
      if (!socket.write(piece)) return;
    }
    socket.end();
  };
  socket.on("drain", more);
  more();
}

function take(socket: Socket, bytes: number, rest: Buffer): void {
  let left = bytes - rest.length;
  const check = () => {
    if (left <= 0) socket.end("ok");
  };
  socket.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    check();
  });
  check();
}

function echo(socket: Socket, rest: Buffer): void {
  if (rest.length > 0) socket.write(rest);
  socket.on("data", (chunk: Buffer) => {
    if (!socket.write(chunk)) socket.pause();
  });
  socket.on("drain", () => socket.resume());
  socket.on("end", () => socket.end());
}
