/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_copyout.c - copies out of a dyno's tree that may be hostile and may change meanwhile (T28,
 * T60): where they go, what they are, and a canary on either side that is neither read nor written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/errclass.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rootfs/copyout.h"
#include "rootfs/store.h"

#define SECRET "what is on the host"
/* A child's way to say that it cannot make the case. */
#define CHILD_SKIP 77

/* ---- the fixture ---------------------------------------------------------------------------- */

/**
 * struct fixture - <path>/root is the dyno's root, <path>/out the working directory, <path>/secret
 * a file and <path>/canary a directory that no copy may touch.
 */
struct fixture {
	char path[32];
	int fd;
	int root;
	int out;
	int home;
	mode_t mask;
};

static void put(int at, const char *name, const char *text, mode_t mode)
{
	_cleanup_close_ int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
}

static void put_dir(int at, const char *name)
{
	assert_int_equal(path_mkdir_p(at, name, 0755), 0);
}

static void put_link(int at, const char *name, const char *target)
{
	assert_int_equal(symlinkat(target, at, name), 0);
}

static int set_up(void **state)
{
	static struct fixture f;

	str_fmt(f.path, sizeof(f.path), "/tmp/dyno-test-copyout.XXXXXX");
	if (!mkdtemp(f.path))
		return -1;
	f.mask = umask(022);
	f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_dir(f.fd, "root/app");
	put_dir(f.fd, "out");
	put_dir(f.fd, "canary");
	put(f.fd, "canary/bird", SECRET, 0644);
	put(f.fd, "secret", SECRET, 0644);
	f.root = openat(f.fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	f.out = openat(f.fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f.home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return f.out < 0 || f.root < 0 || fchdir(f.out) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fchdir(f->home);

	(void)umask(f->mask);
	close_fdp(&f->home);
	close_fdp(&f->out);
	close_fdp(&f->root);
	close_fdp(&f->fd);
	return path_remove_tree(tmp, f->path + strlen("/tmp/")) < 0 ? -1 : r;
}

static int copy(struct fixture *f, const char *path, const char *dest, struct dyno_err *err)
{
	_cleanup_(copyout_done) struct copyout_source source = COPYOUT_SOURCE_INIT;
	int r = copyout_find(f->root, path, &source, err);

	return r < 0 ? r : copyout(&source, dest, err);
}

static void assert_copied(struct fixture *f, const char *path, const char *dest)
{
	struct dyno_err err = {0};
	int r = copy(f, path, dest, &err);

	if (r < 0)
		fail_msg("copy %s to %s: %d: %s", path, dest, r, err.msg);
}

static mode_t mode_of(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode;
}

static void assert_text(int at, const char *name, const char *want)
{
	_cleanup_close_ int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[256] = "";

	if (fd < 0)
		fail_msg("%s: errno %d", name, errno);
	assert_true(fd_read_full(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, want);
}

static void assert_link(int at, const char *name, const char *want)
{
	char target[PATH_MAX] = "";

	assert_true(readlinkat(at, name, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, want);
}

static void assert_canary(const struct fixture *f)
{
	int fd = openat(f->fd, "canary", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	assert_int_equal(n, 3);
	assert_text(f->fd, "canary/bird", SECRET);
	assert_text(f->fd, "secret", SECRET);
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		(void)closedir(dir);
	return n;
}

/* ---- where it goes -------------------------------------------------------------------------- */

static void make_app(const struct fixture *f)
{
	put(f->root, "app/file", "one", 0644);
	put(f->root, "top", "two", 0644);
	put_dir(f->root, "app/dir/sub");
	put(f->root, "app/dir/sub/leaf", "three", 0644);
	put_link(f->root, "app/to-dir", "dir");
	put_link(f->root, "app/to-file", "/app/file");
	put_link(f->root, "app/abs", "/app/dir/sub");
}

static void copyout__table__lands_where_users_expect(void **state)
{
	static const struct {
		const char *path;
		const char *dest;
		const char *want; /* a path below out */
		const char *text; /* NULL: it is a link to dir */
	} cases[] = {
		{"file", ".", "file", "one"},
		{"/app/file", ".", "file", "one"},
		{"/top", ".", "top", "two"},
		{"../top", ".", "top", "two"},
		{"file", "new", "new", "one"},
		{"file", "./new", "new", "one"},
		{"file", "there", "there/file", "one"},
		{"file", "there/", "there/file", "one"},
		{"file", "there/new", "there/new", "one"},
		{"file", "old", "old", "one"},
		{"dir", ".", "dir/sub/leaf", "three"},
		{"dir/", ".", "dir/sub/leaf", "three"},
		{"dir", "new", "new/sub/leaf", "three"},
		{"dir", "new/", "new/sub/leaf", "three"},
		{"dir", "there", "there/dir/sub/leaf", "three"},
		{"dir/.", "there", "there/sub/leaf", "three"},
		{"dir/.", "new", "new/sub/leaf", "three"},
		{"dir/sub/..", "there", "there/sub/leaf", "three"},
		{"/app/.", "new", "new/file", "one"},
		{"/", "there", "there/app/file", "one"},
		{"/", "new", "new/top", "two"},
		{"..", "new", "new/top", "two"},
		{"to-dir", ".", "to-dir", NULL},
		{"to-dir", "new", "new", NULL},
		{"to-dir", "old", "old", NULL},
		{"to-dir/", "new", "new/sub/leaf", "three"},
		{"to-dir/", "there", "there/to-dir/sub/leaf", "three"},
		{"to-dir/.", "there", "there/sub/leaf", "three"},
		{"to-dir/sub/leaf", ".", "leaf", "three"},
		{"abs/leaf", ".", "leaf", "three"},
		{"file", "my-link/", "there/file", "one"},
	};
	struct fixture *f = *state;

	make_app(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put_dir(f->fd, "out/there");
		put(f->fd, "out/old", "to be replaced", 0600);
		put_link(f->fd, "out/my-link", "there");
		assert_copied(f, cases[i].path, cases[i].dest);
		if (cases[i].text)
			assert_text(f->out, cases[i].want, cases[i].text);
		else
			assert_link(f->out, cases[i].want, "dir");
		assert_int_equal(path_remove_tree(f->fd, "out"), 0);
		put_dir(f->fd, "out");
		close_fdp(&f->out);
		f->out = openat(f->fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_int_equal(fchdir(f->out), 0);
	}
}

static void copyout__table__refused(void **state)
{
	static const struct {
		const char *path;
		const char *dest;
		int r;
		int kind;
	} cases[] = {
		{"", ".", -EINVAL, ERR_USAGE},	      {"file", "", -EINVAL, ERR_USAGE},
		{"none", ".", -ENOENT, ERR_IO},	      {"none/file", ".", -ENOENT, ERR_IO},
		{"file/", ".", -ENOTDIR, ERR_IO},     {"file/x", ".", -ENOTDIR, ERR_IO},
		{"file", "none/", -ENOENT, ERR_IO},   {"file", "none/new", -ENOENT, ERR_IO},
		{"file", "none/..", -ENOENT, ERR_IO}, {"dir", "none/new", -ENOENT, ERR_IO},
		{"dir", "old", -ENOTDIR, ERR_IO},     {"dir", "old/", -ENOTDIR, ERR_IO},
		{"file", "old/x", -ENOTDIR, ERR_IO},  {"file", "my-link", -ELOOP, ERR_IO},
		{"dir", "my-link", -ELOOP, ERR_IO},   {"file", "dangling", -ELOOP, ERR_IO},
		{"file", "pipe", -EEXIST, ERR_IO},    {"dir", "clash", -ENOTDIR, ERR_IO},
		{"file", "clash", -EISDIR, ERR_IO},   {"loop/x", ".", -ELOOP, ERR_IO},
	};
	struct fixture *f = *state;

	make_app(f);
	put_link(f->root, "app/loop", "loop");
	put(f->out, "old", "kept", 0600);
	put_dir(f->out, "there");
	put_dir(f->out, "clash/file");
	put(f->out, "clash/dir", "kept", 0600);
	put_link(f->out, "my-link", "there");
	put_link(f->out, "dangling", "../canary/new");
	assert_int_equal(mkfifoat(f->out, "pipe", 0600), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_err err = {0};
		int r = copy(f, cases[i].path, cases[i].dest, &err);

		if (r != cases[i].r || err.kind != cases[i].kind)
			fail_msg("copy %s to %s: %d, %s", cases[i].path, cases[i].dest, r, err.msg);
	}
	assert_text(f->out, "old", "kept");
	assert_text(f->out, "clash/dir", "kept");
	assert_int_equal(mode_of(f->out, "pipe"), S_IFIFO | 0600);
	assert_canary(f);
}

static void copyout_find__too_long__refused(void **state)
{
	struct fixture *f = *state;
	struct dyno_err err = {0};
	char path[PATH_MAX + 16];

	memset(path, 'n', sizeof(path));
	path[NAME_MAX + 1] = '\0';
	assert_int_equal(copy(f, path, ".", &err), -ENAMETOOLONG);
	memset(path, '/', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(copy(f, path, ".", &err), -ENAMETOOLONG);
}

/* ---- what it is ----------------------------------------------------------------------------- */

static void copyout__modes_and_times__the_callers_and_kept(void **state)
{
	static const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000, .tv_nsec = 5}};
	struct fixture *f = *state;
	struct stat st;

	put_dir(f->root, "app/d/shut");
	put_dir(f->root, "app/d/sticky");
	put(f->root, "app/d/program", "x", 06777);
	put(f->root, "app/d/shut/locked", "y", 0400);
	assert_int_equal(fchmodat(f->root, "app/d/shut", 0500, 0), 0);
	assert_int_equal(fchmodat(f->root, "app/d/sticky", 03777, 0), 0);
	assert_int_equal(utimensat(f->root, "app/d/program", times, 0), 0);
	assert_int_equal(utimensat(f->root, "app/d", times, 0), 0);
	assert_copied(f, "d", ".");
	assert_int_equal(mode_of(f->out, "d"), S_IFDIR | 0755);
	assert_int_equal(mode_of(f->out, "d/program"), S_IFREG | 0755);
	assert_int_equal(mode_of(f->out, "d/sticky"), S_IFDIR | 0755);
	assert_int_equal(mode_of(f->out, "d/shut"), S_IFDIR | 0500);
	assert_int_equal(mode_of(f->out, "d/shut/locked"), S_IFREG | 0400);
	assert_int_equal(fstatat(f->out, "d/program", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
	assert_int_equal(fstatat(f->out, "d", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(fchmodat(f->out, "d/shut", 0700, 0), 0);
	assert_int_equal(fchmodat(f->root, "app/d/shut", 0700, 0), 0);
	assert_int_equal(umask(022), 022);
}

/* What is there stays as it is; what is copied comes beside it. */
static void copyout__into_a_tree_of_the_same_name__merged(void **state)
{
	struct fixture *f = *state;

	make_app(f);
	put_dir(f->out, "dir/sub");
	put(f->out, "dir/mine", "mine", 0600);
	put(f->out, "dir/sub/leaf", "old and longer than the new one", 0600);
	assert_int_equal(fchmodat(f->out, "dir", 0750, 0), 0);
	assert_copied(f, "dir", ".");
	assert_text(f->out, "dir/mine", "mine");
	assert_text(f->out, "dir/sub/leaf", "three");
	assert_int_equal(mode_of(f->out, "dir"), S_IFDIR | 0750);
}

static void copyout__other_kinds__left_out_and_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t began = clock_ms();
	struct dyno_err err = {0};

	put_dir(f->root, "app/d");
	put(f->root, "app/d/file", "x", 0644);
	assert_int_equal(mkfifoat(f->root, "app/d/pipe", 0644), 0);
	str_fmt(at.sun_path, sizeof(at.sun_path), "%s/root/app/d/socket", f->path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	if (geteuid() == 0)
		(void)mknodat(f->root, "app/d/device", S_IFCHR | 0666, 0x501); /* nodev is fine */
	assert_copied(f, "d", ".");
	assert_text(f->out, "d/file", "x");
	assert_int_equal(mode_of(f->out, "d/pipe"), 0);
	assert_int_equal(mode_of(f->out, "d/socket"), 0);
	assert_int_equal(mode_of(f->out, "d/device"), 0);
	assert_int_equal(copy(f, "d/pipe", ".", &err), -EINVAL);
	assert_non_null(strstr(err.hint, "neither"));
	assert_true(clock_ms() - began < 20000);
}

/* A terabyte of nothing costs the dyno nothing, and neither may its copy. */
static void copyout__holes__stay_holes(void **state)
{
	struct fixture *f = *state;
	const off_t size = (off_t)1 << 40;
	_cleanup_close_ int fd = openat(f->root, "app/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	_cleanup_close_ int got = -EBADF;
	struct stat st;
	char c;

	if (ftruncate(fd, size) < 0)
		skip(); /* a file system of small files */
	assert_int_equal(pwrite(fd, "a", 1, 0), 1);
	assert_int_equal(pwrite(fd, "b", 1, size / 2), 1);
	assert_copied(f, "sparse", ".");
	got = openat(f->out, "sparse", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(got, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_true(st.st_blocks < 1000);
	assert_int_equal(pread(got, &c, 1, 0), 1);
	assert_int_equal(c, 'a');
	assert_int_equal(pread(got, &c, 1, size / 2), 1);
	assert_int_equal(c, 'b');
}

static void copyout__large_file__every_byte(void **state)
{
	struct fixture *f = *state;
	static char block[1U << 20];
	_cleanup_close_ int fd = openat(f->root, "app/large", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	_cleanup_close_ int got = -EBADF;

	for (int i = 0; i < 9; i++) {
		memset(block, 'a' + i, sizeof(block));
		assert_int_equal(fd_write_full(fd, block, sizeof(block)), sizeof(block));
	}
	assert_copied(f, "large", ".");
	got = openat(f->out, "large", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 9; i++) {
		assert_int_equal(fd_read_full(got, block, sizeof(block)), sizeof(block));
		assert_int_equal(block[0], 'a' + i);
		assert_int_equal(block[sizeof(block) - 1], 'a' + i);
	}
	assert_int_equal(fd_read_full(got, block, 1), 0);
}

static void copyout__strange_names__kept(void **state)
{
	static const char *const names[] = {"\xff\xfe", "new\nline", "\033[31m", "-rf", " "};
	struct fixture *f = *state;
	char path[64];

	put_dir(f->root, "app/d");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		str_fmt(path, sizeof(path), "app/d/%s", names[i]);
		put(f->root, path, names[i], 0644);
	}
	assert_copied(f, "d", ".");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		str_fmt(path, sizeof(path), "d/%s", names[i]);
		assert_text(f->out, path, names[i]);
	}
}

/* ---- hostile trees -------------------------------------------------------------------------- */

static int make_depth(int at, const char *name, unsigned int depth)
{
	_cleanup_close_ int fd = -EBADF;

	if (mkdirat(at, name, 0755) < 0)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned int i = 1; i < depth; i++) {
		int next;

		if (mkdirat(fd, "d", 0755) < 0)
			return -errno;
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close_fdp(&fd);
		fd = next;
	}
	return fd < 0 ? -errno : 0;
}

static void copyout__deep_tree__copied_up_to_the_cap(void **state)
{
	struct fixture *f = *state;
	struct dyno_err err = {0};
	unsigned int before = count_fds();

	assert_int_equal(make_depth(f->root, "app/deep", COPYOUT_MAX_DEPTH), 0);
	assert_copied(f, "deep", ".");
	assert_int_equal(make_depth(f->root, "app/deeper", COPYOUT_MAX_DEPTH + 1), 0);
	assert_int_equal(copy(f, "deeper", ".", &err), -ELOOP);
	assert_non_null(strstr(err.hint, "256"));
	assert_int_equal(count_fds(), before);
}

/* None of these paths leads to the secret, and links are copied as such. */
static void copyout__ways_out_of_the_root__stay_within(void **state)
{
	static const char *const paths[] = {
		"out-abs",    "out-rel",	"up/secret", "../../../../secret",
		"/../secret", "dir-out/secret", "dir-out/",
	};
	struct fixture *f = *state;
	char target[128];

	str_fmt(target, sizeof(target), "%s/secret", f->path);
	put_link(f->root, "app/out-abs", target);
	put_link(f->root, "app/out-rel", "../../secret");
	put_link(f->root, "app/up", "../../..");
	put_link(f->root, "app/dir-out", f->path);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct dyno_err err = {0};

		if (copy(f, paths[i], "got", &err) == 0)
			assert_true(S_ISLNK(mode_of(f->out, "got")));
		(void)unlinkat(f->out, "got", 0);
	}
	assert_copied(f, "/app", ".");
	assert_link(f->out, "app/out-abs", target);
	assert_link(f->out, "app/out-rel", "../../secret");
	assert_canary(f);
}

/* T60: what one copy brought is no way out for the next. */
static void copyout__links_of_an_earlier_copy__never_followed(void **state)
{
	struct fixture *f = *state;
	struct dyno_err err = {0};

	put_dir(f->root, "app/d");
	put_link(f->root, "app/d/dir", "../../canary");
	put_link(f->root, "app/d/file", "../../canary/new");
	put_link(f->root, "app/top", "../canary");
	assert_copied(f, "d", ".");
	assert_copied(f, "top", ".");
	assert_int_equal(path_remove_tree(f->root, "app"), 0);
	put_dir(f->root, "app/d/dir");
	put(f->root, "app/d/dir/bad", "bad", 0644);
	assert_int_equal(copy(f, "d", ".", &err), -ENOTDIR);
	assert_int_equal(copy(f, "d/.", "top", &err), -ELOOP);
	assert_canary(f);
	assert_int_equal(path_remove_tree(f->root, "app"), 0);
	put_dir(f->root, "app/d");
	put(f->root, "app/d/file", "good", 0644);
	assert_copied(f, "d", ".");
	assert_text(f->out, "d/file", "good");
	assert_canary(f);
}

static void copyout__files_of_the_kernel__refused(void **state)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	static const char *const paths[] = {"/proc",
					    "/proc/",
					    "/proc/self/status",
					    "/sys/kernel",
					    "/proc/self/root/etc",
					    "/proc/self/cwd/"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_(copyout_done) struct copyout_source source = COPYOUT_SOURCE_INIT;
		struct dyno_err err = {0};
		int r = copyout_find(root, paths[i], &source, &err);

		if (r == 0)
			r = copyout(&source, "got", &err);
		assert_true(r == -EINVAL || r == -ELOOP);
		assert_int_equal(err.kind, ERR_IO);
		assert_int_equal(mode_of(f->out, "got"), 0);
	}
}

/* A descriptor stays in the mount namespace where it was opened. */
static bool open_anew(struct fixture *f)
{
	char path[64];

	str_fmt(path, sizeof(path), "%s/root", f->path);
	f->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return f->root >= 0;
}

/* In a mount namespace of its own, as root. */
static int in_namespace(struct fixture *f, int (*fn)(struct fixture *f))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !open_anew(f))
			_exit(CHILD_SKIP);
		_exit(fn(f));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int mount_at(const struct fixture *f, const char *type, const char *name, const char *data)
{
	char path[128];

	str_fmt(path, sizeof(path), "%s/%s", f->path, name);
	return mount("none", path, type, 0, data);
}

static int copy_over_mounts(struct fixture *f)
{
	_cleanup_close_ int mounted = -EBADF;
	struct dyno_err err;

	if (mount_at(f, "proc", "root/app/d/proc", NULL) < 0 ||
	    mount_at(f, "tmpfs", "root/app/d/shm", NULL) < 0)
		return CHILD_SKIP;
	mounted = openat(f->root, "app/d/shm/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (mounted < 0 || copy(f, "d", ".", &err) < 0)
		return 1;
	if (faccessat(f->out, "d/shm/file", F_OK, 0) < 0 ||
	    faccessat(f->out, "d/file", F_OK, 0) < 0)
		return 2;
	return faccessat(f->out, "d/proc", F_OK, 0) == 0 ? 3 : 0;
}

static void copyout__mounts_in_the_tree__the_kernels_own_left_out(void **state)
{
	struct fixture *f = *state;
	int r;

	put_dir(f->root, "app/d/proc");
	put_dir(f->root, "app/d/shm");
	put(f->root, "app/d/file", "x", 0644);
	r = in_namespace(f, copy_over_mounts);
	if (r == CHILD_SKIP)
		skip();
	assert_int_equal(r, 0);
}

static int copy_to_a_full_disk(struct fixture *f)
{
	struct dyno_err err = {0};

	if (mount_at(f, "tmpfs", "out/small", "size=64k") < 0)
		return CHILD_SKIP;
	if (copy(f, "large", "small", &err) != -ENOSPC)
		return 1;
	return strstr(err.hint, "another destination") ? 0 : 2;
}

static void copyout__full_disk__told(void **state)
{
	struct fixture *f = *state;
	static char text[1U << 20];
	int r;

	memset(text, 'x', sizeof(text) - 1);
	put(f->root, "app/large", text, 0644);
	put_dir(f->out, "small");
	r = in_namespace(f, copy_to_a_full_disk);
	if (r == CHILD_SKIP)
		skip();
	assert_int_equal(r, 0);
}

/* fork(2), but the child cannot outlive a test that failed before it was waited for. */
static pid_t fork_tied(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(1);
	return pid;
}

/* A file and a link, a directory and a link take each other's place all the time. */
static _Noreturn void exchange(int d)
{
	for (;;) {
		(void)renameat2(d, "file", d, "to-file", RENAME_EXCHANGE);
		(void)renameat2(d, "dir", d, "to-dir", RENAME_EXCHANGE);
	}
}

static void assert_no_secret(int at, const char *name)
{
	_cleanup_close_ int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[64] = "";

	if (fd >= 0 && fd_read_full(fd, text, sizeof(text) - 1) >= 0)
		assert_null(strstr(text, SECRET));
}

/* The copy is in <out>/d/d, so that the links in it lead to the canaries as those of the root do. */
static void copyout__names_exchanged_meanwhile__never_leaves_the_root(void **state)
{
	static const char *const names[] = {"d/d/file", "d/d/to-file", "d/d/dir/bird",
					    "d/d/to-dir/bird"};
	struct fixture *f = *state;
	const uint64_t until = clock_ms() + 2000;
	_cleanup_close_ int d = -EBADF;
	unsigned int good = 0;
	pid_t pid;

	put_dir(f->root, "app/d/dir");
	put(f->root, "app/d/dir/leaf", "x", 0644);
	put(f->root, "app/d/file", "x", 0644);
	put_link(f->root, "app/d/to-file", "../../../secret");
	put_link(f->root, "app/d/to-dir", "../../../canary");
	d = openat(f->root, "app/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid = fork_tied();
	if (pid == 0)
		exchange(d);
	for (unsigned int i = 0; clock_ms() < until; i++) {
		struct dyno_err err;

		put_dir(f->out, "d");
		good += copy(f, "d", "d", &err) == 0;
		for (size_t k = 0; k < ARRAY_SIZE(names) - 2; k++)
			assert_no_secret(f->out, names[k]);
		for (size_t k = 2; k < ARRAY_SIZE(names); k++)
			if (S_ISDIR(mode_of(f->out, k == 2 ? "d/d/dir" : "d/d/to-dir")))
				assert_no_secret(f->out, names[k]);
		if (i % 2 == 0) /* else the next one meets what this one made */
			assert_int_equal(path_remove_tree(f->out, "d"), 0);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_true(good > 0);
	assert_canary(f);
}

static _Noreturn void be_busy(int at)
{
	int log = openat(at, "log", O_WRONLY | O_APPEND | O_CLOEXEC);
	ssize_t done = 0;

	for (;;) {
		int fd = openat(at, "t", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		close_fdp(&fd);
		done |= mkdirat(at, "u", 0755);
		done |= symlinkat("x", at, "v");
		done |= write(log, "more\n", lseek(log, 0, SEEK_END) < 50000000 ? 5 : 0);
		done |= unlinkat(at, "t", 0);
		done |= unlinkat(at, "u", AT_REMOVEDIR);
		done |= unlinkat(at, "v", 0);
		if (done == 0x7fffffff) /* never: so that nothing is left out */
			_exit(1);
	}
}

/* Files that come and go are no reason to fail, nor one that grows to go on. */
static void copyout__busy_tree__comes_to_an_end(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int app = -EBADF;
	pid_t pid;

	put_dir(f->root, "app/d");
	app = openat(f->root, "app/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(f->root, "app/d/log", "begin", 0644);
	pid = fork_tied();
	if (pid == 0)
		be_busy(app);
	for (int i = 0; i < 500; i++) {
		assert_copied(f, "d", "got");
		assert_int_equal(path_remove_tree(f->out, "got"), 0);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* ---- as an archive -------------------------------------------------------------------------- */

/* The helpers stand in the directory above the test's. */
static void find_helpers(char *buf, size_t size)
{
	size_t len;
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);

	assert_true(n > 0);
	buf[n] = '\0';
	n = path_basename(buf, &len) - buf;
	str_fmt(buf + n, size - (size_t)n, "..");
}

static int archive(struct fixture *f, const char *path, int out_fd, struct dyno_err *err)
{
	_cleanup_(copyout_done) struct copyout_source source = COPYOUT_SOURCE_INIT;
	char libexec[256];
	int r = copyout_find(f->root, path, &source, err);

	find_helpers(libexec, sizeof(libexec));
	return r < 0 ? r : store_pack_copy(&source, out_fd, libexec, NULL, NULL, err);
}

/* A tar is made and unpacked in <out>. */
static void assert_archived(struct fixture *f, const char *path)
{
	_cleanup_close_ int fd = openat(f->fd, "tar", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct dyno_err err = {0};
	int status = -1;
	pid_t pid;

	if (archive(f, path, fd, &err) < 0)
		fail_msg("archive %s: %s", path, err.msg);
	pid = fork();
	if (pid == 0) {
		execlp("tar", "tar", "-xpf", "../tar", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void store_pack_copy__tree__as_it_is(void **state)
{
	static const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
	struct fixture *f = *state;
	struct stat st;

	make_app(f);
	put(f->root, "app/dir/.git", "not a slug: nothing is ignored", 0644);
	put(f->root, "app/dir/\xff\n", "strange", 0644);
	put(f->root, "app/dir/program", "x", 06751);
	put_link(f->root, "app/dir/link", "/app/file");
	assert_int_equal(mkfifoat(f->root, "app/dir/pipe", 0644), 0);
	assert_int_equal(utimensat(f->root, "app/dir/program", times, 0), 0);
	assert_archived(f, "dir");
	assert_text(f->out, "dir/sub/leaf", "three");
	assert_text(f->out, "dir/.git", "not a slug: nothing is ignored");
	assert_text(f->out, "dir/\xff\n", "strange");
	assert_link(f->out, "dir/link", "/app/file");
	assert_int_equal(mode_of(f->out, "dir/program"), S_IFREG | 0751);
	assert_int_equal(mode_of(f->out, "dir/pipe"), 0);
	assert_int_equal(fstatat(f->out, "dir/program", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
}

static void store_pack_copy__entries_and_content__named_as_copies_are(void **state)
{
	struct fixture *f = *state;

	make_app(f);
	assert_archived(f, "file");
	assert_text(f->out, "file", "one");
	assert_archived(f, "to-dir");
	assert_link(f->out, "to-dir", "dir");
	assert_int_equal(unlinkat(f->out, "to-dir", 0), 0);
	assert_archived(f, "to-dir/");
	assert_text(f->out, "to-dir/sub/leaf", "three");
	assert_archived(f, "dir/.");
	assert_text(f->out, "sub/leaf", "three");
	assert_archived(f, "/");
	assert_text(f->out, "app/file", "one");
}

static void store_pack_copy__what_cannot_be__told(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct dyno_err err = {0};
	int ends[2];

	make_app(f);
	assert_int_equal(archive(f, "none", null, &err), -ENOENT);
	assert_int_equal(archive(f, "dir", full, &err), -ENOSPC);
	assert_int_equal(err.kind, ERR_IO);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close_fdp(&ends[0]);
	assert_int_equal(archive(f, "dir", ends[1], &err), -EPIPE);
	close_fdp(&ends[1]);
	assert_int_equal(mkfifoat(f->root, "app/pipe", 0644), 0);
	assert_int_equal(archive(f, "pipe", null, &err), -EINVAL);
	assert_int_equal(make_depth(f->root, "app/deep", 200), 0);
	assert_int_equal(archive(f, "deep", null, &err), -ELOOP);
}

static void store_pack_copy__busy_tree__comes_to_an_end(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int app = -EBADF;
	pid_t pid;

	put_dir(f->root, "app/d");
	app = openat(f->root, "app/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(f->root, "app/d/log", "begin", 0644);
	pid = fork_tied();
	if (pid == 0)
		be_busy(app);
	for (int i = 0; i < 30; i++)
		assert_archived(f, "d");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(mode_of(f->out, "d/log"), S_IFREG | 0644);
}

static void copyout__unreadable_as_a_user__named(void **state)
{
	struct fixture *f = *state;
	struct dyno_err err = {0};

	if (geteuid() == 0)
		skip();
	put_dir(f->root, "app/d/e");
	put(f->root, "app/d/e/locked", "x", 0);
	assert_int_equal(copy(f, "d", ".", &err), -EACCES);
	assert_non_null(strstr(err.msg, "\"d/e/locked\""));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(copyout__table__lands_where_users_expect),
		TEST(copyout__table__refused),
		TEST(copyout_find__too_long__refused),
		TEST(copyout__modes_and_times__the_callers_and_kept),
		TEST(copyout__into_a_tree_of_the_same_name__merged),
		TEST(copyout__other_kinds__left_out_and_not_waited_for),
		TEST(copyout__holes__stay_holes),
		TEST(copyout__large_file__every_byte),
		TEST(copyout__strange_names__kept),
		TEST(copyout__deep_tree__copied_up_to_the_cap),
		TEST(copyout__ways_out_of_the_root__stay_within),
		TEST(copyout__links_of_an_earlier_copy__never_followed),
		TEST(copyout__files_of_the_kernel__refused),
		TEST(copyout__mounts_in_the_tree__the_kernels_own_left_out),
		TEST(copyout__full_disk__told),
		TEST(copyout__names_exchanged_meanwhile__never_leaves_the_root),
		TEST(copyout__busy_tree__comes_to_an_end),
		TEST(store_pack_copy__tree__as_it_is),
		TEST(store_pack_copy__entries_and_content__named_as_copies_are),
		TEST(store_pack_copy__what_cannot_be__told),
		TEST(store_pack_copy__busy_tree__comes_to_an_end),
		TEST(copyout__unreadable_as_a_user__named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
