#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a dyno has written, and copies out of it: as the dyno sees its root and never beyond it, done
# by the caller with his own time and memory.  And the control socket that both go through.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos
load supervise

# begin_dyno COMMAND [OPTION...]: worker.1 of a directory, which says "ready" and then sleeps, or
# does what $then says
begin_dyno() {
	local dir command=${1//$'\n'/ }
	dir=$(app -t "worker: $command; echo ready; ${then:-exec sleep 1000}" "app$BATS_TEST_NUMBER")
	echo old | put "$dir/old"
	echo gone | put "$dir/gone"
	dyno start --detach "${@:2}" "$dir" >/dev/null
	wait_for 20 ready
}

says_so() { log_of worker.1 | grep -cx "app\[worker.1\]: $1"; }
ready() { says_so ready; }
wrote() { [ "$(dyno diff worker.1 | wc -l)" -ge "$1" ]; }

changes() { dyno diff --json worker.1 | jq -r '"\(.change) \(.path)"' | sort; }

# ---- diff -----------------------------------------------------------------------------------------

@test "a live dyno's writes are told as they are now, a dead one's as they were (C2.1, U30)" {
	begin_dyno 'echo new >new; echo more >>old; rm gone; mkdir -p /tmp/d; echo t >/tmp/d/f'
	changes >"$BATS_TEST_TMPDIR/live"
	diff - "$BATS_TEST_TMPDIR/live" <<'END'
added /app/new
added /tmp/d
added /tmp/d/f
changed /app/old
deleted /app/gone
END
	run -0 dyno diff --json worker.1
	[ "$(jq -r 'select(.path == "/app/old") | .size_bytes' <<<"$output")" = 9 ] || lib_seen size
	dyno stop worker.1 >/dev/null
	changes | diff "$BATS_TEST_TMPDIR/live" -
}

@test "what was written is not there after a restart (C2.1, U32)" {
	local first
	begin_dyno 'ls >list; echo x >new'
	first=$(init_of worker.1)
	dyno restart worker.1 >/dev/null
	[ "$(init_of worker.1)" != "$first" ] || fail "it was not restarted"
	wait_for 10 wrote 2
	changes >"$BATS_TEST_TMPDIR/got"
	diff - "$BATS_TEST_TMPDIR/got" <<'END'
added /app/list
added /app/new
END
	dyno cp worker.1:list "$BATS_TEST_TMPDIR/list"
	! grep -x new "$BATS_TEST_TMPDIR/list" || fail "it was there"
}

@test "what the launcher made is not told: a dyno that wrote nothing has written nothing (U30)" {
	begin_dyno true
	[ -z "$(changes)" ] || fail "$(changes)"
	run -0 dyno diff worker.1
	[ -z "$output" ] || lib_seen "expected nothing"
	dyno stop worker.1 >/dev/null
	[ -z "$(changes)" ] || fail "after its end: $(changes)"
}

@test "an archive as slug: writes are told against slug and stack alike (C2.1)" {
	local dir
	dir=$(app -t 'worker: echo new >new; rm gone; echo x >/etc/new 2>/dev/null; sleep 1000' packed)
	echo gone | put "$dir/gone"
	dyno slug pack -o "$BASE/packed.tgz" "$dir"
	dyno start --detach "$BASE/packed.tgz" >/dev/null
	wait_for 20 wrote 2
	changes | grep -v ' /etc' >"$BATS_TEST_TMPDIR/got"
	diff - "$BATS_TEST_TMPDIR/got" <<'END'
added /app/new
deleted /app/gone
END
}

# The walk and the copies take the caller's memory: T61, gvisor's archive inside the sandbox's own
# group killed the app.
@test "T61 a large upper is walked and copied beside a dyno at its memory limit" {
	local leaf init
	begin_dyno 'for i in 1 2 3 4 5 6 7 8; do head -c 20000000 /dev/zero >f$i; done' \
		--scratch disk
	init=$(init_of worker.1)
	case $PROFILE in
	root-v1) leaf=memory$(sed -n 's/^[0-9]*:memory://p' "/proc/$init/cgroup")/memory.limit_in_bytes ;;
	root-v2) leaf=$(sed -n 's/^0:://p' "/proc/$init/cgroup")/memory.max ;;
	esac
	# its page cache has to go first
	[ "$PROFILE" = rootless ] || wait_for 10 bash -c "echo 64M >/sys/fs/cgroup/$leaf"
	[ "$(changes | grep -c 'added /app/f')" = 8 ] || fail "$(changes)"
	dyno cp worker.1:/app "$BATS_TEST_TMPDIR/copy"
	[ "$(du -bs "$BATS_TEST_TMPDIR/copy" | cut -f1)" -gt 160000000 ] || fail "not all was copied"
	[ "$(dyno cp worker.1:/app - | wc -c)" -gt 160000000 ] || fail "not all was archived"
	[ "$(init_of worker.1)" = "$init" ] || fail "it was killed"
	is worker.1 up || fail "it is no more"
}

