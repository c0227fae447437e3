import { generateKeyPairSync } from "node:crypto";
import { chmod, cp, mkdir, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { runTool } from "./package_commands.ts";
import { makeArchive, makeDeb, makeRpm } from "./package_formats.ts";
import { signRelease } from "./sign_release.ts";
import { writeChecksums } from "./write_checksums.ts";

/** The program that is packed: what is tried is what is shipped. */
const BINARY = resolve(import.meta.dir, "../dist/migasfree-agent");

/** Two releases of one program: an upgrade is about packages, not about it. */
const VERSIONS = ["2.0.0-alpha.8", "2.0.0-alpha.9"] as const;

const PROGRAM_MODE = 0o755;

/** Stands for upstream's 1.x: the same name, files and unit. */
const OLD_CONTROL = `Package: migasfree-agent
Version: 1.4.1-1
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: stand-in for 1.x
`;

const OLD_UNIT = `[Unit]
Description=migasfree agent 1.x
[Service]
ExecStart=/usr/bin/migasfree-agent
Restart=always
[Install]
WantedBy=multi-user.target
`;

const OLD_POSTINST = `#!/bin/sh
set -e
systemctl daemon-reload
systemctl enable migasfree-agent.service
systemctl start migasfree-agent.service
`;

const OLD_PRERM = `#!/bin/sh
set -e
systemctl stop migasfree-agent.service || :
systemctl disable migasfree-agent.service || :
`;

/**
 * Makes what the guest sees as `/lab`: lists, and two signed releases; or, if
 * it is to be quick, one package.
 */
async function main(dir: string, isQuick: boolean): Promise<void> {
  process.chdir(join(import.meta.dir, ".."));
  if (!await Bun.file(BINARY).exists()) {
    throw new Error(`There is no ${BINARY}: run ./scripts/build first`);
  }
  await mkdir(dir, { recursive: true });
  for (const name of await readdir("scripts/lab")) {
    await cp(join("scripts/lab", name), join(dir, name));
  }
  await cp(BINARY, join(dir, "migasfree-agent"));
  const { privateKey } = generateKeyPairSync("ed25519");
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  for (const [index, version] of VERSIONS.entries()) {
    const outDir = join(dir, `release${index + 1}`);
    await mkdir(outDir);
    const order = {
      target: { name: "linux-x64", debian: "amd64", rpm: "x86_64" },
      binary: BINARY,
      version,
      epochSeconds: 1_700_000_000,
      outDir,
      level: 0,
    };
    await makeDeb(order);
    if (isQuick) return;
    await makeArchive(order);
    if (Bun.which("rpmbuild")) await makeRpm(order);
    await writeChecksums(outDir);
    await signRelease(outDir, key, version);
  }
  await makeOld(dir);
}

async function makeOld(dir: string): Promise<void> {
  const tree = join(dir, "old");
  const put = async (path: string, text: string, mode: number) => {
    await Bun.write(join(tree, path), text);
    await chmod(join(tree, path), mode);
  };
  await put("DEBIAN/control", OLD_CONTROL, 0o644);
  await put("DEBIAN/postinst", OLD_POSTINST, PROGRAM_MODE);
  await put("DEBIAN/prerm", OLD_PRERM, PROGRAM_MODE);
  await put(
    "usr/bin/migasfree-agent",
    "#!/bin/sh\nexec sleep 100000\n",
    PROGRAM_MODE,
  );
  await put("lib/systemd/system/migasfree-agent.service", OLD_UNIT, 0o644);
  runTool(["chmod", "-R", "go-w", tree]);
  const file = join(dir, "old.deb");
  runTool(["dpkg-deb", "--root-owner-group", "--build", tree, file]);
}

await main(resolve(process.argv[2] ?? "lab"), process.argv[3] === "--quick");
