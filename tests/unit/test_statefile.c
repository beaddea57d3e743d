/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_statefile.c - state.json: that what was written is read again, that nothing else is taken
 * for it (T43, T59), and that a process is told from another with its number (T51).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/statefile.h"

struct fixture {
	char dir[64];
	int fd;
	struct arena arena;
};

static int set_up(void **state)
{
	static struct fixture f;

	str_fmt(f.dir, sizeof(f.dir), "/tmp/dyno-test-state.XXXXXX");
	if (!mkdtemp(f.dir))
		return -1;
	f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return f.fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	close_fdp(&f->fd);
	arena_done(&f->arena);
	r = path_remove_tree(tmp_fd, f->dir + strlen("/tmp/"));
	close_fdp(&tmp_fd);
	return r;
}

/* Every member has a value of its own. */
static struct dyno_facts all_facts(void)
{
	struct dyno_facts facts = {
		.info = {.app = "guestbook",
			 .name = "web.1",
			 .type = "web",
			 .state = "crashed",
			 .oneoff = 1,
			 .init_pid = 11,
			 .monitor_pid = INT_MAX,
			 .port = 65535,
			 .address = "127.0.0.1",
			 .address6 = "::1",
			 .restarts = UINT32_MAX,
			 .crashes = 3,
			 .since_us = 1780315200123456,
			 .exit_code = 137,
			 .signal = 9,
			 .reason = "oom",
			 .next_try_us = 1780315260123456,
			 .slug = "/home/me/guest \"book\".tgz",
			 .command = "bin/web -p $PORT\n# \x1b[31m"},
		.monitor_start = INT64_MAX,
		.started_us = 1780315200000001,
	};

	statefile_boot_id(facts.boot_id);
	return facts;
}

static void assert_same_text(const char *a, const char *b)
{
	if (!a || !b)
		assert_ptr_equal(a, b);
	else
		assert_string_equal(a, b);
}

static void assert_same(const struct dyno_facts *a, const struct dyno_facts *b)
{
	assert_same_text(a->info.app, b->info.app);
	assert_same_text(a->info.name, b->info.name);
	assert_same_text(a->info.type, b->info.type);
	assert_same_text(a->info.state, b->info.state);
	assert_int_equal(a->info.oneoff, b->info.oneoff);
	assert_int_equal(a->info.init_pid, b->info.init_pid);
	assert_int_equal(a->info.monitor_pid, b->info.monitor_pid);
	assert_int_equal(a->info.port, b->info.port);
	assert_same_text(a->info.address, b->info.address);
	assert_same_text(a->info.address6, b->info.address6);
	assert_int_equal(a->info.restarts, b->info.restarts);
	assert_int_equal(a->info.crashes, b->info.crashes);
	assert_true(a->info.since_us == b->info.since_us);
	assert_int_equal(a->info.exit_code, b->info.exit_code);
	assert_int_equal(a->info.signal, b->info.signal);
	assert_same_text(a->info.reason, b->info.reason);
	assert_true(a->info.next_try_us == b->info.next_try_us);
	assert_same_text(a->info.slug, b->info.slug);
	assert_same_text(a->info.command, b->info.command);
	assert_string_equal(a->boot_id, b->boot_id);
	assert_true(a->monitor_start == b->monitor_start);
	assert_true(a->started_us == b->started_us);
}

static void statefile_parse__what_was_formatted__the_same(void **state)
{
	struct fixture *f = *state;
	const struct dyno_facts none = {
		.info = {.app = "a",
			 .name = "web.1",
			 .type = "web",
			 .state = "up",
			 .exit_code = -1},
	};
	const struct dyno_facts cases[] = {all_facts(), none};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_sbuf_ struct sbuf b = {0};
		struct dyno_facts got;

		memset(&got, 'x', sizeof(got));
		statefile_format(&cases[i], &b);
		assert_int_equal(sbuf_ok(&b), 0);
		assert_null(strchr(b.data, '\n'));
		assert_int_equal(statefile_parse(b.data, b.len, &f->arena, &got), 0);
		assert_same(&got, &cases[i]);
		assert_int_equal(got.info.live, 0);
		assert_int_equal(got.info.pid, 0);
	}
}

#define HEAD "{\"schema\":1,\"app\":\"a\",\"name\":\"web.1\",\"type\":\"web\",\"state\":\"up\""

