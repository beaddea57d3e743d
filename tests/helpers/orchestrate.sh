#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# orchestrate.sh APP SLUG - what an orchestrator does, in shell: it starts an app, scales it up and
# down, restarts its dynos one after the other and stops it.  All that it knows of dyno's state
# comes from --json and --events-fd, and it prints what it knows.
#
# DYNO is the command.  The status is 0 when each step came to its end in time.
set -euo pipefail

DYNO=${DYNO:-dyno}
STEP_SECONDS=30
app=$1 slug=$2
declare -A state ups

die() {
	echo "orchestrate: $*" >&2
	exit 1
}

# Both ends of a pipe of our own: it does not end before we do.
fifo=$(mktemp -u)
mkfifo -m 600 "$fifo"
exec {events}<>"$fifo"
rm "$fifo"

# next: take in one event
next() {
	local line event name to
	IFS= read -r -t "$STEP_SECONDS" -u "$events" line || die "no event for $STEP_SECONDS s"
	IFS=$'\t' read -r event name to < <(jq -r --arg app "$app" 'select(.app == $app) |
		[.event, .dyno, .to // .state // "-"] | @tsv' <<<"$line") || return 0
	case $event in
	state)
		state[$name]=$to
		[ "$to" != up ] || ups[$name]=$((${ups[$name]:-0} + 1))
		;;
	end) state[$name]=ended ;;
	esac
}

# until_up COUNT NAME...: each has come up so many times
until_up() {
	local count=$1 name
	shift
	for name; do
		until [ "${ups[$name]:-0}" -ge "$count" ]; do
			[ "${state[$name]:-}" != crashed ] || die "$name crashed"
			next
		done
	done
}

# changed CHANGE JSON: names
changed() { jq -r --arg change "$1" '.dynos[] | select(.change == $change).name' <<<"$2"; }

# start TYPE=N...: what is missing; wait until it is up
start() {
	local json names
	json=$("$DYNO" start -q --detach --json --app "$app" --events-fd "$events" "$slug" "$@")
	mapfile -t names < <(changed started "$json")
	until_up 1 "${names[@]}"
	echo "started ${names[*]}"
}

# scale TYPE=N...: down; wait until they have ended
scale() {
	local json names name
	json=$("$DYNO" scale --json --app "$app" "$@")
	mapfile -t names < <(changed stopping "$json")
	for name in "${names[@]}"; do
		until [ "${state[$name]}" = ended ]; do next; done
	done
	echo "stopped ${names[*]}"
}

# roll NAME...: the next one is restarted when the last one is up again
roll() {
	local name
	for name; do
		"$DYNO" restart --no-wait "$app/$name" >/dev/null
		until_up $((ups[$name] + 1)) "$name"
		echo "restarted $name"
	done
}

start web=1 worker=1
start web=3
roll web.1 web.2 web.3 worker.1
scale web=1
"$DYNO" stop --no-wait "$app/*" >/dev/null
for name in "${!state[@]}"; do
	until [ "${state[$name]}" = ended ]; do next; done
done
echo "ended ${#state[@]}"
