/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_cage.h - what the unpacker gives up before it looks at a byte of an archive's content, so
 * that whoever takes it over through a flaw in a decoder holds a process that can write beneath
 * the target, to its socket, and nothing else.
 */
#ifndef DYNO_UNPACK_CAGE_H
#define DYNO_UNPACK_CAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

/**
 * struct cage - how to enter it.
 * @target_fd: the only directory that may be used from then on
 * @drop: become @uid and @gid with no group and no capability; else (rootless) the user stays
 * @writes: the target may be written
 */
struct cage {
	int target_fd;
	bool drop;
	uint32_t uid;
	uint32_t gid;
	bool writes;
};

/**
 * cage_enter() - identity, root directory, namespaces, limits of resources, Landlock.
 *
 * Whatever the kernel lacks of namespaces and Landlock is gone without, rootless the root directory
 * too, which takes a user namespace; the user and no_new_privs are not.
 * Should: be called before any thread is made, since all of it is per thread.
 * Return: 0, or -errno. Errors: ERR_HELPER.
 */
int cage_enter(const struct cage *cage, struct dyno_err *err);

/**
 * cage_shut() - the seccomp filter, for all threads: reading, writing and making files beneath
 * held descriptors, memory, waiting; anything else ends the process.
 * Should: be called when every thread is made and waits.
 * Return: 0, or -errno. Errors: ERR_HELPER.
 */
int cage_shut(struct dyno_err *err);

#endif
