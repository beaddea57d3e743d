/* SPDX-License-Identifier: Apache-2.0 */
/* calls.c - system calls that reach for the kernel, for other processes, or for more rights. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/kcmp.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>

#include "base/util.h"
#include "hostile.h"

/* Source: linux/sched.h; the C library of Debian 12 does not name them all */
#define NEW_TIME 0x00000080UL
/* The kernel takes the lower half of flags that are an int; a filter must do so too. */
#define UPPER_HALF (1UL << 32)
/* Source: arch/x86/include/uapi/asm/unistd.h */
#define X32_BIT 0x40000000L
/* Numbers that the headers of Debian 12 do not have. Source: asm-generic/unistd.h */
#define NR_STATMOUNT	  457
#define NR_LISTMOUNT	  458
#define NR_LSM_SET_SELF	  460
#define NR_OPEN_TREE_ATTR 467

#define CALL(id, ...)                       \
	static int try_##id(void)           \
	{                                   \
		return result(__VA_ARGS__); \
	}

/* ---- mounts and roots -------------------------------------------------------------------------*/

CALL(mount_tmpfs, mount("none", "/tmp", "tmpfs", 0, NULL))
CALL(mount_proc, mount("none", "/tmp", "proc", 0, NULL))
CALL(mount_cgroup, mount("none", "/tmp", "cgroup", 0, "memory"))
CALL(mount_bind, mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL))
CALL(mount_remount, mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL))
CALL(mount_suid, mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL))
CALL(mount_share, mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL))
CALL(umount_mask, umount2("/proc/kcore", MNT_DETACH))
CALL(umount_proc, umount2("/proc", MNT_DETACH))
CALL(umount_root, umount2("/", MNT_DETACH))
CALL(fsopen_tmpfs, syscall(SYS_fsopen, "tmpfs", 0))
CALL(fsopen_cgroup, syscall(SYS_fsopen, "cgroup2", 0))
CALL(fsconfig, syscall(SYS_fsconfig, 0, 0, NULL, NULL, 0))
CALL(fsmount, syscall(SYS_fsmount, 0, 0, 0))
CALL(fspick, syscall(SYS_fspick, AT_FDCWD, "/", 0))
CALL(open_tree, syscall(SYS_open_tree, AT_FDCWD, "/", 0))
CALL(open_tree_clone, syscall(SYS_open_tree, AT_FDCWD, "/", 1))
CALL(open_tree_attr, syscall(NR_OPEN_TREE_ATTR, AT_FDCWD, "/", 1, NULL, 0))
CALL(move_mount, syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/tmp", 0))
CALL(mount_setattr, syscall(SYS_mount_setattr, AT_FDCWD, "/usr", 0, "\0", 0))
CALL(statmount, syscall(NR_STATMOUNT, NULL, NULL, 0, 0))
CALL(listmount, syscall(NR_LISTMOUNT, NULL, NULL, 0, 0))
CALL(pivot_root, syscall(SYS_pivot_root, "/", "/tmp"))
CALL(chroot, chroot("/tmp"))

/* ---- namespaces -------------------------------------------------------------------------------*/

#define UNSHARE(id, flags) CALL(unshare_##id, syscall(SYS_unshare, (unsigned long)(flags)))
UNSHARE(user, CLONE_NEWUSER)
UNSHARE(mnt, CLONE_NEWNS)
UNSHARE(pid, CLONE_NEWPID)
UNSHARE(net, CLONE_NEWNET)
UNSHARE(ipc, CLONE_NEWIPC)
UNSHARE(uts, CLONE_NEWUTS)
UNSHARE(cgroup, CLONE_NEWCGROUP)
UNSHARE(time, NEW_TIME)
UNSHARE(user_upper, CLONE_NEWUSER | UPPER_HALF)
UNSHARE(user_and_files, CLONE_NEWUSER | CLONE_FILES)

static int cloned(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int try_clone_user(void)
{
	return cloned(CLONE_NEWUSER);
}

static int try_clone_user_upper(void)
{
	return cloned(CLONE_NEWUSER | UPPER_HALF);
}

static int try_clone_mnt(void)
{
	return cloned(CLONE_NEWNS);
}

static int try_clone3_user(void)
{
	uint64_t args[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
	long pid = syscall(SYS_clone3, args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int enter(const char *ns)
{
	int fd = open(ns, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : result(setns(fd, 0));
}

static int try_setns_self(void)
{
	return enter("/proc/self/ns/uts");
}

static int try_setns_init(void)
{
	return enter("/proc/1/ns/mnt");
}

static int try_setns_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, 1, 0);

	return fd < 0 ? -errno : result(setns(fd, CLONE_NEWNS | CLONE_NEWPID));
}

/* ---- nodes ------------------------------------------------------------------------------------*/

static int node(const char *path, mode_t mode, dev_t dev)
{
	int r = result(mknod(path, mode, dev));

	(void)unlink(path); /* whoever comes next makes it anew */
	return r;
}

static int try_mknod_block(void)
{
	return node("/tmp/hostile.block", S_IFBLK | 0600, makedev(8, 0));
}

static int try_mknod_char(void)
{
	return node("/tmp/hostile.char", S_IFCHR | 0600, makedev(1, 1));
}

/* Overlay takes such a node for the sign of a removed file; the kernel lets anybody make it. */
static int try_mknod_whiteout(void)
{
	return node("/tmp/hostile.whiteout", S_IFCHR | 0600, makedev(0, 0));
}

static int try_mkfifo(void)
{
	return node("/tmp/hostile.fifo", S_IFIFO | 0600, 0);
}

CALL(rename_whiteout, syscall(SYS_renameat2, AT_FDCWD, "/tmp", AT_FDCWD, "/tmp/x", 1 << 2))

/* ---- the kernel's own machinery ---------------------------------------------------------------*/

CALL(keyctl_session, syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0))
CALL(keyctl_join, syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL))
CALL(keyctl_persistent, syscall(SYS_keyctl, KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_PROCESS_KEYRING))
CALL(add_key, syscall(SYS_add_key, "user", "hostile", "x", 1, KEY_SPEC_USER_KEYRING))
CALL(request_key, syscall(SYS_request_key, "user", "hostile", NULL, 0))

static int try_bpf_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return result(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int try_bpf_program(void)
{
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER};

	return result(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
}

static int try_perf_event_open(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
				       .size = sizeof(attr),
				       .config = PERF_COUNT_SW_TASK_CLOCK,
				       .exclude_kernel = 1};

	return result(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int try_io_uring_setup(void)
{
	char params[120] = {0};

	return result(syscall(SYS_io_uring_setup, 1, params));
}

static int try_open_by_handle_at(void)
{
	struct {
		struct file_handle head;
		unsigned char space[MAX_HANDLE_SZ];
	} handle = {.head.handle_bytes = MAX_HANDLE_SZ};
	int mount_id;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (name_to_handle_at(AT_FDCWD, "/usr", &handle.head, &mount_id, 0) < 0)
		handle.head.handle_bytes = 8; /* the call must be refused before it looks */
	return result(open_by_handle_at(fd, &handle.head, O_RDONLY | O_CLOEXEC));
}

CALL(userfaultfd, syscall(SYS_userfaultfd, O_CLOEXEC))
CALL(userfaultfd_user, syscall(SYS_userfaultfd, O_CLOEXEC | 1))
CALL(io_uring_enter, syscall(SYS_io_uring_enter, 0, 1, 0, 0, NULL, 0))
CALL(io_uring_register, syscall(SYS_io_uring_register, -1, 0, NULL, 0))
CALL(fanotify, syscall(SYS_fanotify_init, 0, O_RDONLY))
CALL(memfd_secret, syscall(SYS_memfd_secret, 0))
CALL(init_module, syscall(SYS_init_module, NULL, 0, ""))
CALL(finit_module, syscall(SYS_finit_module, 0, "", 0))
CALL(delete_module, syscall(SYS_delete_module, "hostile", O_NONBLOCK))
CALL(kexec_load, syscall(SYS_kexec_load, 0, 0, NULL, 0))
CALL(kexec_file_load, syscall(SYS_kexec_file_load, -1, -1, 0, "", 0))
CALL(reboot, syscall(SYS_reboot, 0, 0, 0, NULL))
CALL(swapon, syscall(SYS_swapon, "/tmp/hostile.swap", 0))
CALL(acct, acct("/tmp/hostile.acct"))
CALL(syslog, klogctl(10, NULL, 0))
CALL(sethostname, sethostname("hostile", 7))
CALL(setdomainname, setdomainname("hostile", 7))
CALL(settimeofday, syscall(SYS_settimeofday, NULL, NULL))
CALL(quotactl, syscall(SYS_quotactl, 0, NULL, 0, NULL))
CALL(lsm_set_self_attr, syscall(NR_LSM_SET_SELF, 0, NULL, 0, 0))
CALL(mbind, syscall(SYS_mbind, NULL, 0, 0, NULL, 0, 0))
CALL(move_pages, syscall(SYS_move_pages, 0, 0, NULL, NULL, NULL, 0))

static int try_clock_settime(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now); /* if it is set, then to what it is */
	return result(clock_settime(CLOCK_REALTIME, &now));
}

static int try_clock_adjust(void)
{
	struct timex adjust = {.modes = ADJ_SETOFFSET};

	return result(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &adjust));
}

#ifdef __x86_64__
CALL(modify_ldt, syscall(SYS_modify_ldt, 0, NULL, 0))
CALL(iopl, syscall(SYS_iopl, 3))
CALL(ioperm, syscall(SYS_ioperm, 0x80, 1, 1))
CALL(x32_getpid, syscall(X32_BIT | SYS_getpid))
CALL(x32_ptrace, syscall(X32_BIT | 521, PTRACE_TRACEME, 0, NULL, NULL))

/* The table of 32-bit calls has other numbers: a filter that looks at numbers alone is fooled. */
static int int80(long number, long first)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(number), "b"(first) : "memory");
	return r < 0 ? (int)r : 0;
}

