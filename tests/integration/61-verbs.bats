#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Looking at dynos that live by themselves, and steering them: ps, inspect, stop, restart, kill,
# wait, events, rm, and what diff and cp print.  (How they are started and kept is tested elsewhere.)
# shellcheck disable=SC2016 # commands of dynos are text
# shellcheck disable=SC2154 # stderr and stderr_lines are set by bats
load lib
load dynos

# Whatever a test has left alive goes before the host is looked at.
teardown() {
	dyno stop --all --now -q 2>/dev/null || :
	dyno rm --all -q 2>/dev/null || :
	lib_teardown
}

# json FILTER: the filter over the output is true, of one document or of all lines
json() { jq -es "$1" <<<"$output" >/dev/null || lib_seen "not so: $1"; }

WEB='web: exec python3 -m http.server $PORT'

# fails STATUS CLASS ARG...: dyno ARG... does, and prints nothing but that
fails() {
	run "-$1" --separate-stderr dyno "${@:3}"
	assert_error "$2"
	[ -z "$output" ] || lib_seen "expected no output"
}

# begin_web APP [OPTION...]: one dyno web.1 that listens on its port
begin_web() {
	dyno start --detach -q -a "$1" --grace 5s "${@:2}" "$(app -t "$WEB" "$1")" >/dev/null
}

# ready DYNO: it has said so
ready() { grep -q 'ready$' "$BASE/data/logs/shop/$1.log"; }

# wrote DYNO TEXT: what it has written has that
wrote() { dyno diff "$1" | grep -qF -- "$2"; }

# begin_sleepers APP [N]: N (1) dynos sleeper.N that do nothing and end on TERM
begin_sleepers() {
	dyno start --detach -q -a "$1" --grace 5s "$(app -t 'sleeper: exec sleep 1000' "$1")" \
		"sleeper=${2:-1}" >/dev/null
}

fact() { dyno ps --json "$1" | jq -r ".[0].$2"; }

# is NAME MEMBER VALUE: what ps --json says of it
is() { [ "$(fact "$1" "$2")" = "$3" ]; }

@test "ps lists dynos in a table of 80 columns, by app, type and number" {
	run -0 dyno ps
	[ "$output" = 'DYNO  STATE  SINCE  PID  PORT  RESTARTS  COMMAND' ] || lib_seen "no dynos yet"
	begin_sleepers shop 2
	dyno start --detach -q -a a-shop-with-a-rather-long-name-for-an-app \
		"$(app -t "sleeper: exec sleep 1000 # $(printf 'x%.0s' {1..200})" long)" >/dev/null
	run -0 --separate-stderr dyno ps -a shop
	[ "${#lines[@]}" -eq 3 ] || lib_seen "a line each"
	[[ ${lines[1]} == 'sleeper.1  up '*'exec sleep 1000' ]] || lib_seen "the first"
	[[ ${lines[2]} == 'sleeper.2  up '*'exec sleep 1000' ]] || lib_seen "the second"
	run -0 dyno ps
	[ "${#lines[@]}" -eq 4 ] || lib_seen "those of every app"
	[ "$(wc -L <<<"$output")" -le 80 ] || lib_seen "too wide"
	assert_line 'shop/sleeper.2  '
	run -0 dyno ps -q
	[ "${lines[0]}" = a-shop-with-a-rather-long-name-for-an-app/sleeper.1 ] || lib_seen "names"
	[ "${lines[2]}" = shop/sleeper.2 ] || lib_seen "names with the app"
	run -0 dyno ps -q -a shop 'sl*.2'
	[ "$output" = sleeper.2 ] || lib_seen "a pattern"
}

