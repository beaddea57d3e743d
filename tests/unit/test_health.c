/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_health.c - questions to a dyno that is up: over TCP and HTTP, to apps that answer, refuse,
 * hang and babble, and by commands in a live dyno, which never outlive their question (T28, T29).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/loop.h"
#include "engine/health.h"
#include "kernel/listen.h"
#include "kernel/netsock.h"
#include "livedyno.h"

#define INTERVAL_MS 20U
#define TIMEOUT_MS  100U
#define CLIENTS_MAX 8
#define TURN_MS	    5U
#define HAPPENS_MS  20000U

/**
 * struct fixture - checks, what they have told, and an app in the same loop.
 * @listen_fd: of the app
 * @answer: what it says to a request; NULL: nothing.  A connection is closed behind it
 * @requests, @request: how many, and the last
 */
struct fixture {
	struct loop loop;
	struct health_plan plan;
	struct health health;
	struct dyno_spec spec;
	struct launch launch;
	struct arena arena;
	int timer;
	unsigned int told;
	uint32_t count;
	char cause[128];
	bool stop_then;
	int listen_fd;
	uint16_t port;
	const char *answer;
	size_t answer_len;
	bool keep_open;
	unsigned int requests;
	char request[4096];
};

static void on_told(void *data, uint32_t count, const char *cause)
{
	struct fixture *f = data;

	f->told++;
	f->count = count;
	str_fmt(f->cause, sizeof(f->cause), "%s", cause);
	if (f->stop_then)
		health_stop(&f->health);
}

static void on_stop(struct loop *loop, void *data)
{
	(void)data;
	loop->quit = true;
}

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.listen_fd = -EBADF};
	loop_init(&f.loop);
	launch_init(&f.launch);
	f.spec.network = SPEC_NET_HOST;
	f.launch.spec = &f.spec;
	f.plan = (struct health_plan){.kind = HEALTH_TCP,
				      .path = "/up",
				      .interval_ms = INTERVAL_MS,
				      .timeout_ms = TIMEOUT_MS,
				      .threshold = 2};
	f.timer = loop_timer_add(&f.loop, on_stop, NULL);
	*state = &f;
	return health_init(&f.health, &f.loop, &f.plan, on_told, &f);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	health_stop(&f->health);
	close_fdp(&f->listen_fd);
	arena_done(&f->arena);
	return 0;
}

static void run_for(struct fixture *f, uint64_t ms)
{
	f->loop.quit = false;
	loop_timer_arm(&f->loop, f->timer, clock_ms() + ms);
	assert_int_equal(loop_run(&f->loop), 0);
}

/* On a busy machine questions come later than they should: what must happen is waited for, and only
 * what must not is looked for during a time. */
#define run_until(f, condition)                                       \
	do {                                                          \
		for (unsigned int turns = 0; !(condition); turns++) { \
			assert_true(turns < HAPPENS_MS / TURN_MS);    \
			run_for(f, TURN_MS);                          \
		}                                                     \
	} while (0)

/* ---- an app --------------------------------------------------------------------------------- */

static void on_request(struct loop *loop, int fd, short revents, void *data)
{
	struct fixture *f = data;
	ssize_t n = read(fd, f->request, sizeof(f->request) - 1);

	(void)revents;
	if (n > 0) {
		f->request[n] = '\0';
		f->requests++;
		if (f->answer)
			(void)!send(fd, f->answer, f->answer_len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (f->keep_open)
			return;
	}
	loop_remove(loop, fd);
	(void)close(fd);
}

static void on_client(struct loop *loop, int fd, short revents, void *data)
{
	struct fixture *f = data;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)revents;
	assert_true(client >= 0);
	if (f->plan.kind == HEALTH_TCP) {
		f->requests++;
		(void)close(client);
		return;
	}
	assert_int_equal(loop_add(loop, client, POLLIN, on_request, f), 0);
}

