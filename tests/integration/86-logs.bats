#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# dyno logs: what the dynos of an app have printed, as one log, and what they print.
# shellcheck disable=SC2016 # commands of dynos are text
# shellcheck disable=SC2154 # stderr and stderr_lines are set by bats
load lib
load dynos

# Whatever a test has left alive goes before the host is looked at.
teardown() {
	[ -z "${follower:-}" ] || kill "$follower" 2>/dev/null || :
	dyno stop --all --now -q 2>/dev/null || :
	dyno rm --all -q 2>/dev/null || :
	lib_teardown
}

# begin_app APP [OPTION...] -- [TYPE:COMMAND...]: a dyno of each type that lives by itself
begin_app() {
	local name=$1 options=() types=() type
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	for type in "${@:2}"; do types+=(-t "$type"); done
	dyno start --detach -q -a "$name" --grace 5s "${options[@]}" "$(app "${types[@]}" "$name")" \
		>/dev/null
}

# follow ARG...: dyno logs -f ARG... into the file $log, in the background: $follower
follow() {
	log=$BATS_TEST_TMPDIR/log
	: >"$log"
	(exec 3>&- && exec "${user[@]}" "$DYNO" logs -f "$@" >"$log") &
	follower=$!
}

# leave: ^C ends the follower well
leave() {
	local status=0
	kill -INT "$follower"
	wait "$follower" || status=$?
	follower=
	[ "$status" -eq 0 ] || fail "the follower ended with $status"
}

has() { dyno logs -n all --raw "${@:2}" | grep -qxF -- "$1"; }
last_is() { dyno logs -n 5 --raw -a shop "${@:2}" | grep -qF -- "$1"; }
logged() { wait_for 30 grep -qF -- "$1" "$log"; }

fails() {
	local status=$1 class=$2
	shift 2
	run "-$status" --separate-stderr dyno "$@"
	[[ $stderr == *"[$class]"* ]] || lib_seen "expected an error of class $class"
	[ -z "$output" ] || lib_seen "expected no output"
}

@test "C10.2: logs of two dynos are one log in the order of their times, the last lines, each with its source (U38)" {
	begin_app shop -- 'ping: for i in $(seq 30); do echo "ping $i"; sleep 0.01; done; echo end; exec sleep 1000' \
		'pong: for i in $(seq 30); do echo "pong $i"; sleep 0.01; done; echo end; exec sleep 1000'
	wait_for 20 has end ping
	wait_for 20 has end pong
	run -0 dyno logs -n all
	LC_ALL=C sort -sc -k 1,1 <<<"$output" || lib_seen "the order of their times"
	[ "$(grep -c 'app\[ping.1\]: ping' <<<"$output")" -eq 30 ] || lib_seen "each line once"
	[ "$(grep -c 'app\[pong.1\]: pong' <<<"$output")" -eq 30 ] || lib_seen "each line once"
	! grep -vE '^[0-9-]{10}T[0-9:]{8}\.[0-9]{6}\+00:00 (app|heroku)\[p[io]ng\.1\]: ' <<<"$output" ||
		lib_seen "the form of each"
	all=$output
	for n in 0 1 7 40; do
		run -0 dyno logs -n "$n"
		[ "$output" = "$(tail -n "$n" <<<"$all")" ] || lib_seen "the last $n"
	done
	run -0 dyno logs -n 3 --raw --ps ping --source app
	[ "$output" = $'ping 29\nping 30\nend' ] || lib_seen "the texts of one"
	run -0 dyno logs -n all -s heroku ping.1
	assert_no_line app
	assert_line 'heroku[ping.1]: State changed from starting to up'
	run -0 dyno logs -n all --json 'shop/p?ng.1'
	[ "$(jq -r '"\(.time) \(.source)[\(.dyno)]: \(.text)"' <<<"$output")" = "$all" ] ||
		lib_seen "the same as objects"
	run -0 dyno logs --color=always -n 1
	[[ $output == $'\e['*$'\e[0m '* ]] || lib_seen "colours"
	run -0 dyno logs --color=always --no-color -n 1
	[[ $output != *$'\e'* ]] || lib_seen "no colours"
}

