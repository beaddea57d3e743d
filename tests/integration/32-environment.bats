#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The environment of a command: what the platform sets, what config vars, profile scripts and the
# slug's defaults make of it, and in which order.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

# env_of ARG...: the environment of `env` as a direct argv, sorted, into $output
env_of() { run -0 --separate-stderr dyno run -q "$@" -- env; }

names() { cut -d= -f1 <<<"$output" | LC_ALL=C sort | tr '\n' ' '; }

@test "the platform's variables and nothing of the caller's (C3.4, C0.5)" {
	export CALLERS_OWN=secret LANG=xx USER=caller MAIL=/var/mail/caller
	TERM=dumb env_of "$SHAPES"
	[ "$(names)" = 'DYNO DYNO_CPU DYNO_RAM DYNO_SIZE HOME PATH PORT PS1 TERM ' ] || lib_seen names
	assert_line 'HOME=/app'
	assert_line 'PATH=/usr/local/bin:/usr/bin:/bin'
	assert_line 'DYNO_SIZE=standard-1x'
	assert_line 'DYNO_RAM=512'
	assert_line 'TERM=dumb'
	assert_line 'PS1=\[\033[01;34m\]\w\[\033[00m\] \[\033[01;32m\]$ \[\033[00m\]'
	[[ $output =~ (^|$'\n')DYNO_CPU=[0-9]+(\.[0-9]+)?($'\n'|$) ]]
}

@test "a login shell adds PWD, SHLVL and _ (C3.4)" {
	dir=$(app plain)
	TERM=dumb run -0 dyno run -q "$dir" env
	[ "$(names)" = 'DYNO DYNO_CPU DYNO_RAM DYNO_SIZE HOME PATH PORT PS1 PWD SHLVL TERM WEB_CONCURRENCY _ ' ] ||
		lib_seen names
	assert_line 'PWD=/app'
	assert_line 'WEB_CONCURRENCY=2'
}

@test "TERM is for one-offs only, and only where there is one (C3.4)" {
	dir=$(app -t 'job: env' terminal)
	TERM=vt100 run -0 dyno run -q "$dir" job
	assert_no_line TERM=
	TERM=vt100 run -0 dyno run -q "$dir" env
	assert_line TERM=vt100
	run -0 env -u TERM bash -c 'exec "$@"' x "${user[@]}" "$DYNO" run -q "$dir" -- env
	assert_no_line TERM=
}

@test "on a terminal a one-off gets its size (C8.3)" {
	need "script(1) is not installed" command -v script
	dir=$(app size)
	run -0 "${user[@]}" script -qec "stty rows 33 cols 99; '$DYNO' run -q '$dir' 'echo \$COLUMNS \$LINES; env'" /dev/null
	assert_line '99 33'
	# who takes it from there misses its changes
	assert_no_line COLUMNS=
	TERM=vt100 run -0 "${user[@]}" script -qec "stty rows 33 cols 99; '$DYNO' run -q '$dir' -- env" /dev/null
	assert_no_line COLUMNS=
	assert_no_line LINES=
	assert_line TERM=vt100
}

@test "DYNO is TYPE.N from the lowest free, run.NNNN for one-offs, or --name (C3.5)" {
	dir=$(app -t 'job: echo $DYNO' -t 'wait: sleep 1000' -t 'release: echo $DYNO' dyno)
	run -0 dyno run -q "$dir" job
	[ "$output" = job.1 ]
	run -0 dyno run -q "$dir" release
	[ "$output" = release.1 ]
	run -0 dyno run -q "$dir" 'echo $DYNO'
	[[ $output =~ ^run\.[0-9]{4}$ ]]
	run -0 dyno run -q --name night.7 "$dir" job
	[ "$output" = night.7 ]
	# 1 and 3 are taken: the next is 2, and 1 again when it has ended
	begin --name job.1 "$dir" 'sleep 1000'
	up
	one=$pid
	begin --name job.3 "$dir" 'sleep 1000'
	up
	run -0 dyno run -q "$dir" job
	[ "$output" = job.2 ]
	kill "$one"
	wait "$one" || :
	run -0 dyno run -q "$dir" job
	[ "$output" = job.1 ]
	kill "$pid"
	finish 143
}

