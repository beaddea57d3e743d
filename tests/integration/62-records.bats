#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Exit records: each start ends in exactly one, whoever writes it.
# shellcheck disable=SC2154 # variables set by bats
load lib
load dynos

setup() {
	lib_setup
	dynos_setup
	as_user rm -rf "$BASE/data/records"
}

# records APP [FILTER]: its exit records, through jq
records() { as_user jq -rc "${2:-.}" "$BASE/data/records/$1/exits"; }

# lost APP: begin a one-off of APP, and kill its monitor once it runs
lost() {
	begin -a "$1" --name run.1000 "$SHAPES" 'echo running; sleep 98763'
	says 10 running
	wait_for 5 grep -q '"state":"up"' "$BASE/run/$1/run.1000/state.json"
	kill -KILL "$pid"
	finish 137
}

@test "a run that ends by itself leaves one record, and the next one another" {
	run -3 dyno run -q -a own --name run.1 "$SHAPES" 'exit 3'
	run -0 dyno run -q -a own --name run.2 "$SHAPES" true
	[ "$(records own '[.name, .state, .exit_code] | @csv' | tr -d '"')" = $'run.1,complete,3\nrun.2,complete,0' ] ||
		fail "$(records own)"
	run -0 --separate-stderr dyno gc -q
	[ "$(records own | wc -l)" -eq 2 ]
}

@test "one whose monitor was killed is recorded by whoever comes next, once (T41)" {
	lost killed
	run -0 dyno gc
	assert_line 'killed/run.1000'
	run -0 dyno gc
	assert_no_line 'run.1000'
	run -0 records killed '[.name, .state, .reason, .exit_code, .signal] | @csv'
	[ "$output" = '"run.1000","crashed","supervisor-lost",137,9' ] || lib_seen "another record"
}

@test "ten at once who find the same dead dyno write one record (T54)" {
	local each all=()
	lost many
	for each in {1..10}; do
		(exec 3>&- && exec "${user[@]}" "$DYNO" gc >/dev/null) &
		all+=($!)
	done
	for each in "${all[@]}"; do
		wait "$each" || fail "gc: status $?"
	done
	[ "$(records many | wc -l)" -eq 1 ] || fail "$(records many)"
}

@test "a start of the same name records the one before, and itself" {
	lost again
	run -0 dyno run -q -a again --name run.1000 "$SHAPES" true
	run -0 records again '.state + " " + .reason'
	[ "$output" = $'crashed supervisor-lost\ncomplete exit' ] || lib_seen "other records"
}

@test "what another boot has left is removed without a record (T43)" {
	lost reboot
	as_user sed -i 's/"boot_id":"[^"]*"/"boot_id":"00000000-0000-0000-0000-000000000000"/' \
		"$BASE/run/reboot/run.1000/state.json"
	run -0 dyno gc
	assert_line 'reboot/run.1000'
	[ ! -e "$BASE/data/records/reboot" ] || fail "$(records reboot)"
}

@test "where records cannot be kept gc collects the rest, and the next one records (T44)" {
	lost full
	lost other
	as_user rm -rf "$BASE/data/records"
	as_user touch "$BASE/data/records"
	run -1 --separate-stderr dyno gc
	assert_error record.io
	[ -e "$BASE/run/full/run.1000/state.json" ] || fail "it was forgotten"
	as_user rm "$BASE/data/records"
	run -0 dyno gc
	[ "$(records full | wc -l)" -eq 1 ]
	[ "$(records other | wc -l)" -eq 1 ]
}

# The monitor may know without a walk that nothing was written: one change alone must not be missed.
@test "a single change of any kind is in the receipt, and no change is none" {
	local each
	run -0 dyno run -q -a one --name run.1 "$SHAPES" -- /bin/true
	[ "$(records one .manifest)" = null ] || fail "$(records one)"
	for each in 'echo x >/tmp/x' ': >/tmp/empty' 'mkdir /tmp/d' 'ln -s x /tmp/l' 'mkfifo /tmp/f' \
		'rm shapes' 'chmod 600 shapes' 'touch -d 2001-01-01 shapes' 'echo x >>shapes' \
		'mv shapes other' 'ln shapes hard' 'echo x >/var/tmp/x' 'cp shapes x && mv x shapes'; do
		run -0 dyno run -q -a one --name run.1 "$SHAPES" "$each"
		[ "$(records one .manifest | tail -n 1)" != null ] || fail "nothing was told of: $each"
		run -0 dyno diff one/run.1
		[ -n "$output" ] || fail "no difference after: $each"
	done
}