static int try_int80_getpid(void)
{
	return int80(20, 0);
}

static int try_int80_unshare(void)
{
	return int80(310, CLONE_NEWUSER);
}
#endif

/* ---- other processes --------------------------------------------------------------------------*/

pid_t attempt_sibling;

/* A process of the same user, that may be looked into if anything may. */
static pid_t sibling(void)
{
	pid_t parent = getpid();

	attempt_sibling = fork();
	if (attempt_sibling)
		return attempt_sibling;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (;;)
		(void)pause();
}

static int try_vm_read(pid_t pid)
{
	static char secret[8];
	struct iovec iov = {secret, sizeof(secret)};

	return result(process_vm_readv(pid, &iov, 1, &iov, 1, 0));
}

static int try_vm_read_init(void)
{
	return try_vm_read(1);
}

static int try_vm_read_sibling(void)
{
	return try_vm_read(sibling());
}

static int try_vm_write_sibling(void)
{
	static char secret[8];
	struct iovec iov = {secret, sizeof(secret)};

	return result(process_vm_writev(sibling(), &iov, 1, &iov, 1, 0));
}

static int try_pidfd_getfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, 1, 0);

	return fd < 0 ? -errno : result(syscall(SYS_pidfd_getfd, fd, 0, 0));
}

CALL(ptrace_init, ptrace(PTRACE_ATTACH, 1, NULL, NULL))
CALL(ptrace_seize_init, ptrace(PTRACE_SEIZE, 1, NULL, NULL))
CALL(ptrace_sibling, ptrace(PTRACE_SEIZE, sibling(), NULL, NULL))
CALL(ptrace_me, ptrace(PTRACE_TRACEME, 0, NULL, NULL))
CALL(kcmp, syscall(SYS_kcmp, getpid(), sibling(), KCMP_FILES, 0, 0))
CALL(process_madvise, syscall(SYS_process_madvise, -1, NULL, 0, 0, 0))

