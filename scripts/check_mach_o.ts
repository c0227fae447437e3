import { createHash } from "node:crypto";

// Mach-O, from <mach-o/loader.h>: little endian, 64 bits.
const MAGIC_64 = 0xfeedfacf;
const HEADER_BYTES = 32;
const LC_CODE_SIGNATURE = 0x1d;

// Code signatures, from xnu's <kern/cs_blobs.h>: big endian.
const EMBEDDED_SIGNATURE_MAGIC = 0xfade0cc0;
const CODE_DIRECTORY_MAGIC = 0xfade0c02;
const HASH_SHA256 = 2;

/** What the signature of a Mach-O file says about the file. */
export interface SignedPages {
  readonly identifier: string;
  readonly count: number;
  /** Numbers of pages that do not have the hash that was signed. */
  readonly wrong: readonly number[];
}

/**
 * Hashes every page of a signed 64-bit Mach-O file, as macOS does before it
 * runs one; it kills a process with a page that does not match.
 *
 * @throws {Error} If there is no signature with SHA-256 hashes that covers the
 * file up to itself.
 */
export function checkMachO(file: Uint8Array): SignedPages {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const signature = signatureOffset(view);
  if (view.getUint32(signature) !== EMBEDDED_SIGNATURE_MAGIC) {
    throw new Error("Cannot check: there is no embedded signature");
  }
  const at = directoryOffset(view, signature);
  const word = (offset: number) => view.getUint32(at + offset);
  const hashBytes = view.getUint8(at + 36);
  if (view.getUint8(at + 37) !== HASH_SHA256) {
    throw new Error("Cannot check: the hashes are not SHA-256");
  }
  const pageBytes = 1 << view.getUint8(at + 39);
  const [hashes, name, count, codeBytes] = [
    word(16),
    word(20),
    word(28),
    word(32),
  ];
  if (codeBytes !== signature || count !== Math.ceil(codeBytes / pageBytes)) {
    throw new Error("Cannot check: the signature covers another length");
  }
  const wrong: number[] = [];
  for (let page = 0; page < count; page++) {
    const from = page * pageBytes;
    const bytes = file.subarray(from, Math.min(from + pageBytes, codeBytes));
    const hash = createHash("sha256").update(bytes).digest();
    const signed = at + hashes + page * hashBytes;
    if (!hash.equals(file.subarray(signed, signed + hashBytes))) {
      wrong.push(page);
    }
  }
  const end = file.indexOf(0, at + name);
  const identifier = new TextDecoder().decode(file.subarray(at + name, end));
  return { identifier, count, wrong };
}

function signatureOffset(view: DataView): number {
  if (view.getUint32(0, true) !== MAGIC_64) {
    throw new Error("Cannot check: this is no 64-bit Mach-O file");
  }
  let at = HEADER_BYTES;
  for (let count = view.getUint32(16, true); count > 0; count--) {
    if (view.getUint32(at, true) === LC_CODE_SIGNATURE) {
      return view.getUint32(at + 8, true);
    }
    at += view.getUint32(at + 4, true);
  }
  throw new Error("Cannot check: there is no signature");
}

function directoryOffset(view: DataView, signature: number): number {
  for (let blob = 0; blob < view.getUint32(signature + 8); blob++) {
    const at = signature + view.getUint32(signature + 16 + blob * 8);
    if (view.getUint32(at) === CODE_DIRECTORY_MAGIC) return at;
  }
  throw new Error("Cannot check: there is no code directory");
}
