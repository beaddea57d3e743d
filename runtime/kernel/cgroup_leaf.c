/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_leaf.c - the leaves: make, limit, kill, read, remove; see cgroup.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup_priv.h"

/* Groups below a leaf that removal follows. Source: nobody inside can make any; one level of a
 * tool's and one to spare. */
#define REMOVE_DEPTH 4

/* Tries to make a leaf whose parent is being cleared away. Source: own choice; one is what a single
 * clearer can cost */
#define MAKE_AGAIN_MAX 5

/* First and longest pause between tries to remove. Source: measured, an exit ends within 1 ms. */
#define REMOVE_PAUSE_MIN_NS 200000L
#define REMOVE_PAUSE_MAX_NS 10000000L

/* "NAME/FILE" below our directory. */
void cgroup_leaf_path(char *buf, const char *name, const char *file)
{
	(void)str_fmt(buf, CGROUP_PATH_BYTES, "%s/%s", name, file);
}

/* ---- create and remove ----------------------------------------------------------------------- */

/* Remove the groups below @dir_fd; their processes, if any, make it fail. */
static int remove_children(int dir_fd, unsigned int depth)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const struct dirent *entry;
	int r = dir_open(dir_fd, ".", &dir);

	while (r == 0 && (entry = dir_next(&dir))) {
		if (entry->d_type != DT_DIR)
			continue;
		_cleanup_close_ int child =
			openat(dir.fd, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (child >= 0 && depth > 1)
			r = remove_children(child, depth - 1);
		if (r == 0 && unlinkat(dir.fd, entry->d_name, AT_REMOVEDIR) != 0 && errno != ENOENT)
			r = -errno;
	}
	return r;
}

/* One try in one tree. Return: 0; -EBUSY; -errno. */
static int remove_in_tree(int parent_fd, const char *name)
{
	int r;

	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	/* A directory of a fake tree says ENOTEMPTY where a group says EBUSY. */
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;

	_cleanup_close_ int fd =
		openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = remove_children(fd, REMOVE_DEPTH);
	if (r < 0)
		return r;
	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errno == ENOTEMPTY ? -EBUSY : -errno;
}

static int remove_once(const struct cgroup_host *host, const char *name)
{
	int worst = 0;

	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		int r = host->parent_fd[t] < 0 ? 0 : remove_in_tree(host->parent_fd[t], name);

		if (r < 0 && (worst == 0 || worst == -EBUSY))
			worst = r;
	}
	return worst;
}

int cgroup_leaf_remove(const struct cgroup_host *host, const char *name)
{
	uint64_t deadline = clock_ms() + CGROUP_REMOVE_MS;
	struct timespec pause = {.tv_nsec = REMOVE_PAUSE_MIN_NS};
	int r;

	if (host->kind == CGROUP_NONE)
		return 0;
	for (;;) {
		r = remove_once(host, name);
		if (r != -EBUSY || clock_ms() >= deadline)
			return r;
		(void)nanosleep(&pause, NULL); /* a shorter pause only means one more try */
		pause.tv_nsec = MIN_OF(pause.tv_nsec * 2, REMOVE_PAUSE_MAX_NS);
	}
}

static int make_in_tree(int parent_fd, const char *name)
{
	int r;

	if (mkdirat(parent_fd, name, 0755) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	/* Left by a launcher that was killed: made anew, so that no limit or counter sticks. */
	r = remove_in_tree(parent_fd, name);
	if (r < 0)
		return r;
	return mkdirat(parent_fd, name, 0755) == 0 ? 0 : -errno;
}

static int open_leaf(const struct cgroup_host *host, struct cgroup_leaf *leaf)
{
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		char path[CGROUP_PATH_BYTES];

		if (t == CGROUP_TREE_UNIFIED || host->parent_fd[t] < 0)
			continue;
		cgroup_leaf_path(path, leaf->name, "tasks");
		leaf->tasks_fd[t] = openat(host->parent_fd[t], path, O_WRONLY | O_CLOEXEC);
		if (leaf->tasks_fd[t] < 0)
			return -errno;
	}

	if (host->parent_fd[CGROUP_TREE_UNIFIED] >= 0) {
		struct stat st;

		leaf->clone_fd = openat(host->parent_fd[CGROUP_TREE_UNIFIED], leaf->name,
					O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (leaf->clone_fd < 0 || fstat(leaf->clone_fd, &st) != 0)
			return -errno;
		leaf->id = st.st_ino;
		leaf->clone_into = true;
	}
	return 0;
}

static bool name_is_valid(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strlen(name) < CGROUP_NAME_BYTES &&
	       !strchr(name, '/') && !strchr(name, '\n');
}

/* Undo on failure: made trees are removed, those of another live group are not touched. */
static void unmake(const struct cgroup_host *host, const char *name, int n_trees)
{
	for (int t = 0; t < n_trees; t++)
		if (host->parent_fd[t] >= 0)
			(void)remove_in_tree(host->parent_fd[t], name); /* gc takes the rest */
}

/* In every tree or in none. Return: 0, or -errno with the tree that refused in @ret_tree. */
static int make_once(const struct cgroup_host *host, const char *name, int *ret_tree)
{
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		int r = host->parent_fd[t] < 0 ? 0 : make_in_tree(host->parent_fd[t], name);

		if (r == 0)
			continue;
		unmake(host, name, t);
		*ret_tree = t;
		return r;
	}
	return 0;
}

