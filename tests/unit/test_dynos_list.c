/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dynos_list.c - which dynos are told, from where, and in which order: those that live, those
 * whose monitor was killed (T41, T54), those that ended, those of another boot (T43); events of the
 * past; with a data directory that cannot be used (T44).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sched.h>

#include "base/clock.h"
#include "base/errclass.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/host.h"
#include "engine/record.h"
#include "engine/state.h"
#include "engine/statefile.h"

/* In a child a failed check must not jump into cmocka. */
#define CHECK(cond)               \
	do {                      \
		if (!(cond))      \
			_exit(1); \
	} while (0)

#define HELD_MAX 16

struct fixture {
	char dir[64];
	int fd;
	struct dyno_host *host;
	int run_fd;
	struct store *store;
	struct dyno_err err;
	struct state held[HELD_MAX];
	size_t n_held;
};

static int open_host(struct fixture *f)
{
	char run[96], data[96];
	const struct dyno_host_opts opts = {.run_dir = run, .data_dir = data};

	str_fmt(run, sizeof(run), "%s/run", f->dir);
	str_fmt(data, sizeof(data), "%s/data", f->dir);
	if (dyno_host_open(&opts, &f->host, &f->err) < 0)
		return -1;
	return host_run_dir(f->host, &f->run_fd, &f->err);
}

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.fd = -EBADF};
	str_fmt(f.dir, sizeof(f.dir), "/tmp/dyno-test-list.XXXXXX");
	if (!mkdtemp(f.dir))
		return -1;
	f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return open_host(&f) < 0 ? -1 : host_store(f.host, &f.store, &f.err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	while (f->n_held > 0)
		state_release(&f->held[--f->n_held]);
	dyno_host_free(f->host);
	close_fdp(&f->fd);
	r = path_remove_tree(tmp_fd, f->dir + strlen("/tmp/"));
	close_fdp(&tmp_fd);
	return r;
}

static pid_t fork_tied(void)
{
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(1);
	return pid;
}

static struct dyno_facts make_facts(const char *app, const char *dyno, const char *in_state)
{
	struct dyno_facts facts = {
		.info = {.app = app,
			 .name = dyno,
			 .type = "web",
			 .state = in_state,
			 .init_pid = 0,
			 .monitor_pid = 4000000,
			 .port = 31742,
			 .address = "127.0.0.1",
			 .exit_code = -1,
			 .next_try_us = 99,
			 .command = "bin/web"},
		.monitor_start = 12345,
		.started_us = time_now_us() - 5000000,
	};

	statefile_boot_id(facts.boot_id);
	return facts;
}

/* A place that is held until the end of the test; @facts NULL: without a state.json. */
static struct state *hold(struct fixture *f, const char *app, const char *dyno,
			  const struct dyno_facts *facts)
{
	struct state *s = &f->held[f->n_held++];
	bool remains;

	assert_true(f->n_held <= HELD_MAX);
	*s = STATE_INIT;
	assert_int_equal(state_claim(f->run_fd, app, dyno, s, &remains, &f->err), 0);
	if (facts)
		assert_int_equal(statefile_write(s->dir_fd, facts), 0);
	return s;
}

/* A place that nobody holds. */
static void leave(struct fixture *f, const char *app, const char *dyno)
{
	const struct dyno_facts facts = make_facts(app, dyno, "up");
	struct state s = STATE_INIT;
	bool remains;

	assert_int_equal(state_claim(f->run_fd, app, dyno, &s, &remains, &f->err), 0);
	assert_int_equal(statefile_write(s.dir_fd, &facts), 0);
	close_fdp(&s.dir_fd);
}

static void keep(struct fixture *f, const struct dyno_facts *facts, uint32_t gen)
{
	const struct record record = {
		.facts = *facts, .gen = gen, .ended_us = time_now_us(), .manifest = ""};

	assert_int_equal(record_add(f->store, &record, &f->err), 0);
}

static void keep_ended(struct fixture *f, const char *app, const char *dyno, const char *in_state)
{
	const struct dyno_facts facts = make_facts(app, dyno, in_state);

	keep(f, &facts, 1);
}

struct told {
	struct sbuf names;
	unsigned int n;
	unsigned int stop_at;
	struct arena arena;
	struct dyno_info last;
};

