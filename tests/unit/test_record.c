/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_record.c - exit records and events: what was kept is read again, the last ones of an app
 * stay, many write at once (T54), a disk is full or read-only (T44).
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
#include <sys/wait.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/errclass.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/record.h"

#define WRITERS 8
#define RECORDS 500

/* In a child a failed check must not jump into cmocka. */
#define CHECK(cond)               \
	do {                      \
		if (!(cond))      \
			_exit(1); \
	} while (0)

struct fixture {
	char dir[64];
	struct store store;
	struct dyno_err err;
};

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.store = STORE_INIT};
	str_fmt(f.dir, sizeof(f.dir), "/tmp/dyno-test-record.XXXXXX");
	if (!mkdtemp(f.dir))
		return -1;
	*state = &f;
	return store_open(f.dir, &f.store, &f.err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	store_done(&f->store);
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

static struct record make_record(const char *app, const char *dyno, uint32_t gen)
{
	return (struct record){
		.facts = {.info = {.app = app,
				   .name = dyno,
				   .type = "web",
				   .state = "crashed",
				   .exit_code = 137,
				   .signal = 9,
				   .reason = "oom",
				   .command = "bin/web"}},
		.gen = gen,
		.ended_us = 1780315200000000 + gen,
		.manifest = "",
	};
}

static int add(struct fixture *f, const char *app, const char *dyno, uint32_t gen)
{
	const struct record record = make_record(app, dyno, gen);

	return record_add(&f->store, &record, &f->err);
}

struct seen {
	unsigned int n;
	unsigned int stop_at;
	uint32_t gens[64];
	char dynos[64][16];
};

static int see(void *data, const struct record *record)
{
	struct seen *seen = data;

	if (seen->n < ARRAY_SIZE(seen->gens)) {
		seen->gens[seen->n] = record->gen;
		str_fmt(seen->dynos[seen->n], sizeof(seen->dynos[0]), "%s",
			record->facts.info.name);
	}
	return ++seen->n == seen->stop_at ? 42 : 0;
}

static struct seen look(struct fixture *f, const char *app)
{
	struct seen seen = {0};

	assert_int_equal(record_each(&f->store, app, see, &seen, &f->err), 0);
	return seen;
}

static bool is_there(struct fixture *f, const char *path)
{
	struct stat st;

	return fstatat(f->store.data_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put_file(struct fixture *f, const char *path, const char *text)
{
	_cleanup_close_ int fd =
		openat(f->store.data_fd, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), strlen(text));
}

/* ---- exit records --------------------------------------------------------------------------- */

static int compare_all(void *data, const struct record *got)
{
	const struct record *want = data;

	assert_string_equal(got->facts.info.app, want->facts.info.app);
	assert_string_equal(got->facts.info.state, want->facts.info.state);
	assert_string_equal(got->facts.info.reason, want->facts.info.reason);
	assert_string_equal(got->facts.info.command, want->facts.info.command);
	assert_string_equal(got->facts.boot_id, want->facts.boot_id);
	assert_int_equal(got->facts.info.exit_code, want->facts.info.exit_code);
	assert_int_equal(got->facts.info.signal, want->facts.info.signal);
	assert_int_equal(got->gen, want->gen);
	assert_true(got->ended_us == want->ended_us);
	assert_true(got->up_ms == want->up_ms);
	assert_string_equal(got->written, want->written);
	assert_true(got->files == want->files);
	assert_true(got->bytes == want->bytes);
	assert_string_equal(got->manifest, want->manifest);
	return 1;
}

static void record_add__all_members__read_again(void **state)
{
	struct fixture *f = *state;
	struct record record = make_record("my.app", "web.1", 7);

	record.up_ms = 123456789;
	record.written = "wrote 3 files, 4.2 MB, discarded; biggest \"a\nb\", 1 KB";
	record.files = 3;
	record.bytes = 4404019;
	record.manifest = "written.0123";
	str_fmt(record.facts.boot_id, sizeof(record.facts.boot_id), "%s",
		"9c6d3e5e-6b38-4c1f-8f0e-2f2f6a0b1c2d");
	assert_int_equal(record_add(&f->store, &record, &f->err), 0);
	assert_int_equal(record_each(&f->store, "my.app", compare_all, &record, &f->err), 1);
	assert_int_equal(record_each(&f->store, NULL, compare_all, &record, &f->err), 1);
}

static int check_empty(void *data, const struct record *got)
{
	(void)data;
	assert_null(got->written);
	assert_string_equal(got->manifest, "");
	return 1;
}

static void record_add__nothing_written__no_manifest(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, "app", "web.1", 1), 0);
	assert_int_equal(record_each(&f->store, "app", check_empty, NULL, &f->err), 1);
}

