import { isQuarantined } from "../policy/quarantine.ts";
import { Fault } from "../protocol/fault.ts";
import type { Admitted } from "./admit.ts";
import { isNobodySubject, nobodyAgentSubject } from "./nobody.ts";
import type { GatewayPorts } from "./ports.ts";

/**
 * Binds a device id to the certificate that its agent has shown, or finds
 * that it was before.
 *
 * @throws {Fault} `deviceBound` if another certificate holds the id.
 */
export async function claimDevice(
  { id: deviceId, name }: { readonly id: number; readonly name: string },
  agent: Admitted,
  { audit, clock, store }: GatewayPorts,
): Promise<void> {
  const { subject } = agent.principal;
  if (agent.isNobody && subject !== nobodyAgentSubject(deviceId)) {
    throw new Fault("messageInvalid", "X-Agent-ID names another device");
  }
  const nowMs = clock.wallNow();
  const wanted = { deviceId, name, subject, nowMs };
  let claim = await store.claim(wanted);
  // A certificate shows more than the word that was all there was before.
  if (
    claim.tag === "taken" && !agent.isNobody && isNobodySubject(claim.subject)
  ) {
    const { subject } = claim;
    if (await store.release(deviceId)) {
      audit.write({ event: "device.released", deviceId, subject });
    }
    claim = await store.claim(wanted);
  }
  if (claim.tag === "taken") {
    const fact = isQuarantined(claim.subject)
      ? "it is quarantined: two computers have shown its certificate"
      : "it is bound to another certificate";
    throw new Fault(
      "deviceBound",
      `Cannot serve device ${deviceId}: ${fact}`,
      { hint: `Run \`migasfree-agent gateway release ${deviceId}\` there` },
    );
  }
  if (claim.tag === "first") {
    audit.write({ event: "device.bound", deviceId, subject });
  }
}