@test "ps --json is an array of objects with exactly the members of its page" {
	begin_web shop
	run -0 dyno wait --for up --timeout 60s web.1
	run -0 dyno ps --json
	json 'length == 1 and (.[0] | type) == "array"'
	json '.[0][0] | keys_unsorted == ["name", "app", "type", "state", "kept", "pid", "init_pid",
		"monitor_pid", "port", "address", "address6", "published", "restarts", "since", "exit_code",
		"signal", "reason", "detail", "next_try"]'
	json '.[0][0] | .name == "web.1" and .app == "shop" and .type == "web" and .state == "up"'
	json '.[0][0] | .restarts == 0 and .exit_code == null and .signal == null
		and .reason == null and .next_try == null and .port > 0'
	json '.[0][0].since | test("^[0-9-]{10}T[0-9:]{8}[.][0-9]{6}[+]00:00$")'
	python3 -m json.tool <<<"$output" >/dev/null
	[ "$(cat "/proc/$(jq -r '.[0].init_pid' <<<"$output")/comm")" = dyno-init ]
	[[ $(tr '\0' ' ' <"/proc/$(jq -r '.[0].pid' <<<"$output")/cmdline") == python3* ]]
	[ "$(stat -c %u "/proc/$(jq -r '.[0].monitor_pid' <<<"$output")")" = "$(as_user id -u)" ]
	run -0 dyno ps --json 'none*'
	[ "$output" = '[]' ] || lib_seen "an empty array"
}

@test "a name that no dyno has is refused by every verb, with the nearest one" {
	begin_sleepers shop
	for verb in ps inspect stats stop restart kill wait rm diff; do
		run -1 --separate-stderr dyno "$verb" sleeper.2
		[ -z "$output" ] || lib_seen "$verb printed something"
		[ "${stderr_lines[0]}" = 'dyno: no dyno "sleeper.2" [dyno.not-found]' ] ||
			lib_seen "$verb"
		[ "${stderr_lines[1]}" = 'hint: did you mean sleeper.1?' ] || lib_seen "$verb"
		run -1 dyno "$verb" --json -a shpo sleeper.1
		json '.[0].error.class == "dyno.not-found"'
	done
	run -125 --separate-stderr dyno exec sleeper.2 true
	[ "${stderr_lines[1]}" = 'hint: did you mean sleeper.1?' ] || lib_seen exec
	run -1 --separate-stderr dyno cp sleepr.1:/app x
	[ "${stderr_lines[1]}" = 'hint: did you mean sleeper.1?' ] || lib_seen cp
	fails 1 dyno.not-found stop -a none --all
	is sleeper.1 state up
}

@test "a command line that does not fit is refused before anything is done" {
	begin_sleepers shop
	begin_sleepers blog
	for verb in stop restart kill rm; do
		run -2 --separate-stderr dyno "$verb"
		[[ ${stderr_lines[0]} == "dyno: $verb: a dyno is missing: "*'[usage]' ]] || lib_seen "$verb"
		fails 2 usage "$verb" --all sleeper.1
		fails 2 usage "$verb" -a shop blog/sleeper.1
		fails 2 usage "$verb" -a '*' sleeper.1
		# a name without an app must not mean two
		run -2 --separate-stderr dyno "$verb" sleeper.1
		[[ ${stderr_lines[0]} == *'several apps: blog/sleeper.1, shop/sleeper.1 [usage]' ]] ||
			lib_seen "$verb"
		fails 2 usage "$verb" '*'
		# the last word is wrong, and the first is left alone
		fails 1 dyno.not-found "$verb" blog/sleeper.1 shop/sleeper.1 shop/none.1
	done
	fails 2 usage kill -s NONE blog/sleeper.1
	fails 2 usage kill --scope everybody blog/sleeper.1
	for name in shop/sleeper.1 blog/sleeper.1; do
		is "$name" state up
		is "$name" restarts 0
	done
	# what only looks takes both
	run -0 dyno ps -q sleeper.1
	[ "$output" = $'blog/sleeper.1\nshop/sleeper.1' ] || lib_seen "ps of both"
	fails 2 usage diff sleeper.1
}

