#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Files that --log names: turned over by size and number, shared by the dynos of an app, renamed by
# strangers, and read by others meanwhile.
# shellcheck disable=SC2016 # commands of dynos are text
# shellcheck disable=SC2030,SC2031 # each test has files of its own
# shellcheck disable=SC2154 # stderr is set by bats
load lib
load dynos

setup() {
	lib_setup
	dynos_setup
	out=$BASE/out
	as_user mkdir "$out"
	reader=
}

teardown() {
	[ -z "$reader" ] || kill "$reader" 2>/dev/null || :
	dyno stop --all --now -q 2>/dev/null || :
	dyno rm --all -q 2>/dev/null || :
	as_user chmod u+w "$out"
	as_user rm -rf "$out"
	lib_teardown
}

# start_app LOG TYPE:COMMAND...: dynos that wait for their lines to be taken, and go to LOG
start_app() {
	local log=$1 types=() type
	for type in "${@:2}"; do types+=(-t "$type"); done
	dyno start --detach -q -a shop --restart never --log-policy block --log "$log" \
		"$(app "${types[@]}" shop)" </dev/null >/dev/null
}

# files NAME: a log and those with a number, the oldest first
files() { find "$out" -name "$1*" -printf '%f\n' | sort -t . -k 2,2nr | sed '/^[^.]*$/d' | sed "s|^|$out/|" && echo "$out/$1"; }

# every FILE has no more than a size and ends in a line
within() {
	local size=$1 file
	shift
	for file; do
		[ "$(stat -c %s "$file")" -le "$size" ] || fail "$file is too long"
		[ -z "$(tail -c 1 "$file")" ] || fail "$file ends within a line"
	done
}

# in_order COUNT: of each dyno the lines 1 to COUNT, in order, each once, none but records
in_order() {
	awk -v count="$1" '
		!/^[-0-9]{10}T[0-9:]{8}\.[0-9]{6}\+00:00 (app|heroku)\[[a-z]\.1\]: / { print "torn: " $0; exit bad = 1 }
		$2 ~ /^heroku/ { next }
		$3 != ++last[$2] { print "after " last[$2] - 1 " of " $2 ": " $3; exit bad = 1 }
		END {
			if (bad) exit 1
			for (dyno in last) if (last[dyno] != count) { print dyno " ends with " last[dyno]; exit 1 }
		}'
}

logged() { grep -qF -- "$1" "$out"/log*; }

@test "C10.1: one file of several dynos is turned over by its size, each line once, whole and in order" {
	local list
	put "$BASE/apps/shop/lines" 755 <<-'LINES'
		#!/bin/bash
		seq -f "%g x$(printf %0100d 0)" 12000
		echo 12001 end
		exec sleep 1000
	LINES
	start_app "file:$out/log#size=1M&count=20" 'a: ./lines' 'b: ./lines' 'c: ./lines'
	ended() { [ "$(cat "$out"/log* | grep -c ' 12001 end$')" -eq 3 ]; }
	wait_for 60 ended
	dyno stop -q 'shop/'
	for dyno in a b c; do wait_for 30 logged "heroku[$dyno.1]: State changed from up to "; done
	mapfile -t list < <(files log)
	within 1048576 "${list[@]}"
	[ "${#list[@]}" -ge 5 ] || fail "files: ${list[*]}"
	cat "${list[@]}" | in_order 12001
}

@test "C10.1: of a file no more than count= are kept, as JSON too, the newest lines" {
	start_app "json:$out/log#count=3&size=1M" \
		'a: seq -f "%g x$(printf %0100d 0)" 40000; echo end; exec sleep 1000'
	wait_for 60 grep -q '"text":"end"' "$out/log"
	[ "$(find "$out" -type f -printf '%f\n' | sort | xargs)" = 'log log.1 log.2' ] || fail "files: $(ls "$out")"
	within 1048576 "$out/log" "$out/log.1" "$out/log.2"
	cat "$out/log.2" "$out/log.1" "$out/log" | jq -er 'select(.source == "app" and .text != "end") | .text' |
		awk 'NR > 1 && $1 != last + 1 { exit bad = 1 } { last = $1 } END { exit bad || last != 40000 }' ||
		fail "a gap, or the last line is missing"
}

