#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The store when the power fails or all of dyno is killed, and when many start at once (T42, T53).
#
# A power failure is made in two ways.  A file system is shut down without writing its journal out,
# which loses all that was not made to last; or the image below it is cloned while it is in use,
# which is what a disk would hold at that moment.  Then its journal is played back and the store is
# looked at: each slug is there and as it was packed, or it is not there.
# shellcheck disable=SC2016 # text for the shells of others
# shellcheck disable=SC2030,SC2031 # every test is a subshell
# The loops count in "round": bats 1.8 has an "i" of its own in `run -N`.
load lib
load ../helpers/fs

setup() { fs_setup; }
teardown() { fs_teardown; }

# Source: unpacking the guestbook takes about this long here; moments are spread over it.
ADD_MS=250

# A time between 0 and $1 ms, for sleep.
random_ms() { printf '0.%03d' "$((RANDOM % $1))"; }

# Every listed slug is as it was packed, and the one that is to be there is.
slugs_are_whole() { # [DIGEST]
	local digest
	run -0 dyno slug ls -q
	local listed=("${lines[@]}")
	[ -z "${1:-}" ] || [[ " ${listed[*]} " == *" $1 "* ]] || fail "lost: $1"
	for digest in "${listed[@]}"; do
		run -0 dyno slug verify "$digest"
	done
}

# And the next add and start succeed and leave nothing half-made.
store_is_whole() { # [DIGEST]
	slugs_are_whole "$@"
	run -0 dyno slug add "$(slug guestbook)"
	run -0 dyno slug verify "$output"
	run -0 dyno run -q "$(slug guestbook)" -- test -f Procfile
	dyno gc >/dev/null
	store_is_clean
}

# The data directory itself lies on the disk already.
fs_dirs_last() {
	fs_dirs
	inside sync -f "$FS"
}

# The power fails: what is not on the disk is lost, and the file system comes up again.
power_fails() {
	inside xfs_io -x -c shutdown "$FS"
}

power_returns() {
	wait_for 10 fs_umount
	inside mount -o loop "$FS_IMAGE" "$FS"
}

need_shutdown() { need "no program shuts a file system down (xfs_io)" command -v xfs_io; }

add_survives() { # TYPE
	local digest
	need_shutdown
	fs_mount "$1"
	fs_dirs_last
	digest=$(dyno slug add "$(slug guestbook)")
	power_fails
	power_returns
	run -0 dyno slug ls -q
	store_is_whole "$digest"
}

# The power fails at any moment of an add.
add_is_cut() { # TYPE
	local round n added
	need_shutdown
	fs_mount "$1"
	fs_dirs_last
	n=$(loops 400)
	for ((round = 0; round < n; round++)); do
		dyno slug add "$(slug guestbook)" >"$BASE/fs.added" 2>/dev/null 3>&- &
		sleep "$(random_ms "$ADD_MS")"
		power_fails
		added=
		! wait "$!" || added=$(cat "$BASE/fs.added")
		power_returns
		store_is_whole "$added"
		dyno slug gc --unused >/dev/null
	done
}

@test "T42 an ended add is there after a power failure: ext4" { add_survives ext4; }
@test "T42 an ended add is there after a power failure: xfs" { add_survives xfs; }
@test "T42 a power failure during an add leaves a whole slug or none: ext4" { add_is_cut ext4; }
@test "T42 a power failure during an add leaves a whole slug or none: xfs" { add_is_cut xfs; }

@test "T42 these power failures do lose what was not written out" {
	local digest
	need_shutdown
	need "strace is not installed" command -v strace
	fs_mount ext4
	fs_dirs_last
	# an unpacker whose sync calls do nothing must be caught by the tests above
	digest=$(as_user strace -qq -f -o /dev/null -e trace=syncfs,fsync,sync,fdatasync \
		-e inject=syncfs,fsync,sync,fdatasync:retval=0 "$DYNO" slug add "$(slug guestbook)")
	power_fails
	power_returns
	run ! dyno slug verify "$digest"
	store_is_whole
}

# One add on an ext4 whose disk is cloned again and again meanwhile: DISKS/clone.0 to clone.$LAST,
# the last after the end of the add of DIGEST.
clone_while_adding() {
	local add
	inside rm -f "$DISKS/disk"
	inside truncate -s 96M "$DISKS/disk"
	inside mkfs.ext4 -q -F "$DISKS/disk"
	inside mount -o loop "$DISKS/disk" "$FS"
	inside chmod 755 "$FS"
	fs_dirs_last
	dyno slug add "$(slug guestbook)" >"$BASE/fs.added" 3>&- &
	add=$!
	LAST=0
	while kill -0 "$add" 2>/dev/null; do
		inside cp --reflink=always "$DISKS/disk" "$DISKS/clone.$((LAST++))"
	done
	wait "$add"
	DIGEST=$(cat "$BASE/fs.added")
	inside cp --reflink=always "$DISKS/disk" "$DISKS/clone.$LAST"
	wait_for 10 fs_umount
}

