/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dynospec.c - settings as JSON: each key, what is refused, what is merged, and that nothing
 * is lost on the way to text and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/err.h"
#include "model/dynospec.h"
#include "model/dynospec_keys.h"

#define TEXT(s) (s), STRLEN(s)

/* ---- allocations that fail ------------------------------------------------------------------ */

/* How many more succeed; negative: all. */
static int allocations = -1;

void *__wrap_calloc(size_t n, size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__real_realloc(void *old, size_t size);

static bool may_allocate(void)
{
	if (allocations > 0)
		allocations--;
	return allocations != 0;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
	return may_allocate() ? __real_realloc(old, size) : NULL;
}

static void *json_malloc_counted(size_t size)
{
	return may_allocate() ? malloc(size) : NULL;
}

/* ---- every key ------------------------------------------------------------------------------ */

static const char every_key[] =
	"{\"schema\":1,\"app\":\"shop\",\"name\":\"web.3\",\"slug\":\"/srv/shop.tgz\","
	"\"checksum\":\"SHA256:00\",\"stack\":\"heroku-24\",\"types\":{\"web\":2,\"worker\":0},"
	"\"command\":[\"rake\",\"db:migrate\"],\"oneoff\":true,"
	"\"env\":{\"B\":\"\xc3\xa9 \\\"q\\\"\",\"A\":\"\",\"C\":\"x=y\\n\"},"
	"\"env_files\":[\"/etc/shop.env\",\"b\"],\"scratch\":\"disk\","
	"\"scratch_bytes\":1073741824,\"scratch_inodes\":5000,\"network\":\"none\",\"require_network\":true,"
	"\"subnet\":\"10.9.0.0/16\",\"egress\":\"host\",\"port\":65535,"
	"\"publish\":[\"8080=web\"],\"hold_ms\":5000,\"listen_fds\":[\"3=web\",\"4\"],"
	"\"uid_range\":\"100000:65536\",\"log_source\":\"dokku\",\"log_keep_bytes\":2097152,"
	"\"log\":[\"journald\",\"fd:7\"],\"log_policy\":\"block\",\"log_metrics\":true,\"boot_timeout_ms\":90000,"
	"\"grace_ms\":10000,\"restart\":\"on-failure\",\"exit_0\":\"complete\","
	"\"restart_order\":\"strict\",\"backoff\":\"0,20m\",\"cycle\":\"24h+216m\","
	"\"time_limit_ms\":5000,\"on_hangup\":\"keep\",\"hangup_ms\":6,"
	"\"idle_timeout_ms\":7,\"tty\":\"always\",\"open_stdin\":true,"
	"\"await_client\":true,\"attach_timeout_ms\":8,"
	"\"stop_signal\":\"INT\",\"stop_scope\":\"main\",\"health\":\"http:/ok\","
	"\"health_interval_ms\":1,\"health_timeout_ms\":2,\"health_threshold\":4,"
	"\"seccomp\":\"/etc/shop.json\",\"seccomp_log\":true,"
	"\"receipt\":false,\"keep\":true,\"read_only\":true,\"writable\":[\"/app\",\"/x\"],"
	"\"tmpfs\":[\"/t:1M\"],\"mounts\":[\"/s:/d:rw\"],\"private_stack\":true,"
	"\"size\":\"2x\",\"memory\":\"300M\",\"memory_hard\":\"400M\","
	"\"memory_policy\":\"hard\",\"swap\":\"100M\","
	"\"cpus\":\"1.5\",\"cpu_weight\":\"50\",\"cpuset\":\"0-1\",\"pids\":\"99\","
	"\"io_weight\":\"10\",\"io_max\":[\"8:0:rbps=1M\"],\"nofile\":\"64\","
	"\"shm_size\":\"1M\",\"cpu_view\":\"quota\",\"require_limits\":true}";

static int parse(const char *text, struct arena *arena, struct dyno_start_opts *io)
{
	struct dyno_err err;
	int rc = dynospec_parse(text, strlen(text), arena, io, &err);

	if (rc < 0)
		print_message("%s: %s\n", text, err.msg);
	return rc;
}

static void dynospec_parse__every_key__sets_its_member(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct dyno_start_opts o = {0};
	const struct dyno_run_opts *d = &o.dyno;

	(void)state;
	assert_int_equal(parse(every_key, &a, &o), 0);
	assert_string_equal(d->app, "shop");
	assert_string_equal(d->name, "web.3");
	assert_string_equal(d->slug, "/srv/shop.tgz");
	assert_string_equal(d->checksum, "SHA256:00");
	assert_string_equal(d->stack, "heroku-24");
	assert_int_equal(o.n_scale, 2);
	assert_string_equal(o.scale[0].type, "web");
	assert_int_equal(o.scale[0].count, 2);
	assert_string_equal(o.scale[1].type, "worker");
	assert_int_equal(o.scale[1].count, 0);
	assert_int_equal(d->n_operands, 2);
	assert_string_equal(d->operands[0], "rake");
	assert_string_equal(d->operands[1], "db:migrate");
	assert_int_equal(d->argv_mode, 0);
	assert_int_equal(o.oneoff, 1);
	assert_int_equal(d->n_env, 3);
	assert_string_equal(d->env[0], "B=\xc3\xa9 \"q\"");
	assert_string_equal(d->env[1], "A=");
	assert_string_equal(d->env[2], "C=x=y\n");
	assert_int_equal(d->n_env_files, 2);
	assert_string_equal(d->env_files[0], "/etc/shop.env");
	assert_string_equal(d->env_files[1], "b");
	assert_int_equal(d->scratch, DYNO_SCRATCH_DISK);
	assert_int_equal(d->scratch_bytes, 1073741824);
	assert_int_equal(d->scratch_inodes, 5000);
	assert_int_equal(d->network, DYNO_NET_NONE);
	assert_string_equal(d->subnet, "10.9.0.0/16");
	assert_string_equal(d->egress, "host");
	assert_int_equal(d->port, 65535);
	assert_string_equal(d->uid_range, "100000:65536");
	assert_string_equal(d->log_source, "dokku");
	assert_int_equal(d->log_keep_bytes, 2097152);
	assert_int_equal(d->n_logs, 2);
	assert_string_equal(d->logs[1], "fd:7");
	assert_string_equal(d->log_policy, "block");
	assert_int_equal(d->boot_timeout_ms, 90000);
	assert_int_equal(d->grace_ms, 10000);
	assert_string_equal(d->restart, "on-failure");
	assert_string_equal(d->exit_0, "complete");
	assert_string_equal(d->restart_order, "strict");
	assert_string_equal(d->backoff, "0,20m");
	assert_string_equal(d->cycle, "24h+216m");
	assert_int_equal(d->time_limit_ms, 5000);
	assert_string_equal(d->on_hangup, "keep");
	assert_int_equal(d->hangup_ms, 6);
	assert_int_equal(d->idle_timeout_ms, 7);
	assert_int_equal(d->tty, DYNO_TTY_ALWAYS);
	assert_int_equal(d->open_stdin, 1);
	assert_int_equal(d->await_client, 1);
	assert_int_equal(d->attach_timeout_ms, 8);
	assert_string_equal(d->stop_signal, "INT");
	assert_string_equal(d->stop_scope, "main");
	assert_string_equal(d->health, "http:/ok");
	assert_int_equal(d->health_interval_ms, 1);
	assert_int_equal(d->health_timeout_ms, 2);
	assert_int_equal(d->health_threshold, 4);
	assert_string_equal(d->seccomp, "/etc/shop.json");
	assert_int_equal(d->seccomp_log, 1);
	assert_int_equal(d->log_metrics, 1);
	assert_int_equal(d->no_receipt, 1);
	assert_int_equal(d->read_only, 1);
	assert_int_equal(d->n_writable, 2);
	assert_string_equal(d->writable[1], "/x");
	assert_int_equal(d->n_tmpfs, 1);
	assert_string_equal(d->tmpfs[0], "/t:1M");
	assert_int_equal(d->n_mounts, 1);
	assert_string_equal(d->mounts[0], "/s:/d:rw");
	assert_int_equal(d->private_stack, 1);
	assert_string_equal(d->size, "2x");
	assert_string_equal(d->memory, "300M");
	assert_string_equal(d->memory_hard, "400M");
	assert_string_equal(d->swap, "100M");
	assert_string_equal(d->cpus, "1.5");
	assert_string_equal(d->cpu_weight, "50");
	assert_string_equal(d->cpuset, "0-1");
	assert_string_equal(d->pids, "99");
	assert_string_equal(d->io_weight, "10");
	assert_int_equal(d->n_io_max, 1);
	assert_string_equal(d->io_max[0], "8:0:rbps=1M");
	assert_string_equal(d->nofile, "64");
	assert_string_equal(d->shm_size, "1M");
	assert_string_equal(d->cpu_view, "quota");
	assert_string_equal(d->memory_policy, "hard");
	assert_int_equal(d->require_limits, 1);
	/* what is no setting */
	assert_int_equal(o.exact | o.log_fd | o.keep_fd | d->events_fd, 0);
	assert_true(!d->spec && !d->log && !d->data && !d->timing);
}

static void dynospec_format__every_key__is_written_as_it_was_read(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_sbuf_ struct sbuf b = {0};
	struct dyno_start_opts o = {0};

	(void)state;
	assert_int_equal(parse(every_key, &a, &o), 0);
	dynospec_format(&o, &b);
	assert_int_equal(sbuf_ok(&b), 0);
	assert_string_equal(sbuf_str(&b), every_key);
}

static void dynospec_format__nothing_set__is_the_schema_alone(void **state)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	const struct dyno_start_opts o = {.exact = 1, .log_fd = 3, .keep_fd = 4, .dyno.spec = "x"};

	(void)state;
	dynospec_format(&o, &b);
	assert_string_equal(sbuf_str(&b), "{\"schema\":1}");
}