static void listen_on(struct fixture *f, int family, int backlog)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *addr = family == AF_INET ? (void *)&in : (void *)&in6;
	socklen_t len = family == AF_INET ? sizeof(in) : sizeof(in6);

	f->listen_fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(f->listen_fd >= 0);
	if (bind(f->listen_fd, addr, len) < 0 && errno == EADDRNOTAVAIL)
		skip(); /* no IPv6 here */
	assert_int_equal(getsockname(f->listen_fd, addr, &len), 0);
	assert_int_equal(listen(f->listen_fd, backlog), 0);
	f->port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
}

static void serve(struct fixture *f, int family)
{
	listen_on(f, family, 16);
	assert_int_equal(loop_add(&f->loop, f->listen_fd, POLLIN, on_client, f), 0);
}

static void answer(struct fixture *f, const char *text)
{
	f->plan.kind = HEALTH_HTTP;
	f->answer = text;
	f->answer_len = text ? strlen(text) : 0;
}

/* Until the failures were told, or two questions were answered. */
static void run_checks(struct fixture *f)
{
	health_start(&f->health, &f->launch, f->port, NULL);
	run_until(f, f->told > 0 || (f->requests >= 2 && !f->health.busy));
}

static size_t count_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ---- text ----------------------------------------------------------------------------------- */

static void health_parse__each_kind__its_text(void **state)
{
	static const struct {
		const char *text;
		enum health_kind kind;
		const char *path;
		const char *command;
	} cases[] = {
		{"tcp", HEALTH_TCP, NULL, NULL},
		{"http:/", HEALTH_HTTP, "/", NULL},
		{"http:/up?a=b%20c", HEALTH_HTTP, "/up?a=b%20c", NULL},
		{"exec:bin/check --fast | grep ok", HEALTH_EXEC, NULL,
		 "bin/check --fast | grep ok"},
		{"exec:a:b", HEALTH_EXEC, NULL, "a:b"},
	};
	struct fixture *f = *state;
	struct dyno_err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct health_plan plan = {
			.path = "x", .command = "y", .interval_ms = 7, .threshold = 9};

		assert_int_equal(health_parse(cases[i].text, &f->arena, &plan, &err), 0);
		assert_int_equal(plan.kind, cases[i].kind);
		assert_int_equal(plan.path != NULL, cases[i].path != NULL);
		if (plan.path)
			assert_string_equal(plan.path, cases[i].path);
		assert_int_equal(plan.command != NULL, cases[i].command != NULL);
		if (plan.command)
			assert_string_equal(plan.command, cases[i].command);
		assert_int_equal(plan.interval_ms, 7);
		assert_int_equal(plan.threshold, 9);
	}
}

static void health_parse__bad_text__error(void **state)
{
	static const char *const cases[] = {
		"",	     "TCP",	    "tcp:",	   "tcp:5000",	 "http",  "http:",
		"http:up",   "http://x/",   "https:/",	   "http:/a b",	 "exec",  "exec:",
		"exec: \t ", "http:/a\r\n", "http:/a\x01", "http:/\xc3", "none!", "http:/#x",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct health_plan plan = {.kind = HEALTH_NONE, .interval_ms = 7};
		struct dyno_err err = {0};
		int want = str_eq(cases[i], "http://x/") ? 0 : -EINVAL; /* a path, if an odd one */

		assert_int_equal(health_parse(cases[i], &f->arena, &plan, &err), want);
		if (want == 0)
			continue;
		assert_int_equal(err.kind, ERR_HEALTH);
		assert_string_not_equal(err.hint, "");
		assert_int_equal(plan.kind, HEALTH_NONE);
	}
}

static void health_parse__path_too_long__error(void **state)
{
	struct fixture *f = *state;
	char text[HEALTH_PATH_BYTES + 16];
	struct health_plan plan = {0};
	struct dyno_err err = {0};

	memset(text, 'x', sizeof(text));
	memcpy(text, "http:/", 6);
	text[5 + HEALTH_PATH_BYTES] = '\0';
	assert_int_equal(health_parse(text, &f->arena, &plan, &err), 0);
	text[5 + HEALTH_PATH_BYTES] = 'x';
	text[5 + HEALTH_PATH_BYTES + 1] = '\0';
	assert_int_equal(health_parse(text, &f->arena, &plan, &err), -EINVAL);
}

