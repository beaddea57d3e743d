/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns.h - user namespaces as objects: made by a child that ends at once, mapped from outside,
 * kept by a descriptor that serves the id maps of mounts and the setns of the dyno's process.
 */
#ifndef DYNO_USERNS_H
#define DYNO_USERNS_H

#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

/**
 * struct id_map - one line of a uid_map or gid_map.
 * @inside: first id in the namespace (for a mount: first id on disk)
 * @outside: first id of the caller's namespace
 * @count: how many
 */
struct id_map {
	uint32_t inside;
	uint32_t outside;
	uint32_t count;
};

/**
 * userns_make() - a user namespace with the same map for users and groups.
 * @map: one line; needs CAP_SETUID and CAP_SETGID
 *
 * Return: a descriptor (close-on-exec), or -errno.
 * Errors: ERR_USERNS_* with the reason and the remedy, see probe_explain_userns().
 * Context: parent; SIGCHLD plays no part
 */
int userns_make(const struct id_map *map, struct dyno_err *err);

/**
 * userns_map_self() - map one id of a user namespace that the caller has just entered, as an
 * unprivileged process may: setgroups is given up, the id is the caller's own outside.
 * @proc_fd: /proc of the pid namespace the caller's /proc/self must resolve in, O_PATH
 * @inside: the id to be seen inside, for user and group
 * @outside_uid, @outside_gid: the caller's effective ids before it entered
 *
 * Return: 0, or -errno with ERR_USERNS.
 * Context: [child]
 */
int userns_map_self(int proc_fd, uint32_t inside, uint32_t outside_uid, uint32_t outside_gid,
		    struct dyno_err *err);

#endif
