/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_path.c - opening beneath a directory with and without openat2 (T47), and the removal of
 * hostile trees (T27, T60): a canary beside the tree must survive every case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/* Source: TORTURE T07 and T27 name this depth. */
#define DEEP_LEVELS 100000

/* A child's way to say that it cannot make the case; what it wrote to stderr says why. */
#define CHILD_SKIP 77

/* An id that owns nothing here. */
#define STRANGER 65534

struct dir {
	char path[64];
	int fd;
};

/* In a child a failed check must not jump into cmocka: it is told and ends the child. */
#define CHECK(cond)                                                                           \
	do {                                                                                  \
		if (!(cond)) {                                                                \
			(void)dprintf(2, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, \
				      errno);                                                 \
			_exit(1);                                                             \
		}                                                                             \
	} while (0)

/* fork(2), but the child cannot outlive a test that failed before it was waited for. */
static pid_t fork_tied(void)
{
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(1);
	return pid;
}

static int setup_dir(void **state)
{
	static struct dir d;
	_cleanup_close_ int fd = -EBADF;

	(void)str_fmt(d.path, sizeof(d.path), "/tmp/dyno-test-path-XXXXXX");
	if (!mkdtemp(d.path))
		return -1;
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &d;
	if (d.fd < 0 || mkdirat(d.fd, "canary", 0755) < 0 || mkdirat(d.fd, "tree", 0755) < 0)
		return -1;
	fd = openat(d.fd, "canary/bird", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : 0;
}

static int teardown_dir(void **state)
{
	_cleanup_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dir *d = *state;
	struct stat st;
	int r = fstatat(d->fd, "canary/bird", &st, AT_SYMLINK_NOFOLLOW);

	close_fdp(&d->fd);
	return r < 0 ? -1 : path_remove_tree(tmp, d->path + STRLEN("/tmp/"));
}

static int exists(const struct dir *d, const char *name)
{
	struct stat st;

	return fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put_file(const struct dir *d, const char *name)
{
	_cleanup_close_ int fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
}

static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int i = 0; i < 1024; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

/* Runs @fn in a child and passes its skip on. */
static void in_child(void (*fn)(const struct dir *d), const struct dir *d)
{
	pid_t pid = fork_tied();
	int status;

	if (pid == 0) {
		fn(d);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CHILD_SKIP)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static _noreturn_ void skip_child(const char *why)
{
	(void)dprintf(2, "skipped: %s\n", why);
	_exit(CHILD_SKIP);
}

/* ---- opening ---------------------------------------------------------------------------------- */

struct open_case {
	const char *path;
	int flags;
	int want;      /* -errno, or 0 for a descriptor */
	int want_walk; /* the same where openat2 is hidden */
};

static const struct open_case open_cases[] = {
	{"a/b/f", O_RDONLY, 0, 0},
	{"a//b/./f", O_RDONLY, 0, 0},
	{"./a/b/f", O_RDONLY, 0, 0},
	{"a/b", O_RDONLY | O_DIRECTORY, 0, 0},
	{"a/b/", O_RDONLY, 0, 0},
	{"a/b/.", O_RDONLY, 0, 0},
	{".", O_RDONLY | O_DIRECTORY, 0, 0},
	{"a/b/f", O_PATH, 0, 0},
	{"a/b/f/", O_RDONLY, -ENOTDIR, -ENOTDIR},
	{"a/b/f/x", O_RDONLY, -ENOTDIR, -ENOTDIR},
	{"a/none", O_RDONLY, -ENOENT, -ENOENT},
	{"none/f", O_RDONLY, -ENOENT, -ENOENT},
	{"", O_RDONLY, -ENOENT, -ENOENT},
	{"a/new", O_WRONLY | O_CREAT | O_EXCL, 0, 0},
	{"a/b/f", O_WRONLY | O_CREAT | O_EXCL, -EEXIST, -EEXIST},
	{"/etc/passwd", O_RDONLY, -EXDEV, -EXDEV},
	{"..", O_RDONLY, -EXDEV, -EXDEV},
	{"../canary/bird", O_RDONLY, -EXDEV, -EXDEV},
	{"a/../../canary/bird", O_RDONLY, -EXDEV, -EXDEV},
	{"out/bird", O_RDONLY, -EXDEV, -ELOOP},
	{"abs", O_RDONLY, -EXDEV, -ELOOP},
	{"abs", O_PATH, -EXDEV, -ELOOP},
	{"abs", O_PATH | O_NOFOLLOW, 0, 0},
	{"abs", O_RDONLY | O_NOFOLLOW, -ELOOP, -ELOOP},
	{"loop", O_RDONLY, -ELOOP, -ELOOP},
	/* Harmless ways that only the kernel can tell from harmful ones. */
	{"a/../a/b/f", O_RDONLY, 0, -EXDEV},
	{"in/f", O_RDONLY, 0, -ELOOP},
	{"in", O_RDONLY | O_DIRECTORY, 0, -ELOOP},
};

/* As if the tree were `/`: what leaves it arrives at its top. */
static const struct open_case in_root_cases[] = {
	{"a/b/f", O_RDONLY, 0, 0},
	{"/a/b/f", O_RDONLY, 0, 0},
	{"//a/b/f", O_RDONLY, 0, 0},
	{"/", O_RDONLY | O_DIRECTORY, 0, 0},
	{".", O_RDONLY | O_DIRECTORY, 0, 0},
	{"/none", O_RDONLY, -ENOENT, -ENOENT},
	{"/canary/bird", O_RDONLY, -ENOENT, -ENOENT},
	{"../canary/bird", O_RDONLY, -ENOENT, -EXDEV},
	{"../../a/b/f", O_RDONLY, 0, -EXDEV},
	{"out/bird", O_RDONLY, -ENOENT, -ELOOP},
	{"abs", O_RDONLY, -ENOENT, -ELOOP},
	{"abs", O_PATH | O_NOFOLLOW, 0, 0},
	{"loop", O_RDONLY, -ELOOP, -ELOOP},
	{"in/f", O_RDONLY, 0, -ELOOP},
	{"root/a/b/f", O_RDONLY, 0, -ELOOP},
};

static void make_open_tree(const struct dir *d)
{
	assert_int_equal(mkdirat(d->fd, "tree/a", 0755), 0);
	assert_int_equal(mkdirat(d->fd, "tree/a/b", 0755), 0);
	put_file(d, "tree/a/b/f");
	assert_int_equal(symlinkat("../canary", d->fd, "tree/out"), 0);
	assert_int_equal(symlinkat("/etc/passwd", d->fd, "tree/abs"), 0);
	assert_int_equal(symlinkat("loop", d->fd, "tree/loop"), 0);
	assert_int_equal(symlinkat("a/b", d->fd, "tree/in"), 0);
	assert_int_equal(symlinkat("/", d->fd, "tree/root"), 0);
}

static void check_in_root_cases(int root, bool walk)
{
	for (size_t i = 0; i < ARRAY_SIZE(in_root_cases); i++) {
		const struct open_case *c = &in_root_cases[i];
		int want = walk ? c->want_walk : c->want;
		int fd = open_in_root(root, c->path, c->flags);

		if ((want == 0) != (fd >= 0) || (want < 0 && fd != want)) {
			(void)dprintf(2, "open_in_root(%s, %#x) = %d, not %d\n", c->path,
				      (unsigned int)c->flags, fd, want);
			_exit(1);
		}
		if (fd >= 0)
			CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
		close_fdp(&fd);
	}
}

/* A magic link leads to where no path does. */
static void check_magic_link(const struct dir *d)
{
	_cleanup_close_ int host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[64];

	(void)str_fmt(path, sizeof(path), "/proc/self/fd/%d/tree", d->fd);
	CHECK(open_in_root(host, path, O_RDONLY) == -ELOOP);
}

static void check_open_cases(const struct dir *d, bool walk)
{
	char long_name[300];
	int root = openat(d->fd, "tree", O_PATH | O_DIRECTORY | O_CLOEXEC);
	unsigned int fds = count_fds();

	for (size_t i = 0; i < ARRAY_SIZE(open_cases); i++) {
		const struct open_case *c = &open_cases[i];
		int want = walk ? c->want_walk : c->want;
		int fd = open_beneath(root, c->path, c->flags, 0644);

		if ((want == 0) != (fd >= 0) || (want < 0 && fd != want)) {
			(void)dprintf(2, "open_beneath(%s, %#x) = %d, not %d\n", c->path,
				      (unsigned int)c->flags, fd, want);
			_exit(1);
		}
		if (fd >= 0)
			CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
		close_fdp(&fd);
		(void)unlinkat(root, "a/new", 0);
	}
	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	CHECK(open_beneath(root, long_name, O_RDONLY, 0) == -ENAMETOOLONG);
	check_in_root_cases(root, walk);
	check_magic_link(d);
	CHECK(count_fds() == fds);
}

static void hide_openat2(unsigned int num)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | num),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
	CHECK(syscall(SYS_openat2, -1, NULL, NULL, 0) < 0 && errno == (int)num);
}

static void child_open_native(const struct dir *d)
{
	if (syscall(SYS_openat2, -1, NULL, NULL, 0) < 0 && errno != EINVAL)
		skip_child("this kernel, or a filter, has no openat2");
	check_open_cases(d, false);
}

static void child_open_enosys(const struct dir *d)
{
	hide_openat2(ENOSYS);
	check_open_cases(d, true);
}

static void child_open_eperm(const struct dir *d)
{
	hide_openat2(EPERM);
	check_open_cases(d, true);
}

static void open__table__never_leaves_the_tree(void **state)
{
	make_open_tree(*state);
	in_child(child_open_native, *state);
}

static void open__openat2_missing__walks_by_component(void **state)
{
	make_open_tree(*state);
	in_child(child_open_enosys, *state);
}

static void open__openat2_refused_by_a_filter__walks_too(void **state)
{
	make_open_tree(*state);
	in_child(child_open_eperm, *state);
}

/* ---- making ----------------------------------------------------------------------------------- */

static void path_mkdir_p__table__makes_or_finds(void **state)
{
	static const struct {
		const char *path;
		int want;
	} cases[] = {
		{"p/q/r", 0},
		{"p/q/r", 0},
		{"p//q/./s/", 0},
		{"p/q/r/../t", 0},
		{"canary/bird", -ENOTDIR},
		{"canary/bird/x", -ENOTDIR},
		{"to-canary/new", 0},
		{"dangling", -ENOENT},
		{"", -ENOENT},
		{"/", 0},
	};
	const struct dir *d = *state;
	char path[5000];

	assert_int_equal(symlinkat("canary", d->fd, "to-canary"), 0);
	assert_int_equal(symlinkat("nowhere/at/all", d->fd, "dangling"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = path_mkdir_p(d->fd, cases[i].path, 0755);

		/* a dangling link is there and is no directory; the errno is the kernel's */
		if (str_eq(cases[i].path, "dangling"))
			assert_true(r < 0);
		else
			assert_int_equal(r, cases[i].want);
	}
	assert_true(exists(d, "p/q/r") && exists(d, "p/q/s") && exists(d, "p/q/t"));
	assert_true(exists(d, "canary/new"));

	(void)str_fmt(path, sizeof(path), "%s/one/two", d->path);
	assert_int_equal(path_mkdir_p(AT_FDCWD, path, 0700), 0);
	assert_true(exists(d, "one/two"));
	memset(path, '/', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(path_mkdir_p(d->fd, path, 0700), -ENAMETOOLONG);
}

static void path_basename__table__is_the_last_component(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{"a", "a"}, {"a/b", "b"}, {"/a/b.tgz", "b.tgz"}, {"a/b///", "b"},
		{"/", ""},  {"", ""},	  {"..", ".."},		 {"/a/", "a"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = 4711;
		const char *base = path_basename(cases[i].path, &len);

		assert_int_equal(len, strlen(cases[i].want));
		assert_memory_equal(base, cases[i].want, len);
	}
}

/* ---- removing --------------------------------------------------------------------------------- */

static void path_remove_tree__names__are_one_component(void **state)
{
	static const char *const refused[] = {"", ".", "..", "a/b", "/", "/tmp", "tree/"};
	const struct dir *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(path_remove_tree(d->fd, refused[i]), -EINVAL);
	assert_int_equal(path_remove_tree(d->fd, "missing"), 0);
	assert_true(exists(d, "tree"));
}

/* T60: links of every kind are removed, what they point to is not. */
static void path_remove_tree__links_to_a_canary__leave_it_alone(void **state)
{
	const struct dir *d = *state;
	struct stat st;

	assert_int_equal(symlinkat("../canary", d->fd, "tree/rel"), 0);
	assert_int_equal(symlinkat(d->path, d->fd, "tree/abs"), 0);
	assert_int_equal(symlinkat("/proc/self/cwd", d->fd, "tree/magic"), 0);
	assert_int_equal(mkdirat(d->fd, "tree/sub", 0755), 0);
	assert_int_equal(symlinkat("../../canary", d->fd, "tree/sub/rel"), 0);
	assert_int_equal(linkat(d->fd, "canary/bird", d->fd, "tree/sub/hard", 0), 0);
	assert_int_equal(mkfifoat(d->fd, "tree/sub/fifo", 0), 0);
	put_file(d, "tree/sub/\377\n\033");
	assert_int_equal(path_remove_tree(d->fd, "tree"), 0);
	assert_false(exists(d, "tree"));
	assert_int_equal(fstatat(d->fd, "canary/bird", &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);

	assert_int_equal(symlinkat("canary", d->fd, "link"), 0);
	assert_int_equal(path_remove_tree(d->fd, "link"), 0);
	assert_false(exists(d, "link"));
}

/* A directory larger than many listings, and wide at the depth where hoisting begins. */
static void path_remove_tree__wide__is_removed(void **state)
{
	const struct dir *d = *state;
	_cleanup_close_ int at = openat(d->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[32];

	for (int i = 0; i < 5000; i++) {
		(void)str_fmt(name, sizeof(name), "file-with-some-name-%d", i);
		assert_int_equal(mknodat(at, name, S_IFREG | 0600, 0), 0);
	}
	for (int level = 0; level < 200; level++) {
		int next;

		for (int i = 0; i < (level < 40 ? 40 : 2); i++) {
			(void)str_fmt(name, sizeof(name), "%d", i);
			assert_int_equal(mkdirat(at, name, 0755), 0);
		}
		next = openat(at, "1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close_fdp(&at);
		at = next;
	}
	assert_int_equal(path_remove_tree(d->fd, "tree"), 0);
	assert_false(exists(d, "tree"));
}

/* A chain deeper than all windows together, and at each level the names a hoist would take first. */
static void make_clashing_chain(const struct dir *d, const char *link, bool clash_first)
{
	int at = openat(d->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[32];

	for (int level = 0; level < 150; level++) {
		int next;

		if (!clash_first)
			assert_int_equal(mkdirat(at, link, 0755), 0);
		for (int i = 0; i < 8; i++) {
			(void)str_fmt(name, sizeof(name), ".dyno-rm-%d", i);
			assert_int_equal(mknodat(at, name, S_IFREG | 0600, 0), 0);
		}
		if (clash_first)
			assert_int_equal(mkdirat(at, link, 0755), 0);
		next = openat(at, link, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close_fdp(&at);
		at = next;
	}
	close_fdp(&at);
}

/* The listing's order decides whether a clash is still there when it matters: try several. */
static void path_remove_tree__its_own_names_taken__finds_others(void **state)
{
	const struct dir *d = *state;

	for (int i = 0; i < 8; i++) {
		const char link[] = {(char)('a' + i), '\0'};

		make_clashing_chain(d, link, i % 2);
		assert_int_equal(path_remove_tree(d->fd, "tree"), 0);
		assert_int_equal(mkdirat(d->fd, "tree", 0755), 0);
	}
}

static void make_chain(const struct dir *d, unsigned int levels)
{
	_cleanup_close_ int at = openat(d->fd, "tree", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (unsigned int i = 0; i < levels; i++) {
		_cleanup_close_ int parent = at;

		CHECK(mkdirat(parent, "d", 0755) == 0);
		if (i % 1000 == 0)
			CHECK(mknodat(parent, "f", S_IFREG, 0) == 0);
		at = openat(parent, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		CHECK(at >= 0);
	}
}

static void limit_fds(rlim_t most)
{
	const struct rlimit rl = {most, most};

	CHECK(setrlimit(RLIMIT_NOFILE, &rl) == 0);
}

static void child_remove_deep(const struct dir *outside)
{
	struct dir inside = *outside, *d = &inside;

	/* On a tmpfs where we may have one: a disk takes ten times as long to make the tree. */
	if (unshare(CLONE_NEWNS) == 0) {
		CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		CHECK(mount("none", d->path, "tmpfs", 0, NULL) == 0);
		d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK(mkdirat(d->fd, "canary", 0755) == 0 && mkdirat(d->fd, "tree", 0755) == 0);
		CHECK(mknodat(d->fd, "canary/bird", S_IFREG, 0) == 0);
	}
	make_chain(d, DEEP_LEVELS);
	limit_fds(64);
	CHECK(path_remove_tree(d->fd, "tree") == 0);
	CHECK(!exists(d, "tree"));
	CHECK(exists(d, "canary/bird"));
}

/* T27: deeper than any path or recursion; memory and descriptors must not follow. */
static void path_remove_tree__depth_100000__needs_few_descriptors(void **state)
{
	unsigned int fds = count_fds();

	in_child(child_remove_deep, *state);
	assert_int_equal(count_fds(), fds);
}

/* T24: a caller's limit of 20 descriptors, and less. */
static void child_remove_few_fds(const struct dir *d)
{
	for (rlim_t most = 20; most >= (rlim_t)d->fd + 3; most--) {
		make_chain(d, 300);
		limit_fds(most);
		CHECK(path_remove_tree(d->fd, "tree") == 0);
		CHECK(!exists(d, "tree"));
		CHECK(mkdirat(d->fd, "tree", 0755) == 0);
	}
	limit_fds((rlim_t)d->fd + 1);
	CHECK(path_remove_tree(d->fd, "tree") == -EMFILE);
}

static void path_remove_tree__descriptors_run_out__goes_on_by_hoisting(void **state)
{
	in_child(child_remove_few_fds, *state);
}

static void become_stranger(const struct dir *d)
{
	if (geteuid() != 0)
		return; /* we are one already */
	CHECK(fchown(d->fd, STRANGER, STRANGER) == 0);
	CHECK(fchownat(d->fd, "tree", STRANGER, STRANGER, 0) == 0);
	CHECK(setresgid(STRANGER, STRANGER, STRANGER) == 0);
	CHECK(setresuid(STRANGER, STRANGER, STRANGER) == 0);
}

/* T13, T27: directories that deny themselves to their owner, also across the hoisting depth. */
static void child_remove_denied(const struct dir *d)
{
	static const mode_t modes[] = {0, 0100, 0200, 0300, 0400, 0500, 0600};
	char name[32];

	become_stranger(d);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		(void)str_fmt(name, sizeof(name), "tree/m%o", modes[i]);
		CHECK(mkdirat(d->fd, name, 0755) == 0);
		(void)str_fmt(name, sizeof(name), "tree/m%o/sub", modes[i]);
		CHECK(mkdirat(d->fd, name, modes[i]) == 0);
		(void)str_fmt(name, sizeof(name), "tree/m%o/f", modes[i]);
		CHECK(mknodat(d->fd, name, S_IFREG, 0) == 0);
		(void)str_fmt(name, sizeof(name), "tree/m%o", modes[i]);
		CHECK(fchmodat(d->fd, name, modes[i], 0) == 0);
	}
	CHECK(fchmodat(d->fd, "tree", 0, 0) == 0);
	CHECK(path_remove_tree(d->fd, "tree") == 0);
	CHECK(!exists(d, "tree"));
}

static void path_remove_tree__denied_modes__are_opened_up(void **state)
{
	in_child(child_remove_denied, *state);
}

static void child_remove_denied_chain(const struct dir *d)
{
	_cleanup_close_ int at = -EBADF;
	int fds[300]; /* more than the walk can do without moving any */

	become_stranger(d);
	at = openat(d->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		CHECK(mkdirat(at, "d", 0755) == 0);
		fds[i] = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK(fds[i] >= 0);
		close_fdp(&at);
		at = dup(fds[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		CHECK(fchmod(fds[i], 0) == 0);
		close_fdp(&fds[i]);
	}
	CHECK(path_remove_tree(d->fd, "tree") == 0);
	CHECK(!exists(d, "tree"));
}

static void path_remove_tree__denied_modes_in_depth__are_opened_up(void **state)
{
	in_child(child_remove_denied_chain, *state);
}

/* Another owner's directory cannot be emptied; all the rest goes, and the error says why. */
static void child_remove_foreign(const struct dir *d)
{
	if (geteuid() != 0)
		skip_child("needs root to make another user's files");
	CHECK(mkdirat(d->fd, "tree/sub", 0755) == 0);
	CHECK(mkdirat(d->fd, "tree/sub/foreign", 0755) == 0);
	CHECK(mknodat(d->fd, "tree/sub/foreign/f", S_IFREG, 0) == 0);
	CHECK(mkdirat(d->fd, "tree/sub/empty", 0755) == 0);
	CHECK(fchownat(d->fd, "tree/sub", STRANGER, STRANGER, 0) == 0);
	become_stranger(d);
	CHECK(mkdirat(d->fd, "tree/own", 0755) == 0);
	CHECK(path_remove_tree(d->fd, "tree") == -EACCES);
	CHECK(exists(d, "tree/sub/foreign/f"));
	CHECK(!exists(d, "tree/sub/empty") && !exists(d, "tree/own"));
}

static void path_remove_tree__foreign_directory__stays_alone(void **state)
{
	in_child(child_remove_foreign, *state);
}

static void child_remove_mounts(const struct dir *outside)
{
	struct dir inside = *outside, *d = &inside;
	char path[128], target[128];

	if (unshare(CLONE_NEWNS) < 0)
		skip_child("needs root to make mounts in a namespace of its own");
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	/* the descriptor we were given still sees the mounts of the namespace it came from */
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(d->fd >= 0);
	CHECK(mkdirat(d->fd, "tree/bind", 0755) == 0);
	CHECK(mkdirat(d->fd, "tree/gone", 0755) == 0);
	CHECK(mkdirat(d->fd, "tree/sub", 0755) == 0);
	CHECK(mkdirat(d->fd, "tree/sub/tmpfs", 0755) == 0);
	CHECK(mknodat(d->fd, "tree/sub/file", S_IFREG | 0644, 0) == 0);
	CHECK(mknodat(d->fd, "tree/sub/rest", S_IFREG | 0644, 0) == 0);

	(void)str_fmt(path, sizeof(path), "%s/canary", d->path);
	(void)str_fmt(target, sizeof(target), "%s/tree/bind", d->path);
	CHECK(mount(path, target, NULL, MS_BIND, NULL) == 0); /* same file system, same device */
	(void)str_fmt(target, sizeof(target), "%s/tree/sub/tmpfs", d->path);
	CHECK(mount("none", target, "tmpfs", 0, NULL) == 0);
	CHECK(mkdirat(d->fd, "tree/sub/tmpfs/x", 0755) == 0);
	(void)str_fmt(path, sizeof(path), "%s/canary/bird", d->path);
	(void)str_fmt(target, sizeof(target), "%s/tree/sub/file", d->path);
	CHECK(mount(path, target, NULL, MS_BIND, NULL) == 0);

	CHECK(path_remove_tree(d->fd, "tree") == -EXDEV);
	CHECK(exists(d, "canary/bird"));
	CHECK(exists(d, "tree/bind/bird") && exists(d, "tree/sub/tmpfs/x"));
	CHECK(exists(d, "tree/sub/file"));
	CHECK(!exists(d, "tree/gone") && !exists(d, "tree/sub/rest"));

	/* Of a lone file the kernel says only that it is busy. */
	CHECK(path_remove_tree(openat(d->fd, "tree/sub", O_PATH | O_CLOEXEC), "file") == -EXDEV);

	/* The tree as a mount point: nothing below it is ours. */
	(void)str_fmt(target, sizeof(target), "%s/tree", d->path);
	(void)str_fmt(path, sizeof(path), "%s/canary", d->path);
	CHECK(mount(path, target, NULL, MS_BIND, NULL) == 0);
	CHECK(path_remove_tree(d->fd, "tree") == -EXDEV);
	CHECK(exists(d, "tree/bird") && exists(d, "canary/bird"));
}

/* T60: what is mounted inside is not crossed, not even on the same device. */
static void path_remove_tree__mounts__are_not_crossed(void **state)
{
	const struct dir *d = *state;

	in_child(child_remove_mounts, d);
	/* the mounts went with the child's namespace */
	assert_int_equal(path_remove_tree(d->fd, "tree"), 0);
}

static int set_immutable(const struct dir *d, const char *name, bool on)
{
	_cleanup_close_ int fd = openat(d->fd, name, O_RDONLY | O_CLOEXEC);
	unsigned int flags = 0;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -errno;
	flags = on ? flags | FS_IMMUTABLE_FL : flags & ~(unsigned int)FS_IMMUTABLE_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

/* T27: chattr +i on a file, on a directory, and on one from which a rename would be needed. */
static void path_remove_tree__immutable__is_told_and_passed_by(void **state)
{
	const struct dir *d = *state;
	char edge[128] = "tree", below[160];
	bool stayed, gone;
	int r;

	assert_int_equal(mkdirat(d->fd, "tree/dir", 0755), 0);
	assert_int_equal(mkdirat(d->fd, "tree/dir/sub", 0755), 0);
	put_file(d, "tree/dir/sub/f");
	put_file(d, "tree/file");
	put_file(d, "tree/rest");
	for (int i = 0; i < 31; i++) {
		(void)str_fmt(edge + strlen(edge), sizeof(edge) - strlen(edge), "/e");
		assert_int_equal(mkdirat(d->fd, edge, 0755), 0);
	}
	(void)str_fmt(below, sizeof(below), "%s/x", edge);
	assert_int_equal(mkdirat(d->fd, below, 0755), 0);
	(void)str_fmt(below, sizeof(below), "%s/x/f", edge);
	put_file(d, below);

	r = set_immutable(d, "tree/file", true);
	if (r < 0) {
		print_message("skipped: no immutable files here: errno %d\n", -r);
		skip();
	}
	assert_int_equal(set_immutable(d, "tree/dir", true), 0);
	assert_int_equal(set_immutable(d, edge, true), 0);

	/* The flags are cleared before any check can end the test and leave them behind. */
	r = path_remove_tree(d->fd, "tree");
	stayed = exists(d, "tree/file") && exists(d, "tree/dir/sub");
	gone = !exists(d, "tree/rest") && !exists(d, "tree/dir/sub/f") && !exists(d, below);
	assert_int_equal(set_immutable(d, "tree/file", false), 0);
	assert_int_equal(set_immutable(d, "tree/dir", false), 0);
	assert_int_equal(set_immutable(d, edge, false), 0);
	assert_true(stayed);
	assert_true(gone);
	assert_int_equal(r, -EPERM);
	assert_int_equal(path_remove_tree(d->fd, "tree"), 0);
}

/* Removes the tree under a filter that holds each openat(2) until the parent lets it go on. */
static _noreturn_ void remove_supervised(const struct dir *d, int report)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};
	int listener;

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	CHECK(write(report, &listener, sizeof(listener)) == sizeof(listener));
	CHECK(listener >= 0);
	(void)path_remove_tree(d->fd, "tree");
	_exit(0);
}

/* Lets openat after openat go on; before the @nth, exchanges two names. Return: calls seen. */
static unsigned int supervise(const struct dir *d, int pidfd, int listener, unsigned int nth,
			      const char *a, const char *b)
{
	unsigned int seen = 0;

	for (;;) {
		/* The listener itself hangs up at the end only since 6.11, before when reaped. */
		struct pollfd p[] = {
			{.fd = listener, .events = POLLIN},
			{.fd = pidfd, .events = POLLIN},
		};
		struct seccomp_notif req = {0};
		struct seccomp_notif_resp resp = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

		assert_true(poll(p, ARRAY_SIZE(p), 20000) >= 1);
		if (!(p[0].revents & POLLIN))
			return seen; /* the supervised process has ended */
		assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req), 0);
		if (++seen == nth)
			assert_int_equal(renameat2(d->fd, a, d->fd, b, RENAME_EXCHANGE), 0);
		resp.id = req.id;
		assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp), 0);
	}
}

static void remove_with_swap(const struct dir *d, unsigned int nth, const char *a, const char *b)
{
	_cleanup_close_ int pidfd = -EBADF, listener = -EBADF;
	int p[2], theirs = -1, status;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork_tied();
	if (pid == 0)
		remove_supervised(d, p[1]);
	close_fdp(&p[1]);
	assert_int_equal(fd_read_full(p[0], &theirs, sizeof(theirs)), sizeof(theirs));
	close_fdp(&p[0]);
	if (theirs < 0) {
		print_message("skipped: no filter may be supervised here\n");
		assert_int_equal(waitpid(pid, &status, 0), pid);
		skip();
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	listener = (int)syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	assert_true(listener >= 0);
	assert_true(supervise(d, pidfd, listener, nth, a, b) >= nth);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* T60: what was a directory when it was looked at is a link to the canary when it is opened. */
static void path_remove_tree__swapped_for_a_link__does_not_follow(void **state)
{
	const struct dir *d = *state;

	/* the tree itself, before the first open */
	assert_int_equal(symlinkat("canary", d->fd, "link"), 0);
	remove_with_swap(d, 1, "tree", "link");
	assert_true(exists(d, "canary/bird"));

	/* a directory within, after its parent was opened and listed */
	assert_int_equal(path_remove_tree(d->fd, "tree"), 0);
	assert_int_equal(path_mkdir_p(d->fd, "tree/x", 0755), 0);
	assert_int_equal(path_remove_tree(d->fd, "link"), 0);
	assert_int_equal(symlinkat("../canary", d->fd, "link"), 0);
	remove_with_swap(d, 2, "tree/x", "link");
	assert_false(exists(d, "tree"));
	assert_true(exists(d, "canary/bird"));
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, setup_dir, teardown_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(open__table__never_leaves_the_tree),
		WITH_DIR(open__openat2_missing__walks_by_component),
		WITH_DIR(open__openat2_refused_by_a_filter__walks_too),
		WITH_DIR(path_mkdir_p__table__makes_or_finds),
		cmocka_unit_test(path_basename__table__is_the_last_component),
		WITH_DIR(path_remove_tree__names__are_one_component),
		WITH_DIR(path_remove_tree__links_to_a_canary__leave_it_alone),
		WITH_DIR(path_remove_tree__wide__is_removed),
		WITH_DIR(path_remove_tree__its_own_names_taken__finds_others),
		WITH_DIR(path_remove_tree__depth_100000__needs_few_descriptors),
		WITH_DIR(path_remove_tree__descriptors_run_out__goes_on_by_hoisting),
		WITH_DIR(path_remove_tree__denied_modes__are_opened_up),
		WITH_DIR(path_remove_tree__denied_modes_in_depth__are_opened_up),
		WITH_DIR(path_remove_tree__foreign_directory__stays_alone),
		WITH_DIR(path_remove_tree__mounts__are_not_crossed),
		WITH_DIR(path_remove_tree__immutable__is_told_and_passed_by),
		WITH_DIR(path_remove_tree__swapped_for_a_link__does_not_follow),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
