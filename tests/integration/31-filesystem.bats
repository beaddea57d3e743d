#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The root of a dyno: what is in it, what is not, what may be written, and that nothing written
# outlives it.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

inside() {
	run -0 --separate-stderr dyno run -q "$SHAPES" "$1"
	[ -z "$stderr" ] || lib_seen "unexpected words on standard error"
}

# mountinfo SLUG [OPTION...]: of a dyno, into $output
mountinfo() {
	local slug=$1
	shift
	run -0 dyno run -q "$@" "$slug" -- cat /proc/self/mountinfo
}

# The mount points that a dyno on this host has, one a line, sorted.
planned() {
	local name
	{
		echo / && echo /proc && echo /dev && echo /dev/pts && echo /dev/shm
		echo /proc/sys/kernel/random/boot_id
		for name in /usr /bin /sbin /lib /lib32 /lib64 /libx32; do
			[ ! -d "$name" ] || [ -L "$name" ] || echo "$name"
		done
		for name in /proc/kcore /proc/timer_list /proc/scsi /proc/pressure; do
			[ ! -e "$name" ] || echo "$name"
		done
		[ "$PROFILE" != rootless ] ||
			printf '/dev/%s\n' null zero full random urandom tty
		[ $# -eq 0 ] || printf '%s\n' "$@"
	} | LC_ALL=C sort
}

# Everything that a write, a chmod, a chown or a rename below a directory would change.
fingerprint() {
	(
		cd "$1" || exit
		find . -printf '%p %y %m %U %G %n %s %T@ %C@ %l\n' | LC_ALL=C sort
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
	)
}

# A command that changes everything it can reach below /app.
vandal='cd /app; echo more >>Procfile; rm -rf .profile.d; chmod 0 shapes; mv listen.py moved.py
	ln crlf-shebang hard; ln -sf /etc/passwd not-executable; mkdir -p a/b; truncate -s 0 .profile
	touch -d 2001-01-01 crlf-shebang; find . -exec chmod g+w {} + 2>/dev/null; ls -A | wc -l'

@test "the mounts are the planned ones and no other, of a slug and of a directory (C1.8, C2.6)" {
	mountinfo "$SHAPES"
	[ "$(awk '{ print $5 }' <<<"$output" | LC_ALL=C sort)" = "$(planned)" ] || lib_seen "of a slug"
	mountinfo "$(app -t 'web: true')"
	[ "$(awk '{ print $5 }' <<<"$output" | LC_ALL=C sort)" = "$(planned /app)" ] || lib_seen "of a directory"
	mountinfo "$SHAPES" --scratch disk
	[ "$(awk '{ print $5 }' <<<"$output" | LC_ALL=C sort)" = "$(planned)" ] || lib_seen "on disk"
}

@test "no mount names a place of the host (C1.8, C2.6)" {
	# the fourth field is the place within the file system, options may name layers
	for slug in "$SHAPES" "$(app -t 'web: true')"; do
		mountinfo "$slug"
		assert_no_line "$BASE"
		# where the host's own root is part of a file system, so is what it shares
		host=$(awk '$5 == "/" { sub("^/$", "", $4); print $4 }' /proc/self/mountinfo | tail -n1)
		bad=$(awk -v host="$host" '$4 != "/" && $4 != host $5 && $4 != "/boot_id" && $4 != "/mask" &&
			!($4 == "/null" && $5 ~ "^/proc/") && "/dev" $4 != $5' <<<"$output")
		[ -z "$bad" ] || fail "odd roots: $bad"
		# of the dyno's own overlays: a bound directory shows the options of the host's file system
		bad=$(awk '$5 == "/" || $5 == "/app"' <<<"$output" |
			grep -oE '(lower|upper|work)dir=[^, ]*' | grep / || :)
		[ -z "$bad" ] || fail "paths of layers: $bad"
	done
}

@test "every mount is nosuid, and nodev but for /dev; shared ones are read-only (C1.12, C2.6, C2.7)" {
	for slug in "$SHAPES" "$(app -t 'web: true')"; do
		mountinfo "$slug"
		bad=$(awk '"," $6 "," !~ /,nosuid,/' <<<"$output")
		[ -z "$bad" ] || fail "suid: $bad"
		bad=$(awk '"," $6 "," !~ /,nodev,/ && $5 !~ "^/dev" && !($4 == "/null" && $5 ~ "^/proc/")' <<<"$output")
		[ -z "$bad" ] || fail "dev: $bad"
		bad=$(awk '$5 ~ "^/(usr|bin|sbin|lib[0-9x]*|dev|proc/sys/kernel/random/boot_id)$" &&
			"," $6 "," !~ /,ro,/' <<<"$output")
		[ -z "$bad" ] || fail "writable: $bad"
		[ "$(awk '$5 == "/proc" { print $6 }' <<<"$output")" = rw,nosuid,nodev,noexec,relatime ]
	done
}

@test "/.. is / in device, inode and mount (C1.8)" {
	inside 'stat -c "%d:%i" / /.. /../..; exec 3</ 4</..; grep -h mnt_id /proc/self/fdinfo/[34]; ls -A /../../..'
	[ "${lines[0]}" = "${lines[1]}" ]
	[ "${lines[0]}" = "${lines[2]}" ]
	[[ ${lines[3]} == mnt_id:* ]]
	[ "${lines[3]}" = "${lines[4]}" ]
	assert_no_line etc.host
	[[ "${lines[*]:5}" == *app*bin*dev*etc* ]]
}

@test "nothing of the host is to be seen (C1.8)" {
	canary=canary.$RANDOM$RANDOM
	as_user touch "$BASE/$canary"
	inside "find / -path /proc -prune -o -path /usr -prune -o -name '$canary' -print 2>/dev/null
		ls -A /home /tmp /var/tmp /mnt /media /srv /opt /run 2>&1
		ls -d '$BASE' '$TOP' /etc/shadow /etc/ssh /etc/ssl/private /boot /lost+found 2>/dev/null
		ls -A /root 2>/dev/null; exit 0"
	expected=$'/home:\n\n/media:\n\n/mnt:\n\n/opt:\n\n/run:\nlock\n\n/srv:\n\n/tmp:\n\n/var/tmp:'
	[ "$output" = "$expected" ] || lib_seen "expected empty directories"
}

@test "the launcher's mounts are what they were while a dyno runs (C1.8, T52)" {
	before=$(cat /proc/self/mountinfo)
	begin "$SHAPES" 'sleep 1000'
	up
	[ "$(cat /proc/self/mountinfo)" = "$before" ]
	[ "$(cat "/proc/$pid/mountinfo")" = "$before" ]
	kill "$pid"
	finish 143
}

@test "/dev has its few entries, is read-only, and the nodes work (C2.7)" {
	inside 'ls /dev | tr "\n" " "; echo
		for n in null zero full random urandom tty; do stat -c "%n %F %a %t,%T" /dev/$n; done
		for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done
		touch /dev/new 2>/dev/null && echo wrote
		rm /dev/null 2>/dev/null && echo removed
		ln -sf /tmp /dev/fd 2>/dev/null && echo linked
		echo x >/dev/null; head -c3 /dev/zero | od -An -tx1; head -c8 /dev/urandom | wc -c
		(echo x >/dev/full) 2>&1 | grep -o "No space left on device"'
	expected='fd full null ptmx pts random shm stderr stdin stdout tty urandom zero 
/dev/null character special file 666 1,3
/dev/zero character special file 666 1,5
/dev/full character special file 666 1,7
/dev/random character special file 666 1,8
/dev/urandom character special file 666 1,9
/dev/tty character special file 666 5,0
/proc/self/fd
/proc/self/fd/0
/proc/self/fd/1
/proc/self/fd/2
pts/ptmx
 00 00 00
8
No space left on device'
	[ "$output" = "$expected" ] || lib_seen "expected:
$expected"
}

@test "devpts is private: its own numbers, mode 620, ptmx for all, at most 1024 (C2.7)" {
	mountinfo "$SHAPES"
	pts=$(awk '$5 == "/dev/pts" { print $NF }' <<<"$output")
	for option in mode=620 ptmxmode=666 max=1024; do
		[[ ,$pts, == *,$option,* ]] || fail "no $option in $pts"
	done
	inside 'ls /dev/pts | tr "\n" " "; python3 -c "
import os
for i in range(2):
    print(os.ttyname(os.openpty()[1]))
print(oct(os.stat(\"/dev/pts/0\").st_mode), os.stat(\"/dev/pts/0\").st_gid)"'
	[[ ${lines[0]} == 'ptmx /dev/pts/0' ]]
	[ "${lines[1]}" = /dev/pts/1 ]
	if [ "$PROFILE" = rootless ]; then
		[[ ${lines[2]} == '0o20620 '* ]]
	else
		[ "${lines[2]}" = '0o20620 5' ]
	fi
}

@test "/dev/shm has 64 MiB, 2048 inodes, mode 700 and the dyno's owner (C2.8)" {
	inside 'stat -f -c %T /dev/shm; df -Pk /dev/shm | awk "END { print \$2 }"
		df -Pi /dev/shm | awk "END { print \$2 }"; stat -c %a /dev/shm
		[ "$(stat -c %u:%g /dev/shm)" = "$(id -u):$(id -g)" ] && echo own
		head -c 70M /dev/zero 2>/dev/null >/dev/shm/big || stat -c %s /dev/shm/big'
	[ "$output" = $'tmpfs\n65536\n2048\n700\nown\n67108864' ]
}

@test "masked files of /proc are empty, and the boot id is the dyno's own (C2.9)" {
	inside 'for f in kcore timer_list; do head -c1 /proc/$f 2>/dev/null; done
		ls -A /proc/scsi /proc/pressure 2>/dev/null | grep -v :; cat /proc/sys/kernel/random/boot_id; cat /proc/sys/kernel/random/boot_id
		cat /proc/sys/kernel/random/uuid'
	[ "${#lines[@]}" -eq 3 ]
	[ "${lines[0]}" = "${lines[1]}" ]
	[[ ${lines[0]} =~ ^[0-9a-f-]{36}$ ]]
	[ "${lines[0]}" != "$(cat /proc/sys/kernel/random/boot_id)" ]
	mine=${lines[0]}
	inside 'cat /proc/sys/kernel/random/boot_id'
	[ "$output" != "$mine" ]
}

@test "settings of the host can be read and not written through /proc (C2.9, T32)" {
	run -0 dyno run -q "$SHAPES" '
		for f in sys/kernel/core_pattern sys/kernel/hostname sys/vm/drop_caches sysrq-trigger \
			sys/kernel/ns_last_pid sys/net/ipv4/ip_forward; do
			[ ! -e /proc/$f ] || { echo 1 >/proc/$f; } 2>/dev/null && [ -e /proc/$f ] && echo "wrote $f"
		done
		{ echo -1000 >/proc/self/oom_score_adj; } 2>/dev/null && echo "wrote oom_score_adj"
		cat /proc/sys/kernel/core_pattern'
	[ "$output" = "$(cat /proc/sys/kernel/core_pattern)" ]
}

@test "/sys is a plain directory with the files of the size's limits (C2.5, C3.13)" {
	inside 'stat -f -c %T /sys; cd /sys/fs/cgroup; find /sys | wc -l
		for each in $(find . -type f | sort); do
			echo "$each $(cat $each)"
			{ echo 1 >$each; } 2>/dev/null && echo wrote
		done
		exit 0'
	[ "$output" = $'overlayfs\n8\n./cpu.max max 100000\n./memory.max 536870912\n./memory/memory.limit_in_bytes 536870912\n./pids.max 256' ] ||
		lib_seen "other files"
}

@test "the files made in /etc say what they must and are read-only (C2.4, C2.14)" {
	inside 'head -n1 /etc/hosts; grep -c . /etc/hosts; cat /etc/bash.bashrc
		for f in passwd group hosts hostname resolv.conf profile bash.bashrc; do
			stat -c %a /etc/$f; { echo x >>/etc/$f; } 2>/dev/null && echo "wrote $f"
		done
		touch /etc/new 2>/dev/null && [ "$(stat -c %u /etc)" != "$(id -u)" ] && echo "wrote /etc"
		cut -d: -f1 /etc/passwd | tr "\n" " "'
	[ "${lines[0]}" = '127.0.0.1 localhost localhost.localdomain' ]
	[ "${lines[2]}" = "PS1='"'\[\033[01;34m\]\w\[\033[00m\] \[\033[01;32m\]$ \[\033[00m\]'"'" ]
	for i in 3 4 5 6 7 8 9; do
		[ "${lines[i]}" = 444 ] || lib_seen "line $i"
	done
	[[ ${lines[10]} =~ ^root\ nobody\ u[0-9]+\ $ ]]
}

@test "nobody in the dyno can change or replace the files of /etc (C2.4)" {
	need "rootless one id owns all of the dyno" [ "$PROFILE" != rootless ]
	run -0 dyno run -q "$SHAPES" '
		for f in passwd group hosts hostname resolv.conf profile bash.bashrc; do
			{ chmod u+w /etc/$f || rm -f /etc/$f || mv /etc/$f /tmp/ || ln -sf /tmp/x /etc/$f; } 2>/dev/null &&
				echo "changed $f"
		done
		{ mv /etc /tmp/etc || mv /usr /tmp/usr || mkdir /new || touch /usr/new || rm -rf /sys; } 2>/dev/null &&
			echo "changed /"
		exit 0'
	[ -z "$output" ] || lib_seen "expected nothing"
}

@test "the resolver's file is the host's with --network host, and empty with none (C2.4)" {
	run -0 dyno run -q "$SHAPES" -- grep -c nameserver /etc/resolv.conf
	[ "$output" = "$(grep -cE '^[[:space:]]*nameserver[[:space:]]' /etc/resolv.conf)" ]
	run dyno run -q --network none "$SHAPES" 'cat /etc/resolv.conf; ls /sys/class/net 2>/dev/null; cat /proc/net/dev | tail -n +3 | cut -d: -f1'
	[ "$(tr -d ' ' <<<"$output")" = lo ]
}

@test "the directories that a stack image ships are there (C2.13)" {
	inside 'for d in /app /tmp /proc /sys /dev /var /var/log /var/tmp /etc/heroku; do
			[ -d $d ] || echo "no $d"
		done
		stat -c "%n %a" /tmp /var/tmp; [ ! -e /etc/heroku/dyno ]'
	[ "$output" = $'/tmp 1777\n/var/tmp 1777' ]
}

@test "the app owns /app, may write and execute there and in /tmp (C2.3, C2.10, C2.11)" {
	inside 'echo $PWD $HOME; [ -O /app ] && [ -O /app/Procfile ] && [ -O /app/.profile.d ] && echo own
		for d in /app /tmp /var/tmp; do
			cp /bin/true $d/true && $d/true && mkdir -p $d/a/b && rm -r $d/a && echo $d
		done
		umask; stat -c %a /app/true'
	[ "$output" = $'/app /app\nown\n/app\n/tmp\n/var/tmp\n0022\n755' ]
}

@test "each start is pristine, on tmpfs and on disk, of a slug and of a directory (C0.1, C2.1, C11.7)" {
	dir=$(app pristine)
	as_user tar -xzf "$SHAPES" -C "$dir" --strip-components=2
	for slug in "$SHAPES" "$dir"; do
		for scratch in tmpfs disk; do
			for turn in 1 2; do
				run -0 dyno run -q --scratch "$scratch" "$slug" write "$turn"
				assert_no_line found
				for mark in /app /tmp /var/tmp /dev/shm; do
					assert_line "wrote $mark/mark"
				done
			done
		done
	done
}

@test "the store's tree is bit-identical after a vandal, on tmpfs and on disk (C2.1, T55)" {
	run -0 dyno run -q "$SHAPES" -- true
	tree=$(find "$BASE/data/slugs" -mindepth 2 -maxdepth 2 -name root)
	[ -d "$tree/app" ]
	before=$(fingerprint "$BASE/data/slugs")
	[[ $before == *'./'*'/root/app/shapes f 755 '* ]]
	for scratch in tmpfs disk; do
		run -0 dyno run -q --scratch "$scratch" "$SHAPES" "$vandal"
		[ "${lines[-1]}" -ge 6 ]
		after=$(fingerprint "$BASE/data/slugs")
		[ "$after" = "$before" ] || fail "$(diff <(echo "$before") <(echo "$after"))"
	done
}

@test "a directory given as slug is bit-identical after a vandal, and its caller keeps it (C2.1)" {
	dir=$(app vandal)
	as_user tar -xzf "$SHAPES" -C "$dir" --strip-components=2
	before=$(fingerprint "$dir")
	for scratch in tmpfs disk; do
		run -0 dyno run -q --scratch "$scratch" "$dir" "$vandal"
		after=$(fingerprint "$dir")
		[ "$after" = "$before" ] || fail "$(diff <(echo "$before") <(echo "$after"))"
	done
}

@test "a start writes nothing below the slug's tree (C2.1)" {
	need "strace is not installed" command -v strace
	run -0 dyno run -q "$SHAPES" -- true
	as_user strace -f -qq -o "$BASE/trace" -e trace=%file,/chown,/chmod,copy_file_range,sendfile \
		"$DYNO" run -q "$SHAPES" -- true
	below=$(grep -E 'slugs|sha256-' "$BASE/trace")
	rm "$BASE/trace"
	[ -n "$below" ]
	bad=$(grep -E 'O_WRONLY|O_RDWR|O_CREAT|(chown|chmod|rename|mkdir|mknod|trunc|utime|[^d]link)[a-z0-9]*\(' \
		<<<"$below" || :)
	[ -z "$bad" ] || fail "$bad"
}

@test "two dynos at once do not see each other's files, processes and IPC (C0.1, C2.1, T39)" {
	begin "$SHAPES" 'echo mark >/app/mark; echo mark >/tmp/mark; echo mark >/dev/shm/mark
		ipcmk -M 4096 -S 1 -Q >/dev/null
		python3 -c "
import ctypes
rt = ctypes.CDLL(\"librt.so.1\")
assert rt.mq_open(b\"/dyno-queue\", 0o102, 0o600, None) >= 0"
		ipcs | grep -c ^0x; echo ready; sleep 98767'
	says 10 ready
	[ "$(head -n1 "$out")" = 3 ]
	run -0 dyno run -q "$SHAPES" 'ls /app/mark /tmp/mark /dev/shm/mark 2>/dev/null
		ipcs | grep ^0x; pgrep -ax sleep
		python3 -c "
import ctypes
rt = ctypes.CDLL(\"librt.so.1\", use_errno=True)
print(rt.mq_open(b\"/dyno-queue\", 0), ctypes.get_errno())"
		exit 0'
	[ "$output" = '-1 2' ] || lib_seen 'expected nothing but a missing queue'
	kill "$pid"
	finish 143
}

@test "IPC objects of the host are not the dyno's (C1.8, T39)" {
	id=$(as_user ipcmk -M 4096 | grep -o '[0-9]*$')
	run dyno run -q "$SHAPES" 'ipcs -m | grep -c ^0x'
	as_user ipcrm -m "$id"
	[ "$output" = 0 ]
}

@test "the scratch has the size and inodes asked for, by default what the memory leaves (C2.12, T27)" {
	inside 'df -Pk / | awk "END { print \$2 }"; df -Pi / | awk "END { print \$2 }"'
	[ "$output" = $'431760\n26985' ]
	run -0 dyno run -q --scratch tmpfs:16M:200 "$SHAPES" '
		head -c 20M /dev/zero >/app/big 2>/dev/null || [ "$(stat -c %s /app/big)" -gt 15000000 ] && echo full
		rm /app/big
		for i in {1..300}; do : >/tmp/$i || break; done 2>/dev/null; [ $i -lt 200 ] && echo inodes
		df -Pk /tmp | awk "END { print \$2 }"'
	[ "$output" = $'full\ninodes\n16384' ]
}

@test "a tree of closed directories is discarded from disk and from memory (C11.7, T27)" {
	for scratch in tmpfs disk; do
		run -0 dyno run -q --scratch "$scratch" "$SHAPES" tree 60
		[ "$output" = made ]
		[ -z "$(ls -A "$BASE/data/scratch" 2>/dev/null)" ]
	done
}
