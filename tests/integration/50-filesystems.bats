#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the directories stand on: file systems of every kind, read-only ones, full ones (T44, T46),
# and the writes of a dyno on disk.
# shellcheck disable=SC2016 # text for the shells of others
# shellcheck disable=SC2030,SC2031 # every test is a subshell
load lib
load ../helpers/fs

setup() { fs_setup; }
teardown() { fs_teardown; }

# Source: the time that `slug pack` gives to every member.
PACKED_AT=315532800

# An app that changes, removes and renames what the slug holds.  It ends with 0 only when it found
# everything as it was packed.
REWRITE='[ "$(stat -c %Y Procfile)" = '$PACKED_AT' ] && [ -O Procfile ] && [ -x shapes ] || exit 90
	echo changed >Procfile && rm shapes && mkdir -p d/e && touch d/e/f && mv d moved &&
	[ "$(cat Procfile)" = changed ] && [ ! -e shapes ] && [ -f moved/e/f ] && mv .profile.d gone'

# Two runs, so that the second sees whether the first has left something.
writes_vanish() { # RUN-OPTION...
	run -0 dyno run -q "$@" -- bash -ec "$REWRITE"
	run -0 dyno run -q "$@" -- bash -ec "$REWRITE"
	store_is_clean
}

serves_slugs() { # TYPE
	local digest
	fs_mount "$1"
	fs_dirs
	digest=$(dyno slug add "$(slug shapes)")
	run -0 dyno slug verify "$digest"
	writes_vanish "$(slug shapes)"
	writes_vanish --scratch tmpfs "$digest"
	run -0 dyno slug verify "$digest"
}

serves_all() { # TYPE
	serves_slugs "$1"
	writes_vanish --scratch disk "$(slug shapes)"
	writes_vanish --scratch disk:none "$(slug shapes)"
}

# As root they may go to a file system in a file.  Else they cannot go there; what the user can do is
# said, and nothing stays.
refuses_writes() {
	[ "$PROFILE" = rootless ] || writes_vanish --scratch disk:64M "$(slug shapes)"
	run -125 dyno run -q --scratch disk:none "$(slug shapes)" -- true
	[[ $output =~ \[launch\.(mount|scratch)\] ]] || fail "$output"
	assert_line "hint: "
	assert_line "--scratch tmpfs"
	store_is_clean
}

@test "T46 data directory on ext4" { serves_all ext4; }
@test "T46 data directory on xfs" { serves_all xfs; }
@test "T46 data directory on btrfs" { serves_all btrfs; }
@test "T46 data directory on tmpfs" { serves_all tmpfs; }

@test "T46 data directory on ramfs, without attributes: slugs yes, writes on disk not there" {
	serves_slugs ramfs
	refuses_writes
}

@test "T46 data directory on an overlay: slugs yes, writes on disk not there" {
	serves_slugs overlay
	refuses_writes
}

@test "T46 data directory on a file system in user space" {
	serves_slugs fuse
	refuses_writes
}

@test "T46 data directory that ignores case" {
	fs_mount ext4 -O casefold
	inside chattr +F "$FS"
	fs_dirs
	run dyno run -q "$(slug shapes)" -- true
	[ "$status" = 0 ] || { assert_status 125 && assert_error launch.mount; }
	store_is_clean
}

@test "T46 without id maps the app's files are copied for the start, which is said" {
	need "without root's ranges there is no id to map" [ "$PROFILE" != rootless ]
	local digest entry before
	fs_mount ramfs
	fs_dirs
	digest=$(dyno slug add "$(slug shapes)")
	entry=$(fs_seen "$FS/data/slugs/${digest/:/-}")
	before=$(find "$entry" -printf '%p %u %m %s %T@ %i\n' | sort | sha256sum)
	run -0 dyno run "$digest" -- bash -ec "$REWRITE"
	assert_line "takes no id map: its files are copied for this start"
	[ "$(find "$entry" -printf '%p %u %m %s %T@ %i\n' | sort | sha256sum)" = "$before" ]
	store_is_clean
}

# ---- read-only --------------------------------------------------------------------------------

