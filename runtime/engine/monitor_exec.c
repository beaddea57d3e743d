/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_exec.c - the processes that join the dyno because a client asked for it.
 *
 * A process is the monitor's child and not the client's: a client that is stopped or gone keeps
 * nobody from ending.  What it is told is the end, and why there never was a command; its signals
 * go to the process's group, whose leader is a child that nobody has waited for.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/monitor_internal.h"

/* Words of one command and its variables; a packet bounds their bytes. Source: own choice */
#define EXEC_WORDS_MAX 1024U
/* Source: signal(7), SIGRTMAX */
#define SIGNAL_MAX 64

/* Status when the dyno could not do what was asked. Source: CLI rules, DESIGN 9 */
#define STATUS_REFUSED 125

/* ---- the end ---------------------------------------------------------------------------------- */

static int done(struct monitor_exec *e, int status, const struct dyno_err *err)
{
	struct loop *loop = &e->m->loop;
	int r;

	loop_remove(loop, e->pidfd);
	loop_remove(loop, e->join.channel_fd);
	r = ctl_answer_later(&e->m->ctl, e->client, status, err);
	join_done(&e->join);
	e->used = false;
	return r;
}

/* Its command is executed: from now on its terminal is the client's alone, and hangs up with it. */
static void hand_over_terminal(struct monitor_exec *e)
{
	if (e->join.tty_fd < 0)
		return;
	(void)ctl_hand_over(&e->m->ctl, e->client, e->join.tty_fd); /* gone is a hang-up too */
	close_fdp(&e->join.tty_fd);
}

/* A process that could not execute its command is waited for by join_result().  Whom it concerns is
 * told; the log is only where nobody else would know. */
static void failed(struct monitor_exec *e, const struct dyno_err *err)
{
	char text[DYNO_ERR_MSG_BYTES + DYNO_ERR_HINT_BYTES + 64];

	if (done(e, dyno_err_exit_code(err), err) == 0)
		return;
	str_fmt(text, sizeof(text), "a command in the dyno: %s%s%s", err->msg,
		err->hint[0] ? "; " : "", err->hint);
	tell_warning(e->m, text);
}

static void on_gone(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor_exec *e = data;
	struct dyno_err err = {0};
	int status = 128 + SIGKILL;

	(void)loop;
	(void)revents;
	if (!e->executed && join_result(&e->join, &err) < 0) {
		failed(e, &err);
	} else {
		hand_over_terminal(e);
		if (proc_wait(fd, &status) < 0)
			status = 128 + SIGKILL;
		(void)done(e, status, NULL); /* the client may have left */
	}
	mon_settle(e->m);
}

/* ---- signals ---------------------------------------------------------------------------------- */

/* It leads a session, and so a group, since before its command was executed. */
static void pass_on(const struct monitor_exec *e, int sig)
{
	(void)kill(-e->join.pid, sig); /* gone is as good */
}

static void pass_on_pending(struct monitor_exec *e)
{
	int sig;

	for (sig = 1; sig <= SIGNAL_MAX; sig++)
		if (e->pending & (UINT64_C(1) << (sig - 1)))
			pass_on(e, sig);
	e->pending = 0;
}

int exec_signal(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		struct dyno_err *err)
{
	const int sig = call->request.value;
	size_t i;

	(void)answer;
	if (sig < 1 || sig > SIGNAL_MAX)
		return err_set(err, ERR_USAGE, EINVAL, "send signal %d", sig);
	for (i = 0; i < ARRAY_SIZE(m->execs); i++) {
		struct monitor_exec *e = &m->execs[i];

		if (!e->used || e->client != call->client)
			continue;
		/* Before its command it is none that a signal could mean. */
		if (e->executed)
			pass_on(e, sig);
		else
			e->pending |= UINT64_C(1) << (sig - 1);
	}
	return 0;
}

static void on_result(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor_exec *e = data;
	struct dyno_err err = {0};
	int r = join_result(&e->join, &err);

	(void)revents;
	if (r == 0)
		return;
	if (r < 0) {
		failed(e, &err);
		mon_settle(e->m);
		return;
	}
	e->executed = true;
	loop_remove(loop, fd);
	hand_over_terminal(e);
	pass_on_pending(e);
}

/* ---- the beginning ---------------------------------------------------------------------------- */

/* Return: how many, or -errno; @words ends with NULL. */
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
	if (n == 0 || p < stop) {
		err_set(err, ERR_USAGE, E2BIG, "take a command of no or too many words");
		return -E2BIG;
	}
	return n;
}

/**
 * struct exec_plan - one command.
 * @argv, @envp: NULL-terminated
 * @tty: a terminal for it
 */
struct exec_plan {
	const char *const *argv;
	const char *const *envp;
	struct launch_tty tty;
};

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strncmp(a, b, len) == 0 && b[len] == '=';
}

/* Of another terminal than the one that the command gets. */
static bool is_other_size(const struct slot *slot, const struct exec_plan *plan, const char *var)
{
	return slot->gen.tty.wanted && plan->tty.wanted &&
	       (str_starts(var, "COLUMNS=") || str_starts(var, "LINES="));
}

/* The dyno's variables, and those of the client in place of any of the same name. */
static const char *const *environment(const struct slot *slot, const struct exec_plan *plan,
				      const char *const *own, size_t n_own, struct arena *arena)
{
	const char *const *envp = slot->gen.envp;
	const char **ret;
	size_t n = 0;
	size_t i;
	size_t j;

	while (envp[n])
		n++;
	ret = arena_calloc(arena, n + n_own + 1, sizeof(*ret));
	if (!ret)
		return NULL;
	for (i = n = 0; envp[i]; i++)
		if (!is_other_size(slot, plan, envp[i]))
			ret[n++] = envp[i];
	for (i = 0; i < n_own; i++) {
		for (j = 0; j < n && !same_name(own[i], ret[j]); j++)
			;
		ret[j] = own[i];
		n += j == n;
	}
	return ret;
}

