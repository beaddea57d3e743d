/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_internal.h - one monitor, shared by its files: monitor.c (the loop, and what the table's
 * decisions do), monitor_slot.c (one generation), monitor_caller.c (who holds it), monitor_look.c
 * (who listens), monitor_mem.c (memory), monitor_metrics.c and monitor_stats.c (what it uses),
 * monitor_tell.c (lines, events, records), monitor_facts.c (the state file, and what is asked),
 * monitor_ctl.c (requests from outside), monitor_exec.c (processes that join the dyno),
 * monitor_hold.c (its files after its end), monitor_publish.c (ports of the host) and
 * monitor_attach.c (who looks on and types).
 */
#ifndef DYNO_MONITOR_INTERNAL_H
#define DYNO_MONITOR_INTERNAL_H

#include <sys/socket.h>

#include "engine/ctl.h"
#include "engine/generation.h"
#include "engine/health.h"
#include "engine/join.h"
#include "engine/memwatch.h"
#include "engine/monitor.h"
#include "engine/output.h"
#include "engine/publish.h"
#include "engine/statefile.h"
#include "engine/viewers.h"
#include "model/lines.h"
#include "model/metrics.h"
#include "model/supervise.h"

/* Processes that were put into the dyno from outside, at once. Source: own choice */
#define MONITOR_EXECS_MAX 16U
/* Starts that a forwarder knows of: those of the table, and as many on their way out. */
#define MONITOR_PUBLISH_GENS 4
/* Why a boot does not get on, in words. Source: the detail of struct dyno_outcome */
#define BOOT_TEXT_BYTES 512

struct monitor;

/** enum mem_limit - at whose limit the kernel killed. */
enum mem_limit {
	MEM_LIMIT_UNKNOWN,
	MEM_LIMIT_DYNO,
	MEM_LIMIT_PARENT, /* that of a control group above */
	MEM_LIMIT_HOST,	  /* none: the host has no memory left */
	MEM_LIMIT_ABOVE,  /* one of the two before */
	_MEM_LIMIT_MAX,
};

/**
 * struct mem_oom - kills by the kernel for want of memory.
 * @kills: processes; 0: none
 * @limit, @group: whose limit; its control group where it is known
 * @comm, @pid: whom, escaped, as the host numbers it; "", 0: not told
 * @peak_bytes: the most memory the dyno had; 0: not told
 * @text: in words
 */
struct mem_oom {
	uint64_t kills;
	enum mem_limit limit;
	char group[256];
	char comm[64];
	int pid;
	uint64_t peak_bytes;
	char text[512];
};

/**
 * struct slot - a generation and what the monitor knows of it.
 * @used: prepared, launched or not buried yet
 * @started, @exited, @wait_status: what dyno-init has told
 * @init_status: exit code of dyno-init, 128 + signal
 * @failed, @err: -errno of a failed launch or exec
 * @timed_out: the launch itself did
 * @gone: its last process is gone, and the table has not been told yet
 * @exit_code, @signal: of the command, for caller and records
 * @mem, @mem_since_us, @oom: its memory, the time of its beginning for the kernel's log, its end
 * @explain_at_ms, @warned: the last wrong bind that was named, and when to look again
 * @boot_cause: why its boot was timed out; ""
 * @at, @at_len: where clients reach it from inside its network; 0: not known
 */
struct slot {
	struct monitor *m;
	struct generation gen;
	struct output output;
	bool used;
	bool started;
	bool exited;
	bool timed_out;
	bool gone;
	int wait_status;
	int init_status;
	int failed;
	int exit_code;
	int signal;
	int look_timer;
	int launch_timer;
	uint64_t launched_us;
	uint64_t started_ms;
	uint64_t explain_at_ms;
	uint64_t up_ms;
	struct memwatch mem;
	uint64_t mem_since_us;
	struct mem_oom oom;
	struct dyno_err err;
	char warned[256];
	char boot_cause[BOOT_TEXT_BYTES];
	struct sockaddr_storage at;
	socklen_t at_len;
};

/**
 * struct monitor_exec - one process that joined, and who asked for it.
 * @pidfd: the number that the loop knows, also when the join has closed it
 * @pending: signals that came before its command was executed, bit n for signal n + 1
 */
struct monitor_exec {
	struct monitor *m;
	struct join join;
	int pidfd;
	uint64_t client;
	uint64_t pending;
	bool used;
	bool executed;
};

/**
 * struct monitor_metrics - what --log-metrics counts.
 * @timer: of the loop
 * @gen: the start that it is of
 * @ticks: how often it was counted
 */
