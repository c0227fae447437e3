import type { Principal } from "../policy/identity.ts";
import type { GatewayLimits } from "./ports.ts";
import { Quota } from "./quota.ts";

/** Who takes part in a tunnel, as far as ceilings go. */
export interface TunnelParties {
  readonly operator: Principal;
  readonly deviceId: number;
  readonly address: string;
}

/** The ceilings on tunnels that are open or being opened. */
export class TunnelQuotas {
  readonly #perOperator: Quota;
  readonly #perDevice: Quota;
  readonly #perAddress: Quota;

  constructor(limits: GatewayLimits) {
    this.#perOperator = new Quota("operator", limits.tunnelsPerOperatorMax);
    this.#perDevice = new Quota("device", limits.tunnelsPerDeviceMax);
    this.#perAddress = new Quota("address", limits.tunnelsPerAddressMax);
  }

  /**
   * Counts one tunnel for each of `parties` until disposed.
   *
   * @throws {Fault} `quotaExceeded`; nothing is then counted.
   */
  take(parties: TunnelParties): Disposable {
    const slots = new DisposableStack();
    try {
      const { name, subject } = parties.operator;
      slots.use(this.#perOperator.take(subject, name));
      slots.use(this.#perDevice.take(String(parties.deviceId)));
      slots.use(this.#perAddress.take(parties.address));
    } catch (error) {
      slots.dispose();
      throw error;
    }
    return slots;
  }
}
