/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_listen.c - the listener probe against real sockets, and the explanation of what it found
 * (T38).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
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

#include "base/fd.h"
#include "base/str.h"
#include "kernel/link.h"
#include "kernel/listen.h"

#define PORT 19100

/* Open a listener. Return: its descriptor. */
static int listener(int family, const char *addr, uint16_t port, bool v6only)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int only = v6only;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (family == AF_INET) {
		assert_int_equal(inet_pton(family, addr, &in.sin_addr), 1);
		assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	} else {
		assert_int_equal(inet_pton(family, addr, &in6.sin6_addr), 1);
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&in6, sizeof(in6)), 0);
	}
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int setup(void **state)
{
	int *fd = malloc(sizeof(*fd));

	if (!fd || listen_probe_open(fd) != 0)
		return -1;
	*state = fd;
	return 0;
}

static int teardown(void **state)
{
	close_fdp(*state);
	free(*state);
	return 0;
}

static void probe_port__each_kind_of_address__scope(void **state)
{
	static const struct {
		int family;
		const char *addr;
		bool v6only;
		enum listen_scope scope;
		const char *text;
	} cases[] = {
		{AF_INET, "0.0.0.0", false, LISTEN_ANY, "0.0.0.0:19100"},
		{AF_INET, "127.0.0.1", false, LISTEN_LOOPBACK, "127.0.0.1:19100"},
		{AF_INET, "127.9.8.7", false, LISTEN_LOOPBACK, "127.9.8.7:19100"},
		{AF_INET6, "::", false, LISTEN_ANY, "[::]:19100"},
		{AF_INET6, "::", true, LISTEN_ANY, "[::]:19100"},
		{AF_INET6, "::1", true, LISTEN_LOOPBACK, "[::1]:19100"},
		{AF_INET6, "::ffff:127.0.0.1", false, LISTEN_LOOPBACK, "[::ffff:127.0.0.1]:19100"},
	};
	int probe = **(int **)state;
	struct listen_fact fact;

	assert_int_equal(listen_probe_port(probe, PORT, LISTEN_ANY_UID, &fact), 0);
	assert_int_equal(fact.n_total, 0);
	assert_false(fact.reachable);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_close_ int fd =
			listener(cases[i].family, cases[i].addr, PORT, cases[i].v6only);
		const struct listen_socket *s = &fact.sockets[0];
		char text[LISTEN_TEXT_BYTES], link[64], want[64];
		struct stat st;

		assert_int_equal(listen_probe_port(probe, PORT, LISTEN_ANY_UID, &fact), 1);
		assert_int_equal(fact.n, 1);
		assert_int_equal(fact.n_on_port, 1);
		assert_int_equal(s->port, PORT);
		assert_int_equal(s->family, cases[i].family);
		assert_int_equal(s->scope, cases[i].scope);
		assert_int_equal(fact.reachable, cases[i].scope != LISTEN_LOOPBACK);
		if (cases[i].family == AF_INET6)
			assert_int_equal(s->v6only, cases[i].v6only);
		assert_int_equal(s->uid, getuid());
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(s->inode, st.st_ino);
		assert_string_equal(listen_socket_text(s, text), cases[i].text);

		(void)str_fmt(link, sizeof(link), "/proc/self/fd/%d", fd);
		(void)str_fmt(want, sizeof(want), "socket:[%u]", s->inode);
		text[readlink(link, text, sizeof(text) - 1)] = '\0';
		assert_string_equal(text, want);
	}
	assert_int_equal(listen_probe_port(probe, PORT, LISTEN_ANY_UID, &fact), 0);
}

