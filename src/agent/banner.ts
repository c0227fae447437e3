import { plainText } from "../base/text.ts";

/** How to tell that the program behind a port is what it should be. */
export interface BannerProbe {
  /** What the client says first; undefined: the server does. */
  readonly say: Uint8Array | undefined;
  /** Returns what the answer shows, or undefined if it is something else. */
  readonly recognise: (answer: Uint8Array) => string | undefined;
}

/**
 * A TPKT with an X.224 connection request that asks for TLS or CredSSP
 * (RFC 1006 §6; [MS-RDPBCGR] §2.2.1.1).
 */
const RDP_REQUEST = Uint8Array.of(
  ...[3, 0, 0, 19],
  ...[14, 0xe0, 0, 0, 0, 0, 0],
  ...[1, 0, 8, 0, 3, 0, 0, 0],
);

/** X.224 connection confirm ([MS-RDPBCGR] §2.2.1.2). */
const RDP_CONFIRM = 0xd0;

const BANNER_MAX_CHARS = 80;

const PROBES: Readonly<Record<string, BannerProbe>> = {
  // RFC 4253 §4.2
  ssh: { say: undefined, recognise: (answer) => textAfter("SSH-", answer) },
  // RFC 6143 §7.1.1
  vnc: { say: undefined, recognise: (answer) => textAfter("RFB ", answer) },
  rdp: {
    say: RDP_REQUEST,
    recognise: (answer) =>
      answer[0] === 3 && answer[5] === RDP_CONFIRM
        ? "RDP connection confirm"
        : undefined,
  },
};

/** Returns how to recognise the service called `name`, if we know it. */
export function bannerProbe(name: string): BannerProbe | undefined {
  return Object.hasOwn(PROBES, name) ? PROBES[name] : undefined;
}

function textAfter(prefix: string, answer: Uint8Array): string | undefined {
  const text = new TextDecoder("latin1").decode(answer.subarray(0, 256));
  if (!text.startsWith(prefix)) return undefined;
  const [line = ""] = text.split(/[\r\n]/);
  return plainText(line, BANNER_MAX_CHARS);
}
