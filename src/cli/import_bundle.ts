import { basename } from "node:path";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { readBytes, readText } from "../runtime/files.ts";
import {
  type StoredIdentity,
  storeIdentity,
} from "../runtime/identity_store.ts";
import { checkPkcs12 } from "../runtime/pkcs12.ts";
import {
  openPkcs12Identity,
  type Pkcs12Identity,
} from "../runtime/pkcs12_identity.ts";
import { askTerminal, isTerminal } from "../runtime/terminal.ts";
import { type Options, textOption } from "./options.ts";

const SHOWN_MAX_CHARS = 120;

/** Says a line to the person. */
type Say = (line: string) => void;

/**
 * Opens a PKCS#12 file with the password of `--password-file`, else of
 * `MIGASFREE_CONNECT_PASSWORD`, else of the person at the terminal, who is
 * asked once.
 *
 * @throws {Fault} `usageInvalid` if there is nobody to ask, `configInvalid`
 * if the file cannot be read or used.
 */
export async function openBundle(
  path: string,
  options: Options,
  signal: AbortSignal,
): Promise<Pkcs12Identity> {
  const bytes = await readBytes(path, "PKCS#12 file");
  // Before anybody types a password for it.
  await checkPkcs12(bytes, path);
  const password = await passwordFor(path, options, signal);
  return await openPkcs12Identity(bytes, password, path);
}

/** Puts an identity into its folder, and says so. @throws {Fault} `configInvalid` */
export async function storeBundle(
  folder: string,
  identity: Pkcs12Identity,
  mayReplace: boolean,
  say: Say,
): Promise<StoredIdentity> {
  const stored = await storeIdentity(folder, identity, mayReplace);
  const { subject, validTo } = identity;
  const shown = [subject["CN"], subject["O"]].flat()
    .filter((it) => it !== undefined)
    .map((it) => plainText(it, SHOWN_MAX_CHARS)).join(" of ");
  const day = validTo.toISOString().slice(0, 10);
  say(`Imported the certificate of ${shown}, valid until ${day}`);
  say(`It is in ${folder}`);
  if (validTo.getTime() < Date.now()) {
    say("WARNING: that certificate has expired");
  }
  if (stored.ca_file === undefined) {
    say(
      "The file holds no CA certificate: unless this computer knows the " +
        `site's CA, save that as ${folder}/ca.pem`,
    );
  }
  return stored;
}

async function passwordFor(
  path: string,
  options: Options,
  signal: AbortSignal,
): Promise<string> {
  const file = textOption(options, "passwordFile");
  if (file !== undefined) {
    const text = await readText(file, "password file");
    return text.split(/\r?\n/, 1)[0] ?? "";
  }
  const given = process.env["MIGASFREE_CONNECT_PASSWORD"];
  // What we start, a viewer or ssh, has no business with it.
  delete process.env["MIGASFREE_CONNECT_PASSWORD"];
  if (given !== undefined) return given;
  if (isTerminal()) {
    const name = plainText(basename(path), SHOWN_MAX_CHARS);
    return await askTerminal(`Password of ${name}: `, true, signal);
  }
  throw new Fault(
    "usageInvalid",
    `Cannot open ${path}: it wants a password, and there is nobody to ask`,
    { hint: "Set MIGASFREE_CONNECT_PASSWORD, or give --password-file FILE" },
  );
}
