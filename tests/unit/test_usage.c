/* SPDX-License-Identifier: Apache-2.0 */
/* What dynos use, for people and programs: rates, the table, JSON, OpenMetrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/statfields.h"
#include "base/util.h"
#include "cli/openmetrics.h"
#include "cli/usage.h"

#define MIB (UINT64_C(1) << 20)

struct fixture {
	struct arena arena;
	struct sbuf out;
	struct usage usage;
	const struct usage *list[2];
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.usage = {.app = "shop",
				       .name = "web.1",
				       .type = "web",
				       .label = "web.1",
				       .state = "up"}};
	usage_clear(&f.usage);
	f.list[0] = f.list[1] = &f.usage;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sbuf_done(&f->out);
	arena_done(&f->arena);
	return 0;
}

/* A moment of start @start, at @taken_ms, with that much CPU time and memory. */
static struct dyno_stats moment(uint64_t start, uint64_t taken_ms, uint64_t cpu_ms)
{
	struct dyno_stats stats;

	statfields_clear(&stats);
	stats.app = stats.name = stats.type = stats.state = "elsewhere";
	stats.start = start;
	stats.taken_usec = taken_ms * 1000;
	stats.uptime_ms = taken_ms;
	stats.restarts = start - 1;
	stats.crashes = 0;
	stats.cpu_usec = cpu_ms * 1000;
	return stats;
}

static void take(struct fixture *f, uint64_t start, uint64_t taken_ms, uint64_t cpu_ms)
{
	const struct dyno_stats stats = moment(start, taken_ms, cpu_ms);

	usage_take(&f->usage, &stats);
}

/* ---- rates ------------------------------------------------------------------------------------*/

static void usage_cpu_permille__two_moments__is_time_per_time(void **state)
{
	struct fixture *f = *state;

	assert_true(usage_cpu_permille(&f->usage) == USAGE_UNKNOWN);
	take(f, 1, 1000, 500);
	assert_true(usage_cpu_permille(&f->usage) == USAGE_UNKNOWN);
	take(f, 1, 3000, 2500);
	assert_int_equal(usage_cpu_permille(&f->usage), 1000);
	take(f, 1, 5000, 2501);
	assert_int_equal(usage_cpu_permille(&f->usage), 0);
	take(f, 1, 6000, 18501);
	assert_int_equal(usage_cpu_permille(&f->usage), 16000);
}

static void usage_cpu_permille__moments_that_do_not_fit__is_unknown(void **state)
{
	struct fixture *f = *state;

	take(f, 1, 1000, 500);
	take(f, 2, 2000, 600); /* another start */
	assert_true(usage_cpu_permille(&f->usage) == USAGE_UNKNOWN);
	take(f, 2, 2000, 700); /* no time between them */
	assert_true(usage_cpu_permille(&f->usage) == USAGE_UNKNOWN);
	take(f, 2, 3000, 650); /* a counter that has shrunk */
	assert_true(usage_cpu_permille(&f->usage) == USAGE_UNKNOWN);
	take(f, 2, 4000, 700);
	assert_int_equal(usage_cpu_permille(&f->usage), 50);
	usage_lost(&f->usage);
	take(f, 2, 5000, 800); /* what was missed between is not known */
	assert_true(usage_cpu_permille(&f->usage) == USAGE_UNKNOWN);
	take(f, 0, 6000, 800);
	take(f, 0, 7000, 900); /* none is running */
	assert_true(usage_cpu_permille(&f->usage) == USAGE_UNKNOWN);
}

static void usage_rate__large_counters__do_not_overflow(void **state)
{
	struct fixture *f = *state;
	struct dyno_stats stats = moment(1, 1000, 0);

	stats.io_read_bytes = 0;
	usage_take(&f->usage, &stats);
	stats.taken_usec += 2000000;
	stats.io_read_bytes = UINT64_C(1) << 62;
	usage_take(&f->usage, &stats);
	assert_true(usage_rate(&f->usage, offsetof(struct dyno_stats, io_read_bytes)) ==
		    UINT64_C(1) << 61);
	assert_true(usage_rate(&f->usage, offsetof(struct dyno_stats, io_write_bytes)) ==
		    USAGE_UNKNOWN);
}

