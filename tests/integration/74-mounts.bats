#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Mounts that a caller asks for: a read-only root and what stays writable of it, memory, files and
# directories of the host.  And that nobody inside can turn them into more.
# shellcheck disable=SC2154 # variables set by bats
load lib
load dynos
load supervise

setup() {
	lib_setup
	dynos_setup
	host=$BASE/host$BATS_TEST_NUMBER
	as_user mkdir -m 755 "$host"
	echo outside | put "$host/file"
	[ "$PROFILE" = rootless ] || chown -R 12345:12345 "$host"
}

# inside OPTION... -- SCRIPT: what bash prints and says in a dyno of the sample slug
inside() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	run --separate-stderr dyno run -q "${options[@]}" "${in:-$SHAPES}" -- bash -c "$2"
}

# can PATH...: a script that says of each whether a file can be made in it
can() {
	# shellcheck disable=SC2016 # for the shell inside
	printf 'for d in %s; do if touch "$d/new" 2>/tmp/why; then echo "$d yes"; else ' "$*"
	# shellcheck disable=SC2016 # the same
	printf 'echo "$d $(sed "s/.*: //" /tmp/why)"; fi; done'
}

# mount_flags: lines "TARGET rw|ro" of mountinfo, sorted
# shellcheck disable=SC2016 # for awk
mount_flags='awk "{split(\$6, f, \",\"); print \$5, f[1]}" /proc/self/mountinfo | sort'

# said TEXT N: worker.1 has printed that line so often
said() { [ "$(log_of worker.1 | grep -cx "app\[worker.1\]: $1")" = "$2" ]; }

# ---- a read-only root -----------------------------------------------------------------------------

@test "--read-only: nothing but /tmp, /var/tmp and /dev/shm can be written to" {
	inside --read-only -- "$(can / /app /etc /home /sys /dev /usr /tmp /var/tmp /dev/shm)"
	assert_status 0
	diff - <(echo "$output") <<'END'
/ Read-only file system
/app Read-only file system
/etc Read-only file system
/home Read-only file system
/sys Read-only file system
/dev Read-only file system
/usr Read-only file system
/tmp yes
/var/tmp yes
/dev/shm yes
END
}

@test "--read-only: the same of an app that is a directory" {
	in=$(app -t "worker: true" dir)
	echo content | put "$in/f"
	inside --read-only -- "cat f; $(can / /app /tmp)"
	assert_status 0
	diff - <(echo "$output") <<'END'
content
/ Read-only file system
/app Read-only file system
/tmp yes
END
}

@test "--writable: a directory with what the slug has there, in both kinds of slug" {
	inside --read-only --writable /app --writable /new/deep -- "ls Procfile; rm Procfile
		$(can / /app /new /new/deep)"
	assert_status 0
	diff - <(echo "$output") <<'END'
Procfile
/ Read-only file system
/app yes
/new Read-only file system
/new/deep yes
END
	in=$(app -t "worker: true" dir)
	echo content | put "$in/sub/f"
	inside --read-only --writable /app/sub -- "cat sub/f; $(can /app /app/sub)"
	assert_status 0
	diff - <(echo "$output") <<'END'
content
/app Read-only file system
/app/sub yes
END
	run -0 ls "$in/sub"
	[ "$output" = f ] || lib_seen "the slug itself was written to"
}

@test "--writable: all that stays writable is the scratch, with one limit" {
	inside --read-only --writable /app --scratch tmpfs:4M -- '
		head -c 3M /dev/zero >/tmp/a && echo fits
		head -c 3M /dev/zero >/app/b || echo full'
	assert_status 0
	[ "$output" = $'fits\nfull' ] || lib_seen limit
}

@test "--read-only: what was written is told, where it could be (C2.1)" {
	local dir
	dir=$(app -t "worker: echo x >/tmp/t; echo x >new; echo x >sub/new; echo ready; sleep 1000" dir)
	echo x | put "$dir/sub/f"
	dyno start --detach --read-only --writable /app/sub --tmpfs /app/cache --tmpfs /a/b/c \
		--mount "$host:/app/data" "$dir" >/dev/null
	wait_for 20 said ready 1
	run -0 dyno diff --json worker.1
	diff - <(jq -r '"\(.change) \(.path)"' <<<"$output" | sort) <<'END'
added /app/sub/new
added /tmp/t
END
	dyno stop worker.1 >/dev/null
	run -0 dyno diff --json worker.1
	diff - <(jq -r '"\(.change) \(.path)"' <<<"$output" | sort) <<'END'
added /app/sub/new
added /tmp/t
END
}