@test "PORT is a number chosen for each start, or --port, in one-offs too (C3.6)" {
	dir=$(app port)
	seen=()
	for name in a b c d e f; do
		env_of -a "$name" "$dir"
		port=$(sed -n 's/^PORT=//p' <<<"$output")
		[[ $port =~ ^[0-9]+$ ]]
		[ "$port" -gt 1024 ]
		[ "$port" -le 65535 ]
		seen+=("$port")
	done
	[ "$(printf '%s\n' "${seen[@]}" | sort -u | wc -l)" -gt 1 ] || fail "always ${seen[0]}"
	env_of --port 28123 "$dir"
	assert_line PORT=28123
}

@test "platform, files, options: the later wins; config vars override the platform's (C3.1, C3.8)" {
	dir=$(app layers)
	put "$dir/../one.env" <<<$'A=file1\nB=file1\nC=file1\nDYNO_RAM=file1'
	put "$dir/../two.env" <<<$'B=file2\nC=file2'
	env_of --env-file "$dir/../one.env" --env-file "$dir/../two.env" -e C=flag -e D= -e HOME=/tmp "$dir"
	assert_line A=file1
	assert_line B=file2
	assert_line C=flag
	assert_line D=
	assert_line DYNO_RAM=file1
	assert_line HOME=/tmp
	[ "$(grep -c '^C=' <<<"$output")" -eq 1 ]
	run -0 dyno run -q -e 'TWO=a
b' "$dir" -- printenv TWO
	[ "$output" = $'a\nb' ]
}

@test "config vars are the same for every type, 64 kB of them, and of many lines (C3.7)" {
	local type
	dir=$(app -t 'web: printenv LINES_ HEROKU_APP_NAME __X BIG_ONE BIG_TWO | sha256sum' \
		-t 'worker: printenv LINES_ HEROKU_APP_NAME __X BIG_ONE BIG_TWO | sha256sum' vars)
	one=$(head -c 32000 /dev/zero | tr '\0' x) two=$(head -c 32000 /dev/zero | tr '\0' y)
	# HEROKU_ and __ are the platform's, which here is who calls
	env=(-e LINES_=$'a\n\nb' -e HEROKU_APP_NAME=shop -e __X=1 -e "BIG_ONE=$one" -e "BIG_TWO=$two")
	want=$(printf '%s\n' $'a\n\nb' shop 1 "$one" "$two" | sha256sum)
	for type in web worker; do
		run -0 --separate-stderr dyno run -q --network host "${env[@]}" "$dir" "$type"
		[ "$output" = "$want" ] || lib_seen "$type"
	done
}

@test "the dyno's metadata of a platform: its variables, and /etc/heroku/dyno (C2.15, C3.9)" {
	put "$BASE/meta.json" <<'END'
{"dyno":{"id":"6f6b9f83","name":"run.6500"},"app":{"id":"a1","name":"shop"},"release":{"id":18,"commit":"2c3a","description":"Deploy 2c3a"}}
END
	put "$BASE/meta.env" <<'END'
HEROKU_APP_ID=a1
HEROKU_APP_NAME=shop
HEROKU_DYNO_ID=6f6b9f83
HEROKU_RELEASE_CREATED_AT=2015-04-02T18:00:42Z
HEROKU_RELEASE_VERSION=v18
HEROKU_SLUG_COMMIT=2c3a
HEROKU_SLUG_DESCRIPTION="Deploy 2c3a"
HEROKU_BUILD_COMMIT=2c3a
END
	run --separate-stderr dyno run -q --env-file "$BASE/meta.env" \
		--mount "$BASE/meta.json:/etc/heroku/dyno" "$SHAPES" \
		'cat /etc/heroku/dyno; env | grep ^HEROKU_ | LC_ALL=C sort; (echo x >>/etc/heroku/dyno) 2>&1'
	diff - <(head -n -1 <<<"$output") < <(cat "$BASE/meta.json"; LC_ALL=C sort "$BASE/meta.env" | tr -d '"') ||
		lib_seen "metadata"
	[[ ${lines[-1]} =~ (Read-only file system|Permission denied)$ ]] || lib_seen "the app can change it"
}

