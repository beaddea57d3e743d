/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor - what the kernel alone charges for one dyno, from start to end.
 *
 * A whole process that asks the kernel for the same things as `dyno run --network none SLUG --
 * COMMAND` with the slug in the store, or as one with `--network private` where veth is on, and does
 * nothing else: it parses no slug, knows no options of a dyno, checks nothing twice, supervises
 * nothing.  Time it beside the real thing; a part's price is the difference between two runs, since
 * every part has a switch.
 *
 *   floor [SWITCH | no-SWITCH]... [-b PATH]... SLUG_ROOT STACK_ROOT RUN_DIR COMMAND [ARG...]
 *
 * SLUG_ROOT and STACK_ROOT are the two lower layers, RUN_DIR is a directory to mount at, and each
 * PATH is bound read-only from the host, as stack `host` does with /usr.  Root only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/clone.h"
#include "base/util.h"
#include "kernel/rtnl.h"

#include "seccomp_default.h"

/* SWITCH(name, default, what it stands for) */
#define SWITCHES(SWITCH)                                                                         \
	SWITCH(netns, true, "network namespace of its own, loopback up")                         \
	SWITCH(veth, false, "a pair of links, addresses, routes; without vfork")                 \
	SWITCH(userns, true, "user namespace as an object, entered at the end")                  \
	SWITCH(idmap, true, "layers and binds idmapped by it")                                   \
	SWITCH(cgroups, true, "a leaf in each tree, joined, removed at the end")                 \
	SWITCH(limits, true, "memory, processes and CPU share of the leaf")                      \
	SWITCH(nodes, true, "generated files and directories in the upper layer")                \
	SWITCH(proc, true, "/proc")                                                              \
	SWITCH(masks, true, "three masked paths and a boot id in /proc")                         \
	SWITCH(dev, true, "/dev with six nodes")                                                 \
	SWITCH(devpts, true, "a private devpts")                                                 \
	SWITCH(shm, true, "/dev/shm")                                                            \
	SWITCH(caps, true, "bounding set, ids, no_new_privs, empty sets")                        \
	SWITCH(seccomp, true, "the compiled default filter")                                     \
	SWITCH(init, true, "a libc-free process 1 from a sealed memfd; else the command itself") \
	SWITCH(vfork, true, "the child shares the parent's memory until it executes")

struct switches {
#define FIELD(name, on, text) bool name;
	SWITCHES(FIELD)
#undef FIELD
};

#define FIRST_HOST_ID	1000000U /* of the range that the ids inside are mapped to */
#define IDS		65536U
#define BINDS_MAX	8
#define CHILD_STACK	(64U * 1024U)
#define CAPS_MAX	64
#define TREES		3
#define CGROUP_PATH_MAX 192
#define ATTRS_TENANT	(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define ATTRS_SHARED	(ATTRS_TENANT | MOUNT_ATTR_RDONLY)
#define CGROUP_MOUNT	"/sys/fs/cgroup"
#define LINK_INDEX	64U	    /* inside */
#define LINK_NETWORK	0x0ac80000U /* 10.200.0.0/16 */

struct floor {
	struct switches on;
	const char *slug, *stack, *run_dir;
	const char *binds[BINDS_MAX];
	size_t n_binds;
	char **command;
	uid_t uid; /* inside: the owner of the slug's app directory */
	int userns_fd, init_fd;
	char leaf[32];
	bool v2;
	int tasks_fd[TREES], unified_fd;
	int network_fd; /* the child waits for it */
};

extern const unsigned char floor_init_start[], floor_init_end[];
__asm__(".pushsection .rodata\n"
	".globl floor_init_start\nfloor_init_start:\n"
	".incbin \"" FLOOR_INIT_PATH "\"\n"
	".globl floor_init_end\nfloor_init_end:\n"
	".popsection\n");

static const char *const trees[TREES] = {"memory", "cpu", "pids"};