/* The text under test holds each key of the table: else a new one would go untested. */
static void dynospec_key__each__stands_in_the_text_of_every_key(void **state)
{
	char quoted[64];
	size_t n = 0;

	(void)state;
	for (; dynospec_key(n); n++) {
		(void)snprintf(quoted, sizeof(quoted), "\"%s\":", dynospec_key(n));
		if (!strstr(every_key, quoted))
			assert_string_equal(dynospec_key(n), "argv"); /* excludes "command" */
	}
	assert_int_equal(n, dynospec_n_rows);
}

/* ---- forms that are taken ------------------------------------------------------------------- */

static void dynospec_parse__command__is_for_the_shell_and_argv_is_not(void **state)
{
	static const struct {
		const char *text;
		int argv_mode;
		size_t n;
		const char *first;
	} cases[] = {
		{"{\"schema\":1,\"command\":\"rake db | cat\"}", 0, 1, "rake db | cat"},
		{"{\"schema\":1,\"command\":[\"rake\",\"a b\"]}", 0, 2, "rake"},
		{"{\"schema\":1,\"command\":[]}", 0, 0, NULL},
		{"{\"schema\":1,\"argv\":[\"/bin/true\"]}", 1, 1, "/bin/true"},
		{"{\"schema\":1,\"argv\":[]}", 1, 0, NULL},
		{"{\"schema\":1,\"command\":{\"hex\":\"6cff\"}}", 0, 1, "l\xff"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct dyno_start_opts o = {0};

		assert_int_equal(parse(cases[i].text, &a, &o), 0);
		assert_int_equal(o.dyno.argv_mode, cases[i].argv_mode);
		assert_int_equal(o.dyno.n_operands, cases[i].n);
		assert_int_equal(o.oneoff, 0);
		if (cases[i].n > 0)
			assert_string_equal(o.dyno.operands[0], cases[i].first);
	}
}

static void dynospec_parse__odd_but_valid_text__is_taken(void **state)
{
	static const char *const texts[] = {
		" \t\r\n{ \"schema\" : 1 } \n",
		"{\"port\":0,\"schema\":1}",
		"{\"schema\":1,\"types\":{\"web\":10000}}",
		"{\"schema\":1,\"scratch\":\"tmpfs\",\"network\":\"host\"}",
		"{\"schema\":1,\"scratch_bytes\":9223372036854775807}",
		"{\"schema\":1,\"health_threshold\":4294967295}",
		"{\"schema\":1,\"receipt\":true,\"oneoff\":false}",
		"{\"schema\":1,\"env\":{},\"env_files\":[],\"types\":{}}",
		"{\"schema\":1,\"app\":{\"hex\":\"\"}}",
		"{\"schema\":1,\"restart\":\"what nobody knows\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct dyno_start_opts o = {0};

		assert_int_equal(parse(texts[i], &a, &o), 0);
		assert_int_equal(o.dyno.no_receipt | o.oneoff | o.dyno.port, 0);
	}
}

static void dynospec_parse__longest_text__is_taken_and_one_byte_more_is_not(void **state)
{
	static char text[DYNOSPEC_MAX_BYTES + 1];
	struct dyno_start_opts o = {0};
	_cleanup_arena_ struct arena a = {0};
	struct dyno_err err;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, TEXT("{\"schema\":1}"));
	assert_int_equal(dynospec_parse(text, sizeof(text) - 1, &a, &o, &err), 0);
	assert_int_equal(dynospec_parse(text, sizeof(text), &a, &o, &err), -EFBIG);
	assert_int_equal(err.kind, ERR_SPEC);
	assert_non_null(strstr(err.msg, "1048577 bytes are more than 1048576"));
}

