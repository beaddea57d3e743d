#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Dynos that live by themselves: restarts, their order and their waits, stops, and what is left
# when a monitor dies.  Contract 6 and 7.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos
load supervise

crashing() { app -t 'worker: sleep 0.3; exit 3' "$1"; }
sleeping() { app -t 'worker: exec sleep 1000' "$1"; }

@test "a crash is followed by a start at once, the next by a wait, and both are told (C6.8, C6.10)" {
	run -0 dyno start --detach --backoff 0,1h "$(crashing twice)"
	[ "$output" = worker.1 ] || lib_seen "expected the name alone"
	wait_for 10 at_least worker.1 restarts 1
	became 10 worker.1 crashed
	platform_of worker.1 >"$BATS_TEST_TMPDIR/lines"
	diff - "$BATS_TEST_TMPDIR/lines" <<'EOF2'
Starting process with command `sleep 0.3; exit 3`
State changed from starting to up
Process exited with status 3
State changed from up to crashed
State changed from crashed to starting
Starting process with command `sleep 0.3; exit 3`
State changed from starting to up
Process exited with status 3
State changed from up to crashed
EOF2
	[ "$(fact worker.1 exit_code)" = 3 ] || fail "exit_code"
	[ "$(fact worker.1 reason)" = exit ] || fail "reason"
	[ "$(fact worker.1 restarts)" = 1 ] || fail "restarts"
	[[ $(fact worker.1 next_try) == 20*T* ]] || fail "next_try"
	run -0 dyno ps
	[[ $output == *"crashed (2nd), next in "* ]] || lib_seen "expected the wait"
}

@test "restart never and on-failure: what is not started again has its record (C6.8)" {
	dyno start --detach --restart never "$(crashing never)"
	became 10 worker.1 crashed
	[ "$(fact worker.1 monitor_pid)" = null ] || fail "a monitor stays"
	[ "$(fact worker.1 restarts)" = 0 ] || fail "it was restarted"
	dyno start --detach --restart on-failure -a good "$(app -t 'worker: exit 0' good)"
	became 10 good/worker.1 crashed
	[ "$(fact good/worker.1 restarts)" = 0 ] || fail "restarts"
}

@test "a dyno that is stopped while it waits for its next start is down, and listed no more (C6.8)" {
	dyno start --detach --backoff 1h "$(crashing waiting)"
	became 10 worker.1 crashed
	dyno stop worker.1
	[ "$(fact worker.1 state)" = down ] || fail "it is $(fact worker.1 state)"
	[ "$(fact worker.1 exit_code)" = 3 ] || fail "exit_code"
	run -0 dyno ps -q
	[ -z "$output" ] || lib_seen "it is listed"
}

@test "status 0 crashes, unless --exit-0 complete (C1.13, C0.3)" {
	dyno start --detach --backoff 1h "$(app -t 'worker: exit 0' zero)"
	became 10 worker.1 crashed
	dyno stop worker.1
	dyno start --detach --exit-0 complete -a finished "$(app -t 'job: exit 0' finished)"
	became 10 job.1 complete
}

@test "restart: old and new overlap, in the platform's order (C6.4)" {
	dir=$(app -t 'worker: trap "sleep 0.3; exit 143" TERM; echo ready; while :; do sleep 0.1; done' lap)
	dyno start --detach "$dir"
	became 10 worker.1 up
	wait_for 10 grep -q ready "$BASE/data/logs/lap/worker.1.log"
	first=$(init_of worker.1)
	dyno restart worker.1
	became 10 worker.1 up
	gone 5 "$first"
	wait_for 5 bash -c "grep -q 'status 143' $BASE/data/logs/lap/worker.1.log"
	platform_of worker.1 | tail -n +3 >"$BATS_TEST_TMPDIR/lines"
	sed -i 's/`.*`/`X`/' "$BATS_TEST_TMPDIR/lines"
	diff - "$BATS_TEST_TMPDIR/lines" <<'EOF2'
Restarting
State changed from up to starting
Stopping all processes with SIGTERM
Starting process with command `X`
State changed from starting to up
Process exited with status 143
EOF2
}

