# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# dynos.bash - for the tests that run dynos: `load dynos` after `load lib`.
#
#   app [-t TYPE:COMMAND]... [NAME]  an app directory of the user's own, $BASE/apps/NAME; its path
#                                    is printed
#   web_app                          one whose web listens well; its path is printed
#   end_dynos                        for teardown: what is left of `begin` and of monitors is stopped
#   begin ARG...                     dyno run ARG... in the background: $pid, $out and $err (files)
#   finish STATUS                    wait for it; its status must be that
#   up [SECONDS]                     wait until it has said that it is up
#   url                              where its web listens, once it is up
#   says SECONDS TEXT                wait until a line with TEXT is on its standard output
#   platform                         the platform's lines of $err or standard input, without time
#   assert_platform                  they are those on standard input, a line with * is a pattern
#   refused CLASS STATUS             `run --separate-stderr` failed so, and said nothing else
#   pid1, inhabitants PID1           processes of a dyno, as the host numbers them
#   deserted PID...                  none of these is alive
# shellcheck disable=SC2034,SC2154 # variables set for the tests, and by bats

# Without delegated control groups every start says so: 80-limits.bats has a test of it.
UNLIMITED='\]: Warning: not limited \(memory, cpu, pids\): '

# The user's own program before a command, for places where a function cannot stand.
user=()

# A file with more to do has a function of its own of this name.
setup() {
	lib_setup
	dynos_setup
}

dynos_setup() {
	[ "$PROFILE" != rootless ] || [ "$(id -u)" != 0 ] ||
		user=(setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --inh-caps=-all --)
	SHAPES=$(slug shapes)
}

app() {
	local types=() dir
	while [ "${1:-}" = -t ]; do
		types+=("$2")
		shift 2
	done
	dir=$BASE/apps/${1:-app}
	as_user mkdir -p "$dir"
	[ "${#types[@]}" -eq 0 ] || printf '%s\n' "${types[@]}" | as_user tee "$dir/Procfile" >/dev/null
	echo "$dir"
}

# put PATH [MODE]: standard input becomes a file of the user's own
put() {
	as_user mkdir -p "$(dirname "$1")"
	as_user tee "$1" >/dev/null
	[ -z "${2:-}" ] || as_user chmod "$2" "$1"
}

web_app() {
	local dir
	dir=$(app -t 'web: exec python3 listen.py' web)
	tar -xzOf "$SHAPES" ./app/listen.py | put "$dir/listen.py"
	echo "$dir"
}

# A place without a socket is not a live dyno's.
end_dynos() {
	local place
	[ -z "${pid:-}" ] || kill -TERM "$pid" 2>/dev/null || :
	for place in "$DYNO_CFG_RUN_DIR"/*/*/ctl.sock; do
		[ -S "$place" ] || continue
		place=${place%/ctl.sock}
		dyno stop --now "${place#"$DYNO_CFG_RUN_DIR"/}" >/dev/null 2>&1 || :
	done
}

begin() {
	out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
	: >"$out"
	: >"$err"
	(exec 3>&- && exec "${user[@]}" "$DYNO" run "$@" <"${stdin:-/dev/null}" >"$out" 2>"$err") &
	pid=$!
}

finish() {
	status=0
	wait "$pid" || status=$?
	output=$(cat "$out") stderr=$(cat "$err")
	[ -z "${1:-}" ] || assert_status "$1"
}

up() { wait_for "${1:-10}" grep -q 'State changed from starting to up$' "$err"; }
url() { sed -n 's/^dyno: [^ ]* is at //p' "$err"; }
says() { wait_for "$1" grep -qF -- "$2" "$out"; }

platform() {
	sed -nE '/'"$UNLIMITED"'/d; s/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{15}\+00:00 ([A-Za-z0-9_.-]+\[[^]]+\]: )/\1/p' \
		${err:+"$err"}
}

assert_platform() {
	local got want i
	mapfile -t got < <(platform)
	mapfile -t want
	for ((i = 0; i < ${#want[@]} || i < ${#got[@]}; i++)); do
		# shellcheck disable=SC2053 # a pattern is wanted
		[[ ${got[i]:-} == ${want[i]:-} || ${got[i]:-} == "${want[i]:-}" ]] || {
			printf 'line %s\nexpected: %s\ngot:      %s\n' "$i" "${want[i]:-}" "${got[i]:-}"
			printf 'all:\n' && cat "$err" && return 1
		} >&2
	done
}

refused() {
	assert_status "$2"
	[[ $stderr == *"[$1]"* ]] || lib_seen "expected an error of class $1"
	[ -z "$output" ] || lib_seen "expected no output"
}

# pid1: dyno-init of the dyno begun last, as the host numbers it
pid1() { pgrep -P "$pid" -x dyno-init; }

# inhabitants PID1: every process of its pid namespace, as the host numbers them
inhabitants() {
	local ns
	ns=$(stat -Lc %i "/proc/$1/ns/pid_for_children") || return 0
	stat -Lc '%i %n' /proc/[0-9]*/ns/pid 2>/dev/null | sed -n "s,^$ns /proc/\([0-9]*\)/.*,\1,p"
}

# deserted PID...: none of them is alive
deserted() {
	local each
	for each; do
		[ ! -d "/proc/$each" ] || grep -q '^State:.[ZX]' "/proc/$each/status" || return 1
	done
}