@test "--read-only is the table of the common runtime: / ro,nosuid,nodev, /app and temporary places rw (C2.2, C2.3)" {
	# shellcheck disable=SC2016 # for awk
	inside --read-only --writable /app -- \
		'awk "\$5 ~ \"^/(app|tmp|var/tmp)?\$\" { print \$5, \$6 }" /proc/self/mountinfo | sort -u'
	assert_status 0
	grep -qE '^/ ro,nosuid,nodev(,|$)' <<<"$output" || lib_seen "/"
	for place in /app /tmp /var/tmp; do
		grep -q "^$place rw," <<<"$output" || lib_seen "$place"
	done
	inside --read-only --writable /app -- "$(can / /usr /app /tmp /var/tmp)"
	diff - <(echo "$output") <<'END'
/ Read-only file system
/usr Read-only file system
/app yes
/tmp yes
/var/tmp yes
END
}

@test "--read-only: mountinfo says so, and has no more than was planned" {
	inside -- "$mount_flags"
	assert_status 0
	local before=$output
	inside --read-only --writable /app --tmpfs /t --mount "$host:/m" -- "$mount_flags"
	assert_status 0
	{
		echo "${before/#\/ rw/\/ ro}"
		printf '%s\n' '/app rw' '/t rw' '/m ro' '/tmp rw' '/var/tmp rw'
	} | sort | diff - <(echo "$output")
}

@test "a read-only mount cannot be made writable from inside, nor taken away (T31)" {
	inside --read-only --mount "$host:/m" -- 'python3 - <<END
import ctypes, errno, os, struct
libc = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, MS_REMOUNT, MS_BIND, MNT_DETACH, AT_FDCWD = 1, 32, 4096, 2, -100
def said(name, r):
    print(name, "done" if r == 0 else errno.errorcode[ctypes.get_errno()])
for path in b"/", b"/m", b"/dev", b"/usr":
    said("remount", libc.mount(None, path, None, MS_REMOUNT | MS_BIND, None))
    said("superblock", libc.mount(None, path, None, MS_REMOUNT, None))
    attr = struct.pack("QQQQ", 0, 1, 0, 0)
    said("setattr", libc.syscall(442, AT_FDCWD, path, 0, attr, len(attr)))
    said("umount", libc.umount2(path, MNT_DETACH))
said("bind", libc.mount(b"/tmp", b"/m", None, MS_BIND, None))
said("tmpfs", libc.mount(b"none", b"/m", b"tmpfs", 0, None))
for path in "/x", "/m/x", "/m/file", "/app/x", "/dev/x":
    try:
        os.open(path, os.O_WRONLY | os.O_CREAT)
        print("opened", path)
    except OSError as e:
        print(errno.errorcode[e.errno], path)
END'
	assert_status 0
	[ "$(grep -c ' EPERM$' <<<"$output")" = 18 ] || lib_seen "expected EPERM of each call"
	[ "$(grep -c '^EROFS /' <<<"$output")" = 5 ] || lib_seen "expected EROFS of each path"
	[ "$(wc -l <<<"$output")" = 23 ] || lib_seen "something else was said"
}

# ---- memory ---------------------------------------------------------------------------------------

@test "--tmpfs: the app user's own, nosuid, nodev, with its limits" {
	# shellcheck disable=SC2016 # for the shell inside
	inside --tmpfs /app/cache/deep:2M:20 --tmpfs /m -- '
		stat -c "%U %a" /app/cache /app/cache/deep | sed "s/^$(id -un) /me /"
		awk "\$5 ~ /deep|^.m$/ {print \$5, \$6}" /proc/self/mountinfo | sort
		df -B1 --output=size,itotal /app/cache/deep /m | awk "NR > 1 {print \$1, \$2}"
		head -c 3M /dev/zero >/app/cache/deep/big || echo full
		rm /app/cache/deep/big
		for i in $(seq 30); do : >/app/cache/deep/$i || break; done 2>/dev/null
		ls /app/cache/deep | wc -l'
	assert_status 0
	diff - <(echo "$output") <<'END'
me 755
me 755
/app/cache/deep rw,nosuid,nodev,relatime
/m rw,nosuid,nodev,relatime
2097152 20
67108864 4096
full
19
END
}

@test "--tmpfs: its bytes are the dyno's memory" {
	[ "$PROFILE" != rootless ] || skip "no control group without a delegated one"
	inside --tmpfs /m:4G -- 'head -c 40M /dev/zero >/m/f && echo lived'
	assert_status 0
	assert_line lived
	inside --tmpfs /m:4G -- 'head -c 3G /dev/zero >/m/f && echo lived'
	[ "$status" -ne 0 ] || lib_seen "3G were written with a quota of 512M"
	assert_no_line lived
	[[ $stderr != *"No space left"* ]] || lib_seen "another limit was met"
}

# ---- the host's -----------------------------------------------------------------------------------

