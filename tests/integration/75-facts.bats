#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the kernel says of running dynos, and what the runtime gives up.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos
load supervise

# job COMMAND: job.1, detached, its command has said "ready"
job() {
	dyno run --detach --name job.1 "$SHAPES" "$1"
	wait_for 20 grep -q 'job.1\]: ready$' "$BASE"/data/logs/*/job.1.log
}

# row PROCESS NAME MEMBER: of the JSON in $output
row() {
	jq -r --arg p "$1" --arg n "$2" --arg m "$3" \
		'[.rows[] | select(.process == $p and .name == $n) | .[$m]] | first' <<<"$output"
}

inside_dyno() { dyno exec shapes/job.1 -- "$@"; }

@test "inspect --security: every row of a dyno holds, read from the kernel (C1.12, T31)" {
	job 'sleep 1000 & echo ready; wait'
	run dyno inspect --security --json job.1
	[ -n "$(jq .rows <<<"$output")" ] || lib_seen "no rows"
	# without delegated control groups the limits are missing, and that is said
	[ "$PROFILE" != rootless ] && want=0 || want=$(jq '[.rows[] |
		select(.name == "cgroup" and .verdict == "weaker")] | length' <<<"$output")
	[ "$(jq .weaker <<<"$output")" = "$want" ] ||
		fail "weaker: $(jq -c '.rows[] | select(.verdict == "weaker")' <<<"$output")"
	assert_status $((want > 0 ? 1 : 0))
	for process in main init; do
		[ "$(row "$process" seccomp fact)" = 'mode 2, 1 filters' ] || fail "$process: filter"
		[ "$(row "$process" effective-capabilities fact)" = none ] || fail "$process: capabilities"
		[ "$(row "$process" limit-core fact)" = '1, at most 1' ] || fail "$process: core"
		[[ $(row "$process" user-namespace fact) == *', own' ]] || fail "$process: namespace"
	done
	[ "$(row main seccomp pid)" != "$(row init seccomp pid)" ] || fail "one process for two"
	[ "$(row init dumpable fact)" = no ] || fail "pid 1 can be looked into"
	# nothing of what was promised is left unread, but what the kernel does not tell
	run -0 jq -r '.rows[] | select(.verdict == "unknown") | .name' <<<"$output"
	# and, to an owner without root, the descriptors of a process that is closed
	[ "$PROFILE" != rootless ] && want=session-keyring || want=$'descriptors\nsession-keyring'
	[ "$(sort -u <<<"$output")" = "$want" ] || lib_seen "unknown rows"
}

@test "inspect --security: the rows are those of the kernel" {
	job 'echo ready; exec sleep 1000'
	run dyno inspect --security --json job.1
	pid=$(row main seccomp pid)
	[ "$(awk '/^Uid/ { print $2 }' "/proc/$pid/status")" = \
		"$(row main user fact | sed 's/.* \([0-9]*\) on the host$/\1/')" ] || fail "uid"
	[ "$(stat -Lc %i "/proc/$pid/ns/mnt")" = "$(row main mnt-namespace fact | cut -d, -f1)" ] ||
		fail "namespace"
	[ "$(jq '[.rows[] | select(.name == "mount")] | length' <<<"$output")" = \
		"$(wc -l <"/proc/$pid/mountinfo")" ] || fail "mounts"
	[ "$(cat "/proc/$pid/oom_score_adj")" = "$(row main oom-score-adj fact)" ] || fail "oom"
}

@test "inspect --security --pid: a process by its number inside, and none that is not there" {
	job 'sleep 1000 & echo ready; wait'
	number=$(inside_dyno sh -c 'pgrep -x sleep')
	run dyno inspect --security --pid "$number" --json job.1
	[ "$(row "$number" no-new-privs fact)" = 1 ] || lib_seen "no row of it"
	[ "$(cat "/proc/$(row "$number" no-new-privs pid)/comm")" = sleep ] || fail "another process"
	run -1 dyno inspect --security --pid 99999 job.1
	assert_line dyno.not-found
	run -2 dyno inspect --security --pid 0 job.1
	run -2 dyno inspect --pid 1 job.1
}

@test "inspect --security names what is weaker, with its reason and status 1" {
	[ "$PROFILE" != rootless ] || skip "only root can weaken a dyno from outside"
	job 'echo ready; exec sleep 1000'
	run -0 dyno inspect --security --json job.1
	init=$(row init seccomp pid)
	nsenter --mount="/proc/$init/ns/mnt" sh -c \
		'mkdir "/tmp/a b" && mount -t tmpfs -o nodev evil "/tmp/a b" &&
		mkdir /tmp/c && mount -t tmpfs -o ro,nosuid evil /tmp/c'
	run -1 dyno inspect --security job.1
	grep -Eq '^weaker +init +mount +/tmp/a b tmpfs rw,nodev,relatime: setuid programs work on it$' \
		<<<"$output" || lib_seen "a mount with setuid programs"
	grep -Eq '^weaker +init +mount +/tmp/c tmpfs ro,nosuid,relatime: devices work on it$' \
		<<<"$output" || lib_seen "a mount with devices"
	[ "$(grep -c ^weaker <<<"$output")" -eq 2 ] || lib_seen "others too"
	assert_line ', 2 weaker than promised, '
}

@test "inspect --security: what outlives the dyno is named, its own memory is not" {
	as_user mkdir "$BASE/out"
	[ "$PROFILE" = rootless ] || chown "$USER_ID:$USER_ID" "$BASE/out"
	dyno run --detach --name job.1 --mount "$BASE/out:/mnt/out:rw" --tmpfs /mnt/own:1M "$SHAPES" \
		'echo ready; exec sleep 1000'
	run -1 dyno inspect --security job.1
	grep -Eq '^weaker +init +mount +/mnt/out .*: what is written there outlives the dyno$' \
		<<<"$output" || lib_seen "the directory of the host"
	grep -Eq '^ok +init +mount +/mnt/own tmpfs rw,' <<<"$output" || lib_seen "the tmpfs"
}

@test "inspect --security of one that has ended is refused" {
	job 'echo ready; exec sleep 1000'
	dyno stop --now job.1
	run -1 dyno inspect --security job.1
	assert_line dyno.not-found
}

@test "a monitor of root keeps few capabilities and gets none back" {
	[ "$PROFILE" != rootless ] || skip "without root it has none"
	job 'echo ready; exec sleep 1000'
	run -0 cat "/proc/$(monitor_of job.1)/status"
	assert_line 'NoNewPrivs:	1'
	for set in Prm Eff Bnd; do
		caps=$((16#$(sed -n "s/^Cap$set:[[:space:]]*//p" <<<"$output")))
		# linux/capability.h: SETPCAP LINUX_IMMUTABLE NET_RAW IPC_LOCK SYS_MODULE SYS_RAWIO
		# SYS_PACCT SYS_BOOT SYS_NICE SYS_TIME AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
		# MAC_ADMIN SYSLOG WAKE_ALARM AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
		for cap in 8 9 13 14 16 17 20 22 23 25 29 30 31 32 33 34 35 37 38 39 40; do
			[ $((caps >> cap & 1)) -eq 0 ] || fail "Cap$set has $cap"
		done
		[ $((caps >> 21 & 1)) -eq 1 ] || fail "Cap$set lacks CAP_SYS_ADMIN"
	done
	[ "$(sed -n 's/^CapInh:[[:space:]]*//p' <<<"$output")" = 0000000000000000 ] || fail CapInh
}

