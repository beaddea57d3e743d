#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The private network of a caller without root, which pasta connects: the way out, $PORT on the
# host's loopback, nothing else of it, what is had where it cannot be, what is left (C9.1, C9.2).
# The host is a network and a mount namespace of the file's own, with a tun device that everybody may
# open; a second network, behind a link, is the world outside.
# profiles: rootless
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # text for the dyno's bash; variables of bats and dynos.bash
load lib
load dynos

OUTSIDE=10.77.0.2
UPLINK=10.77.0.1

setup_file() {
	lib_setup_file
	[ "$(id -u)" = 0 ] && [ -x /usr/bin/pasta ] || return 0
	holder "$BASE/host"
	holder "$BASE/world"
	inside sh -ec 'mount --make-rprivate /
		[ -d /dev/net ] || mkdir /dev/net
		mount -t tmpfs -o mode=755 dyno-tun /dev/net
		mknod -m 666 /dev/net/tun c 10 200
		ip link set lo up
		ip link add up0 type veth peer name down0 netns "$1"
		ip address add 10.77.0.1/24 dev up0
		ip address add 2001:db8:77::1/64 dev up0 nodad
		ip link set up0 up' sh "$(cat "$BASE/world")"
	in_world sh -ec 'ip link set lo up
		ip address add 10.77.0.2/24 dev down0
		ip address add 2001:db8:77::2/64 dev down0 nodad
		ip link set down0 up'
	inside ip route add default via "$OUTSIDE"
	serve "$BASE/who" "$(cat "$BASE/world")" :: 7777
	serve "$BASE/open" "$(cat "$BASE/host")" 0.0.0.0 6001
	serve "$BASE/closed" "$(cat "$BASE/host")" 127.0.0.1 6002
	wait_for 5 in_world bash -c 'exec 9<>/dev/tcp/127.0.0.1/7777'
	wait_for 5 inside bash -c 'exec 9<>/dev/tcp/127.0.0.1/6001'
	wait_for 5 inside bash -c 'exec 9<>/dev/tcp/127.0.0.1/6002'
}

teardown_file() {
	local file
	for file in who open closed host world; do
		[ ! -s "$BASE/$file" ] || kill "$(cat "$BASE/$file")" 2>/dev/null || :
	done
	lib_teardown_file
}

setup() {
	lib_setup
	need 'root, to make a network and a tun device' [ "$(id -u)" = 0 ]
	need 'pasta (package passt)' [ -x /usr/bin/pasta ]
	dynos_setup
	user=(nsenter "--net=/proc/$(cat "$BASE/host")/ns/net" "--mount=/proc/$(cat "$BASE/host")/ns/mnt"
		-- "${user[@]}")
}

# Whatever a test has left alive is stopped.
teardown() {
	end_dynos
	lib_teardown
}

# holder FILE: a process that keeps a network and a mount namespace, its number in FILE
holder() {
	unshare --net --mount sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
	echo "$!" >"$1"
	wait_for 5 apart_from "$!"
}

