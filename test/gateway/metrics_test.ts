import { expect, test } from "bun:test";
import { GatewayMetrics } from "../../src/gateway/metrics.ts";
import { FAULTS } from "../../src/protocol/fault.ts";

const BUILD = { version: "2.0.0", commit: "0123456789ab" };
const READINGS = {
  agentsConnected: 3,
  v1AgentsConnected: 1,
  isInsecure: true,
  residentBytes: 48_000_000,
};

/** What Prometheus takes as a line (exposition format 0.0.4). */
const LINE_REGEXP =
  /^(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{(?:[a-z]+="[^"\\]*",?)+\})? [0-9.e+]+)$/;

function busyMetrics(): GatewayMetrics {
  const metrics = new GatewayMetrics(BUILD);
  metrics.tunnelOpened("ssh", 30);
  metrics.tunnelOpened("ssh", 700);
  metrics.tunnelOpened("gopher", 12_000);
  metrics.tunnelResumed("vnc");
  metrics.resumeExpired();
  metrics.agentDetached({ expired: 1, "replayed_bytes": 70_000 });
  metrics.agentDetached({ expired: 2, "replayed_bytes": 5 });
  metrics.v1Ignored("operator");
  metrics.endsWaiting(1);
  metrics.endsWaiting(1);
  metrics.endsWaiting(-1);
  metrics.tunnelRefused("deviceOffline");
  metrics.tunnelsOpen(1);
  metrics.tunnelsOpen(1);
  metrics.tunnelsOpen(-1);
  metrics.streamBytes("up", 1_000);
  metrics.streamBytes("down", 2 ** 40);
  metrics.linkRefused("roleRefused");
  metrics.linkClosed("control", "linkSilent");
  metrics.linkClosed("stream", "ok");
  metrics.certificateIssued("renewed");
  metrics.deviceCloned();
  metrics.auditFailed();
  return metrics;
}

/** The page without the fault codes that have not happened. */
function happenings(page: string): string {
  return page.split("\n")
    .filter((line) => !/code="[^"]+"\} 0$/.test(line))
    .join("\n");
}

const BUSY_PAGE =
  `# HELP migasfree_gateway_agents_connected Agents that are online
# TYPE migasfree_gateway_agents_connected gauge
migasfree_gateway_agents_connected 3
# HELP migasfree_gateway_old_agents_connected Those of them that speak protocol 1
# TYPE migasfree_gateway_old_agents_connected gauge
migasfree_gateway_old_agents_connected 1
# HELP migasfree_gateway_tunnels_open Tunnels that are open
# TYPE migasfree_gateway_tunnels_open gauge
migasfree_gateway_tunnels_open 1
# HELP migasfree_gateway_ends_waiting Ends that came back, and wait for the other
# TYPE migasfree_gateway_ends_waiting gauge
migasfree_gateway_ends_waiting 1
# HELP migasfree_gateway_tunnels_opened_total Tunnels whose service has answered, by service
# TYPE migasfree_gateway_tunnels_opened_total counter
migasfree_gateway_tunnels_opened_total{service="ssh"} 2
migasfree_gateway_tunnels_opened_total{service="vnc"} 0
migasfree_gateway_tunnels_opened_total{service="rdp"} 0
migasfree_gateway_tunnels_opened_total{service="exec"} 0
migasfree_gateway_tunnels_opened_total{service="other"} 1
# HELP migasfree_gateway_tunnels_resumed_total Tunnels whose two ends met again after a lost link, by service
# TYPE migasfree_gateway_tunnels_resumed_total counter
migasfree_gateway_tunnels_resumed_total{service="ssh"} 0
migasfree_gateway_tunnels_resumed_total{service="vnc"} 1
migasfree_gateway_tunnels_resumed_total{service="rdp"} 0
migasfree_gateway_tunnels_resumed_total{service="exec"} 0
migasfree_gateway_tunnels_resumed_total{service="other"} 0
# HELP migasfree_gateway_resumes_expired_total Ends that came back, and were sent away because the other one did not
# TYPE migasfree_gateway_resumes_expired_total counter
migasfree_gateway_resumes_expired_total 1
# HELP migasfree_gateway_detaches_expired_total Tunnels that agents gave up because no new link stood in time
# TYPE migasfree_gateway_detaches_expired_total counter
migasfree_gateway_detaches_expired_total 3
# HELP migasfree_gateway_replayed_bytes_total Bytes that agents have sent once more after a lost link
# TYPE migasfree_gateway_replayed_bytes_total counter
migasfree_gateway_replayed_bytes_total 70005
# HELP migasfree_gateway_tunnels_refused_total Tunnels that an operator asked for and did not get, by fault
# TYPE migasfree_gateway_tunnels_refused_total counter
migasfree_gateway_tunnels_refused_total{code="deviceOffline"} 1
# HELP migasfree_gateway_links_refused_total Links and requests that were not let in, by fault
# TYPE migasfree_gateway_links_refused_total counter
migasfree_gateway_links_refused_total{code="roleRefused"} 1
# HELP migasfree_gateway_links_closed_total Links that ended, by kind and by fault; ok: cleanly
# TYPE migasfree_gateway_links_closed_total counter
migasfree_gateway_links_closed_total{kind="control",code="linkSilent"} 1
migasfree_gateway_links_closed_total{kind="stream",code="ok"} 1
# HELP migasfree_gateway_stream_bytes_total Bytes of tunnels that ended; up is to the device
# TYPE migasfree_gateway_stream_bytes_total counter
migasfree_gateway_stream_bytes_total{direction="up"} 1000
migasfree_gateway_stream_bytes_total{direction="down"} 1099511627776
# HELP migasfree_gateway_open_seconds From an operator's request to the answer of the device's service
# TYPE migasfree_gateway_open_seconds histogram
migasfree_gateway_open_seconds_bucket{le="0.005"} 0
migasfree_gateway_open_seconds_bucket{le="0.01"} 0
migasfree_gateway_open_seconds_bucket{le="0.025"} 0
migasfree_gateway_open_seconds_bucket{le="0.05"} 1
migasfree_gateway_open_seconds_bucket{le="0.1"} 1
migasfree_gateway_open_seconds_bucket{le="0.25"} 1
migasfree_gateway_open_seconds_bucket{le="0.5"} 1
migasfree_gateway_open_seconds_bucket{le="1"} 2
migasfree_gateway_open_seconds_bucket{le="2.5"} 2
migasfree_gateway_open_seconds_bucket{le="5"} 2
migasfree_gateway_open_seconds_bucket{le="10"} 2
migasfree_gateway_open_seconds_bucket{le="+Inf"} 3
migasfree_gateway_open_seconds_sum 12.73
migasfree_gateway_open_seconds_count 3
# HELP migasfree_gateway_messages_ignored_total Messages of protocol 1 that could not be read, by who sent them
# TYPE migasfree_gateway_messages_ignored_total counter
migasfree_gateway_messages_ignored_total{role="agent"} 0
migasfree_gateway_messages_ignored_total{role="operator"} 1
# HELP migasfree_gateway_certificates_total Computers that asked this gateway for a certificate, by what became of it
# TYPE migasfree_gateway_certificates_total counter
migasfree_gateway_certificates_total{result="enrolled"} 0
migasfree_gateway_certificates_total{result="renewed"} 1
migasfree_gateway_certificates_total{result="pending"} 0
# HELP migasfree_gateway_device_clones_total Devices found to be two computers with one certificate
# TYPE migasfree_gateway_device_clones_total counter
migasfree_gateway_device_clones_total 1
# HELP migasfree_gateway_audit_failures_total Audit records that could not be written
# TYPE migasfree_gateway_audit_failures_total counter
migasfree_gateway_audit_failures_total 1
# HELP migasfree_gateway_insecure 1 if who shows no certificate is served
# TYPE migasfree_gateway_insecure gauge
migasfree_gateway_insecure 1
# HELP migasfree_gateway_resident_bytes Memory of the process that is in RAM
# TYPE migasfree_gateway_resident_bytes gauge
migasfree_gateway_resident_bytes 48000000
# HELP migasfree_gateway_build_info Always 1; its labels say which program this is
# TYPE migasfree_gateway_build_info gauge
migasfree_gateway_build_info{version="2.0.0",commit="0123456789ab"} 1
`;

test("page() is what Prometheus reads, each metric with its help", () => {
  expect(happenings(busyMetrics().page(READINGS))).toBe(BUSY_PAGE);
});

test("page() has a counter at 0 for every fault code from the start", () => {
  const page = new GatewayMetrics(BUILD).page(READINGS);
  const lines = new Set(page.split("\n"));
  const expected = Object.keys(FAULTS).flatMap((code) => [
    `migasfree_gateway_tunnels_refused_total{code="${code}"} 0`,
    `migasfree_gateway_links_refused_total{code="${code}"} 0`,
    `migasfree_gateway_links_closed_total{kind="control",code="${code}"} 0`,
    `migasfree_gateway_links_closed_total{kind="stream",code="${code}"} 0`,
  ]);
  expect(expected.filter((line) => !lines.has(line))).toEqual([]);
});

test("page() is of lines that the format allows, each metric said once", () => {
  const page = busyMetrics().page(READINGS);
  expect(page.endsWith("\n")).toBe(true);
  const lines = page.trim().split("\n");
  expect(lines.filter((line) => !LINE_REGEXP.test(line))).toEqual([]);
  const series = lines.map((line) => line.replace(/ [^ ]+$/, ""));
  expect(new Set(series).size).toBe(series.length);
});

test("page() grows with no name that an operator invents", () => {
  const metrics = new GatewayMetrics(BUILD);
  const before = metrics.page(READINGS).split("\n").length;
  for (let at = 0; at < 1_000; at++) metrics.tunnelOpened(`s${at}`, 1);
  expect(metrics.page(READINGS).split("\n").length).toBe(before);
});