# ---- cp -------------------------------------------------------------------------------------------

@test "cp takes files, directories and links as the dyno sees them, to a path or as an archive" {
	begin_dyno 'mkdir -p d/e; echo text >d/e/f; ln -s /app/d abs; ln -s e/f d/rel;
		chmod 751 d/e/f; touch -d @1000 d/e/f; mkfifo d/pipe; echo top >/tmp/top'
	cd "$BATS_TEST_TMPDIR"
	dyno cp worker.1:d got
	[ "$(cat got/e/f)" = text ] || fail "the content"
	[ "$(readlink got/rel)" = e/f ] || fail "the link"
	[ ! -e got/pipe ] || fail "a fifo was copied"
	[ "$(stat -c '%a %Y' got/e/f)" = '751 1000' ] || fail "$(stat got/e/f)"
	[ "$(as_user id -u)" = "$(stat -c %u got/e/f)" ] || fail "the owner"
	dyno cp worker.1:abs/e/f file
	[ "$(cat file)" = text ] || fail "through a link that is absolute inside"
	dyno cp worker.1:abs link
	[ "$(readlink link)" = /app/d ] || fail "a link is a link"
	dyno cp worker.1:/tmp/top got
	[ "$(cat got/top)" = top ] || fail "into a directory"
	dyno cp worker.1:d/. got
	[ "$(cat got/e/f)" = text ] || fail "the content of a directory, over what is there"
	run -0 bash -c "$(declare -p user); \"\${user[@]}\" '$DYNO' cp worker.1:d - | tar -tf - | sort"
	[ "$output" = $'d/\nd/e/\nd/e/f\nd/rel' ] || lib_seen "an archive"
}

@test "cp never leaves the dyno's root, whatever its links say, and refuses what is no file (T60)" {
	echo secret | as_user tee "$BASE/secret" >/dev/null
	begin_dyno "ln -s '$BASE/secret' out; ln -s '$BASE' dir; ln -s /proc/1/root magic;
		ln -s ../../../../../..$BASE/secret up; mkfifo pipe"
	cd "$BATS_TEST_TMPDIR"
	for path in out/ dir/secret dir/ magic/etc/passwd "../../../..$BASE/secret" "$BASE/secret"; do
		run -1 --separate-stderr timeout 60 "${user[@]}" "$DYNO" cp "worker.1:$path" got
		[ ! -e got ] || fail "$path: $(cat got)"
	done
	for path in out up; do
		dyno cp "worker.1:$path" got
		[ -L got ] || fail "$path is no link"
		rm got
	done
	for path in pipe /dev/zero /proc/1/environ /proc; do
		run -1 --separate-stderr timeout 60 "${user[@]}" "$DYNO" cp "worker.1:$path" got
		[ ! -e got ] || fail "$path was copied"
		run -1 timeout 60 "${user[@]}" bash -c '"$DYNO" cp "worker.1:$1" - >/dev/null' - "$path"
	done
}

@test "what one copy brought is no way out for the next (T60)" {
	local then='while :; do sleep 0.1; done'
	as_user mkdir "$BATS_TEST_TMPDIR/canary"
	begin_dyno "mkdir t; ln -s '$BATS_TEST_TMPDIR/canary' t/x;
		trap 'rm t/x; mkdir t/x; echo bad >t/x/bad; echo changed' USR1"
	cd "$BATS_TEST_TMPDIR"
	dyno cp worker.1:t .
	[ "$(readlink t/x)" = "$BATS_TEST_TMPDIR/canary" ] || fail "the link"
	dyno kill -s USR1 worker.1
	wait_for 10 says_so changed
	run -1 --separate-stderr dyno cp worker.1:t .
	[[ $stderr == *'"t/x"'* ]] || lib_seen "what is in the way"
	[ -z "$(ls canary)" ] || fail "it was written to"
}