@test "ps says of a crashed dyno how often in a row, and when it starts again (U12, C6.8)" {
	dyno start --detach -q -a shop --backoff 0,1h "$(app -t 'crash: exit 3' shop)" >/dev/null
	wait_for 10 is crash.1 restarts 1
	wait_for 10 is crash.1 state crashed
	run -0 dyno ps
	[[ ${lines[1]} =~ ^crash\.1\ +crashed\ \(2nd\),\ next\ in\ [0-9]+\ min ]] || lib_seen "state"
	run -0 dyno ps --json crash.1
	json '.[0][0] | .exit_code == 3 and .reason == "exit" and .pid == null and .next_try > .since'
	# it is a live one: a stop ends it for good
	run -0 dyno stop crash.1
	is crash.1 monitor_pid null
	is crash.1 next_try null
}

@test "what has ended for good is listed with --all, or by its whole name" {
	begin_sleepers shop
	run -0 dyno stop sleeper.1
	run -0 dyno ps -q
	[ -z "$output" ] || lib_seen "ended"
	run -0 dyno ps -q --all
	[ "$output" = sleeper.1 ] || lib_seen "--all"
	run -0 dyno ps --json sleeper.1
	json '.[0][0] | .state == "down" and .exit_code == 143 and .signal == 15
		and .reason == "stop" and .pid == null and .init_pid == null and .monitor_pid == null'
	# a new one of the name is what the name means
	begin_sleepers shop
	is sleeper.1 state up
}

@test "inspect prints an object, for people or on a line, of ended dynos too" {
	begin_sleepers shop
	run -0 dyno inspect sleeper.1
	[ "${lines[0]}" = '{' ] || lib_seen "for people"
	json 'length == 1 and .[0].schema == 1 and .[0].name == "sleeper.1" and .[0].state == "up"'
	run -0 dyno inspect --json sleeper.1
	[ "${#lines[@]}" -eq 1 ] || lib_seen "one line"
	json '.[0].app == "shop"'
	run -0 dyno stop -q sleeper.1
	[ -z "$output" ] || lib_seen "-q"
	run -0 dyno inspect sleeper.1
	json '.[0] | .live == false and .state == "down" and .reason == "stop"
		and .command == "exec sleep 1000"'
}

@test "stop prints each name when it has ended; a second stop is done with at once (T54)" {
	begin_sleepers shop 3
	run -0 dyno stop sleeper.1 sleeper.2 sleeper.1
	[ "$(sort <<<"$output")" = $'sleeper.1\nsleeper.2' ] || lib_seen "both, once"
	run -0 dyno stop sleeper.1
	[ "$output" = sleeper.1 ] || lib_seen "ended before"
	run -0 dyno stop --json sleeper
	json 'length == 1 and .[0].name == "sleeper.3" and .[0].exit_code == 143
		and .[0].signal == 15 and .[0].reason == "stop" and .[0].schema == 1'
	run -0 dyno stop --all
	[ -z "$output" ] || lib_seen "none is no error"
}

@test "two stops at once both end well (T54)" {
	begin_sleepers shop 4
	for i in 1 2 3; do
		(exec 3>&- && dyno stop --all >"$BATS_TEST_TMPDIR/stop.$i" 2>&1) &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "$(cat "$BATS_TEST_TMPDIR"/stop.*)"
	done
	run -0 dyno ps -q
	[ -z "$output" ] || lib_seen "all are down"
}

@test "stop --now does not wait for the grace, --no-wait waits for nothing (T28)" {
	dyno start --detach -q -a shop --grace 60s "$(app -t \
		'deaf: trap "" TERM; echo ready; while :; do sleep 1; done' shop)" deaf=2 >/dev/null
	wait_for 10 ready deaf.1
	wait_for 10 ready deaf.2
	SECONDS=0
	run -0 dyno stop --no-wait deaf.1
	[ "$output" = deaf.1 ] || lib_seen "asked"
	is deaf.1 state stopping
	run -0 dyno stop --now --json deaf
	[ "$SECONDS" -lt 50 ] || fail "took $SECONDS s"
	json 'length == 2 and all(.[]; .exit_code == 137)'
}

