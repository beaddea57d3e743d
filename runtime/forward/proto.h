/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto.h - what monitors and the forwarder of a published port say to each other, over a
 * SOCK_SEQPACKET socket in the run directory, one struct a packet.
 *
 * The monitor introduces its dyno, tells which of its starts may get connections and under which
 * address each listens, and hands over sockets that were born in the dyno's own network, since the
 * forwarder has no right to make them.  The forwarder asks for more of these, and tells when a start
 * that gets no new connections has none left.  Either end's hanging up ends all between them.
 *
 * Numbers are never used again, and members are only added at the end.
 */
#ifndef DYNO_FORWARD_PROTO_H
#define DYNO_FORWARD_PROTO_H

#include <stdint.h>
#include <sys/socket.h>

/* Names are of 63 bytes at most, see model/name.h. */
#define FORWARD_NAME_BYTES 64

/* Sockets in one packet. Source: own choice, as many as a burst of clients; SCM_MAX_FD is 253 */
#define FORWARD_FDS_MAX 32

/*
 * MSG(number, id) - to the forwarder: HELLO, UP, DOWN, SOCKETS, COMING, BYE; from it the rest.
 *
 * HELLO: @app, @dyno; @value: how long connections are held, in ms; @flags: FORWARD_KEEP
 * WELCOME: the answer; or REFUSED: another app has the port, @app
 * UP: start @gen listens on @at; @flags: FORWARD_INSIDE.  More than one may be up at a time
 * DOWN: @gen gets no new connection; answered by ACK, and by IDLE when it has none left
 * SOCKETS: made in the network of @gen, attached; their family is @value
 * WANT: @value more sockets for @gen
 * COMING: @value: 1: a start is on its way, so that it is worth to wait; 0: none
 * BYE: the dyno ends; the forwarder hangs up when it has let go
 */
#define FORWARD_MSGS(MSG)       \
	MSG(1, FORWARD_HELLO)   \
	MSG(2, FORWARD_WELCOME) \
	MSG(3, FORWARD_REFUSED) \
	MSG(4, FORWARD_UP)      \
	MSG(5, FORWARD_DOWN)    \
	MSG(6, FORWARD_ACK)     \
	MSG(7, FORWARD_IDLE)    \
	MSG(8, FORWARD_SOCKETS) \
	MSG(9, FORWARD_WANT)    \
	MSG(10, FORWARD_COMING) \
	MSG(11, FORWARD_BYE)

#define FORWARD_ENUM(number, id) id = (number),
enum forward_msg_type { FORWARD_MSGS(FORWARD_ENUM) };
#undef FORWARD_ENUM

/* Of HELLO: nobody's dyno, who only keeps the forwarder there until dynos have come. */
#define FORWARD_KEEP (1U << 0)
/* Of UP: sockets towards it come from the monitor; else the forwarder makes them itself. */
#define FORWARD_INSIDE (1U << 1)

/** struct forward_msg - one packet, either way; what a type does not name is zero. */
struct forward_msg {
	uint32_t type;
	uint32_t gen;
	uint64_t value;
	uint32_t flags;
	uint32_t at_len;
	struct sockaddr_storage at;
	char app[FORWARD_NAME_BYTES];
	char dyno[FORWARD_NAME_BYTES];
};

/* Descriptors that dyno-forward is started with. */
enum forward_fd {
	FORWARD_FD_PORT = 3, /* listens on the port of the host */
	FORWARD_FD_CONTROL,  /* listens for monitors */
	FORWARD_FD_RUN,	     /* the run directory, where the socket's name is */
	_FORWARD_FD_MAX,
};

#endif