static void record_each__nothing_kept__nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(look(f, NULL).n, 0);
	assert_int_equal(look(f, "app").n, 0);
	assert_int_equal(add(f, "app", "web.1", 1), 0);
	assert_int_equal(look(f, "ap").n, 0);
}

static void record_each__several_apps__each_or_all(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {.stop_at = 2};

	for (uint32_t gen = 1; gen <= 3; gen++) {
		assert_int_equal(add(f, "one", "web.1", gen), 0);
		assert_int_equal(add(f, "two", "web.1", gen), 0);
	}
	assert_int_equal(look(f, "one").n, 3);
	assert_int_equal(look(f, NULL).n, 6);
	assert_int_equal(record_each(&f->store, NULL, see, &seen, &f->err), 42);
	assert_int_equal(seen.n, 2);
}

static void record_each__damaged_lines__passed_by(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	assert_int_equal(add(f, "app", "web.1", 1), 0);
	put_file(f, "records/app/exits", "{\"schema\":1,\"app\":\"app\",\"name\":\"web.1\",\"ty");
	assert_int_equal(look(f, "app").n, 1);
	assert_int_equal(add(f, "app", "web.1", 2), 0);
	put_file(f, "records/app/exits",
		 "\n{}\n[]\n{\"schema\":99,\"app\":\"app\",\"name\":\"web.1\",\"type\":\"web\","
		 "\"state\":\"up\"}\n{\"schema\":1,\"app\":\"app\",\"name\":\"web.1\"}\n");
	assert_int_equal(add(f, "app", "web.1", 3), 0);
	put_file(f, "records/stray", "no directory\n");
	assert_int_equal(mkdirat(f->store.data_fd, "records/.hidden", 0700), 0);
	put_file(f, "records/.hidden/exits", "no name of an app\n");
	seen = look(f, NULL);
	assert_int_equal(seen.n, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(seen.gens[i], i + 1);
}

static unsigned int count_lines(struct fixture *f)
{
	_cleanup_close_ int fd =
		openat(f->store.data_fd, "records/app/exits", O_RDONLY | O_CLOEXEC);
	_cleanup_arena_ struct arena arena = {0};
	unsigned int count = 0;
	char *text;
	size_t len;

	assert_int_equal(fd_read_all(fd, 1U << 24, &arena, &text, &len), 0);
	for (size_t i = 0; i < len; i++)
		count += text[i] == '\n';
	return count;
}

static void record_add__more_than_are_kept__the_last_ones_and_their_manifests(void **state)
{
	struct fixture *f = *state;

	for (uint32_t gen = 1; gen <= 5 * RECORD_KEEP; gen++) {
		struct record record = make_record("app", gen % 2 ? "web.1" : "web.2", gen);
		char name[RECEIPT_NAME_BYTES], path[128];
		struct seen seen;

		str_fmt(name, sizeof(name), "written.%x", gen);
		str_fmt(path, sizeof(path), "records/app/%s", name);
		record.manifest = name;
		assert_int_equal(add(f, "app", "web.1", 0), 0); /* makes the directory */
		put_file(f, path, "{}\n");
		assert_int_equal(record_add(&f->store, &record, &f->err), 0);
		seen = look(f, "app");
		assert_true(seen.n <= RECORD_KEEP);
		assert_int_equal(seen.gens[seen.n - 1], gen);
		assert_true(count_lines(f) <= 2 * RECORD_KEEP);
	}
	assert_false(is_there(f, "records/app/written.1"));
	assert_false(is_there(f, "records/app/written.3b"));
	assert_true(is_there(f, "records/app/written.64"));
	assert_true(is_there(
		f, "records/app/written.5b")); /* with one without a manifest before each */
}

static void record_add__drops_the_last_record_of_a_oneoff__its_log_goes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->store.data_fd, "logs", 0700), 0);
	assert_int_equal(mkdirat(f->store.data_fd, "logs/app", 0700), 0);
	put_file(f, "logs/app/run.1.log", "x\n");
	put_file(f, "logs/app/run.1.log.1", "x\n");
	put_file(f, "logs/app/again.log", "x\n");
	put_file(f, "logs/app/web.1.log", "x\n");
	for (uint32_t gen = 1; gen <= 3 * RECORD_KEEP; gen++) {
		/* one of a name that is used again and again, and one that comes once */
		struct record record = make_record("app", gen == 2 ? "run.1" : "again", gen);

		record.facts.info.oneoff = 1;
		if (gen % 2)
			record = make_record("app", gen < 10 ? "web.1" : "web.2", gen);
		assert_int_equal(record_add(&f->store, &record, &f->err), 0);
	}
	assert_false(is_there(f, "logs/app/run.1.log"));
	assert_false(is_there(f, "logs/app/run.1.log.1"));
	assert_true(is_there(f, "logs/app/again.log"));
	assert_true(is_there(f, "logs/app/web.1.log"));
}

