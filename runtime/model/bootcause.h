/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bootcause.h - why a web process does not listen on $PORT: from what the kernel says of a dyno's
 * threads and sockets to one sentence.  It gathers nothing, and decides nothing else; what is bound
 * instead of $PORT is listen.h's sentence, which stands before this one.
 */
#ifndef DYNO_BOOTCAUSE_H
#define DYNO_BOOTCAUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/netrows.h"

/** enum boot_call - the system call a thread is in, by what it waits for. */
enum boot_call {
	BOOT_CALL_UNKNOWN, /* none, or one that tells nothing */
	BOOT_CALL_READ,	   /* of @fd */
	BOOT_CALL_CONNECT, /* of @fd */
	BOOT_CALL_LOCK,	   /* of @fd */
	BOOT_CALL_OPEN,
	BOOT_CALL_POLL, /* for any of several descriptors */
	BOOT_CALL_SLEEP,
	BOOT_CALL_CHILD, /* for a child's end */
};

/**
 * struct boot_task - one thread.
 * @pid: of its process, as the dyno numbers it
 * @name: of the thread, escaped
 * @state: letter of proc(5)
 * @call, @fd: see above; negative: none
 * @object: what @fd is: "socket:[1]", "pipe:[2]", a path, escaped; "": not known
 * @cpu_ms: CPU time that it has used
 * @wait_status: of one that has ended (state Z), as wait(2)
 */
struct boot_task {
	uint32_t pid;
	char name[64];
	char state;
	enum boot_call call;
	int fd;
	char object[128];
	uint64_t cpu_ms;
	int wait_status;
};

/** enum boot_link - what a socket is, as far as it tells of a boot. */
enum boot_link {
	BOOT_LINK_CONNECTING, /* TCP that has asked, and has no answer yet */
	BOOT_LINK_CONNECTED,  /* TCP to @text */
	BOOT_LINK_RESOLVING,  /* UDP to port 53 of @text */
	BOOT_LINK_UDP,	      /* UDP bound to $PORT */
	BOOT_LINK_UNIX,	      /* listens on the path @text */
};

/**
 * struct boot_socket - a socket of the dyno.
 * @pid: a process that has it, as the dyno numbers it; @name: of that process, escaped
 * @inode: its number
 * @text: the peer's address, or the path, escaped
 */
struct boot_socket {
	enum boot_link link;
	uint32_t pid;
	char name[64];
	uint32_t inode;
	char text[NETROWS_PATH_BYTES];
};

/**
 * struct boot_facts - all of a dyno at one moment.
 * @tasks, @n_tasks: in the order of a walk from pid 1 to its children
 * @sockets, @n_sockets: in any order
 * @age_ms: since the command runs
 * @listens: it has a listening TCP socket, if not where it should
 * @before: what it was listening on at an earlier moment, as listen_explain(); "": nothing
 * @holder: who else has $PORT in the network that it shares, such as "process 71 (nginx)"; "": nobody
 */
struct boot_facts {
	const struct boot_task *tasks;
	size_t n_tasks;
	const struct boot_socket *sockets;
	size_t n_sockets;
	uint64_t age_ms;
	bool listens;
	const char *before;
	const char *holder;
};

/** enum boot_cause - the kinds of sentence, the surest first. */
enum boot_cause {
	BOOT_CAUSE_HELD,
	BOOT_CAUSE_STOPPED,
	BOOT_CAUSE_CONNECTING,
	BOOT_CAUSE_LEFT,
	BOOT_CAUSE_UDP,
	BOOT_CAUSE_RESOLVING,
	BOOT_CAUSE_LOCK,
	BOOT_CAUSE_BUSY,
	BOOT_CAUSE_DEVICE,
	BOOT_CAUSE_UNIX,
	BOOT_CAUSE_ENDED,
	BOOT_CAUSE_ANSWER,
	BOOT_CAUSE_STDIN,
	BOOT_CAUSE_READ,
	BOOT_CAUSE_OPEN,
	BOOT_CAUSE_SLEEP,
	BOOT_CAUSE_IDLE,
	BOOT_CAUSE_NONE,
};

/* Room for a sentence. */
#define BOOT_CAUSE_BYTES 384

/**
 * bootcause_tell() - the sentence of the surest cause.
 *
 * Beside a listening socket only those of the first three kinds are told: a wrong bind is cause
 * enough, and whoever has bound may well wait for clients.
 * @ret: cut to BOOT_CAUSE_BYTES; "" for BOOT_CAUSE_NONE
 * Return: which one.
 */
enum boot_cause bootcause_tell(const struct boot_facts *facts, char ret[BOOT_CAUSE_BYTES]);

/**
 * bootcause_read_stat() - the text of /proc/PID/task/TID/stat: state, CPU time, exit status.
 * @ticks: of CPU time in a second
 * Return: 0; -EINVAL: it is no such text, and @ret is untouched.
 */
int bootcause_read_stat(const char *text, unsigned int ticks, struct boot_task *ret);

/** bootcause_read_call() - the text of /proc/PID/task/TID/syscall: call and descriptor. */
void bootcause_read_call(const char *text, struct boot_task *ret);

/** bootcause_socket() - what a row tells. @udp: it is of UDP, @port: $PORT, @ret: text and link
 * Return: whether it tells anything. */
bool bootcause_socket(const struct netrow *row, bool udp, uint16_t port, struct boot_socket *ret);

#endif
