#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Why a web process does not come up: each cause is injected, and has its sentence together with R10
# and in `dyno explain`; a healthy one has none.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos
load supervise

teardown() {
	[ -z "${peers:-}" ] || kill "$peers" 2>/dev/null || :
	supervise_teardown
	lib_teardown
}

# What the sentence of each must contain, and the command.  A shell is there at once, also where many
# of them start on a busy machine.
SILENT=$((28000 + 10)) FULL=$((28000 + 11))
py='python3 -ISc "import os, socket, sys, time; port = int(os.environ[\"PORT\"]); '
causes=(
	"loopback|listening on 127.0.0.1:|${py}s = socket.create_server((\\\"127.0.0.1\\\", port)); time.sleep(1000)\""
	"port|listening on 0.0.0.0:28999, expected 0.0.0.0:\$PORT=|${py}s = socket.create_server((\\\"\\\", 28999)); time.sleep(1000)\""
	"udp|has bound \$PORT over UDP, and web is TCP|${py}s = socket.socket(type=socket.SOCK_DGRAM); s.bind((\\\"\\\", port)); s.recv(1)\""
	"unix|(python3) listens on the unix socket /tmp/web.sock only|${py}s = socket.socket(socket.AF_UNIX); s.bind(\\\"/tmp/web.sock\\\"); s.listen(); time.sleep(1000)\""
	"stopped|is stopped by a signal|kill -STOP \$\$"
	"connect|(bash) waits in connect to 127.0.0.1:$FULL|exec 3<>/dev/tcp/127.0.0.1/$FULL"
	"answer|(cat) waits for an answer of 127.0.0.1:$SILENT|exec 3<>/dev/tcp/127.0.0.1/$SILENT; exec cat <&3"
	"resolve|(cat) waits for the name server 127.0.0.1:53|exec 3<>/dev/udp/127.0.0.1/53; exec cat <&3"
	"busy|(bash) is still busy: |while :; do :; done"
	"lock|(flock) waits for the lock on /tmp/lock|exec 9>/tmp/lock; flock 9; exec flock /tmp/lock true"
	"ended|has ended with status 3, and the others go on|(until read -r c </proc/\$\$/comm && [ \"\$c\" = sleep ]; do :; done; exit 3) & exec sleep 1000"
	"stdin|(cat) waits for its standard input|exec cat"
	"pipe|(cat) waits for what it reads from pipe:[|sleep 1000 | (exec 4<&0 </dev/null; exec cat /dev/fd/4)"
	"open|waits in open, as of a pipe that nobody else opens|mkfifo /tmp/fifo; exec cat /tmp/fifo"
	"sleep|(sleep) sleeps|exec sleep 1000"
)

# Two servers of the test's own, which answer nobody: one takes connections, of the other the queue
# is full.
serve_nobody() {
	python3 -ISc "
import socket, sys, time
silent = socket.create_server(('127.0.0.1', $SILENT), backlog=16)
full = socket.create_server(('127.0.0.1', $FULL), backlog=0)
held = [socket.socket() for _ in range(4)]
for s in held:
    s.setblocking(False)
    s.connect_ex(('127.0.0.1', $FULL))
print('ready', flush=True)
time.sleep(1000)" >"$BATS_TEST_TMPDIR/peers" 3>&- &
	peers=$!
	wait_for 10 grep -q ready "$BATS_TEST_TMPDIR/peers"
}

# inject TIMEOUT CAUSE...: a dyno of each, side by side, until its boot has timed out
inject() {
	local timeout=$1 row name command pids=() input
	shift
	for row; do
		name=${row%%|*} command=${row#*|*|}
		input=/dev/null
		[ "$name" != stdin ] || input=$BATS_TEST_TMPDIR/stdin
		(exec 3>&- && exec "${user[@]}" "$DYNO" run --network host --boot-timeout "$timeout" \
			"$(app -t "web: $command" "$name")" web <>"$input" \
			>"$BATS_TEST_TMPDIR/$name.out" 2>"$BATS_TEST_TMPDIR/$name.err") &
		pids+=($!)
	done
	wait "${pids[@]}" || :
}

# right CAUSE-ROW: its sentence follows R10, and is what explain says
right() {
	local name=${1%%|*} text=${1#*|} lines
	text=${text%%|*}
	mapfile -t lines < <(err=$BATS_TEST_TMPDIR/$name.err platform | grep -A1 'Error R10 (Boot timeout)')
	[[ ${lines[1]:-} == *": Boot timeout: listening on "*"expected 0.0.0.0:\$PORT="* ]] &&
		[[ ${lines[1]} == *"$text"* ]] &&
		[[ $(dyno explain -a "$name" web.1) == *"status 137, nothing listened on \$PORT in time (R10): "*"$text"* ]]
}

@test "each cause of a boot timeout has its sentence, with R10 and in explain (C0.6, R10, T38, U5)" {
	local again=() wrong=() row
	serve_nobody
	mkfifo "$BATS_TEST_TMPDIR/stdin"
	chmod 666 "$BATS_TEST_TMPDIR/stdin"
	inject 3s "${causes[@]}"
	for row in "${causes[@]}"; do
		right "$row" || again+=("$row")
	done
	# on a machine so busy that some had not come that far
	[ "${#again[@]}" -eq 0 ] || inject 12s "${again[@]}"
	for row in "${again[@]}"; do
		right "$row" || wrong+=("$row")
	done
	for row in "${wrong[@]}"; do
		printf 'expected: %s\n' "${row%|*}"
		cat "$BATS_TEST_TMPDIR/${row%%|*}.err"
		dyno explain -a "${row%%|*}" web.1
	done
	[ "${#wrong[@]}" -eq 0 ]
}

@test "explain tells of a boot what it waits for now, and nothing of a healthy one (C0.6, T38)" {
	local explained
	dyno start -d -q --network none --boot-timeout 10m "$(app -t 'web: sleep 1000' late)"
	sleeps() { [[ $(dyno explain -a late web.1) == "web.1 is starting: listening on nothing, expected 0.0.0.0:\$PORT="*"; process 2 (sleep) sleeps" ]]; }
	wait_for 30 sleeps
	dyno explain --json -a late web.1 | jq -e '.state == "starting" and (.why | endswith("process 2 (sleep) sleeps"))'
	dyno start -d -q --network none "$(app -t "web: exec ${py}s = socket.create_server((\\\"\\\", port)); time.sleep(1000)\"" good)"
	became 30 good/web.1 up
	explained=$(dyno explain good/web.1)
	[[ $explained =~ ^'web.1 is up, $PORT is '[0-9]+$ ]] || fail "$explained"
	dyno explain --json good/web.1 | jq -e '.why == null and .detail == null'
	run ! grep -q 'Boot timeout\|Warning: listening' "$BASE"/data/logs/good/web.1.log
}

@test "explain knows dynos and classes, and what is neither (U5)" {
	run -1 --separate-stderr dyno explain web.77
	[[ $stderr == *'no error class "web.77"'* ]]
	run -1 --separate-stderr dyno explain -a none-such web.1
	[[ $stderr == *none-such* ]]
}
