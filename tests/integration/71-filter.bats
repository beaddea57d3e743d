#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# System calls as a setting: policies of the user's, no policy, and what a policy would refuse.
# shellcheck disable=SC2016,SC2154 # text for the dyno's shell; variables set by bats
load lib
load dynos

setup() {
	lib_setup
	dynos_setup
	dir=$(app)
}

# policy NAME: standard input becomes a policy; its path is in $policy
policy() {
	policy=$BASE/$1
	put "$policy"
}

# allowing NAME...: the JSON of a policy that allows these calls and no other
allowing() {
	printf '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"action":"SCMP_ACT_ALLOW","names":['
	printf '"%s",' "${@:1:$#-1}"
	printf '"%s"]}]}' "${*: -1}"
}

# What the default allows without a condition, and what it has conditions for.
usual() {
	awk '/^[a-z]/ { on = $1 == "allow" && !/ if / } on' "$TOP/runtime/seccomp/default.policy" |
		tr ' ' '\n' | sed -E '/^(allow|#.*|)$/d; s/=.*//' | grep -E '^[a-z_0-9]+$'
	printf '%s\n' clone ioctl socket socketpair personality prlimit64 setrlimit
}

# status_of WORD: of the main process of a dyno run with the arguments
status_of() {
	local word=$1
	shift
	run --separate-stderr dyno run -q "$@" "$dir" -- grep "^$word:" /proc/self/status
	assert_status 0
	awk '{ print $2 }' <<<"$output"
}

@test "a policy of the user's refuses what it names, in a start and in who joins, and the default does not" {
	policy deny.json <<<'{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
		{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}'
	run --separate-stderr dyno run -q --seccomp "$policy" "$dir" -- mkdir /tmp/x
	assert_status 1
	[[ $stderr == *'No space left on device'* ]] || lib_seen "it was not refused as the policy says"
	run dyno run -q "$dir" -- mkdir /tmp/x
	assert_status 0
	begin --name job.1 --seccomp "$policy" "$dir" -- sh -c 'echo ready; exec sleep 60'
	says 10 ready
	run --separate-stderr dyno exec "$(basename "$dir")/job.1" -- mkdir /tmp/y
	[[ $stderr == *'No space left on device'* ]] || lib_seen "who joins may"
	kill "$pid"
	finish 143
}

@test "an allow-list in the form of container engines carries a dyno (T31)" {
	mapfile -t names < <(usual)
	[ "${#names[@]}" -gt 200 ] || fail "only ${#names[@]} names found"
	policy allow.json < <(allowing "${names[@]}")
	run --separate-stderr dyno run -q --seccomp "$policy" "$dir" -- sh -c 'echo $(echo one; ls -d /app) | cat'
	assert_status 0
	assert_line 'one /app'
	run dyno run -q --seccomp "$policy" "$dir" -- unshare -U true
	assert_status 1
}

@test "the form of dyno's own default does, too" {
	policy own <"$TOP/runtime/seccomp/default.policy"
	run --separate-stderr dyno run -q --seccomp "$policy" "$dir" -- sh -c 'unshare -U true || echo refused'
	assert_status 0
	assert_line refused
	[ -z "$stderr" ] || [[ $stderr == *'Operation not permitted'* ]] || lib_seen "a warning"
}

@test "no policy takes away what does not depend on it" {
	policy all.json <<<'{"defaultAction":"SCMP_ACT_ALLOW"}'
	local how
	for how in default "$policy" unconfined; do
		[ "$(status_of NoNewPrivs --seccomp "$how")" = 1 ] || fail "$how: no_new_privs is gone"
		[ "$(status_of CapBnd --seccomp "$how")" = 0000000000000000 ] || fail "$how: capabilities"
	done
	# the one that holds RLIMIT_CORE, and the policy's own
	[ "$(status_of Seccomp_filters --seccomp unconfined)" = 1 ] || fail "not one filter"
	[ "$(status_of Seccomp_filters --seccomp "$policy")" = 2 ] || fail "not two filters"
	run -0 dyno run -q --seccomp unconfined "$dir" -- unshare -U true
}

# What limits itself is told that it has, and what crashes starts no program of the host (core(5)).
CORE='import resource as r
before = r.getrlimit(r.RLIMIT_CORE)
r.setrlimit(r.RLIMIT_CORE, (0, 0))
r.prlimit(0, r.RLIMIT_CORE, (0, 1))
r.setrlimit(r.RLIMIT_NOFILE, (64, 64))
print(before, r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_NOFILE))'

