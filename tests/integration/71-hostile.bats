#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a hostile app tries, by one program that tries it all: as the main process of a dyno and as
# one that joined it.  What is refused elsewhere by the machine itself would prove nothing, so the
# same program runs outside too.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

setup() {
	lib_setup
	dynos_setup
	HOSTILE=$(dirname "$DYNO")/hostile
	need "hostile is not built (make FAULT=1)" test -x "$HOSTILE"
	APP=$(app -t 'web: true' hostile)
	[ -x "$APP/hostile" ] || put "$APP/hostile" 755 <"$HOSTILE"
}

# attempts MODE [OPTION...]: by a main process, into $output
attempts() {
	run -0 dyno run -q "${@:2}" "$APP" -- /app/hostile "$1"
	complete "$1"
}

# join WORD...: in the dyno begun last by begin_job
join() { dyno exec hostile/job.1 -- "$@"; }

begin_job() {
	begin --name job.1 "$APP" 'echo ready; sleep 1000'
	says 10 ready
}

end_job() {
	kill "$pid"
	finish 143
}

# Every attempt was made, and none ended in another way than by an answer.
complete() {
	local made named
	case $1 in calls | sockets | files) ;; *) return 0 ;; esac
	made=$(grep -cE '^[a-z0-9_]+: (possible|denied E[A-Z0-9]+)$' <<<"$output")
	[ "$made" -eq "$(grep -c . <<<"$output")" ] || lib_seen "not an answer"
	named=$(grep -oE '\bA\([a-z0-9_]+\)' "$TOP/tests/helpers/hostile/$1.c" | grep -vx 'A(id)' | sort -u | wc -l)
	[ "$(uname -m)" != x86_64 ] || [ "$made" -eq "$named" ] || lib_seen "$made of $named"
}

# but ERRNO: the lines of $output with another answer
but() { grep -v ": denied $1\$" <<<"$output" || :; }

# possible: the names of what was possible, on one line
possible() { sed -n 's/: possible$//p' <<<"$output" | sort | tr '\n' ' '; }

# What every app may do, and is tried to see that attempts can succeed.
EVERYDAY_CALLS='memfd_exec mkfifo '
EVERYDAY_SOCKETS='netlink_route tcp udp6 unix '

calls_are_refused() {
	[ "$(possible)" = "$EVERYDAY_CALLS" ] || lib_seen "calls: $1"
	# by the filter, which is asked first, with one number
	rest=$(but EPERM | grep -v ': possible$')
	expected='clone3_user: denied ENOSYS
setns_init: denied EACCES
rename_whiteout: denied EINVAL'
	[ "$PROFILE" != rootless ] || expected+='
setuid_0: denied EINVAL
setresuid_0: denied EINVAL
setgid_0: denied EINVAL'
	expected+='
new_privs: denied EINVAL
filter_off: denied EINVAL
nice: denied EACCES'
	[ "$rest" = "$expected" ] || lib_seen "calls: $1: expected but EPERM:
$expected"
}

sockets_are_refused() {
	[ "$(possible)" = "$EVERYDAY_SOCKETS" ] || lib_seen "sockets: $1"
	[ "$(but EPERM | grep -v ': possible$')" = 'low_port: denied EACCES' ] || lib_seen "sockets: $1"
}

# Rootless there is one user only, who owns the root and /etc of the dyno: nobody else reads them.
files_are_refused() {
	local expected=
	[ "$PROFILE" != rootless ] || expected='dir_in_etc link_in_root move_passwd '
	[ "$(possible)" = "$expected" ] || lib_seen "files: $1"
}

@test "outside of a dyno the same attempts succeed by the dozen, so that a refusal means something" {
	run -0 setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --inh-caps=-all -- "$HOSTILE" calls
	outside=$(grep -c ': possible$' <<<"$output")
	need "the machine's own filter refuses as much" [ "$outside" -ge 12 ]
	grep -q '^ptrace_sibling: possible$' <<<"$output" || lib_seen "outside"
}

