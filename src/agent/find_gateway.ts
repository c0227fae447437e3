import * as z from "zod/mini";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { plainText } from "../base/text.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import { parseGatewayUrl } from "../protocol/gateway_url.ts";
import type { JsonAnswer, PostJson } from "../transport/post_json.ts";

/** How long the manager may take. */
const REGISTER_TIMEOUT_MS = 5_000;

/** migasfree 5's, below the manager's origin. */
const REGISTER_PATH = "/manager/v1/private/tunnel/register";

/** More than this is no reason but a page. */
const DETAIL_MAX_CHARS = 200;

export interface FindGatewayRequest {
  /** The manager's origin. */
  readonly manager: string;
  readonly deviceId: number;
  readonly name: string;
  /** Names of the services we offer. */
  readonly services: readonly string[];
  /** Whether it is asked as the holder of a certificate. */
  readonly hasCertificate: boolean;
  /** Whether the answer may be a plain ws: URL of another computer. */
  readonly mayBePlain: boolean;
}

export interface FindGatewayPorts {
  readonly clock: Clock;
  readonly postJson: PostJson;
}

const answerSchema = z.object({ relay: z.string() });
const refusalSchema = z.object({ detail: z.string() });

/**
 * Registers with migasfree's manager, which answers where the gateway is.
 *
 * @throws {Fault} `roleRefused`, `quotaExceeded`, `versionUnsupported`,
 * `gatewayRefused`, `messageInvalid`, or what `postJson` throws;
 * `gatewayUnreachable` after {@linkcode REGISTER_TIMEOUT_MS}.
 * @throws `signal.reason` once aborted.
 */
export async function findGateway(
  request: FindGatewayRequest,
  ports: FindGatewayPorts,
  signal: AbortSignal,
): Promise<string> {
  const { deviceId, manager, name, services } = request;
  const { host } = new URL(manager);
  const body = { id: deviceId, name, services };
  const answer = await withDeadline(
    (signal) => ports.postJson(`${manager}${REGISTER_PATH}`, body, signal),
    REGISTER_TIMEOUT_MS,
    () => tooLate(host),
    ports.clock,
    signal,
  );
  if (answer.status !== 200) throw refusal(answer, host, request);
  const parsed = answerSchema.safeParse(answer.body);
  const url = parsed.success
    ? parseGatewayUrl(parsed.data.relay, request.mayBePlain)
    : undefined;
  if (url !== undefined) return url;
  throw new Fault(
    "messageInvalid",
    `Cannot register with manager ${host}: its answer names no gateway`,
    { hint: "Check that `manager` is a migasfree 5 server, or set `gateway`" },
  );
}

function refusal(
  answer: JsonAnswer,
  host: string,
  { hasCertificate }: FindGatewayRequest,
): Fault {
  const { code, fact, hint } = meaningOf(answer.status, hasCertificate);
  const said = refusalSchema.safeParse(answer.body);
  const detail = said.success
    ? `: ${plainText(said.data.detail, DETAIL_MAX_CHARS)}`
    : "";
  return new Fault(
    code,
    `Cannot register with manager ${host}: ${fact} (${answer.status}${detail})`,
    { hint, retryAfterMs: answer.retryAfterMs },
  );
}

const NO_CERTIFICATE = {
  code: "certificateMissing",
  fact: "it lets no computer in without a certificate",
  hint: "Run `sudo migasfree sync`, which has one made, or set cert_file",
} as const;

/** What upstream's manager and the proxy before it answer, and why. */
function meaningOf(
  status: number,
  hasCertificate: boolean,
): { code: FaultCode; fact: string; hint: string } {
  if (status === 401 || status === 403) {
    if (!hasCertificate) return NO_CERTIFICATE;
    return {
      code: "roleRefused",
      fact: "it refuses this computer's certificate",
      hint: "Check that cert_file is a computer's, with OU=COMPUTERS",
    };
  }
  if (status === 422) {
    return {
      code: "versionUnsupported",
      fact: "it does not understand us",
      hint: "Check that the server is migasfree 5",
    };
  }
  if (status === 429) {
    return {
      code: "quotaExceeded",
      fact: "it is asked too often",
      hint: "Wait, or raise the rate limit of the site's proxy",
    };
  }
  if (status >= 500) {
    return {
      code: "gatewayRefused",
      fact: "it is out of order",
      hint: "Wait, or look at the server's log",
    };
  }
  return {
    code: "gatewayRefused",
    fact: "it does not know this request",
    hint: "Check that `manager` is a migasfree 5 server, or set `gateway`",
  };
}

function tooLate(host: string): Fault {
  const seconds = REGISTER_TIMEOUT_MS / 1_000;
  return new Fault(
    "gatewayUnreachable",
    `Cannot register with manager ${host}: no answer in ${seconds} s`,
    { hint: "Check the network, the firewall and the proxy" },
  );
}
