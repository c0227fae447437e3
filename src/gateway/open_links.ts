import { Fault } from "../protocol/fault.ts";
import type { PeerCertificate } from "../transport/visitor.ts";

/** What says whether a certificate is still good. */
export type WatchedCertificate = Pick<PeerCertificate, "notAfterMs" | "raw">;

/** A link that stands as long as its certificate is good. */
export interface OpenLink {
  /** Undefined: it has shown none, and is not watched. */
  readonly certificate: WatchedCertificate | undefined;
  end(fault: Fault): void;
}

/**
 * The links that stand because a certificate was good when they came, so
 * that they end when it is no longer.
 */
export class OpenLinks {
  readonly #links = new Set<OpenLink>();
  readonly #check: (certificate: WatchedCertificate) => void;

  /** @param check Throws a fault for a certificate that is no longer good. */
  constructor(check: (certificate: WatchedCertificate) => void) {
    this.#check = check;
  }

  /** Watches a link until what it returns is disposed. */
  add(
    certificate: WatchedCertificate | undefined,
    end: (fault: Fault) => void,
  ): Disposable {
    const link = { certificate, end };
    this.watch(link);
    return { [Symbol.dispose]: () => this.forget(link) };
  }

  /** As above, until {@linkcode OpenLinks.forget}. */
  watch(link: OpenLink): void {
    if (link.certificate) this.#links.add(link);
  }

  forget(link: OpenLink): void {
    this.#links.delete(link);
  }

  /** Ends each link whose certificate is no longer good. Returns how many. */
  sweep(): number {
    let ended = 0;
    for (const link of [...this.#links]) {
      try {
        if (link.certificate) this.#check(link.certificate);
      } catch (error) {
        ended++;
        this.#links.delete(link);
        link.end(Fault.from(error));
      }
    }
    return ended;
  }
}
