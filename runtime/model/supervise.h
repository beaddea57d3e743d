/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise.h - what a monitor does next: a table of states by events, and the tally, reasons and
 * deadlines that go with them.  It makes no system call, has no clock and allocates nothing: the
 * monitor feeds it what happened, obeys the list it gets back, in that order, and sleeps until the
 * deadline it names.
 *
 * Theory of operation.  A dyno has up to two live generations, each with its own init, root, leaf
 * and port.  The front one is what the dyno's state tells about.  Beside it lives, at times, an old
 * one that was asked to stop (a restart overlaps, CONTRACT 6.4), or a new one that is not up yet
 * while the front one still serves (preboot, 6.12), or, when that has taken over, the old one until
 * its last clients have gone.  An event of a generation is looked up in the
 * row of that generation's own state, an event of the dyno in the row of the front one's; an event
 * of a generation that has ended is of no interest and does nothing.
 *
 * Deadlines are part of the state.  sup_deadline() is the earliest one; when it has come,
 * sup_due() makes the event of it.  So the monitor needs one timer, nothing has to be disarmed, and
 * a stale timer cannot do harm.
 */
#ifndef DYNO_SUPERVISE_H
#define DYNO_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

#include "model/backoff.h"
#include "model/lines.h"

/* A deadline that never comes. */
#define SUP_NEVER UINT64_MAX

/* Source: CONTRACT 6.3 */
#define SUP_BOOT_TIMEOUT_MS (UINT64_C(60) * 1000)
/* Source: CONTRACT 7.2 */
#define SUP_GRACE_MS (UINT64_C(30) * 1000)
/* Source: CONTRACT 6.7, 24 h and 0 to 216 minutes */
#define SUP_CYCLE_MS	    (UINT64_C(24) * 3600 * 1000)
#define SUP_CYCLE_SPREAD_MS (UINT64_C(216) * 60 * 1000)
/* Source: CONTRACT 7.6 */
#define SUP_HANGUP_MS	  (UINT64_C(5) * 1000)
#define SUP_HANGUPS_COUNT 3U
/* Source: CONTRACT 8.7 */
#define SUP_AWAIT_MS (UINT64_C(30) * 1000)
/* A start is good when it has been up for so long. Source: CONTRACT 6.9, within 10 minutes of its
 * launch a crash is one of booting */
#define SUP_STEADY_MS (UINT64_C(10) * 60 * 1000)
/* How long one that was replaced keeps its clients. Source: CONTRACT 9.5, when a router gives up */
#define SUP_DRAIN_MS (UINT64_C(30) * 1000)
/* Longest cycle. Source: far above any use, far below an overflow of the clock */
#define SUP_CYCLE_MAX_MS (UINT64_C(366) * 24 * 3600 * 1000)

/* STATE(id, name) - the closed list; `stopping` and `failed` are never logged. */
#define SUP_STATES(STATE)               \
	STATE(SUP_STARTING, "starting") \
	STATE(SUP_UP, "up")             \
	STATE(SUP_STOPPING, "stopping") \
	STATE(SUP_CRASHED, "crashed")   \
	STATE(SUP_DOWN, "down")         \
	STATE(SUP_COMPLETE, "complete") \
	STATE(SUP_FAILED, "failed")

/*
 * EVENT(id, name, of a generation) - what may happen.
 *
 * SUP_LAUNCH_OK: the command was executed; SUP_LAUNCH_ERR: the launch failed, and nothing of the
 * generation is left; SUP_BOUND: $PORT is listened on; SUP_EXIT: the last process is gone.
 * SUP_CYCLE: the daily restart; SUP_SWAP: a new release, by preboot; SUP_DRAINED: one that was
 * replaced has no client left; the rest is what it says.
 */
