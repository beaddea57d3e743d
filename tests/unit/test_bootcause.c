/* SPDX-License-Identifier: Apache-2.0 */
/* test_bootcause.c - texts of /proc, and what they say of a boot that does not get there (T38). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/str.h"
#include "base/util.h"
#include "model/bootcause.h"

/* ---- rows of sockets -------------------------------------------------------------------------- */

/* The kernel writes an address as words of the machine's own order. */
static void address_in_hex(char *buf, size_t size, int family, const char *text)
{
	uint32_t words[4];
	size_t n = family == AF_INET6 ? 4 : 1;

	assert_int_equal(inet_pton(family, text, words), 1);
	for (size_t i = 0; i < n; i++)
		str_fmt(buf + 8 * i, size - 8 * i, "%08x", words[i]);
	for (size_t i = 0; buf[i]; i++)
		if (buf[i] >= 'a')
			buf[i] = (char)(buf[i] - 'a' + 'A');
}

static void next__rows_and_others__rows(void **state)
{
	static const struct {
		int family;
		const char *addr, *peer, *text;
	} cases[] = {
		{AF_INET, "127.0.0.1", "192.0.2.1", "192.0.2.1:5432"},
		{AF_INET6, "::1", "2001:db8::2", "[2001:db8::2]:5432"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[1024], local[40], remote[40], shown[NETROWS_TEXT_BYTES];
		struct netrow row;
		const char *at = text;
		uint8_t want[16];

		address_in_hex(local, sizeof(local), cases[i].family, cases[i].addr);
		address_in_hex(remote, sizeof(remote), cases[i].family, cases[i].peer);
		str_fmt(text, sizeof(text),
			"  sl  local_address rem_address   st tx_queue rx_queue\n"
			"   0: %s:138G %s:1538 02 0:0 0:0 0 0 0 7\n"
			"   1: %s:1388 %s:1538 02 0:0 0:0 0 0 0\n"
			"  12: %s:1388 %s:1538 02 00000000:00000001 01:00000010 00000003  1000 0 4711 "
			"2 0000000000000000 100 0 0 10 -1",
			local, remote, local, remote, local, remote);
		assert_int_equal(netrows_next(&at, cases[i].family, &row), 1);
		assert_int_equal(row.port, 5000);
		assert_int_equal(row.peer_port, 5432);
		assert_int_equal(row.state, TCP_SYN_SENT);
		assert_int_equal(row.inode, 4711);
		assert_int_equal(inet_pton(cases[i].family, cases[i].addr, want), 1);
		assert_memory_equal(row.addr, want, cases[i].family == AF_INET6 ? 16 : 4);
		assert_string_equal(netrows_text(row.family, row.peer, row.peer_port, shown),
				    cases[i].text);
		assert_int_equal(netrows_next(&at, cases[i].family, &row), 0);
	}
}

static void next_unix__paths__those_that_listen(void **state)
{
	static const char text[] =
		"Num       RefCount Protocol Flags    Type St Inode Path\n"
		"0000000000000000: 00000003 00000000 00000000 0001 03 21\n"
		"0000000000000000: 00000002 00000000 00000000 0002 01 22 /dev/log\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01 23 /tmp/a b\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01 24 @abstract";
	const char *at = text;
	struct netrow_unix row;

	(void)state;
	assert_int_equal(netrows_next_unix(&at, &row), 1);
	assert_false(row.listens);
	assert_int_equal(netrows_next_unix(&at, &row), 1);
	assert_true(row.listens);
	assert_int_equal(row.inode, 23);
	assert_string_equal(row.path, "/tmp/a b");
	assert_int_equal(netrows_next_unix(&at, &row), 1);
	assert_string_equal(row.path, "@abstract");
	assert_int_equal(netrows_next_unix(&at, &row), 0);
}

static void next_unix__long_path__cut(void **state)
{
	char text[512] = "0: 00000002 00000000 00010000 0001 01 23 ";
	const char *at = text;
	struct netrow_unix row;

	(void)state;
	memset(text + strlen(text), 'x', 300);
	assert_int_equal(netrows_next_unix(&at, &row), 1);
	assert_int_equal(strlen(row.path), NETROWS_PATH_BYTES - 1);
}

/* ---- texts of a thread ------------------------------------------------------------------------ */

#define FIELDS_4_TO_13 " 1 2 2 0 -1 4194304 1 2 3 4"
#define FIELDS_16_TO_51                                                                  \
	" 0 0 20 0 1 0 100 4096 1 18446744073709551615 1 1 1 1 1 0 0 0 0 0 0 0 17 0 0 0" \
	" 0 0 0 1 1 1 1 1 1 1"

static void read_stat__names_with_brackets__state_time_and_status(void **state)
{
	struct boot_task task = {.pid = 9};

	(void)state;
	assert_int_equal(bootcause_read_stat("71 (a) R (b) S" FIELDS_4_TO_13
					     " 120 30" FIELDS_16_TO_51 " 0\n",
					     100, &task),
			 0);
	assert_int_equal(task.pid, 9);
	assert_int_equal(task.state, 'S');
	assert_int_equal(task.cpu_ms, 1500);
	assert_int_equal(task.wait_status, 0);
	assert_int_equal(bootcause_read_stat("71 (x) Z" FIELDS_4_TO_13 " 0 0" FIELDS_16_TO_51
					     " 768\n",
					     100, &task),
			 0);
	assert_int_equal(task.state, 'Z');
	assert_int_equal(task.wait_status, 768);
}

static void read_stat__cut_short__refused(void **state)
{
	static const char *const texts[] = {"",
					    "71 (x",
					    "71 (x)",
					    "71 (x) S",
					    "71 (x) S 1 2 3",
					    "71 (x) S" FIELDS_4_TO_13 " 120",
					    "71 (x) S" FIELDS_4_TO_13 " 120 x",
					    "71 (x) Z" FIELDS_4_TO_13 " 1 2 3"};
	struct boot_task task = {.state = 'Q'};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(bootcause_read_stat(texts[i], 100, &task), -EINVAL);
	assert_int_equal(task.state, 'Q');
}

static void read_call__texts__call_and_descriptor(void **state)
{
	static const struct {
		long number;
		const char *rest;
		enum boot_call call;
		int fd;
	} cases[] = {
		{SYS_read, " 0x0 0x7ffc 0x400", BOOT_CALL_READ, 0},
		{SYS_recvfrom, " 0x1f 0x7ffc", BOOT_CALL_READ, 31},
		{SYS_connect, " 0x3 0x7ffc 0x10", BOOT_CALL_CONNECT, 3},
		{SYS_flock, " 0xffffffffffffffff 0x2", BOOT_CALL_LOCK, -1},
		{SYS_read, " nonsense", BOOT_CALL_READ, -1},
		{SYS_clock_nanosleep, " 0x0 0x0", BOOT_CALL_SLEEP, -1},
		{SYS_wait4, " 0x3 0x7ffc", BOOT_CALL_CHILD, -1},
		{SYS_openat, " 0xffffff9c", BOOT_CALL_OPEN, -1},
		{SYS_ppoll, " 0x7ffc 0x1", BOOT_CALL_POLL, -1},
		{SYS_futex, " 0x7ffc 0x1", BOOT_CALL_UNKNOWN, -1},
	};
	struct boot_task task;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[64];

		str_fmt(text, sizeof(text), "%ld%s\n", cases[i].number, cases[i].rest);
		bootcause_read_call(text, &task);
		assert_int_equal(task.call, cases[i].call);
		assert_int_equal(task.fd, cases[i].fd);
	}
	bootcause_read_call("running\n", &task);
	assert_int_equal(task.call, BOOT_CALL_UNKNOWN);
	bootcause_read_call("-1 0x7ffc 0x7f00\n", &task);
	assert_int_equal(task.call, BOOT_CALL_UNKNOWN);
}

