/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/monitor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "kernel/listen.h"

struct monitor {
	const struct monitor_plan *plan;
	struct launch *launch;
	struct loop loop;
	int look_timer;
	int boot_timer;
	int grace_timer;
	int launch_timer;
	enum monitor_state state;
	uint64_t started_ms;
	uint64_t explain_at_ms;
	char warned[256];  /* the last wrong bind that was named */
	bool started;	   /* the command runs or ran */
	bool exited;	   /* its status is known */
	bool asked_stop;   /* by the caller's SIGTERM */
	bool boot_timeout; /* R10 */
	bool killed;	   /* by SIGKILL of ours */
	bool timed_out;	   /* the launch itself */
	int wait_status;
	int init_status; /* exit code of dyno-init, 128 + signal */
	int failed;	 /* -errno of a failed launch or exec */
	struct dyno_err *err;
};

void monitor_line(const struct monitor_plan *plan, enum line_id id, const struct line_args *args)
{
	__attribute__((uninitialized)) char text[LINE_BYTES];

	if (!plan->log)
		return;
	(void)line_format(id, args, text, sizeof(text)); /* a longer one is cut, as any record */
	plan->log(plan->log_data, plan->log_source, plan->dyno, text);
}

void monitor_warn(const struct monitor_plan *plan, const char *text)
{
	monitor_line(plan, LINE_WARNING, &(struct line_args){.text = text});
}

static void state_line(const struct monitor_plan *plan, const char *from, const char *to)
{
	monitor_line(plan, LINE_STATE, &(struct line_args){.from = from, .to = to});
}

static const char *state_word(enum monitor_state state)
{
	/* `stopping` is a state of ours that no line names. */
	return state == MONITOR_STARTING ? "starting" : "up";
}

static void kill_all(struct monitor *m)
{
	m->killed = true;
	(void)launch_kill(m->launch); /* already gone is what was wanted */
}

/* ---- readiness ---------------------------------------------------------------------------- */

static void become_up(struct monitor *m)
{
	if (m->state != MONITOR_STARTING)
		return;
	m->state = MONITOR_UP;
	loop_timer_disarm(&m->loop, m->look_timer);
	loop_timer_disarm(&m->loop, m->boot_timer);
	state_line(m->plan, "starting", "up");
}

static int listen_fd(const struct monitor *m)
{
	return m->plan->listen_fd >= 0 ? m->plan->listen_fd : m->launch->listen_fd;
}

/* What the dyno listens on, where that is not what was expected. Return: listeners in all. */
static unsigned int find_binds(const struct monitor *m, char *text, size_t size)
{
	struct listen_fact fact;

	text[0] = '\0';
	if (!m->plan->explain ||
	    listen_probe_all(listen_fd(m), m->plan->port, m->plan->listen_uid, &fact) < 0)
		return 0;
	(void)listen_explain(&fact, m->plan->port, text, size);
	return fact.n_total;
}

/* A wrong bind is named as soon as it is seen, once for each (contract 0.6). */
static void warn_of_binds(struct monitor *m, uint64_t now)
{
	char text[sizeof(m->warned)];

	if (now < m->explain_at_ms)
		return;
	m->explain_at_ms = now + MONITOR_EXPLAIN_MS;
	/* Nothing yet is how every boot begins. */
	if (find_binds(m, text, sizeof(text)) == 0 || !text[0] || str_eq(text, m->warned))
		return;
	memcpy(m->warned, text, sizeof(text));
	monitor_warn(m->plan, text);
}

static void look(struct loop *loop, void *data)
{
	struct monitor *m = data;
	uint64_t now = clock_ms();
	struct listen_fact fact;
	bool slow = now - m->started_ms > MONITOR_LOOK_SLOW_AFTER_MS;

	if (listen_fd(m) >= 0 &&
	    listen_probe_port(listen_fd(m), m->plan->port, m->plan->listen_uid, &fact) > 0 &&
	    fact.reachable) {
		become_up(m);
		return;
	}
	warn_of_binds(m, now);
	loop_timer_arm(loop, m->look_timer, now + (slow ? MONITOR_LOOK_SLOW_MS : MONITOR_LOOK_MS));
}

