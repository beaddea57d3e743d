/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dyno.h - the public interface of libdyno: opaque handles, plain C types, no global state.
 *
 * Conventions: functions return 0 or a count on success and a negative errno on failure; the last
 * parameter receives a full report; outputs named ret_* are untouched on failure.  Strings handed
 * in are borrowed for the length of the call unless a comment says otherwise.
 */
#ifndef DYNO_H
#define DYNO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All that is declared here, and nothing else, is exported by the shared library. */
#pragma GCC visibility push(default)

#define DYNO_ERR_MSG_BYTES  320
#define DYNO_ERR_HINT_BYTES 184

/**
 * struct dyno_err - one report of a failure, of fixed size, written by one write(2) to a pipe.
 * @num: the errno of the failed call, positive; 0 where no call failed
 * @kind: number of the class, see dyno_err_class()
 * @stage: 1 + index of the launch step that failed; 0 outside a launch
 * @hint: the next step for the user; may be empty
 * @msg: what failed and on what, without the errno's text
 */
struct dyno_err {
	int32_t num;
	uint16_t kind;
	uint16_t stage;
	char hint[DYNO_ERR_HINT_BYTES];
	char msg[DYNO_ERR_MSG_BYTES];
};

/** dyno_err_class() - the stable dotted name of an error's class, such as "slug.path". */
const char *dyno_err_class(const struct dyno_err *err);

/** dyno_err_exit_code() - the exit status of run, start and exec for an error (125, 126, 127). */
int dyno_err_exit_code(const struct dyno_err *err);

/** dyno_err_text() - the whole report as text for people; always NUL-terminated.
 * Return: the length of the text. */
size_t dyno_err_text(const struct dyno_err *err, char *buf, size_t size);

/** dyno_explain() - the meaning of a class name. Return: NULL for an unknown one. */
const char *dyno_explain(const char *class_name);

/* ---- the host: directories and what the kernel offers ------------------------------------- */

struct dyno_host;

/**
 * struct dyno_progress - how far a long piece of work is.
 * @what: "unpack", "hash", "verify" or "pack"
 * @name: the slug, as the caller named it
 * @done_bytes: input bytes consumed
 * @total_bytes: input bytes in all; 0: unknown
 */
struct dyno_progress {
	const char *what;
	const char *name;
	uint64_t done_bytes;
	uint64_t total_bytes;
};

/**
 * struct dyno_host_opts - where things are; NULL members take the defaults of the effective user.
 * @run_dir: /run/dyno, rootless $XDG_RUNTIME_DIR/dyno
 * @data_dir: /var/lib/dyno, rootless $XDG_DATA_HOME/dyno
 * @libexec_dir: the helper programs; default beside the executable or the shared library, then
 *               the installed place
 * @progress: called from time to time during long work; may be NULL
 * @data: for @progress
 */
struct dyno_host_opts {
	const char *run_dir;
	const char *data_dir;
	const char *libexec_dir;
	void (*progress)(void *data, const struct dyno_progress *progress);
	void *data;
};

int dyno_host_open(const struct dyno_host_opts *opts, struct dyno_host **ret, struct dyno_err *err);
void dyno_host_free(struct dyno_host *host);

/* ---- slugs --------------------------------------------------------------------------------- */

#define DYNO_DIGEST_BYTES 72 /* "sha256:" + 64 hex digits + NUL */

/**
 * struct dyno_slug_info - one entry of the slug store.
 * @digest: "sha256:<hex>" of the archive
 * @archive_bytes, @tree_bytes: compressed, unpacked
 * @files: regular files, directories and links in the tree
 * @uid: the user id that owns the tree, inside a dyno too
 * @added_us: time of the unpack, microseconds since the epoch
 * @in_use: a dyno holds its lock
 * @types, @commands: process types and their commands, @n_types of each
 */
struct dyno_slug_info {
	char digest[DYNO_DIGEST_BYTES];
	uint64_t archive_bytes;
	uint64_t tree_bytes;
	uint64_t files;
	uint32_t uid;
	uint64_t added_us;
	int in_use;
	const char *const *types;
	const char *const *commands;
	size_t n_types;
};

/**
 * dyno_slug_add() - put an archive into the store, or find it there.
 * @source: a path, or "-" for stdin
 * @checksum: "SHA256:<hex>" to insist on, or NULL
 * @ret_digest: DYNO_DIGEST_BYTES
 * Return: 1 when it was unpacked, 0 when it was there, -errno.
 */
int dyno_slug_add(struct dyno_host *host, const char *source, const char *checksum,
		  char *ret_digest, struct dyno_err *err);

/** dyno_slug_each() - every complete entry, sorted by digest; the callback's non-zero return ends
 * the walk and is returned. The info is valid during the call only. */
typedef int (*dyno_slug_fn)(void *data, const struct dyno_slug_info *info);
int dyno_slug_each(struct dyno_host *host, dyno_slug_fn fn, void *data, struct dyno_err *err);

/** dyno_slug_info() - one entry. @which: a digest (or a unique beginning of one), a path or "-" of
 * an archive or directory, which is not added to the store by this call unless it is an archive. */
int dyno_slug_info(struct dyno_host *host, const char *which, dyno_slug_fn fn, void *data,
		   struct dyno_err *err);

/** dyno_slug_verify() - compare an entry with what was unpacked; each difference is reported as
 * "changed", "missing", "added" with the member's path. Return: number of differences, -errno. */
typedef void (*dyno_verify_fn)(void *data, const char *difference, const char *path);
int dyno_slug_verify(struct dyno_host *host, const char *digest, dyno_verify_fn fn, void *data,
		     struct dyno_err *err);

