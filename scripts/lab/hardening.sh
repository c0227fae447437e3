# What the profile is worth, and what it costs.

check_scores

# $1: id of a device. Milliseconds for 512 MiB from its port to nowhere.
pull_ms() {
  local start
  start=$(now_ms)
  timeout 60 migasfree-agent connect "$1" bytes --stdio </dev/null | wc -c >/root/pulled
  [ "$(cat /root/pulled)" = 536870912 ] || echo "only $(cat /root/pulled) bytes" >&2
  printf '%s\n' "$(($(now_ms) - start))"
}

best() {
  printf '%s\n' "$@" | sort -n | head -n 1
}

mkdir -p /root/plain
sed -e 's/^device_id = 7/device_id = 8/' -e 's/aula-7/aula-8/' \
  -e 's,"\(ca\|cert\|key\).pem","/root/pki/computers/aula-8/\1.pem",' \
  /etc/migasfree-agent/agent.toml >/root/plain/agent.toml
printf 'state_dir = "/root/plain"\n' | cat - /root/plain/agent.toml >/root/plain/a.toml
systemd-run --quiet --unit=lab-plain migasfree-agent run --config /root/plain/a.toml
within 10 sh -c 'migasfree-agent devices --json | grep -q "aula-8"' >/dev/null
sleep 1
# In turns, and the best of each: a busy machine slows down both. Three turns,
# and more where it was so busy that they say nothing.
hards=
plains=
turn=0
ratio=0
while [ "$turn" -lt 3 ] || [ "$ratio" -lt 80 ] && [ "$turn" -lt 8 ]; do
  plains="$plains $(pull_ms 8)"
  hards="$hards $(pull_ms 7)"
  # shellcheck disable=SC2086
  hard=$(best $hards) plain=$(best $plains)
  ratio=$((plain * 100 / hard))
  turn=$((turn + 1))
done
systemctl stop lab-plain
check "512 MiB: hardened $((536870 / hard)) MB/s, unhardened $((536870 / plain)) MB/s, ratio $ratio % after $turn turns, at least 80" \
  test "$ratio" -ge 80
if [ -n "${LAB_MDWE:-}" ]; then
  mkdir -p /run/systemd/system/migasfree-agent.service.d
  printf '[Service]\nMemoryDenyWriteExecute=yes\nNotifyAccess=all\n' \
    >/run/systemd/system/migasfree-agent.service.d/mdwe.conf
  systemctl daemon-reload
  check "MemoryDenyWriteExecute: it starts" timeout 30 systemctl restart migasfree-agent
  within 10 is_online >/dev/null
  printf 'with MemoryDenyWriteExecute: %s MB/s, exposure %s\n' \
    "$((536870 / $(best "$(pull_ms 7)" "$(pull_ms 7)" "$(pull_ms 7)")))" "$(score_of migasfree-agent.service)"
  rm -r /run/systemd/system/migasfree-agent.service.d
  systemctl daemon-reload
  systemctl restart migasfree-agent
  within 10 is_online >/dev/null
fi
