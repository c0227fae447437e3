import * as z from "zod/mini";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { isLoopbackHost } from "../protocol/gateway_url.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";

/** What `migasfree conf --json` says, as far as an agent cares. */
export interface MigasfreeConf {
  /** Origin of the manager. */
  readonly manager: string;
  /** Undefined: as the host is called. */
  readonly name: string | undefined;
  /** Undefined all three, or none: they lie in one directory. */
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** What is odd and did not stop us, as sentences. */
  readonly warnings: readonly string[];
}

/** migasfree's own default. */
const DEFAULT_SERVER = "localhost";

/** Ours to choose: no host comes near it, and no path goes beyond it. */
const SERVER_MAX_CHARS = 1_024;
const PATH_MAX_CHARS = 4_096;

const SHOWN_MAX_CHARS = 80;

/** Other keys are migasfree's business, and may come and go. */
const confSchema = z.object({
  server: z.nullish(z.string().check(z.maxLength(SERVER_MAX_CHARS))),
  api_protocol: z.nullish(z.string()),
  computer_name: z.nullish(z.string()),
  ca_file: z.nullish(z.string().check(z.maxLength(PATH_MAX_CHARS))),
});

/**
 * Reads what `migasfree conf --json` printed: migasfree 5, of any version.
 *
 * @param mayBePlain Whether another computer may be asked without TLS.
 * @throws {Fault} `configInvalid` if it is not what migasfree prints.
 */
export function parseMigasfreeConf(
  stdout: string,
  mayBePlain: boolean,
): MigasfreeConf {
  const parsed = confSchema.safeParse(parseJson(stdout));
  if (!parsed.success) {
    const key = plainText(
      parsed.error.issues[0]?.path.join(".") ?? "",
      SHOWN_MAX_CHARS,
    );
    throw invalid(key === "" ? "it is no JSON object" : `odd "${key}"`);
  }
  const conf = parsed.data;
  const server = conf.server?.trim() || DEFAULT_SERVER;
  const asked = managerUrl(server, conf.api_protocol);
  const isPlain = asked.protocol === "http:" && !mayBePlain &&
    !isLoopbackHost(asked.hostname);
  if (isPlain) asked.protocol = "https:";
  const name = plainText(conf.computer_name ?? "", DEVICE_NAME_MAX_CHARS)
    .trim();
  return {
    manager: asked.origin,
    name: name === "" ? undefined : name,
    ...filesBeside(conf.ca_file ?? ""),
    warnings: isPlain
      ? [
        "migasfree's configuration says http: " +
        `the manager is asked at ${asked.origin} all the same`,
      ]
      : [],
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema says what there should have been.
  }
}

/** Takes `host`, `host:port` and `http(s)://host[:port]`. */
function managerUrl(server: string, protocol: string | null | undefined): URL {
  // Anything else is no scheme: then it is migasfree's default.
  const scheme = protocol?.trim().toLowerCase() === "http" ? "http" : "https";
  const url = URL.parse(
    server.includes("://") ? server : `${scheme}://${server}`,
  );
  // The URL parser forgives blanks; whoever reads the file may not.
  const isManager = url !== null && !/\s/.test(server) &&
    /^https?:$/.test(url.protocol) && url.hostname !== "" &&
    url.username + url.password === "";
  if (isManager) return url;
  // What stands before an @ may be a password.
  const shown = server.replace(/^.*@/, "***@");
  throw invalid(`server "${plainText(shown, SHOWN_MAX_CHARS)}" is no address`);
}

/** Returns `caFile` and its neighbours; the separator is that of the path. */
function filesBeside(
  caFile: string,
): Pick<MigasfreeConf, "caFile" | "certFile" | "keyFile"> {
  if (caFile === "") {
    return { caFile: undefined, certFile: undefined, keyFile: undefined };
  }
  // A drive, or a share.
  const isWindows = /^(?:[a-z]:[\\/]|\\\\)/i.test(caFile);
  const end = isWindows
    ? Math.max(caFile.lastIndexOf("/"), caFile.lastIndexOf("\\"))
    : caFile.lastIndexOf("/");
  const isWhole = (isWindows || caFile.startsWith("/")) &&
    end + 1 < caFile.length && !caFile.includes("\0");
  if (!isWhole) {
    const shown = plainText(caFile, SHOWN_MAX_CHARS);
    throw invalid(`ca_file "${shown}" is no whole path`);
  }
  const dir = caFile.slice(0, end + 1);
  return { caFile, certFile: `${dir}cert.pem`, keyFile: `${dir}key.pem` };
}

function invalid(fact: string): Fault {
  return new Fault(
    "configInvalid",
    `Cannot use what \`migasfree conf --json\` printed: ${fact}`,
    { hint: "Run it yourself, and mend /etc/migasfree.conf" },
  );
}