/** dyno_slug_remove() - remove one entry; refused (store.busy) while a dyno uses it. */
int dyno_slug_remove(struct dyno_host *host, const char *digest, struct dyno_err *err);

/** dyno_slug_gc() - remove half-made entries and, with @unused, every entry no dyno uses.
 * Return: entries removed, -errno. @ret_bytes: bytes of the trees removed, may be NULL. */
int dyno_slug_gc(struct dyno_host *host, int unused, uint64_t *ret_bytes, struct dyno_err *err);

/** dyno_slug_pack() - write a reproducible slug of @dir to @out_fd. @ret_digest:
 * DYNO_DIGEST_BYTES. Return: 0 or -errno. */
int dyno_slug_pack(struct dyno_host *host, const char *dir, int out_fd, char *ret_digest,
		   struct dyno_err *err);

/* ---- check and doctor ---------------------------------------------------------------------- */

enum dyno_verdict { DYNO_OK, DYNO_FALLBACK, DYNO_WARN, DYNO_MISSING };

/**
 * dyno_check() - read a slug as a start would and report what is odd.
 * @fn: called with a verdict, the file ("Procfile"), its line (0: none) and a sentence
 * Return: number of findings worse than DYNO_WARN, -errno when the slug cannot be read at all.
 */
typedef void (*dyno_check_fn)(void *data, enum dyno_verdict verdict, const char *file,
			      unsigned int line, const char *text);
int dyno_check(struct dyno_host *host, const char *slug, dyno_check_fn fn, void *data,
	       struct dyno_err *err);

/**
 * dyno_doctor() - probe what a start needs of this host, by doing it, not by versions.
 * @fn: name of the probe, verdict, the fact found, and the command or setting that mends it ("")
 * Return: number of probes with DYNO_MISSING, -errno.
 */
typedef void (*dyno_doctor_fn)(void *data, const char *probe, enum dyno_verdict verdict,
			       const char *fact, const char *fix);
int dyno_doctor(struct dyno_host *host, dyno_doctor_fn fn, void *data, struct dyno_err *err);

/** dyno_gc() - remove what killed launchers left: run directories, control groups, scratch,
 * half-made store entries. @fn is told each. Return: things removed, -errno. */
typedef void (*dyno_gc_fn)(void *data, const char *kind, const char *name);
int dyno_gc(struct dyno_host *host, dyno_gc_fn fn, void *data, struct dyno_err *err);

/** dyno_gc_network() - take away what private networks need of the host (its firewall table, an
 * address), and put forwarding back where it was off before. @fn is told of the table.
 * Return: 1; 0: there was none; -errno: "host.network" -EBUSY: such dynos are up. */
int dyno_gc_network(struct dyno_host *host, dyno_gc_fn fn, void *data, struct dyno_err *err);

/* ---- run ----------------------------------------------------------------------------------- */

/** enum dyno_network - the namespace of a dyno's network. */
enum dyno_network {
	DYNO_NET_AUTO,	      /* see dyno_network_meant() */
	DYNO_NET_HOST,	      /* the host's */
	DYNO_NET_NONE,	      /* its own, with a loopback and nothing else */
	DYNO_NET_PRIVATE,     /* its own, with an address and a way out; without root by pasta */
	DYNO_NET_PRIVATE_APP, /* the same, and dynos of one app may reach each other; root's alone */
};

/** dyno_network_meant() - what DYNO_NET_AUTO stands for: as root DYNO_NET_PRIVATE, where it can be
 * had, else DYNO_NET_HOST. Return: that, or @asked where it is another. */
enum dyno_network dyno_network_meant(enum dyno_network asked);

/** dyno_port_is_hosts() - whether a dyno's $PORT is a port of the host too: in the host's network, and
 * without root in a private one, where it is taken on 127.0.0.1. Return: 1, 0. */
int dyno_port_is_hosts(enum dyno_network asked);

enum dyno_scratch { DYNO_SCRATCH_AUTO, DYNO_SCRATCH_TMPFS, DYNO_SCRATCH_DISK };

/** enum dyno_tty - whether a command has a terminal of its own: a pseudo terminal inside the dyno. */
enum dyno_tty {
	DYNO_TTY_DEFAULT, /* of dyno_run() with a function that serves it DYNO_TTY_AUTO, else none */
	DYNO_TTY_NONE,	  /* the streams given are its own */
	DYNO_TTY_AUTO,	  /* where it runs once, and its input and output are terminals */
	DYNO_TTY_ALWAYS,
};

#define DYNO_SCRATCH_NO_LIMIT ((uint64_t)INT64_MAX)

#define DYNO_TIMING_MAX	      64

/** struct dyno_timing - when each phase of a launch ended, in ns after the first. */
struct dyno_timing {
	unsigned int n;
	const char *name[DYNO_TIMING_MAX];
	uint64_t at_ns[DYNO_TIMING_MAX];
};