static void on_boot_timeout(struct loop *loop, void *data)
{
	struct monitor *m = data;
	char text[sizeof(m->warned)];

	(void)loop;
	m->boot_timeout = true;
	monitor_line(m->plan, LINE_R10,
		     &(struct line_args){.boot_timeout_ms = m->plan->boot_timeout_ms});
	(void)find_binds(m, text, sizeof(text)); /* the text is the answer */
	if (text[0])
		monitor_line(m->plan, LINE_BOOT_CAUSE, &(struct line_args){.text = text});
	monitor_line(m->plan, LINE_KILL, NULL);
	loop_timer_disarm(&m->loop, m->look_timer);
	kill_all(m);
}

static void on_started(struct monitor *m)
{
	uint64_t now = clock_ms();

	m->started = true;
	m->started_ms = now;
	loop_timer_disarm(&m->loop, m->launch_timer);
	if (m->state != MONITOR_STARTING)
		return;
	if (!m->plan->web) {
		become_up(m);
		return;
	}
	m->explain_at_ms = now + MONITOR_EXPLAIN_MS;
	loop_timer_arm(&m->loop, m->look_timer, now + MONITOR_LOOK_MS);
	loop_timer_arm(&m->loop, m->boot_timer, now + m->plan->boot_timeout_ms);
}

/* ---- what dyno-init says ------------------------------------------------------------------ */

static void on_exec_failed(struct monitor *m, int num)
{
	const char *name = m->launch->spec->process.argv[0];
	char text[128];
	bool missing = num == ENOENT || num == ENOTDIR;

	m->failed = err_set(m->err, missing ? ERR_EXEC_MISSING : ERR_EXEC_PERM, num, "execute %s",
			    str_escape(text, sizeof(text), name));
}

static void on_message(struct monitor *m, const struct init_msg *msg)
{
	switch (msg->type) {
	case INIT_MSG_LAUNCH_FAILED:
		m->failed = m->err->num > 0 ? -m->err->num : -EINVAL;
		break;
	case INIT_MSG_STARTED:
		if (m->launch->timing && m->launch->timing->n < DYNO_TIMING_MAX) {
			m->launch->timing->name[m->launch->timing->n] = "command";
			m->launch->timing->at_ns[m->launch->timing->n++] = msg->at_ns;
		}
		on_started(m);
		break;
	case INIT_MSG_EXEC_FAILED:
		on_exec_failed(m, msg->value);
		break;
	case INIT_MSG_EXITED:
		m->exited = true;
		m->wait_status = msg->value;
		break;
	default:
		break; /* of a newer dyno-init: not for us */
	}
}

/* Return: false when the channel has ended. */
static bool drain(struct monitor *m)
{
	struct init_msg msg;
	int r;

	while ((r = launch_receive(m->launch, &msg, m->err)) > 0)
		on_message(m, &msg);
	return r == 0;
}

static void on_channel(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor *m = data;

	(void)revents;
	if (!drain(m))
		loop_remove(loop, fd); /* the rest is told by the pidfd */
}

/* The channel is read to its end first: pid 1 may be gone before its last words were heard. */
static void on_gone(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor *m = data;

	(void)revents;
	(void)drain(m);
	if (proc_wait(fd, &m->init_status) < 0)
		m->init_status = 128 + SIGKILL;
	loop->quit = true;
}

/* ---- stopping ----------------------------------------------------------------------------- */

static void on_grace_over(struct loop *loop, void *data)
{
	struct monitor *m = data;

	(void)loop;
	monitor_line(m->plan, LINE_R12,
		     &(struct line_args){.grace_ms = m->plan->grace_ms, .stop_signal = "SIGTERM"});
	monitor_line(m->plan, LINE_KILL_REST, NULL);
	kill_all(m);
}

static void stop(struct monitor *m)
{
	if (m->asked_stop) {
		kill_all(m); /* asked twice: now */
		return;
	}
	m->asked_stop = true;
	loop_timer_disarm(&m->loop, m->look_timer);
	loop_timer_disarm(&m->loop, m->boot_timer);
	monitor_line(m->plan, LINE_STOP, &(struct line_args){.stop_signal = "SIGTERM"});
	if (launch_signal(m->launch, SIGTERM, INIT_SCOPE_ALL) < 0 && !m->exited)
		kill_all(m); /* no dyno-init to ask */
	loop_timer_arm(&m->loop, m->grace_timer, clock_ms() + m->plan->grace_ms);
}

