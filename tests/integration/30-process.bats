#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a process finds itself to be inside a dyno: its number, its user, its rights, its neighbours.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

# inside TEXT: the command's output, and nothing on standard error
inside() {
	run -0 --separate-stderr dyno run -q "$SHAPES" "$1"
	[ -z "$stderr" ] || lib_seen "unexpected words on standard error"
}

# field NAME: of a /proc/PID/status in $output
field() { sed -n "s/^$1:[[:space:]]*//p" <<<"$output" | tr '\t' ' '; }

@test "pid 1 is dyno-init, the command is pid 2 of group 2 in session 1, without a terminal (C1.2, C1.3, C1.4)" {
	inside 'cut -d" " -f1,2,4-8 /proc/1/stat; exec cut -d" " -f1,2,4-8 /proc/self/stat'
	[ "${lines[0]}" = '1 (dyno-init) 0 1 1 0 -1' ]
	[ "${lines[1]}" = '2 (cut) 1 2 1 0 -1' ]
	run -0 dyno run -q "$SHAPES" 'if : </dev/tty; then echo a terminal; else echo none; fi'
	[ "${lines[-1]}" = none ]
}

@test "pid 1 is small, and closed to the app (C1.2, T30)" {
	begin "$SHAPES" 'sleep 1000'
	up
	init=$(pid1)
	[ "$(awk '/^Vm(Size|Peak)/ { n = $2 > n ? $2 : n } END { print n }' "/proc/$init/status")" -lt 256 ]
	kill "$pid"
	finish 143
	run dyno run -q "$SHAPES" '
		for file in exe cwd root; do readlink /proc/1/$file; done 2>/dev/null
		for file in environ mem maps auxv; do head -c1 /proc/1/$file; done 2>/dev/null
		ls /proc/1/fd /proc/1/ns/ 2>/dev/null | grep -v :
		for signal in {1..64}; do kill -$signal 1; done 2>/dev/null
		sleep 0.1; echo alive'
	assert_status 0
	[ "$output" = alive ]
}

@test "a simple command leaves no shell behind, a compound one keeps bash (C1.3, C1.5)" {
	run -0 dyno run -q "$SHAPES" status
	[ "$(field Name)" = cat ]
	[ "$(field Pid)" = 2 ]
	[ "$(field PPid)" = 1 ]
	inside 'cat /proc/2/comm; cat /proc/self/stat | cut -d" " -f4; exit 0'
	[ "${lines[0]}" = bash ]
	[ "${lines[1]}" = 2 ]
	inside 'tr "\0" "|" </proc/2/cmdline; exit 0'
	[ "$output" = "bash|--login|-c|tr \"\\0\" \"|\" </proc/2/cmdline; exit 0|" ]
}

@test "commands are bash, not sh (C1.6)" {
	inside '[[ a == ? ]] && echo {1..3} "${PORT:+port}" | rev && shopt -q login_shell && echo login'
	[ "$output" = $'trop 3 2 1\nlogin' ]
}

@test "orphans are adopted and reaped by pid 1 (C1.7)" {
	run -0 dyno run -q "$SHAPES" orphan
	[ "$output" = 'adopted by 1' ]
	inside 'for i in {1..100}; do (: &); done; for i in {1..200}; do
		left=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ") Z "); [ "$left" != 0 ] || break; sleep 0.1; done; echo "$left"'
	[ "$output" = 0 ]
}

@test "what the command leaves running ends with it, and at once (C1.14, T29)" {
	local began=$SECONDS
	run -0 dyno run -q "$SHAPES" daemonise 98765
	[ "$output" = 'left a daemon behind' ]
	run -1 pgrep -f 'sleep 98765'
	run -3 dyno run -q "$SHAPES" 'sleep 98766 & setsid sleep 98766 & exit 3'
	run -1 pgrep -f 'sleep 98766'
	[ $((SECONDS - began)) -lt 25 ]
}

@test "the user is u<uid> with its own group, /app and bash, and never root (C1.10, C1.11)" {
	inside 'id -u; id -g; id -G; id -un; id -gn; getent passwd "$(id -u)"; getent group "u$(id -u)"'
	uid=${lines[0]}
	[ "$uid" -ge 1000 ]
	[ "$uid" -le 59999 ]
	[ "${lines[1]}" = "$uid" ]
	[ "${lines[2]}" = "$uid" ]
	[ "${lines[3]}" = "u$uid" ]
	[ "${lines[4]}" = dyno ]
	[ "${lines[5]}" = "u$uid:x:$uid:$uid:u$uid:/app:/bin/bash" ]
	[ "${lines[6]}" = "u$uid:x:$uid:" ]
}

