import { createHash } from "node:crypto";
import { join } from "node:path";

/**
 * Writes `SHA256SUMS` over every binary in `dir`, sorted by name, as
 * `sha256sum -c` reads it. Returns what it wrote.
 */
export async function writeChecksums(dir: string): Promise<string> {
  const names = [...new Bun.Glob("migasfree-agent*").scanSync(dir)].sort();
  let text = "";
  for (const name of names) {
    const hash = createHash("sha256");
    for await (const chunk of Bun.file(join(dir, name)).stream()) {
      hash.update(chunk);
    }
    text += `${hash.digest("hex")}  ${name}\n`;
  }
  await Bun.write(join(dir, "SHA256SUMS"), text);
  return text;
}