/* One line and the end: a floor that is not whole must not be timed. */
static _noreturn_ void die(const char *what)
{
	dprintf(STDERR_FILENO, "floor: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static int must(long r, const char *what)
{
	if (r < 0)
		die(what);
	return (int)r;
}
#define MUST(call) must(call, #call)

static void write_file(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY | O_CLOEXEC), path);

	if (write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* ---- the parent ------------------------------------------------------------------------------ */

static int end_at_once(void *arg)
{
	(void)arg;
	syscall(SYS_exit, 0);
	return 0;
}

static void make_userns(struct floor *f)
{
	char stack[1024] __attribute__((aligned(16)));
	char path[64], map[64];
	pid_t pid;

	pid = MUST(clone(end_at_once, stack + sizeof(stack), CLONE_NEWUSER | CLONE_VM | CLONE_VFORK,
			 NULL));
	snprintf(map, sizeof(map), "0 %u %u", FIRST_HOST_ID, IDS);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	write_file(path, map);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	write_file(path, map);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	f->userns_fd = must(open(path, O_RDONLY | O_CLOEXEC), path);
	MUST(waitpid(pid, NULL, __WALL));
}

/* The directory of the leaf in a tree; v2 has one tree, at the mount itself. */
static const char *leaf_path(const struct floor *f, const char *tree, const char *file, char *path)
{
	snprintf(path, CGROUP_PATH_MAX, CGROUP_MOUNT "%s%s/dyno/%s%s%s", *tree ? "/" : "", tree,
		 f->leaf, file ? "/" : "", file ? file : "");
	return path;
}

static void make_leaf(struct floor *f, const char *tree)
{
	char path[CGROUP_PATH_MAX];

	snprintf(path, sizeof(path), CGROUP_MOUNT "%s%s/dyno", *tree ? "/" : "", tree);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		die(path);
	must(mkdir(leaf_path(f, tree, NULL, path), 0755), path);
}

static void make_cgroups_v1(struct floor *f)
{
	char path[CGROUP_PATH_MAX];

	for (size_t i = 0; i < TREES; i++) {
		f->tasks_fd[i] = -1;
		if (access(CGROUP_MOUNT "/memory/tasks", F_OK) < 0 ||
		    (snprintf(path, sizeof(path), CGROUP_MOUNT "/%s/tasks", trees[i]),
		     access(path, F_OK) < 0))
			continue;
		make_leaf(f, trees[i]);
		f->tasks_fd[i] = must(
			open(leaf_path(f, trees[i], "tasks", path), O_WRONLY | O_CLOEXEC), path);
	}
	if (!f->on.limits)
		return;
	write_file(leaf_path(f, "memory", "memory.limit_in_bytes", path), "1073741824");
	write_file(leaf_path(f, "cpu", "cpu.shares", path), "1024");
	write_file(leaf_path(f, "pids", "pids.max", path), "256");
}

static void make_cgroups(struct floor *f)
{
	char path[CGROUP_PATH_MAX];
	const char *tree = f->v2 ? "" : "unified";

	snprintf(f->leaf, sizeof(f->leaf), "floor.%d", getpid());
	if (!f->v2)
		make_cgroups_v1(f);
	if (!f->v2 && access(CGROUP_MOUNT "/unified/cgroup.procs", F_OK) < 0)
		return;
	make_leaf(f, tree);
	f->unified_fd =
		must(open(leaf_path(f, tree, NULL, path), O_PATH | O_DIRECTORY | O_CLOEXEC), path);
	if (!f->v2 || !f->on.limits)
		return;
	write_file(leaf_path(f, "", "memory.max", path), "1073741824");
	write_file(leaf_path(f, "", "memory.oom.group", path), "1");
	write_file(leaf_path(f, "", "cpu.weight", path), "100");
	write_file(leaf_path(f, "", "pids.max", path), "256");
}

static void remove_leaf(const struct floor *f, const char *tree)
{
	char path[CGROUP_PATH_MAX];

	while (rmdir(leaf_path(f, tree, NULL, path)) < 0)
		if (errno != EBUSY)
			die(path);
}

static void remove_cgroups(const struct floor *f)
{
	for (size_t i = 0; !f->v2 && i < TREES; i++)
		if (f->tasks_fd[i] >= 0)
			remove_leaf(f, trees[i]);
	if (f->unified_fd >= 0)
		remove_leaf(f, f->v2 ? "" : "unified");
}

static void make_init(struct floor *f)
{
	size_t len = (size_t)(floor_init_end - floor_init_start);

	f->init_fd = MUST(memfd_create("floor-init", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (write(f->init_fd, floor_init_start, len) != (ssize_t)len)
		die("write the image of process 1");
	MUST(fcntl(f->init_fd, F_ADD_SEALS,
		   F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
}

/* fd64:796e:6f00::/64 has the addresses of IPv4 in its lower half. */
static void address6(uint32_t address, uint8_t ret[16])
{
	static const uint8_t network[8] = {0xfd, 0x64, 0x79, 0x6e, 0x6f};
	const uint32_t be = htonl(address);

	memset(ret, 0, 16);
	memcpy(ret, network, sizeof(network));
	memcpy(ret + 12, &be, sizeof(be));
}

static int must_link(int r, const char *what)
{
	errno = r < 0 ? -r : 0;
	if (r < 0)
		die(what);
	return r;
}
#define MUST_LINK(call) must_link(call, #call)

/* As the parent while the child mounts: the child's end from within, then the host's. */
static void make_links(const struct floor *f, int pidfd)
{
	const uint32_t address = LINK_NETWORK | ((uint32_t)getpid() & 0xffff);
	const uint32_t be = htonl(address);
	const uint64_t go = 1;
	char name[16];
	struct rtnl_veth veth = {.name = "eth0", .index = LINK_INDEX, .peer = name};
	uint8_t own6[16], net6[16];
	int fd = must_link(rtnl_open(), "rtnl_open");
	int inside;
	uint32_t link;

	address6(address, own6);
	address6(LINK_NETWORK, net6);
	snprintf(name, sizeof(name), "floor-%x", address);
	veth.peer_netns_fd = MUST(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	MUST(setns(pidfd, CLONE_NEWNET));
	write_file("/proc/sys/net/ipv6/conf/default/accept_ra", "0");
	inside = must_link(rtnl_open(), "rtnl_open");
	MUST_LINK(rtnl_add_veth(inside, &veth));
	MUST_LINK(rtnl_add_address(inside, AF_INET, &be, LINK_INDEX));
	MUST_LINK(rtnl_add_route(inside, AF_INET, NULL, NULL, LINK_INDEX));
	MUST_LINK(rtnl_add_address(inside, AF_INET6, own6, LINK_INDEX));
	MUST_LINK(rtnl_add_route(inside, AF_INET6, net6, NULL, LINK_INDEX));
	close(inside);
	MUST(setns(veth.peer_netns_fd, CLONE_NEWNET));
	close(veth.peer_netns_fd);
	link = (uint32_t)MUST_LINK(rtnl_link_index(fd, name));
	MUST_LINK(rtnl_link_up(fd, link));
	MUST_LINK(rtnl_add_route(fd, AF_INET, &be, NULL, link));
	MUST_LINK(rtnl_add_route(fd, AF_INET6, own6, NULL, link));
	close(fd);
	if (write(f->network_fd, &go, sizeof(go)) < 0)
		die("tell the child of its network");
}

/* ---- the child: the root --------------------------------------------------------------------- */

/* A new file system with its options, "key", "value", ..., NULL. */
static int make_fs(const char *type, unsigned int attrs, const char *const *options)
{
	int fs = must(fsopen(type, FSOPEN_CLOEXEC), type);
	int fd;

	for (; options && *options; options += 2)
		must(fsconfig(fs, FSCONFIG_SET_STRING, options[0], options[1], 0), options[0]);
	must(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), type);
	fd = must(fsmount(fs, FSMOUNT_CLOEXEC, attrs), type);
	close(fs);
	return fd;
}

static void attach(int mount_fd, int at_fd, const char *path)
{
	must(move_mount(mount_fd, "", at_fd, path, MOVE_MOUNT_F_EMPTY_PATH), path);
}

static int clone_layer(const struct floor *f, const char *path)
{
	struct mount_attr attr = {.attr_set = ATTRS_SHARED};
	int fd = must(open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), path);

	if (f->on.userns && f->on.idmap) {
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (unsigned int)f->userns_fd;
	}
	must(mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)), path);
	return fd;
}

static uid_t host_id(const struct floor *f, uid_t inside)
{
	return f->on.userns ? FIRST_HOST_ID + inside : inside;
}

static void give(const struct floor *f, int at, const char *path)
{
	must(fchownat(at, path, host_id(f, 0), host_id(f, 0), AT_SYMLINK_NOFOLLOW), path);
}

static void make_dir(const struct floor *f, int at, const char *path, mode_t mode)
{
	must(mkdirat(at, path, mode), path);
	give(f, at, path);
}

static void make_file(const struct floor *f, int at, const char *path)
{
	static const char text[] = "about as long as a generated file of /etc is, give or take\n";
	int fd = must(openat(at, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444), path);

	if (write(fd, text, STRLEN(text)) < 0)
		die(path);
	close(fd);
	give(f, at, path);
}

static void make_nodes(const struct floor *f, int upper, int beside)
{
	static const char *const dirs[] = {"etc", "sys", "sys/fs", "sys/fs/cgroup",
					   "sys/fs/cgroup/memory"};
	static const char *const files[] = {
		"etc/passwd",	   "etc/group",	  "etc/hosts",	     "etc/hostname",
		"etc/resolv.conf", "etc/profile", "etc/bash.bashrc", "sys/fs/cgroup/memory/limit"};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		make_dir(f, upper, dirs[i], 0755);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		make_file(f, upper, files[i]);
	make_dir(f, beside, "mask", 0555);
	make_file(f, beside, "boot_id");
}

static int make_scratch(const struct floor *f)
{
	char id[16];
	const char *const options[] = {"size", "268435456", "nr_inodes", "16384", "mode", "0755",
				       "uid",  id,	    "gid",	 id,	  NULL};
	int fd;

	snprintf(id, sizeof(id), "%u", host_id(f, 0));
	fd = make_fs("tmpfs", ATTRS_TENANT, options);
	make_dir(f, fd, "upper", 0755);
	make_dir(f, fd, "work", 0755);
	make_dir(f, fd, "root", 0755);
	return fd;
}

static int make_overlay(const struct floor *f, int scratch)
{
	int slug = clone_layer(f, f->slug);
	int stack = clone_layer(f, f->stack);
	int upper = MUST(openat(scratch, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC));
	int work = MUST(openat(scratch, "work", O_PATH | O_DIRECTORY | O_CLOEXEC));
	int fs = MUST(fsopen("overlay", FSOPEN_CLOEXEC));
	char path[40];
	int root;

	/* By descriptor since 6.13, by path before. */
	if (fsconfig(fs, FSCONFIG_SET_FD, "lowerdir+", NULL, slug) == 0) {
		MUST(fsconfig(fs, FSCONFIG_SET_FD, "lowerdir+", NULL, stack));
		MUST(fsconfig(fs, FSCONFIG_SET_FD, "upperdir", NULL, upper));
		MUST(fsconfig(fs, FSCONFIG_SET_FD, "workdir", NULL, work));
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d:/proc/self/fd/%d", slug, stack);
		MUST(fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", path, 0));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", upper);
		MUST(fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", path, 0));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", work);
		MUST(fsconfig(fs, FSCONFIG_SET_STRING, "workdir", path, 0));
	}
	MUST(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	root = MUST(fsmount(fs, FSMOUNT_CLOEXEC, ATTRS_TENANT));
	if (f->on.nodes)
		make_nodes(f, upper, scratch);
	/*
	 * Attached only now: an overlay shows the paths that its layers had when it was made.  And
	 * attached at all, as before 6.15 nothing is cloned out of a detached mount.
	 */
	attach(scratch, AT_FDCWD, f->run_dir);
	attach(root, scratch, "root");
	return root;
}

static int make_dev(const struct floor *f, int root)
{
	static const struct {
		const char *name;
		unsigned int major, minor;
	} nodes[] = {{"null", 1, 3},   {"zero", 1, 5},	  {"full", 1, 7},
		     {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
	static const char *const links[][2] = {{"/proc/self/fd", "fd"},
					       {"/proc/self/fd/0", "stdin"},
					       {"/proc/self/fd/1", "stdout"},
					       {"/proc/self/fd/2", "stderr"},
					       {"pts/ptmx", "ptmx"}};
	char id[16];
	const char *const options[] = {"size", "1048576", "nr_inodes", "64", "mode", "0755",
				       "uid",  id,	  "gid",       id,   NULL};
	int fd;

	snprintf(id, sizeof(id), "%u", host_id(f, 0));
	fd = make_fs("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, options);
	attach(fd, root, "dev");
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		must(mknodat(fd, nodes[i].name, S_IFCHR | 0666,
			     makedev(nodes[i].major, nodes[i].minor)),
		     nodes[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		must(symlinkat(links[i][0], fd, links[i][1]), links[i][1]);
	MUST(mkdirat(fd, "pts", 0755));
	MUST(mkdirat(fd, "shm", 0755));
	return fd;
}

static void make_devpts(const struct floor *f, int dev)
{
	char gid[16];
	const char *const options[] = {"mode", "0620", "ptmxmode", "0666", "max",
				       "1024", "gid",  gid,	   NULL};

	snprintf(gid, sizeof(gid), "%u", host_id(f, 5));
	attach(make_fs("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, options), dev, "pts");
}

static void make_shm(const struct floor *f, int dev)
{
	char id[16];
	const char *const options[] = {"size", "67108864", "nr_inodes", "2048", "mode", "0700",
				       "uid",  id,	   "gid",	id,	NULL};

	snprintf(id, sizeof(id), "%u", host_id(f, f->uid));
	attach(make_fs("tmpfs", ATTRS_TENANT, options), dev, "shm");
}

static void cover(int from, const char *what, int proc, const char *target, bool read_only)
{
	struct mount_attr attr = {.attr_set = ATTRS_SHARED | MOUNT_ATTR_NOEXEC};
	int fd;

	if (faccessat(proc, target, F_OK, 0) < 0)
		return;
	fd = must(open_tree(from, what, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), what);
	if (read_only)
		must(mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)), what);
	attach(fd, proc, target);
}

static void make_root(const struct floor *f)
{
	struct mount_attr private = {.propagation = MS_PRIVATE};
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	int scratch, root, proc = -1, dev = -1;

	MUST(mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof(private)));
	scratch = make_scratch(f);
	root = make_overlay(f, scratch);
	for (size_t i = 0; i < f->n_binds; i++)
		attach(clone_layer(f, f->binds[i]), root, f->binds[i] + 1);
	if (f->on.proc) {
		proc = make_fs("proc", ATTRS_TENANT | MOUNT_ATTR_NOEXEC, NULL);
		attach(proc, root, "proc");
	}
	if (f->on.dev)
		dev = make_dev(f, root);
	if (dev >= 0 && f->on.devpts)
		make_devpts(f, dev);
	if (dev >= 0 && f->on.shm)
		make_shm(f, dev);
	if (f->on.masks && proc >= 0 && dev >= 0 && f->on.nodes) {
		cover(dev, "null", proc, "kcore", false);
		cover(dev, "null", proc, "timer_list", false);
		cover(scratch, "mask", proc, "scsi", true);
		cover(scratch, "mask", proc, "pressure", true);
		cover(scratch, "boot_id", proc, "sys/kernel/random/boot_id", true);
	}
	if (dev >= 0)
		MUST(mount_setattr(dev, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)));
	MUST(fchdir(root));
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(chdir("/"));
}

/* ---- the child: privileges and the command ---------------------------------------------------- */

static void raise_loopback(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	MUST(ioctl(fd, SIOCSIFFLAGS, &ifr));
	close(fd);
}

static void drop_privileges(const struct floor *f)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
	const struct rlimit core = {0, 0}, files = {10000, 10000}, processes = {256, 256};

	MUST(setrlimit(RLIMIT_CORE, &core));
	MUST(setrlimit(RLIMIT_NOFILE, &files));
	MUST(setrlimit(RLIMIT_NPROC, &processes));
	if (f->on.userns)
		MUST(setns(f->userns_fd, CLONE_NEWUSER));
	for (unsigned long cap = 0; f->on.caps && cap < CAPS_MAX; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	if (f->on.caps) {
		MUST(syscall(SYS_setgroups, 0, NULL));
		MUST(syscall(SYS_setresgid, f->uid, f->uid, f->uid));
		MUST(syscall(SYS_setresuid, f->uid, f->uid, f->uid));
	}
	MUST(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
	MUST(chdir("/app"));
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (f->on.caps)
		MUST(syscall(SYS_capset, &head, none));
}

static void load_filter(void)
{
#if defined(__x86_64__)
	const struct sock_filter *code = seccomp_default_x86_64;
	size_t len = ARRAY_SIZE(seccomp_default_x86_64);
#else
	const struct sock_filter *code = seccomp_default_aarch64;
	size_t len = ARRAY_SIZE(seccomp_default_aarch64);
#endif
	struct sock_fprog program = {
		.len = (unsigned short)len,
		.filter = (struct sock_filter *)(uintptr_t)code, /* read only by the kernel */
	};

	MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static void child(void *arg)
{
	static const char *const envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/app",
					   "DYNO=run.1", "PORT=20000", NULL};
	const struct floor *f = arg;
	uint64_t go;

	MUST(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
	MUST(setsid());
	(void)umask(0);
	for (size_t i = 0; f->on.cgroups && !f->v2 && i < TREES; i++)
		if (f->tasks_fd[i] >= 0 && write(f->tasks_fd[i], "0", 1) < 0)
			die("join a control group");
	MUST(unshare(CLONE_NEWCGROUP));
	if (f->on.netns)
		raise_loopback();
	make_root(f);
	MUST(sethostname("floor", STRLEN("floor")));
	drop_privileges(f);
	if (f->on.veth && read(f->network_fd, &go, sizeof(go)) < 0)
		die("wait for the network");
	(void)umask(022);
	MUST(syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC));
	if (f->on.seccomp)
		load_filter();
	if (f->on.init)
		MUST(syscall(SYS_execveat, f->init_fd, "", f->command, envp, AT_EMPTY_PATH));
	must(execve(f->command[0], f->command, (char **)(uintptr_t)envp), f->command[0]);
}

/* ---- main ------------------------------------------------------------------------------------- */

static bool set_switch(struct switches *on, const char *word)
{
	bool value = strncmp(word, "no-", 3) != 0;
	const char *name = value ? word : word + 3;

#define SET(field, fallback, text)       \
	if (strcmp(name, #field) == 0) { \
		on->field = value;       \
		return true;             \
	}
	SWITCHES(SET)
#undef SET
	return false;
}

static _noreturn_ void usage(void)
{
	dprintf(STDERR_FILENO, "usage: floor [SWITCH | no-SWITCH]... [-b PATH]... SLUG_ROOT "
			       "STACK_ROOT RUN_DIR COMMAND [ARG...]\n");
#define LINE(name, on, text) \
	dprintf(STDERR_FILENO, "  %-8s %-3s %s\n", #name, (on) ? "on" : "off", text);
	SWITCHES(LINE)
#undef LINE
	_exit(2);
}

static void parse(struct floor *f, int argc, char **argv)
{
	struct stat st;
	char path[512];
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-b") == 0 && i + 1 < argc && f->n_binds < BINDS_MAX)
			f->binds[f->n_binds++] = argv[++i];
		else if (!set_switch(&f->on, argv[i]))
			break;
	}
	if (argc - i < 4)
		usage();
	f->slug = argv[i];
	f->stack = argv[i + 1];
	f->run_dir = argv[i + 2];
	f->command = argv + i + 3;
	snprintf(path, sizeof(path), "%s/app", f->slug);
	must(stat(path, &st), path);
	f->uid = st.st_uid ? st.st_uid : 1000;
}

int main(int argc, char **argv)
{
	static char stack[CHILD_STACK] __attribute__((aligned(16)));
	struct floor f = {
		.on =
			{
#define DEFAULT(name, value, text) .name = (value),
				SWITCHES(DEFAULT)
#undef DEFAULT
			},
		.userns_fd = -1,
		.init_fd = -1,
		.unified_fd = -1,
	};
	struct clone_plan plan = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
		.stack = stack,
		.stack_bytes = sizeof(stack),
		.cgroup_fd = -1,
		.fn = child,
		.arg = &f,
	};
	siginfo_t si = {0};
	int pidfd, in_cgroup;

	parse(&f, argc, argv);
	f.v2 = access(CGROUP_MOUNT "/cgroup.controllers", F_OK) == 0;
	if (f.on.userns)
		make_userns(&f);
	if (f.on.cgroups)
		make_cgroups(&f);
	if (f.on.init)
		make_init(&f);
	plan.cgroup_fd = f.unified_fd;
	if (f.on.netns)
		plan.flags |= CLONE_NEWNET;
	if (f.on.veth)
		f.network_fd = MUST(eventfd(0, EFD_CLOEXEC));
	else if (f.on.vfork)
		plan.flags |= CLONE_VM | CLONE_VFORK;
	errno = -MIN_OF(clone_call(&plan, &pidfd, &in_cgroup), 0);
	if (errno)
		die("clone");
	if (f.on.veth)
		make_links(&f, pidfd);
	MUST(waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED));
	if (f.on.cgroups)
		remove_cgroups(&f);
	return si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
}