static int make_leaf(struct cgroup_host *host, const char *name, struct dyno_err *err)
{
	int tree = 0;
	int r = make_once(host, name, &tree);

	/* Nothing can be made in a directory that somebody has just cleared away. */
	for (int i = 0; i < MAKE_AGAIN_MAX && r == -ENOENT; i++) {
		r = cgroup_host_mend(host);
		if (r == 0)
			r = make_once(host, name, &tree);
	}
	if (r == 0)
		return 0;
	(void)err_set(err, ERR_CGROUP, -r, "make %s/%s in the %s tree", CGROUP_PARENT, name,
		      cgroup_trees[tree].name);
	if (r == -EBUSY)
		err_hint(err, "processes are left in it: see its cgroup.procs");
	else if (r == -EAGAIN)
		err_hint(err, "cgroup.max.descendants of a group above is reached");
	return r;
}

int cgroup_leaf_open(const struct cgroup_host *host, const char *name, struct cgroup_leaf *ret,
		     struct dyno_err *err)
{
	_cleanup_cgroup_leaf_ struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	int r;

	if (!name_is_valid(name))
		return err_set(err, ERR_CGROUP, EINVAL, "name a control group");
	leaf.kind = host->kind;
	(void)str_fmt(leaf.name, sizeof(leaf.name), "%s", name);

	r = host->kind == CGROUP_NONE ? 0 : open_leaf(host, &leaf);
	if (r < 0)
		return err_set(err, ERR_CGROUP, -r, "open %s/%s", CGROUP_PARENT, name);

	*ret = leaf;
	leaf = (struct cgroup_leaf)CGROUP_LEAF_INIT; /* handed over */
	return 0;
}

int cgroup_leaf_create(struct cgroup_host *host, const char *name,
		       const struct cgroup_limits *limits, struct cgroup_leaf *ret,
		       struct dyno_err *err)
{
	static const struct cgroup_limits none;
	struct cgroup_leaf note = CGROUP_LEAF_INIT;
	int r;

	if (host->kind == CGROUP_NONE)
		return cgroup_leaf_open(host, name, ret, err);
	if (!name_is_valid(name))
		return err_set(err, ERR_CGROUP, EINVAL, "name a control group");
	r = make_leaf(host, name, err);
	if (r < 0)
		return r;
	r = cgroup_write_limits(host, name, limits ? limits : &none,
				limits && limits->lenient ? &note : NULL, err);
	if (r == 0)
		r = cgroup_leaf_open(host, name, ret, err);
	if (r < 0) {
		unmake(host, name, _CGROUP_TREE_MAX);
		return r;
	}
	ret->refused = note.refused;
	memcpy(ret->refusal, note.refusal, sizeof(ret->refusal));
	return 0;
}

void cgroup_leaf_joined(struct cgroup_leaf *leaf)
{
	close_fdp(&leaf->clone_fd);
	for (int t = 0; t < _CGROUP_TREE_MAX; t++)
		close_fdp(&leaf->tasks_fd[t]);
}

void cgroup_leaf_done(struct cgroup_leaf *leaf)
{
	if (leaf)
		cgroup_leaf_joined(leaf);
}

/* ---- kill and read --------------------------------------------------------------------------- */