@test "restart --restart-order strict: one after the other (C6.5)" {
	dyno start --detach --restart-order strict "$(sleeping strict)"
	became 10 worker.1 up
	dyno restart worker.1
	became 10 worker.1 up
	platform_of worker.1 | tail -n +3 >"$BATS_TEST_TMPDIR/lines"
	diff - "$BATS_TEST_TMPDIR/lines" <<'EOF2'
Restarting
Stopping all processes with SIGTERM
Process exited with status 143
State changed from up to down
State changed from down to starting
Starting process with command `exec sleep 1000`
State changed from starting to up
EOF2
}

@test "each start has a fresh root, and what was written is told (C2.1, U30)" {
	dir=$(app -t 'worker: ls; echo x >left; mkdir d; head -c 100000 /dev/zero >d/big; sleep 1000' fresh)
	dyno start --detach "$dir"
	wait_for 10 wrote fresh/worker.1 d/big
	dyno restart worker.1
	became 10 worker.1 up
	wait_for 10 tells fresh/worker.1 'wrote 2 files, '
	run -0 log_of worker.1
	assert_line 'app[worker.1]: Procfile'
	assert_no_line 'app[worker.1]: left'
	dyno stop worker.1
	run -0 dyno diff fresh/worker.1
	assert_line /app/left
	assert_line /app/d/big
}

@test "stop: SIGTERM to every process, grace, R12, SIGKILL, with the figures set (C7.1, C7.2, C7.3, T28)" {
	dir=$(app -t 'worker: trap "" TERM USR1; (trap "" TERM USR1; setsid sleep 1000) & echo ready; while :; do sleep 0.1; done' deaf)
	dyno start --detach --grace 1500ms --stop-signal USR1 "$dir"
	wait_for 10 grep -q ready "$BASE/data/logs/deaf/worker.1.log"
	init=$(init_of worker.1)
	mapfile -t all < <(inhabitants "$init")
	run -0 dyno stop worker.1
	deserted "${all[@]}" || fail "processes live on"
	platform_of worker.1 | tail -n +3 >"$BATS_TEST_TMPDIR/lines"
	diff - "$BATS_TEST_TMPDIR/lines" <<'EOF2'
Stopping all processes with SIGUSR1
Error R12 (Exit timeout) -> At least one process failed to exit within 1.5 seconds of SIGUSR1
Stopping remaining processes with SIGKILL
Process exited with status 137
State changed from up to down
EOF2
}

log_has() { grep -q "app.*: $2\$" "$BASE/data/logs/scope-$1/worker.1.log"; }

