/* SPDX-License-Identifier: Apache-2.0 */
/* test_sizefile.c - sizes of one's own: dyno-sizes(5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "model/sizefile.h"

#define MB (1ULL << 20)

struct seen {
	size_t n;
	char names[8][SIZEFILE_NAME_BYTES];
	struct dyno_size sizes[8];
	int answer;
};

static int see(void *data, const struct dyno_size *size, const char *line, size_t len)
{
	struct seen *seen = data;

	assert_memory_equal(line, size->name, strlen(size->name));
	assert_true(len >= strlen(size->name) && line[len - 1] != ' ');

	assert_true(seen->n < ARRAY_SIZE(seen->sizes));
	(void)snprintf(seen->names[seen->n], SIZEFILE_NAME_BYTES, "%s", size->name);
	seen->sizes[seen->n++] = *size;
	return seen->answer;
}

static int each(const char *text, struct seen *seen, struct dyno_err *err)
{
	*err = (struct dyno_err){0};
	return sizefile_each(text, strlen(text), see, seen, err);
}

static void sizefile_each__lines__are_sizes(void **state)
{
	struct seen seen = {0};
	struct dyno_err err;

	(void)state;
	assert_int_equal(each("\xef\xbb\xbf# own sizes\r\n\n  small memory=128M\tpids=64 \r\n"
			      "Big.1 memory=1G memory-hard=3G cpus=2.5 cpu-weight=300 cores=3\n"
			      "free_cpu swap=64M memory=64M\nplain",
			      &seen, &err),
			 0);
	assert_int_equal(seen.n, 4);
	assert_string_equal(seen.names[0], "small");
	assert_int_equal(seen.sizes[0].ram_bytes, 128 * MB);
	assert_int_equal(seen.sizes[0].hard_bytes, 128 * MB);
	assert_int_equal(seen.sizes[0].process_limit, 64);
	assert_int_equal(seen.sizes[0].cpu_shares, 0);
	assert_string_equal(seen.names[1], "Big.1");
	assert_int_equal(seen.sizes[1].hard_bytes, 3072 * MB);
	assert_int_equal(seen.sizes[1].cpu_quota_usec, 250000);
	assert_int_equal(seen.sizes[1].cpu_shares, 3 * SIZE_SHARES_PER_X);
	assert_int_equal(seen.sizes[1].cores, 3);
	assert_int_equal(seen.sizes[2].hard_bytes, 128 * MB);
	assert_string_equal(seen.names[3], "plain");
	assert_int_equal(seen.sizes[3].ram_bytes, 0);
}

static void sizefile_each__wrong_lines__are_named_by_number(void **state)
{
	static const struct {
		const char *line;
		const char *says;
	} cases[] = {
		{"a memory", "not KEY=VALUE"},
		{"a memory=", "not KEY=VALUE"},
		{"a =1", "not KEY=VALUE"},
		{"a nofile=10", "not KEY=VALUE"},
		{"a memory=1M", "too little"},
		{"a memory=512M memory-hard=256M", "below the quota"},
		{"a memory=512M memory=256M", "twice"},
		{"a cores=0", "cores"},
		{"a cores=2000", "cores"},
		{"a pids=1", "pids"},
		{"a cpus=lots", "cpus"},
		{"a/b memory=64M", "no name"},
		{"-a memory=64M", "no name"},
		{"\x1b[2J memory=64M", "\\x1b"},
		{"standard-1x memory=64M", "dyno's own"},
		{"2X memory=64M", "dyno's own"},
		{"NONE memory=64M", "dyno's own"},
		{"this-name-is-far-too-long-to-be-that-of-a-size memory=64M", "no name"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen seen = {0};
		struct dyno_err err;
		char text[160];

		(void)snprintf(text, sizeof(text), "# first\nok memory=64M\n%s\nafter pids=9\n",
			       cases[i].line);
		assert_int_equal(each(text, &seen, &err), -EINVAL);
		assert_int_equal(seen.n, 1);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_non_null(strstr(err.msg, "line 3"));
		assert_non_null(strstr(err.msg, cases[i].says));
	}
}

static void sizefile_each__long_lines_and_nuls__are_refused(void **state)
{
	static const char nul[] = "a mem\0ory=64M\n";
	char text[SIZEFILE_LINE_MAX + 8];
	struct seen seen = {0};
	struct dyno_err err = {0};

	(void)state;
	assert_int_equal(sizefile_each(nul, sizeof(nul) - 1, see, &seen, &err), -EINVAL);
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(each(text, &seen, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "longer"));
	assert_int_equal(sizefile_each("", 0, see, &seen, &err), 0);
	assert_int_equal(seen.n, 0);
}

static void sizefile_each__callback__ends_the_walk(void **state)
{
	struct seen seen = {.answer = 7};
	struct dyno_err err;

	(void)state;
	assert_int_equal(each("a\nb\n", &seen, &err), 7);
	assert_int_equal(seen.n, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizefile_each__lines__are_sizes),
		cmocka_unit_test(sizefile_each__wrong_lines__are_named_by_number),
		cmocka_unit_test(sizefile_each__long_lines_and_nuls__are_refused),
		cmocka_unit_test(sizefile_each__callback__ends_the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
