#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is run: process types, words, arguments after --; Procfiles as people and attackers write
# them; names; slugs that are not what they should be.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

# forget DIRECTORY: of the user's own, with trees that it made read-only
forget() {
	[ ! -d "$1" ] || as_user find "$1" -type d ! -perm -200 -exec chmod u+w {} +
	as_user rm -rf "$1"
}

# runs ARG...: standard output of a dyno run that succeeds
runs() { run -0 --separate-stderr dyno run -q "$@"; }

@test "a type alone runs as that type, with words after it as a one-off (C4.7, C8.5)" {
	dir=$(app -t 'job: printf "<%s>" $DYNO' -t 'web: echo web' types)
	runs "$dir" job
	[ "$output" = '<job.1>' ]
	runs "$dir" job 42 'a b' '$HOME' "it's" ''
	[[ $output =~ ^\<run\.[0-9]{4}\>\<42\>\<a\ b\>\<\$HOME\>\<it\'s\>\<\>$ ]] || lib_seen "words"
}

@test "no operand is web, else an error that lists the types, also those of .release (C4.5, C4.6)" {
	dir=$(app -t 'web: echo it is web' types2)
	runs "$dir"
	[ "$output" = 'it is web' ]
	dir=$(app -t 'worker: true' -t 'clock: true' types3)
	put "$dir/.release" <<<$'default_process_types:\n  console: echo console\n  worker: echo wrong'
	run -125 --separate-stderr dyno run "$dir"
	refused procfile.no-such-type 125
	[[ $stderr == *worker* ]]
	[[ $stderr == *clock* ]]
	[[ $stderr == *console* ]]
	runs "$dir" console
	[ "$output" = console ]
	runs "$dir" worker
	[ -z "$output" ]
}

@test "default types of .release serve where the Procfile names none, web too (C4.6)" {
	dir=$(app types4)
	put "$dir/.release" <<<$'---\ndefault_process_types:\n  web: echo default web\nconfig_vars: {}'
	runs "$dir"
	[ "$output" = 'default web' ]
}

@test "one word is bash's text untouched, several arrive as they were, -- is an argv (C8.5)" {
	dir=$(app words)
	runs "$dir" 'printf "<%s>" a  b "$DYNO_SIZE"; [ $# = 0 ] && echo; exit 0 # comment'
	[ "$output" = '<a><b><standard-1x>' ]
	# shellcheck disable=SC1003 # a lone backslash
	runs "$dir" printf '<%s>' 'a  b' '"' "'" '$HOME' '*' '\' '' 'é' $'x\ny'
	[ "$output" = $'<a  b><"><\'><$HOME><*><\\><><é><x\ny>' ]
	runs "$dir" -- printf '<%s>' 'a  b' '$HOME' ';' -- --help
	[ "$output" = '<a  b><$HOME><;><--><--help>' ]
	# an argv has no shell: no profile, no words, the default PATH
	put "$dir/.profile" <<<'echo profile'
	runs "$dir" -- echo argv
	[ "$output" = argv ]
	runs "$dir" echo words
	[ "$output" = $'profile\nwords' ]
}

@test "options end with SLUG, and a command may begin with a dash after -- (C8.5)" {
	dir=$(app dash)
	put "$dir/-x" 755 <<<$'#!/bin/bash\necho dashed "$@"'
	runs "$dir" -- ./-x -q --port
	[ "$output" = 'dashed -q --port' ]
}

@test "Procfiles with CRLF, BOM, tabs, comments, no blank after the colon, a colon in the command (C4.2, C4.3, T15)" {
	dir=$(app odd)
	printf '\xef\xbb\xbf# comment\r\n\r\n  # indented: comment\r\nweb:echo tight $DYNO\r\nmy-worker:\techo a:b "c: d"\r\nUPPER_9: echo upper\r\nlast: echo no newline' |
		put "$dir/Procfile"
	runs "$dir"
	[ "$output" = 'tight web.1' ]
	runs "$dir" my-worker
	[ "$output" = 'a:b c: d' ]
	runs "$dir" UPPER_9
	[ "$output" = upper ]
	runs "$dir" last
	[ "$output" = 'no newline' ]
}

@test "Procfiles that cannot be: named with the line, and -- runs all the same (T15)" {
	dir=$(app bad)
	declare -A bad=([nul]='web: a\0b' [duplicate]='web: a\nweb: b' [empty-command]='web:\n'
		[long]="web: $(head -c 1100000 /dev/zero | tr '\0' x)")
	for name in "${!bad[@]}"; do
		printf '%b\n' "${bad[$name]}" | put "$dir/Procfile"
		run --separate-stderr dyno run "$dir"
		[ "$status" -eq 125 ] || lib_seen "$name"
		[[ $stderr == *'[procfile.'* ]] || lib_seen "$name"
		[ "$(wc -c <<<"$stderr")" -lt 1000 ] || lib_seen "$name"
		runs "$dir" -- echo repaired
		[ "$output" = repaired ]
	done
}

@test "no Procfile, an empty one and one of comments: a command is needed (C4.1, T15)" {
	dir=$(app none)
	run -125 --separate-stderr dyno run "$dir"
	refused procfile.missing 125
	put "$dir/Procfile" </dev/null
	run -125 --separate-stderr dyno run "$dir"
	refused procfile.missing 125
	put "$dir/Procfile" <<<$'# web: commented\n\n'
	run -125 --separate-stderr dyno run "$dir"
	refused procfile.missing 125
	runs "$dir" echo fine
	[ "$output" = fine ]
	# the name has exactly this case
	as_user rm "$dir/Procfile"
	put "$dir/procfile" <<<'web: true'
	run -125 --separate-stderr dyno run "$dir"
	refused procfile.missing 125
}

@test "a Procfile that is a fifo, a directory, a device link, a link out or huge is an error and no hang (T16)" {
	dir=$(app hostile)
	as_user touch "$BASE/outside"
	for kind in fifo directory zero environ outside loop huge; do
		as_user rm -rf "$dir/Procfile"
		case $kind in
		fifo) as_user mkfifo "$dir/Procfile" ;;
		directory) as_user mkdir "$dir/Procfile" ;;
		zero) as_user ln -s /dev/zero "$dir/Procfile" ;;
		environ) as_user ln -s /proc/self/environ "$dir/Procfile" ;;
		outside) as_user ln -s ../../outside "$dir/Procfile" ;;
		loop) as_user ln -s Procfile "$dir/Procfile" ;;
		huge) as_user truncate -s 4G "$dir/Procfile" ;;
		esac
		run --separate-stderr timeout 60 "${user[@]}" "$DYNO" run "$dir"
		refused procfile.syntax 125
		[[ $stderr == *Procfile* ]]
	done
	as_user rm -rf "$dir/Procfile"
}

