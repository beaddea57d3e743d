#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Two dynos of the guestbook with private networks, a PostgreSQL on their host that they reach by its
# name, and an nginx there that sends each request to one of them (C9.1, C9.2).  The host is a network
# namespace of the test's.
# profiles: root
# shellcheck disable=SC2154 # variables of bats and dynos.bash
load lib
load dynos

PG=/usr/lib/postgresql/15/bin

setup_file() {
	lib_setup_file
	unshare --net sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
	echo "$!" >"$BASE/host"
	wait_for 5 apart_from "$!"
	inside ip link set lo up
}

teardown_file() {
	[ ! -s "$BASE/host" ] || kill "$(cat "$BASE/host")"
	lib_teardown_file
}

teardown() {
	[ -z "${nginx:-}" ] || kill -TERM "$nginx" 2>/dev/null || :
	[ -z "${postgres:-}" ] || kill -INT "$postgres" 2>/dev/null || :
	if [ -s "$BASE/host" ]; then
		dyno stop --now book/ >/dev/null 2>&1 || :
		wait_for 20 no_links
		dyno gc --network -q || :
	fi
	lib_teardown
}

apart_from() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
inside() { nsenter --net="/proc/$(cat "$BASE/host")/ns/net" -- "$@"; }
dyno() { inside "$DYNO" "$@"; }
no_links() { ! inside ip -o link | grep -q ' dyno-'; }
of() { dyno inspect --json "$1" | jq -r "$2"; }
is_up() { [ "$(of "$1" .state)" = up ]; }

start_postgres() {
	local as=(setpriv --reuid postgres --regid postgres --clear-groups --)
	mkdir "$BASE/pg"
	chown postgres: "$BASE/pg"
	"${as[@]}" "$PG/initdb" -D "$BASE/pg/data" -A trust -U guest --no-sync --no-instructions >/dev/null
	echo "host all all 172.16.0.0/12 trust" >>"$BASE/pg/data/pg_hba.conf"
	nsenter --net="/proc/$(cat "$BASE/host")/ns/net" -- "${as[@]}" "$PG/postgres" \
		-D "$BASE/pg/data" -F -c listen_addresses='*' -c unix_socket_directories= </dev/null >"$BASE/pg/log" 2>&1 3>&- &
	postgres=$!
	wait_for 60 inside "$PG/pg_isready" -q -h 127.0.0.1
	inside "$PG/createdb" -h 127.0.0.1 -U guest book
}

start_nginx() {
	mkdir "$BASE/nginx"
	cat >"$BASE/nginx/conf" <<-END
		daemon off;
		worker_processes 1;
		pid $BASE/nginx/pid;
		error_log $BASE/nginx/error;
		events { }
		http {
			access_log $BASE/nginx/access;
			upstream book {
				server $(of book/web.1 .address):$(of book/web.1 .port);
				server $(of book/web.2 .address):$(of book/web.2 .port);
			}
			server {
				listen 8000;
				location / {
					proxy_pass http://book;
					add_header X-Dyno \$upstream_addr;
				}
			}
		}
	END
	nsenter --net="/proc/$(cat "$BASE/host")/ns/net" -- /usr/sbin/nginx -e "$BASE/nginx/error" \
		-c "$BASE/nginx/conf" </dev/null >/dev/null 2>&1 3>&- &
	nginx=$!
	wait_for 5 inside bash -c 'exec 9<>/dev/tcp/127.0.0.1/8000'
}

@test "the guestbook keeps its entries in the host's PostgreSQL, behind the host's nginx (C9.1, C9.2, C5.9)" {
	local url=http://127.0.0.1:8000 each
	need "no PostgreSQL: apt-get install postgresql-15" test -x "$PG/initdb"
	need "no nginx: apt-get install nginx-light" test -x /usr/sbin/nginx
	start_postgres
	for each in 1 2; do
		dyno start --detach --app book --network private \
			--env DATABASE_URL=postgres://guest@host.dyno.internal/book \
			"$(slug guestbook)" "web=$each" >/dev/null
		wait_for 60 is_up "book/web.$each"
	done
	start_nginx
	run -0 inside curl -sf -o /dev/null --data 'name=Grace&text=kept' "$url/sign"
	for each in $(seq 20); do
		inside curl -sf -D - -o "$BASE/page" "$url/" | tr -d '\r' | sed -n 's/^X-Dyno: //p'
		grep -q Grace "$BASE/page"
	done | sort | uniq -c >"$BASE/spread"
	[ "$(wc -l <"$BASE/spread")" = 2 ] || fail "$(cat "$BASE/spread")"

	# with another root and another address the entries are the same
	dyno restart book/web.1 >/dev/null
	wait_for 60 is_up book/web.1
	run -0 inside curl -sf "http://$(of book/web.1 .address):$(of book/web.1 .port)/"
	assert_line Grace
}
