#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# dyno start in the foreground and detached, dyno scale, dyno run --detach, and what a supervisor
# outside is told: readiness, pid files, pidfds, events, a spec handed in (C6.13, T54, T62).
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # text for the dyno's bash; variables of bats and dynos.bash
load lib
load dynos

# Whatever a test has left alive is stopped before the host is looked at.
teardown() {
	end_dynos
	lib_teardown
}

# foreground ARG...: dyno start ARG... in the background: $pid, $out and $err (files)
foreground() {
	out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
	: >"$out"
	: >"$err"
	(exec 3>&- && exec "${user[@]}" "$DYNO" start "$@" </dev/null >"$out" 2>"$err") &
	pid=$!
}

# comes_up DYNO...: each has said that it is up
comes_up() {
	local name
	for name; do
		says 15 "heroku[$name]: State changed from starting to up"
	done
}

monitors() { pgrep -f "^dyno-monitor .*$DYNO_CFG_RUN_DIR" || :; }
no_monitors() { [ -z "$(monitors)" ]; }

# json FILTER: the filter over the output is true
json() { jq -e "$1" <<<"$output" >/dev/null || lib_seen "not so: $1"; }

# listen KIND PATH: a receiver of datagrams (notify) or of descriptors (pidfd), $listener; what it
# has received stands in $heard, a line each
listen() {
	rm -f "$2"
	heard=$BATS_TEST_TMPDIR/heard
	: >"$heard"
	cat >"$BATS_TEST_TMPDIR/listen.py" <<-'PYTHON'
		import array, os, select, socket, sys
		kind, path = sys.argv[1:]
		def say(*words):
		    print(*words, flush=True)
		address = "\0" + path[1:] if path[0] == "@" else path
		if kind == "notify":
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		    s.bind(address)
		    if path[0] == "/":
		        os.chmod(path, 0o666)
		    say("ready")
		    while True:
		        say(s.recv(4096).decode().strip())
		s = socket.socket(socket.AF_UNIX)
		s.bind(address)
		os.chmod(path, 0o666)
		s.listen()
		say("ready")
		c, _ = s.accept()
		fds = {}
		while True:
		    text, control, _, _ = c.recvmsg(256, socket.CMSG_SPACE(4))
		    if not text:
		        break
		    fd = array.array("i", control[0][2])[0]
		    with open(f"/proc/self/fdinfo/{fd}") as f:
		        pid = [l.split()[1] for l in f if l.startswith("Pid:")][0]
		    fds[fd] = text.decode().strip()
		    say(fds[fd], pid)
		while fds:
		    for fd in select.select(list(fds), [], [])[0]:
		        say(fds.pop(fd), "ended")
	PYTHON
	python3 "$BATS_TEST_TMPDIR/listen.py" "$@" >"$heard" 3>&- &
	listener=$!
	wait_for 5 grep -q ready "$heard"
}

hears() { wait_for "$1" grep -qxF -- "$2" "$heard"; }

hear_no_more() {
	kill "$listener" 2>/dev/null || :
	wait "$listener" 2>/dev/null || :
}

# A formation of two types and the shell's words for them.
two() { app -t 'web: python3 -m http.server $PORT' -t 'worker: echo working; sleep 1000' "$@"; }

# ---- the foreground ----------------------------------------------------------------------------

@test "a formation prints its lines as records, ^C stops it, the status is 0 (C6.13, C10.2)" {
	foreground "$(two)"
	comes_up web.1 worker.1
	says 5 'app[worker.1]: working'
	kill -INT "$pid"
	finish 0
	! grep -qvE '^[0-9]{4}-[0-9-]{5}T[0-9:.]{15}\+00:00 (app|heroku)\[(web|worker)\.1\]: ' "$out" ||
		lib_seen "a line is no record"
	assert_line 'heroku[web.1]: Stopping all processes with SIGTERM'
	assert_line 'heroku[worker.1]: Process exited with status 143'
	assert_line 'heroku[web.1]: State changed from up to down'
	[[ $stderr == 'dyno: web is at http://127.0.0.1:5'???$'\n''dyno: stopping 2 dynos; once more ends them at once' ]] ||
		lib_seen "expected two lines"
	wait_for 10 no_monitors
}

@test "TERM and HUP stop it as well, and nothing but its lines stands on standard output" {
	for signal in TERM HUP; do
		foreground -q "$(two)" worker
		says 10 'app[worker.1]: working'
		kill "-$signal" "$pid"
		finish 0
		[ "$(wc -l <"$out")" -eq 1 ] || lib_seen "expected one line"
		[ -z "$stderr" ] || lib_seen "expected silence"
	done
}

@test "under nohup a terminal that goes away does not stop it" {
	out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
	(exec 3>&- && exec "${user[@]}" nohup "$DYNO" start "$(two)" worker </dev/null >"$out" 2>"$err") &
	pid=$!
	comes_up worker.1
	kill -HUP "$pid"
	sleep 0.5
	[ -n "$(monitors)" ]
	kill -TERM "$pid"
	finish 0
}

