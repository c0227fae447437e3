import { expect, test } from "bun:test";
import {
  endsListeners,
  isListening,
  parseDarwinNetstat,
  parseWindowsNetstat,
  procListeners,
} from "../../src/runtime/listener_table.ts";

/** All that the tables below have, and some that they have not. */
const PORTS = new Set([22, 80, 81, 443, 631, 3306, 3389, 5900, 8080, 65_535]);

function ends(text: string): boolean {
  return endsListeners(Buffer.from(text));
}

const PROC_TCP = `\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:170C 00000000:0000 0A 00000000:00000000 00:00000000 00000000   112        0 30718 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21190 1 0000000000000000 100 0 0 10 0
   2: 0A0200C0:0D3D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24411 1 0000000000000000 100 0 0 10 0
   3: 0100007F:0050 0100007F:C1A2 01 00000000:00000000 02:000A7D8C 00000000  1000        0 40210 2 0000000000000000 20 4 30 10 -1
   4: 0100007F:0051 00000000:0000 06 00000000:00000000 03:0000033E 00000000     0        0 0 3 0000000000000000
`;

const PROC_TCP6 = `\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13367 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13368 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:0CEA 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13369 1 0000000000000000 100 0 0 10 0
   3: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13370 1 0000000000000000 100 0 0 10 0
`;

const DARWIN = `\
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)    
tcp4       0      0  192.168.1.20.51733     203.0.113.7.443        ESTABLISHED
tcp4       0      0  127.0.0.1.631          *.*                    LISTEN     
tcp6       0      0  ::1.631                *.*                    LISTEN     
tcp46      0      0  *.5900                 *.*                    LISTEN     
tcp4       0      0  *.88                   *.*                    LISTEN     
tcp6       0      0  *.22                   *.*                    LISTEN     
tcp6       0      0  fe80::1%lo0.7000       *.*                    LISTEN     
tcp4       0      0  127.0.0.1.8021         127.0.0.1.50112        TIME_WAIT  
udp4       0      0  *.5353                 *.*                               
Active LOCAL (UNIX) domain sockets
Address          Type   Recv-Q Send-Q            Inode             Conn
d1f0a8b9c3e5f701 stream      0      0 d1f0a8b9d8f1a2b3                0
`;

const WINDOWS = [
  "",
  "Aktive Verbindungen",
  "",
  "  Proto  Lokale Adresse         Remoteadresse          Status",
  "  TCP    0.0.0.0:135            0.0.0.0:0              ABHÖREN",
  "  TCP    0.0.0.0:3389           0.0.0.0:0              ABHÖREN",
  "  TCP    127.0.0.1:5900         0.0.0.0:0              ABHÖREN",
  "  TCP    192.168.1.20:49733     203.0.113.7:443        HERGESTELLT",
  "  TCP    127.0.0.1:8021         127.0.0.1:50112        WARTEND",
  "  TCP    [::]:445               [::]:0                 ABHÖREN",
  "  TCP    [::1]:42050            [::]:0                 ABHÖREN",
  "  UDP    0.0.0.0:5353           *:*                    ",
  "",
].join("\r\n");

type Row = [host: string, port: number, listening: boolean];

function check(table: ReadonlySet<string>, rows: readonly Row[]): void {
  const found = rows.map(([host, port]) =>
    [host, port, isListening(table, host, port)] satisfies Row
  );
  expect(found).toEqual([...rows]);
}

test("procListeners() finds who listens on IPv4", () => {
  const table = procListeners(Buffer.from(PROC_TCP), PORTS);
  expect(table.size).toBe(3);
  check(table, [
    ["127.0.0.1", 5900, true],
    ["127.0.0.2", 5900, false],
    ["127.0.0.1", 22, true],
    ["192.0.2.10", 22, true],
    ["192.0.2.10", 3389, true],
    ["127.0.0.1", 3389, false],
    ["127.0.0.1", 80, false],
    ["127.0.0.1", 81, false],
    ["::1", 22, false],
  ]);
});

test("endsListeners() is true from the first row that is no listener's on", () => {
  const rows = PROC_TCP.split("\n").slice(0, -1);
  const beginnings = rows.map((_row, index) =>
    rows.slice(0, index + 1).map((row) => `${row}\n`).join("")
  );
  expect(beginnings.map(ends))
    .toEqual([false, false, false, false, true, true]);
  // What a read has cut is no row yet.
  expect(ends(beginnings[3] + (rows[4] ?? ""))).toBe(false);
  expect(ends("")).toBe(false);
  const asking = rows[4]?.replace(" 01 ", " 03 ");
  expect(ends(`${beginnings[2]}${asking}\n`)).toBe(false);
});

test("procListeners() finds who listens on IPv6, and on IPv4 that way", () => {
  const table = procListeners(Buffer.from(PROC_TCP6), PORTS);
  expect(table.size).toBe(4);
  check(table, [
    ["127.0.0.1", 8080, true],
    ["::1", 8080, true],
    ["0:0:0:0:0:0:0:1", 631, true],
    ["127.0.0.1", 631, false],
    ["127.0.0.1", 3306, true],
    ["::ffff:127.0.0.1", 3306, true],
    ["::1", 3306, false],
    ["2001:DB8::1", 443, true],
    ["2001:db8::2", 443, false],
  ]);
});

test("parseDarwinNetstat() finds who listens", () => {
  const table = parseDarwinNetstat(DARWIN);
  expect(table.size).toBe(6);
  check(table, [
    ["127.0.0.1", 631, true],
    ["::1", 631, true],
    ["192.168.1.20", 631, false],
    ["127.0.0.1", 5900, true],
    ["::1", 5900, true],
    ["127.0.0.1", 88, true],
    ["::1", 88, false],
    ["::1", 22, true],
    ["fe80::1", 7000, true],
    ["127.0.0.1", 8021, false],
    ["192.168.1.20", 51733, false],
    ["127.0.0.1", 5353, false],
  ]);
});

test("parseWindowsNetstat() finds who listens, in any language", () => {
  const table = parseWindowsNetstat(WINDOWS);
  expect(table.size).toBe(5);
  check(table, [
    ["127.0.0.1", 3389, true],
    ["192.168.1.20", 3389, true],
    ["127.0.0.1", 5900, true],
    ["127.0.0.2", 5900, false],
    ["::1", 445, true],
    ["::1", 42050, true],
    ["127.0.0.1", 42050, false],
    ["127.0.0.1", 8021, false],
    ["192.168.1.20", 49733, false],
    ["127.0.0.1", 5353, false],
  ]);
});

test("The parsers pass over what is no table", () => {
  const noise = [
    "",
    "\u0000\n\n  :",
    "0: ZZ:0016 0 0A",
    "0: 0100007F:16 0 0A",
    "TCP [:0 0.0.0.0:0",
    "tcp4 0 0 . *.* LISTEN",
    "x".repeat(100_000),
  ].join("\n");
  const sizes = [parseDarwinNetstat, parseWindowsNetstat]
    .map((parse) => parse(noise).size);
  sizes.push(procListeners(Buffer.from(noise), PORTS).size);
  expect(sizes).toEqual([0, 0, 0]);
});