struct monitor_metrics {
	int timer;
	uint32_t gen;
	unsigned int ticks;
	struct metrics_load load;
};

/**
 * struct monitor_publish - one published port.
 * @plan: of the app
 * @fd: of its forwarder; -EBADF: there is none now
 * @told: starts that it may send clients to; 0: none
 * @draining: those that it may not any more, and that have some left
 * @coming, @coming_told: whether it knows that clients may wait
 * @warned: that it cannot be started
 */
struct monitor_publish {
	struct monitor *m;
	struct publish *plan;
	int fd;
	uint32_t told[MONITOR_PUBLISH_GENS];
	uint32_t draining[MONITOR_PUBLISH_GENS];
	bool coming;
	bool coming_told;
	bool warned;
};

/**
 * struct attach - clients at the dyno's output and input.
 * @input_fd: where its input goes; negative: nowhere
 * @is_tty: that is its terminal, which its output comes from too
 * @idle_timer: of the loop
 * @busy_ms: when a byte went either way last
 */
struct attach {
	struct viewers viewers;
	int input_fd;
	bool is_tty;
	int idle_timer;
	uint64_t busy_ms;
};

/**
 * struct monitor - see monitor.h.
 * @slots: up to two generations, in no order
 * @last: of the last end
 * @dirty: state.json is no longer true
 * @recorded, @recorded_state, @recorded_gen, @recorded_manifest: the newest exit record
 * @scratch_warned: the last warning about where writes go
 * @told_refusal: that the kernel refuses a limit was said
 * @told_resolver: that no resolver can be reached was said
 * @held: of the generation whose files stay after its end; NULL: none
 * @holding: it has ended, and only its files are left
 * @cause: of the last failed health check
 * @publish, @publish_timer: as many as the app has; when one is tried again
 * @published: all of them, for people; NULL: none
 */
struct monitor {
	const struct monitor_plan *plan;
	struct app *app;
	struct loop loop;
	struct sup sup;
	struct slot slots[2];
	struct ctl ctl;
	struct health_plan health_plan;
	struct health health;
	struct monitor_exec execs[MONITOR_EXECS_MAX];
	struct monitor_metrics metrics;
	int sup_timer;
	bool reported;
	bool ran;
	bool dirty;
	struct dyno_outcome last;
	bool have_last;
	bool told_refusal;
	bool told_resolver;
	bool recorded;
	enum sup_state recorded_state;
	uint32_t recorded_gen;
	char recorded_manifest[RECEIPT_NAME_BYTES];
	char boot_id[40];
	uint64_t start_time;
	const char *health_cause;
	uint64_t health_count;
	char scratch_warned[SCRATCH_WARNING_BYTES];
	struct slot *held;
	struct attach attach;
	bool holding;
	struct monitor_publish publish[PUBLISH_MAX];
	int publish_timer;
	const char *published;
};

/** mon_feed() - one event through the table, and what it decides. */
void mon_feed(struct monitor *m, const struct sup_event_info *info);

/** mon_event() - the same, of a generation or (gen 0) of the dyno, now. */
void mon_event(struct monitor *m, enum sup_event event, uint32_t gen);

/** mon_settle() - at the end of each callback: what is pending, deadlines, the state file. */
void mon_settle(struct monitor *m);

/** mon_chance() - for waits that are to be spread. */
uint32_t mon_chance(void);

/** mon_slot() - the slot of a generation; NULL: none is held. */
struct slot *mon_slot(struct monitor *m, uint32_t gen);

/** mon_front() - the slot of the front generation; NULL: none is held. */
struct slot *mon_front(struct monitor *m);

/** mon_need_running() - the same, of one whose command runs. Return: NULL with ERR_NOT_FOUND. */
struct slot *mon_need_running(struct monitor *m, struct dyno_err *err);

/* ---- monitor_slot.c ---- */

/** mon_report() - the first launch's end: afterwards the starter has no further interest.
 * @err: NULL: its command runs */
void mon_report(struct monitor *m, const struct dyno_err *err);

/** mon_launch() - launch a generation, in the slot that was prepared for it or in a free one. */
void mon_launch(struct monitor *m, uint32_t gen);

/** mon_launch_timeout() - the timer's function. @data: the slot */
void mon_launch_timeout(struct loop *loop, void *data);

/** mon_tell_gone() - its last process is gone: find out how it ended, and tell the table. */
void mon_tell_gone(struct slot *slot);

/** mon_bury() - its record and its event. */
void mon_bury(struct slot *slot, enum sup_reason reason);