# serve FILE PID ADDRESS PORT: in the network of PID, whoever asks there is told his address
serve() {
	nsenter --net="/proc/$2/ns/net" -- python3 -c '
import socket, socketserver, sys
class Who(socketserver.BaseRequestHandler):
    def handle(self):
        who = self.client_address[0].removeprefix("::ffff:")
        self.request.sendall(f"you are {who}\n".encode())
class Server(socketserver.TCPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
Server((sys.argv[1], int(sys.argv[2])), Who).serve_forever()' "$3" "$4" </dev/null >/dev/null 2>&1 3>&- &
	echo "$!" >"$1"
}

apart_from() { [ "$(readlink "/proc/$1/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]; }
inside() { nsenter --net="/proc/$(cat "$BASE/host")/ns/net" --mount="/proc/$(cat "$BASE/host")/ns/mnt" -- "$@"; }
in_world() { nsenter --net="/proc/$(cat "$BASE/world")/ns/net" -- "$@"; }
dyno() { "${user[@]}" "$DYNO" "$@"; }
# of DYNO MEMBER: a member of what inspect tells of it
of() { dyno inspect --json "$1" | jq -r "$2"; }
faulty() { ! DYNO_FAULT=nonsense dyno run -q "$(slug shapes)" -- true; }
# is_up START: shop/web.1 is, by that start alone
is_up() { [ "$(of shop/web.1 '"\(.state) \([.starts[].start])"')" = "up [$1]" ]; }
# pastas [PID]: those of the test's user, or of one monitor
pastas() { pgrep -u "$USER_ID" ${1:+-P "$1"} '^(pasta|passt)' || :; }
no_pasta() { [ -z "$(pastas)" ]; }
# listening: what listens on the host, but for what the tests serve there
listening() { inside ss -Hltun | awk '{ print $1, $5 }' | grep -vE ':600[12]$' || :; }
# ask HOST PORT: for the dyno's bash: what is there says a line, $within 20 seconds or not at all
ask='ask() { timeout "${within:-20}" bash -c "exec 9<>\"/dev/tcp/$1/$2\" && head -n 1 <&9"; }; '

@test "C9.1 C9.2 pasta: out to the world and the host's own address, in to \$PORT, and no further" {
	local port
	begin --app shop --network private "$(web_app)" web
	up
	run -0 dyno inspect --json shop/web.1
	jq -e '.network == "private" and .address == "127.0.0.1" and .starts[0].via == "pasta"
		and .starts[0].host_address == "'"$UPLINK"'"' <<<"$output" >/dev/null
	[[ $(jq -r '.starts[0].inside_address' <<<"$output") == 172.16.*.* ]]
	port=$(jq .port <<<"$output")
	[ "$(url)" = "http://127.0.0.1:$port" ]
	[ "$(dyno ps --json -a shop | jq -r '.[0].address')" = 127.0.0.1 ]
	run -0 inside curl -s --max-time 20 "http://localhost:$port/"
	assert_line ok
	# not from outside
	run -7 inside curl -s --max-time 20 "http://$UPLINK:$port/"
	[ "$(listening)" = "tcp 127.0.0.1:$port" ] || fail "$(listening)"

	run -0 dyno exec shop/web.1 -- bash -c "$ask ask $OUTSIDE 7777"
	assert_line "you are $UPLINK"
	run -0 dyno exec shop/web.1 -- bash -c "$ask ask host.dyno.internal 6001"
	assert_line "you are"
	# what listens on the host's loopback alone is not reached, by no name of the host
	run dyno exec shop/web.1 -- bash -c "$ask"'
		for at in 127.0.0.1 host.dyno.internal 172.16.0.1 "$(getent hosts "$HOSTNAME" | cut -d " " -f 1)"; do
			(! within=3 ask $at 6002 || echo "reached by $at") &
		done
		wait
		echo "all asked"'
	assert_line 'all asked'
	assert_no_line 'reached by'

	# its only link, and the app cannot change it
	run -0 dyno exec shop/web.1 -- sed 's/:.*//; s/ //g; 1,2d' /proc/net/dev
	[ "$(sort <<<"$output" | tr '\n' ' ')" = 'eth0 lo ' ]
	run dyno exec shop/web.1 -- ip link set eth0 down
	[ "$status" != 0 ]
	assert_line "not permitted"
	kill -TERM "$pid"
	finish 143
	no_pasta
}

@test "C9.2 pasta: what a dyno listens on besides \$PORT opens nothing on the host" {
	local dir
	dir=$(app oneoff)
	begin --app loud --network private "$dir" -- python3 -c '
import socket, time
held = []
for port in (5001, 8080, 31000):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_INET6, kind)
        s.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            s.listen()
        held.append(s)
print("bound", flush=True)
time.sleep(1000)'
	says 20 bound
	# by default pasta looks for them every second: what it does not do can only be waited for
	sleep 2
	[ "$(listening | wc -l)" = 1 ] || fail "$(listening)"
	listening | grep -q '^tcp 127.0.0.1:'
	kill -TERM "$pid"
	finish
}

