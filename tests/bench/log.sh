#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# log.sh [BUILD] - the way of an app's output into its log file.
#
#   ROUNDS, LINES    rounds (9), and lines of 62 bytes in each (4000000)
#
# The same lines, of 62 bytes and of 1,000, go to the same file system in paired rounds by
#
#   cat|cat          cat FILE | cat >LOG: copies, and neither lines nor times
#   dyno             a detached dyno's log, from `dyno run --detach` to the end of `dyno wait`.  It is
#                    bounded: to take old lines away is part of it, where the other files grow, and
#                    are taken away before the next run, which a fastest tenth does not show
#   dyno start       the foreground, `dyno start >LOG`
#   the path alone   the monitor's loop, pipes and sink in a program of their own, without a dyno
#   conmon           its k8s-file log.  The "runtime" that it is given only executes cat, after 50 ms in
#                    which conmon sees that it has started; and its log is not synchronised to disk
#   foreman          foreman start >LOG, of 20,000 lines, or a round would take minutes.
#                    They come after a second: an app that fills its pipe before foreman has said
#                    that it has started stops both for ever
#
# Each is timed with the lines and with none; the difference is what the lines cost, and what is
# compared, the fastest tenth of either.  Then each supervisor alone: its CPU a million lines, and
# its peak memory, of an app that prints nothing and of one that prints five times LINES.
set -euo pipefail

# ---- one command, of a file of lines ------------------------------------------------------------
conmon_of() { # COMMAND: a container that executes it
	rm -f "$work/conmon.log" "$run/bench"
	CONTAINER=$1 exec conmon --sync -c bench -u bench -n bench -r "$work/runtime" -b "$run/bundle" \
		-p "$run/pid" -l "k8s-file:$work/conmon.log" --no-sync-log \
		--socket-dir-path "$run" --exit-dir "$run/exits"
}

of_lines() { # NAME FILE
	case $1 in
	cats)
		# shellcheck disable=SC2002 # it is what the others are compared with
		cat "$app/$2" | cat >"$work/cats.log"
		;;
	dyno)
		"$dyno" run --detach -q --network none --name bench.1 "$app" -- cat "$2" >/dev/null
		"$dyno" wait -q bench.1 >/dev/null
		;;
	start)
		"$dyno" start -q --network none --restart never "$app" "$2" >"$work/start.log"
		;;
	path)
		"$logpath" "$work/path" /bin/cat "$app/$2"
		;;
	conmon)
		conmon_of "cat $app/$2"
		;;
	foreman)
		cd "$app"
		foreman start -f "Procfile.$2" >"$work/foreman.log"
		;;
	esac
}

