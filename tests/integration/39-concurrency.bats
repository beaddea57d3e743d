#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many at once: names, ports, users and the store under starts, stops, kills and gc of others.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

# herd N ARG...: N dyno runs at once, each with its streams in $BATS_TEST_TMPDIR/I.{out,err};
# their pids in $herd
herd() {
	local n=$1 each
	shift
	herd=()
	for ((each = 0; each < n; each++)); do
		(exec 3>&- && exec "${user[@]}" "$DYNO" run "$@" </dev/null \
			>"$BATS_TEST_TMPDIR/$each.out" 2>"$BATS_TEST_TMPDIR/$each.err") &
		herd+=($!)
	done
}

# gather STATUS: wait for all of them; each must end so
gather() {
	local each got
	for each in "${!herd[@]}"; do
		got=0
		wait "${herd[each]}" || got=$?
		[ "$got" -eq "$1" ] || fail "number $each: status $got, $(cat "$BATS_TEST_TMPDIR/$each.err")"
	done
}

all_out() { cat "$BATS_TEST_TMPDIR"/*.out; }
lines_out() { [ "$(all_out | wc -l)" -ge "$1" ]; }

@test "twenty starts of one cold slug: one unpack, twenty ends, nothing half-made (T53)" {
	as_user mkdir "$BASE/cold"
	herd 20 -q --data-dir "$BASE/cold" "$SHAPES" 'echo ran'
	gather 0
	[ "$(all_out | grep -cx ran)" -eq 20 ]
	[ "$(find "$BASE/cold/slugs" -maxdepth 1 -name 'sha256-*' | wc -l)" -eq 1 ]
	[ -z "$(ls -A "$BASE/cold/tmp" 2>/dev/null)" ]
	run -0 dyno slug ls --data-dir "$BASE/cold" -q
	run -0 dyno slug verify --data-dir "$BASE/cold" "$output"
	as_user find "$BASE/cold" -type d ! -perm -200 -exec chmod u+w {} +
	as_user rm -rf "$BASE/cold"
}

@test "twenty dynos of one type at once: as many names, ports, hostnames, and users as root (C3.5, C3.6, T53)" {
	dir=$(app -t 'job: echo $DYNO $PORT $(uname -n) $(cat /proc/self/uid_map); exec sleep 1000' herd)
	herd 20 -q "$dir" job
	wait_for 30 lines_out 20
	[ "$(all_out | awk '{ print $1 }' | sort -u | wc -l)" -eq 20 ]
	[ "$(all_out | awk '{ print $1 }' | sort -t. -k2n | tr '\n' ' ')" = "$(printf 'job.%s ' {1..20})" ]
	[ "$(all_out | awk '{ print $2 }' | sort -u | wc -l)" -eq 20 ]
	[ "$(all_out | awk '{ print $3 }' | sort -u | wc -l)" -eq 20 ]
	[ "$PROFILE" = rootless ] || [ "$(all_out | awk '{ print $5 }' | sort -u | wc -l)" -eq 20 ]
	kill "${herd[@]}"
	gather 143
}

@test "500 dynos in the host's network, started by five at once: no two share a port (C3.6)" {
	[ "$PROFILE" != rootless ] || skip "ports are kept apart by the same locks as root's"
	local n=100 k starts=()
	dir=$(app -t 'job: exec sleep 100000' ports)
	for k in 1 2 3 4 5; do
		dyno start --detach -q --network host --size none --no-receipt -a "ports$k" "$dir" "job=$n" \
			>"$BATS_TEST_TMPDIR/$k.out" 2>&1 3>&- &
		starts+=($!)
	done
	for k in "${starts[@]}"; do
		wait "$k" || : # who is missing is seen below
	done
	run -0 dyno ps --json
	dyno stop --now --all -q >/dev/null
	jq -e --argjson n "$((5 * n))" 'length == $n and (map(.port) | unique | length) == $n and
		all(.port >= 20000 and .port <= 29999)' <<<"$output" || {
		cat "$BATS_TEST_TMPDIR"/[1-5].out >&2
		lib_seen "the ports"
	}
}

@test "twenty web dynos at once all come up and all stop (C6.2, T53)" {
	dir=$(app -t 'web: exec python3 listen.py' herd2)
	tar -xzOf "$SHAPES" ./app/listen.py | put "$dir/listen.py"
	herd 20 "$dir"
	all_up() { [ "$(grep -l 'starting to up$' "$BATS_TEST_TMPDIR"/*.err | wc -l)" -eq 20 ]; }
	wait_for 40 all_up
	kill "${herd[@]}"
	gather 143
}

@test "a name that is taken is refused, and free again afterwards, whatever became of the holder (T54)" {
	begin --name night.1 "$SHAPES" 'echo holds; sleep 1000'
	says 10 holds
	run -125 --separate-stderr dyno run --name night.1 "$SHAPES" 'echo never'
	refused name.taken 125
	[[ $stderr == *night.1* ]]
	# of another app it is another name
	run -0 dyno run -q -a other --name night.1 "$SHAPES" 'echo $DYNO'
	[ "$output" = night.1 ]
	kill -KILL "$pid"
	finish 137
	run -0 dyno run -q --name night.1 "$SHAPES" 'echo mine'
	[ "$output" = mine ]
}

@test "of many that want one name, or one port, exactly one gets it (T54)" {
	for wanted in --name=only.1 --port=28555; do
		herd 8 --network host "$wanted" "$SHAPES" 'echo won; exec sleep 1000'
		lost() { [ "$(grep -lE '\[(name.taken|port.unavailable)\]' "$BATS_TEST_TMPDIR"/*.err | wc -l)" -eq 7 ]; }
		wait_for 20 lost
		wait_for 20 lines_out 1
		sleep 0.2
		[ "$(all_out | grep -cx won)" -eq 1 ]
		kill "${herd[@]}" 2>/dev/null || :
		for each in "${herd[@]}"; do wait "$each" || :; done
		rm "$BATS_TEST_TMPDIR"/*.out "$BATS_TEST_TMPDIR"/*.err
	done
}

@test "starts, kills and gc at once: whoever is not killed ends well (T54, T41)" {
	for ((round = 0; round < $(loops 200); round++)); do
		herd 12 -q --scratch disk:none "$SHAPES" 'sleep 0.2; echo "$DYNO"'
		killers=()
		for each in 1 4 7 10; do
			(sleep "0.$((RANDOM % 30))" && kill -KILL "${herd[each]}" 2>/dev/null) 3>&- &
			killers+=($!)
		done
		for each in 1 2 3 4 5; do
			dyno gc -q >/dev/null || fail "gc failed"
		done
		for each in "${!herd[@]}"; do
			got=0
			wait "${herd[each]}" || got=$?
			[[ $got == 0 || ($got == 137 && " 1 4 7 10 " == *" $each "*) ]] ||
				fail "number $each: $got, $(cat "$BATS_TEST_TMPDIR/$each.err")"
			[[ $got == 137 || -s $BATS_TEST_TMPDIR/$each.out ]] || fail "number $each lost its output"
		done
		# not a bare wait: bats has children of its own
		wait "${killers[@]}" || :
	done
	dyno gc -q
	run -0 dyno gc -q
	[ -z "$output" ]
}

@test "a stop at any moment of a start ends it, with a status that says so (T54)" {
	for ((round = 0; round < $(loops 3000); round++)); do
		begin "$SHAPES" 'exec sleep 1000'
		sleep "0.00$((RANDOM % 10))$((RANDOM % 10))"
		kill -TERM "$pid"
		finish
		[[ $status == 143 || $status == 125 ]] || lib_seen "round $round"
	done
}
