import * as z from "zod/mini";
import { plainText } from "../base/text.ts";
import { Fault, isFaultCode } from "../protocol/fault.ts";
import { deviceIdSchema } from "../protocol/id.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";
import type { AgentConfig } from "./config.ts";
import type { Discovered } from "./discover.ts";

/** What stands in the directory by which root hands an identity over. */
export const HANDED = {
  facts: "facts.json",
  ca: "ca.pem",
  cert: "cert.pem",
  key: "key.pem",
} as const;

const TEXT_MAX_CHARS = 4_096;
const SAID_MAX_CHARS = 500;

const factsSchema = z.strictObject({
  /** Of what they were made; only root's side looks at it. */
  stamp: z.string().check(z.maxLength(TEXT_MAX_CHARS)),
  device_id: z.nullable(deviceIdSchema),
  manager: z.nullable(z.string().check(z.maxLength(TEXT_MAX_CHARS))),
  name: z.nullable(z.string().check(z.maxLength(DEVICE_NAME_MAX_CHARS))),
  /** Where they come from; null: there are to be none. */
  ca_file: z.nullable(z.string().check(z.maxLength(TEXT_MAX_CHARS))),
  cert_file: z.nullable(z.string().check(z.maxLength(TEXT_MAX_CHARS))),
  key_file: z.nullable(z.string().check(z.maxLength(TEXT_MAX_CHARS))),
  /** Why there is not more. */
  fault: z.nullable(z.strictObject({
    code: z.string(),
    message: z.string(),
    hint: z.nullable(z.string()),
  })),
});

/** What root knows of this computer, and an agent without rights does not. */
export type HandedFacts = z.infer<typeof factsSchema>;

/** Returns what root learnt, as facts to be handed over. */
export function handedFacts(
  stamp: string,
  config: AgentConfig | undefined,
  fault: Fault | undefined,
): HandedFacts {
  return {
    stamp,
    device_id: config?.deviceId ?? null,
    manager: config?.manager ?? null,
    name: config?.name ?? null,
    ca_file: config?.caFile ?? null,
    cert_file: config?.certFile ?? null,
    key_file: config?.keyFile ?? null,
    fault: fault
      ? { code: fault.code, message: fault.message, hint: fault.hint ?? null }
      : null,
  };
}

/** @throws {Fault} `configInvalid` if `text` is not what root writes. */
export function parseHandedFacts(text: string): HandedFacts {
  const parsed = factsSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new Fault("configInvalid", "Cannot read what root has handed over", {
    hint: "Run `systemctl start migasfree-agent-identity`",
    cause: parsed.error,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema says what there should have been.
  }
}

/**
 * Returns the facts as if migasfree had told them.
 *
 * @throws {Fault} `configInvalid`, with root's own sentence, if there is less:
 * an agent under a service manager waits for it, whatever it is.
 */
export function discoveredByRoot(facts: HandedFacts): Discovered {
  if (facts.fault) throw faultOfRoot(facts.fault);
  const { ca_file: ca, cert_file: cert, key_file: key, manager } = facts;
  return {
    deviceId: facts.device_id ?? undefined,
    conf: {
      manager: manager ?? "",
      name: facts.name ?? undefined,
      caFile: ca ?? undefined,
      certFile: cert ?? undefined,
      keyFile: key ?? undefined,
      warnings: [],
    },
  };
}

function faultOfRoot(told: NonNullable<HandedFacts["fault"]>): Fault {
  // That migasfree is not installed would end the agent: a service waits.
  const isOwn = isFaultCode(told.code) && told.code !== "programMissing";
  const code = isOwn && isFaultCode(told.code) ? told.code : "configInvalid";
  return new Fault(code, plainText(told.message, SAID_MAX_CHARS), {
    hint: told.hint === null ? undefined : plainText(told.hint, SAID_MAX_CHARS),
  });
}

/** Returns `config` with the copies of `dir` in place of root's own files. */
export function withHandedFiles(config: AgentConfig, dir: string): AgentConfig {
  function copy(path: string | undefined, name: string): string | undefined {
    return path === undefined ? undefined : `${dir}/${name}`;
  }
  return {
    ...config,
    caFile: copy(config.caFile, HANDED.ca),
    certFile: copy(config.certFile, HANDED.cert),
    keyFile: copy(config.keyFile, HANDED.key),
  };
}
