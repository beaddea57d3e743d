/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_slot.c - one generation under the monitor: its launch, what its dyno-init says, its end.
 *
 * Nothing here decides: what happened is left in the slot, or handed to the table as an event.
 */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/explain.h"
#include "engine/monitor_internal.h"
#include "kernel/cgroup_limit.h"

/* Source: timeout(1), and the table of exit codes */
#define STATUS_TIME_LIMIT 124

/* ---- what the starter is told --------------------------------------------------------------- */

void mon_report(struct monitor *m, const struct dyno_err *err)
{
	struct monitor_report packet = {.failed = err != NULL};

	if (m->reported || m->plan->report_fd < 0)
		return;
	m->reported = true;
	if (err)
		packet.err = *err;
	/* A starter that is gone has no use for it. */
	(void)send(m->plan->report_fd, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(m->plan->report_fd, SHUT_RDWR); /* the last word */
}

/* ---- what dyno-init says -------------------------------------------------------------------- */

static void on_started(struct slot *slot)
{
	struct monitor *m = slot->m;

	slot->started = true;
	m->ran = true;
	m->dirty = true;
	slot->started_ms = clock_ms();
	loop_timer_disarm(&m->loop, slot->launch_timer);
	mon_report(m, NULL);
	tell_launch(m, slot);
	look_start(slot);
	mem_start(slot);
	mon_event(m, SUP_LAUNCH_OK, slot->gen.id);
	caller_serve_terminal(m, slot);
	attach_started(slot);
}

static void on_exec_failed(struct slot *slot, int num)
{
	const char *name = slot->gen.spec.process.argv[0];
	char text[128];
	bool missing = num == ENOENT || num == ENOTDIR;

	slot->failed = err_set(&slot->err, missing ? ERR_EXEC_MISSING : ERR_EXEC_PERM, num,
			       "execute %s", str_escape(text, sizeof(text), name));
}

static void mark_command(const struct slot *slot, uint64_t at_ns)
{
	struct dyno_timing *t = slot->gen.launch.timing;

	if (!t || t->n == DYNO_TIMING_MAX)
		return;
	t->name[t->n] = "command";
	t->at_ns[t->n++] = at_ns;
}

static void on_message(struct slot *slot, const struct init_msg *msg)
{
	switch (msg->type) {
	case INIT_MSG_LAUNCH_FAILED:
		slot->failed = slot->err.num > 0 ? -slot->err.num : -EINVAL;
		break;
	case INIT_MSG_STARTED:
		mark_command(slot, msg->at_ns);
		on_started(slot);
		break;
	case INIT_MSG_EXEC_FAILED:
		on_exec_failed(slot, msg->value);
		break;
	case INIT_MSG_EXITED:
		slot->exited = true;
		slot->wait_status = msg->value;
		break;
	default:
		break; /* of a newer dyno-init: not for us */
	}
}

/* Return: false when the channel has ended. */
static bool drain(struct slot *slot)
{
	struct init_msg msg;
	int r;

	while ((r = launch_receive(&slot->gen.launch, &msg, &slot->err)) > 0)
		on_message(slot, &msg);
	return r == 0;
}

static void on_channel(struct loop *loop, int fd, short revents, void *data)
{
	struct slot *slot = data;

	(void)revents;
	if (!drain(slot))
		loop_remove(loop, fd); /* the rest is told by the pidfd */
	mon_settle(slot->m);
}

/* The channel is read to its end first: pid 1 may be gone before its last words were heard. */
static void on_gone(struct loop *loop, int fd, short revents, void *data)
{
	struct slot *slot = data;

	(void)revents;
	(void)drain(slot);
	if (proc_wait(fd, &slot->init_status) < 0)
		slot->init_status = 128 + SIGKILL;
	loop_remove(loop, fd);
	loop_remove(loop, slot->gen.launch.channel_fd);
	slot->gone = true;
	mon_settle(slot->m);
}

void mon_launch_timeout(struct loop *loop, void *data)
{
	struct slot *slot = data;

	(void)loop;
	slot->timed_out = true;
	(void)launch_kill(&slot->gen.launch); /* already gone is what was wanted */
	mon_settle(slot->m);
}

/* The first launch's failure is the starter's answer; the slot must still have it. */
static void vacate(struct slot *slot)
{
	bool keeps_error = slot->failed < 0;

	gen_done(&slot->gen);
	*slot = (struct slot){
		.m = slot->m,
		.output = OUTPUT_INIT,
		.mem = slot->mem,
		.look_timer = slot->look_timer,
		.launch_timer = slot->launch_timer,
		.failed = keeps_error ? slot->failed : 0,
		.err = slot->err,
	};
}

/* ---- launch --------------------------------------------------------------------------------- */

static int watch(struct slot *slot)
{
	struct loop *loop = &slot->m->loop;
	int r;

	r = loop_add(loop, slot->gen.launch.channel_fd, POLLIN, on_channel, slot);
	if (r == 0)
		r = loop_add(loop, slot->gen.launch.pidfd, POLLIN, on_gone, slot);
	if (r == 0)
		r = net_watch(slot);
	if (r == 0) {
		loop_timer_arm(loop, slot->launch_timer, clock_ms() + LAUNCH_TIMEOUT_MS);
		return 0;
	}
	(void)launch_kill(&slot->gen.launch); /* it must not live on unwatched */
	(void)proc_wait(slot->gen.launch.pidfd, &slot->init_status);
	return err_set(&slot->err, ERR_IO, -r, "watch the dyno %s", slot->m->app->place.dyno);
}

static const int *stdio_of(const struct slot *slot, int stdin_fd, int stdio[3])
{
	if (!slot->m->plan->supervised)
		return NULL;
	stdio[0] = stdin_fd; /* without one the monitor's own, /dev/null */
	stdio[1] = slot->output.child_fd[0];
	stdio[2] = slot->output.child_fd[1];
	return stdio;
}

static void tell_copy(struct monitor *m)
{
	tell_warning(m, "the file system of the slug takes no id map: "
			"its files are copied for this start");
}

static void tell_unmapped(const struct slot *slot)
{
	char path[256];
	char text[512];

	str_escape(path, sizeof(path), slot->gen.launch.unmapped);
	str_fmt(text, sizeof(text),
		"the file system of %s takes no id map: the app's user does not own what its "
		"owner does",
		path);
	tell_warning(slot->m, text);
}

/* Once, as long as it stays the same. */
static void tell_scratch(const struct slot *slot)
{
	const char *text = slot->gen.scratch.warning;
	struct monitor *m = slot->m;

	if (!text[0] || str_eq(text, m->scratch_warned))
		return;
	str_fmt(m->scratch_warned, sizeof(m->scratch_warned), "%s", text);
	tell_warning(m, text);
}

/* What the kernel refuses once it will refuse again: the first start tells it. */
static void tell_refusal(const struct slot *slot)
{
	const struct cgroup_leaf *leaf = &slot->gen.launch.leaf;
	char list[48], text[256];

	if (!leaf->refused || slot->m->told_refusal)
		return;
	slot->m->told_refusal = true;
	str_fmt(text, sizeof(text), "a limit is not set (%s): %s",
		cgroup_controllers_text(leaf->refused, list, sizeof(list)), leaf->refusal);
	tell_warning(slot->m, text);
}

static int launch(struct slot *slot, bool on_copy)
{
	struct monitor *m = slot->m;
	_cleanup_close_ int stdin_fd = -EBADF;
	int stdio[3];
	int r;

	if (m->plan->supervised) {
		r = attach_prepare(slot, &stdin_fd, &slot->err);
		if (r == 0)
			r = output_open(&slot->output, &m->loop, m->plan->sink, m->app->place.dyno,
					&slot->err);
		if (r < 0)
			return r;
	}
	if (on_copy)
		r = gen_launch_copy(&slot->gen, stdio_of(slot, stdin_fd, stdio), &slot->err);
	else
		r = gen_launch(&slot->gen, stdio_of(slot, stdin_fd, stdio), &slot->err);
	if (r >= 0 && m->plan->supervised)
		r = output_started(&slot->output);
	return r < 0 ? r : watch(slot);
}

/* The first try of a launch has ended for want of an id map: another on a copy of the layer. */
static bool try_copy(struct slot *slot)
{
	int r;

	if (slot->err.kind != ERR_IDMAP || slot->started || slot->gen.copy.path)
		return false;
	tell_copy(slot->m);
	output_close(&slot->output);
	slot->failed = 0;
	slot->gone = false;
	slot->err = (struct dyno_err){0};
	r = launch(slot, true);
	if (r < 0)
		slot->failed = r;
	return r >= 0;
}

/* What one start has left is kept until the next one begins. */
static struct slot *free_slot(struct monitor *m)
{
	if (m->held)
		vacate(take_ptr(&m->held));
	for (size_t i = 0; i < ARRAY_SIZE(m->slots); i++)
		if (!m->slots[i].used)
			return &m->slots[i];
	return NULL;
}

void mon_launch(struct monitor *m, uint32_t gen)
{
	struct slot *slot = mon_slot(m, gen);
	int r = 0;

	if (!slot)
		slot = free_slot(m);
	if (!slot)
		return; /* the table holds two generations at most */
	if (!slot->used) {
		slot->used = true;
		gen_init(&slot->gen, m->app, gen);
		r = gen_prepare(&slot->gen, &slot->err);
	}
	tell_scratch(slot);
	net_warn(slot);
	slot->launched_us = time_now_us();
	if (r == 0)
		r = launch(slot, false);
	if (r >= 0 && slot->gen.launch.unmapped)
		tell_unmapped(slot);
	if (r >= 0)
		tell_refusal(slot);
	if (r < 0) {
		slot->failed = r;
		slot->gone = true; /* nothing of it lives; told by mon_settle() */
	}
}

/* ---- the end of a generation ---------------------------------------------------------------- */

static void find_status(struct slot *slot)
{
	slot->signal = 0;
	if (slot->exited && WIFEXITED(slot->wait_status)) {
		slot->exit_code = WEXITSTATUS(slot->wait_status);
	} else {
		slot->signal = slot->exited ? WTERMSIG(slot->wait_status) : SIGKILL;
		slot->exit_code = 128 + slot->signal;
	}
	slot->up_ms = clock_ms() - slot->started_ms;
}

/* No word of a command that ran: what became of the launch? */
static void launch_lost(struct slot *slot)
{
	char group[128];

	if (slot->timed_out || slot->init_status == LAUNCH_EXIT_DEADLINE) {
		slot->timed_out = true;
		slot->failed = err_set(&slot->err, ERR_LAUNCH_TIMEOUT, ETIMEDOUT,
				       "launch the dyno within %u seconds (R99)",
				       LAUNCH_TIMEOUT_MS / 1000);
		if (cgroup_frozen(&slot->m->app->cgroups, group, sizeof(group)))
			err_hint(&slot->err, "the control group %s is frozen: thaw it", group);
		else
			err_hint(&slot->err, "see with --timing which step is slow");
	} else if (slot->m->sup.front.state == SUP_STOPPING) {
		slot->failed = err_set(&slot->err, ERR_LAUNCH_LOST, EINTR,
				       "launch the dyno: stopped meanwhile");
	} else {
		slot->failed = err_set(&slot->err, ERR_LAUNCH_LOST, EIO,
				       "launch the dyno: it ended with status %d before the "
				       "command ran",
				       slot->init_status);
	}
}

/* The kernel and bash say that a file cannot be executed; the file itself says why. */
static void explain_end(struct slot *slot)
{
	const struct command *c = &slot->m->app->command;
	const char *command = c->shell ? c->text : c->argv[0];
	bool failed = slot->failed < 0;
	char text[512];

	if (failed && slot->err.kind != ERR_EXEC_PERM && slot->err.kind != ERR_EXEC_MISSING)
		return;
	if (!failed && !(c->shell && (slot->exit_code == 126 || slot->exit_code == 127)))
		return;
	if (explain_exec(&slot->m->app->slug, &slot->m->app->stack, command, text, sizeof(text)) ==
	    0)
		return;
	if (failed)
		err_hint(&slot->err, "%s", text);
	else
		tell_warning(slot->m, text);
}

static void finish_failure(struct slot *slot)
{
	if (!slot->failed)
		launch_lost(slot);
	slot->exit_code = dyno_err_exit_code(&slot->err);
	gen_hint(&slot->gen, &slot->err);
	if (slot->err.stage)
		err_context(&slot->err, "launch step %s", step_name(slot->err.stage));
}

void mon_tell_gone(struct slot *slot)
{
	struct monitor *m = slot->m;
	struct sup_event_info info = {.gen = slot->gen.id, .now_ms = clock_ms()};

	slot->gone = false;
	net_unwatch(slot);
	if (try_copy(slot))
		return;
	look_stop(slot);
	mem_stop(slot);
	loop_timer_disarm(&m->loop, slot->launch_timer);
	attach_drain(slot);
	if (m->plan->supervised)
		output_drain(&slot->output, MONITOR_DRAIN_MS);
	info.jitter = mon_chance();
	if (slot->started) {
		find_status(slot);
		info.event = SUP_EXIT;
		info.exit_code = slot->exit_code;
		info.signal = slot->signal;
		/* Where it only lost a child it may have given up by itself. */
		info.oom = slot->exit_code != 0 && mem_find_oom(slot);
		info.oom_beyond = info.oom && mem_oom_beyond(slot);
	} else {
		finish_failure(slot);
		if (m->sup.policy.await_ms)
			tell_warning(m, slot->err.msg); /* the starter has left */
		info.event = SUP_LAUNCH_ERR;
		info.timed_out = slot->timed_out;
	}
	explain_end(slot);
	mon_feed(m, &info);
}

/* Whatever the command made of the stop, its caller is told that its time was over. */
void mon_bury(struct slot *slot, enum sup_reason reason)
{
	struct monitor *m = slot->m;

	if (!slot->started && !slot->failed)
		attach_never_came(slot, reason);
	if (reason == SUP_BY_TIME_LIMIT)
		slot->exit_code = STATUS_TIME_LIMIT;
	tell_end(m, slot, reason);
	m->have_last = true;
	m->last = (struct dyno_outcome){
		.exit_code = slot->exit_code,
		.signal = slot->signal,
		.reason = sup_reason_name(reason),
		.port = slot->gen.port,
		.up_ms = slot->started ? slot->up_ms : 0,
	};
	str_fmt(m->last.detail, sizeof(m->last.detail), "%s",
		tell_detail(slot) ? tell_detail(slot) : "");
}

void mon_discard(struct slot *slot)
{
	struct monitor *m = slot->m;

	if (slot->failed < 0)
		mon_report(m, &slot->err);
	if (m->health.launch == &slot->gen.launch)
		health_stop(&m->health);
	output_close(&slot->output);
	net_unwatch(slot);
	if (!hold_take(slot))
		vacate(slot);
}