@test "pasta ends with its dyno, and with a monitor that is killed" {
	local dir helper init
	dir=$(web_app)
	begin --app shop --network private "$dir" web
	up
	helper=$(pastas "$pid") init=$(pid1)
	[ -n "$helper" ]
	# of the caller's descriptors and environment it has none
	[ "$(tr -d '\0' <"/proc/$helper/environ")" = '' ]
	run ls -l "/proc/$helper/fd"
	assert_no_line "$BASE"
	# what a terminal sends to the caller is not for it
	[ "$(ps -o sid= -p "$helper")" -eq "$helper" ]
	grep -q '^NoNewPrivs:.1' "/proc/$helper/status"
	grep -q '^Seccomp:.2' "/proc/$helper/status"
	kill -KILL "$pid"
	wait_for 20 deserted "$init" "$helper"
	finish 137
	run -0 dyno gc
	no_pasta
}

@test "a launch that fails, and one whose launcher is killed, leave no pasta" {
	local dir init step
	dir=$(web_app)
	run -127 dyno run -q --network private "$dir" -- /app/nothing
	no_pasta
	need 'a build with FAULT=1' faulty
	for step in network network-wait seccomp exec; do
		DYNO_FAULT=$step:5 run --separate-stderr dyno run -q --network private "$dir" -- true
		assert_status 125
		grep -q 'injected fault' <<<"$stderr" || fail "$step: $stderr"
		no_pasta || fail "one is left after $step"
		DYNO_FAULT=$step:kill begin -q --network private "$dir" -- sleep 98761
		finish 137
		wait_for 20 no_pasta
		run -0 dyno gc
	done
	run -0 dyno run -q --network private "$dir" -- true
	no_pasta
}

@test "pasta that ends before its dyno is told of" {
	local helper
	begin --app shop --network private "$(web_app)" web
	up
	helper=$(pastas "$pid")
	kill -KILL "$helper"
	wait_for 20 grep -q 'Warning: the dyno has no network any more: pasta has ended' "$err"
	wait_for 20 deserted "$helper"
	[ -n "$(pid1)" ]
	kill -TERM "$pid"
	finish 143
}

@test "without pasta or a tun device it is the host's network, or with --require-network none" {
	local dir run_err run_net run_status
	dir=$(app oneoff)
	inside mount --bind /dev/null /usr/bin/passt
	run --separate-stderr dyno run --network private "$dir" -- readlink /proc/self/ns/net
	run_net=$output
	run_status=$status
	run_err=$stderr
	run --separate-stderr dyno run --network private --require-network "$dir" -- true
	inside umount /usr/bin/passt
	[ "$run_status" = 0 ]
	[ "$run_net" = "$(inside readlink /proc/self/ns/net)" ] || fail "network $run_net"
	grep -qF 'Warning: the dyno has the host'\''s network: find the program pasta: no such file or directory' \
		<<<"$run_err"
	grep -qF 'apt install passt' <<<"$run_err"
	refused host.helper 125
	grep -qF 'hint: apt install passt' <<<"$stderr"

	inside chmod 600 /dev/net/tun
	run --separate-stderr dyno run --network private "$dir" -- readlink /proc/self/ns/net
	run_net=$output run_err=$stderr
	run --separate-stderr dyno run --network private --require-network "$dir" -- true
	inside chmod 666 /dev/net/tun
	[ "$run_net" = "$(inside readlink /proc/self/ns/net)" ] || fail "network $run_net"
	grep -qF "the host's network: open /dev/net/tun: permission denied" <<<"$run_err"
	refused host.network 125
	grep -qF 'hint: as root: chmod 666 /dev/net/tun' <<<"$stderr"

	# what is had is what is told
	inside rm /dev/net/tun
	begin --app shop --network private "$(web_app)" web
	up
	run -0 dyno inspect --json shop/web.1
	[ "$(verdicts)" = 'fallback fallback' ] || fail "doctor: $(verdicts)"
	inside mknod -m 666 /dev/net/tun c 10 200
	jq -e '.network == "host" and (.no_network | contains("/dev/net/tun"))' <<<"$output" >/dev/null
	kill -TERM "$pid"
	finish 143
	[ "$(verdicts)" = 'ok ok' ] || fail "doctor: $(verdicts)"
}

