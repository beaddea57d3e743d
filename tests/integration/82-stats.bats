#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What dynos use, for people (a table, a terminal) and for programs (JSON, OpenMetrics).
# shellcheck disable=SC2016 # commands of dynos are text
# shellcheck disable=SC2154 # stderr and stderr_lines are set by bats
load lib
load dynos

# Whatever a test has left alive goes before the host is looked at.
teardown() {
	dyno stop --all --now -q 2>/dev/null || :
	dyno rm --all -q 2>/dev/null || :
	lib_teardown
}

# json FILTER: the filter over the output is true, of one document or of all lines
json() { jq -es "$1" <<<"$output" >/dev/null || lib_seen "not so: $1"; }

# begin_app APP [OPTION...] -- [TYPE:COMMAND...]: a dyno of each type that lives by itself
begin_app() {
	local name=$1 options=() types=() type
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	for type in "${@:2}"; do types+=(-t "$type"); done
	dyno start --detach -q -a "$name" --grace 5s "${options[@]}" "$(app "${types[@]}" "$name")" \
		>/dev/null
}

SLEEPER='sleeper: exec sleep 1000'

# counts: this host counts what the profile's dynos use
counts() { [ "$PROFILE" != rootless ]; }

@test "stats without a terminal is one table of 80 columns, and lists live dynos alone" {
	run -0 dyno stats
	[ "${#lines[@]}" -eq 1 ] || lib_seen "only the headings"
	begin_app shop -- "$SLEEPER" 'worker: while :; do :; done'
	begin_app a-shop-with-a-rather-long-name-for-an-app -- 'sleeper: exec sleep 1000'
	run -0 --separate-stderr dyno stats -a shop
	[ -z "$stderr" ] || lib_seen "no word besides"
	[ "${#lines[@]}" -eq 3 ] || lib_seen "a line each"
	[ "${lines[0]}" = 'DYNO          CPU % MEM/QUOTA MEM %  PIDS    IO R/W   NET R/T   SCRATCH RESTARTS' ] ||
		lib_seen headings
	[[ ${lines[1]} == sleeper.1\ * && ${lines[2]} == worker.1\ *' 0' ]] || lib_seen rows
	if counts; then
		[[ ${lines[1]} == *M/512M\ * || ${lines[1]} == *K/512M\ * ]] || lib_seen "memory of its quota"
		[[ ${lines[2]} =~ ^'worker.1'\ +[0-9]+[.][0-9]%\  ]] || lib_seen "CPU"
	else
		[[ ${lines[1]} =~ ^'sleeper.1'\ +-\ +-\ +-\ +-\ +-\ +-\ +[^\ ]+\ +0$ ]] ||
			lib_seen "nothing is counted"
	fi
	run -0 dyno stats
	[ "${#lines[@]}" -eq 4 ] || lib_seen "those of every app"
	[ "$(wc -L <<<"$output")" -eq 80 ] || lib_seen "its width"
	assert_line '...sleeper.1 '
	dyno stop -q -a shop worker.1
	run -0 dyno stats -a shop
	[ "${#lines[@]}" -eq 2 ] || lib_seen "live ones alone"
}

@test "stats of a name that is none, or of what has ended, is refused with the words of all verbs" {
	begin_app shop -- "$SLEEPER" 'worker: exec sleep 1000'
	dyno stop -q worker.1
	run -1 --separate-stderr dyno stats sleeper.2
	[ -z "$output" ] || lib_seen "it printed something"
	[ "${stderr_lines[0]}" = 'dyno: no dyno "sleeper.2" [dyno.not-found]' ] || lib_seen words
	[ "${stderr_lines[1]}" = 'hint: did you mean sleeper.1?' ] || lib_seen hint
	run -1 --separate-stderr dyno stats sleeper.1 worker.1
	[ -z "$output" ] || lib_seen "it printed something"
	[ "${stderr_lines[0]}" = 'dyno: stats shop/worker.1: it has ended: down [dyno.not-found]' ] ||
		lib_seen ended
	run -1 dyno stats --json sleeper.2
	json '.[0].error.class == "dyno.not-found"'
	run -2 dyno stats --json --openmetrics
	run -2 dyno stats --no-stream --interval 1s
	run -2 dyno stats --openmetrics --interval 1s
	run -2 dyno stats --interval soon
}

