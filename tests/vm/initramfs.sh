#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# /init of the virtual machine: from nothing to a writable view of the host's root.
# shellcheck shell=dash disable=SC1091,SC2154 # the job's variables are written by vm.sh
/bin/busybox --install -s /bin
export PATH=/bin

give_up() {
	echo "initramfs: $*"
	poweroff -f
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do
	insmod "/modules/$module" || give_up "cannot load $module"
done </modules/order

plan9=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o "ro,$plan9,cache=loose" host /host || give_up "cannot mount the host"
mount -t 9p -o "$plan9,cache=none" out /out || give_up "cannot mount the job"
. /out/job # dir, kernel, version

mount -t tmpfs -o size=75% rw /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work root /new ||
	give_up "cannot lay a tmpfs over the host"

mkdir -p /new/proc /new/sys /new/dev /new/run /new/tmp
mount --move /proc /new/proc
mount --move /sys /new/sys
mount --move /dev /new/dev
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /new/dev/pts
mount -t tmpfs -o mode=1777 shm /new/dev/shm
mount -t tmpfs -o mode=755 run /new/run
mount -t ext4 -o noatime,nobarrier /new/dev/vda /new/tmp || give_up "cannot mount the disk"
chmod 1777 /new/tmp
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
	ln -sf "/proc/self/${link#*:}" "/new/dev/${link%:*}"
done

mkdir -p "/new$dir"
mount -t 9p -o "$plan9,cache=mmap" dir "/new$dir" || give_up "cannot mount $dir"
mkdir -p /new/run/vm "/new/usr/lib/modules/$version"
mount --bind "/host$kernel/lib/modules/$version" "/new/usr/lib/modules/$version"
mount --move /out /new/run/vm
mount -t cgroup2 -o nsdelegate cgroup2 /new/sys/fs/cgroup

exec switch_root /new /bin/bash /run/vm/stage2