@test "no policy lets go of the limit of core files, in a start and in who joins (T31)" {
	policy all.json <<<'{"defaultAction":"SCMP_ACT_ALLOW"}'
	local how
	for how in unconfined "$policy"; do
		run -0 dyno run -q --seccomp "$how" "$dir" -- python3 -c "$CORE"
		assert_line '(1, 1) (1, 1) (64, 64)'
	done
	run -0 --separate-stderr dyno run -q --seccomp-log "$dir" -- python3 -c "$CORE"
	assert_line '(1, 1) (1, 1) (64, 64)'
	begin --name job.1 --seccomp unconfined "$dir" -- sh -c 'echo ready; exec sleep 60'
	says 10 ready
	run -0 dyno exec "$(basename "$dir")/job.1" -- python3 -c "$CORE"
	assert_line '(1, 1) (1, 1) (64, 64)'
	run dyno inspect --security job.1
	grep -q '^weaker *main *seccomp .*: it may make every system call' <<<"$output" || lib_seen "not weaker"
	kill "$pid"
	finish 143
}

# keys give|look [COMMAND...]: puts a key into a session keyring of its own and executes a command;
# or tells the keyring that it has, whether that holds the key, and what the key says
keys() {
	put "$dir/keys" 755 <<-'EOF'
		#!/usr/bin/python3
		import ctypes, os, platform, sys
		libc = ctypes.CDLL(None, use_errno=True)
		arm = platform.machine() == "aarch64"
		add_key, keyctl = (217, 219) if arm else (248, 250)
		JOIN, ID, SEARCH, READ, SESSION = 1, 0, 10, 11, -3
		if sys.argv[1] == "give":
		    if libc.syscall(keyctl, JOIN, None) < 0 or \
		       libc.syscall(add_key, b"user", b"dyno-test", b"pear", 4, SESSION) < 0:
		        sys.exit("errno %d" % ctypes.get_errno())
		    os.execvp(sys.argv[2], sys.argv[2:])
		text = ctypes.create_string_buffer(64)
		key = libc.syscall(keyctl, SEARCH, SESSION, b"user", b"dyno-test", 0)
		n = libc.syscall(keyctl, READ, key, text, 64) if key > 0 else 0
		print(libc.syscall(keyctl, ID, SESSION, 0), text.raw[:n].decode() or "no key")
	EOF
	run --separate-stderr as_user "$dir/keys" "$@"
}