/* What a record says is its manifest need not be one. */
static void record_add__drops_a_record_with_a_wrong_manifest__that_file_stays(void **state)
{
	static const char *const wrong[] = {
		"../other/exits", "exits", "written./../exits", "..", "events", "/etc/hostname"};
	struct fixture *f = *state;

	assert_int_equal(add(f, "other", "web.1", 1), 0);
	assert_int_equal(add(f, "app", "web.1", 0), 0);
	put_file(f, "records/app/events", "{}\n");
	for (uint32_t gen = 1; gen <= 3 * RECORD_KEEP; gen++) {
		struct record record = make_record("app", "web.1", gen);

		record.manifest = wrong[gen % ARRAY_SIZE(wrong)];
		assert_int_equal(record_add(&f->store, &record, &f->err), 0);
	}
	assert_true(count_lines(f) <= 2 * RECORD_KEEP);
	assert_int_equal(look(f, "other").n, 1);
	assert_int_equal(look(f, "app").n, RECORD_KEEP);
	assert_true(is_there(f, "records/app/events"));
}

static void record_add__compacts__old_manifests_of_nobody_go(void **state)
{
	struct fixture *f = *state;
	const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	struct record record = make_record("app", "web.1", 99);

	assert_int_equal(add(f, "app", "web.1", 0), 0);
	put_file(f, "records/app/written.a", "");
	put_file(f, "records/app/written.b", "");
	put_file(f, "records/app/written.c", "");
	put_file(f, "records/app/else", "");
	record.manifest = "written.c";
	for (uint32_t gen = 1; gen < 2 * RECORD_KEEP; gen++)
		assert_int_equal(add(f, "app", "web.1", gen), 0);
	assert_int_equal(utimensat(f->store.data_fd, "records/app/written.a", old, 0), 0);
	assert_int_equal(utimensat(f->store.data_fd, "records/app/written.c", old, 0), 0);
	assert_int_equal(utimensat(f->store.data_fd, "records/app/else", old, 0), 0);
	assert_int_equal(record_add(&f->store, &record, &f->err), 0);
	assert_int_equal(count_lines(f), RECORD_KEEP);
	assert_false(is_there(f, "records/app/written.a"));
	assert_true(is_there(f, "records/app/written.b")); /* its record may still come */
	assert_true(is_there(f, "records/app/written.c"));
	assert_true(is_there(f, "records/app/else"));
}

/* A command as long as may be, all of it in escapes. */
static void record_add__longest_lines__kept(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *command = malloc(10001);
	struct record record = make_record("app", "web.1", 1);

	assert_non_null(command);
	memset(command, '\x01', 10000);
	command[10000] = '\0';
	record.facts.info.command = command;
	for (record.gen = 1; record.gen <= 3 * RECORD_KEEP; record.gen++)
		assert_int_equal(record_add(&f->store, &record, &f->err), 0);
	assert_int_equal(look(f, "app").n, RECORD_KEEP);
	assert_int_equal(look(f, "app").gens[0], 2 * RECORD_KEEP + 1);
}

static void record_add__no_name_of_an_app__refused(void **state)
{
	static const char *const wrong[] = {"", ".", "..", "../x", "a/b", "-rf", "a b"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(add(f, wrong[i], "web.1", 1), -EINVAL);
		assert_int_equal(f->err.kind, ERR_RECORD);
		assert_int_equal(record_event(&f->store, wrong[i], "{}", 2), -EINVAL);
		assert_int_equal(record_forget(&f->store, wrong[i], "web.1", &f->err), -EINVAL);
	}
	assert_false(is_there(f, "records"));
}

