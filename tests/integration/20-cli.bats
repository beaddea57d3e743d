#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line itself: verbs, options and where they come from, errors in three parts, exit
# statuses, help, completion, JSON, odd standard descriptors.  (What a dyno does is tested elsewhere.)
# shellcheck disable=SC2016 # the command under test is given to bash and to dyno as text
# shellcheck disable=SC2154 # stderr and stderr_lines are set by bats
load lib

# json FILTER: the filter over the output is true
json() { jq -e "$1" <<<"$output" >/dev/null || lib_seen "not so: $1"; }

# three CLASS TEXT HINT: standard error is "dyno: ...TEXT... [CLASS]" and "hint: ...HINT..."
three() {
	[[ ${stderr_lines[0]} == "dyno: "*"$2"*"[$1]" ]] || lib_seen "expected: $2 [$1]"
	[[ ${stderr_lines[1]} == "hint: "*"$3"* ]] || lib_seen "expected a hint: $3"
	[ "${#stderr_lines[@]}" -eq 2 ]
	[ -z "$output" ]
}

# work: into an empty directory that is the profile's user's
work() {
	rm -rf "$BASE/work"
	as_user mkdir "$BASE/work"
	cd "$BASE/work" || return
}

# offers WORD...: what completion offers after the words, the last of them unfinished
offers() {
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	_dyno
	echo "${COMPREPLY[*]}"
}

@test "a bare dyno prints twelve lines of help" {
	run -0 --separate-stderr dyno
	[ "${#lines[@]}" -ge 9 ]
	[ "$(wc -l <<<"$output")" -eq 12 ]
	[ -z "$stderr" ]
}

@test "an unknown verb suggests the nearest and exits with 2" {
	run -2 --separate-stderr dyno rnu
	three usage 'no verb "rnu"' 'did you mean dyno run?'
	run -2 --separate-stderr dyno slug lss
	three usage 'slug: no verb "lss"' 'did you mean dyno slug ls?'
	run -2 --separate-stderr dyno slug
	three usage 'slug: a verb is missing' 'dyno help slug'
	run -2 --separate-stderr dyno --port 80
	three usage '"--port" stands where a verb belongs' 'options follow the verb'
}

@test "usage errors of run exit with 125, of other verbs with 2 (U25)" {
	run -125 --separate-stderr dyno run
	three usage 'an operand is missing: dyno run SLUG' 'dyno help run'
	run -125 --separate-stderr dyno run --prot=80 app.tgz
	three usage 'run: no option --prot' 'did you mean --port?'
	run -125 --separate-stderr dyno run --port 0 app.tgz
	three usage '"0" is not a port from 1 to 65535' 'dyno help run'
	run -125 --separate-stderr dyno run --network nnoe app.tgz
	three usage '"nnoe" is none of: auto, host, none' 'did you mean none?'
	run -125 --separate-stderr dyno run --env
	three usage '--env needs a value: --env K=V' 'dyno help run'
	run -2 --separate-stderr dyno check
	three usage 'an operand is missing: dyno check SLUG' 'dyno help check'
	run -2 --separate-stderr dyno slug ls surplus
	three usage 'one operand too many: "surplus"' 'dyno help slug ls'
}

@test "on run, options stand before SLUG and a command with a dash after --" {
	run -125 --separate-stderr dyno run app.tgz -q bash
	three usage '"-q" stands after SLUG' 'options go before SLUG'
	run -125 --separate-stderr dyno run app.tgz --
	three usage 'no command stands after --' 'dyno run SLUG -- PROGRAM'
}

@test "a name in an error cannot steer the terminal or begin a line (T10)" {
	run -2 --separate-stderr dyno $'x\e[2J\ny'
	three usage 'no verb "x\x1b[2J\ny"' 'dyno help lists all verbs'
	run -125 dyno run --json $'--\e[2J\ny'
	[ "$(wc -l <<<"$output")" -eq 1 ]
	json '.error.message == "run: no option --\u001b[2J\ny"'
}

@test "every verb has its help, and every option stands in it" {
	run -0 dyno help --json
	json '.schema == 1 and (.verbs | length) >= 14'
	all=$output
	while read -ra verb; do
		run -0 --separate-stderr dyno help "${verb[@]}"
		help=$output
		[[ $help == "usage: dyno ${verb[*]}"* ]] && [ -z "$stderr" ]
		run -0 dyno "${verb[@]}" --help
		[ "$output" = "$help" ]
		run -0 dyno "${verb[@]}" -h --no-such-option
		[ "$output" = "$help" ]
		while read -r option; do
			grep -q -- " --$option\b" <<<"$help" || fail "no $option in: dyno help ${verb[*]}"
		done < <(jq -r --arg v "${verb[*]}" \
			'.verbs[] | select(.name == $v).options[].name' <<<"$all")
		[ "$(wc -L <<<"$help")" -le 100 ]
	done < <(jq -r '.verbs[].name' <<<"$all")
}