/**
 * struct dyno_run_opts - what to run.  Zero-initialise; NULL and 0 take the defaults.
 * @slug: path of an archive or directory, "-" for stdin, or "sha256:<hex>" in the store
 * @app: the app's name; default derived from @slug
 * @name: the dyno's name, and so DYNO
 * @operands: what stood after SLUG
 * @argv_mode: @operands are an argv (they stood after "--"): no shell, no profile
 * @env: config vars "K=V"
 * @env_files: paths of env files, earlier than @env
 * @stack: name of a stack; default "host"
 * @checksum: "SHA256:<hex>" that the archive must have
 * @scratch, @scratch_bytes, @scratch_inodes: where the dyno's writes go and how many they may be;
 *       on disk DYNO_SCRATCH_NO_LIMIT bytes are no limit
 * @network: namespace of the network; where DYNO_NET_AUTO cannot be a private one, a warning says why
 *       it is the host's
 * @require_network: a private one, or the start is refused
 * @subnet: "172.20.0.0/16": where private networks take their addresses, the same for all of a
 *       host; NULL: a range of 172.16.0.0/12 that no route of the host leads into
 * @egress: to where a dyno with a private network may open connections: "all", "host", "none" or
 *       ranges, "192.0.2.0/24,host"; NULL: "all"
 * @port: fixed $PORT, 0: chosen
 * @publish: ports of the host behind which the dynos of a type answer, "[ADDRESS:]PORT[=TYPE]", or
 *       "PORT+" for the first free one from there on; "none"
 * @hold_ms: how long a connection to one waits for a dyno that is up; 0: 75 s
 * @listen_fds: listening sockets of the caller, "N[=NAME]", that the command gets from 3 on, with
 *       LISTEN_FDS as sd_listen_fds(3) has it; of a formation of several types web alone gets them.
 *       Such a dyno is up when it runs, and restarts are strict
 * @uid_range: "FIRST:COUNT" of host ids for dynos; NULL: the default range
 * @log_source: tag of the platform's lines; default "heroku"
 * @boot_timeout_ms, @grace_ms: 60 s and 30 s by default
 * @spec: JSON text of dyno-spec(5), or NULL; what is set here beside it wins
 * @restart: "always", "on-failure" or "never"; a one-off is never restarted
 * @exit_0: what status 0 is to a formation dyno: "crash" or "complete"
 * @restart_order: "overlap" or "strict"
 * @backoff: waits between crash and start, such as "0,20m,40m"; "off"
 * @cycle: the daily restart, "24h+216m" or "off"
 * @time_limit_ms: from the launch, after which it is stopped for good and its status is 124; 0: none
 * @on_hangup: what becomes of a one-off that ignores the loss of its terminal (R16): "stop" or
 *       "keep"; the default is to stop it in the foreground and to keep it elsewhere
 * @idle_timeout_ms: how long nothing may pass between a one-off and who types in it, by dyno_attach()
 *       or @terminal, before that counts as lost; an hour by default
 * @open_stdin: of a one-off that lives by itself: its standard input is open for dyno_attach()
 * @await_client: such a one begins when somebody attaches to it, and never if nobody does for
 *       @attach_timeout_ms, 30 s by default (R13); dyno_start() does not wait for that
 * @hangup_ms: how long such a one is given each time, 5 s by default
 * @stop_signal, @stop_scope: "TERM" to "all", "group" or "main"
 * @health: "tcp", "http:/PATH" or "exec:COMMAND"; NULL: none
 * @health_interval_ms, @health_timeout_ms, @health_threshold: 10 s, 5 s, 3 failures in a row
 * @seccomp: system calls: "default", "unconfined" or the path of a policy
 * @seccomp_log: let refused calls through and have the kernel log them
 * @no_receipt: do not look at what the dyno has written
 * @keep: what it has written stays after its end, for dyno_diff() and dyno_copy(), until
 *       dyno_remove(): a process of its own holds it, a copy of the one that calls
 * @read_only: `/` is read-only but for /tmp, /var/tmp, /dev/shm and @writable
 * @writable: paths of directories inside that stay writable beside @read_only
 * @tmpfs: memory of the dyno's own: "PATH[:SIZE[:INODES]]"
 * @mounts: files and directories of the host: "SRC:DST[:ro|:rw]"
 * @private_stack: locks and watches on files that the stack shows of the host are the dyno's own
 * @size: a name of dyno-sizes(5), default "standard-1x"; "none" for no limits
 * @memory, @memory_hard, @swap, @cpus, @cpu_weight, @cpuset, @pids, @io_weight, @nofile, @shm_size:
 *       limits in place of the size's, as text: "512M", "1.5", "0-3", "none"; see dyno-run(1)
 * @io_max: limits of devices: "DEVICE:rbps=10M,wbps=10M,riops=100,wiops=100"
 * @memory_policy: above the quota: "soft": R14, "hard": the kernel's limit
 * @cpu_view: how many CPUs it is shown: "host", or "quota"
 * @require_limits: refuse to start where a limit cannot be set; else that is a warning
 * @log_keep_bytes: of the log files of a dyno that lives by itself, 1 MiB or more; default 64 MiB
 * @logs: where the lines go besides, of a dyno that lives by itself or in a formation: "file:PATH",
 *       "json:PATH", "fd:N", "journald", "syslog+udp://", "syslog+tcp://" or
 *       "syslog+tls://HOST:PORT", "https://..."; see dyno-start(1)
 * @log_policy: what is done when lines come faster than they can be handed on: "drop-oldest" or
 *       "block"
 * @log_metrics: log load and memory about every 20 s, see `dyno-run`(1)
 * @events_fd: receives each event as a line of JSON, see dyno-events(7); 0: none
 * @log: a platform line without its time, such as source "heroku[web.1]", text "State changed
 *       from starting to up"; may be NULL
 * @up: of dyno_run(): web listens; @where is how this host reaches it: "172.16.3.4:27301"; may be NULL
 * @tty: a terminal in place of the descriptors 0 to 2; with DYNO_TTY_AUTO 2 stays where it is none.  Its
 *       size is that of 0 to 2 at the beginning, TERM the caller's
 * @terminal: called once where there is one, as soon as the command runs: @master is its other end,
 *       the callee's to serve and to close; when nothing has passed for @idle_ms either way, it is
 *       to end; 0: whenever.  Return: a descriptor, borrowed until dyno_run() returns,
 *       that is readable when nobody serves it any more, which is the loss of the client; -errno:
 *       nobody does
 * @terminal_lost: called when that is so, before the dyno has ended; may be NULL
 * @data: for @log, @up, @terminal and @terminal_lost
 * @timing: filled when not NULL
 */
