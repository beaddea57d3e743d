/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.h - every line that the platform writes into an app's log, in the exact words that log
 * tools look for.  Figures follow the settings: a grace of 10 s is said in R12.  It puts no time
 * and no source before a line and sends it nowhere; when each is due is supervise.h's business.
 * R17 alone lives beside the digests it holds, see checksum_r17().
 */
#ifndef DYNO_LINES_H
#define DYNO_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for any line; a longer command is cut there. Source: CONTRACT 10.3, one record */
#define LINE_BYTES 10000U

/**
 * struct line_args - what lines may be filled with; each reads only what it names.  Zero-initialise
 * it: a text left out is empty.  Texts are borrowed and stand as they are: whoever hands one of
 * unknown origin in escapes it first.
 * @from, @to: words of states
 * @command: as the Procfile has it, after the profile's substitutions only
 * @stop_signal: "SIGTERM"
 * @text: what a warning, an explanation or a certificate's failure says
 * @uri: of a drain
 * @since: RFC 3339 time of the first message lost
 * @stop_main_only: the stop signal goes to less than every process
 * @status: of the main process, 128 + signal where one ended it
 * @port, @bound_port: $PORT, and what was bound in its place
 * @count: messages lost; checks failed in a row
 * @mem_bytes, @quota_bytes: memory in use and the size's quota
 * @boot_timeout_ms, @grace_ms, @launch_timeout_ms, @time_limit_ms: the settings
 */
struct line_args {
	const char *from;
	const char *to;
	const char *command;
	const char *stop_signal;
	const char *text;
	const char *uri;
	const char *since;
	bool stop_main_only;
	int status;
	uint16_t port;
	uint16_t bound_port;
	uint64_t count;
	uint64_t mem_bytes;
	uint64_t quota_bytes;
	uint64_t boot_timeout_ms;
	uint64_t grace_ms;
	uint64_t launch_timeout_ms;
	uint64_t time_limit_ms;
};

/*
 * LINE(id, short name, format, values...)  The values are expressions over `a`, the arguments, and
 * the helpers of lines.c, so that the compiler holds each format to what fills it.
 *
 * Source: CONTRACT 6.1, 6.4, 6.7, 7.3, 7.5, 8.8, 10.11 and table (b); the last group is dyno's own
 * and answers what no line of the platform says (CONTRACT 0.6 and list c, 16 and 17).
 */
#define DYNO_LINES(LINE)                                                                          \
	LINE(LINE_STATE, "state", "State changed from %s to %s", text(a->from), text(a->to))      \
	LINE(LINE_START, "start", "Starting process with command `%s`", text(a->command))         \
	LINE(LINE_EXITED, "exited", "Process exited with status %d", a->status)                   \
	LINE(LINE_RESTARTING, "restarting", "Restarting")                                         \
	LINE(LINE_CYCLING, "cycling", "Cycling")                                                  \
	LINE(LINE_STOP, "stop", "Stopping %s with %s",                                            \
	     a->stop_main_only ? "process" : "all processes", stop_signal(a))                     \
	LINE(LINE_KILL, "kill", "Stopping process with SIGKILL")                                  \
	LINE(LINE_KILL_REST, "kill-rest", "Stopping remaining processes with SIGKILL")            \
	LINE(LINE_AWAITING, "awaiting", "Awaiting client")                                        \
	LINE(LINE_HANGUP, "hangup", "Client connection closed. Sending SIGHUP to all processes")  \
	LINE(LINE_MEMORY, "memory", "Process running mem=%lluM(%llu.%llu%%)", mebibytes(a),       \
	     permille(a) / 10, permille(a) % 10)                                                  \
	LINE(LINE_R10, "R10",                                                                     \
	     "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within %s "         \
	     "seconds of launch",                                                                 \
	     seconds(&s, a->boot_timeout_ms))                                                     \
	LINE(LINE_R11, "R11",                                                                     \
	     "Error R11 (Bad bind) -> Process bound to port %u, should be %u "                    \
	     "(see environment variable PORT)",                                                   \
	     (unsigned int)a->bound_port, (unsigned int)a->port)                                  \
	LINE(LINE_R12, "R12",                                                                     \
	     "Error R12 (Exit timeout) -> At least one process failed to exit within %s "         \
	     "seconds of %s",                                                                     \
	     seconds(&s, a->grace_ms), stop_signal(a))                                            \
	LINE(LINE_R13, "R13", "Error R13 (Attach error) -> Failed to attach to process")          \
	LINE(LINE_R14, "R14", "Error R14 (Memory quota exceeded)")                                \
	LINE(LINE_R15, "R15", "Error R15 (Memory quota vastly exceeded)")                         \
	LINE(LINE_R16, "R16",                                                                     \
	     "Error R16 (Detached) -> An attached process is not responding to SIGHUP after its " \
	     "external connection was closed.")                                                   \
	LINE(LINE_R99, "R99",                                                                     \
	     "Error R99 (Platform error) -> Failed to launch the dyno within %s seconds",         \
	     seconds(&s, a->launch_timeout_ms))                                                   \
	LINE(LINE_L10, "L10",                                                                     \
	     "Error L10 (output buffer overflow): %llu messages dropped since %s.",               \
	     (unsigned long long)a->count, text(a->since))                                        \
	LINE(LINE_L11, "L11",                                                                     \
	     "Error L11 (Tail buffer overflow) -> This tail session dropped %llu messages "       \
	     "since %s.",                                                                         \
	     (unsigned long long)a->count, text(a->since))                                        \
	LINE(LINE_L12, "L12", "Error L12: %llu messages dropped since %s.",                       \
	     (unsigned long long)a->count, text(a->since))                                        \
	LINE(LINE_L13, "L13", "Error L13: %llu messages lost since %s.",                          \
	     (unsigned long long)a->count, text(a->since))                                        \
	LINE(LINE_L14, "L14", "Error L14 (certificate validation): error=\"%s\" uri=\"%s\"",      \
	     text(a->text), text(a->uri))                                                         \
	LINE(LINE_L15, "L15", "Error L15 (Tail buffer temporarily unavailable)")                  \
	LINE(LINE_WARNING, "warning", "Warning: %s", text(a->text))                               \
	LINE(LINE_BOOT_CAUSE, "boot-cause", "Boot timeout: %s", text(a->text))                    \
	LINE(LINE_HEALTH, "health", "Health check failed %llu times in a row",                    \
	     (unsigned long long)a->count)                                                        \
	LINE(LINE_TIME_LIMIT, "time-limit", "Time limit of %s seconds is over",                   \
	     seconds(&s, a->time_limit_ms))                                                       \
	LINE(LINE_STRICT, "strict", "Old and new process cannot run at once: %s", text(a->text))  \
	LINE(LINE_MEMORY_CAUSE, "memory-cause", "Memory: %s", text(a->text))                      \
	LINE(LINE_OOM, "oom", "Out of memory: %s", text(a->text))

#define LINE_ENUM(id, ...) id,
enum line_id { DYNO_LINES(LINE_ENUM) _LINE_MAX };
#undef LINE_ENUM

/**
 * line_format() - the text of a line, cut to @size and always NUL-terminated.
 * @args: borrowed; NULL: nothing to fill in
 * Return: the length the whole line has; 0 and an empty text for an unknown @id.
 */
size_t line_format(enum line_id id, const struct line_args *args, char *buf, size_t size);

/** line_name() - the short name of a line for events and tests: its code, such as "R12", where it
 * has one. Return: static text, "" for an unknown @id. */
const char *line_name(enum line_id id);

#endif
