# install.sh, from a gateway that hands it out.

[ -d /root/pki ] || make_pki
stand_in_migasfree
from=https://localhost:8444/tunnel
for release in 1 2; do
  mkdir -p "/root/server$release"
  cat >"/root/server$release/gateway.toml" <<TOML
listen = "127.0.0.1:844$((3 + release))"
public_url = "wss://localhost:844$((3 + release))/tunnel"
state_dir = "/root/server$release/state"
metrics_listen = "127.0.0.1:0"
[tls]
cert_file = "/root/pki/gateway/cert.pem"
key_file = "/root/pki/gateway/key.pem"
client_ca_file = "/root/pki/ca.pem"
[downloads]
dir = "/lab/release$release"
[enroll]
pki_dir = "/root/pki"
TOML
  systemd-run --quiet --unit="lab-server$release" "$LAB_BINARY" gateway \
    --config "/root/server$release/gateway.toml"
done
fetch() {
  curl --silent --show-error --fail --cacert /root/pki/ca.pem "$1"
}
one_line() {
  fetch "$1/install.sh" | sh -s -- --ca /root/pki/ca.pem "${@:2}"
}
find /etc /usr /var/lib -xdev ! -path '/var/lib/dpkg*' ! -path '/var/lib/systemd*' ! -path '/var/lib/rpm*' \
  2>/dev/null | sort >/tmp/before

check "install.sh is there" within 10 fetch "$from/install.sh"
check "a dry run" one_line "$from" --dry-run
check "leaves nothing" no_traces
check "installed in one line" one_line "$from"
check "enabled" systemctl is-enabled migasfree-agent.service
check "its users are there" getent passwd migasfree-agent migasfree-gateway
configure_gateway
check "the gateway starts" systemctl start migasfree-gateway.service
configure_agent
check "again, with a configuration: it starts" one_line "$from"
check "online" within 15 is_online
is_online || return
check "the configuration is for the agent's group alone" test \
  "$(stat -c '%a %G' /etc/migasfree-agent/agent.toml)" = "640 migasfree-agent"
start_sshd
check "ssh through it" test "$(tunnel_ssh hostname)" = "$(hostname)"
check "a token that is none does not undo the installation" \
  sh -c 'printf "%s" "$1" | grep -q "Installed, but not enrolled"' - \
  "$(one_line "$from" --enroll token 2>&1)"

old=$(pid_of migasfree-agent)
rm -f /usr/lib/systemd/system/migasfree-agent.service
check "run again, it repairs" one_line "$from"
check "what was lost is back" \
  test -f /usr/lib/systemd/system/migasfree-agent.service
check "it restarts when idle" within 15 is_online_anew "$old"
old=$(pid_of migasfree-agent)
check "the upgrade" one_line https://localhost:8445/tunnel
check "is a new version" grep -qx 2.0.0-alpha.9 /usr/lib/migasfree-agent/version
check "and a new process" within 15 is_online_anew "$old"
check "no downgrade" refuses one_line "$from"
check "unless somebody means it" one_line "$from" --version 2.0.0-alpha.8

cp -p /etc/migasfree-agent/agent.toml /root/good.toml
systemctl stop migasfree-agent.service
echo 'nobody_knows = 1' >/etc/migasfree-agent/agent.toml
check "installed, and a service that does not start ends with 21" \
  test "$(one_line "$from" --version 2.0.0-alpha.8 >/root/said 2>&1; echo $?)" = 21
check "in words" grep -q "Installed, but the service does not start" /root/said
cp -p /root/good.toml /etc/migasfree-agent/agent.toml
check "mended, it starts" one_line "$from" --version 2.0.0-alpha.8
check "and is online" within 15 is_online

one_line "$from" --uninstall >/root/said
check "uninstall keeps the configuration" \
  test -f /etc/migasfree-agent/agent.toml
check "nothing runs" refuses pgrep -x migasfree-agent -u migasfree-agent
check "uninstall --purge" one_line "$from" --uninstall --purge
check "no file, no user, no unit" no_traces
find /etc /usr /var/lib -xdev ! -path '/var/lib/dpkg*' ! -path '/var/lib/systemd*' ! -path '/var/lib/rpm*' \
  2>/dev/null | sort >/tmp/after
check "the file system is as it was" \
  sh -c '! diff /tmp/before /tmp/after | grep "^[<>]" | grep -v -e "/etc/.*-$" -e "/var/lib/private$"'

# A computer that nobody knows yet: one line, and it is online.
token=$("$LAB_BINARY" pki token /root/pki --device 9)
check "installed and enrolled in one line" one_line "$from" --enroll "$token"
check "online as the device of the token" within 15 is_online
check "its key is root's alone" test \
  "$(stat -c '%a %U' /etc/migasfree-agent/identity/key.pem)" = "600 root"
check "agent.toml is for the agent's group alone" test \
  "$(stat -c '%a %U %G' /etc/migasfree-agent/agent.toml)" = \
  "640 root migasfree-agent"
printf '%s\n' "$token" >/root/token
check "enrolled twice is nothing new, and a file does for the token" \
  one_line "$from" --enroll-file /root/token
check "uninstall --purge of an enrolled computer" \
  one_line "$from" --uninstall --purge
check "leaves no trace of it" no_traces
systemctl stop lab-server1 lab-server2 lab-sshd
