/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_ctl.c - requests from outside. */
#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/layers.h"
#include "engine/monitor_internal.h"

struct slot *mon_need_running(struct monitor *m, struct dyno_err *err)
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

/* Only web is waited for. */
static int do_explain(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		      struct dyno_err *err)
{
	const struct slot *slot = mon_front(m);
	char text[BOOT_TEXT_BYTES] = "";

	(void)call;
	(void)err;
	if (slot && slot->started && m->app->web && m->sup.front.state == SUP_STARTING)
		look_cause(slot, text, sizeof(text));
	sbuf_adds(&answer->text, text);
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

static int check_restart(const struct monitor *m, struct dyno_err *err)
{
	if (!m->sup.policy.oneoff && m->plan->supervised)
		return 0;
	err_set(err, ERR_USAGE, EOPNOTSUPP, "restart %s: it runs once", m->app->place.dyno);
	err_hint(err, "only dynos of dyno start are restarted");
	return -EOPNOTSUPP;
}

static int do_restart(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		      struct dyno_err *err)
{
	int r = check_restart(m, err);

	(void)call;
	(void)answer;
	if (r == 0)
		mon_event(m, SUP_RESTART, 0);
	return r;
}

static int do_swap(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		   struct dyno_err *err)
{
	int r = check_restart(m, err);

	(void)call;
	(void)answer;
	if (r == 0)
		mon_event(m, m->sup.front.live ? SUP_SWAP : SUP_RESTART, 0);
	return r;
}

static int do_signal(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		     struct dyno_err *err)
{
	struct slot *slot = mon_need_running(m, err);
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
	struct slot *slot = m->held ? m->held : mon_need_running(m, err);
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

/* ---- the table ------------------------------------------------------------------------------ */

int control(void *data, struct ctl_call *call, struct ctl_answer *answer, struct dyno_err *err)
{
	static int (*const verbs[])(struct monitor *, struct ctl_call *, struct ctl_answer *,
				    struct dyno_err *) = {
		[CTL_STATE] = do_state,	       [CTL_INSPECT] = do_inspect,
		[CTL_STOP] = do_stop,	       [CTL_RESTART] = do_restart,
		[CTL_SIGNAL] = do_signal,      [CTL_WATCH] = do_watch,
		[CTL_LAYERS] = do_layers,      [CTL_EXEC] = exec_request,
		[CTL_STATS] = do_stats,	       [CTL_EXEC_SIGNAL] = exec_signal,
		[CTL_EXEC_TTY] = exec_request, [CTL_ROOT] = hold_root,
		[CTL_RELEASE] = hold_release,  [CTL_SWAP] = do_swap,
		[CTL_ATTACH] = attach_request, [CTL_ATTACH_SIZE] = attach_resize,
		[CTL_DETACH] = attach_leave,   [CTL_EXPLAIN] = do_explain,
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