@test "a second ^C ends dynos that ignore TERM, at once; QUIT does so alone" {
	dir=$(app -t "worker: trap '' TERM; echo deaf; while :; do sleep 1; done" deaf)
	for signals in 'INT INT' 'TERM INT' QUIT; do
		foreground --grace 60s "$dir"
		says 10 'app[worker.1]: deaf'
		began=$SECONDS
		for signal in $signals; do
			kill "-$signal" "$pid"
			# a second one of the same kind would be lost before the first was obeyed
			[ "$signal" = QUIT ] || wait_for 10 grep -q stopping "$err"
		done
		finish 0
		[ $((SECONDS - began)) -lt 50 ] || lib_seen "it took $((SECONDS - began)) s"
		assert_line 'heroku[worker.1]: Process exited with status 137'
		wait_for 10 no_monitors
	done
}

@test "it ends by itself when all have completed, with 0" {
	dir=$(app -t 'one: echo 1' -t 'two: sleep 0.3; echo 2' complete)
	foreground --exit-0 complete --restart on-failure "$dir"
	finish 0
	assert_line 'app[one.1]: 1'
	assert_line 'app[two.1]: 2'
	assert_line 'heroku[two.1]: State changed from up to complete'
	[ -z "$stderr" ] || lib_seen "expected silence"
}

@test "its status is that of the first dyno that crashed and is not restarted" {
	dir=$(app -t 'one: sleep 0.3; exit 7' -t 'three: sleep 0.3; kill -9 $$' \
		-t 'two: trap "exit 8" USR1; echo on; while :; do sleep 0.05; done' crash)
	for first in one:7 three:137; do
		foreground --restart never "$dir" "${first%:*}" two
		says 10 'app[two.1]: on'
		says 10 "heroku[${first%:*}.1]: State changed from up to crashed"
		dyno kill -q -s USR1 crash/two.1
		finish "${first#*:}"
	done
	# after a signal it is 0, whatever crashed before
	dir=$(app -t 'one: exit 7' -t 'two: sleep 1000' crash2)
	foreground --restart never "$dir"
	says 10 'heroku[one.1]: State changed from up to crashed'
	kill -INT "$pid"
	finish 0
}

@test "a dyno that crashes is started again, and the foreground goes on (C6.8)" {
	dir=$(app -t 'worker: echo here; sleep 0.2; exit 3' again)
	foreground --backoff off "$dir"
	wait_for 15 bash -c "[ \"\$(grep -c 'app.worker.1.: here' '$out')\" -ge 3 ]"
	kill -INT "$pid"
	finish 0
	assert_line 'heroku[worker.1]: Process exited with status 3'
	assert_line 'heroku[worker.1]: State changed from crashed to starting'
}

@test "what cannot be started is refused, and nothing stays" {
	run -125 --separate-stderr dyno start "$(two)" wbe
	refused procfile.no-such-type 125
	run -125 --separate-stderr dyno start "$BASE/no-such.tgz"
	refused slug.open 125
	run -125 --separate-stderr dyno start --stack no-such "$(two)"
	[ "$status" -eq 125 ]
	wait_for 10 no_monitors
}

@test "when one dyno cannot be started the others are stopped, and the status is its" {
	dir=$(two)
	# a free name for one, and none for the other: its place is no directory
	as_user mkdir -p "$DYNO_CFG_RUN_DIR/part"
	as_user touch "$DYNO_CFG_RUN_DIR/part/worker.1"
	run -125 --separate-stderr timeout 60 "${user[@]}" "$DYNO" start -a part "$dir" web worker
	[ "$status" -eq 125 ]
	[[ $stderr == *worker.1* ]] || lib_seen "expected the name"
	assert_line 'heroku[web.1]: Process exited with status 143'
	wait_for 10 no_monitors
	as_user rm -r "$DYNO_CFG_RUN_DIR/part"
}

@test "killed by SIGKILL it takes every dyno with it, and their last words are still read (T54)" {
	dir=$(app -t "web: trap 'echo bye; exit 0' TERM; echo hi; while :; do sleep 0.1; done" bye)
	foreground "$dir" web=3
	for n in 1 2 3; do says 10 "app[web.$n]: hi"; done
	kill -KILL "$pid"
	wait "$pid" || :
	pid=
	wait_for 15 no_monitors
	for n in 1 2 3; do says 5 "app[web.$n]: bye"; done
}

@test "a reader that goes away stops the dynos" {
	dir=$(app -t 'web: while :; do echo y; sleep 0.05; done' yes)
	run -0 timeout 60 bash -c 'set -o pipefail; "$@" | head -n 3' x "${user[@]}" "$DYNO" start -q "$dir"
	[ "${#lines[@]}" -ge 3 ]
	wait_for 10 no_monitors
}

