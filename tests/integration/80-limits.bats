#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Sizes and limits: what is asked for, what the app is told, what the kernel holds to, and what is
# said where it cannot.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos
load supervise

setup() {
	lib_setup
	dynos_setup
	APP=$(app -t 'web: sleep 1000' -t 'worker: sleep 1000' limits)
	# systemd of the rootless user, if there is one, is not the tests'
	HAS_GROUPS=0
	dyno doctor --json | jq -e '.probes[] | select(.name == "cgroup" and .verdict == "ok")' >/dev/null &&
		HAS_GROUPS=1
	return 0
}

teardown() {
	[ -z "${LIMITED:-}" ] || echo max >"$LIMITED"
	supervise_teardown
	[ -z "${UNIT:-}" ] || wait_for 10 remove_unit
	lib_teardown
}

# limit NAME MEMBER [DYNO]: of the only start of worker.1, or of another
limit() {
	dyno inspect --json "${3:-worker.1}" | jq -r --arg n "$1" --arg m "$2" \
		'.starts[0].limits[] | select(.name == $n) | .[$m]'
}

# kernel FILE_V1 FILE_V2: what the leaf of worker.1 has
kernel() {
	local leaf
	leaf=$(dyno inspect --json worker.1 | jq -r '.starts[0].control_group')
	if [ "$PROFILE" = root-v2 ]; then
		cat "/sys/fs/cgroup/dyno/$leaf/$2"
	else
		cat "/sys/fs/cgroup/${1%%.*}/dyno/$leaf/$1"
	fi
}

worker() {
	dyno start --detach "$@" "$APP" worker=1 >/dev/null
	wait_for 20 is worker.1 up
}

# again: worker.1 in another start
again() {
	local before
	before=$(pid_of worker.1)
	dyno restart worker.1 >/dev/null
	other() { is worker.1 up && [ "$(pid_of worker.1)" != "$before" ]; }
	wait_for 30 other
}

TELL='echo "$DYNO_SIZE $DYNO_RAM $DYNO_CPU $WEB_CONCURRENCY $(ulimit -u)"
cd /sys/fs/cgroup && cat memory/memory.limit_in_bytes memory.max cpu.max pids.max'