@test "calls that reach for the kernel, other processes, more rights, the terminal: refused (T31, T33, T30)" {
	attempts calls
	calls_are_refused 'main process'
	attempts calls --network none
	calls_are_refused 'a network of its own'
}

@test "sockets of rare families and protocols, and changes of the network: refused (T31)" {
	attempts sockets
	sockets_are_refused 'main process'
	attempts sockets --network none
	sockets_are_refused 'a network of its own'
}

@test "files of the kernel, of pid 1 and of the root: refused, and the host's are as before (T32, T30)" {
	look() { cat /proc/sys/kernel/{core_pattern,hostname,modprobe} /proc/sys/vm/overcommit_memory \
		/proc/sys/net/ipv4/{ip_forward,ip_local_port_range} 2>/dev/null || :; }
	before=$(look)
	for network in host none; do
		attempts files --network "$network"
		files_are_refused "network $network"
	done
	[ "$(look)" = "$before" ] || fail "changed on the host: $(look)"
}

@test "who joins can do no more: each attempt has the answer that the main process gets (T31, T32)" {
	begin_job
	for mode in calls sockets files; do
		run -0 join /app/hostile "$mode"
		complete "$mode"
		"${mode}_are_refused" joined
		printf '%s\n' "$output" | sort >"$BATS_TEST_TMPDIR/joined.$mode"
	done
	end_job
	for mode in calls sockets files; do
		attempts "$mode"
		printf '%s\n' "$output" | sort | diff "$BATS_TEST_TMPDIR/joined.$mode" - || fail "$mode differ"
	done
}

@test "of all that is neither a process nor the app's, one file can be opened for writing (T32)" {
	# and who writes to it must hold CAP_CHECKPOINT_RESTORE: "ns_last_pid: denied"
	known=/proc/sys/kernel/ns_last_pid
	for network in host none; do
		run -0 dyno run -q --network "$network" "$APP" -- /app/hostile writable /proc /sys /dev /usr /bin /lib /etc /run
		found=$(grep -vxF -e /dev/shm -e /run/lock <<<"$output" | sort)
		[ "$PROFILE" != rootless ] || found=$(grep -vx /etc <<<"$found")
		[ -z "$(comm -13 <(sort <<<"$known") <(sort <<<"$found"))" ] || lib_seen "network $network"
	done
}

# What a process can open of itself for writing; maps of ids and groups are written once, by the
# launcher: see the attempts on files.
OWN_FILES='attr/.*|autogroup|clear_refs|comm|coredump_filter|fail-nth|fd|gid_map|latency|loginuid'
OWN_FILES+='|make-it-fail|map_files|mem|oom_adj|oom_score_adj|projid_map|sched|setgroups'
OWN_FILES+='|timens_offsets|timerslack_ns|uid_map'

@test "of a process below /proc its own may be written, and of pid 1 nothing (T30, T32)" {
	begin_job
	for how in start join; do
		begun=(dyno run -q "$APP" --)
		[ "$how" = start ] || begun=(join)
		run -0 "${begun[@]}" /app/hostile writable /proc/self/.
		grep -q '^/proc/self/./comm$' <<<"$output" || lib_seen "nothing at all: $how"
		odd=$(grep -vxE "/proc/self/\./(task/[0-9]+/)?($OWN_FILES)" <<<"$output" || :)
		[ -z "$odd" ] || fail "$how: $odd"
		# what pid 1 lets be opened, it lets nobody write
		run -0 "${begun[@]}" sh -c '/app/hostile writable /proc/./1 | while read -r file; do
			for text in 0 1000 x; do echo "$text" 2>/dev/null >"$file" && echo "$file"; done; done; echo end'
		[ "$output" = end ] || lib_seen "pid 1: $how"
	done
	end_job
}

