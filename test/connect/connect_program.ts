/**
 * Stands in for `migasfree-agent connect … --stdio`: expects exactly that and
 * carries the bytes to the local port that `--to` names.
 */
import { connect } from "node:net";

const [command, device, service, stdio, to, port, ...rest] = process.argv
  .slice(2);
const expected = ["connect", "ssh", "--stdio", "--to"];
const given = [command, service, stdio, to];
if (JSON.stringify(given) !== JSON.stringify(expected) || rest.length > 0) {
  process.stderr.write(`Called with ${JSON.stringify(process.argv)}\n`);
  process.exit(64);
}
process.stderr.write(`connect to ${device}\n`);
const socket = connect({ port: Number(port), host: "127.0.0.1" });
process.stdin.pipe(socket);
socket.pipe(process.stdout);
socket.on("close", () => process.exit(0));