/* ---- what is refused ------------------------------------------------------------------------ */

#define S "{\"schema\":1,"

static const struct {
	const char *text;
	size_t len;
	const char *says;
} bad[] = {
	/* no JSON, and JSON of another shape */
	{TEXT(""), "line 1, column 0: '[' or '{' expected near end of file"},
	{TEXT("{"), "line 1, column 1: string or '}' expected"},
	{TEXT("[]"), "it is no object"},
	{TEXT("[{\"schema\":1}]"), "it is no object"},
	{TEXT("\"schema\""), "'[' or '{' expected"},
	{TEXT("{\"schema\":1,}"), "string or '}' expected"},
	{TEXT("{\"schema\":1\n \"app\":\"x\"}"), "line 2, column 6: '}' expected near '\"app\"'"},
	{TEXT("{\"schema\":1}x"), "end of file expected near 'x'"},
	{TEXT("{\"schema\":1}{}"), "end of file expected near '{'"},
	{TEXT("{\"schema\":1}\0"), "end of file expected"},
	{TEXT("{\"schema\":1,\"app\":\"a\0b\"}"), "line 1"},
	{TEXT("{\"schema\":1,\"app\":\"\xff\"}"), "unable to decode byte 0xff"},
	{TEXT("{\"schema\":1,\"app\":\"\\ud800\"}"), "line 1"},
	{TEXT("{'schema':1}"), "line 1"},
	{TEXT("{\"schema\":1,\"app\":tru}"), "line 1"},
	{TEXT("{\"schema\":01}"), "line 1"},
	/* schema */
	{TEXT("{}"), "\"schema\" is missing, it is to be 1"},
	{TEXT("{\"app\":\"x\"}"), "\"schema\" is missing"},
	{TEXT("{\"news\":1,\"schema\":2}"), "\"schema\" is 2, this version of dyno reads 1"},
	{TEXT("{\"schema\":0}"), "\"schema\" is 0"},
	{TEXT("{\"schema\":\"1\"}"), "\"schema\" is no whole number"},
	{TEXT("{\"schema\":-1}"), "\"schema\" is a negative number"},
	/* keys */
	{TEXT(S "\"prot\":1}"), "unknown key \"prot\""},
	{TEXT(S "\"exact\":true}"), "unknown key \"exact\""},
	{TEXT(S "\"log_fd\":3}"), "unknown key \"log_fd\""},
	{TEXT(S "\"keep_fd\":3}"), "unknown key \"keep_fd\""},
	{TEXT(S "\"events_fd\":3}"), "unknown key \"events_fd\""},
	{TEXT(S "\"\":1}"), "unknown key \"\""},
	{TEXT(S "\"app\":\"a\",\"app\":\"b\"}"), "duplicate object key near '\"app\"'"},
	{TEXT(S "\"env\":{\"A\":\"1\",\"A\":\"2\"}}"), "duplicate object key near '\"A\"'"},
	{TEXT(S "\"command\":\"a\",\"argv\":[\"b\"]}"), "\"command\" and \"argv\" are both set"},
	{TEXT(S "\"argv\":[],\"command\":[]}"), "\"command\" and \"argv\" are both set"},
	/* NUL */
	{TEXT(S "\"app\":\"a\\u0000b\"}"), "a string holds a NUL byte"},
	{TEXT(S "\"env\":{\"A\\u0000\":\"b\"}}"), "a string holds a NUL byte"},
	{TEXT(S "\"app\":{\"hex\":\"6100\"}}"), "\"app\" is no string"},
	/* strings */
	{TEXT(S "\"app\":1}"), "\"app\" is no string"},
	{TEXT(S "\"app\":null}"), "\"app\" is no string"},
	{TEXT(S "\"app\":[\"a\"]}"), "\"app\" is no string"},
	{TEXT(S "\"app\":{}}"), "\"app\" is no string"},
	{TEXT(S "\"app\":{\"hex\":1}}"), "\"app\" is no string"},
	{TEXT(S "\"app\":{\"hex\":\"6\"}}"), "\"app\" is no string"},
	{TEXT(S "\"app\":{\"hex\":\"6x\"}}"), "\"app\" is no string"},
	{TEXT(S "\"app\":{\"hex\":\"x6\"}}"), "\"app\" is no string"},
	{TEXT(S "\"app\":{\"hex\":\"61\",\"b\":1}}"), "\"app\" is no string"},
	{TEXT(S "\"scratch\":\"ram\"}"),
	 "\"scratch\" is neither \"auto\" nor \"tmpfs\" nor \"disk\""},
	{TEXT(S "\"network\":1}"), "\"network\" is neither \"auto\" nor \"host\""},
	/* numbers */
	{TEXT(S "\"port\":\"80\"}"), "\"port\" is no whole number"},
	{TEXT(S "\"port\":80.0}"), "\"port\" is no whole number"},
	{TEXT(S "\"port\":8e1}"), "\"port\" is no whole number"},
	{TEXT(S "\"port\":true}"), "\"port\" is no whole number"},
	{TEXT(S "\"port\":-1}"), "\"port\" is a negative number"},
	{TEXT(S "\"port\":65536}"), "\"port\" is 65536, more than 65535"},
	{TEXT(S "\"health_threshold\":4294967296}"), "more than 4294967295"},
	{TEXT(S "\"grace_ms\":9223372036854775808}"), "too big integer near"},
	{TEXT(S "\"grace_ms\":1e999}"), "real number overflow"},
	{TEXT(S "\"oneoff\":1}"), "\"oneoff\" is neither true nor false"},
	{TEXT(S "\"receipt\":null}"), "\"receipt\" is neither true nor false"},
	/* lists and objects */
	{TEXT(S "\"env_files\":\"a\"}"), "\"env_files\" is no list of strings"},
	{TEXT(S "\"env_files\":[\"a\",2]}"), "\"env_files\": item 2 is no string"},
	{TEXT(S "\"argv\":\"ls\"}"), "\"argv\" is no list of strings"},
	{TEXT(S "\"command\":7}"), "\"command\" is neither a string nor a list of strings"},
	{TEXT(S "\"command\":[[]]}"), "\"command\": item 1 is no string"},
	{TEXT(S "\"env\":[\"A=b\"]}"), "\"env\" is no object of strings"},
	{TEXT(S "\"env\":{\"A\":1}}"), "\"env\": \"A\" is no string"},
	{TEXT(S "\"env\":{\"A\":null}}"), "\"env\": \"A\" is no string"},
	{TEXT(S "\"env\":{\"A=B\":\"c\"}}"), "\"env\": \"A=B\" is no name"},
	{TEXT(S "\"types\":[\"web\"]}"), "\"types\" is no object of numbers"},
	{TEXT(S "\"types\":{\"web\":\"2\"}}"), "\"types\": \"web\" is no number of dynos"},
	{TEXT(S "\"types\":{\"web\":-1}}"), "\"types\": \"web\" is no number of dynos"},
	{TEXT(S "\"types\":{\"web\":1.5}}"), "\"types\": \"web\" is no number of dynos"},
	{TEXT(S "\"types\":{\"web\":10001}}"), "\"types\": \"web\" is 10001, more than 10000"},
};