@test ".release that is a fifo, a link out or nonsense is an error and no hang (T16, T19)" {
	dir=$(app -t 'web: true' hostile2)
	as_user mkfifo "$dir/.release"
	run --separate-stderr timeout 60 "${user[@]}" "$DYNO" run "$dir"
	[ "$status" -eq 125 ]
	[[ $stderr == *.release* ]]
	as_user rm "$dir/.release"
	as_user ln -s /dev/zero "$dir/.release"
	run --separate-stderr timeout 60 "${user[@]}" "$DYNO" run "$dir"
	[ "$status" -eq 125 ]
	as_user rm "$dir/.release"
	put "$dir/.release" <<<$'config_vars:\n\t- &a [*a, *a]\n'
	run --separate-stderr dyno run "$dir"
	[ "$status" -eq 125 ]
}

@test "names of apps and dynos that are no names are refused, and leave nothing (T21)" {
	dir=$(app names)
	for bad in ../x -rf . .. '' "$(printf 'x%.0s' {1..300})" $'a\nb' 'é' 'a b' 'a/b' web.1/.. $'\e[2J' '*'; do
		run --separate-stderr dyno run "--name=$bad" "$dir" true
		[ "$status" -eq 125 ] || lib_seen "name: $bad"
		[[ $stderr == *'['@(name.invalid|usage)']'* ]] || lib_seen "name: $bad"
		[[ $stderr != *$'\e'* ]]
		run --separate-stderr dyno run "--app=$bad" "$dir" true
		[ "$status" -eq 125 ] || lib_seen "app: $bad"
	done
	[ -z "$(find "$BASE/run" -mindepth 1 -type d)" ]
	runs -a A-b_c.d+1 --name _x.Y-1+2 "$dir" 'echo $DYNO'
	[ "$output" = _x.Y-1+2 ]
}

@test "the app's name comes from the file or the directory, or is one all the same (C3.5)" {
	name_of() {
		run -0 --separate-stderr dyno run -q --json "$1" -- true
		jq -r .outcome.app <<<"${stderr_lines[-1]}"
	}
	put "$BASE/shop.tgz" <"$SHAPES"
	put "$BASE/böse name!.tgz" <"$SHAPES"
	[ "$(name_of "$BASE/shop.tgz")" = shop ]
	[[ $(name_of "$BASE/böse name!.tgz") =~ ^[A-Za-z0-9_][A-Za-z0-9_.+-]*$ ]]
	[ "$(name_of "$(app directory)")" = directory ]
	(cd "$BASE/apps/directory" && [ "$(name_of .)" = directory ]) || (cd "$BASE/apps/directory" && [ "$(name_of .)" = app ])
	run -0 --separate-stderr dyno run -q --json - -- true <"$SHAPES"
	[[ $(jq -r .outcome.app <<<"${stderr_lines[-1]}") =~ ^[0-9a-f]{12}$ ]]
}

