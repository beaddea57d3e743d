/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c - finding a stack, and having the host stack made where the host has changed.
 */
#include "rootfs/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "model/name.h"
#include "rootfs/stack_internal.h"
#include "rootfs/store_internal.h"

#define HOST_PREFIX "host-"
#define HOST_LOCK   "stack-host"
#define ROOT_NAME   "root"
#define ROOT_MODE   0755

/* "stacks/" + name + "/" */
#define STACK_PATH_BYTES (STACK_NAME_BYTES + 16)

#define DIR_FLAGS	 (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void stack_done(struct stack *stack)
{
	close_fdp(&stack->root_fd);
	close_fdp(&stack->lock_fd);
}

/* ---- the key -------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits. It has to tell states of one host apart, not to withstand anybody.
 * Source: draft-eastlake-fnv. */
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * FNV_PRIME;
	return h;
}

static uint64_t mix_stat(uint64_t h, const struct stat *st)
{
	const uint64_t facts[] = {
		st->st_dev,
		st->st_ino,
		st->st_mode,
		(uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec,
		(uint64_t)st->st_mtim.tv_nsec,
		(uint64_t)st->st_ctim.tv_sec,
		(uint64_t)st->st_ctim.tv_nsec,
	};

	return mix(h, facts, sizeof(facts));
}

/* The top directories that are not links are bound; static text lives as long as the program. */
static const char *const tops[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

_Static_assert(ARRAY_SIZE(tops) <= STACK_BINDS_MAX, "room for each");

static void add_bind(struct stack *stack, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(tops); i++)
		if (str_eq(tops[i] + 1, path))
			stack->binds[stack->n_binds++].path = tops[i];
}

/*
 * The name of the host stack as the host is now, and its binds.  Of a top directory only its kind
 * counts, since /usr is bound and not copied; of what is copied, all that changes with it.
 */
static int host_name(struct store *store, int host_fd, struct stack *stack, struct dyno_err *err)
{
	const char *text = stack_host_description();
	uint64_t h = mix(FNV_BASIS, text, strlen(text));
	struct stack_line line;
	struct stat st;
	int r;

	h = mix(h, &store->owner, sizeof(store->owner));
	stack->n_binds = 0;
	while ((r = stack_line_next(&text, &line)) == 1) {
		if (line.verb != STACK_TOP && line.verb != STACK_COPY)
			continue;
		h = mix(h, line.path, strlen(line.path) + 1);
		if (fstatat(host_fd, line.path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (line.verb == STACK_COPY || S_ISLNK(st.st_mode))
			h = mix_stat(h, &st);
		else
			add_bind(stack, line.path);
	}
	if (r < 0)
		return err_set(err, ERR_INTERNAL, 0, "the description of the host stack is bad");
	(void)str_fmt(stack->name, sizeof(stack->name), HOST_PREFIX "%016llx",
		      (unsigned long long)h);
	return 0;
}

/* ---- finding -------------------------------------------------------------------------------- */

/* Return: 1 when it is there and held, 0 when not, -errno. */
static int open_stack(struct store *store, struct stack *stack, struct dyno_err *err)
{
	char path[STACK_PATH_BYTES];
	_cleanup_close_ int lock_fd = -EBADF;
	int root_fd;

	(void)str_fmt(path, sizeof(path), STORE_STACKS "/%s", stack->name);
	lock_fd = openat(store->data_fd, path, DIR_FLAGS);
	if (lock_fd < 0 && errno == ENOENT)
		return 0;
	if (lock_fd < 0)
		return err_set(err, ERR_STACK, errno, "open %s/%s", store->data_dir, path);
	/* A collector that holds it exclusively is removing it. */
	if (flock(lock_fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0
					    : err_set(err, ERR_STACK, errno, "lock %s/%s",
						      store->data_dir, path);
	root_fd = openat(lock_fd, ROOT_NAME, DIR_FLAGS);
	if (root_fd < 0 && errno == ENOENT)
		return 0;
	if (root_fd < 0)
		return err_set(err, ERR_STACK, errno, "open %s/%s/" ROOT_NAME, store->data_dir,
			       path);
	stack->root_fd = root_fd;
	stack->lock_fd = take_fd(&lock_fd);
	return 1;
}

/* ---- making --------------------------------------------------------------------------------- */

/**
 * struct making - a host stack being made; ended by making_done().
 */
struct making {
	struct store *store;
	int lock_fd;
	char tmp_name[TMP_NAME_BYTES];
	int tmp_fd;
};

static void making_done(struct making *m)
{
	if (m->tmp_fd >= 0)
		(void)store_tmp_remove(m->store, m->tmp_name); /* else the next sweep does */
	close_fdp(&m->tmp_fd);
	store_unlock(m->store, HOST_LOCK, &m->lock_fd);
}

static int fill(struct making *m, int host_fd, struct dyno_err *err)
{
	_cleanup_close_ int root_fd = -EBADF;
	int r = store_tmp_make(m->store, m->tmp_name, &m->tmp_fd, err);

	if (r < 0)
		return r;
	r = store_make_dir(m->tmp_fd, ROOT_NAME, ROOT_MODE);
	if (r < 0)
		return store_io_error(m->store, err, -r, "make", STORE_TMP);
	root_fd = openat(m->tmp_fd, ROOT_NAME, DIR_FLAGS);
	if (root_fd < 0)
		return store_io_error(m->store, err, errno, "open", STORE_TMP);
	r = stack_build(stack_host_description(), host_fd, root_fd, m->store->owner != 0, err);
	if (r < 0)
		return r;
	if (syncfs(m->tmp_fd) < 0)
		return store_io_error(m->store, err, errno, "write out", STORE_TMP);
	return 0;
}

/* Make the stack unless somebody did while we waited for the lock. */
static int make_host(struct store *store, int host_fd, struct stack *stack, struct dyno_err *err)
{
	_cleanup_(making_done) struct making m = {store, -EBADF, "", -EBADF};
	char tmp[TMP_NAME_BYTES + 8], path[STACK_PATH_BYTES];
	int r = store_prepare(store, err);

	if (r == 0)
		r = store_lock(store, HOST_LOCK, &m.lock_fd, err);
	if (r < 0)
		return r;
	r = open_stack(store, stack, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = fill(&m, host_fd, err);
	if (r < 0)
		return r;

	(void)str_fmt(tmp, sizeof(tmp), STORE_TMP "/%s", m.tmp_name);
	(void)str_fmt(path, sizeof(path), STORE_STACKS "/%s", stack->name);
	if (renameat(store->data_fd, tmp, store->data_fd, path) < 0)
		return store_io_error(store, err, errno, "publish", path);
	if (flock(m.tmp_fd, LOCK_SH) < 0)
		return store_io_error(store, err, errno, "lock", path);
	close_fdp(&m.tmp_fd);
	r = open_stack(store, stack, err);
	if (r == 0)
		return err_set(err, ERR_STACK, ENOENT, "open the new stack %s", stack->name);
	return r < 0 ? r : 0;
}

static int open_host_root(struct dyno_err *err)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_set(err, ERR_STACK, errno, "open /") : fd;
}

static int acquire_host(struct store *store, struct stack *stack, struct dyno_err *err)
{
	_cleanup_close_ int host_fd = open_host_root(err);
	int r;

	if (host_fd < 0)
		return host_fd;
	r = host_name(store, host_fd, stack, err);
	if (r < 0)
		return r;
	r = open_stack(store, stack, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return make_host(store, host_fd, stack, err);
}

static int acquire_named(struct store *store, const char *name, struct stack *stack,
			 struct dyno_err *err)
{
	int r = name_check_app(name, err);

	if (r < 0)
		return r;
	(void)str_fmt(stack->name, sizeof(stack->name), "%s", name);
	r = open_stack(store, stack, err);
	if (r != 0)
		return r < 0 ? r : 0;
	(void)err_set(err, ERR_STACK, ENOENT, "no stack %s in %s/" STORE_STACKS, name,
		      store->data_dir);
	err_hint(err, "the stack `host` is always there");
	return -ENOENT;
}

int stack_acquire(struct store *store, const char *name, struct stack *ret, struct dyno_err *err)
{
	struct stack stack = STACK_INIT;
	int r;

	if (!name || str_eq(name, "host"))
		r = acquire_host(store, &stack, err);
	else
		r = acquire_named(store, name, &stack, err);
	if (r < 0)
		return r;
	*ret = stack;
	return 0;
}

/* ---- collecting ----------------------------------------------------------------------------- */

/* Return: 1 when it was removed, 0 when it is in use. */
static int remove_stack(struct store *store, int stacks_fd, const char *name)
{
	char tmp[TMP_NAME_BYTES];
	char gone[TMP_NAME_BYTES + 8];
	_cleanup_close_ int fd = openat(stacks_fd, name, DIR_FLAGS);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	store_random_name(tmp);
	(void)str_fmt(gone, sizeof(gone), STORE_TMP "/%s", tmp);
	if (renameat(stacks_fd, name, store->data_fd, gone) < 0)
		return 0;
	return store_tmp_remove(store, tmp) == 0;
}

int stack_gc(struct store *store, store_gc_fn fn, void *data, struct dyno_err *err)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	_cleanup_close_ int host_fd = open_host_root(err);
	struct stack now = STACK_INIT;
	const char *name;
	int count = 0;
	int r;

	if (host_fd < 0)
		return host_fd;
	r = host_name(store, host_fd, &now, err);
	if (r < 0)
		return r;
	r = dir_open(store->data_fd, STORE_STACKS, &dir);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return store_io_error(store, err, -r, "read", STORE_STACKS);
	while ((name = dir_next_name(&dir))) {
		/* Imported stacks are the user's; only what is made here goes by itself. */
		if (!str_starts(name, HOST_PREFIX) || str_eq(name, now.name) ||
		    strlen(name) != strlen(now.name))
			continue;
		if (remove_stack(store, dir.fd, name) != 1)
			continue;
		if (fn)
			fn(data, "stack", name);
		count++;
	}
	return count;
}
