#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# network.sh [BUILD] - requests per second and bytes per second by each way to a dyno, beside the same
# server as a plain process: on loopback, behind a pair of links, behind an address translation as
# Docker makes it, behind pasta (C9.1, C9.2).
#
#   ROUNDS, SECONDS_EACH     paired rounds, and how long requests are counted for each way in one (7, 2)
#   MEGABYTES                of one download (1024)
#
# The server is nginx with one process, which answers a short text, or sends a file of memory; the
# clients are wrk with 32 connections that are kept, and a reader of 256 KiB at a time.  Every way is
# measured once a round, so that what else the machine does falls on all; the ratios are those of a round
# to its own loopback, and to its own pair of links.  CPU is that of all who take part, client and server
# included, for one request: its ratios, of the others to the way, are steady where others want the
# processors too, and those of requests are not.
#
# Where a namespace translates addresses all of its packets are tracked.  So there are three hosts, each
# a namespace: one without any table, one with that of Docker's kind, one with dyno's.  Clients are in
# the host, but for the ways from outside, which begin in a fourth behind a link.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
[ "$(id -u)" = 0 ] || {
	echo "network.sh: only root has private networks" >&2
	exit 1
}
# The mount namespace is for pasta, which opens the device of tunnels as an ordinary user.
[ "${NETWORK_BENCH_ALONE:-0}" = 1 ] ||
	NETWORK_BENCH_ALONE=1 exec unshare --net --mount --pid --fork --kill-child --mount-proc sh -c '
		mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 &&
		ip link set lo up && exec "$@"' sh "$0" "$build"

