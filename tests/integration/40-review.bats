#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What an attacker or an unlucky moment could get past the launch path and the collector.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

@test "a scratch on disk is collected after the run directory is gone, as after a boot (T41, T43)" {
	begin -q --scratch disk:none --name boot.1 "$SHAPES" 'echo on; sleep 1000'
	says 10 on
	[ "$(find "$BASE/data/scratch" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
	kill -9 "$pid"
	finish 137
	as_user mkdir -m 700 "$BASE/run2"
	# a live one of another run directory is not touched
	begin -q --scratch disk:none --name boot.2 "$SHAPES" 'echo on; sleep 1000'
	says 10 on
	run -0 dyno gc --run-dir "$BASE/run2"
	[[ $output == *'scratch '*@boot.1@* ]]
	[[ $output != *boot.2* ]]
	[ "$(find "$BASE/data/scratch" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
	kill "$pid"
	finish 143
	run -0 dyno gc
	[ -z "$(ls "$BASE/data/scratch")" ]
	as_user rmdir "$BASE/run2"
}

@test "the collector never takes a start of the same moment for dead, nor its name for taken (T54)" {
	collect() { while [ ! -e "$BASE/enough" ]; do dyno gc 3>&-; done >"$BASE/collected" 2>&1; }
	collect &
	collector=$!
	rounds=$(loops 2000)
	for ((each = 0; each < rounds; each++)); do
		as_user mkdir -p "$BASE/run/again/web.1" 2>/dev/null || : # a remain, for the collector to take
		run -3 dyno run -q -a again --name web.1 --scratch disk:none "$SHAPES" 'touch /app/x && exit 3'
	done
	as_user touch "$BASE/enough"
	wait "$collector"
	as_user rm -f "$BASE/enough"
	# a scratch that was made, but not yet locked, may be taken: its maker makes another
	! grep -vE '^removed (run directory again/web.1|scratch again@web.1.*)$' "$BASE/collected" || fail "collected more than remains"
}

@test "a dyno may write to its caller's pipe anew, but not read what others write there (T23)" {
	[ "$PROFILE" != rootless ] || skip "the user's own pipes are the user's"
	run -0 bash -c '{ "$@" '"'"'echo anew >/dev/stdout; test ! -r /proc/self/fd/1 && ! chmod 666 /proc/self/fd/1 2>/dev/null && echo kept'"'"'; stat -L -c %u /proc/self/fd/1; } | cat' \
		x "$DYNO" run -q "$SHAPES"
	[ "$output" = "$(printf 'anew\nkept\n0')" ]
}

@test "real time, a protected OOM score and fixed addresses of the caller are not the dyno's (T24)" {
	run -0 dyno run -q "$SHAPES" 'cat /proc/self/personality'
	[ "$output" = 00000000 ]
	run -0 "${user[@]}" setarch -R "$DYNO" run -q "$SHAPES" 'cat /proc/self/personality'
	[ "$output" = 00000000 ]
	[ "$PROFILE" != rootless ] || return 0
	if chrt -r 10 true 2>/dev/null; then
		run -0 chrt -r 10 "$DYNO" run -q "$SHAPES" 'chrt -p $$ | head -n 1'
		[[ $output == *SCHED_OTHER ]]
	fi
	if (echo -900 >/proc/self/oom_score_adj) 2>/dev/null; then
		run -0 bash -c 'echo -900 >/proc/self/oom_score_adj; "$@"' x "$DYNO" run -q "$SHAPES" 'cat /proc/self/oom_score_adj'
		[ "$output" = 0 ]
	fi
	run -0 bash -c 'echo 300 >/proc/self/oom_score_adj; "$@"' x "$DYNO" run -q "$SHAPES" 'cat /proc/self/oom_score_adj'
	[ "$output" = 300 ]
}

@test "a mount of the host below a bound directory is as read-only inside as all of it (T31)" {
	[ "$PROFILE" = rootless ] && [ "$(id -u)" = 0 ] || skip "shown by a mount of root's that a rootless dyno sees"
	run -0 unshare --mount --propagation private bash -c 'mount -t tmpfs -o mode=1777 dyno-test /usr/games && exec "$@"' \
		x "${user[@]}" "$DYNO" run -q "$SHAPES" 'touch /usr/games/x 2>&1; grep " /usr/games " /proc/self/mountinfo'
	[[ $output == *'ead-only file system'* ]]
	[[ $output != *'/usr/games rw'* ]]
	[[ $output == *'/usr/games ro,nosuid,nodev'* ]]
}

# is_dyno PID: that or a child of its has become the command under test
is_dyno() { [ "$(cat "/proc/$1/comm")" = dyno ] || pgrep -P "$1" -x dyno; }

@test "a signal ends a run that still waits for its slug, and nothing is left (T54, U2)" {
	mkfifo "$BATS_TEST_TMPDIR/never"
	exec {hold}<>"$BATS_TEST_TMPDIR/never"
	for signal in INT TERM HUP; do
		("${user[@]}" env --default-signal=INT "$DYNO" run - true <"$BATS_TEST_TMPDIR/never" {hold}>&- 3>&-) &
		pid=$!
		# before it is dyno it may be a shell that ignores the signal
		wait_for 10 is_dyno "$pid"
		sleep 0.3
		pkill -"$signal" -P "$pid" || kill -"$signal" "$pid"
		wait_for 5 deserted "$pid"
		status=0
		wait "$pid" || status=$?
		[ "$status" -eq $((128 + $(kill -l "$signal"))) ]
	done
	exec {hold}>&-
	[ -z "$(find "$BASE/data/tmp" "$BASE/data/locks" -mindepth 1)" ] || lib_seen "left in the store"
}
