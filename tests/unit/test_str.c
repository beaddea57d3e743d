/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_str.c - formatting against libc's as the oracle, escaping against terminals (T10, T33),
 * JSON and a real shell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"

/* Formats with both and compares text, length and every way to cut it. */
#define SAME(...)                                                                 \
	do {                                                                      \
		char ours[256], libc[256];                                        \
		int want = snprintf(libc, sizeof(libc), __VA_ARGS__);             \
                                                                                  \
		assert_int_equal(str_fmt(ours, sizeof(ours), __VA_ARGS__), want); \
		assert_string_equal(ours, libc);                                  \
		for (size_t size = 0; size < (size_t)want + 2; size++) {          \
			memset(ours, '#', sizeof(ours));                          \
			(void)snprintf(libc, size, __VA_ARGS__);                  \
			assert_int_equal(str_fmt(ours, size, __VA_ARGS__), want); \
			if (size)                                                 \
				assert_string_equal(ours, libc);                  \
			assert_int_equal(ours[size], '#');                        \
		}                                                                 \
	} while (0)

static void str_fmt__text__is_as_libc_has_it(void **state)
{
	(void)state;
	SAME("plain");
	SAME("%s|%10s|%-10s|%.3s|%.*s|%*s|%c|%%", "abc", "abc", "abc", "abcdef", 2, "xyz", 6, "r",
	     'q');
	SAME("%.0s|%.9s|%-5c|%5c|%-*s|%*s", "abc", "abc", 'a', 'b', 6, "l", -6, "l");
	SAME("%.*s", -1, "a negative precision is none");
}

static void str_fmt__integers__are_as_libc_has_them(void **state)
{
	static const long long values[] = {
		0,    1,     -1,     9,	      10,      127,	  128,	     255,
		-128, 32767, -32768, INT_MAX, INT_MIN, LLONG_MAX, LLONG_MIN,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		long long v = values[i];
		unsigned long long u = (unsigned long long)v;

		SAME("%d|%i|%5d|%-5d|%05d|%.3d", (int)v, (int)v, (int)v, (int)v, (int)v, (int)v);
		SAME("%u|%x|%X|%o|%02x|%08X", (unsigned int)u, (unsigned int)u, (unsigned int)u,
		     (unsigned int)u, (unsigned int)u, (unsigned int)u);
		SAME("%lld|%llu|%llx|%llo|%024llx|%-25llo|", v, u, u, u, u, u);
		SAME("%ld|%lu|%zu|%zd|%jd|%ju", (long)v, (unsigned long)u, (size_t)u, (ssize_t)v,
		     (intmax_t)v, (uintmax_t)u);
		SAME("%hhd|%hhu|%hd|%hu|%hhx", (signed char)v, (unsigned char)u, (short)v,
		     (unsigned short)u, (unsigned char)u);
	}
	SAME("%.0d|%8.3d|%-8.3d|", 0, 7, -7);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
static void str_fmt__unknown_conversion__is_copied(void **state)
{
	static const char *const formats[] = {"%p", "a%qb", "%", "100%", "%5", "%-08ly", "%l"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		char buf[32];

		assert_int_equal(str_fmt(buf, sizeof(buf), formats[i]), strlen(formats[i]));
		assert_string_equal(buf, formats[i]);
	}
}

static void str_fmt__null_text__is_named(void **state)
{
	const char *volatile none = NULL;
	char buf[32];

	(void)state;
	(void)str_fmt(buf, sizeof(buf), "<%s>", none);
	assert_string_equal(buf, "<(null)>");
}
#pragma GCC diagnostic pop

/* %.*s must not look for a NUL beyond its precision: the buffer here ends without one. */
static void str_fmt__precision__reads_no_further(void **state)
{
	char *text = test_malloc(3), buf[8];

	(void)state;
	memcpy(text, "abc", 3);
	assert_int_equal(str_fmt(buf, sizeof(buf), "%.*s", 3, text), 3);
	assert_string_equal(buf, "abc");
	test_free(text);
}

static void str_starts__and_ends__compare_whole(void **state)
{
	const char *s = "sha256:ab";

	(void)state;
	assert_ptr_equal(str_starts(s, "sha256:"), s + 7);
	assert_ptr_equal(str_starts(s, ""), s);
	assert_null(str_starts("sha", "sha256:"));
	assert_null(str_starts("", "a"));
	assert_true(str_ends("a.tgz", ".tgz"));
	assert_true(str_ends("a", ""));
	assert_false(str_ends("tgz", ".tgz"));
	assert_true(str_eq("", ""));
	assert_false(str_eq("a", "ab"));
}

static void sbuf__growing__keeps_all_and_its_nul(void **state)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	assert_string_equal(sbuf_str(&b), "");
	for (int i = 0; i < 1000; i++) {
		sbuf_addf(&b, "%04d", i);
		sbuf_addc(&b, ' ');
		assert_int_equal(strlen(sbuf_str(&b)), b.len);
	}
	sbuf_add(&b, "", 0);
	assert_int_equal(b.len, 5000);
	assert_memory_equal(b.data + 5 * 777, "0777 ", 5);
	assert_int_equal(sbuf_ok(&b), 0);
}

