/** A way for bytes from a local port to the bench's service. */
export interface OpenPath extends AsyncDisposable {
  /** Each connection to it reaches the service. */
  readonly port: number;
  /** Process ids by role, for figures of memory and CPU. */
  readonly pids: Readonly<Record<string, number>>;
}

/** One of the ways that are compared in a run. */
export interface BenchPath {
  readonly name: string;
  /** What it is, for the table's readers. */
  readonly what: string;
  /** Why it cannot be had here; undefined: it can. */
  readonly missing: () => string | undefined;
  /** Opens the way to the service at `servicePort` of 127.0.0.1. */
  readonly open: (servicePort: number) => Promise<OpenPath>;
}