@test "stats --json is an array of objects with the members of its page, null where not known" {
	begin_app shop --network none --no-receipt -- \
		'hog: head -c 30000000 /dev/zero >/tmp/x; head -c 1000000 /dev/zero >/dev/shm/y; echo made; exec sleep 1000'
	wait_for 20 grep -rq 'made$' "$DYNO_CFG_DATA_DIR/logs"
	run -0 --separate-stderr dyno stats --json
	json 'length == 1 and (.[0] | length) == 1'
	for member in $(jq -r '.[0] | keys[]' <<<"$output"); do
		grep -qF "*${member//_/\\_}*" "$TOP/runtime/doc/dyno-stats.1.scd" || lib_seen "$member is not in the page"
	done
	json '.[0][0] | keys_unsorted[:4] == ["name", "app", "type", "state"]'
	json '.[0][0] | .name == "hog.1" and .app == "shop" and .type == "hog" and .state == "up"'
	json '.[0][0] | .start == 1 and .restarts == 0 and .crashes == 0 and .uptime_ms > 0'
	json '.[0][0] | .memory_quota_bytes == 512 * 1024 * 1024 and .pids_limit == 256'
	json '.[0][0] | .net_rx_bytes == 0 and .net_tx_packets == 0 and .net_rx_bytes_per_s == 0'
	json '.[0][0] | .shm_bytes >= 1000000 and .shm_bytes < 2000000 and .shm_limit_bytes > .shm_bytes'
	json '.[0][0] | .scratch_bytes == null or
		(.scratch_bytes >= 30000000 and .scratch_bytes < .scratch_limit_bytes and
		.scratch_inodes > 0 and .scratch_inodes < .scratch_limit_inodes)'
	if counts; then
		json '.[0][0] | .scratch_bytes > 0 and .memory_shmem_bytes >= 31000000'
		# the scratch is not held against the quota
		json '.[0][0] | .memory_used_bytes >= 1000000 and .memory_used_bytes < 20000000'
		json '.[0][0] | .memory_bytes >= 31000000 and .memory_percent > 0 and .memory_percent < 5'
		json '.[0][0] | .pids >= 2 and .pids <= .pids_limit and .pids_denied == 0'
		json '.[0][0] | .cpu_usec > 0 and .cpu_percent >= 0 and .cpu_percent < 100'
	else
		json '.[0][0] | .cpu_usec == null and .memory_bytes == null and .pids == null and .cpu_percent == null'
	fi
	run -0 dyno stats --json -a none
	[ "$output" = '[]' ] || lib_seen "an empty array"
}

@test "stats --json goes on with a line a moment, sees starts and ends, and ends with its reader" {
	begin_app shop -- "$SLEEPER"
	(exec 3>&- && exec "${user[@]}" "$DYNO" stats --json --interval 200ms >"$BASE/lines") &
	viewer=$!
	seen() { jq -es "any(.[]; $1)" "$BASE/lines"; }
	wait_for 20 seen '.name == "sleeper.1" and .start == 1'
	begin_app blog -- "$SLEEPER"
	wait_for 20 seen '.app == "blog" and .restarts == 0'
	dyno restart -q blog/sleeper.1
	wait_for 20 seen '.app == "blog" and .start == 2 and .restarts == 1'
	dyno stop -q -a blog --all
	last() { [ "$(tail -n 3 "$BASE/lines" | jq -rs 'map(.app) | unique | join(" ")')" = shop ]; }
	wait_for 20 last
	kill "$viewer"
	wait "$viewer"
	[ "$(dyno stats --json --interval 100ms | head -n 2 | wc -l)" -eq 2 ]
}

