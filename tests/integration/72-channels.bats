#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# alone: it locks and watches files of the host that other dynos have too
# Two dynos of one slug, a dyno and its launcher, a dyno and the host's mounts: what passes between
# them, and what must not.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

setup() {
	lib_setup
	dynos_setup
	HOSTILE=$(dirname "$DYNO")/hostile
	need "hostile is not built (make FAULT=1)" test -x "$HOSTILE"
	APP=$(app -t 'web: true' hostile)
	[ -x "$APP/hostile" ] || put "$APP/hostile" 755 <"$HOSTILE"
	[ -e "$BASE/hostile.tgz" ] || as_user "$DYNO" slug pack "$APP" -o "$BASE/hostile.tgz" >/dev/null
}

# channels NETWORK SLUG [OPTION...]: what one dyno finds of another, into $found; a line each, but
# for what dyno-security(7) admits
channels() {
	begin --name give.1 --network "$1" "${@:3}" "$2" -- /app/hostile give 4711
	says 10 given
	run -0 dyno run -q --name look.1 --network "$1" "${@:3}" "$2" -- /app/hostile look 4711
	[ "$(grep -cE ': (possible|denied)$' <<<"$output")" -ge 30 ] || lib_seen "few answers"
	kill "$pid"
	looked=$output
	finish 143
	found=$(
		{
			sed -n 's/: possible$//p' <<<"$looked"
			sed -n 's/: possible$//p' "$out"
		} | grep -vxF "$ADMITTED" | sort -u || :
	)
}

# admitted [PATH...]: who may read a file of the host may lock it and watch it.  Rootless that is so
# of the nodes in /dev: the kernel makes none for a user, and has none work on an overlay of his.
admitted() {
	local path
	[ "$PROFILE" != rootless ] || set -- "$@" /dev/null /dev/zero
	for path; do
		printf '%s\n' "flock $path" "lock $path" "inotify $path"
	done
}

@test "two dynos of one slug: no lock, key, IPC, socket, file or watch passes between them (T39)" {
	ADMITTED=$(admitted)
	channels none "$BASE/hostile.tgz" --private-stack
	[ -z "$found" ] || fail "found: $found"
	# one directory, named by the caller for both
	channels none "$APP" --private-stack
	[ -z "$found" ] || fail "found: $found"
}

@test "without --private-stack files of the host's /usr can be locked and watched, and no other (T39)" {
	ADMITTED=$(admitted /usr /usr/bin/env)
	channels none "$BASE/hostile.tgz"
	[ -z "$found" ] || fail "found: $found"
	grep -qx 'flock /usr/bin/env: possible' <<<"$looked" || lib_seen "not even the host's own"
}

@test "in the host's network abstract sockets are the network's, and nothing else is (T39)" {
	ADMITTED=$(admitted /usr /usr/bin/env)
	channels host "$BASE/hostile.tgz"
	[ "$found" = 'abstract socket' ] || fail "found: $found"
}

@test "the finder finds what one process leaves for another, so that nothing found means something" {
	run -0 dyno run -q --network none "$APP" '/app/hostile give 4711 >/tmp/given & until grep -q given /tmp/given; do sleep 0.05; done; /app/hostile look 4711'
	for what in 'flock /app/Procfile' 'lock /app/Procfile' 'abstract socket' shm msg sem mq 'file /tmp' 'file /dev/shm'; do
		assert_line "$what: possible"
	done
	assert_line 'key: denied'
}

