import type { Child } from "../test/support/child.ts";
import { BINARY } from "../test/support/site.ts";
import { missingProgram } from "../test/support/test_unless.ts";
import { untilSeen, xScreen } from "../test/support/x_screen.ts";
import type { ChaosTally } from "./chaos_tally.ts";
import type { ChaosWorld } from "./chaos_world.ts";

const COLOURS = [0x2060c0, 0xe0a020] as const;
const DRAW_EVERY_MS = 4_000;
/** Of its picture a viewer may hide some behind a message of its own. */
const SHARE_MIN = 0.8;

/** Returns why there can be no VNC session here, or undefined. */
export function vncMissing(): string | undefined {
  return missingProgram("Xvnc", "vncviewer", "Xvfb", "xlogo", "import");
}

/**
 * A real viewer looks at a real VNC server whose picture changes all the
 * time; at the end it must show what is there.
 */
export async function runVnc(
  world: ChaosWorld,
  port: number,
  tally: ChaosTally,
  goesOn: () => boolean,
): Promise<void> {
  const { operator, site, url } = world;
  const source = await xScreen(site.start([
    ...["Xvnc", "-displayfd", "1", "-rfbport", String(port), "-localhost"],
    ...["-SecurityTypes", "None", "-geometry", "320x240", "-depth", "24"],
  ]));
  const shown = ["-screen", "0", "640x480x24", "-nolisten", "tcp"];
  const screen = await xScreen(
    site.start(["Xvfb", "-displayfd", "1", ...shown]),
  );
  const flags = site.operatorFlags(url, operator);
  const viewer = site.start([BINARY, "vnc", "7", ...flags], {
    DISPLAY: screen.display,
  });
  let isOver = false;
  void viewer.exited.then(() => isOver = true);
  let drawing: Child | undefined;
  let turn = 0;
  while (goesOn() && !isOver) {
    await drawing?.[Symbol.asyncDispose]();
    const [fg = 0, bg = 0] = turn++ % 2 === 0 ? COLOURS : COLOURS.toReversed();
    drawing = draw(world, source.display, fg, bg);
    await Bun.sleep(DRAW_EVERY_MS);
  }
  try {
    const drawn = await source.colours();
    await untilSeen(
      screen,
      "the last picture",
      (it) =>
        COLOURS.every((colour) =>
          (it.get(colour) ?? 0) >= SHARE_MIN * (drawn.get(colour) ?? 1)
        ),
    );
    if (isOver) throw new Error("The viewer has ended");
    tally.done("vnc");
  } catch (error) {
    tally.lost.push(`vnc: ${error} ${viewer.output().stderr.slice(-300)}`);
  }
}

function draw(
  { site }: ChaosWorld,
  display: string,
  fg: number,
  bg: number,
): Child {
  const hex = (colour: number) => `#${colour.toString(16).padStart(6, "0")}`;
  const colours = ["-fg", hex(fg), "-bg", hex(bg)];
  const place = ["-display", display, "-geometry", "320x240+0+0"];
  return site.start(["xlogo", ...place, ...colours]);
}