static void probe_port__others__not_counted(void **state)
{
	int probe = **(int **)state;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT + 2)};
	_cleanup_close_ int near = listener(AF_INET, "0.0.0.0", PORT + 1, false);
	_cleanup_close_ int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct listen_fact fact;

	/* Bound, but not listening yet: not ready; and UDP is no answer to a TCP question. */
	assert_int_equal(bind(bound, (struct sockaddr *)&in, sizeof(in)), 0);
	in.sin_port = htons(PORT);
	assert_int_equal(bind(udp, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen_probe_port(probe, PORT, LISTEN_ANY_UID, &fact), 0);
	assert_int_equal(fact.n_total, 0);
	assert_int_equal(listen_probe_port(probe, PORT + 2, LISTEN_ANY_UID, &fact), 0);
	assert_int_equal(listen_probe_port(probe, PORT + 1, LISTEN_ANY_UID, &fact), 1);
	assert_true(near >= 0);
}

static void probe_port__owner__filtered(void **state)
{
	int probe = **(int **)state;
	_cleanup_close_ int fd = listener(AF_INET, "0.0.0.0", PORT, false);
	struct listen_fact fact;

	assert_true(fd >= 0);
	assert_int_equal(listen_probe_port(probe, PORT, getuid(), &fact), 1);
	assert_int_equal(listen_probe_port(probe, PORT, getuid() + 1, &fact), 0);
	assert_false(fact.reachable);
	assert_int_equal(listen_probe_all(probe, PORT, getuid() + 1, &fact), 0);
}

static void probe_port__port_zero_or_bad_fd__error(void **state)
{
	struct listen_fact fact = {.n = 77};

	assert_int_equal(listen_probe_port(**(int **)state, 0, LISTEN_ANY_UID, &fact), -EINVAL);
	assert_int_equal(listen_probe_port(-1, PORT, LISTEN_ANY_UID, &fact), -EBADF);
	assert_int_equal(fact.n, 77);
}

/* More listeners than a fact names, on several ports and both families: the wanted ones first. */
static void probe_all__many__wanted_first_rest_counted(void **state)
{
	int probe = **(int **)state;
	int fds[2 * LISTEN_MAX_SOCKETS];
	struct listen_fact fact;
	unsigned int before;

	assert_true(listen_probe_all(probe, PORT, LISTEN_ANY_UID, &fact) >= 0);
	before = fact.n_total;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		char addr[16];

		(void)str_fmt(addr, sizeof(addr), "127.0.0.%u", (unsigned int)i + 1);
		fds[i] = i % 8 == 0 ? listener(AF_INET6, "::1", (uint16_t)(PORT + 1 + i), true)
				    : listener(AF_INET, addr, i % 2 ? PORT : PORT + 1, false);
	}
	assert_int_equal(listen_probe_all(probe, PORT, LISTEN_ANY_UID, &fact), LISTEN_MAX_SOCKETS);
	assert_int_equal(fact.n_total, before + ARRAY_SIZE(fds));
	assert_int_equal(fact.n, LISTEN_MAX_SOCKETS);
	for (unsigned int i = 0; i < fact.n; i++)
		assert_int_equal(fact.sockets[i].port, PORT);

	close_fdp(&fds[1]);
	close_fdp(&fds[3]);
	assert_int_equal(listen_probe_all(probe, PORT, LISTEN_ANY_UID, &fact),
			 LISTEN_MAX_SOCKETS - 2);
	assert_int_equal(fact.n, LISTEN_MAX_SOCKETS);
	assert_int_not_equal(fact.sockets[fact.n - 1].port, PORT);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close_fdp(&fds[i]);
}

/* The socket asks about the namespace it was made in, wherever its holder is. */
static void probe_open__in_another_namespace__sees_that_one(void **state)
{
	_cleanup_close_ int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int inside = -EBADF, probe = -EBADF;
	struct listen_fact fact;

	(void)state;
	if (geteuid() != 0 || here < 0 || unshare(CLONE_NEWNET) != 0) {
		print_message("skipped: a network namespace cannot be made\n");
		skip();
	}
	inside = listener(AF_INET, "0.0.0.0", PORT, false);
	assert_int_equal(listen_probe_open(&probe), 0);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);

	assert_int_equal(listen_probe_port(probe, PORT, LISTEN_ANY_UID, &fact), 1);
	assert_int_equal(fact.n_total, 1);
	assert_int_equal(listen_probe_port(**(int **)state, PORT, LISTEN_ANY_UID, &fact), 0);
	assert_true(inside >= 0);
}