/* T54: eight monitors of one app, whose records make each other's files anew. */
static void record_add__eight_processes__nothing_torn_and_the_last_kept(void **state)
{
	struct fixture *f = *state;
	static const char *const dynos[WRITERS] = {"web.1", "web.2", "web.3", "web.4",
						   "web.5", "web.6", "web.7", "web.8"};
	uint32_t last[WRITERS] = {0};
	pid_t pids[WRITERS];
	struct seen seen;

	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork_tied();
		if (pids[w] != 0)
			continue;
		for (uint32_t gen = 1; gen <= RECORDS; gen++)
			CHECK(add(f, "app", dynos[w], gen) == 0);
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status;

		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		assert_int_equal(status, 0);
	}
	assert_true(count_lines(f) <= 2 * RECORD_KEEP);
	assert_true(count_lines(f) >= RECORD_KEEP);
	seen = look(f, "app");
	assert_int_equal(seen.n, RECORD_KEEP);
	/* Those of each dyno are its last ones, without a gap. */
	for (unsigned int i = 0; i < seen.n; i++) {
		int w = seen.dynos[i][4] - '1';

		assert_true(last[w] == 0 || seen.gens[i] == last[w] + 1);
		last[w] = seen.gens[i];
	}
	for (int w = 0; w < WRITERS; w++)
		assert_true(last[w] == 0 || last[w] == RECORDS);
}

static void record_forget__one_of_two__its_own_goes(void **state)
{
	struct fixture *f = *state;
	struct record record = make_record("app", "web.1", 1);
	struct seen seen;

	record.manifest = "written.1";
	assert_int_equal(record_add(&f->store, &record, &f->err), 0);
	record.facts.info.name = "web.2";
	record.manifest = "written.2";
	assert_int_equal(record_add(&f->store, &record, &f->err), 0);
	assert_int_equal(add(f, "app", "web.1", 2), 0);
	put_file(f, "records/app/written.1", "");
	put_file(f, "records/app/written.2", "");
	put_file(f, "records/app/exits", "not understood\n");
	assert_int_equal(record_forget(&f->store, "app", "web.1", &f->err), 2);
	seen = look(f, "app");
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.dynos[0], "web.2");
	assert_int_equal(count_lines(f), 2);
	assert_false(is_there(f, "records/app/written.1"));
	assert_true(is_there(f, "records/app/written.2"));
	assert_int_equal(record_forget(&f->store, "app", "web.1", &f->err), 0);
	assert_int_equal(record_forget(&f->store, "none", "web.1", &f->err), 0);
}

static void record_forget__the_last_one__no_directory_left(void **state)
{
	struct fixture *f = *state;
	static const char event[] = "{\"time\":\"2026\",\"app\":\"app\",\"dyno\":\"web.1\"}";

	assert_int_equal(add(f, "app", "web.1", 1), 0);
	assert_int_equal(record_event(&f->store, "app", event, strlen(event)), 0);
	assert_int_equal(record_forget(&f->store, "app", "web.1", &f->err), 1);
	assert_false(is_there(f, "records/app"));
	assert_int_equal(add(f, "app", "web.1", 1), 0);
	assert_int_equal(look(f, "app").n, 1);
}

/* ---- events --------------------------------------------------------------------------------- */

static int event(struct fixture *f, const char *app, const char *dyno, unsigned int number)
{
	char line[512];
	size_t len =
		str_fmt(line, sizeof(line),
			"{\"event\":\"state\",\"time\":\"%06u\",\"app\":\"%s\",\"dyno\":\"%s\","
			"\"padding\":\"%0200u\"}",
			number, app, dyno, number);

	return record_event(&f->store, app, line, len);
}

struct heard {
	struct arena arena;
	unsigned int n;
	unsigned int stop_at;
	unsigned int gaps;
	char last[64];
	char first[64];
};

static int hear(void *data, const char *json)
{
	struct heard *heard = data;
	struct event_key key;

	assert_int_equal(record_event_key(json, &heard->arena, &key), 0);
	if (heard->n == 0)
		str_fmt(heard->first, sizeof(heard->first), "%s", key.time);
	else if (strcmp(heard->last, key.time) >= 0)
		heard->gaps++;
	str_fmt(heard->last, sizeof(heard->last), "%s", key.time);
	return ++heard->n == heard->stop_at ? 42 : 0;
}

static struct heard listen_to(struct fixture *f, const char *app)
{
	struct heard heard = {0};

