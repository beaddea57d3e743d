#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# unpack.sh [ROUNDS [BUILD]] - cold unpack of a tar.gz of about 80 MB to tmpfs: `dyno slug add`
# (hash, unpack, manifest, publish) beside igzip | tar, GNU tar and bsdtar, in paired rounds.
# Prints the median seconds of each and the median of the paired ratios to igzip | tar.
set -euo pipefail
rounds=${1:-7}
build=$(readlink -f "${2:-$(dirname "$0")/../../build}")
work=$(mktemp -d /dev/shm/dyno-bench-unpack.XXXXXX)
trap 'rm -rf "$work"' EXIT

for tool in igzip bsdtar python3; do
	command -v "$tool" >/dev/null || { echo "unpack.sh: $tool is missing" >&2; exit 77; }
done

# An app tree of about 15,000 files and 350 MB: sources that compress like text, and libraries
# that compress like code; the mean size and the number are those of a vendored Python or Node app.
python3 - "$work" <<'PY'
import glob, os, random, sys
random.seed(7)
top = os.path.join(sys.argv[1], "tree", "app")
os.makedirs(top)
text = open(random.__file__, "rb").read()
libs = [f for f in sorted(glob.glob("/usr/lib/*-linux-gnu/lib*.so.*.*")) if os.path.isfile(f)]
code = b"".join(open(f, "rb").read() for f in libs[:120])[:160 << 20]
open(os.path.join(top, "Procfile"), "w").write("web: ./server\n")
for i in range(15000):
    d = os.path.join(top, "vendor", "p%02d" % (i // 250), "m%d" % (i // 25 % 10))
    if i % 25 == 0:
        os.makedirs(d, exist_ok=True)
    big = i % 100 == 0
    size = random.randrange(400 << 10, 900 << 10) if big else int(random.paretovariate(1.1) * 3000)
    size = min(size, 900 << 10)
    source = code if big or i % 3 == 0 else text
    at = random.randrange(max(1, len(source) - size))
    body = source[at:at + size]
    while len(body) < size:
        body += text[:size - len(body)]
    with open(os.path.join(d, "f%05d" % i), "wb") as f:
        f.write(b"%d\n" % random.getrandbits(64) + body)
PY
tar -C "$work/tree" -cf - ./app | gzip -6 >"$work/slug.tgz"
size=$(stat -c %s "$work/slug.tgz")
files=$(find "$work/tree" | wc -l)
tree=$(du -sb "$work/tree" | cut -f1)
rm -rf "$work/tree"
echo "archive $((size / 1000000)) MB, tree $((tree / 1000000)) MB, $files members, $rounds rounds"

now() { date +%s.%N; }
run() { # NAME COMMAND...: append the seconds to NAME's file
	local name=$1 start end
	shift
	mkdir "$work/out"
	start=$(now)
	"$@"
	end=$(now)
	echo "$start $end" | awk '{ printf "%.4f\n", $2 - $1 }' >>"$work/$name"
	rm -rf "$work/out"
}
by_dyno() { "$build/dyno" slug add --data-dir "$work/out" "$work/slug.tgz" >/dev/null; }
by_igzip() { igzip -dc "$work/slug.tgz" | tar -C "$work/out" -x; }
by_tar() { tar -C "$work/out" -xzf "$work/slug.tgz"; }
by_bsdtar() { bsdtar -C "$work/out" -xf "$work/slug.tgz"; }

chmod 700 "$work"
umask 077
for ((i = 0; i < rounds; i++)); do
	run dyno by_dyno
	run igzip by_igzip
	run tar by_tar
	run bsdtar by_bsdtar
done

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
for name in dyno igzip tar bsdtar; do
	printf '%-8s %8s s   x %s of igzip | tar\n' "$name" "$(median <"$work/$name")" \
		"$(paste "$work/$name" "$work/igzip" | awk '{ printf "%.3f\n", $1 / $2 }' | median)"
done