static void sbuf__failed_allocation__is_remembered(void **state)
{
	struct sbuf b = {0};

	(void)state;
	sbuf_adds(&b, "kept");
	b.len = PTRDIFF_MAX; /* stands for a buffer that cannot grow any more */
	sbuf_addc(&b, 'x');
	b.len = 4;
	sbuf_adds(&b, "ignored");
	assert_int_equal(sbuf_ok(&b), -ENOMEM);
	assert_string_equal(sbuf_str(&b), "kept");
	sbuf_done(&b);
	assert_int_equal(sbuf_ok(&b), 0);
}

struct text_case {
	const char *in;
	size_t len;
	const char *want;
};
#define TEXT(in, want)               \
	{                            \
		in, STRLEN(in), want \
	}

static void sbuf_add_escaped__hostile_text__cannot_reach_the_terminal(void **state)
{
	static const struct text_case cases[] = {
		TEXT("", ""),
		TEXT("plain ~ text", "plain ~ text"),
		TEXT("a\\b\n\t\r", "a\\\\b\\n\\t\\r"),
		TEXT("\033[31m\007\177\0x", "\\x1b[31m\\x07\\x7f\\x00x"),
		TEXT("gr\303\274n \342\202\254 \360\237\230\200",
		     "gr\303\274n \342\202\254 \360\237\230\200"),
		TEXT("\302\233J", "\\xc2\\x9bJ"),		  /* C1: CSI */
		TEXT("\233J\377", "\\x9bJ\\xff"),		  /* invalid bytes */
		TEXT("\300\257", "\\xc0\\xaf"),			  /* overlong '/' */
		TEXT("\340\200\257", "\\xe0\\x80\\xaf"),	  /* longer still */
		TEXT("\355\240\200", "\\xed\\xa0\\x80"),	  /* a surrogate */
		TEXT("\364\220\200\200", "\\xf4\\x90\\x80\\x80"), /* above U+10FFFF */
		TEXT("\370\210\200\200\200", "\\xf8\\x88\\x80\\x80\\x80"),
		TEXT("\342\202", "\\xe2\\x82"),		     /* cut off */
		TEXT("a\342\200\256b", "a\\xe2\\x80\\xaeb"), /* right-to-left override */
		TEXT("\342\201\246", "\\xe2\\x81\\xa6"),     /* isolate */
		TEXT("\342\200\250", "\\xe2\\x80\\xa8"),     /* line separator */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_sbuf_ struct sbuf b = {0};

		sbuf_add_escaped(&b, cases[i].in, cases[i].len);
		assert_string_equal(sbuf_str(&b), cases[i].want);
	}
}

static void str_escape__every_size__cuts_between_pieces(void **state)
{
	static const char in[] = "ab\033\303\274\\c";
	static const char want[] = "ab\\x1b\303\274\\\\c";
	static const size_t ends[] = {0, 1, 2, 6, 8, 10, 11};
	char buf[32];

	(void)state;
	for (size_t size = 1; size < sizeof(buf); size++) {
		size_t most = 0;

		for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
			if (ends[i] < size)
				most = ends[i];
		memset(buf, '#', sizeof(buf));
		assert_ptr_equal(str_escape(buf, size, in), buf);
		assert_int_equal(strlen(buf), most);
		assert_memory_equal(buf, want, most);
	}
	buf[0] = '#';
	(void)str_escape(buf, 0, in);
	assert_int_equal(buf[0], '#');
}