#define SUP_EVENTS(EVENT)                             \
	EVENT(SUP_LAUNCH_OK, "launch-ok", true)       \
	EVENT(SUP_LAUNCH_ERR, "launch-err", true)     \
	EVENT(SUP_BOUND, "bound", true)               \
	EVENT(SUP_EXIT, "exit", true)                 \
	EVENT(SUP_BOOT_TIMEOUT, "boot-timeout", true) \
	EVENT(SUP_STOP, "stop", false)                \
	EVENT(SUP_RESTART, "restart", false)          \
	EVENT(SUP_STOP_TIMEOUT, "stop-timeout", true) \
	EVENT(SUP_TIMER, "timer", false)              \
	EVENT(SUP_MEM_SOFT, "mem-soft", true)         \
	EVENT(SUP_MEM_HARD, "mem-hard", true)         \
	EVENT(SUP_HEALTH_FAIL, "health-fail", true)   \
	EVENT(SUP_CYCLE, "cycle", false)              \
	EVENT(SUP_CLIENT_LOST, "client-lost", false)  \
	EVENT(SUP_TIME_LIMIT, "time-limit", false)    \
	EVENT(SUP_SWAP, "swap", false)                \
	EVENT(SUP_DRAINED, "drained", true)           \
	EVENT(SUP_CLIENT_BACK, "client-back", false)

/* REASON(id, name) - why a generation ended.  A restart by hand or by a release is a stop. */
#define SUP_REASONS(REASON)                               \
	REASON(SUP_BY_EXIT, "exit")                       \
	REASON(SUP_BY_SIGNAL, "signal")                   \
	REASON(SUP_BY_OOM, "oom")                         \
	REASON(SUP_BY_MEMORY_HARD, "memory-hard")         \
	REASON(SUP_BY_BOOT_TIMEOUT, "boot-timeout")       \
	REASON(SUP_BY_HEALTH, "health")                   \
	REASON(SUP_BY_STOP, "stop")                       \
	REASON(SUP_BY_CYCLE, "cycle")                     \
	REASON(SUP_BY_TIME_LIMIT, "time-limit")           \
	REASON(SUP_BY_LAUNCH, "launch")                   \
	REASON(SUP_BY_SUPERVISOR_LOST, "supervisor-lost") \
	REASON(SUP_BY_ATTACH, "attach")

/* ACTION(id, name) - what the monitor is to do; all of a generation but SUP_LOG. */
#define SUP_ACTIONS(ACTION)          \
	ACTION(SUP_LOG, "log")       \
	ACTION(SUP_LAUNCH, "launch") \
	ACTION(SUP_TERM, "term")     \
	ACTION(SUP_HANGUP, "hangup") \
	ACTION(SUP_KILL, "kill")     \
	ACTION(SUP_RECORD, "record") \
	ACTION(SUP_DISCARD, "discard")

#define SUP_ENUM(id, ...) id,
enum sup_state { SUP_STATES(SUP_ENUM) _SUP_STATE_MAX };
enum sup_event { SUP_EVENTS(SUP_ENUM) _SUP_EVENT_MAX };
enum sup_reason { SUP_REASONS(SUP_ENUM) _SUP_REASON_MAX };
enum sup_action { SUP_ACTIONS(SUP_ENUM) _SUP_ACTION_MAX };
#undef SUP_ENUM

enum sup_restart { SUP_RESTART_ALWAYS, SUP_RESTART_ON_FAILURE, SUP_RESTART_NEVER };
enum sup_exit_0 { SUP_EXIT_0_CRASH, SUP_EXIT_0_COMPLETE };
enum sup_order { SUP_OVERLAP, SUP_STRICT };

/**
 * struct sup_policy - how one dyno is kept; see sup_policy_default().
 * @restart: which ends are followed by a new start
 * @exit_0: what status 0 is for a formation dyno (CONTRACT 1.13: a crash)
 * @order: whether old and new run at once
 * @forced: @order is strict since the two could not coexist, which a restart then says (LINE_STRICT)
 * @web: `up` means that $PORT is listened on; else that the command was executed
 * @oneoff: completes in place of crashing, is never restarted
 * @await_ms: a one-off is launched when its client comes, and never if none does for so long (R13);
 *    0: at once
 * @stop_detached: what ignores the loss of its client is stopped; else runs on (R16)
 * @hangup_ms: from one SIGHUP to the next, and from the last to R16
 * @time_limit_ms: from the launch, after which it is stopped for good; 0: none
 * @boot_timeout_ms, @grace_ms, @steady_ms: from the execution, the stop signal, `up`
 * @cycle_ms, @cycle_spread_ms: from the launch, plus chance; @cycle_ms 0: off
 * @drain_ms: how long one that was replaced by preboot goes on with its clients; 0: it stops at once
 * @backoff: waits between crash and start
 */
