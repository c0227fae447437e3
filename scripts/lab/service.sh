# `migasfree-agent service`, for a computer that has the program alone.

find /etc /usr /var/lib -xdev ! -path '/var/lib/systemd*' 2>/dev/null |
  sort >/tmp/before-service
cp /lab/migasfree-agent /usr/bin/migasfree-agent
make_pki
# It is root's here: there is no package, and so no user for it.
configure_gateway 2>/dev/null
"$(command -v migasfree-agent)" gateway >/root/gateway.log 2>&1 &
gateway=$!
configure_agent
check "service status says that there is none" \
  sh -c 'migasfree-agent service status; test $? -eq 69'
check "service start of none ends with 69" \
  sh -c 'migasfree-agent service start; test $? -eq 69'
check "service install, as another user, ends with 78" \
  sh -c 'runuser -u nobody -- migasfree-agent service install; test $? -eq 78'
check "service install" migasfree-agent service install
check "it is online" within 15 is_online
check "the unit is the one of the package" \
  grep -q WatchdogSec /etc/systemd/system/migasfree-agent.service
check "it is a user of its own" test \
  "$(stat -c %U "/proc/$(pid_of migasfree-agent)")" = migasfree-agent
old=$(pid_of migasfree-agent)
check "a second install" migasfree-agent service install
check "changes nothing" test "$(pid_of migasfree-agent)" = "$old"
check "service status says that it runs" migasfree-agent service status
check "service stop" migasfree-agent service stop
check "and it has stopped" \
  sh -c 'migasfree-agent service status --json | grep -q "\"running\":false"'
check "service start" migasfree-agent service start
check "it is online again" within 15 is_online
check "service uninstall" migasfree-agent service uninstall
check "the configuration is kept" test -f /etc/migasfree-agent/agent.toml
check "no unit is left" refuses systemctl cat migasfree-agent.service
rm -f /etc/migasfree-agent/gateway.toml
check "service uninstall --purge" migasfree-agent service uninstall --purge
check "no user is left" refuses getent passwd migasfree-agent
kill "$gateway"
wait "$gateway"
rm -rf /usr/bin/migasfree-agent /var/lib/migasfree-gateway
find /etc /usr /var/lib -xdev ! -path '/var/lib/systemd*' 2>/dev/null |
  sort >/tmp/after-service
check "no file is left: $(diff /tmp/before-service /tmp/after-service | tr '\n' ' ')" \
  cmp -s /tmp/before-service /tmp/after-service
