/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.h - the control socket of a monitor: <place>/ctl.sock, SOCK_SEQPACKET, one request a packet,
 * answered by one packet, and for watchers followed by one packet an event.  Requests are fixed
 * structs with a bounded payload: a slow or hostile client can neither make the monitor wait nor
 * make it allocate.
 *
 * Numbers are never used again and members only added at the end, so that a command and a monitor
 * of different versions agree: what a monitor does not know it refuses by name.
 */
#ifndef DYNO_CTL_H
#define DYNO_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/loop.h"
#include "base/str.h"

#define CTL_SOCKET_NAME "ctl.sock"
/* Clients at once; watchers stay connected. Source: own choice, half of the loop's sources */
#define CTL_CLIENTS_MAX 32U
/* Longest packet either way. Source: own choice; below the default send buffer of 208 KiB */
#define CTL_PACKET_BYTES (128U * 1024U)
/* Descriptors with one packet: standard streams one way; layers the other way */
#define CTL_FDS_MAX 8U

/* VERB(number, id, name) */
#define CTL_VERBS(VERB)                          \
	VERB(1, CTL_STATE, "state")              \
	VERB(2, CTL_INSPECT, "inspect")          \
	VERB(3, CTL_STOP, "stop")                \
	VERB(4, CTL_RESTART, "restart")          \
	VERB(5, CTL_SIGNAL, "signal")            \
	VERB(6, CTL_WATCH, "watch")              \
	VERB(7, CTL_LAYERS, "layers")            \
	VERB(8, CTL_EXEC, "exec")                \
	VERB(9, CTL_STATS, "stats")              \
	VERB(10, CTL_EXEC_SIGNAL, "exec-signal") \
	VERB(11, CTL_EXEC_TTY, "exec-tty")       \
	VERB(12, CTL_ROOT, "root")               \
	VERB(13, CTL_RELEASE, "release")         \
	VERB(14, CTL_SWAP, "swap")               \
	VERB(15, CTL_ATTACH, "attach")           \
	VERB(16, CTL_ATTACH_SIZE, "attach-size") \
	VERB(17, CTL_DETACH, "detach")           \
	VERB(18, CTL_EXPLAIN, "explain")

#define CTL_ENUM(number, id, name) id = (number),
enum ctl_verb { CTL_VERBS(CTL_ENUM) };
#undef CTL_ENUM

/* Scope of CTL_EXEC and CTL_EXEC_TTY, bits: the words are an argv, else one line for the shell. */
#define CTL_EXEC_ARGV (1U << 0)

/* Scope of CTL_ATTACH, bits: nothing is typed. */
#define CTL_ATTACH_READ_ONLY (1U << 0)

/**
 * struct ctl_request - a packet to the monitor.
 * @verb: enum ctl_verb
 * @value: CTL_STOP: 1 at once; CTL_SIGNAL, CTL_EXEC_SIGNAL: the signal; CTL_EXEC: so many of the
 *         words, from the first on, are variables
 * @scope: CTL_SIGNAL: enum init_scope; CTL_EXEC: CTL_EXEC_* bits
 * @len: bytes of payload behind.  CTL_EXEC: words, each ended by NUL: "K=V", then the command's.
 *       Its descriptors become the standard streams.  CTL_EXEC_TTY: the same, but for a word before
 *       them, "ROWS COLUMNS", and for the streams, which are a terminal of the command's own; a
 *       descriptor is its standard error all the same.  CTL_EXEC_SIGNAL has none: the signal goes to
 *       the group of what the same connection has started.  CTL_ATTACH: its one descriptor is a
 *       stream socket that gets frames (see viewers.h) and gives input; its value is that of
 *       CTL_ATTACH_SIZE, or 0; the answer is what input goes to: "tty", "pipe" or "none".  CTL_ATTACH_SIZE, its value: rows << 16 | columns, and
 *       CTL_DETACH, which says that the socket's end is meant, have none
 */
struct ctl_request {
	uint32_t verb;
	int32_t value;
	uint32_t scope;
	uint32_t len;
};

/* What an answer packet is. */
enum ctl_answer_type {
	CTL_DONE = 1,	/* value: 0; payload: text */
	CTL_FAILED = 2, /* value: -errno; payload: struct dyno_err */
	CTL_EVENT = 3,	/* payload: one line of JSON */
	CTL_LOST = 4,	/* value: events that this watcher was too slow for */
	CTL_ENDED = 5,	/* of CTL_EXEC: value: exit status of the process; payload: struct
			 * dyno_err where its command was not executed, else none */
	CTL_TTY = 6,	/* of CTL_EXEC_TTY: its command is executed; with the terminal's master */
};

/** struct ctl_answer_head - a packet from the monitor; the payload follows. */
struct ctl_answer_head {
	uint32_t type;
	int32_t value;
	uint32_t len;
	uint32_t reserved;
};

/**
 * struct ctl_call - one request on the monitor's side.
 * @client: names the connection for ctl_answer_later()
 * @payload: @request.len bytes, NUL-terminated; borrowed
 * @fds: passed along; the handler takes one by setting it to -EBADF, the rest are closed
 */
