/* SPDX-License-Identifier: Apache-2.0 */
/* The records of a log as a terminal, a file and a program get them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "base/util.h"
#include "cli/logview.h"

#define AT  "2026-06-01T12:00:00.123456+00:00 "
#define WEB AT "app[web.1]: "
#define ERR AT " app[web.1]: "
#define SYS AT "heroku[web.1]: "

static const char *show(struct logview *view, const char *line, size_t len, struct sbuf *b)
{
	b->len = 0;
	logview_add(view, line, len, b);
	assert_int_equal(sbuf_ok(b), 0);
	return sbuf_str(b);
}

static void logview_add__forms__are_those_of_terminal_file_and_program(void **state)
{
	static const struct {
		enum logview_form form;
		const char *line;
		const char *expected;
	} cases[] = {
		{LOGVIEW_RECORD, WEB "hello", WEB "hello\n"},
		{LOGVIEW_RECORD, SYS "State changed from starting to up",
		 SYS "State changed from starting to up\n"},
		{LOGVIEW_RECORD, WEB, WEB "\n"},
		{LOGVIEW_RECORD, ERR "hello", WEB "hello\n"},
		{LOGVIEW_RECORD, ERR " app[web.1]: hello", WEB " app[web.1]: hello\n"},
		{LOGVIEW_TAGGED, WEB "hello", WEB "hello\n"},
		{LOGVIEW_TAGGED, ERR "hello", WEB "hello\n"},
		{LOGVIEW_TEXT, ERR "hello", "hello\n"},
		{LOGVIEW_SHORT, ERR "hello", "12:00:00 web.1 | hello\n"},
		{LOGVIEW_TEXT, WEB "hello", "hello\n"},
		{LOGVIEW_SHORT, WEB "hello", "12:00:00 web.1 | hello\n"},
		{LOGVIEW_SHORT, WEB "a]: b[c]: d", "12:00:00 web.1 | a]: b[c]: d\n"},
		{LOGVIEW_SHORT, SYS "Idling", "12:00:00 heroku[web.1] | Idling\n"},
		{LOGVIEW_SHORT, WEB, "12:00:00 web.1 | \n"},
		{LOGVIEW_JSON, WEB "say \"x\"",
		 "{\"schema\":1,\"time\":\"2026-06-01T12:00:00.123456+00:00\",\"source\":\"app\","
		 "\"dyno\":\"web.1\",\"stream\":\"stdout\",\"text\":\"say \\\"x\\\"\"}\n"},
		{LOGVIEW_JSON, WEB "\xff\x1b",
		 "{\"schema\":1,\"time\":\"2026-06-01T12:00:00.123456+00:00\",\"source\":\"app\","
		 "\"dyno\":\"web.1\",\"stream\":\"stdout\",\"text\":\"\xef\xbf\xbd\\u001b\"}\n"},
		{LOGVIEW_JSON, ERR "hello",
		 "{\"schema\":1,\"time\":\"2026-06-01T12:00:00.123456+00:00\",\"source\":\"app\","
		 "\"dyno\":\"web.1\",\"stream\":\"stderr\",\"text\":\"hello\"}\n"},
		{LOGVIEW_JSON, SYS "Idling",
		 "{\"schema\":1,\"time\":\"2026-06-01T12:00:00.123456+00:00\","
		 "\"source\":\"heroku\",\"dyno\":\"web.1\",\"text\":\"Idling\"}\n"},
	};
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct logview view = {.form = cases[i].form};

		assert_string_equal(show(&view, cases[i].line, strlen(cases[i].line), &b),
				    cases[i].expected);
	}
}

/* T34: a piece of a line that was too long says so to a program, and nothing to others. */
static void logview_add__piece_of_a_line__is_marked_in_json(void **state)
{
	static const char piece[] = WEB "half";
	static const enum logview_form forms[] = {LOGVIEW_RECORD, LOGVIEW_TAGGED, LOGVIEW_JSON,
						  LOGVIEW_SHORT, LOGVIEW_TEXT};
	static const char *const expected[] = {
		WEB "half\n", WEB "half\n",
		"{\"schema\":1,\"time\":\"2026-06-01T12:00:00.123456+00:00\",\"source\":\"app\","
		"\"dyno\":\"web.1\",\"stream\":\"stdout\",\"text\":\"half\",\"partial\":true}\n",
		"12:00:00 web.1 | half\n", "half\n"};
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct logview view = {.form = forms[i]};

		/* with its mark, the NUL */
		assert_string_equal(show(&view, piece, sizeof(piece), &b), expected[i]);
	}
	assert_string_equal(show(&(struct logview){.form = LOGVIEW_RECORD}, "torn", 5, &b),
			    "torn\n");
}