/* ---- TCP ------------------------------------------------------------------------------------ */

static void health_tcp__listening__good(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		uint64_t began;
		size_t fds;

		f->requests = 0;
		serve(f, families[i]);
		fds = count_fds();
		began = clock_ms();
		run_checks(f);
		assert_int_equal(f->told, 0);
		assert_int_equal(f->health.failures, 0);
		assert_in_range(f->requests, 2, (clock_ms() - began) / INTERVAL_MS);
		health_stop(&f->health);
		assert_int_equal(count_fds(), fds);
		loop_remove(&f->loop, f->listen_fd);
		close_fdp(&f->listen_fd);
	}
}

static void health_tcp__nobody_listens__told_once_with_the_cause(void **state)
{
	struct fixture *f = *state;
	char want[64];

	listen_on(f, AF_INET, 1);
	close_fdp(&f->listen_fd);
	run_checks(f);
	run_until(f, f->health.failures > 2);
	assert_int_equal(f->told, 1);
	assert_int_equal(f->count, 2);
	str_fmt(want, sizeof(want), "connect to 127.0.0.1:%u: connection refused",
		(unsigned int)f->port);
	assert_string_equal(f->cause, want);
}

static void health_tcp__first_question__one_interval_after_the_start(void **state)
{
	struct fixture *f = *state;
	uint64_t began = clock_ms();

	f->plan.interval_ms = 200;
	serve(f, AF_INET);
	health_start(&f->health, &f->launch, f->port, NULL);
	run_until(f, f->requests > 0);
	assert_int_equal(f->requests, 1);
	assert_true(clock_ms() - began >= 200);
}

static void health_tcp__well_again__counts_from_the_beginning(void **state)
{
	struct fixture *f = *state;

	listen_on(f, AF_INET, 16);
	f->plan.threshold = 3;
	health_start(&f->health, &f->launch, (uint16_t)(f->port), NULL);
	f->health.failures = 2;
	assert_int_equal(loop_add(&f->loop, f->listen_fd, POLLIN, on_client, f), 0);
	run_until(f, f->health.failures == 0);
	loop_remove(&f->loop, f->listen_fd);
	close_fdp(&f->listen_fd);
	run_until(f, f->told > 0);
	assert_int_equal(f->told, 1);
	assert_int_equal(f->count, 3);
}

/* An app that does not accept: its queue is full, and connections hang. */
static void health_tcp__queue_is_full__no_answer_in_time(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int clients[4];

	listen_on(f, AF_INET, 0);
	in.sin_port = htons(f->port);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(clients[i], (struct sockaddr *)&in, sizeof(in));
	}
	health_start(&f->health, &f->launch, f->port, NULL);
	run_until(f, f->told > 0);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		close_fdp(&clients[i]);
	assert_int_equal(f->told, 1);
	assert_non_null(strstr(f->cause, "connect to 127.0.0.1:"));
	assert_non_null(strstr(f->cause, "no answer within 100 ms"));
}

static void health_stop__in_the_callback__nothing_more(void **state)
{
	struct fixture *f = *state;
	size_t fds;

	listen_on(f, AF_INET, 1);
	close_fdp(&f->listen_fd);
	fds = count_fds();
	f->stop_then = true;
	f->plan.threshold = 1;
	run_checks(f);
	run_for(f, 5 * INTERVAL_MS);
	assert_int_equal(f->told, 1);
	assert_int_equal(f->health.failures, 1);
	assert_int_equal(count_fds(), fds);
}

static void health_start__no_kind__never_asks(void **state)
{
	struct fixture *f = *state;

	f->plan.kind = HEALTH_NONE;
	health_start(&f->health, &f->launch, f->port, NULL);
	run_for(f, 5 * INTERVAL_MS);
	assert_int_equal(f->health.failures, 0);
	assert_false(f->health.busy);
}

