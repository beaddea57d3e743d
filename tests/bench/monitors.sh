#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# monitors.sh [BUILD] - what a dyno's supervisor costs while nothing happens: memory of each as the
# number of dynos grows, the time to start and to stop them, and their CPU over a minute.
#
#   STEPS     numbers of dynos ("1 10 100 500")   IDLE   seconds to watch them (60)
#
# PSS shares a page among those who map it: the program's text is one copy however many there are.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
steps=${STEPS:-1 10 100 500} idle=${IDLE:-60}
work=$(mktemp -d /tmp/dyno-bench.XXXXXX)
run=$(mktemp -d /dev/shm/dyno-bench.XXXXXX)
export DYNO_CFG_RUN_DIR=$run DYNO_CFG_DATA_DIR=$work/data
finish() {
	"$build/dyno" stop --now --all >/dev/null 2>&1 || :
	rm -rf "$work" "$run"
}
trap finish EXIT

mkdir "$work/app"
echo 'worker: exec sleep 100000' >"$work/app/Procfile"
monitors() { "$build/dyno" ps --json | jq -r '.[].monitor_pid'; }
ticks() { for pid; do sed 's/.*) //' "/proc/$pid/stat"; done | awk '{ s += $12 + $13 } END { print s + 0 }'; }

printf '%8s %12s %12s %12s %12s\n' dynos 'PSS KiB' 'largest' 'own KiB' 'ms a start'
had=0
for n in $steps; do
	began=$EPOCHREALTIME
	"$build/dyno" start --detach "$work/app" worker="$n" >/dev/null 2>&1
	ended=$EPOCHREALTIME
	sleep 2
	mapfile -t pids < <(monitors)
	for pid in "${pids[@]}"; do
		awk '/^Pss:/ { p = $2 } /^Private_Dirty:/ { d = $2 } END { print p, d }' \
			"/proc/$pid/smaps_rollup"
	done | sort -n | awk -v n="$n" -v ms="$(((${ended/./} - ${began/./}) / (n - had) / 10))" '
		{ p[NR] = $1; d += $2 }
		END { printf "%8d %12d %12d %12d %12.2f\n", n, p[int((NR + 1) / 2)], p[NR], d / NR,
			ms / 100 }'
	had=$n
done
before=$(ticks "${pids[@]}")
sleep "$idle"
after=$(ticks "${pids[@]}")
echo "$had idle dynos: $((after - before)) clock ticks of CPU in $idle s ($(getconf CLK_TCK) a second)"
began=$EPOCHREALTIME
"$build/dyno" stop --all >/dev/null
echo "$had stopped in $(((${EPOCHREALTIME/./} - ${began/./}) / 1000)) ms"