static void dynospec_parse__bad_text__names_the_fault_and_leaves_all_as_it_was(void **state)
{
	static const char *const env[] = {"A=b"};
	struct dyno_start_opts before, o;

	(void)state;
	memset(&before, 0, sizeof(before));
	before.dyno.app = "kept";
	before.dyno.env = env;
	before.dyno.n_env = 1;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct dyno_err err = {0};

		memcpy(&o, &before, sizeof(o));
		if (dynospec_parse(bad[i].text, bad[i].len, &a, &o, &err) != -EINVAL)
			fail_msg("taken: %s", bad[i].text);
		assert_int_equal(err.kind, ERR_SPEC);
		assert_non_null(strstr(err.hint, "man dyno-spec"));
		assert_ptr_equal(strstr(err.msg, "read the specification: "), err.msg);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("%s\nsays: %s\nnot:  %s", bad[i].text, err.msg, bad[i].says);
		assert_memory_equal(&o, &before, sizeof(o));
	}
}

static void dynospec_parse__mistyped_key__is_told_the_nearest(void **state)
{
	static const char text[] = "{\"schema\":1,\"slgu\":\"x\"}";
	_cleanup_arena_ struct arena a = {0};
	struct dyno_start_opts o = {0};
	struct dyno_err err;

	(void)state;
	assert_int_equal(dynospec_parse(text, STRLEN(text), &a, &o, &err), -EINVAL);
	assert_non_null(strstr(err.hint, "did you mean \"slug\"?"));
}

