# The .rpm's scriptlets: rpm's own database knows nothing of Debian's packages.

if ! ls /lab/release1/*.rpm >/dev/null 2>&1; then
  printf 'skip  no rpmbuild where the packages were made\n'
  return
fi
rpm1=$(ls /lab/release1/*.rpm)
rpm2=$(ls /lab/release2/*.rpm)
[ -d /root/pki ] || make_pki
check "the .rpm installs" rpm -i --nodeps "$rpm1"
check "enabled" systemctl is-enabled migasfree-agent.service
configure_gateway
systemctl start migasfree-gateway
configure_agent
check "it starts" systemctl start migasfree-agent.service
check "online" within 15 is_online
old=$(pid_of migasfree-agent)
check "the upgrade" rpm -U --nodeps "$rpm2"
check "a new process" within 15 is_online_anew "$old"
check "still enabled" systemctl is-enabled migasfree-agent.service
check "erase" rpm -e migasfree-agent
check "nothing runs" refuses pgrep -x migasfree-agent
check "no unit" test -z "$(systemctl list-unit-files --no-legend 'migasfree*')"
check "configuration and state stay" test -f /etc/migasfree-agent/agent.toml
rm -rf /etc/migasfree-agent /var/lib/migasfree-agent /var/lib/migasfree-gateway
