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
 * @libexec_dir: the helper programs; default beside the executable, then the installed place
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

/* ---- run ----------------------------------------------------------------------------------- */

enum dyno_network { DYNO_NET_HOST, DYNO_NET_NONE };
enum dyno_scratch { DYNO_SCRATCH_TMPFS, DYNO_SCRATCH_DISK };

#define DYNO_TIMING_MAX 64

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
 * @scratch, @scratch_bytes, @scratch_inodes: where the dyno's writes go and how many they may be
 * @network: namespace of the network
 * @port: fixed $PORT, 0: chosen
 * @uid_range: "FIRST:COUNT" of host ids for dynos; NULL: the default range
 * @log_source: tag of the platform's lines; default "heroku"
 * @boot_timeout_ms, @grace_ms: 60 s and 30 s by default
 * @log: a platform line without its time, such as source "heroku[web.1]", text "State changed
 *       from starting to up"; may be NULL
 * @data: for @log
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
	uint16_t port;
	const char *uid_range;
	const char *log_source;
	uint64_t boot_timeout_ms;
	uint64_t grace_ms;
	void (*log)(void *data, const char *source, const char *dyno, const char *text);
	void *data;
	struct dyno_timing *timing;
};

/**
 * struct dyno_outcome - how a run ended.
 * @exit_code: the status for the caller: the command's own, 128 + signal, 137 after R10
 * @signal: the signal that ended the command, or 0
 * @reason: "exit", "signal", "boot-timeout", "stop" or "oom"; static text
 * @app, @dyno: the names used
 * @port: $PORT
 * @up_ms: from launch to end
 */
struct dyno_outcome {
	int exit_code;
	int signal;
	const char *reason;
	char app[64];
	char dyno[64];
	uint16_t port;
	uint64_t up_ms;
};

/**
 * dyno_run() - launch one dyno in the foreground and wait for its end.  Signals of the caller are
 * taken over by a signalfd for that time: INT, QUIT, HUP, USR1, USR2, WINCH are passed on, TERM
 * stops the dyno.
 * Return: 0 when the command ran (its status is in @ret), -errno when it could not be started.
 */
int dyno_run(struct dyno_host *host, const struct dyno_run_opts *opts, struct dyno_outcome *ret,
	     struct dyno_err *err);

#ifdef __cplusplus
}
#endif

#endif
