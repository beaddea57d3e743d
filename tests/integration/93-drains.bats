#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --log: the lines of dynos elsewhere, in files, at syslog servers and at HTTPS drains, and what is
# made of those that are slow, broken or dead.
# shellcheck disable=SC2016 # commands of dynos are text
# shellcheck disable=SC2154 # stderr is set by bats
# shellcheck disable=SC2030,SC2031 # each test has servers of its own
load lib
load dynos
load drains

setup_file() {
	lib_setup_file
	[ "$PROFILE" != rootless ] || return 0
	certificate
}

teardown() {
	dyno stop --all --now -q 2>/dev/null || :
	dyno rm --all -q 2>/dev/null || :
	end_servers
	lib_teardown
}

# The network is the same for root and others: it is tested once.
only_root() { [ "$PROFILE" != rootless ] || skip "the same code sends for every user: tested as root"; }

# start_app COMMAND OPTION...
start_app() {
	dyno start --detach -q -a shop --restart never --grace 5s "${@:2}" \
		"$(app -t "job: $1" shop)" </dev/null >/dev/null
}

# texts_of_app: of messages in any form of syslog what the app has printed
texts_of_app() { sed -n 's/^<190>1 [^ ]* [^ ]* app job\.1 - \(- \)\?//p'; }
has() { dyno logs -n all -a shop | grep -qF -- "$1"; }

# accounted NAME: every line of the log was either received or is counted as lost there
accounted() {
	local fed lost received
	# what the helper says of itself goes to the dyno's log alone
	fed=$(dyno logs -n all -a shop | grep -cv 'heroku\[job\.1\]: Error L1[0-9]')
	lost=$(got "$1" | sed -n 's/.* heroku job\.1 - \(- \)\?Error L1[023].*: \([0-9]*\) messages .*/\2/p' |
		awk '{ n += $1 } END { print n + 0 }')
	received=$(got "$1" | grep -cvE ' heroku job\.1 - (- )?Error L1[0-9]')
	[ "$((received + lost))" -eq "$fed" ] || {
		echo "received $received, lost $lost, of $fed"
		return 1
	}
}

@test "C10.5 C10.7 C10.8: an HTTPS drain gets every line in order, tries three times, counts what is lost, recovers" {
	only_root
	serve drain https tls
	# more lines than are kept for a drain: the app waits under "block"
	start_app 'seq 4000; exec sleep 1000' --log-policy block \
		--log "https://user:secret@127.0.0.1:$port/logs?x=1#ca=$BASE/ca.pem&token=d.shop"
	wait_for 30 got_line drain 'job.1 - 4000'
	diff <(got drain | texts_of_app) <(seq 4000)
	got_line drain '<134>1 ' || fail "the platform's lines"
	got drain | grep -q '^<190>1 20[0-9-]*T[0-9:]*\.[0-9]\{6\}+00:00 host app job\.1 - 1$' || fail "the form"
	# status, messages, bytes behind the last, path; the count of the header is that of the body
	awk '$1 != 204 || $3 != 0 || $4 != "/logs?x=1" || $5 != "Content-Type=application/logplex-1" ||
		$6 != "Logplex-Msg-Count=" $2 || $2 > 500 || $7 !~ /^Logplex-Frame-Id=[0-9a-f]+$/ || seen[$7]++ ||
		$8 != "Logplex-Drain-Token=d.shop" || $9 !~ "^User-Agent=Logplex/" || $10 != "Authorization=Basic" {
			print; bad = 1 } END { exit bad }' "$BATS_TEST_TMPDIR/drain/requests"
	# no password where others look: not among the arguments, nor in what is told of the dyno
	! grep -qa secret /proc/[0-9]*/cmdline || fail "a password among arguments"
	! { dyno inspect -a shop job.1; dyno ps --json; dyno logs -n all -a shop; } | grep secret || fail "told"
}

@test "C10.8: of an HTTPS drain that fails three tries are made, then the lines are counted as lost (L13)" {
	only_root
	serve drain https tls
	behave drain 503
	start_app 'echo refused; exec sleep 1000' \
		--log "https://127.0.0.1:$port/#ca=$BASE/ca.pem&token=d.shop"
	tries() { [ "$(grep -c "^$1 " "$BATS_TEST_TMPDIR/drain/requests")" -ge "$2" ]; }
	wait_for 30 tries 503 3
	# the same frame three times
	[ "$(grep ^503 "$BATS_TEST_TMPDIR/drain/requests" | head -n 3 | grep -o 'Frame-Id=[^ ]*' | sort -u | wc -l)" -eq 1 ]
	wait_for 30 has 'heroku[job.1]: Error L13: '
	behave drain ok
	dyno stop -q --now job.1
	wait_for 30 got_line drain 'Error L13: '
	wait_for 30 got_line drain 'State changed from up to'
	wait_for 30 accounted drain
}