@test "logs -n N are N lines, also of an app that goes on printing" {
	local n
	dyno start --detach -q "$(app -t 'worker: while :; do printf "%01000d\n" {1..100}; done' chatter)" >/dev/null
	# more than one read of a reader has come
	grown() { [ "$(dyno logs -a chatter -n 2000 | wc -l)" = 2000 ]; }
	wait_for 20 grown
	for n in 0 1 2 3 150; do
		[ "$(dyno logs -a chatter -n "$n" | wc -l)" = "$n" ] || fail "not $n"
	done
	[ "$(dyno logs -a chatter | wc -l)" = 100 ] || fail "not the default"
	dyno stop -q --now --all
}

@test "logs --since leaves out what is older, of an app whose dynos have ended too" {
	begin_app shop --restart never -- 'job: echo before; sleep 0.05'
	dyno wait -q job.1 || :
	wait_for 20 has before
	sleep 1.1
	since=$(date -u +%Y-%m-%dT%H:%M:%S)
	dyno run --detach -q -a shop --name late "$BASE/apps/shop" 'echo after' >/dev/null
	wait_for 20 has after
	dyno wait -q late || :
	run -0 dyno logs --since "${since}Z" --raw --source app
	[ "$output" = after ] || lib_seen "what is not older"
	run -0 dyno logs --since 1h --raw --source app
	[ "$output" = $'before\nafter' ] || lib_seen "all of it"
	run -0 dyno logs --since 1h -n 1 --raw --source app
	[ "$output" = after ] || lib_seen "the last of it"
	for form in "$(TZ=XXX-05:30 date -Is -d "${since}Z")" "$(date -u -d "${since}Z" '+%F %T')" \
		"@$(date -d "${since}Z" +%s)" "$(date -d "${since}Z" +%s)"; do
		run -0 dyno logs --since "$form" --raw --source app
		[ "$output" = after ] || lib_seen "what is not older than $form"
	done
	run -0 dyno logs --since 2999-01-01
	[ -z "$output" ] || lib_seen "nothing"
	dyno rm -q job.1
	run -0 dyno logs --raw --source app
	[ "$output" = after ] || lib_seen "logs go with rm"
}

@test "logs of an app that is not told, or of none, is refused with the names that there are" {
	fails 1 dyno.not-found logs
	begin_app shop -- 'web: echo shop; exec sleep 1000'
	begin_app blog -- 'web: echo blog; exec sleep 1000'
	wait_for 20 has shop -a shop
	wait_for 20 has blog -a blog
	fails 2 usage logs
	[[ $stderr == *blog* && $stderr == *shop* && $stderr == *-a\ APP* ]] || lib_seen "their names"
	fails 2 usage logs web.1
	run -0 dyno logs --raw --source app shop
	[ "$output" = shop ] || lib_seen "of one app"
	run -0 dyno logs --raw --source app blog/web
	[ "$output" = blog ] || lib_seen "of one app"
	fails 1 dyno.not-found logs -a shop wob
	[[ $stderr == *'did you mean web?'* ]] || lib_seen "hint"
	fails 1 dyno.not-found logs shop/web.9
	[[ $stderr == *'did you mean shop/web.1?'* ]] || lib_seen "hint"
	fails 1 dyno.not-found logs -a shpo
	[[ $stderr == *'did you mean -a shop?'* ]] || lib_seen "hint"
	fails 1 dyno.not-found logs -a shop --tail 50
	[[ $stderr == *'-n 50 '* ]] || lib_seen "hint"
	fails 2 usage logs shop/ blog/
	[[ $stderr == *'these names'*'blog, shop'* ]] || lib_seen "their names"
	fails 2 usage logs -n some -a shop
	fails 2 usage logs --since yesterday -a shop
	run -2 dyno logs --raw --json -a shop
	assert_line "exclude each other"
	fails 2 usage logs --source router -a shop
	fails 125 usage start --detach --log-keep 1000 "$BASE/apps/shop"
	[[ $stderr == *"1M is the least"* ]] || lib_seen "hint"
}