	assert_int_equal(record_each_event(&f->store, app, hear, &heard, &f->err), 0);
	arena_done(&heard.arena);
	return heard;
}

static void record_event__many__bounded_and_in_order(void **state)
{
	struct fixture *f = *state;
	struct stat live, old;
	struct heard heard;
	const unsigned int total = 3000; /* of some 270 bytes: turned over three times */

	assert_int_equal(listen_to(f, "app").n, 0);
	assert_int_equal(listen_to(f, NULL).n, 0);
	for (unsigned int i = 1; i <= total; i++)
		assert_int_equal(event(f, "app", "web.1", i), 0);
	heard = listen_to(f, "app");
	assert_int_equal(heard.gaps, 0);
	assert_string_equal(heard.last, "003000");
	assert_true(heard.n < total && heard.n > RECORD_EVENTS_BYTES / 300);
	assert_int_equal(fstatat(f->store.data_fd, "records/app/events", &live, 0), 0);
	assert_int_equal(fstatat(f->store.data_fd, "records/app/events.1", &old, 0), 0);
	assert_true(live.st_size <= (off_t)RECORD_EVENTS_BYTES + 512);
	assert_true(old.st_size <= (off_t)RECORD_EVENTS_BYTES + 512);
	assert_int_equal(event(f, "other", "web.1", 1), 0);
	assert_int_equal(listen_to(f, NULL).n, heard.n + 1);
	assert_int_equal(listen_to(f, "other").n, 1);
}

static void record_each_event__ended_by_the_caller__its_number(void **state)
{
	struct fixture *f = *state;
	struct heard heard = {.stop_at = 2};

	for (unsigned int i = 1; i <= 5; i++)
		assert_int_equal(event(f, "app", "web.1", i), 0);
	assert_int_equal(record_each_event(&f->store, NULL, hear, &heard, &f->err), 42);
	assert_int_equal(heard.n, 2);
	arena_done(&heard.arena);
}

static void record_event__more_than_a_line__refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(record_event(&f->store, "app", "{}\n{}", 5), -EINVAL);
	assert_int_equal(record_event(&f->store, "app", "{}\0{}", 5), -EINVAL);
	assert_int_equal(listen_to(f, "app").n, 0);
}

static void record_event_key__not_an_event__einval(void **state)
{
	static const char *const wrong[] = {
		"",
		"{}",
		"[1]",
		"{\"time\":\"a\",\"app\":\"b\"}",
		"{\"time\":\"a\",\"dyno\":\"b\"}",
		"{\"app\":\"a\",\"dyno\":\"b\"}",
		"{\"time\":1,\"app\":\"a\",\"dyno\":\"b\"}",
	};
	_cleanup_arena_ struct arena arena = {0};
	struct event_key key = {.time = "kept"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(record_event_key(wrong[i], &arena, &key), -EINVAL);
	assert_string_equal(key.time, "kept");
	assert_int_equal(record_event_key("{\"dyno\":\"w\",\"app\":\"a\",\"time\":\"t\",\"x\":[]}",
					  &arena, &key),
			 0);
	assert_string_equal(key.dyno, "w");
}

static void record_forget__events_in_both_files__its_own_go(void **state)
{
	struct fixture *f = *state;
	unsigned int before, others = 0;

	for (unsigned int i = 1; i <= 1500; i++) {
		assert_int_equal(event(f, "app", i % 3 ? "web.1" : "web.2", i), 0);
		others += i % 3 == 0;
	}
	before = listen_to(f, "app").n;
	assert_true(is_there(f, "records/app/events.1"));
	assert_int_equal(record_forget(&f->store, "app", "web.1", &f->err), 0);
	assert_true(listen_to(f, "app").n <= others);
	assert_true(listen_to(f, "app").n >= before / 3 - 1);
	assert_int_equal(listen_to(f, "app").gaps, 0);
	assert_int_equal(record_forget(&f->store, "app", "web.2", &f->err), 0);
	assert_false(is_there(f, "records/app"));
}

/* ---- disks ---------------------------------------------------------------------------------- */

static void record__directory_is_a_file__error(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};
	struct heard heard = {0};

	put_file(f, "records", "");
	assert_int_equal(add(f, "app", "web.1", 1), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD);
	assert_int_equal(event(f, "app", "web.1", 1), -ENOTDIR);
	f->err = (struct dyno_err){0};
	assert_int_equal(record_each(&f->store, "app", see, &seen, &f->err), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD);
	f->err = (struct dyno_err){0};
	assert_int_equal(record_each(&f->store, NULL, see, &seen, &f->err), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD);
	f->err = (struct dyno_err){0};
	assert_int_equal(record_each_event(&f->store, "app", hear, &heard, &f->err), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD);
	f->err = (struct dyno_err){0};
	assert_int_equal(record_forget(&f->store, "app", "web.1", &f->err), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD);
}

