/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_upper.c - what the walk over an upper directory tells, against a full comparison of the
 * merged tree before and after random workloads on real overlays, and on hand-made uppers for what
 * no kernel makes on request (T27, T60, T61).
 *
 * The seed of a failed workload is printed; DYNO_LONG=1 runs five times as many.
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "base/util.h"
#include "rootfs/upper.h"

#define WORKLOADS      200
#define WORKLOADS_LONG 1000
#define OPS_MAX	       60

/* A child's way to say that it cannot make the case; what it wrote to stderr says why. */
#define CHILD_SKIP 77

/* In a child a failed check must not jump into cmocka: it is told and ends the child. */
#define CHECK(cond)                                                                           \
	do {                                                                                  \
		if (!(cond)) {                                                                \
			(void)dprintf(2, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, \
				      errno);                                                 \
			_exit(1);                                                             \
		}                                                                             \
	} while (0)

#define SKIP(what)                                                     \
	do {                                                           \
		(void)dprintf(2, "skip: %s: errno %d\n", what, errno); \
		_exit(CHILD_SKIP);                                     \
	} while (0)

static bool long_run(void)
{
	const char *value = getenv("DYNO_LONG");

	return value && str_eq(value, "1");
}

/* ---- a place of one's own -------------------------------------------------------------------- */

/* How an overlay is mounted. */
struct form {
	const char *name;
	const char *options;
	bool rootless;
	bool metacopy;
};

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close_fdp(&fd);
}

/* New namespaces, and @dir as the working directory with a tmpfs on it. */
static void enter_place(const char *dir, bool rootless)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNS | (rootless ? CLONE_NEWUSER : 0)) < 0)
		SKIP("no namespaces");
	if (rootless) {
		write_text("/proc/self/setgroups", "deny");
		(void)str_fmt(map, sizeof(map), "0 %u 1", uid);
		write_text("/proc/self/uid_map", map);
		(void)str_fmt(map, sizeof(map), "0 %u 1", gid);
		write_text("/proc/self/gid_map", map);
	}
	CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("tmpfs", dir, "tmpfs", 0, "mode=755,size=256m") == 0);
	CHECK(chdir(dir) == 0);
	(void)umask(0);
}

/* Runs @fn in a child with a tmpfs of its own; skips the test where the child says so. */
static void in_place(bool rootless, void (*fn)(const void *arg), const void *arg)
{
	char dir[] = "/tmp/dyno-test-upper-XXXXXX";
	pid_t pid, parent = getpid();
	int status = 0;

	if (!rootless && geteuid() != 0) {
		print_message("only root may mount and see trusted attributes\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(1);
		enter_place(dir, rootless);
		fn(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(rmdir(dir), 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIP)
		skip();
	assert_int_equal(status, 0);
}

static int open_dir(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static void make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK(fd_write_full(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close_fdp(&fd);
}

static void make_dir(const char *path)
{
	CHECK(path_mkdir_p(AT_FDCWD, path, 0755) == 0);
}

static unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	CHECK(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* ---- what a tree holds ----------------------------------------------------------------------- */

struct node {
	char *path;
	struct stat st;
	uint64_t hash; /* of the content or the target */
	bool moved;    /* its own attributes are told by the move */
};

struct tree {
	struct node *node;
	size_t n;
};

static uint64_t hash_bytes(uint64_t hash, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t hash_node(int dirfd, const char *name, const struct stat *st)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	char buf[PATH_MAX];
	ssize_t n;
	int fd;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dirfd, name, buf, sizeof(buf));
		CHECK(n >= 0);
		return hash_bytes(hash, buf, (size_t)n);
	}
	if (!S_ISREG(st->st_mode))
		return 0;
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	while ((n = fd_read_full(fd, buf, sizeof(buf))) > 0)
		hash = hash_bytes(hash, buf, (size_t)n);
	CHECK(n == 0);
	close_fdp(&fd);
	return hash;
}

static struct node *tree_add(struct tree *t, const char *path)
{
	struct node *n;

	t->node = realloc(t->node, (t->n + 1) * sizeof(*n));
	CHECK(t->node);
	n = &t->node[t->n++];
	*n = (struct node){.path = strdup(path)};
	CHECK(n->path);
	return n;
}

static void tree_free(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->node[i].path);
	free(t->node);
	*t = (struct tree){0};
}

/* Adds all below @dirfd, whose path is @prefix. */
static void tree_read(struct tree *t, int dirfd, const char *prefix)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	CHECK(d);
	while ((e = readdir(d))) {
		char path[PATH_MAX];
		struct node *n;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		CHECK(str_fmt(path, sizeof(path), "%s%s%s", prefix, *prefix ? "/" : "", e->d_name) <
		      sizeof(path));
		n = tree_add(t, path);
		CHECK(fstatat(fd, e->d_name, &n->st, AT_SYMLINK_NOFOLLOW) == 0);
		n->hash = hash_node(fd, e->d_name, &n->st);
		if (S_ISDIR(n->st.st_mode)) {
			int sub = openat(fd, e->d_name, O_PATH | O_CLOEXEC);

			CHECK(sub >= 0);
			tree_read(t, sub, path);
			close_fdp(&sub);
		}
	}
	closedir(d);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->path, ((const struct node *)b)->path);
}

static void tree_sort(struct tree *t)
{
	if (t->n > 0)
		qsort(t->node, t->n, sizeof(*t->node), by_path);
}

static void tree_load(struct tree *t, const char *dir)
{
	int fd = open_dir(dir);

	tree_read(t, fd, "");
	close_fdp(&fd);
	tree_sort(t);
}

static const struct node *tree_find(const struct tree *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(t->node[i].path, path))
			return &t->node[i];
	return NULL;
}

/* The rest of @path at or below @dir, or NULL. */
static const char *below(const char *path, const char *dir)
{
	const char *rest = str_starts(path, dir);

	return rest && (*rest == '\0' || *rest == '/') ? rest : NULL;
}

/* ---- what the walk tells --------------------------------------------------------------------- */

struct told {
	enum upper_kind kind;
	unsigned int what;
	char *path;
	char *from;
	struct upper_change c;
	bool matched;
};

struct tale {
	struct told *told;
	size_t n;
	struct upper_totals totals;
	int stop_after; /* positive: end the walk with 42 then */
};

static int note(void *data, const struct upper_change *c)
{
	struct tale *t = data;
	struct told *x;

	t->told = realloc(t->told, (t->n + 1) * sizeof(*x));
	CHECK(t->told);
	x = &t->told[t->n++];
	*x = (struct told){.kind = c->kind, .what = c->what, .path = strdup(c->path), .c = *c};
	x->from = c->from ? strdup(c->from) : NULL;
	CHECK(x->path);
	upper_totals_add(&t->totals, c);
	return t->stop_after > 0 && t->n >= (size_t)t->stop_after ? 42 : 0;
}

