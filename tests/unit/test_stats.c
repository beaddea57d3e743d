/* SPDX-License-Identifier: Apache-2.0 */
/* What a monitor tells of its dyno's use: from the kernel's texts, into JSON, and out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/statfields.h"
#include "base/util.h"
#include "engine/stats.h"

/* ---- the control group ------------------------------------------------------------------------*/

static void stats_take_cgroup__nothing_known__leaves_all_unknown(void **state)
{
	const struct cgroup_stat none = {.cpu_usec = 1, .pids = 2, .pgpgin = 3};
	struct dyno_stats stats;

	(void)state;
	statfields_clear(&stats);
	stats_take_cgroup(&stats, &none);
#define UNKNOWN(name) assert_true(stats.name == DYNO_STATS_UNKNOWN);
	DYNO_STAT_FIELDS(UNKNOWN)
#undef UNKNOWN
}

static void stats_take_cgroup__each_part__is_taken_alone(void **state)
{
	static const struct {
		unsigned int has;
		size_t at;
		size_t n;
	} cases[] = {
		{CGROUP_STAT_CPU, offsetof(struct dyno_stats, cpu_usec), 3},
		{CGROUP_STAT_THROTTLE, offsetof(struct dyno_stats, cpu_periods), 3},
		{CGROUP_STAT_PEAK, offsetof(struct dyno_stats, memory_peak_bytes), 1},
		{CGROUP_STAT_SWAP, offsetof(struct dyno_stats, memory_swap_bytes), 1},
		{CGROUP_STAT_OOM, offsetof(struct dyno_stats, ooms), 2},
		{CGROUP_STAT_IO, offsetof(struct dyno_stats, io_read_bytes), 4},
		{CGROUP_STAT_PSI, offsetof(struct dyno_stats, cpu_pressure_some_usec), 6},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cgroup_stat from = {.has = cases[i].has};
		struct dyno_stats stats, want;

		statfields_clear(&stats);
		want = stats;
		memset((char *)&want + cases[i].at, 0, cases[i].n * sizeof(uint64_t));
		stats_take_cgroup(&stats, &from);
		assert_memory_equal(&stats, &want, sizeof(stats));
	}
}

static void stats_take_cgroup__what_the_kernel_does_not_count__is_unknown(void **state)
{
	struct cgroup_stat from = {.has = CGROUP_STAT_MEMORY | CGROUP_STAT_PIDS,
				   .memory_bytes = 100,
				   .anon_bytes = 60,
				   .shmem_bytes = 10,
				   .file_bytes = 20,
				   .kernel_bytes = 5,
				   .pids = 3};
	struct dyno_stats stats;

	(void)state;
	statfields_clear(&stats);
	stats_take_cgroup(&stats, &from);
	assert_true(stats.memory_bytes == 100 && stats.memory_anon_bytes == 60);
	assert_true(stats.memory_shmem_bytes == 10 && stats.memory_file_bytes == 20);
	assert_true(stats.memory_kernel_bytes == 5 && stats.pids == 3 && stats.pids_denied == 0);
	assert_true(stats.memory_pgpgin == DYNO_STATS_UNKNOWN);
	assert_true(stats.memory_pgpgout == DYNO_STATS_UNKNOWN);
	assert_true(stats.pids_peak == DYNO_STATS_UNKNOWN);
	from.pgpgin = 7;
	from.pids_peak = 4;
	stats_take_cgroup(&stats, &from);
	assert_true(stats.memory_pgpgin == 7 && stats.memory_pgpgout == 0);
	assert_true(stats.pids_peak == 4);
}

/* As memmark counts it for R14. */
static void stats_take_used__scratch_in_memory__is_left_out(void **state)
{
	struct dyno_stats stats;

	(void)state;
	statfields_clear(&stats);
	stats.scratch_bytes = 30;
	stats_take_used(&stats, true);
	assert_true(stats.memory_used_bytes == DYNO_STATS_UNKNOWN);
	stats.memory_anon_bytes = 100;
	stats_take_used(&stats, true);
	assert_true(stats.memory_used_bytes == 100);
	stats.memory_shmem_bytes = 40;
	stats.memory_swap_bytes = 7;
	stats_take_used(&stats, true);
	assert_true(stats.memory_used_bytes == 117);
	stats_take_used(&stats, false);
	assert_true(stats.memory_used_bytes == 147);
	stats.scratch_bytes = DYNO_STATS_UNKNOWN;
	stats_take_used(&stats, true);
	assert_true(stats.memory_used_bytes == 147);
}

/* ---- the network ------------------------------------------------------------------------------*/

#define NETDEV_HEAD                                                                               \
	"Inter-|   Receive                                                |  Transmit\n"          \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs" \
	" drop fifo colls carrier compressed\n"
#define NETDEV_LO                                                                                   \
	"    lo: 1000      10    0    0    0     0          0         0     1000      10    0    0" \
	"    0     0       0          0\n"
#define NETDEV_ETH0                                                                                 \
	"  eth0:70000     700    1    2    3     4          5         6      300       3    7    8" \
	"    9    10      11         12\n"