@test "the option tables are well formed: no name or letter twice in a verb, none unexplained" {
	run -0 dyno help --json
	json '[.verbs[].name] | length == (unique | length)'
	json 'all(.verbs[]; [.options[].name] | length == (unique | length))'
	json 'all(.verbs[]; [.options[].letter | select(.)] | length == (unique | length))'
	json 'all(.verbs[].options[]; (.help | length > 0) and (.name | test("^[a-z][a-z0-9-]*$")))'
	json 'all(.verbs[].options[]; (.kind == "flag") == (.argument == null))'
	json 'all(.verbs[].options[]; (.kind == "choice") == (.choices | length > 0))'
	json 'all(.verbs[]; .options | length <= 128)'
	json '[.verbs[] | select(.runs_command).name] == ["run", "start", "exec"]'
}

@test "-h works whatever the variables and the file hold" {
	DYNO_CFG_PORT=nonsense DYNO_CFG_CONFIG=/no/such/file run -0 dyno run -h
	DYNO_CFG_NO_SUCH=1 run -0 dyno help run
	DYNO_CFG_NO_SUCH=1 run -0 dyno --version
}

@test "a variable or a line of the file that is wrong is named" {
	DYNO_CFG_PORT=99999 run -125 --separate-stderr dyno run app.tgz
	three usage 'DYNO_CFG_PORT: "99999" is not a port' 'dyno help run'
	DYNO_CFG_NETWROK=none run -125 --separate-stderr dyno run app.tgz
	three usage 'DYNO_CFG_NETWROK' 'did you mean DYNO_CFG_NETWORK?'
	work
	printf '# comment\n\ngrace = 10s\nport = x\n' >config
	run -125 --separate-stderr dyno run --config config app.tgz
	three usage 'config:4: "x" is not a port' 'dyno help run'
	# the stronger source hides the wrong value, and the next error is the slug's
	run -125 --separate-stderr dyno run --config config --port 80 /no/such.tgz
	assert_error slug.open
	run -125 --separate-stderr dyno run --config /no/such/file app.tgz
	assert_error host.io
}

@test "the file is read when it exists, and a list of it may have several lines" {
	work
	printf 'env = =bad\nenv = A=1\n' >config
	DYNO_CFG_CONFIG=$PWD/config run -125 dyno run -q "$(slug shapes)" true
	assert_error env.key
	DYNO_CFG_CONFIG=$PWD/config run -0 dyno run -q -e B=2 "$(slug shapes)" \
		'echo "A=${A-} B=${B-}"'
	[ "$output" = 'A= B=2' ]
}

@test "explain knows every class and suggests the nearest" {
	run -0 dyno explain --json
	json '[.classes[].class] | length > 40 and length == (unique | length)'
	while read -r class; do
		run -0 dyno explain "$class"
		[[ $output == "$class: "* ]]
	done < <(jq -r '.classes[].class' <<<"$output")
	run -1 --separate-stderr dyno explain slug.pathh
	three dyno.not-found 'no error class "slug.pathh"' 'dyno explain slug.path'
}

@test "errors are one JSON object with --json, also those found before it" {
	run -125 dyno run --bogus --json
	json '.schema == 1 and .error.class == "usage" and .error.errno == null'
	run -125 dyno run --json /no/such/slug.tgz
	json '.error.class == "slug.open" and .error.errno == 2'
	run -2 dyno check --json
	json '.error.class == "usage" and (.error.hint | test("dyno help check"))'
}