static struct monitor_exec *unused(struct monitor *m)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(m->execs); i++)
		if (!m->execs[i].used)
			return &m->execs[i];
	return NULL;
}

static int watch(struct monitor_exec *e)
{
	struct loop *loop = &e->m->loop;
	int r;

	e->pidfd = e->join.pidfd;
	r = loop_add(loop, e->pidfd, POLLIN, on_gone, e);
	if (r == 0)
		r = loop_add(loop, e->join.channel_fd, POLLIN, on_result, e);
	return r;
}

/* Ends what must not live on. Return: its status. */
static int put_down(struct monitor_exec *e)
{
	int status = 128 + SIGKILL;

	(void)proc_kill(e->join.pidfd, SIGKILL); /* has it ended already, so much the better */
	(void)proc_wait(e->join.pidfd, &status);
	return status;
}

/* With a terminal there is at most one descriptor, for standard error. */
static void place_streams(const struct ctl_call *call, struct join *join)
{
	size_t first = join->tty.wanted ? STDERR_FILENO : STDIN_FILENO;
	size_t i;

	for (i = 0; first + i <= STDERR_FILENO && i < call->n_fds; i++)
		join->stdio[first + i] = call->fds[i];
	join->tty.keep_stderr = join->tty.wanted && call->n_fds > 0;
}

static int start(struct monitor *m, struct slot *slot, struct ctl_call *call,
		 const struct exec_plan *plan, struct dyno_err *err)
{
	struct monitor_exec *e = unused(m);
	int r;

	if (!e) {
		err_set(err, ERR_MONITOR, EAGAIN, "run one more command in %s", m->app->place.dyno);
		err_hint(err, "%u run in it already; let one of them end", MONITOR_EXECS_MAX);
		return -EAGAIN;
	}
	*e = (struct monitor_exec){.m = m, .join = JOIN_INIT, .client = call->client};
	e->join.target = &slot->gen.launch;
	e->join.argv = plan->argv;
	e->join.envp = plan->envp;
	e->join.tty = plan->tty;
	place_streams(call, &e->join);
	r = join_start(&e->join, err);
	if (r < 0)
		return r;
	e->used = true;
	r = watch(e);
	if (r < 0) {
		(void)put_down(e);
		(void)done(e, STATUS_REFUSED, NULL); /* it is told by the answer to its request */
		return err_set(err, ERR_IO, -r, "watch a command in %s", m->app->place.dyno);
	}
	return 0;
}

/* A dyno that is being stopped takes nobody in any more: he would be ended with it. */
static struct slot *open_slot(struct monitor *m, struct dyno_err *err)
{
	if (m->sup.front.state == SUP_STOPPING) {
		err_set(err, ERR_NOT_FOUND, ESRCH, "run a command in %s: it is stopping",
			m->app->place.dyno);
		return NULL;
	}
	return mon_need_running(m, err);
}

/* "24 80"; "0 0": not known. */
static int parse_size(const char *word, struct launch_tty *ret, struct dyno_err *err)
{
	const char *columns = strchr(word, ' ');
	uint32_t n[2] = {0};
	char rows[8];

	if (columns)
		str_fmt(rows, sizeof(rows), "%.*s", (int)(columns - word), word);
	if (!columns || num_parse_u32(rows, UINT16_MAX, &n[0]) < 0 ||
	    num_parse_u32(columns + 1, UINT16_MAX, &n[1]) < 0)
		return err_set(err, ERR_USAGE, EINVAL, "take the size of a terminal");
	*ret = (struct launch_tty){
		.wanted = true,
		.rows = (unsigned short)n[0],
		.columns = (unsigned short)n[1],
	};
	return 0;
}

int exec_request(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		 struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct slot *slot = open_slot(m, err);
	const char *list[EXEC_WORDS_MAX + 1];
	const char **words = list;
	const char *shell[] = {"bash", "--login", "-c", NULL, NULL};
	const bool is_argv = call->request.scope & CTL_EXEC_ARGV;
	struct exec_plan plan = {0};
	int n_env = call->request.value;
	int n;
	int r;

	if (!slot)
		return -ESRCH;
	n = split_words(call, words, err);
	if (n < 0)
		return n;
	if (call->request.verb == CTL_EXEC_TTY) {
		r = parse_size(*words++, &plan.tty, err);
		if (r < 0)
			return r;
		n--;
	}
	if (n_env < 0 || n_env >= n || (!is_argv && n != n_env + 1))
		return err_set(err, ERR_USAGE, EINVAL, "take %d words, %d of them variables", n,
			       n_env);
	plan.envp = environment(slot, &plan, words, (size_t)n_env, &arena);
	if (!plan.envp)
		return err_set(err, ERR_MEMORY, ENOMEM, "make an environment");
	shell[3] = words[n_env];
	plan.argv = is_argv ? words + n_env : shell;
	r = start(m, slot, call, &plan, err);
	if (r == 0)
		sbuf_addf(&answer->text, "%d", (int)m->sup.front.id);
	return r;
}

void exec_end_all(struct monitor *m)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(m->execs); i++)
		if (m->execs[i].used)
			(void)done(&m->execs[i], put_down(&m->execs[i]), NULL);
}
