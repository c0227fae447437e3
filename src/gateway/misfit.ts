import { Fault } from "../protocol/fault.ts";
import type { Visitor } from "../transport/visitor.ts";
import type { Route } from "./gateway_routes.ts";

/**
 * Returns why a handshake is not one for us, before anybody is believed.
 *
 * @param route Undefined: there is none to its path.
 */
export function misfit(
  { subprotocols }: Visitor,
  route: Route | undefined,
  isDraining: boolean,
): Fault | undefined {
  if (!route) {
    return new Fault("gatewayRefused", `There is nothing at this path`, {
      hint: "Links begin at /tunnel",
    });
  }
  if (isDraining) {
    return new Fault("gatewayDraining", "The gateway is stopping", {
      hint: "Try again",
      retryAfterMs: 1_000,
    });
  }
  const { subprotocol } = route;
  if (subprotocol && !subprotocols.includes(subprotocol)) {
    return new Fault(
      "versionUnsupported",
      `Cannot speak with a peer that does not offer ${subprotocol}`,
      { hint: "Upgrade the peer" },
    );
  }
  return undefined;
}
