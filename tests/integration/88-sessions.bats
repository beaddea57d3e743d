#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One-offs and their clients: limits of time, a terminal that goes away, streams as a pipe has them.
# shellcheck disable=SC2016,SC2034,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos
load supervise

teardown() {
	dyno rm --all --force --quiet >/dev/null 2>&1 || : # what is kept has a process
	supervise_teardown
	lib_teardown
}

# on_lost_terminal TEXT ARG...: dyno run on a terminal of its own, which goes away once TEXT is on
# its standard error; that and its output stay files, as of the log of a service: $out, $err
on_lost_terminal() {
	out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
	: >"$out"
	: >"$err"
	(
		exec 3>&-
		exec python3 -c '
import os, pty, sys, time
text, out, err = (a.encode() for a in sys.argv[1:4])
pid, fd = pty.fork()
if pid == 0:
    os.dup2(os.open(out, os.O_WRONLY), 1)
    os.dup2(os.open(err, os.O_WRONLY), 2)
    os.execvp(sys.argv[4], sys.argv[4:])
until = time.monotonic() + 30
while text not in open(out, "rb").read() and time.monotonic() < until:
    time.sleep(0.02)
os.close(fd)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
' "$1" "$out" "$err" "${user[@]}" "$DYNO" run "${@:2}"
	) &
	pid=$!
}

# ---- limits of time -------------------------------------------------------------------------------

@test "a one-off over its time limit is stopped, status 124, whatever it makes of that (C8.7, C7.4)" {
	begin --time-limit 200ms "$SHAPES" 'trap "exit 3" TERM; sleep 1000 & wait'
	finish 124
	platform | tail -5 | sed 's/^[^:]*: //' | diff - <(cat <<-'END'
		State changed from starting to up
		Time limit of 0.2 seconds is over
		Stopping all processes with SIGTERM
		Process exited with status 3
		State changed from up to complete
	END
	) || fail "$(cat "$err")"
	begin --json -q --time-limit 100ms --grace 100ms "$SHAPES" 'trap "" TERM; while :; do sleep 1; done'
	finish 124
	[ "$(tail -1 "$err" | jq -r '.outcome | "\(.reason) \(.exit_code)"')" = 'time-limit 124' ] ||
		lib_seen "the reason"
	run -0 dyno run -q --time-limit 1h "$SHAPES" true
}

@test "one that is detached lives no longer than a day, which is a setting (C8.7, C6.7)" {
	dyno run --detach --name run.1 "$SHAPES" sleep 1000
	run -0 dyno inspect run.1
	[ "$(jq -r '.policy | "\(.cycle_ms) \(.cycle_spread_ms)"' <<<"$output")" = '86400000 12960000' ] ||
		lib_seen "a day and 216 minutes"
	dyno run --detach --cycle 100ms --name run.2 "$SHAPES" sleep 1000
	became 20 run.2 complete
	[ "$(fact run.2 reason)" = cycle ] || fail "$(fact run.2 reason)"
	run -125 --separate-stderr dyno run --cycle 1h "$SHAPES" true
	assert_error usage
	dyno run --detach --time-limit 100ms --name run.3 "$SHAPES" sleep 1000
	run -124 dyno wait run.3
}

# ---- a terminal that goes away --------------------------------------------------------------------

@test "T58 a terminal that goes away: SIGHUP to all, three times, R16, then a stop (C7.6, C8.7, C8.8)" {
	on_lost_terminal ready --hangup 100ms "$SHAPES" \
		'trap "echo hup" HUP; trap "echo term; exit 4" TERM; (trap "echo child" HUP; while :; do sleep 0.02; done) & echo ready; while :; do sleep 0.02; done'
	finish 4
	platform | sed 's/^[^:]*: //' | grep -v '^Starting process' | diff - <(cat <<-'END'
		State changed from starting to up
		Client connection closed. Sending SIGHUP to all processes
		Client connection closed. Sending SIGHUP to all processes
		Client connection closed. Sending SIGHUP to all processes
		Error R16 (Detached) -> An attached process is not responding to SIGHUP after its external connection was closed.
		Stopping all processes with SIGTERM
		Process exited with status 4
		State changed from up to complete
	END
	) || fail "$(cat "$err")"
	grep -q term "$out" && grep -q hup "$out" && grep -q child "$out" || fail "$(cat "$out")"
}

