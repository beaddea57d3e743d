#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Monitors, inits and apps that are killed: at every step of a launch, at random moments, under load.
load lib
load dynos
load supervise

teardown() {
	[ -z "${load:-}" ] || kill "$load" 2>/dev/null || :
	supervise_teardown
	lib_teardown
}

faulty() { ! DYNO_FAULT=nonsense "$DYNO" run "$SHAPES" -- true; }

# The rows of both tables, from the sources: what `dyno` itself names could be too few.
steps() {
	sed -nE 's/^\t\{"([a-z-]+)", [a-z_]+, [A-Za-z_]+\},?$/\1/p' \
		"$TOP/runtime/engine/launch.c" "$TOP/runtime/engine/child.c"
}

# Nobody of the app's is left; its processes carry a number that nothing else does.
no_process() { wait_for "$1" bash -c '! pgrep -f "sleep 98[7]63" >/dev/null'; }

records() { grep -c "$1" "$BASE/data/records/$2/exits" 2>/dev/null || :; }

@test "a monitor killed at every step of a launch: all gone within a second, one record (T41)" {
	need "this dyno has no fault points (make FAULT=1)" faulty
	dir=$(app -t 'worker: exec sleep 98763' step)
	n=0
	for step in $(steps); do
		n=$((n + 1))
		DYNO_FAULT=$step:kill run dyno start --detach -a "step$n" "$dir"
		[ "$status" -eq 125 ] || [ "$status" -eq 1 ] || lib_seen "$step: expected a failure"
		no_process 1
		run -0 dyno ps --json --all "step$n/"
		[ "$(jq -r '.[0].reason' <<<"$output")" = supervisor-lost ] || lib_seen "$step"
		[ "$(records supervisor-lost "step$n")" = 1 ] || fail "$step: not one record"
		[ -z "$(find "$BASE/run" -mindepth 2)" ] || fail "$step: a place stays"
	done
	[ "$n" -ge 30 ] || fail "only $n steps"
}

@test "a monitor killed at a random moment: nothing is left, one record each time (T41, U3)" {
	dir=$(app -t 'worker: (setsid sleep 98763 &) ; exec sleep 98763' chance)
	rounds=$(loops 10000)
	for ((each = 1; each <= rounds; each++)); do
		dyno start --detach --backoff off "$dir" >/dev/null
		monitor=$(monitor_of worker.1)
		if [ $((each % 3)) = 0 ]; then dyno restart --no-wait worker.1; fi
		if [ $((each % 7)) = 0 ]; then dyno stop --no-wait worker.1; fi
		sleep "0.0$((RANDOM % 60 + 10))"
		# the one that is stopping may be gone by now
		kill -KILL "$monitor" 2>/dev/null || :
		no_process 1
		run -0 dyno ps
		[ -z "$(find "$BASE/run" -mindepth 2)" ] || fail "a place stays"
		lost=$(records '"reason":"supervisor-lost"' chance)
		[ $((each % 7)) = 0 ] || [ "$(tail -1 "$BASE/data/records/chance/exits" | jq -r .reason)" = supervisor-lost ] ||
			fail "round $each: no record, $lost so far"
	done
}

# web is up: it answers a request
serves() { curl -fsS -m 5 -o /dev/null "http://$(fact "$1" address):$(fact "$1" port)/"; }

# An endless client: what it asks of a killed dyno fails, and is no concern.
client() {
	local end=$((SECONDS + 100)) at
	while [ "$SECONDS" -lt "$end" ]; do
		for at in $(dyno ps --json 3>&- | jq -r '.[] | select(.type == "web" and .port) | "\(.address):\(.port)"'); do
			curl -sS -m 2 -o /dev/null "http://$at/" 2>/dev/null 3>&- || :
		done
	done
}

@test "a formation under load: killed apps and inits are back, killed monitors are told and replaced (U3, T41)" {
	need "python3, for the guestbook" command -v python3
	rounds=$(loops 800)
	slug=$(slug guestbook)
	dyno start --detach --backoff off -a gb "$slug" web=2 clock=1
	for each in web.1 web.2 clock.1; do became 30 "$each" up; done
	client &
	load=$!
	names=(web.1 web.2 clock.1)
	for ((i = 0; i < rounds; i++)); do
		name=${names[i % 3]}
		before=$(fact "$name" restarts)
		if [ $((i % 2)) = 0 ]; then kill -KILL "$(pid_of "$name")"; else kill -KILL "$(init_of "$name")"; fi
		wait_for 30 at_least "gb/$name" restarts $((before + 1))
		became 30 "$name" up
		[ "$(fact "$name" signal)" = 9 ] || fail "$name: signal $(fact "$name" signal)"
		[[ $name != web.* ]] || serves "$name" || fail "$name does not serve"
	done
	[ "$(live | wc -l)" = 3 ] || fail "live: $(live)"
	for ((i = 0; i < (rounds + 3) / 4; i++)); do
		name=${names[i % 3]}
		init=$(init_of "$name")
		mapfile -t all < <(inhabitants "$init")
		kill -KILL "$(monitor_of "$name")"
		gone 1 "${all[@]}"
		is "$name" crashed || fail "$name is $(fact "$name" state)"
		[ "$(fact "$name" reason)" = supervisor-lost ] || fail "$name: $(fact "$name" reason)"
		run -0 --separate-stderr dyno start --detach --backoff off -a gb "$slug" web=2 clock=1
		[ "$output" = "$name" ] || lib_seen "expected exactly $name"
		became 30 "$name" up
	done
	kill "$load"
	wait "$load" || :
	load=
}
