import { join } from "node:path";
import { plainText } from "../base/text.ts";
import { gatewayUrlOf } from "../connect/config.ts";
import { Fault } from "../protocol/fault.ts";
import { parseGatewayUrl } from "../protocol/gateway_url.ts";
import type { Pkcs12Identity } from "../runtime/pkcs12_identity.ts";
import { stopOnSignals } from "../runtime/signals.ts";
import { openBundle, storeBundle } from "./import_bundle.ts";
import { OPERATOR_DIR } from "./operator.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";

/** `operator import FILE`: makes the folder of one site. */
export async function runOperatorImport(
  path: string,
  options: Options,
  output: Output,
): Promise<number> {
  const gateway = textOption(options, "gateway");
  // Before anybody types a password.
  const named = gateway === undefined ? undefined : gatewayUrlOf(gateway);
  using stop = stopOnSignals(undefined, {
    code: "tunnelCancelled",
    who: "The operator's program",
  });
  const identity = await openBundle(path, options, stop);
  const url = named ?? gatewayOf(identity);
  const folder = join(OPERATOR_DIR, new URL(url).hostname);
  const mayReplace = options["replace"] === true;
  const stored = await storeBundle(folder, identity, mayReplace, output.say);
  output.answer(
    options["json"] ? JSON.stringify({ folder, ...stored }) : folder,
  );
  return 0;
}

/**
 * Returns the gateway of the site that issued the certificate: migasfree names
 * it in the O of the subject.
 */
function gatewayOf({ subject }: Pkcs12Identity): string {
  const [organization = ""] = [subject["O"]].flat();
  const isHost = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i.test(organization);
  const url = isHost
    ? parseGatewayUrl(`wss://${organization}`, false)
    : undefined;
  if (url !== undefined) return url;
  throw new Fault(
    "usageInvalid",
    "Cannot tell which gateway this is for: " +
      `"${plainText(organization, 64)}" in its name is no host`,
    { hint: "Write --gateway wss://mf.example.org/tunnel" },
  );
}
