// Interim: replaced by the real one.
export function portStates(a: readonly { host: string; port: number }[]): Promise<("open" | "closed" | "unknown")[]> {
  return Promise.resolve(a.map(() => "unknown" as const));
}
