import type { AgentConfig } from "../agent/config.ts";
import { findGateway } from "../agent/find_gateway.ts";
import { lookAtServices } from "../agent/services.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { HttpsClient } from "../runtime/https_client.ts";
import { portStates } from "../runtime/listening_ports.ts";
import { proxyFor } from "../runtime/proxy.ts";
import type { TlsMaterial } from "../runtime/ws_dial.ts";

/** How long a handshake with the manager may take, name look-up included. */
const DIAL_TIMEOUT_MS = 10_000;

/**
 * Asks migasfree's manager where the gateway is, as an agent registers there.
 * Loaded by an agent whose configuration does not say it.
 *
 * @throws {Fault} What `findGateway` throws.
 * @throws `signal.reason` once aborted.
 */
export async function askManager(
  config: AgentConfig,
  tls: TlsMaterial,
  signal: AbortSignal,
): Promise<string> {
  const { debugInsecureTls, deviceId, manager = "", name } = config;
  const services = await lookAtServices(config.services, { portStates });
  const proxy = proxyFor(manager, config.proxy, process.env);
  const client = new HttpsClient({ tls, proxy, timeoutMs: DIAL_TIMEOUT_MS });
  return await findGateway(
    {
      manager,
      deviceId,
      name,
      services: services.filter(({ state }) => state !== "closed")
        .map(({ name }) => name),
      hasCertificate: tls.cert !== undefined,
      mayBePlain: debugInsecureTls,
    },
    { clock: bunClock, postJson: client.postJson.bind(client) },
    signal,
  );
}