@test "a reader that sleeps does not keep ^C from stopping the dynos (T35)" {
	dir=$(app -t 'web: while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done' flood)
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	# shellcheck disable=SC2217 # it is not to read
	sleep 1000 <"$BATS_TEST_TMPDIR/fifo" 3>&- &
	sleeper=$!
	err=$BATS_TEST_TMPDIR/err out=$err
	(exec 3>&- && exec "${user[@]}" "$DYNO" start --grace 5s "$dir" >"$BATS_TEST_TMPDIR/fifo" 2>"$err") &
	pid=$!
	wait_for 10 pgrep -f "^dyno-monitor .*$DYNO_CFG_RUN_DIR"
	sleep 1
	kill -INT "$pid"
	wait_for 20 no_monitors
	kill "$sleeper"
	wait "$sleeper" || :
	finish 0
}

@test "a monitor that is killed is a dyno lost, and the others go on (T54)" {
	foreground --restart never "$(two)"
	comes_up web.1 worker.1
	kill -KILL "$(pgrep -f "^dyno-monitor [^ ]+ worker.1 $DYNO_CFG_RUN_DIR")"
	left() { [ "$(monitors | wc -l)" -eq "$1" ]; }
	wait_for 10 left 1
	sleep 0.2
	left 1
	kill -KILL "$(monitors)"
	finish 137
	[[ $stderr == 'dyno: web is at http://127.0.0.1:5'??? ]] || lib_seen "expected one line"
}

@test "without the process that shows the lines it stops, and says so" {
	foreground "$(two)" worker
	comes_up worker.1
	kill -KILL "$(pgrep -P "$pid" -x dyno)"
	finish 125
	[[ $stderr == *'the process that shows the lines was killed'* ]] || lib_seen "expected the reason"
	wait_for 10 no_monitors
}

@test "a full disk loses lines, not dynos; an odd caller does no harm (T22, T24)" {
	dir=$(app -t 'w: echo here; sleep 1; exit 6' full)
	run -6 --separate-stderr bash -c 'exec "$@" >/dev/full' x "${user[@]}" "$DYNO" start --restart never "$dir"
	[ "$stderr" = 'dyno: write the log to standard output: no space left on device; lines are lost until it works' ] ||
		lib_seen "expected one line"
	run -6 bash -c 'exec "$@" <&- >&- 2>&-' x "${user[@]}" "$DYNO" start --restart never "$dir"
	for state in 'fds=1000 blocked umask=0777' soft=NOFILE:20; do
		# shellcheck disable=SC2086 # several states
		run -6 "$TOP/tests/helpers/odd-caller" $state -- "${user[@]}" "$DYNO" start -q --restart never "$dir" w=3
		[ "$(grep -c 'app\[w\.[123]\]: here$' <<<"$output")" -eq 3 ] || lib_seen "expected three lines"
	done
}

@test "dynos that live already are named and left alone (C6.13)" {
	dir=$(two there)
	run -0 dyno start --detach "$dir"
	[ "$output" = $'web.1\nworker.1' ] || [ "$output" = $'worker.1\nweb.1' ] || lib_seen "expected two names"
	run -0 --separate-stderr dyno start "$dir"
	[ -z "$output" ]
	[[ $stderr == *'web.1 of app there lives already'* ]] || lib_seen "expected a note"
	[ "$(monitors | wc -l)" -eq 2 ]
	# the foreground starts what is missing, and takes nothing else with it
	foreground "$dir" web=2
	comes_up web.2
	kill -INT "$pid"
	finish 0
	[ "$(monitors | wc -l)" -eq 2 ]
	run -0 dyno stop 'there/*'
}

# ---- views -------------------------------------------------------------------------------------

# on_terminal COMMAND...: its output as a terminal gets it; ^C when it says "enough"
on_terminal() {
	python3 - "$@" <<-'PYTHON'
		import os, pty, select, sys, time
		pid, fd = pty.fork()
		if pid == 0:
		    os.environ["TERM"] = "xterm"
		    os.execvp(sys.argv[1], sys.argv[1:])
		seen, asked = b"", False
		until = time.time() + 60
		while time.time() < until:
		    if not select.select([fd], [], [], 1)[0]:
		        continue
		    try:
		        data = os.read(fd, 65536)
		    except OSError:
		        break
		    if not data:
		        break
		    seen += data
		    if b"enough" in seen and not asked:
		        asked = True
		        os.write(fd, b"\x03")
		sys.stdout.buffer.write(seen.replace(b"\r\n", b"\n"))
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	PYTHON
}

