# Runs as root in the guest, with bash. Each line that it prints is one thing
# that holds, or does not.
set -u
cd /root
. /lab/site.sh
if [ -f /lab/env ]; then . /lab/env; fi
# Not from standard input, which the lists hand on.
for list in $(cat /lab/lists); do
  printf -- '--- %s\n' "$list"
  . "/lab/$list"
done
printf '%s held, %s did not\n' "$held" "$broken"
[ "$broken" -eq 0 ]
