#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-vm.sh [BUILD] [FILE.bats...] - unit and integration tests on Debian's kernel with cgroup v2.
#
# The tests run as on this machine, from the same build, as root and rootless; without files, all of
# them.  An emulated processor is slow, so the limits on time are wider.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
shift || :
[ $# -gt 0 ] || set -- tests/integration/*.bats
mapfile -t units < <(find "$build/fault/unit" -type f -perm -100 | sort)

# One directory is shared with the machine: the tree.
[[ $build/ == "$PWD"/* ]] || {
	echo "check-vm.sh: the build must lie in the tree: $build" >&2
	exit 2
}
export DYNO=$build/fault/dyno SLUGS=$build/slugs
# Tests of settings of a whole machine run here only.
export DYNO_TEST_OWN_MACHINE=1
export FILE_TIMEOUT=${FILE_TIMEOUT:-3000} BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-900}
exec tests/vm/vm.sh -t "${VM_TIMEOUT:-7200}" "$PWD" tests/run --unit "${units[@]}" --bats "$@"
