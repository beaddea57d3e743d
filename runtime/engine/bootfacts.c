/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/bootfacts.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/port.h"
#include "model/procfacts.h"

/* Processes, threads and sockets that are looked at: a dyno with more tells enough by these, and its
 * end is not delayed. Source: own choice */
#define PROCS_MAX   64U
#define TASKS_MAX   128U
#define SOCKETS_MAX 256U
/* What is read of a table of sockets, some 150 bytes each. Source: own choice */
#define NET_BYTES (8U * 1024U * 1024U)
/* The same of a file of a process. Source: a status has a line of all groups, 65536 at most */
#define PROC_BYTES (1024U * 1024U)

/** struct owned - a socket that a process of the dyno has. @task: of this process */
struct owned {
	uint32_t inode;
	size_t task;
};

/**
 * struct gather - one look.
 * @pids, @n_pids: processes as the host numbers them, in the order of the walk
 */
struct gather {
	struct arena arena;
	const struct bootfacts_ask *ask;
	uint32_t pids[PROCS_MAX];
	size_t n_pids;
	struct boot_task *tasks;
	size_t n_tasks;
	struct owned owned[SOCKETS_MAX];
	size_t n_owned;
	struct boot_socket *sockets;
	size_t n_sockets;
	struct listen_fact binds;
};

static void gather_done(struct gather *g)
{
	arena_done(&g->arena);
}

/* Return: its text; NULL: it has gone, or may not be read. */
static char *read_file(struct gather *g, const char *path, size_t max)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;

	if (fd < 0 || fd_read_all(fd, max, &g->arena, &text, NULL) < 0)
		return NULL;
	return text;
}

static char *read_of(struct gather *g, uint32_t pid, uint32_t tid, const char *file)
{
	char path[64];

	str_fmt(path, sizeof(path), "/proc/%u/task/%u/%s", pid, tid, file);
	return read_file(g, path, PROC_BYTES);
}

/* ---- processes -------------------------------------------------------------------------------- */

static void add_children(struct gather *g, char *list)
{
	while (list && *list && g->n_pids < PROCS_MAX) {
		char *next = list + strcspn(list, " ");
		bool more = *next != '\0';
		uint32_t pid;

		*next = '\0';
		if (num_parse_u32(list, INT32_MAX, &pid) == 0)
			g->pids[g->n_pids++] = pid;
		list = next + more;
	}
}

/* Its number in the innermost of its namespaces of processes: the last one. */
static uint32_t number_inside(const char *status)
{
	char text[16];
	size_t len;
	const char *line = procfacts_field(status, "NSpid", &len);
	uint32_t pid = 0;
	size_t at;

	if (!line)
		return 0;
	for (at = len; at > 0 && line[at - 1] != '\t' && line[at - 1] != ' '; at--)
		;
	str_fmt(text, sizeof(text), "%.*s", (int)(len - at), line + at);
	return num_parse_u32(text, INT32_MAX, &pid) == 0 ? pid : 0;
}

static void read_object(uint32_t pid, struct boot_task *task)
{
	char path[64], target[128];
	ssize_t len;

	if (task->fd < 0)
		return;
	str_fmt(path, sizeof(path), "/proc/%u/fd/%d", pid, task->fd);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return;
	target[len] = '\0';
	str_escape(task->object, sizeof(task->object), target);
}

static void add_task(struct gather *g, uint32_t pid, uint32_t tid, uint32_t inside)
{
	struct boot_task *task = &g->tasks[g->n_tasks];
	const char *stat = read_of(g, pid, tid, "stat");
	char *name = read_of(g, pid, tid, "comm");
	const char *call = read_of(g, pid, tid, "syscall");
	long ticks = sysconf(_SC_CLK_TCK);

	*task = (struct boot_task){.pid = inside, .fd = -1};
	if (!stat || !name || bootcause_read_stat(stat, (unsigned int)ticks, task) < 0)
		return; /* it has gone meanwhile */
	name[strcspn(name, "\n")] = '\0';
	str_escape(task->name, sizeof(task->name), name);
	if (call)
		bootcause_read_call(call, task);
	read_object(pid, task);
	g->n_tasks++;
	add_children(g, read_of(g, pid, tid, "children"));
}

static void add_owned(struct gather *g, uint32_t pid, size_t task)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	char path[32];

	str_fmt(path, sizeof(path), "/proc/%u/fd", pid);
	if (dir_open(AT_FDCWD, path, &dir) < 0)
		return;
	while (g->n_owned < SOCKETS_MAX && (name = dir_next_name(&dir))) {
		char target[32];
		ssize_t len = readlinkat(dir.fd, name, target, sizeof(target) - 1);
		const char *rest;
		uint32_t inode;

		if (len <= 0)
			continue;
		target[len] = '\0';
		rest = str_starts(target, "socket:[");
		if (!rest)
			continue;
		target[len - 1] = '\0'; /* "]" */
		if (num_parse_u32(rest, UINT32_MAX, &inode) == 0)
			g->owned[g->n_owned++] = (struct owned){inode, task};
	}
}

static void add_process(struct gather *g, uint32_t pid)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name, *status;
	size_t first = g->n_tasks;
	char path[32];
	uint32_t tid;

	str_fmt(path, sizeof(path), "/proc/%u/status", pid);
	status = read_file(g, path, PROC_BYTES);
	str_fmt(path, sizeof(path), "/proc/%u/task", pid);
	if (!status || dir_open(AT_FDCWD, path, &dir) < 0)
		return;
	while (g->n_tasks < TASKS_MAX && (name = dir_next_name(&dir)))
		if (num_parse_u32(name, INT32_MAX, &tid) == 0)
			add_task(g, pid, tid, number_inside(status));
	if (g->n_tasks > first)
		add_owned(g, pid, first);
}