static void health_init__loop_without_a_timer__error(void **state)
{
	struct fixture *f = *state;
	struct health h;

	while (loop_timer_add(&f->loop, on_stop, NULL) >= 0)
		;
	assert_int_equal(health_init(&h, &f->loop, &f->plan, on_told, f), -ENOSPC);
}

static void on_never(struct loop *loop, int fd, short revents, void *data)
{
	(void)loop;
	(void)fd;
	(void)revents;
	(void)data;
	fail();
}

static void health_http__loop_is_full__bad_and_no_leak(void **state)
{
	struct fixture *f = *state;
	int ends[LOOP_MAX_SOURCES][2];
	size_t fds;

	answer(f, "HTTP/1.0 200 OK\r\n\r\n");
	serve(f, AF_INET);
	for (size_t i = 0; i < LOOP_MAX_SOURCES - 1; i++) {
		assert_int_equal(pipe2(ends[i], O_CLOEXEC), 0);
		assert_int_equal(loop_add(&f->loop, ends[i][0], POLLIN, on_never, NULL), 0);
	}
	fds = count_fds();
	/* The listener's own place is the last: it is not needed to connect. */
	loop_remove(&f->loop, f->listen_fd);
	assert_int_equal(loop_add(&f->loop, ends[0][1], POLLERR, on_never, NULL), 0);
	run_checks(f);
	assert_int_equal(f->told, 1);
	assert_int_equal(count_fds(), fds);
	for (size_t i = 0; i < LOOP_MAX_SOURCES - 1; i++) {
		close_fdp(&ends[i][0]);
		close_fdp(&ends[i][1]);
	}
}

/* ---- HTTP ----------------------------------------------------------------------------------- */

static void health_http__answers__good_or_bad(void **state)
{
	static const struct {
		const char *answer;
		const char *cause; /* NULL: good */
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL},
		{"HTTP/1.0 204\r\n\r\n", NULL},
		{"HTTP/1.0 200", NULL},
		{"HTTP/1.1 301 Moved\r\nLocation: https://x/\r\n\r\n", NULL},
		{"HTTP/1.1 399 x\r\n\r\n", NULL},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", "GET /up: status 400"},
		{"HTTP/1.1 503 Service Unavailable\r\n\r\n", "GET /up: status 503"},
		{"HTTP/1.1 100 Continue\r\n\r\n", "GET /up: status 100"},
		{"HTTP/1.1 2000 OK\r\n\r\n", "GET /up: the answer is not HTTP"},
		{"SSH-2.0-OpenSSH_9.2\r\n", "GET /up: the answer is not HTTP"},
		{"http/1.1 200 OK\r\n", "GET /up: the answer is not HTTP"},
		{"HTTP/1.1 20", "GET /up: closed without an answer"},
		{NULL, "GET /up: closed without an answer"},
	};
	struct fixture *f = *state;
	size_t fds;

	serve(f, AF_INET);
	fds = count_fds();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f->requests = f->told = 0;
		answer(f, cases[i].answer);
		run_checks(f);
		assert_true(f->requests > 0);
		assert_int_equal(f->told, cases[i].cause ? 1 : 0);
		if (cases[i].cause)
			assert_string_equal(f->cause, cases[i].cause);
		health_stop(&f->health);
		run_until(f, count_fds() == fds);
	}
}

static void health_http__request__as_it_should_be(void **state)
{
	struct fixture *f = *state;
	char want[64];

	answer(f, "HTTP/1.0 200 OK\r\n\r\n");
	serve(f, AF_INET6);
	run_checks(f);
	assert_int_equal(f->told, 0);
	assert_non_null(strstr(f->request, "GET /up HTTP/1.0\r\n"));
	str_fmt(want, sizeof(want), "\r\nHost: localhost:%u\r\n", (unsigned int)f->port);
	assert_non_null(strstr(f->request, want));
	assert_non_null(strstr(f->request, "\r\nConnection: close\r\n"));
	assert_true(str_ends(f->request, "\r\n\r\n"));
}

