/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store.c - the slug store on a real directory, with the real helper: the warm path, the
 * index and its racy files, locks, removal, remains of the killed (T42), concurrent starts (T53),
 * damaged entries (T55), directories that others may write (T64).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rootfs/store_internal.h"

#define TAR_BLOCK 512
#define STARTS	  8

/**
 * struct fixture - an empty store and an archive older than the clock's tick.
 */
struct fixture {
	char dir[64];
	char data[80];
	char slug[80];
	char libexec[256];
	struct store store;
	struct dyno_err err;
};

static void tar_header(char *block, const char *name, char type, size_t size)
{
	unsigned int sum = 0;

	memset(block, 0, TAR_BLOCK);
	(void)str_fmt(block, 100, "%s", name);
	(void)str_fmt(block + 100, 8, "%07o", 0755U);
	(void)str_fmt(block + 108, 8, "%07o", 0U);
	(void)str_fmt(block + 116, 8, "%07o", 0U);
	(void)str_fmt(block + 124, 12, "%011o", (unsigned int)size);
	(void)str_fmt(block + 136, 12, "%011o", 0U);
	memset(block + 148, ' ', 8);
	block[156] = type;
	memcpy(block + 257, "ustar\00000", 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += (unsigned char)block[i];
	(void)str_fmt(block + 148, 8, "%06o", sum);
}

/* An archive of a directory and a Procfile with @text in it. */
static void write_slug(const char *path, const char *text)
{
	char tar[5 * TAR_BLOCK] = "";
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	tar_header(tar, "./app/", '5', 0);
	tar_header(tar + TAR_BLOCK, "./app/Procfile", '0', strlen(text));
	memcpy(tar + 2 * TAR_BLOCK, text, strlen(text));
	assert_int_equal(fd_write_full(fd, tar, sizeof(tar)), sizeof(tar));
	close(fd);
}

/* Past the time in which a change need not show in a file's times. */
static void settle(void)
{
	const struct timespec t = {.tv_nsec = 80000000};

	(void)nanosleep(&t, NULL);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	size_t len;
	ssize_t n;

	assert_non_null(f);
	f->store = STORE_INIT;
	(void)str_fmt(f->dir, sizeof(f->dir), "/tmp/dyno-test-store.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)str_fmt(f->data, sizeof(f->data), "%s/data", f->dir);
	(void)str_fmt(f->slug, sizeof(f->slug), "%s/slug.tar", f->dir);
	/* The tests lie in unit/, the helpers above it. */
	n = readlink("/proc/self/exe", f->libexec, sizeof(f->libexec) - 1);
	assert_true(n > 0);
	f->libexec[path_basename(f->libexec, &len) - f->libexec] = '\0';
	(void)strncat(f->libexec, "..", sizeof(f->libexec) - strlen(f->libexec) - 1);

	write_slug(f->slug, "web: ./run\n");
	assert_int_equal(store_open(f->data, &f->store, &f->err), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	store_done(&f->store);
	assert_int_equal(path_remove_tree(tmp, f->dir + STRLEN("/tmp/")), 0);
	close(tmp);
	free(f);
	return 0;
}

static int acquire(struct fixture *f, const char *source, struct store_entry *ret)
{
	struct store_request req = {.source = source, .libexec_dir = f->libexec};

	return store_acquire(&f->store, &req, ret, &f->err);
}

static size_t count_in(const struct fixture *f, const char *path)
{
	int fd = openat(f->store.data_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	size_t n = 0;

	assert_non_null(dir);
	for (struct dirent *d; (d = readdir(dir));)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* ---- acquiring ------------------------------------------------------------------------------ */

static void store_acquire__cold_then_warm__is_one_entry(void **state)
{
	struct fixture *f = *state;
	struct store_entry cold = STORE_ENTRY_INIT, warm = STORE_ENTRY_INIT;
	struct stat st;

	settle();
	assert_int_equal(acquire(f, f->slug, &cold), 0);
	assert_true(cold.unpacked);
	assert_int_equal(cold.kind, STORE_SLUG);
	assert_int_equal(fstatat(cold.dir_fd, STORE_APP "/Procfile", &st, 0), 0);
	assert_int_equal(st.st_size, STRLEN("web: ./run\n"));
	assert_int_equal(st.st_uid, cold.owner_uid);
	assert_int_equal(cold.owner_uid, geteuid() == 0 ? cold.uid : geteuid());
	assert_in_range(cold.uid, 1000, 59999);

	/* Without a helper the warm path must do. */
	{
		struct store_request req = {.source = f->slug, .libexec_dir = "/nowhere"};

		assert_int_equal(store_acquire(&f->store, &req, &warm, &f->err), 0);
	}
	assert_false(warm.unpacked);
	assert_string_equal(warm.digest, cold.digest);
	store_entry_done(&warm);
	assert_int_equal(acquire(f, cold.digest, &warm), 0);
	assert_string_equal(warm.digest, cold.digest);
	store_entry_done(&warm);
	store_entry_done(&cold);
	assert_int_equal(count_in(f, STORE_TMP), 0);
	assert_int_equal(count_in(f, STORE_LOCKS), 0);
}

static void store_acquire__file_changed_a_moment_ago__is_not_remembered(void **state)
{
	struct fixture *f = *state;
	struct store_entry e = STORE_ENTRY_INIT;

	write_slug(f->slug, "web: ./fresh\n");
	assert_int_equal(acquire(f, f->slug, &e), 0);
	store_entry_done(&e);
	assert_int_equal(count_in(f, STORE_INDEX), 0);
	settle();
	assert_int_equal(acquire(f, f->slug, &e), 0);
	assert_false(e.unpacked);
	store_entry_done(&e);
	assert_int_equal(count_in(f, STORE_INDEX), 1);
}

static void store_acquire__changed_file__is_another_slug(void **state)
{
	struct fixture *f = *state;
	struct store_entry a = STORE_ENTRY_INIT, b = STORE_ENTRY_INIT;

	settle();
	assert_int_equal(acquire(f, f->slug, &a), 0);
	write_slug(f->slug, "web: ./run\r");
	assert_int_equal(acquire(f, f->slug, &b), 0);
	assert_string_not_equal(a.digest, b.digest);
	store_entry_done(&a);
	store_entry_done(&b);
}

static void store_acquire__directory__is_not_stored(void **state)
{
	struct fixture *f = *state;
	struct store_entry e = STORE_ENTRY_INIT;

	assert_int_equal(acquire(f, f->dir, &e), 0);
	assert_int_equal(e.kind, STORE_DIRECTORY);
	assert_string_equal(e.digest, "");
	assert_int_equal(e.owner_uid, geteuid());
	store_entry_done(&e);
}

static void store_acquire__many_at_once__unpack_once_T53(void **state)
{
	struct fixture *f = *state;
	unsigned int unpacked = 0;
	pid_t pids[STARTS];

	settle();
	for (size_t i = 0; i < STARTS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			struct store_entry e = STORE_ENTRY_INIT;

			_exit(acquire(f, f->slug, &e) < 0 ? 2 : e.unpacked);
		}
	}
	for (size_t i = 0; i < STARTS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_in_range(WEXITSTATUS(status), 0, 1);
		unpacked += (unsigned int)WEXITSTATUS(status);
	}
	assert_int_equal(unpacked, 1);
	assert_int_equal(count_in(f, STORE_TMP), 0);
	assert_int_equal(count_in(f, STORE_LOCKS), 0);
}

/* ---- removing ------------------------------------------------------------------------------- */

static void store_remove__in_use__is_refused_and_later_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_entry e = STORE_ENTRY_INIT;
	char digest[DYNO_DIGEST_BYTES];
	uint64_t bytes = 0;

	settle();
	assert_int_equal(acquire(f, f->slug, &e), 0);
	memcpy(digest, e.digest, sizeof(digest));
	assert_true(store_remove(&f->store, digest, &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_STORE_BUSY);
	assert_int_equal(store_gc(&f->store, true, NULL, NULL, &bytes, &f->err), 0);
	store_entry_done(&e);
	assert_int_equal(store_remove(&f->store, digest, &f->err), 0);
	assert_int_equal(count_in(f, STORE_SLUGS), 1); /* the index */
	assert_int_equal(count_in(f, STORE_INDEX), 0);
	assert_int_equal(count_in(f, STORE_TMP), 0);
	assert_int_equal(count_in(f, STORE_LOCKS), 0);
	assert_true(store_remove(&f->store, digest, &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_STORE_NOT_FOUND);
}

static void store_gc__unused__removes_what_nobody_holds(void **state)
{
	struct fixture *f = *state;
	struct store_entry e = STORE_ENTRY_INIT;
	uint64_t bytes = 0;

	settle();
	assert_int_equal(acquire(f, f->slug, &e), 0);
	store_entry_done(&e);
	assert_int_equal(store_gc(&f->store, false, NULL, NULL, &bytes, &f->err), 0);
	assert_true(bytes == 0);
	assert_int_equal(store_gc(&f->store, true, NULL, NULL, &bytes, &f->err), 2);
	assert_true(bytes == STRLEN("web: ./run\n"));
	assert_int_equal(count_in(f, STORE_SLUGS), 1);
}

static void store_tmp_sweep__dead_makers__are_swept_and_live_ones_kept_T42(void **state)
{
	struct fixture *f = *state;
	char live[TMP_NAME_BYTES], dead[TMP_NAME_BYTES];
	int live_fd, dead_fd;

	assert_int_equal(store_prepare(&f->store, &f->err), 0);
	assert_int_equal(store_tmp_make(&f->store, live, &live_fd, &f->err), 0);
	assert_int_equal(store_tmp_make(&f->store, dead, &dead_fd, &f->err), 0);
	assert_int_equal(mkdirat(dead_fd, "sub", 0), 0);
	close(dead_fd);
	assert_int_equal(store_tmp_sweep(&f->store, NULL, NULL, &f->err), 1);
	assert_int_equal(count_in(f, STORE_TMP), 1);
	close(live_fd);
	assert_int_equal(store_tmp_sweep(&f->store, NULL, NULL, &f->err), 1);
	assert_int_equal(count_in(f, STORE_TMP), 0);
}

static void store_lock__removed_while_waited_for__is_taken_anew(void **state)
{
	struct fixture *f = *state;
	int fd, status;
	pid_t pid;

	assert_int_equal(store_prepare(&f->store, &f->err), 0);
	assert_int_equal(store_lock(&f->store, "x", &fd, &f->err), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int mine = -EBADF;
		struct stat st;
		int r;

		close(fd); /* a copy of the lock's descriptor holds it too */
		r = store_lock(&f->store, "x", &mine, NULL);

		/* It has a name, or nobody else would meet it. */
		_exit(r == 0 && fstat(mine, &st) == 0 && st.st_nlink == 1 ? 0 : 1);
	}
	settle();
	store_unlock(&f->store, "x", &fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* The child died with its lock: the file is left, and is nobody's. */
	assert_int_equal(store_gc(&f->store, false, NULL, NULL, NULL, &f->err), 1);
	assert_int_equal(count_in(f, STORE_LOCKS), 0);
}

/* ---- damage --------------------------------------------------------------------------------- */

static void store_acquire__damaged_entry__is_named_or_made_anew_T55(void **state)
{
	static const struct {
		const char *remove;
		int flags;
	} cases[] = {
		{ENTRY_COMPLETE, 0},
		{STORE_APP "/Procfile", 0}, /* not seen by a start, but by verify */
	};
	struct fixture *f = *state;
	struct store_entry e = STORE_ENTRY_INIT;
	char digest[DYNO_DIGEST_BYTES];

	settle();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(acquire(f, f->slug, &e), 0);
		memcpy(digest, e.digest, sizeof(digest));
		assert_int_equal(unlinkat(e.dir_fd, cases[i].remove, cases[i].flags), 0);
		store_entry_done(&e);
		if (i == 0) {
			assert_true(acquire(f, digest, &e) < 0);
			assert_int_equal(f->err.kind, ERR_STORE_DAMAGED);
			assert_int_equal(acquire(f, f->slug, &e), 0);
			assert_true(e.unpacked);
			store_entry_done(&e);
		}
	}
	assert_int_equal(store_verify(&f->store, digest, f->libexec, NULL, NULL, &f->err), 1);
}

static void store_resolve__beginnings__must_be_of_one_digest(void **state)
{
	static const char *const hex[] = {
		"aaaa000000000000000000000000000000000000000000000000000000000000",
		"aaaab00000000000000000000000000000000000000000000000000000000000",
	};
	struct fixture *f = *state;
	char digest[DYNO_DIGEST_BYTES], path[ENTRY_PATH_BYTES];

	assert_int_equal(store_prepare(&f->store, &f->err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(hex); i++) {
		(void)str_fmt(path, sizeof(path), STORE_SLUGS "/" ENTRY_PREFIX "%s", hex[i]);
		assert_int_equal(mkdirat(f->store.data_fd, path, 0700), 0);
	}
	assert_int_equal(store_resolve(&f->store, "sha256:aaaab", digest, &f->err), 0);
	assert_string_equal(digest + STRLEN("sha256:"), hex[1]);
	assert_int_equal(store_resolve(&f->store, hex[0], digest, &f->err), 0);
	assert_true(store_resolve(&f->store, "aaaa", digest, &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_USAGE);
	assert_true(store_resolve(&f->store, "bbbb", digest, &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_STORE_NOT_FOUND);
	assert_true(store_resolve(&f->store, "../..", digest, &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_USAGE);
	/* Neither is complete, so nobody's. */
	assert_int_equal(store_gc(&f->store, false, NULL, NULL, NULL, &f->err), 2);
}

static void store_open__others_may_write__is_refused_T64(void **state)
{
	struct fixture *f = *state;
	struct store other = STORE_INIT;

	assert_int_equal(chmod(f->data, 0770), 0);
	assert_true(store_open(f->data, &other, &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_STORE_IO);
	assert_int_equal(other.data_fd, -EBADF);
	assert_int_equal(chmod(f->data, 0700), 0);
}

#define FIXED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void store_helper_find__not_beside__names_the_places(void **state)
{
	struct fixture *f = *state;
	char path[4096];

	assert_int_equal(store_helper_find(f->libexec, "dyno-unpack", path, sizeof(path), &f->err),
			 0);
	assert_int_equal(faccessat(AT_FDCWD, path, X_OK, 0), 0);
	/* The test itself lies in unit/, where this program is. */
	assert_int_equal(store_helper_find(NULL, "test_store", path, sizeof(path), &f->err), 0);
	assert_true(str_ends(path, "/test_store"));
	assert_int_equal(store_helper_find(NULL, "no-such", path, sizeof(path), &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_HELPER);
	assert_non_null(strstr(f->err.msg, "no-such beside /"));
	assert_non_null(strstr(f->err.msg, "/libexec/dyno"));
	assert_non_null(strstr(f->err.hint, "make install"));
	assert_int_equal(store_helper_find("/nowhere", "dyno-unpack", path, sizeof(path), &f->err),
			 -ENOENT);
	assert_non_null(strstr(f->err.msg, "/nowhere/dyno-unpack"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXED(store_acquire__cold_then_warm__is_one_entry),
		FIXED(store_acquire__file_changed_a_moment_ago__is_not_remembered),
		FIXED(store_acquire__changed_file__is_another_slug),
		FIXED(store_acquire__directory__is_not_stored),
		FIXED(store_acquire__many_at_once__unpack_once_T53),
		FIXED(store_remove__in_use__is_refused_and_later_leaves_nothing),
		FIXED(store_gc__unused__removes_what_nobody_holds),
		FIXED(store_tmp_sweep__dead_makers__are_swept_and_live_ones_kept_T42),
		FIXED(store_lock__removed_while_waited_for__is_taken_anew),
		FIXED(store_acquire__damaged_entry__is_named_or_made_anew_T55),
		FIXED(store_resolve__beginnings__must_be_of_one_digest),
		FIXED(store_open__others_may_write__is_refused_T64),
		FIXED(store_helper_find__not_beside__names_the_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
