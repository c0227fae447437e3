import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { parseGatewayUrl } from "../protocol/gateway_url.ts";

/** Where an operator's commands go, and as whom. */
export interface OperatorConfig {
  readonly gatewayUrl: string;
  /** Undefined: only the certificate authorities of the system. */
  readonly caFile: string | undefined;
  /** Whether those are believed beside `caFile`: nobody named one file. */
  readonly isCaAdded: boolean;
  /** With its key; undefined: none is shown, for sites that ask for none. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** Where the certificates of this gateway's site belong. */
  readonly folder: string;
  /** Holds a password, perhaps. Undefined: as the environment says. */
  readonly proxy: string | undefined;
}

/** What was given on the command line; undefined: nothing. */
export interface OperatorFlags {
  readonly gateway?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Show no certificate, even if there is one. */
  readonly isNobody?: boolean;
}

/** What is needed of the machine. */
export interface OperatorConfigPorts {
  /** The user's home directory. */
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Names of what is in a directory; none if there is no such directory. */
  readonly listFolder: (path: string) => Promise<readonly string[]>;
  /** Opens a PKCS#12 file and puts what is in it into `folder`. @throws {Fault} */
  readonly importBundle: (path: string, folder: string) => Promise<void>;
}

/** A folder with certificates, and the gateway that it is for. */
interface Site {
  readonly name: string;
  readonly url: string;
}

/** Folders that are looked into. */
const SITES_MAX_COUNT = 1_000;
/** Sites that a message names; more are only counted. */
const SITES_SHOWN_MAX_COUNT = 8;
const SHOWN_MAX_CHARS = 120;

/** PKCS#12 by its name; what begins with a dot is being written. */
const BUNDLE_REGEXP = /^[^.].*\.(?:p12|pfx)$/i;

/**
 * Finds gateway and certificates: a flag, else the environment
 * (`MIGASFREE_CONNECT_GATEWAY`, `_CA`, `_CERT`, `_KEY`, `_PROXY`), else
 * `~/.migasfree-connect/<host>/`, where migasfree keeps an operator's. With
 * no gateway named, the only folder there names it. Where there is no
 * certificate yet but one PKCS#12 file, in that folder or else above it, that
 * is imported.
 *
 * @throws {Fault} `usageInvalid`, or why the import failed.
 */
export async function operatorConfig(
  flags: OperatorFlags,
  ports: OperatorConfigPorts,
): Promise<OperatorConfig> {
  const given = (flag: string | undefined, name: string) =>
    flag ?? (ports.env[`MIGASFREE_CONNECT_${name}`] || undefined);
  const root = `${ports.home.replace(/[/\\]+$/, "")}/.migasfree-connect`;
  const named = given(flags.gateway, "GATEWAY");
  const gatewayUrl = named === undefined
    ? onlyGateway(await sitesIn(root, ports), root)
    : gatewayUrlOf(named);
  const folder = `${root}/${new URL(gatewayUrl).hostname}`;
  const givenCert = given(flags.cert, "CERT");
  const there = await ports.listFolder(folder);
  const { isNobody = false } = flags;
  const bundle =
    !isNobody && givenCert === undefined && !there.includes("cert.pem")
      ? await onlyBundle([folder, root], ports)
      : undefined;
  if (bundle !== undefined) await ports.importBundle(bundle, folder);
  const now = bundle === undefined ? there : await ports.listFolder(folder);
  const inFolder = (name: string) =>
    now.includes(name) ? `${folder}/${name}` : undefined;
  const pair = isNobody ? undefined : {
    certFile: givenCert ?? inFolder("cert.pem"),
    keyFile: given(flags.key, "KEY") ?? inFolder("key.pem"),
  };
  if (pair && !pair.certFile) throw noFile("certificate", "cert", folder);
  if (pair && !pair.keyFile) throw noFile("key", "key", folder);
  const givenCa = given(flags.ca, "CA");
  return {
    gatewayUrl,
    caFile: givenCa ?? inFolder("ca.pem"),
    isCaAdded: givenCa === undefined,
    certFile: pair?.certFile,
    keyFile: pair?.keyFile,
    folder,
    proxy: given(undefined, "PROXY"),
  };
}