@test "on a terminal lines are short, aligned and coloured, ^C comes from the keyboard (T33)" {
	dir=$(app -t 'worker: printf "\033[31mred\033[0m \033]52;c;YQ==\007\033[2J\n"; echo enou""gh; sleep 1000' view)
	run -0 on_terminal "${user[@]}" "$DYNO" start "$dir"
	grep -qE $'^[0-9:]{8} \033\\[[0-9]+mworker.1 +\\|\033\\[0m \033\\[31mred\033\\[0m .x1b]52;c;YQ==.x07.x1b\\[2J\033\\[0m$' <<<"$output" ||
		lib_seen "the app's line"
	grep -qE $'^[0-9:]{8} \033\\[36mheroku\\[worker.1\\] \\|\033\\[0m \033\\[2mProcess exited with status 143\033\\[0m$' <<<"$output" ||
		lib_seen "the platform's line"
	run -0 on_terminal "${user[@]}" env NO_COLOR=1 "$DYNO" start "$dir"
	grep -qE '^[0-9:]{8} worker.1 +\| red .x1b]52' <<<"$output" || lib_seen "without colour"
	[[ $output != *$'\033'* ]] || lib_seen "an escape has passed"
}

@test "elsewhere colours are dropped and control bytes shown, --raw passes them (T33, T34)" {
	dir=$(app -t 'w: printf "\033[1mbold\033[0m \a\r\nnul\0 \377\n2026-01-01T00:00:00.000000+00:00 heroku[w.1]: Idling\n"; sleep 1' bytes)
	foreground -q --restart never "$dir"
	finish 0
	assert_line 'app[w.1]: bold \x07'
	assert_line 'app[w.1]: nul\x00 \xff'
	[ "$(grep -c 'heroku\[w.1\]: Idling' "$out")" -eq 1 ]
	grep -qE '^[^ ]+ app\[w.1\]: 2026-01-01T00:00:00.000000\+00:00 heroku\[w.1\]: Idling$' "$out"
	foreground -q --raw --restart never "$dir"
	finish 0
	grep -q $'app\\[w.1\\]: \033\\[1mbold\033\\[0m \a\r$' "$out" || lib_seen "expected raw bytes"
	foreground -q --color always --restart never "$dir"
	finish 0
	grep -q $'app\\[w.1\\]: \033\\[1mbold\033\\[0m .x07\033\\[0m$' "$out" || lib_seen "expected colours"
}

@test "as JSON each line is an object (T34)" {
	dir=$(app -t 'w: printf "\"quoted\" \033[1m \377\n"' objects)
	foreground --json --restart never "$dir"
	finish 0
	jq -es 'all(.[]; .schema == 1 and .dyno == "w.1" and (.time | test("^2[0-9T:.+-]+$")))' "$out" >/dev/null
	jq -es '[.[] | select(.source == "app").text] == ["\"quoted\" \u001b[1m \ufffd"]' "$out" >/dev/null ||
		lib_seen "expected the text"
	jq -es '[.[] | select(.source == "heroku")] | length > 2' "$out" >/dev/null
}

@test "lines of 10000 bytes from many dynos do not mix (C10.3, T34)" {
	dir=$(app -t 'w: sleep 0.5; for i in {1..40}; do head -c 10000 /dev/zero | tr "\0" "${DYNO: -1}"; echo; done' wide)
	foreground -q --restart never "$dir" w=4
	finish 0
	[ "$(wc -l <"$out")" -eq 160 ] || lib_seen "expected 160 lines"
	for n in 1 2 3 4; do
		sed -n "s/^[^ ]* app\[w\.$n\]: //p" "$out" >"$BATS_TEST_TMPDIR/lines"
		[ "$(wc -lc <"$BATS_TEST_TMPDIR/lines" | tr -s ' ')" = ' 40 400040' ] || fail "lines of w.$n"
		[ "$(tr -d "$n\n" <"$BATS_TEST_TMPDIR/lines" | wc -c)" -eq 0 ] || fail "bytes of w.$n"
	done
}

# ---- detached ----------------------------------------------------------------------------------

@test "--detach prints the names, and the dynos live on; again it starts what is missing (C6.13)" {
	dir=$(two on)
	run -0 --separate-stderr dyno start --detach -a shop "$dir"
	[ "$(sort <<<"$output")" = $'web.1\nworker.1' ] || lib_seen "expected two names"
	[ -z "$stderr" ]
	run -0 --separate-stderr dyno start -d --json -a shop "$dir" web=2 worker
	json '.schema == 1 and ([.dynos[] | select(.change == "started")] == [{app: "shop", name: "web.2", change: "started"}])'
	json '[.dynos[] | select(.change == "there").name] | sort == ["web.1", "worker.1"]'
	[[ $stderr == *'worker.1 of app shop lives already'* ]] || lib_seen "expected a note"
	run -0 --separate-stderr dyno start -d -q -a shop "$dir" web=2
	[ -z "$output$stderr" ] || lib_seen "expected silence"
	[ "$(monitors | wc -l)" -eq 3 ]
	run -0 dyno stop 'shop/*'
	wait_for 10 no_monitors
}

@test "many starts of the same at once start each dyno once (T54)" {
	dir=$(app -t 'w: sleep 1000' same)
	for n in {1..8}; do
		dyno start -d -q "$dir" w=3 >"$BATS_TEST_TMPDIR/names.$n" 3>&- &
		jobs[n]=$!
	done
	for n in {1..8}; do wait "${jobs[n]}"; done
	run -0 sort "$BATS_TEST_TMPDIR"/names.*
	[ "$output" = $'w.1\nw.2\nw.3' ] || lib_seen "expected each once"
	[ "$(monitors | wc -l)" -eq 3 ]
	run -0 dyno stop 'same/*'
}