struct sup_policy {
	enum sup_restart restart;
	enum sup_exit_0 exit_0;
	enum sup_order order;
	bool forced;
	bool web;
	bool oneoff;
	bool stop_detached;
	uint64_t await_ms;
	uint64_t hangup_ms;
	uint64_t time_limit_ms;
	uint64_t boot_timeout_ms;
	uint64_t grace_ms;
	uint64_t steady_ms;
	uint64_t cycle_ms;
	uint64_t cycle_spread_ms;
	uint64_t drain_ms;
	struct backoff backoff;
};

/**
 * struct sup_event_info - one event.
 * @event: what happened
 * @gen: to which generation; unused for events of the dyno
 * @now_ms: CLOCK_BOOTTIME
 * @jitter: chance, uniformly distributed over its range
 * @exit_code: of SUP_EXIT: the main process's, 128 + signal where one ended it
 * @signal: of SUP_EXIT: that signal, or 0
 * @oom: of SUP_EXIT and SUP_MEM_HARD: the kernel killed for want of memory
 * @oom_beyond: and not at the dyno's own limit
 * @timed_out: of SUP_LAUNCH_ERR: it was the launch's own deadline (R99)
 * @at_once: of SUP_STOP: no grace
 */
struct sup_event_info {
	enum sup_event event;
	uint32_t gen;
	uint64_t now_ms;
	uint32_t jitter;
	int exit_code;
	int signal;
	bool oom;
	bool oom_beyond;
	bool timed_out;
	bool at_once;
};

/**
 * struct sup_do - one thing to do.
 * @action: what
 * @gen: to or about which generation; of a line: whom it is about, 0: the dyno
 * @line: of SUP_LOG
 * @from, @to: of LINE_STATE: words for line_args
 * @reason: of SUP_RECORD
 */
struct sup_do {
	enum sup_action action;
	uint32_t gen;
	enum line_id line;
	enum sup_state from;
	enum sup_state to;
	enum sup_reason reason;
};

/* The longest list is that of an end that is followed by a strict restart. */
#define SUP_DO_MAX 12U

/** struct sup_decision - what to do, in this order; empty where the event changes nothing. */
struct sup_decision {
	uint32_t n;
	struct sup_do list[SUP_DO_MAX];
};

/* What follows when a stopping generation is gone. */
enum sup_then { SUP_THEN_DOWN, SUP_THEN_LAUNCH, SUP_THEN_CRASH };

/**
 * struct sup_gen - one generation.
 * @id: 1, 2, ... in order of their launches
 * @live: launched and not gone
 * @state: its own row of the table; of the front one, live or not, also the dyno's state
 * @executed: the command runs or ran
 * @killed: SIGKILL was sent
 * @asked: @why holds why it is stopping
 * @then: what follows its end, as long as it is the front one
 * @since_ms: when @state was entered
 * @boot_at_ms, @grace_at_ms, @cycle_at_ms, @limit_at_ms, @drain_at_ms: deadlines, SUP_NEVER where
 *    not running
 */
struct sup_gen {
	uint32_t id;
	bool live;
	enum sup_state state;
	bool executed;
	bool killed;
	bool asked;
	enum sup_reason why;
	enum sup_then then;
	uint64_t since_ms;
	uint64_t boot_at_ms;
	uint64_t grace_at_ms;
	uint64_t cycle_at_ms;
	uint64_t limit_at_ms;
	uint64_t drain_at_ms;
};

/**
 * struct sup - one supervised dyno; plain data that may be copied, read by others, written only
 * by the functions below.
 * @policy: copied
 * @front, @side: the generations, see above
 * @shown: the state that the log knows
 * @tally: crashes in a row
 * @launches: generations so far
 * @executed: one of them ran
 * @swap_wanted: a swap that waits until the one before it is over
 * @hangups: SIGHUPs sent since the client was lost
 * @backoff_at_ms: next start of a crashed dyno, SUP_NEVER where none is planned
 * @steady_at_ms, @hangup_at_ms: deadlines
 * @await_at_ms: until then a client is awaited, and nothing is launched; SUP_NEVER: none is
 */
struct sup {
	struct sup_policy policy;
	struct sup_gen front;
	struct sup_gen side;
	enum sup_state shown;
	uint32_t tally;
	uint32_t launches;
	bool executed;
	bool swap_wanted;
	uint32_t hangups;
	uint64_t backoff_at_ms;
	uint64_t steady_at_ms;
	uint64_t hangup_at_ms;
	uint64_t await_at_ms;
};

