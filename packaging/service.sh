# What a package, or install.sh, does beside putting files in their places.
# Sourced by none: scripts/package puts it into each script that needs it.
# POSIX sh; every step may be done again.

MF_AGENT=migasfree-agent.service
MF_GATEWAY=migasfree-gateway.service
MF_OWN="migasfree-agent-identity.path migasfree-agent-identity.timer \
migasfree-agent-exec.socket"

# Whether systemd is process 1 here; in a container or a chroot it is not.
mf_runs() {
  [ -d /run/systemd/system ]
}

mf_user() {
  if getent passwd "$1" >/dev/null 2>&1; then return 0; fi
  useradd --system --user-group --no-create-home \
    --home-dir "/var/lib/$1" --shell /usr/sbin/nologin --comment "$2" "$1"
}

mf_users() {
  if command -v systemd-sysusers >/dev/null 2>&1; then
    systemd-sysusers /usr/lib/sysusers.d/migasfree-agent.conf
  else
    mf_user migasfree-agent "migasfree agent"
    mf_user migasfree-gateway "migasfree gateway"
  fi
}

# What may hold a password is for its reader alone.
mf_modes() {
  mkdir -p /etc/migasfree-agent
  if [ -f /etc/migasfree-agent/agent.toml ]; then
    chown root:migasfree-agent /etc/migasfree-agent/agent.toml
    chmod 0640 /etc/migasfree-agent/agent.toml
  fi
  if [ -f /etc/migasfree-agent/gateway.toml ]; then
    chown root:migasfree-gateway /etc/migasfree-agent/gateway.toml
    chmod 0640 /etc/migasfree-agent/gateway.toml
  fi
}

# Starts what is configured. An agent that runs is told to retire: it ends when
# its last tunnel has, and systemd starts the new program; the tunnel may be
# the one over which somebody upgrades this very package.
mf_start() {
  systemctl daemon-reload || :
  systemd-tmpfiles --create /usr/lib/tmpfiles.d/migasfree-agent.conf || :
  if systemctl --quiet is-active "$MF_AGENT"; then
    for mf_unit in $MF_OWN; do systemctl --quiet try-restart "$mf_unit" || :; done
    systemctl start migasfree-agent-identity.service || :
    systemctl kill --kill-who=main --signal=SIGUSR2 "$MF_AGENT" || :
  elif systemctl --quiet is-enabled "$MF_AGENT" 2>/dev/null; then
    # Its conditions say whether there is anything to run with.
    systemctl start "$MF_AGENT" || mf_failed=1
  fi
  # A gateway drains, and sessions survive it.
  systemctl --quiet --no-block try-restart "$MF_GATEWAY" || :
}

# $1: new, or upgrade. Sets mf_failed if the service does not start.
mf_configure() {
  mf_failed=
  mf_users
  mf_modes
  if command -v systemctl >/dev/null 2>&1; then
    # Whoever disabled it has done so for a reason.
    if [ "$1" = new ]; then systemctl --quiet enable "$MF_AGENT" || :; fi
    if mf_runs; then mf_start; fi
  fi
}

mf_stop() {
  if ! command -v systemctl >/dev/null 2>&1; then return 0; fi
  if mf_runs; then
    # Word by word on purpose.
    # shellcheck disable=SC2086
    systemctl --quiet stop "$MF_AGENT" "$MF_GATEWAY" $MF_OWN \
      migasfree-agent-identity.service "migasfree-agent-exec@*.service" || :
  fi
  systemctl --quiet disable "$MF_AGENT" "$MF_GATEWAY" 2>/dev/null || :
}

# After the files have gone.
mf_forget() {
  rm -rf /run/migasfree-agent-identity
  if mf_runs; then
    systemctl daemon-reload || :
    # shellcheck disable=SC2086
    systemctl reset-failed "$MF_AGENT" "$MF_GATEWAY" $MF_OWN 2>/dev/null || :
  fi
}

mf_purge() {
  rm -rf /etc/migasfree-agent /etc/default/migasfree-agent \
    /etc/default/migasfree-gateway /var/lib/migasfree-agent \
    /var/lib/migasfree-gateway
  for mf_name in migasfree-agent migasfree-gateway; do
    rm -rf "/etc/systemd/system/$mf_name.service.d"
    if getent passwd "$mf_name" >/dev/null 2>&1; then
      userdel "$mf_name" 2>/dev/null || :
    fi
    if getent group "$mf_name" >/dev/null 2>&1; then
      groupdel "$mf_name" 2>/dev/null || :
    fi
  done
}