@test "cp of one that has ended, of another user's, or to nowhere is refused by name" {
	begin_dyno true
	run -1 --separate-stderr dyno cp worker.1:/none x
	[[ $stderr == *'"/none"'*'[host.io]'* ]] || lib_seen "the path"
	run -1 --separate-stderr dyno cp worker.1:/app /nowhere/at/all
	[[ $stderr == *'/nowhere/at/all'* ]] || lib_seen "the destination"
	run -1 bash -c '"$@" >/dev/full' - "${user[@]}" "$DYNO" cp worker.1:/app -
	if [ "$PROFILE" != rootless ]; then
		run -1 --separate-stderr setpriv --reuid "$USER_ID" --clear-groups \
			"$DYNO" cp worker.1:/app "$BATS_TEST_TMPDIR/x"
		[ ! -e "$BATS_TEST_TMPDIR/x" ] || fail "it was copied"
	fi
	dyno stop worker.1 >/dev/null
	run -1 --separate-stderr dyno cp worker.1:/app x
	[[ $stderr == *'[dyno.not-found]'* ]] || lib_seen "an ended one"
}

# ---- the socket -----------------------------------------------------------------------------------

@test "T62 a monitor bears clients that send nonsense, nothing or without end, and never read" {
	local socket monitor before
	begin_dyno true
	monitor=$(monitor_of worker.1)
	socket=$(find "$BASE/run" -name ctl.sock)
	[ "$(stat -c '%a %u' "$socket")" = "600 $(as_user id -u)" ] || fail "$(stat "$socket")"
	before=$(find "/proc/$monitor/fd" -mindepth 1 | wc -l)
	as_user /usr/bin/python3 - "$socket" <<'END'
import array, os, random, socket, struct, sys

def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])                  # waits where the queue is full
    s.settimeout(20)
    return s

def ask(s, verb, value=0):
    try:
        s.send(struct.pack("IiII", verb, value, 0, 0))
    except OSError:
        pass                                # hung up on: why is there to be read
    try:
        answer = s.recv(200000)
    except ConnectionResetError:            # told once, ahead of what came before
        answer = s.recv(200000)
    return struct.unpack("Ii", answer[:8])

random.seed(1)
for size in [0, 1, 15, 16, 17, 4096, 131072, 131073]:
    s = connect()
    s.send(random.randbytes(size))
idle = [connect() for i in range(300)]      # more than there is room for
answers = {"done": 0, "busy": 0}
for s in idle:
    kind, value = ask(s, 1)
    answers["done" if kind == 1 else "busy"] += 1
    assert kind == 1 or value == -16, (kind, value)
assert answers == {"done": 32, "busy": 268}, answers
for s in idle:
    s.close()
s = connect()                               # never reads
try:
    while True:
        s.send(struct.pack("IiII", 2, 0, 0, 0))
except OSError:
    pass
s = connect()                               # descriptors that nobody wants
null = os.open("/dev/null", os.O_RDONLY)
s.sendmsg([struct.pack("IiII", 1, 0, 0, 0)],
          [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * 200))])
assert struct.unpack("Ii", s.recv(200000)[:8])[0] == 2
s = connect()
s.send(struct.pack("IiII", 1, 0, 0, 0))
s.shutdown(socket.SHUT_WR)                  # half closed, and answered
assert struct.unpack("Ii", s.recv(200000)[:8])[0] == 1
END
	is worker.1 up || fail "it is $(fact worker.1 state)"
	[ "$(monitor_of worker.1)" = "$monitor" ] || fail "another monitor"
	wait_for 5 bash -c "[ \"\$(ls /proc/$monitor/fd | wc -l)\" = $before ]"
}

@test "T54 many stops and restarts at once each have a definite answer, and it stops once" {
	local i pids=()
	begin_dyno true
	for i in 1 2 3 4 5 6; do
		dyno restart --no-wait worker.1 >/dev/null 2>&1 &
		pids+=($!)
		dyno stop worker.1 >/dev/null 2>"$BATS_TEST_TMPDIR/err$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		local status=0
		wait "$i" || status=$?
		[ "$status" -le 1 ] || fail "status $status"
	done
	for i in 1 2 3 4 5 6; do
		[ ! -s "$BATS_TEST_TMPDIR/err$i" ] ||
			grep -q 'dyno.not-found' "$BATS_TEST_TMPDIR/err$i" ||
			fail "$(cat "$BATS_TEST_TMPDIR/err$i")"
	done
	wait_for 20 supervise_quiet
	is worker.1 down || fail "it is $(fact worker.1 state)"
}