static int note(void *data, const struct dyno_info *info)
{
	struct told *t = data;
	struct dyno_facts facts = {.info = *info};

	sbuf_addf(&t->names, "%s%s/%s:%s%s", t->n ? " " : "", info->app, info->name, info->state,
		  info->live ? "" : "-");
	assert_int_equal(members_keep(&statefile_table, &facts, &t->arena), 0);
	t->last = facts.info;
	return ++t->n == t->stop_at ? 42 : 0;
}

static void told_done(struct told *t)
{
	sbuf_done(&t->names);
	arena_done(&t->arena);
}

/* "APP/NAME:STATE" of each, "-" behind those that do not live. */
static void assert_told(struct fixture *f, const char *pattern, unsigned int flags,
			const char *want)
{
	struct told t = {0};

	assert_int_equal(dyno_each(f->host, pattern, flags, note, &t, &f->err), 0);
	assert_string_equal(sbuf_str(&t.names), want);
	told_done(&t);
}

/* ---- live ones ------------------------------------------------------------------------------ */

static void dyno_each__nothing__nothing(void **state)
{
	assert_told(*state, NULL, 0, "");
	assert_told(*state, "web", DYNO_EACH_ENDED, "");
}

static void dyno_each__live__from_its_state_file(void **state)
{
	struct fixture *f = *state;
	const struct dyno_facts facts = make_facts("app", "web.1", "crashed");
	struct told t = {0};

	(void)hold(f, "app", "web.1", &facts);
	assert_int_equal(dyno_each(f->host, NULL, 0, note, &t, &f->err), 0);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.last.live, 1);
	assert_string_equal(t.last.type, "web");
	assert_string_equal(t.last.command, "bin/web");
	assert_string_equal(t.last.address, "127.0.0.1");
	assert_int_equal(t.last.port, 31742);
	assert_int_equal(t.last.exit_code, -1);
	assert_int_equal(t.last.monitor_pid, 4000000);
	assert_true(t.last.next_try_us == 99);
	told_done(&t);
}

static void dyno_each__live_without_a_word_yet__starting(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = make_facts("app", "web.3", "up");
	const struct state *s;
	struct told t = {0};

	(void)hold(f, "app", "run.1234", NULL);
	s = hold(f, "app", "web.2", NULL);
	assert_int_equal(mknodat(s->dir_fd, STATEFILE_NAME, S_IFREG | 0600, 0), 0);
	facts.boot_id[0] = '\0'; /* T43 */
	(void)hold(f, "app", "web.3", &facts);
	assert_told(f, NULL, 0, "app/run.1234:starting app/web.2:starting app/web.3:starting");
	assert_int_equal(dyno_each(f->host, "run", 0, note, &t, &f->err), 0);
	assert_int_equal(t.n, 1);
	assert_string_equal(t.last.type, "run");
	assert_int_equal(t.last.oneoff, 1);
	assert_int_equal(t.last.exit_code, -1);
	assert_int_equal(t.last.pid, 0);
	told_done(&t);
}

/* A file does not make one dyno look like another. */
static void dyno_each__state_file_of_another__its_names_are_those_of_the_place(void **state)
{
	struct fixture *f = *state;
	const struct dyno_facts facts = make_facts("other", "web.9", "up");

	(void)hold(f, "app", "web.1", &facts);
	assert_told(f, NULL, 0, "app/web.1:up");
}