static void on_signal(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor *m = data;
	struct signalfd_siginfo si;

	(void)loop;
	(void)revents;
	if (fd_read_full(fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGTERM)
		stop(m);
	else
		(void)launch_signal(m->launch, (int)si.ssi_signo, INIT_SCOPE_GROUP);
}

static void on_launch_timeout(struct loop *loop, void *data)
{
	struct monitor *m = data;

	(void)loop;
	m->timed_out = true;
	kill_all(m);
}

/* ---- the end ------------------------------------------------------------------------------ */

static bool was_oom(const struct monitor *m)
{
	uint64_t kills = 0;

	if (!m->launch->cgroups || m->launch->leaf.kind == CGROUP_NONE)
		return false;
	return cgroup_leaf_oom_kills(m->launch->cgroups, m->launch->leaf_name, &kills) == 0 &&
	       kills > 0;
}

static void conclude(struct monitor *m, struct dyno_outcome *ret)
{
	int sig = 0;
	int code;

	if (m->exited && WIFEXITED(m->wait_status)) {
		code = WEXITSTATUS(m->wait_status);
	} else {
		sig = m->exited ? WTERMSIG(m->wait_status) : SIGKILL;
		code = 128 + sig;
	}
	ret->exit_code = code;
	ret->signal = sig;
	ret->reason = sig ? "signal" : "exit";
	ret->up_ms = clock_ms() - m->started_ms;
	if (m->boot_timeout)
		ret->reason = "boot-timeout";
	else if (m->asked_stop)
		ret->reason = "stop";
	else if (sig == SIGKILL && was_oom(m))
		ret->reason = "oom";
}

static void log_end(const struct monitor *m, const struct dyno_outcome *out)
{
	const char *last = m->asked_stop ? "down" : m->plan->formation ? "crashed" : "complete";

	monitor_line(m->plan, LINE_EXITED, &(struct line_args){.status = out->exit_code});
	state_line(m->plan, state_word(m->state), last);
}

/* No word of a command that ran: what became of the launch? */
static int launch_lost(struct monitor *m)
{
	if (m->timed_out || m->init_status == LAUNCH_EXIT_DEADLINE) {
		err_set(m->err, ERR_LAUNCH_TIMEOUT, ETIMEDOUT,
			"launch the dyno within %u seconds (R99)", LAUNCH_TIMEOUT_MS / 1000);
		err_hint(m->err, "see with --timing which step is slow");
		return -ETIMEDOUT;
	}
	if (m->asked_stop)
		return err_set(m->err, ERR_LAUNCH_LOST, EINTR,
			       "launch the dyno: stopped meanwhile");
	return err_set(m->err, ERR_LAUNCH_LOST, 0,
		       "launch the dyno: it ended with status %d before the command ran",
		       m->init_status);
}

static int watch(struct monitor *m, int signal_fd)
{
	int r;

	loop_init(&m->loop);
	m->look_timer = loop_timer_add(&m->loop, look, m);
	m->boot_timer = loop_timer_add(&m->loop, on_boot_timeout, m);
	m->grace_timer = loop_timer_add(&m->loop, on_grace_over, m);
	m->launch_timer = loop_timer_add(&m->loop, on_launch_timeout, m);
	loop_timer_arm(&m->loop, m->launch_timer, clock_ms() + LAUNCH_TIMEOUT_MS);
	r = loop_add(&m->loop, m->launch->channel_fd, POLLIN, on_channel, m);
	if (r == 0)
		r = loop_add(&m->loop, m->launch->pidfd, POLLIN, on_gone, m);
	if (r == 0)
		r = loop_add(&m->loop, signal_fd, POLLIN, on_signal, m);
	if (r == 0)
		r = loop_run(&m->loop);
	return r;
}

int monitor_run(const struct monitor_plan *plan, struct launch *launch, int signal_fd,
		struct dyno_outcome *ret, struct dyno_err *err)
{
	struct monitor m = {
		.plan = plan,
		.launch = launch,
		.state = MONITOR_STARTING,
		.started_ms = clock_ms(),
		.err = err,
	};
	int r;

	r = watch(&m, signal_fd);
	if (r < 0) {
		(void)launch_kill(launch); /* it must not live on unwatched */
		(void)proc_wait(launch->pidfd, &m.init_status);
		return err_set(err, ERR_IO, -r, "watch the dyno %s", plan->dyno);
	}
	if (m.failed)
		return m.failed;
	if (!m.started)
		return launch_lost(&m);
	conclude(&m, ret);
	log_end(&m, ret);
	return 0;
}
