# The part of install.sh that puts files in their places, or takes them away,
# and what comes after.

# $1: directory. What we make is recorded before, so that it can be unmade.
mf_make_dir() {
  if [ -d "$1" ]; then return 0; fi
  mf_make_dir "${1%/*}" || return 1
  printf '%s\n' "$1" >>"$MF_STATE/dirs"
  mkdir -m 0755 "$1"
}

# Those of our directories that are empty, the deepest first.
mf_drop_dirs() {
  if [ -f "$MF_STATE/dirs" ]; then
    sort -r -u "$MF_STATE/dirs" >"$MF_STATE/dirs.sorted"
    while IFS= read -r mf_dir; do rmdir "$mf_dir" 2>/dev/null || :; done \
      <"$MF_STATE/dirs.sorted"
    rm -f "$MF_STATE/dirs" "$MF_STATE/dirs.sorted"
  fi
}

# What was copied beside its place, and not yet put there.
mf_drop_new() {
  if [ -f "$MF_STATE/manifest" ]; then
    while IFS= read -r mf_path; do rm -f "/$mf_path.mf-new"; done \
      <"$MF_STATE/manifest"
  fi
}

# All beside their places first, which may fail and changes nothing; then one
# rename each, which does not.
mf_place() {
  mf_old=$MF_STAGE/manifest.old
  if [ -f "$MF_STATE/manifest" ]; then
    cp "$MF_STATE/manifest" "$mf_old"
  else
    : >"$mf_old"
  fi
  # Both, until all is in place: whoever goes on must know of every file.
  sort -u "$mf_old" "$mf_manifest" >"$MF_STAGE/manifest" &&
    mv -f "$MF_STAGE/manifest" "$MF_STATE/manifest" ||
    mf_die 18 "Cannot write to $MF_STATE"
  while IFS= read -r mf_path; do
    mf_make_dir "/${mf_path%/*}" &&
      cp -P "$MF_STAGE/tree/$mf_path" "/$mf_path.mf-new" 2>/dev/null || {
      mf_check_space "/${mf_path%/*}" "$mf_kilobytes"
      mf_die 18 "Cannot write /$mf_path"
    }
  done <"$mf_manifest"
  trap '' HUP INT TERM
  mf_is_placed=1
  while IFS= read -r mf_path; do
    mv -f "/$mf_path.mf-new" "/$mf_path" || mf_die 18 "Cannot write /$mf_path"
  done <"$mf_manifest"
  while IFS= read -r mf_path; do
    if ! grep -F -q -x -e "$mf_path" "$mf_manifest"; then rm -f "/$mf_path"; fi
  done <"$mf_old"
  cp "$mf_manifest" "$MF_STAGE/manifest" &&
    mv -f "$MF_STAGE/manifest" "$MF_STATE/manifest"
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

mf_tell_state() {
  if ! mf_runs; then
    mf_say "systemd does not run here: enabled for the next boot, not started"
  elif systemctl --quiet is-active "$MF_AGENT"; then
    mf_say "the service runs: migasfree-agent status"
  else
    mf_say "not configured yet: write /etc/migasfree-agent/agent.toml, or \
install migasfree-client, then: systemctl start migasfree-agent"
  fi
}

mf_knows_enroll() {
  "$MF_STAGE/tree/usr/bin/migasfree-agent" completion bash 2>/dev/null |
    grep -q -w enroll
}

mf_enroll() {
  if ! mf_knows_enroll; then
    mf_die 22 "Installed, but this version cannot enrol computers" \
      "Enrol it with migasfree, or copy certificates: see OPERATIONS.md"
  fi
  # Not as an argument: everybody may read those.
  printf '%s' "$mf_token" | /usr/bin/migasfree-agent enroll --token-file -
  mf_code=$?
  if [ "$mf_code" -eq 64 ]; then
    # The token does not say which gateway: then it is the one we come from.
    printf '%s' "$mf_token" | /usr/bin/migasfree-agent enroll --token-file - \
      --gateway "wss://${MF_FROM#https://}"
    mf_code=$?
  fi
  if [ "$mf_code" -ne 0 ]; then
    mf_die 22 "Installed, but not enrolled" "Get another token, and run \
\`migasfree-agent enroll\`"
  fi
  # agent.toml may be new.
  mf_modes
  # With something to run with, it can be started.
  if mf_runs; then mf_start; fi
}

mf_uninstall() {
  mf_check_owner
  if [ -n "$mf_is_dry" ]; then
    if [ -f "$MF_STATE/manifest" ]; then
      mf_say "would stop the service, and remove:"
      sed 's,^,  /,' "$MF_STATE/manifest"
    else
      mf_say "not installed by this script: nothing to remove"
    fi
    return 0
  fi
  mf_lock
  if [ -f "$MF_STATE/manifest" ]; then
    mf_stop
    mf_drop_new
    while IFS= read -r mf_path; do rm -f "/$mf_path"; done <"$MF_STATE/manifest"
    mf_drop_dirs
    mf_forget
    rm -f "$MF_STATE/manifest" "$MF_STATE/configured"
    mf_had_manifest=
    mf_say "removed"
  else
    mf_say "not installed by this script: nothing to remove"
  fi
  if [ -n "$mf_purges" ]; then
    mf_purge
    mf_say "configuration, state and users removed"
  else
    rmdir /etc/migasfree-agent 2>/dev/null || :
  fi
}