@test "stop --all -a APP, and APP/, leave the dynos of other apps" {
	begin_sleepers shop 2
	begin_sleepers blog 2
	run -0 dyno stop -a shop --all
	run -0 dyno ps -q
	[ "$output" = $'sleeper.1\nsleeper.2' ] || lib_seen "those of blog"
	run -0 dyno stop blog/
	run -0 dyno ps -q
	[ -z "$output" ] || lib_seen "all of blog"
}

@test "restart gives a fresh process and returns when it is up (C6.4)" {
	begin_sleepers shop 2
	old=$(fact sleeper.1 init_pid)
	run -0 dyno restart sleeper.1
	[ "$output" = sleeper.1 ] || lib_seen "its name"
	is sleeper.1 state up
	is sleeper.1 restarts 1
	is sleeper.2 restarts 0
	[ "$(fact sleeper.1 init_pid)" != "$old" ]
	run -0 dyno restart --json --all
	json 'length == 2 and all(.[]; .state == "up" and .app == "shop")'
	is sleeper.1 restarts 2
	run -0 dyno restart --no-wait sleeper
	wait_for 10 is sleeper.1 restarts 3
	wait_for 10 is sleeper.2 restarts 2
}

@test "restart of what crashes exits with 1 and says how it ended" {
	dir=$(app -t 'job: exec ./job' shop)
	printf '#!/bin/sh\nexec sleep 1000\n' | put "$dir/job" 755
	dyno start --detach -q -a shop --backoff 1h "$dir" >/dev/null
	printf '#!/bin/sh\nexit 7\n' | put "$dir/job" 755
	run -0 --separate-stderr dyno wait --for up job.1
	run --separate-stderr dyno restart job.1
	if [ "$status" -eq 0 ]; then
		# it was up for an instant: executed is up, for what is no web process
		wait_for 5 is job.1 state crashed
	else
		assert_status 1
		[[ ${stderr_lines[0]} == 'dyno: restart shop/job.1: it is crashed (exit, exit status 7)'* ]] ||
			lib_seen "how it ended"
		assert_error dyno.crashed
	fi
	# a crashed one is started at once
	printf '#!/bin/sh\nexec sleep 1000\n' | put "$dir/job" 755
	run -0 dyno restart job.1
	is job.1 state up
}

@test "restart of a web process that no longer listens fails when its boot time is over (C6.3)" {
	dir=$(app -t 'web: exec ./web' shop)
	printf '#!/bin/sh\nexec python3 -m http.server $PORT\n' | put "$dir/web" 755
	dyno start --detach -q -a shop --boot-timeout 3s --backoff 1h "$dir" >/dev/null
	run -0 dyno wait --for up --timeout 60s web.1
	printf '#!/bin/sh\nexec sleep 1000\n' | put "$dir/web" 755
	fails 1 dyno.crashed restart web.1
	[[ ${stderr_lines[0]} == *'it is crashed (boot-timeout, exit status 137) [dyno.crashed]' ]] ||
		lib_seen "how it ended"
}

@test "what runs once and what has ended is not restarted" {
	name=$(dyno run --detach -a shop "$(app -t 'x: y' shop)" 'sleep 1000')
	fails 1 usage restart "$name"
	is "$name" state up
	run -0 dyno stop "$name"
	fails 1 dyno.not-found restart "$name"
	fails 1 dyno.not-found kill "$name"
}

