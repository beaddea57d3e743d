/* SPDX-License-Identifier: Apache-2.0 */
/* The command's parser and its values, suggestions, times, colour, JSON and progress line. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/nearest.h"
#include "base/str.h"
#include "base/timetext.h"
#include "cli/option.h"
#include "cli/outfile.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/value.h"

struct sample {
	const char *app;
	struct opt_list env;
	uint64_t size_bytes;
	uint64_t grace_ms;
	uint16_t port;
	unsigned int network;
	struct value_scratch scratch;
	bool quiet;
	bool verbose;
	const char *run_dir;
};

static const char *const networks[] = {"host", "none", NULL};

#define AT(member, type) OPT_FIELD(struct sample, member, type)

static const struct opt own[] = {
	{.name = "app",
	 .letter = 'a',
	 .kind = OPT_STRING,
	 .offset = AT(app, const char *),
	 .arg = "NAME",
	 .help = "h"},
	{.name = "env",
	 .letter = 'e',
	 .kind = OPT_LIST,
	 .offset = AT(env, struct opt_list),
	 .arg = "K=V",
	 .help = "h"},
	{.name = "size",
	 .kind = OPT_SIZE,
	 .offset = AT(size_bytes, uint64_t),
	 .arg = "SIZE",
	 .help = "h"},
	{.name = "grace",
	 .kind = OPT_DURATION,
	 .offset = AT(grace_ms, uint64_t),
	 .arg = "TIME",
	 .help = "h"},
	{.name = "port",
	 .letter = 'p',
	 .kind = OPT_PORT,
	 .offset = AT(port, uint16_t),
	 .arg = "PORT",
	 .help = "h"},
	{.name = "network",
	 .kind = OPT_CHOICE,
	 .offset = AT(network, unsigned int),
	 .arg = "KIND",
	 .help = "h",
	 .choices = networks},
	{.name = "scratch",
	 .kind = OPT_PARSED,
	 .offset = AT(scratch, struct value_scratch),
	 .arg = "X",
	 .help = "h",
	 .parse = value_scratch},
	{.name = "quiet", .letter = 'q', .kind = OPT_FLAG, .offset = AT(quiet, bool), .help = "h"},
	{.name = "verbose",
	 .letter = 'v',
	 .kind = OPT_FLAG,
	 .offset = AT(verbose, bool),
	 .help = "h"},
};
static const struct opt common[] = {
	{.name = "run-dir",
	 .kind = OPT_STRING,
	 .offset = AT(run_dir, const char *),
	 .arg = "DIR",
	 .help = "h"},
};

static const struct opt_set anywhere = {.verb = "list",
					.own = own,
					.n_own = ARRAY_SIZE(own),
					.common = common,
					.n_common = ARRAY_SIZE(common)};
static const struct opt_set before = {.verb = "run",
				      .own = own,
				      .n_own = ARRAY_SIZE(own),
				      .common = common,
				      .n_common = ARRAY_SIZE(common),
				      .operand_ends = true};

static bool known_elsewhere(const char *name)
{
	return str_eq(name, "output");
}

/* What a parse left, in one line, so that a table of cases can name it. */
static const char *dump(const struct sample *s, const struct opt_operands *rest, struct sbuf *b)
{
	sbuf_addf(b, "app=%s", s->app ? s->app : "-");
	for (size_t i = 0; i < s->env.n; i++)
		sbuf_addf(b, " e=%s", s->env.items[i]);
	if (s->size_bytes)
		sbuf_addf(b, " size=%llu", (unsigned long long)s->size_bytes);
	if (s->grace_ms)
		sbuf_addf(b, " grace=%llu", (unsigned long long)s->grace_ms);
	if (s->port)
		sbuf_addf(b, " port=%u", s->port);
	if (s->network)
		sbuf_addf(b, " network=%u", s->network);
	if (s->scratch.bytes)
		sbuf_addf(b, " scratch=%u:%llu:%llu", (unsigned int)s->scratch.kind,
			  (unsigned long long)s->scratch.bytes,
			  (unsigned long long)s->scratch.inodes);
	sbuf_addf(b, "%s%s", s->quiet ? " q" : "", s->verbose ? " v" : "");
	if (s->run_dir)
		sbuf_addf(b, " run-dir=%s", s->run_dir);
	sbuf_adds(b, rest->help ? " help" : "");
	for (size_t i = 0; i < rest->n; i++)
		sbuf_addf(b, " <%s>", rest->items[i]);
	return sbuf_str(b);
}

#define ARGV(...)                 \
	{                         \
		__VA_ARGS__, NULL \
	}