static void dynospec_parse__deep_text__is_refused(void **state)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	_cleanup_arena_ struct arena a = {0};
	struct dyno_start_opts o = {0};
	struct dyno_err err;

	(void)state;
	sbuf_adds(&b, "{\"schema\":1,\"app\":");
	for (int i = 0; i < 500000; i++)
		sbuf_addc(&b, '[');
	assert_int_equal(dynospec_parse(b.data, b.len, &a, &o, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "maximum parsing depth"));
}

/* ---- merging -------------------------------------------------------------------------------- */

static void dynospec_parse__members_set_before__stay(void **state)
{
	static const char *const words[] = {"mine"};
	static const char *const env[] = {"B=mine", "D=new"};
	static const struct dyno_scale scale[] = {{"clock", 1}};
	_cleanup_arena_ struct arena a = {0};
	struct dyno_start_opts o = {.scale = scale, .n_scale = 1};

	(void)state;
	o.dyno.app = "mine";
	o.dyno.port = 5000;
	o.dyno.grace_ms = 7;
	o.dyno.health_threshold = 9;
	o.dyno.operands = words;
	o.dyno.n_operands = 1;
	o.dyno.env_files = words;
	o.dyno.n_env_files = 1;
	o.dyno.mounts = words;
	o.dyno.n_mounts = 1;
	o.dyno.env = env;
	o.dyno.n_env = 2;
	assert_int_equal(parse(every_key, &a, &o), 0);
	assert_string_equal(o.dyno.app, "mine");
	assert_int_equal(o.dyno.port, 5000);
	assert_int_equal(o.dyno.grace_ms, 7);
	assert_int_equal(o.dyno.health_threshold, 9);
	assert_int_equal(o.n_scale, 1);
	assert_string_equal(o.scale[0].type, "clock");
	assert_int_equal(o.dyno.n_operands, 1);
	assert_string_equal(o.dyno.operands[0], "mine");
	assert_int_equal(o.dyno.n_env_files, 1);
	assert_string_equal(o.dyno.mounts[0], "mine");
	assert_int_equal(o.dyno.n_writable, 2);
	/* The text's come first, so that the caller's win. */
	assert_int_equal(o.dyno.n_env, 5);
	assert_string_equal(o.dyno.env[0], "B=\xc3\xa9 \"q\"");
	assert_string_equal(o.dyno.env[3], "B=mine");
	assert_string_equal(o.dyno.env[4], "D=new");
	/* What was not set comes from the text. */
	assert_string_equal(o.dyno.name, "web.3");
	assert_int_equal(o.dyno.scratch, DYNO_SCRATCH_DISK);
}

static void dynospec_parse__operands_set_before__keep_their_mode(void **state)
{
	static const char *const words[] = {"ls"};
	static const char text[] = "{\"schema\":1,\"argv\":[\"a\"]}";
	_cleanup_arena_ struct arena a = {0};
	struct dyno_start_opts shell = {0}, bare = {0};

	(void)state;
	shell.dyno.operands = words;
	shell.dyno.n_operands = 1;
	assert_int_equal(parse(text, &a, &shell), 0);
	assert_int_equal(shell.dyno.argv_mode, 0);

	bare.dyno.argv_mode = 1;
	assert_int_equal(parse("{\"schema\":1,\"command\":\"a\"}", &a, &bare), 0);
	assert_int_equal(bare.dyno.argv_mode, 1);
	assert_int_equal(bare.dyno.n_operands, 0);
}

