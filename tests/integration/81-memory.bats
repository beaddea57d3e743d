#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What memory does to a dyno: R14, R15, kills by the kernel and whose limit it was.  Contract 10.11
# and 11, torture T26.
# profiles: root
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos
load supervise

setup() {
	lib_setup
	dynos_setup
	need "python3 in the host's stack" test -x /usr/bin/python3
	need "a memory controller" dyno_has_memory
	limits=(--memory 48M --memory-hard 96M --shm-size 16M)
	small=("${limits[@]}" --scratch tmpfs:16M)
}

dyno_has_memory() {
	[ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ] ||
		grep -qw memory /sys/fs/cgroup/cgroup.controllers
}

# hold MIB [AFTER]: shell text for a process that holds so much, and then does something
hold() { echo "python3 -c 'import time; x=b\"x\"*($1<<20); ${2:-time.sleep(1000)}'"; }

# count DYNO TEXT: lines of the platform with it
count() { platform_of "$1" | grep -cF -- "$2" || :; }
counted() { [ "$(count "$1" "$2")" -ge "$3" ]; }

# of_event DYNO EVENT FILTER: what jq makes of its events of that name
of_event() { dyno events --json "$1" | jq -rc "select(.event == \"$2\") | $3"; }

killed_line='Out of memory: the kernel killed * at the dyno'\''s own limit of 96 MB'

# like TEXT PATTERN
like() {
	# shellcheck disable=SC2053 # a pattern is wanted
	[[ $1 == $2 ]] || fail "expected: $2" "got: $1"
}