@test "--mount: read-only unless :rw is said; the owner is the app's user" {
	# shellcheck disable=SC2016 # for the shell inside
	inside --mount "$host:/data/in" --mount "$host:/data/out:rw" -- '
		cat /data/in/file; stat -c %U /data/in/file | grep -x "$(id -un)" >/dev/null && echo mine
		echo changed >/data/out/new; stat -c %U /data/out/new | grep -x "$(id -un)" >/dev/null &&
			echo mine; cat /data/in/new
		echo x >/data/in/x || echo "not there"'
	assert_status 0
	[ "$output" = $'outside\nmine\nmine\nchanged\nnot there' ] || lib_seen mounts
	[[ $stderr == *"Read-only file system"* ]] || lib_seen "it was not told why"
	[ "$(cat "$host/new")" = changed ] || fail "it did not arrive"
	[ "$(stat -c %u "$host/new")" = "$(stat -c %u "$host")" ] || fail "it is not the owner's"
}

@test "--mount: a single file, and a link to one, over a file and where there is none" {
	as_user ln -s file "$host/link"
	inside --mount "$host/file:/app/Procfile" --mount "$host/link:/conf/x" -- \
		'cat Procfile /conf/x; stat -c %F /conf/x; echo >>/conf/x || echo no'
	assert_status 0
	[ "$output" = $'outside\noutside\nregular file\nno' ] || lib_seen file
}

@test "--mount: nosuid and nodev, whatever the host's mount has" {
	inside --mount "$host:/m:rw" -- "awk '\$5 == \"/m\" {print \$6}' /proc/self/mountinfo"
	assert_status 0
	[[ $output == *nosuid,nodev* ]] || lib_seen flags
}

@test "--mount: below another one nothing is made on the host" {
	as_user mkdir "$host/sub"
	inside --mount "$host:/m:rw" --mount "$host/sub:/m/missing" -- true
	refused mount.invalid 125
	[ ! -e "$host/missing" ] || fail "it was made"
	inside --mount "$host:/m:rw" --mount "$host/file:/m/sub/missing" -- true
	refused mount.invalid 125
	[ -z "$(ls "$host/sub")" ] || fail "it was made"
	inside --mount "$host:/m" --tmpfs /m/sub -- 'touch /m/sub/x && ls /m/sub'
	assert_status 0
	[ "$output" = x ] || lib_seen nested
	[ -z "$(ls "$host/sub")" ] || fail "it went to the host"
}

@test "--mount: relative paths are the caller's, in run and in a detached start" {
	local dir
	dir=$(app -t "worker: cat /m/file; cat /n/f; sleep 1000" dir)
	mkdir -p "$BASE/work"
	chmod 755 "$BASE/work"
	echo near | put "$host/near"
	cd "$host"
	run -0 --separate-stderr dyno run -q --mount near:/m/file "$SHAPES" -- cat /m/file
	[ "$output" = near ] || lib_seen near
	dyno start --detach --mount .:/m --mount near:/n/f "$dir" >/dev/null
	wait_for 20 said near 1
	cd "$BASE"
	dyno restart worker.1 >/dev/null
	wait_for 20 said near 2
}

@test "dyno-spec: the same by keys" {
	jq -n --arg host "$host" '{schema: 1, read_only: true, writable: ["/app"], tmpfs: ["/t:1M"],
		mounts: ["\($host):/m:rw"]}' | put "$BASE/spec.json"
	inside --spec "$BASE/spec.json" -- "$(can / /app /t /m)"
	assert_status 0
	[ "$output" = $'/ Read-only file system\n/app yes\n/t yes\n/m yes' ] || lib_seen spec
	[ -e "$host/new" ] || fail "it did not arrive"
}

# ---- what is refused ------------------------------------------------------------------------------

@test "a slug cannot lead a mount elsewhere: no link in a mount point (T31)" {
	local path
	in=$(app -t "worker: true" links)
	as_user ln -sfn /etc "$in/data"
	as_user ln -sfn .. "$in/up"
	as_user ln -sfn /proc/self/root "$in/magic"
	as_user ln -sfn nowhere "$in/dangling"
	as_user tar -czf "$BASE/links.tgz" -C "$BASE/apps" --transform 's,^links,app,' links
	for in in "$in" "$BASE/links.tgz"; do
		for path in /app/data /app/data/x /app/up /app/up/etc/x /app/magic/x /app/dangling \
			/app/dangling/x /bin/x /lib; do
			inside --mount "$host:$path" -- true
			refused mount.invalid 125
			[[ $stderr == *"the mount point $path: "*link* ]] || lib_seen "not by name"
		done
		inside --tmpfs /app/data/x -- true
		refused mount.invalid 125
		inside --read-only --writable /app/data -- true
		refused mount.invalid 125
	done
	[ "$(ls "$host")" = file ] || fail "something was made"
}

