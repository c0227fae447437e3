/**
 * Resolves once `read` has said the same for `turnCount` milliseconds in a
 * row: for what only the kernel knows, such as a pipe that is full.
 */
export async function standstill(
  read: () => number | Promise<number>,
  turnCount: number,
): Promise<void> {
  let last = Number.NaN;
  for (let turns = 0; turns < turnCount; turns++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const now = await read();
    if (now !== last) turns = 0;
    last = now;
  }
}