struct ctl_call {
	struct ctl_request request;
	uint64_t client;
	const char *payload;
	int fds[CTL_FDS_MAX];
	size_t n_fds;
};

/**
 * struct ctl_answer - what the handler fills in; empty at first.
 * @text: payload of CTL_DONE
 * @fds: sent along, borrowed
 */
struct ctl_answer {
	struct sbuf text;
	int fds[CTL_FDS_MAX];
	size_t n_fds;
};

/** ctl_fn - obey one request; -errno with @err becomes CTL_FAILED.  CTL_WATCH is handled here:
 * the handler is asked only what the first event of a new watcher is (as for CTL_STATE). */
typedef int (*ctl_fn)(void *data, struct ctl_call *call, struct ctl_answer *answer,
		      struct dyno_err *err);

struct ctl_client {
	int fd; /* -EBADF: free */
	uint64_t id;
	bool watches;
	uint32_t lost;
};

/**
 * struct ctl - the monitor's end; set up by ctl_open().
 * @packet: CTL_PACKET_BYTES, for the request at hand
 * @timer: of @loop: when connections are accepted again
 */
struct ctl {
	int fd;
	int dir_fd;
	char *packet;
	struct loop *loop;
	int timer;
	ctl_fn fn;
	void *data;
	uint64_t next_id;
	struct ctl_client clients[CTL_CLIENTS_MAX];
};

/** CTL_INIT - not open; ctl_close() may be called on it. */
#define CTL_INIT                                               \
	(struct ctl)                                           \
	{                                                      \
		.fd = -9 /* -EBADF */, .dir_fd = -9 /* same */ \
	}

/**
 * ctl_open() - bind the socket in a place and listen, without a loop yet: a client that comes
 * before ctl_serve() waits.
 * @dir_fd: the place, borrowed; its length does not matter (the socket is bound through /proc)
 * Return: 0, or -errno with ERR_RUN_DIR.
 */
int ctl_open(struct ctl *ctl, int dir_fd, struct dyno_err *err);

/**
 * ctl_serve() - answer from now on.  Clients must be the effective user or root (SO_PEERCRED).
 * @loop: borrowed until ctl_close(); has one timer more by it
 * Return: 0, or -ENOSPC: no timer or source left.
 */
int ctl_serve(struct ctl *ctl, struct loop *loop, ctl_fn fn, void *data);

/** ctl_event() - to every watcher, without waiting for any. @json: a line, without newline */
void ctl_event(struct ctl *ctl, const char *json, size_t len);

/** ctl_answer_later() - CTL_ENDED to a client that is still there. @err: NULL: the command ran
 * Return: 0; -ENOENT. */
int ctl_answer_later(struct ctl *ctl, uint64_t client, int32_t value, const struct dyno_err *err);

/** ctl_hand_over() - CTL_TTY to a client that is still there. @fd: borrowed. Return: 0; -ENOENT. */
int ctl_hand_over(struct ctl *ctl, uint64_t client, int fd);

/** ctl_hang_up() - on every client; new ones are taken. */
void ctl_hang_up(struct ctl *ctl);

/** ctl_hide() - remove the socket, and so take no new client; the place may then go. */
void ctl_hide(struct ctl *ctl);

/** ctl_close() - hang up on everybody and remove the socket. */
void ctl_close(struct ctl *ctl);

/* ---- the other end ------------------------------------------------------------------------- */

/**
 * ctl_connect() - to the monitor of a place.
 * @place: "APP/DYNO" below @run_fd
 * Return: a descriptor; -ENOENT, -ECONNREFUSED: nobody is there; -errno.
 */
int ctl_connect(int run_fd, const char *place);

/**
 * ctl_ask() - one request and its answer, within @timeout_ms.
 * @fds, @n_fds: sent along, borrowed; may be NULL
 * @ret_text: payload of CTL_DONE, appended; may be NULL
 * @ret_fds: CTL_FDS_MAX, the caller's to close; NULL: none are taken
 * Return: number of descriptors received, or -errno: what the monitor said, with its @err, or
 * ERR_MONITOR.
 */
int ctl_ask(int fd, const struct ctl_request *request, const void *payload, const int *fds,
	    size_t n_fds, uint64_t timeout_ms, struct sbuf *ret_text, int *ret_fds,
	    struct dyno_err *err);

/**
 * ctl_read() - the next packet of a watcher or of CTL_EXEC, without blocking.
 * @ret: the head; @buf: payload, NUL-terminated
 * Return: 1; 0: none now; -EPIPE: the monitor has hung up; -errno.
 */
int ctl_read(int fd, struct ctl_answer_head *ret, char *buf, size_t size);

/** ctl_read_fd() - the same, with a descriptor. @ret_fd: the caller's to close; -EBADF: none came */
int ctl_read_fd(int fd, struct ctl_answer_head *ret, char *buf, size_t size, int *ret_fd);

#endif
