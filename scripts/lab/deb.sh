# The .deb: installed, configured, hurt, upgraded and removed.

deb1=$(ls /lab/release1/*.deb)
deb2=$(ls /lab/release2/*.deb)

make_pki
find /etc /usr /var/lib -xdev ! -path '/var/lib/dpkg*' ! -path '/var/lib/systemd*' ! -path '/var/lib/rpm*' \
  2>/dev/null | sort >/tmp/before

check "1.x is installed and runs" dpkg -i /lab/old.deb
check "the .deb replaces 1.x" dpkg -i "$deb1"
check "the unit is ours" grep -q WatchdogSec \
  /lib/systemd/system/migasfree-agent.service
check "the program is ours" migasfree-agent version
check "nobody runs 1.x any more" refuses pgrep -f 'sleep 100000'
check "enabled" systemctl is-enabled migasfree-agent.service
check "not configured is not started, and has not failed" \
  test "$(systemctl show -P ActiveState migasfree-agent)" = inactive
check "the manual page is there" test -s /usr/share/man/man1/migasfree-agent.1.gz
check "called migasfree-connect, it runs" migasfree-connect --help

configure_gateway
check "the gateway starts, and says when it is ready" \
  systemctl start migasfree-gateway.service
check "the gateway says how it goes" \
  test "$(systemctl show -P StatusText migasfree-gateway)" = "0 agents online"

configure_agent
start_sshd
start_bytes
stand_in_migasfree
check "the agent starts" systemctl start migasfree-agent.service
check "the agent is online" within 10 is_online
# Nothing of what follows could hold.
is_online || return
check "root says in the journal what it has handed over" sh -c \
  'journalctl -q -u migasfree-agent-identity | grep -q "Handed over the identity of device 7"'
check "systemd is told so in words" \
  test "$(systemctl show -P StatusText migasfree-agent)" = \
  "Online at wss://localhost:8443/tunnel, 0 tunnels"
check "it is a user of its own" test \
  "$(stat -c %U "/proc/$(pid_of migasfree-agent)")" = migasfree-agent
check "it has no capabilities" grep -q 'CapEff:	0000000000000000' \
  "/proc/$(pid_of migasfree-agent)/status"
check "its user cannot read the computer's key" \
  refuses runuser -u migasfree-agent -- cat /etc/migasfree-agent/key.pem
check "its user may ask for its state" within 5 \
  runuser -u migasfree-agent -- migasfree-agent status
check "it sees which ports are open" \
  sh -c 'migasfree-agent status | grep -q "ssh .*open"'
check "ssh through it" test "$(tunnel_ssh hostname)" = "$(hostname)"

. /lab/exec.sh
. /lab/crash.sh
. /lab/hardening.sh
. /lab/renewal.sh

# An upgrade over a tunnel of the agent that is upgraded.
old=$(pid_of migasfree-agent)
tunnel_ssh 'read line; echo "$line"' </root/hold >/root/held 2>&1 &
session=$!
exec 9>/root/hold
within 10 sh -c 'migasfree-agent status --json | grep -q "\"service\""' \
  >/dev/null
check "the upgrade" dpkg -i "$deb2"
check "an open session keeps the agent as it is" \
  test "$(pid_of migasfree-agent)" = "$old"
echo still here >&9
exec 9>&-
wait "$session"
check "the session has not been cut" grep -qx 'still here' /root/held
check "then the new program runs, and is online" within 15 is_online_anew "$old"
old=$(pid_of migasfree-agent)
check "an upgrade without a session" dpkg -i "$deb2"
check "is followed by a restart" within 15 is_online_anew "$old"

check "remove" dpkg -r migasfree-agent
check "removed: nothing runs" refuses pgrep -x migasfree-agent
check "removed: the configuration stays" test -f /etc/migasfree-agent/agent.toml
check "purge" dpkg -P migasfree-agent
check "purged: no file, no user, no unit" no_traces
find /etc /usr /var/lib -xdev ! -path '/var/lib/dpkg*' ! -path '/var/lib/systemd*' ! -path '/var/lib/rpm*' \
  2>/dev/null | sort >/tmp/after
check "purged: the file system is as it was" \
  sh -c '! diff /tmp/before /tmp/after | grep "^[<>]" |
    grep -v -e "/usr/bin/migasfree$" -e "/etc/.*-$" -e "sysusers" -e /root -e "/var/lib/private$"'