static void statefile_parse__unknown_members__passed_by(void **state)
{
	struct fixture *f = *state;
	static const char text[] = HEAD ",\"later\":{\"a\":[1,2]},\"port\":null}\n";
	struct dyno_facts got;

	assert_int_equal(statefile_parse(text, strlen(text), &f->arena, &got), 0);
	assert_string_equal(got.info.name, "web.1");
	assert_int_equal(got.info.exit_code, -1);
	assert_null(got.info.command);
}

static void statefile_parse__not_of_the_form__einval_and_untouched(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"1",
		"nonsense",
		HEAD,
		HEAD "} x",
		HEAD ",\"port\":65536}",
		HEAD ",\"port\":-1}",
		HEAD ",\"port\":\"80\"}",
		HEAD ",\"port\":80.5}",
		HEAD ",\"port\":1,\"port\":2}",
		HEAD ",\"restarts\":4294967296}",
		HEAD ",\"since_us\":99999999999999999999}",
		HEAD ",\"init_pid\":2147483648}",
		HEAD ",\"exit_code\":-1}",
		HEAD ",\"oneoff\":1}",
		HEAD ",\"command\":7}",
		HEAD ",\"command\":\"a\\u0000b\"}",
		HEAD ",\"boot_id\":7}",
		HEAD ",\"boot_id\":\"0123456789012345678901234567890123456789\"}",
		"{\"schema\":2,\"app\":\"a\",\"name\":\"b\",\"type\":\"c\",\"state\":\"up\"}",
		"{\"schema\":0,\"app\":\"a\",\"name\":\"b\",\"type\":\"c\",\"state\":\"up\"}",
		"{\"schema\":\"1\",\"app\":\"a\",\"name\":\"b\",\"type\":\"c\",\"state\":\"up\"}",
		"{\"app\":\"a\",\"name\":\"b\",\"type\":\"c\",\"state\":\"up\"}",
		"{\"schema\":1,\"name\":\"b\",\"type\":\"c\",\"state\":\"up\"}",
		"{\"schema\":1,\"app\":\"a\",\"type\":\"c\",\"state\":\"up\"}",
		"{\"schema\":1,\"app\":\"a\",\"name\":\"b\",\"state\":\"up\"}",
		"{\"schema\":1,\"app\":\"a\",\"name\":\"b\",\"type\":\"c\",\"state\":null}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct dyno_facts got = {.started_us = 77};
		int r = statefile_parse(bad[i], strlen(bad[i]), &f->arena, &got);

		if (r != -EINVAL || got.started_us != 77)
			fail_msg("%d for: %s", r, bad[i]);
	}
}

static void statefile_write__twice__the_new_one_alone(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = all_facts();
	struct dyno_facts got;
	struct stat st;

	assert_int_equal(statefile_read(f->fd, &f->arena, &got), -ENOENT);
	facts.info.state = "starting";
	assert_int_equal(statefile_write(f->fd, &facts), 0);
	facts.info.state = "up";
	assert_int_equal(statefile_write(f->fd, &facts), 0);
	assert_int_equal(statefile_read(f->fd, &f->arena, &got), 0);
	assert_same(&got, &facts);
	assert_int_equal(fstatat(f->fd, STATEFILE_NAME, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fstatat(f->fd, STATEFILE_NAME ".new", &st, 0), -1);
}

/* A reader at any moment sees one of the two, whole. */
static void statefile_write__read_meanwhile__always_whole(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = all_facts();
	pid_t parent = getpid();
	pid_t pid;

	assert_int_equal(statefile_write(f->fd, &facts), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(1);
		for (;;) {
			facts.info.command =
				facts.info.restarts++ % 2 ? "a" : all_facts().info.slug;
			if (statefile_write(f->fd, &facts) < 0)
				_exit(1);
		}
	}
	for (int i = 0; i < 3000; i++) {
		struct dyno_facts got;

		assert_int_equal(statefile_read(f->fd, &f->arena, &got), 0);
		if (i % 100 == 0)
			arena_done(&f->arena);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void put_file(int dir_fd, const char *name, const char *text)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), strlen(text));
}

