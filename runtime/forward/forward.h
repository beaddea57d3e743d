/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.h - one forwarder: a port of the host, the monitors of the dynos behind it, and the
 * connections between clients and dynos.  main.c has the loop and the end, control.c the monitors,
 * behind.c the starts of dynos and who gets the next client, client.c a connection from its accept
 * to its end, pump.c what runs through it.
 *
 * Theory of operation.  One thread, one epoll.  A client that is accepted is at first held: nothing
 * of it is read, so that whatever becomes of a try to reach a dyno, another can be made.  It is
 * given to the start with the fewest connections; when that listens no more it is held again, and
 * its time is over when none has taken it.  Once connected, what comes in small pieces is copied, and
 * what fills the room for that goes on through a pipe by splice(2), which copies nothing; a pipe is
 * held only while it is full or the receiver too slow.  Objects are freed at the end of a round, since
 * events of that round may still name them.
 */
#ifndef DYNO_FORWARD_FORWARD_H
#define DYNO_FORWARD_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/util.h"
#include "forward/proto.h"

/* Connections at once, where the limit of files allows it. Source: own choice; 60 MB of sockets */
#define FORWARD_CONNS_MAX 16384U
/* Descriptors of one connection at most: two sockets and two pipes. */
#define FORWARD_CONN_FDS 6U
/* Descriptors for everything else: monitors, sockets of theirs, pipes that rest. */
#define FORWARD_SPARE_FDS 512U
/* Sockets of one start that wait for clients, and when more are asked for. Source: own choice */
#define START_SOCKETS	  (2 * FORWARD_FDS_MAX)
#define START_SOCKETS_LOW FORWARD_FDS_MAX
/* For a dyno to take a connection, and how long one that refused gets no other. Source: contract 9.4 */
#define FORWARD_CONNECT_MS UINT64_C(5000)
#define FORWARD_BAD_MS	   UINT64_C(5000)
/* The same where there is no other dyno. Source: own choice, not to be felt */
#define FORWARD_RETRY_MS UINT64_C(50)
/* How long a client may go on when the dyno has said all. Source: tcp(7), tcp_fin_timeout */
#define FORWARD_HALF_MS UINT64_C(60000)
/* How long it waits for the first monitor, and for clients when the last has gone. Own choice */
#define FORWARD_FIRST_MS UINT64_C(10000)
#define FORWARD_DRAIN_MS UINT64_C(10000)
/* How long it accepts nothing when the host has no descriptor left. Source: own choice */
#define FORWARD_PAUSE_MS UINT64_C(100)

struct forward;

/** struct source - what an event is for; the first member of what is registered. */
struct source {
	void (*fn)(struct forward *f, struct source *source, uint32_t events);
};

/**
 * struct peer - a monitor, or who only keeps the forwarder.
 * @fd: -EBADF: gone, freed at the end of the round
 * @met: it has introduced itself
 * @coming: it has promised a start
 */
struct peer {
	struct source source;
	int fd;
	bool met;
	bool keeps;
	bool coming;
	uint64_t hold_ms;
	TAILQ_ENTRY(peer) link;
};

/**
 * struct start - one start of a dyno.
 * @peer: its monitor; NULL: gone
 * @open: gets connections
 * @told_down: the monitor waits to hear that it has none left
 * @n_conns: those it has not said its last word on
 * @sockets: made inside, for connections to come
 * @asked: for more of them
 * @bad_until_ms: it has refused a connection
 */
struct start {
	struct peer *peer;
	uint32_t gen;
	struct sockaddr_storage at;
	socklen_t at_len;
	bool inside;
	bool open;
	bool told_down;
	size_t n_conns;
	int sockets[START_SOCKETS];
	size_t n_sockets;
	bool asked;
	uint64_t bad_until_ms;
	TAILQ_ENTRY(start) link;
};

/* Two ends of a pipe; [0] is -EBADF where there is none. */
struct pipe_fds {
	int fd[2];
};

/**
 * struct end - one end of a connection, and what was read there and not written at the other.
 * @readable, @writable: as far as is known
 * @hung_up: the other side has said all, or is gone: no further event tells of what is left to read
 * @bulk: the last piece was large
 * @ended: all was read; @shut: nothing more may be written
 * @held: bytes in @pipe
 */
struct end {
	struct source source;
	struct conn *conn;
	int fd;
	bool readable;
	bool writable;
	bool hung_up;
	bool bulk;
	bool ended;
	bool shut;
	struct pipe_fds pipe;
	size_t held;
};

/* Where a connection is: in the list of that name. */
enum conn_state { CONN_HELD, CONN_CONNECTING, CONN_OPEN, CONN_HALF, CONN_DEAD, _CONN_STATE_MAX };

/* The two ends of a connection. */
enum { CLIENT, DYNO, ENDS };

/**
 * struct conn - one client.
 * @hold_until_ms: when it is given up, as long as no dyno has taken it
 * @until_ms: of CONN_CONNECTING and CONN_HALF
 * @start: whose connection it is; NULL: none's yet, or it has said its last word
 * @queued: there is more to pump
 */
