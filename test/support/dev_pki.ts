import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CertificateAuthority,
  type CertificateRequest,
  type IssuedCertificate,
  type Validity,
  validityOfDays,
} from "../../src/runtime/certificate_authority.ts";

/** A certificate with the folder that an agent or an operator expects. */
export interface DevCertificate extends IssuedCertificate {
  readonly caPem: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

const DAY_MS = 86_400_000;

let sharedAuthority: Promise<CertificateAuthority> | undefined;
let foreignAuthority: Promise<CertificateAuthority> | undefined;

/**
 * Makes a PKI in a temporary directory: a gateway for `localhost` and
 * 127.0.0.1, and whoever else a test asks for. Its CA is the same for all
 * tests of a process; its CRL is not. Leaving the scope removes the files.
 */
export async function makeDevPki(): Promise<DevPki> {
  sharedAuthority ??= CertificateAuthority.create("localhost");
  const authority = await sharedAuthority;
  const dir = await mkdtemp(join(tmpdir(), "migasfree-pki-"));
  await writeFile(join(dir, "ca.pem"), authority.certPem);
  await writeFile(join(dir, "crl.pem"), await authority.createCrl([]));
  const gateway = await write(
    dir,
    authority.certPem,
    await authority.issueGateway(["localhost", "127.0.0.1"], validity()),
  );
  return new DevPki(dir, authority, gateway);
}

/** Made by {@linkcode makeDevPki}. */
export class DevPki implements AsyncDisposable {
  readonly dir: string;
  readonly authority: CertificateAuthority;
  readonly caPem: string;
  readonly caFile: string;
  readonly crlFile: string;
  /** For `localhost` and 127.0.0.1. */
  readonly gateway: DevCertificate;
  #revoked: string[] = [];

  constructor(
    dir: string,
    authority: CertificateAuthority,
    gateway: DevCertificate,
  ) {
    this.dir = dir;
    this.authority = authority;
    this.caPem = authority.certPem;
    this.caFile = join(dir, "ca.pem");
    this.crlFile = join(dir, "crl.pem");
    this.gateway = gateway;
  }

  async computer(name: string, life = validity()): Promise<DevCertificate> {
    return await this.#write(await this.authority.issueComputer(name, life));
  }

  async operator(name: string, life = validity()): Promise<DevCertificate> {
    return await this.#write(await this.authority.issueOperator(name, life));
  }

  /** A computer's certificate that ended a day ago. */
  async expiredComputer(name: string): Promise<DevCertificate> {
    return await this.computer(name, endedYesterday());
  }

  /** A computer's certificate that a CA of the same name has signed. */
  async foreignComputer(name: string): Promise<DevCertificate> {
    foreignAuthority ??= CertificateAuthority.create("localhost");
    const authority = await foreignAuthority;
    const issued = await authority.issueComputer(name, validity());
    return await write(this.dir, this.caPem, issued);
  }

  /** A computer's certificate that {@linkcode crlFile} lists. */
  async revokedComputer(name: string): Promise<DevCertificate> {
    const certificate = await this.computer(name);
    await this.revoke(certificate);
    return certificate;
  }

  async gatewayFor(host: string, ...others: string[]): Promise<DevCertificate> {
    return await this.#write(
      await this.authority.issueGateway([host, ...others], validity()),
    );
  }

  /** A gateway's certificate for a name that nobody dials. */
  async wrongNameGateway(): Promise<DevCertificate> {
    return await this.gatewayFor("wrong.example");
  }

  /** A gateway's certificate that ended a day ago. */
  async expiredGateway(): Promise<DevCertificate> {
    return await this.#write(
      await this.authority.issueGateway(
        ["localhost", "127.0.0.1"],
        endedYesterday(),
      ),
    );
  }

  /** Whatever a test needs that has no method here. */
  async issue(
    request: Omit<CertificateRequest, "validity">,
  ): Promise<DevCertificate> {
    return await this.#write(
      await this.authority.issue({ ...request, validity: validity() }),
    );
  }

  /** Adds `certificate` to {@linkcode crlFile}. */
  async revoke(certificate: IssuedCertificate): Promise<void> {
    this.#revoked.push(certificate.serial);
    const crlPem = await this.authority.createCrl(this.#revoked);
    await writeFile(this.crlFile, crlPem);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }

  async #write(issued: IssuedCertificate): Promise<DevCertificate> {
    return await write(this.dir, this.caPem, issued);
  }
}

function validity(): Validity {
  return validityOfDays(2, new Date());
}

function endedYesterday(): Validity {
  const nowMs = Date.now();
  return {
    notBefore: new Date(nowMs - 3 * DAY_MS),
    notAfter: new Date(nowMs - DAY_MS),
  };
}

async function write(
  dir: string,
  caPem: string,
  issued: IssuedCertificate,
): Promise<DevCertificate> {
  const folder = join(dir, issued.serial);
  await mkdir(folder, { mode: 0o700 });
  const caFile = join(folder, "ca.pem");
  const certFile = join(folder, "cert.pem");
  const keyFile = join(folder, "key.pem");
  await writeFile(caFile, caPem);
  await writeFile(certFile, issued.certPem);
  await writeFile(keyFile, issued.keyPem, { mode: 0o600 });
  return { ...issued, caPem, caFile, certFile, keyFile };
}
