/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_ctl.c - requests from outside, and the processes that join the dyno by them. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/layers.h"
#include "engine/monitor_internal.h"

/* Words of one command; the kernel's own limit is on their bytes. Source: own choice */
#define EXEC_WORDS_MAX 1024U

static struct slot *running(struct monitor *m, struct dyno_err *err)
{
	struct slot *slot = mon_front(m);

	if (slot && slot->started && !slot->exited && m->sup.front.live)
		return slot;
	err_set(err, ERR_NOT_FOUND, ESRCH, "%s does not run: it is %s", m->app->place.dyno,
		sup_state_name(m->sup.front.state));
	return NULL;
}

static int do_state(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		    struct dyno_err *err)
{
	struct dyno_facts facts;

	(void)call;
	(void)err;
	tell_facts(m, &facts);
	statefile_format(&facts, &answer->text);
	return 0;
}

static int do_inspect(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		      struct dyno_err *err)
{
	(void)call;
	(void)err;
	tell_inspect(m, &answer->text);
	return 0;
}

static int do_stats(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		    struct dyno_err *err)
{
	(void)call;
	(void)err;
	tell_stats(m, &answer->text);
	return 0;
}

static int do_watch(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		    struct dyno_err *err)
{
	(void)call;
	(void)err;
	tell_now(m, &answer->text);
	return 0;
}

static int do_stop(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		   struct dyno_err *err)
{
	const struct sup_event_info info = {
		.event = SUP_STOP,
		.now_ms = clock_ms(),
		.at_once = call->request.value != 0,
	};

	(void)answer;
	(void)err;
	mon_feed(m, &info);
	return 0;
}

static int do_restart(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		      struct dyno_err *err)
{
	(void)call;
	(void)answer;
	if (m->sup.policy.oneoff || !m->plan->supervised) {
		err_set(err, ERR_USAGE, EOPNOTSUPP, "restart %s: it runs once", m->app->place.dyno);
		err_hint(err, "only dynos of dyno start are restarted");
		return -EOPNOTSUPP;
	}
	mon_event(m, SUP_RESTART, 0);
	return 0;
}

static int do_signal(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		     struct dyno_err *err)
{
	struct slot *slot = running(m, err);
	int r;

	(void)answer;
	if (!slot)
		return -ESRCH;
	if (call->request.value < 1 || call->request.value > 64 ||
	    call->request.scope > INIT_SCOPE_MAIN)
		return err_set(err, ERR_USAGE, EINVAL, "send signal %d", call->request.value);
	r = launch_signal(&slot->gen.launch, call->request.value,
			  (enum init_scope)call->request.scope);
	return r < 0 ? err_set(err, ERR_NOT_FOUND, -r, "send signal %d to %s", call->request.value,
			       m->app->place.dyno)
		     : 0;
}

static int do_layers(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		     struct dyno_err *err)
{
	struct receipt_source sources[LAUNCH_UPPERS];
	struct slot *slot = running(m, err);
	size_t n;

	(void)call;
	if (!slot)
		return -ESRCH;
	n = gen_sources(&slot->gen, sources);
	if (n == 0) {
		err_set(err, ERR_RECORD, ENODATA, "tell what %s has written", m->app->place.dyno);
		err_hint(err, "it was started with --no-receipt");
		return -ENODATA;
	}
	return layers_put(sources, n, answer, err);
}

/* ---- processes that join -------------------------------------------------------------------- */

static void exec_done(struct monitor_exec *e, int status)
{
	struct loop *loop = &e->m->loop;

	loop_remove(loop, e->pidfd);
	loop_remove(loop, e->join.channel_fd);
	(void)ctl_answer_later(&e->m->ctl, e->client, status); /* the client may have left */
	join_done(&e->join);
	e->used = false;
}

/* A process that could not execute its command is waited for by join_result(). */
static void exec_failed(struct monitor_exec *e, const struct dyno_err *err)
{
	char text[DYNO_ERR_MSG_BYTES + DYNO_ERR_HINT_BYTES + 64];

	str_fmt(text, sizeof(text), "a command in the dyno: %s%s%s", err->msg,
		err->hint[0] ? "; " : "", err->hint);
	tell_warning(e->m, text);
	exec_done(e, dyno_err_exit_code(err));
}

static void on_exec_gone(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor_exec *e = data;
	struct dyno_err err = {0};
	int status = 128 + SIGKILL;

	(void)loop;
	(void)revents;
	if (!e->executed && join_result(&e->join, &err) < 0) {
		exec_failed(e, &err);
	} else {
		if (proc_wait(fd, &status) < 0)
			status = 128 + SIGKILL;
		exec_done(e, status);
	}
	mon_settle(e->m);
}

static void on_exec_result(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor_exec *e = data;
	struct dyno_err err = {0};
	int r = join_result(&e->join, &err);

	(void)revents;
	if (r == 0)
		return;
	if (r < 0) {
		exec_failed(e, &err);
		mon_settle(e->m);
		return;
	}
	e->executed = true;
	loop_remove(loop, fd);
}

