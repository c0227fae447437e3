import { expect, test } from "bun:test";
import { agentConfigSchema } from "../../src/agent/config_schema.ts";
import { wantedBy } from "../../src/cli/agent_config.ts";

/** Which of the two commands of migasfree a file makes necessary. */
function asks(file: Record<string, unknown>): string {
  const { conf, deviceId } = wantedBy(agentConfigSchema.parse(file));
  return [...(conf ? ["conf"] : []), ...(deviceId ? ["id"] : [])].join();
}

const WAY = { gateway: "wss://mf" };
const PAIR = { "cert_file": "/c", "key_file": "/k" };
const FILES = { "ca_file": "/ca", ...PAIR };
const WHO = { "device_id": 7, name: "aula-7" };

test("wantedBy() asks migasfree for what is missing, and no more", () => {
  const found = [
    asks({}),
    asks({ "device_id": 7 }),
    asks({ ...WHO, ...WAY, ...FILES }),
    asks({ ...WHO, manager: "https://mf", ...FILES }),
    asks({ name: "aula-7", ...WAY, ...FILES }),
    asks({ "device_id": 7, ...WAY, ...FILES }),
    asks({ ...WHO, ...FILES }),
    asks({ ...WHO, ...WAY }),
    asks({ ...WHO, ...WAY, ...PAIR }),
    asks({ ...WHO, ...WAY, "ca_file": "/ca" }),
    asks({ ...WHO, gateway: "ws://127.0.0.1:8080" }),
  ];
  expect(found).toEqual([
    ...["conf,id", "conf", "", "", "id", "conf"],
    ...["conf", "conf", "conf", "conf", ""],
  ]);
});

test("wantedBy() lets another computer be asked without TLS only to debug", () => {
  const plain = (file: object) =>
    wantedBy(agentConfigSchema.parse(file)).mayBePlain;
  expect([plain({}), plain({ "debug_insecure_tls": true })])
    .toEqual([false, true]);
});
