import { plainText } from "../base/text.ts";
import {
  printSocketAddress,
  type SocketAddress,
} from "../protocol/socket_address.ts";
import type { ProgramChoice, ProgramCommand } from "./choose_program.ts";

/** Whom an RDP viewer talks to. */
export interface RdpTarget {
  /** `ana`, `DOMAIN\ana`; undefined: the viewer asks, or takes its own. */
  readonly user?: string | undefined;
  readonly deviceId: number;
  /** As its agent gives it: shown, and never more. */
  readonly deviceName: string;
  /** Host of the gateway: device 7 of another site is another device. */
  readonly gatewayHost: string;
}

/** Port of VNC display 0, by convention of X. */
const VNC_BASE_PORT = 5_900;

const TITLE_MAX_CHARS = 80;

/** Where Windows programs are that no installer puts into PATH. */
const WINDOWS_VNC_VIEWERS = [
  "tvnviewer",
  "vncviewer",
  "C:\\Program Files\\TightVNC\\tvnviewer.exe",
  "C:\\Program Files\\TigerVNC\\vncviewer.exe",
  "C:\\Program Files\\RealVNC\\VNC Viewer\\vncviewer.exe",
  "C:\\Program Files\\uvnc bvba\\UltraVNC\\vncviewer.exe",
];

/** All take FreeRDP's flags; `3` is how Debian tells it from version 2. */
const FREERDP_PROGRAMS = [
  "xfreerdp3",
  "xfreerdp",
  "sdl-freerdp3",
  "sdl-freerdp",
  "wlfreerdp3",
  "wlfreerdp",
];

/**
 * Returns the ways to look at a VNC server at `address`.
 *
 * @param platform As `process.platform` says.
 */
export function vncCommands(
  platform: string,
  address: SocketAddress,
): ProgramChoice {
  const { host, port } = address;
  const url = `vnc://${printSocketAddress(address)}`;
  // One colon means a display, two a port, to every descendant of RealVNC.
  const hostPort = printSocketAddress(address).replace(/:(\d+)$/, "::$1");
  const whatItIs = "a VNC viewer";
  if (platform === "win32") {
    return {
      whatItIs,
      commands: WINDOWS_VNC_VIEWERS.map((program) =>
        command(program, hostPort)
      ),
      hint: "Install TightVNC or TigerVNC, or name your viewer by --viewer",
      installs: { winget: "winget install GlavSoft.TightVNC" },
    };
  }
  if (platform === "darwin") {
    return {
      whatItIs,
      commands: [
        command("vncviewer", hostPort),
        { ...command("open", url), mayDetach: true },
      ],
      hint: "Install TigerVNC, or name your viewer by --viewer",
    };
  }
  return {
    whatItIs,
    commands: [
      command("xtigervncviewer", hostPort),
      command("vncviewer", hostPort),
      { ...command("remmina", "-c", url), mayDetach: true },
      { ...command("krdc", url), mayDetach: true },
      command("gvncviewer", `${host}:${port - VNC_BASE_PORT}`),
    ],
    hint: "Install TigerVNC, or name your viewer by --viewer",
    installs: {
      "apt-get": "sudo apt install tigervnc-viewer",
      dnf: "sudo dnf install tigervnc",
      zypper: "sudo zypper install tigervnc",
      pacman: "sudo pacman -S tigervnc",
      apk: "sudo apk add tigervnc-client",
    },
  };
}

/**
 * Returns the ways to look at an RDP server at `address`.
 *
 * No viewer is told to ignore certificates. FreeRDP takes a device's first one
 * and asks when it changes; it remembers it under the name that it expects and
 * the port, so `address` should have the same port each time.
 *
 * @param platform As `process.platform` says.
 */
export function rdpCommands(
  platform: string,
  address: SocketAddress,
  target: RdpTarget,
): ProgramChoice {
  const hostPort = printSocketAddress(address);
  const whatItIs = "an RDP viewer";
  const freeRdp = FREERDP_PROGRAMS.map((program) =>
    command(program, ...freeRdpFlags(hostPort, target))
  );
  if (platform === "win32") {
    return {
      whatItIs,
      commands: [command("mstsc", `/v:${hostPort}`)],
      hint: "Name your viewer by --viewer: mstsc.exe is part of Windows",
    };
  }
  if (platform === "darwin") {
    return {
      whatItIs,
      commands: [
        ...freeRdp,
        { ...command("open", rdpUrl(hostPort, target)), mayDetach: true },
      ],
      hint: "Install the Windows App, or name your viewer by --viewer",
      installs: { brew: "brew install freerdp" },
    };
  }
  const login = target.user === undefined
    ? ""
    : `${encodeURIComponent(target.user)}@`;
  return {
    whatItIs,
    commands: [
      ...freeRdp,
      {
        ...command("remmina", "-c", `rdp://${login}${hostPort}`),
        mayDetach: true,
      },
    ],
    hint: "Install FreeRDP, or name your viewer by --viewer",
    installs: {
      "apt-get": "sudo apt install freerdp3-x11, on Debian 12 freerdp2-x11",
      dnf: "sudo dnf install freerdp",
      zypper: "sudo zypper install freerdp",
      pacman: "sudo pacman -S freerdp",
      apk: "sudo apk add freerdp",
    },
  };
}

function freeRdpFlags(hostPort: string, target: RdpTarget): string[] {
  const { user, deviceId, deviceName, gatewayHost } = target;
  const site = gatewayHost.toLowerCase().replace(/[^a-z0-9.-]/g, "-");
  const name = plainText(deviceName, TITLE_MAX_CHARS);
  return [
    `/v:${hostPort}`,
    // Trust on first use, and under whose name: never 127.0.0.1, which every
    // device is.
    `/cert:tofu,name:CID-${deviceId}.${site}.mf`,
    `/t:${name} (CID-${deviceId})`,
    "/dynamic-resolution",
    ...(user === undefined ? [] : [`/u:${user}`]),
  ];
}

/** What the Windows App and its predecessor open on macOS. */
function rdpUrl(hostPort: string, { user }: RdpTarget): string {
  const url = `rdp://full%20address=s:${encodeURIComponent(hostPort)}`;
  if (user === undefined) return url;
  return `${url}&username=s:${encodeURIComponent(user)}`;
}

function command(program: string, ...args: string[]): ProgramCommand {
  return { program, args };
}