/* The payload is words, each ended by NUL; a shell's command line is one word. */
static int split_words(const struct ctl_call *call, const char **words, struct dyno_err *err)
{
	const char *p = call->payload;
	const char *stop = p + call->request.len;
	int n = 0;

	while (p < stop && n < (int)EXEC_WORDS_MAX) {
		words[n++] = p;
		p += strlen(p) + 1;
	}
	words[n] = NULL;
	if (n == 0 || p < stop)
		return err_set(err, ERR_USAGE, E2BIG, "take a command of no or too many words");
	return n;
}

static struct monitor_exec *free_exec(struct monitor *m)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(m->execs); i++)
		if (!m->execs[i].used)
			return &m->execs[i];
	return NULL;
}

static int watch_exec(struct monitor_exec *e)
{
	struct loop *loop = &e->m->loop;
	int r;

	e->pidfd = e->join.pidfd;
	r = loop_add(loop, e->pidfd, POLLIN, on_exec_gone, e);
	if (r == 0)
		r = loop_add(loop, e->join.channel_fd, POLLIN, on_exec_result, e);
	return r;
}

static int start_exec(struct monitor *m, struct slot *slot, struct ctl_call *call,
		      const char *const *argv, struct dyno_err *err)
{
	struct monitor_exec *e = free_exec(m);
	int status;
	size_t i;
	int r;

	if (!e) {
		err_set(err, ERR_MONITOR, EAGAIN, "run one more command in %s", m->app->place.dyno);
		err_hint(err, "%u run in it already; let one of them end", MONITOR_EXECS_MAX);
		return -EAGAIN;
	}
	*e = (struct monitor_exec){.m = m, .join = JOIN_INIT, .client = call->client};
	e->join.target = &slot->gen.launch;
	e->join.argv = argv;
	e->join.envp = slot->gen.envp;
	for (i = 0; i < 3 && i < call->n_fds; i++)
		e->join.stdio[i] = call->fds[i];
	r = join_start(&e->join, err);
	if (r < 0)
		return r;
	e->used = true;
	r = watch_exec(e);
	if (r < 0) {
		(void)proc_kill(e->join.pidfd, SIGKILL); /* it must not live on unwatched */
		(void)proc_wait(e->join.pidfd, &status);
		exec_done(e, 125);
		return err_set(err, ERR_IO, -r, "watch a command in %s", m->app->place.dyno);
	}
	return 0;
}

static int do_exec(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		   struct dyno_err *err)
{
	struct slot *slot = running(m, err);
	const char *words[EXEC_WORDS_MAX + 1];
	const char *shell[] = {"bash", "--login", "-c", NULL, NULL};
	int n;
	int r;

	if (!slot)
		return -ESRCH;
	n = split_words(call, words, err);
	if (n < 0)
		return n;
	/* scope: 1: the words are an argv; else one line for the shell, as in a Procfile. */
	shell[3] = words[0];
	if (call->request.scope != 1 && n != 1)
		return err_set(err, ERR_USAGE, EINVAL, "take %d lines for one shell", n);
	r = start_exec(m, slot, call, call->request.scope == 1 ? words : shell, err);
	if (r == 0)
		sbuf_addf(&answer->text, "%d", (int)m->sup.front.id);
	return r;
}

void control_done(struct monitor *m)
{
	size_t i;
	int status;

	for (i = 0; i < ARRAY_SIZE(m->execs); i++) {
		struct monitor_exec *e = &m->execs[i];

		if (!e->used)
			continue;
		/* The dyno's end was the end of whatever joined it. */
		(void)proc_kill(e->join.pidfd, SIGKILL);
		status = 128 + SIGKILL;
		(void)proc_wait(e->join.pidfd, &status);
		exec_done(e, status);
	}
}

/* ---- the table ------------------------------------------------------------------------------ */

int control(void *data, struct ctl_call *call, struct ctl_answer *answer, struct dyno_err *err)
{
	static int (*const verbs[])(struct monitor *, struct ctl_call *, struct ctl_answer *,
				    struct dyno_err *) = {
		[CTL_STATE] = do_state,	    [CTL_INSPECT] = do_inspect, [CTL_STOP] = do_stop,
		[CTL_RESTART] = do_restart, [CTL_SIGNAL] = do_signal,	[CTL_WATCH] = do_watch,
		[CTL_LAYERS] = do_layers,   [CTL_EXEC] = do_exec,	[CTL_STATS] = do_stats,
	};
	struct monitor *m = data;
	uint32_t verb = call->request.verb;
	int r;

	if (verb >= ARRAY_SIZE(verbs) || !verbs[verb]) {
		err_set(err, ERR_MONITOR, EOPNOTSUPP, "obey request %u", verb);
		err_hint(err, "the dyno was started by an older dyno: restart it with this one");
		return -EOPNOTSUPP;
	}
	r = verbs[verb](m, call, answer, err);
	mon_settle(m);
	return r;
}
