/** Returns the value below which `share` (0–1) of `values` lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return sorted[at] ?? NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