/* The kernel's name of the group is the inode of its directory. */
static void probe_port__cgroup__is_the_socket_makers(void **state)
{
	int probe = **(int **)state;
	_cleanup_close_ int fd = listener(AF_INET, "127.0.0.1", PORT, false);
	_cleanup_close_ int self = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	static const char *const roots[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	char text[4096], path[4200];
	struct listen_fact fact;
	struct stat st;
	char *own;
	ssize_t n = fd_read_full(self, text, sizeof(text) - 1);

	assert_true(fd >= 0 && n > 0);
	text[n] = '\0';
	own = strstr(text, "0::/");
	assert_int_equal(listen_probe_port(probe, PORT, LISTEN_ANY_UID, &fact), 1);
	if (!own || fact.sockets[0].cgroup_id == 0) {
		print_message("skipped: this kernel names no groups of sockets\n");
		skip();
	}
	own += STRLEN("0::");
	own[strcspn(own, "\n")] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		(void)str_fmt(path, sizeof(path), "%s%s", roots[i], own);
		if (stat(path, &st) == 0)
			break;
	}
	assert_true(st.st_ino == fact.sockets[0].cgroup_id);
}

/* T38, C0.6: what is said about a boot that does not get there. */
static void explain__facts__sentence(void **state)
{
	static const struct {
		struct listen_fact fact;
		const char *want;
	} cases[] = {
		{{.n = 0}, "listening on nothing, expected 0.0.0.0:$PORT=31742"},
		{{.sockets = {{.port = 5000,
			       .family = AF_INET,
			       .scope = LISTEN_LOOPBACK,
			       .addr = {127, 0, 0, 1}}},
		  .n = 1,
		  .n_total = 1},
		 "listening on 127.0.0.1:5000, expected 0.0.0.0:$PORT=31742"},
		{{.sockets = {{.port = 31742,
			       .family = AF_INET6,
			       .scope = LISTEN_LOOPBACK,
			       .addr = {[15] = 1}},
			      {.port = 80, .family = AF_INET}},
		  .n_on_port = 1,
		  .n = 2,
		  .n_total = 9},
		 "listening on [::1]:31742, 0.0.0.0:80 and 7 more, expected 0.0.0.0:$PORT=31742"},
		{{.sockets = {{.port = 31742, .family = AF_INET}},
		  .n_on_port = 1,
		  .n = 1,
		  .n_total = 1,
		  .reachable = true},
		 ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256] = "old", cut[20];

		assert_int_equal(listen_explain(&cases[i].fact, 31742, text, sizeof(text)),
				 strlen(cases[i].want));
		assert_string_equal(text, cases[i].want);
		assert_int_equal(listen_explain(&cases[i].fact, 31742, cut, sizeof(cut)),
				 strlen(cases[i].want));
		assert_memory_equal(cut, cases[i].want,
				    MIN_OF(strlen(cases[i].want), sizeof(cut) - 1));
		assert_int_equal(strlen(cut), MIN_OF(strlen(cases[i].want), sizeof(cut) - 1));
	}
}

#define PROBED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		PROBED(probe_port__each_kind_of_address__scope),
		PROBED(probe_port__others__not_counted),
		PROBED(probe_port__owner__filtered),
		PROBED(probe_port__port_zero_or_bad_fd__error),
		PROBED(probe_all__many__wanted_first_rest_counted),
		PROBED(probe_open__in_another_namespace__sees_that_one),
		PROBED(probe_port__cgroup__is_the_socket_makers),
		cmocka_unit_test(explain__facts__sentence),
	};

	/* A network of its own, so that nothing else on the host is in the way; without the right
	 * to make one, the host's ports of that number are hoped to be free. */
	if ((unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) &&
	    link_loopback_up(NULL) != 0)
		return 1;
	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
