#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh [BUILD] - run the guestbook twice and show with real requests what a throw-away root is.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
dyno=$build/dyno
slug=$build/slugs/guestbook.tgz
work=$(mktemp -d /tmp/dyno-demo.XXXXXX)
# Directories of its own: the demonstration leaves nothing on the host either.
export DYNO_CFG_RUN_DIR=$work/run DYNO_CFG_DATA_DIR=$work/data
pid=

finish() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || :
	wait
	# what the networks of dynos need of the host, if nobody else uses it
	"$dyno" gc --network -q >/dev/null 2>&1 || :
	rm -rf "$work"
}
trap finish EXIT

bold='' plain=''
[ ! -t 1 ] || bold=$'\e[1m' plain=$'\e[0m'
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() {
	echo "demo: $*" >&2
	sed 's/^/    /' "$work/out" "$work/err" >&2
	exit 1
}

# start: run the app in the background; sets pid and url
start() {
	: >"$work/out"
	: >"$work/err"
	"$dyno" run --app guestbook "$slug" web >"$work/out" 2>"$work/err" &
	pid=$!
	local tries
	url=
	for ((tries = 0; tries < 300; tries++)); do
		url=$(sed -n 's/^dyno: web.1 is at //p' "$work/err")
		[ -z "$url" ] || break
		kill -0 "$pid" 2>/dev/null || fail "the app ended before it served"
		sleep 0.1
	done
	[ -n "$url" ] || fail "the app did not serve within 30 seconds"
	grep -h 'heroku\[' "$work/err" || :
	echo "the guestbook is at $url"
}

stop() {
	local status=0
	kill -TERM "$pid"
	wait "$pid" || status=$?
	pid=
	grep -h 'heroku\[' "$work/err" | tail -n 3 || :
	echo "dyno run ended with status $status"
}

entries() { curl -sf "$url/healthz" | jq -r .entries; }

step "1. Add the slug to the store, once"
"$dyno" slug add "$slug"

step "2. Run its web process"
start
curl -sf "$url/" | grep -E '<h1>' || fail "no page"
curl -sf -H 'Accept-Language: de' "$url/" | grep 'Gästebuch</h1>' || fail "no German page"

step "3. Sign the book: written to SQLite, and to a log file, in the dyno's own root"
for name in Ada Grace; do
	curl -sf -o /dev/null "$url/sign" -d "name=$name" -d 'text=was here'
done
echo "entries: $(entries)"
[ "$(entries)" = 2 ] || fail "two signatures make two entries"

step "4. Stop it"
stop

step "5. Run it again: everything that was written is gone"
start
echo "entries: $(entries)"
[ "$(entries)" = 0 ] || fail "an entry survived the restart"
stop

step "6. The stored slug is what it was"
digest=$("$dyno" slug ls -q)
"$dyno" slug verify "$digest"

step "7. From the command to the first instruction of the app"
for _ in 1 2 3 4 5 6 7 8 9 10 11; do
	before=$EPOCHREALTIME
	after=$("$dyno" run -q "$digest" -- /bin/date +%s.%N)
	awk -v a="$before" -v b="$after" 'BEGIN { printf "%.1f\n", (b - a) * 1000 }'
done | sort -n | sed -n '6s/.*/median of 11, until \/bin\/date has read the clock: & ms/p'
"$dyno" run -q --timing "$digest" -- /bin/true
