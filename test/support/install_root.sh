# Runs a command in a copy of this system that is thrown away: an overlay in a
# mount namespace of its own, so that install.sh needs no other root than /.
# $1: kilobytes of room for changes; $2: what else to mount, as shell; then the
# command. Prints what the command prints, then a line "--", then what changed.
set -eu
room=$1
more=$2
shift 2
work=$(mktemp -d)
# The mounts go with the namespace; their place is everybody's.
trap 'cd /; umount --lazy "$work"; rmdir "$work"' EXIT
mount -t tmpfs -o "size=${room}k,mode=0755" tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay \
  -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$work/root"
for dir in proc dev; do mount --rbind "/$dir" "$work/root/$dir"; done
mount -t tmpfs tmpfs "$work/root/run"
root=$work/root
eval "$more"
status=0
chroot "$root" "$@" 2>&1 || status=$?
printf -- '--\n'
cd "$work/upper"
# rpm makes a database of its own where it is asked and there is none.
find . ! -type d ! -path './tmp/*' ! -path './root/.rpmdb/*' | LC_ALL=C sort | sed 's,^\.,,'
# Of directories only those that were not there: a look at one may copy it.
find . -type d -empty ! -path './tmp/*' | LC_ALL=C sort | while IFS= read -r dir; do
  [ -d "/$dir" ] || printf '%s/\n' "${dir#.}"
done
exit "$status"