@test "kill sends TERM to the main process, -s another, --scope to more" {
	dyno start --detach -q -a shop --backoff 1h "$(app -t \
		'trap: trap "echo usr1" USR1; trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done' \
		shop)" >/dev/null
	wait_for 10 ready trap.1
	run -0 dyno kill -s SIGUSR1 trap.1
	[ "$output" = trap.1 ] || lib_seen "its name"
	run -0 dyno kill -s 10 --scope all --json trap
	json '.[0].signal == 10 and .[0].scope == "all" and .[0].name == "trap.1"'
	is trap.1 state up
	run -0 dyno kill -q trap.1
	[ -z "$output" ] || lib_seen "-q"
	# the app ended of it by itself: a crash
	wait_for 10 is trap.1 state crashed
	is trap.1 exit_code 9
	fails 1 dyno.not-found kill trap.1
}

@test "wait prints the exit status and exits with it (U1, U25)" {
	dir=$(app -t 'x: y' shop)
	one=$(dyno run --detach -a shop "$dir" 'sleep 0.5; exit 7')
	two=$(dyno run --detach -a shop "$dir" 'sleep 0.5')
	run -7 dyno wait "$one"
	[ "$output" = 7 ] || lib_seen "its status"
	# of what has ended before, at once
	run -7 dyno wait "$one"
	[ "$output" = 7 ] || lib_seen "its status"
	run -7 dyno wait "$two" "$one"
	[ "$output" = "$two 0"$'\n'"$one 7" ] || lib_seen "both"
	run -7 dyno wait --json "$one"
	json '.[0] | .exit_code == 7 and .state == "complete" and .reason == "exit"'
	run -7 dyno wait -q "$one"
	[ -z "$output" ] || lib_seen "-q"
	# stopped by somebody: as a shell tells signals
	three=$(dyno run --detach -a shop "$dir" 'sleep 1000')
	(sleep 0.3 && dyno stop -q "$three") 3>&- &
	run -143 dyno wait "$three"
	wait $!
}

@test "wait --for a state, and no longer than --timeout (124)" {
	begin_sleepers shop 2
	run -0 dyno wait --for up --timeout 60s sleeper
	[ -z "$output" ] || lib_seen "prints nothing"
	SECONDS=0
	run -124 --separate-stderr dyno wait --timeout 1s sleeper
	[ "$SECONDS" -lt 50 ] || fail "took $SECONDS s"
	[[ ${stderr_lines[0]} == *'wait for shop/sleeper.1: it is up after 1000 ms [dyno.timeout]' ]] ||
		lib_seen "why"
	(sleep 0.3 && dyno stop -q sleeper.1) 3>&- &
	run -0 dyno wait --for down --timeout 60s sleeper.1
	wait $!
	fails 1 dyno.crashed wait --for up sleeper.1
	fails 2 usage wait --for asleep sleeper.1
	# what ends in the state that is waited for, while it is, or before
	name=$(dyno run --detach -a shop "$BASE/apps/shop" 'sleep 1; exit 4')
	run -0 dyno wait --for complete --timeout 60s "$name"
	run -0 dyno wait --for complete --json "$name"
	json '.[0] | .state == "complete" and .exit_code == 4'
}

