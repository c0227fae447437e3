const DELAY_MAX_SECONDS = 86_400;

/**
 * Reads the value of `Retry-After`, in seconds or as a date (RFC 9110
 * §10.2.3).
 *
 * Returns milliseconds from now, at most a day; undefined if there is none,
 * or none that can be read.
 */
export function retryAfterMs(value: string | null): number | undefined {
  if (value === null) return undefined;
  const seconds = /^[0-9]{1,15}$/.test(value)
    ? Number(value)
    : (Date.parse(value) - Date.now()) / 1_000;
  if (!Number.isFinite(seconds)) return undefined;
  return Math.round(Math.min(DELAY_MAX_SECONDS, Math.max(0, seconds)) * 1_000);
}

/** Reads the value of `Date` (RFC 9110 §6.6.1); undefined if there is none. */
export function dateMs(value: string | null | undefined): number | undefined {
  const ms = Date.parse(value ?? "");
  return Number.isFinite(ms) ? ms : undefined;
}
