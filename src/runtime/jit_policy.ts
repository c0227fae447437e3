/**
 * How much longer than usual code runs before it is compiled, in a process
 * that has nothing to do: scripts/build.ts has the binary begin with it.
 */
export const IDLE_JIT_SCALE = 1_000;

/** Code that runs often is compiled from now on, as is usual. */
export function allowJit(): void {
  Bun.unsafe.setJITPolicy(1);
}

/** Code is hardly compiled from now on: it would be memory for seldom work. */
export function spareJit(): void {
  Bun.unsafe.setJITPolicy(IDLE_JIT_SCALE);
}