struct dyno_run_opts {
	const char *slug;
	const char *app;
	const char *name;
	const char *const *operands;
	size_t n_operands;
	int argv_mode;
	const char *const *env;
	size_t n_env;
	const char *const *env_files;
	size_t n_env_files;
	const char *stack;
	const char *checksum;
	enum dyno_scratch scratch;
	uint64_t scratch_bytes;
	uint64_t scratch_inodes;
	enum dyno_network network;
	int require_network;
	uint16_t port;
	const char *const *publish;
	size_t n_publish;
	uint64_t hold_ms;
	const char *const *listen_fds;
	size_t n_listen_fds;
	const char *uid_range;
	const char *subnet;
	const char *egress;
	const char *log_source;
	uint64_t log_keep_bytes;
	const char *const *logs;
	size_t n_logs;
	const char *log_policy;
	uint64_t boot_timeout_ms;
	uint64_t grace_ms;
	const char *spec;
	const char *restart;
	const char *exit_0;
	const char *restart_order;
	const char *backoff;
	const char *cycle;
	uint64_t time_limit_ms;
	const char *on_hangup;
	uint64_t hangup_ms;
	uint64_t idle_timeout_ms;
	uint64_t attach_timeout_ms;
	int open_stdin;
	int await_client;
	const char *stop_signal;
	const char *stop_scope;
	const char *health;
	uint64_t health_interval_ms;
	uint64_t health_timeout_ms;
	const char *seccomp;
	int seccomp_log;
	unsigned int health_threshold;
	int no_receipt;
	int keep;
	int read_only;
	const char *const *writable;
	size_t n_writable;
	const char *const *tmpfs;
	size_t n_tmpfs;
	const char *const *mounts;
	size_t n_mounts;
	int private_stack;
	const char *size;
	const char *memory;
	const char *memory_hard;
	const char *swap;
	const char *cpus;
	const char *cpu_weight;
	const char *cpuset;
	const char *pids;
	const char *io_weight;
	const char *const *io_max;
	size_t n_io_max;
	const char *nofile;
	const char *shm_size;
	const char *cpu_view;
	const char *memory_policy;
	int require_limits;
	int log_metrics;
	int events_fd;
	void (*log)(void *data, const char *source, const char *dyno, const char *text);
	void (*up)(void *data, const char *dyno, const char *where);
	enum dyno_tty tty;
	int (*terminal)(void *data, int master, uint64_t idle_ms);
	void (*terminal_lost)(void *data);
	void *data;
	struct dyno_timing *timing;
};

/**
 * struct dyno_outcome - how a run ended.
 * @exit_code: the status for the caller: the command's own, 128 + signal, 137 after R10, 124 after
 *     its time limit
 * @signal: the signal that ended the command, or 0
 * @reason: "exit", "signal", "oom", "boot-timeout", "stop" and so on, see dyno-events(7); static
 * @app, @dyno: the names used
 * @port: $PORT
 * @up_ms: from launch to end
 * @detail: more than @reason says, in words; "" for nothing
 */
struct dyno_outcome {
	int exit_code;
	int signal;
	const char *reason;
	char app[64];
	char dyno[64];
	uint16_t port;
	uint64_t up_ms;
	char detail[512];
};

/**
 * dyno_run() - launch one dyno in the foreground and wait for its end.  Signals of the caller are
 * taken over by a signalfd for that time: INT, QUIT, HUP, USR1, USR2 are passed on, and WINCH where it
 * has no terminal of its own; TERM stops the dyno.
 * Return: 0 when the command ran (its status is in @ret), -errno when it could not be started.
 */
int dyno_run(struct dyno_host *host, const struct dyno_run_opts *opts, struct dyno_outcome *ret,
	     struct dyno_err *err);

/* ---- dynos that live by themselves ----------------------------------------------------------- */

/** struct dyno_scale - how many dynos of a process type. */
struct dyno_scale {
	const char *type;
	unsigned int count;
};

/**
 * struct dyno_start_opts - a formation, or with @oneoff one command.  Zero-initialise.
 * @dyno: settings of each dyno; @log, @data and @timing are not used, @operands only with @oneoff.
 *        @name is for one dyno alone
 * @scale, @n_scale: process types and how many; none: every type but release, one each
 * @exact: stop what is beyond @scale, of the types named, the highest numbers first
 * @oneoff: @dyno.operands are a command: it runs once, as run.NNNN
 * @log_fd: pipe or file for the lines of app and platform, "TIME app[web.1]: text"; 0: a log file
 *          of each dyno in the data directory
 * @keep_fd: the dynos are stopped when the other end of this pipe is closed; 0: they stay
 */
struct dyno_start_opts {
	struct dyno_run_opts dyno;
	const struct dyno_scale *scale;
	size_t n_scale;
	int exact;
	int oneoff;
	int log_fd;
	int keep_fd;
};

/** enum dyno_change - what became of a dyno that was asked for. */
enum dyno_change {
	DYNO_STARTED, /* it has a monitor now, and its command was executed */
	DYNO_THERE,   /* it lived already */
	DYNO_STOPPED, /* it was beyond the scale, and is asked to stop */
};

typedef void (*dyno_change_fn)(void *data, const char *app, const char *name,
			       enum dyno_change change);

/**
 * dyno_start() - give each dyno of the formation that is missing a monitor of its own.
 *
 * It returns when the command of every new dyno was executed; whether they are `up` their events
 * tell.  Those started before a failure stay.
 * Return: dynos started, or -errno of the first that could not be.  Errors: those of dyno_run(),
 * and ERR_HELPER.
 */