static void statefile_read__of_another_boot__estale(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = all_facts();
	struct dyno_facts got;

	str_fmt(facts.boot_id, sizeof(facts.boot_id), "00000000-0000-0000-0000-000000000000");
	assert_int_equal(statefile_write(f->fd, &facts), 0);
	assert_int_equal(statefile_read(f->fd, &f->arena, &got), -ESTALE);
	facts.boot_id[0] = '\0';
	assert_int_equal(statefile_write(f->fd, &facts), 0);
	assert_int_equal(statefile_read(f->fd, &f->arena, &got), -ESTALE);
}

static void statefile_read__no_file_of_ours__error_and_no_hang(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *large = malloc(STATEFILE_MAX_BYTES + 2);
	struct dyno_facts got;

	assert_non_null(large);
	memset(large, ' ', STATEFILE_MAX_BYTES + 1);
	large[STATEFILE_MAX_BYTES + 1] = '\0';
	put_file(f->fd, STATEFILE_NAME, "");
	assert_int_equal(statefile_read(f->fd, &f->arena, &got), -EINVAL);
	put_file(f->fd, STATEFILE_NAME, large);
	assert_int_equal(statefile_read(f->fd, &f->arena, &got), -EINVAL);
	assert_int_equal(unlinkat(f->fd, STATEFILE_NAME, 0), 0);
	assert_int_equal(mkfifoat(f->fd, STATEFILE_NAME, 0600), 0);
	assert_int_equal(statefile_read(f->fd, &f->arena, &got), -EINVAL);
	assert_int_equal(unlinkat(f->fd, STATEFILE_NAME, 0), 0);
	assert_int_equal(symlinkat("/proc/self/environ", f->fd, STATEFILE_NAME), 0);
	assert_true(statefile_read(f->fd, &f->arena, &got) < 0);
}

static void statefile_write__impossible__error_and_the_old_one_stays(void **state)
{
	struct fixture *f = *state;
	struct dyno_facts facts = all_facts();
	_cleanup_free_ char *large = malloc(STATEFILE_MAX_BYTES + 1);
	struct dyno_facts got;

	assert_non_null(large);
	memset(large, 'a', STATEFILE_MAX_BYTES);
	large[STATEFILE_MAX_BYTES] = '\0';
	assert_int_equal(statefile_write(f->fd, &facts), 0);
	facts.info.command = large;
	assert_int_equal(statefile_write(f->fd, &facts), -EFBIG);
	facts.info.command = "short";
	assert_int_equal(mkdirat(f->fd, STATEFILE_NAME ".new", 0700), 0);
	assert_int_equal(statefile_write(f->fd, &facts), -EISDIR);
	assert_int_equal(statefile_write(-EBADF, &facts), -EBADF);
	assert_int_equal(statefile_read(f->fd, &f->arena, &got), 0);
	assert_string_equal(got.info.command, all_facts().info.command);
}

static void statefile_boot_id__this_host__a_uuid(void **state)
{
	char id[40];

	(void)state;
	statefile_boot_id(id);
	assert_int_equal(strlen(id), 36);
	assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
}

static void statefile_start_time__processes__later_ones_later(void **state)
{
	pid_t pid;
	uint64_t own = statefile_start_time(getpid());

	(void)state;
	assert_true(own > 0);
	assert_true(own == statefile_start_time(getpid()));
	assert_true(statefile_start_time(1) < own);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* A name that looks like the rest of the line. */
		(void)prctl(PR_SET_NAME, "a) S 1 2 3 (");
		_exit(statefile_start_time(getpid()) >= own ? 0 : 1);
	}
	{
		int status;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	assert_true(statefile_start_time(pid) == 0);
	assert_true(statefile_start_time(0) == 0);
	assert_true(statefile_start_time(-1) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(statefile_parse__what_was_formatted__the_same),
		TEST(statefile_parse__unknown_members__passed_by),
		TEST(statefile_parse__not_of_the_form__einval_and_untouched),
		TEST(statefile_write__twice__the_new_one_alone),
		TEST(statefile_write__read_meanwhile__always_whole),
		TEST(statefile_read__of_another_boot__estale),
		TEST(statefile_read__no_file_of_ours__error_and_no_hang),
		TEST(statefile_write__impossible__error_and_the_old_one_stays),
		TEST(statefile_boot_id__this_host__a_uuid),
		TEST(statefile_start_time__processes__later_ones_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
