import { readdir } from "node:fs/promises";

/** Returns the names of what is in `path`; none if it cannot be read. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch {
    return []; // Absent or unreadable: there is nothing that we could use.
  }
}
