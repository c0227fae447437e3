import type { Child } from "./child.ts";

/** An X server without a screen of glass, and what is on it. */
export interface XScreen {
  /** What DISPLAY is for its clients. */
  readonly display: string;
  /** How many pixels have each colour: 0xRRGGBB => count. */
  readonly colours: () => Promise<ReadonlyMap<number, number>>;
}

const POLL_MS = 100;
const PATIENCE_MS = 15_000;

/**
 * Returns the screen of an X server that was started with `-displayfd 1`: it
 * finds a free display by itself, and says which when it is ready.
 */
export async function xScreen(server: Child): Promise<XScreen> {
  const display = `:${await server.line(/^\d+$/)}`;
  return { display, colours: () => coloursOf(display) };
}

/** Resolves with the colours of a screen, once `isSeen` says that they do. */
export async function untilSeen(
  screen: XScreen,
  what: string,
  isSeen: (colours: ReadonlyMap<number, number>) => boolean,
): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const colours = await screen.colours();
    if (isSeen(colours)) return;
    if (performance.now() > endMs) {
      const most = [...colours].sort(([, a], [, b]) => b - a).slice(0, 5)
        .map(([colour, count]) => `${count} of #${colour.toString(16)}`);
      throw new Error(`Waited in vain for ${what}; there are ${most}`);
    }
    await Bun.sleep(POLL_MS);
  }
}

async function coloursOf(display: string): Promise<Map<number, number>> {
  const argv = ["import", "-display", display, "-window", "root"];
  const child = Bun.spawn([...argv, "-depth", "8", "rgb:-"], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const bytes = await new Response(child.stdout).bytes();
  if (await child.exited !== 0) throw new Error(`Cannot look at ${display}`);
  const counts = new Map<number, number>();
  for (let at = 0; at + 2 < bytes.length; at += 3) {
    const [red = 0, green = 0, blue = 0] = bytes.subarray(at, at + 3);
    const colour = red << 16 | green << 8 | blue;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  return counts;
}