/* ---- more rights ------------------------------------------------------------------------------*/

CALL(setuid_0, syscall(SYS_setuid, 0))
CALL(setresuid_0, syscall(SYS_setresuid, 0, 0, 0))
CALL(setgid_0, syscall(SYS_setgid, 0))
CALL(setgroups, syscall(SYS_setgroups, 1, (gid_t[]){0}))
CALL(ambient, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0))
CALL(new_privs, prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0))
CALL(filter_off, prctl(PR_SET_SECCOMP, SECCOMP_MODE_DISABLED, NULL))
CALL(real_time, sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}))
CALL(io_real_time, syscall(SYS_ioprio_set, 1, 0, 1 << 13))
CALL(exe_file, prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, 0, 0, 0))
CALL(no_aslr, syscall(SYS_personality, 0x0040000))
CALL(read_implies_exec, syscall(SYS_personality, 0x0400000))
CALL(no_aslr_upper, syscall(SYS_personality, 0x0040000UL | UPPER_HALF))

static int try_nice(void)
{
	/* from where everybody may come back to only with the right to */
	return result(setpriority(PRIO_PROCESS, 0, -20));
}

static int try_capset(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = ~0U, .permitted = ~0U}};

	return result(syscall(SYS_capset, &head, data));
}

/* The filter answers a change of the core limit as done, and does not do it. */
static int raise_limit(int which)
{
	struct rlimit limit;
	rlim_t wanted;

	if (getrlimit((__rlimit_resource_t)which, &limit) < 0)
		return -errno;
	if (limit.rlim_max == RLIM_INFINITY)
		return 0;
	wanted = ++limit.rlim_max;
	if (setrlimit((__rlimit_resource_t)which, &limit) < 0 ||
	    getrlimit((__rlimit_resource_t)which, &limit) < 0)
		return -errno;
	return limit.rlim_max == wanted ? 0 : -EPERM;
}

static int try_limit_processes(void)
{
	return raise_limit(RLIMIT_NPROC);
}

static int try_limit_core(void)
{
	return raise_limit(RLIMIT_CORE);
}

