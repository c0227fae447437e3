# However it ends, it is back.

for signal in SEGV KILL; do
  old=$(pid_of migasfree-agent)
  kill -s "$signal" "$old"
  check "back after SIG$signal" within 15 is_online_anew "$old"
done
old=$(pid_of migasfree-agent)
kill -s STOP "$old"
check "back after it froze" within 15 is_online_anew "$old"
check "it was the watchdog who noticed" \
  sh -c 'journalctl -q -u migasfree-agent | grep -q "Watchdog timeout"'

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
