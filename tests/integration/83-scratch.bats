#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a dyno writes: how much it may be, in memory and on disk, and that all of it goes.
# shellcheck disable=SC2016 # text for the shells of others
# shellcheck disable=SC2030,SC2031 # every test is a subshell
# shellcheck disable=SC2154 # variables set by bats and dynos.bash
load lib
load dynos
load ../helpers/fs

setup() {
	fs_setup
	dynos_setup
	[ "$PROFILE" = rootless ] || user=(nsenter "--mount=/proc/$FS_HOLDER/ns/mnt" --)
	[ "$PROFILE" != rootless ] || user=(nsenter "--mount=/proc/$FS_HOLDER/ns/mnt" -- "${user[@]}")
}
teardown() { fs_teardown; }

# The data directory on a file system of its own, whose room nobody else uses.
own_disk() {
	FS_SIZE=${1:-512M} fs_mount ext4
	fs_dirs
	run -0 dyno run -q "$SHAPES" true
}

used_kib() { inside df -k --output=used "$FS" | tail -1; }
has_room_back() { [ "$(used_kib)" -le $((before + 1024)) ]; }

# The device of an image is gone a moment after the last process.
all_is_gone() {
	wait_for 30 has_room_back
	wait_for 30 no_loop_device
	store_is_clean
}

no_loop_device() { ! losetup -a | grep -F "$BASE/" | grep -qvF "($FS_IMAGE"; }

# no_loops: as in a container that has none
no_loops() { inside mount --bind /dev/null /dev/loop-control; }

# limited: the kinds of scratch that can be limited here
limited() { if [ "$PROFILE" = rootless ]; then echo tmpfs; else echo tmpfs disk; fi; }

# An app that fills its scratch of 32M and 3000 inodes in every way, and leaves it full.
FILL='
	no_room() { [[ $1 == *"No space left"* || $1 == *"quota exceeded"* ]]; }
	e=$(head -c 64M /dev/zero 2>&1 >big) && exit 91
	no_room "$e" || exit 92
	[ "$(stat -c %s big)" -gt 30000000 ] || exit 93
	rm big && truncate -s 1T sparse || exit 94
	e=$(head -c 64M /dev/zero 2>&1 >>sparse) && exit 95
	no_room "$e" || exit 96
	rm sparse || exit 97
	i=0; while [ $i -lt 4000 ] && : >"f$i"; do i=$((i + 1)); done 2>/dev/null
	[ $i -gt 2500 ] && [ $i -lt 4000 ] || exit 98
	head -c 64M /dev/zero >>f0 2>/dev/null
	echo full'

@test "an app that fills its scratch meets the error, and the host has its room back (T27)" {
	own_disk
	for kind in $(limited); do
		dyno run -q --scratch "$kind:32M:3000" "$SHAPES" true # an image's template stays
		before=$(used_kib)
		run -0 timeout 120 "${user[@]}" "$DYNO" run -q --scratch "$kind:32M:3000" "$SHAPES" "$FILL"
		[ "$output" = full ]
		all_is_gone
	done
}

@test "a tree of 10^5 levels and directories closed to everybody are discarded (T27)" {
	own_disk 2G
	for scratch in tmpfs:64M:120000 disk:none; do
		before=$(used_kib)
		# the list of what it wrote stays, and takes up to 1 MB
		run -0 timeout 300 "${user[@]}" "$DYNO" run -q --no-receipt --scratch "$scratch" "$SHAPES" -- /usr/bin/python3 -c '
import os, struct
acl = b"".join(struct.pack("<HHI", t, 0, i) for t, i in
               ((1, 2**32 - 1), (2, os.getuid()), (4, 2**32 - 1), (16, 2**32 - 1), (32, 2**32 - 1)))
os.makedirs("closed/in/side"), os.makedirs("listed/in")
try:
    os.setxattr("listed", "system.posix_acl_access", struct.pack("<I", 2) + acl)
except OSError:
    pass
os.system("chattr +i closed 2>/dev/null; chattr +a closed/in 2>/dev/null")
os.chmod("closed/in", 0), os.chmod("closed", 0)
for level in range(100000):
    os.mkdir("d"), os.chdir("d")
print(level)'
		[ "$output" = 99999 ]
		all_is_gone
	done
}

