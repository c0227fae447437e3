import { plainText } from "../base/text.ts";
import type { Principal } from "../policy/identity.ts";
import { Fault } from "../protocol/fault.ts";
import type { Caller, Visitor } from "../transport/visitor.ts";
import {
  addressOf,
  admit,
  type Admitted,
  type IdentitySource,
  needRole,
} from "./admit.ts";
import { LinkSlots } from "./link_slots.ts";
import type { GatewayPorts } from "./ports.ts";
import { type Refusal, RefusalLimiter } from "./refusal_limiter.ts";
import { FORWARDED_HEADER } from "./statement.ts";

/** More than this is no name but an attempt to fill the disk. */
const SUBJECT_MAX_CHARS = 512;

/** Lets callers in, each as what it is, and writes down whom it does not. */
export class Door {
  readonly #ports: GatewayPorts;
  readonly #slots: LinkSlots;
  readonly #refusals: RefusalLimiter;
  /** Whom another gateway has let in; undefined: nobody whom it knows. */
  readonly #forwarded = new WeakMap<Caller, Admitted | undefined>();

  constructor(ports: GatewayPorts) {
    this.#ports = ports;
    this.#slots = new LinkSlots(ports.limits);
    this.#refusals = new RefusalLimiter(
      ports.clock,
      (record) => ports.audit.write(record),
    );
  }

  /** Writes a tunnel's refusal down, unless there were too many like it. */
  write(refusal: Refusal): void {
    this.#refusals.write(refusal);
  }

  /** Writes what was only counted, for minutes that are over. */
  sweep(): void {
    this.#refusals.sweep();
  }

  /** Writes what was only counted, now: nothing will come after. */
  flush(): void {
    this.#refusals.flush();
  }

  /** Reads what another gateway says of a caller, if one says something. */
  async hear(visitor: Visitor): Promise<void> {
    const text = visitor.header(FORWARDED_HEADER);
    if (text === undefined) return;
    const { path, query } = visitor;
    const target = query.size === 0 ? path : `${path}?${query}`;
    const statements = this.#ports.cluster?.statements;
    this.#forwarded.set(visitor, await statements?.read(text, target));
  }

  /**
   * Counts one more link of `caller`, whoever it is, until disposed.
   *
   * @throws {Fault} `quotaExceeded`, written down.
   */
  takeSlot(caller: Caller, path: string): Disposable {
    try {
      return this.#slots.take(this.#addressOf(caller));
    } catch (error) {
      throw this.refuse(caller, path, error);
    }
  }

  /** Resolves once no link is open any more. One caller in all. */
  emptied(): Promise<void> {
    return this.#slots.emptied();
  }

  /**
   * Establishes who `caller` is, and that it has `role`.
   *
   * @throws {Fault} Why not, written down.
   */
  admit(caller: Caller, path: string, role?: Principal["role"]): Admitted {
    try {
      const admitted = this.#forwarded.has(caller)
        ? this.#forwarded.get(caller) ?? unknownGateway()
        : admit(caller, this.#ports.identity, role);
      if (role) needRole(admitted, role);
      return admitted;
    } catch (error) {
      throw this.refuse(caller, path, error);
    }
  }

  /**
   * Serves a link; what its caller does wrong is written down as refused.
   *
   * @throws {Fault} Why it was.
   */
  auditing<T>(visitor: Visitor, serve: () => Promise<T>): Promise<T> {
    return Promise.try(serve).catch((error: unknown) => {
      throw this.refuse(visitor, visitor.path, error);
    });
  }

  /** Writes down that `caller` was refused, and returns why as a fault. */
  refuse(caller: Caller, path: string, error: unknown): Fault {
    const fault = Fault.from(error);
    const address = this.#addressOf(caller);
    this.#ports.metrics.linkRefused(fault.code);
    this.#ports.log.warn("link.refused", { address, path }, fault);
    this.#refusals.write({
      event: "link.refused",
      address,
      subject: subjectOf(caller, this.#ports.identity.source),
      path,
      code: fault.code,
      message: fault.message,
    });
    return fault;
  }

  #addressOf(caller: Caller): string {
    return this.#forwarded.get(caller)?.address ??
      addressOf(caller, this.#ports.identity.source);
  }
}

/** @throws {Fault} `identityForged`: the header is no gateway's of this site. */
function unknownGateway(): never {
  throw new Fault(
    "identityForged",
    `Cannot believe ${FORWARDED_HEADER}: no gateway of this site said it`,
    { hint: "Leave it out; gateways share one Redis, and the time" },
  );
}

/** The subject that a caller shows, believed or not, for the audit only. */
function subjectOf(caller: Caller, source: IdentitySource): string | undefined {
  if (source.tag === "header") {
    const shown = caller.header(source.name);
    return shown ? plainText(shown, SUBJECT_MAX_CHARS) : undefined;
  }
  const subject = caller.certificate?.subject;
  if (!subject) return undefined;
  return Object.entries(subject).map(([type, value]) => `/${type}=${value}`)
    .join("").slice(0, SUBJECT_MAX_CHARS);
}
