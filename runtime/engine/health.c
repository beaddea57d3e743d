/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.c - when a question is asked, and what its answers add up to.  One timer serves both: while
 * a question waits it is the limit, between questions it is the interval.
 */
#include "engine/health.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

/* ---- text ----------------------------------------------------------------------------------- */

/* What stands in the first line of a request as it is. Source: RFC 9112, 3.2; RFC 3986, 2 */
static bool is_path(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '#')
			return false;
	return text[0] == '/' && len <= HEALTH_PATH_BYTES;
}

static int bad_text(const char *text, const char *hint, struct dyno_err *err)
{
	char shown[64];

	err_set(err, ERR_HEALTH, EINVAL, "read the health check \"%s\"",
		str_escape(shown, sizeof(shown), text));
	err_hint(err, "%s", hint);
	return -EINVAL;
}

int health_parse(const char *text, struct arena *arena, struct health_plan *ret,
		 struct dyno_err *err)
{
	const char *path = str_starts(text, "http:");
	const char *command = str_starts(text, "exec:");
	const char *copy = NULL;

	if (!path && !command && !str_eq(text, "tcp"))
		return bad_text(text, "use tcp, http:/PATH or exec:COMMAND", err);
	if (path && !is_path(path))
		return bad_text(text, "a path begins with / and has blanks and the like as %20",
				err);
	if (command && command[strspn(command, " \t\n")] == '\0')
		return bad_text(text, "put a command after exec:", err);
	if (path || command) {
		copy = arena_strdup(arena, path ? path : command);
		if (!copy)
			return err_set(err, ERR_MEMORY, ENOMEM, "keep the health check");
	}
	ret->kind = path ? HEALTH_HTTP : command ? HEALTH_EXEC : HEALTH_TCP;
	ret->path = path ? copy : NULL;
	ret->command = command ? copy : NULL;
	return 0;
}

static uint64_t timeout_ms(const struct health *h)
{
	return h->plan->timeout_ms ? h->plan->timeout_ms : HEALTH_TIMEOUT_MS;
}

const char *health_limit(const struct health *h, char buf[32])
{
	unsigned long long ms = timeout_ms(h);

	if (ms % 1000)
		str_fmt(buf, 32, "%llu ms", ms);
	else
		str_fmt(buf, 32, "%llu second%s", ms / 1000, ms == 1000 ? "" : "s");
	return buf;
}

/* ---- answers -------------------------------------------------------------------------------- */

static void end_question(struct health *h)
{
	h->busy = false;
	health_end_tcp(h);
	health_end_exec(h);
}

static void arm_next(struct health *h)
{
	const uint64_t interval = h->plan->interval_ms ? h->plan->interval_ms : HEALTH_INTERVAL_MS;

	/* A question that took longer is followed by the next one at once. */
	loop_timer_arm(h->loop, h->timer, h->began_ms + interval);
}

void health_good(struct health *h)
{
	end_question(h);
	arm_next(h);
	h->failures = 0;
	h->sent = false;
}

void health_bad(struct health *h, const char *fmt, ...)
{
	const uint32_t threshold = h->plan->threshold ? h->plan->threshold : HEALTH_THRESHOLD;
	va_list ap;

	va_start(ap, fmt);
	(void)str_vfmt(h->cause, sizeof(h->cause), fmt, ap); /* a longer one is cut */
	va_end(ap);
	end_question(h);
	arm_next(h);
	h->failures++;
	if (h->failures < threshold || h->sent)
		return;
	h->sent = true;
	h->fn(h->data, h->failures, h->cause);
}

/* ---- questions ------------------------------------------------------------------------------ */

static void ask(struct health *h)
{
	h->began_ms = clock_ms();
	h->busy = true;
	loop_timer_arm(h->loop, h->timer, h->began_ms + timeout_ms(h));
	if (h->plan->kind == HEALTH_EXEC)
		health_ask_exec(h);
	else
		health_ask_tcp(h);
}

static void look_for_the_killed(struct health *h)
{
	if (health_reap_exec(h))
		loop_timer_arm(h->loop, h->timer, clock_ms() + HEALTH_REAP_MS);
}

static void on_timer(struct loop *loop, void *data)
{
	struct health *h = data;
	char limit[32];

	(void)loop;
	if (!h->launch)
		look_for_the_killed(h);
	else if (!h->busy)
		ask(h);
	else if (h->plan->kind == HEALTH_EXEC)
		health_bad(h, "the command has not ended within %s", health_limit(h, limit));
	else
		health_late_tcp(h);
}

int health_init(struct health *h, struct loop *loop, const struct health_plan *plan, health_fn fn,
		void *data)
{
	*h = (struct health){
		.plan = plan,
		.loop = loop,
		.fn = fn,
		.data = data,
		.fd = -EBADF,
		.join = JOIN_INIT,
	};
	h->timer = loop_timer_add(loop, on_timer, h);
	return h->timer < 0 ? h->timer : 0;
}

void health_start(struct health *h, struct launch *launch, uint16_t port, const char *const *envp)
{
	health_stop(h);
	h->launch = launch;
	h->port = port;
	h->envp = envp;
	h->failures = 0;
	h->sent = false;
	if (h->plan->kind == HEALTH_NONE)
		return;
	h->began_ms = clock_ms();
	arm_next(h);
}

void health_stop(struct health *h)
{
	loop_timer_disarm(h->loop, h->timer);
	end_question(h);
	h->launch = NULL;
	look_for_the_killed(h);
}