/* The status counts although the connection stays open, as of a stream of events. */
static void health_http__answer_without_an_end__status_counts(void **state)
{
	struct fixture *f = *state;

	answer(f, "HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n");
	f->keep_open = true;
	serve(f, AF_INET);
	health_start(&f->health, &f->launch, f->port, NULL);
	run_until(f, f->requests > 2);
	assert_int_equal(f->health.failures, 0);
}

static void health_http__hangs__no_answer_in_time(void **state)
{
	struct fixture *f = *state;

	answer(f, NULL);
	f->keep_open = true;
	serve(f, AF_INET);
	health_start(&f->health, &f->launch, f->port, NULL);
	run_until(f, f->told > 0);
	assert_int_equal(f->told, 1);
	assert_string_equal(f->cause, "GET /up: no answer within 100 ms");
	/* Never two at once: the second came when the first was given up. */
	assert_in_range(f->requests, 2, 3);
}

/* Half a line, and then nothing: what has come is no answer. */
static void health_http__half_a_status_line__no_answer_in_time(void **state)
{
	struct fixture *f = *state;

	answer(f, "HTTP/1.1 2");
	f->keep_open = true;
	serve(f, AF_INET);
	health_start(&f->health, &f->launch, f->port, NULL);
	run_until(f, f->told > 0);
	assert_int_equal(f->told, 1);
	assert_string_equal(f->cause, "GET /up: no answer within 100 ms");
}

static void health_http__endless_page__only_its_beginning_is_read(void **state)
{
	static char page[4 * HEALTH_BODY_BYTES];
	struct fixture *f = *state;

	memset(page, 'x', sizeof(page));
	memcpy(page, "HTTP/1.1 200 OK\r\n\r\n", 19);
	answer(f, "");
	f->answer = page;
	f->answer_len = sizeof(page);
	f->keep_open = true;
	serve(f, AF_INET);
	run_checks(f);
	assert_int_equal(f->told, 0);
	assert_int_equal(f->health.failures, 0);
	run_until(f, !f->health.busy);
	assert_in_range(f->health.body_len, HEALTH_BODY_BYTES, HEALTH_BODY_BYTES + 4096);
}

/* ---- in a live dyno ------------------------------------------------------------------------- */

static const struct live_case live_cases[] = {
	{.rootless = false},
	{.rootless = true},
	{.rootless = false, .private_net = true},
	{.rootless = true, .private_net = true},
};

/* Cases from @first on. */
static void run_cases(size_t first, live_fn fn)
{
	size_t skipped = 0;

	for (size_t i = first; i < ARRAY_SIZE(live_cases); i++) {
		int status = live_run(&live_cases[i], fn);

		if (status == LIVE_SKIP)
			skipped++;
		else if (status != 0)
			print_error("case %zu: status %d\n", i, status);
		assert_true(status == 0 || status == LIVE_SKIP);
	}
	if (skipped == ARRAY_SIZE(live_cases) - first)
		skip();
}

/* The same with checks that are not cmocka's. */
struct live_checks {
	struct live *v;
	struct loop loop;
	struct health_plan plan;
	struct health health;
	int timer;
	unsigned int told;
	char cause[128];
};

static void on_live_told(void *data, uint32_t count, const char *cause)
{
	struct live_checks *c = data;

	(void)count;
	c->told++;
	str_fmt(c->cause, sizeof(c->cause), "%s", cause);
}

static void live_checks(struct live_checks *c, struct live *v, struct health_plan plan)
{
	*c = (struct live_checks){.v = v, .plan = plan};
	c->plan.interval_ms = INTERVAL_MS;
	c->plan.threshold = 1;
	loop_init(&c->loop);
	c->timer = loop_timer_add(&c->loop, on_stop, NULL);
	MUST(health_init(&c->health, &c->loop, &c->plan, on_live_told, c) == 0);
}

