import { readFile } from "node:fs/promises";
import { freePort } from "../test/support/free_port.ts";
import { missingProgram } from "../test/support/test_unless.ts";
import { Site } from "../test/support/site.ts";
import type { BenchPath } from "./bench_path.ts";

/** The same two hops by the best that C can do: HAProxy moving TCP in TLS. */
export const HAPROXY_PATH: BenchPath = {
  name: "haproxy",
  what: "three HAProxy processes in TCP mode, mTLS between them",
  missing: () => missingProgram("haproxy"),
  open: async (servicePort) => {
    const site = await Site.create();
    const own = `${site.pkiDir}/gateway`;
    const pemOf = async (name: string, cert: string, key: string) => {
      const files = [await readFile(cert, "utf8"), await readFile(key, "utf8")];
      return await site.write(`haproxy/${name}.pem`, files.join(""));
    };
    const pem = await pemOf("server", `${own}/cert.pem`, `${own}/key.pem`);
    const client = await site.identity("computer", "haproxy_1");
    const clientPem = await pemOf("client", client.cert_file, client.key_file);
    const ca = `${site.pkiDir}/ca.pem`;
    const accept = `ssl crt ${pem} ca-file ${ca} verify required`;
    const dial = `ssl crt ${clientPem} ca-file ${ca} verify required`;
    const ports = [await freePort(), await freePort(), await freePort()];
    const [first = 0, second = 0, third = 0] = ports;
    const pids: Record<string, number> = {};
    const hop = async (
      name: string,
      port: number,
      accepts: string,
      target: number,
      dials: string,
    ) => {
      const text = configuration(port, accepts, target, dials);
      const config = await site.write(`haproxy/${name}.cfg`, text);
      const child = site.start(["haproxy", "-W", "-db", "-f", config]);
      await child.line(/Loading success/);
      pids[name] = child.pid;
    };
    await hop("far", third, accept, servicePort, "");
    await hop("middle", second, accept, third, dial);
    await hop("near", first, "", second, dial);
    return {
      port: first,
      pids,
      [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
    };
  },
};

function configuration(
  port: number,
  accepts: string,
  target: number,
  dials: string,
): string {
  return `global
  maxconn 1000
  nbthread 1
  ssl-server-verify none
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend in
  bind 127.0.0.1:${port} ${accepts}
  default_backend out
backend out
  server out 127.0.0.1:${target} ${dials}
`;
}
