/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_state.c - places of dynos in the run directory: who is alive, which name is free (C3.5),
 * what a dead launcher left (T54, T11 of a name, T21).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/errclass.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/state.h"

struct fixture {
	char dir[64];
	int run_fd;
};

static int set_up(void **state)
{
	static struct fixture f;

	str_fmt(f.dir, sizeof(f.dir), "/tmp/dyno-test-state.XXXXXX");
	if (!mkdtemp(f.dir))
		return -1;
	f.run_fd = open(f.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return f.run_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	close_fdp(&f->run_fd);
	r = path_remove_tree(tmp_fd, f->dir + strlen("/tmp/"));
	close_fdp(&tmp_fd);
	return r;
}

static void state_claim__free_name__held_until_released(void **state)
{
	struct fixture *f = *state;
	struct state a = STATE_INIT;
	struct state b = STATE_INIT;
	struct dyno_err err = {0};
	bool remains = true;

	assert_int_equal(state_claim(f->run_fd, "app", "web.1", &a, &remains, &err), 0);
	assert_false(remains);
	assert_int_equal(state_claim(f->run_fd, "app", "web.1", &b, &remains, &err), -EEXIST);
	assert_int_equal(err.kind, ERR_NAME_TAKEN);
	state_release(&a);
	assert_int_equal(faccessat(f->run_fd, "app", F_OK, 0), -1);
	assert_int_equal(state_claim(f->run_fd, "app", "web.1", &b, &remains, &err), 0);
	state_release(&b);
}

static void state_claim__remains_of_a_dead_one__taken_over(void **state)
{
	struct fixture *f = *state;
	struct state a = STATE_INIT;
	struct dyno_err err = {0};
	bool remains = false;

	assert_int_equal(mkdirat(f->run_fd, "app", 0700), 0);
	assert_int_equal(mkdirat(f->run_fd, "app/web.1", 0700), 0);
	assert_int_equal(state_claim(f->run_fd, "app", "web.1", &a, &remains, &err), 0);
	assert_true(remains);
	state_release(&a);
}

static void state_claim_type__holes__lowest_free_number(void **state)
{
	struct fixture *f = *state;
	struct state s[4] = {STATE_INIT, STATE_INIT, STATE_INIT, STATE_INIT};
	struct dyno_err err = {0};
	bool remains;
	size_t i;

	for (i = 0; i < 3; i++)
		assert_int_equal(
			state_claim_type(f->run_fd, "app", "worker", &s[i], &remains, &err), 0);
	assert_string_equal(s[2].dyno, "worker.3");
	state_release(&s[1]);
	assert_int_equal(state_claim_type(f->run_fd, "app", "worker", &s[3], &remains, &err), 0);
	assert_string_equal(s[3].dyno, "worker.2");
	state_release(&s[0]);
	state_release(&s[2]);
	state_release(&s[3]);
}

static void state_claim_oneoff__any__four_digits(void **state)
{
	struct fixture *f = *state;
	struct state s = STATE_INIT;
	struct dyno_err err = {0};
	bool remains;

	assert_int_equal(state_claim_oneoff(f->run_fd, "app", &s, &remains, &err), 0);
	assert_int_equal(strlen(s.dyno), strlen("run.1234"));
	assert_int_equal(strspn(s.dyno + 4, "0123456789"), 4);
	assert_memory_equal(s.dyno, "run.", 4);
	state_release(&s);
}

static void state_claim__name_too_long_for_a_place__error(void **state)
{
	struct fixture *f = *state;
	struct state s = STATE_INIT;
	struct dyno_err err = {0};
	bool remains;
	char type[STATE_NAME_BYTES];

	memset(type, 'a', sizeof(type) - 1);
	type[sizeof(type) - 1] = '\0';
	assert_int_equal(state_claim_type(f->run_fd, "app", type, &s, &remains, &err),
			 -ENAMETOOLONG);
	assert_int_equal(err.kind, ERR_NAME);
}

static int count(void *data, struct state *s)
{
	(*(int *)data)++;
	state_release(s);
	return 0;
}

static void state_each_dead__live_and_dead__only_the_dead(void **state)
{
	struct fixture *f = *state;
	struct state live = STATE_INIT;
	struct dyno_err err = {0};
	bool remains;
	int n = 0;

	assert_int_equal(state_claim(f->run_fd, "one", "web.1", &live, &remains, &err), 0);
	assert_int_equal(mkdirat(f->run_fd, "one/web.2", 0700), 0);
	assert_int_equal(mkdirat(f->run_fd, "two", 0700), 0);
	assert_int_equal(mkdirat(f->run_fd, "two/run.1234", 0700), 0);
	assert_int_equal(state_each_dead(f->run_fd, count, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(faccessat(f->run_fd, "two", F_OK, 0), -1);
	assert_int_equal(faccessat(f->run_fd, "one/web.1", F_OK, 0), 0);
	state_release(&live);
}

static int tell_apart(void *data, struct state *s, bool alive)
{
	char *seen = data;
	size_t len = strlen(seen);

	str_fmt(seen + len, 64 - len, "%s/%s%c", s->app, s->dyno, alive ? '+' : '-');
	assert_int_equal(s->dir_fd >= 0, !alive);
	return str_eq(s->app, "stop") ? 42 : 0;
}

static void state_each__live_and_dead__told_apart(void **state)
{
	struct fixture *f = *state;
	struct state live = STATE_INIT;
	struct dyno_err err = {0};
	bool remains;
	char seen[64] = "";

	assert_int_equal(state_claim(f->run_fd, "one", "web.1", &live, &remains, &err), 0);
	assert_int_equal(state_each(f->run_fd, tell_apart, seen, &err), 0);
	assert_string_equal(seen, "one/web.1+");
	seen[0] = '\0';
	state_release(&live);
	assert_int_equal(mkdirat(f->run_fd, "stop", 0700), 0);
	assert_int_equal(mkdirat(f->run_fd, "stop/web.2", 0700), 0);
	assert_int_equal(state_each(f->run_fd, tell_apart, seen, &err), 42);
	assert_string_equal(seen, "stop/web.2-");
}

/* T54: what a collector looks at is neither alive for a start, nor free for it. */
static void state_take_dead__start_of_the_same_name__waits_for_the_collector(void **state)
{
	struct fixture *f = *state;
	struct state live = STATE_INIT;
	struct state s = STATE_INIT;
	struct dyno_err err = {0};
	bool remains = true;
	int lock_fd = -EBADF;
	int pipe_fds[2];
	int status;
	char byte;
	pid_t pid;

	assert_int_equal(state_claim(f->run_fd, "app", "web.1", &live, &remains, &err), 0);
	assert_int_equal(state_collect_begin(f->run_fd, &lock_fd, &err), 0);
	assert_int_equal(state_take_dead(f->run_fd, "app", "web.1", &s, &remains), 0);
	assert_int_equal(state_take_dead(f->run_fd, "app", "web.2", &s, &remains), 1);
	assert_false(remains);

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct state own = STATE_INIT;
		int r;

		/* The locks are of descriptions shared by the fork: only the parent's may count. */
		close_fdp(&lock_fd);
		close_fdp(&s.dir_fd);
		r = state_claim(f->run_fd, "app", "web.2", &own, &remains, &err);
		(void)!write(pipe_fds[1], "", 1);
		_exit(r == 0 ? 0 : 1);
	}
	close_fdp(&pipe_fds[1]);
	assert_int_equal(poll(&(struct pollfd){.fd = pipe_fds[0], .events = POLLIN}, 1, 50), 0);
	state_release(&s);
	close_fdp(&lock_fd);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close_fdp(&pipe_fds[0]);
	state_release(&live);
}

static void state_leaf_split__names__round_trip(void **state)
{
	static const char *const bad[] = {"app@web.1",
					  "app@web.1.01234567",
					  "app@web.1@1.ffffffff",
					  "app@web.1@1",
					  "web.1.01234567",
					  "@@.01234567x",
					  ""};
	char leaf[256];
	char app[STATE_NAME_BYTES];
	char dyno[STATE_NAME_BYTES];
	size_t i;

	(void)state;
	state_leaf_name("my.app", "web.1", 12, "01234567", leaf, sizeof(leaf));
	assert_string_equal(leaf, "my.app@web.1@12.01234567");
	assert_int_equal(state_leaf_split(leaf, "01234567", app, dyno), 0);
	assert_string_equal(app, "my.app");
	assert_string_equal(dyno, "web.1");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(state_leaf_split(bad[i], "01234567", app, dyno), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(state_claim__free_name__held_until_released, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(state_claim__remains_of_a_dead_one__taken_over,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(state_claim_type__holes__lowest_free_number, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(state_claim_oneoff__any__four_digits, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(state_claim__name_too_long_for_a_place__error,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(state_each_dead__live_and_dead__only_the_dead,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(state_each__live_and_dead__told_apart, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			state_take_dead__start_of_the_same_name__waits_for_the_collector, set_up,
			tear_down),
		cmocka_unit_test(state_leaf_split__names__round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
