/** Something that the demonstration needs did not come up, or did not work. */
export class DemoFailure extends Error {
  override readonly name = "DemoFailure";
  /** What the program that failed has said; may have many lines. */
  readonly said: string;

  constructor(message: string, said = "", cause: unknown = undefined) {
    super(message, { cause });
    this.said = said;
  }

  /** Returns why something, such as "start the gateway", cannot be done. */
  static from(what: string, cause: unknown): DemoFailure {
    if (cause instanceof DemoFailure) {
      return new DemoFailure(
        `Cannot ${what}: ${cause.message}`,
        cause.said,
        cause,
      );
    }
    const said = cause instanceof Error ? cause.message : String(cause);
    return new DemoFailure(`Cannot ${what}`, said, cause);
  }
}
