#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Listening sockets that the caller opens and the app accepts on: --listen-fd, LISTEN_FDS.
# Contract 6.5, 9.2.
# shellcheck disable=SC2030,SC2031,SC2154 # variables set by bats
load lib
load dynos
load supervise

# An app that answers on the first socket with what it was given; TERM ends it between two answers.
# Its worker says whether it has any.
server() {
	local dir
	# shellcheck disable=SC2016 # text for the dyno's bash
	dir=$(app -t 'web: exec python3 -u serve.py' -t 'worker: echo has ${LISTEN_FDS-none}; exec sleep 1000' shop)
	put "$dir/serve.py" <<-'PYTHON'
		import os, signal, socket, stat, uuid
		me = str(uuid.uuid4())
		def is_open(fd):
		    try:
		        return bool(os.fstat(fd))
		    except OSError:
		        return False
		given = " ".join(str(fd) for fd in range(64) if is_open(fd))
		env = os.environ
		right = int(env["LISTEN_PID"]) == os.getpid()
		said = f'{env["LISTEN_FDS"]} {env.get("LISTEN_FDNAMES", "-")} {right} tty {os.isatty(0)}: {given}'
		ended = []
		signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
		s = socket.socket(fileno=3)
		s.settimeout(0.1)
		print("accepts", flush=True)
		while not ended:
		    try:
		        c, _ = s.accept()
		    except TimeoutError:
		        continue
		    c.settimeout(30)
		    head = c.recv(65536)
		    if b"/crash" in head:
		        os._exit(3)
		    c.sendall(f"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{me} {said}\n".encode())
		    c.close()
	PYTHON
	echo "$dir"
}

# caller N...: what `begin` and $user start has a listening socket of 127.0.0.1 on each N; their ports
# are lines of $ports
caller() {
	ports=$BATS_TEST_TMPDIR/ports
	put "$BASE/caller.py" <<-'PYTHON'
		import os, socket, sys
		at = sys.argv.index("--")
		socks = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in sys.argv[2:at]]
		high = [os.dup(s.fileno()) for s in socks]
		with open(sys.argv[1], "w") as ports:
		    print(*(s.getsockname()[1] for s in socks), sep="\n", file=ports)
		for fd, n in zip(high, sys.argv[2:at]):
		    os.dup2(fd, int(n))
		os.execvp(sys.argv[at + 1], sys.argv[at + 1:])
	PYTHON
	user+=(/usr/bin/python3 "$BASE/caller.py" "$ports" "$@" --)
}

port() { sed -n "${1:-1}p" "$ports"; }
get() { curl -sS -f -m 30 "http://127.0.0.1:$(port)/"; }

@test "sockets of the caller are the command's from 3 on, as sd_listen_fds has it, and nothing else is (C9.2)" {
	caller 40 41
	begin --network none --listen-fd 41=web --listen-fd 40 "$(server)"
	up
	run -0 curl -sS -f -m 30 "http://127.0.0.1:$(port 2)/"
	[[ $output == *' 2 web:unknown True tty False: 0 1 2 3 4' ]] || lib_seen "what it was given"
	kill "$pid"
	finish 0
	# a command with a terminal of its own, by itself; its caller has gone
	run -0 "${user[@]}" "$DYNO" run --detach --tty --name tty.1 --listen-fd 40 "$(server)" -- python3 -u serve.py
	run -0 get
	[[ $output == *' 1 - True tty True: 0 1 2 3' ]] || lib_seen "what it was given"
	# who joins is not who it was meant for, and has none
	[ "$PROFILE" = rootless ] && return
	# shellcheck disable=SC2016 # for the dyno's shell
	run -0 dyno exec -T tty.1 -- sh -c 'echo $LISTEN_PID $$; ls /proc/self/fd | wc -l'
	[[ ${lines[0]} == '2 '* && ${lines[0]} != '2 2' && ${lines[1]} == 4 ]] || lib_seen "a process that joined"
}

@test "they stay open through restarts and crashes, one after the other; none is refused (C6.5)" {
	caller 3
	(exec "${user[@]}" "$DYNO" start --detach --wait --backoff 0 --listen-fd 3 "$(server)" >/dev/null)
	wait_for 10 grep -q 'has none$' <(log_of worker.1)
	[ "$(fact web.1 published)" = null ] || fail "published"
	first=$(get)
	failed=$BATS_TEST_TMPDIR/failed
	(
		exec 3>&-
		until [ -e "$failed.stop" ]; do
			get >>"$failed.answers" 2>>"$failed" || :
		done
	) &
	asker=$!
	for _ in 1 2; do dyno restart -q web.1; done
	second=$(get)
	touch "$failed.stop"
	wait "$asker"
	[ ! -s "$failed" ] || fail "failed: $(sort "$failed" | uniq -c)"
	[ "${first%% *}" != "${second%% *}" ] || fail "the same start"
	run -0 platform_of web.1
	assert_line 'Old and new process cannot run at once: both would accept on the sockets given by --listen-fd'
	# crashed: who comes meanwhile waits in the kernel's queue for the next start
	run ! curl -sS -f -m 30 "http://127.0.0.1:$(port)/crash"
	third=$(get)
	[ "${third%% *}" != "${second%% *}" ] || fail "the same start"
	is web.1 up || fail "it is $(fact web.1 state)"
	# nobody else holds them open
	dyno stop --all
	run -7 get
}

@test "what is no listening socket is refused before anything starts (C9.2)" {
	caller 40
	dir=$(server)
	local word
	for word in 41 0 1=web x 40= 40=a:b; do
		run --separate-stderr "${user[@]}" "$DYNO" start --detach --listen-fd "$word" "$dir"
		refused usage 125
	done
	run --separate-stderr dyno run --listen-fd 9 "$dir" true 9</dev/null
	refused usage 125
	[[ $stderr == *'listen on descriptor 9: it is no listening socket'* ]] || lib_seen "why?"
	run --separate-stderr "${user[@]}" "$DYNO" start --detach --listen-fd 40 --publish 21800+ "$dir" web
	refused usage 125
	[[ $stderr == *--listen-fd* ]] || lib_seen "why?"
	[ -z "$(live)" ] || fail "it was started"
}