static void dyno_each__many__in_order(void **state)
{
	static const char *const names[][3] = {
		{"b", "web.10", "web"},	     {"b", "web.2", "web"}, {"b", "clock.1", "clock"},
		{"a", "worker.1", "worker"}, {"b", "web.1", "web"}, {"b", "front", "web"},
		{"a.b", "web.1", "web"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct dyno_facts facts = make_facts(names[i][0], names[i][1], "up");

		facts.info.type = names[i][2];
		(void)hold(f, names[i][0], names[i][1], &facts);
	}
	assert_told(f, NULL, 0,
		    "a/worker.1:up a.b/web.1:up b/clock.1:up b/front:up b/web.1:up b/web.2:up "
		    "b/web.10:up");
	assert_told(f, "web", 0, "a.b/web.1:up b/front:up b/web.1:up b/web.2:up b/web.10:up");
	assert_told(f, "b/web.?", 0, "b/web.1:up b/web.2:up");
	assert_told(f, "a*/", 0, "a/worker.1:up a.b/web.1:up");
	assert_told(f, "nothing", 0, "");
}

static void dyno_each__ended_by_the_caller__its_number(void **state)
{
	struct fixture *f = *state;
	struct told t = {.stop_at = 2};

	for (unsigned int i = 1; i <= 4; i++) {
		char name[16];

		str_fmt(name, sizeof(name), "web.%u", i);
		(void)hold(f, "app", name, NULL);
	}
	assert_int_equal(dyno_each(f->host, NULL, 0, note, &t, &f->err), 42);
	assert_int_equal(t.n, 2);
	told_done(&t);
}

/* ---- the main process ----------------------------------------------------------------------- */

/* The init of a pid namespace, with a first child and another one. */
static void be_init(int report_fd)
{
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			CHECK(prctl(PR_SET_NAME, getpid() == 2 ? "first" : "second") == 0);
			CHECK(write(report_fd, "", 1) == 1);
			(void)pause();
		}
	}
	for (;;)
		(void)pause();
}

static bool is_called(int pid, const char *name)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = -EBADF;
	char path[32], *text;

	str_fmt(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && fd_read_all(fd, 64, &arena, &text, NULL) == 0 && str_eq(text, name);
}