@test "C10.1: tail -F of a file that is turned over, and renamed by a stranger, sees each line" {
	local seen=$BATS_TEST_TMPDIR/seen n
	put "$BASE/apps/shop/bursts" 755 <<-'BURSTS'
		#!/bin/bash
		# less than one file each, one a signal
		burst() { seq -f "%g x$(printf %0100d 0)" $((n * 4000 + 1)) $(((n + 1) * 4000)); echo "burst $((++n))"; }
		n=0
		trap burst USR1
		echo ready
		while :; do sleep 0.1; done
	BURSTS
	start_app "file:$out/log#size=1M&count=5" 'a: exec ./bursts'
	wait_for 30 logged 'a.1]: ready'
	(exec 3>&- && exec tail -q -n +1 -F "$out/log" >"$seen" 2>/dev/null) &
	reader=$!
	for n in 1 2 3 4 5; do
		wait_for 30 grep -q '\(ready\|burst [0-9]\)$' "$seen"
		[ "$n" -ne 3 ] || as_user mv "$out/log" "$out/stranger"
		dyno kill -q -s USR1 a.1
		wait_for 60 grep -q "burst $n\$" "$seen"
	done
	[ -e "$out/log.2" ] || fail "files: $(ls "$out")"
	grep -v ' heroku\|ready$\|burst' "$seen" | in_order 20000
}

@test "C10.1 C10.8: a helper that is killed while it turns files over leaves whole lines and tells its losses" {
	local before n kept told torn
	start_app "file:$out/log#size=1M&count=50" \
		'a: for ((i = 0; i < 100; i++)); do seq -f "%.0f x$(printf %0100d 0)" $((i * 1000 + 1)) $((i * 1000 + 1000)); sleep 0.05; done; echo all; exec sleep 1000'
	wait_for 60 test -e "$out/log.1"
	another() { n=$(pgrep -x dyno-drain) && [ "$n" != "$before" ]; }
	for _ in 1 2; do
		before=$(pgrep -x dyno-drain)
		kill -KILL "$before"
		wait_for 60 another
	done
	wait_for 60 logged 'a.1]: all'
	dyno stop -q --now a.1
	wait_for 60 logged 'State changed from up to '
	# what was written, and not yet noted as written, is told as lost too
	kept=$(cat "$out"/log* | grep -cE '^[^ ]+ app\[a\.1\]: [0-9]+ x0{100}$')
	told=$(cat "$out"/log* | sed -n 's/.*heroku\[a\.1\]: Error L12: \([0-9]*\) messages .*/\1/p' | awk '{ n += $1 } END { print n + 0 }')
	[ $((kept + told)) -ge 100000 ] || fail "$kept are there, $told are told as lost"
	# but for one that was torn by the kill itself, and ends where the next begins
	torn=$(cat "$out"/log* | grep -cvE '^[-0-9]{10}T[0-9:]{8}\.[0-9]{6}\+00:00 (app|heroku)\[a\.1\]: ') || :
	[ "$torn" -le 2 ] || fail "$torn lines are no records"
	mapfile -t list < <(files log)
	within 1048576 "${list[@]}"
}

@test "C10.1: a file that cannot be turned over grows, loses nothing, and the dyno's log says why" {
	as_user touch "$out/log"
	as_user chmod 555 "$out"
	start_app "file:$out/log#size=1M&count=5" \
		'a: seq -f "%g x$(printf %0100d 0)" 12000; echo 12001 end; exec sleep 1000'
	wait_for 30 grep -q ' 12001 end$' "$out/log"
	grep -v heroku "$out/log" | in_order 12001
	told() { dyno logs -n all -a shop -s heroku | grep -qF "Warning: the log $out/log cannot be turned over and grows: "; }
	wait_for 30 told
	[ "$(find "$out" -type f | wc -l)" -eq 1 ] || fail "files: $(ls "$out")"
}

