import { chmod, copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Child, runChild, startChild } from "../support/child.ts";
import { exportP12, issueAdmin } from "../support/p12.ts";
import { BINARY, Site } from "../support/site.ts";
import { type Sshd, startSshd } from "../support/sshd.ts";

/** The password of every `.p12` here. */
export const P12_PASSWORD = "contraseña";

/** One run of a command. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A gateway and devices with an sshd, and the binary as `migasfree-connect` in
 * a folder of its own. An administrator has nothing but a `.p12`.
 */
export class ConnectSite implements AsyncDisposable {
  readonly site: Site;
  readonly sshd: Sshd;
  /** `https://localhost:PORT`: what `-m` is given. */
  readonly manager: string;
  readonly url: string;
  /** The symbolic link. */
  readonly program: string;
  #homeCount = 0;

  private constructor(site: Site, sshd: Sshd, url: string) {
    this.site = site;
    this.sshd = sshd;
    this.url = url;
    this.manager = `https://${new URL(url).host}`;
    this.program = join(site.dir, "bin/migasfree-connect");
  }

  static async create(): Promise<ConnectSite> {
    const site = await Site.create();
    try {
      const sshd = site.own(await startSshd());
      const { url } = await site.gateway();
      const made = new ConnectSite(site, sshd, url);
      await made.#makeAdmin();
      await made.#installPrograms();
      return made;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Makes a home directory; `files` are put into `~/.migasfree-connect`. */
  async home(files: Readonly<Record<string, string>> = {}): Promise<string> {
    const home = join(this.site.dir, `home-${++this.#homeCount}`);
    const root = join(home, ".migasfree-connect");
    await mkdir(root, { recursive: true });
    for (const [name, source] of Object.entries(files)) {
      await mkdir(join(root, name, ".."), { recursive: true });
      await copyFile(source, join(root, name));
    }
    return home;
  }

  /** A home where all is imported already. */
  async readyHome(): Promise<string> {
    const ca = join(this.site.pkiDir, "ca.pem");
    return await this.home({ ...this.pems, "localhost/ca.pem": ca });
  }

  /** The administrator's file. */
  get p12(): string {
    return join(this.site.dir, "admin/admin.p12");
  }

  get pems(): Readonly<Record<string, string>> {
    return {
      "localhost/cert.pem": join(this.site.dir, "admin/admin.pem"),
      "localhost/key.pem": join(this.site.dir, "admin/admin.key"),
    };
  }

  /** Finds `ssh` in the folder of the link, which logs in with sshd's key. */
  env(
    home: string,
    more: Readonly<Record<string, string>> = {},
  ): Readonly<Record<string, string>> {
    const path = `${this.site.dir}/bin:${process.env["PATH"]}`;
    return { HOME: home, PATH: path, ...more };
  }

  /** Runs `migasfree-connect` to its end. */
  async connect(
    home: string,
    args: readonly string[],
    more: Readonly<Record<string, string>> = {},
  ): Promise<Ran> {
    const argv = [this.program, ...args];
    return await runChild(argv, { env: this.env(home, more) });
  }

  /** Starts `migasfree-connect`; it ends with the site. */
  start(
    home: string,
    args: readonly string[],
    more: Readonly<Record<string, string>> = {},
  ): Child {
    const argv = [this.program, ...args];
    return this.site.own(startChild(argv, { env: this.env(home, more) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site[Symbol.asyncDispose]();
  }

  async #makeAdmin(): Promise<void> {
    const dir = join(this.site.dir, "admin");
    await mkdir(dir);
    for (const name of ["ca.pem", "ca.key"]) {
      await copyFile(join(this.site.pkiDir, name), join(dir, name));
    }
    const admin = await issueAdmin(dir, "localhost", "ana");
    await exportP12(admin, P12_PASSWORD);
  }

  async #installPrograms(): Promise<void> {
    await mkdir(join(this.site.dir, "bin"));
    await symlink(BINARY, this.program);
    const ssh = join(this.site.dir, "bin/ssh");
    const real = Bun.which("ssh");
    await writeFile(
      ssh,
      `#!/bin/sh\nexec ${real} -F none -i ${this.sshd.identityFile} "$@"\n`,
    );
    await chmod(ssh, 0o755);
  }
}