int dyno_start(struct dyno_host *host, const struct dyno_start_opts *opts, dyno_change_fn fn,
	       void *data, struct dyno_err *err);

/**
 * dyno_scale() - start or stop the difference, with the settings that the dynos of @app have.
 * Return: changes told to @fn, or -errno. Errors: those of dyno_start(); "dyno.not-found" when no
 * dyno of the app lives.
 */
int dyno_scale(struct dyno_host *host, const char *app, const struct dyno_scale *scale,
	       size_t n_scale, dyno_change_fn fn, void *data, struct dyno_err *err);

/**
 * struct dyno_info - facts on one dyno; valid during the call only.
 * @app, @name, @type: "guestbook", "web.1", "web"; the type of a one-off is "run"
 * @state: "starting", "up", "stopping", "crashed", "down", "complete" or "failed"
 * @live: its monitor lives; else it is told from its last exit record
 * @oneoff: it completes
 * @kept: it has ended, and its files are kept
 * @pid, @init_pid, @monitor_pid: the app's main process, dyno-init, the monitor, as the host
 *                                numbers them; 0: none
 * @port: $PORT; 0: none
 * @address, @address6: of its network, without port; NULL: none
 * @published: ports of the host that lead to it, "8080" or "127.0.0.1:8080", joined by commas;
 *             NULL: none
 * @start: which of its starts serves, 1 for the first; 0: none yet
 * @swapping: a start that is to take over is on its way, see dyno_swap()
 * @restarts: starts after the first
 * @crashes: in a row
 * @since_us: when it came into @state, microseconds since the epoch
 * @exit_code, @signal, @reason: of the last end; -1, 0, NULL: none yet
 * @detail: of the last end, more than the reason says, in words; NULL: nothing
 * @next_try_us: when a crashed one is started again; 0: not planned
 * @slug: as the caller of start named it
 * @command: as the log has it
 */
struct dyno_info {
	const char *app;
	const char *name;
	const char *type;
	const char *state;
	int live;
	int oneoff;
	int kept;
	int pid;
	int init_pid;
	int monitor_pid;
	uint16_t port;
	const char *address;
	const char *address6;
	const char *published;
	uint32_t start;
	int swapping;
	uint32_t restarts;
	uint32_t crashes;
	uint64_t since_us;
	int exit_code;
	int signal;
	const char *reason;
	const char *detail;
	uint64_t next_try_us;
	const char *slug;
	const char *command;
};

/* Dynos that have ended for good too (complete, down), from their records. */
#define DYNO_EACH_ENDED (1U << 0)

/**
 * dyno_each() - dynos by app and number.  What a killed monitor left is first cleared away and
 * becomes an exit record ("supervisor-lost").
 * @pattern: "web.1", "web" (all of a type), "APP/web.1", "APP/", each with * and ? as in a shell;
 *           NULL: all
 * @flags: DYNO_EACH_*
 * @fn: non-zero ends the walk and is returned
 */
typedef int (*dyno_info_fn)(void *data, const struct dyno_info *info);
int dyno_each(struct dyno_host *host, const char *pattern, unsigned int flags, dyno_info_fn fn,
	      void *data, struct dyno_err *err);

/** struct dyno - a connection to one dyno's monitor. */
struct dyno;

/** dyno_open() - connect. @name: "web.1". Errors: "dyno.not-found" where none lives. */
int dyno_open(struct dyno_host *host, const char *app, const char *name, struct dyno **ret,
	      struct dyno_err *err);
void dyno_close(struct dyno *dyno);

/** dyno_state() - its facts now, told to @fn once. Return: what @fn returned, or -errno. */
int dyno_state(struct dyno *dyno, dyno_info_fn fn, void *data, struct dyno_err *err);

/* A number of struct dyno_stats that is not known on this host, or that does not apply. */
#define DYNO_STATS_UNKNOWN UINT64_MAX

/**
 * struct dyno_stats - a moment of a live dyno; valid during the call only.
 *
 * What the kernel counts is counted of one start, and begins at 0 with each.  Every number but the
 * first five may be DYNO_STATS_UNKNOWN: without a control group most are, and a limit that is not
 * set is.
 * @app, @name, @type, @state: as in struct dyno_info
 * @start: which start is told of, 1 for the first; 0: none is running
 * @taken_usec: when, on the clock CLOCK_MONOTONIC: for rates between two moments of one start
 * @uptime_ms: since the command of this start was launched; 0: none is running
 * @restarts, @crashes: as in struct dyno_info
 * @cpu_usec, @cpu_user_usec, @cpu_system_usec: CPU time
 * @cpu_periods, @cpu_throttled, @cpu_throttled_usec: periods of a CPU quota; those in which it was
 *                                                    used up; for how long processes waited then
 * @cpu_quota_usec, @cpu_period_usec: limit: CPU time per time
 * @memory_used_bytes: what is held against the quota, as R14 tells it: processes, files in memory
 *                     but for those of the scratch space, and swap; no page cache
 * @memory_bytes: all that is charged, page cache included, swap not
 * @memory_peak_bytes: the most of it ever
 * @memory_anon_bytes: of processes
 * @memory_shmem_bytes: files in memory: a scratch space there, and shared memory
 * @memory_file_bytes: page cache of files on disk
 * @memory_kernel_bytes: of the kernel for the dyno: stacks, slab, page tables
 * @memory_swap_bytes: of any of these in swap
 * @memory_quota_bytes, @memory_hard_bytes: the marks of R14 and R15
 * @memory_pgpgin, @memory_pgpgout: pages charged and uncharged
 * @ooms, @oom_kills: how often no memory was left; processes that were killed for it
 * @pids, @pids_peak, @pids_limit: processes and threads; the most at once; the most allowed
 * @pids_denied: forks that were refused for it
 * @io_read_bytes, @io_write_bytes, @io_reads, @io_writes: block devices, all together
 * @cpu_pressure_some_usec and following: for how long some or all processes waited for it
 * @net_rx_bytes, @net_rx_packets, @net_tx_bytes, @net_tx_packets: all interfaces but loopback of a
 *     network of the dyno's own, received and sent; the host's network is not counted
 * @scratch_bytes, @scratch_limit_bytes, @scratch_inodes, @scratch_limit_inodes: what is written, and
 *     may be; of a scratch space on disk without a limit nothing is counted
 * @shm_bytes, @shm_limit_bytes: the same of /dev/shm
 */