@test "the caller's session keyring is not the dyno's, nor one dyno's another's, whatever the filter (T39)" {
	keys give "$dir/keys" look
	need "the machine's own filter refuses keys" [ "$status" -eq 0 ]
	[[ $output == *' pear' ]] || lib_seen "not to be found even outside"
	keys give "$DYNO" run -q --seccomp unconfined "$dir" -- /app/keys look
	assert_status 0
	[[ $output =~ ^[0-9]+' no key'$ ]] || lib_seen "the caller's"
	keys give "$DYNO" run --detach --name job.1 --seccomp unconfined "$dir" -- sh -c \
		'/app/keys give sh -c "/app/keys look; exec sleep 600"'
	assert_status 0
	gave() { grep -q 'app\[job.1\]: .* pear' "$BASE"/data/logs/*/*; }
	wait_for 20 gave
	run -0 dyno exec "$(basename "$dir")/job.1" -- /app/keys look
	[[ $output =~ ^[0-9]+' no key'$ ]] || lib_seen "who joins has the main process's"
	keys give "$DYNO" run -q --seccomp unconfined "$dir" -- /app/keys look
	[[ $output =~ ^[0-9]+' no key'$ ]] || lib_seen "another dyno's"
	run -0 dyno run -q "$dir" -- /app/keys look
	[ "$output" = '-1 no key' ] || lib_seen "the default filter lets it ask"
	dyno stop --now job.1
}

@test "no filter is warned of once, and so are names that nobody knows" {
	run --separate-stderr dyno run --seccomp unconfined "$dir" -- true
	assert_status 0
	[ "$(grep -c 'Warning: no system call filter' <<<"$stderr")" = 1 ] || lib_seen "not once"
	policy unknown.json <<<'{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
		{"names":["no_such_call","mkdir"],"action":"SCMP_ACT_ERRNO"}]}'
	run --separate-stderr dyno run --seccomp "$policy" "$dir" -- mkdir /tmp/x
	assert_status 1
	[ "$(grep -c 'no such system call is known (1): no_such_call' <<<"$stderr")" = 1 ] || lib_seen "not once"
	run --separate-stderr dyno run "$dir" -- true
	! grep -E 'Warning: no (such )?system call' <<<"$stderr" || lib_seen "a warning for nothing"
}

@test "a policy that cannot be used is refused by name, before anything is started" {
	local case
	for case in 'syscalls[0], "read": no action "SCMP_ACT_ALOW" is known={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALOW"}]}' \
		'line 1: "read" where "errno" should stand=read everything' \
		'line 2, column 0={"a":' 'it lacks one of default, beyond, foreign='; do
		policy bad <<<"${case#*=}"
		run --separate-stderr dyno run --seccomp "$policy" "$dir" -- true
		refused seccomp.policy 125
		[[ $stderr == *"use the policy $policy: ${case%%=*}"* ]] || lib_seen "not: ${case%%=*}"
	done
	run --separate-stderr dyno start --detach --seccomp "$policy" "$dir"
	refused seccomp.policy 125
	run --separate-stderr dyno run --seccomp-log --seccomp unconfined "$dir" -- true
	refused usage 125
}

@test "a policy is a regular file of bounded size, read with the caller's rights (T63)" {
	local path
	as_user mkfifo "$BASE/fifo"
	as_user truncate -s 2M "$BASE/large"
	for path in "$BASE/fifo" /dev/zero "$BASE" "$BASE/large" "$BASE/nothing"; do
		run --separate-stderr timeout 60 "${user[@]}" "$DYNO" run --seccomp "$path" "$dir" -- true
		refused seccomp.policy 125
		[[ $stderr == *" the policy $path"* ]] || lib_seen "$path is not named"
	done
	[ "$PROFILE" = rootless ] || return 0
	(umask 077 && echo '{"defaultAction":"SCMP_ACT_ALLOW"}' >"$BATS_TEST_TMPDIR/secret")
	[ "$(id -u)" = 0 ] || chmod 0 "$BATS_TEST_TMPDIR/secret"
	run --separate-stderr dyno run --seccomp "$BATS_TEST_TMPDIR/secret" "$dir" -- true
	refused seccomp.policy 125
}

@test "a policy that leaves dyno-init without its calls ends the launch with a hint" {
	local action
	for action in KILL_PROCESS ERRNO; do
		policy none.json <<<"{\"defaultAction\":\"SCMP_ACT_$action\"}"
		run --separate-stderr timeout 60 "${user[@]}" "$DYNO" run -q --seccomp "$policy" "$dir" -- true
		assert_status 125
		[[ $stderr == *'the policy of --seccomp must allow what dyno-init does'* ]] ||
			lib_seen "no word of the policy"
	done
}

@test "what would be refused is let through with --seccomp-log, and the kernel logs it" {
	grep -qw log /proc/sys/kernel/seccomp/actions_avail || skip "the kernel has no action \"log\""
	local mark=filter$RANDOM
	policy deny.json <<<'{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
		{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_KILL_PROCESS"}]}'
	as_user cp /bin/mkdir "$dir/$mark"
	run --separate-stderr dyno run --seccomp "$policy" --seccomp-log "$dir" -- "/app/$mark" /tmp/x
	assert_status 0
	[[ $stderr == *'Warning: system calls that the filter refuses are let through'* ]] ||
		lib_seen "no warning"
	run dyno run -q --seccomp-log "$dir" -- unshare -U true
	assert_status 0
	dmesg >/dev/null 2>&1 || skip "the kernel's log is not to be read"
	wait_for 10 sh -c "dmesg | grep -q 'type=1326.*comm=\"$mark\"'"
}

# refused_times N: the job has said so, and not again because it was asked to restart before
refused_times() {
	[ "$(cat "$BASE"/data/logs/keeps/* | grep -c 'app\[job.1\]: refused')" -eq "$1" ]
}

@test "dynos that live by themselves keep their policy over restarts, and tell of it" {
	policy deny.json <<<'{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
		{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}'
	dir=$(app -t 'job: mkdir /tmp/x || echo refused; exec sleep 600' keeps)
	cd "$BASE"
	dyno start --detach --seccomp deny.json "$dir"
	rm "$policy" # what was compiled is kept
	wait_for 20 refused_times 1
	run dyno restart keeps/job.1
	assert_status 0
	wait_for 20 refused_times 2
	[ "$(dyno inspect keeps/job.1 | jq -r '(.[0]? // .) | "\(.seccomp) \(.seccomp_log)"')" = "$policy false" ] ||
		fail "$(dyno inspect keeps/job.1)"
	dyno stop keeps/
	wait_for 20 sh -c "! ls '$BASE/run/keeps/job.1'"
}
