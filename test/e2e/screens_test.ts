import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Child } from "../support/child.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free_port.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { untilSeen, type XScreen, xScreen } from "../support/x_screen.ts";

const NO_VNC = missingProgram("Xvnc", "vncviewer", "Xvfb", "xlogo", "import");
/** Version 3 has another name on Debian. */
const FREERDP = Bun.which("xfreerdp3") ? "xfreerdp3" : "xfreerdp";
const NO_RDP = missingProgram("xrdp", FREERDP, "Xvfb", "import") ??
  (process.getuid?.() === 0 ? undefined : "xrdp wants to be started by root");

const LIMIT_MS = 30_000;

/** What an X server without clients shows. */
const BLACK = 0;

/** Colours that nothing else on a screen has. */
const BLUE = 0x2060c0;
const ORANGE = 0xe0a020;

/** Of xrdp's login window, and of the screen behind it. */
const XRDP_WINDOW = 0xdedede;
const XRDP_BACKGROUND = 0x009cb5;

/** Of its picture a viewer may hide some behind a message of its own. */
const SHARE_MIN = 0.9;

let site: Site;
let url: string;
let operator: Identity;
let vncPort: number;
let rdpPort: number;

beforeAll(async () => {
  site = await Site.create();
  ({ url } = await site.gateway());
  operator = await site.identity("operator", "maria");
  vncPort = await freePort();
  rdpPort = await freePort();
  const services = { vnc: vncPort, rdp: rdpPort };
  await site.agent({ id: 7, url, services });
}, LIMIT_MS);

afterAll(async () => await site[Symbol.asyncDispose](), LIMIT_MS);

function isEmpty(colours: ReadonlyMap<number, number>): boolean {
  return colours.get(BLACK) === 1024 * 768;
}

/** Starts `migasfree-agent vnc` or `rdp` with a screen of its own. */
async function look(
  args: readonly string[],
): Promise<{ child: Child; screen: XScreen }> {
  const argv = ["-screen", "0", "1024x768x24", "-nolisten", "tcp"];
  const screen = await xScreen(
    site.start(["Xvfb", "-displayfd", "1", ...argv]),
  );
  const flags = site.operatorFlags(url, operator);
  const child = site.start([BINARY, ...args, ...flags], {
    DISPLAY: screen.display,
  });
  return { child, screen };
}

/** Draws a big X of two colours all over a screen of 640 x 480. */
function draw(display: string, fg: number, bg: number): Child {
  const hex = (colour: number) => `#${colour.toString(16).padStart(6, "0")}`;
  const colours = ["-fg", hex(fg), "-bg", hex(bg)];
  const place = ["-display", display, "-geometry", "640x480+0+0"];
  return site.start(["xlogo", ...place, ...colours]);
}

testUnless(NO_VNC)(
  "vnc shows the picture of a real VNC server, and follows it",
  async () => {
    const server = site.start(
      [
        ...["Xvnc", "-displayfd", "1", "-rfbport", String(vncPort)],
        ...["-localhost", "-SecurityTypes", "None"],
        ...["-geometry", "640x480", "-depth", "24"],
      ],
    );
    const source = await xScreen(server);
    await using first = draw(source.display, ORANGE, BLUE);
    await untilSeen(source, "the drawing", (it) => it.has(ORANGE));
    const drawn = await source.colours();
    const least = (colour: number) => SHARE_MIN * (drawn.get(colour) ?? 0);
    expect(least(BLUE) + least(ORANGE)).toBeGreaterThan(270_000);

    const { child, screen } = await look(["vnc", "7"]);
    expect(await child.line(/^Looking /)).toMatch(
      /^Looking at aula-7 \(CID-7\) through 127\.0\.0\.1:\d+$/,
    );
    await untilSeen(
      screen,
      "the picture",
      (it) =>
        (it.get(BLUE) ?? 0) >= least(BLUE) &&
        (it.get(ORANGE) ?? 0) >= least(ORANGE),
    );

    // The same X in the other colours: what changes comes through as well.
    await first[Symbol.asyncDispose]();
    draw(source.display, BLUE, ORANGE);
    await untilSeen(
      screen,
      "the second picture",
      (it) =>
        (it.get(BLUE) ?? 0) >= least(ORANGE) &&
        (it.get(ORANGE) ?? 0) >= least(BLUE),
    );

    // The viewer ends with the command that started it.
    child.kill("SIGTERM");
    expect(await child.exited).not.toBe(0);
    await untilSeen(screen, "an empty screen", isEmpty);
  },
  LIMIT_MS,
);