struct dyno_stats {
	const char *app;
	const char *name;
	const char *type;
	const char *state;
	uint64_t start;
	uint64_t taken_usec;
	uint64_t uptime_ms;
	uint64_t restarts;
	uint64_t crashes;
	uint64_t cpu_usec;
	uint64_t cpu_user_usec;
	uint64_t cpu_system_usec;
	uint64_t cpu_periods;
	uint64_t cpu_throttled;
	uint64_t cpu_throttled_usec;
	uint64_t cpu_quota_usec;
	uint64_t cpu_period_usec;
	uint64_t memory_used_bytes;
	uint64_t memory_bytes;
	uint64_t memory_peak_bytes;
	uint64_t memory_anon_bytes;
	uint64_t memory_shmem_bytes;
	uint64_t memory_file_bytes;
	uint64_t memory_kernel_bytes;
	uint64_t memory_swap_bytes;
	uint64_t memory_quota_bytes;
	uint64_t memory_hard_bytes;
	uint64_t memory_pgpgin;
	uint64_t memory_pgpgout;
	uint64_t ooms;
	uint64_t oom_kills;
	uint64_t pids;
	uint64_t pids_peak;
	uint64_t pids_limit;
	uint64_t pids_denied;
	uint64_t io_read_bytes;
	uint64_t io_write_bytes;
	uint64_t io_reads;
	uint64_t io_writes;
	uint64_t cpu_pressure_some_usec;
	uint64_t cpu_pressure_full_usec;
	uint64_t memory_pressure_some_usec;
	uint64_t memory_pressure_full_usec;
	uint64_t io_pressure_some_usec;
	uint64_t io_pressure_full_usec;
	uint64_t net_rx_bytes;
	uint64_t net_rx_packets;
	uint64_t net_tx_bytes;
	uint64_t net_tx_packets;
	uint64_t scratch_bytes;
	uint64_t scratch_limit_bytes;
	uint64_t scratch_inodes;
	uint64_t scratch_limit_inodes;
	uint64_t shm_bytes;
	uint64_t shm_limit_bytes;
};

/**
 * dyno_stats() - what it uses now, and may use, told to @fn once.
 * Return: what @fn returned, or -errno. Errors: "dyno.not-found"; "dyno.monitor" where nobody answers
 * within a few seconds
 */
typedef int (*dyno_stats_fn)(void *data, const struct dyno_stats *stats);
int dyno_stats(struct dyno *dyno, dyno_stats_fn fn, void *data, struct dyno_err *err);

/** dyno_inspect() - all that its monitor knows, as a JSON object. @ret_json: to be freed */
int dyno_inspect(struct dyno *dyno, char **ret_json, struct dyno_err *err);

/**
 * dyno_why() - why a web dyno that is starting does not listen on $PORT yet, in words, as the log
 * says it at a boot timeout.
 * @ret_text: "" where there is nothing to say; to be freed
 * Errors: "dyno.not-found"; "dyno.monitor": it was started by an older dyno
 */
int dyno_why(struct dyno *dyno, char **ret_text, struct dyno_err *err);

/** enum dyno_hold - whether what was promised holds. */
enum dyno_hold {
	DYNO_HOLDS,
	DYNO_WEAKER,
	DYNO_UNKNOWN, /* the kernel does not tell the caller */
};

/**
 * struct dyno_security_row - one fact on a process of a dyno; valid during the call only.
 * @process: "main", "init", or its number inside
 * @pid: as the host numbers it; 0: not known
 * @name: "seccomp", "user-namespace", "mount" and so on; several rows have the name "mount"
 * @fact: as the kernel tells it, a tenant's bytes escaped; "" where it does not
 * @reason: why it is not DYNO_HOLDS, else ""
 */
struct dyno_security_row {
	const char *process;
	int pid;
	const char *name;
	enum dyno_hold verdict;
	const char *fact;
	const char *reason;
};

/**
 * dyno_security() - how a live dyno is confined, by what the kernel says of its processes and not
 * by its settings: the app's main process and dyno-init, whose mounts and descriptors are told too.
 * @pid: of a further process, as the dyno numbers it; 0: none
 * Return: rows with DYNO_WEAKER, or -errno. Errors: "dyno.not-found"
 */
typedef void (*dyno_security_fn)(void *data, const struct dyno_security_row *row);
int dyno_security(struct dyno_host *host, const char *app, const char *name, int pid,
		  dyno_security_fn fn, void *data, struct dyno_err *err);

/** dyno_signal() - send @sig. @scope: "all", "group" or "main"; NULL: main */
int dyno_signal(struct dyno *dyno, int sig, const char *scope, struct dyno_err *err);

/** dyno_stop() - ask it to stop for good; returns at once. @at_once: by SIGKILL */
int dyno_stop(struct dyno *dyno, int at_once, struct dyno_err *err);

/** dyno_restart() - ask for a restart; returns at once. */
int dyno_restart(struct dyno *dyno, struct dyno_err *err);