/* In a mount namespace of its own, with a small tmpfs for the data directory. */
static void on_small_disk(struct fixture *f, void (*fn)(struct fixture *f))
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork_tied();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWNS) == 0);
		CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		CHECK(mount("tmpfs", f->dir, "tmpfs", 0, "mode=700,size=64k") == 0);
		store_done(&f->store);
		CHECK(store_open(f->dir, &f->store, &f->err) == 0);
		fn(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void fill(struct fixture *f)
{
	char zeros[4096] = {0};
	_cleanup_close_ int fd =
		openat(f->store.data_fd, "filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	while (write(fd, zeros, sizeof(zeros)) > 0)
		continue;
	CHECK(errno == ENOSPC);
}

static void full(struct fixture *f)
{
	struct seen seen = {0};
	unsigned int count = 1;

	CHECK(add(f, "app", "web.1", 1) == 0);
	fill(f);
	/* the page of the first one has room for some more */
	while (add(f, "app", "web.1", ++count) == 0)
		continue;
	CHECK(f->err.kind == ERR_RECORD && f->err.num == ENOSPC && strstr(f->err.hint, "gc"));
	CHECK(event(f, "app", "web.1", 1) == -ENOSPC);
	CHECK(add(f, "new", "web.1", 1) < 0);
	CHECK(record_each(&f->store, "app", see, &seen, &f->err) == 0 && seen.n == count - 1);
	/* what a full disk needs most */
	CHECK(record_forget(&f->store, "app", "web.1", &f->err) == (int)count - 1);
	CHECK(unlinkat(f->store.data_fd, "filler", 0) == 0);
	CHECK(add(f, "app", "web.1", count) == 0);
	seen = (struct seen){0};
	CHECK(record_each(&f->store, "app", see, &seen, &f->err) == 0 && seen.n == 1);
}

static void record__disk_full__whole_or_nothing(void **state)
{
	on_small_disk(*state, full);
}

static void read_only(struct fixture *f)
{
	struct seen seen = {0};

	CHECK(add(f, "app", "web.1", 1) == 0);
	CHECK(mount(NULL, f->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK(add(f, "app", "web.1", 2) == -EROFS);
	CHECK(f->err.kind == ERR_RECORD && f->err.hint[0]);
	CHECK(record_forget(&f->store, "app", "web.1", &f->err) == -EROFS);
	CHECK(record_each(&f->store, NULL, see, &seen, &f->err) == 0 && seen.n == 1);
}

static void record__disk_read_only__read_all_the_same(void **state)
{
	on_small_disk(*state, read_only);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(record_add__all_members__read_again),
		TEST(record_add__nothing_written__no_manifest),
		TEST(record_each__nothing_kept__nothing),
		TEST(record_each__several_apps__each_or_all),
		TEST(record_each__damaged_lines__passed_by),
		TEST(record_add__more_than_are_kept__the_last_ones_and_their_manifests),
		TEST(record_add__drops_a_record_with_a_wrong_manifest__that_file_stays),
		TEST(record_add__drops_the_last_record_of_a_oneoff__its_log_goes),
		TEST(record_add__drops_the_last_record_of_a_oneoff__its_log_goes),
		TEST(record_add__compacts__old_manifests_of_nobody_go),
		TEST(record_add__longest_lines__kept),
		TEST(record_add__no_name_of_an_app__refused),
		TEST(record_add__eight_processes__nothing_torn_and_the_last_kept),
		TEST(record_forget__one_of_two__its_own_goes),
		TEST(record_forget__the_last_one__no_directory_left),
		TEST(record_event__many__bounded_and_in_order),
		TEST(record_each_event__ended_by_the_caller__its_number),
		TEST(record_event__more_than_a_line__refused),
		TEST(record_event_key__not_an_event__einval),
		TEST(record_forget__events_in_both_files__its_own_go),
		TEST(record__directory_is_a_file__error),
		TEST(record__disk_full__whole_or_nothing),
		TEST(record__disk_read_only__read_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