/** sup_policy_default() - the platform's: a formation dyno, not web, restarted always. */
void sup_policy_default(struct sup_policy *policy);

/**
 * sup_init() - a dyno that is down and was never launched.
 * @policy: copied
 */
void sup_init(struct sup *s, const struct sup_policy *policy);

/**
 * sup_start() - its first launch, of a one-off too, or the wait for its client.  Of a dyno that was launched before it does
 * nothing: SUP_RESTART launches that one.
 * @now_ms: CLOCK_BOOTTIME
 * @jitter: chance
 */
struct sup_decision sup_start(struct sup *s, uint64_t now_ms, uint32_t jitter);

/**
 * sup_step() - one event through the table.
 *
 * Timer events (SUP_BOOT_TIMEOUT, SUP_STOP_TIMEOUT, SUP_TIMER) before their deadline do nothing.
 * Return: what to do; @s is already what it will be when that is done.
 */
struct sup_decision sup_step(struct sup *s, const struct sup_event_info *info);

/** sup_deadline() - when sup_due() is to be asked next. Return: CLOCK_BOOTTIME ms or SUP_NEVER. */
uint64_t sup_deadline(const struct sup *s);

/**
 * sup_due() - the event of a deadline that has come, to be handed to sup_step().
 * @ret: event, gen and now_ms are set; untouched when nothing is due
 * Return: whether there is one; ask again until there is none.
 */
bool sup_due(const struct sup *s, uint64_t now_ms, struct sup_event_info *ret);

/** sup_idle() - no process lives and no start is planned: a monitor may end. */
bool sup_idle(const struct sup *s);

/** sup_awaits() - a client is to come before anything is launched. */
bool sup_awaits(const struct sup *s);

/** sup_swapping() - one that is to take over is on its way, or will be. */
bool sup_swapping(const struct sup *s);

/** sup_serves() - a generation is up, and not one that was replaced. */
bool sup_serves(const struct sup *s, uint32_t gen);

/** sup_drains() - a generation that was replaced keeps its last clients. */
bool sup_drains(const struct sup *s, uint32_t gen);

/** sup_coming() - there is, or is to be at @by_ms at the latest, a start that clients can wait for. */
bool sup_coming(const struct sup *s, uint64_t by_ms);

/** sup_restarts() - launches after the first. */
uint32_t sup_restarts(const struct sup *s);

/** sup_state_name() and the others - static text for JSON and records, "" where unknown. */
const char *sup_state_name(enum sup_state state);
const char *sup_event_name(enum sup_event event);
const char *sup_reason_name(enum sup_reason reason);
const char *sup_action_name(enum sup_action action);

/** sup_state_find() / sup_reason_find() - from a name. Return: the number, or -ENOENT. */
int sup_state_find(const char *name);
int sup_reason_find(const char *name);

/**
 * sup_restart_parse() - "always", "on-failure" or "never".
 * Errors: -EINVAL (ERR_USAGE), with the words that there are.
 */
int sup_restart_parse(const char *text, enum sup_restart *ret, struct dyno_err *err);

/** sup_exit_0_parse() - "crash" or "complete". Errors: as sup_restart_parse(). */
int sup_exit_0_parse(const char *text, enum sup_exit_0 *ret, struct dyno_err *err);

/** sup_order_parse() - "overlap" or "strict". Errors: as sup_restart_parse(). */
int sup_order_parse(const char *text, enum sup_order *ret, struct dyno_err *err);

/** sup_hangup_parse() - "stop" or "keep", for stop_detached. Errors: as sup_restart_parse(). */
int sup_hangup_parse(const char *text, bool *ret_stop, struct dyno_err *err);

/**
 * sup_cycle_parse() - "24h+216m", "24h" or "off".
 * @ret_ms, @ret_spread_ms: for cycle_ms and cycle_spread_ms; untouched on failure
 * Errors: -EINVAL, -ERANGE above SUP_CYCLE_MAX_MS (ERR_USAGE).
 */
int sup_cycle_parse(const char *text, uint64_t *ret_ms, uint64_t *ret_spread_ms,
		    struct dyno_err *err);

#endif
