/* SPDX-License-Identifier: Apache-2.0 */
/*
 * livedyno.h - for tests that need a dyno: a real launch on the host's stack, as root and as an
 * ordinary user.
 *
 * Each case runs in a process of its own, with a mount namespace of its own, so that whatever it
 * does to itself ends with it.  There a failed check must not jump into cmocka: it is told on
 * standard error and ends the process.
 */
#ifndef DYNO_TEST_LIVEDYNO_H
#define DYNO_TEST_LIVEDYNO_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/launch.h"
#include "model/appspec.h"
#include "model/size.h"
#include "rootfs/stack.h"
#include "rootfs/store.h"

/* Source: tests/integration/lib.bash, an id that Debian gives to nobody. */
#define LIVE_USER 64321U
/* Source: own choice, far from the default of --uid-range. */
#define LIVE_BASE 1900000000U
#define LIVE_UID  12345U

/* What a case's process says when it cannot be made here; it has written why. */
#define LIVE_SKIP 77
/* Source: own choice: a dyno that takes this long hangs */
#define LIVE_MAX_MS 20000

#define MUST(cond)                                                                            \
	do {                                                                                  \
		if (!(cond)) {                                                                \
			(void)dprintf(2, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, \
				      errno);                                                 \
			_exit(1);                                                             \
		}                                                                             \
	} while (0)

/**
 * struct live_case - what to make.
 * @rootless: as an ordinary user
 * @disk: writes go to a directory
 * @directory: the app is a directory that is shown on /app, with an overlay of its own
 * @private_net: a network namespace of its own
 */
struct live_case {
	bool rootless;
	bool disk;
	bool directory;
	bool private_net;
};

struct live {
	char base[64];
	char run[96];
	char scratch[96];
	char app[96];
	struct store store;
	struct stack stack;
	struct arena arena;
	struct cgroup_host cgroups;
	struct dyno_spec spec;
	struct launch launch;
	struct init_msg last;
	struct dyno_err err;
};

static const char *const live_env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/app", NULL};

static void live_say(const struct dyno_err *err)
{
	char text[ERR_TEXT_BYTES];

	(void)err_format(err, text, sizeof(text));
	(void)dprintf(2, "stage %u: %s\n", err->stage, text);
}

static void live_become_user(const char *base)
{
	MUST(chown(base, LIVE_USER, LIVE_USER) == 0);
	MUST(setgroups(0, NULL) == 0);
	MUST(setresgid(LIVE_USER, LIVE_USER, LIVE_USER) == 0);
	MUST(setresuid(LIVE_USER, LIVE_USER, LIVE_USER) == 0);
	/* Else /proc/self is root's, as of any program that has changed its ids. */
	MUST(prctl(PR_SET_DUMPABLE, 1) == 0);
}

/* To the dyno's user, as the host numbers him: tmpfs takes no id maps before 6.3. */
static void live_give(const char *path, const struct live_case *c)
{
	MUST(c->rootless || chown(path, LIVE_BASE + LIVE_UID, LIVE_BASE + LIVE_UID) == 0);
}

/* A file system of its own: it takes attributes, and vanishes with the process. */
static void live_place(struct live *v, const struct live_case *c)
{
	if (geteuid() == 0) {
		MUST(unshare(CLONE_NEWNS) == 0);
		MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		MUST(mount("dyno-test", v->base, "tmpfs", 0, "mode=755") == 0);
		if (c->rootless)
			live_become_user(v->base);
	}
	str_fmt(v->run, sizeof(v->run), "%s/run", v->base);
	str_fmt(v->scratch, sizeof(v->scratch), "%s/scratch", v->base);
	str_fmt(v->app, sizeof(v->app), "%s/app", v->base);
	MUST(mkdir(v->run, 0700) == 0 && mkdir(v->scratch, 0700) == 0 && mkdir(v->app, 0755) == 0);
	if (!c->directory) {
		char inner[128];

		str_fmt(inner, sizeof(inner), "%s/app", v->app);
		MUST(mkdir(inner, 0755) == 0);
		live_give(inner, c);
	}
	live_give(v->app, c);
}