/* A filter of one's own, that allows all, changes nothing of those before it. */
static int try_own_filter(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = 1, .filter = &all};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return -errno;
	return result(unshare(CLONE_NEWUSER));
}

/* ---- terminals --------------------------------------------------------------------------------*/

static int on_terminal(unsigned long request, const void *arg)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	int slave;

	if (master < 0 || unlockpt(master) < 0 || setsid() < 0)
		return -errno;
	slave = open(ptsname(master), O_RDWR | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	return result(syscall(SYS_ioctl, slave, request, arg));
}

static int try_tiocsti(void)
{
	return on_terminal(TIOCSTI, "x");
}

static int try_tiocsti_upper(void)
{
	return on_terminal(TIOCSTI | UPPER_HALF, "x");
}

static int try_tioclinux(void)
{
	return on_terminal(TIOCLINUX, "\2");
}

static int try_tioccons(void)
{
	return on_terminal(TIOCCONS, NULL);
}

static int try_tiocsetd(void)
{
	return on_terminal(TIOCSETD, &(int){0});
}

/* ---- what an app may do -----------------------------------------------------------------------*/

/* A program in memory is the app's own; it has no more rights than one in a file. */
static int try_memfd_exec(void)
{
	char *const none[] = {NULL};
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = memfd_create("hostile", 0);
	char buf[4096];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, (size_t)n) != n)
			return -EIO;

	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		(void)syscall(SYS_execveat, to, "", (char *const[]){(char *)(uintptr_t) "x", NULL},
			      none, AT_EMPTY_PATH);
		_exit(errno);
	}
	(void)waitpid(pid, &status, 0);
	/* its usage message, for want of a mode */
	return WIFEXITED(status) && WEXITSTATUS(status) == 2 ? 0 : -EACCES;
}

#define A(id)                 \
	{                     \
#id, try_##id \
	}

/* clang-format off */
const struct attempt call_attempts[] = {
	A(mount_tmpfs), A(mount_proc), A(mount_cgroup), A(mount_bind), A(mount_remount),
	A(mount_suid), A(mount_share), A(umount_mask), A(umount_proc), A(umount_root),
	A(fsopen_tmpfs), A(fsopen_cgroup), A(fsconfig), A(fsmount), A(fspick), A(open_tree),
	A(open_tree_clone), A(open_tree_attr), A(move_mount), A(mount_setattr), A(statmount),
	A(listmount), A(pivot_root), A(chroot),
	A(unshare_user), A(unshare_mnt), A(unshare_pid), A(unshare_net), A(unshare_ipc),
	A(unshare_uts), A(unshare_cgroup), A(unshare_time), A(unshare_user_upper),
	A(unshare_user_and_files), A(clone_user), A(clone_user_upper), A(clone_mnt),
	A(clone3_user), A(setns_self), A(setns_init), A(setns_pidfd),
	A(mknod_block), A(mknod_char), A(mknod_whiteout), A(rename_whiteout), A(mkfifo),
	A(keyctl_session), A(keyctl_join), A(keyctl_persistent), A(add_key), A(request_key),
	A(bpf_map), A(bpf_program), A(perf_event_open), A(userfaultfd), A(userfaultfd_user),
	A(io_uring_setup), A(io_uring_enter), A(io_uring_register), A(open_by_handle_at),
	A(fanotify), A(memfd_secret), A(init_module), A(finit_module), A(delete_module),
	A(kexec_load), A(kexec_file_load), A(reboot), A(swapon), A(acct), A(syslog),
	A(sethostname), A(setdomainname), A(settimeofday), A(clock_settime), A(clock_adjust),
	A(quotactl), A(lsm_set_self_attr), A(mbind), A(move_pages),
#ifdef __x86_64__
	A(modify_ldt), A(iopl), A(ioperm), A(x32_getpid), A(x32_ptrace), A(int80_getpid),
	A(int80_unshare),
#endif
	A(ptrace_init), A(ptrace_seize_init), A(ptrace_sibling), A(ptrace_me), A(vm_read_init),
	A(vm_read_sibling), A(vm_write_sibling), A(pidfd_getfd), A(kcmp), A(process_madvise),
	A(setuid_0), A(setresuid_0), A(setgid_0), A(setgroups), A(capset), A(ambient),
	A(new_privs), A(filter_off), A(own_filter), A(limit_processes), A(limit_core), A(nice),
	A(real_time), A(io_real_time), A(exe_file), A(no_aslr), A(read_implies_exec),
	A(no_aslr_upper),
	A(tiocsti), A(tiocsti_upper), A(tioclinux), A(tioccons), A(tiocsetd),
	A(memfd_exec),
	{NULL, NULL},
};
/* clang-format on */