@test "stop scopes: the main process alone, its group, all (C7.1, C0.3)" {
	# the main process waits for those whom its signal is to reach, the last to be there is the session
	body='trap "sleep 0.3; for who in $AWAIT; do until [ -e /tmp/\$who ]; do sleep 0.05; done; done; echo main; exit" TERM; (trap "echo child; : >/tmp/child; exit" TERM; : >/tmp/on; while :; do sleep 0.1; done) & (setsid bash -c "trap \"echo session; : >/tmp/session; exit\" TERM; until [ -e /tmp/on ]; do sleep 0.05; done; echo ready; while :; do sleep 0.1; done") & while :; do sleep 0.1; done'
	for scope in main: group:child 'all:child session'; do
		await=${scope#*:} scope=${scope%%:*}
		dyno start --detach --stop-scope "$scope" -e "AWAIT=$await" -a "scope-$scope" \
			"$(app -t "worker: $body" "$scope")"
		wait_for 10 grep -q ready "$BASE/data/logs/scope-$scope/worker.1.log"
		run -0 dyno stop "scope-$scope/worker.1"
		for who in main child session; do
			[[ " main $await " == *" $who "* ]] || run ! log_has "$scope" "$who"
			[[ " main $await " != *" $who "* ]] || log_has "$scope" "$who" || fail "$scope: no $who: $(cat "$BASE/data/logs/scope-$scope/worker.1.log")"
		done
	done
	grep -q 'Stopping process with SIGTERM' "$BASE/data/logs/scope-main/worker.1.log" || fail "line"
}

@test "kill -9 of app, init and monitor: back by policy, or crashed and supervisor-lost (U3, T41)" {
	dir=$(sleeping hard)
	dyno start --detach --backoff 0,0,0,0 "$dir" worker=2
	became 10 worker.1 up
	became 10 worker.2 up
	for which in pid_of init_of pid_of; do
		old=$("$which" worker.1)
		kill -KILL "$old"
		gone 2 "$old"
		became 10 worker.1 up
		[ "$("$which" worker.1)" != "$old" ] || fail "$which is still $old"
	done
	[ "$(fact worker.1 restarts)" = 3 ] || fail "restarts: $(fact worker.1 restarts)"
	monitor=$(monitor_of worker.2) init=$(init_of worker.2)
	mapfile -t all < <(inhabitants "$init")
	kill -KILL "$monitor"
	gone 1 "${all[@]}"
	is worker.2 crashed || fail "worker.2 is $(fact worker.2 state)"
	[ "$(fact worker.2 reason)" = supervisor-lost ] || fail "reason"
	[ "$(find "$BASE/run" -name 'worker.*' -type d | wc -l)" = 1 ] || fail "its place stays"
	run -0 --separate-stderr dyno start --detach --backoff 0,0,0,0 "$dir" worker=2
	[ "$output" = worker.2 ] || lib_seen "expected exactly the missing one"
	became 10 worker.2 up
	[ "$(grep -c supervisor-lost "$BASE/data/records/hard/exits")" = 1 ] || fail "not one record"
}

@test "a state file of another boot or with an innocent's pid: nobody is signalled (T43, T51)" {
	dyno start --detach "$(sleeping boot)"
	became 10 worker.1 up
	cp "$BASE/run/boot/worker.1/state.json" "$BATS_TEST_TMPDIR/state"
	dyno stop worker.1
	sleep 1000 &
	innocent=$!
	for change in '.boot_id = "00000000-0000-0000-0000-000000000000"' '.'; do
		as_user mkdir -p "$BASE/run/boot/worker.1"
		jq -c ".monitor_pid = $innocent | .init_pid = $innocent | $change" \
			"$BATS_TEST_TMPDIR/state" | as_user tee "$BASE/run/boot/worker.1/state.json" >/dev/null
		run -0 dyno ps --json
		[ "$(jq '[.[] | select(.state == "up")] | length' <<<"$output")" = 0 ] || lib_seen "a phantom"
		[ ! -d "$BASE/run/boot/worker.1" ] || fail "the place stays"
		kill -0 "$innocent" || fail "the innocent was signalled"
	done
	kill "$innocent"
}

@test "the same name twice, stop during start, stop twice, restart during stop, rm while running (T54)" {
	dir=$(sleeping same)
	pids=()
	for i in 1 2 3 4; do
		dyno start --detach "$dir" >"$BATS_TEST_TMPDIR/started.$i" 2>&1 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	became 10 worker.1 up
	[ "$(live | wc -l)" = 1 ] || fail "doubled: $(live)"
	run -1 dyno rm worker.1
	assert_error dyno.alive
	dyno restart --no-wait worker.1
	dyno stop --no-wait worker.1
	dyno stop worker.1 || :
	wait_for 10 supervise_quiet
	run -0 dyno stop worker.1 # it has ended already
	run -0 dyno rm worker.1
	run -1 dyno stop worker.1
	assert_error dyno.not-found
}

@test "a crashing dyno restarted again and again: no descriptor, no file, no memory more (T56)" {
	n=$(loops 10000)
	[ "$n" -ge 100 ] || n=100
	dyno start --detach --backoff off "$(app -t 'worker: exit 1' loop)"
	wait_for 60 at_least worker.1 restarts 20
	monitor=$(monitor_of worker.1)
	fds=$(find "/proc/$monitor/fd" -mindepth 1 | wc -l)
	# its own memory: pages of its program come and go with those of others
	memory() { awk '/^Anonymous/ { print $2 }' "/proc/$monitor/smaps_rollup"; }
	before=$(memory)
	wait_for "$((n / 20 + 60))" at_least worker.1 restarts "$n"
	[ "$(monitor_of worker.1)" = "$monitor" ] || fail "another monitor"
	now=$(find "/proc/$monitor/fd" -mindepth 1 | wc -l)
	[ "$now" -le $((fds + 12)) ] || fail "descriptors: $fds, then $now"
	now=$(memory)
	[ "$now" -le $((before + 128)) ] || fail "memory: $before KiB, then $now KiB"
	dyno stop --now worker.1
	[ "$(wc -l <"$BASE/data/records/loop/exits")" -le 400 ] || fail "records grow"
	[ "$(stat -c %s "$BASE/data/records/loop/events")" -le 600000 ] || fail "events grow"
}

@test "the deadlines do not follow the clock on the wall, and survive a suspend (T50)" {
	run -1 grep -rlE 'CLOCK_REALTIME|gettimeofday' \
		"$TOP/runtime/engine" "$TOP/runtime/model" "$TOP/runtime/kernel" "$TOP/runtime/monitor"
	dir=$(app -t 'worker: trap "" TERM; echo ready; while :; do sleep 0.1; done' suspend)
	dyno start --detach --grace 1s "$dir"
	wait_for 10 grep -q ready "$BASE/data/logs/suspend/worker.1.log"
	monitor=$(monitor_of worker.1)
	dyno stop --no-wait worker.1
	kill -STOP "$monitor"
	sleep 2
	kill -CONT "$monitor"
	wait_for 2 supervise_quiet
	platform_of worker.1 | grep -q '^Error R12' || fail "no R12"
}

@test "web is up when it listens; R10 is a crash with its wait (C6.2, C6.3, R10)" {
	dyno start --detach --boot-timeout 1s --backoff 1h "$(app -t 'web: exec sleep 1000' mute)"
	became 10 web.1 crashed
	[ "$(fact web.1 reason)" = boot-timeout ] || fail "reason"
	[ "$(fact web.1 exit_code)" = 137 ] || fail "exit_code"
	platform_of web.1 | grep -qxF 'Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 1 seconds of launch' || fail "R10"
}

@test "a fixed port in the host's network: restarts are one after the other, and say why (C6.4)" {
	port=$((20000 + RANDOM % 5000))
	dir=$(app -t 'worker: exec sleep 1000' fixed)
	dyno start --detach --network host --port "$port" "$dir"
	became 10 worker.1 up
	[ "$(fact worker.1 port)" = "$port" ] || fail "port"
	dyno restart worker.1
	became 10 worker.1 up
	platform_of worker.1 | grep -q '^Old and new process cannot run at once: .*--port' || fail "not said"
}

@test "cycling: the daily restart, and off (C6.7)" {
	dyno start --detach --cycle 1s+1s "$(sleeping cycle)"
	wait_for 10 at_least worker.1 restarts 1
	platform_of worker.1 | grep -qx Cycling || fail "not said"
	grep -q '"reason":"cycle"' "$BASE/data/records/cycle/exits" || fail "reason"
}

@test "what restarts a dyno: an exit, a signal, R10, a failed check, the cycle, a request (C6.6)" {
	local reason
	# begin_way REASON COMMAND OPTION...: an app of its own for each, all at once
	begin_way() { dyno start --detach --backoff 0,1h "${@:3}" "$(app -t "web: $2" "way-$1")" >/dev/null; }
	begin_way exit 'sleep 0.2; exit 3'
	begin_way signal 'sleep 0.2; kill -9 $$'
	begin_way boot-timeout 'exec sleep 1000' --boot-timeout 300ms
	begin_way cycle 'exec python3 -m http.server "$PORT"' --cycle 300ms+1ms
	begin_way health 'exec python3 -m http.server "$PORT"' --health http:/missing --health-interval 50ms
	begin_way stop 'exec python3 -m http.server "$PORT"'
	became 20 way-stop/web.1 up
	dyno restart way-stop/web.1
	for reason in exit signal boot-timeout cycle health stop; do
		wait_for 20 at_least "way-$reason/web.1" restarts 1
		grep -q "\"reason\":\"$reason\"" "$BASE/data/records/way-$reason/exits" ||
			fail "$reason: $(cat "$BASE/data/records/way-$reason/exits")"
	done
}

# A script that shows, between two lines, what a start's settings have come to.
show='#!/bin/bash
echo begin
echo "nofile $(ulimit -n) core $(ulimit -c) user $(ulimit -u) cpus $(nproc)"
echo "shm $(df -B1 --output=size /dev/shm | tail -1) cache $(df -B1 --output=size,itotal /app/cache | tail -1)"
grep -E "^(Seccomp|Seccomp_filters|NoNewPrivs|CapBnd):" /proc/self/status
awk "{print \$5, \$6}" /proc/self/mountinfo | LC_ALL=C sort
env | grep -E "^(A|B|FROM_FILE|DYNO_[A-Z]*|WEB_[A-Z]*)=" | LC_ALL=C sort
sed -n "s/:.*//p" /proc/net/dev | xargs
cat /app/h
[ -w /app/w ] && [ ! -w /app ] && echo "writable as asked"
echo end'

# shown APP/DYNO N: the Nth of them in its log, without heads of lines; it must be whole
shown() {
	sed -nE 's/^[0-9T:.+-]+ app\[[^]]*\]: //p' "$BASE/data/logs/$1.log" |
		awk -v n="$2" '$0 == "begin" { i++; on = 1 } on && i == n { print; done = done || $0 == "end" } $0 == "end" { on = 0 } END { exit !done }'
}
asked() { dyno inspect "$1" | jq -c '[.policy, .network, .seccomp, (.starts[-1] | .size, .scratch_bytes, .memory_bytes, (.limits | map([.name, .asked, .in_force])))]'; }

@test "settings hold at each start: after a crash, restart and swap, by scale, in exec, from a spec (C0.3)" {
	local dir one spec n
	dir=$(app -t 'worker: ./show; exec sleep 1000' all)
	put "$dir/show" 755 <<<"$show"
	as_user mkdir "$dir/w"
	echo host | put "$BASE/hostfile"
	echo FROM_FILE=yes | put "$BASE/vars"
	dyno start --detach --backoff off --nofile 333 --shm-size 8M --tmpfs /app/cache:4M:99 --read-only \
		--writable /app/w --mount "$BASE/hostfile:/app/h" --seccomp unconfined -e A=1 -e B=2 \
		--env-file "$BASE/vars" --network none --memory 64M --cpus 0.5 --cpu-view quota --pids 77 \
		--scratch tmpfs:16M --grace 7s --stop-signal USR2 --stop-scope main "$dir" worker >/dev/null
	wait_for 20 shown all/worker.1 1
	one=$(shown all/worker.1 1)
	for n in 'nofile 333 core 0 ' 'shm 8388608 cache 4194304 99' '/ ro,' '/app/w rw,' '/app/h ro,' A=1 B=2 \
		FROM_FILE=yes DYNO_CPU=0.5 DYNO_RAM=64 lo host 'writable as asked' ' cpus 1'; do
		grep -qF -- "$n" < <(tr -s ' ' <<<"$one") || fail "$n: $one"
	done
	spec=$(asked all/worker.1)
	[[ $spec == *'"grace_ms":7000'*'"stop_signal":"SIGUSR2","stop_scope":"main"'* ]] || fail "$spec"
	[[ $spec == *'["memory",67108864,'*'["pids",77,'* ]] || fail "$spec"

	kill -KILL "$(init_of all/worker.1)"
	wait_for 20 shown all/worker.1 2
	dyno restart all/worker.1 >/dev/null
	wait_for 20 shown all/worker.1 3
	dyno restart --preboot all/worker.1 >/dev/null
	wait_for 20 shown all/worker.1 4
	for n in 2 3 4; do
		diff <(echo "$one") <(shown all/worker.1 "$n") || fail "start $n"
	done
	[ "$(asked all/worker.1)" = "$spec" ] || fail "$(asked all/worker.1), not $spec"
	dyno scale -a all worker=2 >/dev/null
	wait_for 20 shown all/worker.2 1
	diff <(echo "$one") <(shown all/worker.2 1) || fail "by scale"
	[ "$(asked all/worker.2)" = "$spec" ] || fail "$(asked all/worker.2), not $spec"
	run -0 dyno exec all/worker.1 ./show
	diff <(echo "$one") <(echo "$output") || fail "in exec"

	put "$BASE/spec.json" <<-END
		{"schema": 1, "app": "given", "slug": "$dir", "types": {"worker": 1}, "backoff": "off", "nofile": "333",
		 "shm_size": "8M", "tmpfs": ["/app/cache:4M:99"], "read_only": true, "writable": ["/app/w"],
		 "mounts": ["$BASE/hostfile:/app/h"], "seccomp": "unconfined", "env": {"A": "1", "B": "2"},
		 "env_files": ["$BASE/vars"], "network": "none", "memory": "64M", "cpus": "0.5", "cpu_view": "quota",
		 "pids": "77", "scratch": "tmpfs", "scratch_bytes": 16777216, "grace_ms": 7000, "stop_signal": "USR2",
		 "stop_scope": "main"}
	END
	dyno start --detach --spec "$BASE/spec.json" >/dev/null
	wait_for 20 shown given/worker.1 1
	diff <(echo "$one") <(shown given/worker.1 1) || fail "from a spec"
	[ "$(asked given/worker.1)" = "$spec" ] || fail "$(asked given/worker.1), not $spec"
}

@test "one-offs without a terminal complete and are never restarted (C8.6, U13)" {
	run -0 dyno run --detach "$SHAPES" 'echo done; exit 4'
	[[ $output == run.[1-9][0-9][0-9][0-9] ]] || lib_seen "expected a name"
	name=$output
	became 10 "$name" complete
	[ "$(fact "$name" exit_code)" = 4 ] || fail "exit_code"
	log_of "$name" | grep -qxF "app[$name]: done" || fail "no output"
	[ "$(platform_of "$name" | tail -1)" = 'State changed from up to complete' ] || fail "lines"
}

@test "health: a dyno that does not answer is stopped and comes back; one that does stays (C0.3)" {
	web='web: python3 -m http.server --directory /app "$PORT"'
	dir=$(app -t "$web" healthy)
	echo fine | put "$dir/ok"
	dyno start --detach --health http:/ok --health-interval 200ms --backoff off "$dir"
	became 10 web.1 up
	first=$(init_of web.1)
	sleep 1
	[ "$(init_of web.1)" = "$first" ] || fail "a healthy one was restarted"
	dir=$(app -t "$web" sick)
	dyno start --detach --health http:/missing --health-interval 100ms --health-threshold 2 \
		--backoff 1h "$dir"
	became 10 sick/web.1 crashed
	[ "$(fact sick/web.1 reason)" = health ] || fail "reason"
	grep -q 'Health check failed 2 times in a row' "$BASE/data/logs/sick/web.1.log" || fail "not said"
	grep -q 'Warning: .*404' "$BASE/data/logs/sick/web.1.log" || fail "no cause"
	dir=$(app -t 'worker: sleep 1; touch gone; sleep 1000' inside)
	dyno start --detach --health 'exec:test ! -e gone' --health-interval 100ms \
		--health-threshold 3 --backoff 1h "$dir"
	became 10 inside/worker.1 crashed
	[ "$(fact inside/worker.1 reason)" = health ] || fail "reason"
	dir=$(app -t 'worker: exec sleep 1000' closed)
	dyno start --detach --network none --health tcp --health-interval 100ms --backoff 1h "$dir"
	became 10 closed/worker.1 crashed
	grep -q 'Warning: connect to ' "$BASE/data/logs/closed/worker.1.log" || fail "no cause"
	# one that takes the connection and says nothing
	dir=$(app -t 'web: exec python3 serve.py' silent)
	put "$dir/serve.py" <<-'END'
		import os, socket, time
		s = socket.create_server(("", int(os.environ["PORT"])))
		kept = []
		while True:
		    kept.append(s.accept())
	END
	dyno start --detach --health http:/ --health-interval 100ms --health-timeout 150ms --health-threshold 1 \
		--backoff 1h "$dir"
	became 10 silent/web.1 crashed
	grep -q 'Warning: GET /: no answer within 150 ms' "$BASE/data/logs/silent/web.1.log" ||
		fail "$(cat "$BASE/data/logs/silent/web.1.log")"
}

@test "state files of an older and of a later dyno: told as far as they go, and steered all the same (T59)" {
	dyno start --detach "$(sleeping ages)"
	became 10 worker.1 up
	state=$BASE/run/ages/worker.1/state.json
	# as a version without most members wrote it, and with one that went since
	echo '{"schema":1,"app":"ages","name":"worker.1","type":"worker","state":"up","color":"blue",' \
		'"boot_id":"'"$(cat /proc/sys/kernel/random/boot_id)"'"}' |
		as_user tee "$state" >/dev/null
	is worker.1 up || fail "an older state file is not understood"
	echo '{"schema":99,"app":"ages","name":"worker.1","state":{"word":"up"}}' |
		as_user tee "$state" >/dev/null
	run -0 dyno ps --json
	[ "$(jq -r '.[0].name' <<<"$output")" = worker.1 ] || lib_seen "a later one is not listed"
	run -0 dyno inspect worker.1
	[ "$(jq -r .state <<<"$output")" = up ] || lib_seen "its monitor knows better"
	run -0 dyno stop worker.1
	wait_for 5 supervise_quiet
}
