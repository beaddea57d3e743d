#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# dyno exec: a command in a dyno that runs.  What confines it is held by 64-join.bats.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

# begin_job [OPTION...] COMMAND: it has said "ready"
begin_job() {
	begin --name job.1 "${@:1:$#-1}" "$SHAPES" "${*: -1}"
	says 30 ready
}

end_job() {
	kill "$pid"
	finish "${1:-143}"
}

# in_background FILE ARG...: dyno exec, whose process is $client
in_background() {
	(exec 3>&- && exec "${user[@]}" "$DYNO" exec "${@:2}" >"$1" 2>&1) &
	client=$!
}

@test "exec gives the command's own status, and its words as run does" {
	begin_job --env FRUIT=pear 'echo ready; sleep 1000'
	run -7 dyno exec job.1 'exit 7'
	run -143 dyno exec shapes/job.1 'kill $$'
	run -0 dyno exec -a shapes job.1 'echo $FRUIT; shopt -q login_shell && echo login'
	[ "$output" = $'pear\nlogin' ] || lib_seen "one word is a line for the shell"
	run -0 dyno exec job.1 printf '%s|' 'a  b' '$FRUIT'
	[ "$output" = 'a  b|$FRUIT|' ] || lib_seen "several arrive as they are"
	run -0 dyno exec job.1 -- printenv FRUIT
	[ "$output" = pear ] || lib_seen "no shell"
	run -0 dyno exec -e FRUIT=fig -e 'NEW=a b' job.1 'echo "$FRUIT $NEW"'
	[ "$output" = 'fig a b' ] || lib_seen "variables of its own"
	run -0 dyno exec job.1 <<<'echo $((6 * 7))'
	[ "$output" = 42 ] || lib_seen "no command: bash"
	end_job
}

@test "exec runs the profile scripts; the script of ps:exec sees for whom it is (C8.12)" {
	local dir
	dir=$(app -t 'worker: echo ready; sleep 1000' tunnel)
	put "$dir/.profile.d/heroku-exec.sh" <<'END'
if [ -n "$HEROKU_EXEC_URL" ] && [ -z "$SSH_CLIENT" ] && ! [[ $DYNO =~ ^(run\..*|release\..*) ]]; then
	echo "tunnel of $DYNO as $(id -un)"
fi
END
	begin --name worker.7 -e HEROKU_EXEC_URL=http://exec.example "$dir" worker
	says 30 ready
	grep -qx 'tunnel of worker.7 as u[0-9]*' "$out" || fail "$(cat "$out")"
	run -0 dyno exec -e SSH_CLIENT=1 worker.7 'echo "$DYNO"'
	[ "$output" = worker.7 ] || lib_seen "a session of its own makes none"
	run -0 dyno exec worker.7 true
	[[ $output == 'tunnel of worker.7 as '* ]] || lib_seen "profile scripts"
	run -0 dyno run -q -e HEROKU_EXEC_URL=http://exec.example "$dir" 'echo one-off'
	[ "$output" = one-off ] || lib_seen "none in a one-off"
	end_job
}

@test "exec refuses what it cannot do, each with its class and status" {
	begin_job 'trap "" TERM; echo ready; while :; do sleep 1; done'
	run -127 --separate-stderr dyno exec job.1 -- no-such-command
	assert_error exec.not-found
	run -127 dyno exec job.1 no-such-command
	run -126 --separate-stderr dyno exec job.1 -- /etc/passwd
	assert_error exec.not-executable
	run -125 --separate-stderr dyno exec none.1 true
	assert_error dyno.not-found
	run -125 --separate-stderr dyno exec -e '1=2' job.1 true
	assert_error env.key
	run -125 --separate-stderr dyno exec job.1 --
	assert_error usage
	long=$(head -c 70000 /dev/zero | tr '\0' x)
	run -125 --separate-stderr dyno exec job.1 echo "$long" "$long"
	assert_error usage
	run -125 dyno exec
	kill "$pid"
	wait_for 20 grep -q 'SIGTERM' "$err"
	run -125 --separate-stderr dyno exec job.1 true
	assert_error dyno.not-found
	[[ $stderr == *'it is stopping'* ]] || lib_seen "no word of the state"
	kill "$pid"
	finish 137
	run -125 --separate-stderr dyno exec job.1 true
	assert_error dyno.not-found
}

@test "exec hands on the streams: end of input, both outputs apart, every byte (T57)" {
	local size=$((100 * 1024 * 1024))
	begin_job 'echo ready; sleep 1000'
	run -0 --separate-stderr dyno exec job.1 'cat; echo done >&2' <<<'from here'
	[ "$output" = 'from here' ] && [ "$stderr" = 'done' ] || lib_seen "streams"
	run -0 --separate-stderr dyno exec job.1 -- cat </dev/null
	[ -z "$output$stderr" ] || lib_seen "no input"
	want=$(head -c "$size" /dev/urandom | tee "$BASE/data.in" | sha256sum)
	got=$(dyno exec job.1 -- cat <"$BASE/data.in" | sha256sum)
	[ "$got" = "$want" ] || fail "a file in, a pipe out: $got"
	got=$(head -c "$size" "$BASE/data.in" | dyno exec job.1 -- cat | cat | sha256sum)
	[ "$got" = "$want" ] || fail "pipes: $got"
	rm "$BASE/data.in"
	for ((n = 0; n < $(loops 5000); n++)); do
		[ "$(dyno exec job.1 -- echo "hi $n")" = "hi $n" ] || fail "round $n"
	done
	end_job
}

@test "exec passes signals on to the command and its children (C7.1)" {
	begin_job 'echo ready; sleep 1000'
	for sig in INT TERM HUP USR1; do
		in_background "$BATS_TEST_TMPDIR/$sig" job.1 -- bash -c \
			"trap 'echo got $sig; exit 9' $sig; echo here; sleep 1000 & wait"
		wait_for 20 grep -q here "$BATS_TEST_TMPDIR/$sig"
		kill -s "$sig" "$client"
		status=0
		wait "$client" || status=$?
		assert_status 9
		grep -q "got $sig" "$BATS_TEST_TMPDIR/$sig" || fail "$sig: $(cat "$BATS_TEST_TMPDIR/$sig")"
	done
	end_job
}

@test "a stop with commands of exec in the dyno ends in time, one client stopped (C7.1, T28)" {
	begin_job 'trap "exit 0" TERM; echo ready; sleep 1000 & wait'
	in_background "$BATS_TEST_TMPDIR/one" job.1 'trap "" TERM; echo one; sleep 1000'
	local first=$client
	in_background "$BATS_TEST_TMPDIR/two" job.1 'echo two; exec sleep 1000'
	wait_for 20 grep -q one "$BATS_TEST_TMPDIR/one"
	wait_for 20 grep -q two "$BATS_TEST_TMPDIR/two"
	kill -STOP "$client"
	end_job 0
	kill -CONT "$client"
	status=0
	wait "$first" || status=$?
	assert_status 137
	status=0
	wait "$client" || status=$?
	[[ $status == 143 || $status == 137 ]] || lib_seen "the one that was stopped"
}