if [ $# -eq 2 ]; then
	of_lines "$@"
	exit
fi

cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
rounds=${ROUNDS:-9} lines=${LINES:-4000000}
work=$(mktemp -d "${TMPDIR:-/tmp}/dyno-bench-log.XXXXXX")
run=$(mktemp -d /dev/shm/dyno-bench-log.XXXXXX)
app=$work/app dyno=$build/dyno logpath=$build/bench/logpath
export work run app dyno logpath
export DYNO_CFG_RUN_DIR=$run/dyno DYNO_CFG_DATA_DIR=$work/data
finish() {
	"$dyno" stop --now --all -q >/dev/null 2>&1 || :
	[ ! -s "$run/pid" ] || kill "$(<"$run/pid")" 2>/dev/null || :
	wait
	rm -rf "$work" "$run"
}
trap finish EXIT
mkdir -p "$app" "$run"/{dyno,bundle,exits}
for file in lines few none; do
	echo "$file: exec cat $file" >>"$app/Procfile"
	echo "$file: sleep 1; exec cat $file" >"$app/Procfile.$file"
done
: >"$app/none"
cat >"$work/runtime" <<-'END'
	#!/bin/sh
	while [ "$1" != --pid-file ]; do shift; done
	(sleep 0.05 && exec $CONTAINER) &
	echo $! >"$2"
END
chmod +x "$work/runtime"

# ---- all of them, in rounds ----------------------------------------------------------------------
tenth() { # NAME: wall time in us that one round in ten undercuts
	awk -F, -v name="$1" '$2 == name { print $3 }' "$work/raw" | sort -n |
		sed -n "$(((rounds + 9) / 10))p"
}

row() { # TITLE NAME FILE LINES BYTES: reads $base, the us a line of cat|cat, and sets it
	local full none
	full=$(tenth "$2 $3") none=$(tenth "$2 none")
	awk -v title="$1" -v us="$((full - none))" -v none="$none" -v n="$4" -v bytes="$5" \
		-v base="${base:=$(((full - none) * 1000000 / $4))}" '
		BEGIN {
			if (us <= 0) {
				printf "%-16s lost in the noise: more ROUNDS or LINES\n", title
				exit
			}
			printf "%-16s %12.3f %10.1f %10.1f %8.3f\n", title, n / us, n * bytes / us,
				none / 1000, base / 1000000 / (us / n)
		}'
}

compare() { # BYTES LINES
	local few=20000 base="" name file
	yes "$(head -c $(($1 - 1)) /dev/zero | tr '\0' x)" | head -n "$2" >"$app/lines" || :
	head -n "$few" "$app/lines" >"$app/few"
	for name in cats dyno start path conmon foreman; do
		file=lines
		[ "$name" != foreman ] || file=few
		printf '%s %s\t%s %s %s\n' "$name" "$file" "$0" "$name" "$file"
		printf '%s none\t%s %s none\n' "$name" "$0" "$name"
	done >"$work/list"
	"$build/bench/pairs" -e -n "$rounds" -w 1 -o "$work/raw" "$work/list" >"$work/table" || {
		cat "$work/table"
		exit 1
	}
	printf '\n%-16s %12s %10s %10s %8s\n' "$1 bytes a line" 'M lines/s' MB/s 'start, ms' ratio
	row 'cat|cat' cats lines "$2" "$1"
	row dyno dyno lines "$2" "$1"
	row 'dyno start' start lines "$2" "$1"
	row 'the path alone' path lines "$2" "$1"
	row conmon conmon lines "$2" "$1"
	row foreman foreman few "$few" "$1"
}

counted() { # NAME FILE...: the lines of each are all there; conmon tells parts of lines from ends
	local n
	n=$(cat "${@:2}" | grep -c ' F x\|\]: x')
	[ "$n" -eq "$lines" ] || {
		echo "log.sh: $1 has written $n of $lines lines" >&2
		exit 1
	}
}

complete() { # once more, where nothing is given up for its age
	"$0" start lines
	counted start "$work/start.log"
	"$0" conmon lines
	counted conmon "$work/conmon.log"
	"$dyno" run --detach -q --network none --log-keep 64G --name whole.1 "$app" -- cat lines >/dev/null
	"$dyno" wait -q whole.1 >/dev/null
	counted dyno "$work/data/logs/app/whole.1.log"
	"$dyno" rm -q whole.1
}

# ---- a supervisor alone --------------------------------------------------------------------------
ended() { tail -n 3 "$1" 2>/dev/null | grep -q "end$"; }

figures() { # PID: its CPU so far, in ms, and the most memory it has had, in KiB
	awk -v tick="$(getconf CLK_TCK)" '
		/^VmHWM:/ { peak = $2 }
		FILENAME ~ /stat$/ { sub(/.*\) /, ""); ms = ($12 + $13) * 1000 / tick }
		END { print ms, peak }' "/proc/$1/stat" "/proc/$1/status"
}

of_dyno() { # COMMAND
	"$dyno" run --detach -q --network none --name alone "$app" "$1" >/dev/null
	until ended "$work/data/logs/app/alone.log"; do sleep 0.1; done
	figures "$("$dyno" ps --json | jq '.[] | select(.name == "alone") | .monitor_pid')"
	"$dyno" stop --now -q alone >/dev/null
	"$dyno" rm -q alone
}

of_conmon() { # COMMAND
	printf '%s\n' "$1" >"$app/script"
	rm -f "$work/conmon.log" "$run/bench"
	(cd "$app" && conmon_of 'sh script') &
	until ended "$work/conmon.log"; do sleep 0.1; done
	figures "$!"
	kill "$(<"$run/pid")"
	wait "$!" || :
	rm "$run/pid"
}

alone() { # TITLE FUNCTION
	local idle flood n=5
	idle=$("$2" 'echo end; exec sleep 1000000')
	flood=$("$2" "$(printf 'cat lines; %.0s' $(seq "$n")) echo end; exec sleep 1000000")
	awk -v title="$1" -v idle="$idle" -v flood="$flood" -v lines="$((n * lines))" '
		BEGIN {
			split(idle, i)
			split(flood, f)
			printf "%-16s %12.1f %10d %10d\n", title, (f[1] - i[1]) * 1e6 / lines, i[2], f[2]
		}'
}

stat -f -c 'on %T' "$work"
compare 1000 $((lines * 62 / 1000))
compare 62 "$lines"
complete
printf '\n%-16s %12s %10s %10s\n' 'supervisor alone' 'ms/M lines' 'peak KiB' 'flooded'
alone dyno of_dyno
alone conmon of_conmon