rounds=${ROUNDS:-7} each=${SECONDS_EACH:-2} megabytes=${MEGABYTES:-1024}
run=$(mktemp -d /dev/shm/dyno-bench.XXXXXX)
export DYNO_CFG_RUN_DIR=$run/run DYNO_CFG_DATA_DIR=$run/data
mkdir "$run/run"
chmod 755 "$run"
started=()
finish() {
	"$build/dyno" stop --now --all >/dev/null 2>&1 || :
	[ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null || :
	wait
	"$build/dyno" gc --network >/dev/null 2>&1 || :
	rm -rf "$run"
}
trap finish EXIT

# ---- the server --------------------------------------------------------------------------------

mkdir "$run/app"
truncate -s "${megabytes}M" "$run/app/bulk"
echo 'web: exec sh serve.sh' >"$run/app/Procfile"
cat >"$run/app/serve.sh" <<-'SH'
	dir=$(mktemp -d) && sed "s|PORT|$PORT|; s|ROOT|$PWD|" nginx.conf >"$dir/conf" || exit
	[ "$(id -u)" != 0 ] || set -- -g 'user root;' # others may not be known there
	exec /usr/sbin/nginx -e stderr -p "$dir" -c conf "$@"
SH
cat >"$run/app/nginx.conf" <<-'CONF'
	daemon off;
	master_process off;
	pid pid;
	events { worker_connections 1024; }
	http {
		access_log off;
		sendfile on;
		keepalive_timeout 1h;
		keepalive_requests 1000000000;
		client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
		server {
			listen PORT backlog=4096;
			location = / { return 200 "hello, world\n"; }
			location = /bulk { alias ROOT/bulk; }
		}
	}
CONF

# serve PORT COMMAND...: the server as a plain process below COMMAND, which says where
serve() {
	local port=$1
	shift
	(cd "$run/app" && PORT=$port TMPDIR=$run/tmp exec "$@" sh serve.sh) &
	started+=($!)
}

# ---- the places --------------------------------------------------------------------------------

# keep NAME: a network namespace; ${at[NAME]} is the process that keeps it
declare -A at
keep() {
	unshare --net sleep 100000 &
	started+=($!)
	at[$1]=$!
	until [ "$(readlink "/proc/${at[$1]}/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
		sleep 0.01
	done
	within "$1" ip link set lo up
}

# within NAME COMMAND...; own is ours, which is dyno's host
within() {
	local place=$1
	shift
	if [ "$place" = own ]; then
		"$@"
	else
		nsenter --net="/proc/${at[$place]}/ns/net" -- "$@"
	fi
}

# pair NAME PEER NETWORK: links between two places: NETWORK.1 there, NETWORK.2 at the peer, whose way out it is
pair() {
	within "$1" ip link add "to-$2" type veth peer name "to-$1" netns "${at[$2]}"
	within "$1" ip address add "$3.1/24" dev "to-$2"
	within "$2" ip address add "$3.2/24" dev "to-$1"
	within "$1" ip link set "to-$2" up
	within "$2" ip link set "to-$1" up
	within "$2" ip route add default via "$3.1"
}

mkdir -m 1777 "$run/tmp"
for place in plain box docker docker-box world; do
	keep "$place"
done
pair plain box 10.98.0
pair docker docker-box 10.99.0
# The world is behind all three: by its own link to each.
pair own world 10.77.0
within plain ip link add uplink type veth peer name from-plain netns "${at[world]}"
within plain ip address add 10.76.0.1/24 dev uplink
within plain ip link set uplink up
within plain ip route add default via 10.76.0.2 # pasta copies it
within docker ip link add uplink type veth peer name from-docker netns "${at[world]}"
within docker ip address add 10.78.0.1/24 dev uplink
within docker ip link set uplink up
within world ip address add 10.78.0.2/24 dev from-docker
within world ip link set from-docker up
within world ip link set from-plain up

# Source: what Docker 20 makes of -p 18000:8080, without its user-land proxy
within docker sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv4/conf/to-docker-box/route_localnet'
within docker nft -f - <<-'NFT'
	table ip bench {
		chain prerouting {
			type nat hook prerouting priority dstnat
			fib daddr type local tcp dport 18000 dnat to 10.99.0.2:8080
		}
		chain output {
			type nat hook output priority -100
			fib daddr type local tcp dport 18000 dnat to 10.99.0.2:8080
		}
		chain postrouting {
			type nat hook postrouting priority srcnat
			ip saddr 10.99.0.0/24 oifname != "to-docker-box" masquerade
			ip saddr 127.0.0.0/8 oifname "to-docker-box" masquerade
		}
		chain forward {
			type filter hook forward priority filter; policy drop
			oifname "to-docker-box" ct state related,established accept
			ip daddr 10.99.0.2 iifname != "to-docker-box" tcp dport 8080 accept
			iifname "to-docker-box" accept
		}
	}
NFT

serve 19999 nsenter --net="/proc/${at[plain]}/ns/net" --
serve 8080 nsenter --net="/proc/${at[box]}/ns/net" --
serve 8080 nsenter --net="/proc/${at[docker-box]}/ns/net" --
serve 8080 nsenter --net="/proc/${at[plain]}/ns/net" -- setpriv --reuid 65534 --regid 65534 --clear-groups \
	pasta --config-net -f -q -4 -t 127.0.0.1/18000:8080 -- setpriv --pdeathsig KILL
fact() { "$build/dyno" ps --json "$1" | jq -r ".[0].$2"; }
start() { "$build/dyno" start --detach --wait --size none --no-receipt -q "$@" "$run/app" >/dev/null; }
start -a own --network private --publish 18001
start -a host --network host --publish 18002

# ---- the ways ----------------------------------------------------------------------------------

# NAME, TAB, where the client is, ADDRESS, PORT; the first two are what the others are compared to
ways=("plain, loopback	plain 127.0.0.1 19999"
	"plain, pair of links	plain 10.98.0.2 8080"
	"plain, nft DNAT from the host	docker 10.78.0.1 18000"
	"plain, nft DNAT from 127.0.0.1	docker 127.0.0.1 18000"
	"plain, pasta from 127.0.0.1	plain 127.0.0.1 18000"
	"dyno, its address	own $(fact own/web.1 address) $(fact own/web.1 port)"
	"dyno, published	own 127.0.0.1 18001"
	"dyno, host network, its port	own 127.0.0.1 $(fact host/web.1 port)"
	"dyno, host network, published	own 127.0.0.1 18002"
	"from outside: nft DNAT	world 10.78.0.1 18000"
	"from outside: dyno, published	world 10.77.0.1 18001")

# ticks: CPU time of all processes here, and of those they have waited for; see proc(5)
ticks() {
	{ cat /proc/[0-9]*/stat 2>/dev/null || :; } | # one that has ended is in its parent's
		awk '{ sub(/.*\) /, ""); n += $12 + $13 + $14 + $15 } END { print n }'
}

# requests PLACE ADDRESS PORT: how many per second over kept connections, and microseconds of CPU for one
requests() {
	local before text
	before=$(ticks)
	text=$(within "$1" wrk -t1 -c32 -d"${each}s" --timeout 10s "http://$2:$3/")
	awk -v ticks=$(($(ticks) - before)) -v hz="$(getconf CLK_TCK)" '
		/requests in/ { n = $1 } /^Requests\/sec/ { rate = $2 } /Socket errors|Non-2xx/ { exit 1 }
		END { print rate, ticks * 1e6 / hz / n }' <<<"$text"
}

# bytes PLACE ADDRESS PORT: megabytes per second of one download
bytes() {
	within "$1" python3 -c '
import socket, sys, time
place = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
place.sendall(b"GET /bulk HTTP/1.0\r\n\r\n")
room, n, began = bytearray(1 << 18), 0, time.monotonic()
while got := place.recv_into(room):
    n += got
if n < int(sys.argv[3]) << 20:
    sys.exit(f"the download has {n} bytes")
print(n / (time.monotonic() - began) / 1e6)' "$2" "$3" "$megabytes"
}

answers() { within "$1" curl -s -m 5 -o "$run/got" "http://$2:$3/" && grep -q hello "$run/got"; }
for way in "${ways[@]}"; do
	read -r place address port <<<"${way#*	}"
	for ((try = 0; ; try++)); do
		! answers "$place" "$address" "$port" || break
		[ "$try" -lt 50 ] || {
			echo "network.sh: no answer by \"${way%	*}\"" >&2
			exit 1
		}
		sleep 0.1
	done
done

uname -sr
nproc | sed 's/$/ processors/'
for ((round = 0; round < rounds; round++)); do
	for i in "${!ways[@]}"; do
		read -r place address port <<<"${ways[i]#*	}"
		echo "$round $i $(requests "$place" "$address" "$port") $(bytes "$place" "$address" "$port")"
	done
done >"$run/figures"

# middle COLUMN WAY [TO]: the median of a way's figures, or of their ratios to those of another; CPU the
# other way round, so that more is better
middle() {
	awk -v c="$1" -v way="$2" -v to="${3:-}" '
		{ v[$1, $2] = $c; rounds[$1] }
		END {
			for (r in rounds) {
				a = v[r, way]; b = v[r, to]
				print to == "" ? a : c == 4 ? b / a : a / b
			}
		}' "$run/figures" |
		sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
printf '%-32s' "medians of $rounds rounds"
printf '%11s%10s%8s' requests/s /loopback /links "CPU us" /loopback /links MB/s /loopback /links
echo
for i in "${!ways[@]}"; do
	printf '%-32s' "${ways[i]%	*}"
	for column in 3 4 5; do
		printf '%11.*f%10.3f%8.3f' $((column == 4 ? 2 : 0)) "$(middle $column "$i")" \
			"$(middle $column "$i" 0)" "$(middle $column "$i" 1)"
	done
	echo
done