static void str_is_utf8__bytes__are_judged_to_the_last(void **state)
{
	static const struct {
		const char *s;
		bool good;
	} cases[] = {
		{"", true},
		{"plain\n\x7f", true},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", true},
		{"\xef\xbf\xbf\xf4\x8f\xbf\xbf", true},
		{"caf\xe9", false},
		{"\xc3", false},
		{"\xe2\x82", false},
		{"\xc0\xaf", false},	     /* longer than need be */
		{"\xed\xa0\x80", false},     /* a surrogate */
		{"\xf4\x90\x80\x80", false}, /* past the last code point */
		{"\x80", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(str_is_utf8(cases[i].s, strlen(cases[i].s)), cases[i].good);
	assert_true(str_is_utf8("a\0b", 3));
	assert_false(str_is_utf8("\xc3\xa9", 1));
}

static void sbuf_add_json__any_bytes__are_a_valid_string(void **state)
{
	static const struct text_case cases[] = {
		TEXT("", "\"\""),
		TEXT("a\"b\\c/", "\"a\\\"b\\\\c/\""),
		TEXT("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""),
		TEXT("\0\001\037\177", "\"\\u0000\\u0001\\u001f\\u007f\""),
		TEXT("\303\274\302\205", "\"\303\274\\u0085\""),
		TEXT("x\377y\342\202", "\"x\357\277\275y\357\277\275\357\277\275\""),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_sbuf_ struct sbuf b = {0};

		sbuf_add_json(&b, cases[i].in, cases[i].len);
		assert_string_equal(sbuf_str(&b), cases[i].want);
	}
}

static void sbuf_add_shell__words__are_quoted_where_needed(void **state)
{
	static const struct text_case cases[] = {
		TEXT("", "''"),
		TEXT("bin/rails", "bin/rails"),
		TEXT("--port", "--port"),
		TEXT("a b", "'a b'"),
		TEXT("it's", "'it'\\''s'"),
		TEXT("A=b", "'A=b'"),
		TEXT("~", "'~'"),
		TEXT("$HOME", "'$HOME'"),
		TEXT("while", "'while'"),
		TEXT("whiles", "whiles"),
		TEXT("%1", "'%1'"),
		TEXT("a\nb", "'a\nb'"),
		TEXT("{a,b}", "'{a,b}'"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_sbuf_ struct sbuf b = {0};

		sbuf_add_shell(&b, cases[i].in);
		assert_string_equal(sbuf_str(&b), cases[i].want);
	}
}

/* What bash prints when it is told to print @words. */
static void bash_prints(const char *words, char *buf, size_t size)
{
	_cleanup_sbuf_ struct sbuf script = {0};
	int pipe_fds[2], pidfd = -EBADF, status;
	const char *argv[] = {"/bin/bash", "-c", NULL, NULL};
	ssize_t n;

	sbuf_addf(&script, "printf %%s %s", words);
	argv[2] = sbuf_str(&script);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(proc_spawn(&(struct proc_spawn){.argv = argv,
							 .fds = (int[]){-1, pipe_fds[1], 2},
							 .n_fds = 3,
							 .exe_fd = -1},
				    &pidfd, NULL),
			 0);
	close_fdp(&pipe_fds[1]);
	n = fd_read_full(pipe_fds[0], buf, size - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	close_fdp(&pipe_fds[0]);
	assert_int_equal(proc_wait(pidfd, &status), 0);
	assert_int_equal(status, 0);
	close_fdp(&pidfd);
}

static void sbuf_add_shell__every_byte__survives_bash(void **state)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	char in[600], out[1200];
	size_t n = 0;

	(void)state;
	for (int c = 1; c < 256; c++) {
		in[n++] = (char)c;
		in[n++] = '\'';
	}
	in[n] = '\0';
	sbuf_add_shell(&b, in);
	bash_prints(sbuf_str(&b), out, sizeof(out));
	assert_string_equal(out, in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(str_fmt__text__is_as_libc_has_it),
		cmocka_unit_test(str_fmt__integers__are_as_libc_has_them),
		cmocka_unit_test(str_fmt__unknown_conversion__is_copied),
		cmocka_unit_test(str_fmt__null_text__is_named),
		cmocka_unit_test(str_fmt__precision__reads_no_further),
		cmocka_unit_test(str_starts__and_ends__compare_whole),
		cmocka_unit_test(sbuf__growing__keeps_all_and_its_nul),
		cmocka_unit_test(sbuf__failed_allocation__is_remembered),
		cmocka_unit_test(sbuf_add_escaped__hostile_text__cannot_reach_the_terminal),
		cmocka_unit_test(str_escape__every_size__cuts_between_pieces),
		cmocka_unit_test(str_is_utf8__bytes__are_judged_to_the_last),
		cmocka_unit_test(sbuf_add_json__any_bytes__are_a_valid_string),
		cmocka_unit_test(sbuf_add_shell__words__are_quoted_where_needed),
		cmocka_unit_test(sbuf_add_shell__every_byte__survives_bash),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
