import { expect, test } from "bun:test";
import { runChild } from "../support/child.ts";
import { BINARY, Site } from "../support/site.ts";
import { serveTcp } from "../support/tcp_peer.ts";

test(
  "at a site that lets everybody in, an operator works without a certificate",
  async () => {
    await using site = await Site.create();
    const service = site.own(
      await serveTcp((socket) => void socket.end("hello\n")),
    );
    const config = await site.write(
      "open.toml",
      `listen = "127.0.0.1:0"
state_dir = "${site.dir}/open"
metrics_listen = "127.0.0.1:0"
[behind_proxy]
trusted = ["127.0.0.1/32"]
[insecure]
serve_without_certificates = true
`,
    );
    const gateway = site.start([BINARY, "gateway", "--config", config]);
    const line = await gateway.line(/gateway\.listen /);
    const port = /\blisten=\S*:(\d+)/.exec(line)?.[1] ?? "";
    const agentConfig = await site.write(
      "agent.toml",
      `device_id = 9
name = "aula-9"
gateway = "ws://127.0.0.1:${port}/tunnel"
state_dir = "${site.dir}/agent"
[services]
greeting = "127.0.0.1:${service.port}"
`,
    );
    const agent = site.start([BINARY, "run", "--config", agentConfig]);
    await agent.line(/link\.open /);
    const url = `http://127.0.0.1:${port}`;
    const flags = ["--gateway", url];
    const connect = ["connect", "9", "greeting", "--stdio", ...flags];
    const env = { HOME: site.dir };
    const nobody = await runChild([BINARY, ...connect, "--no-cert"], { env });
    expect(nobody).toMatchObject({ status: 0, stdout: "hello\n" });
    expect(nobody.stderr).toContain("No certificate is shown");
    const unnamed = await runChild([BINARY, ...connect], { env });
    expect([unnamed.status, unnamed.stdout]).toEqual([64, ""]);
  },
  30_000,
);