@test "stats --openmetrics is valid OpenMetrics text of the families of its page" {
	begin_app shop -- "$SLEEPER" 'worker: while :; do :; done'
	begin_app blog -- "$SLEEPER"
	dyno stats --openmetrics >"$BASE/metrics"
	sed -n '/^# METRICS/,/^# EXIT/s/\\//gp' "$TOP/runtime/doc/dyno-stats.1.scd" |
		grep -o '\*dyno_[a-z_]*\*' | tr -d '*' >"$BASE/families"
	run -0 python3 "$TOP/tests/helpers/openmetrics.py" "$BASE/metrics" "$BASE/families" \
		app=shop,dyno=sleeper.1,type=sleeper app=shop,dyno=worker.1,type=worker \
		app=blog,dyno=sleeper.1,type=sleeper
	! counts || {
		assert_line 'dyno_cpu_seconds_total 3'
		assert_line 'dyno_memory_bytes 3'
	}
	assert_line 'dyno_up 3'
	assert_line 'dyno_memory_quota_bytes 3'
	dyno stats --openmetrics -a none >"$BASE/metrics"
	run -0 python3 "$TOP/tests/helpers/openmetrics.py" "$BASE/metrics" "$BASE/families"
	# what is not of the form is seen
	dyno stats --openmetrics | sed 's/_total{/{/' >"$BASE/wrong"
	run ! python3 "$TOP/tests/helpers/openmetrics.py" "$BASE/wrong" "$BASE/families"
}

@test "stats on a terminal writes over what it wrote, follows its size and ends on ^C" {
	begin_app shop -- "$SLEEPER" 'worker: exec sleep 1000'
	# the user may not be able to reach the tree
	run -0 as_user env TERM=xterm python3 - "$DYNO" <"$TOP/tests/helpers/stats-screen.py"
	run -0 as_user env TERM=dumb python3 - --once "$DYNO" <"$TOP/tests/helpers/stats-screen.py"
}

@test "with --log-metrics load and memory are logged in the platform's form, without it nothing is (C10.9)" {
	begin_app shop --log-metrics -- 'worker: while :; do :; done'
	begin_app blog -- "$SLEEPER"
	if ! counts; then
		wait_for 20 grep -rqF 'heroku[worker.1]: Warning: no metrics are logged: there is no control group to count by' \
			"$DYNO_CFG_DATA_DIR/logs"
		run ! grep -rF 'sample#' "$DYNO_CFG_DATA_DIR/logs"
		return
	fi
	# the first tells of what ran after 5 s; on a machine that had not got so far, the next one does
	wait_for 60 grep -rqE 'sample#load_avg_1m=(0[.]0[1-9]|0[.][1-9]|[1-9])' "$DYNO_CFG_DATA_DIR/logs"
	wait_for 20 grep -rq 'sample#memory_quota' "$DYNO_CFG_DATA_DIR/logs"
	run -0 grep -rh 'sample#' "$DYNO_CFG_DATA_DIR/logs"
	id='[^ ]+ heroku\[worker[.]1\]: source=worker[.]1 dyno=heroku[.][0-9]+[.][0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
	n='[0-9]+[.][0-9]{2}'
	load="^$id sample#load_avg_1m=$n sample#load_avg_5m=$n sample#load_avg_15m=$n\$"
	[[ ${lines[0]} =~ $load ]] || lib_seen "the line of load"
	memory="^$id sample#memory_total=${n}MB sample#memory_rss=${n}MB sample#memory_cache=${n}MB sample#memory_swap=${n}MB sample#memory_pgpgin=[0-9]+pages sample#memory_pgpgout=[0-9]+pages sample#memory_quota=512[.]00MB\$"
	[[ ${lines[1]} =~ $memory ]] || lib_seen "the line of memory"
	uuid=$(dyno inspect shop/worker.1 | jq -r '.starts[0].hostname')
	[[ ${lines[0]} == *".$uuid "* && ${lines[1]} == *".$uuid "* ]] || lib_seen "this start"
	assert_no_line sleeper
	[ "$(dyno events --json shop/ | grep -c sample)" -eq 0 ]
}