/**
 * dyno_swap() - ask for a restart without a pause: a new start boots beside the old, which serves
 * until the new one is up, and is asked to stop when its last connection through a published port
 * has ended, or 30 seconds later.  Where the new one does not come up the old one serves on.
 * Returns at once.  Of a dyno that is not up it is dyno_restart().
 */
int dyno_swap(struct dyno *dyno, struct dyno_err *err);

/**
 * struct dyno_exec_opts - one more process in a live dyno; zero is the default for each.
 * @operands: words for bash --login, one as it is, several quoted; none: a shell
 * @argv_mode: they are an argv instead: no shell, no profile
 * @env: "K=V", in place of the dyno's variables of the same names
 * @stdio: descriptors for its standard streams, borrowed; NULL: 0 to 2
 * @tty: a terminal in their place, as of struct dyno_run_opts: see dyno_exec_terminal()
 */
struct dyno_exec_opts {
	const char *const *operands;
	size_t n_operands;
	int argv_mode;
	const char *const *env;
	size_t n_env;
	const int *stdio;
	enum dyno_tty tty;
};

/* A process that was put into a dyno. */
struct dyno_exec;

/**
 * dyno_exec_start() - put a process into a dyno, confined as the app's own are.  It is the
 * monitor's child: it ends with the dyno, not with the caller.
 * @ret: to be freed; @dyno must outlive it
 * Return: 0, before its command is executed, or with a terminal just then; -errno. Errors:
 * "dyno.not-found": it has ended, is being stopped or waits for a restart; those of its words
 */
int dyno_exec_start(struct dyno *dyno, const struct dyno_exec_opts *opts, struct dyno_exec **ret,
		    struct dyno_err *err);

/**
 * dyno_exec_terminal() - the master of its terminal, the caller's to serve and to close: once that is
 * closed the terminal has hung up.  Its window is resized by TIOCSWINSZ.
 * Return: a descriptor, handed out once; -EBADF: it has none.
 */
int dyno_exec_terminal(struct dyno_exec *exec);

/** dyno_exec_fd() - readable when dyno_exec_result() may have an answer; belongs to @exec. */
int dyno_exec_fd(const struct dyno_exec *exec);

/**
 * dyno_exec_result() - its end, without blocking.
 * @ret_status: its exit status, 128 + n after signal n
 * Return: 1: it has ended; 0: not yet; -errno. Errors: "exec.not-found", "exec.not-executable"; why it
 * could not join; "dyno.not-found": the monitor has gone, and the process with it
 */
int dyno_exec_result(struct dyno_exec *exec, int *ret_status, struct dyno_err *err);

/** dyno_exec_signal() - send a signal to its process group, once its command runs. */
int dyno_exec_signal(struct dyno_exec *exec, int sig, struct dyno_err *err);

/** dyno_exec_free() - forget it; the process goes on. @exec: may be NULL */
void dyno_exec_free(struct dyno_exec *exec);

/* A client of a one-off that lives by itself. */
struct dyno_attach;

/** enum dyno_attach_input - what is typed goes nowhere, to the one-off's standard input, its terminal. */
enum dyno_attach_input { DYNO_ATTACH_NONE, DYNO_ATTACH_PIPE, DYNO_ATTACH_TTY };

/**
 * dyno_attach() - look at what a one-off prints, from the last 64 KiB on, and type its input.
 * @read_only: type nothing: of those who do there is one at a time
 * @ret: to be freed; @dyno must outlive it
 * Errors: "dyno.attached": another one types; "usage": it is no one-off, or in the foreground;
 * "dyno.not-found"
 */
int dyno_attach(struct dyno *dyno, int read_only, struct dyno_attach **ret, struct dyno_err *err);

/** dyno_attach_fd() - a stream socket, for dyno_attach_take() to read and for input; belongs to @attach.
 * Its half-close is the end of a standard input; it ends with the dyno. */
int dyno_attach_fd(const struct dyno_attach *attach);

/** dyno_attach_control_fd() - what dyno_attach_resize() needs beside it; belongs to @attach. */
int dyno_attach_control_fd(const struct dyno_attach *attach);

/** dyno_attach_input() - where what is typed goes. */
enum dyno_attach_input dyno_attach_input(const struct dyno_attach *attach);

/**
 * dyno_attach_take() - take apart what was read from the descriptor, in pieces of any length.
 * @fn: @stream 1: standard output or the terminal; 2: standard error; 0: @len bytes were lost, as they
 *      were not read in time; non-zero ends it and is returned
 * Return: 0; what @fn returned; -EPROTO.
 */
typedef int (*dyno_attach_fn)(void *data, int stream, const char *bytes, size_t len);
int dyno_attach_take(struct dyno_attach *attach, const char *bytes, size_t len, dyno_attach_fn fn,
		     void *data);

/** dyno_attach_resize() - the size of its terminal, where it has one. */
int dyno_attach_resize(struct dyno_attach *attach, unsigned int rows, unsigned int columns);

/** dyno_attach_leave() - go, and be not missed. Without it the end is the loss of the client. */
int dyno_attach_leave(struct dyno_attach *attach, struct dyno_err *err);

/** dyno_attach_free() - close it. @attach: may be NULL */
void dyno_attach_free(struct dyno_attach *attach);

/**
 * dyno_event_fd() - readable when dyno_event_next() has something; the first call subscribes.
 * Return: a descriptor that belongs to @dyno, or -errno.
 */
int dyno_event_fd(struct dyno *dyno, struct dyno_err *err);

/**
 * dyno_event_next() - one event, without blocking.
 * @ret_json: one line without newline, see dyno-events(7); valid until the next call
 * Return: 1: an event; 0: none now; -EPIPE: its monitor has ended; -errno.
 */