static void usage_memory_permille__use_and_quota__is_their_share(void **state)
{
	struct fixture *f = *state;
	struct dyno_stats stats = moment(1, 1000, 0);

	assert_true(usage_memory_permille(&f->usage) == USAGE_UNKNOWN);
	stats.memory_used_bytes = 48 * MIB;
	usage_take(&f->usage, &stats);
	assert_true(usage_memory_permille(&f->usage) == USAGE_UNKNOWN); /* of nothing */
	stats.memory_quota_bytes = 64 * MIB;
	usage_take(&f->usage, &stats);
	assert_int_equal(usage_memory_permille(&f->usage), 750);
}

/* ---- the table --------------------------------------------------------------------------------*/

static void usage_size__any__takes_four_columns(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0B"},
		{999, "999B"},
		{1000, "0.9K"},
		{1024, "1.0K"},
		{10 * 1024 - 1, "9.9K"},
		{10 * 1024, "10K"},
		{999 * 1024, "999K"},
		{1000 * 1024, "0.9M"},
		{512 * MIB, "512M"},
		{2560 * MIB, "2.5G"},
		{14 * 1024 * MIB, "14G"},
		{UINT64_MAX - 1, "15E"},
		{USAGE_UNKNOWN, "-"},
	};
	char buf[USAGE_SIZE_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(usage_size(buf, cases[i].bytes), cases[i].text);
}

static const char *table(struct fixture *f, size_t n, size_t line)
{
	f->out.len = 0;
	assert_int_equal(usage_table(f->list, n, line, false, &f->arena, &f->out), 0);
	return sbuf_str(&f->out);
}

static void fill(struct dyno_stats *stats)
{
	stats->memory_used_bytes = 600 * MIB;
	stats->memory_quota_bytes = 512 * MIB;
	stats->pids = 17;
	stats->io_read_bytes = 1 * MIB;
	stats->io_write_bytes = 20 * 1024;
	stats->net_rx_bytes = 999;
	stats->net_tx_bytes = 0;
	stats->scratch_bytes = 3 * MIB;
	stats->scratch_limit_bytes = 256 * MIB;
}

static void usage_table__full_row__takes_the_eighty_columns_of_an_empty_one(void **state)
{
	struct fixture *f = *state;
	struct dyno_stats stats = moment(2, 1000, 0);

	assert_string_equal(
		table(f, 1, 80),
		"DYNO          CPU % MEM/QUOTA MEM %  PIDS    IO R/W   NET R/T   SCRATCH RESTARTS\n"
		"web.1             -         -     -     -         -         -         -        -\n");
	usage_take(&f->usage, &stats);
	stats = moment(2, 2000, 12345);
	fill(&stats);
	usage_take(&f->usage, &stats);
	f->usage.label = "shop/worker.12";
	assert_string_equal(
		table(f, 1, 80),
		"DYNO          CPU % MEM/QUOTA MEM %  PIDS    IO R/W   NET R/T   SCRATCH RESTARTS\n"
		"...worker.12  1234% 600M/512M  117%    17  1.0M/20K   999B/0B 3.0M/256M        1\n");
	assert_string_equal(table(f, 0, 80), "DYNO          CPU % MEM/QUOTA MEM %  PIDS    IO R/W"
					     "   NET R/T   SCRATCH RESTARTS\n");
}

static void usage_table__narrow_line__leaves_the_last_columns_out(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(table(f, 1, 61),
			    "DYNO          CPU % MEM/QUOTA MEM %  PIDS    IO R/W   NET R/T\n"
			    "web.1             -         -     -     -         -         -\n");
	assert_string_equal(table(f, 1, 1), "DYNO          CPU % MEM/QUOTA\n"
					    "web.1             -         -\n");
}

/* ---- JSON -------------------------------------------------------------------------------------*/

