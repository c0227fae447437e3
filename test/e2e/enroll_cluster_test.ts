import { afterAll, beforeAll, expect } from "bun:test";
import { validityOfDays } from "../../src/runtime/certificate_authority.ts";
import {
  type ClusterGateway,
  startClusterGateway,
} from "../support/cluster.ts";
import { enrolledIdentity } from "../support/enrolment.ts";
import { nthLine } from "../support/nth_line.ts";
import { auditRecord } from "../support/operator.ts";
import { Redis, redisMissing } from "../support/redis.ts";
import { Site } from "../support/site.ts";
import { testUnless } from "../support/test_unless.ts";

const missing = redisMissing();
const test = testUnless(missing);

let site: Site;
let one: ClusterGateway;
let two: ClusterGateway;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await Site.create();
  const redis = site.own(await Redis.start("secret"));
  one = await startClusterGateway(site, redis, "one", "tls");
  two = await startClusterGateway(site, redis, "two", "tls");
}, 60_000);

afterAll(async () => await site?.[Symbol.asyncDispose](), 30_000);

test(
  "two computers with one certificate are noticed at two gateways, too",
  async () => {
    const life = validityOfDays(60, new Date());
    const identity = await enrolledIdentity(site, 7, life);
    const copy = async (name: string, { url }: ClusterGateway) =>
      (await site.agent({ id: 7, url, identity, name, services: {} })).child;
    const copies = [await copy("copy-1", one), await copy("copy-2", two)];
    const gateways = [one.child, two.child];
    for (let turn = 2; turn <= 8; turn++) {
      const at = turn % 2;
      // It has heard that the other one took the device.
      await nthLine(
        copies[at] ?? fail(),
        /link\.lost .*code=linkReplaced/,
        Math.floor(turn / 2),
      );
      copies[at]?.kill("SIGHUP");
      await nthLine(
        gateways[at] ?? fail(),
        /agent\.online device=7 /,
        1 + Math.floor(turn / 2),
      );
    }
    await two.child.line(/device\.cloned device=7 .*quarantined=false/);
    expect(await auditRecord(site, "two", { event: "device.cloned" }))
      .toMatchObject({
        deviceId: 7,
        addresses: ["another gateway", "127.0.0.1"],
      });
  },
  60_000,
);

function fail(): never {
  throw new Error("There are two of each");
}
