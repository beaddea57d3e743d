#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The log under attack: lines without end, forged ones, floods, and readers that sleep, are slow or
# are killed.
# shellcheck disable=SC2016 # commands of dynos are text
# shellcheck disable=SC2154 # variables of dynos.bash and drains.bash
load lib
load dynos
load drains

setup_file() {
	lib_setup_file
	[ "$PROFILE" = rootless ] || certificate
}

teardown() {
	[ -z "${reader:-}" ] || exec {reader}<&-
	dyno stop --all --now -q 2>/dev/null || :
	end_servers
	dyno rm --all -q 2>/dev/null || :
	lib_teardown
}

# What lies behind the log is the same for every user.
only_root() { [ "$PROFILE" != rootless ] || skip "the same code writes for every user: tested as root"; }

check() { python3 "$TOP/tests/helpers/logcheck.py" "$@"; }

# detach COMMAND OPTION...: a dyno job.1 that lives by itself
detach() {
	dyno start --detach -q -a shop --restart never --grace 5s "${@:2}" \
		"$(app -t "job: $1" shop)" </dev/null >/dev/null
}

# foreground OPTION... -- TYPE:COMMAND...: dyno start that writes into a pipe, whose end is $reader
foreground() {
	local options=() types=() fifo=$BATS_TEST_TMPDIR/fifo
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	for type in "${@:2}"; do types+=(-t "$type"); done
	app "${types[@]}" shop >/dev/null
	mkfifo -m 666 "$fifo"
	(exec 3>&- && exec "${user[@]}" "$DYNO" start -a shop --restart never --grace 5s "${options[@]}" \
		"$BASE/apps/shop" >"$fifo" 2>&1 </dev/null) &
	command=$!
	servers+=("$command")
	exec {reader}<"$fifo"
}

# read_on: what $reader has goes, to its end, into the file $seen
read_on() {
	seen=$BATS_TEST_TMPDIR/seen
	(exec 3>&- && exec cat <&"$reader" >"$seen") &
	servers+=("$!")
	exec {reader}<&-
	reader=
}

# follow FILE ARG...: dyno logs -f ARG... into a file; its process is $follower
follow() {
	(exec 3>&- && exec "${user[@]}" "$DYNO" logs -f -a shop "${@:2}" >"$1") &
	follower=$!
	servers+=("$follower")
}

