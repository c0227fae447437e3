import { Fault } from "../protocol/fault.ts";
import { randomHex } from "../protocol/id.ts";
import type { Link } from "../transport/link.ts";
import type { Admitted } from "./admit.ts";

/** An agent's link that came with a good ticket. */
export interface Arrival {
  readonly link: Link;
  readonly agent: Admitted;
}

interface Expected {
  /** The certificate's subject that may use the ticket. */
  readonly subject: string;
  readonly arrived: (arrival: Arrival) => void;
}

/** Where the two links of a tunnel meet: by a ticket that works once. */
export class Rendezvous {
  readonly #expected = new Map<string, Expected>();
  readonly #prefix: string;

  /** @param gatewayId Of several gateways, tickets say whose they are. */
  constructor(gatewayId?: string) {
    this.#prefix = gatewayId === undefined ? "" : `${gatewayId}.`;
  }

  get expectedCount(): number {
    return this.#expected.size;
  }

  /**
   * Makes a ticket for the agent known as `subject`.
   *
   * The caller must {@linkcode forget} it when it stops waiting.
   */
  expect(subject: string, arrived: (arrival: Arrival) => void): string {
    const ticket = this.#prefix + randomHex() + randomHex();
    this.#expected.set(ticket, { subject, arrived });
    return ticket;
  }

  forget(ticket: string): void {
    this.#expected.delete(ticket);
  }

  /**
   * Uses up `ticket` and returns where to hand the link to.
   *
   * A ticket in the wrong hands stays good for its owner: a thief must not
   * be able to keep the tunnel from opening.
   *
   * @throws {Fault} `ticketInvalid` if it was never given out, was used, has
   * run out, or was given to somebody else: the caller does not learn which.
   */
  redeem(ticket: string, subject: string): (arrival: Arrival) => void {
    const expected = this.#expected.get(ticket);
    if (expected?.subject !== subject) {
      throw new Fault("ticketInvalid", "Cannot join tunnel: ticket not valid", {
        hint: "A ticket works once, for a few seconds, for one agent",
      });
    }
    this.#expected.delete(ticket);
    return expected.arrived;
  }
}
