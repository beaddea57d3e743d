#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# exec.sh [BUILD] - what one more command in what runs already costs, beside crun and, where it is
# installed, podman; and what a terminal adds.
#
# Every command executes /bin/true and ends: the whole process of the client is timed, in paired
# rounds.  crun is treated kindly: its container has neither a filter nor a user namespace.
#
#   ROUNDS, LONE     rounds back to back (400), and as lone starts with a pause before each (60)
#
# crun refuses a hybrid of both control group versions: there all of it is run in a mount namespace
# without the v2 tree.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
[ "$(id -u)" = 0 ] || {
	echo "exec.sh: only root has crun's rights" >&2
	exit 1
}
if mountpoint -q /sys/fs/cgroup/unified; then
	# shellcheck disable=SC2016 # for the inner shell
	exec unshare --mount sh -c 'umount /sys/fs/cgroup/unified && exec "$@"' sh "$0" "$build"
fi

rounds=${ROUNDS:-400} lone=${LONE:-60}
work=$(mktemp -d /tmp/dyno-bench.XXXXXX)
run=$(mktemp -d /dev/shm/dyno-bench.XXXXXX)
name=bench$$
done_with() {
	crun --root "$work/crun" --cgroup-manager cgroupfs delete -f "$name" 2>/dev/null || :
	[ -z "${dyno:-}" ] || kill "$dyno" 2>/dev/null || :
	wait
	rmdir /sys/fs/cgroup/dyno /sys/fs/cgroup/*/dyno 2>/dev/null || :
	rm -rf "$work" "$run"
}
trap done_with EXIT
export DYNO_CFG_RUN_DIR=$run DYNO_CFG_DATA_DIR=$work/data

"$build/dyno" run -q --network none --name bench.1 "$build/slugs/shapes.tgz" -- \
	sh -c 'echo ready; exec sleep 1000000' >"$work/ready" </dev/null &
dyno=$!
mkdir -p "$work/bundle/rootfs"/{usr,proc,dev,app}
for dir in bin sbin lib lib64; do
	ln -s "usr/$dir" "$work/bundle/rootfs/$dir"
done
(cd "$work/bundle" && crun spec)
jq '.process.terminal = false
	| .process.args = ["/bin/sleep", "1000000"]
	| .process.user = {uid: 1000, gid: 1000}
	| .process.capabilities = {}
	| .process.noNewPrivileges = true
	| .root = {path: "rootfs"}
	| .mounts = [
		{destination: "/usr", source: "/usr", type: "bind", options: ["bind", "ro", "nosuid"]},
		{destination: "/proc", type: "proc", source: "proc"},
		{destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"]}]
	| .linux.namespaces = [{type: "pid"}, {type: "ipc"}, {type: "uts"}, {type: "mount"},
		{type: "network"}]
	| .linux.maskedPaths = [] | .linux.readonlyPaths = []
	| del(.linux.seccomp)' "$work/bundle/config.json" >"$work/config.json"
cp "$work/config.json" "$work/bundle/config.json"
crun=(crun --root "$work/crun" --cgroup-manager cgroupfs)
"${crun[@]}" run -d -b "$work/bundle" "$name" </dev/null >/dev/null 2>&1
for ((i = 0; i < 600 && $(stat -c %s "$work/ready") == 0; i++)); do
	sleep 0.05
done

{
	echo "dyno exec	$build/dyno exec -T shapes/bench.1 -- /bin/true"
	echo "dyno exec -t	$build/dyno exec -t shapes/bench.1 -- /bin/true"
	echo "crun exec	${crun[*]} exec $name /bin/true"
	! command -v podman >/dev/null || {
		podman run -d --name "$name" --rootfs "$work/bundle/rootfs" sleep 1000000 >/dev/null
		echo "podman exec	podman exec $name /bin/true"
	}
	echo "dyno run -T	$build/dyno run -q -T --network none $build/slugs/shapes.tgz -- /bin/true"
	echo "dyno run -t	$build/dyno run -q -t --network none $build/slugs/shapes.tgz -- /bin/true"
} >"$work/list"
uname -sr
nproc | sed 's/$/ processors/'
for title in "back to back:-n $rounds -w 5" "lone:-n $lone -w 2 -p 200"; do
	echo
	echo "one more command, ${title%%:*}"
	# shellcheck disable=SC2086 # options are words
	"$build/bench/pairs" ${title#*:} "$work/list"
done
! command -v podman >/dev/null || podman rm -f "$name" >/dev/null 2>&1
