#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# No room left, in the data directory or the run directory, while dynos run (T44): what cannot be done
# is said with its path, what runs goes on, and what ends, shows and makes room still works.
# shellcheck disable=SC2016 # text for the shells of others
# shellcheck disable=SC2030,SC2031 # every test is a subshell
# shellcheck disable=SC2154 # variables set by bats and dynos.bash
load lib
load dynos
load ../helpers/fs

setup() {
	fs_setup
	dynos_setup
}

# What a failed test has left running would hold the file system.
teardown() {
	dyno stop --now 'full/*' >/dev/null 2>&1 || :
	fs_teardown
}

# fill DIRECTORY: not a byte and not an inode is left
fill() {
	run ! inside sh -c 'cat /dev/zero >"$1/filler"' - "$1"
	run ! inside sh -c 'i=0; while [ $i -lt 20000 ]; do : >"$1/filler.$i" || exit 1; i=$((i + 1)); done' - "$1"
}

drain() { inside sh -c 'rm -f "$1"/filler*' - "$1"; }

# One dyno that answers through a directory elsewhere, after it has printed and written what it was
# asked.
worker() {
	app -t 'worker: bash serve' full >/dev/null
	put "$BASE/apps/full/serve" <<-'BASH'
		while sleep 0.05; do
			read -r line </talk/ask && [ "$line" != "$last" ] || continue
			echo "heard $line"
			echo "$line" >kept && cat kept >/talk/answer && last=$line
		done 2>/dev/null
	BASH
	# an app writes as the owner, and not to root's
	rm -rf "$BASE/talk" && mkdir "$BASE/talk" && chown "$USER_ID:$USER_ID" "$BASE/talk"
	run -0 dyno start --detach -a full --scratch tmpfs:8M --mount "$BASE/talk:/talk:rw" \
		"$BASE/apps/full" worker=1
	wait_for 20 state_is up
}

state_is() { [ "$(dyno ps --json full/worker.1 | jq -r '.[0].state')" = "$1" ]; }

answers() { # TEXT: the dyno runs as before
	as_user tee "$BASE/talk/ask" <<<"$1" >/dev/null
	wait_for 20 answer_is "$1"
}

answer_is() { [ "$(cat "$BASE/talk/answer")" = "$1" ]; }

# still_works: whatever does not need room
still_works() {
	run -0 dyno ps full/worker.1
	assert_line worker.1
	run -0 dyno inspect full/worker.1
	run -0 dyno slug ls
}

@test "with a full data directory dynos go on, and what makes room works (T44)" {
	FS_SIZE=96M fs_mount ext4 -m 0 -N 2000
	fs_dirs
	local digest
	digest=$(dyno slug add "$SHAPES")
	run -0 dyno run -q "$digest" -- true
	worker
	answers before
	fill "$FS"
	answers during
	still_works
	run -1 dyno slug add "$(slug guestbook)"
	assert_error store.io
	assert_line "no space left on device"
	# what is in the store starts: its writes go to memory, and its record is what is lost
	run -0 dyno run -q "$digest" 'echo x >y; cat y'
	assert_line x
	run -125 dyno run -q --scratch disk:64M "$digest" true
	assert_error launch.scratch
	assert_line "no space left on device"
	run -0 dyno gc
	run -0 dyno slug rm "$digest"
	run -0 dyno stop full/worker.1
	drain "$FS"
	run -0 dyno run -q "$SHAPES" true
	run -0 dyno gc
	store_is_clean
}

@test "logs that find no room lose lines, not the app, and go on when there is room (T44)" {
	FS_SIZE=96M fs_mount ext4 -m 0 -N 2000
	fs_dirs
	worker
	answers first
	wait_for 20 logged "heard first"
	fill "$FS"
	local n
	for n in {1..40}; do
		answers "$(printf 'lost%.0s' {1..200})$n"
	done
	drain "$FS"
	answers last
	wait_for 20 logged "heard last"
	run -0 dyno stop full/worker.1
}

logged() { inside cat "$FS/data/logs/full/worker.1.log" | grep -qF -- "$1"; }

@test "with a full run directory dynos go on, are shown and stopped, and a start says what it needs (T44)" {
	local owner=
	[ "$PROFILE" != rootless ] || owner=,uid=$USER_ID,gid=$USER_ID
	FS_OPTIONS=size=256k,nr_inodes=60,mode=700$owner fs_mount tmpfs
	[ "$PROFILE" != rootless ] || inside chown "$USER_ID:$USER_ID" "$FS"
	inside chmod 700 "$FS"
	export DYNO_CFG_RUN_DIR=$FS
	worker
	answers before
	fill "$FS"
	answers during
	still_works
	run -125 dyno run -q "$SHAPES" true
	assert_error host.run-dir
	assert_line "$FS"
	assert_line "no space left on device"
	assert_line "hint: "
	run -0 dyno gc
	run -0 dyno stop full/worker.1
	run -0 dyno ps -a full
	assert_no_line up
	run -0 dyno rm full/worker.1
	drain "$FS"
	run -0 dyno run -q "$SHAPES" true
}
