#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile and damaged archives, and the store under fire: T01-T14, T42, T46, T53, T55.  Each archive
# is made by tests/helpers/mktar.py by name.
load lib

make() { # NAME...: archives of that name in the file's directory
	local name
	for name; do
		[ -e "$BASE/$name.tgz" ] ||
			"$TOP/tests/helpers/mktar.py" "$name" | as_user tee "$BASE/$name.tgz" >/dev/null
	done
}

# Everything that the store holds, with sizes and times, apart from empty directories of its own.
store_state() { find "$BASE/data" -mindepth 2 -printf '%P %s %T@ %l\n' | sort; }

# refused CLASS NAME...: the archive is refused with that class, and the store is as it was
refused() {
	local class=$1 name before
	shift
	for name; do
		make "$name"
		before=$(store_state)
		run -1 dyno slug add "$BASE/$name.tgz"
		assert_error "$class" || fail "archive $name"
		[ "$(store_state)" = "$before" ] || fail "archive $name left something in the store"
	done
}

# taken NAME: the archive is unpacked; TREE is the app
taken() {
	make "$1"
	run -0 dyno slug add "$BASE/$1.tgz"
	TREE=$BASE/data/slugs/${output/sha256:/sha256-}/root/app
	[ -d "$TREE" ] || fail "archive $1 has no tree"
	dyno slug verify "$output" || fail "archive $1 differs from its own tree"
}

drop_all() { dyno slug gc --unused >/dev/null; }

@test "gzip, zstd, xz and plain tar give the same tree (T09)" {
	local form
	for form in good good-plain good-xz good-zstd; do
		taken "$form"
		(cd "$TREE" && find . -type f -exec sha256sum {} + | sort -k2) >"$BASE/sums.$form"
		cmp "$BASE/sums.good" "$BASE/sums.$form"
		[ "$(readlink "$TREE/current")" = bin ]
		[ -x "$TREE/bin/run" ]
	done
	drop_all
}

@test "members beneath ./app/ and members at the root are both an app (C5.1, C5.2)" {
	taken heroku-nodirs
	[ -f "$TREE/a/b/c" ] && [ -f "$TREE/Procfile" ]
	taken heroku-strays
	[ -f "$TREE/Procfile" ] && [ ! -e "$TREE/../stray" ] && [ ! -e "$TREE/../etc" ]
	taken root-form
	[ -f "$TREE/app/models.rb" ] && [ -f "$TREE/Procfile" ] && [ -f "$TREE/config.ru" ]
	taken root-form-nodot
	[ -f "$TREE/app/a" ]
	drop_all
}

@test "T01 paths that lead outside are refused and nothing outside is touched" {
	refused slug.path t01-dotdot t01-absolute t01-inner t01-harmless
	[ ! -e /tmp/dyno-t01 ] && [ ! -e "$BASE/x" ] && [ ! -e "$BASE/data/x" ]
}

@test "T02 a member through a symbolic link is refused" {
	refused slug.path t02-link t02-inside t02-app-link
	[ ! -e /etc/dyno-t02 ]
}

@test "T03 loops and long chains of links are inert; through one is an error and no hang" {
	taken t03-inert
	[ "$(readlink "$TREE/loop")" = loop ] && [ "$(readlink "$TREE/l49")" = l50 ]
	refused slug.path t03-traversed
	drop_all
}

@test "T04 hard links lead to regular files of the archive only, and are never copies" {
	refused slug.path t04-outside t04-absolute
	refused slug.link t04-unseen t04-symlink t04-through t04-directory
	taken t04-good
	[ "$(stat -c %i "$TREE/a")" = "$(stat -c %i "$TREE/b")" ]
	drop_all
}

@test "T05 devices and fifos are refused" {
	refused slug.type t05-char t05-block t05-fifo
}

@test "T06 set-id and sticky bits and attributes are dropped, whiteouts are plain names" {
	taken t06-bits
	[ "$(stat -c %a "$TREE/suid")" = 755 ] && [ "$(stat -c %a "$TREE/sticky")" = 777 ]
	[ -z "$(find "$TREE" -perm /7000)" ]
	[ -f "$TREE/.wh.Procfile" ] && [ -f "$TREE/.wh..wh..opq" ] && [ -f "$TREE/Procfile" ]
	run python3 -c 'import os, sys; print(os.listxattr(sys.argv[1]))' "$TREE/attrs"
	[ "$output" = "[]" ]
	drop_all
}