@test "the config vars of .release are defaults, literal, and not the platform's (C5.9, T19)" {
	dir=$(app -t 'web: true' release)
	put "$dir/.release" <<'EOF2'
---
config_vars:
  SHELL_CODE: "'; touch /tmp/run; $(touch /tmp/run) `touch /tmp/run` #"
  RACK_ENV: production
  GIVEN: slug
  EMPTY: slug
EOF2
	run -0 dyno run -q -e GIVEN=flag -e EMPTY= "$dir" 'printenv SHELL_CODE RACK_ENV GIVEN EMPTY; ls /tmp'
	[ "${lines[0]}" = "'; touch /tmp/run; \$(touch /tmp/run) \`touch /tmp/run\` #" ]
	[ "${lines[1]}" = production ]
	[ "${lines[2]}" = flag ]
	[ "${lines[3]}" = slug ] # empty counts as absent, as in ${K:-v}
	[ "${#lines[@]}" -eq 4 ]
	put "$dir/.release" <<<$'config_vars:\n  HEROKU_APP_NAME: x'
	run -125 dyno run -q "$dir" true
	assert_error env.key
}

@test "profile scripts run in order of bytes, then .profile, then the command (C3.1, C3.2)" {
	dir=$(app -t 'job: echo $ORDER $A $B' profile)
	for name in 10-a.sh 2-b.sh B.sh a.sh Z.sh _.sh é.sh; do
		put "$dir/.profile.d/$name" <<<"export ORDER=\"\${ORDER-}${name%.sh},\""
	done
	put "$dir/.profile.d/no-suffix" <<<'ORDER=wrong'
	put "$dir/.profile.d/dir.sh/file" <<<'ORDER=wrong'
	put "$dir/.profile.d/vars.sh" <<<$'export A=profile.d\nexport B=${B:-default}'
	put "$dir/.profile" <<<'ORDER="$ORDER.profile"'
	run -0 dyno run -q -e A=config -e B=config "$dir" job
	[ "$output" = '10-a,2-b,B,Z,_,a,é,.profile profile.d config' ]
	# the same whatever locale the app asks for, which stays as it is
	run -0 --separate-stderr dyno run -q -e LC_ALL=C.UTF-8 "$dir" 'echo $ORDER $LC_ALL'
	[ "$output" = '10-a,2-b,B,Z,_,a,é,.profile C.UTF-8' ]
	# an argv has no profile
	run -0 dyno run -q "$dir" -- bash -c 'echo "order: $ORDER"'
	[ "$output" = 'order: ' ]
}

@test "a profile script sees the platform's and the config vars, functions of bash, and leaves nothing (C3.2)" {
	dir=$(app profile2)
	put "$dir/.profile.d/a.sh" <<<'echo "$DYNO $PORT $X" | tr 0-9 n; pwd; [[ $PWD == /app ]] && export Y=(1 2) Z=z'
	run -0 dyno run -q -e X=x "$dir" 'echo $Z; set | grep -i _dyno_ | grep -v BASH_EXEC; shopt -q login_shell && echo login'
	[ "${lines[0]}" = 'run.nnnn nnnnn x' ]
	[ "${lines[1]}" = /app ]
	[ "${lines[2]}" = z ]
	[ "${lines[3]}" = login ]
	[ "${#lines[@]}" -eq 4 ]
}

@test "a profile script that is a fifo, a link out or unreadable does not stop the start (C3.2, T16)" {
	dir=$(app profile3)
	put "$dir/.profile.d/z.sh" <<<'echo ran'
	as_user mkfifo "$dir/.profile.d/a.sh"
	as_user ln -s /dev/zero "$dir/.profile.d/b.sh"
	as_user ln -s /no/such "$dir/.profile.d/c.sh"
	put "$dir/.profile.d/d.sh" 000 <<<'echo closed'
	run -0 timeout 60 "${user[@]}" "$DYNO" run -q "$dir" 'echo end'
	[ "${lines[0]}" = ran ]
	[ "${lines[1]}" = end ]
}

@test "WEB_CONCURRENCY has the size's default only if nothing has set it (C0.5, C3.11)" {
	dir=$(app concurrency)
	run -0 dyno run -q "$dir" 'echo $WEB_CONCURRENCY'
	[ "$output" = 2 ]
	run -0 dyno run -q -e WEB_CONCURRENCY=7 "$dir" 'echo $WEB_CONCURRENCY'
	[ "$output" = 7 ]
	run -0 dyno run -q -e WEB_CONCURRENCY= "$dir" 'echo "<$WEB_CONCURRENCY>"'
	[ "$output" = '<>' ]
	put "$dir/.profile.d/WEB_CONCURRENCY.sh" <<<'export WEB_CONCURRENCY=${WEB_CONCURRENCY:-5}'
	run -0 dyno run -q "$dir" 'echo $WEB_CONCURRENCY'
	[ "$output" = 5 ]
}

