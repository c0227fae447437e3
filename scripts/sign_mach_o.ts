import { createHash } from "node:crypto";

// Mach-O, from <mach-o/loader.h>: little endian, 64 bits.
const MAGIC_64 = 0xfeedfacf;
const HEADER_BYTES = 32;
const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;

// Code signatures, from xnu's <kern/cs_blobs.h>: big endian.
const EMBEDDED_SIGNATURE_MAGIC = 0xfade0cc0;
const CODE_DIRECTORY_MAGIC = 0xfade0c02;
const CODE_DIRECTORY_VERSION = 0x20400;
const CODE_DIRECTORY_BYTES = 88;
const SUPER_BLOB_BYTES = 12 + 8;
/** Signed by nobody, by the tool that wrote the file. */
const ADHOC_LINKER_SIGNED = 0x20002;
const HASH_SHA256 = 2;
const HASH_BYTES = 32;
const MAIN_BINARY = 1;
const PAGE_BITS = 12;
const PAGE_BYTES = 1 << PAGE_BITS;
/** Segments end on pages of the larger of Apple's two page sizes. */
const SEGMENT_ALIGN_BYTES = 0x4000;

/**
 * Returns a 64-bit Mach-O file with an ad hoc signature of its own.
 *
 * Bun 1.4.5 leaves the signature of its template in the executables that it
 * compiles for darwin-x64; it no longer matches the pages that were changed,
 * and macOS kills a process whose pages do not match.
 *
 * @param identifier Names the program in the signature.
 */
export function signMachO(file: Uint8Array, identifier: string): Uint8Array {
  const { signature, linkedit, text } = findCommands(file);
  const view = viewOf(file);
  const codeBytes = view.getUint32(signature + 8, true);
  const pages = Math.ceil(codeBytes / PAGE_BYTES);
  const name = new TextEncoder().encode(`${identifier}\0`);
  const hashesAt = CODE_DIRECTORY_BYTES + name.length;
  const directoryBytes = hashesAt + pages * HASH_BYTES;
  const usedBytes = SUPER_BLOB_BYTES + directoryBytes;
  const signatureBytes = Math.ceil(usedBytes / 16) * 16;

  const signed = new Uint8Array(codeBytes + signatureBytes);
  signed.set(file.subarray(0, codeBytes));
  const out = viewOf(signed);
  // The first page, with these three sizes, is hashed too: they come first.
  out.setUint32(signature + 12, signatureBytes, true);
  const start = Number(view.getBigUint64(linkedit + 40, true));
  const bytes = signed.length - start;
  const pagedBytes = Math.ceil(bytes / SEGMENT_ALIGN_BYTES) *
    SEGMENT_ALIGN_BYTES;
  out.setBigUint64(linkedit + 32, BigInt(pagedBytes), true);
  out.setBigUint64(linkedit + 48, BigInt(bytes), true);

  const blob = [
    [EMBEDDED_SIGNATURE_MAGIC, usedBytes, 1],
    [0, SUPER_BLOB_BYTES], // One entry: slot 0, the code directory.
    [CODE_DIRECTORY_MAGIC, directoryBytes, CODE_DIRECTORY_VERSION],
    [ADHOC_LINKER_SIGNED, hashesAt, CODE_DIRECTORY_BYTES, 0, pages, codeBytes],
  ].flat();
  blob.forEach((word, at) => out.setUint32(codeBytes + at * 4, word));
  const directory = codeBytes + SUPER_BLOB_BYTES;
  signed.set([HASH_BYTES, HASH_SHA256, 0, PAGE_BITS], directory + 36);
  out.setBigUint64(directory + 64, view.getBigUint64(text + 40, true));
  out.setBigUint64(directory + 72, view.getBigUint64(text + 48, true));
  out.setBigUint64(directory + 80, BigInt(MAIN_BINARY));
  signed.set(name, directory + CODE_DIRECTORY_BYTES);
  for (let page = 0; page < pages; page++) {
    const from = page * PAGE_BYTES;
    const to = Math.min(from + PAGE_BYTES, codeBytes);
    const hash = createHash("sha256").update(signed.subarray(from, to));
    signed.set(hash.digest(), directory + hashesAt + page * HASH_BYTES);
  }
  return signed;
}

interface Commands {
  readonly signature: number;
  readonly linkedit: number;
  readonly text: number;
}

/** Offsets of the three load commands that a signature depends on. */
function findCommands(file: Uint8Array): Commands {
  const view = viewOf(file);
  if (view.getUint32(0, true) !== MAGIC_64) {
    throw new Error("Cannot sign: this is no 64-bit Mach-O file");
  }
  const found = new Map<string, number>();
  let at = HEADER_BYTES;
  for (let count = view.getUint32(16, true); count > 0; count--) {
    const command = view.getUint32(at, true);
    if (command === LC_CODE_SIGNATURE) found.set("signature", at);
    if (command === LC_SEGMENT_64) found.set(segmentName(file, at), at);
    at += view.getUint32(at + 4, true);
  }
  const offset = (name: string) => {
    const command = found.get(name);
    if (command === undefined) throw new Error(`Cannot sign: no ${name}`);
    return command;
  };
  return {
    signature: offset("signature"),
    linkedit: offset("__LINKEDIT"),
    text: offset("__TEXT"),
  };
}

function segmentName(file: Uint8Array, command: number): string {
  const name = new TextDecoder().decode(
    file.subarray(command + 8, command + 24),
  );
  return name.replace(/\0.*$/s, "");
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
