# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# lib.bash - what every integration test stands on: `load lib` at the head of a file.
#
# A file runs once as root and once as an ordinary user (DYNO_TEST_PROFILE=root|rootless; its line
# "# profiles: ..." may name one alone).  It has directories of its own, and after each test the
# host must be what it was before: a test that leaves anything behind fails.
#
#   dyno ARG...              the command under test, as the profile's user
#   as_user COMMAND...       any command as the profile's user
#   slug NAME                path of a sample slug
#   loops N                  N in a long run, a hundredth otherwise, at least 1
#   need REASON COMMAND...   skip unless COMMAND succeeds; an error where DYNO_MUST_WORK=1
#   wait_for SECONDS CMD...  until CMD succeeds; WAIT_MIN at least, as a machine may be busy
#   assert_status N, assert_line TEXT, assert_no_line TEXT, assert_error CLASS   after `run`
#
# Variables: PROFILE (root-v1, root-v2 or rootless), BASE (a scratch directory of the file, the
# user's own), DYNO (the command), TOP (the source tree).
bats_require_minimum_version 1.5.0

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
DYNO=${DYNO:-$TOP/build/fault/dyno}
SLUGS=${SLUGS:-$TOP/build/slugs}
# Source: an id that Debian gives to nobody and that no range of /etc/subuid covers.
USER_ID=${DYNO_TEST_UID:-64321}

setup_file() { lib_setup_file; }
setup() { lib_setup; }
teardown() { lib_teardown; }
teardown_file() { lib_teardown_file; }

lib_setup_file() {
	BASE=$(mktemp -d /tmp/dyno-test.XXXXXX)
	chmod 755 "$BASE"
	if [ "${DYNO_TEST_PROFILE:-root}" = rootless ]; then
		PROFILE=rootless
		lib_rootless
	elif [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
		PROFILE=root-v2
	else
		PROFILE=root-v1
	fi
	export BASE PROFILE DYNO SLUGS TOP
	export DYNO_CFG_RUN_DIR=$BASE/run DYNO_CFG_DATA_DIR=$BASE/data
	as_user mkdir -m 700 "$BASE/run" "$BASE/data"
	lib_data_backing
}

# Where /tmp is an overlay (a container, a virtual machine), nothing can be mounted over it again.
lib_data_backing() {
	[ "$(stat -f -c %T "$BASE")" = overlayfs ] && [ "$(id -u)" = 0 ] || return 0
	mount -t tmpfs -o mode=700 dyno-test "$BASE/data"
	[ "$PROFILE" != rootless ] || chown "$USER_ID:$USER_ID" "$BASE/data"
}

# A user of its own: neither the environment nor the files of the caller.  The command is copied
# where that user could not reach it, as in a clone below /root.
lib_rootless() {
	[ "$(id -u)" = 0 ] || return 0
	chown "$USER_ID:$USER_ID" "$BASE"
	export HOME=$BASE XDG_RUNTIME_DIR=$BASE/xdg-run XDG_DATA_HOME=$BASE/xdg-data
	export RESIDUE_UID=$USER_ID
	as_user mkdir -m 700 "$XDG_RUNTIME_DIR" "$XDG_DATA_HOME"
	as_user test -x "$DYNO" -a -r "$SLUGS" && return 0
	mkdir "$BASE/bin" "$BASE/slugs"
	find "$(dirname "$DYNO")" -maxdepth 1 -type f -perm -100 -exec cp {} "$BASE/bin" \;
	cp "$SLUGS"/*.tgz "$BASE/slugs"
	# a clone and its build may be nobody else's to read
	chmod -R a+rX "$BASE/bin" "$BASE/slugs"
	DYNO=$BASE/bin/$(basename "$DYNO") SLUGS=$BASE/slugs
}

lib_teardown_file() {
	[ -n "${BASE:-}" ] || return 0
	! mountpoint -q "$BASE/data" || umount "$BASE/data"
	rm -rf "$BASE"
	# the parent of all leaves goes with the last of them, but for one that is about to be made
	[ "${DYNO_TEST_SHARED:-0}" = 1 ] ||
		rmdir /sys/fs/cgroup/dyno /sys/fs/cgroup/*/dyno 2>/dev/null || :
}

lib_setup() {
	cd "$BASE" || return
	# bats' own watchdog may be about to start; it is no residue
	[ -z "${BATS_killer_pid:-}" ] ||
		wait_for 5 pgrep -P "$BATS_killer_pid" -x sleep
	if [ "$PROFILE" = rootless ] && [ "$(id -u)" = 0 ]; then
		chmod 755 "$BATS_RUN_TMPDIR"
		chown "$USER_ID:$USER_ID" "$BATS_TEST_TMPDIR"
	fi
	LIB_JOBS=" $(jobs -p | tr '\n' ' ') "
	"$TOP/tests/helpers/residue" snapshot "$BATS_TEST_TMPDIR/before"
}

# A failed test may have left a job: it is reported, and then ended, as bats would wait for it.
# bats has jobs of its own, from before.
lib_teardown() {
	local clean=0 job
	"$TOP/tests/helpers/residue" compare "$BATS_TEST_TMPDIR/before" || clean=$?
	for job in $(jobs -p); do
		[[ "$LIB_JOBS" != *" $job "* ]] || continue
		pkill -KILL -P "$job" || :
		kill -KILL "$job" 2>/dev/null || :
	done
	return "$clean"
}

as_user() {
	if [ "$PROFILE" = rootless ] && [ "$(id -u)" = 0 ]; then
		setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --inh-caps=-all -- "$@"
	else
		"$@"
	fi
}

dyno() { as_user "$DYNO" "$@"; }
slug() { echo "$SLUGS/$1.tgz"; }

loops() {
	local n=$1
	[ "${DYNO_LONG:-0}" = 1 ] || n=$((n / 100))
	echo $((n > 0 ? n : 1))
}

need() {
	local reason=$1
	shift
	! "$@" >/dev/null 2>&1 || return 0
	[ "${DYNO_MUST_WORK:-0}" != 1 ] || fail "must work here: $reason"
	skip "$reason"
}

# Source: own choice: what has not come after this time does not come.
WAIT_MIN=40

wait_for() {
	local until=$((SECONDS + ($1 < WAIT_MIN ? WAIT_MIN : $1)))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$until" ] || fail "in vain: $*"
		sleep 0.05
	done
}

fail() {
	echo "$*" >&2
	return 1
}

# What `run` saw, for the message of a failed assertion.
lib_seen() {
	fail "$1" "
status: ${status:-}
output: ${output:-}${stderr:+
stderr: $stderr}"
}

assert_status() { [ "${status:-}" -eq "$1" ] || lib_seen "expected status $1"; }
assert_line() { grep -qF -- "$1" <<<"${output:-}" || lib_seen "expected a line with: $1"; }
assert_no_line() { ! grep -qF -- "$1" <<<"${output:-}" || lib_seen "unexpected line with: $1"; }

# The class of a failure stands in brackets in its message.
assert_error() {
	grep -qF -- "[$1]" <<<"${stderr:-${output:-}}" || lib_seen "expected an error of class $1"
}
