#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The private network of a dyno: its address, the way out, the host by name, no way to other dynos,
# what is left of it (C9.1, C9.2, T39).  All of it happens in a network namespace of the test's, as
# if that were the host; a second one, behind a link, is the world outside.
# profiles: root
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # text for the dyno's bash; variables of bats and dynos.bash
load lib
load dynos

OUTSIDE=10.77.0.2
UPLINK=10.77.0.1

setup_file() {
	lib_setup_file
	holder "$BASE/host"
	holder "$BASE/world"
	outside=$(cat "$BASE/world")
	# a new namespace takes these from the machine's own
	inside bash -c 'echo 0 | tee /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding' \
		>/dev/null
	inside ip link set lo up
	in_world ip link set lo up
	inside ip link add up0 type veth peer name down0 netns "$outside"
	inside ip address add "$UPLINK/24" dev up0
	in_world ip address add "$OUTSIDE/24" dev down0
	inside ip link set up0 up
	in_world ip link set down0 up
	# what is asked there is answered with the address that asks
	nsenter --net="/proc/$outside/ns/net" -- python3 -c '
import socketserver
class Who(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(f"you are {self.client_address[0]}\n".encode())
socketserver.TCPServer(("0.0.0.0", 7777), Who).serve_forever()' </dev/null >/dev/null 2>&1 3>&- &
	echo "$!" >"$BASE/who"
	nsenter --net="/proc/$(cat "$BASE/host")/ns/net" -- bash -c 'exec -a redis-server redis-check-rdb --port 6379 --bind 0.0.0.0 :: \
		--protected-mode no --save "" --dir "$1"' - "$BASE" </dev/null >/dev/null 2>&1 3>&- &
	echo "$!" >"$BASE/redis"
	wait_for 5 in_world bash -c 'exec 9<>/dev/tcp/127.0.0.1/7777'
	wait_for 5 inside bash -c 'exec 9<>/dev/tcp/127.0.0.1/6379'
}

teardown_file() {
	local file
	for file in redis who host world; do
		[ ! -s "$BASE/$file" ] || kill "$(cat "$BASE/$file")" 2>/dev/null || :
	done
	lib_teardown_file
}

setup() {
	lib_setup
	dynos_setup
	user=(nsenter --net="/proc/$(cat "$BASE/host")/ns/net" --)
}

# Whatever a test has left alive is stopped; then the host must be as it was before its first dyno.
teardown() {
	end_dynos
	wait_for 20 no_links
	dyno gc --network -q || :
	[ "$(inside cat /proc/sys/net/ipv4/ip_forward)" = 0 ] || fail "forwarding is still on"
	[ -z "$(inside nft list tables)" ] || fail "a table is left"
	lib_teardown
}

# holder FILE: a process that keeps a network namespace, its number in FILE
holder() {
	unshare --net sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
	echo "$!" >"$1"
	wait_for 5 apart_from "$!"
}

apart_from() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
inside() { nsenter --net="/proc/$(cat "$BASE/host")/ns/net" -- "$@"; }
in_world() { nsenter --net="/proc/$(cat "$BASE/world")/ns/net" -- "$@"; }
dyno() { inside "$DYNO" "$@"; }
no_links() { ! inside ip -o link | grep -q ' dyno-'; }
links() { inside ip -o link | grep -c ' dyno-'; }
# of DYNO MEMBER: a member of what inspect tells of it
of() { dyno inspect --json "$1" | jq -r "$2"; }
# ask HOST PORT: for the dyno's bash: what is there says a line
ask='ask() { exec 9<>"/dev/tcp/$1/$2" && head -n 1 <&9; }; '

@test "C9.1 C9.2 T39 a dyno has an address of its own; the host reaches it, outside and other dynos do not" {
	local address port init
	begin --app shop --network private "$(web_app)" web
	up
	run -0 dyno inspect --json shop/web.1
	jq -e '.network == "private" and .starts[0].egress == "all"' <<<"$output" >/dev/null
	address=$(jq -r .address <<<"$output") port=$(jq .port <<<"$output")
	[[ $address == 172.16.*.* ]]
	[[ $(jq -r .address6 <<<"$output") == fd64:796e:6f00:* ]]
	[ "$(dyno ps --json -a shop | jq -r '.[0].address')" = "$address" ]

	# its link, and nothing else; the app cannot change it
	init=$(pid1)
	run -0 nsenter --net="/proc/$init/ns/net" ip -o -4 address show dev eth0
	assert_line "inet $address/32"
	run -0 dyno exec shop/web.1 -- cat /etc/hosts
	grep -qx "$address $(of shop/web.1 '.starts[0].hostname')" <<<"$output"
	run dyno exec shop/web.1 -- ip link set eth0 down
	[ "$status" != 0 ]
	assert_line "not permitted"

	# from the host; from another dyno, of the same app too; from outside, which is told of a route
	run -0 inside curl -s --max-time 20 "http://$address:$port/"
	assert_line ok
	run dyno run -q --app shop --network private "$(web_app)" -- bash -c "$ask ask $address $port"
	assert_status 1
	assert_line "Connection refused"
	in_world ip route replace 172.16.0.0/16 via "$UPLINK"
	run in_world timeout 1 bash -c "exec 9<>/dev/tcp/$address/$port"
	[ "$status" != 0 ]
	run -0 inside nft list chain inet dyno forward
	grep -q 'oifname "dyno-\*" counter packets [1-9].* drop' <<<"$output"

	# under a stranger's address it is not heard, whatever rights it had
	nsenter --net="/proc/$init/ns/net" ip address add 172.16.0.99/32 dev eth0
	run nsenter --net="/proc/$init/ns/net" python3 -c '
import socket
socket.create_connection(("172.16.0.1", 6379), 0.5, ("172.16.0.99", 0))'
	[ "$status" != 0 ]
	run -0 inside nft list chain inet dyno prerouting
	grep -q 'counter packets [1-9].* drop' <<<"$output"
	run -1 dyno gc --network
	assert_error host.network
	kill -TERM "$pid"
	finish
}

@test "C9.2 C2.14 a dyno reaches outside under the host's address, and the host by its name" {
	local dir
	dir=$(app oneoff)
	run -0 dyno run -q --network private "$dir" -- bash -c "$ask ask $OUTSIDE 7777"
	assert_line "you are $UPLINK"
	run -0 dyno run -q --network private "$dir" -- bash -c \
		"exec 9<>/dev/tcp/host.dyno.internal/6379; echo PING >&9; head -n 1 <&9"
	assert_line "+PONG"
	run -0 dyno run -q --network private "$dir" -- bash -c \
		"exec 9<>/dev/tcp/fd64:796e:6f00::ac10:1/6379; echo PING >&9; head -n 1 <&9"
	assert_line "+PONG"
	run -0 dyno run -q --network host "$dir" -- bash -c \
		"exec 9<>/dev/tcp/host.dyno.internal/6379; echo PING >&9; head -n 1 <&9"
	assert_line "+PONG"
}

@test "an egress that is narrowed refuses, and counts it" {
	local dir egress
	dir=$(app -t "worker: $ask (ask $OUTSIDE 7777; ask host.dyno.internal 6380; ask ::1 1) 2>&1; sleep 1000" egress)
	begin --app egress --network private --egress none "$dir" worker
	says 10 "/dev/tcp/$OUTSIDE/7777: Connection refused"
	says 10 "/dev/tcp/::1/1: "
	[ "$(of egress/worker.1 '.starts[0].egress')" = none ]
	[ "$(of egress/worker.1 '.starts[0].egress_denied')" -ge 2 ]
	kill -TERM "$pid"
	finish
	dir=$(app oneoff)
	for egress in "$OUTSIDE" "host,10.77.0.0/24"; do
		run -0 dyno run -q --network private --egress "$egress" "$dir" -- bash -c "$ask ask $OUTSIDE 7777"
		assert_line "you are $UPLINK"
	done
	run dyno run -q --network private --egress host "$dir" -- bash -c "$ask ask $OUTSIDE 7777"
	assert_line "Connection refused"
	run -0 dyno run -q --network private --egress host "$dir" -- bash -c \
		"exec 9<>/dev/tcp/host.dyno.internal/6379; echo PING >&9; head -n 1 <&9"
	assert_line "+PONG"
	run --separate-stderr dyno run -q --network private --egress example.org "$dir" -- true
	refused usage 125
}

@test "private:app lets dynos of one app reach each other, and no others" {
	local address port
	begin --app shop --network private:app "$(web_app)" web
	up
	address=$(of shop/web.1 .address) port=$(of shop/web.1 .port)
	run -0 dyno run -q --app shop --network private:app "$(web_app)" -- bash -c \
		"exec 9<>/dev/tcp/$address/$port; printf 'GET / HTTP/1.0\r\n\r\n' >&9; cat <&9"
	assert_line ok
	run dyno run -q --app other --network private:app "$(web_app)" -- bash -c "$ask ask $address $port"
	assert_line "Connection refused"
	run dyno run -q --app shop --network private "$(web_app)" -- bash -c "$ask ask $address $port"
	assert_line "Connection refused"
	kill -TERM "$pid"
	finish
	# what they were known by has gone with them
	run -0 inside nft list set inet dyno members
	assert_no_line elements
}

# groups: "NUMBER HOW-MANY" of each group that the firewall knows, and in $numbers the numbers alone
groups() {
	inside nft -j list map inet dyno app_of | jq -r '.nftables[].map.elem // empty | .[][1]' | sort -n |
		uniq -c | awk '{ print $2, $1 }'
}

@test "C9.1 groups of private:app are numbered by links, not by names: a number is of one app alone" {
	local dir first n starts=()
	dir=$(app -t 'worker: sleep 1000' herd)
	run -0 dyno start --detach -q -a shop --network private:app "$dir" worker=2
	first=$(groups)
	[[ $first == *" 2" ]] || fail "one group of two: $first"
	[ "$(inside ip -j link | jq --argjson i "${first% 2}" 'map(select(.ifindex == $i)) | length')" = 1 ]
	# five apps at once: five more groups, each whole
	for n in 1 2 3 4 5; do
		dyno start --detach -q -a "shop$n" --network private:app "$dir" worker=2 >/dev/null 3>&- &
		starts+=("$!")
	done
	for n in "${starts[@]}"; do
		wait "$n" || : # who is missing is seen below
	done
	run -0 groups
	[ "$(grep -c ' 2$' <<<"$output")" = 6 ] || lib_seen "six groups of two"
	assert_line "$first"
	# the one by whose link the group is called may go: who stays is found by who comes
	dyno stop --now -q shop/worker.1 >/dev/null
	run -0 dyno start --detach -q -a shop --network private:app "$dir" worker=1
	run -0 groups
	assert_line "$first"
	# a group ends with its last member; the next one is another
	dyno stop --now -q --all -a shop >/dev/null
	run -0 groups
	[ "$(grep -c "^${first% 2} " <<<"$output")" = 0 ] || lib_seen "the number of those who have gone"
	run -0 dyno start --detach -q -a shop --network private:app "$dir" worker=2
	run -0 groups
	[ "$(grep -c "^${first% 2} " <<<"$output")" = 0 ] || lib_seen "the number of those who have gone"
	[ "$(grep -c ' 2$' <<<"$output")" = 6 ] || lib_seen "six groups of two"
}

@test "the range is one that no route of the host leads into, or the one that is named" {
	local dir
	dir=$(app oneoff)
	inside ip route add 172.16.3.0/24 via "$OUTSIDE"
	run -0 dyno run -q --network private "$dir" -- cat /etc/hosts
	assert_line "172.17.0.1 host.dyno.internal"
	inside ip route del 172.16.3.0/24
	run --separate-stderr dyno run -q --network private --subnet 10.9.0.0/16 "$dir" -- true
	refused host.network 125
	wait_for 20 no_links
	run -0 dyno gc --network
	assert_line "removed firewall table inet dyno"
	run -0 dyno run -q --network private --subnet 10.9.0.0/29 "$dir" -- cat /etc/hosts
	assert_line "10.9.0.1 host.dyno.internal"
	run --separate-stderr dyno run -q --network private --subnet 10.9.0.1/16 "$dir" -- true
	refused usage 125
}

@test "a host without IPv6 gives its dynos none" {
	local dir
	dir=$(app oneoff)
	inside sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
	run -0 dyno run -q --network private "$dir" -- bash -c \
		"exec 9<>/dev/tcp/host.dyno.internal/6379; echo PING >&9; head -n 1 <&9; grep -c eth0 /proc/net/if_inet6"
	inside sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
	assert_line "+PONG"
}

@test "a resolver on the host's loopback is not handed on, and is warned of" {
	local dir
	dir=$(app oneoff)
	run -0 unshare --mount bash -c '
		printf "nameserver 127.0.0.53\nsearch example.org\n" >"$1/resolv"
		mount --bind "$1/resolv" /etc/resolv.conf
		shift
		exec "$@"' - "$BASE" "${user[@]}" "$DYNO" run --network private "$dir" -- cat /etc/resolv.conf
	assert_line "search example.org"
	assert_no_line "nameserver 127.0.0.53"
	assert_line "Warning: no resolver can be reached"
}

@test "a foreign firewall that drops is named by doctor, with the rules that mend it" {
	local dir fix
	dir=$(app oneoff)
	inside nft 'table ip docker { chain pass { type filter hook forward priority 0; policy drop; }; }'
	run dyno run -q --network private "$dir" -- timeout 1 bash -c "$ask ask $OUTSIDE 7777"
	[ "$status" != 0 ]
	run dyno doctor --json
	[ "$(jq -r '.probes[] | select(.name == "private-network").verdict' <<<"$output")" = warning ]
	fix=$(jq -r '.probes[] | select(.name == "private-network").fix' <<<"$output")
	[[ $fix == *"insert rule ip docker pass "* ]]
	inside bash -c "$fix"
	run -0 dyno run -q --network private "$dir" -- timeout 20 bash -c "$ask ask $OUTSIDE 7777"
	assert_line "you are $UPLINK"
	inside nft delete table ip docker
}

@test "a table that somebody else removes is named by doctor, made again, and forgotten as before" {
	local dir
	dir=$(app -t 'worker: sleep 1000' flush)
	run -0 dyno start --detach --app flush --network private "$dir" worker
	inside nft flush ruleset
	run dyno doctor --json
	jq -r '.probes[] | select(.name == "private-network").fact' <<<"$output" | grep -q "was removed"
	run -0 dyno restart flush/worker.1
	[ -n "$(inside nft list tables)" ]
	run -0 dyno stop flush/worker.1
	wait_for 20 no_links
	run -0 dyno gc --network
	[ "$(inside cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
}

@test "T41 a launch that ends or is killed while its network is made leaves nothing" {
	local dir step fault
	need "this dyno has no fault points (make FAULT=1)" \
		bash -c '! DYNO_FAULT=nonsense "$1" run "$2" -- true' - "$DYNO" "$SHAPES"
	dir=$(app oneoff)
	for step in network network-wait mounts; do
		for fault in 5 kill; do
			DYNO_FAULT=$step:$fault run dyno run -q --network private "$dir" -- true
			[ "$status" != 0 ]
		done
	done
	wait_for 20 no_links
	run -0 dyno gc -q
}

# namespaces: how many of the kernel's networks a process is in, ours and the test's among them
namespaces() { readlink /proc/[0-9]*/ns/net 2>/dev/null | sort -u | wc -l; }
# back_to N: there are so many namespaces again
back_to() { [ "$(namespaces)" -le "$1" ]; }

@test "T41 200 started by four at once: every address is one dyno's, and SIGKILL of all monitors leaves nothing" {
	local n=50 k before dir starts=()
	dir=$(app -t 'worker: sleep 1000' herd)
	before=$(namespaces)
	for k in 1 2 3 4; do
		dyno start --detach -q --size none --no-receipt -a "herd$k" --network private "$dir" "worker=$n" \
			>"$BATS_TEST_TMPDIR/$k.out" 2>&1 3>&- &
		starts+=("$!")
	done
	for k in "${starts[@]}"; do
		wait "$k" || : # who is missing is seen below
	done
	run -0 bash -c '"$@" | jq -c "map(select(.app | startswith(\"herd\")) | {address, port, monitor_pid})"' - \
		"${user[@]}" "$DYNO" ps --json
	jq -e --argjson n "$((4 * n))" 'length == $n and (map(.address) | unique | length) == $n and
		all(.address != null and .port >= 20000 and .port <= 29999)' <<<"$output" || {
		cat "$BATS_TEST_TMPDIR"/[1-4].out >&2
		lib_seen "the addresses"
	}
	[ "$(links)" = "$((4 * n))" ]
	jq -r '.[].monitor_pid' <<<"$output" | xargs kill -KILL
	wait_for 30 no_links
	wait_for 30 back_to "$before"
	run -0 dyno gc -q
}

@test "a host without nft, and a caller without root, are told what to do" {
	local dir
	dir=$(app oneoff)
	run -125 --separate-stderr unshare --mount bash -c '
		mount -t tmpfs none /usr/sbin
		mount -t tmpfs none /usr/local/sbin
		shift
		exec "$@"' - "$BASE" "${user[@]}" "$DYNO" run -q --network private "$dir" -- true
	assert_error host.helper
	grep -q 'apt install nftables' <<<"$stderr"
	[ "$(inside cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
	mkdir -p "$BASE/user/run" "$BASE/user/data"
	chown -R "$USER_ID:$USER_ID" "$BASE/user"
	cp "$DYNO" "$BASE/user/dyno"
	run -125 --separate-stderr "${user[@]}" setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups \
		env DYNO_CFG_RUN_DIR="$BASE/user/run" DYNO_CFG_DATA_DIR="$BASE/user/data" \
		"$BASE/user/dyno" run -q --network private:app "$dir" -- true
	assert_error host.network
}

@test "C9.1 C12.3 without nft a formation has the host's network, with --port too, and is published beside it" {
	local dir
	dir=$(web_app)
	out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
	(exec 3>&- && exec unshare --mount bash -c '
		mount -t tmpfs none /usr/sbin
		mount -t tmpfs none /usr/local/sbin
		exec "$@"' - "${user[@]}" "$DYNO" start --app shop --port 7000 "$dir" </dev/null >"$out" 2>"$err") &
	pid=$!
	wait_for 20 grep -q 'State changed from starting to up$' "$out"
	grep -qF "Warning: the dyno has the host's network: " "$out" || fail "$(cat "$out")"
	[ "$(sed -n 's/^dyno: web is at //p' "$err")" = http://127.0.0.1:7001 ] || fail "$(cat "$err")"
	run -0 inside curl -sS -m 20 http://127.0.0.1:7001/
	assert_line ok
	run -0 inside curl -sS -m 20 http://127.0.0.1:7000/
	assert_line ok
	kill -INT "$pid"
	finish 0
}
