/** [MS-OLEPS] §3.2.1: what the summary information's property set begins with. */
const SUMMARY_FORMAT = Buffer.from("e0859ff2f94f6810ab9108002b27b3d9", "hex");
const REVISION_NUMBER = 9;
const TEXT = 0x1e;
const TIME = 0x40;
/** [MS-OLEPS] §2.18.1: creation, and the last save. */
const TIMES = [12, 13];
/** From 1601-01-01, when a FILETIME begins, to 1970-01-01. */
const EPOCH_OFFSET_SECONDS = 11_644_473_600n;
const TICKS_PER_SECOND = 10_000_000n;

/**
 * Changes the two facts of an .msi that wixl takes from the clock and from
 * chance, in its summary information: when it was made, and which one it is.
 *
 * @param packageCode `{XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX}`.
 */
export function nameMsi(
  msi: Uint8Array,
  packageCode: string,
  epochSeconds: number,
): Uint8Array {
  const bytes = Buffer.from(msi);
  const at = bytes.indexOf(SUMMARY_FORMAT);
  if (at < 0 || bytes.indexOf(SUMMARY_FORMAT, at + 1) >= 0) {
    throw new Error("The .msi has no summary information, or several");
  }
  // Where the section begins is said from the head of the set, 28 bytes before.
  const section = at - 28 + bytes.readUInt32LE(at + SUMMARY_FORMAT.length);
  const places = new Map<number, number>();
  const count = bytes.readUInt32LE(section + 4);
  for (let index = 0; index < count; index++) {
    const row = section + 8 + 8 * index;
    places.set(
      bytes.readUInt32LE(row),
      section + bytes.readUInt32LE(row + 4),
    );
  }
  const code = placeOf(places, REVISION_NUMBER, TEXT, bytes);
  // The length that is said includes the zero behind the text.
  if (bytes.readUInt32LE(code) !== packageCode.length + 1) {
    throw new Error(`The .msi has no room for ${packageCode}`);
  }
  bytes.write(packageCode, code + 4, "latin1");
  const ticks = (BigInt(epochSeconds) + EPOCH_OFFSET_SECONDS) *
    TICKS_PER_SECOND;
  for (const property of TIMES) {
    bytes.writeBigUInt64LE(ticks, placeOf(places, property, TIME, bytes));
  }
  return bytes;
}

/** Where the value of a property is, behind its type. */
function placeOf(
  places: ReadonlyMap<number, number>,
  property: number,
  type: number,
  bytes: Buffer,
): number {
  const place = places.get(property);
  if (place === undefined || bytes.readUInt32LE(place) !== type) {
    throw new Error(`The .msi does not say property ${property} as ${type}`);
  }
  return place + 4;
}