static void opt_parse_argv__forms_of_options__fill_the_struct(void **state)
{
	static const struct {
		const struct opt_set *set;
		const char *argv[8];
		const char *expected;
	} cases[] = {
		{&anywhere, ARGV("--app=x"), "app=x"},
		{&anywhere, ARGV("--app", "x"), "app=x"},
		{&anywhere, ARGV("-a", "x"), "app=x"},
		{&anywhere, ARGV("-ax"), "app=x"},
		{&anywhere, ARGV("--app="), "app="},
		{&anywhere, ARGV("--app=a=b"), "app=a=b"},
		{&anywhere, ARGV("--app", "--quiet"), "app=--quiet"},
		{&anywhere, ARGV("-qva", "x"), "app=x q v"},
		{&anywhere, ARGV("-q", "--quiet=no"), "app=-"},
		{&anywhere, ARGV("--quiet=yes"), "app=- q"},
		{&anywhere, ARGV("-a", "x", "-a", "y"), "app=y"},
		{&anywhere, ARGV("-e", "A=1", "--env=B=2", "-eC=3", "-e", "D="),
		 "app=- e=A=1 e=B=2 e=C=3 e=D="},
		{&anywhere, ARGV("--size", "64M", "--grace=1m", "-p80", "--network=none"),
		 "app=- size=67108864 grace=60000 port=80 network=1"},
		{&anywhere, ARGV("--scratch=disk:1G:2000"), "app=- scratch=2:1073741824:2000"},
		{&anywhere, ARGV("one", "-q", "two", "--", "-v", "--", "x"),
		 "app=- q <one> <two> <-v> <--> <x>"},
		{&anywhere, ARGV("-", "-q"), "app=- q <->"},
		{&anywhere, ARGV("x", "--run-dir", "d"), "app=- run-dir=d <x>"},
		{&anywhere, ARGV("-qh", "--nonsense"), "app=- q help"},
		{&anywhere, ARGV("x", "--help", "--port=0"), "app=- help <x>"},
		{&anywhere, ARGV("--", "--help"), "app=- <--help>"},
		{&before, ARGV("-q", "slug", "-v", "--help", "--"),
		 "app=- q <slug> <-v> <--help> <-->"},
		{&before, ARGV("slug", "--", "ls", "-l"), "app=- <slug> <--> <ls> <-l>"},
		{&before, ARGV("--", "-slug", "--", "x"), "app=- <-slug> <--> <x>"},
		{&before, ARGV("-", "-q"), "app=- <-> <-q>"},
		{&before, {NULL}, "app=-"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_arena_ struct arena arena = {0};
		_cleanup_sbuf_ struct sbuf b = {0};
		struct sample s = {0};
		struct opt_operands rest = {0};
		struct dyno_err err = {0};
		struct opt_parser p = {.set = cases[i].set, .target = &s, .arena = &arena};

		assert_int_equal(opt_parse_argv(&p, cases[i].argv, &rest, &err), 0);
		assert_string_equal(dump(&s, &rest, &b), cases[i].expected);
	}
}

static void opt_parse_argv__what_does_not_fit__is_named(void **state)
{
	static const struct {
		const char *argv[4];
		const char *msg;
		const char *hint;
	} cases[] = {
		{ARGV("--prot=80"), "run: no option --prot", "did you mean --port?"},
		{ARGV("--xyzzy"), "run: no option --xyzzy", ""},
		{ARGV("--"
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		 "run: no option --aaaa", ""},
		{ARGV("-x"), "run: no option -x in \"-x\"", ""},
		{ARGV("-qx"), "run: no option -x in \"-qx\"", ""},
		{ARGV("-network=none"), "run: no option -n in", "did you mean --network=none"},
		{ARGV("--app"), "run: --app needs a value: --app NAME", ""},
		{ARGV("-a"), "run: --app needs a value: --app NAME", ""},
		{ARGV("--port=0"), "run: --port: \"0\" is not a port from 1 to 65535", ""},
		{ARGV("--port=65536"), "\"65536\" is not a port", ""},
		{ARGV("--port=+1"), "\"+1\" is not a port", ""},
		{ARGV("--port=8 "), "\"8 \" is not a port", ""},
		{ARGV("--size=lots"), "run: --size: \"lots\" is not a size", ""},
		{ARGV("--size=0"), "is not a size", ""},
		{ARGV("--grace=0"), "is not a time", ""},
		{ARGV("--grace=1y"), "run: --grace: \"1y\" is not a time", ""},
		{ARGV("--network=nome"), "\"nome\" is none of: host, none", "did you mean none?"},
		{ARGV("--quiet=perhaps"), "\"perhaps\" is neither yes nor no", ""},
		{ARGV("--scratch=ram"), "not of the form auto|tmpfs|disk[:SIZE[:INODES]]", ""},
		{ARGV("--="), "run: no option --", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_arena_ struct arena arena = {0};
		struct sample s = {0};
		struct opt_operands rest = {.n = 77};
		struct dyno_err err = {0};
		struct opt_parser p = {.set = &before, .target = &s, .arena = &arena};

		assert_int_equal(opt_parse_argv(&p, cases[i].argv, &rest, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_non_null(strstr(err.msg, cases[i].msg));
		assert_int_equal(!cases[i].hint[0], !err.hint[0]);
		assert_non_null(strstr(err.hint, cases[i].hint));
		assert_int_equal(rest.n, 77);
	}
}

static void opt_parse_argv__ten_thousand_values__are_all_kept(void **state)
{
	enum { N = 10000 };
	static const char *argv[N + 1];
	_cleanup_arena_ struct arena arena = {0};
	struct sample s = {0};
	struct opt_operands rest;
	struct dyno_err err;
	struct opt_parser p = {.set = &anywhere, .target = &s, .arena = &arena};

	(void)state;
	for (size_t i = 0; i < N; i++)
		argv[i] = i % 2 ? "-eB=2" : "-eA=1";
	assert_int_equal(opt_parse_argv(&p, argv, &rest, &err), 0);
	assert_int_equal(s.env.n, N);
	for (size_t i = 0; i < N; i++)
		assert_string_equal(s.env.items[i], i % 2 ? "B=2" : "A=1");
}

/* Runs the three sources in their order over one struct. */
static int parse_all(struct arena *arena, const char *const *argv, const char *const *envp,
		     const char *config, struct sbuf *ret, struct dyno_err *err)
{
	struct sample s = {0};
	struct opt_operands rest = {0};
	struct opt_parser p = {
		.set = &before, .target = &s, .arena = arena, .known = known_elsewhere};
	int r = opt_parse_argv(&p, argv, &rest, err);

	if (r == 0)
		r = opt_parse_environ(&p, envp, err);
	if (r == 0)
		r = opt_parse_config(&p, "/etc/x", arena_strdup(arena, config), err);
	if (r == 0)
		dump(&s, &rest, ret);
	return r;
}

/* DESIGN 4: flag over variable over file. */
static void opt_parse__three_sources__the_strongest_wins(void **state)
{
	static const struct {
		const char *argv[4];
		const char *envp[4];
		const char *config;
		const char *expected;
	} cases[] = {
		{ARGV("-a", "flag"), ARGV("DYNO_CFG_APP=var"), "app = file", "app=flag"},
		{{NULL}, ARGV("DYNO_CFG_APP=var"), "app = file", "app=var"},
		{{NULL}, {NULL}, "app = file", "app=file"},
		{{NULL}, ARGV("DYNO_CFG_APP="), "app=file", "app=file"},
		{ARGV("--quiet=no"), ARGV("DYNO_CFG_QUIET=1"), "quiet = yes", "app=-"},
		{{NULL}, ARGV("DYNO_CFG_QUIET=1"), "", "app=- q"},
		{{NULL}, ARGV("DYNO_CFG_RUN_DIR=/r"), "run-dir = /f", "app=- run-dir=/r"},
		{ARGV("-eA=1"), ARGV("DYNO_CFG_ENV=B=2"), "env = C=3", "app=- e=A=1"},
		{{NULL}, ARGV("DYNO_CFG_ENV=B=2\n\nD=4\n"), "env = C=3", "app=- e=B=2 e=D=4"},
		{{NULL}, {NULL}, "env = C=3\nenv=E = 5", "app=- e=C=3 e=E = 5"},
		{{NULL}, {NULL}, "# c\n\n \t\r\n  app\t=  a b \r\n#app=no\n", "app=a b"},
		{{NULL}, {NULL}, "app =\n", "app="},
		/* A stronger source hides even a value that is wrong. */
		{ARGV("-p1"), ARGV("DYNO_CFG_PORT=x"), "port = y", "app=- port=1"},
		/* Another verb's option, the app's own variable, and a near miss of the prefix. */
		{{NULL},
		 ARGV("DYNO_CFG_OUTPUT=x", "DYNO=web.1", "XDYNO_CFG_APP=1"),
		 "output = y",
		 "app=-"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_arena_ struct arena arena = {0};
		_cleanup_sbuf_ struct sbuf b = {0};
		struct dyno_err err = {0};

		assert_int_equal(
			parse_all(&arena, cases[i].argv, cases[i].envp, cases[i].config, &b, &err),
			0);
		assert_string_equal(sbuf_str(&b), cases[i].expected);
	}
}

static void opt_parse__bad_settings__name_the_variable_or_line(void **state)
{
	static const struct {
		const char *envp[2];
		const char *config;
		const char *msg;
		const char *hint;
	} cases[] = {
		{ARGV("DYNO_CFG_PORT=x"), "", "DYNO_CFG_PORT: \"x\" is not a port", ""},
		{ARGV("DYNO_CFG_NETWROK=none"), "", "DYNO_CFG_NETWROK: no verb has an option",
		 "did you mean DYNO_CFG_NETWORK?"},
		{ARGV("DYNO_CFG_port=80"), "", "DYNO_CFG_port: no verb has an option", ""},
		{ARGV("DYNO_CFG_=80"), "", "DYNO_CFG_: no verb has an option", ""},
		{ARGV("DYNO_CFG_RUN-DIR=80"), "", "DYNO_CFG_RUN-DIR: no verb", ""},
		{{NULL}, "app = x\n\nport = 0\n", "/etc/x:3: \"0\" is not a port", ""},
		{{NULL}, "app\n", "/etc/x:1: not of the form \"option = value\"", ""},
		{{NULL}, "--app = x\n", "/etc/x:1: no verb has an option", "did you mean app?"},
		{{NULL}, "#\n= x\n", "/etc/x:2: no verb has an option", ""},
	};
	const char *const none[] = {NULL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_arena_ struct arena arena = {0};
		_cleanup_sbuf_ struct sbuf b = {0};
		struct dyno_err err = {0};

		assert_int_equal(parse_all(&arena, none, cases[i].envp, cases[i].config, &b, &err),
				 -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_non_null(strstr(err.msg, cases[i].msg));
		assert_non_null(strstr(err.hint, cases[i].hint));
	}
}

static void opt_env_name__long_name__becomes_capitals(void **state)
{
	char buf[STRLEN(OPT_ENV_PREFIX) + OPT_NAME_BYTES];

	(void)state;
	assert_string_equal(opt_env_name("boot-timeout", buf), "DYNO_CFG_BOOT_TIMEOUT");
	assert_string_equal(opt_env_name("x", buf), "DYNO_CFG_X");
}

static void opt_at__shared_own_and_common__each_once_in_this_order(void **state)
{
	static const struct opt shared[] = {
		{.name = "shared-one", .kind = OPT_FLAG},
		{.name = "shared-two", .kind = OPT_FLAG},
	};
	static const struct opt_table table = {.items = shared, .n = ARRAY_SIZE(shared)};
	struct opt_set set = anywhere;

	(void)state;
	assert_int_equal(opt_count(&set), ARRAY_SIZE(own) + ARRAY_SIZE(common));
	set.shared = &table;
	assert_int_equal(opt_count(&set), 2 + ARRAY_SIZE(own) + ARRAY_SIZE(common));
	assert_ptr_equal(opt_at(&set, 1), &shared[1]);
	assert_ptr_equal(opt_at(&set, 2), &own[0]);
	assert_ptr_equal(opt_at(&set, 2 + ARRAY_SIZE(own)), &common[0]);
	assert_int_equal(opt_find(&set, "shared-two", STRLEN("shared-two")), 1);
	assert_int_equal(opt_find(&set, "run-dir", STRLEN("run-dir")), 2 + ARRAY_SIZE(own));
}

static void opt_is_set__each_source__counts(void **state)
{
	static const char *const argv[] = ARGV("-q");
	static const char *const envp[] = ARGV("DYNO_CFG_APP=a");
	_cleanup_arena_ struct arena arena = {0};
	struct sample s = {0};
	struct opt_operands rest;
	struct dyno_err err;
	struct opt_parser p = {
		.set = &before, .target = &s, .arena = &arena, .known = known_elsewhere};

	(void)state;
	assert_int_equal(opt_parse_argv(&p, argv, &rest, &err), 0);
	assert_int_equal(opt_parse_environ(&p, envp, &err), 0);
	assert_true(opt_is_set(&p, "quiet"));
	assert_true(opt_is_set(&p, "app"));
	assert_false(opt_is_set(&p, "port"));
	assert_false(opt_is_set(&p, "nonsense"));
}

static void value_scratch__texts__give_place_and_limits(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		struct value_scratch expected;
	} cases[] = {
		{"disk:none", true, {DYNO_SCRATCH_DISK, DYNO_SCRATCH_NO_LIMIT, 0}},
		{"disk:none:5", false, {0, 0, 0}},
		{"tmpfs:none", false, {0, 0, 0}},
		{"auto", true, {DYNO_SCRATCH_AUTO, 0, 0}},
		{"auto:64M", true, {DYNO_SCRATCH_AUTO, 64 << 20, 0}},
		{"tmpfs", true, {DYNO_SCRATCH_TMPFS, 0, 0}},
		{"disk", true, {DYNO_SCRATCH_DISK, 0, 0}},
		{"tmpfs:64M", true, {DYNO_SCRATCH_TMPFS, 64 << 20, 0}},
		{"disk:1G:5000", true, {DYNO_SCRATCH_DISK, 1 << 30, 5000}},
		{"tmpfs::5000", true, {DYNO_SCRATCH_TMPFS, 0, 5000}},
		{"tmpfs:", true, {DYNO_SCRATCH_TMPFS, 0, 0}},
		{"", false, {0}},
		{":1G", false, {0}},
		{"TMPFS", false, {0}},
		{"tmpfs:0", false, {0}},
		{"tmpfs:-1", false, {0}},
		{"tmpfs:1G:0", false, {0}},
		{"tmpfs:1G:1k", false, {0}},
		{"tmpfs:1G:1:1", false, {0}},
		{"tmpfs:1G:4294967296", false, {0}},
		{"tmpfs:99999999999999999999999999999999999999", false, {0}},
		{"tmpfs:16777216T", false, {0}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct value_scratch got = {DYNO_SCRATCH_DISK, 7, 7};
		struct dyno_err err = {0};
		int r = value_scratch(cases[i].text, &got, &err);

		assert_int_equal(r, cases[i].ok ? 0 : -EINVAL);
		if (!cases[i].ok) {
			assert_int_equal(got.bytes, 7);
			assert_int_equal(err.kind, ERR_USAGE);
			continue;
		}
		assert_int_equal(got.kind, cases[i].expected.kind);
		assert_int_equal(got.bytes, cases[i].expected.bytes);
		assert_int_equal(got.inodes, cases[i].expected.inodes);
	}
}

static void value_fd_and_count__numbers__are_in_range_or_refused(void **state)
{
	static const struct {
		const char *text;
		int fd;		    /* -1: refused */
		unsigned int count; /* 0: refused */
	} cases[] = {
		{"1", 1, 1},
		{"9", 9, 9},
		{"10000", 10000, 10000},
		{"10001", 10001, 0},
		{"2147483647", INT_MAX, 0},
		{"2147483648", -1, 0},
		{"0", -1, 0},
		{"", -1, 0},
		{"-1", -1, 0},
		{"3x", -1, 0},
		{" 3", -1, 0},
		{"+3", -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_err err;
		unsigned int count = 0;
		int fd = -1;

		assert_int_equal(value_fd(cases[i].text, &fd, &err), cases[i].fd < 0 ? -EINVAL : 0);
		assert_int_equal(fd, cases[i].fd);
		assert_int_equal(value_count(cases[i].text, &count, &err),
				 cases[i].count ? 0 : -EINVAL);
		assert_int_equal(count, cases[i].count);
	}
}

static void value_lines__numbers_and_all__are_read_or_refused(void **state)
{
	static const struct {
		const char *text;
		uint64_t n;
		bool set; /* false: refused */
	} cases[] = {
		{"0", 0, true},
		{"100", 100, true},
		{"all", UINT64_MAX, true},
		{"18446744073709551614", UINT64_MAX - 1, true},
		{"18446744073709551615", 0, false},
		{"All", 0, false},
		{"-1", 0, false},
		{"", 0, false},
		{"5 ", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct value_lines lines = {0};
		struct dyno_err err;

		assert_int_equal(value_lines(cases[i].text, &lines, &err),
				 cases[i].set ? 0 : -EINVAL);
		assert_int_equal(lines.set, cases[i].set);
		assert_int_equal(lines.n, cases[i].n);
	}
}

static void value_bool__words__are_read_in_any_case(void **state)
{
	static const struct {
		const char *word;
		int r;
		bool value;
	} cases[] = {{"1", 0, true},	{"YES", 0, true},  {"on", 0, true},
		     {"0", 0, false},	{"Off", 0, false}, {"false", 0, false},
		     {"2", -EINVAL, 0}, {"", -EINVAL, 0},  {"yes ", -EINVAL, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_err err;
		bool value = !cases[i].value;

		assert_int_equal(value_bool(cases[i].word, &value, &err), cases[i].r);
		assert_int_equal(value, cases[i].r ? true : cases[i].value);
	}
}

static void nearest_distance__pairs__count_edits(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned int d;
	} cases[] = {
		{"", "", 0},	    {"a", "", 1},	 {"", "abc", 3},
		{"run", "run", 0},  {"rnu", "run", 1},	 {"rn", "run", 1},
		{"runn", "run", 1}, {"ran", "run", 1},	 {"kitten", "sitting", 3},
		{"ca", "abc", 3},   {"prot", "port", 1}, {"doctro", "doctor", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(nearest_distance(cases[i].a, cases[i].b), cases[i].d);
		assert_int_equal(nearest_distance(cases[i].b, cases[i].a), cases[i].d);
	}
}

static void nearest_offer__typed_words__find_what_was_meant_or_nothing(void **state)
{
	static const char *const known[] = {"run", "check", "doctor", "version", "help"};
	static const struct {
		const char *word;
		const char *best;
	} cases[] = {
		{"rnu", "run"},
		{"ruin", "run"},
		{"chekc", "check"},
		{"ver", "version"},
		{"v", "version"},
		{"doktor", "doctor"},
		{"xyzzy", NULL},
		{"", NULL},
		{"a-word-that-is-longer-than-any-verb-option-or-class", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nearest near = {.word = cases[i].word};

		for (size_t j = 0; j < ARRAY_SIZE(known); j++)
			nearest_offer(&near, known[j]);
		if (cases[i].best)
			assert_string_equal(near.best, cases[i].best);
		else
			assert_null(near.best);
	}
}

static void time_format__dates__are_those_of_the_calendar(void **state)
{
	static const struct {
		uint64_t us;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000000+00:00"},
		{951782400000000, "2000-02-29T00:00:00.000000+00:00"},
		{951868799999999, "2000-02-29T23:59:59.999999+00:00"},
		{951868800000000, "2000-03-01T00:00:00.000000+00:00"},
		{1780315200123456, "2026-06-01T12:00:00.123456+00:00"},
		{1798761599000001, "2026-12-31T23:59:59.000001+00:00"},
		{4107542399000000, "2100-02-28T23:59:59.000000+00:00"},
		{4107542400000000, "2100-03-01T00:00:00.000000+00:00"},
		{13574563200000000, "2400-02-29T00:00:00.000000+00:00"},
		{UINT64_MAX, "586524-01-19T08:01:49.551615+00:00"},
	};
	char buf[TIME_BYTES];
	uint64_t us;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(time_format(cases[i].us, buf), cases[i].text);
		if (cases[i].us == UINT64_MAX) /* years of four digits are read */
			continue;
		assert_int_equal(time_parse(buf, strlen(buf), &us), 0);
		assert_int_equal(us, cases[i].us);
	}
}

static void time_parse__forms__only_those_of_a_date(void **state)
{
	const uint64_t day = UINT64_C(1780272000) * 1000000, noon = day + UINT64_C(43200) * 1000000;
	const struct {
		const char *text;
		uint64_t us; /* 0: none */
	} cases[] = {
		{"2026-06-01", day},
		{"2026-06-01Z", day},
		{"2026-06-01T12:00", noon},
		{"2026-06-01T12:00Z", noon},
		{"2026-06-01T12:00:00+00:00", noon},
		{"2026-06-01T12:00:00.5", noon + 500000},
		{"2026-06-01T12:00:00.000001Z", noon + 1},
		{"2026-06-01T12", 0},
		{"2026-06-01T", 0},
		{"2026-06", 0},
		{"2026", 0},
		{"", 0},
		{"2026-06-01T12:00:00.", 0},
		{"2026-06-01T12:00:00.Z", 0},
		{"2026-06-01T12:00:00.1234567", noon + 123456},
		{"2026-06-01T12:00:00.123456789Z", noon + 123456},
		{"2026-06-01T12:00:00.1234567890", 0},
		{"2026-06-01T14:00:00+02:00", noon},
		{"2026-06-01T06:30:00.5-05:30", noon + 500000},
		{"2026-06-01 12:00:00", noon},
		{"2026-06-01  12:00:00", 0},
		{"2026-06 01", 0},
		{"2026-06-01T12:00:00+2:00", 0},
		{"2026-06-01T12:00:00+02", 0},
		{"2026-06-01T12:00:00+02:", 0},
		{"2026-06-01T12:00:00+02:0", 0},
		{"2026-06-01T12:00:00+0200", 0},
		{"2026-06-01T12:00:00+24:00", 0},
		{"2026-06-01T12:00:00+02:60", 0},
		{"2026-06-01T12:00:00+02:00Z", 0},
		{"1970-01-01T00:30+01:00", 0},
		{"2026-06-01T12:00:00 ", 0},
		{"2026-02-29", 0},
		{"2026-00-01", 0},
		{"2026-13-01", 0},
		{"2026-06-00", 0},
		{"2026-06-31", 0},
		{"2026-06-01T24:00", 0},
		{"2026-06-01T12:60", 0},
		{"2026-06-01T12:00:60", 0},
		{"1969-12-31", 0},
		{"-026-06-01", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t us = 7;
		int r = time_parse(cases[i].text, strlen(cases[i].text), &us);

		assert_int_equal(r, cases[i].us ? 0 : -EINVAL);
		assert_int_equal(us, cases[i].us ? cases[i].us : 7);
	}
}

/* T10: what comes from a slug cannot steer a terminal or begin a line. */
static void output_add_line__hostile_bytes__are_shown(void **state)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	output_add_line(&b, "a\nb\033[2J\\c\\\\d\x9b\xc3\xa4\r");
	assert_string_equal(sbuf_str(&b), "a\\nb\\x1b[2J\\c\\\\d\\x9b\xc3\xa4\\r");
}

static void output_wants_color__settings__by_precedence(void **state)
{
	static const struct {
		struct output_terminal t;
		bool color;
	} cases[] = {
		{{OUTPUT_COLOR_AUTO, NULL, NULL, "xterm", true}, true},
		{{OUTPUT_COLOR_AUTO, NULL, NULL, "xterm", false}, false},
		{{OUTPUT_COLOR_AUTO, NULL, NULL, "dumb", true}, false},
		{{OUTPUT_COLOR_AUTO, NULL, NULL, NULL, true}, false},
		{{OUTPUT_COLOR_AUTO, "1", NULL, "xterm", true}, false},
		{{OUTPUT_COLOR_AUTO, "", NULL, "xterm", true}, true},
		{{OUTPUT_COLOR_AUTO, NULL, "1", NULL, false}, true},
		{{OUTPUT_COLOR_AUTO, NULL, "0", "xterm", false}, false},
		{{OUTPUT_COLOR_AUTO, "1", "1", "xterm", true}, false},
		{{OUTPUT_COLOR_ALWAYS, "1", NULL, "dumb", false}, true},
		{{OUTPUT_COLOR_NEVER, NULL, "1", "xterm", true}, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(output_wants_color(&cases[i].t), cases[i].color);
}

/* T22: a full disk is reported, a reader that has gone is not an error. */
static void output_stdout__full_disk_and_gone_reader__differ(void **state)
{
	_cleanup_close_ int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	_cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct sbuf b = {0};
	struct dyno_err err = {0};
	int ends[2], r_full, r_pipe;
	sigset_t pipe_signal;

	(void)state;
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_signal, NULL);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);

	dup2(full, STDOUT_FILENO);
	sbuf_adds(&b, "x");
	r_full = output_stdout(&b, &err);
	dup2(ends[1], STDOUT_FILENO);
	close(ends[1]);
	sbuf_adds(&b, "x");
	r_pipe = output_stdout(&b, &err);
	dup2(saved, STDOUT_FILENO);

	assert_int_equal(r_full, -ENOSPC);
	assert_int_equal(err.kind, ERR_IO);
	assert_int_equal(r_pipe, 0);
}

static void json__nested_values__have_their_commas(void **state)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	json_begin(&b);
	json_open(&b, "list", '[');
	json_u64(&b, NULL, 1);
	json_open(&b, NULL, '{');
	json_close(&b, '}');
	json_str(&b, NULL, "a\"{\n");
	json_open(&b, NULL, '[');
	json_close(&b, ']');
	json_close(&b, ']');
	json_str(&b, "ends in [", "[");
	json_bool(&b, "yes", true);
	json_str(&b, "unknown", NULL);
	json_time(&b, "at", 1);
	json_end(&b);
	assert_string_equal(sbuf_str(&b),
			    "{\"schema\":1,\"list\":[1,{},\"a\\\"{\\n\",[]],\"ends in [\":\"[\","
			    "\"yes\":true,\"unknown\":null,"
			    "\"at\":\"1970-01-01T00:00:00.000001+00:00\"}\n");
}

static void progress_format__sizes_and_names__fit_the_line(void **state)
{
	static const struct {
		struct dyno_progress p;
		uint64_t elapsed_ms;
		unsigned int columns;
		const char *expected;
	} cases[] = {
		{{"unpack", "app.tgz", 20 << 20, 80 << 20},
		 1000,
		 100,
		 "unpack app.tgz [#######.......................]  25%  20 MB of 80 MB  20 MB/s  3 s "
		 "left"},
		{{"unpack", "app.tgz", 20 << 20, 80 << 20},
		 1000,
		 60,
		 "unpack app.tgz  25%  20 MB of 80 MB  20 MB/s  3 s left"},
		{{"hash", "-", 1 << 20, 0}, 500, 80, "hash - 1.0 MB  2.0 MB/s"},
		{{"unpack", "a\033[2J", 0, 1 << 20},
		 500,
		 60,
		 "unpack a\\x1b[2J [.....................]   0%  0 B of 1.0 MB"},
	};
	char buf[PROGRESS_COLUMNS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		progress_format(&cases[i].p, cases[i].elapsed_ms, cases[i].columns, buf,
				sizeof(buf));
		assert_string_equal(buf, cases[i].expected);
	}
}

static void progress_format__any_width__is_never_exceeded(void **state)
{
	char name[600], buf[PROGRESS_COLUMNS_MAX + 1];
	const struct dyno_progress reports[] = {
		{"unpack", name, 1, UINT64_MAX},	  {"unpack", name, UINT64_MAX, 1},
		{"verify", name, UINT64_MAX, UINT64_MAX}, {"hash", "", 0, 0},
		{"pack", "\xe4\xb8\xad", 5, 0},
	};

	(void)state;
	memset(name, 0x1b, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
		for (unsigned int columns = 1; columns < 300; columns++) {
			progress_format(&reports[i], columns, columns, buf, sizeof(buf));
			assert_true(strlen(buf) < MAX_OF(columns, 1U));
			assert_null(strchr(buf, 0x1b));
		}
	}
}

/* ---- outfile ----------------------------------------------------------------------------------*/

#define SCRATCH_TEMPLATE "/tmp/dyno-test-outfile.XXXXXX"
static char scratch_dir[] = SCRATCH_TEMPLATE;

static int make_dir(void **state)
{
	(void)state;
	memcpy(scratch_dir, SCRATCH_TEMPLATE, sizeof(scratch_dir));
	return mkdtemp(scratch_dir) && chdir(scratch_dir) == 0 ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlink("out");
	return chdir("/") == 0 ? rmdir(scratch_dir) : -1; /* fails when anything was left */
}

static void file_expect(const char *path, const char *text)
{
	char buf[16] = "";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_read_full(fd, buf, sizeof(buf) - 1), strlen(text));
	assert_string_equal(buf, text);
}

static void outfile__committed__replaces_and_leaves_nothing_else(void **state)
{
	struct dyno_err err = {0};
	struct outfile file;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(outfile_open(&file, "out", true, &err), 0);
		assert_int_equal(fd_write_full(file.fd, i ? "two" : "one!", i ? 3 : 4), i ? 3 : 4);
		if (i)
			file_expect("out", "one!");
		assert_int_equal(outfile_commit(&file, &err), 0);
		outfile_done(&file);
		file_expect("out", i ? "two" : "one!");
	}
}

static void outfile__not_committed__leaves_the_old_file(void **state)
{
	struct dyno_err err = {0};
	struct outfile file;

	(void)state;
	assert_int_equal(outfile_open(&file, "out", false, &err), 0);
	assert_int_equal(outfile_commit(&file, &err), 0);
	outfile_done(&file);

	assert_int_equal(outfile_open(&file, "out", true, &err), 0);
	assert_int_equal(fd_write_full(file.fd, "half", 4), 4);
	outfile_done(&file);
	file_expect("out", "");
}

static void outfile_open__what_cannot_be_written__is_refused(void **state)
{
	static const struct {
		const char *path;
		bool replace;
		int r;
	} cases[] = {
		{"out", false, -EEXIST},	{".", true, -EISDIR},	       {"", true, -ENOENT},
		{"missing/out", true, -ENOENT}, {"out/below", true, -ENOTDIR},
	};
	struct dyno_err err = {0};
	struct outfile file;

	(void)state;
	assert_int_equal(outfile_open(&file, "out", false, &err), 0);
	assert_int_equal(outfile_commit(&file, &err), 0);
	outfile_done(&file);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(outfile_open(&file, cases[i].path, cases[i].replace, &err),
				 cases[i].r);
		assert_int_equal(err.kind, ERR_IO);
		outfile_done(&file);
	}
}

static void outfile__a_device__is_written_as_it_stands(void **state)
{
	struct dyno_err err = {0};
	struct outfile file;
	struct stat st;

	(void)state;
	assert_int_equal(outfile_open(&file, "/dev/null", false, &err), 0);
	assert_int_equal(fd_write_full(file.fd, "x", 1), 1);
	assert_int_equal(outfile_commit(&file, &err), 0);
	outfile_done(&file);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opt_parse_argv__forms_of_options__fill_the_struct),
		cmocka_unit_test(opt_parse_argv__what_does_not_fit__is_named),
		cmocka_unit_test(opt_parse_argv__ten_thousand_values__are_all_kept),
		cmocka_unit_test(opt_parse__three_sources__the_strongest_wins),
		cmocka_unit_test(opt_parse__bad_settings__name_the_variable_or_line),
		cmocka_unit_test(opt_env_name__long_name__becomes_capitals),
		cmocka_unit_test(opt_at__shared_own_and_common__each_once_in_this_order),
		cmocka_unit_test(opt_is_set__each_source__counts),
		cmocka_unit_test(value_scratch__texts__give_place_and_limits),
		cmocka_unit_test(value_lines__numbers_and_all__are_read_or_refused),
		cmocka_unit_test(value_fd_and_count__numbers__are_in_range_or_refused),
		cmocka_unit_test(value_bool__words__are_read_in_any_case),
		cmocka_unit_test(nearest_distance__pairs__count_edits),
		cmocka_unit_test(nearest_offer__typed_words__find_what_was_meant_or_nothing),
		cmocka_unit_test(time_format__dates__are_those_of_the_calendar),
		cmocka_unit_test(time_parse__forms__only_those_of_a_date),
		cmocka_unit_test(output_add_line__hostile_bytes__are_shown),
		cmocka_unit_test(output_wants_color__settings__by_precedence),
		cmocka_unit_test(output_stdout__full_disk_and_gone_reader__differ),
		cmocka_unit_test(json__nested_values__have_their_commas),
		cmocka_unit_test(progress_format__sizes_and_names__fit_the_line),
		cmocka_unit_test(progress_format__any_width__is_never_exceeded),
		cmocka_unit_test_setup_teardown(
			outfile__committed__replaces_and_leaves_nothing_else, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(outfile__not_committed__leaves_the_old_file,
						make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(outfile_open__what_cannot_be_written__is_refused,
						make_dir, remove_dir),
		cmocka_unit_test(outfile__a_device__is_written_as_it_stands),
	};

	return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