static void live_run_for(struct live_checks *c, uint64_t ms)
{
	c->loop.quit = false;
	loop_timer_arm(&c->loop, c->timer, clock_ms() + ms);
	MUST(loop_run(&c->loop) == 0);
}

/* As run_until(). */
#define live_run_until(c, condition)                                  \
	do {                                                          \
		for (unsigned int turns = 0; !(condition); turns++) { \
			MUST(turns < LIVE_MAX_MS / 10);               \
			live_run_for(c, 10);                          \
		}                                                     \
	} while (0)

static void end_dyno(struct live *v)
{
	int status;

	MUST(launch_kill(&v->launch) == 0);
	MUST(proc_wait(v->launch.pidfd, &status) == 0);
	live_done(v);
	/* Every command was waited for. */
	MUST(waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD);
}

static const char *const argv_sleep[] = {"sleep", "1000", NULL};

static const struct {
	const char *command;
	const char *cause;
} commands[] = {
	{"true", NULL},
	{"[ $HOME = /app ] && [ $PWD = /app ] && [ ! -t 0 ]", NULL},
	{"exit 3", "the command ended with status 3"},
	{"kill -TERM $$", "the command ended with status 143"},
	{"no-such-command", "the command ended with status 127"},
};

static void live_commands(struct live *v, const struct live_case *lc)
{
	size_t fds;

	live_make(v, lc, argv_sleep);
	live_start(v);
	fds = count_fds();
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct live_checks c;

		live_checks(
			&c, v,
			(struct health_plan){.kind = HEALTH_EXEC, .command = commands[i].command});
		health_start(&c.health, &v->launch, 0, live_env);
		if (!commands[i].cause) {
			/* It is asked, and the answer is no reason to tell. */
			live_run_until(&c, c.health.busy);
			live_run_until(&c, !c.health.busy);
		} else {
			live_run_until(&c, c.told > 0);
		}
		health_stop(&c.health);
		MUST((c.told > 0) == (commands[i].cause != NULL));
		MUST(!commands[i].cause || str_eq(c.cause, commands[i].cause));
		live_run_until(&c, c.health.join.pidfd < 0);
		MUST(count_fds() == fds);
	}
	end_dyno(v);
}

static void health_exec__commands__good_or_bad_by_status(void **state)
{
	(void)state;
	run_cases(0, live_commands);
}