static void socket__states__links(void **state)
{
	static const struct {
		struct netrow row;
		bool udp;
		int link; /* -1: none */
	} cases[] = {
		{{.state = TCP_SYN_SENT, .peer_port = 5432}, false, BOOT_LINK_CONNECTING},
		{{.state = TCP_ESTABLISHED, .peer_port = 5432}, false, BOOT_LINK_CONNECTED},
		{{.state = TCP_LISTEN, .port = 5000}, false, -1},
		{{.state = TCP_CLOSE, .port = 5000}, true, BOOT_LINK_UDP},
		{{.state = TCP_CLOSE, .port = 5001}, true, -1},
		{{.state = TCP_ESTABLISHED, .port = 5000, .peer_port = 9}, true, -1},
		{{.state = TCP_ESTABLISHED, .port = 5000, .peer_port = 53},
		 true,
		 BOOT_LINK_RESOLVING},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct boot_socket s = {0};
		struct netrow row = cases[i].row;

		row.family = AF_INET;
		assert_int_equal(bootcause_socket(&row, cases[i].udp, 5000, &s),
				 cases[i].link >= 0);
		if (cases[i].link >= 0)
			assert_int_equal((int)s.link, cases[i].link);
	}
}

/* ---- the sentence ----------------------------------------------------------------------------- */