static void usage_json__each_number__is_there_or_null(void **state)
{
	struct fixture *f = *state;
	struct dyno_stats stats = moment(2, 1000, 0);

	usage_take(&f->usage, &stats);
	stats = moment(2, 2000, 123);
	fill(&stats);
	usage_take(&f->usage, &stats);
	usage_json(&f->out, &f->usage, 0);
	assert_int_equal(sbuf_ok(&f->out), 0);
	assert_string_equal(str_starts(sbuf_str(&f->out),
				       "{\"name\":\"web.1\",\"app\":\"shop\",\"type\":\"web\","
				       "\"state\":\"up\",\"time\":\"1970-01-01T00:00:00.000000"
				       "+00:00\",\"cpu_percent\":12.3,"
				       "\"memory_percent\":117.1,"
				       "\"io_read_bytes_per_s\":null,")
				    ? "as it should be"
				    : sbuf_str(&f->out),
			    "as it should be");
#define STANDS(name) assert_non_null(strstr(sbuf_str(&f->out), "\"" #name "\":"));
	DYNO_STAT_FIELDS(STANDS)
#undef STANDS
	assert_non_null(strstr(sbuf_str(&f->out), "\"pids\":17,\"pids_peak\":null,"));
	assert_null(strstr(sbuf_str(&f->out), "18446744073709551615"));
}

/* ---- OpenMetrics ------------------------------------------------------------------------------*/

static void openmetrics_add__numbers__are_in_base_units_or_not_there(void **state)
{
	struct fixture *f = *state;
	struct dyno_stats stats = moment(2, 1500, 1234);

	fill(&stats);
	stats.cpu_usec += 5;
	usage_take(&f->usage, &stats);
	f->usage.app = "a\"b\\c\nd";
	openmetrics_add(&f->out, f->list, 1);
	assert_int_equal(sbuf_ok(&f->out), 0);
	assert_non_null(strstr(sbuf_str(&f->out),
			       "# TYPE dyno_cpu_seconds counter\n"
			       "# UNIT dyno_cpu_seconds seconds\n"
			       "# HELP dyno_cpu_seconds CPU time.\n"
			       "dyno_cpu_seconds_total{app=\"a\\\"b\\\\c\\nd\",dyno=\"web.1\","
			       "type=\"web\"} 1.234005\n"
			       "# TYPE "));
	assert_non_null(strstr(sbuf_str(&f->out), "\ndyno_uptime_seconds{"));
	assert_non_null(strstr(sbuf_str(&f->out), "\"} 1.500\n"));
	assert_non_null(strstr(sbuf_str(&f->out), "# TYPE dyno_shm_bytes gauge\n"));
	assert_null(strstr(sbuf_str(&f->out), "dyno_shm_bytes{"));
	assert_non_null(str_starts(sbuf_str(&f->out), "# TYPE dyno_up gauge\n"));
	assert_true(str_ends(sbuf_str(&f->out), "\n# EOF\n"));
}

/* A counter that comes anew must not be forgotten; two say only of which moment the rest is. */
static void openmetrics_tells__each_number__is_in_a_family(void **state)
{
	(void)state;
#define TOLD(name)                                                                        \
	if (offsetof(struct dyno_stats, name) != offsetof(struct dyno_stats, start) &&    \
	    offsetof(struct dyno_stats, name) != offsetof(struct dyno_stats, taken_usec)) \
		assert_true(openmetrics_tells(offsetof(struct dyno_stats, name)));
	DYNO_STAT_FIELDS(TOLD)
#undef TOLD
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(usage_cpu_permille__two_moments__is_time_per_time),
		TEST(usage_cpu_permille__moments_that_do_not_fit__is_unknown),
		TEST(usage_rate__large_counters__do_not_overflow),
		TEST(usage_memory_permille__use_and_quota__is_their_share),
		TEST(usage_size__any__takes_four_columns),
		TEST(usage_table__full_row__takes_the_eighty_columns_of_an_empty_one),
		TEST(usage_table__narrow_line__leaves_the_last_columns_out),
		TEST(usage_json__each_number__is_there_or_null),
		TEST(openmetrics_add__numbers__are_in_base_units_or_not_there),
		TEST(openmetrics_tells__each_number__is_in_a_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