/* T33, T34 */
static void logview_add__hostile_texts__are_shown_and_change_nothing(void **state)
{
	static const struct {
		const char *text;
		const char *plain;
		const char *colored;
	} cases[] = {
		{"tab\there \\n stays", "tab\there \\n stays", "tab\there \\n stays"},
		{"dos\r", "dos", "dos"},
		{"over\rwritten", "over\\rwritten", "over\\rwritten"},
		{"\033[31mred\033[0m", "red", "\033[31mred\033[0m\033[0m"},
		{"\033[38;2;1;2;3mx", "x", "\033[38;2;1;2;3mx\033[0m"},
		{"\033[38:5:9mx", "x", "\033[38:5:9mx\033[0m"},
		{"\033[mx", "x", "\033[mx\033[0m"},
		{"\033[2Jclear", "\\x1b[2Jclear", "\\x1b[2Jclear"},
		{"\033[31", "\\x1b[31", "\\x1b[31"},
		{"\033[", "\\x1b[", "\\x1b["},
		{"\033", "\\x1b", "\\x1b"},
		{"\033[?1mx", "\\x1b[?1mx", "\\x1b[?1mx"},
		{"\033]52;c;YQ==\a", "\\x1b]52;c;YQ==\\x07", "\\x1b]52;c;YQ==\\x07"},
		{"\033]0;title\033\\", "\\x1b]0;title\\x1b\\", "\\x1b]0;title\\x1b\\"},
		{"\033[6n", "\\x1b[6n", "\\x1b[6n"},
		{"\xc2\x9b"
		 "2J",
		 "\\xc2\\x9b"
		 "2J",
		 "\\xc2\\x9b"
		 "2J"},
		{"bad \xff\xfe utf-8", "bad \\xff\\xfe utf-8", "bad \\xff\\xfe utf-8"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{SYS "State changed from up to crashed", SYS "State changed from up to crashed",
		 SYS "State changed from up to crashed"},
	};
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct logview view = {.form = LOGVIEW_RECORD};
		char line[256], expected[256];
		size_t len = str_fmt(line, sizeof(line), WEB "%s", cases[i].text);

		str_fmt(expected, sizeof(expected), WEB "%s\n", cases[i].plain);
		assert_string_equal(show(&view, line, len, &b), expected);
		view.color = true;
		str_fmt(expected, sizeof(expected), WEB "%s\n", cases[i].colored);
		assert_string_equal(show(&view, line, len, &b), expected);
		view.raw = true;
		str_fmt(expected, sizeof(expected), WEB "%s\n", cases[i].text);
		assert_string_equal(show(&view, line, len, &b), expected);
	}
}

static void logview_add__tagged_in_colour__the_head_is_the_dynos_or_the_platforms(void **state)
{
	struct logview view = {.form = LOGVIEW_TAGGED, .color = true};
	_cleanup_sbuf_ struct sbuf b = {0};
	const char *shown = show(&view, WEB "x", strlen(WEB "x"), &b);

	(void)state;
	assert_memory_equal(shown, "\033[", 2);
	assert_memory_not_equal(shown, "\033[36m", 5);
	assert_string_equal(strchr(shown, 'm') + 1, AT "app[web.1]:\033[0m x\n");
	shown = show(&view, SYS "x", strlen(SYS "x"), &b);
	assert_string_equal(shown, "\033[36m" AT "heroku[web.1]:\033[0m x\n");
	assert_string_equal(show(&view, "torn", 4, &b), "torn\n");
}