@test "one that heeds the SIGHUP has its own status, one that is kept runs on (C7.6)" {
	on_lost_terminal ready "$SHAPES" 'trap "exit 6" HUP; echo ready; sleep 1000 & wait'
	finish 6
	on_lost_terminal ready --on-hangup keep --hangup 50ms "$SHAPES" \
		'trap "" HUP; echo ready; until grep -q R16 /tmp/told 2>/dev/null; do sleep 0.05; done; exit 7'
	wait_for 20 grep -q "Error R16" "$err" # the command's own words hold R16 too
	name=$(dyno ps --json | jq -r '.[0].name')
	run -0 dyno exec "$name" 'echo R16 >/tmp/told'
	finish 7
}

# ---- streams --------------------------------------------------------------------------------------

@test "T57 a pipe through a one-off is as through a local process: tar, a big file, both ways (T22)" {
	local mib=16
	[ "${DYNO_LONG:-0}" != 1 ] || mib=1024
	(cd "$TOP/tests/lint" && tar c .) | dyno run -q -T "$SHAPES" -- tar t | sort >"$BATS_TEST_TMPDIR/inside"
	(cd "$TOP/tests/lint" && tar c . | tar t | sort) | diff - "$BATS_TEST_TMPDIR/inside"
	head -c "${mib}M" /dev/urandom >"$BASE/big"
	dyno run -q "$SHAPES" -- cat <"$BASE/big" >"$BASE/copy"
	cmp "$BASE/big" "$BASE/copy"
	sum=$(sha256sum <"$BASE/big")
	[ "$(dyno run -q -T "$SHAPES" -- cat <"$BASE/big" | cat | sha256sum)" = "$sum" ] || fail "through pipes"
	rm "$BASE/big" "$BASE/copy"
	run -0 env SHAPES="$SHAPES" bash -c '"$@" run -q -T "$SHAPES" -- yes | head -n 1; [ "${PIPESTATUS[0]}" -eq 141 ]' - "${user[@]}" "$DYNO"
	[ "$output" = y ] || lib_seen "a reader that leaves"
}

# ---- what stays -----------------------------------------------------------------------------------

# kept_of NAME: whether its files are
kept_of() { fact "$1" kept; }

is_now_kept() { [ "$(kept_of "$1")" = true ]; }

# is_kept NAME: what every kept one of these tests has
is_kept() {
	[ "$(kept_of "$1")" = true ] || fail "not kept: $(dyno ps --json --all)"
	[ -z "$(live)" ] || fail "it counts as live"
	run -0 dyno diff "$1"
	assert_line 'A /app/made (5 B)'
	assert_line 'A /tmp/d/f'
	[ "$(dyno cp "$1:made" - | tar xO)" = make ] || fail "cp from /app"
	as_user rm -rf "$BASE/copy"
	run -0 dyno cp "$1:/tmp/d" "$BASE/copy"
	[ "$(as_user cat "$BASE/copy/f")" = tmp ] || fail "cp from /tmp"
	run -125 --separate-stderr dyno exec "$1" true
	assert_error dyno.not-found
	run -1 --separate-stderr dyno cp "$1:/none" "$BASE/copy2"
	assert_error host.io
	run -0 dyno gc
	[ "$(kept_of "$1")" = true ] || fail "gc took it"
}

@test "--keep: what a one-off wrote is there for diff and cp until rm, wherever it was (U13, C2.1)" {
	local write='echo make >made; mkdir /tmp/d; echo tmp >/tmp/d/f; exit 3' dir
	dir=$(app -t 'web: true' kept)
	run -3 dyno run -q --keep --name run.1 "$SHAPES" "$write"
	is_kept run.1
	run -125 --separate-stderr dyno run -q --name run.1 "$SHAPES" true
	run -0 dyno rm run.1
	run -1 dyno ps --all run.1
	# a directory has a file system of its own on /app; a scratch on disk is a directory, or a file
	run -3 dyno run -q --keep --scratch disk --name run.2 "$dir" "$write"
	is_kept run.2
	dyno run --detach --keep --name run.3 "$SHAPES" "$write" >/dev/null
	run -3 dyno wait shapes/run.3
	wait_for 20 is_now_kept run.3
	is_kept run.3
	run -0 dyno rm --all
	supervise_quiet || fail "$(find "$BASE/run")"
	[ -z "$(find "$BASE/data/scratch" -mindepth 1 2>/dev/null)" ] || fail "$(find "$BASE/data/scratch")"
}

