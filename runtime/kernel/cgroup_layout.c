/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_layout.c - reads two text formats of the kernel: where the trees of control groups are
 * mounted (mountinfo) and where a process is in them (/proc/PID/cgroup).  Pure.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "kernel/cgroup.h"

/* A piece of a text; not NUL-terminated. */
struct span {
	const char *at;
	size_t len;
};

static bool span_eq(struct span s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.at, word, s.len) == 0;
}

/* Cut off what stands before the first @sep; the whole where there is none. */
static struct span span_cut(struct span *rest, char sep)
{
	const char *end = rest->len ? memchr(rest->at, sep, rest->len) : NULL;
	struct span head = {rest->at, end ? (size_t)(end - rest->at) : rest->len};
	size_t used = end ? head.len + 1 : head.len;

	rest->at += used;
	rest->len -= used;
	return head;
}

static bool list_has(struct span list, const char *word)
{
	while (list.len > 0)
		if (span_eq(span_cut(&list, ','), word))
			return true;
	return false;
}

/* Copy, undoing \ooo of mountinfo. Return: false where it does not fit or holds a NUL. */
static bool span_copy(struct span s, char *buf, size_t size, bool escaped)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned int c = (unsigned char)s.at[i];

		if (escaped && c == '\\' && s.len - i > 3) {
			c = 0;
			for (size_t k = 1; k <= 3; k++) {
				if (s.at[i + k] < '0' || s.at[i + k] > '7')
					return false;
				c = c * 8 + (unsigned int)(s.at[i + k] - '0');
			}
			i += 3;
		}
		if (c == 0 || c > 255 || n + 1 >= size)
			return false;
		buf[n++] = (char)c;
	}
	buf[n] = '\0';
	return n > 0;
}

static const char *const controller_names[_CGROUP_TREE_MAX] = {
	[CGROUP_TREE_UNIFIED] = "",	   [CGROUP_TREE_MEMORY] = "memory",
	[CGROUP_TREE_CPU] = "cpu",	   [CGROUP_TREE_PIDS] = "pids",
	[CGROUP_TREE_CPUACCT] = "cpuacct", [CGROUP_TREE_IO] = "blkio",
	[CGROUP_TREE_CPUSET] = "cpuset",
};

/* The parts of a line of mountinfo that matter here. */
struct mount_line {
	struct span root;
	struct span point;
	struct span type;
	struct span options;
};

/* Source: proc_pid_mountinfo(5): 6 fields, optional ones, "-", type, source, super options. */
static bool mount_line_parse(struct span line, struct mount_line *ret)
{
	struct mount_line m = {0};

	for (int i = 0; i < 3; i++)
		if (span_cut(&line, ' ').len == 0)
			return false;
	m.root = span_cut(&line, ' ');
	m.point = span_cut(&line, ' ');
	if (m.root.len == 0 || m.point.len == 0 || m.point.at[0] != '/' ||
	    span_cut(&line, ' ').len == 0)
		return false;

	while (line.len > 0) {
		if (!span_eq(span_cut(&line, ' '), "-"))
			continue;
		m.type = span_cut(&line, ' ');
		(void)span_cut(&line, ' '); /* the source is any text */
		m.options = line;
		*ret = m;
		return m.type.len > 0;
	}
	return false;
}

static bool mount_serves(const struct mount_line *m, enum cgroup_tree tree)
{
	if (tree == CGROUP_TREE_UNIFIED)
		return span_eq(m->type, "cgroup2");
	return span_eq(m->type, "cgroup") && list_has(m->options, controller_names[tree]);
}

/* The roots of the mounts, by which paths of processes are shortened. */
struct roots {
	char root[_CGROUP_TREE_MAX][512];
};

static bool mountinfo_line(struct span line, struct cgroup_layout *layout, struct roots *roots)
{
	struct mount_line m;

	if (!mount_line_parse(line, &m))
		return false;

	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		char *mount = layout->mount[t];

		if (mount[0] != '\0' || !mount_serves(&m, (enum cgroup_tree)t))
			continue;
		if (!span_copy(m.point, mount, sizeof(layout->mount[t]), true) ||
		    !span_copy(m.root, roots->root[t], sizeof(roots->root[t]), true))
			mount[0] = '\0'; /* a place that cannot be named is as good as none */
	}
	return true;
}

/* Whether a line of /proc/PID/cgroup is about @tree. */
static bool self_serves(struct span id, struct span controllers, enum cgroup_tree tree)
{
	if (tree == CGROUP_TREE_UNIFIED)
		return span_eq(id, "0") && controllers.len == 0;
	return list_has(controllers, controller_names[tree]);
}

/*
 * What is mounted may be a part of a tree only (a container without a cgroup namespace): paths
 * are those of the whole tree then, and the mount's root is cut off.
 */
static void store_own(struct span path, const char *root, char *own, size_t size)
{
	size_t len = strlen(root);

	if (len > 1 && path.len >= len && memcmp(path.at, root, len) == 0 &&
	    (path.len == len || path.at[len] == '/')) {
		path.at += len;
		path.len -= len;
	}
	if (path.len == 0)
		path = (struct span){"/", 1};
	if (!span_copy(path, own, size, false))
		own[0] = '\0';
}

static bool self_line(struct span line, struct cgroup_layout *layout, const struct roots *roots)
{
	struct span id = span_cut(&line, ':');
	struct span controllers = span_cut(&line, ':');

	if (id.len == 0 || line.len == 0 || line.at[0] != '/')
		return false;

	for (int t = 0; t < _CGROUP_TREE_MAX; t++)
		if (self_serves(id, controllers, (enum cgroup_tree)t))
			store_own(line, roots->root[t], layout->own[t], sizeof(layout->own[t]));
	return true;
}

int cgroup_layout_find(const char *mountinfo, size_t mountinfo_len, const char *self,
		       size_t self_len, struct cgroup_layout *ret)
{
	struct cgroup_layout layout = {0};
	struct roots roots = {0};
	struct span mounts = {mountinfo, mountinfo_len};
	struct span paths = {self, self_len};
	bool any = false;

	while (mounts.len > 0)
		any |= mountinfo_line(span_cut(&mounts, '\n'), &layout, &roots);
	while (paths.len > 0)
		any |= self_line(span_cut(&paths, '\n'), &layout, &roots);

	if (!any)
		return -EINVAL;
	*ret = layout;
	return 0;
}