@test "T42 a disk's state at any moment of an add holds a whole slug or none" {
	local round n disk
	# a clone of a file is its state at one moment only where the file system shares blocks
	FS_SIZE=2G fs_mount xfs
	inside touch "$FS/probe"
	need "this file system shares no blocks" inside cp --reflink=always "$FS/probe" "$FS/probe.clone"
	DISKS=$FS FS=$BASE/fs.inner
	mkdir "$FS" && chmod 755 "$FS"
	n=$(loops 100)
	for ((round = 0; round < n; round++)); do
		clone_while_adding
		[ "$LAST" -ge 10 ] || fail "only $LAST moments of an add were seen"
		for ((disk = 0; disk <= LAST; disk++)); do
			# most is written out at the end: few of the earlier ones differ
			[ "${DYNO_LONG:-0}" = 1 ] || [ $((disk % 10)) = 0 ] ||
				[ $((LAST - disk)) -lt 25 ] || continue
			inside mount -o loop "$DISKS/clone.$disk" "$FS"
			if [ "$disk" = "$LAST" ]; then
				store_is_whole "$DIGEST"
			elif [ $((disk % 10)) = 0 ]; then
				store_is_whole
			else
				slugs_are_whole
			fi
			wait_for 10 fs_umount
		done
		inside find "$DISKS" -name 'clone.*' -delete
	done
}

@test "T42 all of dyno killed at any moment of an add: the next one succeeds, nothing is left" {
	local round n left pid
	fs_mount tmpfs
	fs_dirs
	n=$(loops 5000)
	for ((round = 0; round < n; round++)); do
		as_user setsid -w bash -c 'echo $$ >"$0"; exec "$@"' "$BASE/pid" \
			"$DYNO" slug add "$(slug guestbook)" >/dev/null 2>&1 3>&- &
		pid=$!
		sleep "$(random_ms "$ADD_MS")"
		# the whole group at once, the unpacker too
		kill -KILL -- "-$(cat "$BASE/pid")" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
		case $((round % 3)) in
		0) # a collector alone removes what is left
			dyno slug gc >/dev/null
			store_is_clean
			;;
		1) # the next add does it on its way
			run -0 dyno slug add "$(slug guestbook)"
			left=$(ls -A "$(fs_seen "$FS/data/tmp")")
			[ -z "$left" ] || fail "left by a killed add: $left"
			;;
		2) # a start
			run -0 dyno run -q "$(slug guestbook)" -- true
			;;
		esac
		for left in $(dyno slug ls -q); do
			run -0 dyno slug verify "$left"
		done
		dyno slug gc --unused >/dev/null
		store_is_clean
	done
}

# ---- many at once -----------------------------------------------------------------------------

@test "T53 many starts of one cold slug: one unpack, all run, each by a name of its own" {
	local round n pid pids=() failed=0
	n=$(loops 500)
	[ "$n" -ge 20 ] || n=20
	fs_mount tmpfs
	fs_dirs
	as_user mkdir "$BASE/fs.many" "$BASE/fs.libexec"
	# the unpacker hashes and unpacks: who finds the slug made does not start it
	printf '#!/bin/bash\necho started >>%q\nexec %q "$@"\n' "$BASE/fs.libexec/count" \
		"$(dirname "$DYNO")/dyno-unpack" >"$BASE/fs.libexec/dyno-unpack"
	chmod 755 "$BASE/fs.libexec/dyno-unpack"
	export DYNO_CFG_LIBEXEC_DIR=$BASE/fs.libexec
	for ((round = 0; round < n; round++)); do
		dyno run -q "$(slug guestbook)" -- sh -c 'echo "$DYNO"; sleep 2' \
			>"$BASE/fs.many/$round" 2>&1 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=$((failed + 1))
	done
	[ "$failed" = 0 ] || fail "$failed of $n failed: $(cat "$BASE"/fs.many/* | sort | uniq -c)"
	[ "$(cat "$BASE"/fs.many/* | sort -u | wc -l)" = "$n" ] || fail "a name was given twice"
	[ "$(cat "$BASE/fs.libexec/count")" = started ] || fail "the slug was unpacked again"
	store_is_clean
}