static void live_spec(struct live *v, const struct live_case *c, const char *const *argv)
{
	const char *binds[STACK_BINDS_MAX];
	char data[96];
	char stack[256];
	static struct limits limits;
	struct appspec_input in = {
		.hostname = "9b2f6f3e-1111-4111-8111-111111111111",
		.boot_id = "9b2f6f3e-2222-4222-8222-222222222222",
		.argv = argv,
		.envp = live_env,
		.uid = LIVE_UID,
		.limits = &limits,
		.app_is_root = !c->directory,
		.app = {.path = v->app, .owner = SPEC_OWNER_HOST, .owned = true},
		.scratch_path = c->disk ? v->scratch : NULL,
		.network = c->private_net ? SPEC_NET_NONE : SPEC_NET_HOST,
	};
	size_t i;

	limits_of_size(size_find(SIZE_DEFAULT), &limits);
	str_fmt(data, sizeof(data), "%s/data", v->base);
	MUST(store_open(data, &v->store, &v->err) == 0);
	MUST(stack_acquire(&v->store, NULL, &v->stack, &v->err) == 0);
	str_fmt(stack, sizeof(stack), "%s/stacks/%s/root", data, v->stack.name);
	for (i = 0; i < v->stack.n_binds; i++)
		binds[i] = v->stack.binds[i].path;
	in.binds = binds;
	in.n_binds = v->stack.n_binds;
	in.stack.path = arena_strdup(&v->arena, stack);
	in.stack.fd = v->stack.root_fd;
	in.stack.owner = SPEC_OWNER_SAME;
	in.app.fd = open(v->app, O_PATH | O_DIRECTORY | O_CLOEXEC);
	MUST(in.stack.path && in.app.fd >= 0);
	MUST(appspec_compile(&in, &v->arena, &v->spec, &v->err) == 0);
}

/* Known to whoever runs the case too, which may kill the monitor. */
static const char *live_leaf_name(const char *base)
{
	return base + STRLEN("/tmp/");
}

/* Everything up to launch_start(), which the case calls when it has set what it wants. */
static void live_make(struct live *v, const struct live_case *c, const char *const *argv)
{
	struct launch *l = &v->launch;

	launch_init(l);
	live_place(v, c);
	/* Again, with the ids of the case. */
	launch_init(l);
	live_spec(v, c, argv);
	if (!c->rootless && cgroup_host_open(CGROUP_ROOT, &v->cgroups, &v->err) == 0)
		l->cgroups = &v->cgroups;
	l->spec = &v->spec;
	l->run_path = v->run;
	l->rootless = c->rootless;
	l->base = LIVE_BASE;
	l->leaf_name = live_leaf_name(v->base);
}

/* Until a message of that type; each one read is kept in @last. */
static void live_wait(struct live *v, uint32_t type)
{
	uint64_t until = clock_ms() + LIVE_MAX_MS;
	struct pollfd p = {.fd = v->launch.channel_fd, .events = POLLIN};
	int r;

	do {
		MUST(clock_ms() < until);
		MUST(poll(&p, 1, LIVE_MAX_MS) == 1);
		r = launch_receive(&v->launch, &v->last, &v->err);
		MUST(r == 1);
		if (v->last.type == INIT_MSG_LAUNCH_FAILED && type != v->last.type) {
			live_say(&v->err);
			_exit(1);
		}
	} while (v->last.type != type);
}

static void live_start(struct live *v)
{
	int r = launch_start(&v->launch, &v->err);

	if (r < 0)
		live_say(&v->err);
	MUST(r == 0);
	live_wait(v, INIT_MSG_STARTED);
}

/* Until pid 1 is reaped. Return: the wait status of the command. */
static inline int live_end(struct live *v)
{
	int status;

	live_wait(v, INIT_MSG_EXITED);
	MUST(proc_wait(v->launch.pidfd, &status) == 0);
	return v->last.value;
}

static void live_done(struct live *v)
{
	launch_done(&v->launch);
	if (v->launch.cgroups)
		cgroup_host_done(&v->cgroups);
	stack_done(&v->stack);
	store_done(&v->store);
	arena_done(&v->arena);
}

/* What a killed monitor leaves: its group, when the last of the dyno is dead. Return: 0, -errno. */
static int live_remove_leaf(const char *name)
{
	uint64_t until = clock_ms() + LIVE_MAX_MS;
	struct cgroup_host cgroups;
	int r;

	if (cgroup_host_open(CGROUP_ROOT, &cgroups, NULL) < 0)
		return 0;
	do
		r = cgroup_leaf_remove(&cgroups, name);
	while (r == -EBUSY && clock_ms() < until);
	cgroup_host_done(&cgroups);
	return r;
}

typedef void (*live_fn)(struct live *v, const struct live_case *c);

/* Runs a case in its process. Return: its exit status; LIVE_SKIP: it cannot be made here. */
static int live_run(const struct live_case *c, live_fn fn)
{
	struct live v = {.stack = STACK_INIT};
	_cleanup_close_ int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int status = -1;
	pid_t pid;

	if (!c->rootless && geteuid() != 0)
		return LIVE_SKIP;
	str_fmt(v.base, sizeof(v.base), "/tmp/dyno-test-unit.XXXXXX");
	if (!mkdtemp(v.base))
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)alarm(2 * LIVE_MAX_MS / 1000);
		fn(&v, c);
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (!c->rootless && live_remove_leaf(live_leaf_name(v.base)) < 0)
		return -1;
	if (path_remove_tree(tmp, live_leaf_name(v.base)) < 0)
		return -1;
	return status;
}

#endif
