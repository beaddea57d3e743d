/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_port.c - numbers held by locks (slot.h): exclusion, release by death; and the reservation
 * of ports against dynos and strangers.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/link.h"
#include "kernel/port.h"
#include "kernel/slot.h"

/* Ports of these tests: outside the range that dynos and outgoing connections get. */
#define TEST_FIRST 19000
#define TEST_COUNT 8

struct rundir {
	char path[32];
	int fd;
};

static int setup(void **state)
{
	struct rundir *run = calloc(1, sizeof(*run));

	if (!run)
		return -1;
	(void)str_fmt(run->path, sizeof(run->path), "/tmp/dyno-test-port.XXXXXX");
	if (!mkdtemp(run->path))
		return -1;
	run->fd = open(run->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = run;
	return run->fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct rundir *run = *state;
	_cleanup_close_ int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = path_remove_tree(tmp, run->path + STRLEN("/tmp/"));

	close_fdp(&run->fd);
	free(run);
	return r;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static void slot_lock__two_descriptions__exclude_each_other(void **state)
{
	static const struct {
		uint64_t first, count;
		int want;
	} cases[] = {
		{100, 1, -EAGAIN}, {109, 1, -EAGAIN},  {110, 1, 0},	   {99, 1, 0},
		{99, 2, -EAGAIN},  {105, 10, -EAGAIN}, {0, 1000, -EAGAIN}, {4294901760U, 65536, 0},
	};
	struct rundir *run = *state;
	_cleanup_close_ int a = slot_open(run->fd, SLOT_FILE_PORTS);
	_cleanup_close_ int b = slot_open(run->fd, SLOT_FILE_PORTS);

	assert_true(a >= 0 && b >= 0);
	assert_int_equal(slot_lock(a, 100, 10), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(slot_taken(b, cases[i].first, cases[i].count), cases[i].want != 0);
		assert_int_equal(slot_lock(b, cases[i].first, cases[i].count), cases[i].want);
		if (cases[i].want == 0)
			assert_int_equal(slot_unlock(b, cases[i].first, cases[i].count), 0);
	}

	/* Given back by unlock, and by close. */
	assert_int_equal(slot_unlock(a, 100, 10), 0);
	assert_int_equal(slot_lock(b, 100, 10), 0);
	assert_int_equal(slot_lock(a, 100, 1), -EAGAIN);
	close_fdp(&b);
	assert_int_equal(slot_lock(a, 100, 1), 0);
}

/* By a directory too, which nobody can have for himself. */
static void slot_share__number__found_until_the_last_goes(void **state)
{
	const uint64_t far = UINT64_C(0x70000000) << 31;
	struct rundir *run = *state;
	_cleanup_close_ int a = openat(run->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int b = openat(run->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int c = openat(run->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t number = 1;

	assert_true(a >= 0 && b >= 0 && c >= 0);
	assert_int_equal(slot_find(a, far, 100, &number), -ENOENT);
	assert_int_equal(number, 1);
	assert_int_equal(slot_share(a, far + 7), 0);
	assert_int_equal(slot_find(a, far, 100, &number), -ENOENT); /* its own */
	assert_int_equal(slot_find(b, far, 100, &number), 0);
	assert_int_equal(number, far + 7);
	assert_int_equal(slot_find(b, far, 7, &number), -ENOENT);
	assert_int_equal(slot_find(b, far + 8, 92, &number), -ENOENT);
	assert_int_equal(slot_share(b, far + 7), 0);
	close_fdp(&a);
	assert_int_equal(slot_find(c, 0, INT64_MAX, &number), 0);
	assert_int_equal(number, far + 7);
	assert_int_equal(slot_unlock(b, 0, INT64_MAX), 0);
	assert_int_equal(slot_find(c, 0, INT64_MAX, &number), -ENOENT);
}

static void slot_share__beside_a_lock__eagain(void **state)
{
	struct rundir *run = *state;
	_cleanup_close_ int a = slot_open(run->fd, SLOT_FILE_PORTS);
	_cleanup_close_ int b = slot_open(run->fd, SLOT_FILE_PORTS);

	assert_true(a >= 0 && b >= 0);
	assert_int_equal(slot_lock(a, 10, 5), 0);
	assert_int_equal(slot_share(b, 12), -EAGAIN);
	assert_int_equal(slot_share(b, 15), 0);
	assert_int_equal(slot_lock(a, 15, 1), -EAGAIN);
}

/* T41: the lock of a killed holder is free at once, and its file is still empty. */
static void slot_lock__holder_killed__free(void **state)
{
	struct rundir *run = *state;
	_cleanup_close_ int fd = slot_open(run->fd, SLOT_FILE_IDS);
	struct stat st;
	int ready[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int own = slot_open(run->fd, SLOT_FILE_IDS);

		if (own < 0 || slot_lock(own, 5, 1) != 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		while (pause() < 0)
			;
	}
	close_fdp(&ready[1]);
	assert_int_equal(fd_read_full(ready[0], &byte, 1), 1);
	close_fdp(&ready[0]);
	assert_int_equal(slot_taken(fd, 5, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(slot_lock(fd, 5, 1), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void slot_open__a_link_or_a_fifo__refused(void **state)
{
	struct rundir *run = *state;

	assert_int_equal(symlinkat("elsewhere", run->fd, SLOT_FILE_IDS), 0);
	assert_int_equal(slot_open(run->fd, SLOT_FILE_IDS), -ELOOP);
	assert_int_equal(faccessat(run->fd, "elsewhere", F_OK, 0), -1);
	assert_int_equal(mkdirat(run->fd, SLOT_FILE_PORTS, 0700), 0);
	assert_int_equal(slot_open(run->fd, SLOT_FILE_PORTS), -EISDIR);
}

static void slot_random__any_bound__below_it(void **state)
{
	bool differs = false;
	uint64_t first;

	(void)state;
	assert_int_equal(slot_random(0), 0);
	assert_int_equal(slot_random(1), 0);
	first = slot_random(1ULL << 40);
	for (int i = 0; i < 100; i++) {
		assert_true(slot_random(7) < 7);
		differs |= slot_random(1ULL << 40) != first;
	}
	assert_true(differs);
}

static void ids_reserve__all_ranges__each_once_then_an_error(void **state)
{
	struct rundir *run = *state;
	const uint32_t first = 1U << 20, n = 5;
	uint32_t base, seen = 0, other;
	struct dyno_err err = {0};
	int fds[5], fd = -7;

	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(ids_reserve(run->fd, first, n, &fds[i], &base, &err), 0);
		assert_int_equal((base - first) % IDS_PER_SLOT, 0);
		assert_true((base - first) / IDS_PER_SLOT < n);
		assert_int_equal(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		seen |= 1U << (base - first) / IDS_PER_SLOT;
	}
	assert_int_equal(seen, (1U << n) - 1);

	assert_int_equal(ids_reserve(run->fd, first, n, &fd, &base, &err), -EUSERS);
	assert_int_equal(err.kind, ERR_IDS);
	assert_non_null(strstr(err.hint, "--uid-range"));
	assert_int_equal(fd, -7);

	/* A range that begins elsewhere but overlaps is taken too; beside it there is room. */
	assert_int_equal(ids_reserve(run->fd, first + 1000, 1, &fd, &base, &err), -EUSERS);
	assert_int_equal(ids_reserve(run->fd, first + n * IDS_PER_SLOT, 1, &fd, &other, &err), 0);
	assert_int_equal(other, first + n * IDS_PER_SLOT);
	close_fdp(&fd);

	close_fdp(&fds[2]);
	assert_int_equal(ids_reserve(run->fd, first, n, &fds[2], &base, &err), 0);
	for (uint32_t i = 0; i < n; i++)
		close_fdp(&fds[i]);
}

static void ids_reserve__impossible_ranges__einval(void **state)
{
	static const struct {
		uint32_t first, n;
	} cases[] = {{100000, 0}, {4294901761U, 1}, {65536, 65535}, {1, UINT32_MAX}};
	struct rundir *run = *state;
	uint32_t base;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(ids_reserve(run->fd, cases[i].first, cases[i].n, &fd, &base, NULL),
				 -EINVAL);
	assert_int_equal(ids_reserve(-1, 65536, 1, &fd, &base, NULL), -EBADF);
}

/* ---- ports ----------------------------------------------------------------------------------- */

/* A stranger: a socket on a port. Return: its descriptor. */
static int stranger(int family, uint16_t port, bool loopback, bool listening)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (loopback) {
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in6.sin6_addr = in6addr_loopback;
	}
	if (family == AF_INET)
		assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	else
		assert_int_equal(bind(fd, (struct sockaddr *)&in6, sizeof(in6)), 0);
	if (listening)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void port_is_free__strangers__seen_in_every_form(void **state)
{
	static const struct {
		int family;
		bool loopback, listening;
	} cases[] = {
		{AF_INET, false, true}, {AF_INET, true, true},	 {AF_INET6, false, true},
		{AF_INET6, true, true}, {AF_INET, false, false},
	};

	(void)state;
	assert_int_equal(port_is_free(TEST_FIRST), 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_close_ int fd = stranger(cases[i].family, TEST_FIRST, cases[i].loopback,
						  cases[i].listening);

		assert_int_equal(port_is_free(TEST_FIRST), 0);
	}
	assert_int_equal(port_is_free(TEST_FIRST), 1);
}

static void port_reserve__range__each_once_and_past_strangers(void **state)
{
	struct rundir *run = *state;
	const struct port_want want = {.first = TEST_FIRST, .count = TEST_COUNT, .shared = true};
	_cleanup_close_ int other = stranger(AF_INET, TEST_FIRST + 3, false, true);
	struct dyno_err err = {0};
	unsigned int seen = 0;
	int fds[TEST_COUNT - 1], fd = -7;
	uint16_t port;

	for (int i = 0; i < TEST_COUNT - 1; i++) {
		assert_int_equal(port_reserve(run->fd, &want, &fds[i], &port, &err), 0);
		assert_true(port >= TEST_FIRST && port < TEST_FIRST + TEST_COUNT);
		assert_int_equal(port_is_free(port), 1); /* nothing is left bound */
		seen |= 1U << (port - TEST_FIRST);
	}
	assert_int_equal(seen, ((1U << TEST_COUNT) - 1) & ~(1U << 3));

	assert_int_equal(port_reserve(run->fd, &want, &fd, &port, &err), -EADDRINUSE);
	assert_int_equal(err.kind, ERR_PORT);
	assert_int_equal(fd, -7);
	/* The stranger's port was not kept locked by those who passed it by. */
	close_fdp(&other);
	assert_int_equal(port_reserve(run->fd, &want, &fd, &port, &err), 0);
	assert_int_equal(port, TEST_FIRST + 3);
	close_fdp(&fd);
	for (int i = 0; i < TEST_COUNT - 1; i++)
		close_fdp(&fds[i]);
}

/* A port alone tells dynos apart, as long as there is one for each; strangers are no matter. */
static void port_reserve__distinct__each_once_then_any(void **state)
{
	struct rundir *run = *state;
	const struct port_want want = {.first = TEST_FIRST, .count = TEST_COUNT, .distinct = true};
	_cleanup_close_ int other = stranger(AF_INET, TEST_FIRST + 3, false, true);
	struct dyno_err err = {0};
	unsigned int seen = 0;
	int fds[TEST_COUNT + 1];
	uint16_t port;

	for (int i = 0; i < TEST_COUNT + 1; i++) {
		assert_int_equal(port_reserve(run->fd, &want, &fds[i], &port, &err), 0);
		assert_true(port >= TEST_FIRST && port < TEST_FIRST + TEST_COUNT);
		seen |= 1U << (port - TEST_FIRST);
		if (i == TEST_COUNT - 1)
			assert_int_equal(seen, (1U << TEST_COUNT) - 1);
	}
	for (int i = 0; i < TEST_COUNT + 1; i++)
		close_fdp(&fds[i]);
}

/* One of many: tells its port and keeps it until nobody listens to @go any more. */
static _noreturn_ void reserve_and_stay(int run_fd, const struct port_want *want, int told, int go)
{
	struct dyno_err err = {0};
	uint16_t port = 0;
	int fd = -EBADF;
	char byte;

	if (port_reserve(run_fd, want, &fd, &port, &err) < 0)
		port = 0;
	if (write(told, &port, sizeof(port)) != (ssize_t)sizeof(port))
		_exit(1);
	_exit(read(go, &byte, 1) == 0 ? 0 : 1);
}

/* C3.6: 500 processes at once, which draw from a range that is hardly larger. */
static void port_reserve__many_processes__no_port_twice(void **state)
{
	enum { MANY = 500, RANGE = 540 };
	static const struct port_want want = {
		.first = TEST_FIRST - 1000, .count = RANGE, .shared = true};
	struct rundir *run = *state;
	bool seen[RANGE] = {false};
	int told[2], go[2], status;
	pid_t pids[MANY];

	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	for (int i = 0; i < MANY; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			(void)close(go[1]);
			reserve_and_stay(run->fd, &want, told[1], go[0]);
		}
	}
	close_fdp(&told[1]);
	close_fdp(&go[0]);
	for (int i = 0; i < MANY; i++) {
		uint16_t port;

		assert_int_equal(fd_read_full(told[0], &port, sizeof(port)), sizeof(port));
		assert_true(port >= want.first && port < want.first + RANGE);
		assert_false(seen[port - want.first]);
		seen[port - want.first] = true;
	}
	close_fdp(&go[1]);
	close_fdp(&told[0]);
	for (int i = 0; i < MANY; i++)
		assert_true(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
}

/* T38: someone else holds the port: he is named. */
static void port_reserve__fixed__dyno_or_stranger_named(void **state)
{
	struct rundir *run = *state;
	const struct port_want want = {.fixed = TEST_FIRST, .shared = true};
	_cleanup_close_ int mine = -EBADF;
	struct dyno_err err = {0};
	char self[32];
	uint16_t port;
	int fd, other;

	assert_int_equal(port_reserve(run->fd, &want, &mine, &port, &err), 0);
	assert_int_equal(port, TEST_FIRST);
	assert_int_equal(port_reserve(run->fd, &want, &fd, &port, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "another dyno"));
	close_fdp(&mine);

	other = stranger(AF_INET6, TEST_FIRST, false, true);
	assert_int_equal(port_reserve(run->fd, &want, &fd, &port, &err), -EADDRINUSE);
	(void)str_fmt(self, sizeof(self), "process %d (test_port)", getpid());
	assert_non_null(strstr(err.msg, self));
	assert_int_equal(err.kind, ERR_PORT);
	close_fdp(&other);

	/* Bound, not listening: nobody to name, but refused all the same. */
	other = stranger(AF_INET, TEST_FIRST, false, false);
	assert_int_equal(port_reserve(run->fd, &want, &fd, &port, &err), -EADDRINUSE);
	close_fdp(&other);
}

/* A server that closed first leaves its port in TIME-WAIT; the next run may have it. */
static void port_reserve__fixed_in_time_wait__granted(void **state)
{
	struct rundir *run = *state;
	const struct port_want want = {.fixed = TEST_FIRST + 1, .shared = true};
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(TEST_FIRST + 1),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static const int one = 1;
	_cleanup_close_ int fd = -EBADF;
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct dyno_err err = {0};
	uint16_t port;
	char byte;
	int peer;

	/* As servers do; without it the bound sockets of before would be in the way of anyone. */
	assert_int_equal(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(server, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&in, sizeof(in)), 0);
	peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer >= 0);
	close_fdp(&peer);
	assert_int_equal(read(client, &byte, 1), 0);
	close_fdp(&client);
	close_fdp(&server);

	assert_int_equal(port_is_free(TEST_FIRST + 1), 0); /* it is in TIME-WAIT indeed */
	assert_int_equal(port_reserve(run->fd, &want, &fd, &port, &err), 0);
}

static void port_reserve__own_network__no_lock(void **state)
{
	const struct port_want any = {.first = TEST_FIRST, .count = TEST_COUNT};
	const struct port_want fixed = {.fixed = 5000, .first = TEST_FIRST, .count = TEST_COUNT};
	uint16_t port = 0;
	int fd = -7;

	(void)state;
	assert_int_equal(port_reserve(-1, &any, &fd, &port, NULL), 0);
	assert_int_equal(fd, -EBADF);
	assert_true(port >= TEST_FIRST && port < TEST_FIRST + TEST_COUNT);
	assert_int_equal(port_reserve(-1, &fixed, &fd, &port, NULL), 0);
	assert_int_equal(port, 5000);
}

static void port_reserve__privileged_or_impossible__refused(void **state)
{
	static const struct {
		struct port_want want;
		int num;
	} cases[] = {
		{{.fixed = 80}, EACCES},
		{{.fixed = 1023}, EACCES},
		{{.first = 0, .count = 5}, EINVAL},
		{{.first = 60000, .count = 5537}, EINVAL},
		{{.first = 5000, .count = 0}, EINVAL},
	};
	struct rundir *run = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_err err = {0};
		uint16_t port = 7;
		int fd = -7;

		assert_int_equal(port_reserve(run->fd, &cases[i].want, &fd, &port, &err),
				 -cases[i].num);
		assert_int_equal(err.kind, ERR_PORT);
		assert_int_equal(port, 7);
		assert_int_equal(fd, -7);
	}
}

static void port_find_owner__none_and_self__told(void **state)
{
	struct port_owner owner = {.pid = -7};
	int fd;

	(void)state;
	assert_int_equal(port_find_owner(TEST_FIRST, &owner), -ENOENT);
	assert_int_equal(owner.pid, -7);
	fd = stranger(AF_INET, TEST_FIRST, true, true);
	assert_int_equal(port_find_owner(TEST_FIRST, &owner), 0);
	assert_int_equal(owner.pid, getpid());
	assert_int_equal(owner.uid, getuid());
	assert_string_equal(owner.comm, "test_port");
	close_fdp(&fd);
}

#define IN_RUNDIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_RUNDIR(slot_lock__two_descriptions__exclude_each_other),
		IN_RUNDIR(slot_share__number__found_until_the_last_goes),
		IN_RUNDIR(slot_share__beside_a_lock__eagain),
		IN_RUNDIR(slot_lock__holder_killed__free),
		IN_RUNDIR(slot_open__a_link_or_a_fifo__refused),
		cmocka_unit_test(slot_random__any_bound__below_it),
		IN_RUNDIR(ids_reserve__all_ranges__each_once_then_an_error),
		IN_RUNDIR(ids_reserve__impossible_ranges__einval),
		cmocka_unit_test(port_is_free__strangers__seen_in_every_form),
		IN_RUNDIR(port_reserve__range__each_once_and_past_strangers),
		IN_RUNDIR(port_reserve__many_processes__no_port_twice),
		IN_RUNDIR(port_reserve__distinct__each_once_then_any),
		IN_RUNDIR(port_reserve__fixed__dyno_or_stranger_named),
		IN_RUNDIR(port_reserve__fixed_in_time_wait__granted),
		cmocka_unit_test(port_reserve__own_network__no_lock),
		IN_RUNDIR(port_reserve__privileged_or_impossible__refused),
		cmocka_unit_test(port_find_owner__none_and_self__told),
	};

	/* A network of its own, so that nothing else on the host is in the way; without the right
	 * to make one, the host's ports of that number are hoped to be free. */
	if ((unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) &&
	    link_loopback_up(NULL) != 0)
		return 1;
	return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
