#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A launch that fails, or whose launcher is killed, at each of its named steps: the message names
# the step, and nothing is left.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

setup() {
	lib_setup
	dynos_setup
	need "this dyno has no fault points (make FAULT=1)" faulty
}

faulty() { ! DYNO_FAULT=nonsense "$DYNO" run "$SHAPES" -- true; }

# The rows of both tables, from the sources: what `dyno` itself names could be too few.
steps() {
	sed -nE 's/^\t\{"([a-z-]+)", [a-z_]+, [A-Za-z_]+\},?$/\1/p' \
		"$TOP/runtime/engine/launch.c" "$TOP/runtime/engine/child.c"
}

# no_process SECONDS: nothing of a dyno runs any more, or not for longer than that
no_process() {
	local until=$((${EPOCHREALTIME/./} + $1 * 1000000)) left=$BATS_TEST_TMPDIR/left
	for (( ; ; )); do
		"$TOP/tests/helpers/residue" compare "$BATS_TEST_TMPDIR/before" 0 >"$left" || :
		grep '^left behind: \(process\|namespace\)' "$left" >"$left.alive" || return 0
		[ "${EPOCHREALTIME/./}" -lt "$until" ] || fail "after $1 s: $(cat "$left.alive")"
		sleep 0.02
	done
}

spotless() { "$TOP/tests/helpers/residue" compare "$BATS_TEST_TMPDIR/before" 20; }

collect() {
	run -0 dyno gc
	run -0 --separate-stderr dyno gc -q
	[ -z "$output" ] || lib_seen "a second gc found something"
}

@test "the tables of the launch have their steps, and --timing shows each of them" {
	[ "$(steps | wc -l)" -ge 35 ]
	[ "$(steps | sort | uniq -d)" = '' ]
	run -0 --separate-stderr dyno run -q --json --timing "$SHAPES" -- true
	phases=$(jq -r '.outcome.timing[].phase' <<<"${stderr_lines[-1]}")
	for step in $(steps); do
		# the last one is over when there is nobody left to note it
		[ "$step" = exec ] || grep -qx -- "$step" <<<"$phases" || fail "no phase $step in: $phases"
	done
}

@test "a wrong fault is refused" {
	for wrong in nonsense no-such-step:5 clone:0 clone:x clone: :5; do
		DYNO_FAULT=$wrong run -125 dyno run "$SHAPES" -- true
		assert_error usage
	done
}

@test "a fault of every step names it, exits with 125 and leaves nothing (T41, T45)" {
	for num in 12 28; do # ENOMEM, ENOSPC
		for step in $(steps); do
			DYNO_FAULT=$step:$num run --separate-stderr dyno run "$SHAPES" -- true
			[ "$status" -eq 125 ] || fail "$step:$num: status $status, $stderr"
			[[ $stderr == *"launch step $step: "*"injected fault"* ]] || fail "$step:$num: $stderr"
			[[ $stderr == *'State changed from starting to crashed'* ]] || fail "$step:$num: $stderr"
			[[ -z $output ]] || fail "$step:$num: the command ran"
			[ -z "$(ls "$BASE/run/shapes" 2>/dev/null)" ] || fail "$step:$num: $(ls "$BASE"/run/*/*)"
		done
		spotless
	done
	run -0 dyno run -q "$SHAPES" -- true
}

@test "the same with a directory, a scratch on disk and a network of its own (T41, T45)" {
	dir=$(app -t 'web: sleep 1000' faulty)
	for step in $(steps); do
		DYNO_FAULT=$step:5 run --separate-stderr dyno run --scratch disk --network none "$dir"
		[ "$status" -eq 125 ] || fail "$step: status $status, $stderr"
		[[ $stderr == *"launch step $step: "* ]] || fail "$step: $stderr"
	done
	spotless
}

@test "a launcher killed at every step leaves no process, and gc the rest (T41)" {
	for step in $(steps); do
		DYNO_FAULT=$step:kill begin "$SHAPES" 'sleep 98761'
		finish
		[ "$status" -eq 137 ] || fail "$step: status $status, $stderr"
		no_process 20
		collect
		spotless || fail "after gc: $step"
	done
	run -0 dyno run -q "$SHAPES" -- true
}

@test "the same with a scratch on disk and a network of its own (T41)" {
	dir=$(app -t 'web: sleep 98761' killed)
	for step in $(steps); do
		DYNO_FAULT=$step:kill begin --scratch disk --network none "$dir"
		finish
		[ "$status" -eq 137 ] || fail "$step: status $status, $stderr"
		no_process 20
	done
	collect
	spotless
}

@test "without gc the next start of that name takes over what a killed launcher left (T41)" {
	for scratch in tmpfs disk; do
		for step in overlay pivot exec; do
			DYNO_FAULT=$step:kill begin --scratch "$scratch" --name web.1 "$SHAPES" 'sleep 98761'
			finish 137
		done
		run -0 dyno run -q --scratch "$scratch" --name web.1 "$SHAPES" 'ls /tmp; echo "$DYNO"'
		[ "$output" = web.1 ]
		spotless
	done
}

@test "a launcher killed while its dyno runs takes all of it along (T41, T28)" {
	for scratch in tmpfs disk; do
		begin --scratch "$scratch" "$SHAPES" '
			trap "" TERM HUP INT
			setsid bash -c "trap \"\" TERM HUP; sleep 98762 & echo one; wait" &
			(sleep 98762 &)
			echo two; sleep 98762; sleep 98762'
		says 10 one
		says 10 two
		mapfile -t living < <(inhabitants "$(pid1)")
		[ "${#living[@]}" -ge 5 ]
		kill -KILL "$pid"
		finish 137
		wait_for 1 deserted "${living[@]}"
		no_process 20
	done
	collect
	spotless
}

@test "a launcher killed at a random moment leaves nothing that gc does not find (T41)" {
	for ((round = 0; round < $(loops 2000); round++)); do
		begin --scratch disk "$SHAPES" 'true'
		sleep "0.0$((RANDOM % 5))$((RANDOM % 10))"
		kill -KILL "$pid" 2>/dev/null || :
		finish
		[[ $status == 137 || $status == 0 ]] || fail "status $status: $stderr"
	done
	no_process 20
	collect
	spotless
}

@test "gc leaves a living dyno alone (T54)" {
	begin --scratch disk:none "$SHAPES" 'echo ready; sleep 1000; echo never'
	says 10 ready
	collect
	[ -d "/proc/$pid" ]
	[ -n "$(ls "$BASE/data/scratch")" ]
	[ -n "$(inhabitants "$(pid1)")" ]
	kill "$pid"
	finish 143
}
