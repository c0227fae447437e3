import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, symlink } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { operate } from "../support/operator.ts";
import { type Identity, Site } from "../support/site.ts";
import { serveTcp } from "../support/tcp_peer.ts";

const LIMIT_MS = 30_000;

let site: Site;
let url: string;
let operator: Identity;

beforeAll(async () => {
  site = await Site.create();
  ({ url } = await site.gateway());
  operator = await site.identity("operator", "maria");
  await site.agent({ id: 7, url, services: {} });
}, LIMIT_MS);

afterAll(async () => await site[Symbol.asyncDispose](), LIMIT_MS);

/** Makes a folder that is a whole PATH: a shell, and what else is given. */
async function pathWith(...names: readonly string[]): Promise<string> {
  const dir = join(site.dir, `bin-${names.join("-")}`);
  await mkdir(dir);
  for (const name of names) await symlink("/bin/true", join(dir, name));
  return dir;
}

test("vnc and rdp say what to install where there is no viewer", async () => {
  const run = async (command: string, PATH: string) => {
    const { status, sentence, hint } = await operate(
      site,
      url,
      operator,
      [command, "7"],
      { PATH },
    );
    return { status, sentence, hint };
  };
  const debian = await pathWith("apt-get");
  const fedora = await pathWith("dnf");
  expect(await run("vnc", debian)).toEqual({
    status: 69,
    sentence: "Cannot find a VNC viewer: no xtigervncviewer, vncviewer, " +
      "remmina, krdc, gvncviewer is installed",
    hint: "Install one: sudo apt install tigervnc-viewer",
  });
  expect(await run("rdp", fedora)).toEqual({
    status: 69,
    sentence: "Cannot find an RDP viewer: no xfreerdp3, xfreerdp, " +
      "sdl-freerdp3, sdl-freerdp, wlfreerdp3, wlfreerdp, remmina is installed",
    hint: "Install one: sudo dnf install freerdp",
  });
}, LIMIT_MS);

/** A viewer that says its arguments and what the server says, and ends. */
const VIEWER = `
const [, , host, port, user] = process.argv;
Bun.connect({
  hostname: host,
  port: Number(port),
  socket: {
    data: (_socket, data) => {
      process.stdout.write(host + " " + user + " " + data.toString());
      process.exit(3);
    },
  },
});
`;

test("--viewer starts any program, and passes on its status", async () => {
  const greet = (socket: Socket) => void socket.write("hello\n");
  const { port } = site.own(await serveTcp(greet));
  await site.agent({ id: 8, url, services: { vnc: port, rdp: port } });
  const script = await site.write("a viewer.ts", VIEWER);
  const viewer = `${process.execPath} "${script}" {host} {port}`;
  const run = async (...args: string[]) => {
    const { status, stdout } = await operate(site, url, operator, args);
    return { status, stdout };
  };
  expect(await run("vnc", "aula-8", "--viewer", viewer)).toEqual({
    status: 3,
    stdout: "127.0.0.1 undefined hello\n",
  });
  const withUser = ["--viewer", `${viewer} {user}`];
  expect(await run("rdp", "ana@CID-8", ...withUser)).toEqual({
    status: 3,
    stdout: "127.0.0.1 ana hello\n",
  });
}, LIMIT_MS);