static void tale_free(struct tale *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->told[i].path);
		free(t->told[i].from);
	}
	free(t->told);
	*t = (struct tale){0};
}

static const struct told *find_told(const struct tale *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(t->told[i].path, path))
			return &t->told[i];
	return NULL;
}

static const struct told *told_of(const struct tale *t, const char *path)
{
	const struct told *x = find_told(t, path);

	if (!x) {
		(void)dprintf(2, "not told: %s\n", path);
		_exit(1);
	}
	return x;
}

static void print_tale(const struct tale *t)
{
	for (size_t i = 0; i < t->n; i++)
		(void)dprintf(2, "  told: %s %s %s%s what %x mode %o size %llu num %d\n",
			      upper_kind_name(t->told[i].kind), t->told[i].path,
			      t->told[i].from ? "from " : "",
			      t->told[i].from ? t->told[i].from : "", t->told[i].what,
			      t->told[i].c.mode, (unsigned long long)t->told[i].c.size_bytes,
			      t->told[i].c.num);
}

/* Walks "upper" against @n_lowers of "l0", "l1"; no descriptor may stay. */
static int walk_with(struct tale *tale, struct upper_opts *opts, size_t n_lowers)
{
	struct upper_layer layer[2];
	struct dyno_err err = {0};
	unsigned int fds = count_fds();
	int upper = open_dir("upper"), r;

	for (size_t i = 0; i < n_lowers; i++)
		layer[i] = (struct upper_layer){
			.fd = open_dir(i == 0 ? "l0" : "l1"),
			.id_shift = opts->lowers ? opts->lowers[i].id_shift : 0,
		};
	opts->lowers = layer;
	opts->n_lowers = n_lowers;
	r = upper_walk(upper, opts, note, tale, &err);
	opts->lowers = NULL;
	if (r < 0)
		(void)dprintf(2, "upper_walk: %d %s\n", r, err.msg);
	for (size_t i = 0; i < n_lowers; i++)
		close_fdp(&layer[i].fd);
	close_fdp(&upper);
	CHECK(count_fds() == fds);
	return r;
}

/* ---- random workloads ------------------------------------------------------------------------ */

static uint64_t rng;

static unsigned int pick(unsigned int n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned int)((rng >> 11) % n);
}

/* A path of few names, so that the operations meet. */
static char *pick_path(char *buf)
{
	unsigned int levels = 1 + pick(3);
	size_t n = 0;

	while (levels-- > 0) {
		buf[n++] = (char)('a' + pick(3));
		buf[n++] = '/';
	}
	buf[n - 1] = '\0';
	return buf;
}

static void op_write(const char *path, int flags)
{
	char data[256];
	size_t len = pick(sizeof(data));
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags,
		      0600 + pick(64));

	if (fd < 0)
		return;
	memset(data, (int)('a' + pick(26)), sizeof(data));
	if (!(flags & O_EXCL))
		(void)!write(fd, data, len);
	close_fdp(&fd);
}

/* Other bytes, or the same, of the same length, and the time put back. */
static void op_sly(const char *path)
{
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char c;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && pread(fd, &c, 1, 0) == 1) {
		const struct timespec times[2] = {st.st_atim, st.st_mtim};

		c = (char)(c ^ (char)pick(2));
		(void)!pwrite(fd, &c, 1, 0);
		(void)futimens(fd, times);
	}
	close_fdp(&fd);
}

static void op_remove(const char *path)
{
	char dir[64];
	const char *slash = strrchr(path, '/');
	int fd;

	(void)str_fmt(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1,
		      slash ? path : ".");
	fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)path_remove_tree(fd, slash ? slash + 1 : path);
	close_fdp(&fd);
}

static void op_deep(const char *path)
{
	char deep[256];
	size_t n = str_fmt(deep, sizeof(deep), "%s", path);

	for (unsigned int i = 20 + pick(20); i > 0; i--)
		n += str_fmt(deep + n, sizeof(deep) - n, "/%c", (char)('a' + pick(2)));
	if (path_mkdir_p(AT_FDCWD, deep, 0755) == 0 && n + 3 < sizeof(deep)) {
		(void)str_fmt(deep + n, sizeof(deep) - n, "/f");
		op_write(deep, 0);
	}
}

static void op_chmod(const char *path)
{
	struct stat st;

	/* Keeping its own access: a tree that denies itself is another case. */
	if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
		(void)chmod(path, 0700 | pick(64));
}

static void op_random(void)
{
	char path[64], other[64];

	(void)pick_path(path);
	(void)pick_path(other);
	switch (pick(20)) {
	case 0:
	case 1:
		op_write(path, O_TRUNC);
		break;
	case 2:
		op_write(path, O_APPEND);
		break;
	case 3:
		op_write(path, 0);
		break;
	case 4: { /* opened for writing and left alone */
		int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		close_fdp(&fd);
		break;
	}
	case 5:
		op_chmod(path);
		break;
	case 6:
		(void)!lchown(path, pick(3), pick(3));
		break;
	case 7:
	case 8:
		(void)rename(path, other);
		break;
	case 9:
		(void)unlink(path);
		break;
	case 10:
		op_remove(path);
		break;
	case 11:
		(void)mkdir(path, 0755);
		break;
	case 12:
		op_deep(path);
		break;
	case 13:
		(void)!symlink(other, path);
		break;
	case 14:
		(void)!link(path, other);
		break;
	case 15: /* a directory replaced by a file */
		op_remove(path);
		op_write(path, O_TRUNC);
		break;
	case 16: /* anything replaced by a directory, opaque over one */
		op_remove(path);
		if (mkdir(path, 0750) == 0 && pick(2)) {
			(void)str_fmt(other, sizeof(other), "%s/%c", path, (char)('a' + pick(3)));
			op_write(other, 0);
		}
		break;
	case 17:
		op_sly(path);
		break;
	case 18:
		(void)utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
		break;
	default:
		(void)mkfifo(path, 0600);
		break;
	}
}

/* ---- comparing with the merged tree ---------------------------------------------------------- */

