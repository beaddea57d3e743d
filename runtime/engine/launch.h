/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.h - from a spec to a running pid 1.
 *
 * Theory of operation.  The parent makes what outlives the child's set-up: the user namespace, the
 * control group, the status channel, the sealed image of dyno-init.  One clone3 makes every other
 * namespace.  The child, in the parent's memory and with the parent suspended (CLONE_VM |
 * CLONE_VFORK: no page table is copied), builds the root inside its own mount namespace, pivots
 * into it, gives up everything and executes dyno-init.  From then on there is one way to learn
 * anything: the status channel, whose other end is also what keeps the dyno alive.
 *
 * Where the dyno gets a private network the child has memory of its own: the parent makes the links
 * while the child mounts, and the child waits for its word before it gives up the last of what it
 * has.  Rootless pasta makes the link, and the parent waits for that.
 *
 * The order of the two tables in launch.c and child.c is the security argument; it is fixed here:
 * no tenant code runs before the last step, nothing of the tenant is opened by the parent, and the
 * namespaces the mounts and the network belong to are never owned by anyone inside.
 */
#ifndef DYNO_LAUNCH_H
#define DYNO_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <dyno.h>

#include "engine/network.h"
#include "engine/step.h"
#include "init/proto.h"
#include "kernel/cgroup.h"
#include "model/spec.h"

/* A launch takes single milliseconds; the platform's own word for a slow one is R99.
 * Source: contract table (b), R99 */
#define LAUNCH_TIMEOUT_MS 10000U

/* Source: contract table (b), R99: the child's own exit status when the deadline struck. */
#define LAUNCH_EXIT_DEADLINE 99

/**
 * struct launch_tty - a pseudo terminal of the dyno's own.
 * @wanted: its slave takes the place of the streams 0 to 2
 * @keep_stderr: but for 2, which is what @stdio says
 * @rows, @columns: its size; 0: not known
 */
struct launch_tty {
	bool wanted;
	bool keep_stderr;
	unsigned short rows;
	unsigned short columns;
};

/* What dyno-init is called as, with the NUL: see init/proto.h. */
#define LAUNCH_NAME_BYTES 24U

/* Overlays of one dyno: its root, and a directory slug on /app. */
#define LAUNCH_UPPERS 2

/**
 * struct launch - one launch; zero-initialise, set the first part, then launch_start().
 *
 * Set by the caller, borrowed until launch_done():
 * @spec: the plan
 * @place_fd: holds the lock of the dyno's place; a child that is slow to die must not keep that
 * @run_path: directory of this dyno, where its root is put together (in its own namespace)
 * @rootless: the effective user is not 0
 * @base: host id of id 0 inside; unused when rootless
 * @cgroups: NULL: no control group
 * @leaf_name: name of the leaf
 * @require_limits: a limit that the kernel refuses ends the launch
 * @stdio: descriptors that become the dyno's 0 to 2, borrowed; negative: those of this process
 * @tty: a terminal in their place
 * @sockets, @n_sockets: listening sockets of this process that the command gets from 3 on
 * @want_listen_fd: hand out a socket that asks about the dyno's network namespace
 * @want_upper_fds: hand out the upper directories, which stay readable after the dyno's end
 * @want_root_fds: hand out the root, and /app where another overlay is mounted there
 * @slow_layers: a layer is on a file system that may block for long (FUSE, network): do not suspend
 *               the parent while the child mounts
 * @network: the private network that the dyno gets, prepared; NULL: none
 * @timing: filled with the end of each step; may be NULL
 * @fault: see step.h
 *
 * Results:
 * @pid, @pidfd: dyno-init
 * @channel_fd: the monitor's end of the status channel
 * @listen_fd: see @want_listen_fd; -EBADF until the message arrived
 * @tty_fd: master of the terminal; -EBADF until the message arrived
 * @upper_fds: see @want_upper_fds: of the root's overlay, and of the one on /app where there is one
 * @root_fds: see @want_root_fds
 * @upper_inodes: see struct init_msg
 * @leaf: the control group
 * @unmapped: path of a mount of the host whose file system takes no id map: owners there are not
 *            those inside; NULL: none
 *
 * Internal: the rest; of a join (see join.h):
 * @joins: this is none of a new dyno, but of a process that joins one
 * @owner_fd: rootless, the user namespace that owns the other namespaces
 * @joined: where the kernel puts the number of the process
 */
struct launch {
	const struct dyno_spec *spec;
	int place_fd;
	const char *run_path;
	bool rootless;
	uint32_t base;
	struct cgroup_host *cgroups;
	const char *leaf_name;
	bool require_limits;
	int stdio[3];
	struct launch_tty tty;
	const int *sockets;
	size_t n_sockets;
	bool want_listen_fd;
	bool want_upper_fds;
	bool want_root_fds;
	bool slow_layers;
	struct network *network;
	struct dyno_timing *timing;
	struct step_fault fault;

	pid_t pid;
	int pidfd;
	int channel_fd;
	int listen_fd;
	int tty_fd;
	int upper_fds[LAUNCH_UPPERS];
	int root_fds[LAUNCH_UPPERS];
	uint32_t upper_inodes;
	struct cgroup_leaf leaf;
	const char *unmapped;

	uid_t euid;
	gid_t egid;
	int userns_fd;
	int owner_userns_fd[SPEC_MAX_LAYERS + 1];
	int host_fd[SPEC_MAX_HOST];
	int child_channel_fd;
	int image_fd;
	const char **init_argv;
	char init_name[LAUNCH_NAME_BYTES];

	bool joins;
	int owner_fd;
	pid_t *joined;

	int in_cgroup;
	int layer_fd[SPEC_MAX_LAYERS];
	int app_layer_fd;
	int scratch_fd;
	int upper_fd;
	int root_fd;
	int app_fd;
	int proc_fd;
	int dev_fd;
	int host_proc_fd;
};

/** struct launch_report - the packet of a failed child. */
struct launch_report {
	struct init_msg head;
	struct dyno_err err;
};

/** launch_init() - an empty launch. */
void launch_init(struct launch *launch);

/**
 * launch_start() - run the parent's table, whose last row starts the child.
 *
 * A failure of the child arrives as a message: see launch_receive().
 * Return: 0, or -errno with class and stage; on failure everything is undone.
 * Context: parent, single-threaded
 */
int launch_start(struct launch *launch, struct dyno_err *err);

/**
 * launch_receive() - one message from the channel, without blocking.
 * @ret: the message
 * @err: set when the message is a failed launch
 *
 * Descriptors that come along are kept in @launch->listen_fd, @tty_fd, @upper_fds and @root_fds.
 * Return: 1: a message; 0: none yet; -EPIPE: the other side is gone; -errno.
 */
int launch_receive(struct launch *launch, struct init_msg *ret, struct dyno_err *err);

/** launch_signal() - ask dyno-init to send a signal. Return: 0 or -errno (-EPIPE: gone). */
int launch_signal(struct launch *launch, int sig, enum init_scope scope);

/**
 * launch_kill() - SIGKILL to all of the dyno: its control group where it can be killed as one, and
 * its pid 1.
 * Return: 0, or -errno of the latter (-ESRCH: already gone).
 */
int launch_kill(struct launch *launch);

/** launch_done() - give up descriptors and remove the control group of a dyno that has ended. */
void launch_done(struct launch *launch);

/** launch_in_child() - the child's side; never returns. Context: [child] */
void launch_in_child(void *launch);

#endif
