#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a monitor holds of an app that prints as fast as it can: the buffers that its headers name,
# however much comes and whoever reads it, or does not.
# profiles: root
# shellcheck disable=SC2016 # commands of dynos are text
# shellcheck disable=SC2154 # stderr is set by bats
load lib
load dynos

# A flood is so many bytes, or what comes in so many seconds on a machine that is busy.
FLOOD_BYTES=$((1024 * 1024 * 1024))
FLOOD_S=5

teardown() {
	[ -z "${follower:-}" ] || kill -KILL "$follower" 2>/dev/null || :
	[ -z "${server:-}" ] || kill "$server" 2>/dev/null || :
	dyno stop --all --now -q 2>/dev/null || :
	dyno rm --all -q 2>/dev/null || :
	lib_teardown
}

# constants HEADER...: its numbers, by their names
constants() {
	local name value
	while read -r name value; do
		printf -v "$name" %d "$((${value//U/}))"
	done < <(cd "$TOP/runtime" && sed -nE 's/^#define ([A-Z_]+)[[:space:]]+(\(?[0-9][0-9U *]*\)?)$/\1 \2/p' "$@")
}

# begin_flood BYTES OPTION...: two dynos of an app, one that prints lines of that length, and one that
# prints nothing: $flooded and $idle, their monitors
begin_flood() {
	local line
	line=$(head -c "$(($1 - 1))" /dev/zero | tr '\0' x)
	dyno start --detach -q -a shop --restart never "${@:2}" "$(app \
		-t "job: timeout $FLOOD_S yes $line | head -c $FLOOD_BYTES; echo; echo flooded; exec sleep 1000" \
		-t 'idle: echo idle; exec sleep 1000' shop)" </dev/null >/dev/null
	flooded=$(monitor job.1) idle=$(monitor idle.1)
	wait_for 20 has idle.1 idle
}

monitor() { dyno ps --json | jq ".[] | select(.name == \"$1\") | .monitor_pid"; }
has() { dyno logs -n 5 -a shop --raw "$1" | grep -qxF -- "$2"; }
peak_kib() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$1/status"; }
has_read() { sed -n 's/^rchar: //p' "/proc/$1/io"; }

# program_kib PID: what is mapped of its files: all of it may come into memory
program_kib() {
	awk '/^[0-9a-f]+-/ { file = $5 != 0 } file && /^Size:/ { n += $2 } END { print n }' \
		"/proc/$1/smaps"
}

# bounded PID IDLE BYTES: it has had no more memory than IDLE had, all of its program, and BYTES
bounded() {
	local peak bound
	peak=$(peak_kib "$1") bound=$(($(peak_kib "$2") + $(program_kib "$1") + $3 / 1024))
	echo "peak $peak KiB of $bound, idle $(peak_kib "$2")"
	[ "$peak" -le "$bound" ] || fail "process $1 has had $peak KiB, more than $bound"
}

# monitor_bounded: the flood was one, and the buffers are all that it has taken
monitor_bounded() {
	constants engine/sink.h engine/feed.h
	# struct sink_area, a line's beginning of either stream, and what a feed's socket has no room
	# for, whose memory grows by doubling
	local area=$((OUTPUT_LINE_BYTES + SINK_BATCH_BYTES + SINK_HEAD_BYTES + SINK_NOTE_BYTES +
		SINK_BATCH_BYTES + SINK_RESERVE_BYTES + SINK_BLOCK_BYTES))
	local left=$((2 * FEED_LEFT_BYTES))

	wait_for 60 has job.1 flooded
	[ "$((area > 2 * SINK_BATCH_BYTES && left > 0))" -eq 1 ] || fail "constants that are none"
	[ "$(has_read "$flooded")" -gt "$((100 * (area + left)))" ] ||
		fail "no flood: $(has_read "$flooded") bytes"
	bounded "$flooded" "$idle" "$((area + left + 2 * OUTPUT_LINE_BYTES))"
}

@test "T35 C10.1: a flood that nobody reads leaves a monitor with the memory of its buffers" {
	begin_flood 62
	monitor_bounded
}

@test "T35 C10.1: so does one whose reader is stopped in the middle" {
	local log=$BATS_TEST_TMPDIR/log
	begin_flood 62
	(exec 3>&- && exec "${user[@]}" "$DYNO" logs -f -a shop job.1 >"$log") &
	follower=$!
	wait_for 20 test -s "$log"
	kill -STOP "$follower"
	monitor_bounded
	kill -CONT "$follower"
	kill -INT "$follower"
	wait "$follower" || fail "the follower has ended with $?"
	follower=
}

@test "T35 C10.8: so does one whose drain hangs, and the helper holds what its ring may" {
	local dir=$BATS_TEST_TMPDIR/hung helpers
	mkdir "$dir"
	echo hang >"$dir/mode"
	(exec 3>&- && exec python3 "$TOP/tests/helpers/drain-server.py" tcp "$dir" >"$dir/err" 2>&1) &
	server=$!
	wait_for 20 test -s "$dir/port"
	# as long as fills the ring by bytes and by number
	begin_flood 4096 --log "syslog+tcp://127.0.0.1:$(cat "$dir/port")"
	monitor_bounded
	constants drain/ring.h drain/main.c drain/stream.c
	# what it has received is counted for nobody: the flooded one is the larger
	mapfile -t helpers < <(pgrep -x dyno-drain | while read -r pid; do
		echo "$(peak_kib "$pid") $pid"
	done | sort -n)
	[ "${#helpers[@]}" -eq 2 ] || fail "helpers: ${helpers[*]}"
	bounded "${helpers[1]#* }" "${helpers[0]#* }" "$((RING_BYTES + INPUT_BYTES + SEND_BYTES))"
}
