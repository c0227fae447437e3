import { type Child, startChild } from "../test/support/child.ts";
import { eventually } from "../test/support/eventually.ts";
import { freePort } from "../test/support/free_port.ts";
import { type Sshd, sshdMissing, startSshd } from "../test/support/sshd.ts";
import type { BenchPath } from "./bench_path.ts";

/** What people do by hand: `ssh -R` from the endpoint, `ssh -L` to it. */
export const OPENSSH_PATH: BenchPath = {
  name: "openssh",
  what: "-L over -R: two ssh clients and the sshd between them",
  missing: sshdMissing,
  open: async (servicePort) => {
    const sshd = await startSshd();
    const children: Child[] = [];
    const [far, near] = [await freePort(), await freePort()];
    const reverse = `127.0.0.1:${far}:127.0.0.1:${servicePort}`;
    const local = `127.0.0.1:${near}:127.0.0.1:${far}`;
    const start = async (flag: string, forward: string, port: number) => {
      children.push(startChild(sshArgs(sshd, flag, forward)));
      await listens(port);
    };
    await start("-R", reverse, far);
    await start("-L", local, near);
    return {
      port: near,
      pids: Object.fromEntries(
        children.map(({ pid }, index) => [`ssh${index}`, pid]),
      ),
      [Symbol.asyncDispose]: async () => {
        for (const child of children.reverse()) {
          await child[Symbol.asyncDispose]();
        }
        await sshd[Symbol.asyncDispose]();
      },
    };
  },
};

function sshArgs(sshd: Sshd, flag: string, forward: string): string[] {
  const options = {
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    IdentitiesOnly: "yes",
    ExitOnForwardFailure: "yes",
    LogLevel: "ERROR",
  };
  return [
    ...["ssh", "-F", "none", "-N", "-i", sshd.identityFile],
    ...["-p", String(sshd.port), flag, forward],
    ...Object.entries(options).flatMap(([key, value]) => [
      "-o",
      `${key}=${value}`,
    ]),
    `${sshd.user}@127.0.0.1`,
  ];
}

async function listens(port: number): Promise<void> {
  const isUp = () => Bun.spawnSync(["ss", "-Hltn", `sport = :${port}`]);
  await eventually(
    `a listener at ${port}`,
    () => isUp().stdout.toString() !== "",
  );
}