/**
 * Reads how people write a gateway: `host`, `host:port`, `https://host` or
 * `wss://host/tunnel`.
 *
 * @throws {Fault} `usageInvalid`.
 */
export function gatewayUrlOf(text: string): string {
  const secure = text.includes("://")
    ? text.replace(/^http(s?):\/\//i, "ws$1://")
    : `wss://${text}`;
  const url = parseGatewayUrl(secure, false);
  if (url !== undefined) return url;
  // A password may stand in any address.
  const shown = text.replace(/\/\/\S*@/g, "//***@");
  throw new Fault(
    "usageInvalid",
    `Cannot use gateway ${plainText(shown, SHOWN_MAX_CHARS)}: ` +
      "it is no host, nor a wss:// URL whose path begins with /tunnel",
    { hint: "Write --gateway wss://mf.example.org/tunnel" },
  );
}

function onlyGateway(sites: readonly Site[], dir: string): string {
  const [first, ...others] = sites;
  if (first && others.length === 0) return first.url;
  if (!first) {
    throw new Fault(
      "usageInvalid",
      `Cannot find a gateway: none was named, and ${dir} knows none`,
      { hint: "Write --gateway wss://mf.example.org/tunnel" },
    );
  }
  const names = sites.slice(0, SITES_SHOWN_MAX_COUNT)
    .map(({ name }) => plainText(name, SHOWN_MAX_CHARS));
  const more = sites.length - names.length;
  if (more > 0) names.push(`${more} more`);
  throw new Fault(
    "usageInvalid",
    `Cannot choose a gateway: ${dir} knows ${names.join(", ")}`,
    { hint: `Write --gateway ${names[0]}` },
  );
}

/** Returns the one PKCS#12 file of the first folder that has any. */
async function onlyBundle(
  folders: readonly string[],
  ports: OperatorConfigPorts,
): Promise<string | undefined> {
  for (const folder of folders) {
    const names = (await ports.listFolder(folder))
      .filter((name) => BUNDLE_REGEXP.test(name)).sort();
    const [first, ...others] = names;
    if (first === undefined) continue;
    if (others.length === 0) return `${folder}/${first}`;
    const shown = names.slice(0, SITES_SHOWN_MAX_COUNT)
      .map((name) => plainText(name, SHOWN_MAX_CHARS)).join(", ");
    throw new Fault(
      "usageInvalid",
      `Cannot choose a PKCS#12 file: ${folder} has ${shown}`,
      { hint: "Run `migasfree-agent operator import FILE --gateway HOST`" },
    );
  }
  return undefined;
}

/**
 * Returns the folders that are named after a host and hold a certificate, as
 * PEM or still in a PKCS#12 file.
 */
async function sitesIn(
  root: string,
  ports: OperatorConfigPorts,
): Promise<Site[]> {
  const sites: Site[] = [];
  const names = [...await ports.listFolder(root)].sort();
  for (const name of names.slice(0, SITES_MAX_COUNT)) {
    const url = parseGatewayUrl(`wss://${name}`, false);
    // What is hidden is nobody's site.
    if (url === undefined || name.startsWith(".")) continue;
    const there = await ports.listFolder(`${root}/${name}`);
    const isSite = there.some((file) =>
      file === "cert.pem" || BUNDLE_REGEXP.test(file)
    );
    if (isSite) sites.push({ name, url });
  }
  return sites;
}

function noFile(
  what: string,
  flag: "cert" | "key",
  folder: string,
): Fault {
  return new Fault(
    "usageInvalid",
    `Cannot find the operator's ${what}: ` +
      `there is no --${flag} and no ${folder}/${flag}.pem`,
    {
      hint: "Import yours with `migasfree-agent operator import FILE.p12`, " +
        "or ask the site's administrator for one",
    },
  );
}