@test "who joins finds pid 1 closed, and nothing of the launcher (C1.2, T30)" {
	job 'echo ready; exec sleep 1000'
	run inside_dyno bash -c '
		for file in exe cwd root; do readlink /proc/1/$file; done 2>/dev/null
		for file in environ mem maps auxv; do head -c1 /proc/1/$file; done 2>/dev/null
		ls /proc/1/fd /proc/1/ns/ 2>/dev/null | grep -v :
		for signal in {1..64}; do kill -$signal 1; done 2>/dev/null
		# a pattern that does not fit itself
		grep -la "$1" /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null
		sleep 0.1; echo alive' bash "${BASE%?}[${BASE: -1}]"
	assert_status 0
	[ "$output" = alive ] || lib_seen "something of the launcher"
}

@test "the limit of core files stays 1, and who forbids himself some is not disturbed" {
	job 'ulimit -c 0 && echo zero; ulimit -S -c 0 && echo soft
		grep -c "^Max core file size *1 *1 *bytes" /proc/self/limits
		python3 -c "
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE))"
		echo ready; exec sleep 1000'
	run -0 log_of job.1
	for text in zero soft '1' '(1, 1) (64, 64)'; do
		grep -qF "app[job.1]: $text" <<<"$output" || lib_seen "no line $text"
	done
}

# The program runs as root of the host, with the memory of what has crashed: setting and program are
# those of a whole machine, so that this runs in a virtual one.
@test "no crash in a dyno starts the program of core_pattern (T31)" {
	[ "${DYNO_TEST_OWN_MACHINE:-0}" = 1 ] || skip "changes a setting of the whole machine"
	[ "$PROFILE" != rootless ] || skip "only root sets it"
	printf '#!/bin/sh\necho "$1" >>%s/seen\n' "$BASE" >"$BASE/eater"
	chmod 755 "$BASE/eater"
	before=$(cat /proc/sys/kernel/core_pattern)
	echo "|$BASE/eater %c" >/proc/sys/kernel/core_pattern
	# without the dyno's limit it does, 0 or not
	(ulimit -c 0; exec bash -c 'kill -SEGV $$') || :
	wait_for 10 grep -q '^0$' "$BASE/seen"
	rm "$BASE/seen"
	run dyno run -q "$SHAPES" 'bash -c "ulimit -c 0; kill -SEGV \$\$"; bash -c "kill -ABRT \$\$"
		kill -SEGV $$'
	assert_status 139
	# the kernel starts it before the crash is over: one of our own comes after all of them
	(ulimit -c 0; exec bash -c 'kill -SEGV $$') || :
	wait_for 10 grep -q '^0$' "$BASE/seen"
	echo "$before" >/proc/sys/kernel/core_pattern
	[ "$(wc -l <"$BASE/seen")" -eq 1 ] || fail "started for a dyno: $(cat "$BASE/seen")"
}
