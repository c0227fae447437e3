import type { GatewayDoor } from "../gateway/config.ts";
import { readText } from "../runtime/files.ts";

/** Blocks that anybody may see; a key in the same file is none of them. */
const BLOCK_REGEXP =
  /-----BEGIN (CERTIFICATE|X509 CRL)-----[A-Za-z0-9+/=\s]+-----END \1-----/g;

/** What a gateway that speaks TLS itself has to show of its clients' CA. */
export interface PublicPem {
  readonly ca: () => Promise<string | undefined>;
  readonly crl: () => Promise<string | undefined>;
}

/** Returns what can be read from the files of `door`, each time anew. */
export function publicPem(door: GatewayDoor): PublicPem {
  const files = door.tag === "tls"
    ? { ca: [door.clientCaFile], crl: door.crlFiles }
    : { ca: [], crl: [] };
  return {
    ca: () => blocksOf(files.ca, "client CA"),
    crl: () => blocksOf(files.crl, "CRL"),
  };
}

async function blocksOf(
  paths: readonly string[],
  what: string,
): Promise<string | undefined> {
  const texts = await Promise.all(paths.map((path) => readText(path, what)));
  const blocks = texts.flatMap((text) => text.match(BLOCK_REGEXP) ?? []);
  return blocks.length === 0
    ? undefined
    : blocks.map((block) => `${block}\n`).join("");
}
