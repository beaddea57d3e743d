#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a size means to those who ask for it: servers that count their workers by WEB_CONCURRENCY, and
# the scripts of buildpacks, which guess the size from what they find inside.
# shellcheck disable=SC2016,SC2030,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

# The rows of table (a) that have a process limit and a file, from the contract itself:
# "NAME RAM-IN-MB LIMIT FILE", a line for each name.
rows() {
	awk -F' *[|] *' '
		/^[|] size / { table = 1 }
		/^$/ { table = 0 }
		!table || $11 !~ /^[0-9]+$/ || $2 ~ /\// { next }
		{
			ram = $3 + 0
			if ($3 ~ /^[0-9.]+ GB/) ram *= 1024
			split($10, limit, " ")
			names = $2
			gsub(/[(),]/, " ", names)
			n = split(names, name, " ")
			for (i = 1; i <= n; i++) print name[i], ram, limit[1], $11
		}' "$TOP/runtime/doc/contract.md"
}

# What the buildpacks of five languages do (C3.11 to C3.14), in the words of this test: a line
# "python MB", "node MB", "ruby MB", "java FLAGS", "php BYTES".
GUESS='
file=/sys/fs/cgroup/memory/memory.limit_in_bytes
bytes=$(cat "$file")
[ "$bytes" -gt 1099511627776 ] || echo "python $((bytes / 1048576))"
[ "$((bytes / 1048576))" -gt 129024 ] || echo "node $((bytes / 1048576))"
case $(ulimit -u) in
256) echo "ruby 512" ;;
512) echo "ruby 1024" ;;
16384) echo "ruby 2560" ;;
32768) echo "ruby 6144" ;;
*) echo "ruby ?" ;;
esac
case $bytes in
536870912) echo "java -Xmx300m -Xss512k" ;;
1073741824) echo "java -Xmx671m" ;;
*) echo "java -XX:MaxRAMPercentage=80" ;;
esac
root=$(awk "\$(NF-2) == \"cgroup2\" { print \$5 }" /proc/self/mountinfo)
for name in high max low min; do
	[ -z "$root" ] || ! [ -r "$root/memory.$name" ] || bytes=$(cat "$root/memory.$name")
done
[ "$bytes" -gt 8796093022208 ] || echo "php $bytes"
echo "limit $(ulimit -u)"'

@test "buildpacks find the size that was asked for, for each row of the table (C2.5, C3.11, C3.12, C3.13, C3.14)" {
	[ "$PROFILE" != rootless ] || skip "the same files; a user may have fewer processes himself"
	[ "$(rows | wc -l)" -ge 16 ] || fail "the table has other rows: $(rows)"
	while read -r name ram limit file; do
		case $limit in
		256) ruby=512 ;;
		512) ruby=1024 ;;
		16384) ruby=2560 ;;
		32768) ruby=6144 ;; # all that have that limit
		*) ruby='?' ;;
		esac
		case $ram in
		512) java='-Xmx300m -Xss512k' ;;
		1024) java=-Xmx671m ;;
		*) java=-XX:MaxRAMPercentage=80 ;;
		esac
		run -0 dyno run -q --network none --no-receipt --size "$name" "$SHAPES" "$GUESS"
		[ "$output" = "python $ram
node $ram
ruby $ruby
java $java
php $file
limit $limit" ] || lib_seen "of the size $name"
	done < <(rows)
}

# workers SIZE N [OPTION...]: so many does gunicorn start, no more and no less
workers() {
	local size=$1 n=$2
	shift 2
	begin --network none --size "$size" "$@" "$dir" web
	booted() { [ "$(grep -c 'Booting worker with pid' "$err")" -ge "$n" ]; }
	wait_for 60 booted
	# each worker once, under the one that had read the number
	count=$(pgrep -c -P "$(pgrep -f -o 'gunicorn.*hello:app' -P "$(pid1)")")
	[ "$count" = "$n" ] || fail "of the size $size: $count and not $n: $(cat "$err")"
	kill "$pid"
	finish 0 # that is how it answers TERM
}

@test "gunicorn without a number starts the workers that the size implies (C0.5, C3.11)" {
	need "no gunicorn: apt-get install gunicorn" test -x /usr/bin/gunicorn
	dir=$(app -t 'web: exec gunicorn hello:app' hello)
	put "$dir/hello.py" <<-'END'
		def app(environ, start_response):
		    start_response("200 OK", [])
		    return [b"hello\n"]
	END
	workers standard-1x 2
	[ "$PROFILE" != rootless ] || return 0
	workers standard-2x 4
	workers performance-m 5
	workers standard-1x 3 -e WEB_CONCURRENCY=3
}

@test "WEB_CONCURRENCY of each size (C0.5, C3.11)" {
	[ "$PROFILE" != rootless ] || skip "the same file"
	for case in standard-1x=2 standard-2x=4 performance-m=5 performance-l=17 performance-l-ram=9 \
		performance-xl=17 performance-2xl=33; do
		run -0 dyno run -q --network none --no-receipt --size "${case%=*}" "$SHAPES" 'echo $WEB_CONCURRENCY'
		[ "$output" = "${case#*=}" ] || lib_seen "of the size ${case%=*}"
	done
}