static void dyno_each__up__pid_of_the_command(void **state)
{
	const struct clone_args args = {
		.flags = CLONE_NEWPID | (geteuid() == 0 ? 0 : CLONE_NEWUSER),
		.exit_signal = SIGCHLD,
	};
	struct fixture *f = *state;
	struct dyno_facts facts = make_facts("app", "web.1", "up");
	struct told t = {0};
	struct state *s;
	int fds[2];
	char bytes[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		skip();
	if (pid == 0) {
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		be_init(fds[1]);
	}
	assert_int_equal(fd_read_full(fds[0], bytes, 2), 2);
	facts.info.init_pid = pid;
	s = hold(f, "app", "web.1", &facts);
	assert_int_equal(dyno_each(f->host, NULL, 0, note, &t, &f->err), 0);
	assert_int_equal(t.last.init_pid, pid);
	assert_true(is_called(t.last.pid, "first\n"));
	told_done(&t);

	/* it has none now, or its init is gone: no other process stands for it */
	t = (struct told){0};
	facts.info.state = "crashed";
	assert_int_equal(statefile_write(s->dir_fd, &facts), 0);
	assert_int_equal(dyno_each(f->host, NULL, 0, note, &t, &f->err), 0);
	assert_int_equal(t.last.pid, 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	facts.info.state = "up";
	assert_int_equal(statefile_write(s->dir_fd, &facts), 0);
	assert_int_equal(dyno_each(f->host, NULL, 0, note, &t, &f->err), 0);
	assert_int_equal(t.last.pid, 0);
	told_done(&t);
	close_fdp(&fds[0]);
	close_fdp(&fds[1]);
}

/* ---- dead ones ------------------------------------------------------------------------------ */

static int count(void *data, const struct record *record)
{
	(void)record;
	(*(unsigned int *)data)++;
	return 0;
}

static unsigned int count_records(struct fixture *f)
{
	unsigned int n = 0;

	assert_int_equal(record_each(f->store, NULL, count, &n, &f->err), 0);
	return n;
}

static void dyno_each__monitor_killed__crashed_and_recorded_once(void **state)
{
	struct fixture *f = *state;
	struct told t = {0};
	struct stat st;

	leave(f, "app", "web.1");
	leave(f, "app", "web.2");
	(void)hold(f, "app", "web.3", NULL);
	for (int i = 0; i < 2; i++)
		assert_told(f, NULL, 0, "app/web.1:crashed- app/web.2:crashed- app/web.3:starting");
	assert_int_equal(count_records(f), 2);
	assert_int_equal(fstatat(f->run_fd, "app/web.1", &st, 0), -1);

	assert_int_equal(dyno_each(f->host, "web.1", 0, note, &t, &f->err), 0);
	assert_string_equal(t.last.reason, "supervisor-lost");
	assert_int_equal(t.last.exit_code, 137);
	assert_int_equal(t.last.signal, 9);
	assert_int_equal(t.last.live, 0);
	assert_int_equal(t.last.monitor_pid, 0);
	assert_int_equal(t.last.init_pid, 0);
	assert_int_equal(t.last.port, 0);
	assert_null(t.last.address);
	assert_true(t.last.next_try_us == 0);
	told_done(&t);
}

static void dyno_each__cannot_record__told_all_the_same(void **state)
{
	struct fixture *f = *state;
	struct told t = {0};

	leave(f, "app", "web.1");
	(void)hold(f, "app", "web.2", NULL);
	assert_int_equal(mknodat(f->fd, "data/records", S_IFREG | 0600, 0), 0);
	assert_int_equal(dyno_each(f->host, NULL, 0, note, &t, &f->err), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD); /* once the places were told */
	assert_string_equal(sbuf_str(&t.names), "app/web.1:crashed- app/web.2:starting");
	told_done(&t);
	assert_int_equal(unlinkat(f->fd, "data/records", 0), 0);
	assert_told(f, NULL, 0, "app/web.1:crashed- app/web.2:starting");
	assert_int_equal(count_records(f), 1);
}

static void dyno_each__no_data_directory__told_all_the_same(void **state)
{
	struct fixture *f = *state;
	struct told t = {0};

	leave(f, "app", "web.1");
	(void)hold(f, "app", "web.2", NULL);
	dyno_host_free(f->host);
	f->host = NULL;
	assert_int_equal(unlinkat(f->fd, "data", AT_REMOVEDIR), 0);
	assert_int_equal(mknodat(f->fd, "data", S_IFREG | 0600, 0), 0);
	assert_int_equal(open_host(f), 0);
	assert_int_equal(dyno_each(f->host, NULL, DYNO_EACH_ENDED, note, &t, &f->err), 0);
	assert_string_equal(sbuf_str(&t.names), "app/web.1:crashed- app/web.2:starting");
	assert_string_equal(t.last.type, "web");
	told_done(&t);
}

/* T44: in a mount namespace of its own the data directory is read-only. */
static void on_read_only_data(struct fixture *f)
{
	struct told t = {0};
	char data[96];

	str_fmt(data, sizeof(data), "%s/data", f->dir);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount(data, data, NULL, MS_BIND, NULL) == 0);
	CHECK(mount(NULL, data, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
	CHECK(open_host(f) == 0);
	CHECK(dyno_each(f->host, NULL, 0, note, &t, &f->err) == 0);
	CHECK(str_eq(sbuf_str(&t.names), "app/web.1:crashed- app/web.2:crashed-"));
	_exit(0);
}

static void dyno_each__data_read_only__told_all_the_same(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	keep_ended(f, "app", "web.2", "crashed");
	leave(f, "app", "web.1");
	pid = fork_tied();
	if (pid == 0)
		on_read_only_data(f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(count_records(f), 1);
	assert_told(f, NULL, 0, "app/web.1:crashed- app/web.2:crashed-");
	assert_int_equal(count_records(f), 2);
}

/* ---- ended ones ----------------------------------------------------------------------------- */

static void dyno_each__ended__the_newest_of_each_and_what_was_asked_for(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts;

	keep_ended(f, "app", "web.1", "complete");
	keep_ended(f, "app", "web.1", "crashed");
	keep_ended(f, "app", "web.2", "crashed");
	keep_ended(f, "app", "web.2", "down");
	keep_ended(f, "app", "web.3", "complete");
	keep_ended(f, "app", "web.4", "failed");
	keep_ended(f, "zoo", "web.1", "crashed");
	facts = make_facts("app", "web.5", "crashed");
	facts.boot_id[0] = '\0';
	keep(f, &facts, 1);
	assert_told(f, NULL, 0, "app/web.1:crashed- app/web.4:failed- zoo/web.1:crashed-");
	assert_told(f, NULL, DYNO_EACH_ENDED,
		    "app/web.1:crashed- app/web.2:down- app/web.3:complete- app/web.4:failed- "
		    "app/web.5:crashed- zoo/web.1:crashed-");
	assert_told(f, "web.1", 0, "app/web.1:crashed- zoo/web.1:crashed-");
	assert_told(f, "zoo/", DYNO_EACH_ENDED, "zoo/web.1:crashed-");
}

static void dyno_each__live_and_ended__the_live_one(void **state)
{
	struct fixture *f = *state;
	const struct dyno_facts facts = make_facts("app", "web.1", "up");

	keep_ended(f, "app", "web.1", "crashed");
	keep_ended(f, "app", "web.2", "crashed");
	(void)hold(f, "app", "web.1", &facts);
	(void)hold(f, "app", "web.2", NULL);
	assert_told(f, NULL, DYNO_EACH_ENDED, "app/web.1:up app/web.2:starting");
}

/* C6.4: of two starts that overlapped the older one may end last. */
static void dyno_each__overlapping_starts__the_later_one_counts(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = make_facts("app", "web.1", "crashed");

	keep(f, &facts, 2);
	facts.info.state = "down";
	keep(f, &facts, 1);
	assert_told(f, NULL, 0, "app/web.1:crashed-");
	/* the first start of another monitor is no older one */
	facts.monitor_start++;
	keep(f, &facts, 1);
	assert_told(f, NULL, 0, "");
	assert_told(f, NULL, DYNO_EACH_ENDED, "app/web.1:down-");
}

static void dyno_each__run_directory_unusable__error(void **state)
{
	struct fixture *f = *state;
	struct told t = {0};

	dyno_host_free(f->host);
	f->host = NULL;
	assert_int_equal(unlinkat(f->fd, "run", AT_REMOVEDIR), 0);
	assert_int_equal(mknodat(f->fd, "run", S_IFREG | 0600, 0), 0);
	assert_true(open_host(f) < 0);
	assert_int_equal(dyno_each(f->host, NULL, 0, note, &t, &f->err), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RUN_DIR);
	assert_int_equal(t.n, 0);
}

/* ---- at the same time ----------------------------------------------------------------------- */

/* T54: listing takes no live dyno for a dead one, and makes no start fail. */
static void start_and_stop(struct fixture *f, unsigned int number)
{
	char name[16];
	uint64_t until = clock_ms() + 700;

	CHECK(open_host(f) == 0);
	str_fmt(name, sizeof(name), "web.%u", number);
	while (clock_ms() < until) {
		const struct dyno_facts facts = make_facts("app", name, "up");
		struct state s = STATE_INIT;
		struct stat st;
		bool remains = true;

		CHECK(state_claim(f->run_fd, "app", name, &s, &remains, &f->err) == 0);
		CHECK(!remains);
		CHECK(statefile_write(s.dir_fd, &facts) == 0);
		(void)sched_yield();
		CHECK(fstatat(s.dir_fd, STATEFILE_NAME, &st, 0) == 0);
		state_release(&s);
	}
	_exit(0);
}

static void dyno_each__while_dynos_come_and_go__none_is_taken_for_dead(void **state)
{
	struct fixture *f = *state;
	pid_t pids[4];
	unsigned int lists = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork_tied();
		if (pids[i] == 0)
			start_and_stop(f, i + 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids);) {
		struct told t = {0};
		int status;

		assert_int_equal(dyno_each(f->host, NULL, DYNO_EACH_ENDED, note, &t, &f->err), 0);
		assert_null(strstr(sbuf_str(&t.names), "crashed"));
		told_done(&t);
		lists++;
		if (waitpid(pids[i], &status, WNOHANG) == 0)
			continue;
		assert_int_equal(status, 0);
		i++;
	}
	assert_true(lists > 10);
	assert_int_equal(count_records(f), 0);
}

/* ---- events --------------------------------------------------------------------------------- */

static void tell_event(struct fixture *f, const char *app, const char *dyno, const char *time)
{
	char line[256];
	size_t len = str_fmt(line, sizeof(line),
			     "{\"event\":\"state\",\"time\":\"%s\",\"app\":\"%s\",\"dyno\":\"%s\"}",
			     time, app, dyno);

	assert_int_equal(record_event(f->store, app, line, len), 0);
}

struct heard {
	struct sbuf times;
	unsigned int n, stop_at;
};

static int hear(void *data, const char *json)
{
	struct heard *h = data;
	_cleanup_arena_ struct arena arena = {0};
	struct event_key key;

	assert_int_equal(record_event_key(json, &arena, &key), 0);
	sbuf_addf(&h->times, "%s", key.time);
	return ++h->n == h->stop_at ? 42 : 0;
}

static void assert_heard(struct fixture *f, const char *pattern, const char *want)
{
	struct heard h = {0};

	assert_int_equal(dyno_events(f->host, pattern, hear, &h, &f->err), 0);
	assert_string_equal(sbuf_str(&h.times), want);
	sbuf_done(&h.times);
}

static void dyno_events__several_apps__one_order_by_time(void **state)
{
	struct fixture *f = *state;
	struct heard h = {.stop_at = 2};

	assert_heard(f, NULL, "");
	tell_event(f, "one", "web.1", "1");
	tell_event(f, "one", "web.2", "3");
	tell_event(f, "one", "run.1234", "5");
	tell_event(f, "two", "web.1", "2");
	tell_event(f, "two", "web.1", "4");
	tell_event(f, "two", "web.1", "3");
	assert_int_equal(record_event(f->store, "two", "{\"other\":1}", 11), 0);
	assert_heard(f, NULL, "123345");
	assert_heard(f, "one/", "135");
	assert_heard(f, "web", "12334");
	assert_heard(f, "web.1", "1234");
	assert_heard(f, "two/web.?", "234");
	assert_heard(f, "three/", "");
	assert_int_equal(dyno_events(f->host, NULL, hear, &h, &f->err), 42);
	sbuf_done(&h.times);
}

/* Events of one app that have the same time stay as they were told. */
static void dyno_events__same_time__in_order_of_telling(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};
	char dyno[16];

	for (unsigned int i = 0; i < 500; i++) {
		str_fmt(dyno, sizeof(dyno), "web.%u", i);
		tell_event(f, "app", dyno, i < 250 ? "b" : "a");
	}
	assert_int_equal(dyno_events(f->host, NULL, hear, &h, &f->err), 0);
	assert_int_equal(h.n, 500);
	for (unsigned int i = 0; i < 500; i++)
		assert_int_equal(h.times.data[i], i < 250 ? 'a' : 'b');
	sbuf_done(&h.times);
}

static void dyno_events__records_unreadable__error(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};

	assert_int_equal(mknodat(f->fd, "data/records", S_IFREG | 0600, 0), 0);
	assert_int_equal(dyno_events(f->host, NULL, hear, &h, &f->err), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD);
}

/* ---- forgetting ----------------------------------------------------------------------------- */

static void put_file(struct fixture *f, const char *dir, const char *name)
{
	char path[128];

	assert_int_equal(path_mkdir_p(f->fd, dir, 0700), 0);
	str_fmt(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mknodat(f->fd, path, S_IFREG | 0600, 0), 0);
}

static bool is_there(struct fixture *f, const char *path)
{
	struct stat st;

	return fstatat(f->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void dyno_remove__ended__all_of_it_goes(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = make_facts("app", "web.1", "crashed");
	const struct record record = {.facts = facts, .gen = 1, .manifest = "written.1"};

	assert_int_equal(record_add(f->store, &record, &f->err), 0);
	keep_ended(f, "app", "web.2", "crashed");
	tell_event(f, "app", "web.1", "1");
	tell_event(f, "app", "web.2", "2");
	put_file(f, "data/records/app", "written.1");
	put_file(f, "data/logs/app", "web.1.log");
	put_file(f, "data/logs/app", "web.1.log.1");
	put_file(f, "data/logs/app", "web.2.log");
	assert_int_equal(dyno_remove(f->host, "app", "web.1", &f->err), 0);
	assert_told(f, NULL, DYNO_EACH_ENDED, "app/web.2:crashed-");
	assert_heard(f, NULL, "2");
	assert_false(is_there(f, "data/records/app/written.1"));
	assert_false(is_there(f, "data/logs/app/web.1.log"));
	assert_false(is_there(f, "data/logs/app/web.1.log.1"));
	assert_true(is_there(f, "data/logs/app/web.2.log"));
	assert_int_equal(dyno_remove(f->host, "app", "web.2", &f->err), 0);
	assert_false(is_there(f, "data/records/app"));
	assert_false(is_there(f, "data/logs/app"));
	assert_false(is_there(f, "run/app"));
}

static void dyno_remove__a_log_alone__goes(void **state)
{
	struct fixture *f = *state;

	put_file(f, "data/logs/app", "web.1.log");
	assert_int_equal(dyno_remove(f->host, "app", "web.1", &f->err), 0);
	assert_false(is_there(f, "data/logs/app"));
	assert_int_equal(dyno_remove(f->host, "app", "web.1", &f->err), -ENOENT);
}

static void dyno_remove__live__refused(void **state)
{
	struct fixture *f = *state;
	const struct dyno_facts facts = make_facts("app", "web.1", "up");

	keep_ended(f, "app", "web.1", "crashed");
	(void)hold(f, "app", "web.1", &facts);
	assert_int_equal(dyno_remove(f->host, "app", "web.1", &f->err), -EBUSY);
	assert_int_equal(f->err.kind, ERR_ALIVE);
	assert_string_not_equal(f->err.hint, "");
	assert_int_equal(count_records(f), 1);
	assert_told(f, NULL, 0, "app/web.1:up");
}

static void dyno_remove__unknown_or_no_name__refused(void **state)
{
	struct fixture *f = *state;

	keep_ended(f, "app", "web.1", "crashed");
	assert_int_equal(dyno_remove(f->host, "app", "web.2", &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_NOT_FOUND);
	assert_int_equal(dyno_remove(f->host, "none", "web.1", &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_NOT_FOUND);
	assert_int_equal(dyno_remove(f->host, "../app", "web.1", &f->err), -EINVAL);
	assert_int_equal(f->err.kind, ERR_NAME);
	assert_int_equal(dyno_remove(f->host, "app", "web.1/..", &f->err), -EINVAL);
	assert_int_equal(dyno_remove(f->host, "app", "*", &f->err), -EINVAL);
	assert_false(is_there(f, "run/none"));
	assert_int_equal(count_records(f), 1);
}

static void dyno_remove__monitor_killed__buried_and_forgotten(void **state)
{
	struct fixture *f = *state;

	leave(f, "app", "web.1");
	assert_int_equal(dyno_remove(f->host, "app", "web.1", &f->err), 0);
	assert_int_equal(count_records(f), 0);
	assert_told(f, NULL, DYNO_EACH_ENDED, "");
	assert_heard(f, NULL, "");
}

static void dyno_remove__records_unusable__error(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	put_file(f, "data/logs/app", "web.1.log");
	assert_int_equal(mknodat(f->fd, "data/records", S_IFREG | 0600, 0), 0);
	assert_int_equal(dyno_remove(f->host, "app", "web.1", &f->err), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD);
	assert_int_equal(unlinkat(f->fd, "data/records", 0), 0);
	assert_int_equal(unlinkat(f->fd, "data/logs/app/web.1.log", 0), 0);
	assert_int_equal(mkdirat(f->fd, "data/logs/app/web.1.log", 0700), 0);
	assert_true(dyno_remove(f->host, "app", "web.1", &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_IO);
	assert_int_equal(fstatat(f->run_fd, "app", &st, 0), -1); /* the place was let go */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dyno_each__nothing__nothing),
		TEST(dyno_each__live__from_its_state_file),
		TEST(dyno_each__live_without_a_word_yet__starting),
		TEST(dyno_each__state_file_of_another__its_names_are_those_of_the_place),
		TEST(dyno_each__many__in_order),
		TEST(dyno_each__ended_by_the_caller__its_number),
		TEST(dyno_each__up__pid_of_the_command),
		TEST(dyno_each__monitor_killed__crashed_and_recorded_once),
		TEST(dyno_each__cannot_record__told_all_the_same),
		TEST(dyno_each__no_data_directory__told_all_the_same),
		TEST(dyno_each__data_read_only__told_all_the_same),
		TEST(dyno_each__ended__the_newest_of_each_and_what_was_asked_for),
		TEST(dyno_each__live_and_ended__the_live_one),
		TEST(dyno_each__overlapping_starts__the_later_one_counts),
		TEST(dyno_each__run_directory_unusable__error),
		TEST(dyno_each__while_dynos_come_and_go__none_is_taken_for_dead),
		TEST(dyno_events__several_apps__one_order_by_time),
		TEST(dyno_events__same_time__in_order_of_telling),
		TEST(dyno_events__records_unreadable__error),
		TEST(dyno_remove__ended__all_of_it_goes),
		TEST(dyno_remove__a_log_alone__goes),
		TEST(dyno_remove__live__refused),
		TEST(dyno_remove__unknown_or_no_name__refused),
		TEST(dyno_remove__monitor_killed__buried_and_forgotten),
		TEST(dyno_remove__records_unusable__error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
