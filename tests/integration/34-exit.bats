#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How a run ends: statuses, signals, the order and the words of the platform's lines.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

# after SECONDS BEGAN: no more than that have passed since $EPOCHREALTIME was BEGAN
within() { [ $((${EPOCHREALTIME/./} - ${2/./})) -lt $(($1 * 1000000)) ] || fail "took too long"; }

@test "every exit status is the caller's (U1, C7.4)" {
	statuses=(0 1 2 42 124 125 126 127 128 130 137 143 200 254 255)
	[ "${DYNO_LONG:-0}" != 1 ] || mapfile -t statuses < <(seq 0 255)
	for code in "${statuses[@]}"; do
		run "-$code" dyno run -q "$SHAPES" exit "$code"
		run "-$code" dyno run -q "$SHAPES" -- bash -c "exit $code"
	done
}

@test "death by a signal is 128 and its number, and no core is left (U1, C7.4)" {
	for name in HUP INT QUIT ILL ABRT FPE KILL SEGV PIPE ALRM TERM USR1 USR2 RTMIN; do
		number=$(kill -l "$name")
		begin "$SHAPES" -- sh -c "kill -$number \$\$; sleep 10"
		finish $((128 + number))
		grep -q "Process exited with status $((128 + number))\$" "$err" || lib_seen "no line for $name"
	done
}

@test "the lines of a type: starting, up, exit, crashed, also with status 0 (C1.13, C6.1, C6.2, C6.10)" {
	for code in 0 3; do
		begin --log-source shop "$SHAPES" fork 2
		finish 0
		assert_platform <<<'shop\[run.[0-9][0-9][0-9][0-9]\]: Starting process with command `./shapes fork 2`
shop\[run.[0-9][0-9][0-9][0-9]\]: State changed from starting to up
shop\[run.[0-9][0-9][0-9][0-9]\]: Process exited with status 0
shop\[run.[0-9][0-9][0-9][0-9]\]: State changed from up to complete'
		begin "$(app -t "job: exit $code" lines)" job
		finish "$code"
		assert_platform <<EOF2
heroku[job.1]: Starting process with command \`exit $code\`
heroku[job.1]: State changed from starting to up
heroku[job.1]: Process exited with status $code
heroku[job.1]: State changed from up to crashed
EOF2
	done
}

@test "SIGTERM to the launcher goes to every process, and the status is the command's (C7.1, C7.3, C7.4)" {
	begin "$SHAPES" '
		(trap "echo child; exit" TERM; echo ready; while :; do sleep 0.1; done) &
		setsid bash -c "trap \"echo session; exit\" TERM; echo ready; while :; do sleep 0.1; done" &
		trap "wait; echo main; exit 7" TERM
		echo ready; while :; do sleep 0.1; done'
	wait_for 10 bash -c '[ "$(grep -c ready "$0")" = 3 ]' "$out"
	began=$EPOCHREALTIME
	kill "$pid"
	finish 7
	within 25 "$began"
	for word in child session main; do assert_line "$word"; done
	assert_platform <<'EOF2'
heroku\[run.*\]: Starting process with command `*
heroku\[run.*\]: State changed from starting to up
heroku\[run.*\]: Stopping all processes with SIGTERM
heroku\[run.*\]: Process exited with status 7
heroku\[run.*\]: State changed from up to complete
EOF2
	begin "$(app -t 'worker: sleep 1000' term)" worker
	up
	kill "$pid"
	finish 143
	assert_platform <<'EOF2'
heroku[worker.1]: Starting process with command `sleep 1000`
heroku[worker.1]: State changed from starting to up
heroku[worker.1]: Stopping all processes with SIGTERM
heroku[worker.1]: Process exited with status 143
heroku[worker.1]: State changed from up to down
EOF2
}

@test "who ignores SIGTERM gets R12 and SIGKILL after the grace, in these words (C7.2, C7.3, R12, T28)" {
	begin --grace 1s "$SHAPES" ignore-term
	says 10 ignoring
	began=$EPOCHREALTIME
	kill "$pid"
	finish 137
	within 25 "$began"
	[ $((${EPOCHREALTIME/./} - ${began/./})) -ge 950000 ] || fail "too early"
	assert_platform <<'EOF2'
heroku[ignore-term.1]: Starting process with command `./shapes ignore-term`
heroku[ignore-term.1]: State changed from starting to up
heroku[ignore-term.1]: Stopping all processes with SIGTERM
heroku[ignore-term.1]: Error R12 (Exit timeout) -> At least one process failed to exit within 1 seconds of SIGTERM
heroku[ignore-term.1]: Stopping remaining processes with SIGKILL
heroku[ignore-term.1]: Process exited with status 137
heroku[ignore-term.1]: State changed from up to down
EOF2
}