/** Starts xrdp with a configuration and a log of its own. */
async function startXrdp(
  name: string,
  identity: string,
): Promise<AsyncDisposable & { readonly log: () => Promise<string> }> {
  await mkdir("/run/xrdp", { recursive: true });
  const logFile = join(site.dir, `${name}.log`);
  const ours: Readonly<Record<string, string>> = {
    port: `tcp://127.0.0.1:${rdpPort}`,
    "security_layer": "tls",
    certificate: `${site.pkiDir}/${identity}/cert.pem`,
    "key_file": `${site.pkiDir}/${identity}/key.pem`,
    blue: XRDP_BACKGROUND.toString(16).padStart(6, "0"),
    LogFile: logFile,
    LogLevel: "DEBUG",
    EnableSyslog: "false",
  };
  let ini = await readFile("/etc/xrdp/xrdp.ini", "utf8");
  for (const [key, value] of Object.entries(ours)) {
    // The first of its name: that in [Globals], or in [Logging].
    ini = ini.replace(new RegExp(`^#?${key}=.*$`, "m"), `${key}=${value}`);
  }
  const config = await site.write(`${name}.ini`, ini);
  const server = site.start(["xrdp", "--nodaemon", "--config", config]);
  const log = () => readFile(logFile, "utf8");
  await eventually(
    "xrdp listens",
    () =>
      existsSync(logFile) &&
      /listen_pp done/.test(readFileSync(logFile, "utf8")),
  );
  return { log, [Symbol.asyncDispose]: server[Symbol.asyncDispose] };
}

testUnless(NO_RDP)(
  "rdp shakes hands with a real RDP server, and shows its login window",
  async () => {
    await using server = await startXrdp("xrdp", "gateway");
    const { child, screen } = await look(["rdp", "ana@7"]);
    await untilSeen(
      screen,
      "the login window and what is behind it",
      (it) =>
        (it.get(XRDP_BACKGROUND) ?? 0) > 300_000 &&
        (it.get(XRDP_WINDOW) ?? 0) > 50_000,
    );
    const log = await server.log();
    expect(log).toMatch(/TLS connection established from 127\.0\.0\.1 port /);
    expect(log).toMatch(/Connected client computer name: \S/);
    expect(log).toMatch(/Client supplied username: ana$/m);
    expect(log).toMatch(/client supports new\(color\) cursor/);
    child.kill("SIGTERM");
    await child.exited;
    await untilSeen(screen, "an empty screen", isEmpty);
  },
  LIMIT_MS,
);

testUnless(NO_RDP)(
  "rdp remembers a device's certificate, and takes no other",
  async () => {
    const isLogin = (it: ReadonlyMap<number, number>) =>
      (it.get(XRDP_WINDOW) ?? 0) > 50_000;
    {
      await using _server = await startXrdp("owner", "gateway");
      const { child, screen } = await look(["rdp", "ana@7"]);
      await untilSeen(screen, "the login window", isLogin);
      child.kill("SIGTERM");
      await child.exited;
    }
    await site.identity("computer", "impostor");
    await using _other = await startXrdp("other", "computers/impostor");
    const { child, screen } = await look(["rdp", "ana@7"]);
    expect(await child.exited).not.toBe(0);
    const { stdout, stderr } = child.output();
    expect(stdout + stderr).toMatch(/CID-7\.localhost\.mf\S* .*has changed/);
    expect(isEmpty(await screen.colours())).toBe(true);
  },
  LIMIT_MS,
);
