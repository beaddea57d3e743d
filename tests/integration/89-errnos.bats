#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# System calls that fail, are interrupted, or move less than they were asked to (T45): the command
# runs, or a message names what failed, and nothing is left either way.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

setup() {
	lib_setup
	dynos_setup
	export -f half_ill
	DENY=$(dirname "$DYNO")/deny-syscall
	need "deny-syscall is not built (make FAULT=1)" test -x "$DENY"
}

# The calls of a start and of the work before it, and what each can fail with on a host that is
# short of something, or whose disk is ill.
CASES='
socketpair EMFILE   socket 23          memfd_create ENOMEM   memfd_create EMFILE
open_tree EMFILE    fsopen ENOMEM      fsmount EMFILE        move_mount ENOMEM
mount ENOMEM        mkdirat 5          mkdirat ENOSPC        flock 5
getdents64 5        signalfd4 23       epoll_create1 EMFILE  pipe2 EMFILE
openat2 EMFILE      openat2 23         openat2 ENOMEM        renameat,renameat2 5
setns ENOMEM        unshare ENOMEM     sendmsg ENOMEM        timerfd_create EMFILE
symlinkat ENOSPC    fchownat 5         bind ENOMEM           mknodat ENOSPC
clone3,clone,fork,vfork EAGAIN         clone3,clone,fork,vfork ENOMEM
keyctl ENOMEM       pivot_root ENOMEM  setresuid,setgroups EAGAIN'

# what a message of want says, in words
declare -A WORDS=([EMFILE]='too many open files' [23]='too many open files on the host'
	[ENOMEM]='out of memory' [ENOSPC]='no space' [5]='input/output error'
	[EAGAIN]='temporarily unavailable')

@test "T45 a call that fails for want of anything: the app runs, or the message names it" {
	run -0 dyno run -q "$SHAPES" -- /bin/true
	local ran=0 refusals=0
	set -f
	# shellcheck disable=SC2086 # words
	set -- $CASES
	set +f
	while [ $# -gt 0 ]; do
		run --separate-stderr "${user[@]}" timeout 60 "$DENY" "$1" "$2" "$DYNO" run -q "$SHAPES" -- /bin/true
		case $status in
		0) ran=$((ran + 1)) ;;
		125)
			refusals=$((refusals + 1))
			[[ $stderr =~ ^dyno:\ .*\[[a-z-]+\.[a-z-]+\] ]] || lib_seen "$1 $2: no message"
			[[ ${stderr,,} == *"${WORDS[$2]}"* ]] || lib_seen "$1 $2: another reason"
			[[ $stderr != *damaged]* ]] || lib_seen "$1 $2: it blames the slug"
			;;
		*) lib_seen "$1 $2: status $status" ;;
		esac
		[ -z "$(ls "$BASE/run/shapes" 2>/dev/null)" ] || fail "$1 $2: $(ls "$BASE"/run/*/*)"
		shift 2
	done
	# it was not all for nothing
	echo "$ran ran, $refusals refused"
	[ "$refusals" -ge 10 ] || fail "only $refusals were refused"
	run -0 dyno run -q "$SHAPES" -- /bin/true
}

# half_ill FILE: all of FILE, but the disk is ill from the middle on.  A half is more than a pipe
# holds, so that nearly all of it was read by then.
half_ill() {
	local half=$(($(stat -c %s "$1") / 2))
	head -c "$half" "$1"
	touch "$BASE/missing"
	tail -c +"$((half + 1))" "$1"
}

@test "T45 the disk fails in the middle of a slug: said as it is, and nothing of it in the store" {
	local guestbook
	guestbook=$(slug guestbook)
	[ "$(stat -c %s "$guestbook")" -gt 1000000 ] || fail "a small slug"
	dyno slug gc --unused >/dev/null
	rm -f "$BASE/missing"
	run --separate-stderr bash -c 'half_ill "$1" 2>/dev/null | timeout 60 "${@:2}"; exit "${PIPESTATUS[1]}"' \
		x "$guestbook" "${user[@]}" "$DENY" -a "$BASE/missing" read,pread64,readv 5 "$DYNO" slug add -
	rm -f "$BASE/missing"
	refused slug.open 1
	[[ ${stderr,,} == *'input/output error'* ]] || lib_seen "another reason"
	[ -z "$(dyno slug ls -q)" ] || fail "$(dyno slug ls)"
	[ -z "$(ls "$BASE/data/tmp" 2>/dev/null)" ] || fail "$(ls "$BASE/data/tmp")"
	# once the disk is well
	run -0 dyno slug add "$SHAPES"
}

@test "T45 stopped and continued all the time: no call that was interrupted is taken for a failure" {
	[ "$PROFILE" != rootless ] || skip "the same calls"
	dyno slug gc --unused >/dev/null
	for round in 1 2 3; do
		begin -q "$SHAPES" 'for i in {1..300}; do echo "line $i"; done; exit 7'
		for ((i = 0; i < 60; i++)); do
			[ -d "/proc/$pid" ] || break
			for each in "$pid" $(pgrep -P "$pid" || :); do
				kill -STOP "$each" 2>/dev/null || :
				kill -CONT "$each" 2>/dev/null || :
			done
		done
		finish 7
		[ "$output" = "$(for i in {1..300}; do echo "line $i"; done)" ] || fail "round $round: $output"
	done
}

@test "T45 a slug that comes byte by byte, output that goes in pieces: both whole" {
	[ "$PROFILE" != rootless ] || skip "the same calls"
	dyno slug gc --unused >/dev/null
	run -0 bash -c 'dd if="$1" bs=37 status=none | "${@:2}" slug add -' x "$SHAPES" "${user[@]}" "$DYNO"
	digest=$output
	[ "$digest" = "$(dyno slug add "$SHAPES")" ] || fail "another slug: $digest"
	# a reader of 100 bytes a time, and more than a pipe holds
	run -0 bash -c 'set -o pipefail; "${@:2}" run -q "$1" "seq 1 60000" |
		python3 -c "
import hashlib, os
h = hashlib.sha256()
while piece := os.read(0, 100): h.update(piece)
print(h.hexdigest())"' x "$SHAPES" "${user[@]}" "$DYNO"
	[ "$output" = "$(seq 1 60000 | sha256sum | cut -d' ' -f1)" ] || lib_seen "not the same bytes"
}

@test "T45 too few descriptors for a cold slug, a start and a command in it: named, or done" {
	for few in 6 12 18 24 32 64; do
		dyno slug gc --unused >/dev/null
		run --separate-stderr "${user[@]}" prlimit "--nofile=$few" "$DYNO" slug add "$SHAPES"
		[[ $status == 0 || $status == 1 && $stderr == 'dyno: '*'too many open files'*'['*'.'*']'* ]] ||
			lib_seen "slug add with $few"
		run --separate-stderr "${user[@]}" prlimit "--nofile=$few" "$DYNO" start --detach -a few \
			"$(app -t 'worker: sleep 1000' few)" worker=1
		[[ $status == 0 || $status == 125 && $stderr == 'dyno: '*'too many open files'*'['*'.'*']'* ]] ||
			lib_seen "start with $few"
		dyno stop -q --now --all >/dev/null 2>&1 || :
	done
	[ "$status" = 0 ] || lib_seen "64 are not enough"
	dyno rm -q --all
}