int dyno_event_next(struct dyno *dyno, const char **ret_json, struct dyno_err *err);

/**
 * dyno_wait() - until it is in @state, or has ended for good.
 * @state: a word of struct dyno_info; NULL: its end
 * @timeout_ms: 0: none
 * @ret: of its last end, when it has ended; may be NULL
 * Return: 1: ended for good; 0: in @state; -ETIMEDOUT; -errno.
 */
int dyno_wait(struct dyno *dyno, const char *state, uint64_t timeout_ms, struct dyno_outcome *ret,
	      struct dyno_err *err);

/** dyno_events() - events of the past, oldest first. @pattern: as dyno_each()
 * @fn: one line of JSON each; non-zero ends the walk and is returned */
typedef int (*dyno_event_fn)(void *data, const char *json);
int dyno_events(struct dyno_host *host, const char *pattern, dyno_event_fn fn, void *data,
		struct dyno_err *err);

/* ---- logs ------------------------------------------------------------------------------------ */

#define DYNO_LOG_ALL UINT64_MAX

/**
 * struct dyno_log_opts - which lines of the logs of one app.
 * @app: NULL: the app of which the patterns speak, or the only one that has logs
 * @patterns, @n_patterns: as dyno_each(), or the name of an app; none: every dyno
 * @lines: the last so many that there are already, or DYNO_LOG_ALL
 * @since_us: none that is older; 0: of any age
 * @source: "app": what the app has printed; "heroku": what the platform has, whatever name it
 *	   bears; NULL: both
 */
struct dyno_log_opts {
	const char *app;
	const char *const *patterns;
	size_t n_patterns;
	uint64_t lines;
	uint64_t since_us;
	const char *source;
};

/**
 * struct dyno_log_line - one line; valid during the call only.
 * @dyno: "web.1"
 * @source: "app", or that of the platform; "" where the log was damaged
 * @time_us: of its receipt, microseconds since the epoch; of the line before where it was damaged
 * @text, @text_len: what was printed; a newline or a NUL within stands as \n or \x00, and a text of
 *	   more than 10000 bytes as several lines
 * @record, @record_len: the line as it is kept, "TIME SOURCE[DYNO]: TEXT", with a NUL behind it if
 *	   @partial is set, and with two blanks behind TIME if @stream is "stderr"
 * @partial: the next line of the same dyno goes on with this one's text
 * @stream: "stdout" or "stderr", of what the app has printed; else NULL
 */
struct dyno_log_line {
	const char *app;
	const char *dyno;
	const char *source;
	uint64_t time_us;
	const char *text;
	size_t text_len;
	const char *record;
	size_t record_len;
	int partial;
	const char *stream;
};

/** dyno_log_fn() - non-zero ends the walk and is returned; the line counts as told. */
typedef int (*dyno_log_fn)(void *data, const struct dyno_log_line *line);

struct dyno_log;

/**
 * dyno_log_open() - the logs of an app's dynos, whether these live or not.  Those of dynos in the
 * foreground are not kept.
 * @ret: freed by dyno_log_close(), before the host
 * Errors: "dyno.not-found": no log is meant; "usage": they are of several apps
 */
int dyno_log_open(struct dyno_host *host, const struct dyno_log_opts *opts, struct dyno_log **ret,
		  struct dyno_err *err);

/** dyno_log_close() - NULL is fine. */
void dyno_log_close(struct dyno_log *log);

/**
 * dyno_log_read() - the lines that there are, in the order of their times; at the next call those
 * that have come since, also of dynos that are new.
 * Return: 0: that was all for now; what @fn returned; -errno.
 */
int dyno_log_read(struct dyno_log *log, dyno_log_fn fn, void *data, struct dyno_err *err);

/** dyno_log_fd() - readable when dyno_log_read() may have something. Return: a descriptor that
 * belongs to @log, or -errno. */
int dyno_log_fd(struct dyno_log *log, struct dyno_err *err);

/** dyno_logs() - open, read once, close. */
int dyno_logs(struct dyno_host *host, const struct dyno_log_opts *opts, dyno_log_fn fn, void *data,
	      struct dyno_err *err);

/**
 * struct dyno_written - one path that a dyno has written; valid during the call only.
 * @change: "added", "changed", "deleted", "moved" or "unread"
 * @path: absolute as the dyno sees it, raw bytes
 * @from: of "moved", else NULL
 * @mode: type and mode, see inode(7); 0: not known
 * @size_bytes: length of the file
 */
struct dyno_written {
	const char *change;
	const char *path;
	const char *from;
	uint32_t mode;
	uint64_t size_bytes;
};

/**
 * dyno_diff() - what a dyno has written: of a live one now, else of its last end.
 * @fn: non-zero ends the walk and is returned
 * Errors: "dyno.not-found"
 */
typedef int (*dyno_written_fn)(void *data, const struct dyno_written *written);
int dyno_diff(struct dyno_host *host, const char *app, const char *name, dyno_written_fn fn,
	      void *data, struct dyno_err *err);

/**
 * dyno_copy() - copy a path out of a dyno that lives, or whose files are kept, read as the dyno's root
 * is seen, never beyond it.
 * @path: absolute, or relative to /app
 * @dest: a path that is made, or a directory to copy into; NULL: a tar archive to @out_fd
 */
int dyno_copy(struct dyno_host *host, const char *app, const char *name, const char *path,
	      const char *dest, int out_fd, struct dyno_err *err);

/** dyno_remove() - forget an ended dyno: its records, manifests and logs, and files that were kept.
 * Errors: "dyno.not-found"; "dyno.alive" */
int dyno_remove(struct dyno_host *host, const char *app, const char *name, struct dyno_err *err);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