@test "an app within its quota that fills all files in memory is not killed (T26, T27)" {
	need "without root memory has no limit here" [ "$PROFILE" != rootless ]
	run -0 dyno run -q "$SHAPES" '
		head -c 1G /dev/zero >fill 2>/dev/null
		head -c 1G /dev/zero >/dev/shm/fill 2>/dev/null
		cd /tmp && seq 40000 | xargs mkdir 2>/dev/null
		# the quota itself, but for the shell and its like
		head -c 440M /dev/zero | tail -c 440M | wc -c'
	[ "$output" = $((440 << 20)) ]
}

@test "a scratch is where it fits, and inspect says why" {
	begin --scratch auto:600M "$SHAPES" 'df --output=fstype / >/dev/null; echo on; sleep 1000'
	if [ "$PROFILE" = rootless ]; then
		finish 125
		[[ $stderr == *'[launch.scratch]'*'hint: use --scratch tmpfs'* ]] || lib_seen "no refusal"
	else
		says 20 on
		run -0 dyno inspect --json "run.*"
		[ "$(jq -r '.starts[0] | .scratch, .scratch_limit, .scratch_bytes' <<<"$output")" = \
			$'image\nloop-image\n629145600' ] || lib_seen "not an image"
		[[ $(jq -r '.starts[0].scratch_why' <<<"$output") == *"does not fit"* ]]
		kill "$pid"
		finish 143
	fi
	begin --scratch tmpfs:2G "$SHAPES" 'echo on; sleep 1000'
	says 20 on
	run -0 dyno inspect --json "run.*"
	[ "$(jq -r '.starts[0] | .scratch, .scratch_limit, .scratch_bytes' <<<"$output")" = \
		$'tmpfs\ntmpfs\n2147483648' ] || lib_seen "not a tmpfs"
	kill "$pid"
	finish 143
	[[ $stderr == *"may be killed before it sees \"no space left\""* ]] || lib_seen "no warning"
}

@test "without loop devices a size is refused, a default warned of" {
	own_disk
	no_loops
	run -125 dyno run -q --scratch disk:64M "$SHAPES" true
	assert_error launch.scratch
	assert_line "hint: "
	if [ "$PROFILE" != rootless ]; then
		run -125 dyno run -q --require-limits --scratch disk "$SHAPES" true
		assert_error launch.scratch
		run -0 dyno run -q --require-limits --scratch disk:none "$SHAPES" true
	fi
	run -0 --separate-stderr dyno run --scratch disk "$SHAPES" true
	[[ $stderr == *"nothing limits what the dyno writes to the disk"* ]] || lib_seen "no warning"
	run -0 --separate-stderr dyno run --scratch disk:none "$SHAPES" true
	[[ $stderr != *"nothing limits"* ]] || lib_seen "a warning nobody needs"
	run dyno doctor
	[[ $output =~ warning[[:space:]]+disk-limit ]] || lib_seen "doctor does not know"
	store_is_clean
}

@test "images of a killed launcher go by themselves (T41)" {
	need "images are root's" [ "$PROFILE" != rootless ]
	own_disk
	dyno run -q --scratch disk:64M "$SHAPES" true
	before=$(used_kib)
	begin -q --scratch disk:64M "$SHAPES" 'head -c 32M /dev/zero >x; echo on; sleep 1000'
	says 20 on
	kill -KILL "$pid"
	finish 137
	all_is_gone
	run -0 dyno gc
}