static void logview_add__colour_without_end__is_no_colour(void **state)
{
	struct logview view = {.form = LOGVIEW_RECORD, .color = true};
	_cleanup_sbuf_ struct sbuf b = {0};
	char line[256] = WEB "\033[";
	size_t len = strlen(line);

	(void)state;
	memset(line + len, '1', 100);
	line[len + 100] = 'm';
	(void)show(&view, line, len + 101, &b);
	assert_null(strchr(sbuf_str(&b), '\033'));
}

static void logview_add__no_record__is_text_alone(void **state)
{
	static const char *const lines[] = {
		"",
		"no record",
		"2026-06-01T12:00:00 app[web.1]",
		"short app[web.1]: x",
		AT "two words[web.1]: x",
		AT "app[web 1]: x",
		AT "app: x",
	};
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct logview view = {.form = LOGVIEW_SHORT, .quiet = true};
		char expected[128];

		str_fmt(expected, sizeof(expected), "%s\n", lines[i]);
		assert_string_equal(show(&view, lines[i], strlen(lines[i]), &b), expected);
	}
}

/* Whatever a text holds, the short way shows what the long one does. */
static void logview_add_plain__any_byte_anywhere__shows_what_logview_add_does(void **state)
{
	static const char *const heads[] = {
		"2026-06-01T12:00:00.123456+00:00 app[web.1]: ",
		"2026-06-01T12:00:00.123456+00:00  app[web.1]: ",
		"2026-06-01T12:00:00.123456+00:00 heroku[web.1]: ", "no record ", ""};
	_cleanup_sbuf_ struct sbuf text = {0}, all = {0}, one = {0};
	uint64_t taken = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads) * 2 * 20 * 256; i++) {
		struct logview view = {.form = LOGVIEW_RECORD, .quiet = i / 256 / 20 % 2 == 0};
		char line[] = "twenty bytes of text";
		size_t n;

		line[i / 256 % 20] = (char)(i % 256);
		if (i % 256 == '\n')
			continue;
		text.len = all.len = one.len = 0;
		sbuf_adds(&text, heads[i / 256 / 20 / 2]);
		sbuf_add(&text, line, sizeof(line) - 1);
		logview_add(&view, text.data, text.len, &one);
		sbuf_adds(&text, "\nnot ended");
		n = logview_add_plain(&view, text.data, text.len, &all);
		assert_int_equal(n, all.len);
		taken += n > 0;
		if (n == 0)
			continue;
		assert_int_equal(n, text.len - STRLEN("not ended"));
		assert_int_equal(n, one.len);
		assert_memory_equal(all.data, one.data, n);
	}
	/* Of the app's records, those of standard error apart, and the platform's unless quiet: at
	 * each place 95 bytes of text and a tab. */
	assert_true(taken >= 3 * 20 * 96);
}

static void logview_add_plain__another_form__takes_nothing(void **state)
{
	static const char line[] = "2026-06-01T12:00:00.123456+00:00 app[web.1]: a\n";
	static const enum logview_form forms[] = {LOGVIEW_SHORT, LOGVIEW_TAGGED, LOGVIEW_TEXT,
						  LOGVIEW_JSON};
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct logview view = {.form = forms[i]};

		assert_int_equal(logview_add_plain(&view, line, sizeof(line) - 1, &b), 0);
	}
	assert_int_equal(b.len, 0);
}

static void logview_add__quiet__drops_the_platform_only(void **state)
{
	struct logview view = {.form = LOGVIEW_RECORD, .quiet = true};
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	assert_string_equal(show(&view, SYS "x", strlen(SYS "x"), &b), "");
	assert_string_equal(show(&view, WEB "x", strlen(WEB "x"), &b), WEB "x\n");
}