# With a store that cannot be written, what is in it starts; what would add to it or take from it is
# refused by name.
serves_readonly() { # DIGEST
	run -0 dyno run -q "$1" -- bash -ec "$REWRITE"
	run -0 dyno run -q "$1" -- bash -ec "$REWRITE"
	run -0 dyno slug verify "$1"
	run -0 dyno slug ls
	assert_line "${1:0:19}"
	run -0 dyno slug info "$1"
	run -0 dyno gc
	run -125 dyno run -q "$(slug clock)" -- true
	assert_error store.io
	assert_line "ead-only file system"
	assert_line "hint: the data directory is read-only"
	assert_line "by its digest"
	run -1 dyno slug rm "$1"
	assert_error store.io
	run -125 dyno run -q --scratch disk "$1" -- true
	assert_error launch.scratch
	assert_line "--scratch tmpfs"
}

# A store with one slug and the stack of this host.
fill_store() {
	fs_dirs
	DIGEST=$(dyno slug add "$(slug shapes)")
	run -0 dyno run -q "$DIGEST" -- true
}

@test "T46 a data directory mounted read-only starts what it holds" {
	fs_mount ext4
	fill_store
	run -0 dyno run -q "$(slug shapes)" -- true
	# the last dyno's mounts are taken down a moment after its end
	wait_for 10 inside mount -o remount,ro "$FS"
	# the archive is known by its inode: not even its digest is needed
	run -0 dyno run -q "$(slug shapes)" -- true
	serves_readonly "$DIGEST"
}

@test "T46 a data directory that is a squashfs image starts what it holds" {
	need "no program makes a squashfs (mksquashfs)" command -v mksquashfs
	fs_mount tmpfs
	fill_store
	inside mksquashfs "$FS" "$BASE/fs.squashfs" -quiet -no-progress >/dev/null
	fs_umount
	need "this kernel has no squashfs" inside mount -o loop,ro "$BASE/fs.squashfs" "$FS"
	serves_readonly "$DIGEST"
}

@test "T46 a data directory that is an erofs image starts what it holds" {
	need "no program makes an erofs (mkfs.erofs)" command -v mkfs.erofs
	fs_mount tmpfs
	fill_store
	inside mkfs.erofs --quiet "$BASE/fs.erofs" "$FS" >/dev/null
	fs_umount
	need "this kernel has no erofs" inside mount -o loop,ro "$BASE/fs.erofs" "$FS"
	serves_readonly "$DIGEST"
}

# ---- no room ----------------------------------------------------------------------------------

# refuses_slug TEXT...: the guestbook does not fit; path and need are named and nothing of it stays
refuses_slug() {
	local left text
	run -125 dyno run -q "$(slug guestbook)" -- true
	assert_error store.io
	run -1 dyno slug add "$(slug guestbook)"
	assert_error store.io
	for text in "the slug needs more than the " "$FS/data: " "hint: free space with" "$@"; do
		assert_line "$text"
	done
	left=$(find "$(fs_seen "$FS/data")" -mindepth 2 ! -path '*/slugs/index' | head -5)
	[ -z "$left" ] || fail "left of a slug that did not fit: $left"
	run -0 dyno slug ls -q
	[ -z "$output" ]
}

takes_slug() {
	local digest
	digest=$(dyno slug add "$(slug guestbook)")
	run -0 dyno slug verify "$digest"
	store_is_clean
}

@test "T44 T46 too few bytes for a slug: named, nothing stays, with room it works" {
	FS_SIZE=96M fs_mount ext4 -m 0
	fs_dirs
	inside fallocate -l 80M "$FS/filler"
	refuses_slug " inodes free in " "no space left on device"
	inside rm "$FS/filler"
	takes_slug
}

@test "T46 too few inodes for a slug: named, nothing stays, with more it works" {
	FS_OPTIONS=nr_inodes=200 fs_mount tmpfs
	fs_dirs
	refuses_slug " inodes free in " "no space left on device"
	inside mount -o remount,nr_inodes=100k "$FS"
	takes_slug
}

@test "T46 an ext4 whose inodes are used up" {
	fs_mount ext4 -N 300
	fs_dirs
	refuses_slug " inodes free in " "no space left on device"
}