@test "several images at once are as many file systems" {
	need "images are root's" [ "$PROFILE" != rootless ]
	own_disk
	local n pids=()
	for n in 1 2 3 4; do
		dyno run -q --scratch disk:16M "$SHAPES" "echo $n >mine; sleep 0.2; cat mine; ls / | wc -l" \
			>"$BATS_TEST_TMPDIR/$n" 2>&1 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	for n in 1 2 3 4; do
		[ "$(head -1 "$BATS_TEST_TMPDIR/$n")" = "$n" ] || fail "$(cat "$BATS_TEST_TMPDIR/$n")"
	done
	wait_for 30 no_loop_device
	[ "$(inside ls "$FS/data/images")" = 1-16777216-1024 ]
}

@test "templates of images do not pile up, and a damaged one is made again" {
	need "images are root's" [ "$PROFILE" != rootless ]
	own_disk
	local n
	run -0 dyno run -q --scratch disk:17M "$SHAPES" true
	for n in {1..15}; do inside touch "$FS/data/images/$n"; done
	run -0 dyno run -q --scratch disk:16M "$SHAPES" true
	[ "$(inside ls "$FS/data/images" | wc -l)" -le 16 ]
	run -0 dyno run -q --scratch disk:17M "$SHAPES" true
	inside truncate -s 4096 "$FS/data/images/1-17825792-1088"
	run -0 dyno run -q --scratch disk:17M "$SHAPES" 'df -B1M --output=size / | tail -1'
	[ "$output" -ge 17 ]
	wait_for 30 no_loop_device
}

# The first of our projects with files or a limit; nothing for none.
projects() {
	inside /usr/bin/python3 -c '
import ctypes, errno, os, struct, sys
buf = ctypes.create_string_buffer(88)
fd = os.open(sys.argv[1], os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)
# Q_GETNEXTQUOTA of project quotas
if libc.syscall(443, fd, ctypes.c_uint(0x800009 << 8 | 2), ctypes.c_uint(0x64790000), buf) == 0:
    print(struct.unpack("8QI", buf.raw[:68]))
elif ctypes.get_errno() not in (errno.ENOENT, errno.ESRCH):
    sys.exit(os.strerror(ctypes.get_errno()))' "$FS"
}

@test "a project quota limits a directory, cannot be left, and goes with it (T27, T60)" {
	need "without root there is no quota" [ "$PROFILE" != rootless ]
	FS_SIZE=512M fs_quota
	fs_dirs
	run -0 dyno run -q "$SHAPES" true
	before=$(used_kib)
	run -0 timeout 120 "${user[@]}" "$DYNO" run -q --scratch disk:32M:3000 "$SHAPES" "$FILL"
	[ "$output" = full ]
	all_is_gone
	[ -z "$(projects)" ]
	run -0 dyno run -q --scratch disk:32M "$SHAPES" -- /usr/bin/python3 -c '
import fcntl, os, struct
os.makedirs("sub")
with open("Procfile", "ab") as f:
    f.write(b"x")
for name in (".", "sub", "Procfile"):
    fd = os.open(name, os.O_RDONLY)
    for flags, project in ((0x200, 0), (0, 0x64790000), (0, 0)):
        try:
            fcntl.ioctl(fd, 0x401c5820, struct.pack("5I8x", flags, 0, 0, project, 0))
            print("left by", name)
        except OSError:
            pass
try:
    while True:
        with open("sub/%d" % len(os.listdir("sub")), "wb") as f:
            f.write(bytes(1 << 20))
except OSError as e:
    print(sum(os.stat("sub/" + n).st_size for n in os.listdir("sub")) >> 25, e.strerror)'
	[[ $output =~ ^[01]' '(Disk quota exceeded|No space left on device)$ ]] || lib_seen "no limit"
	begin --scratch disk:32M "$SHAPES" 'head -c 1M /dev/zero >x; echo on; sleep 1000'
	says 20 on
	run -0 dyno inspect --json "run.*"
	[ "$(jq -r '.starts[0].scratch_limit' <<<"$output")" = project-quota ]
	[ -n "$(projects)" ]
	kill -KILL "$pid"
	finish 137
	run -0 dyno gc
	all_is_gone
	[ -z "$(projects)" ]
}
