#!/bin/sh
# Installs, upgrades, repairs or removes migasfree-agent on Linux, from a server
# that hands out its releases. install.sh --help says how.
#
# It is made into a release by scripts/package, which puts the key in. Nothing
# is run before the last line has arrived: a download that was cut does nothing.

set -u

MF_VERSION='#VERSION#'
# A gateway that knows its own address writes it into this line.
MF_FROM=''
MF_KEY='#KEY#'

MF_STATE=/var/lib/migasfree-agent-install
MF_STAGE=$MF_STATE/stage
# Downloads beyond this are no release of ours.
MF_ARCHIVE_MAX_BYTES=314572800
MF_SUMS_MAX_BYTES=65536

#SERVICE#

#DOWNLOAD#

#PLACE#

mf_help() {
  cat <<'HELP'
#HELP#
HELP
}

mf_say() {
  printf 'migasfree-agent: %s\n' "$1"
}

# $1: exit status, $2: what is wrong, $3: what to do.
mf_die() {
  printf 'migasfree-agent: %s\n' "$2" >&2
  if [ -n "${3:-}" ]; then printf '  hint: %s\n' "$3" >&2; fi
  exit "$1"
}

# Leaves nothing of an attempt that has come to no end. Signals are an end too.
mf_cleanup() {
  mf_status=$?
  trap '' HUP INT TERM
  if [ -n "$mf_owns_lock" ]; then
    mf_drop_new
    rm -rf "$MF_STAGE"
    if [ -z "$mf_had_manifest" ] && [ -z "$mf_is_placed" ]; then
      rm -f "$MF_STATE/manifest"
      mf_drop_dirs
    fi
    rm -rf "$MF_STATE/lock"
    rmdir "$MF_STATE" 2>/dev/null || :
  fi
  exit "$mf_status"
}

mf_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
    --from | --enroll | --enroll-file | --ca | --cert | --key)
      if [ $# -lt 2 ] || [ -z "$2" ]; then
        mf_die 64 "$1 needs a value" "See install.sh --help"
      fi
      case $1 in
      --from) MF_FROM=$2 ;;
      --enroll) mf_token=$2 ;;
      --enroll-file)
        mf_token=$(cat "$2") && [ -n "$mf_token" ] ||
          mf_die 64 "There is no token in $2" "See install.sh --help"
        ;;
      --ca) mf_ca=$2 ;;
      --cert) mf_cert=$2 ;;
      --key) mf_cert_key=$2 ;;
      esac
      shift
      ;;
    --version)
      case ${2:-} in
      [0-9]*)
        mf_wanted=$2
        shift
        ;;
      *)
        printf '%s\n' "$MF_VERSION"
        exit 0
        ;;
      esac
      ;;
    --dry-run) mf_is_dry=1 ;;
    --uninstall) mf_action=uninstall ;;
    --purge) mf_purges=1 ;;
    --help | -h)
      mf_help
      exit 0
      ;;
    *) mf_die 64 "There is no option $1" "See install.sh --help" ;;
    esac
    shift
  done
  if [ -n "$mf_purges" ] && [ "$mf_action" != uninstall ]; then
    mf_die 64 "--purge goes with --uninstall" "See install.sh --help"
  fi
}

mf_need() {
  for mf_tool in "$@"; do
    if ! command -v "$mf_tool" >/dev/null 2>&1; then
      mf_die 12 "Cannot go on without $mf_tool" "Install $mf_tool"
    fi
  done
}

mf_check_tools() {
  mf_need cat cp mv rm mkdir rmdir df tar xz sha256sum openssl uname sed cut \
    sort grep tail
  if command -v curl >/dev/null 2>&1; then
    mf_client=curl
  elif wget --version 2>/dev/null | grep -q '^GNU Wget'; then
    # Another wget, busybox's for one, does not look at certificates.
    mf_client=wget
    # It knows these by their small names alone.
    https_proxy=${https_proxy:-${HTTPS_PROXY:-}}
    no_proxy=${no_proxy:-${NO_PROXY:-}}
    export https_proxy no_proxy
  else
    mf_die 12 "Cannot download without curl or GNU wget" "Install curl"
  fi
  # Ed25519 as it is, without a digest before it, came with version 3.
  case $(openssl version) in
  "OpenSSL 0."* | "OpenSSL 1."* | LibreSSL*)
    mf_die 12 "Cannot verify signatures with $(openssl version)" \
      "Install OpenSSL 3"
    ;;
  esac
}

mf_detect_platform() {
  if [ "$(uname -s)" != Linux ]; then
    mf_die 11 "This script is for Linux, not for $(uname -s)"
  fi
  case $(uname -m) in
  x86_64 | amd64) mf_platform=linux-x64 ;;
  aarch64 | arm64) mf_platform=linux-arm64 ;;
  *) mf_die 11 "There is no migasfree-agent for $(uname -m)" ;;
  esac
  for mf_loader in /lib/ld-musl-*.so.1; do
    if [ -e "$mf_loader" ] && ! [ -e /lib64/ld-linux-x86-64.so.2 ] &&
      ! [ -e /lib/ld-linux-aarch64.so.1 ]; then
      mf_platform=$mf_platform-musl
    fi
  done
}

