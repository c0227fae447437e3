import type { OperatorConfig } from "../connect/config.ts";
import type { OperatorPorts } from "../connect/ports.ts";
import { Fault } from "../protocol/fault.ts";
import { STREAM_SUBPROTOCOL } from "../protocol/version.ts";
import { HttpsClient } from "../runtime/https_client.ts";
import type { IdentityFiles } from "../runtime/identity_files.ts";
import { type DialRequest, dialWebSocket } from "../runtime/ws_dial.ts";
import { isHandshakeRefused } from "../runtime/dial_fault.ts";
import { withCaHint } from "./ca_hint.ts";

/** How long a handshake with the gateway may take, name look-up included. */
const DIAL_TIMEOUT_MS = 10_000;

/**
 * Returns why a TLS handshake failed: `fetch` of Bun 1.4.5 keeps the server's
 * alert to itself, a WebSocket that dials the same address tells it. Any other
 * error comes back as it is.
 */
async function handshakeFault(
  error: unknown,
  how: Omit<DialRequest, "subprotocol" | "headers">,
  signal: AbortSignal,
): Promise<unknown> {
  if (!(error instanceof Fault) || !isHandshakeRefused(error.cause)) {
    return error;
  }
  const url = how.url.replace(/^http/, "ws");
  const again = { ...how, url, subprotocol: STREAM_SUBPROTOCOL, headers: {} };
  try {
    const link = await dialWebSocket(again, signal);
    link.close(1_000, "");
    return error;
  } catch (told) {
    const isTold = told instanceof Fault && isHandshakeRefused(told.cause);
    return isTold ? told : error;
  }
}

/** Returns how an operator reaches the gateway and its site. */
export function operatorDialing(
  config: OperatorConfig,
  identity: IdentityFiles,
  proxyOf: (url: string) => string | undefined,
): Pick<OperatorPorts, "dial" | "getJson"> {
  const request = async (url: string) => ({
    tls: await identity.read(),
    proxy: proxyOf(url),
    timeoutMs: DIAL_TIMEOUT_MS,
  });
  // Who has named a CA certificate needs no other advice.
  const advised = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw config.isCaAdded ? withCaHint(error, config.folder) : error;
    }
  };
  return {
    dial: async (url, subprotocol, headers, signal) => {
      const how = { ...await request(url), url, subprotocol, headers };
      return await advised(dialWebSocket(how, signal));
    },
    getJson: async (url, signal) => {
      const how = await request(url);
      const asking = new HttpsClient(how).getJson(url, signal)
        .catch(async (error: unknown) => {
          throw await handshakeFault(error, { ...how, url }, signal);
        });
      return await advised(asking);
    },
  };
}
