#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# pasta.sh [BUILD] - what a private network costs a caller without root, for whom pasta makes it: a warm
# start of /bin/true with it beside one in the host's network, and the memory of a pasta (C9.1).
#
#   ROUNDS, PAUSE_MS    paired rounds, and the rest before each start (60, 20)
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
[ "$(id -u)" = 0 ] || {
	echo "pasta.sh: root makes the device of tunnels, and the network that it leads to" >&2
	exit 1
}
[ "${PASTA_BENCH_ALONE:-0}" = 1 ] ||
	PASTA_BENCH_ALONE=1 exec unshare --net --mount --pid --fork --mount-proc --kill-child \
		sh -c 'mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 &&
			ip link set lo up && exec "$@"' sh "$0" "$build"

run=$(mktemp -d /dev/shm/dyno-bench.XXXXXX)
trap 'rm -rf "$run"' EXIT
# a clone and its build may be nobody else's to read
cp "$build"/dyno "$build"/dyno-* "$build/slugs/shapes.tgz" "$build/bench/pairs" "$run"
chmod -R a+rX "$run"
export HOME=$run DYNO_CFG_RUN_DIR=$run/run DYNO_CFG_DATA_DIR=$run/data
# Source: nobody's id on Debian
install -d -m 700 -o 65534 -g 65534 "$run/run" "$run/data"
as_user() { setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all -- "$@"; }

for network in host none private; do
	start="$run/dyno run -q --no-receipt --network $network --require-network $run/shapes.tgz -- true"
	[ "$network" = private ] || start=${start/ --require-network/}
	printf '%s\t%s\n' "$network" "$start"
done >"$run/list"
as_user "$run/dyno" run -q --network none "$run/shapes.tgz" -- true # unpacks
as_user "$run/pairs" -n "${ROUNDS:-60}" -w 3 -p "${PAUSE_MS:-20}" "$run/list"

as_user "$run/dyno" run -q --network private "$run/shapes.tgz" -- sh -c 'echo up; sleep 1000' >"$run/said" &
until grep -q up "$run/said"; do
	kill -0 "$!"
	sleep 0.1
done
sleep 2 # its pipes are made within a second
awk '/^Pss:/ { print "PSS of a pasta, KiB: " $2 }' "/proc/$(pgrep -u 65534 -f '^[^ ]*/pasta ')/smaps_rollup"
kill -TERM "$!"
wait "$!" || :
