#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# log.sh [BUILD [ROUNDS]] - the way of an app's output into its log file, beside `cat | cat > file`.
#
# The lines are of 62 bytes, and of 1,000; the same file goes either way, in paired rounds, to the
# same file system.  Prints lines a second, MB a second and the ratio, by the fastest tenth.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
rounds=${2:-25}
work=$(mktemp -d "${TMPDIR:-/tmp}/dyno-bench-log.XXXXXX")
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2016 # the script's own parameters
printf '#!/bin/sh\ncat "$1" | cat >"$2"\n' >"$work/cats"
chmod +x "$work/cats"

bench() { # BYTES_A_LINE LINES
	local bytes=$1 lines=$2
	yes "$(head -c $((bytes - 1)) /dev/zero | tr '\0' x)" | head -n "$lines" >"$work/lines" || true
	printf 'cat\t%s %s %s\nlog\t%s %s /bin/cat %s\n' "$work/cats" "$work/lines" "$work/out" \
		"$build/bench/logpath" "$work/data" "$work/lines" >"$work/list"
	"$build/bench/pairs" -e -n "$rounds" -o "$work/raw" "$work/list" >"$work/table" || {
		cat "$work/table"
		exit 1
	}
	awk -v cat="$(tenth cat)" -v log_us="$(tenth log)" -v lines="$lines" -v bytes="$bytes" '
		BEGIN {
			printf "%d bytes a line: ", bytes
			printf "cat|cat %.1f M lines/s, %.0f MB/s; ", lines / cat, lines * bytes / cat
			printf "log %.1f M lines/s, %.0f MB/s; ", lines / log_us, lines * bytes / log_us
			printf "ratio %.2f\n", cat / log_us
		}'
}

tenth() { # NAME: wall time in us that one round in ten undercuts
	awk -F, -v name="$1" '$2 == name { print $3 }' "$work/raw" | sort -n |
		sed -n "$(((rounds + 9) / 10))p"
}

bench 62 2000000
bench 1000 120000