#define TASK(number, ...)                                     \
	{                                                     \
		.pid = (number), .name = "app", ##__VA_ARGS__ \
	}
#define SOCKET(kind, to)                                                           \
	{                                                                          \
		.link = (kind), .pid = 2, .name = "app", .inode = 41, .text = (to) \
	}

static void tell__each_cause__its_sentence(void **state)
{
	static const struct {
		struct boot_task tasks[2];
		struct boot_socket sockets[2];
		size_t n_tasks, n_sockets;
		bool listens;
		const char *before, *holder;
		enum boot_cause cause;
		const char *want;
	} cases[] = {
		{.cause = BOOT_CAUSE_NONE, .want = ""},
		{{TASK(2, .call = BOOT_CALL_SLEEP)},
		 .n_tasks = 1,
		 .holder = "process 71 (nginx)",
		 .cause = BOOT_CAUSE_HELD,
		 .want = "$PORT is taken by process 71 (nginx), outside of the dyno"},
		{{TASK(2, .state = 'T')},
		 .n_tasks = 1,
		 .cause = BOOT_CAUSE_STOPPED,
		 .want = "process 2 (app) is stopped by a signal"},
		{{TASK(2, .call = BOOT_CALL_POLL)},
		 {SOCKET(BOOT_LINK_CONNECTING, "192.0.2.1:5432")},
		 1,
		 1,
		 .cause = BOOT_CAUSE_CONNECTING,
		 .want = "process 2 (app) waits in connect to 192.0.2.1:5432"},
		{{TASK(2, .call = BOOT_CALL_SLEEP)},
		 .n_tasks = 1,
		 .before = "listening on 127.0.0.1:3000, expected 0.0.0.0:$PORT=5000",
		 .cause = BOOT_CAUSE_LEFT,
		 .want = "it was listening on 127.0.0.1:3000 before, and has closed that"},
		{{TASK(2, .call = BOOT_CALL_READ, .fd = 3)},
		 {SOCKET(BOOT_LINK_UDP, "0.0.0.0:0")},
		 1,
		 1,
		 .cause = BOOT_CAUSE_UDP,
		 .want = "process 2 (app) has bound $PORT over UDP, and web is TCP"},
		{{TASK(2, .call = BOOT_CALL_POLL)},
		 {SOCKET(BOOT_LINK_RESOLVING, "192.0.2.3:53")},
		 1,
		 1,
		 .cause = BOOT_CAUSE_RESOLVING,
		 .want = "process 2 (app) waits for the name server 192.0.2.3:53"},
		{{TASK(2, .call = BOOT_CALL_LOCK, .fd = 4, .object = "/app/tmp/pid")},
		 .n_tasks = 1,
		 .cause = BOOT_CAUSE_LOCK,
		 .want = "process 2 (app) waits for the lock on /app/tmp/pid"},
		{{TASK(2, .state = 'R', .cpu_ms = 1950)},
		 .n_tasks = 1,
		 .cause = BOOT_CAUSE_BUSY,
		 .want = "process 2 (app) is still busy: 1.9 s of CPU time in 2.0 s"},
		/* An event that is handled just now is no busy boot. */
		{{TASK(2, .state = 'R', .cpu_ms = 20)},
		 .n_tasks = 1,
		 .cause = BOOT_CAUSE_NONE,
		 .want = ""},
		{{TASK(2, .state = 'D')},
		 .n_tasks = 1,
		 .cause = BOOT_CAUSE_DEVICE,
		 .want = "process 2 (app) waits for a disk or another device"},
		{{TASK(2, .call = BOOT_CALL_POLL)},
		 {SOCKET(BOOT_LINK_UNIX, "/tmp/sock")},
		 1,
		 1,
		 .cause = BOOT_CAUSE_UNIX,
		 .want = "process 2 (app) listens on the unix socket /tmp/sock only"},
		{{TASK(2, .call = BOOT_CALL_SLEEP), TASK(5, .state = 'Z', .wait_status = 0x300)},
		 .n_tasks = 2,
		 .cause = BOOT_CAUSE_ENDED,
		 .want = "process 5 (app) has ended with status 3, and the others go on"},
		{{TASK(2, .call = BOOT_CALL_SLEEP), TASK(5, .state = 'Z', .wait_status = 11)},
		 .n_tasks = 2,
		 .cause = BOOT_CAUSE_ENDED,
		 .want = "process 5 (app) has ended by signal 11, and the others go on"},
		{{TASK(2, .call = BOOT_CALL_READ, .fd = 3, .object = "socket:[41]")},
		 {SOCKET(BOOT_LINK_CONNECTED, "192.0.2.1:5432")},
		 1,
		 1,
		 .cause = BOOT_CAUSE_ANSWER,
		 .want = "process 2 (app) waits for an answer of 192.0.2.1:5432"},
		/* Another connection is not what is read from. */
		{{TASK(2, .call = BOOT_CALL_READ, .fd = 3, .object = "pipe:[7]")},
		 {SOCKET(BOOT_LINK_CONNECTED, "192.0.2.1:5432")},
		 1,
		 1,
		 .cause = BOOT_CAUSE_READ,
		 .want = "process 2 (app) waits for what it reads from pipe:[7]"},
		{{TASK(2, .call = BOOT_CALL_READ, .fd = 0, .object = "pipe:[7]")},
		 .n_tasks = 1,
		 .cause = BOOT_CAUSE_STDIN,
		 .want = "process 2 (app) waits for its standard input"},
		{{TASK(2, .call = BOOT_CALL_OPEN)},
		 .n_tasks = 1,
		 .cause = BOOT_CAUSE_OPEN,
		 .want = "process 2 (app) waits in open, as of a pipe that nobody else opens"},
		{{TASK(2, .call = BOOT_CALL_CHILD), TASK(5, .call = BOOT_CALL_SLEEP)},
		 .n_tasks = 2,
		 .cause = BOOT_CAUSE_SLEEP,
		 .want = "process 5 (app) sleeps"},
		{{TASK(2, .call = BOOT_CALL_POLL)},
		 .n_tasks = 1,
		 .cause = BOOT_CAUSE_IDLE,
		 .want = "process 2 (app) waits, and for no client"},
		/* Beside a wrong bind only what is sure. */
		{{TASK(2, .call = BOOT_CALL_POLL)},
		 .n_tasks = 1,
		 .listens = true,
		 .before = "listening on 127.0.0.1:3000",
		 .cause = BOOT_CAUSE_NONE,
		 .want = ""},
		{{TASK(2, .call = BOOT_CALL_POLL)},
		 {SOCKET(BOOT_LINK_UNIX, "/tmp/s"), SOCKET(BOOT_LINK_CONNECTING, "[::1]:1")},
		 1,
		 2,
		 .listens = true,
		 .cause = BOOT_CAUSE_CONNECTING,
		 .want = "process 2 (app) waits in connect to [::1]:1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct boot_facts facts = {
			.tasks = cases[i].tasks,
			.n_tasks = cases[i].n_tasks,
			.sockets = cases[i].sockets,
			.n_sockets = cases[i].n_sockets,
			.age_ms = 2000,
			.listens = cases[i].listens,
			.before = cases[i].before,
			.holder = cases[i].holder,
		};
		char text[BOOT_CAUSE_BYTES];

		assert_int_equal(bootcause_tell(&facts, text), cases[i].cause);
		assert_string_equal(text, cases[i].want);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(next__rows_and_others__rows),
		cmocka_unit_test(next_unix__paths__those_that_listen),
		cmocka_unit_test(next_unix__long_path__cut),
		cmocka_unit_test(read_stat__names_with_brackets__state_time_and_status),
		cmocka_unit_test(read_stat__cut_short__refused),
		cmocka_unit_test(read_call__texts__call_and_descriptor),
		cmocka_unit_test(socket__states__links),
		cmocka_unit_test(tell__each_cause__its_sentence),
	};

	return cmocka_run_group_tests_name("bootcause", tests, NULL, NULL);
}
