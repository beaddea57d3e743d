#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Paths that a hostile or careless orchestrator names, and users who share a host: nothing is opened
# with more rights than the caller has, nothing is read without end, nobody meets in a directory.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

# Source: another id that Debian gives to nobody.
OTHER_ID=$((USER_ID + 1))

teardown() {
	[ ! -d "$BASE/other" ] || rm -rf "$BASE/other" "$BASE/shared"
	lib_teardown
}

# attempt ARG...: dyno ARG, which must not take long
attempt() { run --separate-stderr timeout 60 "${user[@]}" "$DYNO" "$@"; }

# An error with its class, in good time; not a hang, a crash or a run.
is_refused() {
	[ "$status" -eq 125 ] || lib_seen "$1"
	[[ $stderr == 'dyno: '*'['*']'* ]] || lib_seen "$1: no error"
	[ -z "$output" ] || lib_seen "$1: it ran"
}

@test "devices, directories and files without end as spec, env file and slug: refused in time (T63)" {
	for path in /dev/zero "$BASE" /dev/full /proc/self/mem; do
		for option in --spec --env-file; do
			attempt run "$option" "$path" "$SHAPES" 'echo ran'
			is_refused "$option $path"
		done
		[ "$path" = "$BASE" ] || {
			attempt run "$path" 'echo ran'
			is_refused "slug $path"
		}
	done
	attempt run --checksum /dev/zero "$SHAPES" 'echo ran'
	is_refused "a checksum that is a path"
}

@test "a spec that is a pipe with a name is refused at once, and read from a descriptor (T62, T63)" {
	as_user mkfifo "$BASE/fifo"
	for verb in run start; do
		attempt "$verb" --spec "$BASE/fifo" "$SHAPES"
		is_refused "$verb"
		[[ $stderr == *"read the spec $BASE/fifo: it is no regular file"*'--spec fd:N'* ]] || lib_seen "$verb"
	done
	run -0 dyno run -q --spec fd:7 "$SHAPES" 'echo $FROM' 7< <(echo '{"schema": 1, "env": {"FROM": "pipe"}}')
	[ "$output" = pipe ] || lib_seen "from a descriptor"
	as_user rm "$BASE/fifo"
}

@test "a file of another user is opened with the caller's rights only (T63)" {
	[ "$PROFILE" = rootless ] || skip "root may open everything"
	[ "$(id -u)" = 0 ] || skip "making files of others is root's"
	install -m 600 /dev/stdin "$BASE/secret" <<<'{"env": {"SECRET": "pear"}}'
	for option in --spec --env-file; do
		attempt run "$option" "$BASE/secret" "$SHAPES" 'echo ran'
		is_refused "$option"
		[[ $stderr == *'permission denied'* ]] || lib_seen "$option: not for want of rights"
		[[ $stderr != *pear* ]] || lib_seen "$option: told what is in it"
	done
	as_user ln -sf /etc/shadow "$BASE/shadow.tgz"
	attempt run "$BASE/shadow.tgz" 'echo ran'
	is_refused "a link to a file of root"
	[[ $stderr == *'permission denied'* ]] || lib_seen "a link: not for want of rights"
	rm -f "$BASE/secret" "$BASE/shadow.tgz"
}

@test "an error about a file never tells what is in it (T63)" {
	put "$BASE/odd" <<<'pear=sweet secret-word {'
	attempt run --spec "$BASE/odd" "$SHAPES" 'echo ran'
	is_refused "a spec that is none"
	[[ $stderr != *secret-word* ]] || lib_seen "a spec that is none"
	as_user rm -f "$BASE/odd"
}

@test "numbers of users are digits, all of them, in range, and never 0 by mistake" {
	for range in '' 0:65536 -1:65536 +100000:65536 ' 100000:65536' 100000 100000: :65536 0x10000:65536 \
		100000:65536x 1e5:65536 4294967295:65536 4294967296:65536 18446744073709551616:65536 \
		100000:0 100000:-1 100000:65536:1; do
		attempt run --uid-range "$range" "$SHAPES" 'echo ran'
		[[ $status == 125 || $status == 2 ]] || lib_seen "range \"$range\""
		[ -z "$output" ] || lib_seen "range \"$range\": it ran"
	done
}

@test "no program of the runtime is set-user-id or has capabilities of its own" {
	run -0 find "$(dirname "$DYNO")" -maxdepth 1 -type f -perm /6000
	[ -z "$output" ] || lib_seen "set-user-id"
	for each in "$DYNO" "$(dirname "$DYNO")"/dyno-*; do
		run -1 python3 -c 'import os, sys
try: os.getxattr(sys.argv[1], "security.capability")
except OSError: sys.exit(1)' "$each"
	done
}

