# 1.x is there, with migasfree's configuration and nothing else: the package
# takes its place, and is online with what it finds.

[ -d /root/pki ] || make_pki
stand_in_migasfree
# On its own it answers what computers ask migasfree's manager for, too.
mkdir -p /root/over1
cat >/root/over1/gateway.toml <<'TOML'
listen = "127.0.0.1:8443"
public_url = "wss://localhost:8443/tunnel"
state_dir = "/root/over1/state"
metrics_listen = "127.0.0.1:0"
[tls]
cert_file = "/root/pki/gateway/cert.pem"
key_file = "/root/pki/gateway/key.pem"
client_ca_file = "/root/pki/ca.pem"
TOML
systemd-run --quiet --unit=lab-over1 "$LAB_BINARY" gateway \
  --config /root/over1/gateway.toml
printf '[client]\nServer = localhost:8443\n' >/etc/migasfree.conf
mkdir -p /var/migasfree-client/mtls/localhost
cp /root/pki/computers/aula-7/*.pem /var/migasfree-client/mtls/localhost/
chmod 0600 /var/migasfree-client/mtls/localhost/key.pem

runs_1x() {
  pgrep -f 'sleep 100000'
}

# $1: kind; $2: command that installs; $3: command that verifies.
over_1x() {
  check "$1: 1.x is installed and runs, as root" within 5 runs_1x
  check "$1: ours is installed over it" $2
  check "$1: 1.x runs no more" refuses runs_1x
  check "$1: the unit is ours, and nothing hides it" \
    sh -c 'systemctl cat migasfree-agent | grep -q WatchdogSec'
  check "$1: all files are as the package has them" $3
  check "$1: it is enabled" systemctl is-enabled migasfree-agent.service
  check "$1: it runs" within 5 systemctl is-active migasfree-agent.service
  check "$1: as a user of its own" test \
    "$(stat -c %U "/proc/$(pid_of migasfree-agent)")" = migasfree-agent
  check "$1: online, by migasfree's configuration alone" within 15 is_online
  check "$1: nobody has written an agent.toml" \
    refuses test -e /etc/migasfree-agent/agent.toml
}

dpkg -i /lab/old.deb >/dev/null
over_1x .deb "dpkg -i $(ls /lab/release1/*.deb)" "dpkg --verify migasfree-agent"
check ".deb: one version is there" test \
  "$(dpkg-query -W -f='${Version}' migasfree-agent)" = 2.0.0~alpha.8
check ".deb: purge" dpkg -P migasfree-agent

if [ -f /lab/old.rpm ]; then
  rpm -i --nodeps /lab/old.rpm
  # That the group is ours and the mode 0640 is what the scripts have made.
  over_1x .rpm "rpm -U --nodeps $(ls /lab/release1/*.rpm)" \
    "rpm --verify --nodeps migasfree-agent"
  check ".rpm: one version is there" test \
    "$(rpm -q --queryformat '%{VERSION} ' migasfree-agent)" = "2.0.0~alpha.8 "
  check ".rpm: erase" rpm -e migasfree-agent
  rm -rf /etc/migasfree-agent /var/lib/migasfree-agent /var/lib/migasfree-gateway
fi
systemctl stop lab-over1
rm -rf /etc/migasfree.conf /var/migasfree-client /root/over1
