#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command's output on its way through: every byte, either stream, opened anew or not (C10.1, T57).
load lib

setup_file() {
	lib_setup_file
	as_user mkdir "$BASE/app"
	echo 'web: true' | as_user tee "$BASE/app/Procfile" >/dev/null
	# Whoever runs the command owns the app: as root that is a map of one foreign owner.
	export APP=$BASE/app
}

# Pipes of the very user that runs the command, as a shell makes them.
piped() {
	# shellcheck disable=SC2016 # for the inner shell
	as_user bash -c '{ "$0" run -q "$APP" "$1" 2>&3 | cat >"$BASE/one"; } 3> >(cat >"$BASE/two"); wait' \
		"$DYNO" "$1"
}

@test "an app may open its output anew as /dev/stdout and /dev/stderr (C10.1)" {
	piped 'echo one > /dev/stdout; echo two > /dev/stderr; echo three | tee /dev/stderr'
	wait_for 5 grep -q three "$BASE/two"
	[ "$(cat "$BASE/one")" = $'one\nthree' ]
	[ "$(cat "$BASE/two")" = $'two\nthree' ]
	rm "$BASE/one" "$BASE/two"
}

@test "a file that the output goes to keeps its owner and mode" {
	as_user touch "$BASE/out"
	before=$(stat -c '%u %a' "$BASE/out")
	dyno run -q "$APP" 'echo hi' >"$BASE/out"
	[ "$(cat "$BASE/out")" = hi ]
	[ "$(stat -c '%u %a' "$BASE/out")" = "$before" ]
	rm "$BASE/out"
}

@test "every byte of 64 MiB passes through both ways, and the status with it (T57)" {
	sum=$(head -c 67108864 /dev/urandom | tee >(dyno run -q "$APP" 'cat; exit 9' | sha256sum >"$BASE/sum") | sha256sum)
	wait_for 30 test -s "$BASE/sum"
	[ "$(cat "$BASE/sum")" = "$sum" ]
	rm "$BASE/sum"
	run dyno run -q "$APP" 'cat >/dev/null; exit 9' <<<x
	assert_status 9
}

@test "one-offs in a row lose no byte and no status (T57)" {
	for ((n = 0; n < $(loops 10000); n++)); do
		run --separate-stderr dyno run -q "$APP" -- /bin/echo "hi $n"
		assert_status 0
		[ "$output" = "hi $n" ]
		[ -z "$stderr" ]
	done
}
