/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever started the command is told: the service manager, and the reader of a descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/util.h"
#include "cli/notify.h"

/* A service manager. Return: its socket; @name is for NOTIFY_SOCKET. */
static int manager(bool abstract, char *name, size_t size)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t len;

	assert_true(fd >= 0);
	len = str_fmt(name, size, "%sdyno-test-notify.%d", abstract ? "@" : "/tmp/", getpid());
	memcpy(addr.sun_path, name, len);
	if (abstract)
		addr.sun_path[0] = '\0';
	len += offsetof(struct sockaddr_un, sun_path) + !abstract;
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, (socklen_t)len), 0);
	return fd;
}

static const char *received(int fd, char buf[512])
{
	ssize_t n = recv(fd, buf, 511, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void notify__either_kind_of_socket__is_told_each_thing(void **state)
{
	char name[64], buf[512];

	(void)state;
	for (int abstract = 0; abstract < 2; abstract++) {
		_cleanup_close_ int fd = manager(abstract, name, sizeof(name));
		_cleanup_(notify_close) struct notify notify = NOTIFY_INIT;

		assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
		notify_open(&notify, 0);
		assert_true(notify.socket_fd >= 0);
		assert_true(fcntl(notify.socket_fd, F_GETFD) & FD_CLOEXEC);
		notify_status(&notify, "1 of 2 dynos up");
		assert_string_equal(received(fd, buf), "STATUS=1 of 2 dynos up\n");
		notify_ready(&notify);
		assert_string_equal(received(fd, buf), "READY=1\n");
		notify_ready(&notify);
		assert_string_equal(received(fd, buf), "");
		notify_stopping(&notify);
		assert_string_equal(received(fd, buf), "STOPPING=1\n");
		if (!abstract)
			assert_int_equal(unlink(name), 0);
	}
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

static void notify_ready__descriptor__gets_one_line_and_its_end(void **state)
{
	_cleanup_(notify_close) struct notify notify = NOTIFY_INIT;
	char buf[64] = "";
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, 0), 0);
	notify_open(&notify, fds[1]);
	assert_true(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
	notify_ready(&notify);
	notify_ready(&notify);
	/* The end of file shows that nobody holds the other end. */
	assert_int_equal(fd_read_full(fds[0], buf, sizeof(buf)), strlen("READY=1\n"));
	assert_string_equal(buf, "READY=1\n");
	close_fdp(&fds[0]);
}

static void notify_open__nobody_there__goes_on(void **state)
{
	static const char *const names[] = {
		"",
		"x",
		"/",
		"@",
		"relative/path",
		"/no/such/socket",
		"@dyno-test-nobody",
		"/dev/null",
		"/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/"
		"123456789/123456789/123456789",
	};
	_cleanup_close_ int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	_cleanup_close_ int err_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	(void)state;
	assert_true(dup2(null_fd, STDERR_FILENO) >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct notify notify = NOTIFY_INIT;

		assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		notify_open(&notify, 0);
		notify_ready(&notify);
		assert_true(notify.socket_fd < 0);
		notify_close(&notify);
	}
	assert_true(dup2(err_fd, STDERR_FILENO) >= 0);
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

static void notify_status__manager_has_gone_or_sleeps__does_not_wait(void **state)
{
	char name[64], text[1024];
	int fd = manager(true, name, sizeof(name));
	_cleanup_(notify_close) struct notify notify = NOTIFY_INIT;

	(void)state;
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	notify_open(&notify, 0);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (unsigned int i = 0; i < 10000; i++)
		notify_status(&notify, text);
	close_fdp(&fd);
	notify_status(&notify, "x");
	notify_ready(&notify);
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notify__either_kind_of_socket__is_told_each_thing),
		cmocka_unit_test(notify_ready__descriptor__gets_one_line_and_its_end),
		cmocka_unit_test(notify_open__nobody_there__goes_on),
		cmocka_unit_test(notify_status__manager_has_gone_or_sleeps__does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