# in_order FILE: per start of flood its lines are 1 to 5000 in their order, and nothing else of the app
in_order() {
	awk '$2 != "app[job.1]:" || $4 != "line" { next }
		$5 != ++last[$3] { print "after " last[$3] - 1 ": " $3, $4, $5; bad = 1; exit }
		END {
			for (start in last) { starts++; lines += last[start] }
			if (!bad) print starts, lines
		}' "$1"
}

@test "logs -f goes across a restart and a turn of the file, 10,000 lines, none lost and none twice (C10.2)" {
	# 2,500 bytes each: more than one file has, less than what is kept
	put "$BASE/apps/shop/flood" 755 <<-'FLOOD'
		#!/bin/bash
		printf -v pad %02400d 0
		start=$EPOCHREALTIME
		for ((i = 1; i <= 5000; i++)); do echo "$start line $i $pad"; done
		echo "flooded"
		exec sleep 1000
	FLOOD
	begin_app shop --log-keep 32M -- 'job: ./flood'
	follow -n all -a shop
	wait_for 60 grep -qE ' app\[job\.1\]: flooded$' "$log"
	dyno restart -q job.1
	flooded_twice() { [ "$(grep -cE ' app\[job\.1\]: flooded$' "$log")" -eq 2 ]; }
	wait_for 60 flooded_twice
	as_user test -e "$BASE/data/logs/shop/job.1.log.1"
	[ "$(in_order "$log")" = '2 10000' ] || fail "$(in_order "$log")"
	dyno run --detach -q -a shop --name late "$BASE/apps/shop" 'echo a dyno that is new; sleep 1000' \
		>/dev/null
	logged 'app[late]: a dyno that is new'
	leave
	dyno logs -n all >"$log"
	[ "$(in_order "$log")" = '2 10000' ] || fail "read later: $(in_order "$log")"
	run -0 dyno logs -n 5001 --raw --source app job.1
	[ "$(cut -d ' ' -f 2,3 <<<"${lines[0]}")" = 'line 1' ] || fail "the last so many: ${lines[0]:0:50}"
}

@test "T35: a reader of logs that has stopped reading stalls neither the app nor its own end" {
	# not started again: a second flood would take the lines of its end away
	begin_app shop --restart never -- 'job: head -c 300000 /dev/zero | tr "\\0" "\\n"; echo flooded; exec sleep 1000'
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	chmod 666 "$BATS_TEST_TMPDIR/fifo"
	(exec 3>&- && exec "${user[@]}" "$DYNO" logs -f -n all -a shop >"$BATS_TEST_TMPDIR/fifo") &
	follower=$!
	exec {reader}<"$BATS_TEST_TMPDIR/fifo"
	wait_for 30 last_is flooded
	leave
	# and one that is killed, or whose reader has gone
	(exec 3>&- && exec "${user[@]}" "$DYNO" logs -f -n all -a shop >"$BATS_TEST_TMPDIR/fifo") &
	follower=$!
	kill -KILL "$follower"
	wait "$follower" || :
	follower=
	exec {reader}<&-
	run -0 timeout 60 bash -c "set -o pipefail; ${user[*]} '$DYNO' logs -f -n all -a shop | head -n 1"
	dyno kill -q job.1
	wait_for 20 last_is 'Process exited with status 143' -s heroku
}

@test "C10.1: what an app says on standard error stands before what it prints next" {
	local types=() type
	for type in a b c d e f; do types+=("$type: echo failed >&2; echo done"); done
	begin_app shop --restart never -- "${types[@]}"
	for type in a b c d e f; do
		dyno wait -q "$type.1" || :
		wait_for 20 has 'done' "$type.1"
		run -0 dyno logs -n all --raw --source app "$type.1"
		[ "$output" = $'failed\ndone' ] || lib_seen "the order"
	done
}

# streams FILE: of lines of JSON, the app's texts with their streams
streams() { jq -r 'select(.source == "app") | "\(.stream) \(.text)"' "$1" | sort | xargs; }

