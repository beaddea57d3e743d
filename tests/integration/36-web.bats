#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Readiness: a web dyno is up when something listens on $PORT where a router reaches it, and R10
# says what it saw instead.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

# web COMMAND: an app with that web type and listen.py
web() {
	local dir
	dir=$(app -t "web: $1" web)
	tar -xzOf "$SHAPES" ./app/listen.py | put "$dir/listen.py"
	echo "$dir"
}

# at_us TEXT: when the platform said the line with it
at_us() { date -d "$(sed -n "s/ .*$1.*//p" "$err")" +%s%6N; }
port_of() { sed -n 's/.*listening on [^:]*:\([0-9]*\)$/\1/p' "$out"; }

@test "web is up when it listens, not before, and serves (C4.5, C6.2)" {
	begin "$(web 'python3 listen.py --after 1')"
	up
	[ $(($(at_us 'to up') - $(at_us 'Starting process'))) -ge 1000000 ] || fail "up too early"
	says 1 'listening on 0.0.0.0'
	[[ $(url) == http://*:"$(port_of)" ]] || lib_seen "not told: $(url)"
	[ "$(curl -s "$(url)/")" = ok ]
	kill "$pid"
	finish 143
	assert_platform <<'EOF2'
heroku[web.1]: Starting process with command `python3 listen.py --after 1`
heroku[web.1]: State changed from starting to up
heroku[web.1]: Stopping all processes with SIGTERM
heroku[web.1]: Process exited with status 143
heroku[web.1]: State changed from up to down
EOF2
}

@test "other types and one-offs are up at once, whatever they listen on (C6.2)" {
	begin "$(app -t 'worker: sleep 1000' worker)" worker
	up 2
	kill "$pid"
	finish 143
	begin "$(web 'sleep 1000')" 'sleep 1000'
	up 2
	kill "$pid"
	finish 143
}

@test "a web process that never listens gets R10 and SIGKILL, in these words (C6.3, C7.5, R10)" {
	began=$EPOCHREALTIME
	begin --boot-timeout 2s "$(web 'trap "" TERM; sleep 1000; true')"
	finish 137
	took=$((${EPOCHREALTIME/./} - ${began/./}))
	[[ $took -ge 1950000 && $took -lt 50000000 ]] || fail "took $took us"
	# rootless, other sockets of the same user say nothing of the dyno
	[ "$PROFILE" = rootless ] || grep -q ': Boot timeout: listening on nothing, expected 0.0.0.0:$PORT=' "$err"
	sed -i '/: Boot timeout: /d' "$err"
	assert_platform <<'EOF2'
heroku[web.1]: Starting process with command `trap "" TERM; sleep 1000; true`
heroku[web.1]: Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 2 seconds of launch
heroku[web.1]: Stopping process with SIGKILL
heroku[web.1]: Process exited with status 137
heroku[web.1]: State changed from starting to crashed
EOF2
}

@test "R10 is the reason of the outcome (U1, U5)" {
	run -137 --separate-stderr dyno run -q --json --boot-timeout 1s "$(web 'sleep 1000')"
	jq -e '.outcome.reason == "boot-timeout" and .outcome.exit_code == 137' <<<"${stderr_lines[-1]}"
}

@test "a bind to loopback is not up; it is named at once and in R10 (C0.6, T38)" {
	for network in host none private; do
		[[ $PROFILE != rootless || $network == none ]] || continue # sockets of other programs are the user's too
		begin --network "$network" --boot-timeout 4s "$(web 'python3 listen.py --address 127.0.0.1')"
		wait_for 2 grep -q '127.0.0.1' "$err"
		finish 137
		port=$(port_of)
		mapfile -t seen < <(platform)
		[[ ${seen[1]} == *Warning*"127.0.0.1:$port"* ]] || fail "not named: ${seen[*]}"
		[ "${seen[2]}" = 'heroku[web.1]: Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 4 seconds of launch' ]
		[[ ${seen[3]} == *"listening on 127.0.0.1:$port, expected 0.0.0.0:\$PORT=$port" ]] || fail "not explained: ${seen[*]}"
		[ "${seen[4]}" = 'heroku[web.1]: Stopping process with SIGKILL' ]
	done
}

@test "a bind to a wrong port is not up, and is named with the right one (C0.6, R11, T38)" {
	for network in host none private; do
		[[ $PROFILE != rootless || $network == none ]] || continue
		begin --network "$network" --boot-timeout 4s --port 28765 "$(web 'python3 listen.py --port 28999')"
		finish 137
		run platform
		assert_no_line 'to up'
		[[ ${lines[1]} == *Warning*28999*28765* ]]
		[[ ${lines[2]} == *'Error R10 (Boot timeout)'* ]]
		[[ ${lines[3]} == *28999*28765* ]]
	done
}

@test "a socket of another owner on the port does not make a dyno up (T38)" {
	need "as one user both are the same owner" [ "$PROFILE" != rootless ]
	# taken before: the port is refused by name
	python3 -c '
import socket, time
s = socket.create_server(("0.0.0.0", 28766))
time.sleep(100)' 3>&- &
	other=$!
	wait_for 5 bash -c ': </dev/tcp/127.0.0.1/28766'
	run -125 dyno run --network host --port 28766 "$(web 'sleep 1000')"
	kill "$other"
	wait "$other" || :
	assert_error port.unavailable
	# taken after the start
	begin --network host --boot-timeout 2s --port 28767 "$(web 'sleep 1000')"
	wait_for 5 grep -q 'Starting process' "$err"
	sleep 0.3
	python3 -c '
import socket, time
s = socket.create_server(("0.0.0.0", 28767))
time.sleep(100)' 3>&- &
	other=$!
	finish 137
	kill "$other"
	wait "$other" || :
	run platform
	assert_no_line 'to up'
	[[ $output == *'; $PORT is taken by process '*' (python3) of the user 0, outside of the dyno'* ]]
}

@test "IPv6 alone, a late bind, a listener of a child: up; a unix socket: not (C3.6, T38)" {
	if python3 -c 'import socket; socket.socket(socket.AF_INET6).bind(("::", 0))'; then
		begin "$(web "python3 -c 'import os, socket, time; s = socket.socket(socket.AF_INET6); s.setsockopt(41, 26, 1); s.bind((\"::\", int(os.environ[\"PORT\"]))); s.listen(); time.sleep(1000)'")"
		up 5
		kill "$pid"
		finish 143
	fi
	begin "$(web '(sleep 0.3; exec python3 listen.py) & wait')"
	up 5
	kill "$pid"
	finish 143
	begin --boot-timeout 1s "$(web "python3 -c 'import socket, time; s = socket.socket(socket.AF_UNIX); s.bind(\"/tmp/sock\"); s.listen(); time.sleep(1000)'")"
	finish 137
}

@test "a network of its own: only loopback inside, up all the same, unreachable from outside (C9.2)" {
	begin --network none --port 28768 "$(web 'python3 listen.py')"
	up 5
	[ -z "$(url)" ] || lib_seen "nobody reaches it there: $(url)"
	run ! curl -s -m1 http://127.0.0.1:28768/
	[ "$(readlink "/proc/$(pid1)/ns/net")" != "$(readlink /proc/self/ns/net)" ]
	kill "$pid"
	finish 143
}

@test "a web process that ends while it boots has crashed, with its status (C6.10)" {
	begin "$(web 'exit 4')"
	finish 4
	assert_platform <<'EOF2'
heroku[web.1]: Starting process with command `exit 4`
heroku[web.1]: Process exited with status 4
heroku[web.1]: State changed from starting to crashed
EOF2
}

@test "a stop during the boot needs no R10 (C7.1, T54)" {
	begin --boot-timeout 60s "$(web 'sleep 1000')"
	asleep() { inhabitants "$(pid1)" | sed 's,.*,/proc/&/comm,' | xargs cat | grep -qx sleep; }
	wait_for 5 asleep
	kill "$pid"
	finish 143
	assert_platform <<'EOF2'
heroku[web.1]: Starting process with command `sleep 1000`
heroku[web.1]: Stopping all processes with SIGTERM
heroku[web.1]: Process exited with status 143
heroku[web.1]: State changed from starting to down
EOF2
}