@test "T46 a quota that is met: named, nothing stays, without it the slug goes in" {
	FS_SIZE=400M fs_mount btrfs
	need "no program sets quotas here (btrfs)" \
		inside btrfs subvolume create "$FS/data"
	need "this btrfs has no quotas" inside btrfs quota enable "$FS"
	fs_dirs
	inside chmod 700 "$FS/data"
	inside btrfs qgroup limit 8M "$FS/data" >/dev/null
	refuses_slug "quota leaves" "disk quota exceeded"
	inside btrfs qgroup limit none "$FS/data" >/dev/null
	takes_slug
}

# fill: use up every inode that the user can have
fill() {
	as_user bash -c 'i=0; while : >"$1/data/filler.$((i++))"; do :; done' fill "$FS" 2>/dev/null || :
}

# On a full disk, what needs no room works: starts, lists and, before all, what makes room.
lives_when_full() {
	local digest
	fs_dirs
	digest=$(dyno slug add "$(slug shapes)")
	run -0 dyno run -q "$(slug shapes)" -- true
	fill
	run -0 dyno run -q "$(slug shapes)" -- bash -ec "$REWRITE"
	run -125 dyno run -q "$(slug clock)" -- true
	assert_error store.io
	run -0 dyno slug ls
	run -0 dyno gc
	run -0 dyno slug rm "$digest"
	run -0 dyno slug ls -q
	[ -z "$output" ]
	store_is_clean
	as_user find "$FS/data" -name 'filler.*' -delete
	run -0 dyno slug add "$(slug shapes)"
	fill
	run -0 dyno slug gc --unused
	assert_line "removed 1"
	store_is_clean
}

@test "T44 on a full tmpfs slugs start, and rm and gc make room" {
	FS_OPTIONS=nr_inodes=2k fs_mount tmpfs
	lives_when_full
}

@test "T44 on a full ext4 slugs start, and rm and gc make room" {
	fs_mount ext4 -N 2000
	lives_when_full
}

@test "T44 at its quota a btrfs still lets slugs go" {
	FS_SIZE=400M fs_mount btrfs
	need "no program sets quotas here (btrfs)" \
		inside btrfs subvolume create "$FS/data"
	need "this btrfs has no quotas" inside btrfs quota enable "$FS"
	fs_dirs
	inside chmod 700 "$FS/data"
	local digest
	digest=$(dyno slug add "$(slug shapes)")
	inside btrfs qgroup limit 8M "$FS/data" >/dev/null
	run ! as_user dd if=/dev/zero of="$FS/data/filler" bs=4k count=4096 conv=fsync
	run -0 dyno slug rm "$digest"
	run -0 dyno slug ls -q
	[ -z "$output" ]
	store_is_clean
}

@test "T46 a slug on standard input that does not fit is named" {
	FS_OPTIONS=size=4m fs_mount tmpfs
	fs_dirs
	run -1 dyno slug add - <"$(slug guestbook)"
	assert_error store.io
	assert_line "hint: free space with"
	store_is_clean
}

# ---- the run directory ------------------------------------------------------------------------

run_dir() { # TYPE OPTIONS: the run directory of the profile's user on a file system of its own
	local owner=
	[ "$PROFILE" != rootless ] || owner=,uid=$USER_ID,gid=$USER_ID
	FS_OPTIONS=$2$owner,mode=700 fs_mount "$1"
	[ "$PROFILE" != rootless ] || inside chown "$USER_ID:$USER_ID" "$FS"
	inside chmod 700 "$FS"
	export DYNO_CFG_RUN_DIR=$FS
}

refuses_run_dir() {
	run -125 dyno run -q "$(slug shapes)" -- true
	assert_error host.run-dir
	assert_line "$1"
	assert_line "hint: "
	assert_line "--run-dir"
	[ -z "$(find "$(fs_seen "$FS")" -mindepth 1 -type d)" ]
}

@test "T44 a run directory without inodes is named, and gc works there" {
	run_dir tmpfs nr_inodes=1
	refuses_run_dir "no space left on device"
	run -0 dyno gc
}

@test "T46 a read-only run directory is named" {
	run_dir tmpfs size=1m
	inside mount -o remount,ro "$FS"
	refuses_run_dir "read-only file system"
	export DYNO_CFG_RUN_DIR=$FS/missing
	refuses_run_dir "read-only file system"
}