static unsigned int difference(const struct node *was, const struct node *now)
{
	const struct stat *a = &was->st, *b = &now->st;
	unsigned int what = 0;

	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT))
		return UPPER_WHAT_TYPE;
	if (a->st_mode != b->st_mode)
		what |= UPPER_WHAT_MODE;
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		what |= UPPER_WHAT_OWNER;
	if (was->hash != now->hash)
		what |= UPPER_WHAT_CONTENT;
	if (S_ISREG(a->st_mode) &&
	    (a->st_size != b->st_size || a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
	     a->st_mtim.tv_nsec != b->st_mtim.tv_nsec))
		what |= UPPER_WHAT_CONTENT;
	return what;
}

/* Takes @path and all below it out of @t. */
static void cut(struct tree *t, const char *path)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (below(t->node[i].path, path))
			free(t->node[i].path);
		else
			t->node[kept++] = t->node[i];
	}
	t->n = kept;
}

/* What was there before, with the moves done: the other changes are relative to that. */
static void apply_moves(struct tree *base, const struct tree *before, struct tale *tale,
			const struct tree *after)
{
	for (size_t i = 0; i < tale->n; i++) {
		struct told *x = &tale->told[i];
		const struct node *from, *to;

		if (x->kind != UPPER_MOVED)
			continue;
		x->matched = true;
		from = tree_find(before, x->from);
		to = tree_find(after, x->path);
		CHECK(from && to && S_ISDIR(from->st.st_mode) && S_ISDIR(to->st.st_mode));
		CHECK(x->what == difference(from, to));
		cut(base, x->path);
		for (size_t k = 0; k < before->n; k++) {
			const struct node *n = &before->node[k];
			const char *rest = below(n->path, x->from);
			char path[PATH_MAX];
			struct node *copy;

			if (!rest)
				continue;
			(void)str_fmt(path, sizeof(path), "%s%s", x->path, rest);
			copy = tree_add(base, path);
			copy->st = n->st;
			copy->hash = n->hash;
			copy->moved = *rest == '\0';
		}
	}
	tree_sort(base);
}

/* Takes the one telling of @path. Return: whether it is as expected. */
static bool claim(struct tale *tale, const char *path, enum upper_kind kind, unsigned int what,
		  const struct node *n)
{
	for (size_t i = 0; i < tale->n; i++) {
		struct told *x = &tale->told[i];

		if (x->matched || x->kind == UPPER_MOVED || !str_eq(x->path, path))
			continue;
		x->matched = true;
		return x->kind == kind && x->what == what && x->c.mode == n->st.st_mode &&
		       x->c.uid == n->st.st_uid && x->c.gid == n->st.st_gid &&
		       x->c.size_bytes == (S_ISDIR(n->st.st_mode) ? 0 : (uint64_t)n->st.st_size);
	}
	return false;
}