@test "T07 bombs are stopped at the cap, which is named" {
	refused slug.limit t07-bomb
	assert_line "200 times"
	refused slug.limit t07-deep t07-depth
	assert_line "deeper than 128"
	refused slug.limit t07-name
	assert_line "255 bytes"
	refused slug.limit t07-path
	assert_line "4095 bytes"
}

@test "T07 a million empty files are the most" {
	need "takes a minute: only in a long run" [ "${DYNO_LONG:-0}" = 1 ]
	refused slug.limit t07-many
	assert_line "1000000 members"
}

@test "T08 sizes that lie are refused before anything is made of that size" {
	refused slug.limit t08-sparse t08-base256 t08-octal
	refused slug.format t08-negative
	refused slug.truncated t08-short
}

@test "T09 damaged and foreign files have distinct messages" {
	refused slug.truncated t09-truncated t09-half t09-xz-truncated t09-zstd-truncated
	assert_line "ends too early"
	refused slug.truncated t09-tar-truncated t09-tar-no-end
	refused slug.format t09-garbage t09-magic-garbage t09-xz-garbage t09-zstd-garbage
	assert_line "foreign bytes after its"
	refused slug.format t09-tar-garbage
	assert_line "after the end of its tar data"
	refused slug.format t09-crc
	assert_line "checksum"
	refused slug.format t09-flipped
	refused slug.format t09-zip
	assert_line "zip archive"
	assert_line "hint: "
	refused slug.format t09-bzip2
	assert_line "bzip2"
	refused slug.format t09-html
	assert_line "web page"
	refused slug.format t09-text t09-short
	refused slug.format t09-empty
	assert_line "empty file"
	refused slug.empty t09-empty-gzip t09-no-members
}

@test "T09 concatenated members and padding of zeros are read" {
	taken t09-members
	[ "$(stat -c %s "$TREE/data")" = 100000 ]
	taken t09-zeros
	drop_all
}

@test "T10 a name twice: the last wins within a kind, kinds do not mix" {
	taken t10-twice
	[ "$(cat "$TREE/a")" = second ]
	taken t10-link-twice
	[ "$(readlink "$TREE/l")" = b ]
	taken t10-linked-twice
	[ "$(cat "$TREE/a")" = two ] && [ "$(cat "$TREE/b")" = one ]
	refused slug.duplicate t10-file-dir t10-file-parent t10-dir-file t10-dir-link
	[ ! -e /etc/y ]
	drop_all
}

@test "T10 odd names are kept as they are, or refused, and shown escaped" {
	refused slug.path t10-empty-name t10-dotdot t10-dot-file
	refused slug.type t10-escape
	[[ $output != *$'\e'* ]] && [[ $output == *'\x1b]0;title\x07'* ]]
	taken t10-slashes
	[ -f "$TREE/a/b" ]
	taken t10-dots
	taken t10-bytes
	[ -f "$TREE/"$'new\nline' ] && [ -f "$TREE/"$'\e[31mred' ] && [ -f "$TREE/back\\slash" ]
	[ -f "$TREE/"$'latin\xe9' ] && [ -f "$TREE/ütf8-é" ] && [ -f "$TREE/påx-é-€" ]
	run -0 dyno slug verify "$(dyno slug add "$BASE/t10-bytes.tgz")"
	drop_all
}

@test "T11 owners in the archive are ignored: all belongs to the dyno's user" {
	taken t11-owners
	local owners
	owners=$(find "$TREE" -printf '%U:%G\n' | sort -u)
	[ "$(wc -l <<<"$owners")" = 1 ]
	if [ "$PROFILE" = rootless ]; then
		[ "${owners%:*}" = "$(stat -c %u "$BASE/data")" ]
	else
		[ "${owners%:*}" -ge 1000 ] && [ "${owners%:*}" -le 59999 ]
	fi
	drop_all
}

@test "T12 extended headers are bounded and have one meaning" {
	refused slug.format t12-bomb t12-longlink-bomb
	taken t12-twice
	[ -f "$TREE/two" ] && [ ! -e "$TREE/one" ]
	taken t12-size
	[ "$(cat "$TREE/x")" = abc ]
	taken t12-global
	[ "$(stat -c %s "$TREE/x")" = 1 ]
	taken t12-longlink
	[ -f "$TREE/$(printf 'l%.0s' {1..200})" ]
	drop_all
}

@test "T13 a directory of mode 0 gets its children, far times are held at the end" {
	taken t13-mode0
	[ "$(stat -c %a "$TREE/d")" = 700 ] && [ "$(stat -c %a "$TREE/d/f")" = 600 ]
	taken t13-mtime
	[ "$(stat -c %Y "$TREE/far")" = 2147483647 ] && [ "$(stat -c %Y "$TREE/past")" = 0 ]
	[ "$(stat -c %Y "$TREE/Procfile")" = 1000000000 ]
	drop_all
}