@test "a stopped process does not hold up the end (T28)" {
	begin --grace 1s "$SHAPES" stop-self
	says 10 stopping
	kill "$pid"
	finish
	[[ $status == 137 || $status == 143 ]] || lib_seen status
}

@test "a second SIGTERM does not wait for the grace (C7.2)" {
	begin --grace 60s "$SHAPES" ignore-term
	says 10 ignoring
	kill "$pid"
	wait_for 5 grep -q 'with SIGTERM' "$err"
	began=$EPOCHREALTIME
	kill "$pid"
	finish 137
	within 25 "$began"
}

@test "what is written in the grace period arrives (C7.9)" {
	begin "$SHAPES" 'trap "sleep 0.3; echo last words; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
	says 10 ready
	kill "$pid"
	finish 0
	assert_line 'last words'
}

@test "INT, QUIT, HUP, USR1, USR2 and WINCH reach the command, and do not end the launcher (U2, C0.4)" {
	for name in INT QUIT HUP USR1 USR2 WINCH; do
		begin "$SHAPES" -- bash -c "trap 'echo got $name; exit 9' $name; echo ready; while :; do sleep 0.05; done"
		says 10 ready
		kill "-$name" "$pid"
		finish 9
		assert_line "got $name"
	done
	# one that the command ignores changes nothing
	begin "$SHAPES" -- bash -c 'trap "" INT HUP; trap "exit 5" USR1; echo ready; while :; do sleep 0.05; done'
	says 10 ready
	kill -INT "$pid"
	kill -HUP "$pid"
	sleep 0.3
	[ -d "/proc/$pid" ]
	kill -USR1 "$pid"
	finish 5
}

@test "SIGKILL to the launcher ends every process within a second; gc finds the rest once (T41)" {
	begin "$(app -t 'worker: sleep 98763 & setsid sleep 98763 & sleep 98763; true' kill9)" worker
	up
	wait_for 5 bash -c '[ "$(pgrep -cf "^sleep 98763")" = 3 ]'
	mapfile -t living < <(inhabitants "$(pid1)")
	[ "${#living[@]}" -eq 5 ]
	kill -KILL "$pid"
	finish 137
	wait_for 1 deserted "${living[@]}"
	run -0 dyno gc
	assert_line 'kill9/worker.1'
	run -0 dyno gc
	[ -z "$output" ] || lib_seen 'a second gc found something'
}

@test "standard streams pass through: bytes, order, both kinds, and standard input (C0.4, T57)" {
	run -0 --separate-stderr dyno run -q "$SHAPES" both
	[ "$output" = 'to stdout' ]
	[ "$stderr" = 'to stderr' ]
	run -0 --separate-stderr dyno run -q "$SHAPES" no-newline
	[ "$(dyno run -q "$SHAPES" no-newline | od -An -c | tr -d ' \n')" = 'one\ntwo' ]
	head -c 3000000 /dev/urandom >"$BASE/random"
	[ "$(dyno run -q "$SHAPES" -- cat <"$BASE/random" | sha256sum)" = "$(sha256sum <"$BASE/random")" ]
	run -0 --separate-stderr dyno run -q "$SHAPES" lines 20000 100
	[ "$(wc -l <<<"$output")" -eq 20000 ]
	[ "$(sort -u <<<"$output" | wc -c)" -eq 101 ]
}

@test "every byte and every status of many one-offs (T57)" {
	for ((round = 0; round < $(loops 1000); round++)); do
		code=$((RANDOM % 256))
		run --separate-stderr dyno run -q "$SHAPES" "printf 'hi $round'; exit $code"
		[[ $status == "$code" && $output == "hi $round" ]] || lib_seen "round $round"
	done
}

@test "errors exit with 125 where the command never ran (U25)" {
	run -125 dyno run -q --stack no-such-stack "$SHAPES" true
	assert_error stack.unusable
	[ "$PROFILE" = rootless ] || run -125 dyno run -q --uid-range 1:2 "$SHAPES" true
	run -125 dyno run -q --scratch disk:1M:10000 "$SHAPES" true
	assert_error launch.scratch
	run -125 dyno run -q --data-dir /proc/nowhere "$SHAPES" true
	run -125 dyno run -q --run-dir /proc/nowhere "$SHAPES" true
}

@test "the release type is a one-off: it completes (C4.5, C8.10)" {
	as_user mkdir -p "$BASE/rel"
	printf 'web: true\nrelease: exit 0\n' | as_user tee "$BASE/rel/Procfile" >/dev/null
	run --separate-stderr dyno run "$BASE/rel" release
	assert_status 0
	[[ $stderr == *'heroku[release.1]: State changed from up to complete'* ]]
	as_user rm -r "$BASE/rel"
}

@test "without root a range of ids is refused, not passed over" {
	[ "$PROFILE" = rootless ] || skip "only without root"
	run -125 dyno run --uid-range 2000683008:65536 "$(slug shapes)" -- true
	assert_error usage
}