@test "events tells the past, as sentences and as the lines they are (U35)" {
	begin_sleepers shop
	dyno restart -q sleeper.1
	dyno stop -q sleeper.1
	run -0 dyno events
	assert_line ' shop/sleeper.1 state starting -> up'
	assert_line ' shop/sleeper.1 exit status 143 (stop)'
	run -0 dyno events --json -a shop sleeper.1
	json 'all(.[]; .schema == 1 and .app == "shop" and .dyno == "sleeper.1")'
	json '[.[].time] | . == sort'
	json '[.[] | select(.event == "launch")] | length == 2'
	json '[.[] | select(.event == "exit" and .reason == "stop")] | length == 2'
	json '[.[].event] | unique - ["launch", "state", "line", "exit", "discard", "end"] == []'
	run -0 dyno events -a blog
	[ -z "$output" ] || lib_seen "none of blog"
	run -0 dyno events --since 1h --json
	json 'length > 4'
	run -0 dyno events --since 2999-01-01
	[ -z "$output" ] || lib_seen "none of then"
	fails 2 usage events --since yesterday
	# the last ones are the end of them all
	run -0 dyno events --json
	all=$output
	run -0 dyno events --json -n 3
	[ "$output" = "$(tail -n 3 <<<"$all")" ] || lib_seen "the last three"
	run -0 dyno events --json --num all
	[ "$output" = "$all" ] || lib_seen "all of them"
	run -0 dyno events -n 0
	[ -z "$output" ] || lib_seen "none"
	fails 2 usage events -n -1
	# with -f they come first, and are not the last word
	(exec 3>&- && exec "${user[@]}" "$DYNO" events -f -n 2 --json >"$BATS_TEST_TMPDIR/tail") &
	follower=$!
	wait_for 20 test -s "$BATS_TEST_TMPDIR/tail"
	begin_sleepers shop
	told() { [ "$(wc -l <"$BATS_TEST_TMPDIR/tail")" -gt 2 ]; }
	wait_for 20 told
	kill "$follower"
	wait "$follower" || :
	[ "$(head -n 2 "$BATS_TEST_TMPDIR/tail")" = "$(tail -n 2 <<<"$all")" ] ||
		fail "$(cat "$BATS_TEST_TMPDIR/tail")"
}

@test "events -f goes on, misses none of a new dyno and tells none twice; ^C ends it well" {
	begin_sleepers shop
	log=$BATS_TEST_TMPDIR/events
	(exec 3>&- && exec "${user[@]}" "$DYNO" events -f --json >"$log") &
	follower=$!
	wait_for 5 grep -q launch "$log"
	dyno restart -q sleeper.1
	begin_sleepers blog 3
	dyno stop -q blog/
	# one that comes and goes within a second
	name=$(dyno run --detach -a blog "$BASE/apps/blog" true)
	dyno wait -q "$name"
	dyno stop -q --all
	has_all() { diff <(sort "$log") <(dyno events --json | sort); }
	wait_for 10 has_all
	kill -INT "$follower"
	wait "$follower" || fail "status $?"
	run -0 dyno events --json
	diff <(sort "$log") <(sort <<<"$output") || fail "followed and kept differ"
	run -0 cat "$log"
	json 'all(.[]; .event != "now")'
}

@test "events -f ends when nobody reads it any more" {
	begin_sleepers shop
	run -0 timeout 60 bash -c "set -o pipefail; ${user[*]} '$DYNO' events -f | head -n 1"
	[ "${#lines[@]}" -eq 1 ] || lib_seen "one line"
}

@test "rm forgets what has ended, and leaves what lives (T54)" {
	begin_sleepers shop 2
	run -0 dyno stop -q sleeper.1
	fails 1 dyno.alive rm sleeper
	[ "${stderr_lines[1]}" = 'hint: --force stops it first' ] || lib_seen "hint"
	run -0 dyno ps -q --all sleeper.1
	[ "$output" = sleeper.1 ] || lib_seen "all or none"
	run -0 dyno rm --all
	[ "$output" = sleeper.1 ] || lib_seen "the ended one"
	run -0 dyno ps -q --all
	[ "$output" = sleeper.2 ] || lib_seen "the live one"
	run -0 dyno events --json sleeper.1
	[ -z "$output" ] || lib_seen "its events went too"
	run -0 dyno rm --force --json sleeper.2
	json '.[0].app == "shop" and .[0].name == "sleeper.2"'
	run -0 dyno ps -q --all
	[ -z "$output" ] || lib_seen "nothing is left"
	fails 1 dyno.not-found rm sleeper.2
	run -0 dyno rm --all
	[ -z "$output" ] || lib_seen "none is no error"
}