# what doctor says of the device, and of the network that it takes it for
verdicts() {
	dyno doctor --json |
		jq -r '[.probes[] | select(.name == "tun" or .name == "private-network").verdict] | join(" ")'
}

@test "a pasta that fails says why" {
	local dir
	dir=$(app oneoff)
	inside sh -ec 'rm /dev/net/tun && mknod -m 666 /dev/net/tun c 1 3'
	run --separate-stderr dyno run -q --network private "$dir" -- true
	inside sh -ec 'rm /dev/net/tun && mknod -m 666 /dev/net/tun c 10 200'
	refused host.network 125
	grep -qF 'launch step network: pasta has ended: Failed to ' <<<"$stderr" || lib_seen 'not the cause'
	grep -qF 'hint: see dyno doctor' <<<"$stderr"
	no_pasta
}

@test "what pasta cannot do is refused: private:app, an egress; the default stays the host's" {
	local dir
	dir=$(app oneoff)
	run --separate-stderr dyno run -q --network private:app "$dir" -- true
	refused host.network 125
	grep -qF 'each has a network apart' <<<"$stderr"
	run --separate-stderr dyno run -q --network private --egress none "$dir" -- true
	refused host.network 125
	grep -qF 'pasta lets every connection out' <<<"$stderr"
	run -0 dyno run -q "$dir" -- readlink /proc/self/ns/net
	[ "$output" = "$(inside readlink /proc/self/ns/net)" ]
	run -0 env DYNO_CFG_NETWORK=private "${user[@]}" "$DYNO" run -q "$dir" -- readlink /proc/self/ns/net
	[ "$output" != "$(inside readlink /proc/self/ns/net)" ]
	run -0 dyno run -q --network private --subnet 10.250.0.0/16 "$dir" -- cat /etc/hosts
	grep -q '^10\.250\.' <<<"$output"
	# a network that the host has is reached there, and not hidden by the dyno's own
	run --separate-stderr dyno run -q --network private --subnet 10.250.0.1/16 "$dir" -- true
	refused usage 125
}

@test "a restart with pasta: one beside the other, each with a port; with --port one after the other" {
	local dir before port
	dir=$(web_app)
	run -0 dyno start --detach --app shop --network private "$dir" web
	wait_for 20 is_up 1
	before=$(of shop/web.1 .port)
	run -0 dyno restart shop/web.1
	wait_for 20 is_up 2
	port=$(of shop/web.1 .port)
	[ "$port" != "$before" ]
	run -0 inside curl -s --max-time 20 "http://127.0.0.1:$port/"
	assert_line ok
	[ "$(pastas | wc -l)" = 1 ]
	run -0 dyno stop shop/web.1
	no_pasta

	run -0 dyno start --detach --app shop --network private --port 7321 "$dir" web
	wait_for 20 is_up 1
	run -0 inside curl -s --max-time 20 http://127.0.0.1:7321/
	run -0 dyno restart shop/web.1
	wait_for 20 is_up 2
	run -0 inside curl -s --max-time 20 http://127.0.0.1:7321/
	# the port is another's meanwhile: told before anything runs
	run --separate-stderr dyno run -q --app other --network private --port 7321 "$dir" -- true
	refused port.unavailable 125
	run -0 dyno stop shop/web.1
	no_pasta

	# the host lets everybody bind it; the dyno's own network does not
	inside sysctl -qw net.ipv4.ip_unprivileged_port_start=80
	run --separate-stderr dyno run -q --network private --port 81 "$dir" -- true
	inside sysctl -qw net.ipv4.ip_unprivileged_port_start=1024
	refused port.unavailable 125
	grep -qF 'bind port 81: permission denied' <<<"$stderr"
}