int cgroup_leaf_kill(const struct cgroup_host *host, const char *name)
{
	int parent_fd, r;

	if (host->kind == CGROUP_NONE)
		return 0;
	parent_fd = host->parent_fd[CGROUP_TREE_UNIFIED];
	if (parent_fd < 0)
		return -EOPNOTSUPP;

	r = cgroup_leaf_write(host, CGROUP_TREE_UNIFIED, name, "cgroup.kill", "1");
	if (r == -ENOENT && faccessat(parent_fd, name, F_OK, 0) == 0)
		return -EOPNOTSUPP;
	return r;
}

ssize_t cgroup_leaf_read(const struct cgroup_host *host, enum cgroup_tree tree, const char *name,
			 const char *file, char *buf, size_t size)
{
	char path[CGROUP_PATH_BYTES];
	ssize_t n;

	cgroup_leaf_path(path, name, file);
	_cleanup_close_ int fd = openat(host->parent_fd[tree], path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = fd_read_full(fd, buf, size - 1);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

/* The number behind "KEY " at the beginning of a line. Return: 0, -ENOENT, -EINVAL, -ERANGE. */
static int find_key(char *text, const char *key, uint64_t *ret)
{
	char *line = text;

	while (line) {
		char *next = strchr(line, '\n');
		const char *value = str_starts(line, key);

		if (next)
			*next++ = '\0';
		if (value && *value == ' ')
			return num_parse_u64(value + 1, UINT64_MAX, ret);
		line = next;
	}
	return -ENOENT;
}

/* Return: 1 empty, 0 not, -errno. */
static int empty_in_tree(const struct cgroup_host *host, enum cgroup_tree tree, const char *name)
{
	char buf[256];
	uint64_t populated;
	ssize_t n;
	int r;

	if (tree != CGROUP_TREE_UNIFIED) {
		n = cgroup_leaf_read(host, tree, name, "tasks", buf, 2);
		return n < 0 ? (int)n : n == 0;
	}
	n = cgroup_leaf_read(host, tree, name, "cgroup.events", buf, sizeof(buf));
	if (n < 0)
		return (int)n;
	r = find_key(buf, "populated", &populated);
	return r < 0 ? r : populated == 0;
}

int cgroup_leaf_empty(const struct cgroup_host *host, const char *name)
{
	if (host->kind == CGROUP_NONE)
		return 1;
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		int r = host->parent_fd[t] < 0 ? 1 : empty_in_tree(host, (enum cgroup_tree)t, name);

		/* ENODEV: the group was removed between open and read. */
		if (r == 0 || (r < 0 && r != -ENOENT && r != -ENODEV))
			return r;
	}
	return 1;
}

int cgroup_leaf_key(const struct cgroup_host *host, const char *name, const char *file,
		    const char *key, uint64_t *ret)
{
	char buf[1024];
	ssize_t n = cgroup_leaf_read(host, host->home[CGROUP_TREE_MEMORY], name, file, buf,
				     sizeof(buf));

	return n < 0 ? (int)n : find_key(buf, key, ret);
}

/* ---- walk ------------------------------------------------------------------------------------ */

/* Whether a tree walked before had the leaf. */
static bool seen_before(const struct cgroup_host *host, int tree, const char *name)
{
	for (int t = 0; t < tree; t++)
		if (host->parent_fd[t] >= 0 && faccessat(host->parent_fd[t], name, F_OK, 0) == 0)
			return true;
	return false;
}

static int walk_tree(const struct cgroup_host *host, int tree, const char *suffix,
		     cgroup_leaf_fn fn, void *data)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const struct dirent *entry;
	int r = dir_open(host->parent_fd[tree], ".", &dir);

	while (r == 0 && (entry = dir_next(&dir))) {
		/* Leaves never begin with a dot: name_is_valid(). */
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    !str_ends(entry->d_name, suffix) || seen_before(host, tree, entry->d_name))
			continue;
		r = fn(data, entry->d_name);
	}
	return r;
}

int cgroup_each_leaf(const struct cgroup_host *host, const char *suffix, cgroup_leaf_fn fn,
		     void *data)
{
	int r = 0;

	if (host->kind == CGROUP_NONE)
		return 0;
	for (int t = 0; r == 0 && t < _CGROUP_TREE_MAX; t++)
		if (host->parent_fd[t] >= 0)
			r = walk_tree(host, t, suffix, fn, data);
	return r;
}