@test "what Heroku's buildpacks read of the size agrees: ulimit -u and the memory file (C3.13, C0.5)" {
	run -0 dyno run -q "$(app bp)" 'echo $(ulimit -u) $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes) $((DYNO_RAM * 1048576))'
	[ "$output" = '256 536870912 536870912' ]
}

@test "names that no config var may have are refused with the name, not the value (T17)" {
	dir=$(app keys)
	for bad in '=v' 'A B=v' 'A-B=v' '1A=v' $'A\nB=v' 'A.B=v' 'nothing' 'É=v'; do
		run -125 --separate-stderr dyno run -e "$bad" "$dir" true
		refused env.key 125
		[[ $stderr != *'=v'* ]] || lib_seen "the value is shown"
	done
	# lower case is allowed
	run -0 dyno run -q -e lower_case=1 "$dir" -- printenv lower_case
	[ "$output" = 1 ]
}

@test "an environment that the kernel does not take is refused with the biggest names (T17)" {
	dir=$(app big)
	big() { run --separate-stderr "$TOP/tests/helpers/odd-caller" -- "${user[@]}" "$DYNO" run "$@"; }
	head -c 131080 /dev/zero | tr '\0' s >"$BASE/value"
	{ printf 'SECRET_ONE=' && cat "$BASE/value"; } | put "$BASE/one.env"
	big --env-file "$BASE/one.env" "$dir" -- true
	refused env.size 125
	[[ $stderr == *SECRET_ONE* ]]
	[[ $stderr != *sss* ]]
	# one of the largest size passes, and arrives whole
	{ printf 'JUST_FITS=' && head -c 131061 "$BASE/value"; } | put "$BASE/fits.env"
	run -0 dyno run -q --env-file "$BASE/fits.env" "$dir" 'echo ${#JUST_FITS}'
	[ "$output" = 131061 ]
	for ((i = 10; i < 30; i++)); do
		printf 'PART_%s=' "$i"
		head -c 120000 "$BASE/value"
		echo
	done | put "$BASE/many.env"
	big --env-file "$BASE/many.env" "$dir" -- true
	refused env.size 125
	[[ $stderr == *PART_1* ]]
	[[ $stderr == *'the kernel takes'* ]]
	[[ $stderr != *sss* ]]
}

@test "a command that is too long is refused before anything starts (T17)" {
	dir=$(app long)
	printf 'web: echo %s\n' "$(head -c 131072 /dev/zero | tr '\0' x)" | put "$dir/Procfile"
	run --separate-stderr dyno run "$dir"
	[ "$status" -eq 125 ]
	[[ $stderr == *'['*']'* ]]
	[[ $stderr != *'Starting process'* ]]
}

# spy: a library and a script that leave a mark where they run, $BASE/spied or /tmp/spied
spy() {
	chmod 1777 "$BASE"
	rm -f "$BASE/spied"
	gcc -shared -fPIC -o "$BASE/spy.so" -DPLACE="\"$BASE/spied\"" -xc - <<'EOF2'
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void spy(void)
{
	(void)close(open(PLACE, O_WRONLY | O_CREAT, 0666));
	(void)close(open("/tmp/spied", O_WRONLY | O_CREAT | O_NOFOLLOW, 0666));
}
EOF2
	echo "touch '$BASE/spied'" >"$BASE/spy.sh"
	chmod a+r "$BASE"/spy.*
	# it works at all
	LD_PRELOAD=$BASE/spy.so /bin/true
	[ -e "$BASE/spied" ] || fail "the spy is blind"
	rm -f "$BASE/spied" /tmp/spied
}