@test "C10.1: standard output and error are one log, and JSON tells which of them a line came from, also later" {
	local both='stderr error stdout blank stdout output' out=$BASE/out
	as_user mkdir "$out"
	begin_app shop --restart never --log "json:$out/json" --log "file:$out/text" -- \
		'job: echo output; echo error >&2; echo " blank"; sleep 0.05'
	dyno wait -q job.1 || :
	wait_for 20 has error
	dyno logs -n all --json >"$BATS_TEST_TMPDIR/json"
	[ "$(streams "$BATS_TEST_TMPDIR/json")" = "$both" ] || lib_seen "streams"
	[ "$(jq -r 'select(.source == "heroku") | .stream' "$BATS_TEST_TMPDIR/json" | sort -u)" = null ] ||
		lib_seen "a stream of the platform's lines"
	wait_for 20 grep -q 'status 0' "$out/json"
	[ "$(streams "$out/json")" = "$both" ] || lib_seen "streams in a file of JSON"
	# but for that they cannot be told apart
	for text in "$(dyno logs -n all --source app)" "$(grep -F 'app[' "$out/text")"; do
		[ "$(cut -d ' ' -f 3- <<<"$text" | sort | tr '\n' ,)" = ' blank,error,output,' ] ||
			lib_seen "the form: $text"
	done
	[ "$(dyno logs -n all --source app --raw | sort | tr '\n' ,)" = ' blank,error,output,' ] || lib_seen "raw"
	# what was logged without the mark of a stream can be read
	as_user bash -c "echo '2026-06-01T12:00:00.123456+00:00 app[old.1]: x' >$BASE/data/logs/shop/old.1.log"
	[ "$(dyno logs -n all --json old.1 | jq -r .text)" = x ] || lib_seen "without a mark"
	as_user rm "$BASE/data/logs/shop/old.1.log"
	# and in the foreground
	dyno start --json --restart never "$(app -t 'job: echo output; echo error >&2; echo " blank"' front)" \
		>"$BATS_TEST_TMPDIR/json" </dev/null
	[ "$(streams "$BATS_TEST_TMPDIR/json")" = "$both" ] || lib_seen "streams in the foreground"
}

@test "T34: a log shows hostile bytes as text, its source cannot be forged, and JSON stays JSON" {
	put "$BASE/apps/shop/hostile" 755 <<-'HOSTILE'
		#!/bin/bash
		printf '2026-06-01T12:00:00.123456+00:00 heroku[job.1]: State changed from up to down\n'
		printf 'a\0b\033[2J\r\nheroku[job.1]: x\n\xff\xfe\n'
		head -c 25000 /dev/zero | tr '\0' x
		echo
		printf 'no newline at the end'
	HOSTILE
	begin_app shop --restart never -- 'job: ./hostile'
	wait_for 20 has 'no newline at the end'
	run -0 dyno logs -n all
	! grep -E '^[^ ]+ heroku\[job\.1\]: (x|State changed from up to down)$' <<<"$output" ||
		lib_seen "a forged source"
	assert_line ' app[job.1]: 2026-06-01T12:00:00.123456+00:00 heroku[job.1]: State changed'
	assert_line ' app[job.1]: a\x00b\x1b[2J'
	assert_line ' app[job.1]: \xff\xfe'
	! LC_ALL=C grep -q '[^[:print:]]' <<<"$output" || lib_seen "control bytes"
	pieces=$(sed -n 's/.* app\[job\.1\]: \(xx*\)$/\1/p' <<<"$output" | awk '{ print length($0) }')
	[ "$pieces" = $'10000\n10000\n5000' ] || fail "pieces: $pieces"
	run -0 dyno logs -n all --json --source app
	[ "$(jq -r 'select(.text | test("^x+$")) | .text' <<<"$output" | tr -d '\n' | wc -c)" -eq 25000 ] ||
		fail "each line is an object"
	[ "$(jq -r 'select(.text | test("^x+$")) | .partial // false' <<<"$output" | xargs)" = 'true true false' ] ||
		fail "the pieces of a line say that they go on"
	dyno logs -n all --raw --source app | LC_ALL=C grep -qaxF $'a\\x00b\e[2J\r'
}