@test "capabilities, filter, namespaces, as the kernel tells them inside: of both kinds alike (T31)" {
	begin_job
	run -0 join /app/hostile facts
	joined=$output
	run -0 join bash -c 'for n in /proc/2/ns/{cgroup,ipc,mnt,net,pid,user,uts}; do readlink $n; done'
	main=$output
	end_job
	[ "$(grep : <<<"$joined" | grep '\[')" = "$main" ] || fail "namespaces: $joined
$main"
	run -0 dyno run -q "$APP" -- /app/hostile facts
	[ "$(grep -v '\[' <<<"$output")" = "$(grep -v '\[' <<<"$joined")" ] || lib_seen "joined: $joined"
	[ "$(grep -v -e '\[' -e '^Groups' <<<"$output" | tr -d '\t')" = 'CapInh:0000000000000000
CapPrm:0000000000000000
CapEff:0000000000000000
CapBnd:0000000000000000
CapAmb:0000000000000000
NoNewPrivs:1
Seccomp:2
Seccomp_filters:1
seccomp mode: 2
securebits: 0' ] || lib_seen "facts"
}

# What tools that look for a way out of a container look at, as they would tell it.
SURVEY='echo "pid 1: $(cat /proc/1/comm)"
echo "host ids of root inside: $(awk "\$1 == 0 { print \$2 }" /proc/self/uid_map | grep -cx 0)"
echo "capabilities: $(sed -n "s/^Cap...:\t//p" /proc/self/status | sort -u)"
echo "seccomp: $(sed -n "s/^Seccomp:\t//p" /proc/self/status), no new privileges: $(sed -n "s/^NoNewPrivs:\t//p" /proc/self/status)"
echo "mounts with set-user-id programs: $(cut -d" " -f6 /proc/self/mountinfo | grep -vcw nosuid)"
echo "mounts of devices: $(awk "\$6 !~ /nodev/ { print \$5 }" /proc/self/mountinfo | grep -vcE "^/dev(/|\$)|^/proc/")"
echo "file systems of the kernel: $(sed "s/.* - //" /proc/self/mountinfo | cut -d" " -f1 | sort -u | grep -xE "sysfs|cgroup2?|debugfs|tracefs|securityfs|bpf|configfs|efivarfs|mqueue|binfmt_misc|fusectl" | tr "\n" " ")"
echo "devices: $(for f in /dev/*; do [ -L "$f" ] || { [ ! -b "$f" ] && [ ! -c "$f" ]; } || printf "%s " "$f"; done)"
for path in /run/docker.sock /var/run/docker.sock /run/containerd/containerd.sock /run/crio/crio.sock \
	/run/podman/podman.sock /run/dbus/system_bus_socket /run/systemd/private /run/dyno /var/lib/dyno \
	/proc/kcore /proc/kmem /proc/mem /proc/kmsg /proc/timer_list /proc/timer_stats /proc/sched_debug \
	/proc/scsi /proc/pressure /proc/latency_stats /proc/1/environ /proc/1/mem /proc/1/root /proc/1/fd \
	/dev/mem /dev/kmsg /dev/port /dev/fuse /dev/kvm /dev/net/tun /dev/loop0 /dev/mapper /dev/shm/../sda \
	/sys/kernel /sys/firmware /sys/class /sys/module /sys/fs/bpf /sys/fs/cgroup/release_agent \
	/sys/fs/cgroup/cgroup.procs /etc/shadow /etc/gshadow /etc/sudoers /etc/ssh /root/.ssh /boot; do
	[ -z "$(ls -A "$path/" 2>/dev/null)$(head -c1 "$path" 2>/dev/null | tr "\0" 0)" ] || echo "readable: $path"
done
for path in kernel/core_pattern kernel/modprobe kernel/hotplug kernel/sysrq vm/panic_on_oom fs/binfmt_misc/register; do
	[ ! -w "/proc/sys/$path" ] || echo "writable: /proc/sys/$path"
done'

@test "what a survey tells of the way out: capabilities, filter, ids, mounts, devices, dangerous files (T30, T31, T32)" {
	put "$APP/survey" 755 <<<"$SURVEY"
	run as_user bash "$APP/survey"
	grep -q '^file systems of the kernel: .*sysfs' <<<"$output" || lib_seen "nothing even outside"
	begin_job
	run -0 join bash /app/survey
	joined=$output
	end_job
	run -0 dyno run -q "$APP" -- bash /app/survey
	printf '# %s\n' "${lines[@]}" >&3
	[ "$output" = "$joined" ] || lib_seen "of who joins: $joined"
	[ "$output" = 'pid 1: dyno-init
host ids of root inside: 0
capabilities: 0000000000000000
seccomp: 2, no new privileges: 1
mounts with set-user-id programs: 0
mounts of devices: 0
file systems of the kernel: 
devices: /dev/full /dev/null /dev/random /dev/tty /dev/urandom /dev/zero ' ] || lib_seen "more than that"
}

@test "the system calls that are refused are those that the policy names, and the kernel's (T31)" {
	need "the list is that of x86-64" [ "$(uname -m)" = x86_64 ]
	run -0 dyno run -q "$APP" -- /app/hostile syscalls
	refused=$(awk '{ print $1 }' <<<"$output" | grep -v '^[0-9]' | sort -u)
	# the names behind "errno ENAME", over several lines, but for those with a condition
	named=$(awk '/^#/ { next } /^[a-z]/ { on = $1 == "errno"; from = 3 } /^ / { from = 1 }
		on && !/ if / && !/^  else/ { for (i = from; i <= NF; i++) print $i }' \
		"$TOP/runtime/seccomp/default.policy" | sed 's/=.*//' | sort -u)
	[ "$(wc -l <<<"$named")" -gt 60 ] || fail "few names: $named"
	for call in $named; do
		case $call in statmount | listmount | lsm_set_self_attr | open_tree_attr) continue ;; esac
		grep -qx "$call" <<<"$refused" || lib_seen "$call is not refused"
	done
	# what no rule names: calls that no kernel has any more, arguments of 0 that a rule refuses,
	# and what the kernel refuses to one without capabilities
	# shellcheck disable=SC2086 # one a line
	other=$(comm -23 <(echo "$refused") <(echo "$named") | tr '\n' ' ')
	for call in $other; do
		case $call in
		afs_syscall | create_module | get_kernel_syms | getpmsg | putpmsg | query_module | security | \
			tuxcall | vserver | epoll_ctl_old | epoll_wait_old | set_thread_area | \
			get_thread_area) ;;
		socket | socketpair) ;;
		fchmod | fchown | set*id | setgroups | map_shadow_stack) ;;
		*) fail "refused, but not by name: $call" ;;
		esac
	done
}

