#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# libdyno as others use it: installed somewhere, found by pkg-config, in a program of their own that
# has threads.
# shellcheck disable=SC2016,SC2154 # text for other shells; variables of bats
load lib

setup_file() {
	local build lock
	build=$(dirname "${DYNO:-$TOP/build/fault/dyno}")
	lock=$build
	lib_setup_file
	export DEST=$BASE/dest PREFIX=$BASE/dest/usr/local
	export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$DEST
	command -v cc make pkg-config >/dev/null || return 0
	# a make that runs the tests has told its own variables; it takes no path with a blank
	[[ $build != "$TOP"/* ]] || build=${build#"$TOP"/}
	# the other profile may be here too, and there may be something to build
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL flock "$lock" make -C "$TOP" O="$build" FAULT=1 \
		DESTDIR="$DEST" install >"$BASE/install.log" 2>&1 || fail "$(tail "$BASE/install.log")"
	chmod -R go+rX "$DEST"
	compile orchestrate
}

setup() {
	need "a compiler, make and pkg-config" command -v cc make pkg-config
	lib_setup
}

# compile NAME [FLAG...]: the example, as $BASE/NAME
compile() {
	local name=$1
	shift
	# shellcheck disable=SC2046 # flags are words
	cc -pthread -Wall -Werror "$@" "$TOP/tests/examples/orchestrate.c" -o "$BASE/$name" \
		$(pkg-config --cflags --libs "${how[@]}" dyno)
}
how=()

# orchestrate [VARIABLE=VALUE...] PROGRAM: the example at work on the sample slug
orchestrate() {
	run --separate-stderr as_user env "$@" "$(slug shapes)" "$DYNO_CFG_RUN_DIR" \
		"$DYNO_CFG_DATA_DIR"
}

# declared: the functions of dyno.h
declared() {
	cc -E -P "$PREFIX/include/dyno.h" | tr -s '\n' ' ' | grep -o 'typedef [^;]*;\|[ *]dyno_[a-z_0-9]*(' |
		grep -v typedef | tr -d ' *(' | sort -u
}

# story: what the example said of its dyno, without times and numbers of processes
story() {
	sed -nE -e '/^(started|ended) /p' \
		-e 's/.*"event":"state".*"from":"([a-z]*)","to":"([a-z]*)".*/\1 to \2/p' <<<"$output"
}

@test "the shared library exports what dyno.h declares, and nothing else" {
	run -0 declared
	[ "${#lines[@]}" -gt 20 ] || lib_seen "expected functions"
	exported=$(nm -D --defined-only --format=posix "$PREFIX/lib/libdyno.so" |
		awk '$2 != "A" { sub("@.*", "", $1); print $1 }' | sort -u)
	[ "$output" = "$exported" ] || lib_seen "exported:
$exported"
	run -0 readelf -d "$PREFIX/lib/libdyno.so"
	assert_line 'Library soname: [libdyno.so.0]'
	assert_no_line TEXTREL
}

@test "the static library gives a program no names but those of dyno.h" {
	run -0 declared
	defined=$(nm -g --defined-only --format=posix "$PREFIX/lib/libdyno.a" | awk 'NF > 1 { print $1 }' |
		sort -u)
	[ "$output" = "$defined" ] || lib_seen "defined:
$defined"
}

@test "dyno.h is C11 and C++ as a pedant has it" {
	echo '#include <dyno.h>' >"$BATS_TEST_TMPDIR/a.c"
	# shellcheck disable=SC2046 # flags are words
	run -0 cc -std=c11 -pedantic-errors -Wall -Wextra -Werror $(pkg-config --cflags dyno) \
		-fsyntax-only "$BATS_TEST_TMPDIR/a.c"
	# shellcheck disable=SC2046 # flags are words
	run -0 cc -x c++ -std=c++11 -pedantic-errors -Wall -Wextra -Werror $(pkg-config --cflags dyno) \
		-fsyntax-only "$BATS_TEST_TMPDIR/a.c"
}

@test "a thread starts a formation, follows its events, restarts and stops it (C6.4)" {
	orchestrate LD_LIBRARY_PATH="$PREFIX/lib" "$BASE/orchestrate"
	assert_status 0
	[ -z "$stderr" ] || lib_seen "expected no errors"
	# the other thread saw the same dyno
	assert_line 'listed shapes/web.1 '
	story >"$BATS_TEST_TMPDIR/story"
	diff - "$BATS_TEST_TMPDIR/story" <<-EOF || lib_seen "another story"
		started shapes/web.1
		starting to up
		up to starting
		starting to up
		ended shapes/web.1 stop 143
	EOF
}

@test "a program with the library in it finds the helpers of the prefix built for" {
	[ "$PROFILE" != rootless ] || skip "mounts over /usr/local"
	how=(--static)
	compile fixed -static
	how=()
	run -1 ldd "$BASE/fixed"
	run -0 --separate-stderr unshare -m sh -c 'mount --bind "$0/usr/local" /usr/local && exec "$@"' \
		"$DEST" "$BASE/fixed" "$(slug shapes)" "$DYNO_CFG_RUN_DIR" "$DYNO_CFG_DATA_DIR"
	assert_line 'ended shapes/web.1 stop 143'
}

@test "a library far from the helpers says where it has looked" {
	need "no dyno installed in /usr/local" test ! -e /usr/local/libexec/dyno
	mkdir "$BASE/alone"
	cp "$PREFIX/lib/libdyno.so.0" "$BASE/alone"
	orchestrate LD_LIBRARY_PATH="$BASE/alone" "$BASE/orchestrate"
	assert_status 1
	[[ $stderr == *"find the helper program dyno-"*" beside $BASE/alone/ or in /usr/local/libexec/dyno"* ]] ||
		lib_seen "expected both places"
	# a relative path may be another's by now
	cd "$BASE/alone"
	orchestrate LD_LIBRARY_PATH=. "$BASE/orchestrate"
	assert_status 1
	[[ $stderr == *" beside the library or in /usr/local/libexec/dyno"* ]] || lib_seen "expected one"
}
