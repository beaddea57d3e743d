/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot.h - numbers that only one dyno of a host may have at a time: ports, ranges of user ids.
 *
 * A number is taken by a byte-range lock on a file of the run directory, at the offset that is the
 * number itself.  The lock belongs to the open file description (F_OFD_SETLK): it lives exactly as
 * long as the descriptor does, in whatever process, and the kernel drops it when the last holder
 * dies.  So there is nothing to clean up and nothing to go stale; the file stays empty.  This
 * module does not know what the numbers mean and does not ask the kernel whether they are in use
 * by strangers.
 */
#ifndef DYNO_SLOT_H
#define DYNO_SLOT_H

#include <stdint.h>

#include <dyno.h>

/* Names of the lock files below the run directory. */
#define SLOT_FILE_IDS	"ids"
#define SLOT_FILE_PORTS "ports"
/* Addresses of private networks, IPv4 in host byte order. */
#define SLOT_FILE_ADDRESSES "addresses"

/* Host ids per dyno. Source: user_namespaces(7), one full 16-bit range, as nspawn and podman use. */
#define IDS_PER_SLOT 65536U

/**
 * slot_open() - an own open file description of the lock file @name, made where missing.
 * @dir_fd: the run directory (borrowed)
 * @name: SLOT_FILE_*
 *
 * Locks of one description never exclude each other: every number needs its own slot_open().
 * Return: a descriptor that the caller closes, or -errno.
 */
int slot_open(int dir_fd, const char *name);

/**
 * slot_lock() - take @count numbers from @first on, all or none.
 * @fd: from slot_open()
 * Return: 0; -EAGAIN when another description holds one of them; -errno.
 */
int slot_lock(int fd, uint64_t first, uint64_t count);

/**
 * slot_unlock() - give numbers back without closing @fd.
 * Return: 0 or -errno.
 */
int slot_unlock(int fd, uint64_t first, uint64_t count);

/**
 * slot_share() - hold a number beside all others who share it, and against slot_lock().
 * @fd: from slot_open(), or any other that may be read, of a directory too
 * Return: 0; -EAGAIN when another description has it for itself; -errno.
 */
int slot_share(int fd, uint64_t number);

/**
 * slot_find() - one of @count numbers from @first on that another description holds or shares.
 * Return: 0; -ENOENT: none is held; -errno.
 */
int slot_find(int fd, uint64_t first, uint64_t count, uint64_t *ret);

/**
 * slot_taken() - whether another description holds one of @count numbers from @first on.
 * Return: 1, 0 or -errno.
 */
int slot_taken(int fd, uint64_t first, uint64_t count);

/**
 * slot_random() - a number below @n for the start of a search: starts at once must not all try
 * the same numbers, and a number just given back should rest.
 * Return: 0 <= number < @n; 0 where @n is 0.
 */
uint64_t slot_random(uint64_t n);

/**
 * ids_reserve() - take a free range of IDS_PER_SLOT host ids for one dyno.
 * @run_dir_fd: the run directory (borrowed)
 * @first_uid: first host id of the whole range
 * @n_slots: ranges of IDS_PER_SLOT from there on
 * @ret_fd: keeps the range until closed; owned by the caller, for the life of the dyno
 * @ret_base: first host id of the range taken
 *
 * The lock covers the ids themselves, so that callers with different or overlapping ranges
 * (--uid-range) exclude each other where they overlap.
 * Return: 0 or -errno.
 * Errors: ERR_IDS -EUSERS (all taken), -EINVAL (the range leaves 32 bits); ERR_RUN_DIR otherwise.
 */
int ids_reserve(int run_dir_fd, uint32_t first_uid, uint32_t n_slots, int *ret_fd,
		uint32_t *ret_base, struct dyno_err *err);

#endif