@test "C10.4: a path is taken from where the command runs, with its settings; what cannot be is refused" {
	local dir
	dir=$(app -t 'a: echo one; exec sleep 1000' shop)
	refuses() {
		run -125 --separate-stderr dyno start --detach -a shop --log "$2" "$dir"
		[[ $stderr == *"[$1]"* ]] || lib_seen "expected an error of class $1"
		[[ $stderr == *"$3"* ]] || lib_seen "expected: $3"
	}
	refuses usage "file:$out/log#size=1000" 'size=1M is the least'
	refuses usage "file:$out/log#count=5" 'count= takes a size='
	refuses usage "json:$out/log#size=1M&count=1" 'count= takes a number of files'
	refuses usage "file:$out/log#max=1M" 'size=SIZE and count=N'
	as_user ln -s log "$out/link"
	refuses host.io "file:$out/link#size=1M" 'only a file can be turned over'
	refuses host.io 'file:/dev/null#size=1M' 'only a file can be turned over'
	[ ! -e "$out/log" ] || fail "a refusal has made a file"
	# what is refused has left its name free
	(cd "$out" && dyno start --detach -q -a shop --log 'file:a#b#size=1M' --log json:json "$dir" </dev/null >/dev/null)
	wait_for 30 grep -q 'app\[a\.1\]: one$' "$out/a#b"
	wait_for 30 grep -q '"text":"one"' "$out/json"
}

@test "C10.1: foreground dynos go to files and a descriptor as well as to the command's own output" {
	local seen=$BATS_TEST_TMPDIR/seen
	exec {fd}>"$BATS_TEST_TMPDIR/fd"
	dyno start -a shop --restart never --log "file:$out/log#size=1M" --log "json:$out/json" --log-fd "$fd" \
		"$(app -t 'a: echo one; echo two >&2' -t 'b: echo three' shop)" >"$seen" 2>&1 </dev/null || :
	exec {fd}>&-
	for file in "$out/log" "$BATS_TEST_TMPDIR/fd" "$seen"; do
		both() { [ "$(sed -n 's/^[^ ]* app\[\([ab]\)\.1\]: /\1 /p' "$file" | sort | xargs)" = 'a one a two b three' ]; }
		wait_for 30 both
	done
	json() { [ "$(jq -r 'select(.source == "app") | "\(.stream) \(.text)"' "$out/json" | sort | xargs)" = 'stderr two stdout one stdout three' ]; }
	wait_for 30 json
}

# journal: messages of journald's native protocol, each a line of JSON in $seen, at $socket: $reader
journal() {
	(exec 3>&- && exec python3 - "$socket" >"$seen") <<-'JOURNAL' &
		import json, os, socket, struct, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		os.chmod(sys.argv[1], 0o666)
		while True:
		    data, fields = s.recv(1 << 18), {}
		    while data:
		        head, _, data = data.partition(b"\n")
		        name, is_text, value = head.partition(b"=")
		        if not is_text:
		            size = struct.unpack("<Q", data[:8])[0]
		            value, data = data[8:8 + size], data[8 + size + 1:]
		        fields[name.decode()] = value.decode("latin-1")
		    print(json.dumps(fields), flush=True)
	JOURNAL
	reader=$!
	wait_for 20 test -S "$socket"
}

end_journal() {
	kill "$reader"
	wait "$reader" || :
	reader=
	rm "$socket"
}

@test "C10.1: the journal gets each line with its dyno and its stream, and again once it is back" {
	local seen=$BATS_TEST_TMPDIR/seen socket=$BATS_FILE_TMPDIR/journal
	put "$BASE/apps/shop/talk" 755 <<-'TALK'
		#!/bin/bash
		trap 'echo later' USR1
		printf 'a=b \xff\n'
		echo failed >&2
		while :; do sleep 0.1; done
	TALK
	journal
	start_app "journald:$socket" 'a: exec ./talk'
	of() { jq -r "select(.MESSAGE == \"$1\") | \"\\(.DYNO_SOURCE) \\(.DYNO_STREAM) \\(.PRIORITY)\"" "$seen"; }
	came() { [ "$(of "$1")" = "$2" ]; }
	wait_for 30 came 'a=b ÿ' 'app stdout 6'
	wait_for 30 came failed 'app stderr 6'
	wait_for 30 came 'State changed from starting to up' 'heroku null 5'
	jq -es 'all(.SYSLOG_IDENTIFIER == "shop/a.1" and .DYNO_APP == "shop" and .DYNO_NAME == "a.1")' "$seen" >/dev/null
	# one that is started again
	end_journal
	dyno kill -q -s USR1 a.1
	later() { dyno logs -a shop -n all | grep -q later; }
	wait_for 30 later
	journal
	wait_for 60 came later 'app stdout 6'
	end_journal
}