@test "--wait stays until all are up, and tells why one has crashed" {
	run -0 dyno start --detach --wait "$(two wait)"
	run -0 dyno ps --json -a wait
	json 'all(.[]; .state == "up")'
	run -0 dyno stop 'wait/*'
	dir=$(app -t 'web: sleep 0.2; exit 9' -t 'worker: sleep 1000' bad)
	run -1 --separate-stderr dyno start --detach --wait "$dir"
	assert_error dyno.crashed
	[[ $stderr == *'bad/web.1'*'exit status 9'* ]] || lib_seen "expected the reason"
	[ "$(sort <<<"$output")" = $'web.1\nworker.1' ] || lib_seen "expected the names"
	run -0 dyno stop 'bad/*'
	dir=$(app -t 'web: sleep 1000' late)
	run -1 --separate-stderr dyno start --detach --wait --boot-timeout 1s --restart never "$dir"
	[[ $stderr == *boot-timeout* ]] || lib_seen "expected the reason"
}

@test "--ready-fd gets one line when all are up, and its end (C6.2)" {
	dir=$(app -t 'web: sleep 1; exec python3 -m http.server $PORT' ready)
	exec 7> >(cat >"$BATS_TEST_TMPDIR/ready")
	run -0 dyno start --detach --ready-fd 7 "$dir"
	exec 7>&-
	wait_for 5 test -s "$BATS_TEST_TMPDIR/ready"
	[ "$(cat "$BATS_TEST_TMPDIR/ready")" = READY=1 ]
	run -0 dyno stop 'ready/*'
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	exec 7<>"$BATS_TEST_TMPDIR/fifo"
	foreground --ready-fd 7 "$dir"
	read -r -t 20 -u 7 line
	[ "$line" = READY=1 ]
	wait_for 1 grep -q 'State changed from starting to up' "$out"
	exec 7>&-
	kill -INT "$pid"
	finish 0
}

@test "a service manager is told: how many are up, that all are, that they stop" {
	dir=$(two managed)
	for socket in "$BASE/notify" @dyno-test-notify.$$; do
		listen notify "$socket"
		export NOTIFY_SOCKET=$socket
		foreground "$dir"
		hears 15 READY=1
		hears 1 'STATUS=2 of 2 dynos up'
		kill -TERM "$pid"
		finish 0
		hears 1 STOPPING=1
		[ "$(grep -c READY "$heard")" -eq 1 ]
		hear_no_more
	done
	# nobody there: a line, and it runs all the same
	export NOTIFY_SOCKET=$BASE/nobody
	foreground --restart never --exit-0 complete "$(app -t 'w: true' nobody)"
	finish 0
	[[ $stderr == *"reach NOTIFY_SOCKET $BASE/nobody"* ]] || lib_seen "expected a line"
	rm -f "$BASE/notify"
}

@test "--pid-file names this process, or the monitor of one detached dyno" {
	dir=$(two pids)
	foreground --pid-file "$BASE/pid" "$dir"
	comes_up web.1
	[ "$(cat "$BASE/pid")" = "$pid" ]
	kill -INT "$pid"
	finish 0
	[ ! -e "$BASE/pid" ]
	run -0 dyno start --detach --pid-file "$BASE/pid" "$dir" web
	[ "$(cat "$BASE/pid")" = "$(monitors)" ]
	run -125 --separate-stderr dyno start --detach --pid-file "$BASE/pid" "$dir" web=2
	refused usage 125
	run -125 --separate-stderr dyno start --detach --pid-file "$BASE/pid" "$dir"
	refused usage 125
	[ "$(monitors | wc -l)" -eq 1 ]
	run -0 dyno stop 'pids/*'
	# a device is not replaced
	run -0 dyno start --pid-file /dev/null --restart never --exit-0 complete "$(app -t 'w: true' null)"
	[ -c /dev/null ]
	run -125 --separate-stderr dyno start --pid-file /no/such/dir/pid "$dir"
	assert_error host.io
	wait_for 10 no_monitors
}

@test "--pidfd-socket hands out a pidfd of each monitor" {
	dir=$(two fds)
	listen pidfd "$BASE/pidfd"
	run -0 dyno start --detach --pidfd-socket "$BASE/pidfd" "$dir"
	hears 5 "fds/web.1 $(monitors | while read -r m; do tr '\0' ' ' <"/proc/$m/cmdline" | grep -q ' web.1 ' && echo "$m"; done)"
	[ "$(grep -c fds/ "$heard")" -eq 2 ]
	run -0 dyno stop 'fds/*'
	hears 5 'fds/web.1 ended'
	hears 5 'fds/worker.1 ended'
	wait "$listener"
	rm "$BASE/pidfd"
	run -125 --separate-stderr dyno start --detach --pidfd-socket "$BASE/pidfd" "$dir" worker
	assert_error host.io
	run -0 dyno stop 'fds/*'
}

