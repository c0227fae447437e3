# The part of install.sh that downloads, verifies and unpacks.

# $1: name, $2: file, $3: most bytes. Only https:, whatever the server says.
mf_fetch() {
  mf_url=$MF_FROM/$1
  if [ "$mf_client" = curl ]; then
    set -- "$1" "$2" "$3" --proto '=https' --tlsv1.2 --fail --silent \
      --show-error --location --proto-redir '=https' --max-redirs 3 \
      --connect-timeout 15 --speed-limit 1024 --speed-time 30 --retry 2 \
      --max-filesize "$3" --output "$2"
    if [ -n "$mf_ca" ]; then set -- "$@" --cacert "$mf_ca"; fi
    if [ -n "$mf_cert" ]; then
      set -- "$@" --cert "$mf_cert" --key "$mf_cert_key"
    fi
  else
    set -- "$1" "$2" "$3" --quiet --secure-protocol=TLSv1_2 --max-redirect=0 \
      --timeout=30 --tries=3 --output-document="$2"
    if [ -n "$mf_ca" ]; then set -- "$@" --ca-certificate="$mf_ca"; fi
    if [ -n "$mf_cert" ]; then
      set -- "$@" --certificate="$mf_cert" --private-key="$mf_cert_key"
    fi
  fi
  mf_file=$2
  shift 3
  "$mf_client" "$@" "$mf_url"
  mf_code=$?
  case $mf_client$mf_code in
  curl0 | wget0) return 0 ;;
  curl22 | curl63 | wget8)
    mf_die 14 "The server has no $mf_url" "Check --from, and --version"
    ;;
  curl23 | wget3)
    mf_check_space "$MF_STAGE" 1024
    mf_die 18 "Cannot write $mf_file"
    ;;
  esac
  mf_die 13 "Cannot download $mf_url: $mf_client ends with $mf_code" \
    "Check the name, the network, HTTPS_PROXY, and --ca for a private CA"
}

# $1: directory, $2: kilobytes that it must have room for.
mf_check_space() {
  mf_free=$(df -Pk "$1" | sed -n '2p' | sed 's/  */ /g' | cut -d ' ' -f 4)
  if [ "${mf_free:-0}" -lt "$2" ]; then
    mf_die 17 "Cannot install: $1 has $mf_free KB left, $2 are needed" \
      "Free some space"
  fi
}

# What is signed are the checksums; what they say is then as good as signed.
mf_download() {
  mf_fetch SHA256SUMS "$MF_STAGE/SHA256SUMS" "$MF_SUMS_MAX_BYTES"
  mf_fetch SHA256SUMS.sig "$MF_STAGE/SHA256SUMS.sig" "$MF_SUMS_MAX_BYTES"
  printf '%s\n' "$MF_KEY" >"$MF_STAGE/key.pem"
  if ! openssl pkeyutl -verify -pubin -inkey "$MF_STAGE/key.pem" -rawin \
    -in "$MF_STAGE/SHA256SUMS" -sigfile "$MF_STAGE/SHA256SUMS.sig" \
    >/dev/null 2>&1; then
    mf_die 15 "The signature of $MF_FROM/SHA256SUMS is wrong" \
      "Do not install it, and tell whoever runs that server"
  fi
  mf_name=$(mf_archives | if [ -n "$mf_wanted" ]; then
    grep -F -x "migasfree-agent-$mf_wanted-$mf_platform.tar.xz"
  else
    # 2.0.0~alpha.1 sorts before 2.0.0.
    sed 's/-\([a-z]*\.[0-9]*-linux\)/~\1/' | sort -V |
      sed 's/~\([a-z]*\.[0-9]*-linux\)/-\1/'
  fi | tail -n 1)
  if [ -z "$mf_name" ]; then
    mf_die 14 "The server has no migasfree-agent ${mf_wanted:-} for $mf_platform"
  fi
  mf_fetch "$mf_name" "$MF_STAGE/$mf_name" "$MF_ARCHIVE_MAX_BYTES"
  if ! (cd "$MF_STAGE" && grep -F -e "  $mf_name" SHA256SUMS |
    sha256sum -c - >/dev/null 2>&1); then
    mf_die 16 "The checksum of $mf_name is wrong" \
      "Try again; if it stays, tell whoever runs that server"
  fi
}

# The names that end like ours, of those that are no path.
mf_archives() {
  sed -n "s/^[0-9a-f]\{64\}  \(migasfree-agent-[0-9A-Za-z.-]*-$mf_platform\.tar\.xz\)\$/\1/p" \
    "$MF_STAGE/SHA256SUMS"
}

mf_unpack() {
  mf_bytes=$(xz --robot --list "$MF_STAGE/$mf_name" | sed -n 's/^totals	//p' |
    cut -f 4)
  # Where xz cannot tell, what a release of today takes.
  mf_kilobytes=$((${mf_bytes:-150000000} / 1024 + 1024))
  mf_check_space "$MF_STAGE" "$mf_kilobytes"
  mf_check_space /usr "$mf_kilobytes"
  mkdir "$MF_STAGE/tree" &&
    tar -xJf "$MF_STAGE/$mf_name" -C "$MF_STAGE/tree" ||
    mf_die 18 "Cannot unpack $mf_name"
  mf_manifest=$MF_STAGE/tree/usr/lib/migasfree-agent/manifest
  if ! mf_said=$("$MF_STAGE/tree/usr/bin/migasfree-agent" version 2>&1); then
    mf_die 11 "The program does not run here: $mf_said" \
      "Is $mf_platform the right platform, and /var/lib not mounted noexec?"
  fi
}

# Undefined versions are old ones. sort -V knows ~, which - stands for.
mf_check_version() {
  mf_now=$(sed -n 1p /usr/lib/migasfree-agent/version 2>/dev/null | sed 's/-/~/')
  mf_new=$(sed -n 1p "$MF_STAGE/tree/VERSION" | sed 's/-/~/')
  if [ -z "$mf_now" ] || [ -n "$mf_wanted" ] || [ "$mf_now" = "$mf_new" ]; then
    return 0
  fi
  if [ "$(printf '%s\n%s\n' "$mf_now" "$mf_new" | sort -V | tail -n 1)" != \
    "$mf_new" ]; then
    mf_die 23 "$mf_now is installed, which is newer than $mf_new" \
      "Give --version $(sed -n 1p "$MF_STAGE/tree/VERSION") if you mean it"
  fi
}
