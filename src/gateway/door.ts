import { plainText } from "../base/text.ts";
import type { Principal } from "../policy/identity.ts";
import { Fault } from "../protocol/fault.ts";
import type { Caller } from "../transport/visitor.ts";
import {
  addressOf,
  admit,
  type Admitted,
  type IdentitySource,
  needRole,
} from "./admit.ts";
import type { GatewayPorts } from "./ports.ts";
import { Quota } from "./quota.ts";
import { type Refusal, RefusalLimiter } from "./refusal_limiter.ts";

/** More than this is no name but an attempt to fill the disk. */
const SUBJECT_MAX_CHARS = 512;

/** Lets callers in, each as what it is, and writes down whom it does not. */
export class Door {
  readonly #ports: GatewayPorts;
  readonly #linksPerAddress: Quota;
  readonly #allLinks: Quota;
  readonly #refusals: RefusalLimiter;

  constructor(ports: GatewayPorts) {
    const { limits } = ports;
    this.#ports = ports;
    this.#linksPerAddress = new Quota(
      "address",
      limits.linksPerAddressMax,
      "links",
    );
    this.#allLinks = new Quota("gateway", limits.linksMax, "links");
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

  /**
   * Counts one more link of `caller`, whoever it is, until disposed.
   *
   * @throws {Fault} `quotaExceeded`, written down.
   */
  takeSlot(caller: Caller, path: string): Disposable {
    const slots = new DisposableStack();
    try {
      slots.use(this.#allLinks.take("all"));
      const address = addressOf(caller, this.#ports.identity.source);
      slots.use(this.#linksPerAddress.take(address));
    } catch (error) {
      slots.dispose();
      throw this.refuse(caller, path, error);
    }
    return slots;
  }

  /**
   * Establishes who `caller` is, and that it has `role`.
   *
   * @throws {Fault} Why not, written down.
   */
  admit(caller: Caller, path: string, role?: Principal["role"]): Admitted {
    try {
      const admitted = admit(caller, this.#ports.identity);
      if (role) needRole(admitted, role);
      return admitted;
    } catch (error) {
      throw this.refuse(caller, path, error);
    }
  }

  /** Writes down that `caller` was refused, and returns why as a fault. */
  refuse(caller: Caller, path: string, error: unknown): Fault {
    const fault = Fault.from(error);
    const address = addressOf(caller, this.#ports.identity.source);
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