@test "the process has no capabilities, no new privileges, a filter, and no foreign group (C1.12)" {
	run -0 dyno run -q "$SHAPES" status
	for set in Inh Prm Eff Bnd Amb; do
		[ "$(field "Cap$set")" = 0000000000000000 ] || lib_seen "capabilities: $set"
	done
	[ "$(field NoNewPrivs)" = 1 ]
	[ "$(field Seccomp)" = 2 ]
	[ -z "$(field Groups | tr -d ' ')" ]
	[ "$(field SigBlk)" = 0000000000000000 ]
	[ "$(field SigIgn)" = 0000000000000000 ]
	read -r real effective saved filesystem <<<"$(field Uid)"
	[ "$real" -ne 0 ]
	[ "$real $real $real" = "$effective $saved $filesystem" ]
}

@test "nothing gives more rights: setuid copies, su, chown, a user namespace (C1.12, T31)" {
	run -0 dyno run -q "$SHAPES" '
		cp /usr/bin/id /tmp/id && chmod 6755 /tmp/id && /tmp/id -u
		chown 0:0 /tmp/id 2>/dev/null && echo chown
		chgrp 5 /tmp/id 2>/dev/null && echo chgrp
		su -c "echo su" </dev/null >/dev/null 2>&1 && echo su
		unshare --user true 2>/dev/null && echo unshare --user
		unshare --mount true 2>/dev/null && echo unshare --mount
		mount -t tmpfs none /tmp 2>/dev/null && echo mount
		chroot / true 2>/dev/null && echo chroot
		mknod /tmp/sda b 8 0 2>/dev/null && echo mknod
		mkfifo /tmp/fifo || echo mkfifo
		find / -xdev -perm /6000 -type f 2>/dev/null | grep -v "^/tmp/id$"
		id -u'
	[ "${#lines[@]}" -eq 2 ]
	[ "${lines[0]}" = "${lines[1]}" ]
}

@test "the system calls that reach for the kernel are refused (T31)" {
	run -0 dyno run -q "$SHAPES" -- python3 -c '
import ctypes, errno, fcntl, os, struct
libc = ctypes.CDLL(None, use_errno=True)
calls = {"unshare": 272, "mount": 165, "pivot_root": 155, "setns": 308, "keyctl": 250,
         "add_key": 248, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
         "io_uring_setup": 425, "open_by_handle_at": 304, "ptrace": 101, "fsopen": 430,
         "open_tree": 428, "kexec_load": 246, "clone3": 435}
for name, number in calls.items():
    ctypes.set_errno(0)
    flags = 0x10000000 if name == "unshare" else 0
    got = libc.syscall(number, flags, 0, 0, 0, 0, 0)
    want = errno.ENOSYS if name == "clone3" else errno.EPERM
    if got != -1 or ctypes.get_errno() != want:
        print(name, got, errno.errorcode.get(ctypes.get_errno()))
master, slave = os.openpty()
try:
    fcntl.ioctl(slave, 0x5412, b"x")
    print("TIOCSTI")
except OSError as error:
    if error.errno != errno.EPERM:
        print("TIOCSTI", error)
print("done")'
	[ "$output" = "done" ]
}

@test "on the host the dyno's user is nobody else, and two dynos are two users (C1.10, T39)" {
	begin "$SHAPES" 'sleep 1000'
	up
	first=$(pid1) first_launcher=$pid
	begin "$SHAPES" 'sleep 1000'
	up
	second=$(pid1)
	uid_of() { awk '/^Uid:/ { print $2 }' "/proc/$1/status"; }
	if [ "$PROFILE" = rootless ]; then
		[ "$(uid_of "$first")" = "$(uid_of "$pid")" ]
		[ "$(awk '{ print $3 }' "/proc/$first/uid_map")" = 1 ]
	else
		[ "$(uid_of "$first")" -ge 65536 ]
		[ "$(uid_of "$first")" != "$(uid_of "$second")" ]
		[ -z "$(getent passwd "$(uid_of "$first")")" ]
		[ "$(awk '{ print $3 }' "/proc/$first/uid_map")" = 65536 ]
		[ "$(awk '{ print $2 }' "/proc/$first/uid_map")" != "$(awk '{ print $2 }' "/proc/$second/uid_map")" ]
	fi
	# nothing is shared with the host or the other: every namespace but the network's is its own
	for kind in mnt pid ipc uts user cgroup; do
		a=$(readlink "/proc/$first/ns/$kind") b=$(readlink "/proc/$second/ns/$kind")
		[[ $a != "$b" && $a != "$(readlink "/proc/self/ns/$kind")" ]] || fail "shared: $kind"
	done
	kill "$pid" "$first_launcher"
	finish 143
	wait "$first_launcher" || :
}