@test "two starts of one app see the same, but for name, port, hostname and boot id (T40)" {
	facts='env | sort; id; umask; pwd; uname -n; cat /proc/sys/kernel/random/boot_id /etc/passwd /etc/hosts; ulimit -a
		cat /proc/self/mountinfo | cut -d" " -f5,6; stat -c "%A %u %g %n" / /* /app/* /dev/* /etc/*'
	run -0 dyno run -q "$SHAPES" "$facts"
	first=$output
	[ "${#lines[@]}" -gt 60 ] || lib_seen "few facts"
	run -0 dyno run -q "$SHAPES" "$facts"
	same='^[<>] (DYNO=run\.[0-9]+|PORT=[0-9]+|HOSTNAME=[0-9a-f-]{36}|[0-9a-f-]{36}|127\.0\.[01]\.1[[:space:]]+[0-9a-f-]{36}.*|.*[[:space:]][0-9a-f-]{36}( .*)?)$'
	odd=$(diff <(echo "$first") <(echo "$output") | grep '^[<>]' | grep -vE "$same" || :)
	[ -z "$odd" ] || fail "differs: $odd"
	[ "$first" != "$output" ] || fail "nothing differs, not even the name"
}

@test "a slug's own bash, libc, passwd, nsswitch are never opened by the launcher (T36)" {
	dir=$(app -t 'web: true' trap)
	for file in bin/bash bin/sh bin/true lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 \
		usr/bin/bash etc/passwd etc/group etc/nsswitch.conf etc/resolv.conf etc/ld.so.preload \
		etc/ld.so.cache etc/profile etc/hosts libnss_files.so.2 bash ld.so; do
		put "$dir/$file" 755 <<<'#!/bin/false'
	done
	mapfile -t traps < <(find "$dir" -type f)
	# the helper opens what it is told to watch for, and sees the launcher read the Procfile
	run -0 as_user "$HOSTILE" opened "${traps[@]}" -- "$DYNO" run -q "$dir" web
	[ "$output" = "opened: $dir/Procfile" ] || lib_seen "a start"
	run -0 as_user "$HOSTILE" opened "${traps[@]}" -- "$DYNO" run -q "$dir" 'getent passwd 0; exit 0'
	[ "$(grep '^opened' <<<"$output" | grep -v '/Procfile$')" = '' ] || lib_seen "a one-off"
	run -0 as_user "$HOSTILE" opened "${traps[@]}" -- "$DYNO" run -q "$dir" -- /usr/bin/env true
	[ "$(grep '^opened' <<<"$output" | grep -v '/Procfile$')" = '' ] || lib_seen "a program"
}

@test "mounts of the host that come, go and change their propagation: no dyno notices, none is pinned (T52)" {
	need "making mounts is root's" [ "$(id -u)" = 0 ]
	mkdir -p "$BASE/plugged"
	cat >"$BASE/mounts" <<-'EOF'
		set -e
		base=$1
		shift
		mount -t tmpfs dyno-before "$base/plugged"
		mount --make-rshared /
		: >"$base/told"
		"$@" >"$base/told" 2>&1 3>&- &
		launcher=$!
		for ((i = 0; i < 200; i++)); do ! grep -q ready "$base/told" || break; sleep 0.05; done
		grep -q ready "$base/told"
		mine=$(readlink /proc/self/ns/mnt)
		holders() {
			local each
			for each in /proc/[0-9]*; do
				[ "$(readlink "$each/ns/mnt")" != "$mine" ] || continue
				grep -l " - tmpfs $1 " "$each/mountinfo" 2>/dev/null || :
			done
		}
		of_dyno() { cat "/proc/$(pgrep -x dyno-init -P "$launcher")/mountinfo"; }
		before=$(of_dyno)
		umount "$base/plugged"
		mount -t tmpfs dyno-plugged "$base/plugged"
		mount --make-rprivate /
		mount -t tmpfs dyno-over "$base/plugged"
		umount "$base/plugged"
		mount --make-rslave /
		mount --make-rshared /
		[ "$(of_dyno)" = "$before" ] || { echo changed; exit 1; }
		umount "$base/plugged"
		kill -0 "$launcher"
		for name in dyno-before dyno-plugged dyno-over; do
			! grep -q " $name " "/proc/$launcher/mountinfo" || { echo "held: $name"; exit 1; }
			[ -z "$(holders "$name")" ] || { echo "pinned: $name"; exit 1; }
		done
		kill "$launcher"
		wait "$launcher" || [ $? = 143 ]
		echo unaffected
	EOF
	run -0 unshare --mount --propagation private bash "$BASE/mounts" "$BASE" "${user[@]}" "$DYNO" run -q "$SHAPES" \
		'echo ready; exec sleep 1000'
	[ "$output" = unaffected ] || lib_seen "mounts"
}