@test "T14 a wrong checksum is R17, leaves nothing, and the right one works after it" {
	make good
	local sum before
	sum=$(sha256sum "$BASE/good.tgz" | cut -d' ' -f1)
	before=$(store_state)
	run -2 dyno slug add --checksum "SHA256:${sum/[0-9a-f]/x}" "$BASE/good.tgz"
	run -1 dyno slug add --checksum "SHA256:$(printf '0%.0s' {1..64})" "$BASE/good.tgz"
	assert_error slug.digest
	assert_line "R17"
	assert_line "$sum"
	[ "$(store_state)" = "$before" ]
	run -0 dyno slug add --checksum "SHA256:$sum" "$BASE/good.tgz"
	[ "$output" = "sha256:$sum" ]
	run -0 dyno slug add --checksum "$sum" "$BASE/good.tgz"
	drop_all
}

@test "a refused archive ends a run with 125 (T01, T14)" {
	make t01-dotdot good
	run -125 dyno run "$BASE/t01-dotdot.tgz" -- true
	assert_error slug.path
	run -125 dyno run --checksum "$(printf '0%.0s' {1..64})" "$BASE/good.tgz" -- true
	assert_error slug.digest
}

@test "a slug on standard input is the one of the same bytes in a file" {
	make good
	local digest
	digest=$(dyno slug add "$BASE/good.tgz")
	run -0 dyno slug add - <"$BASE/good.tgz"
	[ "$output" = "$digest" ]
	run -1 dyno slug add - </dev/null
	assert_error slug.format
	drop_all
}

@test "what is no regular file is no slug, and no hang" {
	as_user mkfifo "$BASE/fifo"
	run -1 as_user timeout 60 "$DYNO" slug add "$BASE/fifo"
	assert_error slug.open
	run -1 dyno slug add /dev/null
	assert_error slug.open
	run -1 dyno slug add "$BASE/nowhere.tgz"
	assert_error slug.open
	rm "$BASE/fifo"
}

@test "T53 many starts of one cold slug unpack it once" {
	local n i pids=()
	n=$(loops 500)
	[ "$n" -ge 20 ] || n=20
	make good
	as_user cp "$BASE/good.tgz" "$BASE/many.tgz"
	for ((i = 0; i < n; i++)); do
		as_user "$DYNO" slug add "$BASE/many.tgz" >"$BASE/many.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(sort -u "$BASE"/many.* | grep -c '^sha256:')" = 1 ]
	[ "$(find "$BASE/data/slugs" -maxdepth 1 -name 'sha256-*' | wc -l)" = 1 ]
	[ -z "$(find "$BASE/data/tmp" "$BASE/data/locks" -mindepth 1)" ]
	rm -f "$BASE"/many.*
	drop_all
}

@test "T42 an unpack killed anywhere leaves nothing that a start takes for a slug" {
	local i n digest
	n=$(loops 500)
	make good
	as_user cp "$BASE/good.tgz" "$BASE/killed.tgz"
	for ((i = 0; i < n; i++)); do
		as_user "$DYNO" slug add "$BASE/killed.tgz" >/dev/null 2>&1 3>&- &
		sleep "0.00$((RANDOM % 10))"
		kill -KILL "$!" 2>/dev/null || :
		wait "$!" 2>/dev/null || :
		[ "$((i % 2))" = 0 ] || as_user touch "$BASE/killed.tgz"
	done
	run -0 dyno slug add "$BASE/killed.tgz"
	digest=$output
	run -0 dyno slug verify "$digest"
	dyno slug gc --unused
	[ -z "$(find "$BASE/data/tmp" "$BASE/data/locks" "$BASE/data/slugs" -mindepth 1 \
		! -path "$BASE/data/slugs/index" | head -1)" ]
	rm -f "$BASE/killed.tgz"
}

@test "T55 verify names what was changed, removed, added and flipped" {
	local digest
	taken good
	digest=$output
	run -0 dyno slug verify "$digest"
	printf y | dd of="$TREE/data" bs=1 seek=5 conv=notrunc status=none
	rm "$TREE/bin/run"
	touch "$TREE/stray"
	chmod 600 "$TREE/Procfile"
	run -1 dyno slug verify "$digest"
	assert_line data
	assert_line bin/run
	assert_line stray
	assert_line Procfile
	drop_all
}

