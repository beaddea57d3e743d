/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto.h - what the launching child, dyno-init and the monitor say to each other over the status
 * channel: a SOCK_SEQPACKET pair, one fixed message a packet.  The same descriptor is the
 * lifeline: each side sees the other's death as a hang-up.
 *
 * Numbers are never used again, so that a monitor and an init of different versions agree.
 */
#ifndef DYNO_INIT_PROTO_H
#define DYNO_INIT_PROTO_H

#include <stdint.h>

/* The channel's descriptor in dyno-init; the application's own begin at 0 to 2. */
#define INIT_CHANNEL_FD 3

/* The command's number inside: it is the first child of pid 1. */
#define INIT_MAIN_PID 2

/*
 * What dyno-init is called as (argv[0]) tells what it is to do: to be pid 1 and start the command, with
 * its group in the foreground of the terminal that is standard input where there is one, or to become
 * the command at once, in a process that joins.  The command could be a script whose
 * interpreter is /proc/self/exe: then that is this image, which is sealed, and no file of the host.
 *
 * As "NAME+N" it has N sockets that the command is to listen on, behind the channel; the command gets
 * them from the channel's number on.
 */
#define INIT_NAME      "dyno-init"
#define INIT_NAME_TTY  "dyno-init-tty"
#define INIT_NAME_JOIN "dyno-join"
#define INIT_NAME_MORE '+'

enum init_msg_type {
	/* to the monitor */
	INIT_MSG_LAUNCH_FAILED = 1, /* followed by a struct dyno_err; sent before dyno-init runs */
	INIT_MSG_STARTED = 2,	    /* value: pid of the command inside the dyno; of a process that
				     * joins it comes before the execve, the hang-up after it */
	INIT_MSG_EXEC_FAILED = 3,   /* value: errno of the failed execve */
	INIT_MSG_EXITED = 4,	    /* value: wait status of the command */
	INIT_MSG_LISTEN_FD = 5,	    /* with a descriptor; sent before dyno-init runs */
	INIT_MSG_UPPER_FD = 6,	    /* with a descriptor; value: which; before dyno-init runs */
	INIT_MSG_TTY_FD = 7,	    /* with a descriptor, the master; sent before dyno-init runs */
	INIT_MSG_ROOT_FD = 8,	    /* with a descriptor; value: 0: `/`, 1: /app; before dyno-init
				     * runs */
	/* to dyno-init */
	INIT_MSG_SIGNAL = 16, /* value: signal; scope: whom it goes to */
	/* to the child of a launch, before it is dyno-init */
	INIT_MSG_NETWORK = 17, /* its network stands */
};

enum init_scope {
	INIT_SCOPE_ALL = 0,   /* every process of the dyno but dyno-init */
	INIT_SCOPE_GROUP = 1, /* the command's process group */
	INIT_SCOPE_MAIN = 2,  /* the command alone */
};

/**
 * struct init_msg - one packet.
 * @type: enum init_msg_type
 * @value: see the type
 * @scope: enum init_scope, for INIT_MSG_SIGNAL; for INIT_MSG_UPPER_FD the inodes that the file
 *         system in memory has in use, all of the launch's making; 0: not told
 * @reserved: zero
 * @at_ns: CLOCK_MONOTONIC when the event happened
 */
struct init_msg {
	uint32_t type;
	int32_t value;
	uint32_t scope;
	uint32_t reserved;
	uint64_t at_ns;
};

_Static_assert(sizeof(struct init_msg) == 24, "a wire format: no padding, no change");

#endif
