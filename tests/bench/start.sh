#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# start.sh [BUILD] - what a warm start costs beside the kernel's own price and beside its peers.
#
# Every command starts /bin/true on the same stack with the same app directory and ends: the whole
# process is timed, in paired rounds.  The peers are treated kindly: their root stands ready (no
# overlay is made), no user namespace, and bwrap has neither filter nor control group.
#
#   ROUNDS, LONE     rounds back to back (400), and as lone starts with a pause before each (60)
#   NETWORKS         whose tables are wanted (none host private)
#
# crun refuses a hybrid of both control group versions: there everything is compared in a mount
# namespace without the v2 tree, and the hybrid has a table of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
rounds=${ROUNDS:-400} lone=${LONE:-60} networks=${NETWORKS:-none host private}
work=$(mktemp -d /tmp/dyno-bench.XXXXXX)
# The run directory is in memory, as /run is on every host that systemd has booted.
run=$(mktemp -d /dev/shm/dyno-bench.XXXXXX)
trap 'rm -rf "$work" "$run"' EXIT
export DYNO_CFG_RUN_DIR=$run DYNO_CFG_DATA_DIR=$work/data
[ "$(id -u)" = 0 ] || {
	echo "start.sh: only root has the peers' and the floor's rights" >&2
	exit 1
}

# The slug in the store, and the stack made: from here on starts are warm.
digest=$("$build/dyno" slug add "$build/slugs/shapes.tgz")
"$build/dyno" run -q --network none "$digest" -- /bin/true
slug=$work/data/slugs/sha256-${digest#sha256:}/root
stack=$(echo "$work"/data/stacks/host-*/root)
[ -d "$slug/app" ] && [ -d "$stack" ]
mkdir "$run/floor"
floor=("$build/bench/floor" -b /usr)
layers=("$slug" "$stack" "$run/floor")

# A bundle for crun: the stack's skeleton, /usr, the app, and the same policy as allowed names.
mkdir -p "$work/bundle/rootfs"
cp -a "$stack/." "$work/bundle/rootfs"
cp -a "$slug/app/." "$work/bundle/rootfs/app"
allowed=$(sed -e ':a' -e '/^#/d' -e '$!N' -e 's/\n[ \t]\+/ /' -e 'ta' -e 'P' -e 'D' \
	runtime/seccomp/default.policy | sed -n 's/^allow \(.*\)/\1/p' | grep -v ' if ' |
	tr -s ' ' '\n' | sed 's/=.*//' | jq -R . | jq -cs .)
(cd "$work/bundle" && crun spec)
bundle() { # bundle NETWORK: config.json for crun
	jq --argjson allowed "$allowed" --argjson net "$1" '
		.process.terminal = false
		| .process.args = ["/bin/true"]
		| .process.user = {uid: 1000, gid: 1000}
		| .process.capabilities = {}
		| .process.noNewPrivileges = true
		| .root = {path: "rootfs"}
		| .mounts = [
			{destination: "/usr", source: "/usr", type: "bind",
			 options: ["bind", "ro", "nosuid", "nodev"]},
			{destination: "/proc", type: "proc", source: "proc"},
			{destination: "/dev", type: "tmpfs", source: "tmpfs",
			 options: ["nosuid", "noexec", "mode=755", "size=1024k"]},
			{destination: "/dev/pts", type: "devpts", source: "devpts",
			 options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
			{destination: "/dev/shm", type: "tmpfs", source: "shm",
			 options: ["nosuid", "nodev", "mode=1777", "size=65536k"]}]
		| .linux.namespaces = ([{type: "pid"}, {type: "ipc"}, {type: "uts"},
			{type: "mount"}, {type: "cgroup"}] + $net)
		| .linux.maskedPaths = ["/proc/kcore", "/proc/timer_list", "/proc/scsi"]
		| .linux.readonlyPaths = []
		| .linux.resources = {memory: {limit: 1073741824}, pids: {limit: 256},
			cpu: {shares: 1024}}
		| .linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO",
			architectures: ["SCMP_ARCH_X86_64"],
			syscalls: [{names: $allowed, action: "SCMP_ACT_ALLOW"}]}' \
		"$work/bundle/config.json" >"$work/config.json"
	cp "$work/config.json" "$work/bundle/config.json"
}

peers() { # peers NETWORK-WORD: lines for the two peers
	echo "crun	crun --root $work/crun --cgroup-manager cgroupfs run -b $work/bundle bench"
	echo "bwrap	bwrap --unshare-user --unshare-pid --unshare-ipc --unshare-uts \
--unshare-cgroup $1 --uid 1000 --gid 1000 --die-with-parent --new-session --cap-drop ALL \
--bind $work/bundle/rootfs / --ro-bind /usr /usr --proc /proc --dev /dev --tmpfs /dev/shm \
--chdir /app /bin/true"
}

# compare NETWORK TITLE [COMMAND...]: the list back to back and as lone starts, below COMMAND
compare() {
	local title=$2
	[[ " $networks " == *" $1 "* ]] || return 0
	shift 2
	echo
	echo "$title, back to back"
	"$@" "$build/bench/pairs" -n "$rounds" -w 5 "$work/list"
	echo
	echo "$title, lone starts"
	"$@" "$build/bench/pairs" -n "$lone" -w 2 -p 200 "$work/list"
}

uname -sr
nproc | sed 's/$/ processors/'
status=0
place=()
if mountpoint -q /sys/fs/cgroup/unified; then
	# shellcheck disable=SC2016 # for the inner shell
	place=(unshare --mount sh -c 'umount /sys/fs/cgroup/unified && exec "$@"' sh)
fi

bundle '[{"type": "network"}]'
{
	echo "floor	${floor[*]} ${layers[*]} /bin/true"
	echo "dyno	$build/dyno run -q --network none $digest -- /bin/true"
	echo "floor without init	${floor[*]} no-init ${layers[*]} /bin/true"
	echo "floor without filter	${floor[*]} no-seccomp ${layers[*]} /bin/true"
	peers --unshare-net
	echo "fork, exec, wait	/bin/true"
} >"$work/list"
compare none "network of its own" "${place[@]}" || status=1

if [ ${#place[@]} -gt 0 ]; then
	sed -i '3,$d' "$work/list"
	compare none "network of its own, control groups v1 and v2" || status=1
fi

bundle '[]'
{
	echo "floor	${floor[*]} no-netns ${layers[*]} /bin/true"
	echo "dyno	$build/dyno run -q --network host $digest -- /bin/true"
	peers ""
} >"$work/list"
compare host "network of the host" "${place[@]}" || status=1

# In a network namespace of its own, which takes what dyno makes there with it.
{
	echo "floor with veth	${floor[*]} veth ${layers[*]} /bin/true"
	echo "network none	$build/dyno run -q --network none $digest -- /bin/true"
	echo "network private	$build/dyno run -q --network private $digest -- /bin/true"
} >"$work/list"
# shellcheck disable=SC2016 # for the inner shell
compare private "private network" unshare --net sh -c 'ip link set lo up && exec "$@"' sh || status=1
rmdir /sys/fs/cgroup/dyno /sys/fs/cgroup/*/dyno 2>/dev/null || :
exit $status
