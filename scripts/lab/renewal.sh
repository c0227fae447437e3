# A renewed certificate, and an identity that only migasfree knows.

mkfifo /root/hold
tunnel_ssh 'read line; echo "$line"' </root/hold >/root/held 2>&1 &
session=$!
exec 9>/root/hold
within 10 sh -c 'migasfree-agent status --json | grep -q "\"service\""' >/dev/null
old=$(pid_of migasfree-agent)
mv /root/pki/computers/aula-7 /root/pki/computers/aula-7.old
/lab/migasfree-agent pki computer /root/pki aula-7 >/dev/null
install -m 0600 /root/pki/computers/aula-7/key.pem /etc/migasfree-agent/key.pem
install -m 0600 /root/pki/computers/aula-7/cert.pem /etc/migasfree-agent/cert.pem
check "a renewed certificate is handed over when it is there" within 10 \
  cmp /etc/migasfree-agent/cert.pem /run/migasfree-agent-identity/cert.pem
check "the agent takes it for a new link" within 10 sh -c \
  'journalctl -q -u migasfree-agent | grep -q identityChanged'
check "and is online" within 10 is_online
echo 'still there' >&9
exec 9>&-
wait "$session"
check "the session that was open went on" grep -qx 'still there' /root/held
check "in the same process" test "$(pid_of migasfree-agent)" = "$old"
check "what root handed over is for the agent's group alone" test \
  "$(stat -c '%a %U %G' /run/migasfree-agent-identity/key.pem)" = \
  "640 root migasfree-agent"

# As on a computer that migasfree has enrolled: agent.toml says the gateway.
mkdir -p /var/migasfree-client/mtls/localhost
cp /root/pki/computers/aula-7/*.pem /var/migasfree-client/mtls/localhost/
chmod 0600 /var/migasfree-client/mtls/localhost/key.pem
cp /etc/migasfree-agent/agent.toml /root/agent.toml
sed -i -e '/^device_id/d' -e '/_file = /d' -e '/^name/d' \
  /etc/migasfree-agent/agent.toml
check "restarted, with what migasfree tells root alone" \
  systemctl restart migasfree-agent
check "it is online as migasfree's computer" within 15 is_online
check "with migasfree's certificate" cmp \
  /var/migasfree-client/mtls/localhost/key.pem \
  /run/migasfree-agent-identity/key.pem
cat /root/agent.toml >/etc/migasfree-agent/agent.toml
systemctl restart migasfree-agent
within 15 is_online >/dev/null

# As an editor leaves it; and what else would mend it comes too late.
systemctl --quiet mask --runtime migasfree-agent-identity.service
chown root:root /etc/migasfree-agent/agent.toml
chmod 0600 /etc/migasfree-agent/agent.toml
check "an agent.toml that root alone may read is no obstacle to a start" \
  systemctl restart migasfree-agent
check "it is given to the agent's group" test \
  "$(stat -c '%a %U %G' /etc/migasfree-agent/agent.toml)" = \
  "640 root migasfree-agent"
systemctl --quiet unmask --runtime migasfree-agent-identity.service
within 15 is_online >/dev/null