@test "T46 run directories on ramfs and ext4 do" {
	local type
	for type in ramfs ext4; do
		if [ "$type" = ramfs ]; then
			run_dir ramfs size=1m
		else
			fs_mount ext4
			inside chmod 700 "$FS"
			[ "$PROFILE" != rootless ] || inside chown "$USER_ID:$USER_ID" "$FS"
			inside rmdir "$FS/lost+found"
		fi
		run -0 dyno run -q "$(slug shapes)" -- true
		[ -z "$(find "$(fs_seen "$FS")" -mindepth 1 -type d)" ]
		fs_umount
	done
}

# ---- writes on disk ---------------------------------------------------------------------------

on_disk() { dyno run -q --scratch disk:none "$(slug shapes)" -- "$@"; }

@test "writes on disk are there while the dyno lives, volatile, and gone with it (C1.1)" {
	fs_mount ext4
	fs_dirs
	coproc LIVE { on_disk bash -c 'echo written >mark; grep " / / " /proc/self/mountinfo; read -r _' \
		3>&-; }
	local line found
	read -r -t 10 line <&"${LIVE[0]}"
	[[ $line == *volatile* ]] || fail "not volatile: $line"
	found=$(find "$(fs_seen "$FS/data/scratch")" -name mark)
	[ "$(cat "$found")" = written ]
	echo >&"${LIVE[1]}"
	# shellcheck disable=SC2154 # bash sets it for the coprocess
	wait "$LIVE_PID"
	store_is_clean
	run -0 on_disk test ! -e mark
}

@test "no tree that an app can make on disk withstands its removal (T60)" {
	fs_mount ext4
	fs_dirs
	run -0 on_disk bash -c '
		mkdir -p locked/inner && touch locked/inner/f && chmod 0 locked/inner locked
		mkdir bare && touch bare/f && chmod 500 bare
		touch "new
line" -- "-rf" "$(printf "\377\033[2J")" && ln -s / root && ln -s loop loop
		ln shapes again && mkfifo fifo && rm -r .profile.d && mkdir .profile.d
		chattr +i Procfile 2>/dev/null && exit 91
		name=$(printf "d%.0s" {1..200})
		for i in {1..300}; do mkdir $name && cd -P $name || exit 92; done; touch bottom'
	store_is_clean
}

@test "writes on disk of a killed launcher are gc's (T41)" {
	fs_mount ext4
	fs_dirs
	as_user bash -c 'echo $$ >"$0"; exec "$@"' "$BASE/pid" \
		"$DYNO" run -q --scratch disk:none "$(slug shapes)" -- \
		bash -c 'mkdir -p a/b && >up && chmod 0 a && sleep 1000' >/dev/null 2>&1 3>&- &
	wait_for 10 has_up
	kill -KILL "$(cat "$BASE/pid")"
	wait "$!" || :
	[ -n "$(ls "$(fs_seen "$FS/data/scratch")")" ]
	run -0 dyno gc
	assert_line scratch
	store_is_clean
	[ -z "$(find "$BASE/run" -mindepth 1 -type d)" ]
}

has_up() { [ -n "$(find "$(fs_seen "$FS/data/scratch")" -name up)" ]; }

@test "an app that fills the disk meets its end, the next one has the room again (T44)" {
	FS_SIZE=64M fs_mount ext4 -m 0
	fs_dirs
	local round
	for round in first second; do
		run -7 on_disk bash -c 'head -c 1G /dev/zero >fill; df --output=avail -m /app | tail -1; exit 7'
		[ "${lines[-1]}" -le 1 ] || fail "not full in the $round round: $output"
		store_is_clean
	done
}

@test "a scratch that is too small says how to get more" {
	run -125 dyno run -q --scratch tmpfs:4K "$(slug shapes)" -- true
	assert_error launch.scratch
	assert_line "hint: give the dyno more room: --scratch tmpfs:SIZE:INODES"
	run -125 dyno run -q --scratch tmpfs:1M:3 "$(slug shapes)" -- true
	assert_error launch.scratch
}
