#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vm.sh [-m MIB] [-c CPUS] [-t SECONDS] [-v] DIR COMMAND [ARG...] - run a command on another kernel.
#
# The command runs as root in a virtual machine with Debian's kernel and nothing but cgroup v2.  Its
# root is a view of this machine's: what it writes there is lost with the machine, but DIR is the
# real directory, and the working directory.  /tmp is an ext4 disk of its own.  Output comes out on stdout, stderr included.
#
# Status: the command's; 124 after SECONDS; 125 when the machine did not come up or ended without a
# word (the last lines of its console are shown then, and all of them with -v).
#
# The kernel package is downloaded and unpacked, never installed, below VM_CACHE.
#
# How it works.  A small initramfs loads the modules for virtio and 9p, mounts this machine's root
# read-only, lays a tmpfs over it, mounts DIR on top and hands over to stage2, which starts the
# command in a control group of its own and reports the status in a second shared directory.
set -euo pipefail

memory=2048 cpus=$(nproc) limit=900 verbose=
# Source: what dyno mounts and what its tests look at; the kernel package has them as modules.
modules="overlay veth nf_tables nft_ct nft_fib_inet nft_chain_nat nft_masq nft_reject_inet loop tun erofs squashfs fuse"
cache=${VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dyno-vm}
here=$(realpath "$(dirname "$0")")

complain() {
	echo "vm.sh: $*" >&2
	exit 125
}

while getopts m:c:t:v option; do
	case $option in
	m) memory=$OPTARG ;;
	c) cpus=$OPTARG ;;
	t) limit=$OPTARG ;;
	v) verbose=1 ;;
	*) exit 125 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || complain "usage: vm.sh [-m MIB] [-c CPUS] [-t SECONDS] [-v] DIR COMMAND [ARG...]"
dir=$(realpath "$1")
shift
for tool in qemu-system-x86_64 busybox cpio depmod modprobe mkfs.ext4; do
	command -v $tool >/dev/null || complain "$tool is missing: apt-get install" \
		"qemu-system-x86 busybox-static cpio kmod e2fsprogs"
done

# ---- kernel and initramfs, made once for each kernel version -----------------------------------

# initramfs TREE VERSION: what boots; TREE is the unpacked kernel package
initramfs() {
	local tree=$1 version=$2 root=$1/initramfs module path
	mkdir -p "$root"/{bin,modules,proc,sys,dev,host,out,rw,new}
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$here/initramfs.sh" "$root/init"
	chmod 755 "$root/init"
	depmod -b "$tree" "$version"
	for module in virtio_pci virtio_console virtio_rng virtio_blk 9pnet_virtio 9p ext4 overlay; do
		modprobe -d "$tree" -S "$version" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r path; do
		cp "$path" "$root/modules/"
		basename "$path" >>"$root/modules/order"
	done
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$tree/initrd"
	rm -r "$root"
}

prepare() {
	local package version new
	mkdir -p "$cache"
	package=$(apt-cache depends linux-image-amd64 2>/dev/null |
		awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
	[ -n "$package" ] || complain "apt knows no linux-image-amd64: apt-get update"
	kernel=$cache/$package
	[ ! -e "$kernel/complete" ] || ! [ "$kernel/complete" -nt "$here/initramfs.sh" ] || return 0
	new=$(mktemp -d "$cache/new.XXXXXX")
	(cd "$new" && apt-get -o APT::Sandbox::User=root download -q "$package" >/dev/null &&
		dpkg -x ./*.deb tree)
	version=$(ls "$new/tree/lib/modules")
	initramfs "$new/tree" "$version"
	echo "$version" >"$new/tree/version"
	touch "$new/tree/complete"
	rm -rf "$kernel"
	mv "$new/tree" "$kernel"
	rm -r "$new"
}

prepare || complain "the kernel could not be prepared below $cache"
version=$(cat "$kernel/version")

# ---- the job -----------------------------------------------------------------------------------

out=$(mktemp -d /tmp/dyno-vm.XXXXXX)
trap 'rm -rf "$out"' EXIT
printf '%q ' "$@" >"$out/command"
{
	# read by initramfs.sh and stage2.sh
	printf 'dir=%q\nkernel=%q\nversion=%q\nmodules=%q\n' "$dir" "$kernel" "$version" "$modules"
} >"$out/job"
# Variables of the tests go along; those of this shell and machine do not.
env -0 | grep -zE '^(DYNO|SLUGS|PROFILES|BATS_TEST_TIMEOUT|FILE_TIMEOUT|CI|LANG)' |
	while IFS= read -r -d '' variable; do printf 'export %q\n' "$variable"; done >"$out/environment"
cp "$here/stage2.sh" "$out/stage2"

share() { # share TAG PATH OPTIONS: QEMU's arguments for a directory shared by 9p
	printf '%s\n' -fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap$3" \
		-device "virtio-9p-pci,fsdev=$1,mount_tag=$1"
}
mapfile -t shares < <(share host / ,readonly=on; share dir "$dir" ""; share out "$out" "")

# Sparse, and a real file system: tmpfs has no idmapped mounts in this kernel (6.3).
truncate -s "${VM_DISK:-8G}" "$out/disk"
mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 "$out/disk"

status=0
timeout -k 5 "$limit" qemu-system-x86_64 \
	-accel "${VM_ACCEL:-tcg,thread=multi}" -cpu max -smp "$cpus" -m "$memory" \
	-nodefaults -no-reboot -display none \
	-kernel "$kernel/boot/vmlinuz-$version" -initrd "$kernel/initrd" \
	-append "console=ttyS0 loglevel=4 panic=-1 cgroup_no_v1=all mitigations=off random.trust_cpu=on" \
	-serial "file:$out/console" \
	-device virtio-serial-pci -chardev stdio,id=stdout,signal=off \
	-device virtconsole,chardev=stdout -device virtio-rng-pci \
	-drive "file=$out/disk,if=virtio,format=raw,cache=unsafe" \
	"${shares[@]}" </dev/null || status=$?

[ -z "$verbose" ] || cat "$out/console" >&2
case $status in
124 | 137)
	echo "vm.sh: not done after $limit s" >&2
	exit 124
	;;
esac
if [ ! -s "$out/status" ]; then
	tail -n 20 "$out/console" >&2 || :
	complain "no status came back (QEMU ended with $status)"
fi
exit "$(cat "$out/status")"
