/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_loopdev.c - files as block devices, with real ones where the caller may: as root.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/loop.h>

#include "base/fd.h"
#include "base/str.h"
#include "kernel/loopdev.h"

#define FILE_BYTES (1 << 20)

static void need_loops(void)
{
	if (geteuid() == 0 && loopdev_usable() == 0)
		return;
	print_message("skipped: no loop devices for this caller\n");
	skip();
}

/* A file of no name, whose last block says @mark. */
static int make_file(const char *mark)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
	assert_int_equal(pwrite(fd, mark, strlen(mark), FILE_BYTES - 512), strlen(mark));
	return fd;
}

/* Whether a device shows that file. Source: loop(4), LOOP_GET_STATUS64 */
static bool shows(const char *path, int file_fd)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct loop_info64 info = {0};
	struct stat st;

	assert_int_equal(fstat(file_fd, &st), 0);
	return fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == st.st_ino;
}

static void attach__a_file__shown_until_the_last_user_goes(void **state)
{
	char path[LOOPDEV_PATH_BYTES] = "", other[LOOPDEV_PATH_BYTES] = "", text[8] = "";
	_cleanup_close_ int file = -EBADF;
	_cleanup_close_ int second = -EBADF;
	_cleanup_close_ int fd = -EBADF;
	_cleanup_close_ int next = -EBADF;
	bool gone = false;

	(void)state;
	need_loops();
	file = make_file("one");
	second = make_file("two");
	fd = loopdev_attach(file, path);
	assert_true(fd >= 0);
	assert_non_null(str_starts(path, "/dev/loop"));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(shows(path, file));
	assert_int_equal(pread(fd, text, 3, FILE_BYTES - 512), 3);
	assert_string_equal(text, "one");

	/* A second one is another device. */
	next = loopdev_attach(second, other);
	assert_true(next >= 0);
	assert_string_not_equal(path, other);
	assert_true(shows(other, second));
	close_fdp(&next);
	assert_true(shows(path, file));

	/* Nobody detaches it: the kernel does, with the last descriptor. */
	close_fdp(&fd);
	for (int i = 0; i < 3000 && !gone; i++) {
		gone = !shows(path, file);
		if (!gone)
			(void)usleep(10000);
	}
	assert_true(gone);
}

static void attach__no_file_to_show__refused(void **state)
{
	char path[LOOPDEV_PATH_BYTES];
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	need_loops();
	assert_int_equal(loopdev_attach(null, path), -EINVAL);
	assert_int_equal(loopdev_attach(-1, path), -EBADF);
}

static void usable__without_rights__said_by_errno(void **state)
{
	int r = loopdev_usable();

	(void)state;
	if (geteuid() == 0) {
		print_message("skipped: root may\n");
		skip();
	}
	/* a user of the group "disk" may as well */
	if (r != 0 && r != -EACCES && r != -EPERM && r != -ENOENT)
		fail_msg("%d", r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(attach__a_file__shown_until_the_last_user_goes),
		cmocka_unit_test(attach__no_file_to_show__refused),
		cmocka_unit_test(usable__without_rights__said_by_errno),
	};

	return cmocka_run_group_tests_name("loopdev", tests, NULL, NULL);
}