static void dynospec_parse__no_env_in_the_text__keeps_the_callers(void **state)
{
	static const char *const env[] = {"A=b"};
	_cleanup_arena_ struct arena a = {0};
	struct dyno_start_opts o = {0};

	(void)state;
	o.dyno.env = env;
	o.dyno.n_env = 1;
	assert_int_equal(parse("{\"schema\":1}", &a, &o), 0);
	assert_ptr_equal(o.dyno.env, env);
	assert_int_equal(o.dyno.n_env, 1);
}

/* ---- writing what is odd -------------------------------------------------------------------- */

static void dynospec_format__name_that_stands_twice__is_written_with_its_last_value(void **state)
{
	static const char *const env[] = {"A=1", "AB=2", "A=3", "=4", "C"};
	static const struct dyno_scale scale[] = {{"web", 1}, {"clock", 1}, {"web", 3}};
	const struct dyno_start_opts o = {
		.dyno = {.env = env, .n_env = ARRAY_SIZE(env)},
		.scale = scale,
		.n_scale = ARRAY_SIZE(scale),
	};
	_cleanup_sbuf_ struct sbuf b = {0};
	_cleanup_arena_ struct arena a = {0};
	struct dyno_start_opts again = {0};
	struct dyno_err err;

	(void)state;
	dynospec_format(&o, &b);
	assert_string_equal(sbuf_str(&b),
			    "{\"schema\":1,\"types\":{\"clock\":1,\"web\":3},"
			    "\"env\":{\"AB\":\"2\",\"A\":\"3\",\"\":\"4\",\"C\":null}}");
	/* "C" is no config var, and is not lost in silence. */
	assert_int_equal(dynospec_parse(b.data, b.len, &a, &again, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "\"C\" is no string"));
}

static void dynospec_format__number_past_the_largest__becomes_that(void **state)
{
	struct dyno_start_opts o = {.dyno.scratch_bytes = UINT64_MAX}, again = {0};
	_cleanup_sbuf_ struct sbuf b = {0};
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	dynospec_format(&o, &b);
	assert_int_equal(parse(sbuf_str(&b), &a, &again), 0);
	assert_int_equal(again.dyno.scratch_bytes, INT64_MAX);
}

static void dynospec_format__buffer_in_use__is_appended_to(void **state)
{
	const struct dyno_start_opts o = {.dyno.app = "\xff"};
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	sbuf_adds(&b, "[1");
	dynospec_format(&o, &b);
	assert_string_equal(sbuf_str(&b), "[1,{\"schema\":1,\"app\":{\"hex\":\"ff\"}}");
}

/* ---- there and back ------------------------------------------------------------------------- */

static uint64_t random_state;

/* xorshift64*: the same settings on every machine. */
static uint64_t chance(uint64_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 11) % below;
}

/* Plain text, JSON's own characters, UTF-8 of each length, or any bytes. */
static const char *any_string(struct arena *a)
{
	static const char *const pieces[] = {
		"a",	   "web.1", "\"", "\\",		  "\n\x01", "\xc3\xa9", "\xf0\x9f\x98\x80",
		"\\u0000", "{",	    "=",  "\xe2\x80\xa8", "\x7f"};
	_cleanup_sbuf_ struct sbuf b = {0};
	bool raw = chance(4) == 0;

	for (uint64_t n = chance(9); n > 0; n--)
		if (raw)
			sbuf_addc(&b, (char)(1 + chance(255)));
		else
			sbuf_adds(&b, pieces[chance(ARRAY_SIZE(pieces))]);
	return arena_strdup(a, sbuf_str(&b));
}

static const char *const *any_list(struct arena *a, size_t n, bool env)
{
	const char **list = arena_calloc(a, n, sizeof(*list));

	for (size_t i = 0; i < n; i++)
		list[i] = env ? arena_fmt(a, "K%zu=%s", n - i, any_string(a)) : any_string(a);
	return list;
}

static const struct dyno_scale *any_scale(struct arena *a, size_t n)
{
	struct dyno_scale *scale = arena_calloc(a, n, sizeof(*scale));

	for (size_t i = 0; i < n; i++) {
		scale[i].type = arena_fmt(a, "type%zu", n - i);
		scale[i].count = (unsigned int)chance(DYNOSPEC_COUNT_MAX + 1);
	}
	return scale;
}