static void walk(struct gather *g)
{
	uint32_t init = (uint32_t)g->ask->init_pid;

	add_children(g, read_of(g, init, init, "children"));
	for (size_t i = 0; i < g->n_pids && g->n_tasks < TASKS_MAX; i++)
		add_process(g, g->pids[i]);
}

/* ---- sockets ---------------------------------------------------------------------------------- */

static const struct owned *find_owned(const struct gather *g, uint32_t inode)
{
	for (size_t i = 0; inode && i < g->n_owned; i++)
		if (g->owned[i].inode == inode)
			return &g->owned[i];
	return NULL;
}

static void add_bind(struct gather *g, const struct netrow *row)
{
	struct listen_socket s = {
		.port = row->port,
		.family = (uint8_t)row->family,
		.scope = listen_scope_of((uint8_t)row->family, row->addr),
		.inode = row->inode,
	};

	memcpy(s.addr, row->addr, sizeof(s.addr));
	listen_fact_add(&g->binds, g->ask->port, &s);
}

static void keep_socket(struct gather *g, const struct owned *owned, struct boot_socket *s)
{
	const struct boot_task *task = &g->tasks[owned->task];

	if (g->n_sockets == SOCKETS_MAX)
		return;
	s->pid = task->pid;
	memcpy(s->name, task->name, sizeof(s->name));
	g->sockets[g->n_sockets++] = *s;
}

static void read_table(struct gather *g, const char *file, int family, bool udp)
{
	struct netrow row;
	const char *text;
	char path[48];

	str_fmt(path, sizeof(path), "/proc/%d/net/%s", g->ask->init_pid, file);
	text = read_file(g, path, NET_BYTES);
	while (text && netrows_next(&text, family, &row) > 0) {
		const struct owned *owned = find_owned(g, row.inode);
		struct boot_socket s = {0};

		if (!owned)
			continue;
		if (!udp && row.state == TCP_LISTEN)
			add_bind(g, &row);
		else if (bootcause_socket(&row, udp, g->ask->port, &s))
			keep_socket(g, owned, &s);
	}
}

static void read_unix(struct gather *g)
{
	struct netrow_unix row;
	const char *text;
	char path[48];

	str_fmt(path, sizeof(path), "/proc/%d/net/unix", g->ask->init_pid);
	text = read_file(g, path, NET_BYTES);
	while (text && netrows_next_unix(&text, &row) > 0) {
		const struct owned *owned = find_owned(g, row.inode);
		struct boot_socket s = {.link = BOOT_LINK_UNIX, .inode = row.inode};

		if (!owned || !row.listens)
			continue;
		str_escape(s.text, sizeof(s.text), row.path);
		keep_socket(g, owned, &s);
	}
}

static void read_sockets(struct gather *g)
{
	read_table(g, "tcp", AF_INET, false);
	read_table(g, "tcp6", AF_INET6, false);
	read_table(g, "udp", AF_INET, true);
	read_table(g, "udp6", AF_INET6, true);
	read_unix(g);
}

/* ---- the sentence ----------------------------------------------------------------------------- */

static void find_holder(const struct gather *g, const struct listen_fact *binds, char *ret,
			size_t size)
{
	struct port_owner owner;
	char name[64];

	ret[0] = '\0';
	if (!g->ask->shared || binds->n_on_port > 0 || port_find_owner(g->ask->port, &owner) < 0)
		return;
	if (owner.pid)
		str_fmt(ret, size, "process %d (%s) of the user %u", owner.pid,
			str_escape(name, sizeof(name), owner.comm), owner.uid);
	else
		str_fmt(ret, size, "a process of the user %u", owner.uid);
}

/* The processes of a dyno may have joined it: what its network says is the whole truth, where it is
 * its own; its descriptors are it else. */
static enum boot_cause explain(struct gather *g, char *ret, size_t size)
{
	const struct listen_fact *binds = g->ask->binds ? g->ask->binds : &g->binds;
	char holder[160], cause[BOOT_CAUSE_BYTES];
	struct boot_facts facts = {
		.tasks = g->tasks,
		.n_tasks = g->n_tasks,
		.sockets = g->sockets,
		.n_sockets = g->n_sockets,
		.age_ms = g->ask->age_ms,
		.listens = binds->n > 0,
		.before = g->ask->before,
		.holder = holder,
	};
	enum boot_cause r;
	size_t len;

	if (binds->reachable)
		return BOOT_CAUSE_NONE;
	find_holder(g, binds, holder, sizeof(holder));
	r = bootcause_tell(&facts, cause);
	len = MIN_OF(listen_explain(binds, g->ask->port, ret, size), size - 1);
	if (cause[0])
		(void)str_fmt(ret + len, size - len, "; %s", cause); /* the rest is cut */
	return r;
}

enum boot_cause bootfacts_explain(const struct bootfacts_ask *ask, char *ret, size_t size)
{
	_cleanup_(gather_done) struct gather g = {.ask = ask};

	ret[0] = '\0';
	if (ask->init_pid <= 0)
		return BOOT_CAUSE_NONE;
	g.tasks = arena_calloc(&g.arena, TASKS_MAX, sizeof(*g.tasks));
	g.sockets = arena_calloc(&g.arena, SOCKETS_MAX, sizeof(*g.sockets));
	if (!g.tasks || !g.sockets)
		return BOOT_CAUSE_NONE;
	walk(&g);
	/* Without a process nothing can be told, and a timeout is not the point any more. */
	if (g.n_tasks == 0 && !ask->binds)
		return BOOT_CAUSE_NONE;
	read_sockets(&g);
	return explain(&g, ret, size);
}