@test "T55 a damaged entry is made anew where the archive is at hand, else refused by name" {
	local digest entry damage
	make good
	for damage in 'rm complete' 'rm -r root/app' 'mv root gone' 'ln -sfn 0:old complete'; do
		taken good
		digest=$output
		entry=${TREE%/root/app}
		# shellcheck disable=SC2086 # a command in words
		(cd "$entry" && as_user $damage)
		run -125 dyno run "$digest" -- true
		assert_error store.damaged
		assert_line "${digest:0:19}"
		run -0 dyno slug add "$BASE/good.tgz"
		[ "$output" = "$digest" ]
		run -0 dyno slug verify "$digest"
	done
	drop_all
}

@test "T55 a tree of another owner is refused, or made anew" {
	need "only root can give a tree away" [ "$PROFILE" != rootless ]
	taken good
	local digest=$output
	chown 0 "$TREE"
	run -125 dyno run "$digest" -- true
	assert_error store.damaged
	run -0 dyno slug add "$BASE/good.tgz"
	[ "$(stat -c %u "$TREE")" != 0 ]
	drop_all
}

@test "T55 a manifest that was edited does not vouch for anything" {
	taken good
	local digest=$output
	as_user sed -i 's/0644/0600/' "${TREE%/root/app}/manifest"
	run -1 dyno slug verify "$digest"
	assert_error store.damaged
	drop_all
}

@test "T46 a full disk is named with what to do, and leaves nothing" {
	need "only root can mount a small file system" [ "$PROFILE" != rootless ]
	make good
	mkdir -p "$BASE/small"
	mount -t tmpfs -o size=64k,mode=700 none "$BASE/small"
	run -1 dyno slug add --data-dir "$BASE/small/data" "$BASE/good.tgz"
	umount "$BASE/small"
	rmdir "$BASE/small"
	assert_error store.io
	assert_line "No space left" || assert_line "no space left"
	assert_line "hint: "
}

@test "a data directory that others may write is refused (T64)" {
	as_user mkdir -m 777 "$BASE/open"
	chmod 777 "$BASE/open"
	make good
	run -1 dyno slug add --data-dir "$BASE/open" "$BASE/good.tgz"
	assert_error store.io
	rmdir "$BASE/open"
}

@test "a pack is the same bytes wherever and whenever it is made, and obeys .slugignore (C5.6)" {
	as_user mkdir -p "$BASE/src/.git" "$BASE/src/b/cache" "$BASE/src/a" "$BASE/src/doc"
	printf 'web: ./run\n' | as_user tee "$BASE/src/Procfile" >/dev/null
	printf '# comment\n*.psd\n/doc\ncache/\n!kept\n' | as_user tee "$BASE/src/.slugignore" >/dev/null
	as_user touch "$BASE/src/.git/HEAD" "$BASE/src/a/x.psd" "$BASE/src/a/y" "$BASE/src/doc/z" \
		"$BASE/src/b/cache/c" "$BASE/src/b/doc"
	as_user install -m 750 /dev/null "$BASE/src/run"
	as_user ln -s a "$BASE/src/link"
	as_user ln "$BASE/src/a/y" "$BASE/src/a/y2"
	run -0 dyno slug pack -o "$BASE/one.tgz" "$BASE/src"
	as_user cp -r "$BASE/src" "$BASE/copy"
	as_user touch -d 2001-01-01 "$BASE/copy/Procfile"
	run -0 dyno slug pack -o "$BASE/two.tgz" "$BASE/copy"
	cmp "$BASE/one.tgz" "$BASE/two.tgz"
	run -0 tar -tvzf "$BASE/one.tgz"
	assert_line "drwxr-xr-x 0/0"
	assert_line "-rwxr-xr-x 0/0"
	assert_line ./app/link
	assert_line ./app/b/doc
	assert_line ./app/a/y2
	assert_no_line .git/
	assert_no_line psd
	assert_no_line cache
	assert_no_line ./app/doc
	run -0 dyno slug add "$BASE/one.tgz"
	as_user rm -r "$BASE/src" "$BASE/copy" "$BASE/one.tgz" "$BASE/two.tgz"
	drop_all
}

@test "mutated slugs: whatever becomes of them, nothing beside them changes (T01, T02, T04, T10)" {
	run as_user /usr/bin/python3 - -n 300 -t 60 -s 1 -d "$BASE" "$DYNO" "$(slug shapes)" "$(slug clock)" \
		<"$TOP/tests/fuzz/slug_add.py"
	assert_status 0
	assert_line 'canaries unchanged'
	[[ $output =~ ([0-9]+)' stored' ]] && [ "${BASH_REMATCH[1]}" -ge 1 ] || lib_seen "none was a slug"
}