@test "processes, names and the host's are out of sight (C1.8)" {
	inside 'ls -d /proc/[0-9]* | tr "\n" " "; echo; exit 0'
	[[ $output =~ ^/proc/1\ /proc/2\ (/proc/[0-9]+\ ){1,2}$ ]]
}

@test "the hostname is a UUID, the same in /etc/hostname and /etc/hosts, new at each start (C1.15)" {
	inside 'uname -n; cat /proc/sys/kernel/hostname /etc/hostname; getent hosts "$(uname -n)"'
	uuid='^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
	[[ ${lines[0]} =~ $uuid ]]
	[ "${lines[1]}" = "${lines[0]}" ]
	[ "${lines[2]}" = "${lines[0]}" ]
	[[ ${lines[3]} == *"${lines[0]}" ]]
	before=${lines[0]}
	inside 'uname -n'
	[ "$output" != "$before" ]
}

@test "/proc/self/cgroup names the root of every tree, and none is mounted (C1.9)" {
	inside 'cat /proc/self/cgroup; grep -c " - cgroup" /proc/self/mountinfo || :'
	[ "${#lines[@]}" -ge 2 ]
	[ "${lines[-1]}" = 0 ]
	for line in "${lines[@]::${#lines[@]}-1}"; do
		[[ $line == *:/ ]] || lib_seen "a path of the host: $line"
	done
}

@test "all of a dyno's processes are in its control group, which goes with it (C1.1)" {
	need "rootless has no control group here" [ "$PROFILE" != rootless ]
	begin "$SHAPES" 'sleep 1000 & sleep 1000 & wait'
	up
	wait_for 5 test "$(inhabitants "$(pid1)" | wc -l)" -ge 4
	for each in $(inhabitants "$(pid1)"); do
		grep -q '/dyno/' "/proc/$each/cgroup" || fail "not in a group: $(cat "/proc/$each/cgroup")"
	done
	group=$(sed -n 's,^[0-9]*:\(memory\|\):/\(.*/dyno/.*\)$,\2,p;s,^[0-9]*:\(memory\|\):/\(dyno/.*\)$,\2,p' \
		"/proc/$(pid1)/cgroup" | head -n1)
	[ -n "$group" ]
	[ -n "$(find /sys/fs/cgroup -maxdepth 4 -type d -name "${group##*/}")" ]
	kill "$pid"
	finish 143
	[ -z "$(find /sys/fs/cgroup -maxdepth 4 -type d -name "${group##*/}")" ]
}

@test "limits of processes, descriptors and core files are set, hard ones too (C1.1, C3.13, C11.6)" {
	inside 'ulimit -Su; ulimit -Hu; ulimit -Sn; ulimit -Hn; ulimit -Hc'
	# Above the caller's own hard limit only with the capability for it, number 24.
	local files caps
	files=$(ulimit -Hn)
	caps=$(as_user sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
	[ "$files" != unlimited ] && [ "$files" -lt 10000 ] && ! ((0x$caps >> 24 & 1)) || files=10000
	[ "$output" = "256
256
$files
$files
0" ]
}

@test "the host's processors are seen, not a share (C1.17)" {
	inside 'nproc; grep -c ^processor /proc/cpuinfo'
	[ "${lines[0]}" = "$(nproc)" ]
	[ "${lines[1]}" = "$(grep -c ^processor /proc/cpuinfo)" ]
}

@test "a fork bomb meets the limit inside the dyno, and stop still works (C11.5, T25)" {
	begin --grace 1s "$SHAPES" 'bomb() { bomb | bomb & }; trap "" TERM; bomb 2>/dev/null; sleep 1000'
	up
	crowded() { [ "$(inhabitants "$(pid1)" | wc -l)" -ge 240 ]; }
	wait_for 20 crowded
	sleep 0.5
	many=$(inhabitants "$(pid1)" | wc -l)
	[ "$many" -le 260 ] || fail "$many processes"
	kill "$pid"
	began=$SECONDS
	finish
	[[ $status == 137 || $status == 143 ]]
	[ $((SECONDS - began)) -lt 50 ]
}
