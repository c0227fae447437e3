const LINE_CHARS = 64; // RFC 7468 §2

/**
 * Returns the content of every `label` block in `text`, in order; text and
 * blocks of other labels around them are skipped.
 *
 * @throws {Error} if a block is cut short or is no base64: one that were
 * skipped in silence might be the one that matters.
 */
export function decodePem(text: string, label: string): Uint8Array[] {
  const [, ...parts] = text.split(`-----BEGIN ${label}-----`);
  return parts.map((part) => {
    const end = part.indexOf(`-----END ${label}-----`);
    if (end < 0) throw new Error(`PEM block of ${label} has no end`);
    return Uint8Array.fromBase64(part.slice(0, end));
  });
}

/** Returns `bytes` as one PEM block (RFC 7468). */
export function encodePem(bytes: Uint8Array, label: string): string {
  const base64 = bytes.toBase64();
  const lines: string[] = [];
  for (let at = 0; at < base64.length; at += LINE_CHARS) {
    lines.push(base64.slice(at, at + LINE_CHARS));
  }
  return `-----BEGIN ${label}-----\n${
    lines.join("\n")
  }\n-----END ${label}-----\n`;
}