@test "variables that would load code reach the app and never dyno (T18)" {
	need "no compiler" command -v gcc
	spy
	dir=$(app spied)
	as_user cp "$BASE/spy.so" "$dir/spy.so"
	hostile=(LD_PRELOAD="$BASE/spy.so" LD_LIBRARY_PATH="$BASE" BASH_ENV="$BASE/spy.sh"
		ENV="$BASE/spy.sh" SHELLOPTS=xtrace PS4="\$(touch '$BASE/spied')" IFS=/
		GCONV_PATH="$BASE" NLSPATH="$BASE/%N" LOCPATH="$BASE" TMPDIR=/no/such
		GLIBC_TUNABLES=glibc.malloc.check=3 PATH="$BASE")
	# of the caller: not active, and not handed on
	run -0 "${user[@]}" env "${hostile[@]}" "$DYNO" run -q "$dir" true
	run -0 "${user[@]}" env "${hostile[@]}" "$DYNO" run -q "$dir" -- env
	assert_no_line LD_
	assert_no_line "$BASE"
	[ ! -e "$BASE/spied" ]
	# as config vars: active in the dyno alone
	run -0 dyno run -q -e LD_PRELOAD=/app/spy.so "$dir" -- ls /tmp
	[ "$output" = spied ]
	run -0 dyno run -q "${hostile[@]/#/--env=}" "$dir" -- /usr/bin/env
	assert_line "LD_PRELOAD=$BASE/spy.so"
	assert_line "BASH_ENV=$BASE/spy.sh"
	[ ! -e "$BASE/spied" ]
	[ ! -e /tmp/spied ]
}

@test "the loader's variables do nothing to the unpacker that dyno starts (T18)" {
	spy
	put "$BASE/fresh.tgz" <"$(slug clock)"
	# env is not preloaded itself: it sets the variable and becomes dyno
	run -0 "${user[@]}" env LD_PRELOAD="$BASE/spy.so" LD_AUDIT="$BASE/spy.so" "$DYNO" slug add "$BASE/fresh.tgz"
	[[ $output == sha256:* ]] || lib_seen "expected a digest and no word of the loader"
	[ ! -e "$BASE/spied" ]
}

@test ".env files: quotes, lines within quotes, export, comments; no expansion (C12.1, T20)" {
	dir=$(app dotenv)
	put "$BASE/a.env" <<'EOF2'
# a comment
  # an indented one

PLAIN=some words # cut
export EXPORTED=yes
SINGLE='$HOME and `id` # kept'
DOUBLE="$HOME and `id`"
LINES="one
two"
EMPTY=
EOF2
	env_of --env-file "$BASE/a.env" "$dir"
	assert_line 'PLAIN=some words'
	grep -qx 'PLAIN=some words' <<<"$output"
	assert_line EXPORTED=yes
	assert_line 'SINGLE=$HOME and `id` # kept'
	assert_line 'DOUBLE=$HOME and `id`'
	assert_line $'LINES=one\ntwo'
	grep -qx EMPTY= <<<"$output"
}

@test ".env as NUL-separated pairs and as JSON (C12.1, T20)" {
	dir=$(app dotenv2)
	printf 'A=one\ntwo\0B= x \0' | put "$BASE/nul.env"
	run -0 dyno run -q --env-file "$BASE/nul.env" "$dir" 'printf "<%s>" "$A" "$B"'
	[ "$output" = $'<one\ntwo>< x >' ]
	put "$BASE/json.env" <<<'{"A": "x\ny", "N": 7, "yes": true}'
	run -0 dyno run -q --env-file "$BASE/json.env" "$dir" -- env
	assert_line $'A=x\ny'
	assert_line N=7
	assert_line yes=true
}

@test "a wrong line of an env file is named with its number, and not its value (T20)" {
	dir=$(app dotenv3)
	for bad in $'A=1\n\nB="unterminated hush' $'A=1\n\nB C=hush' $'A=1\n\n1=hush' $'A=1\n\nB =hush'; do
		put "$BASE/bad.env" <<<"$bad"
		run --separate-stderr dyno run --env-file "$BASE/bad.env" "$dir" true
		[ "$status" -eq 125 ]
		[[ $stderr == *'bad.env'* ]] || lib_seen "no file"
		[[ $stderr == *'line 3'* ]] || lib_seen "no line"
		[[ $stderr != *hush* ]] || lib_seen "the value is shown"
	done
	for file in /no/such.env "$dir" /dev/zero; do
		run --separate-stderr timeout 60 "${user[@]}" "$DYNO" run --env-file "$file" "$dir" true
		refused env.syntax 125
	done
	as_user mkfifo "$BASE/fifo.env"
	run timeout 60 "${user[@]}" "$DYNO" run -q --env-file "$BASE/fifo.env" "$dir" true
	[ "$status" -ne 124 ]
}
