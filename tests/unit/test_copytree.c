/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_copytree.c - the copy of a layer for a file system without id maps (T46): everything in it,
 * nothing outside it, one owner.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errclass.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rootfs/copytree.h"

struct dirs {
	char path[32];
	int fd;
	int from;
	int to;
};

static int set_up(void **state)
{
	static struct dirs d;

	str_fmt(d.path, sizeof(d.path), "/tmp/dyno-test-copytree.XXXXXX");
	if (!mkdtemp(d.path))
		return -1;
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(d.fd, "from", 0755) < 0 || mkdirat(d.fd, "to", 0700) < 0)
		return -1;
	d.from = openat(d.fd, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d.to = openat(d.fd, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &d;
	return d.to < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct dirs *d = *state;
	_cleanup_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close_fdp(&d->from);
	close_fdp(&d->to);
	close_fdp(&d->fd);
	return path_remove_tree(tmp, d->path + strlen("/tmp/"));
}

static void put(int at, const char *name, const char *text, mode_t mode)
{
	_cleanup_close_ int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
}

/* Root gives the copy away, anybody else keeps it. */
static uid_t owner(void)
{
	return geteuid() == 0 ? 54321 : geteuid();
}

static void check_member(int at, const char *name, mode_t mode)
{
	struct stat st;

	assert_int_equal(fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, mode);
	assert_int_equal(st.st_uid, owner());
}

static void copytree__every_kind__modes_kept_and_one_owner(void **state)
{
	struct dirs *d = *state;
	gid_t gid = geteuid() == 0 ? 54321 : getegid();
	struct dyno_err err = {0};
	char text[32];
	int fd;

	assert_int_equal(mkdirat(d->from, "sub", 0700), 0);
	assert_int_equal(mkdirat(d->from, "sub/empty", 0755), 0);
	put(d->from, "plain", "hello", 0644);
	put(d->from, "sub/run", "#!/bin/sh\n", 0755);
	put(d->from, "setuid", "x", 04755);
	put(d->from, "shut", "x", 0);
	assert_int_equal(symlinkat("../../etc/passwd", d->from, "link"), 0);
	assert_int_equal(mkfifoat(d->from, "fifo", 0600), 0);

	if (geteuid() != 0)
		assert_int_equal(fchmodat(d->from, "shut", 0400, 0), 0);
	assert_int_equal(copytree(d->from, d->to, owner(), gid, &err), 0);
	check_member(d->fd, "to", S_IFDIR | 0755);
	check_member(d->to, "sub", S_IFDIR | 0700);
	check_member(d->to, "sub/empty", S_IFDIR | 0755);
	check_member(d->to, "plain", S_IFREG | 0644);
	check_member(d->to, "sub/run", S_IFREG | 0755);
	check_member(d->to, "setuid", S_IFREG | 0755);
	check_member(d->to, "link", S_IFLNK | 0777);
	assert_int_equal(faccessat(d->to, "fifo", F_OK, 0), -1);
	assert_int_equal(readlinkat(d->to, "link", text, sizeof(text)), 16);
	fd = openat(d->to, "plain", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_read_full(fd, text, sizeof(text)), 5);
	assert_memory_equal(text, "hello", 5);
	close_fdp(&fd);
}

static void copytree__target_not_empty__error_and_source_untouched(void **state)
{
	struct dirs *d = *state;
	struct dyno_err err = {0};

	put(d->from, "a", "new", 0644);
	put(d->to, "a", "old", 0644);
	assert_int_equal(copytree(d->from, d->to, owner(), getegid(), &err), -EEXIST);
	assert_int_equal(err.kind, ERR_SCRATCH);
	assert_int_equal(faccessat(d->from, "a", F_OK, 0), 0);
}

static int lowest_free(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
	int number = fd;

	close_fdp(&fd);
	return number;
}

static void copytree__too_deep__named_and_no_descriptor_lost(void **state)
{
	struct dirs *d = *state;
	struct dyno_err err = {0};
	int at = fcntl(d->from, F_DUPFD_CLOEXEC, 0);
	int before;
	int i;

	assert_true(at >= 0);
	for (i = 0; i <= COPYTREE_MAX_DEPTH; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0700), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close_fdp(&at);
		at = next;
	}
	close_fdp(&at);
	before = lowest_free();
	assert_int_equal(copytree(d->from, d->to, owner(), getegid(), &err), -ELOOP);
	assert_int_equal(lowest_free(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(copytree__every_kind__modes_kept_and_one_owner,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			copytree__target_not_empty__error_and_source_untouched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(copytree__too_deep__named_and_no_descriptor_lost,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