@test "--rm is the default, and what is killed keeps nothing (U13, U4)" {
	run -0 dyno run -q --rm --name run.1 "$SHAPES" 'echo x >made'
	[ "$(kept_of run.1)" = false ] || fail "kept"
	run -1 --separate-stderr dyno cp run.1:made -
	run -125 --separate-stderr dyno run --rm --keep "$SHAPES" true
	assert_error usage
	run -0 dyno run -q --keep --scratch disk --name run.2 "$SHAPES" 'echo x >made'
	holder=$(as_user cat "$BASE"/run/shapes/run.2/state.json | jq .monitor_pid)
	kill -KILL "$holder"
	gone 20 "$holder"
	run -1 --separate-stderr dyno cp run.2:made -
	[ "$(dyno ps --json --all | jq '[.[] | select(.name == "run.2")] | length')" = 1 ] || fail "told twice"
	run -0 dyno gc
	[ -z "$(find "$BASE/data/scratch" -mindepth 1 2>/dev/null)" ] || fail "$(find "$BASE/data/scratch")"
}

# What made- files the diff of job.1 has.
made() { dyno diff job.1 | grep -o '/app/made-[a-z]*' | sort | xargs; }

# holds_as_many N: descriptors of the monitor of job.1, which hold what was written
holds_as_many() { [ "$(as_user ls "/proc/$(monitor_of job.1)/fd" | wc -l)" = "$1" ]; }

@test "--keep of a process type keeps what its last start wrote, not what a restart replaced (U13)" {
	local dir
	dir=$(app -t 'job: echo x >made-$(tr -dc a-z </dev/urandom | head -c 8); echo ready; trap : TERM; sleep 1000' last)
	dyno run --detach --keep --scratch disk --grace 30s "$dir" job >/dev/null
	became 20 job.1 up
	wait_for 20 wrote job.1 /app/made-
	first=$(made)
	fds=$(as_user ls "/proc/$(monitor_of job.1)/fd" | wc -l)
	dyno restart job.1 >/dev/null
	wait_for 20 at_least job.1 restarts 1
	became 20 job.1 up
	wait_for 20 wrote job.1 /app/made-
	wait_for 20 holds_as_many "$fds" # the first one's are gone
	second=$(made)
	[ "$second" != "$first" ] || fail "$first after the restart as well"
	run -0 dyno stop --now job.1
	[ "$output" = job.1 ] || lib_seen "the name"
	wait_for 20 is_now_kept job.1
	[ "$(made)" = "$second" ] || fail "$(made), not $second"
	# to all but diff, cp and rm it has ended
	run -0 dyno stop job.1
	run -1 --separate-stderr dyno restart job.1
	assert_error dyno.not-found
	run -125 --separate-stderr dyno run --detach --name job.1 "$dir" job
	assert_error name.taken
	run -125 --separate-stderr dyno start --detach "$dir"
	assert_error name.taken
	run -0 dyno rm job.1
	supervise_quiet || fail "$(find "$BASE/run")"
	[ -z "$(find "$BASE/data/scratch" -mindepth 1 2>/dev/null)" ] || fail "$(find "$BASE/data/scratch")"
}

@test "stop and wait hear the end of one whose files stay, detached or not (U13, C7.7)" {
	local name waiter how
	for how in run.1 'run.2 --now'; do
		name=${how% *}
		begin -q --keep --name "$name" "$SHAPES" 'echo ready; sleep 1000'
		says 20 ready
		(exec 3>&- && exec "${user[@]}" "$DYNO" wait "shapes/$name" >/dev/null) &
		waiter=$!
		# one that comes after the end is told that nothing lives there
		listens() { find "/proc/$waiter/fd" -lname 'socket:*' | grep -q .; }
		wait_for 20 listens
		# shellcheck disable=SC2086 # with its option
		run -0 dyno stop $how
		ended=0
		wait "$waiter" || ended=$?
		finish "$ended"
		[ "$ended" -gt 128 ] || fail "status $ended"
		wait_for 20 is_now_kept "$name"
	done
	for how in run.3 'run.4 --now'; do
		name=${how% *}
		dyno run --detach --keep --name "$name" "$SHAPES" sleep 1000 >/dev/null
		# shellcheck disable=SC2086
		run -0 dyno stop $how
		wait_for 20 is_now_kept "$name"
		run -0 dyno stop "$name"
	done
	run -0 dyno rm --all
	supervise_quiet || fail "$(find "$BASE/run")"
}

