# What root runs for the agent, and what it does not.

root_says() {
  timeout 20 migasfree-agent exec 7 -- migasfree sync
}

check "the socket of root's helper is there" \
  test -S /run/migasfree-agent-exec.sock
check "migasfree sync runs as root, and its status comes back" \
  test "$(root_says; echo "status $?")" = "uid 0, words: sync
status 3"
check "no word may be added" \
  refuses timeout 20 migasfree-agent exec 7 -- migasfree sync --force
check "what leaves words open runs without root's rights" \
  test "$(timeout 20 migasfree-agent exec 7 -- echo a b)" = "a b"

# Whatever the agent were made to ask for: its user, at the socket itself.
cat >/root/ask.js <<'JS'
const { connect } = require("node:net");
const words = JSON.parse(process.argv.at(-1));
const json = Buffer.from(JSON.stringify({ argv: words }));
const head = Buffer.alloc(5);
head.writeUInt8(1, 0);
head.writeUInt32BE(json.length, 1);
const socket = connect("/run/migasfree-agent-exec.sock");
// The last frame, 19 or 20, comes in a piece of its own.
socket.on("data", (chunk) => {
  process.stdout.write(chunk);
  if (chunk[0] === 19 || chunk[0] === 20) socket.end();
});
socket.on("error", () => process.exit(2));
socket.on("end", () => socket.end());
socket.write(Buffer.concat([head, json]));
JS
chmod 0755 /root
chmod 0644 /root/ask.js
ask() {
  BUN_BE_BUN=1 timeout 20 runuser -u "$1" -- /lab/migasfree-agent \
    /root/ask.js "$2" 2>&1 | tr -d '\000'
}
for words in '["id"]' '["sh","-c","id"]' '["migasfree","sync","x"]' \
  '["migasfree","sync;id"]' '["/usr/bin/migasfree","sync"]' '["echo","x"]'; do
  check "root refuses the agent's user $words" \
    sh -c 'printf "%s" "$1" | grep -q execRefused && ! printf "%s" "$1" | grep -q uid=' \
    - "$(ask migasfree-agent "$words")"
done
check "root does what its list says for the agent's user" \
  sh -c 'printf "%s" "$1" | grep -q "uid 0"' - \
  "$(ask migasfree-agent '["migasfree","sync"]')"
check "nobody else may ask" \
  sh -c '! printf "%s" "$1" | grep -q "uid 0"' - \
  "$(ask nobody '["migasfree","sync"]')"

systemctl --quiet mask --now migasfree-agent-exec.socket 2>/dev/null
check "systemctl mask switches it off" \
  sh -c 'printf "%s" "$1" | grep -q "switched off"' - "$(root_says 2>&1)"
systemctl --quiet unmask migasfree-agent-exec.socket 2>/dev/null
systemctl start migasfree-agent-exec.socket
check "and unmask on" test "$(root_says)" = "uid 0, words: sync"

# A list that somebody else may write is no list.
chmod 0666 /etc/migasfree-agent/agent.toml
check "root does not believe a configuration that others may change" \
  refuses sh -c 'timeout 20 migasfree-agent exec 7 -- migasfree sync | grep -q uid'
chmod 0640 /etc/migasfree-agent/agent.toml
