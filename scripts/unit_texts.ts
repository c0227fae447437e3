/** Returns the files of `systemd/`, from the repository's root, by their names. */
export async function unitTexts(): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  const names = await Array.fromAsync(new Bun.Glob("*").scan("systemd"));
  // The order of a directory is anybody's, and the same tree gives the same bytes.
  for (const name of names.sort()) {
    texts[name] = await Bun.file(`systemd/${name}`).text();
  }
  return texts;
}