# ---- attach ---------------------------------------------------------------------------------------

# on_terminals: Python on standard input, with Terminal of helpers/terminal.py and attach(...)
on_terminals() {
	{
		cat <<-'EOF'
			import os, subprocess, sys, time
			from terminal import *
			DYNO = os.environ["TEST_USER"].split() + [os.environ["DYNO"]]
			def attach(*args, **how): return Terminal([*DYNO, "attach", *args], **how)
			def dyno(*args): return subprocess.run([*DYNO, *args], capture_output=True, text=True)
		EOF
		cat
	} >"$BATS_TEST_TMPDIR/script.py"
	TEST_USER="${user[*]}" SHAPES=$SHAPES PYTHONPATH=$TOP/tests/helpers PYTHONDONTWRITEBYTECODE=1 \
		python3 "$BATS_TEST_TMPDIR/script.py" 3>&-
}

@test "attach: a terminal that a client can leave and come back to, at the same place (U33, C8.3)" {
	dyno run --detach --tty --name run.1 "$SHAPES" \
		'echo ready; while read -r word; do echo "got $word"; stty size; [ "$word" != end ] || exit 5; done' >/dev/null
	on_terminals <<-'EOF'
		t = attach("run.1", rows=31, columns=97)
		t.expect("ready")
		t.type("one\r")
		t.expect("got one\r\n31 97")
		t.resize(40, 120)
		look = attach("--read-only", "run.1")
		look.expect("ready.*got one")  # what there was
		second = dyno("attach", "run.1")
		assert second.returncode == 125 and "[dyno.attached]" in second.stderr, second
		t.type("two\r")
		t.expect("got two\r\n40 120")
		look.expect("got two")
		look.type("three\r")  # goes nowhere
		t.type("\x10\x11")
		assert t.wait() == 0, t.seen
		t.restored()
		t = attach("--detach-keys", "ctrl-a,d", "run.1")
		t.expect("got two")
		t.type("\x01d")
		assert t.wait() == 0
		t = attach("run.1")
		t.type("end\r")
		t.expect("got end")
		assert t.wait() == 5, t.seen
		assert look.wait() == 5, look.seen
		assert b"three" not in t.seen
		t.restored()
	EOF
	# a terminal stands in no log, and nobody was lost
	log_of run.1 >"$BATS_TEST_TMPDIR/log"
	! grep -qE '^app|Client connection' "$BATS_TEST_TMPDIR/log" || fail "$(cat "$BATS_TEST_TMPDIR/log")"
}

@test "T58 a client of attach that is cut off: SIGHUP and R16, unless one comes back (C7.6, C8.7)" {
	local words='trap "echo hup" HUP; echo ready; while :; do read -r -t 1 word && echo "got $word"; done'
	dyno run --detach --tty --hangup 1h --name run.1 "$SHAPES" "$words" >/dev/null
	on_terminals <<-'EOF'
		import signal
		t = attach("run.1")
		t.expect("ready")
		os.kill(t.pid, signal.SIGKILL)
		t.wait()
		until = time.monotonic() + LIMIT
		while "Client connection closed" not in dyno("logs", "run.1").stdout:  # what served it ends after it
		    assert time.monotonic() < until, dyno("logs", "run.1")
		t = attach("run.1")
		t.expect("hup")
		t.type("back\r")
		t.expect("got back")
		t.type("\x10\x11")
		assert t.wait() == 0
	EOF
	! log_of run.1 | grep -q R16 || fail "R16 in spite of the new client"
	dyno run --detach --tty --hangup 100ms --name run.3 "$SHAPES" "$words" >/dev/null
	on_terminals <<-'EOF'
		import signal
		t = attach("run.3")
		t.expect("ready")
		os.kill(t.pid, signal.SIGKILL)
		t.wait()
	EOF
	wait_for 20 log_has run.3 R16
	is run.3 up || fail "it is kept by default"
	dyno stop --now run.1 run.3 >/dev/null
	dyno run --detach --interactive --idle-timeout 200ms --hangup 100ms --name run.2 "$SHAPES" \
		'trap "echo idle; exit 9" HUP; sleep 1000 & wait' >/dev/null
	mkfifo "$BATS_TEST_TMPDIR/silence"
	exec {silence}<>"$BATS_TEST_TMPDIR/silence"
	run -9 dyno attach run.2 <"$BATS_TEST_TMPDIR/silence"
	exec {silence}>&-
	log_has run.2 'app.run.2.: idle' || fail "$(log_of run.2)"
}

