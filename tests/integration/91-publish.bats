#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Published ports: a port of the host behind which the dynos of a type answer, through restarts,
# swaps and the death of whoever stands in between.  Contract 3.6, 6.11, 6.12, 9.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos
load supervise

# A server that says which start answers, takes a while to boot (BOOT), and on TERM ends at once.
# /echo sends back what it gets until its client has said all; /slow takes half a second.
server() {
	local dir
	dir=$(app -t 'web: exec python3 -u serve.py' "${1:-shop}")
	put "$dir/serve.py" <<-'PYTHON'
		import os, socket, threading, time, uuid
		me = f'{os.environ["DYNO"]} {uuid.uuid4()}'
		time.sleep(float(os.environ.get("BOOT", "0")))
		six = os.environ.get("SIX")
		s = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		if six:
		    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
		s.bind(("::" if six else "0.0.0.0", int(os.environ["PORT"])))
		s.listen(1024)
		def answer(c):
		    with c:
		        head = c.recv(65536)
		        if head.startswith(b"ECHO"):
		            c.sendall(head[4:])
		            while True:
		                data = c.recv(65536)
		                if not data:
		                    c.sendall(b"BYE")
		                    return
		                c.sendall(data)
		        if b"/slow" in head.split(b"\r\n")[0]:
		            print("slow begins", flush=True)
		            time.sleep(0.5)
		        c.sendall(b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n" + me.encode() + b"\n")
		while True:
		    c, _ = s.accept()
		    threading.Thread(target=answer, args=(c,), daemon=True).start()
	PYTHON
	echo "$dir"
}

# url [DYNO]: of the published port
url() { echo "http://$(fact "${1:-web.1}" published)/${2:-}"; }
get() { curl -sS -m 30 "$(url "$@")"; }
forwarders() { pgrep -f "^dyno-forward $1 " || :; }

# ask_often URL FILE: until FILE.stop is there; each failure is a line of FILE
ask_often() {
	: >"$2"
	: >"$2.count"
	until [ -e "$2.stop" ]; do
		curl -sS -m 30 -o /dev/null -f "$1" 2>>"$2" && echo >>"$2.count"
	done
}

@test "a port leads to the dynos of a type in a network of their own, spread over them (C9.2, C3.6)" {
	run -0 dyno start --detach --wait --network none --publish 127.0.0.1:21000+ "$(server)" web=2
	[[ $(fact web.1 published) == 127.0.0.1:2???? ]] || fail "$(fact web.1 published)"
	[ "$(fact web.1 published)" = "$(fact web.2 published)" ] || fail "two ports"
	for _ in 1 2 3 4; do get | cut -d' ' -f1; done | sort | uniq -c >"$BATS_TEST_TMPDIR/answers"
	diff -w - "$BATS_TEST_TMPDIR/answers" <<-'EOF2'
		2 web.1
		2 web.2
	EOF2
	# 3 MiB both ways at once, and the end of one direction before the other's
	python3 - "$(fact web.1 published)" <<-'PYTHON'
		import os, socket, sys, threading
		host, port = sys.argv[1].split(":")
		data = os.urandom(3 << 20)
		c = socket.create_connection((host, int(port)))
		def send():
		    c.sendall(b"ECHO" + data)
		    c.shutdown(socket.SHUT_WR)
		threading.Thread(target=send).start()
		got = b""
		while True:
		    part = c.recv(65536)
		    if not part:
		        break
		    got += part
		assert got == data + b"BYE", (len(got), got[-10:])
	PYTHON
	# pieces about as large as what is copied at once; then a client that reads only when no more goes in
	python3 - "$(fact web.1 published)" <<-'PYTHON'
		import os, select, socket, sys
		host, port = sys.argv[1].split(":")
		c = socket.create_connection((host, int(port)), 60)
		c.sendall(b"ECHO")
		for size in 1, 8191, 8192, 8193, 16384, 8192, 100000, 2:
		    piece = os.urandom(size)
		    c.sendall(piece)
		    got = b""
		    while len(got) < size:
		        part = c.recv(size - len(got))
		        assert part, f"the end after {len(got)} of {size}"
		        got += part
		    assert got == piece, size
		block, sent, most = os.urandom(1 << 20), 0, 1 << 30  # far more than the host's buffers on the way
		c.setblocking(False)
		while sent < most and select.select([], [c], [], 0.5)[1]:
		    at = sent % len(block)
		    sent += c.send(block[at:at + 5000])
		assert sent < most, "it is held nowhere"
		c.setblocking(True)
		c.settimeout(60)
		c.shutdown(socket.SHUT_WR)
		got = bytearray()
		while part := c.recv(1 << 20):
		    got += part
		assert got == (block * (sent // len(block) + 1))[:sent] + b"BYE", (len(got), sent)
	PYTHON
	forwarder=$(forwarders shop)
	[ "$(wc -w <<<"$forwarder")" = 1 ] || fail "forwarders: $forwarder"
	grep -q '^CapEff:.0*$' "/proc/$forwarder/status" || fail "it has capabilities"
	grep -q '^NoNewPrivs:.1$' "/proc/$forwarder/status" || fail "it may gain privileges"
	run -0 dyno inspect --json web.2
	jq -e --arg p "$(fact web.1 published)" '.published[0] | .connected and .type == "web" and
		"\(.address):\(.port)" == $p' <<<"$output" || lib_seen "inspect"
	# one of two gone: the other has all; killed and started again it is back
	kill -KILL "$(monitor_of web.1)"
	for _ in 1 2 3; do get web.2; done | cut -d' ' -f1 | sort -u >"$BATS_TEST_TMPDIR/answers"
	[ "$(<"$BATS_TEST_TMPDIR/answers")" = web.2 ] || fail "$(<"$BATS_TEST_TMPDIR/answers")"
	# the forwarder killed: another one, on the same port
	kill -KILL "$forwarder"
	wait_for 10 get web.2
	[ "$(forwarders shop)" != "$forwarder" ] || fail "it lives"
	address=$(fact web.2 published)
	dyno stop --all
	run ! curl -s -m 5 "http://$address/"
	[ -z "$(forwarders shop)" ] || wait_for 5 deserted "$(forwarders shop)"
	run -0 dyno gc
	[ -z "$(find "$BASE/run" -type s)" ] || fail "a socket stays"
}

@test "clients are held while the only dyno boots or restarts, and closed when none is to come (C6.11, H20)" {
	run -0 dyno start --detach -e BOOT=0.7 --hold 20s --publish 127.0.0.1:21100+ "$(server)"
	is web.1 starting || fail "it is up"
	get >"$BATS_TEST_TMPDIR/first"
	first=$(<"$BATS_TEST_TMPDIR/first")
	[[ $first == web.1* ]] || fail "$first"
	url=$(url)
	log=$BATS_TEST_TMPDIR/failed
	askers=()
	for n in 1 2 3; do
		ask_often "$url" "$log.$n" 3>&- &
		askers+=($!)
	done
	for n in 1 2; do dyno restart -q web.1; done
	wait_for 10 bash -c "[ \$(wc -l <$log.1.count) -ge 5 ]"
	touch "$log".{1,2,3}.stop
	wait "${askers[@]}"
	# a request that the old one had begun is its own matter: none is refused
	run -0 cat "$log".{1,2,3}
	assert_no_line 'Connection refused'
	assert_no_line "Couldn't connect"
	[ "$(get)" != "$first" ] || fail "the same start"
	dyno stop web.1
	run ! curl -s -m 5 "$url"
	# short patience: closed, not refused, and before the dyno is up
	dyno start --detach -e BOOT=20 --hold 300ms --publish 127.0.0.1:21100+ "$(server)"
	run curl -sS -m 15 "$(url)"
	[[ $status == 52 || $status == 56 ]] || lib_seen "expected it to be closed"
}

@test "restart --preboot: the new one first, then the switch, then the old one stops; none fails (C6.12)" {
	run -0 dyno start --detach --wait --network none --publish 127.0.0.1:21200+ "$(server)"
	url=$(url)
	log=$BATS_TEST_TMPDIR/failed
	askers=()
	for n in 1 2; do
		ask_often "$url" "$log.$n" 3>&- &
		askers+=($!)
	done
	first=$(get)
	curl -sS -m 30 "$(url web.1 slow)" >"$BATS_TEST_TMPDIR/slow" 3>&- &
	slow=$!
	wait_for 10 grep -q 'slow begins' "$BASE/data/logs/shop/web.1.log"
	run -0 dyno restart --preboot web.1
	[ "$output" = web.1 ] || lib_seen "expected the name"
	second=$(get)
	[ "$first" != "$second" ] || fail "the same start"
	wait "$slow"
	[ "$(<"$BATS_TEST_TMPDIR/slow")" = "$first" ] || fail "what the old one had begun: $(<"$BATS_TEST_TMPDIR/slow")"
	for _ in $(seq "$(loops 100)") 2 3; do dyno restart --preboot web.1 >/dev/null; done
	[ "$(get)" != "$second" ] || fail "the same start"
	touch "$log".{1,2}.stop
	wait "${askers[@]}"
	[ ! -s "$log.1" ] && [ ! -s "$log.2" ] || fail "failed: $(sort "$log.1" "$log.2" | uniq -c)"
	[ "$(cat "$log".{1,2}.count | wc -l)" -ge 20 ] || fail "too few requests"
	platform_of web.1 | sed -n '3,7p' >"$BATS_TEST_TMPDIR/lines"
	diff - "$BATS_TEST_TMPDIR/lines" <<-'EOF2'
		Starting process with command `exec python3 -u serve.py`
		State changed from starting to up
		Stopping all processes with SIGTERM
		Process exited with status 143
		Starting process with command `exec python3 -u serve.py`
	EOF2
	# one that does not come up: the old one serves on, and that is told
	now=$(get)
	put "$BASE/apps/shop/serve.py" <<<'import sys; sys.exit(7)'
	run -1 --separate-stderr dyno restart --preboot web.1
	assert_error dyno.crashed
	[[ $stderr == *"the old one serves on"* ]] || lib_seen "no reason"
	[ "$(get)" = "$now" ] || fail "it does not serve"
	is web.1 up || fail "it is $(fact web.1 state)"
}

@test "a port that is taken is refused, with who has it; another app's too (C9.2)" {
	run -0 dyno start --detach --wait -a one --publish 127.0.0.1:21300+ "$(server)"
	taken=$(fact one/web.1 published)
	run --separate-stderr dyno start --detach -a two --publish "$taken" "$(server two)"
	refused port.unavailable 125
	[[ $stderr == *"$taken: the app one has published it"* ]] || lib_seen "who?"
	run -0 dyno start --detach -a two --publish "$taken+" "$(server two)"
	[ "$(fact two/web.1 published)" != "$taken" ] || fail "the same"
	python3 -c '
import socket, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
time.sleep(100)' >"$BATS_TEST_TMPDIR/port" 3>&- &
	other=$!
	wait_for 5 test -s "$BATS_TEST_TMPDIR/port"
	run --separate-stderr dyno start --detach -a three --publish "127.0.0.1:$(<"$BATS_TEST_TMPDIR/port")" "$(server)"
	kill "$other"
	wait "$other" || :
	refused port.unavailable 125
	[ "$PROFILE" = rootless ] || [[ $stderr == *"process $other ("*") of user 0 listens on it"* ]] || lib_seen "who?"
	! live | grep -q three || fail "it was started"
	for words in localhost:80 80=none 80=web=x +; do
		run --separate-stderr dyno start --detach --publish "$words" "$(server)"
		assert_status 125
	done
	run --separate-stderr dyno run --publish 21399 "$(server)" true
	refused usage 125
}

@test "in the foreground web is on the first free port from 5000, and its URL is told (C12.3)" {
	out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
	(exec 3>&- && exec "${user[@]}" "$DYNO" start "$(server)" </dev/null >"$out" 2>"$err") &
	pid=$!
	wait_for 10 grep -q '^dyno: web is at http://127.0.0.1:5...$' "$err"
	[[ $(curl -sS -m 30 "$(sed -n 's/^dyno: web is at //p' "$err")") == web.1* ]] || fail "no answer"
	kill -INT "$pid"
	finish 0
	: >"$out" # what it has said must not be taken for the next one's
	(exec 3>&- && exec "${user[@]}" "$DYNO" start --publish none "$(server)" </dev/null >"$out" 2>"$err") &
	pid=$!
	wait_for 10 grep -q 'to up$' "$out"
	[ "$(fact web.1 published)" = null ] || fail "published"
	kill -INT "$pid"
	finish 0
}

@test "an app that listens by IPv6 alone; one that is published by dyno run (C3.6)" {
	need "this host has no IPv6" python3 -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))'
	run -0 dyno start --detach --wait -e SIX=1 --network none --publish '[::1]:21500+' "$(server)"
	[[ $(get) == web.1* ]] || fail "no answer"
	dyno stop --all
	begin --publish 127.0.0.1:21600+ "$(server)"
	up
	[[ $(get) == web.1* ]] || fail "no answer"
	kill "$pid"
	finish 143
}