struct conn {
	struct end ends[ENDS];
	enum conn_state state;
	uint64_t hold_until_ms;
	uint64_t until_ms;
	struct start *start;
	bool queued;
	TAILQ_ENTRY(conn) link;
	TAILQ_ENTRY(conn) more;
};

TAILQ_HEAD(peer_list, peer);
TAILQ_HEAD(start_list, start);
TAILQ_HEAD(conn_list, conn);

/* Bytes that are copied at once; of a longer piece the rest goes through a pipe. Source: linux/pipe.c,
 * PIPE_MIN_DEF_BUFFERS: two pages, for which the poorest user's pipe has room */
#define FORWARD_ROOM_BYTES 8192U
/* Pipes that rest, for the next slow receiver. Source: own choice */
#define FORWARD_PIPES 32U

/**
 * struct forward - all of it.
 * @socket_name: of @control_fd in the run directory
 * @met: a monitor has come, so that the last one's leaving is the end
 * @listening: clients are accepted now
 * @paused_until_ms: when they are again, for want of descriptors; 0: not for that
 * @ending: the port is closed; what is left is brought to its end until @end_at_ms
 * @conns: by state
 * @more: those to pump again
 * @room: of a piece that is copied, between two calls
 */
struct forward {
	const char *app;
	const char *socket_name;
	int epoll_fd;
	int port_fd;
	int control_fd;
	int run_fd;
	struct source port_source;
	struct source control_source;
	struct peer_list peers;
	struct peer_list gone_peers;
	struct start_list starts;
	struct conn_list conns[_CONN_STATE_MAX];
	struct conn_list more;
	size_t n_conns;
	size_t max_conns;
	struct pipe_fds pipes[FORWARD_PIPES];
	size_t n_pipes;
	bool met;
	bool listening;
	uint64_t paused_until_ms;
	bool ending;
	uint64_t end_at_ms;
	char room[FORWARD_ROOM_BYTES];
};

/* ---- main.c ---- */

/** watch() - register a descriptor, for as long as it is open. Return: 0 or -errno. */
int watch(struct forward *f, int fd, uint32_t events, struct source *source);

/** set_listening() - take clients, or leave them in the kernel's queue. */
void set_listening(struct forward *f, bool on);

/** end_port() - the last monitor has gone: the port is free from now on. */
void end_port(struct forward *f);

/* ---- control.c ---- */

/** on_control() - monitors connect. */
void on_control(struct forward *f, struct source *source, uint32_t events);

/** tell_peer() - one packet; a monitor that does not listen is left in a later round. */
void tell_peer(const struct peer *peer, const struct forward_msg *msg);

/** free_peers() - those that have gone. */
void free_peers(struct forward *f);

/* ---- behind.c ---- */

/** start_up() / start_down() - what a monitor has told. */
int start_up(struct forward *f, struct peer *peer, const struct forward_msg *msg);
void start_down(struct forward *f, struct peer *peer, uint32_t gen);

/** start_sockets() - more of them; takes all of @fds. */
void start_sockets(struct forward *f, struct peer *peer, uint32_t gen, int *fds, size_t n);

/** starts_leave() - the monitor is gone, and its starts with it. */
void starts_leave(struct forward *f, const struct peer *peer);

/** start_choose() - who gets the next client. Return: NULL: nobody now. */
struct start *start_choose(struct forward *f, uint64_t now_ms);

/** start_socket() - a socket towards it. Return: a descriptor, or -errno. */
int start_socket(struct start *start);

/** start_refused() - it did not take a connection. */
void start_refused(struct forward *f, struct start *start, uint64_t now_ms);

/** start_release() - a connection of it has come to its end. */
void start_release(struct forward *f, struct start *start);

/** start_retry_at() - when one that refused may be tried again; UINT64_MAX: none waits. */
uint64_t start_retry_at(const struct forward *f, uint64_t now_ms);

/** starts_worth() - whether a client may hope. */
bool starts_worth(const struct forward *f);

/* ---- client.c ---- */

/** on_port() - clients connect. */
void on_port(struct forward *f, struct source *source, uint32_t events);

/** clients_serve() - those who are held, as far as there are dynos for them; all go when there is
 * nothing to wait for. */
void clients_serve(struct forward *f);

/** clients_due() - deadlines. Return: the next, in ms; UINT64_MAX: none. */
uint64_t clients_due(struct forward *f, uint64_t now_ms);

/** conn_move() - into the list of another state, at its end. */
void conn_move(struct forward *f, struct conn *conn, enum conn_state state);

/** conn_close() - the end. @reset: of whom we have nothing more to say to is told by a RST */
void conn_close(struct forward *f, struct conn *conn, bool reset);

/** free_conns() - those that are dead. */
void free_conns(struct forward *f);

/* ---- pump.c ---- */

/** pump() - move what there is to move, as far as one round's share goes. */
void pump(struct forward *f, struct conn *conn);

/** pipe_rest() - give an empty pipe back. */
void pipe_rest(struct forward *f, struct pipe_fds *p);

/** pipe_close() - one that is not empty. */
void pipe_close(struct pipe_fds *p);

#endif
