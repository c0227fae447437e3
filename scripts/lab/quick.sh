# Installed, configured, used, hurt and purged, in less than a minute.

make_pki
check "the .deb installs" dpkg -i /lab/release1/*.deb
configure_gateway
systemctl start migasfree-gateway.service
configure_agent
start_sshd
stand_in_migasfree
check "the agent starts" systemctl start migasfree-agent.service
check "online" within 10 is_online
is_online || return
check "ssh through it" test "$(tunnel_ssh hostname)" = "$(hostname)"
. /lab/exec.sh
is_quick=1
. /lab/crash.sh
check_scores
check "purge" dpkg -P migasfree-agent
check "no file, no user, no unit" no_traces
