/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - files of the kernel and of the dyno's root that no app may change or look into. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/str.h"
#include "base/util.h"
#include "hostile.h"

/* Descriptors that nftw() may hold. Source: own choice */
#define WALK_FDS 32

static int put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? -errno : result(write(fd, text, strlen(text)));
}

/* Return: what it was possible to see of it; a file without a byte tells nothing. */
static int peek(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char byte;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, &byte, 1);
	return n < 0 ? -errno : n == 0 ? -ENODATA : 0;
}

#define WRITE(id, path, text)                \
	static int try_##id(void)            \
	{                                    \
		return put_text(path, text); \
	}
#define READ(id, path)             \
	static int try_##id(void)  \
	{                          \
		return peek(path); \
	}
#define CALL(id, ...)                       \
	static int try_##id(void)           \
	{                                   \
		return result(__VA_ARGS__); \
	}

/* Whatever is written here must be harmless where the attempt succeeds. */
WRITE(core_pattern, "/proc/sys/kernel/core_pattern", "core\n")
WRITE(modprobe, "/proc/sys/kernel/modprobe", "/sbin/modprobe\n")
WRITE(hostname, "/proc/sys/kernel/hostname", "hostile\n")
WRITE(domainname, "/proc/sys/kernel/domainname", "hostile\n")
WRITE(ns_last_pid, "/proc/sys/kernel/ns_last_pid", "100\n")
WRITE(overcommit, "/proc/sys/vm/overcommit_memory", "0\n")
WRITE(ip_forward, "/proc/sys/net/ipv4/ip_forward", "0\n")
WRITE(port_range, "/proc/sys/net/ipv4/ip_local_port_range", "32768 60999\n")
WRITE(shmmax, "/proc/sys/kernel/shmmax", "18446744073692774399\n")
WRITE(mq_limit, "/proc/sys/fs/mqueue/msg_max", "10\n")
WRITE(namespaces, "/proc/sys/user/max_user_namespaces", "1000\n")
WRITE(binfmt, "/proc/sys/fs/binfmt_misc/register", ":hostile:M::hostile::/bin/true:\n")
WRITE(boot_id, "/proc/sys/kernel/random/boot_id", "x")
WRITE(sysrq, "/proc/sysrq-trigger", "h")
WRITE(irq, "/proc/irq/default_smp_affinity", "f\n")
WRITE(uid_map, "/proc/self/uid_map", "0 0 1\n")
WRITE(gid_map, "/proc/self/gid_map", "0 0 1\n")
WRITE(setgroups_file, "/proc/self/setgroups", "allow\n")
WRITE(oom_lower, "/proc/self/oom_score_adj", "-1000")
WRITE(oom_init, "/proc/1/oom_score_adj", "1000")
WRITE(init_mem, "/proc/1/mem", "x")
WRITE(init_clear, "/proc/1/clear_refs", "1")
WRITE(init_comm, "/proc/1/comm", "x")
WRITE(own_exe, "/proc/self/exe", "x")
WRITE(init_exe, "/proc/1/exe", "x")
WRITE(release_agent, "/sys/fs/cgroup/memory/release_agent", "/app/hostile\n")
WRITE(release_agent_v1, "/sys/fs/cgroup/release_agent", "/app/hostile\n")
WRITE(cgroup_limit, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "-1\n")
WRITE(cgroup_max, "/sys/fs/cgroup/memory.max", "max\n")
WRITE(cgroup_procs, "/sys/fs/cgroup/cgroup.procs", "0\n")
WRITE(uevent_helper, "/sys/kernel/uevent_helper", "/app/hostile\n")
WRITE(kvm, "/dev/kvm", "")
WRITE(dev_kmsg, "/dev/kmsg", "<7>hostile\n")
WRITE(console, "/dev/console", "")
WRITE(dev_mem, "/dev/mem", "")
WRITE(dev_fuse, "/dev/fuse", "")
WRITE(dev_tun, "/dev/net/tun", "")
WRITE(passwd, "/etc/passwd", "root::0:0::/:/bin/sh\n")
WRITE(hosts, "/etc/hosts", "127.0.0.1 hostile\n")
WRITE(resolv, "/etc/resolv.conf", "nameserver 127.0.0.1\n")
WRITE(profile, "/etc/profile", ":\n")
WRITE(bash, "/bin/bash", "")
WRITE(env, "/usr/bin/env", "")

READ(kcore, "/proc/kcore")
READ(kmsg, "/proc/kmsg")
READ(timer_list, "/proc/timer_list")
READ(init_environ, "/proc/1/environ")
READ(init_memory, "/proc/1/mem")
READ(init_maps, "/proc/1/maps")
READ(init_auxv, "/proc/1/auxv")
READ(init_root, "/proc/1/root/etc/passwd")
READ(init_cwd, "/proc/1/cwd/etc/passwd")
READ(init_stack, "/proc/1/stack")
READ(init_syscall, "/proc/1/syscall")
READ(init_fd, "/proc/1/fd/0")
READ(shadow, "/etc/shadow")
READ(disk, "/dev/sda")
READ(vda, "/dev/vda")
READ(tracefs, "/sys/kernel/tracing/trace")
READ(dmi, "/sys/class/dmi/id/product_uuid")

