/** Tunnels of others that a run may be measured beside, if they are there. */
const PROGRAMS = [
  "chisel",
  "frpc",
  "frps",
  "wstunnel",
  "rathole",
  "cloudflared",
  "websockify",
];

/** Says which of them are not on PATH, and which are there and not driven yet. */
export function describeReferences(
  find: (program: string) => string | null = Bun.which,
): string[] {
  const here = PROGRAMS.filter((program) => find(program) !== null);
  const absent = PROGRAMS.filter((program) => find(program) === null);
  return [
    ...absent.length > 0 ? [`Absent references: ${absent.join(", ")}`] : [],
    ...here.length > 0
      ? [`Installed, and not measured: nobody has told how: ${here.join(", ")}`]
      : [],
  ];
}