static void any_value(struct arena *a, const struct dynospec_row *row, struct dyno_start_opts *o)
{
	void *at = (char *)o + row->at;
	size_t *n = (size_t *)((char *)o + row->n_at);

	switch (row->kind) {
	case KEY_STRING:
		*(const char **)at = any_string(a);
		break;
	case KEY_U64:
		*(uint64_t *)at = chance(2) ? chance(100000) : INT64_MAX - chance(3);
		break;
	case KEY_UINT:
		*(unsigned int *)at = chance(2) ? (unsigned int)chance(100) : UINT_MAX;
		break;
	case KEY_U16:
		*(uint16_t *)at = (uint16_t)chance(UINT16_MAX + 1);
		break;
	case KEY_BOOL:
	case KEY_NOT:
		*(int *)at = (int)chance(2);
		break;
	case KEY_CHOICE:
		*(unsigned int *)at = (unsigned int)chance(2);
		break;
	case KEY_ARGV:
		o->dyno.argv_mode = 1;
		/* fall through */
	case KEY_COMMAND:
	case KEY_LIST:
	case KEY_ENV:
		*n = chance(5);
		*(const char *const **)at = any_list(a, *n, row->kind == KEY_ENV);
		break;
	case KEY_COUNTS:
		*n = chance(5);
		*(const struct dyno_scale **)at = any_scale(a, *n);
		break;
	case KEY_SCHEMA:
	case _KEY_KIND_MAX:
		break;
	}
}

static size_t scalar_bytes(enum dynospec_kind kind)
{
	switch (kind) {
	case KEY_U64:
		return sizeof(uint64_t);
	case KEY_UINT:
	case KEY_BOOL:
	case KEY_NOT:
	case KEY_CHOICE:
		return sizeof(int);
	case KEY_U16:
		return sizeof(uint16_t);
	case KEY_SCHEMA:
	case KEY_STRING:
	case KEY_LIST:
	case KEY_COMMAND:
	case KEY_ARGV:
	case KEY_ENV:
	case KEY_COUNTS:
	case _KEY_KIND_MAX:
		break;
	}
	return 0;
}

static void assert_same_string(const char *a, const char *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_string_equal(a, b);
}

static void assert_same_row(const struct dynospec_row *row, const struct dyno_start_opts *x,
			    const struct dyno_start_opts *y)
{
	const char *a = (const char *)x + row->at, *b = (const char *)y + row->at;
	size_t n = row->n_at ? *(const size_t *)((const char *)x + row->n_at) : 0;

	assert_memory_equal(a, b, scalar_bytes(row->kind));
	if (row->kind == KEY_STRING)
		assert_same_string(*(const char *const *)a, *(const char *const *)b);
	if (row->n_at)
		assert_int_equal(n, *(const size_t *)((const char *)y + row->n_at));
	for (size_t i = 0; i < n; i++) {
		if (row->kind == KEY_COUNTS) {
			assert_string_equal(x->scale[i].type, y->scale[i].type);
			assert_int_equal(x->scale[i].count, y->scale[i].count);
		} else {
			assert_string_equal((*(const char *const *const *)a)[i],
					    (*(const char *const *const *)b)[i]);
		}
	}
}

static void dynospec_parse__what_was_written__is_the_same_again(void **state)
{
	(void)state;
	random_state = 1;
	for (int round = 0; round < 5000; round++) {
		_cleanup_arena_ struct arena a = {0};
		_cleanup_sbuf_ struct sbuf b = {0}, second = {0};
		struct dyno_start_opts o = {0}, again = {0};

		for (size_t i = 0; i < dynospec_n_rows; i++)
			if (chance(2))
				any_value(&a, &dynospec_rows[i], &o);
		dynospec_format(&o, &b);
		assert_int_equal(parse(sbuf_str(&b), &a, &again), 0);
		assert_int_equal(o.dyno.argv_mode, again.dyno.argv_mode);
		for (size_t i = 0; i < dynospec_n_rows; i++)
			assert_same_row(&dynospec_rows[i], &o, &again);
		dynospec_format(&again, &second);
		assert_string_equal(sbuf_str(&b), sbuf_str(&second));
	}
}

/* ---- no memory ------------------------------------------------------------------------------ */

static void dynospec_parse__no_memory__is_said_and_leaves_all_as_it_was(void **state)
{
	static const char text[] = "{\"schema\":1,\"app\":\"a\",\"name\":{\"hex\":\"61\"},"
				   "\"types\":{\"web\":1},\"argv\":[\"a\"],\"env\":{\"A\":\"b\"}}";
	static const char shell[] = "{\"schema\":1,\"command\":\"a\"}";
	struct dyno_start_opts zero, o;
	struct dyno_err err;
	int rc = 0, n;

	(void)state;
	memset(&zero, 0, sizeof(zero));
	for (n = 1; n < 1000; n++) {
		_cleanup_arena_ struct arena a = {0};

		memcpy(&o, &zero, sizeof(o));
		allocations = n;
		rc = dynospec_parse(n % 2 ? text : shell, n % 2 ? STRLEN(text) : STRLEN(shell), &a,
				    &o, &err);
		allocations = -1;
		if (rc == 0 && n % 2)
			break;
		if (rc == 0)
			continue;
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(err.kind, ERR_MEMORY);
		assert_memory_equal(&o, &zero, sizeof(o));
	}
	assert_int_equal(rc, 0);
	assert_true(n > 1);
}

