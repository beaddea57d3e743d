/* SPDX-License-Identifier: Apache-2.0 */
/*
 * appspec.h - the app front end: a slug over a stack, a command, an environment and a size become
 * a spec.  What a dyno looks like from inside (contract 1 and 2) is decided here and nowhere else.
 * Pure: the descriptors in it are only handed through.
 */
#ifndef DYNO_APPSPEC_H
#define DYNO_APPSPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/limits.h"
#include "model/mountplan.h"
#include "model/spec.h"

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and the NUL. */
#define UUID_BYTES 37U

/* Hosts' directories a stack binds at most. */
#define APPSPEC_MAX_BINDS 16U

/**
 * struct appspec_input - what the app front end has found out; all borrowed by the spec.
 * @hostname, @boot_id: UUIDs as text (contract 1.15, 2.9)
 * @argv, @envp: the command
 * @uid: of the app, 1000-59999
 * @limits: what it may use
 * @affinity: CPUs that the command is bound to; empty: none in particular
 * @app_is_root: @app is a tree for `/` (root/app/... of the store); else it is what /app shows
 * @app, @stack: the layers
 * @binds, @n_binds: host directories to show at the same path
 * @private_stack: as files of this dyno's own, which nobody else can lock or watch
 * @resolv_conf, @resolv_len: text of the host's file; NULL: there is none
 * @swap: the host has swap, so the kernel's mark for memory alone may be the quota
 * @scratch_path: the directory on disk; NULL: none
 * @scratch_mounted, @scratch_fd: a mount that is to take the writes; with neither it is a tmpfs
 * @scratch_bytes, @scratch_inodes: its limits
 * @network: see spec.h
 * @address: of the dyno, "172.16.1.2"; NULL: the loopback's
 * @host_name, @host_address: under which it finds its host; NULL: it does not
 * @mounts: what the caller asks for, checked by appspec_check_mounts(), sources open; may be NULL
 * @unconfined: no filter of system calls
 * @filter, @n_filter: see spec.h
 */
struct appspec_input {
	const char *hostname;
	const char *boot_id;
	const char *const *argv;
	const char *const *envp;
	uint32_t uid;
	const struct limits *limits;
	struct cpulist affinity;
	bool app_is_root;
	struct spec_layer app;
	struct spec_layer stack;
	const char *const *binds;
	size_t n_binds;
	bool private_stack;
	const char *resolv_conf;
	size_t resolv_len;
	bool swap;
	const char *scratch_path;
	bool scratch_mounted;
	int scratch_fd;
	uint64_t scratch_bytes;
	uint64_t scratch_inodes;
	enum spec_network network;
	const char *address;
	const char *host_name;
	const char *host_address;
	const struct mountplans *mounts;
	bool unconfined;
	const struct sock_filter *filter;
	size_t n_filter;
};

/**
 * appspec_check_mounts() - whether a dyno can have these mounts beside its own.
 *
 * Return: 0, or -EINVAL with ERR_MOUNT_INVALID: one is over, in or around /proc, /sys, /dev or a
 * generated file; -E2BIG: more than SPEC_MAX_HOST of the host.
 */
int appspec_check_mounts(const struct mountplans *mounts, struct dyno_err *err);

/**
 * appspec_compile() - the spec of one dyno.
 * @arena: owns what is made for the spec
 * @ret: filled
 * Return: 0, or -errno: ERR_MEMORY; ERR_STACK -E2BIG where the stack has too many binds.
 */
int appspec_compile(const struct appspec_input *in, struct arena *arena, struct dyno_spec *ret,
		    struct dyno_err *err);

/** uuid_format() - 16 random bytes as the text of a version 4 UUID. */
void uuid_format(const uint8_t random[16], char buf[UUID_BYTES]);

#endif
