import { rm } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { text as readStream } from "node:stream/consumers";
import { gatewayUrlOf } from "../connect/config.ts";
import { type EnrollToken, parseEnrollToken } from "../policy/enroll_token.ts";
import { Fault } from "../protocol/fault.ts";
import { parseDeviceRef } from "../protocol/id.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";
import { readText } from "../runtime/files.ts";
import { storeIdentity } from "../runtime/identity_store.ts";
import { proxyFor } from "../runtime/proxy.ts";
import { stopOnSignals } from "../runtime/signals.ts";
import { type AgentSettingsFile, readAgentSettings } from "./agent_config.ts";
import { addLines, type EnrolledKeys, linesToAdd } from "./enroll_config.ts";
import {
  type Enrolled,
  type EnrollTrust,
  type EnrollWish,
  exchangeToken,
} from "./enroll_exchange.ts";
import { enrolledBefore } from "./enrolled_before.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";

/** `enroll`: gets this computer its first certificate, for a token. */
export async function runEnroll(
  options: Options,
  output: Output,
): Promise<number> {
  const settings = await readAgentSettings(options, { mayLackFile: true });
  const wish = await wishOf(settings, options);
  const keys = keysOf(wish, options);
  // What stands in the way is said before the token is used up.
  const lines = linesToAdd(settings, keys);
  const isThere = options["replace"] !== true &&
    await enrolledBefore(wish.folder, wish.deviceId, settings);
  if (isThere) {
    output.say("This computer has enrolled before: nothing is asked for");
  } else {
    using stop = stopOnSignals(undefined, {
      code: "tunnelCancelled",
      who: "The enrolment",
    });
    await store(wish, await exchangeToken(wish, stop));
  }
  await addLines(settings.path, lines);
  output.answer(
    options["json"]
      ? JSON.stringify({ config: settings.path, ...keys })
      : `Enrolled as device ${wish.deviceId}: ${settings.path}`,
  );
  return 0;
}

async function wishOf(
  { file, path }: AgentSettingsFile,
  options: Options,
): Promise<EnrollWish> {
  const token = parseEnrollToken(await tokenText(options));
  const gateway = textOption(options, "gateway") ?? token.claims.gateway ??
    file.gateway;
  if (gateway === undefined) {
    throw usage("nobody says where the gateway is", "Write --gateway URL");
  }
  const gatewayUrl = gatewayUrlOf(gateway);
  const name = textOption(options, "name") ?? file.name ?? hostname();
  const proxy = textOption(options, "proxy") ?? file.proxy;
  return {
    token,
    gatewayUrl,
    deviceId: deviceOf(options, token, file.device_id),
    name: name.slice(0, DEVICE_NAME_MAX_CHARS),
    trust: await trustOf(options),
    proxy: proxyFor(gatewayUrl, proxy, process.env),
    folder: join(dirname(resolve(path)), "identity"),
  };
}

/** On a command line everybody on this computer can read it. */
async function tokenText(options: Options): Promise<string> {
  const text = textOption(options, "token");
  const file = textOption(options, "tokenFile");
  if ((text === undefined) === (file === undefined)) {
    throw usage("there must be one token", "Write --token, or --token-file");
  }
  if (text !== undefined) return text;
  if (file === "-") return await readStream(process.stdin);
  return await readText(file ?? "", "enrolment token");
}

async function trustOf(options: Options): Promise<EnrollTrust> {
  const ca = textOption(options, "ca");
  const isPublic = options["publicCa"] === true;
  if (ca !== undefined && isPublic) {
    throw usage("two authorities are named", "Write --ca, or --public-ca");
  }
  if (isPublic) return { tag: "public" };
  if (ca === undefined) return { tag: "pin" };
  return { tag: "file", pem: await readText(ca, "CA certificate") };
}

/** The token's word, ours, or the file's; they must not contradict. */
function deviceOf(
  options: Options,
  { claims }: EnrollToken,
  written: number | undefined,
): number {
  const text = textOption(options, "device");
  const ref = text === undefined ? undefined : parseDeviceRef(text);
  if (text !== undefined && ref?.tag !== "id") {
    throw usage("the device id is none", "Give 7, or CID-7, with --device");
  }
  const asked = ref?.tag === "id" ? ref.id : undefined;
  const deviceId = asked ?? claims.device ?? written;
  if (deviceId === undefined) {
    throw usage(
      "nobody says which device this is",
      "Write --device 7, or use a token that was made with --device",
    );
  }
  return deviceId;
}

function keysOf(
  { deviceId, folder, gatewayUrl, trust }: EnrollWish,
  options: Options,
): EnrolledKeys {
  return {
    device_id: deviceId,
    name: textOption(options, "name"),
    gateway: gatewayUrl,
    ca_file: trust.tag === "public" ? undefined : join(folder, "ca.pem"),
    cert_file: join(folder, "cert.pem"),
    key_file: join(folder, "key.pem"),
  };
}

async function store(
  { folder, trust }: EnrollWish,
  { caPem, certPem, keyPem, newKeyFile }: Enrolled,
): Promise<void> {
  // What the agent is to believe: of public authorities it needs no copy.
  const ca = trust.tag === "file"
    ? trust.pem
    : trust.tag === "pin"
    ? caPem
    : undefined;
  await storeIdentity(folder, { ca, cert: certPem, key: keyPem }, true);
  await rm(newKeyFile, { force: true });
}

function usage(fact: string, hint: string): Fault {
  return new Fault("usageInvalid", `Cannot enrol: ${fact}`, { hint });
}
