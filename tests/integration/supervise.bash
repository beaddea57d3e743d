# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# supervise.bash - for the tests of dynos that live by themselves: `load supervise` after `load
# dynos`.  Whatever a test leaves is stopped after it.
#
#   fact DYNO MEMBER              a member of its object in `dyno ps --json --all`, "null" for none
#   is DYNO STATE                 its state is that
#   became SECONDS DYNO STATE     wait until it is
#   pid_of DYNO, init_of, monitor_of
#   log_of DYNO                   its log file's lines without their time
#   platform_of DYNO              those of the platform alone
#   at_least DYNO MEMBER N, tells DYNO TEXT, wrote DYNO PATH   to be waited for
#   gone SECONDS PID...           wait until none of them is alive
#   live                          names of all live dynos
# shellcheck disable=SC2154 # variables of lib.bash and dynos.bash

# As setup() of dynos.bash.
teardown() {
	supervise_teardown
	lib_teardown
}

supervise_teardown() {
	local names
	mapfile -t names < <(find "$BASE/run" -mindepth 2 -maxdepth 2 -type d -printf '%P\n')
	[ "${#names[@]}" -eq 0 ] || dyno stop --now "${names[@]}" >/dev/null 2>&1 || :
	wait_for 10 supervise_quiet
	# what one test kept is not the next one's
	rm -rf "$BASE/data/records" "$BASE/data/logs"
}

supervise_quiet() { [ -z "$(live)" ] && [ -z "$(find "$BASE/run" -mindepth 2)" ]; }

live() {
	dyno ps --json | jq -r '.[] | select(.monitor_pid) | "\(.app)/\(.name)"'
}

fact() {
	dyno ps --json --all "$1" 2>/dev/null |
		jq -r --arg m "$2" 'if length == 0 then "none" else .[0][$m] end'
}

# at_least DYNO MEMBER N: its member is a number not below N
at_least() {
	local n
	n=$(fact "$1" "$2")
	[[ $n =~ ^[0-9]+$ ]] && [ "$n" -ge "$3" ]
}

# tells DYNO TEXT, wrote DYNO PATH: in its events, in what it has written
tells() { dyno events "$1" | grep -qF -- "$2"; }
wrote() { dyno diff "$1" | grep -qF -- "$2"; }

is() { [ "$(fact "$1" state)" = "$2" ]; }
became() { wait_for "$1" is "$2" "$3"; }
pid_of() { fact "$1" pid; }
init_of() { fact "$1" init_pid; }
monitor_of() { fact "$1" monitor_pid; }
log_of() { sed -E 's/^[0-9T:.-]+\+00:00 //' "$BASE"/data/logs/*/"$1.log"; }
platform_of() { log_of "$1" | sed -nE '/'"$UNLIMITED"'/d; s/^heroku\[[^]]*\]: //p'; }
gone() { wait_for "$1" deserted "${@:2}"; }
