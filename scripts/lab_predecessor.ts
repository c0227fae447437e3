import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "./package_commands.ts";

const PROGRAM_MODE = 0o755;
const FILE_MODE = 0o644;

const PROGRAM = "#!/bin/sh\nexec sleep 100000\n";

/** As migasfree's 1.x: a program of root's, started anew whatever happens. */
const UNIT = `[Unit]
Description=migasfree agent 1.x
After=network-online.target
[Service]
Type=simple
Environment=PYTHONUNBUFFERED=1
ExecStart=/usr/bin/migasfree-agent
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
`;

const START = `systemctl daemon-reload
systemctl enable migasfree-agent.service
systemctl start migasfree-agent.service
`;

/** Whether it is removed or upgraded: the rudest that there can be. */
const STOP = `systemctl stop migasfree-agent.service || :
systemctl disable migasfree-agent.service || :
`;

const CONTROL = `Package: migasfree-agent
Version: 1.4.1-1
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: stand-in for 1.x
`;

const UNIT_PATH = "lib/systemd/system/migasfree-agent.service";
const PROGRAM_PATH = "usr/bin/migasfree-agent";

const SPEC = `Name: migasfree-agent
Version: 1.4.1
Release: 1
Summary: stand-in for 1.x
License: none
BuildArch: noarch
AutoReqProv: no
%description
Stand-in for 1.x.
%install
cp -a #TREE#/. %{buildroot}/
%files
/${PROGRAM_PATH}
/usr/${UNIT_PATH}
%post
${START}%preun
${STOP}%postun
systemctl daemon-reload
`;

/**
 * Makes stand-ins of migasfree's 1.x, `old.deb` and, with rpmbuild, `old.rpm`,
 * in `dir`: the same name, files and unit.
 */
export async function makePredecessor(dir: string): Promise<void> {
  await makeDeb(dir);
  if (Bun.which("rpmbuild")) await makeRpm(dir);
}

async function makeDeb(dir: string): Promise<void> {
  const tree = join(dir, "old");
  await put(tree, "DEBIAN/control", CONTROL, FILE_MODE);
  for (const [name, text] of [["postinst", START], ["prerm", STOP]] as const) {
    await put(tree, `DEBIAN/${name}`, `#!/bin/sh\nset -e\n${text}`);
  }
  await put(tree, PROGRAM_PATH, PROGRAM);
  await put(tree, UNIT_PATH, UNIT, FILE_MODE);
  runTool(["chmod", "-R", "go-w", tree]);
  const file = join(dir, "old.deb");
  runTool(["dpkg-deb", "--root-owner-group", "--build", tree, file]);
}

async function makeRpm(dir: string): Promise<void> {
  const tree = join(dir, "old-rpm");
  await put(tree, PROGRAM_PATH, PROGRAM);
  await put(tree, `usr/${UNIT_PATH}`, UNIT, FILE_MODE);
  const top = join(dir, "old-top");
  const spec = join(dir, "old.spec");
  await Bun.write(spec, SPEC.replace("#TREE#", tree));
  runTool(["rpmbuild", "-bb", "--define", `_topdir ${top}`, spec]);
  const made = join(top, "RPMS/noarch/migasfree-agent-1.4.1-1.noarch.rpm");
  await Bun.write(join(dir, "old.rpm"), Bun.file(made));
}

async function put(
  tree: string,
  path: string,
  text: string,
  mode = PROGRAM_MODE,
): Promise<void> {
  await Bun.write(join(tree, path), text);
  await chmod(join(tree, path), mode);
}