/** mon_discard() - give back what it holds, or keep its files. */
void mon_discard(struct slot *slot);

/* ---- monitor_caller.c ---- */

/** caller_watch() - obey the signals and the pipe of who holds the monitor.
 * Return: 0; -ENOSPC: no source left. */
int caller_watch(struct monitor *m);

/** caller_serve_terminal() - the command runs: hand its terminal, where it has one, to who serves it. */
void caller_serve_terminal(struct monitor *m, struct slot *slot);

/* ---- monitor_limits.c ---- */

/** tell_limits() - what a start may use: members of the object that is open in @b. */
void tell_limits(const struct slot *slot, struct sbuf *b);

/* ---- monitor_look.c ---- */

/** look_start() - the command runs: from now on it is looked whether it listens. */
void look_start(struct slot *slot);
void look_stop(struct slot *slot);

/** look_timer() - the timer's function. */
void look_timer(struct loop *loop, void *data);

/** look_cause() - why nothing listens on $PORT, in words. @text: "" where there is nothing to say */
void look_cause(const struct slot *slot, char *text, size_t size);

/* ---- monitor_mem.c ---- */

/** mem_init() - once. Return: 0, -ENOSPC. */
int mem_init(struct slot *slot);

/** mem_start() - the command runs: from now on its memory is watched. */
void mem_start(struct slot *slot);
void mem_stop(struct slot *slot);

/** mem_find_oom() - whether the kernel has killed in it; fills and tells @oom, once. */
bool mem_find_oom(struct slot *slot);

/** mem_oom_beyond() - it was not the dyno's own limit. */
bool mem_oom_beyond(const struct slot *slot);

/** mem_limit_name() - "dyno", "parent", "host", "above"; NULL: unknown. */
const char *mem_limit_name(enum mem_limit limit);

/** mem_line() - what lines on memory are filled with. @buf: for a text
 * Return: false: there is nothing to say. */
bool mem_line(const struct slot *slot, enum line_id line, struct line_args *args, char *buf,
	      size_t size);

/** mem_json() - members: marks, what a sample is made of, growth. */
void mem_json(const struct slot *slot, const struct memmark_sample *sample, struct sbuf *b);

/** net_word() - the kind of network, as --network has it. */
const char *net_word(const struct monitor *m);

/** net_facts() - the addresses of a private network. @info: strings are borrowed from @slot */
void net_facts(const struct slot *slot, struct dyno_info *info);

/** net_inspect() - what a start with a private network has and was refused: members of the object
 * that is open in @b. */
void net_inspect(const struct slot *slot, struct sbuf *b);

/** net_warn() - say once that no server of names can be reached, where that is so. */
void net_warn(const struct slot *slot);

/** net_watch() - be told where what connects a private network ends before the dyno does.
 * Return: 0; -ENOSPC: no source left. */
int net_watch(struct slot *slot);
void net_unwatch(struct slot *slot);

/** mem_inspect() - the member "memory". */
void mem_inspect(const struct slot *slot, struct sbuf *b);

/* ---- monitor_tell.c ---- */

/** tell_port() - the member "port". @port: 0: none */
void tell_port(struct sbuf *b, uint16_t port);

/** tell_log() - a line of the log alone. @text: without newline */
void tell_log(struct monitor *m, const char *text);

/** tell_line() - one line of the platform, and its event. */
void tell_line(struct monitor *m, enum line_id id, const struct line_args *args);

/** tell_warning() - a line of warning. @text: escaped already where its origin is unknown */
void tell_warning(struct monitor *m, const char *text);

/** tell_change() - the line and the event of a change of state. */
void tell_change(struct monitor *m, enum sup_state from, enum sup_state to);

/** tell_launch() - the event of a launch, or of an execution. @what: "launch", "exec" */
void tell_launch(struct monitor *m, const struct slot *slot);

/** tell_memory() - the event of memory above a mark. @hard: the hard mark */
void tell_memory(struct monitor *m, const struct slot *slot, bool hard);

/** tell_oom() - the event of kills for want of memory. */
void tell_oom(struct monitor *m, const struct slot *slot);

/** tell_end() - the receipt, the record and the event of a generation that is gone.
 * @state: what came of the dyno by it */
void tell_end(struct monitor *m, struct slot *slot, enum sup_reason reason);

/** tell_over() - the last event. */
void tell_over(struct monitor *m);

/** tell_detail() - of the end of a generation, more than its reason says; NULL: nothing. */
const char *tell_detail(const struct slot *slot);