@test "--events-fd gets each event as a line of JSON" {
	exec 7>"$BATS_TEST_TMPDIR/events"
	foreground --events-fd 7 --restart never "$(app -t 'w: sleep 0.3; exit 5' events)"
	finish 5
	exec 7>&-
	jq -es 'all(.[]; .schema == 1 and .app == "events" and .dyno == "w.1")' "$BATS_TEST_TMPDIR/events" >/dev/null
	jq -es '[.[] | select(.event == "state").to] == ["up", "crashed"] or
		[.[] | select(.event == "state").to] == ["starting", "up", "crashed"]' "$BATS_TEST_TMPDIR/events" >/dev/null ||
		fail "$(cat "$BATS_TEST_TMPDIR/events")"
}

@test "run --detach starts a one-off and prints its name (C8.6)" {
	dir=$(app -t 'web: sleep 1000' once)
	run -0 --separate-stderr dyno run --detach -a once "$dir" 'sleep 0.5; exit 4'
	[[ $output == run.* && -z $stderr ]] || lib_seen "expected a name"
	run -4 dyno wait "once/$output"
	run -0 dyno run -d --wait -a once "$dir" -- sleep 1000
	name=$output
	run -0 dyno ps --json -a once
	json "[.[] | select(.name == \"$name\").state] == [\"up\"]"
	run -0 dyno stop "once/$name"
	run -0 dyno run -d --json -a once "$dir" true
	json '.dynos | length == 1'
	wait_for 10 no_monitors
	# of a process type, too, one start is all
	run -0 dyno run -d -a once "$(app -t 'w: exit 3' twice)" w
	[ "$output" = w.1 ] || lib_seen "expected the type's name"
	wait_for 10 no_monitors
	run -0 dyno ps --json --all -a once
	json '[.[] | select(.name == "w.1") | [.state, .exit_code, .restarts]] == [["crashed", 3, 0]]'
	# whoever asks for a run gets one, or an error: another of the type has the next number
	dir=$(app -t 'w: sleep 1000' more)
	run -0 dyno run -d -a once "$dir" w
	[ "$output" = w.1 ] || lib_seen "expected the lowest free number"
	run -0 dyno run -d -a once "$dir" w
	[ "$output" = w.2 ] || lib_seen "expected the next number"
	for what in w 'sleep 1000'; do
		run -125 --separate-stderr dyno run -d -a once --name w.2 "$dir" "$what"
		assert_error name.taken
	done
	run -0 dyno stop --now 'once/*'
}

@test "run --pid-file names this process, and a signal before there is a dyno removes the file" {
	run -0 --separate-stderr dyno run -q --pid-file "$BASE/pid" "$SHAPES" "echo"
	[ ! -e "$BASE/pid" ]
	(exec 3>&- && exec "${user[@]}" "$DYNO" run -q --pid-file "$BASE/pid" "$SHAPES" 'sleep 1000' >/dev/null 2>&1) &
	pid=$!
	wait_for 10 test -s "$BASE/pid"
	[ "$(cat "$BASE/pid")" = "$pid" ]
	wait_for 10 pgrep -P "$pid" -x dyno-init
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	assert_status 143
	[ ! -e "$BASE/pid" ]
	# it waits for a slug that does not come
	for verb in run start; do
		mkfifo "$BASE/slug"
		(exec 3>&- && exec "${user[@]}" env --default-signal=INT "$DYNO" "$verb" --pid-file "$BASE/pid" - <>"$BASE/slug" >/dev/null 2>&1) &
		pid=$!
		wait_for 10 test -s "$BASE/pid"
		sleep 0.5
		kill -INT "$pid"
		status=0
		wait "$pid" || status=$?
		[ "$status" -eq 130 ] || fail "$verb: status $status"
		[ ! -e "$BASE/pid" ]
		rm "$BASE/slug"
	done
}

# ---- scale -------------------------------------------------------------------------------------

@test "scale starts and stops the difference, the highest numbers first (C6.13)" {
	dir=$(app -t 'w: sleep 1000' -t 'v: sleep 1000' scaled)
	run -0 dyno start -d -e SETTING=kept "$dir" w=2
	run -0 dyno scale -a scaled w=4
	[ "$(sort <<<"$output")" = $'started w.3\nstarted w.4' ] || lib_seen "expected two"
	run -0 dyno scale w=1 v=1
	[ "$(sort <<<"$output")" = $'started v.1\nstopping w.2\nstopping w.3\nstopping w.4' ] || lib_seen "expected four"
	[ "$(grep stopping <<<"$output" | head -n 1)" = 'stopping w.4' ] || lib_seen "expected the highest first"
	wait_for 10 bash -c "[ \"\$(pgrep -cf '^dyno-monitor .*$DYNO_CFG_RUN_DIR')\" -eq 2 ]"
	run -0 dyno scale w=1
	[ -z "$output" ]
	run -0 dyno scale --json w=0
	json '.schema == 1 and .dynos == [{app: "scaled", name: "w.1", change: "stopping"}]'
	run -0 dyno scale -q v=2
	[ "$output" = v.2 ]
	run -0 dyno stop 'scaled/*'
}