# Two owners of the same files would undo each other's work.
mf_check_owner() {
  if command -v dpkg-query >/dev/null 2>&1 &&
    dpkg-query -W -f='${db:Status-Status}' migasfree-agent 2>/dev/null |
    grep -qx installed; then
    mf_die 19 "migasfree-agent is installed as a .deb" \
      "Use apt, or remove it first: apt-get remove migasfree-agent"
  fi
  if command -v rpm >/dev/null 2>&1 &&
    rpm -q migasfree-agent >/dev/null 2>&1; then
    mf_die 19 "migasfree-agent is installed as an .rpm" \
      "Use dnf or zypper, or remove it first: rpm -e migasfree-agent"
  fi
}

# When a process began: another one may have its number by now.
mf_birth() {
  cut -d ' ' -f 22 "/proc/$1/stat" 2>/dev/null || echo none
}

# A lock whose owner is dead is nobody's.
mf_lock() {
  mkdir -p "$MF_STATE" 2>/dev/null ||
    mf_die 18 "Cannot write to /var/lib: is it read-only?"
  chmod 0700 "$MF_STATE"
  mf_tries=0
  until mkdir "$MF_STATE/lock" 2>/dev/null; do
    mf_owner=$(cat "$MF_STATE/lock/owner" 2>/dev/null)
    if [ -n "$mf_owner" ] &&
      [ "$mf_owner" = "${mf_owner%% *} $(mf_birth "${mf_owner%% *}")" ]; then
      mf_die 20 "Another install.sh runs, as process ${mf_owner%% *}" \
        "Wait for it"
    fi
    mf_tries=$((mf_tries + 1))
    if [ "$mf_tries" -gt 4 ]; then
      mf_die 18 "Cannot lock $MF_STATE" "Look whether it can be written to"
    elif [ -z "$mf_owner" ] && [ "$mf_tries" -le 2 ]; then
      # Somebody who has just begun may be about to say so.
      sleep 1
    else
      rm -rf "$MF_STATE/lock"
    fi
  done
  if [ -f "$MF_STATE/manifest" ]; then mf_had_manifest=1; fi
  mf_owns_lock=1
  echo "$$ $(mf_birth $$)" >"$MF_STATE/lock/owner"
}

mf_check_writable() {
  for mf_dir in /usr /etc; do
    mf_probe=$mf_dir/.migasfree-agent-install.$$
    if ! (: >"$mf_probe") 2>/dev/null; then
      mf_die 18 "Cannot write to $mf_dir: is it read-only?" \
        "Remount it, or install an image that has the program"
    fi
    rm -f "$mf_probe"
  done
}

mf_install() {
  case $MF_KEY in
  *"BEGIN PUBLIC KEY"*) ;;
  *) mf_die 24 "This script is no release: there is no key in it" \
    "Take the install.sh that the server hands out" ;;
  esac
  MF_FROM=${MF_FROM%/}
  case $MF_FROM in
  https://?*) ;;
  "") mf_die 64 "Where from?" "Give --from https://SERVER/tunnel" ;;
  *) mf_die 64 "Cannot install from $MF_FROM: only https://" ;;
  esac
  mf_detect_platform
  mf_check_tools
  mf_check_owner
  mf_check_writable
  mf_lock
  rm -rf "$MF_STAGE"
  mkdir "$MF_STAGE" || mf_die 18 "Cannot write to $MF_STATE"
  mf_download
  mf_unpack
  mf_check_version
  if [ -n "$mf_is_dry" ]; then
    mf_say "would install $mf_name, $(grep -c '' "$mf_manifest") files:"
    sed 's,^,  /,' "$mf_manifest"
    return 0
  fi
  mf_kind=new
  # A first installation that was killed is one still.
  if [ -e "$MF_STATE/configured" ]; then mf_kind=upgrade; fi
  mf_place
  mf_configure "$mf_kind"
  : >"$MF_STATE/configured"
  if [ -n "$mf_token" ]; then mf_enroll; fi
  if [ -n "$mf_failed" ]; then
    mf_die 21 "Installed, but the service does not start" \
      "See journalctl -u migasfree-agent"
  fi
  mf_say "installed $mf_said"
  mf_tell_state
}

main() {
  mf_action=install
  mf_wanted='' mf_token='' mf_ca='' mf_cert='' mf_cert_key=''
  mf_is_dry='' mf_purges='' mf_owns_lock='' mf_had_manifest='' mf_is_placed=''
  mf_now=''
  mf_arguments "$@"
  if [ "$(id -u)" -ne 0 ]; then
    mf_die 10 "Only root can install a service" "Run it with sudo"
  fi
  umask 022
  unset LD_PRELOAD LD_LIBRARY_PATH BUN_OPTIONS BUN_BE_BUN BUN_INSPECT
  trap mf_cleanup EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if [ "$mf_action" = uninstall ]; then mf_uninstall; else mf_install; fi
}

# One command, which is whole or a syntax error.
{
  main "$@"
  exit
}