static bool parent_is_dir(const struct tree *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	const struct node *n;
	char dir[PATH_MAX];

	if (!slash)
		return true;
	(void)str_fmt(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	n = tree_find(t, dir);
	return n && S_ISDIR(n->st.st_mode);
}

/* Every difference was told as such, and nothing else. */
static bool tale_is_true(struct tale *tale, const struct tree *base, const struct tree *after)
{
	bool good = true;

	for (size_t i = 0; i < after->n; i++) {
		const struct node *now = &after->node[i], *was = tree_find(base, now->path);
		unsigned int what = was && !was->moved ? difference(was, now) : 0;

		if ((was && what == 0) ||
		    claim(tale, now->path, was ? UPPER_CHANGED : UPPER_ADDED, what, now))
			continue;
		(void)dprintf(2, "  not told so: %s %s what %x\n", was ? "changed" : "added",
			      now->path, what);
		good = false;
	}
	for (size_t i = 0; i < base->n; i++) {
		const struct node *was = &base->node[i];

		if (tree_find(after, was->path) || !parent_is_dir(after, was->path) ||
		    claim(tale, was->path, UPPER_DELETED, 0, was))
			continue;
		(void)dprintf(2, "  not told so: deleted %s\n", was->path);
		good = false;
	}
	for (size_t i = 0; i < tale->n; i++) {
		if (tale->told[i].matched)
			continue;
		(void)dprintf(2, "  told without reason: %s\n", tale->told[i].path);
		good = false;
	}
	return good;
}

/*
 * Files and bytes of what was told, each inode once.  Which names share one is asked of the upper:
 * the overlay may go on showing the lower's inode number for one of two names of a copied file.
 */
static void check_totals(const struct tale *tale, const struct tree *after, bool metacopy)
{
	uint64_t files = 0, bytes = 0, seen[1024];
	size_t n_seen = 0;

	for (size_t i = 0; i < tale->n; i++) {
		const struct node *n = tree_find(after, tale->told[i].path);
		char path[PATH_MAX];
		struct stat st;
		size_t k = 0;

		if (tale->told[i].kind > UPPER_CHANGED || S_ISDIR(n->st.st_mode))
			continue;
		(void)str_fmt(path, sizeof(path), "upper/%s", n->path);
		CHECK(lstat(path, &st) == 0);
		while (k < n_seen && seen[k] != st.st_ino)
			k++;
		CHECK(tale->told[i].c.linked == (k < n_seen));
		CHECK(k == n_seen || tale->told[i].c.bytes == 0);
		if (k < n_seen)
			continue;
		CHECK(n_seen < ARRAY_SIZE(seen));
		seen[n_seen++] = st.st_ino;
		files++;
		if (S_ISREG(n->st.st_mode))
			bytes += (uint64_t)n->st.st_size;
	}
	CHECK(tale->totals.files == files);
	CHECK(metacopy ? tale->totals.bytes <= bytes : tale->totals.bytes == bytes);
	CHECK(tale->totals.unread == 0);
}

static void populate(const char *dir)
{
	char path[64], other[64];
	unsigned int n = 5 + pick(30);

	CHECK(mkdir(dir, 0755) == 0 && chdir(dir) == 0);
	while (n-- > 0) {
		(void)pick_path(path);
		if (pick(3) == 0)
			(void)!symlink(pick_path(other), path);
		else if (pick(2))
			(void)path_mkdir_p(AT_FDCWD, path, 0755);
		else
			op_write(path, 0);
	}
	if (pick(4) == 0)
		op_deep("a");
	CHECK(chdir("..") == 0);
}

static void one_workload(const struct form *form, uint64_t seed, uint64_t counts[_UPPER_KIND_MAX])
{
	struct upper_opts opts = {.userxattr = form->rootless, .compare_bytes = UINT64_MAX};
	struct tree before = {0}, base = {0}, after = {0};
	struct tale tale = {0};
	char options[256];
	bool good;

	rng = seed;
	CHECK(mkdir("w", 0755) == 0);
	CHECK(mount("tmpfs", "w", "tmpfs", 0, "mode=755,size=64m") == 0 && chdir("w") == 0);
	populate("l0");
	populate("l1");
	make_dir("upper");
	make_dir("work");
	make_dir("merged");
	(void)str_fmt(options, sizeof(options), "lowerdir=l0:l1,upperdir=upper,workdir=work%s%s",
		      *form->options ? "," : "", form->options);
	if (mount("overlay", "merged", "overlay", 0, options) < 0)
		SKIP(form->name);
	tree_load(&before, "merged");
	tree_load(&base, "merged");

	CHECK(chdir("merged") == 0);
	for (unsigned int n = 1 + pick(OPS_MAX); n > 0; n--)
		op_random();
	CHECK(chdir("..") == 0);

	tree_load(&after, "merged");
	CHECK(walk_with(&tale, &opts, 2) == 0);
	apply_moves(&base, &before, &tale, &after);
	good = tale_is_true(&tale, &base, &after);
	if (!good) {
		(void)dprintf(2, "%s: seed %llu\n", form->name, (unsigned long long)seed);
		print_tale(&tale);
		_exit(1);
	}
	check_totals(&tale, &after, form->metacopy);
	for (size_t i = 0; i < tale.n; i++)
		counts[tale.told[i].kind]++;

	tree_free(&before);
	tree_free(&base);
	tree_free(&after);
	tale_free(&tale);
	CHECK(umount2("merged", MNT_DETACH) == 0 && chdir("..") == 0);
	CHECK(umount2("w", MNT_DETACH) == 0 && rmdir("w") == 0);
}

static void child_workloads(const void *arg)
{
	const struct form *form = arg;
	unsigned int n = long_run() ? WORKLOADS_LONG : WORKLOADS;
	uint64_t counts[_UPPER_KIND_MAX] = {0};
	uint64_t began = clock_ms();

	for (unsigned int i = 1; i <= n; i++)
		one_workload(form, i * UINT64_C(0x9e3779b97f4a7c15), counts);

	(void)dprintf(
		2, "%s: %u workloads, %llu added %llu changed %llu deleted %llu moved, %llu ms\n",
		form->name, n, (unsigned long long)counts[UPPER_ADDED],
		(unsigned long long)counts[UPPER_CHANGED],
		(unsigned long long)counts[UPPER_DELETED], (unsigned long long)counts[UPPER_MOVED],
		(unsigned long long)(clock_ms() - began));
	/* The workloads must have made what they are to prove. */
	CHECK(counts[UPPER_ADDED] > n && counts[UPPER_CHANGED] > n / 2 &&
	      counts[UPPER_DELETED] > n / 4);
	CHECK(!strstr(form->options, "redirect_dir=on") || counts[UPPER_MOVED] > n / 20);
}

static void upper_walk__random_workloads__equal_a_comparison_of_the_merged_tree(void **state)
{
	const struct form form = {.name = "plain", .options = "redirect_dir=off,metacopy=off"};

	(void)state;
	in_place(false, child_workloads, &form);
}

static void upper_walk__renamed_directories__equal_a_comparison_of_the_merged_tree(void **state)
{
	const struct form form = {.name = "redirect", .options = "redirect_dir=on,metacopy=off"};

	(void)state;
	in_place(false, child_workloads, &form);
}

static void upper_walk__metacopy__equals_a_comparison_of_the_merged_tree(void **state)
{
	const struct form form = {
		.name = "metacopy", .options = "redirect_dir=on,metacopy=on", .metacopy = true};

	(void)state;
	in_place(false, child_workloads, &form);
}

static void upper_walk__rootless__equals_a_comparison_of_the_merged_tree(void **state)
{
	const struct form form = {.name = "userxattr", .options = "userxattr", .rootless = true};

	(void)state;
	in_place(true, child_workloads, &form);
}

/* ---- hand-made uppers ------------------------------------------------------------------------ */

static void make_layers(void)
{
	make_dir("l0");
	make_dir("l1");
	make_dir("upper");
	make_dir("canary");
	make_file("canary/secret", "secret");
}

static void make_whiteout(const char *path)
{
	CHECK(mknod(path, S_IFCHR, 0) == 0);
}

static void mark(const char *path, const char *name, const char *value)
{
	if (lsetxattr(path, name, value, strlen(value), 0) < 0)
		SKIP("the file system takes no such attribute");
}

/* What is expected of a path; no kind: it is not told. */
struct expected {
	const char *path;
	int kind; /* or -1 */
	unsigned int what;
	int num;
};

static void check_told(const struct tale *tale, const struct expected *list, size_t n)
{
	size_t n_told = 0;

	for (size_t i = 0; i < n; i++) {
		const struct told *x = find_told(tale, list[i].path);

		n_told += list[i].kind >= 0;
		if (list[i].kind < 0 ? !x
				     : x && (int)x->kind == list[i].kind &&
					       x->what == list[i].what && x->c.num == list[i].num)
			continue;
		(void)dprintf(2, "wrong: %s\n", list[i].path);
		print_tale(tale);
		_exit(1);
	}
	if (tale->n != n_told)
		print_tale(tale);
	CHECK(tale->n == n_told);
}

static void set_time(const char *path)
{
	const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

	CHECK(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0);
}

/* A copied file that looks as in the lower layer and has its data there, or below @redirect. */
static void make_metacopy(const char *name, const char *redirect)
{
	char lower[64], upper[64];

	(void)str_fmt(lower, sizeof(lower), "l0/%s", name);
	(void)str_fmt(upper, sizeof(upper), "upper/%s", name);
	make_file(lower, "1234");
	make_file(upper, "");
	CHECK(truncate(upper, 4) == 0);
	set_time(lower);
	set_time(upper);
	mark(upper, "trusted.overlay.metacopy", "");
	if (redirect)
		mark(upper, "trusted.overlay.redirect", redirect);
}

static void child_marks(const void *arg)
{
	static const struct expected list[] = {
		{.path = "gone", .kind = UPPER_DELETED},
		{.path = "never", .kind = -1},
		{.path = "xgone", .kind = UPPER_DELETED},
		{.path = "xkept", .kind = UPPER_CHANGED, .what = UPPER_WHAT_CONTENT},
		{.path = "op", .kind = -1},
		{.path = "op/both", .kind = UPPER_CHANGED, .what = UPPER_WHAT_CONTENT},
		{.path = "op/gone", .kind = UPPER_DELETED},
		{.path = "op/gone1", .kind = UPPER_DELETED},
		{.path = "op/white", .kind = UPPER_DELETED},
		{.path = "op/sub", .kind = -1},
		{.path = "op/sub/gone", .kind = UPPER_DELETED},
		{.path = "ox/both", .kind = UPPER_CHANGED, .what = UPPER_WHAT_CONTENT},
		{.path = "ox/kept", .kind = -1},
		{.path = "op/back", .kind = UPPER_MOVED},
		{.path = "op/back/gone", .kind = UPPER_DELETED},
		{.path = "in/new", .kind = UPPER_MOVED},
		{.path = "in/own", .kind = -1},
		{.path = "in/other", .kind = UPPER_CHANGED, .what = UPPER_WHAT_CONTENT},
		{.path = "in/sibling", .kind = UPPER_CHANGED, .what = UPPER_WHAT_CONTENT},
		{.path = "in/plain", .kind = -1},
		{.path = "lost", .kind = UPPER_ADDED},
		{.path = "lost/file", .kind = UPPER_ADDED},
		{.path = "hidden-below/new", .kind = UPPER_ADDED},
	};
	struct upper_opts opts = {.compare_bytes = 1 << 20};
	struct tale tale = {0};

	(void)arg;
	make_layers();
	make_file("l0/gone", "");
	make_whiteout("upper/gone");
	make_whiteout("upper/never");

	/* The attribute's form, and the one that a dyno may have made itself. */
	make_file("l1/xgone", "1");
	make_file("upper/xgone", "");
	mark("upper/xgone", "trusted.overlay.whiteout", "y");
	make_file("l1/xkept", "1");
	make_file("upper/xkept", "");
	mark("upper/xkept", "user.overlay.whiteout", "y");

	/* Opaque, with lower layers that merge and a name that only the second has. */
	make_dir("l0/op/sub");
	make_dir("l1/op");
	make_file("l0/op/both", "1");
	make_file("l0/op/gone", "1");
	make_file("l1/op/gone", "1");
	make_file("l1/op/gone1", "1");
	make_file("l0/op/white", "1");
	make_file("l0/op/sub/gone", "1");
	make_dir("upper/op/sub");
	make_file("upper/op/both", "22");
	make_whiteout("upper/op/white");
	mark("upper/op", "trusted.overlay.opaque", "y");

	make_dir("l0/ox");
	make_file("l0/ox/both", "1");
	make_file("l0/ox/kept", "1");
	make_dir("upper/ox");
	make_file("upper/ox/both", "22");
	mark("upper/ox", "trusted.overlay.opaque", "x");

	/* A redirect to what is not there. */
	make_dir("upper/lost");
	make_file("upper/lost/file", "1");
	mark("upper/lost", "trusted.overlay.redirect", "/no/such");

	/* An absolute redirect leads out of an opaque directory, a relative one stays in it. */
	make_dir("l1/far");
	make_file("l1/far/kept", "1");
	make_file("l1/far/gone", "1");
	make_dir("upper/op/back");
	make_whiteout("upper/op/back/gone");
	mark("upper/op/back", "trusted.overlay.redirect", "/far");
	make_dir("l0/in/old");
	make_file("l0/in/old/kept", "1");
	make_dir("upper/in/new");
	mark("upper/in/new", "trusted.overlay.redirect", "old");

	/* Files whose data is elsewhere: their own, another one's by either form of path. */
	make_metacopy("in/own", "/in/own");
	make_metacopy("in/other", "/in/own");
	make_metacopy("in/sibling", "own");
	make_metacopy("in/plain", NULL);

	/* A file of the first layer, or an opaque directory, hides what the second has. */
	make_dir("l0/hidden-below");
	mark("l0/hidden-below", "trusted.overlay.opaque", "y");
	make_dir("l1/hidden-below");
	make_file("l1/hidden-below/new", "1");
	make_dir("upper/hidden-below");
	make_file("upper/hidden-below/new", "1");

	CHECK(walk_with(&tale, &opts, 2) == 0);
	check_told(&tale, list, ARRAY_SIZE(list));
	CHECK(str_eq(told_of(&tale, "op/back")->from, "far"));
	CHECK(str_eq(told_of(&tale, "in/new")->from, "in/old"));
	tale_free(&tale);
}

static void upper_walk__marks_of_the_overlay__told_as_the_kernel_reads_them(void **state)
{
	(void)state;
	in_place(false, child_marks, NULL);
}

static void child_hidden(const void *arg)
{
	static const struct expected list[] = {
		{.path = "etc/passwd", .kind = -1},    {.path = "etc/new", .kind = UPPER_ADDED},
		{.path = "tmp", .kind = -1},	       {.path = "tmp/x", .kind = UPPER_ADDED},
		{.path = "tmpx", .kind = UPPER_ADDED}, {.path = "sys/fs/x", .kind = -1},
		{.path = "etc", .kind = -1},
	};
	static const char *const hidden[] = {"etc/passwd", "tmp", "sys/"};
	struct upper_opts opts = {.hidden = hidden, .n_hidden = ARRAY_SIZE(hidden)};
	struct tale tale = {0};

	(void)arg;
	make_layers();
	make_dir("l1/etc");
	make_dir("upper/etc");
	make_dir("upper/tmp");
	make_dir("upper/sys/fs");
	make_file("upper/etc/passwd", "x");
	make_file("upper/etc/new", "x");
	make_file("upper/tmp/x", "x");
	make_file("upper/tmpx", "x");
	make_file("upper/sys/fs/x", "x");
	CHECK(walk_with(&tale, &opts, 2) == 0);
	check_told(&tale, list, ARRAY_SIZE(list));
	CHECK(tale.totals.files == 3 && tale.totals.bytes == 3 && tale.totals.dirs == 0);
	tale_free(&tale);
}

static void upper_walk__made_by_the_launcher__hidden(void **state)
{
	(void)state;
	in_place(true, child_hidden, NULL);
}

/* Without layers to look at, a real overlay's marks tell what they can. */
static void child_alone(const void *arg)
{
	static const struct expected list[] = {
		{.path = "d", .kind = -1},
		{.path = "d/new", .kind = UPPER_ADDED},
		{.path = "d/f", .kind = UPPER_CHANGED, .what = UPPER_WHAT_UNSURE},
		{.path = "d/gone", .kind = UPPER_DELETED},
		{.path = "n", .kind = UPPER_ADDED},
	};
	struct upper_opts opts = {.userxattr = true};
	struct tale tale = {0};

	(void)arg;
	make_layers();
	make_dir("l0/d");
	make_file("l0/d/f", "x");
	make_file("l0/d/gone", "x");
	make_dir("work");
	make_dir("merged");
	if (mount("overlay", "merged", "overlay", 0,
		  "lowerdir=l0:l1,upperdir=upper,workdir=work,userxattr") < 0)
		SKIP("no overlay with userxattr");
	make_file("merged/d/f", "xy");
	make_file("merged/d/new", "xy");
	make_dir("merged/n");
	/* The kernel does not follow in this form: a user may have written it. */
	mark("upper/n", "user.overlay.redirect", "/d");
	CHECK(unlink("merged/d/gone") == 0);
	CHECK(walk_with(&tale, &opts, 0) == 0);
	check_told(&tale, list, ARRAY_SIZE(list));
	tale_free(&tale);
}

static void upper_walk__no_lower_layers__told_by_the_marks(void **state)
{
	(void)state;
	in_place(true, child_alone, NULL);
}

static void child_ids(const void *arg)
{
	static const struct expected list[] = {
		{.path = "d", .kind = -1},
		{.path = "d/same", .kind = -1},
		{.path = "d/given", .kind = UPPER_CHANGED, .what = UPPER_WHAT_OWNER},
		{.path = "d/gone", .kind = UPPER_DELETED},
	};
	struct upper_layer shift[2] = {{.id_shift = 100000}, {.id_shift = 100000}};
	struct upper_opts opts = {.lowers = shift, .compare_bytes = 2};
	struct tale tale = {0};

	(void)arg;
	make_layers();
	make_dir("l0/d");
	make_dir("upper/d");
	make_file("l0/d/same", "x");
	make_file("l0/d/given", "x");
	make_file("l0/d/gone", "x");
	make_file("upper/d/same", "x");
	make_file("upper/d/given", "x");
	make_whiteout("upper/d/gone");
	set_time("l0/d/same");
	set_time("l0/d/given");
	set_time("upper/d/same");
	set_time("upper/d/given");
	CHECK(chown("l0/d", 5, 6) == 0 && chown("upper/d", 100005, 100006) == 0);
	CHECK(chown("l0/d/gone", 5, 6) == 0);
	CHECK(chown("l0/d/same", 5, 6) == 0 && chown("upper/d/same", 100005, 100006) == 0);
	CHECK(chown("l0/d/given", 5, 6) == 0 && chown("upper/d/given", 100006, 100006) == 0);
	CHECK(walk_with(&tale, &opts, 2) == 0);
	check_told(&tale, list, ARRAY_SIZE(list));
	CHECK(told_of(&tale, "d/gone")->c.uid == 100005);
	tale_free(&tale);

	/* With nothing left to read, equal looks are not taken for equal bytes. */
	opts.lowers = shift;
	opts.compare_bytes = 0;
	CHECK(walk_with(&tale, &opts, 2) == 0);
	CHECK(told_of(&tale, "d/same")->what == UPPER_WHAT_UNSURE);
	tale_free(&tale);
}

static void upper_walk__idmapped_layers__owners_compared_as_shown(void **state)
{
	(void)state;
	in_place(false, child_ids, NULL);
}

/* Deeper than a path can name, with few descriptors: each level is come back to. */
static void child_deep(const void *arg)
{
	const struct rlimit few = {.rlim_cur = 24, .rlim_max = 24};
	struct upper_opts opts = {.userxattr = true};
	struct tale tale = {0};
	unsigned int dirs = 0, files = 0, unread = 0;
	int fd;

	(void)arg;
	make_layers();
	fd = open_dir("upper");
	for (unsigned int i = 0; i < 3000; i++) {
		int sub;

		/* tmpfs lists the newest first: one before the directory and one after it. */
		CHECK(mknodat(fd, "y", S_IFREG | 0600, 0) == 0);
		CHECK(mkdirat(fd, "d", 0755) == 0);
		CHECK(mknodat(fd, "z", S_IFREG | 0600, 0) == 0);
		sub = openat(fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		CHECK(sub >= 0);
		close_fdp(&fd);
		fd = sub;
	}
	close_fdp(&fd);
	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
	CHECK(walk_with(&tale, &opts, 2) == 0);
	for (size_t i = 0; i < tale.n; i++) {
		const struct told *x = &tale.told[i];

		CHECK(strlen(x->path) < PATH_MAX);
		CHECK(x->kind == UPPER_ADDED ||
		      (x->kind == UPPER_UNREAD && x->c.num == ENAMETOOLONG));
		unread += x->kind == UPPER_UNREAD;
		dirs += x->kind == UPPER_ADDED && S_ISDIR(x->c.mode);
		files += x->kind == UPPER_ADDED && S_ISREG(x->c.mode);
	}
	CHECK(dirs == PATH_MAX / 2 && files == PATH_MAX && unread == 1);
	tale_free(&tale);
}

static void upper_walk__T27_deeper_than_a_path__constant_descriptors_and_said(void **state)
{
	(void)state;
	in_place(true, child_deep, NULL);
}

static void child_foreign(const void *arg)
{
	static const struct expected list[] = {
		{.path = "m", .kind = UPPER_UNREAD, .num = EXDEV},
		{.path = "f", .kind = UPPER_UNREAD, .num = EXDEV},
		{.path = "link", .kind = UPPER_ADDED},
		{.path = "fifo", .kind = UPPER_ADDED},
		{.path = "sparse", .kind = UPPER_ADDED},
		{.path = "m/secret", .kind = -1},
		{.path = "link/secret", .kind = -1},
	};
	struct upper_opts opts = {.userxattr = true};
	struct tale tale = {0};

	(void)arg;
	make_layers();
	make_dir("upper/m");
	make_file("upper/f", "");
	CHECK(mount("canary", "upper/m", NULL, MS_BIND, NULL) == 0);
	CHECK(mount("canary/secret", "upper/f", NULL, MS_BIND, NULL) == 0);
	CHECK(symlink("../canary", "upper/link") == 0);
	CHECK(mkfifo("upper/fifo", 0600) == 0);
	make_file("upper/sparse", "");
	CHECK(truncate("upper/sparse", (off_t)1 << 40) == 0);
	CHECK(walk_with(&tale, &opts, 2) == 0);
	check_told(&tale, list, ARRAY_SIZE(list));
	CHECK(told_of(&tale, "sparse")->c.size_bytes == UINT64_C(1) << 40);
	CHECK(tale.totals.bytes == 0 && tale.totals.files == 3 && tale.totals.unread == 2);
	tale_free(&tale);
}

static void upper_walk__T60_mounts_links_and_holes__neither_entered_nor_counted(void **state)
{
	(void)state;
	in_place(true, child_foreign, NULL);
}

static int count_only(void *data, const struct upper_change *c)
{
	upper_totals_add(data, c);
	return 0;
}

/* Twenty thousand files, two gigabytes, and room for the walk itself only. */
static void child_large(const void *arg)
{
	static struct upper_totals totals;
	struct upper_opts opts = {.userxattr = true, .compare_bytes = UINT64_MAX};
	struct upper_layer lower = {.fd = -EBADF};
	char statm[64] = "";
	uint64_t pages = 0, began;
	int fd, upper, status;

	(void)arg;
	make_layers();
	for (unsigned int i = 0; i < 20000; i++) {
		char path[64];

		(void)str_fmt(path, sizeof(path), "upper/dir%u/sub%u", i / 1000, i / 100 % 10);
		if (i % 100 == 0)
			make_dir(path);
		(void)str_fmt(path, sizeof(path), "upper/dir%u/sub%u/file%u", i / 1000,
			      i / 100 % 10, i);
		make_file(path, "x");
		CHECK(truncate(path, 107374) == 0);
	}
	lower.fd = open_dir("l0");
	opts.lowers = &lower;
	opts.n_lowers = 1;
	upper = open_dir("upper");
	if (!DYNO_ASAN) { /* which needs memory of its own at any time */
		struct rlimit as;

		fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
		CHECK(fd >= 0 && fd_read_full(fd, statm, sizeof(statm) - 1) > 0);
		close_fdp(&fd);
		*strchr(statm, ' ') = '\0';
		CHECK(num_parse_u64(statm, UINT64_MAX, &pages) == 0);
		as.rlim_cur = as.rlim_max = pages * (uint64_t)getpagesize() + (512 << 10);
		CHECK(setrlimit(RLIMIT_AS, &as) == 0);
	}
	began = clock_ns();
	status = upper_walk(upper, &opts, count_only, &totals, NULL);
	(void)dprintf(2, "20000 files in 220 directories: %llu us\n",
		      (unsigned long long)((clock_ns() - began) / 1000));
	CHECK(status == 0 && totals.files == 20000 && totals.dirs == 220);
	CHECK(totals.bytes == 20000 * 4096 && totals.unread == 0);
}

static void upper_walk__T61_large_upper__in_half_a_megabyte(void **state)
{
	(void)state;
	in_place(true, child_large, NULL);
}

/* Nobody in particular: a directory that its owner has shut. */
static void child_shut(const void *arg)
{
	static const struct expected list[] = {
		{.path = "open", .kind = UPPER_ADDED},
		{.path = "open/x", .kind = UPPER_ADDED},
	};
	struct upper_opts opts = {0};
	struct tale tale = {0};
	const struct told *last;

	(void)arg;
	make_layers();
	make_dir("upper/open");
	make_dir("upper/shut");
	make_file("upper/open/x", "x");
	make_file("upper/shut/x", "x");
	CHECK(chmod("upper/shut", 0) == 0);
	CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	CHECK(walk_with(&tale, &opts, 2) == 0);
	CHECK(tale.n == ARRAY_SIZE(list) + 2 && tale.totals.unread == 1 && tale.totals.dirs == 2);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		CHECK(told_of(&tale, list[i].path)->kind == (enum upper_kind)list[i].kind);
	CHECK(told_of(&tale, "shut")->kind == UPPER_ADDED);
	last = NULL;
	for (size_t i = 0; i < tale.n; i++)
		if (tale.told[i].kind == UPPER_UNREAD)
			last = &tale.told[i];
	CHECK(last && str_eq(last->path, "shut") && last->c.num == EACCES);
	tale_free(&tale);
}

static void upper_walk__unreadable_directory__told_as_such(void **state)
{
	(void)state;
	in_place(false, child_shut, NULL);
}

/* Another process at work, also one that swaps a directory for a link out of the tree. */
static void work_against_us(void)
{
	CHECK(chdir("merged") == 0);
	for (;;) {
		for (unsigned int i = 0; i < 20; i++)
			op_random();
		(void)renameat2(AT_FDCWD, "../upper/swap", AT_FDCWD, "../upper/link",
				RENAME_EXCHANGE);
		(void)renameat2(AT_FDCWD, "../upper/deep", AT_FDCWD, "../upper/l/deep", 0);
		(void)renameat2(AT_FDCWD, "../upper/l/deep", AT_FDCWD, "../upper/deep", 0);
	}
}

static void child_live(const void *arg)
{
	struct upper_opts opts = {.userxattr = true, .compare_bytes = 1 << 20};
	uint64_t until = clock_ms() + (long_run() ? 10000 : 500);
	unsigned int walks = 0;
	pid_t pid;

	(void)arg;
	rng = 99;
	make_layers();
	make_dir("work");
	make_dir("merged");
	make_dir("upper/swap");
	make_dir("upper/l");
	make_dir("upper/deep/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20");
	CHECK(symlink("../canary", "upper/link") == 0);
	if (mount("overlay", "merged", "overlay", 0,
		  "lowerdir=l0:l1,upperdir=upper,workdir=work,userxattr") < 0)
		SKIP("no overlay with userxattr");
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		work_against_us();
	}
	for (; clock_ms() < until; walks++) {
		struct tale tale = {0};

		CHECK(walk_with(&tale, &opts, 2) == 0);
		for (size_t i = 0; i < tale.n; i++) {
			CHECK(!str_ends(tale.told[i].path, "secret"));
			if (tale.told[i].kind == UPPER_UNREAD && tale.told[i].c.num != ESTALE) {
				print_tale(&tale);
				_exit(1);
			}
		}
		tale_free(&tale);
	}
	CHECK(kill(pid, 0) == 0 && waitpid(pid, NULL, WNOHANG) == 0);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	CHECK(walks > 10);
}

static void upper_walk__tree_changes_meanwhile__never_out_of_it(void **state)
{
	(void)state;
	in_place(true, child_live, NULL);
}

/* Puts another tree in the place of the one being walked, once the walk is far below. */
static int swap_tree(void *data, const struct upper_change *c)
{
	if (str_ends(c->path, "/20")) {
		make_dir("other/1/2/3");
		make_file("other/wrong", "x");
		make_file("other/1/wrong", "x");
		make_file("other/1/2/wrong", "x");
		CHECK(rename("upper/top", "elsewhere") == 0);
		CHECK(rename("other", "upper/top") == 0);
	}
	return note(data, c);
}

static void child_swapped(const void *arg)
{
	struct upper_opts opts = {.userxattr = true};
	struct tale tale = {0};
	unsigned int stale = 0;
	int upper;

	(void)arg;
	make_layers();
	make_dir("upper/top/1/2");
	make_file("upper/top/late", "x");
	make_file("upper/top/1/late", "x");
	make_dir("upper/top/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20");
	make_dir("upper/top/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21");
	upper = open_dir("upper");
	CHECK(upper_walk(upper, &opts, swap_tree, &tale, NULL) == 0);
	for (size_t i = 0; i < tale.n; i++) {
		CHECK(!str_ends(tale.told[i].path, "wrong"));
		stale += tale.told[i].kind == UPPER_UNREAD && tale.told[i].c.num == ESTALE;
	}
	CHECK(stale > 0 && tale.totals.unread == stale);
	CHECK(told_of(&tale, "top/1/2/3/4/5")->kind == UPPER_ADDED);
	tale_free(&tale);
}

static void upper_walk__T60_tree_swapped_behind_it__other_one_not_taken_for_it(void **state)
{
	(void)state;
	in_place(true, child_swapped, NULL);
}

static void child_stop(const void *arg)
{
	struct upper_opts opts = {.userxattr = true};
	struct tale tale = {.stop_after = 3};

	(void)arg;
	make_layers();
	make_dir("upper/1/2/3/4/5/6");
	CHECK(walk_with(&tale, &opts, 1) == 42);
	CHECK(tale.n == 3);
	tale_free(&tale);
}

static void upper_walk__callback_says_stop__ends_with_its_word(void **state)
{
	(void)state;
	in_place(true, child_stop, NULL);
}

static void upper_walk__bad_arguments__refused(void **state)
{
	struct upper_opts opts = {.n_lowers = UPPER_LOWERS_MAX + 1};
	struct dyno_err err = {0};

	(void)state;
	assert_int_equal(upper_walk(AT_FDCWD, &opts, note, NULL, &err), -E2BIG);
	assert_int_equal(err.kind, ERR_INTERNAL);
	opts.n_lowers = 0;
	assert_int_equal(upper_walk(-1, &opts, note, NULL, &err), -EBADF);
	assert_int_equal(err.kind, ERR_IO);
}

/* ---- the sum --------------------------------------------------------------------------------- */

static void upper_totals_add__kinds__each_in_its_place(void **state)
{
	static const struct upper_change changes[] = {
		{.kind = UPPER_ADDED, .path = "d", .mode = S_IFDIR},
		{.kind = UPPER_CHANGED, .path = "small", .mode = S_IFREG, .bytes = 10},
		{.kind = UPPER_ADDED, .path = "big", .mode = S_IFREG, .bytes = 4000000},
		{.kind = UPPER_ADDED, .path = "big2", .mode = S_IFREG, .linked = true},
		{.kind = UPPER_ADDED, .path = "link", .mode = S_IFLNK},
		{.kind = UPPER_DELETED, .path = "gone", .mode = S_IFREG, .size_bytes = 99},
		{.kind = UPPER_MOVED, .path = "new", .from = "old", .mode = S_IFDIR},
		{.kind = UPPER_UNREAD, .path = "shut", .num = EACCES},
	};
	static struct upper_totals t;

	(void)state;
	t = (struct upper_totals){0};
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		upper_totals_add(&t, &changes[i]);
	assert_int_equal(t.files, 3);
	assert_int_equal(t.bytes, 4000010);
	assert_int_equal(t.dirs, 1);
	assert_int_equal(t.deleted, 1);
	assert_int_equal(t.moved, 1);
	assert_int_equal(t.unread, 1);
	assert_int_equal(t.biggest_bytes, 4000000);
	assert_string_equal(t.biggest, "big");
}

static void upper_receipt_text__totals__one_line(void **state)
{
	static const struct {
		struct upper_totals totals;
		const char *text;
	} cases[] = {
		{{0}, "wrote nothing"},
		{{.files = 31, .bytes = 4404019}, "wrote 31 files, 4.2 MB, discarded"},
		{{.files = 1, .bytes = 5, .biggest_bytes = 5, .biggest = "app/log"},
		 "wrote 1 file, 5 B, discarded; biggest app/log, 5 B"},
		{{.files = 2,
		  .bytes = 4404019,
		  .deleted = 3,
		  .biggest_bytes = 4404018,
		  .biggest = "a\n\033[2J"},
		 "wrote 2 files, 4.2 MB, discarded; deleted 3; biggest a\\n\\x1b[2J, 4.2 MB"},
		{{.dirs = 1}, "wrote 0 files, 0 B, discarded"},
		{{.files = 2, .unread = 1}, "wrote at least 2 files, 0 B, discarded"},
	};
	char buf[256], cut[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = upper_receipt_text(&cases[i].totals, buf, sizeof(buf));

		assert_string_equal(buf, cases[i].text);
		assert_int_equal(len, strlen(cases[i].text));
	}
	assert_int_equal(upper_receipt_text(&cases[0].totals, cut, sizeof(cut)), 13);
	assert_string_equal(cut, "wrote n");
}

static void upper_kind_name__each__of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < _UPPER_KIND_MAX; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(upper_kind_name((enum upper_kind)i),
						upper_kind_name((enum upper_kind)k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			upper_walk__random_workloads__equal_a_comparison_of_the_merged_tree),
		cmocka_unit_test(
			upper_walk__renamed_directories__equal_a_comparison_of_the_merged_tree),
		cmocka_unit_test(upper_walk__metacopy__equals_a_comparison_of_the_merged_tree),
		cmocka_unit_test(upper_walk__rootless__equals_a_comparison_of_the_merged_tree),
		cmocka_unit_test(upper_walk__marks_of_the_overlay__told_as_the_kernel_reads_them),
		cmocka_unit_test(upper_walk__made_by_the_launcher__hidden),
		cmocka_unit_test(upper_walk__no_lower_layers__told_by_the_marks),
		cmocka_unit_test(upper_walk__idmapped_layers__owners_compared_as_shown),
		cmocka_unit_test(upper_walk__T27_deeper_than_a_path__constant_descriptors_and_said),
		cmocka_unit_test(
			upper_walk__T60_mounts_links_and_holes__neither_entered_nor_counted),
		cmocka_unit_test(upper_walk__T61_large_upper__in_half_a_megabyte),
		cmocka_unit_test(upper_walk__unreadable_directory__told_as_such),
		cmocka_unit_test(upper_walk__tree_changes_meanwhile__never_out_of_it),
		cmocka_unit_test(
			upper_walk__T60_tree_swapped_behind_it__other_one_not_taken_for_it),
		cmocka_unit_test(upper_walk__callback_says_stop__ends_with_its_word),
		cmocka_unit_test(upper_walk__bad_arguments__refused),
		cmocka_unit_test(upper_totals_add__kinds__each_in_its_place),
		cmocka_unit_test(upper_receipt_text__totals__one_line),
		cmocka_unit_test(upper_kind_name__each__of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
