/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cage.c - a hostile unpacker: what a process can still reach once it is in the cage, with
 * descriptors of the outside left in its hands and no filter on yet, so that each bar is seen to
 * hold by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/landlock.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "rootfs/unpack_cage.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Who unpacks when the tests run as root. Source: an id that Debian gives to nobody */
#define PLAIN_ID 64321U

enum who { WHO_ROOTLESS, WHO_DROPPED, _WHO_MAX };

static char base[] = "/tmp/dyno-test-cage.XXXXXX";
static int base_fd = -EBADF;
static int target_fd = -EBADF;

static void make_file(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0666), 0);
	assert_int_equal(write(fd, "text", 4), 4);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(base));
	assert_int_equal(chmod(base, 0777), 0);
	base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(base_fd, "target", 0777), 0);
	target_fd = openat(base_fd, "target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(target_fd >= 0);
	assert_int_equal(fchmod(target_fd, 0777), 0);
	make_file(base_fd, "secret");
	make_file(target_fd, "inside");
	return 0;
}

static int teardown(void **state)
{
	_cleanup_close_ int tmp_fd = -EBADF;

	(void)state;
	close_fdp(&target_fd);
	close_fdp(&base_fd);
	tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return path_remove_tree(tmp_fd, base + STRLEN("/tmp/"));
}

static long landlock_abi(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static int opened(int dir, const char *path, int flags)
{
	_cleanup_close_ int fd = openat(dir, path, flags | O_CLOEXEC, 0666);

	return fd < 0 ? errno : 0;
}

static int result(int r)
{
	return r < 0 ? errno : 0;
}

/* ---- attempts: 0, or the errno they met ------------------------------------------------------ */

static int read_inside(void)
{
	return opened(target_fd, "inside", O_RDONLY);
}

static int write_inside(void)
{
	return opened(target_fd, "inside", O_WRONLY | O_TRUNC);
}

static int make_inside(void)
{
	return opened(target_fd, "made", O_WRONLY | O_CREAT);
}

static int fifo_inside(void)
{
	return result(mkfifoat(target_fd, "fifo", 0666));
}

static int read_outside(void)
{
	return opened(base_fd, "secret", O_RDONLY);
}

static int write_outside(void)
{
	return opened(base_fd, "secret", O_WRONLY | O_TRUNC);
}

static int make_outside(void)
{
	return opened(base_fd, "more", O_WRONLY | O_CREAT);
}

static int remove_outside(void)
{
	return result(unlinkat(base_fd, "secret", 0));
}

static int link_in(void)
{
	return result(linkat(base_fd, "secret", target_fd, "linked", 0));
}

static int climb(void)
{
	return opened(target_fd, "../secret", O_RDONLY);
}

static int host_file(void)
{
	return opened(AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static int host_proc(void)
{
	return opened(AT_FDCWD, "/proc/self/status", O_RDONLY);
}

static int signal_parent(void)
{
	return result(kill(getppid(), 0));
}

static int change_root(void)
{
	return fchdir(base_fd) < 0 || chroot(".") < 0 ? errno : 0;
}

static const struct attempt {
	const char *name;
	int (*fn)(void);
	bool allowed;	    /* with a target that may only be read */
	bool allowed_write; /* with one that may be written */
	long abi;	    /* of Landlock that forbids it; 0: forbidden without it */
} attempts[] = {
	{"read inside", read_inside, true, true, 0},
	{"write inside", write_inside, false, true, 2},
	{"make a file inside", make_inside, false, true, 2},
	{"make a fifo inside", fifo_inside, false, false, 2},
	{"read outside by a descriptor", read_outside, false, false, 2},
	{"write outside by a descriptor", write_outside, false, false, 2},
	{"make a file outside by a descriptor", make_outside, false, false, 2},
	{"remove a file outside by a descriptor", remove_outside, false, false, 2},
	{"link a file of the outside", link_in, false, false, 2},
	{"climb out", climb, false, false, 2},
	{"open a file of the host", host_file, false, false, 2},
	{"open /proc", host_proc, false, false, 2},
	{"signal the parent", signal_parent, false, false, 6},
	{"change the root directory", change_root, false, false, 0},
};

/* Ends with the errno of the attempt, with 98 or 99 where it did not come to that. */
static void attempt_in_cage(const struct attempt *a, enum who who, bool writes)
{
	const struct cage cage = {
		.target_fd = target_fd,
		.drop = who == WHO_DROPPED,
		.uid = PLAIN_ID,
		.gid = PLAIN_ID,
		.writes = writes,
	};
	struct dyno_err err = {0};

	if (who == WHO_ROOTLESS && geteuid() == 0 &&
	    (setresgid(PLAIN_ID, PLAIN_ID, PLAIN_ID) < 0 ||
	     setresuid(PLAIN_ID, PLAIN_ID, PLAIN_ID) < 0))
		_exit(98);
	if (cage_enter(&cage, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		_exit(99);
	}
	_exit(a->fn());
}

static int in_child(const struct attempt *a, enum who who, bool writes)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		attempt_in_cage(a, who, writes);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void try_all(enum who who, bool writes)
{
	long abi = landlock_abi();

	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		const struct attempt *a = &attempts[i];
		bool allowed = writes ? a->allowed_write : a->allowed;
		int num;

		if (!allowed && abi < a->abi) {
			print_message("not tried, Landlock has ABI %ld: %s\n", abi, a->name);
			continue;
		}
		num = in_child(a, who, writes);
		if (num == 98 || num == 99 || (num == 0) != allowed)
			fail_msg("%s: %s", a->name, num ? err_errno_text(num) : "it worked");
	}
}

static void cage_enter__without_root_reading__nothing_but_the_target(void **state)
{
	(void)state;
	try_all(WHO_ROOTLESS, false);
}

static void cage_enter__without_root_writing__nothing_but_the_target(void **state)
{
	(void)state;
	try_all(WHO_ROOTLESS, true);
}

static void cage_enter__as_root_reading__nothing_but_the_target(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	try_all(WHO_DROPPED, false);
}

static void cage_enter__as_root_writing__nothing_but_the_target(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	try_all(WHO_DROPPED, true);
}

/* The call that the filter does not know ends the process. */
static void cage_shut__a_socket__killed(void **state)
{
	struct dyno_err err = {0};
	int status;
	pid_t pid;

	(void)state;
	if (SANITIZED)
		skip(); /* the sanitizer makes calls of its own: there is no filter */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct cage cage = {.target_fd = target_fd};

		if (cage_enter(&cage, &err) < 0 || cage_shut(&err) < 0)
			_exit(99);
		(void)socket(AF_UNIX, SOCK_STREAM, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void cage_enter__no_directory__refused(void **state)
{
	const struct cage cages[] = {
		{.target_fd = -EBADF},
		{.target_fd = -EBADF, .drop = true, .uid = PLAIN_ID, .gid = PLAIN_ID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cages); i++) {
		struct dyno_err err = {0};
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(cage_enter(&cages[i], &err) < 0 && err.kind == ERR_HELPER ? 7 : 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cage_enter__without_root_reading__nothing_but_the_target),
		cmocka_unit_test(cage_enter__without_root_writing__nothing_but_the_target),
		cmocka_unit_test(cage_enter__as_root_reading__nothing_but_the_target),
		cmocka_unit_test(cage_enter__as_root_writing__nothing_but_the_target),
		cmocka_unit_test(cage_shut__a_socket__killed),
		cmocka_unit_test(cage_enter__no_directory__refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