/* ---- monitor_facts.c ---- */

/** tell_facts() - what is known now. @ret: strings live as long as the monitor */
void tell_facts(struct monitor *m, struct dyno_facts *ret);

/** tell_inspect() - all of it as JSON. */
void tell_inspect(struct monitor *m, struct sbuf *b);

/** tell_now() - the first event of a new watcher: the state. */
void tell_now(struct monitor *m, struct sbuf *b);

/** tell_state_file() - write state.json. */
void tell_state_file(struct monitor *m);

/* ---- monitor_stats.c ---- */

/** tell_stats() - what the front generation uses and may use, as JSON; see engine/stats.h. */
void tell_stats(struct monitor *m, struct sbuf *b);

/** mon_running() - the front generation, launched and not waited for: the numbers of its processes
 * are its own. NULL: there is none. */
struct slot *mon_running(struct monitor *m);

/* ---- monitor_metrics.c ---- */

/** metrics_start() - log load and memory from now on, where that is asked for.
 * Return: 0; -ENOSPC: no timer left. */
int metrics_start(struct monitor *m);

/* ---- monitor_ctl.c ---- */

/** control() - obey one request, see ctl_fn. */
int control(void *data, struct ctl_call *call, struct ctl_answer *answer, struct dyno_err *err);

/* ---- monitor_publish.c ---- */

/** publish_init() - reaches nobody; publish_end() may follow. */
void publish_init(struct monitor *m);

/** publish_prepare() - reach the forwarder of each port. Errors: those of publish_open(). */
int publish_prepare(struct monitor *m, struct dyno_err *err);

/** publish_serve() - hear them from now on. Return: 0; -ENOSPC. */
int publish_serve(struct monitor *m);

/** publish_sync() - tell them what has changed; one that stops is taken back before it hears of it. */
void publish_sync(struct monitor *m);

/** publish_drained() - a start that was replaced and has no client left. Return: 0: none. */
uint32_t publish_drained(const struct monitor *m);

/** publish_end() - goodbye. */
void publish_end(struct monitor *m);

/** publish_json() - the member "published". */
void publish_json(const struct monitor *m, struct sbuf *b);

/* ---- monitor_exec.c ---- */

/** exec_request() - start a process that joins the dyno; its end is told later. See ctl_fn. */
int exec_request(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		 struct dyno_err *err);

/** exec_signal() - a signal for what the same client has started; gone is no failure. */
int exec_signal(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		struct dyno_err *err);

/** exec_end_all() - the dyno has ended, and what joined it has, or must now. */
void exec_end_all(struct monitor *m);

/* ---- monitor_attach.c ---- */

/** attach_init() - once. Return: 0; -ENOSPC: no timer left. */
int attach_init(struct monitor *m);

/** attach_idle_ms() - how long a client may be silent while the dyno is too. */
uint64_t attach_idle_ms(const struct monitor *m);

/** attach_prepare() - before a launch under a monitor.
 * @ret_stdin: what becomes its standard input, the caller's; untouched where it has none
 * Return: 0, or -errno with ERR_IO. */
int attach_prepare(struct slot *slot, int *ret_stdin, struct dyno_err *err);

/** attach_started() - the command runs: its terminal is read from now on. */
void attach_started(struct slot *slot);

/** attach_drain() - its last process has gone: the rest of what is on its terminal. */
void attach_drain(struct slot *slot);

/** attach_never_came() - it ends, and was never launched: @failed, @err and @exit_code of @slot. */
void attach_never_came(struct slot *slot, enum sup_reason reason);

/** attach_done() - nothing more will come: show what there is, and hang up. */
void attach_done(struct monitor *m);

/** attach_request() and the others - one request; see ctl_fn. */
int attach_request(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		   struct dyno_err *err);
int attach_resize(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		  struct dyno_err *err);
int attach_leave(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		 struct dyno_err *err);

/* ---- monitor_hold.c ---- */

/** hold_take() - the generation has ended: give back all of it but its files.
 * Return: whether these are to be kept. */
bool hold_take(struct slot *slot);

/**
 * hold() - after the end: keep the files until somebody lets go of them.
 *
 * A supervised monitor does so itself, and returns then.  In the foreground a child of its own does,
 * and this process gives up what it has of them, and of the place.
 */
void hold(struct monitor *m);

/** hold_root() - hand out the root of what is kept; hold_release() - let go of it.  See ctl_fn. */
int hold_root(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
	      struct dyno_err *err);
int hold_release(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		 struct dyno_err *err);

#endif