@test "scale takes the settings of dyno start, whatever else runs of the app (C6.13)" {
	local dir name
	dir=$(app -t 'w: sleep 1000' -t 'v: sleep 1000' mixed)
	for name in w w w; do
		run -0 dyno run -d -a mixed --env "FROM=run" "$dir" "$name"
	done
	run -0 dyno run -d -a mixed --env "FROM=run" "$dir" 'sleep 1000'
	run -1 --separate-stderr dyno scale -a mixed w=5
	refused dyno.not-found 1
	run -0 dyno start -d -a mixed --env FROM=start "$dir" v
	run -0 dyno scale -a mixed w=5
	[ "$(sort <<<"$output")" = $'started w.4\nstarted w.5' ] || lib_seen "expected the missing ones"
	for name in w.4 w.5; do
		run -0 dyno exec -a mixed "$name" -- printenv FROM
		[ "$output" = start ] || lib_seen "$name has the settings of a run"
		[ "$(dyno inspect "mixed/$name" | jq -r .policy.restart)" = always ] || fail "$name: $(dyno inspect "mixed/$name")"
	done
	run -0 dyno stop --now 'mixed/*'
}

@test "scale without -a needs one app, and says what it lacks" {
	run -1 --separate-stderr dyno scale w=1
	refused dyno.not-found 1
	run -1 --separate-stderr dyno scale -a nobody w=1
	refused dyno.not-found 1
	run -0 dyno start -d "$(app -t 'w: sleep 1000' one)"
	run -0 dyno start -d "$(app -t 'w: sleep 1000' other)"
	run -2 --separate-stderr dyno scale w=2
	[[ $stderr == *'one and other have live dynos'* ]] || lib_seen "expected both names"
	for words in w w= =1 w=x w=-1 w=10001 'w=1 w=2' ''; do
		# shellcheck disable=SC2086 # several words, or none
		run -2 --separate-stderr dyno scale -a one $words
		refused usage 2
	done
	run -1 --separate-stderr dyno scale -a one x=1
	assert_error procfile.no-such-type
	[ "$(monitors | wc -l)" -eq 2 ]
	run -0 dyno stop 'one/*' 'other/*'
}

# ---- a spec handed in --------------------------------------------------------------------------

# spec JSON: a file of the user's own
spec() { put "$BASE/spec.json" <<<"$1"; }

@test "a spec comes from a file, standard input or a descriptor, and options win over it (T62)" {
	dir=$(two spec)
	spec "{\"schema\": 1, \"slug\": \"$dir\", \"app\": \"given\", \"types\": {\"worker\": 1}, \"restart\": \"never\"}"
	run -0 dyno start -d --spec "$BASE/spec.json"
	[ "$output" = worker.1 ] || lib_seen "expected the spec's type"
	run -0 dyno start -d --spec - <"$BASE/spec.json"
	[[ $output == *'worker.1 of app given lives already'* ]] || lib_seen "expected the same app"
	run -0 dyno start -d --spec fd:7 -a other 7<"$BASE/spec.json"
	[ "$output" = worker.1 ] || lib_seen "expected another app"
	run -0 dyno start -d --spec "$BASE/spec.json" -a other worker=2
	[[ $output == *worker.2* ]] || lib_seen "expected the operand to win"
	[ "$(monitors | wc -l)" -eq 3 ]
	run -0 dyno stop 'given/*' 'other/*'
	spec "{\"schema\": 1, \"slug\": \"$dir\", \"command\": \"echo \$DYNO\", \"name\": \"job.1\"}"
	run -0 --separate-stderr dyno run -q --spec "$BASE/spec.json"
	[ "$output" = job.1 ] || lib_seen "expected the spec's command"
}

@test "a spec that is malformed, huge, slow or missing is refused before anything is started (T62)" {
	dir=$(two refused)
	for text in '' '{' '[]' '{"schema": 1}' "{\"schema\": 1, \"slug\": \"$dir\", \"tpyes\": {}}" \
		"{\"schema\": 2, \"slug\": \"$dir\"}" "{\"schema\": 1, \"slug\": \"$dir\", \"slug\": \"$dir\"}" \
		"{\"schema\": 1, \"slug\": \"$dir\"} x" "{\"schema\": 1, \"slug\": \"$dir\", \"types\": {\"web\": -1}}"; do
		spec "$text"
		run -125 --separate-stderr dyno start -d --spec "$BASE/spec.json"
		refused spec.invalid 125
	done
	printf '{"schema": 1, "slug": "\0"}' | put "$BASE/spec.json"
	run -125 --separate-stderr dyno start -d --spec "$BASE/spec.json"
	refused spec.invalid 125
	head -c 1100000 /dev/zero | tr '\0' ' ' | put "$BASE/spec.json"
	run -125 --separate-stderr dyno start -d --spec "$BASE/spec.json"
	refused host.io 125
	run -125 --separate-stderr timeout 60 "${user[@]}" "$DYNO" start -d --spec - </dev/zero
	refused host.io 125
	run -125 --separate-stderr dyno start -d --spec "$BASE/no-such"
	refused host.io 125
	run -125 --separate-stderr dyno start -d --spec fd:99
	refused host.io 125
	run -125 --separate-stderr dyno start -d --spec fd:x
	refused usage 125
	run -125 --separate-stderr dyno start -d --spec - -
	refused usage 125
	# a slow one is waited for, and a caller who leaves has started nothing
	run -124 timeout 1 "${user[@]}" "$DYNO" start -d --spec - < <(printf '{'; sleep 2)
	wait_for 10 no_monitors
}

