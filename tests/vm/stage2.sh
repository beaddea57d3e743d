#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Process 1 of the virtual machine on its final root: start the command, report, switch off.
# shellcheck disable=SC1091,SC2154 # the job's variables are written by vm.sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
. /run/vm/job
. /run/vm/environment
eval "set -- $(cat /run/vm/command)"

hostname dyno-vm
ip link set lo up
for module in $modules; do
	modprobe -q "$module" || echo "stage2: no module $module" >/dev/ttyS0
done
# Nothing may run in the root group once controllers are on; the command is not there either.
read -ra controllers </sys/fs/cgroup/cgroup.controllers
for controller in "${controllers[@]}"; do
	echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done
mkdir /sys/fs/cgroup/job

status=0
(
	echo "$BASHPID" >/sys/fs/cgroup/job/cgroup.procs
	cd "$dir" && exec "$@"
) </dev/null >/dev/hvc0 2>&1 || status=$?
echo "$status" >/run/vm/status
sync
sleep 0.2
echo o >/proc/sysrq-trigger
sleep 60