static void logview_add__wider_tag__widens_what_follows(void **state)
{
	struct logview view = {.form = LOGVIEW_SHORT};
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	assert_string_equal(show(&view, WEB "x", strlen(WEB "x"), &b), "12:00:00 web.1 | x\n");
	assert_string_equal(show(&view, AT "app[worker.12]: x", strlen(AT "app[worker.12]: x"), &b),
			    "12:00:00 worker.12 | x\n");
	assert_string_equal(show(&view, WEB "x", strlen(WEB "x"), &b), "12:00:00 web.1     | x\n");
}

/* The colour between the time and the tag. */
static void color_of(struct logview *view, const char *name, char color[8], struct sbuf *b)
{
	char line[256];
	const char *shown, *end;

	str_fmt(line, sizeof(line), AT "app[%s]: x", name);
	shown = show(view, line, strlen(line), b) + strlen("12:00:00 ");
	assert_int_equal(shown[0], '\033');
	end = strchr(shown, 'm');
	assert_non_null(end);
	str_fmt(color, 8, "%.*s", (int)(end - shown), shown);
}

static void logview_add__colours__are_stable_and_differ_while_there_are_any(void **state)
{
	static const char *const names[] = {"web.1", "web.2",	 "web.3",   "web.4",
					    "web.5", "worker.1", "clock.1", "x.1"};
	struct logview view = {.form = LOGVIEW_SHORT, .color = true};
	struct logview other = {.form = LOGVIEW_SHORT, .color = true};
	_cleanup_sbuf_ struct sbuf b = {0};
	char color[ARRAY_SIZE(names)][8], again[8], name[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		color_of(&view, names[i], color[i], &b);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(color[i], color[j]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		color_of(&view, names[i], again, &b);
		assert_string_equal(again, color[i]);
	}
	color_of(&other, names[0], again, &b);
	assert_string_equal(again, color[0]);
	/* More dynos than are remembered, and a name longer than any. */
	for (unsigned int i = 0; i < 2 * LOGVIEW_NAMES_MAX; i++) {
		str_fmt(name, sizeof(name), "w.%u", i);
		color_of(&view, name, again, &b);
	}
	assert_int_equal(view.n_names, LOGVIEW_NAMES_MAX);
	other.n_names = 0;
	color_of(&other, "a123456789b123456789c123456789d123456789e123456789f123456789g123456789",
		 again, &b);
	assert_int_equal(other.n_names, 0);
}

static void logview_add__platform_on_a_terminal__is_told_apart_without_colour_too(void **state)
{
	struct logview view = {.form = LOGVIEW_SHORT, .color = true};
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	assert_string_equal(show(&view, SYS "x", strlen(SYS "x"), &b),
			    "12:00:00 \033[36mheroku[web.1] |\033[0m \033[2mx\033[0m\n");
	view.color = false;
	assert_string_equal(show(&view, SYS "x", strlen(SYS "x"), &b),
			    "12:00:00 heroku[web.1] | x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logview_add__forms__are_those_of_terminal_file_and_program),
		cmocka_unit_test(logview_add__piece_of_a_line__is_marked_in_json),
		cmocka_unit_test(logview_add__hostile_texts__are_shown_and_change_nothing),
		cmocka_unit_test(
			logview_add__tagged_in_colour__the_head_is_the_dynos_or_the_platforms),
		cmocka_unit_test(logview_add__colour_without_end__is_no_colour),
		cmocka_unit_test(logview_add__no_record__is_text_alone),
		cmocka_unit_test(logview_add_plain__any_byte_anywhere__shows_what_logview_add_does),
		cmocka_unit_test(logview_add_plain__another_form__takes_nothing),
		cmocka_unit_test(logview_add__quiet__drops_the_platform_only),
		cmocka_unit_test(logview_add__wider_tag__widens_what_follows),
		cmocka_unit_test(logview_add__colours__are_stable_and_differ_while_there_are_any),
		cmocka_unit_test(
			logview_add__platform_on_a_terminal__is_told_apart_without_colour_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
