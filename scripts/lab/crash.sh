# However it ends, it is back.

for signal in SEGV KILL; do
  old=$(pid_of migasfree-agent)
  kill -s "$signal" "$old"
  check "back after SIG$signal" within 15 is_online_anew "$old"
done
watchdog_ends() {
  journalctl -q -u migasfree-agent | grep -c "Watchdog timeout"
}
ends=0
# Its watchdog takes 10 s each time: one of the two will do for a quick look.
if [ -z "${is_quick:-}" ]; then
  old=$(pid_of migasfree-agent)
  kill -s STOP "$old"
  check "back after it froze" within 15 is_online_anew "$old"
  ends=1
  check "it was the watchdog who noticed" test "$(watchdog_ends)" -eq "$ends"
fi

# The event loop alone, as ptrace(2) can: PTRACE_SEIZE and PTRACE_INTERRUPT of
# the main thread, while those that collect garbage and move bytes go on.
# Whoever traces a process must also be told of its end, before systemd is.
cat >/root/freeze.js <<'JS'
const { dlopen, ptr } = require("bun:ffi");
const { symbols } = dlopen("libc.so.6", {
  ptrace: { args: ["i64", "i64", "ptr", "ptr"], returns: "i64" },
  waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
});
const pid = Number(process.argv.at(-1));
for (const request of [0x4206, 0x4207]) {
  if (Number(symbols.ptrace(request, pid, null, null)) !== 0) process.exit(1);
}
console.log("frozen");
const status = new Int32Array(1);
// WNOHANG and __WALL. 0x7f: it has stopped, not ended.
setInterval(() => {
  const changed = symbols.waitpid(pid, ptr(status), 0x40000001) === pid;
  if (changed && (status[0] & 0x7f) !== 0x7f) process.exit(0);
}, 50);
JS
# $1: process. States of its main thread, and of all others.
main_state() {
  sed 's/.*) //' "/proc/$1/task/$1/stat" | cut -c 1
}
other_states() {
  for task in "/proc/$1/task"/*; do
    [ "${task##*/}" = "$1" ] || sed 's/.*) //' "$task/stat" | cut -c 1
  done
}
old=$(pid_of migasfree-agent)
BUN_BE_BUN=1 /lab/migasfree-agent /root/freeze.js "$old" >/root/frozen 2>&1 &
freezer=$!
check "its event loop is frozen" within 5 grep -qx frozen /root/frozen
check "its main thread stands still, the other ones do not: $(main_state "$old"), $(
  other_states "$old" | sort | uniq -c | tr -s ' \n' ' '
)" sh -c '[ "$1" = t ] && printf "%s" "$2" | grep -q "[SR]" &&
  ! printf "%s" "$2" | grep -qi t' - "$(main_state "$old")" "$(other_states "$old")"
check "back after its event loop froze" within 15 is_online_anew "$old"
check "it was the watchdog who noticed that" \
  test "$(watchdog_ends)" -eq "$((ends + 1))"
kill "$freezer" 2>/dev/null
wait "$freezer" 2>/dev/null

old=$(pid_of migasfree-gateway)
kill -s KILL "$old"
check "the gateway is back after SIGKILL" within 15 is_online
old=$(pid_of migasfree-agent)
check "reload keeps the process" systemctl reload migasfree-agent
check "and it is online with a new link" within 10 is_online
check "the same process" test "$(pid_of migasfree-agent)" = "$old"

start=$(now_ms)
systemctl stop migasfree-agent
check "stop takes at most 10 s: $(($(now_ms) - start)) ms" \
  test "$(($(now_ms) - start))" -le 10000
check "stopped without a failure" \
  test "$(systemctl show -P Result migasfree-agent)" = success
systemctl stop migasfree-gateway
check "without a gateway it starts all the same" \
  timeout 20 systemctl start migasfree-agent
check "and says that it dials" sh -c \
  'systemctl show -P StatusText migasfree-agent | grep -q "^Dialing again: "'
systemctl start migasfree-gateway
check "and is online when there is one" within 15 is_online

# Whoever could set this would have Bun run something else.
systemctl set-environment BUN_BE_BUN=1 "BUN_OPTIONS=--preload /root/ask.js" \
  NODE_EXTRA_CA_CERTS=/root/pki/ca.pem LD_PRELOAD=/nowhere.so
check "an environment for Bun reaches no unit" systemctl restart migasfree-agent
check "it is the agent that runs" within 15 is_online
check "and none of those variables is there" refuses \
  grep -q -e BUN_ -e NODE_ -e LD_ "/proc/$(pid_of migasfree-agent)/environ"
systemctl unset-environment BUN_BE_BUN BUN_OPTIONS NODE_EXTRA_CA_CERTS LD_PRELOAD