# other COMMAND...: as another ordinary user
other() {
	setpriv --reuid "$OTHER_ID" --regid "$OTHER_ID" --clear-groups --inh-caps=-all -- \
		env -u DYNO_CFG_RUN_DIR -u DYNO_CFG_DATA_DIR HOME="$BASE/other" XDG_RUNTIME_DIR="$BASE/other/run" \
		XDG_DATA_HOME="$BASE/other/data" "$@"
}

first() { as_user env -u DYNO_CFG_RUN_DIR -u DYNO_CFG_DATA_DIR "$@"; }

two_users() {
	[ "$(id -u)" = 0 ] || skip "being two users is root's"
	[ "$PROFILE" = rootless ] || skip "two users without root"
	mkdir -p "$BASE/other/run" "$BASE/other/data"
	chmod -R 700 "$BASE/other"
	chown -R "$OTHER_ID:$OTHER_ID" "$BASE/other"
	chmod 755 "$BASE" # each comes to what is its own
}

@test "two users, one app name, one slug, at the same time: two stores, two runs, each blind to the other (T64)" {
	two_users
	first "$DYNO" run -q -a same --name web.1 "$SHAPES" 'echo one; sleep 1000' >"$BATS_TEST_TMPDIR/one" 2>&1 3>&- &
	one=$!
	other "$DYNO" run -q -a same --name web.1 "$SHAPES" 'echo two; sleep 1000' >"$BATS_TEST_TMPDIR/two" 2>&1 3>&- &
	two=$!
	wait_for 20 grep -q one "$BATS_TEST_TMPDIR/one"
	wait_for 20 grep -q two "$BATS_TEST_TMPDIR/two"
	for who in first other; do
		run -0 "$who" "$DYNO" ps --json
		[ "$(jq -r '.[] | "\(.app)/\(.name)"' <<<"$output")" = same/web.1 ] || lib_seen "ps of $who"
	done
	# neither reaches into the other's places, even told where they are
	run --separate-stderr other "$DYNO" stop --now --run-dir "$XDG_RUNTIME_DIR/dyno" same/web.1
	[ "$status" -ne 0 ] || lib_seen "stopped the other's"
	run --separate-stderr other "$DYNO" run -q --data-dir "$XDG_DATA_HOME/dyno" "$SHAPES" 'echo ran'
	[[ $status == 125 && -z $output ]] || lib_seen "used the other's store"
	kill -0 "$one"
	[ -d "$XDG_RUNTIME_DIR/dyno/same/web.1" ] || fail "no run directory of the first"
	[ -d "$BASE/other/run/dyno/same/web.1" ] || fail "no run directory of the other"
	[ -z "$(find "$XDG_DATA_HOME" -user "$OTHER_ID")" ] || fail "files of the other in the first's"
	[ -z "$(find "$BASE/other" -user "$USER_ID")" ] || fail "files of the first in the other's"
	[ -z "$(find "$XDG_DATA_HOME/dyno" "$BASE/other/data/dyno" ! -type l -perm /022 ! -path '*/root/*')" ] || fail "writable by others"
	pkill -TERM -P "$one" || kill "$one"
	pkill -TERM -P "$two" || kill "$two"
	wait "$one" "$two" || :
}

@test "a run or data directory that another user has made, or may write, is refused (T64)" {
	two_users
	mkdir -p "$BASE/shared"
	chmod 1777 "$BASE/shared"
	other mkdir -p "$BASE/shared/run" "$BASE/shared/data"
	other chmod 777 "$BASE/shared/run" "$BASE/shared/data"
	other ln -s "$BASE/other/run" "$BASE/shared/link"
	attempt run --run-dir "$BASE/shared/run" "$SHAPES" 'echo ran'
	is_refused "another's run directory"
	attempt run --data-dir "$BASE/shared/data" "$SHAPES" 'echo ran'
	is_refused "another's data directory"
	attempt run --run-dir "$BASE/shared/link/x" "$SHAPES" 'echo ran'
	is_refused "behind another's link"
	[ -z "$(find "$BASE/shared" "$BASE/other" -user "$USER_ID")" ] || fail "made something there"
}

@test "without XDG_RUNTIME_DIR nothing is made in /tmp (T64)" {
	[ "$PROFILE" = rootless ] || skip "a matter of rootless"
	before=$(find /tmp -maxdepth 1 -user "$USER_ID" | sort)
	run --separate-stderr as_user env -u XDG_RUNTIME_DIR -u DYNO_CFG_RUN_DIR "$DYNO" run -q "$SHAPES" 'echo ran'
	is_refused "no directory"
	[[ $stderr == *XDG_RUNTIME_DIR* ]] || lib_seen "not named"
	[ "$(find /tmp -maxdepth 1 -user "$USER_ID" | sort)" = "$before" ] || fail "something was made in /tmp"
}