runs() { pgrep -fx -- "$1"; }
over() { [ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }

# idle NAME...: while nothing happens these processes take no time of the CPU (hundredths of a second)
idle() {
	local before pids
	pids=$(pgrep -x "${1}")
	ticks() { for each in $pids; do cat "/proc/$each/stat"; done | awk '{ n += $14 + $15 } END { print n + 0 }'; }
	[ -n "$pids" ] || fail "no $1"
	before=$(ticks)
	sleep 1
	[ "$(($(ticks) - before))" -lt 30 ] || fail "$1 computes"
}

has() { dyno logs -n all --raw -a shop "${@:2}" | grep -qxF -- "$1"; }
last_is() { dyno logs -n 5 --raw -a shop "${@:2}" | grep -qF -- "$1"; }

@test "T34 C10.3: a line of 100 MiB is pieces of 10,000 bytes, each its own record, and together they are the line" {
	only_root
	local log=$BATS_TEST_TMPDIR/log bytes=$((100 * 1024 * 1024))
	detach "seq 20000000 | tr '\\n' ' ' | head -c $bytes; echo; echo over; exec sleep 1000" \
		--log-keep 256M --log-policy block --log "json:$BASE/json"
	wait_for 60 last_is over --source app
	dyno logs -n all -a shop --source app >"$log"
	check pieces display "$log" "$bytes"
	dyno logs -n all -a shop --source app --raw >"$log"
	check pieces raw "$log" "$bytes"
	wait_for 60 grep -q '"text":"over"' "$BASE/json"
	check pieces json "$BASE/json" "$bytes"
	rm "$BASE/json" "$log"
}

@test "T34: every byte but the newline is kept as it is in --raw, and can be told in JSON" {
	local log=$BATS_TEST_TMPDIR/log
	app -t 'job: cat bytes; exec sleep 1000' shop >/dev/null
	check bytes "$BATS_TEST_TMPDIR/bytes"
	put "$BASE/apps/shop/bytes" <"$BATS_TEST_TMPDIR/bytes"
	detach 'cat bytes'
	wait_for 20 has end
	dyno logs -n all --raw -a shop --source app | head -n -1 >"$log"
	check raw "$log"
	dyno logs -n all --json -a shop --source app | head -n -1 >"$log"
	check objects "$log"
}

@test "T34: lines that imitate the platform's are the app's, wherever they are read" {
	local log=$BATS_TEST_TMPDIR/log form to=()
	only_root
	serve https https tls
	to=(--log "https://127.0.0.1:$port/#ca=$BASE/ca.pem")
	serve tcp tcp
	to+=(--log "syslog+tcp://127.0.0.1:$port" --log "file:$BASE/text" --log "json:$BASE/json")
	app shop >/dev/null
	check payload "$BATS_TEST_TMPDIR/payload"
	put "$BASE/apps/shop/payload" <"$BATS_TEST_TMPDIR/payload"
	detach 'cat payload' "${to[@]}"
	dyno wait -q job.1 || :
	for form in https tcp; do wait_for 20 got_line "$form" 'Process exited with status 0'; done
	dyno logs -n all -a shop >"$log"
	check forged display "$log"
	dyno logs -n all -a shop --json >"$log"
	check forged json "$log"
	check forged file "$BASE/text"
	check forged json "$BASE/json"
	check forged syslog "$BATS_TEST_TMPDIR/https/messages"
	check forged syslog "$BATS_TEST_TMPDIR/tcp/messages"
	"$DYNO" start -a shop --restart never "$BASE/apps/shop" >"$log" 2>&1 </dev/null || :
	check forged display "$log"
	rm "$BASE/text" "$BASE/json"
}

@test "T35: a reader of dyno start that sleeps stalls no dyno under drop-oldest, every line is there or told as lost (L12), and stop works at once" {
	only_root
	foreground --log-policy drop-oldest -- 'job: seq 1000000; exec sleep 4711' \
		'tick: for i in $(seq 20); do echo "$i"; sleep 0.1; done; exec sleep 4712'
	# nobody reads, and both go on
	wait_for 60 runs 'sleep 4711'
	wait_for 60 runs 'sleep 4712'
	idle dyno-monitor
	dyno stop -q -a shop job.1
	read_on
	wait_for 60 grep -q 'job\.1\]: Process exited with status' "$seen"
	check lost "$seen" 1000000
	dyno stop -q --all
	wait_for 20 over "$command"
}

@test "T35: under block the app waits for a reader of dyno start that sleeps, nothing is lost, nothing spins, and stop works at once" {
	only_root
	foreground -- 'job: seq 1000000; exec sleep 4711' 'tick: exec sleep 4712'
	wait_for 20 runs 'sleep 4712'
	idle dyno-monitor
	! runs 'sleep 4711' || fail "who has read all that?"
	read_on
	wait_for 60 grep -q 'app\[job\.1\]: 1000000$' "$seen"
	check lost "$seen" 1000000
	! grep -q 'Error L1' "$seen" || fail "nothing is lost"
	dyno stop -q --all
	wait_for 20 over "$command"
}

@test "T35: under block a dyno that waits for its reader is stopped at once" {
	only_root
	foreground -- 'job: exec yes'
	wait_for 20 runs yes
	dyno stop -q --all
	! runs yes || fail "it lives on"
	read_on
	wait_for 20 over "$command"
	grep -q 'job\.1\]: State changed from up to' "$seen"
}

@test "T35: a reader of dyno start that is killed in a flood ends the command and its dynos" {
	only_root
	foreground -- 'job: exec yes' 'tick: exec sleep 4712'
	wait_for 20 runs yes
	wait_for 20 runs 'sleep 4712'
	(exec 3>&- && exec cat <&"$reader" >/dev/null) &
	servers+=("$!")
	exec {reader}<&-
	reader=
	kill -KILL "${servers[-1]}"
	wait_for 20 over "$command"
	! runs 'yes|sleep 4712' || fail "they live on"
}

@test "T35: a gigabyte as fast as it goes stalls on no reader of dyno logs -f, asleep, slow or killed, and the last lines are there" {
	only_root
	local dir=$BATS_TEST_TMPDIR asleep line bytes=$((1000 * 1000 * 1000))
	line=$(printf '%0999d' 0)
	app shop >/dev/null
	put "$BASE/apps/shop/line" <<<"$line"
	# it begins once there are readers
	detach "echo ready; until [ -e /tmp/go ]; do sleep 0.05; done; yes \"\$(cat line)\" | head -c $bytes; echo flooded; exec sleep 4711"
	follow "$dir/asleep" -n all
	asleep=$follower
	wait_for 20 grep -q 'app\[job\.1\]: ready' "$dir/asleep"
	kill -STOP "$asleep"
	mkfifo -m 666 "$dir/slow"
	follow "$dir/slow" -n all
	exec {reader}<"$dir/slow"
	follow "$dir/killed" -n all
	wait_for 20 grep -q 'app\[job\.1\]: ready' "$dir/killed"
	dyno exec -a shop job.1 -- touch /tmp/go
	wait_for 60 grep -q 'app\[job\.1\]: 000' "$dir/killed"
	kill -KILL "$follower"
	wait_for 90 runs 'sleep 4711'
	idle dyno-monitor
	wait_for 20 last_is flooded --source app
	# what is kept is whole
	[ "$(dyno logs -n all --raw -a shop --source app | sort | uniq -c | awk '{ print length($2) }' | xargs)" = '999 7' ] ||
		fail "lines of other lengths"
	# the others go on with what there still is, to the last
	kill -CONT "$asleep"
	read_on
	for each in "$dir/asleep" "$seen"; do wait_for 60 grep -qx '[^ ]* app\[job\.1\]: flooded' "$each"; done
	dyno stop -q --all
}

@test "T35 C10.8: a dyno-drain that does not come to run stalls nobody; the oldest lines are lost and counted, the last arrive" {
	only_root
	serve tcp tcp
	detach 'seq 1000000; exec sleep 4711' --log "syslog+tcp://127.0.0.1:$port" --log "file:$BASE/text"
	pkill -STOP -x dyno-drain
	wait_for 60 runs 'sleep 4711'
	idle dyno-monitor
	pkill -CONT -x dyno-drain
	wait_for 20 got_line tcp 'app job.1 - - 1000000'
	wait_for 20 grep -q 'app\[job\.1\]: 1000000$' "$BASE/text"
	check lost "$BASE/text" 1000000
	sed 's/^<[^ ]* [^ ]* [^ ]* \([a-z]*\) \(job\.1\) - - /\1[\2]: /' "$BATS_TEST_TMPDIR/tcp/messages" >"$BATS_TEST_TMPDIR/tcp/lines"
	check lost "$BATS_TEST_TMPDIR/tcp/lines" 1000000
	idle dyno-drain
	rm "$BASE/text"
}

@test "T35 C10.8: under block a drain that hangs makes the app wait; stop works in time, and the log has the last lines" {
	only_root
	serve hung tcp
	behave hung hang
	detach 'echo begins; yes "$(seq 100 | xargs)"' --log "syslog+tcp://127.0.0.1:$port" --log-policy block
	stalls() { now=$(stat -c %s "$BASE/data/logs/shop/job.1.log"); [ "$now" = "${was:-}" ] || { was=$now; sleep 0.5; false; }; }
	wait_for 30 stalls
	idle dyno-monitor
	idle dyno-drain
	dyno stop -q job.1
	# nobody is left who tries for ever
	ended() { ! pgrep -x dyno-drain; }
	wait_for 20 ended
	dyno logs -n 5 -a shop --source heroku | grep -q 'State changed from up to' || fail "its end is not told"
	dyno logs -n 5 -a shop --source heroku | grep -q 'Process exited' || fail "its end is not told"
}

@test "U14 T35: what an app prints in its last moment is there, in the log and where it is sent" {
	only_root
	local n each
	serve tcp tcp
	app -t 'job: seq 20000; echo "last words $RANDOM" >&2; exit 3' shop >/dev/null
	for ((n = 1; n <= 10; n++)); do
		run -0 dyno start --detach -q -a shop --restart never --log "syslog+tcp://127.0.0.1:$port" \
			--log "file:$BASE/text" "$BASE/apps/shop"
		dyno wait -q job.1 || :
		for each in "$BASE/text" "$BATS_TEST_TMPDIR/tcp/messages"; do
			words() { [ "$(grep -c 'last words' "$each")" -ge "$n" ] && [ "$(grep -c 'State changed from up to' "$each")" -ge "$n" ]; }
			wait_for 20 words
		done
		dyno rm -q job.1
	done
	rm "$BASE/text"
}