@test "diff prints letters, paths and sizes, with control bytes made harmless (U30, T33)" {
	dyno start --detach -q -a shop "$(app -t \
		'w: head -c 2048 /dev/zero >two; printf x >"$(printf "a\\033[2J\\nb\\377")"; rm -f Procfile; exec sleep 1000' \
		shop)" >/dev/null
	wait_for 10 wrote w.1 Procfile
	run -0 dyno diff w.1
	assert_line 'A /app/two (2.0 KB)'
	assert_line 'A /app/a\x1b[2J\nb\xff (1 B)'
	run -0 dyno diff --json w.1
	json 'all(.[]; .schema == 1 and (keys_unsorted == ["schema", "change", "path", "path_hex",
		"from", "from_hex", "mode", "size_bytes"]))'
	json 'any(.[]; .path == "/app/two" and .size_bytes == 2048 and .path_hex == null)'
	json 'any(.[]; .path_hex == "2f6170702f611b5b324a0a62ff")'
	run -0 dyno diff --summary w.1
	[[ $output == 'w.1 wrote 2 files, '*'; biggest /app/two, 2.0 KB'* ]] || lib_seen "summary"
	dyno stop -q w.1
	run -0 dyno diff w.1
	assert_line 'A /app/two (2.0 KB)'
	begin_sleepers blog
	run -0 dyno diff --summary blog/sleeper.1
	[ "$output" = 'sleeper.1 wrote nothing' ] || lib_seen "nothing"
	run -0 dyno diff blog/sleeper.1
	[ -z "$output" ] || lib_seen "nothing"
}

@test "cp copies out of a live dyno, to a file and as an archive" {
	dyno start --detach -q -a shop "$(app -t 'w: mkdir d; echo hello >d/f; exec sleep 1000' shop)" \
		>/dev/null
	wait_for 10 wrote w.1 d/f
	cd "$BATS_TEST_TMPDIR"
	run -0 dyno cp w.1:d/f "$BATS_TEST_TMPDIR/copy"
	[ "$(cat copy)" = hello ]
	run -0 bash -c "set -o pipefail; ${user[*]} '$DYNO' cp w.1:/app/d - | tar -tf -"
	assert_line 'd/f'
	fails 2 usage cp w.1 x
	run -1 dyno cp w.1:/no/such x
	dyno stop -q w.1
	fails 1 dyno.not-found cp w.1:d/f x
}

@test "a dyno whose supervisor was killed has crashed, and its name is free (U3, U40)" {
	begin_sleepers shop
	kill -KILL "$(fact sleeper.1 monitor_pid)"
	wait_for 5 is sleeper.1 state crashed
	run -0 dyno ps --json sleeper.1
	json '.[0][0] | .reason == "supervisor-lost" and .pid == null and .next_try == null'
	run -137 dyno wait sleeper.1
	run -0 dyno stop sleeper.1
	begin_sleepers shop
	is sleeper.1 state up
}

@test "completion offers the names of live dynos, for rm and explain those of ended ones too" {
	begin_sleepers shop 2
	dyno stop -q sleeper.2
	eval "$(dyno help --completion bash)"
	offers() {
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		COMPREPLY=()
		_dyno
		echo "${COMPREPLY[*]}"
	}
	[ "$(offers dyno stop sl)" = sleeper.1 ]
	[ "$(offers dyno rm '')" = 'sleeper.1 sleeper.2' ]
	begin_sleepers blog
	[ "$(offers dyno stop '')" = 'blog/sleeper.1 shop/sleeper.1' ]
	[ "$(offers dyno stop -a shop '')" = sleeper.1 ]
	[ "$(offers dyno stop --app = shop '')" = sleeper.1 ]
	[ "$(offers dyno explain shop/)" = 'shop/sleeper.1 shop/sleeper.2' ]
	[[ " $(offers dyno explain -a shop s) " == *' slug.path '*' sleeper.1 sleeper.2 ' ]]
	[ "$(offers dyno wait --for cr)" = crashed ]
}
