/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_lost.c - dynos whose monitor was killed: exactly one exit record each, whoever comes and how
 * many at once (T41, T42, T54), none from another boot (T43), and nothing left of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/errclass.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/lost.h"
#include "engine/record.h"
#include "engine/statefile.h"
#include "kernel/cgroup.h"

/* In a child a failed check must not jump into cmocka. */
#define CHECK(cond)               \
	do {                      \
		if (!(cond))      \
			_exit(1); \
	} while (0)

struct fixture {
	char dir[64];
	int fd;
	struct dyno_host *host;
	int run_fd;
	struct store *store;
	struct dyno_err err;
};

static int open_host(struct fixture *f)
{
	char run[96], data[96];
	const struct dyno_host_opts opts = {.run_dir = run, .data_dir = data};

	str_fmt(run, sizeof(run), "%s/run", f->dir);
	str_fmt(data, sizeof(data), "%s/data", f->dir);
	if (dyno_host_open(&opts, &f->host, &f->err) < 0 ||
	    host_run_dir(f->host, &f->run_fd, &f->err) < 0)
		return -1;
	return host_store(f->host, &f->store, &f->err);
}

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.fd = -EBADF};
	str_fmt(f.dir, sizeof(f.dir), "/tmp/dyno-test-lost.XXXXXX");
	if (!mkdtemp(f.dir))
		return -1;
	f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return open_host(&f);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

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
			 .monitor_pid = 4000000,
			 .restarts = 2,
			 .crashes = 1,
			 .exit_code = 3,
			 .reason = "exit",
			 .next_try_us = 99,
			 .command = "bin/web"},
		.monitor_start = 12345,
		.started_us = time_now_us() - 5000000,
	};

	statefile_boot_id(facts.boot_id);
	return facts;
}

