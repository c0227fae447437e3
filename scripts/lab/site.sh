# What the lists share: checks, and a site with a gateway and an agent.

held=0
broken=0
export HOME=/root
LAB_BINARY=/lab/migasfree-agent

now_ms() {
  local up rest
  read -r up rest </proc/uptime
  printf '%s\n' "$((${up/./} * 10))"
}

# $1: what must hold; the rest: the command that says whether it does.
check() {
  local what=$1 start said
  shift
  start=$(now_ms)
  if said=$("$@" 2>&1); then
    held=$((held + 1))
    printf 'ok    %s (%s ms)\n' "$what" "$(($(now_ms) - start))"
  else
    broken=$((broken + 1))
    printf 'FAIL  %s\n%s\n' "$what" "$said" | sed '2,$s/^/      /'
    journalctl --no-pager -q -n 12 -o cat | sed 's/^/      | /'
  fi
}

refuses() {
  ! "$@"
}

# $1: seconds; the rest: the command that must succeed within them.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      "$@"
      return
    fi
    sleep 0.1
  done
}

pid_of() {
  systemctl show -P MainPID "$1"
}

is_online() {
  migasfree-agent status --json | grep -q '"link": *"online"'
}

# $1: the process that it must not be any more.
is_online_anew() {
  [ "$(pid_of migasfree-agent.service)" != "$1" ] && is_online
}

make_pki() {
  "$LAB_BINARY" pki init /root/pki --host localhost &&
    "$LAB_BINARY" pki computer /root/pki aula-7 &&
    "$LAB_BINARY" pki computer /root/pki aula-8 &&
    "$LAB_BINARY" pki operator /root/pki ana &&
    mkdir -p /root/.migasfree-connect &&
    cp -r /root/pki/operators/ana /root/.migasfree-connect/localhost
} >/dev/null

# The gateway of the package, as its own user.
configure_gateway() {
  mkdir -p /etc/migasfree-agent/gateway
  cp /root/pki/gateway/*.pem /etc/migasfree-agent/gateway/
  cp /root/pki/ca.pem /etc/migasfree-agent/gateway/clients.pem
  chown -R root:migasfree-gateway /etc/migasfree-agent/gateway
  chmod 0750 /etc/migasfree-agent/gateway
  chmod 0640 /etc/migasfree-agent/gateway/*
  cat >/etc/migasfree-agent/gateway.toml <<'TOML'
listen = "127.0.0.1:8443"
public_url = "wss://localhost:8443/tunnel"
[tls]
cert_file = "gateway/cert.pem"
key_file = "gateway/key.pem"
client_ca_file = "gateway/clients.pem"
[downloads]
dir = "/lab/release1"
TOML
}

# Root's own files, mode 0600: the agent's user cannot read them.
configure_agent() {
  mkdir -p /etc/migasfree-agent
  cp /root/pki/computers/aula-7/*.pem /etc/migasfree-agent/
  chmod 0600 /etc/migasfree-agent/*.pem
  # Root's alone: the agent's user is given what it needs.
  rm -f /etc/migasfree-agent/agent.toml
  umask 077
  cat >/etc/migasfree-agent/agent.toml <<'TOML'
device_id = 7
name = "aula-7"
gateway = "wss://localhost:8443/tunnel"
ca_file = "ca.pem"
cert_file = "cert.pem"
key_file = "key.pem"
[services]
ssh = "127.0.0.1:22"
bytes = "127.0.0.1:7000"
[exec]
allow = [["migasfree", "sync"], ["echo", "*"]]
TOML
  umask 022
}

export MIGASFREE_CONNECT_GATEWAY=localhost:8443

start_sshd() {
  mkdir -p /run/sshd /root/.ssh
  [ -f /root/.ssh/id_ed25519 ] ||
    ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
  cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
  chmod 0700 /root/.ssh
  systemctl --quiet is-active lab-sshd ||
    systemd-run --quiet --collect --unit=lab-sshd /usr/sbin/sshd -D -o UsePAM=no
}

tunnel_ssh() {
  timeout 20 migasfree-agent ssh root@7 -- -o StrictHostKeyChecking=no "$@"
}

# As many bytes as whoever connects wants, as fast as they go.
start_bytes() {
  cat >/run/systemd/system/lab-bytes.socket <<'UNIT'
[Socket]
ListenStream=127.0.0.1:7000
Accept=yes
UNIT
  cat >/run/systemd/system/lab-bytes@.service <<'UNIT'
[Service]
ExecStart=-/usr/bin/head -c 536870912 /dev/zero
StandardInput=null
StandardOutput=socket
UNIT
  systemctl daemon-reload
  systemctl start lab-bytes.socket
}

# migasfree, as far as it is asked here.
stand_in_migasfree() {
  cat >/usr/bin/migasfree <<'SH'
#!/bin/sh
case "$*" in
sync) echo "uid $(id -u), words: $*"; sleep "${SYNC_S:-0}"; exit 3 ;;
"--quiet conf --json")
  server=$(sed -n 's/^Server *= *//p' /etc/migasfree.conf 2>/dev/null)
  printf '{"server": "%s", "api_protocol": "https",' "${server:-localhost:9}"
  printf '"computer_name": "aula-7",'
  printf '"ca_file": "/var/migasfree-client/mtls/localhost/ca.pem"}\n'
  ;;
"--quiet info id") [ "$(id -u)" -eq 0 ] && echo 7 ;;
*) exit 64 ;;
esac
SH
  chmod 0755 /usr/bin/migasfree
}

# Every file that could be ours, and every account.
traces() {
  find / -xdev \( -path /proc -o -path /sys -o -path /lab -o -path /lab-out \
    -o -path /root -o -path /var/log -o -path /var/lib/dpkg -o -path /tmp \
    -o -path /run/systemd \) -prune -o -name '*migasfree*' \
    ! -path /usr/bin/migasfree ! -path '/var/migasfree-client*' -print
  find /run -name '*migasfree*' ! -path '/run/systemd/*' 2>/dev/null
  getent passwd migasfree-agent migasfree-gateway
  getent group migasfree-agent migasfree-gateway
  systemctl list-units --all --no-legend 'migasfree*'
  systemctl list-unit-files --no-legend 'migasfree*'
}

no_traces() {
  local left
  left=$(traces)
  printf '%s\n' "$left"
  [ -z "$left" ]
}

score_of() {
  systemd-analyze security --no-pager "$1" |
    sed -n 's/.*level for .*: \([0-9.]*\) .*/\1/p'
}

check_scores() {
  local unit score
  for unit in migasfree-agent migasfree-gateway; do
    score=$(score_of "$unit.service")
    check "exposure of $unit, live: $score, at most 1.3" \
      sh -c '[ "$(echo "$1" | tr -d .)" -le 13 ]' - "$score"
  done
}