# ---- the command line --------------------------------------------------------------------------

@test "what does not fit is a usage error that says what would" {
	dir=$(two usage)
	for words in '' '--wait SLUG' 'SLUG web=x' 'SLUG web=' 'SLUG web=1 web=2' 'SLUG -q' 'SLUG --' \
		'--restart sometimes SLUG' '--exit-0 maybe SLUG' '--restart-order no SLUG' '--cycle x SLUG' \
		'--backoff x SLUG' '--stop-signal NO SLUG' '--stop-scope some SLUG' \
		'--health-threshold 0 SLUG' '--ready-fd 99 SLUG' '--events-fd 98 SLUG' '--ready-fd 0 SLUG' \
		'--name x SLUG web=2' '--network host --port 5000 SLUG web=2' \
		'--network host --egress host SLUG' \
		'--network host --require-network SLUG' '--network none --require-network SLUG'; do
		# shellcheck disable=SC2086 # several words
		run -125 --separate-stderr dyno start ${words//SLUG/$dir}
		refused usage 125
	done
	for words in '--wait SLUG true' '--detach --timing SLUG true' '--ready-fd 1 SLUG true' \
		'--pidfd-socket x SLUG true' '-d -v SLUG true' '--network host --require-network SLUG true' \
		'--network none --require-network SLUG true'; do
		# shellcheck disable=SC2086 # several words
		run -125 --separate-stderr dyno run ${words//SLUG/$dir}
		refused usage 125
	done
	run -125 --separate-stderr env DYNO_CFG_NETWORK=host "${user[@]}" "$DYNO" run --require-network "$dir" true
	refused usage 125
	run -125 --separate-stderr dyno start --ready-fd 7 "$dir" 7</dev/null
	refused usage 125
	wait_for 10 no_monitors
}

# ---- a service and an orchestrator -------------------------------------------------------------

@test "the unit is one that systemd understands" {
	need systemd-analyze command -v systemd-analyze
	unit=$BATS_TEST_TMPDIR/dyno@.service
	sed 's,@bindir@/dyno,/bin/true,' "$TOP/runtime/systemd/dyno@.service.in" >"$unit"
	run -0 systemd-analyze verify --man=no "$unit"
	[ -z "$output" ] || lib_seen "expected no complaint"
	# it waits for a dyno's grace time, and for its boot
	[ "$(sed -n 's/^TimeoutStopSec=\([0-9]*\)s/\1/p' "$unit")" -gt 30 ]
}

@test "the unit's command line starts an app from its spec, and TERM ends it with 0" {
	dir=$(two unit)
	spec "{\"schema\": 1, \"slug\": \"$dir\"}"
	command=$(sed -n 's,^ExecStart=@bindir@/dyno start ,,p' "$TOP/runtime/systemd/dyno@.service.in")
	command=${command//%i/unit}
	command=${command//\/etc\/dyno\/apps\/unit.json/$BASE/spec.json}
	listen notify "$BASE/notify"
	export NOTIFY_SOCKET=$BASE/notify
	# shellcheck disable=SC2086 # several words
	foreground $command
	hears 15 READY=1
	kill -TERM "$pid"
	finish 0
	hears 1 STOPPING=1
	hear_no_more
	rm "$BASE/notify"
}

@test "an orchestrator in a hundred lines of shell starts, scales, rolls and stops an app" {
	[ "$(wc -l <"$TOP/tests/helpers/orchestrate.sh")" -le 100 ]
	install -m 644 "$TOP/tests/helpers/orchestrate.sh" "$BASE/orchestrate.sh"
	dir=$(two orchestrated)
	run -0 timeout 100 "${user[@]}" env DYNO="$DYNO" TMPDIR="$BASE" bash "$BASE/orchestrate.sh" orch "$dir"
	[ "$output" = "started web.1 worker.1
started web.2 web.3
restarted web.1
restarted web.2
restarted web.3
restarted worker.1
stopped web.3 web.2
ended 4" ] || lib_seen "expected each step"
	rm "$BASE/orchestrate.sh"
	wait_for 10 no_monitors
}