/* A place that nobody holds, as a killed monitor leaves it. */
static void leave(struct fixture *f, const struct dyno_facts *facts)
{
	static const char *const files[] = {"spec.json", "ctl.sock", "policy.json"};
	struct state s = STATE_INIT;
	bool remains;

	assert_int_equal(
		state_claim(f->run_fd, facts->info.app, facts->info.name, &s, &remains, &f->err),
		0);
	assert_int_equal(statefile_write(s.dir_fd, facts), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		assert_int_equal(mknodat(s.dir_fd, files[i], S_IFREG | 0600, 0), 0);
	assert_int_equal(mkdirat(s.dir_fd, "log", 0700), 0);
	assert_int_equal(mknodat(s.dir_fd, "log/current", S_IFREG | 0600, 0), 0);
	close_fdp(&s.dir_fd);
}

static struct state claim(struct fixture *f, const char *app, const char *dyno)
{
	struct state s = STATE_INIT;
	bool remains = false;

	assert_int_equal(state_claim(f->run_fd, app, dyno, &s, &remains, &f->err), 0);
	assert_true(remains);
	return s;
}

struct seen {
	unsigned int n;
	struct arena arena;
	struct record last;
};

static int see(void *data, const struct record *record)
{
	struct seen *seen = data;

	seen->n++;
	seen->last = *record;
	return members_keep(&statefile_table, &seen->last.facts, &seen->arena);
}

/* The records of an app; the arena of the last one is the caller's. */
static struct seen records(struct fixture *f, const char *app)
{
	struct seen seen = {0};

	assert_int_equal(record_each(f->store, app, see, &seen, &f->err), 0);
	return seen;
}

static unsigned int count_records(struct fixture *f, const char *app)
{
	struct seen seen = records(f, app);

	arena_done(&seen.arena);
	return seen.n;
}

static bool is_there(struct fixture *f, const char *path)
{
	struct stat st;

	return fstatat(f->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_empty(const struct state *s)
{
	struct dir dir = DIR_INIT;
	bool empty;

	assert_int_equal(dir_open(s->dir_fd, ".", &dir), 0);
	empty = !dir_next_name(&dir);
	dir_done(&dir);
	return empty;
}

/* ---- one of them ---------------------------------------------------------------------------- */

static void lost_bury__states__one_record_that_says_so(void **state)
{
	static const struct {
		const char *before;
		const char *after;
		const char *reason;
		int exit_code, signal;
		bool ran;
	} cases[] = {
		{"starting", "crashed", "supervisor-lost", 137, 9, true},
		{"up", "crashed", "supervisor-lost", 137, 9, true},
		{"stopping", "crashed", "supervisor-lost", 137, 9, true},
		{"crashed", "crashed", "supervisor-lost", 3, 0, false},
		{"complete", "complete", "exit", 3, 0, false},
		{"down", "down", "exit", 3, 0, false},
		{"failed", "failed", "exit", 3, 0, false},
		{"of-a-later-version", "crashed", "supervisor-lost", 3, 0, false},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_facts facts = make_facts("app", "web.1", cases[i].before);
		const struct record *got;
		struct seen seen;
		struct state s;

		facts.monitor_start = 100 + i;
		leave(f, &facts);
		s = claim(f, "app", "web.1");
		assert_int_equal(lost_bury(f->host, &s, &f->err), 1);
		assert_true(is_empty(&s));
		state_release(&s);

		seen = records(f, "app");
		got = &seen.last;
		assert_int_equal(seen.n, i + 1);
		assert_string_equal(got->facts.info.state, cases[i].after);
		assert_string_equal(got->facts.info.reason, cases[i].reason);
		assert_int_equal(got->facts.info.exit_code, cases[i].exit_code);
		assert_int_equal(got->facts.info.signal, cases[i].signal);
		assert_string_equal(got->facts.info.command, "bin/web");
		assert_int_equal(got->gen, 3);
		assert_true(got->ended_us + 10000000 > time_now_us());
		if (cases[i].ran)
			assert_in_range(got->up_ms, 5000, 60000);
		else
			assert_true(got->up_ms == 0);
		arena_done(&seen.arena);
	}
}

static void lost_bury__still_held__not_alive_for_others(void **state)
{
	struct fixture *f = *state;
	const struct dyno_facts facts = make_facts("app", "web.1", "up");
	struct state other = STATE_INIT;
	struct state s;
	bool remains;

	leave(f, &facts);
	s = claim(f, "app", "web.1");
	assert_int_equal(lost_bury(f->host, &s, &f->err), 1);
	assert_int_equal(state_claim(f->run_fd, "app", "web.1", &other, &remains, &f->err),
			 -EEXIST);
	state_release(&s);
	assert_false(is_there(f, "run/app"));
}

/* T43: another boot; a monitor that was killed before it had written; damage. */
static void lost_bury__nothing_known__no_record(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = make_facts("app", "web.1", "up");
	struct state s;

	facts.boot_id[0] = '\0';
	leave(f, &facts);
	s = claim(f, "app", "web.1");
	assert_int_equal(lost_bury(f->host, &s, &f->err), 0);
	assert_true(is_empty(&s));

	assert_int_equal(lost_bury(f->host, &s, &f->err), 0);

	assert_int_equal(mknodat(s.dir_fd, STATEFILE_NAME, S_IFREG | 0600, 0), 0);
	assert_int_equal(lost_bury(f->host, &s, &f->err), 0);
	assert_true(is_empty(&s));
	state_release(&s);
	assert_int_equal(count_records(f, NULL), 0);
}

/* What stands in the file does not put the record of one dyno under the name of another. */
static void lost_bury__names_of_another__those_of_the_place(void **state)
{
	struct fixture *f = *state;
	const struct dyno_facts facts = make_facts("../other", "web.9", "up");
	struct state s = STATE_INIT;
	bool remains;

	assert_int_equal(state_claim(f->run_fd, "app", "web.1", &s, &remains, &f->err), 0);
	assert_int_equal(statefile_write(s.dir_fd, &facts), 0);
	assert_int_equal(lost_bury(f->host, &s, &f->err), 1);
	state_release(&s);
	assert_int_equal(count_records(f, "app"), 1);
	assert_int_equal(count_records(f, NULL), 1);
}

/* A monitor that died after its record; one who buried and died before the place was empty. */
static void lost_bury__recorded_before__not_again(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = make_facts("app", "web.1", "complete");
	const struct record record = {.facts = facts, .gen = 3, .manifest = ""};
	struct state s;

	assert_int_equal(record_add(f->store, &record, &f->err), 0);
	leave(f, &facts);
	s = claim(f, "app", "web.1");
	assert_int_equal(lost_bury(f->host, &s, &f->err), 0);
	assert_true(is_empty(&s));
	assert_int_equal(count_records(f, "app"), 1);

	facts.info.state = "up";
	facts.info.restarts = 3;
	assert_int_equal(statefile_write(s.dir_fd, &facts), 0);
	assert_int_equal(lost_bury(f->host, &s, &f->err), 1);
	assert_int_equal(statefile_write(s.dir_fd, &facts), 0);
	assert_int_equal(lost_bury(f->host, &s, &f->err), 0);
	assert_true(is_empty(&s));
	assert_int_equal(count_records(f, "app"), 2);

	/* the next monitor of that name is another */
	facts.monitor_start++;
	assert_int_equal(statefile_write(s.dir_fd, &facts), 0);
	assert_int_equal(lost_bury(f->host, &s, &f->err), 1);
	assert_int_equal(count_records(f, "app"), 3);
	state_release(&s);
}

struct heard {
	unsigned int exits, states, others;
};

static int hear(void *data, const char *json)
{
	struct heard *heard = data;
	_cleanup_arena_ struct arena arena = {0};
	struct event_key key;

	assert_int_equal(record_event_key(json, &arena, &key), 0);
	assert_string_equal(key.dyno, "web.1");
	if (strstr(json, "\"event\":\"exit\"")) {
		assert_non_null(strstr(json, "\"reason\":\"supervisor-lost\""));
		assert_non_null(strstr(json, "\"exit_code\":137"));
		heard->exits++;
	} else if (strstr(json, "\"event\":\"state\"")) {
		assert_non_null(strstr(json, "\"from\":\"up\",\"to\":\"crashed\""));
		heard->states++;
	} else {
		heard->others++;
	}
	return 0;
}

static void lost_bury__of_one_that_was_up__its_events_are_told(void **state)
{
	struct fixture *f = *state;
	const struct dyno_facts facts = make_facts("app", "web.1", "up");
	struct heard heard = {0};
	struct state s;

	leave(f, &facts);
	s = claim(f, "app", "web.1");
	assert_int_equal(lost_bury(f->host, &s, &f->err), 1);
	state_release(&s);
	assert_int_equal(record_each_event(f->store, "app", hear, &heard, &f->err), 0);
	assert_int_equal(heard.exits, 1);
	assert_int_equal(heard.states, 1);
	assert_int_equal(heard.others, 0);
}

/* T44: no disk for the record. */
static void lost_bury__record_cannot_be_kept__goes_without(void **state)
{
	struct fixture *f = *state;
	const struct dyno_facts facts = make_facts("app", "web.1", "up");
	struct state s;

	assert_int_equal(mknodat(f->fd, "data/records", S_IFREG | 0600, 0), 0);
	leave(f, &facts);
	s = claim(f, "app", "web.1");
	assert_int_equal(lost_bury(f->host, &s, &f->err), 0);
	assert_true(is_empty(&s));
	state_release(&s);
}

static void lost_collect__record_cannot_be_kept__stays_for_the_next(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = make_facts("app", "web.1", "up");

	assert_int_equal(mknodat(f->fd, "data/records", S_IFREG | 0600, 0), 0);
	leave(f, &facts);
	facts.info.app = "of-another-boot";
	facts.boot_id[0] = '\0';
	leave(f, &facts);
	assert_int_equal(lost_collect(f->host, &f->err), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD);
	assert_true(is_there(f, "run/app/web.1/" STATEFILE_NAME));
	assert_false(is_there(f, "run/of-another-boot"));

	assert_int_equal(unlinkat(f->fd, "data/records", 0), 0);
	assert_int_equal(lost_collect(f->host, &f->err), 1);
	assert_false(is_there(f, "run/app"));
	assert_int_equal(count_records(f, "app"), 1);
	assert_int_equal(lost_collect(f->host, &f->err), 0);
}

/* ---- what it leaves outside its place ------------------------------------------------------- */

/* The name of the control group and scratch of a start. */
static void leaf_name(struct fixture *f, const char *app, const char *dyno, char *buf, size_t size)
{
	char tag[STATE_TAG_BYTES];

	assert_int_equal(state_tag(f->run_fd, tag), 0);
	state_leaf_name(app, dyno, 2, tag, buf, size);
}

static void put_scratch(struct fixture *f, const char *prefix, const char *app, const char *dyno)
{
	char leaf[CGROUP_NAME_BYTES], path[CGROUP_NAME_BYTES + 32];

	leaf_name(f, app, dyno, leaf, sizeof(leaf));
	str_fmt(path, sizeof(path), "data/scratch/%s%s/upper", prefix, leaf);
	assert_int_equal(path_mkdir_p(f->fd, path, 0700), 0);
}

static bool has_scratch(struct fixture *f, const char *prefix, const char *app, const char *dyno)
{
	char leaf[CGROUP_NAME_BYTES], path[CGROUP_NAME_BYTES + 32];

	leaf_name(f, app, dyno, leaf, sizeof(leaf));
	str_fmt(path, sizeof(path), "data/scratch/%s%s", prefix, leaf);
	return is_there(f, path);
}

static void lost_bury__scratch__its_own_goes(void **state)
{
	struct fixture *f = *state;
	const struct dyno_facts facts = make_facts("app", "web.1", "up");
	struct state s;

	put_scratch(f, "", "app", "web.1");
	put_scratch(f, "+", "app", "web.1");
	put_scratch(f, "", "app", "web.2");
	put_scratch(f, "", "ap", "web.1");
	leave(f, &facts);
	s = claim(f, "app", "web.1");
	assert_int_equal(lost_bury(f->host, &s, &f->err), 1);
	state_release(&s);
	assert_false(has_scratch(f, "", "app", "web.1"));
	assert_false(has_scratch(f, "+", "app", "web.1"));
	assert_true(has_scratch(f, "", "app", "web.2"));
	assert_true(has_scratch(f, "", "ap", "web.1"));
}

/* How long the process outlives its monitor: more than the removal of a group waits by itself. */
#define LINGER_MS (CGROUP_REMOVE_MS + 50)

/*
 * The monitor's child, in the control group.  It ends some time after its lifeline, as one does that
 * has much memory to give back.
 */
static void be_inhabitant(const struct cgroup_leaf *leaf, int place_fd, int lifeline_fd)
{
	CHECK(prctl(PR_SET_NAME, "dyno-init") == 0);
	CHECK(cgroup_join_self(leaf) == 0);
	if (leaf->clone_fd >= 0)
		CHECK(file_write_at(leaf->clone_fd, "cgroup.procs", "0") == 0);
	close_fdp(&place_fd); /* as exec would */
	CHECK(write(lifeline_fd, "", 1) == 1);
	(void)poll(&(struct pollfd){.fd = lifeline_fd}, 1, 20000);
	(void)poll(NULL, 0, LINGER_MS);
	_exit(0);
}

static pid_t spawn_inhabitant(const struct cgroup_leaf *leaf, int place_fd)
{
	char byte;
	int pair[2];
	pid_t pid;

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close_fdp(&pair[0]);
		be_inhabitant(leaf, place_fd, pair[1]);
	}
	close_fdp(&pair[1]);
	CHECK(read(pair[0], &byte, 1) == 1);
	return pid; /* the other end stays open for life */
}

static void be_monitor(struct fixture *f, struct cgroup_host *cgroups, int report_fd)
{
	struct dyno_facts facts = make_facts("app", "web.1", "up");
	struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct state s = STATE_INIT;
	char name[CGROUP_NAME_BYTES];
	bool remains;

	CHECK(state_claim(f->run_fd, "app", "web.1", &s, &remains, &f->err) == 0);
	if (cgroups) {
		leaf_name(f, "app", "web.1", name, sizeof(name));
		CHECK(cgroup_leaf_create(cgroups, name, NULL, &leaf, &f->err) == 0);
	}
	facts.info.init_pid = spawn_inhabitant(&leaf, s.dir_fd);
	facts.info.monitor_pid = getpid();
	facts.monitor_start = statefile_start_time(getpid());
	CHECK(statefile_write(s.dir_fd, &facts) == 0);
	CHECK(write(report_fd, &facts.info.init_pid, sizeof(int)) == sizeof(int));
	for (;;)
		(void)pause();
}

static bool is_alive(pid_t pid)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = -EBADF;
	char path[32], *text;

	str_fmt(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && fd_read_all(fd, 16384, &arena, &text, NULL) == 0 &&
	       !strstr(text, "\nState:\tZ");
}

/* Starts a monitor with one process, kills it, and lets @bury come at once. */
static void kill_monitor(struct fixture *f, struct cgroup_host *cgroups)
{
	int fds[2], init_pid;
	uint64_t began;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork_tied();
	if (pid == 0)
		be_monitor(f, cgroups, fds[1]);
	close_fdp(&fds[1]);
	assert_int_equal(read(fds[0], &init_pid, sizeof(init_pid)), sizeof(init_pid));
	close_fdp(&fds[0]);
	assert_int_equal(lost_collect(f->host, &f->err), 0); /* it lives */
	assert_true(is_alive(init_pid));

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	began = clock_ms();
	assert_int_equal(lost_collect(f->host, &f->err), 1);
	assert_in_range(clock_ms() - began, 0, LOST_WAIT_MS);
	assert_false(is_alive(init_pid));
	assert_false(is_there(f, "run/app"));
	assert_int_equal(count_records(f, "app"), 1);
}

static bool leaf_seen;

static int see_leaf(void *data, const char *name)
{
	leaf_seen |= str_eq(name, data);
	return 0;
}

static void lost_collect__monitor_killed__its_processes_and_groups_are_gone(void **state)
{
	struct fixture *f = *state;
	struct cgroup_host cgroups;
	char name[CGROUP_NAME_BYTES];

	assert_int_equal(cgroup_host_open(CGROUP_ROOT, &cgroups, &f->err), 0);
	if (cgroups.kind == CGROUP_NONE) {
		cgroup_host_done(&cgroups);
		skip();
	}
	kill_monitor(f, &cgroups);
	leaf_name(f, "app", "web.1", name, sizeof(name));
	leaf_seen = false;
	assert_int_equal(cgroup_each_leaf(&cgroups, "", see_leaf, name), 0);
	assert_false(leaf_seen);
	cgroup_host_done(&cgroups);
}

static void lost_collect__no_control_group__waits_for_the_init(void **state)
{
	kill_monitor(*state, NULL);
}

/* T51: the number of its init is another's by now, which neither dies nor holds anybody up. */
static void lost_bury__init_is_another_process__left_alone(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = make_facts("app", "web.1", "up");
	uint64_t began = clock_ms();
	struct state s;

	facts.info.init_pid = getpid();
	facts.info.monitor_pid = getppid();
	leave(f, &facts);
	s = claim(f, "app", "web.1");
	assert_int_equal(lost_bury(f->host, &s, &f->err), 1);
	state_release(&s);
	assert_in_range(clock_ms() - began, 0, LOST_WAIT_MS / 2);
}

/* ---- many ----------------------------------------------------------------------------------- */

static void lost_collect__ten_at_once__one_record_each(void **state)
{
	struct fixture *f = *state;
	pid_t pids[10];
	char name[16];
	int total = 0;

	for (unsigned int i = 0; i < 10; i++) {
		struct dyno_facts facts;

		str_fmt(name, sizeof(name), "web.%u", i + 1);
		facts = make_facts("app", name, "up");
		leave(f, &facts);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork_tied();
		if (pids[i] == 0) {
			int r = open_host(f) < 0 ? -1 : lost_collect(f->host, &f->err);

			_exit(r < 0 ? 99 : r);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 10);
		total += WEXITSTATUS(status);
	}
	assert_int_equal(total, 10);
	assert_int_equal(count_records(f, "app"), 10);
	assert_false(is_there(f, "run/app"));
}

static void gc_told(void *data, const char *kind, const char *name)
{
	if (str_eq(kind, "run directory") && str_starts(name, "app/"))
		(*(int *)data)++;
}

static void dyno_gc__dead_and_live__the_dead_are_recorded(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = make_facts("app", "web.1", "up");
	struct state live = STATE_INIT;
	bool remains;
	int told = 0;

	leave(f, &facts);
	assert_int_equal(state_claim(f->run_fd, "app", "web.2", &live, &remains, &f->err), 0);
	assert_int_equal(statefile_write(live.dir_fd, &facts), 0);
	assert_true(dyno_gc(f->host, gc_told, &told, &f->err) >= 1);
	assert_int_equal(told, 1);
	assert_false(is_there(f, "run/app/web.1"));
	assert_true(is_there(f, "run/app/web.2/" STATEFILE_NAME));
	assert_int_equal(count_records(f, "app"), 1);
	assert_int_equal(dyno_gc(f->host, gc_told, &told, &f->err), 0);
	assert_int_equal(count_records(f, "app"), 1);
	state_release(&live);
}

/* T44: what cannot be recorded does not keep the rest. */
static void dyno_gc__record_cannot_be_kept__the_rest_is_collected(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = make_facts("app", "web.1", "up");
	int told = 0;

	leave(f, &facts);
	facts.info.name = "web.2";
	facts.boot_id[0] = '\0';
	leave(f, &facts);
	assert_int_equal(mknodat(f->fd, "data/records", S_IFREG | 0600, 0), 0);
	put_scratch(f, "", "app", "web.3");
	assert_int_equal(dyno_gc(f->host, gc_told, &told, &f->err), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD);
	assert_int_equal(told, 1);
	assert_true(is_there(f, "run/app/web.1/" STATEFILE_NAME));
	assert_false(is_there(f, "run/app/web.2"));
	assert_false(has_scratch(f, "", "app", "web.3"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lost_bury__states__one_record_that_says_so),
		TEST(lost_bury__still_held__not_alive_for_others),
		TEST(lost_bury__nothing_known__no_record),
		TEST(lost_bury__names_of_another__those_of_the_place),
		TEST(lost_bury__recorded_before__not_again),
		TEST(lost_bury__of_one_that_was_up__its_events_are_told),
		TEST(lost_bury__record_cannot_be_kept__goes_without),
		TEST(lost_collect__record_cannot_be_kept__stays_for_the_next),
		TEST(lost_bury__scratch__its_own_goes),
		TEST(lost_collect__monitor_killed__its_processes_and_groups_are_gone),
		TEST(lost_collect__no_control_group__waits_for_the_init),
		TEST(lost_bury__init_is_another_process__left_alone),
		TEST(lost_collect__ten_at_once__one_record_each),
		TEST(dyno_gc__dead_and_live__the_dead_are_recorded),
		TEST(dyno_gc__record_cannot_be_kept__the_rest_is_collected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