@test "a slug by path, from standard input and by digest is the same (C5.1, C5.2)" {
	runs "$SHAPES" args x
	[ "$output" = '[x]' ]
	run -0 --separate-stderr dyno run -q - args y <"$SHAPES"
	[ "$output" = '[y]' ]
	run -0 dyno slug add "$SHAPES"
	runs "$output" args z
	[ "$output" = '[z]' ]
	# members at the root, without app/
	dir=$(app -t 'web: echo root form' rootform)
	as_user tar -C "$dir" -cf "$BASE/rootform.tar" .
	runs "$BASE/rootform.tar"
	[ "$output" = 'root form' ]
}

@test "a wrong checksum is R17, with both digests, and the store stays as it was (C5.4, R17, T14)" {
	good=$(sha256sum <"$SHAPES" | cut -d' ' -f1)
	wrong=$(printf '0%.0s' {1..64})
	forget "$BASE/data2"
	run -125 --separate-stderr dyno run --data-dir "$BASE/data2" --checksum "SHA256:$wrong" "$SHAPES" true
	refused slug.digest 125
	[[ $stderr == *R17* ]]
	[[ $stderr == *$good* ]]
	[[ $stderr == *$wrong* ]]
	[ -z "$(find "$BASE/data2" -path '*/slugs/*' -name 'sha256-*' 2>/dev/null)" ]
	run -0 dyno run -q --data-dir "$BASE/data2" --checksum "SHA256:$good" "$SHAPES" true
	# what is in the store is compared too
	run -125 --separate-stderr dyno run --data-dir "$BASE/data2" --checksum "SHA256:$wrong" "$SHAPES" true
	refused slug.digest 125
	forget "$BASE/data2"
}

@test "slugs that are none: missing, a device, a fifo, unreadable, not in the store (T09, T63)" {
	as_user mkfifo "$BASE/fifo.tgz"
	put "$BASE/empty.tgz" </dev/null
	put "$BASE/text.tgz" <<<'this is no archive'
	for slug in /no/such.tgz /dev/zero "$BASE/fifo.tgz" "$BASE/empty.tgz" "$BASE/text.tgz" \
		sha256:0000 "sha256:$(printf '0%.0s' {1..64})" ''; do
		run --separate-stderr timeout 60 "${user[@]}" "$DYNO" run "$slug" true
		[ "$status" -eq 125 ] || lib_seen "slug: $slug"
		[[ $stderr == 'dyno: '*'['*.*']'* || $stderr == *'[usage]'* ]] || lib_seen "slug: $slug"
	done
	if [ "$PROFILE" = rootless ]; then
		install -m 600 "$SHAPES" "$BASE/closed.tgz"
		run -125 --separate-stderr dyno run "$BASE/closed.tgz" true
		refused slug.open 125
	fi
}

@test "files that cannot be executed: 126 or 127 and a sentence, by shell and by argv (U25, T37)" {
	dir=$(app exec)
	put "$dir/crlf" 755 <<<$'#!/bin/bash\r\necho never\r'
	put "$dir/badbang" 755 <<<'#!/no/such/interpreter'
	put "$dir/nobang" 755 <<<'#!'
	put "$dir/mode0" 644 <<<$'#!/bin/bash\necho never'
	put "$dir/empty" 755 </dev/null
	put "$dir/garbage" 755 < <(printf '\x00\x01\x02\xff%.0s' {1..64})
	as_user mkdir -p "$dir/directory"
	# an ELF header of the other architecture
	python3 -c '
import platform, struct
other = 183 if platform.machine() == "x86_64" else 62
head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, other, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
import sys
sys.stdout.buffer.write(head + bytes(256))' | put "$dir/arch" 755
	other=aarch64
	[ "$(uname -m)" = x86_64 ] || other=x86_64
	explains() { # explains FILE STATUS TEXT: after --, with an error; by bash, with a warning
		run "-$2" --separate-stderr dyno run "$dir" -- "./$1"
		[[ $stderr == *'[exec.not-'*']'* ]] || lib_seen "$1: no class"
		[[ $stderr == *"$3"* ]] || lib_seen "$1: expected: $3"
		# bash reads an empty file as a script
		[ "$1" != empty ] || return 0
		run "-$2" --separate-stderr dyno run "$dir" "./$1"
		[[ $stderr == *"Warning: "*"$3"* || $1 == missing ]] || lib_seen "$1 by bash: expected: $3"
	}
	explains missing 127 'missing'
	explains crlf 127 'CRLF line end'
	explains badbang 127 'needs /no/such/interpreter, which the dyno does not have'
	explains mode0 126 'no execute permission (chmod +x)'
	explains directory 126 'is a directory'
	explains empty 126 'is empty'
	explains garbage 126 'of no format that Linux executes'
	explains arch 126 "is an $other binary, this host is $(uname -m)"
	run -127 --separate-stderr dyno run "$dir" -- no-such-program
	refused exec.not-found 127
	run -127 --separate-stderr dyno run "$dir" no-such-program
	[[ $stderr == *'no-such-program: command not found'* ]]
	run -127 --separate-stderr dyno run "$dir" -- ''
	run -126 --separate-stderr dyno run "$dir" -- /etc
	refused exec.not-executable 126
}
