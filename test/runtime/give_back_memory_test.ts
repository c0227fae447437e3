import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import {
  cleanFileMappings,
  giveBackPages,
} from "../../src/runtime/give_back_memory.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

function mapping(head: string, residentKb: number, anonymousKb: number) {
  return `${head}
Size:               1024 kB
KernelPageSize:        4 kB
Rss:                ${residentKb} kB
Pss:                 512 kB
Anonymous:          ${anonymousKb} kB
AnonHugePages:         0 kB
VmFlags: rd ex mr mw me sd
`;
}

const BINARY = "08:01 1234                     /usr/bin/migasfree-agent";

test("cleanFileMappings() finds what can be dropped and read again", () => {
  const smaps = [
    mapping(`00200000-01a39000 r--p 00000000 ${BINARY}`, 6_436, 0),
    mapping(`01a40000-06849000 r-xp 01838000 ${BINARY}`, 30_548, 0),
  ].join("");
  expect(cleanFileMappings(smaps)).toEqual([
    { address: 0x200000, sizeBytes: 0x1839000 },
    { address: 0x1a40000, sizeBytes: 0x4e09000 },
  ]);
});

test("cleanFileMappings() leaves what is written to, changed, shared or no file's", () => {
  const others = [
    mapping(`06867000-0751f000 rw-p 0665e000 ${BINARY}`, 6_448, 0),
    mapping(`06867000-0751f000 r--p 0665e000 ${BINARY}`, 6_448, 16),
    mapping(`06867000-0751f000 r--s 0665e000 ${BINARY}`, 6_448, 0),
    mapping(`06867000-0751f000 r--p 0665e000 ${BINARY}`, 0, 0),
    mapping(`06867000-0751f000 ---p 0665e000 ${BINARY}`, 4, 0),
    mapping("7ff800000000-7ff900000000 rw-p 00000000 00:00 0 ", 924, 924),
    mapping("7ff800000000-7ff900000000 r--p 00000000 00:00 0 ", 924, 0),
    mapping("7fff1000-7fff3000 r-xp 00000000 00:00 0  [vdso]", 4, 0),
  ];
  expect(others.flatMap(cleanFileMappings)).toEqual([]);
});

testUnless(notLinux())(
  "giveBackPages() makes this process smaller, and leaves it whole",
  async () => {
    const before = await residentKb();
    giveBackPages();
    expect(await residentKb()).toBeLessThan(before);
    expect(JSON.parse(JSON.stringify({ still: ["here"] })))
      .toEqual({ still: ["here"] });
  },
);

async function residentKb(): Promise<number> {
  const rollup = await readFile("/proc/self/smaps_rollup", "utf8");
  return Number(/^Rss: +([0-9]+) kB/m.exec(rollup)?.[1]);
}
