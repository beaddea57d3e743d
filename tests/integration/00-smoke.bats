#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command runs at all, the sample slugs are slugs, and the residue check sees what it must see:
# a check that cannot fail would let every other test pass.
load lib

# left WHAT: the residue check, asked now, must name WHAT
left() {
	run "$TOP/tests/helpers/residue" compare "$BATS_TEST_TMPDIR/before" 0
	assert_status 1
	assert_line "$1"
}

@test "the command runs and names its version" {
	run -0 dyno --version
	assert_line dyno
}

@test "every sample slug holds its Procfile below app/ (C4.1, C5.1)" {
	for name in guestbook node-hello clock shapes; do
		run -0 tar -tzf "$(slug "$name")"
		grep -qx './app/Procfile' <<<"$output"
		if grep -v '^\./app/' <<<"$output"; then
			fail "members outside app/"
		fi
	done
}

@test "the residue check names a process in another namespace" {
	as_user unshare --user --map-root-user --mount sleep 100 3>&- &
	wait_for 5 pgrep -P "$!" -x sleep
	left "sleep, state S"
	pkill -P "$!" -x sleep
	wait "$!" || :
}

@test "the residue check names a file in the run directory and in the store's tmp" {
	as_user mkdir -p "$BASE/run/app/web.1" "$BASE/data/tmp/half"
	left "path $BASE/run/app"
	left "path $BASE/data/tmp/half"
	as_user rm -r "$BASE/run/app" "$BASE/data/tmp"
}

@test "the residue check names a shared memory object and a socket" {
	as_user touch "/dev/shm/dyno-residue-$$"
	python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind("\0dyno-residue")
s.listen()
time.sleep(100)' 3>&- &
	wait_for 5 grep -q '@dyno-residue' /proc/net/unix
	left "path /dev/shm/dyno-residue-$$"
	left "socket @dyno-residue"
	kill "$!"
	wait "$!" || :
	as_user rm "/dev/shm/dyno-residue-$$"
}

@test "the residue check names a mount and a control group" {
	need "only root mounts and makes control groups" [ "$PROFILE" != rootless ]
	mkdir "$BASE/mnt"
	mount -t tmpfs dyno-residue "$BASE/mnt"
	left "mount $BASE/mnt"
	umount "$BASE/mnt"
	rmdir "$BASE/mnt"

	local parent
	parent=$(awk '$9 ~ /^cgroup/ || $8 ~ /^cgroup/ { print $5; exit }' /proc/self/mountinfo)
	mkdir -p "$parent/dyno/residue"
	left "cgroup $parent/dyno/residue"
	rmdir "$parent/dyno/residue"
}