static void stats_take_netdev__interfaces__are_summed_without_loopback(void **state)
{
	struct dyno_stats stats;

	(void)state;
	statfields_clear(&stats);
	assert_int_equal(stats_take_netdev(&stats, NETDEV_HEAD NETDEV_LO), 0);
	assert_true(stats.net_rx_bytes == 0 && stats.net_tx_packets == 0);
	assert_int_equal(stats_take_netdev(&stats, NETDEV_HEAD NETDEV_ETH0 NETDEV_LO
					   "lo2:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"),
			 0);
	assert_true(stats.net_rx_bytes == 70001 && stats.net_rx_packets == 702);
	assert_true(stats.net_tx_bytes == 309 && stats.net_tx_packets == 13);
}

static void stats_take_netdev__damaged_text__is_refused_as_a_whole(void **state)
{
	static const char *const texts[] = {
		"eth0",
		"eth0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
		"eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n",
		"eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x\n",
		"eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 -1\n",
		"eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 99999999999999999999999999\n",
		NETDEV_ETH0 "eth1:\n",
	};
	struct dyno_stats stats;

	(void)state;
	statfields_clear(&stats);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(stats_take_netdev(&stats, texts[i]), -EINVAL);
		assert_true(stats.net_rx_bytes == DYNO_STATS_UNKNOWN);
	}
}

/* ---- the object -------------------------------------------------------------------------------*/

/* A number of its own for each. */
static void fill(struct dyno_stats *stats)
{
	uint64_t n = 0;

	*stats = (struct dyno_stats){.app = "shop", .name = "web.1", .type = "web", .state = "up"};
#define NEXT(name) stats->name = n++;
	DYNO_STAT_FIELDS(NEXT)
#undef NEXT
}

static void stats_parse__what_was_formatted__is_the_same(void **state)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_sbuf_ struct sbuf b = {0};
	struct dyno_stats stats, read;

	(void)state;
	fill(&stats);
	stats.oom_kills = DYNO_STATS_UNKNOWN;
	stats.cpu_usec = INT64_MAX;
	stats_format(&stats, &b);
	assert_non_null(strstr(sbuf_str(&b), "\"oom_kills\":null"));
	assert_int_equal(stats_parse(sbuf_str(&b), b.len, &arena, &read), 0);
	assert_string_equal(read.app, "shop");
	assert_string_equal(read.name, "web.1");
	assert_string_equal(read.type, "web");
	assert_string_equal(read.state, "up");
#define SAME(name) assert_true(read.name == stats.name);
	DYNO_STAT_FIELDS(SAME)
#undef SAME
}

/* What jansson does not take for an integer is no count either. */
static void stats_format__number_out_of_range__is_null(void **state)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	struct dyno_stats stats;

	(void)state;
	fill(&stats);
	stats.cpu_usec = UINT64_C(1) << 63;
	stats_format(&stats, &b);
	assert_non_null(strstr(sbuf_str(&b), "\"cpu_usec\":null,"));
}

static void stats_parse__other_texts__are_refused_unless_only_numbers_are_missing(void **state)
{
#define NAMES  "\"app\":\"a\",\"name\":\"n\",\"type\":\"t\",\"state\":\"up\""
#define ALWAYS "\"start\":1,\"taken_usec\":2,\"uptime_ms\":3,\"restarts\":4,\"crashes\":5"
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{"{\"schema\":1," NAMES "," ALWAYS "}", 0},
		{"{\"schema\":1," NAMES "," ALWAYS ",\"pids\":null,\"news\":[1]}", 0},
		{"{\"schema\":2," NAMES "," ALWAYS "}", -EINVAL},
		{"{" NAMES "," ALWAYS "}", -EINVAL},
		{"{\"schema\":1," NAMES ",\"start\":1}", -EINVAL},
		{"{\"schema\":1," ALWAYS "}", -EINVAL},
		{"{\"schema\":1," NAMES "," ALWAYS ",\"pids\":-1}", -EINVAL},
		{"{\"schema\":1," NAMES "," ALWAYS ",\"pids\":\"1\"}", -EINVAL},
		{"{\"schema\":1," NAMES "," ALWAYS ",\"pids\":1.5}", -EINVAL},
		{"[]", -EINVAL},
		{"", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_arena_ struct arena arena = {0};
		struct dyno_stats read = {.pids = 77};

		assert_int_equal(stats_parse(cases[i].text, strlen(cases[i].text), &arena, &read),
				 cases[i].r);
		assert_true(read.pids == (cases[i].r < 0 ? 77 : DYNO_STATS_UNKNOWN));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stats_take_cgroup__nothing_known__leaves_all_unknown),
		cmocka_unit_test(stats_take_cgroup__each_part__is_taken_alone),
		cmocka_unit_test(stats_take_cgroup__what_the_kernel_does_not_count__is_unknown),
		cmocka_unit_test(stats_take_used__scratch_in_memory__is_left_out),
		cmocka_unit_test(stats_take_netdev__interfaces__are_summed_without_loopback),
		cmocka_unit_test(stats_take_netdev__damaged_text__is_refused_as_a_whole),
		cmocka_unit_test(stats_parse__what_was_formatted__is_the_same),
		cmocka_unit_test(stats_format__number_out_of_range__is_null),
		cmocka_unit_test(
			stats_parse__other_texts__are_refused_unless_only_numbers_are_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