@test "the program of the runtime cannot be reached through /proc/self/exe, by a start or a join" {
	[ -x "$APP/evil" ] || put "$APP/evil" 755 <<<'#!/proc/self/exe'
	as_user ln -sf /proc/self/exe "$APP/self"
	before=$(sha256sum "$DYNO" "$(dirname "$DYNO")"/dyno-*)
	for word in /app/evil /app/self /proc/self/exe /proc/1/exe /proc/self/fd/0; do
		run timeout 60 "${user[@]}" "$DYNO" run -q "$APP" -- "$word" x
		[[ $status == 126 || $status == 127 || $status == 125 ]] || lib_seen "$word"
	done
	begin_job
	for word in /app/evil /app/self /proc/self/exe /proc/1/exe; do
		run timeout 60 "${user[@]}" "$DYNO" exec hostile/job.1 -- "$word" x
		[[ $status == 126 || $status == 127 || $status == 125 ]] || lib_seen "joined: $word"
	done
	end_job
	[ "$(sha256sum "$DYNO" "$(dirname "$DYNO")"/dyno-*)" = "$before" ] || fail "a program was changed"
}

@test "who watches for those that join finds nothing of the runtime in them (T23, T30)" {
	export HOSTILE_CANARY=of-the-launcher
	begin --name job.1 "$APP" 'exec /app/hostile watch 4'
	says 10 watching
	joins=0
	until grep -q '^looked' "$out"; do
		# the last ones come too late
		! dyno exec "-$([ $((joins % 2)) = 0 ] && echo T || echo t)" hostile/job.1 -- true \
			</dev/null >/dev/null 2>&1 || joins=$((joins + 1))
	done
	unset HOSTILE_CANARY
	finish
	[ "$joins" -ge 5 ] || fail "only $joins joins"
	[ "$output" = $'watching\nlooked: often' ] || lib_seen "found something"
}

