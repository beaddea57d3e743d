#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_run.sh - tests/run itself, by small programs and files that pass, fail, do both, or die.
# shellcheck disable=SC2016,SC2034 # text for other shells; used by what is evaluated
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
base=$(mktemp -d) || exit 1
trap 'rm -rf "$base"' EXIT
# what others leave on the host is not looked at
export DYNO_TEST_SHARED=1
n=0

# program NAME: standard input becomes a program of tests; $turn counts its runs from 1
program() {
	{
		echo '#!/bin/bash'
		echo 'turn=$(($(cat "$0.turn" 2>/dev/null) + 1)); echo "$turn" >"$0.turn"'
		cat
	} >"$base/$1"
	chmod 755 "$base/$1"
}

# run_tests ARG...: $log and $status
run_tests() {
	rm -f "$base"/*.turn
	status=0
	log=$(cd "$base" && "$top/tests/run" "$@" 2>&1 </dev/null) || status=$?
}

summary() { tail -n 1 <<<"$log"; }
has() { grep -qE -- "$1" <<<"$log"; }
lacks() { ! has "$1"; }

# verdict NAME: of the commands on standard input, each of which must succeed
verdict() {
	local line
	n=$((n + 1))
	while read -r line; do
		eval "$line" || {
			echo "not ok $n - $1"
			echo "# not so: $line"
			printf '# %s\n' "${log//$'\n'/$'\n'# }"
			return
		}
	done
	echo "ok $n - $1"
}

echo 1..12

program good <<'P'
echo 1..3; echo "ok 1 - a"; echo "ok 2 - b"; echo "not ok 3 # SKIP c"
P
run_tests --unit "$base/good"
verdict run__all_pass__counted <<'T'
[ "$(summary)" = "2 passed, 0 failed, 1 skipped" ]
[ "$status" = 0 ]
has "^unit +good +2 passed 1 skipped "
has "^    not ok 3 # SKIP c"
T

program bad <<'P'
echo 1..2; echo "ok 1 - a"; echo "a word before"; echo "not ok 2 - b"; echo "# why"
P
run_tests --unit "$base/good" "$base/bad"
verdict run__fails_twice__failed <<'T'
[ "$(summary)" = "3 passed, 1 failed, 1 skipped" ]
[ "$status" = 1 ]
[ "$(cat "$base/bad.turn") $(cat "$base/good.turn")" = "2 1" ]
[ "$(grep -A2 '^FAILED' <<<"$log")" = $'FAILED unit bad: 2 - b\n    a word before\n    # why' ]
lacks FLAKY
T

program odd <<'P'
echo 1..2; echo "ok 1 - a"
[ "$turn" = 2 ] && echo "ok 2 - b" || { echo "not ok 2 - b"; echo "# why"; }
P
run_tests --unit "$base/odd" "$base/good"
verdict run__passes_the_second_time__flaky <<'T'
[ "$(summary)" = "4 passed, 0 failed, 1 skipped, 1 flaky" ]
[ "$status" = 0 ]
has "^FLAKY unit odd: 2 - b"
has "^    # why"
has "^---- odd: status 0"
[ "$(grep -c failed <<<"$log")" = 1 ]
T

program swap <<'P'
echo 1..3; echo "ok 1 - a"
[ "$turn" = 2 ] && echo "not ok 2 - b" || echo "ok 2 - b"
[ "$turn" = 2 ] && echo "ok 3 - c" || echo "not ok 3 - c"
P
run_tests --sanitized "$base/swap"
verdict run__passed_before__still_counts <<'T'
[ "$(summary)" = "3 passed, 0 failed, 2 flaky" ]
has "^FLAKY sanitized swap: 2 - b"
has "^FLAKY sanitized swap: 3 - c"
T

program dies <<'P'
echo 1..3; echo "ok 1 - a"; [ "$turn" = 2 ] || kill -ABRT $$; echo "ok 2 - b"; echo "ok 3 - c"
P
program status <<'P'
echo 1..1; echo "ok 1 - a"; [ "$turn" = 2 ]
P
run_tests --unit "$base/dies" "$base/status"
verdict run__dies_once__flaky <<'T'
[ "$(summary)" = "4 passed, 0 failed, 2 flaky" ]
has "^FLAKY unit dies: 2 not told, status 134, after: ok 1 - a"
has "^FLAKY unit status: 1 not told, status 1, after: ok 1 - a"
T

program dead <<'P'
echo 1..3; echo "ok 1 - a"; echo last words; exit 3
P
program silent <<'P'
exit 0
P
run_tests --unit "$base/dead" "$base/silent"
verdict run__dies_twice__failed <<'T'
[ "$(summary)" = "1 passed, 3 failed" ]
has "^FAILED unit dead: 2 not told, status 3, after: ok 1 - a"
has "^    last words"
has "^FAILED unit silent: 1 not told, status 0"
T

program leaks <<'P'
echo 1..2; echo "ok 1 - a"
[ "$turn" = 2 ] && echo "ok 2 - b" || echo "not ok 2 - b"
exit 23
P
run_tests --sanitized "$base/leaks"
verdict run__leaks_twice_beside_a_flaky_test__failed <<'T'
[ "$(summary)" = "2 passed, 1 failed, 1 flaky" ]
[ "$status" = 1 ]
has "^FLAKY sanitized leaks: 2 - b"
has "^FAILED sanitized leaks: 1 not told, status 23"
T

program kills <<'P'
echo 1..1; echo "ok 1 - a"
kill -KILL "$(awk '{ print $4 }' "/proc/$PPID/stat")" # who is to say how this ends
P
PROGRAMS_AT_ONCE=1 run_tests --unit "$base/kills" "$base/good"
verdict run__kills_what_waits_for_it__failed <<'T'
[ "$(summary)" = "3 passed, 1 failed, 1 skipped" ]
[ "$status" = 1 ]
has "^FAILED unit kills: 1 not told, status 137"
T

rm -f "$base"/*.turn
mapfile -t five < <(for i in 1 2 3 4 5; do cp "$base/odd" "$base/odd.$i" && echo "$base/odd.$i"; done)
run_tests --unit "${five[@]}"
verdict run__many_fail__not_run_again <<'T'
[ "$(summary)" = "5 passed, 5 failed" ]
[ "$(cat "$base"/odd.*.turn | sort -u)" = 1 ]
[ "$(grep -c '^FAILED' <<<"$log")" = 5 ]
T

mkdir "$base/integration"
cat >"$base/integration/one.bats" <<'B'
# alone: it counts
@test "holds" {
	true
}
@test "now and then" {
	echo seen
	mkdir "$STATE/once" 2>/dev/null && false
	true
}
@test "needs what is not there" {
	skip "no such thing"
}
B
cat >"$base/integration/two.bats" <<'B'
# profiles: root
setup_file() {
	! mkdir "$STATE/set" 2>/dev/null
}
@test "holds" {
	true
}
B
mkdir "$base/state"
export STATE=$base/state
PROFILES=root run_tests --bats "$base/integration"/*.bats
verdict run__files__flaky_and_skipped <<'T'
[ "$(summary)" = "3 passed, 0 failed, 1 skipped, 2 flaky" ]
has "^FLAKY root one.bats: 2 now and then"
has "^    # seen"
has "^FLAKY root two.bats: 1 not told, status 1"
T

cat >"$base/integration/three.bats" <<'B'
# profiles: root
teardown_file() {
	false
}
@test "now and then" {
	mkdir "$STATE/again" 2>/dev/null && false
	true
}
B
PROFILES=root run_tests --bats "$base/integration/three.bats"
verdict run__teardown_file_fails_twice_beside_a_flaky_test__failed <<'T'
[ "$(summary)" = "1 passed, 1 failed, 1 flaky" ]
[ "$status" = 1 ]
has "^FAILED root three.bats: 1 not told, status 1"
T

run_tests --unit
verdict run__nothing__failed <<'T'
[ "$(summary)" = "0 passed, 0 failed" ]
[ "$status" = 1 ]
T
