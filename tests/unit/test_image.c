/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_image.c - file systems in files, and the limits of projects, which need one: with real ones,
 * as root, on mounts that have no place in any table.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/proc.h"
#include "kernel/loopdev.h"
#include "kernel/projquota.h"
#include "rootfs/image.h"

#include "fakecgroup.h"

#define MIB (1ULL << 20)

/* Who may not have more than others: root is above the limits of projects. */
#define NOBODY 65534

static void need_images(void)
{
	if (geteuid() == 0 && loopdev_usable() == 0 && image_mkfs())
		return;
	print_message("skipped: no images for this caller\n");
	skip();
}

static void write_file(int dir_fd, const char *name, size_t bytes, int want)
{
	char block[4096] = "x";
	_cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int num = fd < 0 ? errno : 0;

	for (size_t at = 0; num == 0 && at < bytes; at += sizeof(block))
		if (fd_write_full(fd, block, sizeof(block)) != sizeof(block))
			num = errno;
	if (num != want)
		fail_msg("%s: %s", name, strerror(num));
}

/* ---- images ---------------------------------------------------------------------------------- */

static void mount__a_plan__that_much_room_and_a_template(void **state)
{
	const struct image_plan plan = {.bytes = 8 * MIB, .inodes = 300};
	struct fake *fake = *state;
	struct dyno_err err = {0};
	struct stat st, again;
	bool unfit = false;
	struct statfs fs;
	int fd, second;

	need_images();
	fd = image_mount(fake->fd, &plan, &unfit, &err);
	if (fd < 0 && unfit) {
		print_message("skipped: %s\n", err.msg);
		skip();
	}
	if (fd < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(fstatfs(fd, &fs), 0);
	assert_true((uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize >= plan.bytes);
	assert_true(fs.f_ffree >= plan.inodes);
	assert_true((uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < 2 * plan.bytes);
	write_file(fd, "small", 4 * MIB, 0);
	write_file(fd, "more", 64 * MIB, ENOSPC);

	/* Another of the same plan comes of the template, and is empty. */
	assert_int_equal(fstatat(fake->fd, "images/1-8388608-300", &st, 0), 0);
	second = image_mount(fake->fd, &plan, &unfit, &err);
	assert_true(second >= 0);
	assert_int_equal(fstatat(second, "small", &again, 0), -1);
	assert_int_equal(fstatat(fake->fd, "images/1-8388608-300", &again, 0), 0);
	assert_true(again.st_ino == st.st_ino);
	image_drop(&second);
	assert_true(second < 0);

	/* One that was cut is made anew, and not copied. */
	assert_int_equal(unlinkat(fake->fd, "images/1-8388608-300", 0), 0);
	fake_file(fake, "images/1-8388608-300", "cut");
	second = image_mount(fake->fd, &plan, &unfit, &err);
	assert_true(second >= 0);
	write_file(second, "small", 4096, 0);
	image_drop(&second);
	image_drop(&second); /* nothing is fine */
	image_drop(&fd);
	assert_false(unfit);
}

static void mount__what_cannot_be__error_and_fit(void **state)
{
	const struct image_plan narrow = {.bytes = MIB, .inodes = 257};
	const struct image_plan plan = {.bytes = 8 * MIB, .inodes = 300};
	struct fake *fake = *state;
	struct dyno_err err = {0};
	bool unfit = false;

	assert_int_equal(image_mount(fake->fd, &narrow, &unfit, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_SCRATCH);
	assert_non_null(strstr(err.msg, "257 inodes"));
	/* a file where the templates belong */
	fake_file(fake, "images", "");
	assert_int_equal(image_mount(fake->fd, &plan, &unfit, &err), -ENOTDIR);
	assert_int_equal(err.kind, ERR_SCRATCH);
	assert_false(unfit); /* another size, or another directory, may do */
}

/* ---- limits of projects ---------------------------------------------------------------------- */

static void projquota__without_quotas__no_limits_and_no_harm(void **state)
{
	struct fake *fake = *state;
	_cleanup_close_ int dir = openat(fake->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	const int enforced = projquota_enforced(proc);

	assert_true(enforced == 0 || enforced == -ENOSYS);
	assert_int_equal(projquota_id(proc), 0);
	assert_true(projquota_claim(proc, MIB, 10) < 0);
	assert_int_equal(projquota_id(dir), 0);
	projquota_release(proc, 0);
	projquota_release(proc, PROJQUOTA_FIRST);
}

static int run_mkfs(int fd)
{
	const char *const argv[] = {
		image_mkfs(),	   "-q", "-F", "-O", "quota,project", "-E", "quotatype=prjquota",
		"/proc/self/fd/3", NULL};
	const char *const envp[] = {"MKE2FS_CONFIG=/dev/null", NULL};
	const int fds[] = {-1, -1, -1, fd};
	const struct proc_spawn how = {
		.argv = argv, .envp = envp, .fds = fds, .n_fds = ARRAY_SIZE(fds), .exe_fd = -EBADF};
	_cleanup_close_ int pidfd = -EBADF;
	struct dyno_err err = {0};
	int status = -1;

	assert_int_equal(proc_spawn(&how, &pidfd, &err), 0);
	assert_int_equal(proc_wait(pidfd, &status), 0);
	return status;
}

/* An ext4 that keeps to limits of projects. Return: a detached mount; -errno: not on this kernel. */
static int mount_with_quotas(struct fake *fake)
{
	char device[LOOPDEV_PATH_BYTES];
	_cleanup_close_ int file = openat(fake->fd, "ext4", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_close_ int loop = -EBADF;
	_cleanup_close_ int fs = -EBADF;
	int fd;

	assert_int_equal(ftruncate(file, 32 * MIB), 0);
	if (run_mkfs(file) != 0)
		return -EOPNOTSUPP;
	loop = loopdev_attach(file, device);
	fs = loop < 0 ? -1 : fsopen("ext4", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_FLAG, "prjquota", NULL, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static int make_dir(int fd, const char *name)
{
	int dir;

	assert_int_equal(mkdirat(fd, name, 0777), 0);
	dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_int_equal(fchmod(dir, 0777), 0);
	return dir;
}

/* Writes as nobody. Return: the errno that ended it, 0. */
static int write_as_nobody(int dir_fd, const char *name, size_t bytes)
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char block[4096] = "x";
		int fd = -1;

		if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(255);
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			_exit(errno);
		for (size_t at = 0; at < bytes; at += sizeof(block))
			if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
				_exit(errno);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool is_quota_error(int num)
{
	return num == EDQUOT || num == ENOSPC;
}

static void projquota__on_ext4__holds_bytes_and_inodes_until_released(void **state)
{
	struct fake *fake = *state;
	_cleanup_close_ int mnt = -EBADF;
	_cleanup_close_ int root = -EBADF;
	_cleanup_close_ int one = -EBADF;
	_cleanup_close_ int two = -EBADF;
	uint32_t first;

	need_images();
	mnt = mount_with_quotas(fake);
	if (mnt < 0) {
		print_message("skipped: no ext4 with quotas here: %s\n", strerror(-mnt));
		skip();
	}
	root = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(projquota_enforced(root), 1);
	one = make_dir(root, "one");
	two = make_dir(root, "two");
	assert_int_equal(projquota_id(one), 0);
	assert_int_equal(projquota_claim(one, 256 << 10, 5), 0);
	first = projquota_id(one);
	assert_true(first >= PROJQUOTA_FIRST && first - PROJQUOTA_FIRST < PROJQUOTA_COUNT);

	/* Its own limits, and nobody else's: a number that is in use is not given out again. */
	assert_int_equal(projquota_claim(two, 0, 0), 0);
	assert_int_not_equal(projquota_id(two), first);
	assert_int_equal(write_as_nobody(one, "a", 64 << 10), 0);
	assert_true(is_quota_error(write_as_nobody(one, "b", 1 << 20)));
	assert_int_equal(write_as_nobody(two, "b", 1 << 20), 0);
	/* the directory and two files are three of five */
	assert_int_equal(unlinkat(one, "b", 0), 0);
	assert_int_equal(write_as_nobody(one, "c", 0), 0);
	assert_int_equal(write_as_nobody(one, "d", 0), 0);
	assert_int_equal(write_as_nobody(one, "e", 0), 0);
	assert_true(is_quota_error(write_as_nobody(one, "f", 0)));

	projquota_release(root, first);
	assert_int_equal(write_as_nobody(one, "f", 1 << 20), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		FAKE(mount__a_plan__that_much_room_and_a_template),
		FAKE(mount__what_cannot_be__error_and_fit),
		FAKE(projquota__without_quotas__no_limits_and_no_harm),
		FAKE(projquota__on_ext4__holds_bytes_and_inodes_until_released),
	};

	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