@test "the check of health is as confined as the rest (T31)" {
	put "$APP/Procfile" <<<'worker: exec sleep 1000'
	dyno start --detach --health 'exec:/app/hostile calls >/app/calls' --health-interval 1s "$APP"
	asked() { dyno exec hostile/worker.1 -- cat /app/calls | grep ^memfd_exec; }
	wait_for 20 asked
	run -0 dyno exec hostile/worker.1 -- cat /app/calls
	calls_are_refused health
	dyno stop --now hostile/worker.1
}

# missing CALL ERRNO: from when $BASE/missing is there the launcher and its dyno have no such call
missing() { user+=("$(dirname "$DYNO")/deny-syscall" -a "$BASE/missing" "$1" "$2"); }

@test "a kernel without a newer call: a join works as before, or is refused by its step (T47)" {
	local plain=("${user[@]}")
	alone() { [ "$(inhabitants "$(pid1)" | wc -l)" -eq 2 ]; } # dyno-init and sleep
	told() { grep -qE "launch step $step: " "$err" "$BATS_TEST_TMPDIR/joined"; }
	while read -r call num step; do
		missing "$call" "$num"
		begin_job
		user=("${plain[@]}")
		touch "$BASE/missing"
		run --separate-stderr timeout 60 "${user[@]}" "$DYNO" exec hostile/job.1 -- echo joined
		if [ -z "$step" ]; then
			[[ $status == 0 && $output == joined ]] || lib_seen "without $call, $num"
		else
			# the client is told, or where the process was begun already the log
			[[ $status == 125 && -z $output ]] || lib_seen "without $call, $num"
			echo "$stderr" >"$BATS_TEST_TMPDIR/joined"
			wait_for 20 told || lib_seen "without $call, $num: no step"
		fi
		# whatever became of the join, the dyno is as before
		wait_for 20 alone
		rm "$BASE/missing"
		end_job
	done <<-'EOF'
		clone3 ENOSYS
		clone3 EPERM join-clone
		pidfd_send_signal ENOSYS
		pidfd_send_signal EPERM
		statx ENOSYS
		openat2 ENOSYS
		keyctl ENOSYS
		keyctl EPERM
		pidfd_open ENOSYS join-clone
		pidfd_open EPERM join-clone
		setns ENOSYS enter-(owner|namespaces)
		setns EPERM enter-(owner|namespaces)
		socketpair EPERM join-channel
		memfd_create ENOSYS join-image
		close_range ENOSYS enter-closed
		seccomp ENOSYS join-seccomp
		seccomp EPERM join-seccomp
		execveat ENOSYS join-exec
		execveat EPERM join-exec
	EOF
}

@test "a check of health that a newer call is missing for fails, and says by which step (T47)" {
	local plain=("${user[@]}")
	put "$APP/Procfile" <<<'worker: exec sleep 1000'
	gone() { [ ! -e "$BASE/run/hostile/worker.1" ]; }
	failing() { grep -qE "launch step $step: " "$BASE"/data/logs/hostile/*; }
	for each in pidfd_open:join-clone 'setns:enter-(owner|namespaces)' execveat:join-exec; do
		step=${each#*:}
		missing "${each%:*}" ENOSYS
		"${user[@]}" "$DYNO" start --detach --health exec:true --health-interval 200ms \
			--health-threshold 1 --restart never "$APP" 3>&-
		user=("${plain[@]}")
		touch "$BASE/missing"
		wait_for 20 failing
		rm "$BASE/missing"
		run dyno stop --now hostile/worker.1 # unless it has ended by itself
		wait_for 20 gone
	done
}
