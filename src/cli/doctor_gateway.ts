import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { AgentConfig } from "../agent/config.ts";
import { isFaultCode } from "../protocol/fault.ts";
import { DEVICES_PATH } from "../protocol/version.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { HttpsClient } from "../runtime/https_client.ts";
import { IdentityFiles } from "../runtime/identity_files.ts";
import { proxyFor, redactUrl } from "../runtime/proxy.ts";
import { dialTcp } from "../runtime/tcp_socket.ts";
import { answerFault } from "../transport/answer_fault.ts";
import type { JsonAnswer } from "../transport/post_json.ts";
import { type Finding, finding } from "./doctor_command.ts";

/** migasfree 5's, below the manager's origin: anybody may read it. */
const PUBLIC_CA_PATH = "/manager/v1/public/ca";

const LOOK_TIMEOUT_MS = 5_000;

/** What migasfree's relay answers to all but a WebSocket's handshake. */
const ONLY_LINKS_STATUS = 426;

/** How far two clocks may be apart before certificates get into trouble. */
const SKEW_WARN_MS = 60_000;

/** Looks at the way to the gateway, and at what the gateway says of us. */
export async function checkGateway(config: AgentConfig): Promise<Finding[]> {
  const url = config.gatewayUrl ?? config.manager;
  if (url === undefined) return [];
  const target = new URL(url.replace(/^ws/, "http"));
  const proxy = proxyFor(url, config.proxy, process.env);
  const findings = [
    proxy === undefined
      ? await checkName(target.hostname)
      : await checkProxy(proxy),
  ];
  const [check, path] = config.gatewayUrl === undefined
    ? ["manager", PUBLIC_CA_PATH]
    : ["gateway", DEVICES_PATH];
  let answer: JsonAnswer | undefined;
  const startMs = performance.now();
  findings.push(
    await finding(check, async () => {
      const identity = new IdentityFiles(
        config,
        config.debugInsecureTls,
        bunClock,
      );
      const client = new HttpsClient({
        tls: await identity.read(),
        proxy,
        timeoutMs: LOOK_TIMEOUT_MS,
      });
      const { signal } = new AbortController();
      answer = await client.getJson(`${target.origin}${path}`, signal);
      if (check === "manager" && answer.status !== 200) {
        const detail = `${target.host} answers ${path} with ${answer.status}`;
        const hint = "Check that `manager` is a migasfree 5 server";
        return { check, result: "WARN", detail, hint };
      }
      const ms = Math.round(performance.now() - startMs);
      return `${target.host} answers in ${ms} ms, TLS verified`;
    }),
  );
  if (!answer) return findings;
  if (config.gatewayUrl === undefined) {
    return [...findings, checkClock(answer, "manager")];
  }
  const role = await checkRole(answer, url);
  return [...findings, role, checkClock(answer, "gateway")];
}

async function checkName(host: string): Promise<Finding> {
  return await finding("name", async () => {
    const bare = host.replace(/^\[|\]$/g, "");
    if (isIP(bare)) return `${bare} needs no look-up`;
    try {
      const { address } = await lookup(bare);
      return `${bare} is ${address}`;
    } catch {
      return {
        check: "name",
        result: "FAIL",
        detail: `${bare} does not resolve`,
        hint: "Check the name, and this computer's DNS",
      };
    }
  });
}

async function checkProxy(proxy: string): Promise<Finding> {
  return await finding("proxy", async () => {
    const { hostname, port, protocol } = new URL(proxy);
    const implied = protocol === "https:" ? 443 : 80;
    const address = { host: hostname, port: Number(port) || implied };
    const { signal } = new AbortController();
    (await dialTcp(address, LOOK_TIMEOUT_MS, signal)).reset();
    return `${redactUrl(proxy)} is there`;
  });
}

/**
 * An operator's page tells an agent that it is one: who hears that has shown
 * a certificate that the gateway believes.
 */
async function checkRole(answer: JsonAnswer, url: string): Promise<Finding> {
  return await finding("identity", () => {
    const { code } = Object(answer.body) as { code?: unknown };
    const isAgent = typeof code === "string" && isFaultCode(code) &&
      code === "roleRefused";
    if (isAgent) return Promise.resolve("the gateway knows it as a computer's");
    if (answer.status === ONLY_LINKS_STATUS) {
      return Promise.resolve<Finding>({
        check: "identity",
        result: "WARN",
        detail: "what answers there speaks protocol 1, and tells nobody",
        hint: "Look whether `status` says that the agent is online",
      });
    }
    if (answer.status !== 200) throw answerFault(answer, url);
    return Promise.resolve({
      check: "identity",
      result: "FAIL",
      detail: "the certificate is an operator's",
      hint: "Set cert_file to a computer's certificate, with OU=COMPUTERS",
    });
  });
}

function checkClock(answer: JsonAnswer, who: string): Finding {
  const check = "clock";
  if (answer.dateMs === undefined) {
    const detail = `the ${who} did not say what time it is`;
    return { check, result: "WARN", detail };
  }
  const skewMs = Math.abs(Date.now() - answer.dateMs);
  const detail = `${Math.round(skewMs / 1_000)} s from the ${who}'s`;
  if (skewMs < SKEW_WARN_MS) return { check, result: "PASS", detail };
  const hint = "Set this computer's clock, by NTP for one";
  return { check, result: "FAIL", detail, hint };
}