/* The library takes some failures for errors of syntax; nothing half read may come of any. */
static void dynospec_parse__no_memory_for_the_tree__is_an_error(void **state)
{
	struct dyno_start_opts zero, o;
	struct dyno_err err;
	int rc = -1, n, enomem = 0;

	(void)state;
	memset(&zero, 0, sizeof(zero));
	json_set_alloc_funcs(json_malloc_counted, free);
	for (n = 1; rc < 0 && n < 1000; n++) {
		_cleanup_arena_ struct arena a = {0};

		memcpy(&o, &zero, sizeof(o));
		allocations = n;
		rc = dynospec_parse(TEXT("{\"schema\":1,\"app\":\"a\"}"), &a, &o, &err);
		allocations = -1;
		if (rc == 0) {
			assert_string_equal(o.dyno.app, "a");
			break;
		}
		enomem += rc == -ENOMEM && err.kind == ERR_MEMORY;
		assert_true(rc == -ENOMEM || rc == -EINVAL);
		assert_memory_equal(&o, &zero, sizeof(o));
	}
	json_set_alloc_funcs(malloc, free);
	assert_int_equal(rc, 0);
	assert_true(enomem > 0);
}

static void dynospec_format__no_memory__is_kept_for_sbuf_ok(void **state)
{
	static const char *const env[] = {"A=\xff", "B=c"};
	const struct dyno_start_opts o = {.dyno = {.app = "\xff", .env = env, .n_env = 2}};
	int rc = -1;

	(void)state;
	for (int n = 1; rc < 0 && n < 100; n++) {
		_cleanup_sbuf_ struct sbuf b = {0};

		allocations = n;
		dynospec_format(&o, &b);
		allocations = -1;
		rc = sbuf_ok(&b);
		assert_true(rc == 0 || rc == -ENOMEM);
		assert_true(rc < 0 || n > 1);
		if (rc == 0)
			assert_string_equal(sbuf_str(&b),
					    "{\"schema\":1,\"app\":{\"hex\":\"ff\"},"
					    "\"env\":{\"A\":{\"hex\":\"ff\"},\"B\":\"c\"}}");
	}
	assert_int_equal(rc, 0);
}

/* ---- the manual page ------------------------------------------------------------------------ */

/* dyno-spec(5) has an entry "*KEY* (form)" for every key, in the order of the table, and no other. */
static void dynospec_key__each__has_its_entry_in_the_manual(void **state)
{
	FILE *page = fopen("runtime/doc/dyno-spec.5.scd", "re");
	char line[256], entry[256];
	size_t n = 0;

	(void)state;
	assert_non_null(page); /* tests run at the top of the tree */
	while (fgets(line, sizeof(line), page)) {
		size_t len = strcspn(line + 1, "*");

		if (line[0] != '*' || strncmp(line + 1 + len, "* (", 3) != 0)
			continue;
		line[1 + len] = '\0';
		for (char *p = strchr(line, '\\'); p; p = strchr(p + 1, '\\'))
			memmove(p, p + 1, strlen(p)); /* scdoc's own escapes */
		(void)snprintf(entry, sizeof(entry), "%s", line + 1);
		assert_non_null(dynospec_key(n));
		assert_string_equal(entry, dynospec_key(n));
		n++;
	}
	(void)fclose(page);
	assert_int_equal(n, dynospec_n_rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dynospec_parse__every_key__sets_its_member),
		cmocka_unit_test(dynospec_format__every_key__is_written_as_it_was_read),
		cmocka_unit_test(dynospec_format__nothing_set__is_the_schema_alone),
		cmocka_unit_test(dynospec_key__each__stands_in_the_text_of_every_key),
		cmocka_unit_test(dynospec_parse__command__is_for_the_shell_and_argv_is_not),
		cmocka_unit_test(dynospec_parse__odd_but_valid_text__is_taken),
		cmocka_unit_test(dynospec_parse__longest_text__is_taken_and_one_byte_more_is_not),
		cmocka_unit_test(
			dynospec_parse__bad_text__names_the_fault_and_leaves_all_as_it_was),
		cmocka_unit_test(dynospec_parse__mistyped_key__is_told_the_nearest),
		cmocka_unit_test(dynospec_parse__deep_text__is_refused),
		cmocka_unit_test(dynospec_parse__members_set_before__stay),
		cmocka_unit_test(dynospec_parse__operands_set_before__keep_their_mode),
		cmocka_unit_test(dynospec_parse__no_env_in_the_text__keeps_the_callers),
		cmocka_unit_test(
			dynospec_format__name_that_stands_twice__is_written_with_its_last_value),
		cmocka_unit_test(dynospec_format__number_past_the_largest__becomes_that),
		cmocka_unit_test(dynospec_format__buffer_in_use__is_appended_to),
		cmocka_unit_test(dynospec_parse__what_was_written__is_the_same_again),
		cmocka_unit_test(dynospec_parse__no_memory__is_said_and_leaves_all_as_it_was),
		cmocka_unit_test(dynospec_parse__no_memory_for_the_tree__is_an_error),
		cmocka_unit_test(dynospec_format__no_memory__is_kept_for_sbuf_ok),
		cmocka_unit_test(dynospec_key__each__has_its_entry_in_the_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
