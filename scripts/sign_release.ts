import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { fill } from "./package_commands.ts";
import { scriptText } from "./package_formats.ts";

const PROGRAM_MODE = 0o755;
const NO_KEY = "#KEY#";

/**
 * Signs `SHA256SUMS` of `dir` with an Ed25519 key, and puts install.sh beside
 * it, which believes that key and no other.
 *
 * @param key PEM, PKCS#8.
 */
export async function signRelease(
  dir: string,
  key: string,
  version: string,
): Promise<void> {
  const privateKey = createPrivateKey(key);
  if (privateKey.asymmetricKeyType !== "ed25519") {
    throw new Error("Cannot sign a release: the key is no Ed25519 key");
  }
  const sums = await Bun.file(join(dir, "SHA256SUMS")).bytes();
  // RFC 8032 §5.1: pure Ed25519, no digest before it.
  const signature = sign(null, sums, privateKey);
  await Bun.write(join(dir, "SHA256SUMS.sig"), signature);
  const script = await installScript(publicPem(key), version);
  await Bun.write(join(dir, "install.sh"), script);
  await chmod(join(dir, "install.sh"), PROGRAM_MODE);
}

/** Returns install.sh as it is handed out: with its key and its version. */
export async function installScript(
  publicKey: string,
  version: string,
): Promise<string> {
  const text = fill(await scriptText("install.sh"), {
    HELP: (await Bun.file("packaging/install_help.txt").text()).trimEnd(),
    DOWNLOAD: await partOf("download"),
    PLACE: await partOf("place"),
  });
  if (!text.includes(NO_KEY)) throw new Error("install.sh has no #KEY#");
  return text.replace(NO_KEY, publicKey.trim())
    .replace("#VERSION#", version);
}

async function partOf(name: string): Promise<string> {
  const text = await Bun.file(`packaging/install_${name}.sh`).text();
  return text.trimEnd();
}

function publicPem(key: string): string {
  return createPublicKey(key).export({ type: "spki", format: "pem" })
    .toString();
}