@test "C10.8: what an HTTPS drain refuses is not sent again but counted as lost, and the drain is asked less and less" {
	only_root
	serve drain https tls
	behave drain 404
	start_app 'echo refused; exec sleep 1000' \
		--log "https://127.0.0.1:$port/#ca=$BASE/ca.pem&token=d.shop"
	refused() { [ "$(grep -c ^404 "$BATS_TEST_TMPDIR/drain/requests")" -ge "$1" ]; }
	wait_for 30 refused 2
	# each is another request: none is a second try
	[ -z "$(grep -o 'Frame-Id=[^ ]*' "$BATS_TEST_TMPDIR/drain/requests" | sort | uniq -d)" ]
	wait_for 30 has 'heroku[job.1]: Error L13: '
	# there is nothing to send but the note of the loss
	sleep 4
	! refused 10 || fail "it is asked all the time"
	behave drain ok
	wait_for 30 got_line drain 'Error L13: '
	dyno stop -q --now job.1
	wait_for 30 got_line drain 'State changed from up to'
	wait_for 30 accounted drain
}

@test "C10.6: rsyslog gets every line in order over TCP and over TLS, and by UDP" {
	only_root
	local dir=$BATS_TEST_TMPDIR/rsyslog tcp=21514 tls=21515 udp=21516
	mkdir "$dir"
	cat >"$dir/conf" <<-CONF
		global(workDirectory="$dir" maxMessageSize="64k" DefaultNetstreamDriverCAFile="$BASE/ca.pem"
			DefaultNetstreamDriverCertFile="$BASE/cert.pem" DefaultNetstreamDriverKeyFile="$BASE/key.pem")
		module(load="imtcp") module(load="imudp")
		template(name="all" type="string" string="<%PRI%> %HOSTNAME% %APP-NAME% %PROCID% %msg%\n")
		input(type="imtcp" port="$tcp" address="127.0.0.1" ruleset="tcp")
		input(type="imtcp" port="$tls" address="127.0.0.1" ruleset="tls" StreamDriver.Name="gtls"
			StreamDriver.Mode="1" StreamDriver.Authmode="anon")
		input(type="imudp" port="$udp" address="127.0.0.1" ruleset="udp")
		ruleset(name="tcp") { action(type="omfile" file="$dir/tcp" template="all") }
		ruleset(name="tls") { action(type="omfile" file="$dir/tls" template="all") }
		ruleset(name="udp") { action(type="omfile" file="$dir/udp" template="all") }
	CONF
	(exec 3>&- && exec rsyslogd -n -f "$dir/conf" -i "$dir/pid" >"$dir/err" 2>&1) &
	servers+=("$!")
	wait_for 20 bash -c "exec 4<>/dev/tcp/127.0.0.1/$tcp"
	start_app 'seq 3000; head -c 25000 /dev/zero | tr "\0" y; echo; echo end; exec sleep 1000' --log-policy block \
		--log "syslog+tcp://127.0.0.1:$tcp#token=d.shop" \
		--log "syslog+tls://127.0.0.1:$tls#token=d.shop&ca=$BASE/ca.pem" --log "syslog+udp://127.0.0.1:$udp"
	for way in tcp tls; do wait_for 30 grep -q 'app job\.1 end$' "$dir/$way"; done
	for way in tcp tls; do
		diff <(sed -n 's/^<190> d\.shop app job\.1 //p' "$dir/$way") \
			<(seq 3000; for n in 10000 10000 5000; do head -c "$n" /dev/zero | tr '\0' y; echo; done; echo end)
		grep -q '^<134> d\.shop heroku job\.1 State changed' "$dir/$way"
	done
	# datagrams may be lost where they are not read at once
	wait_for 30 grep -qE '^<190> d\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} app job\.1 ' "$dir/udp"
}

@test "C10.8: a name server that does not answer holds up no other drain" {
	only_root
	serve drain tcp
	# It hears all and says nothing, and is waited for longer than anybody here waits.
	python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 53))
