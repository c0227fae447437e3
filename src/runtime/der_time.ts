import { DER_TAGS, type DerReader } from "./der.ts";

/**
 * Reads a time in UTC with seconds, all that RFC 5280 §4.1.2.5 allows.
 *
 * @returns Milliseconds since 1970.
 * @throws {Error} if it is another one, or none.
 */
export function readDerTime(reader: DerReader): number {
  const { tag, content } = reader.read(
    DER_TAGS.utcTime,
    DER_TAGS.generalizedTime,
  );
  const text = new TextDecoder().decode(content);
  const [, year = "", month, day, hours, minutes, seconds] =
    /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text) ?? [];
  // Two digits from 50 on are of the last century (RFC 5280 §4.1.2.5.1).
  const century = tag === DER_TAGS.generalizedTime
    ? ""
    : Number(year) >= 50
    ? "19"
    : "20";
  const timeMs = Date.parse(
    `${century}${year}-${month}-${day}T${hours}:${minutes}:${seconds}Z`,
  );
  if (Number.isNaN(timeMs)) throw new Error("DER has a broken time");
  return timeMs;
}
