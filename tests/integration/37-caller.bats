#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the caller leaves lying about - descriptors, signals, limits, a directory that is gone -
# must neither stop a run nor reach the dyno.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # text for the dyno's bash; subshells and variables of bats
load lib
load dynos

# odd STATE... -- ARG...: dyno run -q ARG by a caller in that state
odd() {
	local states=()
	while [ "$1" != -- ]; do
		states+=("$1")
		shift
	done
	shift
	"$TOP/tests/helpers/odd-caller" "${states[@]}" -- "${user[@]}" "$DYNO" run -q "$@"
}

# What a process may look like, whoever started it.
look='cat /proc/self/status | grep -E "^(Sig(Blk|Ign|Cgt|Pnd)|ShdPnd|Umask):" | tr -d "\t"
	nice; ulimit -Sc; ulimit -Sn; ulimit -Su; ls /proc/self/fd | tr "\n" " "; pwd'

@test "a thousand leaked descriptors stay outside, directories of the host too (T23)" {
	run -0 odd fds=1000 -- "$SHAPES" 'ls -l /proc/self/fd /proc/2/fd | grep -- "->" | sed "s/.* -> //" | sort -u'
	assert_no_line /etc
	assert_no_line socket
	[ "$(grep -cv -e '/proc/' -e 'pipe:' -e /dev/null -e "$BATS_RUN_TMPDIR" <<<"$output")" -eq 0 ] || lib_seen "odd descriptors"
	# the fourth is the directory that ls reads
	run -0 odd fds=1000 -- "$SHAPES" -- ls /proc/self/fd
	[ "$output" = $'0\n1\n2\n3' ] || lib_seen "expected four"
	# nor does dyno-init hold any: as the host sees it
	user=("$TOP/tests/helpers/odd-caller" fds=1000 -- "${user[@]}")
	begin "$SHAPES" 'sleep 1000'
	up
	run -0 ls "/proc/$(pid1)/fd"
	kill "$pid"
	[ "${#lines[@]}" -eq 5 ] || lib_seen "expected 0 to 2, the channel and the signals"
	finish 143
}

@test "blocked and ignored signals, limits, umask, niceness are as with a clean caller (T24)" {
	run -0 dyno run -q "$SHAPES" "$look"
	clean=$output
	[ -n "$clean" ]
	for state in ignored blocked umask=0777 rlimit=CORE:unlimited 'ignored blocked umask=0777 rlimit=CORE:unlimited'; do
		# shellcheck disable=SC2086 # several states
		run -0 timeout 60 "$TOP/tests/helpers/odd-caller" $state -- "${user[@]}" "$DYNO" run -q "$SHAPES" "$look"
		[ "$output" = "$clean" ] || lib_seen "with $state, expected:
$clean"
	done
}

@test "a caller's RLIMIT_NOFILE of 20 and a niceness of 19 do not stop a start (T24)" {
	run -0 odd soft=NOFILE:20 nice=19 -- "$SHAPES" 'ulimit -n'
	[ "$output" = 10000 ]
}

@test "too few of anything is a clean refusal that names it (T24, T45)" {
	for few in nofile={5,8,11,14,17,20,24,28,32,36,40,48}; do
		run --separate-stderr "${user[@]}" prlimit "--$few" "$DYNO" run -q "$SHAPES" 'echo ran'
		[[ $output == ran || $status == 125 && $stderr == 'dyno: '*'too many open files'*'['*'.'*']'* ]] ||
			lib_seen "with $few"
	done
	[ "$output" = ran ] || lib_seen "48 are not enough"
}

@test "a working directory that is gone matters only to a relative slug (T24)" {
	run -0 odd cwd-deleted -- "$SHAPES" 'pwd'
	[ "$output" = /app ]
	run -125 --separate-stderr odd cwd-deleted -- ./no-such.tgz true
	refused slug.open 125
	run -125 --separate-stderr odd cwd-deleted -- . true
	[ "$status" -eq 125 ]
}

@test "closed standard descriptors are /dev/null inside, each and all (T22)" {
	dir=$(app fds)
	for closed in '0=closed' '1=closed' '2=closed' '0=closed 1=closed' '0=closed 1=closed 2=closed'; do
		count=$(wc -w <<<"$closed")
		# shellcheck disable=SC2086 # several states
		run "-$((40 + count))" odd 0=/etc/passwd $closed -- "$dir" -- python3 -c '
import os, sys
names = [os.readlink(f"/proc/self/fd/{n}") for n in range(3)]
sys.exit(40 + names.count("/dev/null"))'
	done
	# an error with nowhere to go is still a status
	run -125 "$TOP/tests/helpers/odd-caller" 0=closed 1=closed 2=closed -- "${user[@]}" "$DYNO" run /no/such.tgz true
	[ -z "$output" ]
}

@test "a full disk, a broken pipe, a socket and a read-only stream are the app's to notice (T22)" {
	run -1 odd 1=/dev/full -- "$SHAPES" 'echo x 2>/dev/null'
	run -141 odd 1=broken-pipe -- "$SHAPES" -- sh -c 'while :; do echo x; done'
	run -1 odd 1=read-only -- "$SHAPES" 'echo x 2>/dev/null'
	run -0 odd 0=socket 1=socket -- "$SHAPES" 'echo x'
	# the platform's own lines into a broken pipe harm nobody
	run -7 "$TOP/tests/helpers/odd-caller" 2=broken-pipe -- "${user[@]}" "$DYNO" run "$SHAPES" 'sleep 0.1; exit 7'
	run -7 "$TOP/tests/helpers/odd-caller" 2=/dev/full -- "${user[@]}" "$DYNO" run "$SHAPES" 'exit 7'
}

@test "a reader that goes away ends a producer by SIGPIPE, not the dyno's book-keeping (T22)" {
	run -0 bash -c 'set +o pipefail; timeout 60 "$@" -- yes | head -n 3; exit "${PIPESTATUS[1]}"' x "${user[@]}" "$DYNO" run -q "$SHAPES"
	[ "$output" = $'y\ny\ny' ]
}

@test "a caller without PATH, HOME, TERM or anything else (T18)" {
	run -0 "${user[@]}" env -i DYNO_CFG_RUN_DIR="$DYNO_CFG_RUN_DIR" DYNO_CFG_DATA_DIR="$DYNO_CFG_DATA_DIR" "$DYNO" run -q "$SHAPES" 'echo $HOME'
	[ "$output" = /app ]
}

@test "nothing of the caller's environment, terminal or directory is in pid 1 (T18, T23)" {
	begin "$SHAPES" 'sleep 1000'
	up
	run -0 bash -c 'tr "\0" "\n" </proc/$1/environ' x "$(pid1)"
	assert_no_line BATS
	assert_no_line DYNO_CFG
	[ "$(readlink "/proc/$(pid1)/cwd")" = /app ]
	[ "$(readlink "/proc/$(pid1)/root")" = / ]
	kill "$pid"
	finish 143
}