# assert_lines DYNO [N]: its platform's lines, the first N of them, are those on standard input, each
# a pattern
assert_lines() {
	local got want i
	mapfile -t -n "${2:-0}" got < <(platform_of "$1")
	mapfile -t want
	for ((i = 0; i < ${#want[@]} || i < ${#got[@]}; i++)); do
		like "${got[i]:-}" "${want[i]:-}" || fail "line $i of:" "${got[@]}"
	done
}

@test "R14 again and again with its cause; page cache and scratch make none (C10.11, C11.1, C11.3, T26)" {
	dyno start --detach "${small[@]}" "$(app -t "held: $(hold 60)" held)"
	dyno start --detach "${limits[@]}" --scratch disk "$(
		app -t 'cache: head -c 300M /dev/zero >/app/big; cat /app/big >/dev/null; echo written; exec sleep 1000' cache
	)"
	dyno start --detach "${limits[@]}" --scratch tmpfs:40M "$(
		app -t "scratch: head -c 32M /dev/zero >/tmp/x; echo filled; exec $(hold 24)" scratch
	)"
	dyno start --detach "${limits[@]}" --scratch tmpfs:40M --no-receipt "$(
		app -t "plain: head -c 32M /dev/zero >/tmp/x; echo filled; exec $(hold 24)" plain
	)"
	wait_for 90 counted held.1 "Error R14" 2
	wait_for 60 grep -q written "$BASE/data/logs/cache/cache.1.log"

	assert_lines held.1 8 <<'EOF2'
Starting process with command `*
State changed from starting to up
Process running mem=6[0-9]M(1[23][0-9].[0-9]%)
Error R14 (Memory quota exceeded)
Memory: processes 6[0-9] MB*
Process running mem=6[0-9]M(1[23][0-9].[0-9]%)
Error R14 (Memory quota exceeded)
Memory: processes 6[0-9] MB*
EOF2
	of_event held.1 memory '[.above, .quota_bytes, .hard_bytes, .used_bytes > 60 * 1048576]' |
		head -n 1 >"$BATS_TEST_TMPDIR/event"
	[ "$(cat "$BATS_TEST_TMPDIR/event")" = '["quota",50331648,100663296,true]' ] ||
		fail "$(of_event held.1 memory .)"
	# 20 s lie between them, less what a loaded machine is late with the first
	[ "$(of_event held.1 memory '.time | sub("[.].*"; "Z") | fromdate' | head -n 2 |
		jq -s '.[1] - .[0] >= 15')" = true ] || fail "$(of_event held.1 memory .time)"

	[ "$(count cache.1 R1)" = 0 ] || fail "page cache: $(platform_of cache.1)"
	[ "$(count scratch.1 R1)" = 0 ] || fail "scratch: $(platform_of scratch.1)"
	[ "$(count plain.1 R1)" = 0 ] || fail "without a receipt: $(platform_of plain.1)"
	run -0 dyno inspect --json scratch.1
	[ "$(jq -c '.starts[0].memory | [.scratch_bytes >= 33554432, .shmem_bytes >= 33554432,
		.used_bytes > 24000000, .used_bytes < 48000000]' <<<"$output")" = '[true,true,true,true]' ] ||
		lib_seen "what its memory is made of"
}

@test "R14 names the biggest files of a scratch in memory (C10.11)" {
	dyno start --detach "${limits[@]}" --scratch tmpfs:40M "$(
		app -t "both: mkdir /app/tmp; head -c 20M /dev/zero >/app/tmp/big; exec $(hold 56)" both
	)"
	wait_for 100 counted both.1 'biggest /app/tmp/big, 20 MB' 1
	[ "$(of_event both.1 memory '.biggest[0]' | head -n 1)" = '{"path":"/app/tmp/big","bytes":20971520}' ] ||
		fail "$(of_event both.1 memory .)"
}

@test "a hog: R15, killed, started again, and each end says why once (C11.2, C7.5, C7.4, T26)" {
	dyno start --detach --backoff 0,1h "${small[@]}" "$(app -t "hog: exec $(hold 500)" hog)"
	wait_for 30 at_least hog.1 restarts 1
	became 30 hog.1 crashed
	each="Starting process with command \`*
State changed from starting to up
Error R15 (Memory quota vastly exceeded)
$killed_line
Stopping process with SIGKILL
Process exited with status 137
State changed from up to crashed"
	# R14 comes before where the hog is slow
	sed -i -E '/Process running mem=|Error R14|\]: Memory: /d' "$BASE/data/logs/hog/hog.1.log"
	assert_lines hog.1 <<EOF2
$each
State changed from crashed to starting
$each
EOF2
	[ "$(fact hog.1 reason)" = oom ] || fail "reason"
	[ "$(fact hog.1 exit_code)" = 137 ] || fail "exit_code"
	like "$(fact hog.1 detail)" "${killed_line#*: }"
	[ "$(of_event hog.1 oom '[.start, .limit, .peak_bytes > 90000000, .kills > 0]')" = \
		$'[1,"dyno",true,true]\n[2,"dyno",true,true]' ] || fail "$(of_event hog.1 oom .)"
	run -0 dyno inspect --json hog.1
	like "$(jq -r .detail <<<"$output")" "${killed_line#*: }"
	dyno stop hog.1
	# its record has it for good
	like "$(fact hog.1 detail)" "${killed_line#*: }"
}

@test "many small ones: one is killed and the dyno is gone as a whole, named once (C11.1, C11.2, T26)" {
	begin "${small[@]}" "$(app small)" 'for i in {1..30}; do '"$(hold 8)"' & done; wait'
	finish 137
	[ "$(grep -c 'Error R15' "$err")" = 1 ] || fail "$(cat "$err")"
	[ "$(grep -c 'Out of memory' "$err")" = 1 ] || fail "$(cat "$err")"
	[ "$(grep -c 'Process exited with status 137' "$err")" = 1 ] || fail "$(cat "$err")"
}

@test "policy hard: the quota is the kernel's limit, and there is no R14 (C0.3, C11.2)" {
	begin --json --memory 48M --memory-policy hard --shm-size 16M "$(app hard)" "exec $(hold 60)"
	finish 137
	[ "$(grep -c 'Error R14' "$err")" = 0 ] || fail "$(cat "$err")"
	[ "$(grep -c 'Error R15' "$err")" = 1 ] || fail "$(cat "$err")"
	grep -q "the dyno's own limit of 48 MB" "$err" || fail "$(cat "$err")"
	# whoever reads the outcome alone learns it too
	tail -n 1 "$err" | jq -e '.outcome.reason == "oom" and
		(.outcome.detail | contains("own limit of 48 MB"))' >/dev/null || fail "$(cat "$err")"
	run -125 --separate-stderr dyno run --memory 48M --memory-hard 96M --memory-policy hard \
		"$(app hard)" true
	[[ $stderr == *"contradict each other"* ]] || lib_seen "expected a contradiction"
}

@test "files: no space before no memory, in the scratch and in /dev/shm (T26)" {
	run -0 --separate-stderr dyno run "${small[@]}" "$(app files)" '
		for i in /tmp /app /dev/shm; do
			head -c 90M /dev/zero >"$i/fill" && exit 9
		done
		echo alive'
	[ "$output" = alive ] || lib_seen "it does not live"
	[ "$(grep -c 'No space left on device' <<<"$stderr")" = 3 ] || lib_seen "expected ENOSPC"
	[[ $stderr != *'Error R1'* ]] || lib_seen "expected no R14 or R15"
}

@test "memory that no kill gives back: the writer is killed and the dyno goes with it (C11.2, T26)" {
	begin "${small[@]}" --tmpfs /big:200M "$(app big)" \
		'head -c 150M /dev/zero >/big/x; echo survived; sleep 1000'
	finish 137
	[ "$(platform | grep -c 'Error R15')" = 1 ] || fail "$(cat "$err")"
	like "$(platform | grep 'Out of memory')" "*: $killed_line"
}

# The tree that dyno sees is, in a mount namespace of its own, a group with a limit.
@test "the limit of a group above is not the dyno's: no R15, and it is named (C11.2, T49)" {
	[ "$PROFILE" = root-v1 ] || skip "where there is one tree the limit would be that of all"
	above=/sys/fs/cgroup/memory/dyno-test-above
	mkdir "$above"
	echo 64M >"$above/memory.limit_in_bytes"
	echo 64M >"$above/memory.memsw.limit_in_bytes" || :
	dir=$(app above)
	run --separate-stderr unshare -m sh -c 'mount --make-rprivate / && mount --bind "$1" /sys/fs/cgroup/memory &&
		shift && exec "$@"' - "$above" "$DYNO" run --json "${small[@]}" "$dir" "exec $(hold 500)"
	rmdir "$above/dyno" "$above"
	assert_status 137
	[[ $stderr != *'Error R15'* ]] || lib_seen "expected no R15"
	[ "$(grep -c 'Out of memory: the kernel killed' <<<"$stderr")" = 1 ] || lib_seen "expected OOM"
	[[ $stderr != *"the dyno's own limit"* ]] || lib_seen "it was not the dyno's"
	[[ $stderr == *"; the dyno had "*" MB at most"* ]] || lib_seen "expected the peak"
	tail -n 1 <<<"$stderr" | jq -e '.outcome.reason == "oom" or .reason == "oom"' >/dev/null ||
		lib_seen "reason"
}