@test "health, a published port, figures and names work behind pasta" {
	local dir resolv=$BASE/resolv.conf
	dir=$(web_app)
	run -0 dyno start --detach --app shop --network private --publish 127.0.0.1:7400 \
		--health http:/ --health-interval 200ms "$dir" web
	wait_for 20 is_up 1
	run -0 inside curl -s --max-time 20 http://127.0.0.1:7400/
	assert_line ok
	run -0 dyno exec shop/web.1 -- bash -c "$ask ask $OUTSIDE 7777"
	[ "$(dyno stats --json shop/web.1 | jq '[.. | .net_rx_bytes? // empty] | add > 0')" = true ]
	[ "$(of shop/web.1 .state)" = up ]
	run -0 dyno stop shop/web.1

	# a resolver on the host's loopback is asked by pasta
	echo 'nameserver 127.0.0.53' >"$resolv"
	chmod 644 "$resolv"
	inside python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 53))
q, at = s.recvfrom(512)
# the question again, and one answer: 192.0.2.77
s.sendto(q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + q[12:q.index(b"\0", 12) + 5]
         + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x4d", at)' </dev/null >/dev/null 2>&1 3>&- &
	wait_for 5 eval 'inside ss -Hlun | grep -q 127.0.0.53:53'
	inside mount --bind "$resolv" /etc/resolv.conf
	run dyno run -q --network private "$dir" -- getent ahostsv4 shop.example.
	inside umount /etc/resolv.conf
	assert_status 0
	assert_line 192.0.2.77
}

@test "IPv6 goes out behind pasta where the host has it; a host without any way out has a dyno all the same" {
	local dir
	dir=$(app oneoff)
	run -0 dyno run -q --network private "$dir" -- cat /proc/net/if_inet6
	[ "$(grep -c '^fd64796e6f00' <<<"$output")" = 0 ]
	inside ip -6 route add default via 2001:db8:77::2
	run dyno run -q --network private "$dir" -- bash -c "$ask cat /proc/net/if_inet6; ask 2001:db8:77::2 7777"
	inside ip -6 route del default via 2001:db8:77::2
	assert_status 0
	grep -q '^fd64796e6f00' <<<"$output"
	assert_line 'you are 2001:db8:77::1'

	inside ip route del default
	run dyno run -q --network private "$dir" -- bash -c "$ask cat /etc/hosts; ask $OUTSIDE 7777"
	inside ip route add default via "$OUTSIDE"
	assert_status 0
	assert_no_line host.dyno.internal
	assert_line "you are $UPLINK"
}

@test "20 dynos at once have a pasta each, and leave none" {
	local dir i jobs=() failed=0
	dir=$(app oneoff)
	for ((i = 0; i < 20; i++)); do
		dyno run -q --network private "$dir" -- bash -c "$ask ask $OUTSIDE 7777" >"$BATS_TEST_TMPDIR/$i" \
			2>"$BATS_TEST_TMPDIR/$i.err" 3>&- &
		jobs+=("$!")
	done
	for i in "${jobs[@]}"; do
		wait "$i" || failed=$((failed + 1))
	done
	[ "$failed" = 0 ] || fail "$failed failed: $(cat "$BATS_TEST_TMPDIR"/*.err)"
	[ "$(cat "$BATS_TEST_TMPDIR"/{0..19} | grep -cx "you are $UPLINK")" = 20 ]
	no_pasta
}
