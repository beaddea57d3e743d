#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Kernels that lack a call, filters that forbid one, hosts that allow no namespaces: each is worked
# around, or refused by name; nothing hangs and nothing is left.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # text for the dyno's bash; subshells and variables of bats
load lib
load dynos

setup() {
	lib_setup
	dynos_setup
	DENY=$(dirname "$DYNO")/deny-syscall
	need "deny-syscall is not built (make FAULT=1)" test -x "$DENY"
	# the filter reaches the dyno too, whose own shell may need the call: so nothing but `echo`
	dyno run -q "$SHAPES" true
}

# without CALL ERRNO ARG...: dyno run -q ARG, with that call failing so
without() {
	run --separate-stderr timeout 60 "${user[@]}" "$DENY" "$1" "$2" "$DYNO" run -q "${@:3}"
}

@test "the helper denies what it is told to, and knows its names" {
	run "$DENY" mkdir,mkdirat EPERM mkdir "$BATS_TEST_TMPDIR/denied"
	assert_status 1
	[ ! -e "$BATS_TEST_TMPDIR/denied" ]
	run -125 "$DENY" no_such_call EPERM true
	run -125 "$DENY" mkdir ENONSENSE true
}

@test "calls that have a fallback: a run works without them (T47)" {
	calls=(clone3:ENOSYS pidfd_open:ENOSYS pidfd_send_signal:ENOSYS landlock_create_ruleset:ENOSYS
		statx:ENOSYS epoll_create1:ENOSYS timerfd_create:ENOSYS pidfd_open:EPERM pidfd_send_signal:EPERM
		landlock_create_ruleset:EPERM)
	for each in "${calls[@]}"; do
		without "${each%:*}" "${each#*:}" "$SHAPES" 'echo ran'
		[ "$status" -eq 0 ] || lib_seen "without $each"
		[ "$output" = ran ] || lib_seen "without $each"
	done
}

@test "without clone3 a dyno is in its control groups all the same (T47)" {
	need "no control groups without root" [ "$PROFILE" != rootless ]
	user+=("$DENY" clone3 ENOSYS)
	begin --name job.1 "$SHAPES" 'echo ready; sleep 1000'
	says 10 ready
	run -0 cat "/proc/$(pid1)/cgroup"
	# whoever is not born in a v2 group has to join it
	grep -q '^0::/dyno/shapes@job\.1' <<<"$output" || lib_seen "not in its v2 group"
	[ "$PROFILE" = root-v2 ] || grep -q ':memory:/dyno/shapes@job\.1' <<<"$output" ||
		lib_seen "not in its memory group"
	kill "$pid"
	finish 143
}

@test "calls that nothing replaces: refused with 125, the step and the reason, and nothing left (T47)" {
	calls=(openat2 close_range fsopen fsconfig fsmount move_mount open_tree mount_setattr memfd_create
		pivot_root unshare execveat signalfd4 socketpair seccomp umount2 sethostname flock)
	[ "$PROFILE" = rootless ] || calls+=(setns)
	for call in "${calls[@]}"; do
		for num in ENOSYS EPERM; do
			reason='not offered by this kernel'
			[ "$num" = ENOSYS ] || reason='operation not permitted'
			without "$call" "$num" "$SHAPES" 'echo ran'
			[ "$status" -eq 125 ] || lib_seen "without $call, $num"
			[ -z "$output" ] || lib_seen "without $call, $num: the command ran"
			[[ $stderr == 'dyno: '*"$reason ["*.*']'* ]] || lib_seen "without $call, $num"
		done
		"$TOP/tests/helpers/residue" compare "$BATS_TEST_TMPDIR/before" 1 || fail "after $call"
	done
}

@test "a cold slug without a call is refused or unpacked, never half (T47, T48)" {
	slugs=$(slug clock)
	for call in landlock_create_ruleset seccomp openat2 memfd_create unshare clone3 pidfd_open renameat2 \
		copy_file_range; do
		as_user mkdir -p "$BASE/cold"
		run --separate-stderr timeout 60 "${user[@]}" "$DENY" "$call" ENOSYS "$DYNO" slug add --data-dir "$BASE/cold" "$slugs"
		[[ $status == 0 || $status == 1 && $stderr == 'dyno: '*'['*.*']'* ]] || lib_seen "without $call"
		[ -z "$(ls -A "$BASE/cold/tmp" 2>/dev/null)" ] || lib_seen "without $call: half-made"
		if [ "$status" -eq 0 ]; then
			digest=$output
			run -0 dyno slug verify --data-dir "$BASE/cold" "$digest"
		else
			[ -z "$(find "$BASE/cold/slugs" -maxdepth 1 -name 'sha256-*' 2>/dev/null)" ] || lib_seen "without $call: an entry"
		fi
		as_user find "$BASE/cold" -type d ! -perm -200 -exec chmod u+w {} +
		as_user rm -rf "$BASE/cold"
	done
}

@test "who may not signal by pidfd still stops a dyno that ignores TERM (T47, R12)" {
	for num in ENOSYS EPERM; do
		user=("${user[@]}" "$DENY" pidfd_send_signal "$num")
		begin --grace 1s "$SHAPES" ignore-term
		says 10 ignoring
		began=$SECONDS
		kill "$pid"
		finish 137
		[ $((SECONDS - began)) -lt 50 ] || fail "took too long"
		user=("${user[@]::${#user[@]}-3}")
	done
}

@test "a host that allows no namespaces: the limit is named, of each kind (T48)" {
	need "root is not limited by these" [ "$PROFILE" = rootless ]
	install -m 755 "$TOP/tests/helpers/odd-caller" "$BASE/odd-caller"
	for kind in user mnt pid ipc uts net; do
		run --separate-stderr "${user[@]}" "$BASE/odd-caller" "no-namespaces=$kind" -- "$DYNO" run -q --network none "$SHAPES" true
		[ "$status" -eq 125 ] || lib_seen "$kind"
		[[ $stderr == *"user.max_${kind}_namespaces is 0"*'['*']'* ]] || lib_seen "$kind"
		[[ $stderr == *"sysctl -w user.max_${kind}_namespaces="* ]] || lib_seen "$kind: no hint"
	done
	run --separate-stderr "${user[@]}" "$BASE/odd-caller" no-namespaces=user -- "$DYNO" run -q "$SHAPES" true
	refused host.userns-limit 125
}

@test "a container's filter that forbids user namespaces is named as one (T48)" {
	need "root makes them by another way" [ "$PROFILE" = rootless ]
	without clone3,clone EPERM "$SHAPES" true
	refused host.userns-seccomp 125
	[[ $stderr == *'seccomp filter'* ]]
}

@test "a caller without a range of sub-ids needs none (T48)" {
	need "a matter of rootless" [ "$PROFILE" = rootless ]
	run ! grep -q "^$USER_ID:" /etc/subuid
	run -0 dyno run -q "$SHAPES" 'id -u'
	[ "$output" -ge 1000 ]
}
