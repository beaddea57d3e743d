#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The sample slugs do through dyno what they promise: they are what the other tests stand on.
# shellcheck disable=SC2154 # variables set by bats and dynos.bash
load lib
load dynos

# web SLUG [OPTION...]: begin its web process; sets url once it is up
web() {
	local slug=$1
	shift
	begin "$@" "$(slug "$slug")" web
	up 60
	url=$(url)
}

# end: SIGTERM, as a platform ends a web process
end() {
	kill -TERM "$pid"
	finish
}

@test "the guestbook serves, writes, and has forgotten at the next start (C2.1, C3.6, C6.2)" {
	web guestbook
	curl -sf "$url/" -H 'Accept-Language: de' | grep -q 'Gästebuch</h1>'
	curl -sf -o /dev/null "$url/sign" -d name=Ada -d text=hello
	[ "$(curl -sf "$url/healthz" | jq -r '.entries')" = 1 ]
	[ "$(curl -sf "$url/healthz" | jq -r '.dyno')" = web.1 ]
	end
	grep -q 'compiled translations/de' "$out"

	web guestbook --env LOG_TO_STDOUT=1
	[ "$(curl -sf "$url/healthz" | jq -r '.entries')" = 0 ]
	curl -sf -o /dev/null "$url/sign" -d name=Grace -d text=hello
	end
	grep -q "signed by 'Grace'" "$out"
}

@test "the guestbook imports its packages from the slug, not from the stack" {
	run -0 --separate-stderr dyno run -q "$(slug guestbook)" \
		'python3 -c "import flask, sqlalchemy; print(flask.__file__, sqlalchemy.__file__)"'
	[ "$output" = "/app/vendor/flask/__init__.py /app/vendor/sqlalchemy/__init__.py" ]
}

@test "node-hello serves and ends well on SIGTERM" {
	web node-hello
	run -0 curl -sf "$url/path"
	[ "$output" = "hello from web.1: GET /path" ]
	end
	grep -q closing "$out"
}

@test "clock prints until it is told to stop" {
	begin -q --env CLOCK_INTERVAL=0.1 "$(slug clock)" clock
	says 10 'tick 5 '
	end
	grep -q '^stopping after' "$out"
}

@test "shapes exits with every status and dies by signals (C7.4, U25)" {
	local want
	for want in 0 1 7 124 125 126 127 255; do
		run -"$want" dyno run -q "$(slug shapes)" exit "$want"
	done
	run -139 dyno run -q "$(slug shapes)" signal SEGV
	run -137 dyno run -q "$(slug shapes)" signal KILL
	run -143 dyno run -q "$(slug shapes)" signal TERM
}

@test "shapes leaves nothing: daemons and orphans end with the command (C1.7, C1.14, T29)" {
	run -0 dyno run -q "$(slug shapes)" daemonise
	[ "$output" = "left a daemon behind" ]
	run -0 dyno run -q "$(slug shapes)" orphan
	[ "$output" = "adopted by 1" ]
	run -0 dyno run -q "$(slug shapes)" fork 20
	[ "$(grep -c '^child' <<<"$output")" = 20 ]
}

@test "the output of shapes arrives whole and on its own stream (T34)" {
	run -0 --separate-stderr dyno run -q "$(slug shapes)" both
	[ "$output" = "to stdout" ] && [ "$stderr" = "to stderr" ]
	[ "$(dyno run -q "$(slug shapes)" no-newline | od -An -c | tr -d ' \n')" = 'one\ntwo' ]
	[ "$(dyno run -q "$(slug shapes)" lines 20000 | wc -lc | tr -s ' ')" = " 20000 1220000" ]
	[ "$(printf 'x\ny' | dyno run -q "$(slug shapes)" cat)" = $'x\ny' ]
}

@test "profile scripts run in their order, and later wins (C3.1, C3.2)" {
	run -0 --separate-stderr dyno run -q --env SHAPES_OVERRIDDEN=by-config \
		--env SHAPES_KEPT=by-config "$(slug shapes)" env
	assert_line "SHAPES_PROFILE=first,second,home"
	assert_line "SHAPES_OVERRIDDEN=by-profile"
	assert_line "SHAPES_KEPT=by-config"
}

@test "two runs of one slug do not see each other's marks (C2.1)" {
	run -0 dyno run -q "$(slug shapes)" write one
	assert_no_line found
	run -0 dyno run -q "$(slug shapes)" write two
	assert_no_line found
	assert_line "wrote /app/mark"
}