/* Whether a process of that name is in the dyno's pid namespace. */
static bool runs(const struct live *v, const char *name)
{
	char path[300], comm[32];
	DIR *dir = opendir("/proc");
	struct stat own, other;
	struct dirent *e;
	bool found = false;

	str_fmt(path, sizeof(path), "/proc/%d/ns/pid", v->launch.pid);
	MUST(dir && stat(path, &own) == 0);
	while (!found && (e = readdir(dir))) {
		_cleanup_close_ int fd = -EBADF;

		str_fmt(path, sizeof(path), "/proc/%s/ns/pid", e->d_name);
		if (stat(path, &other) < 0 || other.st_ino != own.st_ino)
			continue;
		str_fmt(path, sizeof(path), "/proc/%s/comm", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		memset(comm, 0, sizeof(comm));
		if (fd >= 0 && read(fd, comm, sizeof(comm) - 1) > 0)
			found = strncmp(comm, name, strlen(name)) == 0;
	}
	(void)closedir(dir);
	return found;
}

/* T28: neither the command nor what it has started is left, and it ignores what it likes. */
static void live_hanging(struct live *v, const struct live_case *lc)
{
	struct live_checks c;

	live_make(v, lc, argv_sleep);
	live_start(v);
	live_checks(&c, v,
		    (struct health_plan){.kind = HEALTH_EXEC,
					 .timeout_ms = 1000,
					 .command = "trap '' TERM HUP INT; exec -a x tail -f "
						    "/dev/null | tail -f /dev/null"});
	health_start(&c.health, &v->launch, 0, live_env);
	/* Where it has come to nothing within its time, another one is asked for. */
	live_run_until(&c, c.health.busy && runs(v, "tail"));
	live_run_until(&c, c.told > 0);
	health_stop(&c.health);
	MUST(str_eq(c.cause, "the command has not ended within 1 second"));
	live_run_until(&c, c.health.join.pidfd < 0 && !runs(v, "tail"));
	end_dyno(v);
}

static void health_exec__hangs__killed_with_what_it_started(void **state)
{
	(void)state;
	run_cases(0, live_hanging);
}

/* A tenant's SIGSTOP, or the dyno's own end, is no reason to wait. */
static void live_stopped(struct live *v, const struct live_case *lc)
{
	struct live_checks c;

	live_make(v, lc, argv_sleep);
	live_start(v);
	live_checks(&c, v,
		    (struct health_plan){
			    .kind = HEALTH_EXEC, .timeout_ms = 500, .command = "kill -STOP $$"});
	health_start(&c.health, &v->launch, 0, live_env);
	live_run_until(&c, c.told > 0);
	MUST(c.told == 1);
	health_stop(&c.health);
	live_run_until(&c, c.health.join.pidfd < 0);
	end_dyno(v);
}

static void health_exec__stops_itself__given_up(void **state)
{
	(void)state;
	run_cases(2, live_stopped);
}

/* T29: pid 1 ends in the middle of a question. */
static void live_ending(struct live *v, const struct live_case *lc)
{
	struct live_checks c;

	live_make(v, lc, argv_sleep);
	live_start(v);
	live_checks(&c, v,
		    (struct health_plan){.kind = HEALTH_EXEC, .command = "tail -f /dev/null"});
	health_start(&c.health, &v->launch, 0, live_env);
	live_run_until(&c, c.health.busy && runs(v, "tail"));
	live_run_for(&c, 10);
	MUST(launch_kill(&v->launch) == 0);
	live_run_until(&c, c.told > 0);
	MUST(str_eq(c.cause, "the command ended with status 137"));
	/* There is no dyno to join any more: that is an answer too. */
	c.told = 0;
	live_run_until(&c, strstr(c.health.cause, "ending"));
	health_stop(&c.health);
	live_run_until(&c, c.health.join.pidfd < 0);
	end_dyno(v);
}

static void health_exec__dyno_ends_meanwhile__waited_for(void **state)
{
	(void)state;
	run_cases(2, live_ending);
}

/* Without a place in the loop the command is killed, and found by the timer. */
static void live_full_loop(struct live *v, const struct live_case *lc)
{
	int ends[LOOP_MAX_SOURCES][2];
	struct live_checks c;

	live_make(v, lc, argv_sleep);
	live_start(v);
	live_checks(&c, v, (struct health_plan){.kind = HEALTH_EXEC, .command = "sleep 100"});
	for (size_t i = 0; i < LOOP_MAX_SOURCES; i++) {
		MUST(pipe2(ends[i], O_CLOEXEC) == 0);
		MUST(loop_add(&c.loop, ends[i][0], POLLIN, on_never, NULL) == 0);
	}
	health_start(&c.health, &v->launch, 0, live_env);
	live_run_until(&c, c.told > 0);
	health_stop(&c.health);
	MUST(strstr(c.cause, "watch the command") != NULL);
	live_run_until(&c, c.health.join.pidfd < 0);
	end_dyno(v);
}

static void health_exec__loop_is_full__killed_and_waited_for(void **state)
{
	(void)state;
	run_cases(2, live_full_loop);
}

static const char *const argv_listen[] = {
	"bash", "-c",
	"exec perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 5, "
	"LocalAddr => \"127.0.0.1\", LocalPort => 5000) or die; "
	"while ($c = $s->accept) { $_ = <$c>; print $c \"HTTP/1.0 200 OK\\r\\n\\r\\n\"; close $c }'",
	NULL};

/* In a network of its own nothing listens on the host's port: only from inside there is an answer. */
static void live_network(struct live *v, const struct live_case *lc)
{
	struct live_checks c;
	size_t fds;

	live_make(v, lc, argv_listen);
	v->launch.want_listen_fd = true;
	live_start(v);
	while (v->launch.listen_fd < 0)
		live_wait(v, INIT_MSG_LISTEN_FD);
	fds = count_fds();
	for (int http = 0; http < 2; http++) {
		live_checks(
			&c, v,
			(struct health_plan){.kind = http ? HEALTH_HTTP : HEALTH_TCP, .path = "/"});
		health_start(&c.health, &v->launch, 5000, live_env);
		/* The app needs its time; then it is well for good. */
		for (int n = 0; n < 2000 && (n < 5 || c.health.failures > 0 || c.health.busy); n++)
			live_run_for(&c, 10);
		MUST(c.health.failures == 0);
		health_stop(&c.health);
	}
	health_start(&c.health, &v->launch, 5001, live_env);
	c.told = 0;
	live_run_until(&c, c.told > 0);
	MUST(str_eq(c.cause, "connect to 127.0.0.1:5001: connection refused"));
	health_stop(&c.health);
	MUST(count_fds() == fds);
	/* Without the socket that leads there, it is said so. */
	close_fdp(&v->launch.listen_fd);
	health_start(&c.health, &v->launch, 5000, live_env);
	c.told = 0;
	live_run_until(&c, c.told > 0);
	MUST(str_eq(c.cause, "connect to 127.0.0.1:5000: network is unreachable"));
	health_stop(&c.health);
	end_dyno(v);
}

static void health_http__network_of_its_own__asked_inside(void **state)
{
	(void)state;
	run_cases(2, live_network);
}

static void netsock_open__no_socket__error(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(netsock_open(ends[0], AF_INET), -ENOTTY);
	close_fdp(&ends[0]);
	close_fdp(&ends[1]);
	assert_int_equal(netsock_open(-EBADF, AF_MAX), -EAFNOSUPPORT);
}

#define WITH_CHECKS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CHECKS(health_parse__each_kind__its_text),
		WITH_CHECKS(health_parse__bad_text__error),
		WITH_CHECKS(health_parse__path_too_long__error),
		WITH_CHECKS(health_tcp__listening__good),
		WITH_CHECKS(health_tcp__nobody_listens__told_once_with_the_cause),
		WITH_CHECKS(health_tcp__first_question__one_interval_after_the_start),
		WITH_CHECKS(health_tcp__well_again__counts_from_the_beginning),
		WITH_CHECKS(health_tcp__queue_is_full__no_answer_in_time),
		WITH_CHECKS(health_stop__in_the_callback__nothing_more),
		WITH_CHECKS(health_start__no_kind__never_asks),
		WITH_CHECKS(health_init__loop_without_a_timer__error),
		WITH_CHECKS(health_http__loop_is_full__bad_and_no_leak),
		WITH_CHECKS(health_http__answers__good_or_bad),
		WITH_CHECKS(health_http__request__as_it_should_be),
		WITH_CHECKS(health_http__answer_without_an_end__status_counts),
		WITH_CHECKS(health_http__hangs__no_answer_in_time),
		WITH_CHECKS(health_http__half_a_status_line__no_answer_in_time),
		WITH_CHECKS(health_http__endless_page__only_its_beginning_is_read),
		cmocka_unit_test(health_exec__commands__good_or_bad_by_status),
		cmocka_unit_test(health_exec__hangs__killed_with_what_it_started),
		cmocka_unit_test(health_exec__stops_itself__given_up),
		cmocka_unit_test(health_exec__dyno_ends_meanwhile__waited_for),
		cmocka_unit_test(health_exec__loop_is_full__killed_and_waited_for),
		cmocka_unit_test(health_http__network_of_its_own__asked_inside),
		cmocka_unit_test(netsock_open__no_socket__error),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