time.sleep(1000)' 3>&- &
	servers+=("$!")
	printf 'nameserver 127.0.0.53\noptions timeout:30 attempts:5\n' >"$BATS_TEST_TMPDIR/resolv.conf"
	cat >"$BATS_TEST_TMPDIR/start" <<-'SH'
		mount --bind "$1" "$(realpath /etc/resolv.conf)" && shift && exec "$@"
	SH
	run -0 unshare --mount --propagation private sh "$BATS_TEST_TMPDIR/start" "$BATS_TEST_TMPDIR/resolv.conf" \
		"$DYNO" start --detach -q --network none --log syslog+udp://nowhere.example \
		--log "syslog+tcp://127.0.0.1:$port" "$(app -t 'job: echo first; sleep 5; echo second; exec sleep 1000' shop)"
	# the first look-up has been given up by then
	wait_for 20 got_line drain 'job.1 - - second'
	no_helper() { ! pgrep -x dyno-drain >/dev/null; }
	run -0 dyno stop --now -q --all
	wait_for 20 no_helper
}

# journald: the host's own program, with directories of its own in place of the host's: its socket is
# $BASE/journal/socket, and `journal` tells what it has
journald() {
	(exec 3>&- && exec unshare --mount --propagation private bash -c '
		mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal /run/systemd/journald.conf.d &&
			mount --bind "$1/journal" /run/systemd/journal && mount --bind "$1/log" /run/log/journal || exit
		printf "[Journal]\n%s\n" Storage=volatile RateLimitIntervalSec=0 ReadKMsg=no Audit=no \
			ForwardToWall=no >/run/systemd/journald.conf.d/test.conf
		exec /lib/systemd/systemd-journald' bash "$BASE" </dev/null >"$BATS_TEST_TMPDIR/journald" 2>&1) &
	servers+=("$!")
	wait_for 20 answers
}
answers() { python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect(sys.argv[1])' "$BASE/journal/socket"; }
journal() { journalctl -D "$BASE/log" -o json --all --no-pager DYNO_APP=shop 2>/dev/null; }
journal_has() { journal | grep -qF "\"MESSAGE\":\"$1"; }

@test "C10.1 C10.8: journald gets every line in order, any bytes, and recovers: what did not fit while it was gone is counted (L10)" {
	only_root
	need "systemd-journald" test -x /lib/systemd/systemd-journald -a -s /etc/machine-id
	mkdir "$BASE/journal" "$BASE/log"
	journald
	put "$BASE/apps/shop/talk" 755 <<-'TALK'
		#!/bin/bash
		seq 500
		printf 'a\rMESSAGE=b\r\nDYNO_SOURCE=heroku\n\xff\xfe\n\nall of it\n'
		until [ -e /tmp/go ]; do sleep 0.05; done
		seq 501 6000
		exec sleep 4711
	TALK
	start_app ./talk --log "journald:$BASE/journal/socket"
	wait_for 60 journal_has 'all of it'
	journal >"$BATS_TEST_TMPDIR/json"
	diff <(jq -r 'select(.DYNO_SOURCE == "app" and (.MESSAGE | type == "string" and test("^[0-9]+$"))) | .MESSAGE' "$BATS_TEST_TMPDIR/json") <(seq 500)
	jq -es 'map(select(.MESSAGE == "1")) | [.[] | [.PRIORITY, .SYSLOG_IDENTIFIER, .DYNO_NAME, .SYSLOG_FACILITY]] ==
		[["6", "shop/job.1", "job.1", "23"]]' "$BATS_TEST_TMPDIR/json" >/dev/null
	jq -es 'map(select(.DYNO_SOURCE == "heroku") | .PRIORITY) | unique == ["5"]' "$BATS_TEST_TMPDIR/json" >/dev/null
	# fields cannot be forged, and bytes are kept
	jq -es 'map(select(.MESSAGE == "DYNO_SOURCE=heroku" and .DYNO_SOURCE == "app")) | length == 1' "$BATS_TEST_TMPDIR/json" >/dev/null
	jq -es 'map(select(.MESSAGE == [255, 254])) | length == 1' "$BATS_TEST_TMPDIR/json" >/dev/null
	# without it
	kill "${servers[-1]}"
	wait "${servers[-1]}" || :
	dyno exec -a shop job.1 -- touch /tmp/go
	wait_for 30 has 'app[job.1]: 6000'
	wait_for 30 has 'heroku[job.1]: Error L10 (output buffer overflow): '
	journald
	wait_for 60 journal_has 6000
	dyno stop -q --now job.1
	wait_for 30 journal_has 'State changed from up to'
	journal | jq -r 'select(.MESSAGE | type == "string") | "\(.DYNO_SOURCE)[\(.DYNO_NAME)]: \(.MESSAGE)"' >"$BATS_TEST_TMPDIR/lines"
	python3 "$TOP/tests/helpers/logcheck.py" lost "$BATS_TEST_TMPDIR/lines" 6000
	rm -r "$BASE/journal" "$BASE/log"
}

@test "C10.8: a drain whose certificate is bad is named in the dyno's log (L14), and gets nothing" {
	only_root
	serve drain https tls
	start_app 'echo kept from it; exec sleep 1000' --log "https://u:secret@127.0.0.1:$port/p?q=1" \
		--log "syslog+tls://127.0.0.1:$port"
	wait_for 30 has "heroku[job.1]: Error L14 (certificate validation): error=\"bad certificate\" uri=\"https://127.0.0.1:$port/p\""
	wait_for 30 has "error=\"bad certificate\" uri=\"syslog+tls://127.0.0.1:$port\""
	[ -z "$(got drain)" ]
	has 'kept from it'
}

@test "T35 C10.8: a drain that hangs costs the app nothing, its losses are counted (L10), and it recovers; so of one that hangs up" {
	only_root
	serve hung tcp
	behave hung hang
	serve gone tcp
	behave gone close
	start_app 'seq 30000; echo flooded; exec sleep 1000' --log "syslog+tcp://127.0.0.1:$port" \
		--log "syslog+tcp://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/hung/port")"
	wait_for 30 has 'app[job.1]: flooded'
	wait_for 30 has 'heroku[job.1]: Error L10 (output buffer overflow): '
	# nothing spins over it: the helper's time of the CPU, in hundredths of a second
	helper=$(pgrep -x dyno-drain)
	ticks() { awk '{ print $14 + $15 }' "/proc/$helper/stat"; }
	before=$(ticks)
	sleep 0.5
	[ "$(($(ticks) - before))" -lt 25 ] || fail "the helper computes"
	behave hung ok
	behave gone ok
	wait_for 30 got_line hung 'job.1 - - flooded'
	dyno stop -q job.1
	for name in hung gone; do
		wait_for 30 got_line "$name" 'State changed from up to'
		# each line once, in order
		got "$name" | texts_of_app | grep -v flooded | sort -C -n -u || fail "the order in $name"
	done
	# what the other has hung up on cannot be known
	got_line hung 'Error L10 (output buffer overflow): '
	accounted hung
}

@test "C10.8: under block a drain that is read again gets all that was kept from it, though nothing more is printed" {
	only_root
	local out=$BATS_TEST_TMPDIR/out
	mkfifo "$out"
	exec {fd}<>"$out"
	# more than the pipe, a batch and the ring hold, not more than the helper reads at once
	start_app 'seq 4500; exec sleep 1000' --log-policy block --log-fd "$fd"
	wait_for 30 has 'app[job.1]: 4500'
	asleep() { [ "$(awk '{ print $3 }' "/proc/$(pgrep -x dyno-drain)/stat")" = S ]; }
	wait_for 20 asleep
	# room for all of it at once
	python3 -c 'import fcntl, sys; fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, 1 << 20)' <&"$fd"
	(exec 3>&- && exec timeout 60 sed -u '/app\[job\.1\]: 4500$/q' <&"$fd" >"$BATS_TEST_TMPDIR/read") &
	servers+=("$!")
	exec {fd}>&-
	wait_for 20 grep -q 'app\[job\.1\]: 4500$' "$BATS_TEST_TMPDIR/read"
	diff <(sed -n 's/.* app\[job\.1\]: //p' "$BATS_TEST_TMPDIR/read") <(seq 4500)
}

@test "lines go to files and descriptors too; a file that was renamed is made anew, and so is a helper that was killed (C10.1)" {
	as_user mkdir "$BASE/out"
	local out=$BASE/out helper file last told
	put "$BASE/apps/shop/talk" 755 <<-'TALK'
		#!/bin/bash
		printf 'one\na\0b\n'
		head -c 10001 /dev/zero | tr '\0' z
		echo
		for ((i = 1;; i++)); do echo "line $i"; sleep 0.05; done
	TALK
	exec {fd}>"$BATS_TEST_TMPDIR/fd"
	start_app ./talk --log "file:$out/text" --log "json:$out/json" --log-fd "$fd"
	for file in "$out/text" "$out/json" "$BATS_TEST_TMPDIR/fd"; do wait_for 20 grep -q 'line 3' "$file"; done
	grep -qE '^[^ ]+ app\[job\.1\]: a\\x00b$' "$out/text"
	[ "$(tr -cd '\0' <"$out/text" | wc -c)" -eq 0 ] || fail "marks of pieces in a text"
	jq -es 'map(select(.text | test("^z+$"))) | [.[] | .partial] == [true, null]' "$out/json" >/dev/null
	cmp <(head -n 4 "$out/text") <(head -n 4 "$BATS_TEST_TMPDIR/fd")
	as_user mv "$out/text" "$out/text.1"
	wait_for 20 grep -q ' line ' "$out/text"
	# what it has been handed and nobody has got is lost with it, and counted; no more than that
	helper=$(pgrep -x dyno-drain)
	kill -STOP "$helper"
	told=$(dyno logs -n all -a shop | grep -c 'app\[job\.1\]: line ')
	talks() { [ "$(dyno logs -n all -a shop | grep -c 'app\[job\.1\]: line ')" -gt "$((told + 5))" ]; }
	wait_for 20 talks
	kill -KILL "$helper"
	wait_for 20 has 'heroku[job.1]: Warning: the helper that sends the log elsewhere had ended'
	for file in "$out/text" "$out/json" "$BATS_TEST_TMPDIR/fd"; do wait_for 20 grep -q 'Error L12: ' "$file"; done
	dyno stop -q --now job.1
	for file in "$out/text" "$BATS_TEST_TMPDIR/fd"; do wait_for 20 grep -q 'State changed from up to' "$file"; done
	last=$(dyno logs -n all -a shop | sed -n 's/.*app\[job\.1\]: line //p' | tail -n 1)
	for file in "$out/text.1 $out/text" "$BATS_TEST_TMPDIR/fd"; do
		# no line is there twice, and none out of order; a record at the very moment may count as well
		# shellcheck disable=SC2086 # two files
		cat $file | awk -v last="$last" '/Error L12: /{ sub(/.*Error L12: /, ""); told += $1 }
			/ line /{ if ($NF <= seen) exit bad = 1; missing += $NF - seen - 1; seen = $NF }
			END { exit bad || seen != last || missing < 5 || told < missing || told > missing + 2 }' ||
			fail "what is told as lost: $(cat $file)"
	done
	exec {fd}>&-
}

@test "T35: under drop-oldest a reader of dyno start that sleeps costs the app nothing, and what it misses is counted (L12)" {
	only_root
	local dir
	dir=$(app -t 'job: seq 200000; exec sleep 4711' shop)
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	(exec 3>&- && exec "$DYNO" start -a shop --restart never --log-policy drop-oldest "$dir" \
		>"$BATS_TEST_TMPDIR/fifo" 2>"$BATS_TEST_TMPDIR/stderr" </dev/null) &
	servers+=("$!")
	exec {reader}<"$BATS_TEST_TMPDIR/fifo"
	wait_for 30 pgrep -fx 'sleep 4711'
	cat <&"$reader" >"$BATS_TEST_TMPDIR/seen" &
	servers+=("$!")
	exec {reader}<&-
	all() {
		lost=$(sed -n 's/.*Error L12: \([0-9]*\) messages .*/\1/p' "$BATS_TEST_TMPDIR/seen" | awk '{ n += $1 } END { print n + 0 }')
		seen=$(grep -cE '(app\[job\.1\]:| job\.1 +\|) [0-9]+$' "$BATS_TEST_TMPDIR/seen")
		[ "$lost" -gt 0 ] && [ "$((seen + lost))" -eq 200000 ]
	}
	wait_for 30 all
}

@test "a --log that cannot be is refused, and says what can (C10.4)" {
	local dir
	dir=$(app -t 'job: exec sleep 1000' shop)
	refuses() {
		run -125 --separate-stderr dyno start --detach "$@" "$dir"
		[[ $stderr == *"[$class]"* ]] || lib_seen "expected an error of class $class"
	}
	class=usage
	refuses --log nowhere:x
	[[ $stderr == *"syslog+tls://"* ]] || lib_seen "hint"
	refuses --log https://u:secret@:1/x
	[[ $stderr != *secret* ]] || lib_seen "a password"
	refuses --log syslog+tcp://host:0
	refuses --log 'syslog+tls://host#ca=relative'
	refuses --log fd:77
	refuses --log-policy sometimes
	class=host.io
	refuses --log file:/nowhere/at/all
	run -125 --separate-stderr dyno run --log file:/dev/null "$dir" true
	[[ $stderr == *"--detach"* ]] || lib_seen "hint"
}