@test "--version --json tells what was found of the host" {
	run -0 dyno --version
	[[ $output =~ ^dyno\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	run -0 dyno --version --json
	json '.schema == 1 and .version and .kernel'
	json '.features | length > 5 and all(.[]; .name and .verdict)'
	run -0 dyno --version --json --run-dir /proc/nowhere --data-dir /proc/nowhere
	json '.version'
}

@test "a full disk is reported, a reader that has gone is not (T22)" {
	run -1 bash -c '"$DYNO" help >/dev/full'
	assert_error host.io
	assert_line 'write to standard output: no space left on device'
	run -0 bash -c 'set -o pipefail; "$DYNO" help | true'
	[ -z "$output" ]
	run -2 bash -c '"$DYNO" nonsense 2>/dev/full'
	[ -z "$output" ]
}

@test "closed standard descriptors do no harm (T22)" {
	run -0 bash -c '"$DYNO" help <&- >&- 2>&-'
	run -2 bash -c '"$DYNO" nonsense <&- >&- 2>&-'
	# nothing of dyno may take number 2 and receive the error's text
	run -1 bash -c '"$DYNO" slug info /no/such.tgz 2>&-'
	[ -z "$output" ]
}

@test "a caller's blocked and ignored signals do no harm (T24)" {
	run -0 env --ignore-signal --block-signal "$DYNO" help
	assert_line 'usage: dyno VERB'
	run -0 bash -c 'env --ignore-signal=PIPE "$DYNO" help | true'
}

@test "variables of the loader and of libc have no effect on dyno (T18)" {
	run -0 env LD_PRELOAD=/no/such.so LD_LIBRARY_PATH=/nowhere LD_DEBUG=all GCONV_PATH=/nowhere \
		NLSPATH=/nowhere LC_ALL=xx_YY.nonsense LANG=de_DE TZ=/dev/zero "$DYNO" --version
	[[ $output =~ ^dyno\ [0-9.]+$ ]]
}

@test "--color and the variables decide about colour" {
	run -2 dyno --color=always
	run -1 dyno explain --color=always none-such
	[[ ${lines[0]} == *$'\e['* ]]
	CLICOLOR_FORCE=1 run -2 dyno nonsense
	[[ ${lines[0]} == *$'\e['* ]]
	CLICOLOR_FORCE=1 NO_COLOR=1 run -2 dyno nonsense
	[[ ${lines[0]} != *$'\e'* ]]
	run -2 dyno nonsense
	[[ ${lines[0]} != *$'\e'* ]]
}

@test "completion offers verbs, options, choices, files, digests and classes" {
	eval "$(dyno help --completion bash)"
	work
	touch shop.tgz
	[[ " $(offers dyno '') " == *' run start scale '*'slug check '* ]]
	[ "$(offers dyno ch)" = check ]
	[[ " $(offers dyno slug '') " == *' pack add info ls verify rm gc '* ]]
	[ "$(offers dyno slug ve)" = verify ]
	[ "$(offers dyno run --boot)" = --boot-timeout ]
	[ "$(offers dyno run --network '')" = 'auto host none private private:app' ]
	[ "$(offers dyno run --network = n)" = none ]
	[ "$(offers dyno run --network =)" = 'auto host none private private:app' ]
	[ "$(offers dyno run sho)" = shop.tgz ]
	[ "$(offers dyno run --env-file sho)" = shop.tgz ]
	[ -z "$(offers dyno run --app sho)" ]
	[ "$(offers dyno explain slug.pa)" = slug.path ]
	[ "$(offers dyno help doc)" = doctor ]
	digest=$(dyno slug add "$(slug clock)")
	[[ " $(offers dyno slug rm '') " == *" $digest "* ]]
	[ "$(offers dyno run sha256 : "${digest:7:60}")" = "${digest:7}" ]
}

@test "the completion script is clean bash" {
	need "shellcheck is not installed" command -v shellcheck
	dyno help --completion bash >"$BATS_TEST_TMPDIR/dyno.bash"
	run -0 bash -n "$BATS_TEST_TMPDIR/dyno.bash"
	run -0 shellcheck -s bash "$BATS_TEST_TMPDIR/dyno.bash"
}

@test "run --json ends with the outcome, --timing with the phases, -v with a sentence" {
	run -3 --separate-stderr dyno run -q --json --timing -a shop --name one.7 \
		"$(slug shapes)" 'echo out; exit 3'
	[ "$output" = out ]
	output=${stderr_lines[-1]}
	json '.schema == 1 and .outcome.app == "shop" and .outcome.dyno == "one.7"'
	json '.outcome.exit_code == 3 and .outcome.signal == null and .outcome.reason == "exit" and .outcome.detail == null'
	json '.outcome.timing | length > 3 and all(.[]; .phase and .at_us >= .step_us)'
	run -3 --separate-stderr dyno run -qv --timing "$(slug shapes)" 'exit 3'
	assert_line ''
	grep -q 'at us   step us  phase$' <<<"$stderr"
	[[ ${stderr_lines[-1]} == dyno:*'exit status 3 (exit) after '*' ms'* ]]
}

@test "platform lines go to standard error in their long form, or nowhere with -q (C10.2, C0.8)" {
	run -0 --separate-stderr dyno run "$(slug shapes)" 'echo out'
	[ "$output" = out ]
	form='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}\+00:00 heroku\[run\.[0-9]+\]: .+$'
	[ "${#stderr_lines[@]}" -ge 2 ]
	for line in "${stderr_lines[@]}"; do
		[[ $line =~ $form ]] || fail "odd line: $line"
	done
	run -0 --separate-stderr dyno run --log-source shop "$(slug shapes)" 'echo out'
	[[ ${stderr_lines[0]} == *' shop[run.'* ]]
	run -0 --separate-stderr dyno run -q "$(slug shapes)" 'echo out'
	[ "$output" = out ]
	[ -z "$stderr" ]
}

@test "on a terminal a platform line is short and has no stray bytes when NO_COLOR is set" {
	need "script(1) is not installed" command -v script
	NO_COLOR=1 run -0 as_user script -qec "'$DYNO' run '$(slug shapes)' true" /dev/null
	[[ ${lines[0]} =~ ^[0-9:]{8}\ heroku\[run\.[0-9]+\]\ \|\ .+ ]]
	[[ $output != *$'\e'* ]]
}

@test "slug pack is reproducible, replaces only what -o names, and leaves nothing half-made" {
	work
	mkdir shop
	printf 'web: true\n' >shop/Procfile
	run -0 dyno slug pack shop
	digest=$output
	[ "$digest" = "sha256:$(sha256sum <shop.tgz | cut -d' ' -f1)" ]
	run -1 --separate-stderr dyno slug pack shop
	three host.io 'write shop.tgz: file exists' '-o shop.tgz replaces it'
	run -0 dyno slug pack shop -o other.tgz
	[ "$output" = "$digest" ]
	cmp shop.tgz other.tgz
	run -0 --separate-stderr bash -c '"$DYNO" slug pack shop -o - | sha256sum'
	[ "$stderr" = "$digest" ]
	[ "sha256:${output%% *}" = "$digest" ]
	run -0 dyno slug pack shop -o other.tgz --json
	json ".digest == \"$digest\" and .file == \"other.tgz\" and .archive_bytes > 20"
	before=$(sha256sum other.tgz)
	run -1 dyno slug pack no-such-directory -o other.tgz
	[ "$(sha256sum other.tgz)" = "$before" ]
	run -1 bash -c '"$DYNO" slug pack shop -o - >/dev/full'
	run -2 --separate-stderr dyno slug pack .
	three usage '"." gives the slug no name' '-o app.tgz'
	shopt -s dotglob
	[ "$(echo *)" = 'other.tgz shop shop.tgz' ]
}

@test "slug add, ls, info, verify, rm and gc, by whole digest and by its beginning" {
	run -0 dyno slug add --json "$(slug clock)"
	json '(.unpacked | type == "boolean") and (.digest | test("^sha256:[0-9a-f]{64}$"))'
	digest=$(jq -r .digest <<<"$output")
	run -0 dyno slug add "$(slug clock)"
	[ "$output" = "$digest" ]
	run -0 dyno slug ls -q
	assert_line "$digest"
	run -0 dyno slug ls
	assert_line "${digest:0:19}"
	run -0 dyno slug ls --json
	json ".slugs | any(.digest == \"$digest\" and .tree_bytes > 0 and .in_use == false)"
	run -0 dyno slug info --json "${digest:0:20}"
	json ".digest == \"$digest\" and (.types | length > 0)"
	run -0 dyno slug verify "${digest:0:20}"
	[ -z "$output" ]
	run -0 dyno slug rm "${digest:0:20}"
	run -1 dyno slug rm "${digest:0:20}"
	assert_error store.not-found
	run -2 dyno slug rm clock.tgz
	assert_error usage
	run -0 dyno slug gc --json
	json '.removed == 0 and .removed_bytes == 0'
}

@test "check and doctor answer by their status, with JSON on demand" {
	work
	as_user mkdir app
	printf 'web: true\nnonsense\n' >app/Procfile
	run -0 dyno check app
	[[ $output == *'Procfile:2: warning: '* ]]
	run -0 dyno check --json app
	json '.errors == 0 and (.findings | any(.line == 2 and .verdict == "warning"))'
	printf 'web: a\nweb: b\n' >app/Procfile
	run -1 dyno check app
	run dyno doctor --json
	json '.probes | length > 10 and all(.[]; .name and .fact)'
	[ "$status" -eq "$(jq 'if .missing > 0 then 1 else 0 end' <<<"$output")" ]
}
