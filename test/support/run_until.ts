/**
 * Shell: `run_until SIGNAL AT SCRIPT…` runs a script with every command traced,
 * and sends SIGNAL once AT commands have begun; 0 is never. Ends with its
 * status, or 137 if it was killed; the number of commands is in /tmp/count.
 */
export const RUN_UNTIL = `run_until() {
  signal=$1 at=$2; shift 2
  rm -f /tmp/trace; mkfifo /tmp/trace
  PS4=@ dash -x "$@" >/tmp/said 2>/tmp/trace & pid=$!
  awk -v at="$at" -v pid="$pid" -v signal="$signal" '
    /^@/ { if (++n == at) system("kill -s " signal " " pid " 2>/dev/null") }
    END { print n >"/tmp/count" }' /tmp/trace
  wait "$pid" 2>/dev/null
}
`;

/**
 * How many places in the life of one run are tried, spread evenly; all of them
 * take an hour, and MIGASFREE_TEST_PLACES=9999.
 */
const PLACES_COUNT = Number(process.env["MIGASFREE_TEST_PLACES"] ?? 6);

/** Returns which of `commandCount` commands are the last ones of a run. */
export function placesIn(commandCount: number): number[] {
  const count = Math.min(PLACES_COUNT, commandCount);
  return Array.from(
    { length: count },
    (_none, index) => Math.ceil((index + 1) * commandCount / count),
  );
}