@test "a size by any of its names: the app is told its limits (C0.5, C2.5, C3.11, C3.13, C11.2)" {
	run -0 dyno run -q "$SHAPES" "$TELL"
	[ "$output" = "standard-1x 512 1 2 256
536870912
536870912
max 100000
256" ] || lib_seen "of no size asked for"
	run -0 dyno run -q --size 2X "$SHAPES" "$TELL"
	[ "$output" = "standard-2x 1024 2 4 512
1073741824
1073741824
max 100000
512" ] || lib_seen "of the size 2X"
	run -0 dyno run -q --size Dyno-2c-4gb "$SHAPES" "$TELL"
	assert_line '180000 100000'
}

@test "each option takes the place of the size's value, from wherever it comes" {
	run -0 env DYNO_CFG_MEMORY=300M "${user[@]}" "$DYNO" run -q --size performance-m --cpus 1.5 \
		--pids 99 --nofile 77 "$SHAPES" "$TELL; ulimit -n; ulimit -u"
	[ "$output" = "performance-m 300 1.5 1 99
314572800
314572800
150000 100000
99
77
99" ] || lib_seen "by options"
	put "$BASE/spec.json" <<<'{"schema":1,"size":"none","pids":"88","cpus":"0.25"}'
	run -0 dyno run -q --spec "$BASE/spec.json" --pids 66 "$SHAPES" "$TELL"
	assert_line 'none  0.25'
	assert_line 9223372036854771712
	assert_line 66
	run -0 dyno run -q --shm-size 5M "$SHAPES" 'df -k --output=size /dev/shm'
	assert_line 5120
}

@test "values that are none, or contradict each other, are refused before anything is made" {
	for case in '--memory=2G --memory-hard=1G' '--memory=1' '--cpus=0' '--pids=1' '--cpuset=4095' \
		'--swap=1G --size=none' '--io-max=8:0' '--io-max=/proc:rbps=1M' '--io-max=0:99:rbps=1M' '--cpu-view=mine' '--nofile=none'; do
		# shellcheck disable=SC2086 # options
		run --separate-stderr dyno run $case "$BASE/no-such-slug" true
		refused usage 125
	done
	run -125 dyno run --size standard-1y "$SHAPES" true
	assert_line 'no size "standard-1y"'
	assert_line 'did you mean standard-1x?'
	run -125 dyno start --detach --size 3x "$APP"
	assert_line 'no size "3x"'
	[ -z "$(dyno ps -q)" ]
}

@test "sizes of one's own: dyno-sizes(5)" {
	local sizes=$BASE/config/dyno/sizes with=("${user[@]}" env "XDG_CONFIG_HOME=$BASE/config")
	if [ "$PROFILE" != rootless ]; then
		# root's are the host's, and an own /etc keeps them out of it
		sizes=$BASE/etc/dyno/sizes
		mkdir -p "$BASE/etc"
		cp -L /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache "$BASE/etc"
		with=(unshare --mount sh -c 'mount --bind "$0" /etc && exec "$@"' "$BASE/etc")
	fi
	put "$sizes" <<<'# mine
tiny  memory=64M memory-hard=128M pids=40 cores=1
batch memory=1G cpus=2.5 cpu-weight=300'
	run -0 "${with[@]}" "$DYNO" run -q --size TINY "$SHAPES" "$TELL"
	assert_line 'tiny 64  1 40'
	run -0 "${with[@]}" "$DYNO" run -q --size batch "$SHAPES" 'echo "$DYNO_SIZE $DYNO_RAM $DYNO_CPU"'
	assert_line 'batch 1024 2.5'
	# a monitor finds them too
	run -0 "${with[@]}" "$DYNO" run --detach --name job.1 --size tiny "$SHAPES" 'echo "$DYNO_RAM"'
	wait_for 20 grep -q 'job.1\]: 64$' "$BASE"/data/logs/*/job.1.log
	became 20 job.1 complete
	run -125 "${with[@]}" "$DYNO" run --size tyny "$SHAPES" true
	assert_line 'did you mean tiny?'
	put "$sizes" <<<'tiny memory=64M
standard-1x memory=1G'
	run -125 "${with[@]}" "$DYNO" run --size tiny "$SHAPES" true
	assert_line "${sizes/#$BASE\/etc//etc}: line 2"
	# a size of the table needs no file
	run -0 "${with[@]}" "$DYNO" run -q --size 1x "$SHAPES" true
	rm -rf "${BASE:?}/etc" "${BASE:?}/config"
}

@test "inspect: every limit as asked for, who asked, and as the kernel has it (C11)" {
	worker --memory 100M --memory-hard 200M --cpus 0.5 --cpu-weight 200 --pids 50 --nofile 123
	[ "$(limit memory-hard asked) $(limit memory-hard from)" = '209715200 option' ]
	[ "$(limit cpu-weight asked) $(limit shm-size from)" = '200 default' ]
	[ "$(limit swap asked) $(limit io-max asked)" = '104857600 null' ]
	[ "$(limit nofile in_force)" = 123 ]
	if [ "$HAS_GROUPS" = 0 ]; then
		[ "$(limit pids in_force)" = null ]
		return
	fi
	[ "$(limit memory-hard in_force)" = 209715200 ]
	[ "$(limit cpus in_force) $(limit cpu-weight in_force)" = '50000 200' ]
	[ "$(limit pids in_force)" = 50 ]
	[ "$PROFILE" != rootless ] || return 0
	[ "$(kernel pids.max pids.max)" = 50 ]
	[ "$(kernel cpu.shares cpu.weight)" = "$([ "$PROFILE" = root-v2 ] && echo 200 || echo 2048)" ]
	[ "$PROFILE" = root-v2 ] || [ "$(kernel memory.memsw.limit_in_bytes -)" = 209715200 ]
}

@test "a smaller limit of a group above is named (T49)" {
	[ "$PROFILE" != rootless ] || skip "a user has no group above to limit"
	local parent=/sys/fs/cgroup/pids/dyno
	[ "$PROFILE" = root-v1 ] || parent=/sys/fs/cgroup/dyno
	worker --pids 30001
	run jq -c '.starts[0].limits_above' <<<"$(dyno inspect --json worker.1)"
	assert_no_line pids
	LIMITED=$parent/pids.max
	echo 30000 >"$LIMITED"
	run jq -c '.starts[0].limits_above' <<<"$(dyno inspect --json worker.1)"
	local doctor
	doctor=$(dyno doctor --json | jq -c '.probes[] | select(.name == "cgroup-pids")')
	assert_line "{\"name\":\"pids\",\"limit\":30000,\"group\":\"$parent\"}"
	[[ $doctor == *"together: 30000, by $parent"* ]] || fail "doctor: $doctor"
}

remove_unit() {
	local group
	for group in "$UNIT"/dyno.launcher "$UNIT"/dyno/* "$UNIT"/dyno "$UNIT"; do
		[ ! -d "$group" ] || rmdir "$group" || return 1
	done
}

# in_unit: the leaf of worker.N's start is below the unit, with a process and the size's limit
in_unit() {
	local leaf
	leaf=$UNIT/dyno/$(dyno inspect --json "worker.$1" | jq -r '.starts[0].control_group')
	grep -q . "$leaf/cgroup.procs" || fail "worker.$1: nobody is in $leaf"
	grep -qx 256 "$leaf/pids.max" || fail "worker.$1: $(cat "$leaf/pids.max")"
}

@test "a unit's group with Delegate=yes holds all dynos of a start, as root and as a user (T49)" {
	[ -e /sys/fs/cgroup/cgroup.controllers ] || skip "control groups of version 1"
	[ "$(id -u)" = 0 ] || skip "only root makes groups of a unit"
	UNIT=/sys/fs/cgroup/dyno-test-$BASHPID
	mkdir "$UNIT"
	# as systemd does it: the mark, and the files that a user's manager is given
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "trusted.delegate", b"1")' "$UNIT"
	[ "$PROFILE" != rootless ] ||
		chown "$USER_ID" "$UNIT" "$UNIT"/cgroup.{procs,subtree_control,threads}
	# in the foreground, where a process that prints is there before the monitors are
	(exec 3>&- && exec sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$UNIT" \
		"${user[@]}" "$DYNO" start "$APP" worker=2 >"$BATS_TEST_TMPDIR/lines" 2>&1) &
	local pid=$! monitor
	wait_for 30 is worker.1 up
	wait_for 30 is worker.2 up
	in_unit 1
	in_unit 2
	for monitor in "$pid" $(dyno inspect --json worker.1 worker.2 | jq -r '.. | .monitor_pid? // empty'); do
		run cat "/proc/$monitor/cgroup"
		assert_line "0::/${UNIT##*/}/dyno.launcher"
	done
	if grep -q 'not limited' "$BATS_TEST_TMPDIR/lines"; then
		fail "$(cat "$BATS_TEST_TMPDIR/lines")"
	fi
	# whoever comes later from elsewhere changes nothing of it
	dyno restart worker.1 >/dev/null
	became 30 worker.1 up
	in_unit 1
	kill -TERM "$pid"
	wait "$pid" || :
	[ -z "$(ls -d "$UNIT"/dyno/*/ 2>/dev/null)" ] || fail "left: $(ls "$UNIT/dyno")"
}

@test "where limits cannot be set: warned once, refused with --require-limits (T49)" {
	local with=("${user[@]}") warning
	if [ "$HAS_GROUPS" = 1 ]; then
		# trees that are read-only, as in a container; the host's mounts are left alone
		with=("${user[@]}" unshare --mount sh -c 'awk "\$5 ~ \"^/sys/fs/cgroup\" {print \$5}" \
			/proc/self/mountinfo | while read -r at; do
				mount -o remount,bind,ro "$at" || exit 1; done && exec "$@"' sh)
		[ "$PROFILE" != rootless ] || skip "a user cannot take the limits away that he was given"
	fi
	run --separate-stderr "${with[@]}" "$DYNO" run --require-limits "$SHAPES" true
	refused host.limits 125
	[[ $stderr == *'memory, cpu, pids'* ]] || fail "$stderr"
	run --separate-stderr "${with[@]}" "$DYNO" run "$SHAPES" true
	assert_status 0
	[ "$(grep -c 'Warning: not limited (memory, cpu, pids): ' <<<"$stderr")" = 1 ] || fail "$stderr"
	# a size without limits needs none; without root a scratch may have none either
	if [ "$PROFILE" != rootless ]; then
		run --separate-stderr "${with[@]}" "$DYNO" run --require-limits --size none "$SHAPES" true
		assert_status 0
		[[ $stderr != *Warning* ]] || fail "$stderr"
	fi
	# a monitor says it once, whatever it starts again, and the event has it
	"${with[@]}" "$DYNO" start --detach --restart-order strict "$APP" worker=1
	wait_for 20 is worker.1 up
	dyno restart worker.1 >/dev/null
	wait_for 30 at_least worker.1 restarts 1
	became 30 worker.1 up
	[ "$(log_of worker.1 | grep -c 'Warning: not limited')" = 1 ]
	warning=$(dyno events --json worker.1 | jq -r 'select(.line == "warning") | .text' | wc -l)
	[ "$warning" = 1 ] || fail "events: $warning"
	run jq -r '.starts[0].not_limited[]' <<<"$(dyno inspect --json worker.1)"
	assert_line 'not limited (memory, cpu, pids)'
}

@test "--cpu-view quota: as many CPUs as the dyno may use; else those of the host (C11.4)" {
	run -0 dyno run -q --cpus 0.5 "$SHAPES" -- nproc
	[ "$output" = "$(nproc)" ]
	run -0 dyno run -q --cpus 0.5 --cpu-view quota "$SHAPES" -- nproc
	[ "$output" = 1 ]
	run -0 dyno run -q --cpu-view quota --size performance-2xl "$SHAPES" -- nproc
	[ "$output" = "$(($(nproc) < 16 ? $(nproc) : 16))" ]
	run -0 dyno run -q --cpuset 0 "$SHAPES" -- nproc
	[ "$output" = 1 ]
}

# has_controller V1 V2: this profile's dynos can join it
has_controller() {
	[ "$HAS_GROUPS" = 1 ] || return 1
	[ "$PROFILE" != root-v1 ] || { [ -d "/sys/fs/cgroup/$1" ] && return 0; }
	grep -qw -- "$2" /sys/fs/cgroup/cgroup.controllers
}

OTHER_CPU='taskset -pc 0-1 $$ >/dev/null 2>&1; nproc'

@test "--cpuset: nobody inside can run elsewhere; without the controller that is said (C11.4, T49)" {
	[ "$(nproc)" -gt 1 ] || skip "one CPU"
	run --separate-stderr dyno run --cpuset 0 "$SHAPES" "$OTHER_CPU"
	assert_status 0
	if ! has_controller cpuset cpuset; then
		[ "$output" = 2 ] || lib_seen "an affinity that was widened"
		[[ $stderr == *'Warning: not limited (cpuset): '* ]] || lib_seen "no warning"
		run -125 dyno run --require-limits --cpuset 0 "$SHAPES" true
		return
	fi
	[ "$output" = 1 ] || lib_seen "a CPU besides"
	[[ $stderr != *Warning* ]] || lib_seen "a warning"
	run -0 dyno run -q --require-limits --cpuset 0 "$SHAPES" true
	worker --cpuset 1
	[ "$(limit cpuset asked) $(limit cpuset in_force)" = '1 1' ]
	# what joins is held too, and a restart has it again
	run -0 dyno exec worker.1 "$OTHER_CPU"
	[ "$output" = 1 ] || lib_seen "exec on a CPU besides"
	run -0 dyno exec worker.1 'taskset -pc $$'
	assert_line 'affinity list: 1'
	again
	[ "$(limit cpuset asked) $(limit cpuset in_force)" = '1 1' ]
	run -0 dyno exec worker.1 "$OTHER_CPU"
	[ "$output" = 1 ] || lib_seen "on a CPU besides after a restart"
}

@test "--io-max, --io-weight: as the kernel has them; what disks do is counted (C11, T49)" {
	local disk='' at
	for at in /sys/block/*/; do
		[ "$(<"$at/size")" -eq 0 ] || disk=$(<"$at/dev")
	done
	[ -n "$disk" ] || skip "this machine has no disk"
	if ! has_controller blkio io; then
		run --separate-stderr dyno run --io-max "$disk:rbps=10M" "$SHAPES" true
		assert_status 0
		[[ $stderr == *'Warning: not limited (io): '* ]] || lib_seen "no warning"
		run -125 dyno run --require-limits --io-weight 200 "$SHAPES" true
		return
	fi
	worker --scratch disk:100M --io-weight 200 --io-max "$disk:rbps=10M,wiops=100"
	[ "$(limit io-max asked)" = "$disk:rbps=10485760,wiops=100" ]
	[ "$(limit io-max in_force)" = "$disk:rbps=10485760,wiops=100" ]
	[ "$(limit io-weight asked)" = 200 ]
	if [ "$PROFILE" = root-v2 ]; then
		[[ $(kernel - io.max) == "$disk rbps=10485760 wbps=max riops=max wiops=100" ]]
	else
		[ "$(kernel blkio.throttle.read_bps_device -)" = "$disk 10485760" ]
		[ "$(kernel blkio.throttle.write_iops_device -)" = "$disk 100" ]
	fi
	# a share that no disk goes by is said to be none, one that the kernel does not know too
	if grep -q '\[bfq\]' /sys/block/*/queue/scheduler; then
		[ "$(limit io-weight in_force)" = 200 ]
	else
		log_of worker.1 | grep -qE 'Warning: (not limited \(io-weight\)|a limit is not set \(io\))'
	fi
	# another start of it and another dyno of the app have the same
	again
	[ "$(limit io-max in_force)" = "$disk:rbps=10485760,wiops=100" ]
	dyno scale -q worker=2
	wait_for 20 is worker.2 up
	[ "$(limit io-max in_force worker.2)" = "$disk:rbps=10485760,wiops=100" ]
	[ "$(limit io-weight asked worker.2)" = 200 ]
	# a limit goes with its dyno
	dyno stop -q worker.1 worker.2
	worker
	[ "$(limit io-max asked) $(limit io-max in_force)" = 'null null' ]
	run jq -r '.[0].io_reads' <<<"$(dyno stats --json worker.1)"
	[[ $output =~ ^[0-9]+$ ]] || lib_seen "not counted"
	[ -e "/sys/dev/block/$(findmnt -no MAJ:MIN -T "$BASE/data")" ] || return 0
	dyno stop -q worker.1
	worker --scratch disk:100M
	run -0 dyno exec worker.1 'dd if=/dev/zero of=/tmp/x bs=1M count=3 oflag=direct,sync 2>&1'
	run jq -r '.[0].io_write_bytes' <<<"$(dyno stats --json worker.1)"
	[ "$output" -ge 3145728 ] || lib_seen "of 3 MB that were written"
}

# T25: the limit holds, and however many there are, they are gone with the stop.
bomb() {
	local hostile app began=$SECONDS
	hostile=$(dirname "$DYNO")/hostile
	need "hostile is not built (make FAULT=1)" test -x "$hostile"
	app=$(app -t "worker: exec /app/hostile bomb $1" bomb)
	[ -x "$app/hostile" ] || put "$app/hostile" 755 <"$hostile"
	dyno start --detach --pids 60 --cpus 0.5 --grace 1s "$app" worker=1 >/dev/null
	wait_for 60 grep -qE 'worker.1\]: bomb: refused EAGAIN$' "$BASE"/data/logs/*/worker.1.log
	if [ "$PROFILE" != rootless ]; then
		[ "$(kernel pids.current pids.current)" -le 60 ]
	fi
	# its monitor answers meanwhile
	run -0 dyno ps
	began=$SECONDS
	run -0 timeout 60 "${user[@]}" "$DYNO" stop worker.1
	echo "stopped after $((SECONDS - began)) s"
	became 20 worker.1 down
}

@test "a fork bomb meets its limit and ends with the stop (T25, T45, C11.5)" {
	bomb fork
}

@test "a thread bomb meets its limit and ends with the stop (T25, C11.5)" {
	bomb thread
}

@test "a vfork storm meets its limit and ends with the stop (T25, C11.5)" {
	bomb vfork
}
