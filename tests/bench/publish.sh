#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# publish.sh [BUILD] - what clients of a published port see of swaps and restarts under load (C6.11,
# C6.12).  How fast such a port is: network.sh.
#
#   REQUESTS, TIMES          requests at least during how many swaps, and a tenth of them during as many
#                            restarts (1000000, 100)
#   LINGER                   ms for which the server accepts after TERM (300)
#
# The clients connect anew for each request.  No request may fail over the swaps, and no connection be
# refused over the restarts.  Without LINGER a restart cuts off what stands in the server's queue when it
# closes its socket: that is the kernel's doing, and counts as failed.  All of it is in a network
# namespace of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
[ "$(id -u)" = 0 ] || {
	echo "publish.sh: only root has private networks" >&2
	exit 1
}
[ "${PUBLISH_BENCH_ALONE:-0}" = 1 ] ||
	PUBLISH_BENCH_ALONE=1 exec unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$0" "$build"

requests=${REQUESTS:-1000000} times=${TIMES:-100} linger=${LINGER:-300}
work=$(mktemp -d /tmp/dyno-bench.XXXXXX)
run=$(mktemp -d /dev/shm/dyno-bench.XXXXXX)
export DYNO_CFG_RUN_DIR=$run DYNO_CFG_DATA_DIR=$work/data
finish() {
	"$build/dyno" stop --now --all >/dev/null 2>&1 || :
	wait
	"$build/dyno" gc --network >/dev/null 2>&1 || :
	rm -rf "$work" "$run"
}
trap finish EXIT

mkdir "$work/app"
echo 'web: exec node serve.js' >"$work/app/Procfile"
# TERM ends it when the last request is answered: also of those that stand in its queue by then.
cat >"$work/app/serve.js" <<-'JS'
	const server = require('http').createServer((_, answer) => answer.end('hello, world\n'))
	server.keepAliveTimeout = 100000
	server.listen(process.env.PORT, '0.0.0.0', 4096)
	process.on('SIGTERM', () => setTimeout(() => {
		server.close(() => process.exit(0))
		if (server.closeIdleConnections)
			server.closeIdleConnections()
	}, Number(process.env.LINGER)))
JS

start() { "$build/dyno" start --detach --wait --size none -q "$@" >/dev/null; }

# restart_often FILE REQUESTS ARG...: $times restarts of web.1, evenly over the load as far as it is known
restart_often() {
	local file=$1 requests=$2 n
	shift 2
	for ((n = 0; n < times; n++)); do
		"$build/dyno" restart -q "$@" load/web.1 >/dev/null || echo "restart $n failed" >>"$file.failed"
		until [ $((n * requests / times)) -le "$(<"$file.done")" ] || [ -e "$file.enough" ]; do
			sleep 0.1
		done
	done
	: >"$file.restarted"
}

# load NAME REQUESTS ARG...: so many through the published port while `dyno restart ARG...` goes on;
# $refused and $failed
load() {
	local file=$work/$1 requests=$2 all=0 restarter wrong began=$SECONDS
	shift 2
	refused=0 failed=0
	start -a load -e LINGER="$linger" --network private --hold 75s --publish 127.0.0.1:18003 "$work/app"
	echo 0 >"$file.done"
	: >"$file.failed"
	restart_often "$file" "$requests" "$@" &
	restarter=$!
	while [ "$all" -lt "$requests" ] || [ ! -e "$file.restarted" ]; do
		wrk -t1 -c32 -d5s --timeout 75s -H 'Connection: close' http://127.0.0.1:18003/ >"$file.wrk"
		all=$((all + $(awk '/ requests in / { print $1 }' "$file.wrk")))
		# "Socket errors: connect 0, read 0, write 0, timeout 0"; "Non-2xx or 3xx responses: 0"
		wrong=$(awk '/Socket errors/ { print $4 + $6 + $8 + $10 } /Non-2xx/ { print $NF }' "$file.wrk" |
			awk '{ n += $1 } END { print n + 0 }')
		failed=$((failed + wrong))
		refused=$((refused + $(awk '/Socket errors/ { n = $4 } END { print n + 0 }' "$file.wrk")))
		echo "$all" >"$file.now"
		mv "$file.now" "$file.done" # never half-written for who reads it
		[ "$all" -lt "$requests" ] || : >"$file.enough"
	done
	wait "$restarter"
	printf '%-18s %8d requests over %d: %d refused, %d failed in all, %d s\n' "restart${1:+ $1}" \
		"$all" "$times" "$refused" "$failed" $((SECONDS - began))
	cat "$file.failed"
	"$build/dyno" stop -q --all >/dev/null
}

uname -sr
nproc | sed 's/$/ processors/'
bad=0
load restarts $((requests / 10))
[ "$refused" = 0 ] || bad=1
load swaps "$requests" --preboot
[ "$failed" = 0 ] || bad=1
[ "$bad" = 0 ]
