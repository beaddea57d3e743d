#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One more process in a dyno that runs: it is what a process of the dyno is, ends with it, and
# neither it nor the tenants about it can make the monitor wait.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

faulty() { ! DYNO_FAULT=nonsense "$DYNO" run "$SHAPES" -- true; }

# join WORD...: in the dyno begun last
join() { dyno exec shapes/job.1 -- "$@"; }
join_shell() { dyno exec shapes/job.1 "$@"; }

# begin_job [OPTION...] COMMAND: it has said "ready"
begin_job() {
	begin --name job.1 "${@:1:$#-1}" "$SHAPES" "${*: -1}"
	says 30 ready
}

end_job() {
	kill "$pid"
	finish "${1:-143}"
}

crowded() { [ "$(inhabitants "$(pid1)" | wc -l)" -ge "$1" ]; }

# The rows of the three tables, from the sources.
steps() {
	sed -nE 's/^\t\{"((join|enter)-[a-z-]+)", [a-z_]+, [A-Za-z_]+\},?$/\1/p' \
		"$TOP/runtime/engine/join.c" "$TOP/runtime/engine/join_child.c"
}

@test "who joins is as confined as the main process (T31)" {
	begin_job 'facts() {
		grep -E "^(Uid|Gid|Groups|Cap.*|NoNewPrivs|Seccomp.*|Umask|SigIgn|SigBlk)" /proc/self/status
		for ns in /proc/self/ns/*; do readlink "$ns"; done
		cat /proc/self/{cgroup,limits,oom_score_adj,uid_map,gid_map,mountinfo,setgroups}
		readlink /proc/self/{root,cwd}
		ls /proc/self/fd | wc -l
	}
	declare -f facts >/app/facts
	(facts >/app/facts.main </dev/null)
	echo ready; sleep 1000'
	run -0 join bash -c '. /app/facts; facts </dev/null >/app/facts.joined; cat /app/facts.joined'
	assert_line 'NoNewPrivs:	1'
	run -0 join diff /app/facts.main /app/facts.joined
	end_job
}

@test "its status, its signal and what cannot be executed are told to the client" {
	begin_job 'echo ready; sleep 1000'
	run -7 join sh -c 'exit 7'
	run -143 join sh -c 'kill $$'
	run -127 join no-such-command
	assert_error exec.not-found
	assert_line 'execute no-such-command'
	run -126 join /etc/passwd
	assert_error exec.not-executable
	assert_line 'execute /etc/passwd'
	run -0 join true
	end_job
	! grep 'Warning: .*execute' "$err" || fail "the app's log has what was not its own"
}

@test "its streams are the client's, its words arrive as they were, its environment is the dyno's (C3.1)" {
	begin_job --env FRUIT=pear 'echo ready; sleep 1000'
	run -0 --separate-stderr join bash -c 'cat; echo "$1|$2" >&2' bash 'a  b' '$c' <<<'from here'
	[ "$output" = 'from here' ] || lib_seen "standard input"
	[ "$stderr" = 'a  b|$c' ] || lib_seen "words"
	run -0 join_shell 'echo "$FRUIT $DYNO $HOME $PWD"; shopt -q login_shell && echo login'
	[ "$output" = $'pear job.1 /app /app\nlogin' ] || lib_seen "environment"
	run -0 join sh -c 'ls /proc/self/fd'
	[ "$output" = $'0\n1\n2\n3' ] || lib_seen "more descriptors than that of the listing"
	end_job
}

@test "it sees the files and processes of the dyno, and they see it" {
	begin_job 'echo here >/tmp/file; echo ready; while [ ! -e /tmp/joined ]; do sleep 0.05; done
		tr "\0" " " <"/proc/$(cat /tmp/joined)/cmdline"; echo seen; sleep 1000'
	run -0 join cat /tmp/file
	[ "$output" = here ] || lib_seen "a file of the dyno"
	join sh -c 'echo $$ >/tmp/joined.new; mv /tmp/joined.new /tmp/joined; exec sleep 1000' 3>&- &
	client=$!
	says 10 seen
	[[ $(cat "$out") == *'sleep 1000 seen'* ]] || fail "the main process saw: $(cat "$out")"
	end_job
	wait "$client" || :
}

@test "a stop reaches it as any process of the dyno, and it does not outlive the dyno (C7.1, T28)" {
	begin_job 'trap "sleep 0.5; exit 0" TERM; echo ready; sleep 1000 & wait'
	join bash -c 'trap "echo told" TERM; echo joined; while :; do sleep 0.1; done' \
		>"$BATS_TEST_TMPDIR/joined" 3>&- &
	client=$!
	wait_for 10 grep -q joined "$BATS_TEST_TMPDIR/joined"
	mapfile -t living < <(inhabitants "$(pid1)")
	end_job 0
	status=0
	wait "$client" || status=$?
	assert_status 137
	grep -q told "$BATS_TEST_TMPDIR/joined" || fail "it got no SIGTERM"
	wait_for 1 deserted "${living[@]}"
}

@test "it ends with the monitor (T41)" {
	begin_job 'echo ready; sleep 1000'
	join bash -c 'trap "" TERM HUP INT; echo joined; sleep 1000' >"$BATS_TEST_TMPDIR/joined" 3>&- &
	client=$!
	wait_for 10 grep -q joined "$BATS_TEST_TMPDIR/joined"
	mapfile -t living < <(inhabitants "$(pid1)")
	[ "${#living[@]}" -ge 3 ] || fail "only ${living[*]}"
	kill -KILL "$pid"
	finish 137
	wait_for 1 deserted "${living[@]}"
	status=0
	wait "$client" || status=$?
	assert_status 125
	run -0 dyno gc
}

@test "a client that is killed or stopped keeps nobody from ending" {
	begin_job 'echo ready; sleep 1000'
	join sh -c 'echo one; sleep 1000' >"$BATS_TEST_TMPDIR/one" 3>&- &
	one=$!
	join sh -c 'echo two; sleep 1000' >"$BATS_TEST_TMPDIR/two" 3>&- &
	two=$!
	wait_for 10 grep -q one "$BATS_TEST_TMPDIR/one"
	wait_for 10 grep -q two "$BATS_TEST_TMPDIR/two"
	pkill -KILL -P "$one" -x dyno || kill -KILL "$one"
	pkill -STOP -P "$two" -x dyno || kill -STOP "$two"
	run -0 join pgrep -cx sleep
	[ "$output" = 3 ] || lib_seen "what has joined goes on"
	end_job
	pkill -CONT -P "$two" -x dyno || kill -CONT "$two"
	wait "$one" "$two" || :
}

@test "joins at a moment when the dyno ends have a definite answer (T54)" {
	for ((round = 0; round < $(loops 2000); round++)); do
		begin_job 'echo ready; sleep 1000'
		(sleep "0.0$((RANDOM % 4))" 3>&-; kill "$pid") &
		for ((n = 0; n < 20; n++)); do
			status=0
			join true 2>"$BATS_TEST_TMPDIR/told" || status=$?
			# SIGTERM to all, SIGKILL at the end, it is ending, it is gone
			[[ $status =~ ^(0|143|137|1|125)$ ]] || fail "status $status"
			[ "$status" = 0 ] || break
		done
		[ "$status" != 125 ] ||
			grep -qF '[dyno.not-found]' "$BATS_TEST_TMPDIR/told" ||
			fail "$(cat "$BATS_TEST_TMPDIR/told" "$err")"
		finish 143
	done
}

@test "tenants that stop whatever appears hold up nobody but the client (T28)" {
	begin_job 'echo ready; trap "exit 9" TERM; while :; do kill -STOP -1; done 2>/dev/null'
	clients=()
	for n in 1 2 3; do
		join sleep 1000 3>&- &
		clients+=($!)
	done
	# they are stopped, before or after their command; the monitor obeys all the same
	wait_for 10 crowded 5
	SECONDS=0
	kill "$pid"
	finish 9
	[ "$SECONDS" -lt 25 ] || fail "it took $SECONDS s"
	wait "${clients[@]}" || :
}

@test "tenants that kill whatever appears: the client is told (T28)" {
	begin_job 'echo ready; trap "exit 9" TERM; while :; do kill -KILL -1; done 2>/dev/null'
	for n in 1 2 3 4 5 6; do
		run join sh -c 'sleep 5'
		[[ $status == 137 || $status == 125 ]] || lib_seen "round $n"
	done
	end_job 9
}

@test "a fault at every step of a join is told with its name, and the dyno goes on (T45)" {
	need "this dyno has no fault points (make FAULT=1)" faulty
	[ "$(steps | wc -l)" -ge 30 ] || fail "only $(steps)"
	for step in $(steps); do
		DYNO_FAULT=$step:28 begin_job 'echo ready; sleep 1000'
		run join true
		assert_status 125
		[[ $output == *"launch step $step: injected fault"* ]] ||
			fail "$step: $output"
		[ -n "$(pgrep -P "$(pid1)")" ] || fail "$step: the main process is gone"
		end_job
	done
}

@test "a monitor killed at every step of a join leaves nobody (T41)" {
	need "this dyno has no fault points (make FAULT=1)" faulty
	for step in $(steps); do
		DYNO_FAULT=$step:kill begin_job 'echo ready; sleep 1000'
		mapfile -t living < <(inhabitants "$(pid1)")
		run join sleep 1000
		assert_status 125
		finish 137
		wait_for 1 deserted "${living[@]}"
		run -0 dyno gc
		"$TOP/tests/helpers/residue" compare "$BATS_TEST_TMPDIR/before" 1 || fail "$step"
	done
}
