/**
 * Protocol 1 peers of the bench's own, each a process:
 *
 *     v1_peer.ts agent RELAY SERVICE_PORT [CA CERT KEY]
 *     v1_peer.ts operator RELAY [CA CERT KEY]
 *
 * They do no more than the protocol asks for, so that the figure is that of
 * what stands between them. Pieces are of 64 KiB, as ours are.
 */
import { readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import WebSocket from "ws";

const DEVICE_ID = 7;
const BUFFERED_MAX_BYTES = 4 * 1024 * 1024;

const [role, relay = "", ...rest] = process.argv.slice(2);
const servicePort = role === "agent" ? Number(rest.shift()) : 0;
const [ca, cert, key] = rest.map((file) => readFileSync(file, "utf8"));

function dial(): WebSocket {
  const options = {
    headers: { "X-Agent-ID": String(DEVICE_ID) },
    perMessageDeflate: false,
    maxPayload: 10_000_000,
    ...(ca && cert && key ? { ca, cert, key } : {}),
  };
  return new WebSocket(relay, [], options as WebSocket.ClientOptions);
}

/** Carries what `socket` says over `link`, slower when that is full. */
function carry(
  socket: Socket,
  link: WebSocket,
  wrap: (hex: string) => object,
  end: object,
): void {
  socket.on("data", (chunk: Buffer) => {
    link.send(JSON.stringify(wrap(chunk.toString("hex"))), () => {
      if (socket.isPaused() && link.bufferedAmount === 0) socket.resume();
    });
    if (link.bufferedAmount > BUFFERED_MAX_BYTES) socket.pause();
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    if (link.readyState === link.OPEN) link.send(JSON.stringify(end));
  });
}

type Said = Readonly<Record<string, string>>;

function runAgent(): void {
  const link = dial();
  const sockets = new Map<string, Socket>();
  link.on("open", () => {
    const services = ["bench"];
    const name = "bench [CID-7]";
    const mode = "tcp_tunnel";
    const type = "register_agent";
    link.send(JSON.stringify({ type, id: DEVICE_ID, name, services, mode }));
  });
  link.on("message", (data) => {
    const said = JSON.parse(String(data)) as Said;
    const id = said["tunnel_id"] ?? "";
    switch (said["type"]) {
      case "registration_ok":
        return void process.stdout.write("ready\n");
      case "start_tcp_tunnel": {
        const socket = connect({ port: servicePort, noDelay: true });
        sockets.set(id, socket);
        const common = { "tunnel_id": id, origin: "agent" };
        carry(
          socket,
          link,
          (hex) => ({ type: "tunnel_data", ...common, data: hex }),
          { type: "close_tunnel", "tunnel_id": id },
        );
        return;
      }
      case "tunnel_data":
        return void sockets.get(id)?.write(
          Buffer.from(said["data"] ?? "", "hex"),
        );
      case "close_tcp_tunnel":
        return void sockets.get(id)?.destroy();
    }
  });
}

function runOperator(): void {
  let count = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    socket.pause();
    const link = dial();
    const id = `cli-${count++}`;
    const start = { type: "start_tcp_tunnel", id: DEVICE_ID, service: "bench" };
    link.on("open", () => {
      link.send(JSON.stringify({ type: "connect_client", mode: "tcp_tunnel" }));
      link.send(JSON.stringify({ ...start, "tunnel_id": id }));
    });
    link.on("message", (data) => {
      const said = JSON.parse(String(data)) as Said;
      if (said["type"] === "tunnel_started") {
        carry(
          socket,
          link,
          (hex) => ({ type: "tunnel_data", "tunnel_id": id, data: hex }),
          { type: "close_tunnel", "tunnel_id": id },
        );
        socket.resume();
      } else if (said["type"] === "tunnel_data") {
        socket.write(Buffer.from(said["data"] ?? "", "hex"));
      } else if (said["type"] === "tunnel_closed") socket.end();
    });
    socket.on("close", () => link.close());
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    process.stdout.write(`listening 127.0.0.1:${port}\n`);
  });
}

if (role === "agent") runAgent();
else runOperator();