@test "one that awaits its client begins when he comes, and never if he does not (C8.7, C8.8)" {
	dyno run --detach --tty --await-client --name run.1 "$SHAPES" \
		'stty size; read -r word; echo "got $word"; exit 5' >/dev/null
	dyno run --detach --interactive --await-client --attach-timeout 200ms --name run.2 "$SHAPES" 'echo ran' >/dev/null
	dyno run --detach --await-client --name run.3 "$SHAPES" 'echo ran' >/dev/null
	is run.1 starting || fail "$(dyno ps --json)"
	run -0 dyno inspect run.1
	run -125 --separate-stderr dyno exec run.1 true
	assert_error dyno.not-found
	on_terminals <<-'EOF'
		look = attach("--read-only", "run.1")
		t = attach("run.1", rows=31, columns=97)
		t.type("early\r")
		t.expect("31 97\r\n.*got early")
		assert t.wait() == 5, t.seen
		look.expect("got early")
		assert look.wait() == 5, look.seen
		t.restored()
	EOF
	platform_of run.1 | diff - <(cat <<-'END'
		Awaiting client
		Starting process with command `stty size; read -r word; echo "got $word"; exit 5`
		State changed from starting to up
		Process exited with status 5
		State changed from up to complete
	END
	) || fail "$(log_of run.1)"
	run -125 dyno wait run.2
	platform_of run.2 | diff - <(cat <<-'END'
		Awaiting client
		Error R13 (Attach error) -> Failed to attach to process
		State changed from starting to crashed
	END
	) || fail "$(log_of run.2)"
	[ "$(fact run.2 state) $(fact run.2 reason)" = 'failed attach' ] || fail "$(dyno ps --all --json)"
	dyno stop run.3 >/dev/null
	run -125 dyno wait run.3
	! log_has run.3 Starting || fail "$(log_of run.3)"
	run -125 --separate-stderr dyno run --await-client "$SHAPES" true
	assert_error usage
	run -125 --separate-stderr dyno run --detach --await-client "$(app -t 'worker: sleep 1000' plain)" worker
	assert_error usage
}

@test "a one-off whose terminal is idle both ways has lost its client (C8.7, C7.6)" {
	on_terminals <<-'EOF'
		t = Terminal([*DYNO, "run", "--idle-timeout", "300ms", os.environ["SHAPES"], "sleep 1000"])
		t.expect("Client connection closed. Sending SIGHUP")
		assert t.wait() == 129, t.seen
		t.restored()
	EOF
}

@test "attach without a terminal: output apart, input to its end, the status (C0.4, T57)" {
	dyno run --detach --interactive --name run.1 "$SHAPES" \
		'echo ready; echo apart >&2; n=$(wc -c); echo "$n bytes"; exit 6' >/dev/null
	wait_for 20 log_has run.1 apart
	head -c 1000000 /dev/zero | tr '\0' x >"$BASE/in"
	run -6 --separate-stderr dyno attach run.1 <"$BASE/in"
	[ "$output" = $'ready\n1000000 bytes' ] && [ "$stderr" = apart ] || lib_seen "streams"
	rm "$BASE/in"
	run -125 --separate-stderr dyno attach run.1
	assert_error dyno.not-found
	# without --interactive there is no input, and who looks on holds nobody up
	dyno run --detach --name run.2 "$SHAPES" 'cat; seq 100000; sleep 1000' >/dev/null
	(exec 3>&- && exec "${user[@]}" "$DYNO" attach run.2 >"$BASE/out" </dev/null) &
	pid=$!
	wait_for 20 log_has run.2 100000
	wait_for 20 grep -q '^100000$' "$BASE/out"
	dyno stop --now run.2 >/dev/null
	out=/dev/null err=/dev/null finish 137
	rm "$BASE/out"
	dyno start --detach "$(app -t 'worker: sleep 1000' plain)" >/dev/null
	run -125 --separate-stderr dyno attach worker.1
	assert_error usage
	run -125 --separate-stderr dyno attach --detach-keys ctrl- run.1
	assert_error usage
	run -125 --separate-stderr dyno run --interactive "$SHAPES" true
	assert_error usage
}

log_has() { log_of "$1" | grep -q "$2"; }
