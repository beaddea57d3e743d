/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_hold.c - the files of a dyno that has ended, for as long as somebody may want them.
 *
 * Theory of operation.  A scratch may be a file system in memory or in a file without a name: it is
 * there as long as a process has it open.  So a process stays, with the dyno's place and its control
 * socket, and with that state.json says "kept".  To all others the dyno has ended; `diff`, `cp` and `rm`
 * alone ask this process.  Of the dyno's mounts those of its root and of /app are held by open
 * directories: they outlive the namespace that they were made in, without what was mounted on them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/monitor_internal.h"
#include "engine/place.h"

/* Descriptors of the process that stays. */
#define HOLD_FDS_MAX 64

/* ---- beginning ------------------------------------------------------------------------------ */

bool hold_take(struct slot *slot)
{
	struct monitor *m = slot->m;

	/* What a newer one is to follow, or has replaced, is of no interest any more. */
	if (!m->app->opts->keep || !slot->started || slot->gen.id != m->sup.front.id)
		return false;
	gen_rest(&slot->gen);
	slot->used = false;
	m->held = slot;
	return true;
}

/* ---- the process that stays ----------------------------------------------------------------- */

static void on_signal(struct loop *loop, int fd, short revents, void *data)
{
	struct signalfd_siginfo si;

	(void)revents;
	(void)data;
	if (fd_read_full(fd, &si, sizeof(si)) == (ssize_t)sizeof(si) && si.ssi_signo == SIGTERM)
		loop->quit = true;
}

/* Whoever watched has heard the end; who comes from now on finds what is kept. */
static void serve(struct monitor *m)
{
	struct loop *loop = &m->loop;
	int id;

	m->holding = true;
	m->start_time = 0; /* it may be another process */
	ctl_hang_up(&m->ctl);
	for (id = 0; id < (int)loop->n_timers; id++)
		loop_timer_disarm(loop, id);
	loop_remove(loop, m->plan->signal_fd);
	if (m->plan->keep_fd >= 0)
		loop_remove(loop, m->plan->keep_fd);
	loop->quit = false;
	tell_state_file(m);
	if (loop_add(loop, m->plan->signal_fd, POLLIN, on_signal, m) == 0)
		(void)loop_run(loop); /* what fails ends it as well */
	(void)unlinkat(m->app->place.dir_fd, STATEFILE_NAME,
		       0); /* it was hidden before, or goes now */
}

static void release(struct monitor *m)
{
	gen_done(&m->held->gen);
	m->held = NULL;
}

/* ---- a process of its own ------------------------------------------------------------------- */

/* What the process that stays works with. Return: how many of @fds. */
static size_t list_needed(struct monitor *m, int fds[HOLD_FDS_MAX])
{
	struct receipt_source sources[LAUNCH_UPPERS];
	const struct generation *gen = &m->held->gen;
	const struct app *app = m->app;
	const int single[] = {
		app->run_fd,
		app->place.dir_fd,
		app->store->data_fd,
		app->entry.dir_fd,
		app->stack.root_fd,
		app->stack.lock_fd,
		app->slug.layer_fd,
		m->ctl.fd,
		m->plan->signal_fd,
		gen->ids_fd,
		gen->scratch.lock_fd,
		gen->scratch.mount_fd,
		gen->copy.lock_fd,
		gen->copy_fd,
		gen->launch.root_fds[0],
		gen->launch.root_fds[1],
	};
	const size_t n_sources = gen_sources(&m->held->gen, sources);
	size_t n = ARRAY_SIZE(single);

	_Static_assert(ARRAY_SIZE(single) + LAUNCH_UPPERS * (UPPER_LOWERS_MAX + 1) <= HOLD_FDS_MAX,
		       "room for every descriptor");
	memcpy(fds, single, sizeof(single));
	for (size_t i = 0; i < n_sources; i++) {
		fds[n++] = sources[i].upper_fd;
		for (size_t k = 0; k < sources[i].opts.n_lowers; k++)
			fds[n++] = sources[i].opts.lowers[k].fd;
	}
	return n;
}

static void leave_caller(struct monitor *m)
{
	int needed[HOLD_FDS_MAX];
	int null;
	int fd;

	(void)setsid(); /* a new child leads no group: cannot fail */
	if (chdir("/") < 0)
		_exit(1);
	/* The rest is the caller's business: a pipe of his must not stay open for want of this process.
	 * One too many does less harm than no files. */
	(void)fd_close_others(needed, list_needed(m, needed));
	null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	for (fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd); /* both are open */
}

/* [of fork] A process with threads has but this one here; nothing of theirs is used. */
static _Noreturn void stay(struct monitor *m)
{
	ctl_hang_up(&m->ctl); /* the caller's are copies */
	leave_caller(m);
	serve(m);
	release(m);
	ctl_hide(&m->ctl);
	state_release(&m->app->place);
	_exit(0);
}

/* Return: 0 in the caller; -errno. */
static int leave_child(struct monitor *m)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* A child of nobody who would have to reap it. */
		pid = fork();
		if (pid == 0)
			stay(m);
		_exit(pid < 0 ? 1 : 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
}

static void disown(struct monitor *m)
{
	gen_disown(&m->held->gen);
	m->held = NULL;
	m->ctl.dir_fd = -EBADF; /* the socket's name stays */
	close_fdp(&m->app->place.dir_fd);
}

void hold(struct monitor *m)
{
	int r;

	if (m->plan->supervised) {
		serve(m);
		release(m);
		return;
	}
	r = leave_child(m);
	if (r == 0) {
		disown(m);
		return;
	}
	tell_warning(m, "no process can be made to keep the dyno's files: they are gone");
	release(m);
}

/* ---- requests ------------------------------------------------------------------------------- */

static int need_held(const struct monitor *m, struct dyno_err *err)
{
	if (m->holding)
		return 0;
	err_set(err, ERR_ALIVE, EBUSY, "let go of the files of %s: it lives", m->app->place.dyno);
	return -EBUSY;
}

int hold_root(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
	      struct dyno_err *err)
{
	const int *fds;
	int r = need_held(m, err);

	(void)call;
	if (r < 0)
		return r;
	fds = m->held->gen.launch.root_fds;
	for (size_t i = 0; i < LAUNCH_UPPERS && fds[i] >= 0; i++)
		answer->fds[answer->n_fds++] = fds[i];
	return 0;
}

int hold_release(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		 struct dyno_err *err)
{
	int r = need_held(m, err);

	(void)call;
	(void)answer;
	if (r == 0)
		m->loop.quit = true;
	return r;
}
