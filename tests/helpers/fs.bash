# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# fs.bash - file systems for one test: `load ../helpers/fs` after `load lib`.
#
# They are mounted in a mount namespace that one process of the test holds, so the host never sees
# them, and with that process they are gone, loop devices included, even where the test is killed.
#
#   inside COMMAND...   a command in that namespace, as the test's own user; dyno and as_user too
#                       run there.  Paths are absolute: the working directory is not kept
#   fs_mount TYPE [MKFS-OPTION...]   a fresh file system of that type at FS, of $FS_SIZE bytes;
#                       skips where kernel or programs lack it.  FS_OPTIONS: for mount
#   fs_quota            the same, an ext4 that keeps to project quotas
#   fs_dirs             make the data directory FS/data of the profile's user and use it
#   fs_umount           take it away again
#   fs_seen PATH        the path by which the test itself sees what is there inside
#   store_is_clean      no half-made entry, lock or scratch is in the data directory

fs_setup() {
	lib_setup
	need "only root can mount file systems" [ "$(id -u)" = 0 ]
	FS=$BASE/fs FS_IMAGE=$BASE/fs.img
	mkdir -p "$FS" && chmod 755 "$FS"
	unshare --mount setpriv --pdeathsig KILL sleep infinity </dev/null >/dev/null 2>&1 3>&- &
	FS_HOLDER=$!
	wait_for 10 fs_holder_is_ready
}

# unshare and setpriv have become sleep.
fs_holder_is_ready() { [ "$(cat "/proc/$FS_HOLDER/comm")" = sleep ]; }

fs_teardown() {
	if [ -n "${FS_HOLDER:-}" ]; then
		# a file system in user space ends when it is taken away, not before
		fs_umount 2>/dev/null || :
		kill -KILL "$FS_HOLDER"
		wait "$FS_HOLDER" 2>/dev/null || :
		rm -rf "$FS_IMAGE" "$BASE"/fs.*
	fi
	lib_teardown
}

inside() { nsenter --mount="/proc/$FS_HOLDER/ns/mnt" -- "$@"; }

as_user() {
	local become=()
	[ -z "${FS_HOLDER:-}" ] || become=(nsenter --mount="/proc/$FS_HOLDER/ns/mnt" --)
	if [ "$PROFILE" = rootless ] && [ "$(id -u)" = 0 ]; then
		become+=(setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups)
		become+=(--inh-caps=-all --)
	fi
	"${become[@]}" "$@"
}

fs_seen() { echo "/proc/$FS_HOLDER/root$1"; }

# Source: the smallest sizes that the mkfs programs take, with some room.
fs_default_size() {
	case $1 in
	xfs) echo 320M ;;
	btrfs) echo 160M ;;
	*) echo 96M ;;
	esac
}

fs_mount() {
	local type=$1 options=${FS_OPTIONS:-}
	shift
	case $type in
	tmpfs | ramfs)
		need "this kernel has no $type" \
			inside mount -t "$type" ${options:+-o "$options"} none "$FS"
		;;
	overlay)
		mkdir -p "$BASE/fs.lower"
		inside mount -t tmpfs none "$BASE/fs.lower"
		inside mkdir "$BASE/fs.lower/lower" "$BASE/fs.lower/upper" "$BASE/fs.lower/work"
		need "this kernel has no overlay" inside mount -t overlay -o \
			"lowerdir=$BASE/fs.lower/lower,upperdir=$BASE/fs.lower/upper,workdir=$BASE/fs.lower/work" \
			none "$FS"
		;;
	fuse)
		fs_image ext4 "$@"
		need "no file system in user space (fuse2fs)" \
			inside fuse2fs -o allow_other,rw "$FS_IMAGE" "$FS"
		;;
	*)
		fs_image "$type" "$@"
		need "this kernel mounts no $type${*:+ with $*}" \
			inside mount -t "$type" -o "loop${options:+,$options}" "$FS_IMAGE" "$FS"
		;;
	esac
	inside chmod 755 "$FS"
}

fs_quota() {
	FS_OPTIONS=prjquota fs_mount ext4 -O quota,project -E quotatype=prjquota
}

fs_image() { # TYPE MKFS-OPTION...
	local type=$1 force=-f
	shift
	[ "$type" != ext4 ] || force=-F
	rm -f "$FS_IMAGE"
	truncate -s "${FS_SIZE:-$(fs_default_size "$type")}" "$FS_IMAGE"
	need "no program makes such a $type" "mkfs.$type" -q "$force" "$@" "$FS_IMAGE"
}

fs_umount() { inside umount "$FS"; }

fs_dirs() {
	inside mkdir -m 700 -p "$FS/data"
	[ "$PROFILE" != rootless ] || inside chown "$USER_ID:$USER_ID" "$FS/data"
	export DYNO_CFG_DATA_DIR=$FS/data
}

store_is_clean() {
	local data left
	data=$(fs_seen "$DYNO_CFG_DATA_DIR")
	left=$(find "$data/tmp" "$data/locks" "$data/scratch" -mindepth 1 2>/dev/null | head -5)
	[ -z "$left" ] || fail "left in the data directory: $left"
}