/* A place of the root becomes a link, so that whoever comes next is led elsewhere. */
CALL(move_dev, rename("/dev", "/tmp/dev"))
CALL(move_proc, rename("/proc", "/tmp/proc"))
CALL(move_tmp, rename("/tmp", "/var/tmp/tmp"))
CALL(move_app, rename("/app", "/tmp/app"))
CALL(move_etc, rename("/etc", "/tmp/etc"))
CALL(move_passwd, rename("/etc/passwd", "/tmp/passwd"))
CALL(move_shm, rename("/dev/shm", "/dev/x"))
CALL(link_in_root, symlink("/", "/hostile"))
CALL(dir_in_root, mkdir("/hostile", 0700))
CALL(dir_in_etc, mkdir("/etc/hostile", 0700))
CALL(file_in_dev, mknod("/dev/hostile", S_IFREG | 0600, 0))
CALL(unlink_null, unlink("/dev/null"))
CALL(chown_app, chown("/app", 0, 0))
CALL(hard_link, link("/usr/bin/env", "/tmp/hostile.env"))

/* Where / ends: more dots than any path has. */
static int try_dots(void)
{
	struct stat root;
	struct stat above;

	if (stat("/", &root) < 0 || stat("/../../../../../../../..", &above) < 0)
		return -errno;
	return root.st_dev == above.st_dev && root.st_ino == above.st_ino ? -EXDEV : 0;
}

/* A working directory outside the root reads as "(unreachable)". */
static int try_cwd_outside(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/cwd", path, sizeof(path) - 1);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	return path[0] == '/' && access(path, F_OK) == 0 ? -EXDEV : 0;
}

/* What is read below /proc must be the kernel's, not a directory that looks like it. */
static int try_fake_proc(void)
{
	struct statfs fs;

	if (statfs("/proc", &fs) < 0)
		return -errno;
	return fs.f_type == PROC_SUPER_MAGIC ? -EXDEV : 0;
}

static int try_extra_descriptor(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	if (!dir)
		return -errno;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.' && atol(e->d_name) > 2 && atol(e->d_name) != dirfd(dir))
			return 0;
	return -ENOENT;
}

#define A(id)                 \
	{                     \
#id, try_##id \
	}

/* clang-format off */
const struct attempt file_attempts[] = {
	A(core_pattern), A(modprobe), A(hostname), A(domainname), A(ns_last_pid), A(overcommit),
	A(ip_forward), A(port_range), A(shmmax), A(mq_limit), A(namespaces), A(binfmt), A(boot_id),
	A(sysrq), A(irq), A(uid_map), A(gid_map), A(setgroups_file), A(oom_lower), A(oom_init),
	A(init_mem), A(init_clear), A(init_comm), A(own_exe), A(init_exe),
	A(release_agent), A(release_agent_v1), A(cgroup_limit), A(cgroup_max), A(cgroup_procs),
	A(uevent_helper), A(kvm), A(dev_kmsg), A(console), A(dev_mem), A(dev_fuse), A(dev_tun),
	A(passwd), A(hosts), A(resolv), A(profile), A(bash), A(env),
	A(kcore), A(kmsg), A(timer_list), A(init_environ), A(init_memory), A(init_maps),
	A(init_auxv), A(init_root), A(init_cwd), A(init_stack), A(init_syscall), A(init_fd),
	A(shadow), A(disk), A(vda), A(tracefs), A(dmi),
	A(move_dev), A(move_proc), A(move_tmp), A(move_app), A(move_etc), A(move_passwd),
	A(move_shm), A(link_in_root), A(dir_in_root), A(dir_in_etc), A(file_in_dev),
	A(unlink_null), A(chown_app), A(hard_link), A(dots), A(cwd_outside), A(fake_proc),
	A(extra_descriptor),
	{NULL, NULL},
};
/* clang-format on */

/* ---- everything that can be written ----------------------------------------------------------*/

/* Numbers below /proc are processes; what they let their owner write is theirs. */
static bool of_a_process(const char *path)
{
	return str_starts(path, "/proc/") && (path[6] >= '0' && path[6] <= '9');
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	int fd;

	(void)ftw;
	if (of_a_process(path))
		return type == FTW_D || type == FTW_DNR ? FTW_SKIP_SUBTREE : FTW_CONTINUE;
	if (type == FTW_D || type == FTW_DNR) {
		if (faccessat(AT_FDCWD, path, W_OK, 0) == 0)
			(void)printf("%s\n", path);
		return FTW_CONTINUE;
	}
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return FTW_CONTINUE;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		(void)printf("%s\n", path);
		(void)close(fd); /* nothing was written */
	}
	return FTW_CONTINUE;
}

int mode_writable(char **args)
{
	for (; *args; args++)
		if (nftw(*args, visit, WALK_FDS, FTW_PHYS | FTW_ACTIONRETVAL) != 0) {
			perror(*args);
			return 1;
		}
	return 0;
}
