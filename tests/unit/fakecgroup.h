/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fakecgroup.h - for tests of control groups: trees of plain directories and files in /tmp.
 */
#ifndef DYNO_TEST_FAKECGROUP_H
#define DYNO_TEST_FAKECGROUP_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/cgroup.h"

struct fake {
	char dir[32];
	int fd;
	struct cgroup_layout layout;
};

static inline int fake_setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	if (!fake)
		return -1;
	(void)str_fmt(fake->dir, sizeof(fake->dir), "/tmp/dyno-test-cgroup.XXXXXX");
	if (!mkdtemp(fake->dir))
		return -1;
	fake->fd = open(fake->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = fake;
	return fake->fd < 0 ? -1 : 0;
}

static inline int fake_teardown(void **state)
{
	struct fake *fake = *state;
	_cleanup_close_ int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = path_remove_tree(tmp, fake->dir + STRLEN("/tmp/"));

	close_fdp(&fake->fd);
	free(fake);
	return r;
}

static inline void fake_dir(struct fake *fake, const char *path)
{
	assert_int_equal(path_mkdir_p(fake->fd, path, 0755), 0);
}

static inline void fake_file(struct fake *fake, const char *path, const char *text)
{
	_cleanup_close_ int fd =
		openat(fake->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), strlen(text));
}

static inline void fake_mount(struct fake *fake, enum cgroup_tree tree, const char *name)
{
	fake_dir(fake, name);
	(void)str_fmt(fake->layout.mount[tree], sizeof(fake->layout.mount[0]), "%s/%s", fake->dir,
		      name);
}

static inline void read_text(int dir_fd, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = fd_read_full(fd, buf, size - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
}

#define FAKE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

#endif