@test "paths inside that are dyno's own are refused" {
	local path
	for path in / /proc /proc/self /sys /sys/fs /dev /dev/shm /etc /etc/passwd /etc/group /etc/hosts \
		/etc/hostname /etc/resolv.conf /etc/../proc //proc/. /a/../../etc; do
		inside --mount "$host:$path" -- true
		refused mount.invalid 125
		inside --tmpfs "$path" -- true
		refused mount.invalid 125
	done
}

@test "sources that are not for an app are refused" {
	local path
	as_user mkfifo "$host/pipe"
	as_user ln -s / "$host/root"
	as_user ln -s "$BASE/data" "$host/data"
	for path in / /. /proc /proc/self /proc/sys/kernel /sys /sys/fs/cgroup "$BASE" "$BASE/run" \
		"$BASE/run/." "$BASE/data" "$BASE/host1/.." /dev/null "$host/pipe" "$host/root" \
		"$host/data" "$host/missing"; do
		inside --mount "$path:/m" -- true
		refused mount.invalid 125
	done
	dyno run -q "$SHAPES" -- true
	inside --mount "$(ls -d "$BASE"/data/slugs):/m" -- true
	refused mount.invalid 125
}

@test "a directory of root's is read-only, and hides from the app what it hides from others" {
	[ "$PROFILE" != rootless ] || skip "rootless the app has the caller's rights"
	chown -R 0:0 "$host"
	echo secret >"$host/secret"
	chmod 600 "$host/secret"
	inside --mount "$host:/m:rw" -- true
	refused mount.invalid 125
	chown 12345:0 "$host"
	inside --mount "$host:/m:rw" -- true
	refused mount.invalid 125
	chown 0 "$host"
	inside --mount "$host:/m" -- 'cat /m/file; cat /m/secret || echo no; stat -c %U /m/file'
	assert_status 0
	[ "$output" = $'outside\nno\nroot' ] || lib_seen owner
}

@test "--mount: where a file system takes no id map it is said, and the app has the rights of others" {
	[ "$PROFILE" != rootless ] || skip "rootless no ids are mapped"
	mkdir "$host"/{lower,upper,work,over}
	echo for all >"$host/upper/f"
	echo secret >"$host/upper/secret"
	chmod 600 "$host/upper/secret"
	chown -R 12345:12345 "$host/upper"
	need "no overlay can be mounted" mount -t overlay \
		-o "lowerdir=$host/lower,upperdir=$host/upper,workdir=$host/work" none "$host/over"
	in=$SHAPES
	run --separate-stderr dyno run --mount "$host/over:/m" "$in" -- \
		bash -c 'cat /m/f; cat /m/secret || echo no'
	umount "$host/over"
	assert_status 0
	[[ $output == *"for all"* ]] || lib_seen f
	if [[ $stderr == *"takes no id map"* ]]; then
		[ "$output" = $'for all\nno' ] || lib_seen unmapped
	else
		[ "$output" = $'for all\nsecret' ] || lib_seen mapped
	fi
}

@test "a user cannot mount what that user cannot reach" {
	[ "$PROFILE" = rootless ] || skip "root reaches everything"
	[ "$(id -u)" = 0 ] || skip "the directory is to be another's"
	mkdir -m 700 "$BASE/closed"
	mkdir -m 755 "$BASE/closed/dir" "$BASE/foreign"
	echo secret >"$BASE/foreign/secret"
	chmod 600 "$BASE/foreign/secret"
	inside --mount "$BASE/closed/dir:/m" -- true
	refused mount.invalid 125
	inside --mount "$BASE/foreign:/m:rw" -- 'cat /m/secret || touch /m/x || echo no'
	assert_status 0
	[ "$output" = no ] || lib_seen rights
}

@test "--writable is refused without --read-only, and where the host's own directory is" {
	inside --writable /app -- true
	refused mount.invalid 125
	inside --read-only --writable /usr -- true
	refused mount.invalid 125
	inside --read-only --writable /usr/local -- true
	refused mount.invalid 125
}

@test "a file and a directory do not go over each other" {
	inside --mount "$host/file:/app" -- true
	refused mount.invalid 125
	inside --mount "$host:/app/Procfile" -- true
	refused mount.invalid 125
}

@test "a detached start tells at once what is wrong" {
	local dir
	dir=$(app -t "worker: sleep 1000" dir)
	run --separate-stderr dyno start --detach --mount "$host/missing:/m" "$dir"
	[ "$status" -ne 0 ] || lib_seen "it was started"
	assert_error mount.invalid
	run -0 dyno ps -q
	[ -z "$output" ] || lib_seen "something is left"
	run --separate-stderr dyno start --detach --tmpfs /bin/x "$dir"
	[ "$status" -ne 0 ] || lib_seen "it was started"
	assert_error mount.invalid
}
