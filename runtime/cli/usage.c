/* SPDX-License-Identifier: Apache-2.0 */
/* usage.c - numbers of dynos, and what is made of them. */
#include "cli/usage.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/statfields.h"
#include "base/util.h"
#include "cli/table.h"

#define USEC_PER_SEC 1000000U

/* ---- moments ----------------------------------------------------------------------------------*/

void usage_clear(struct usage *usage)
{
	usage->asked = false;
	usage->again = false;
	statfields_clear(&usage->now);
	statfields_clear(&usage->before);
}

void usage_take(struct usage *usage, const struct dyno_stats *stats)
{
	/* The counters of another start began at 0 again. */
	usage->again = usage->asked && stats->start > 0 && usage->now.start == stats->start &&
		       usage->now.taken_usec < stats->taken_usec;
	usage->before = usage->now;
	usage->now = *stats;
	usage->now.app = usage->now.name = usage->now.type = usage->now.state = NULL;
	usage->asked = true;
}

void usage_lost(struct usage *usage)
{
	usage->asked = false;
	usage->again = false;
	statfields_clear(&usage->now);
}

/* ---- what is made of them ---------------------------------------------------------------------*/

static uint64_t value_at(const struct dyno_stats *stats, size_t at)
{
	uint64_t value;

	memcpy(&value, (const char *)stats + at, sizeof(value));
	return value;
}

/* @n * @factor / @by, also where the product is too large. */
static uint64_t scale(uint64_t n, uint64_t factor, uint64_t by)
{
	return n / by * factor + n % by * factor / by;
}

/* By how much a counter has grown, times @factor, in each microsecond. */
static uint64_t growth(const struct usage *usage, size_t at, uint64_t factor)
{
	uint64_t now = value_at(&usage->now, at), before = value_at(&usage->before, at);

	if (!usage->again || now == USAGE_UNKNOWN || before == USAGE_UNKNOWN || now < before)
		return USAGE_UNKNOWN;
	return scale(now - before, factor, usage->now.taken_usec - usage->before.taken_usec);
}

uint64_t usage_rate(const struct usage *usage, size_t at)
{
	return growth(usage, at, USEC_PER_SEC);
}

uint64_t usage_cpu_permille(const struct usage *usage)
{
	return growth(usage, offsetof(struct dyno_stats, cpu_usec), 1000);
}

uint64_t usage_memory_permille(const struct usage *usage)
{
	uint64_t bytes = usage->now.memory_used_bytes, quota = usage->now.memory_quota_bytes;

	if (bytes == USAGE_UNKNOWN || quota == USAGE_UNKNOWN || quota == 0)
		return USAGE_UNKNOWN;
	return scale(bytes, 1000, quota);
}

/* ---- the table --------------------------------------------------------------------------------*/

char *usage_size(char buf[USAGE_SIZE_BYTES], uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	unsigned int shift = 0;
	size_t i = 0;

	if (bytes == USAGE_UNKNOWN) {
		(void)str_fmt(buf, USAGE_SIZE_BYTES, "-");
		return buf;
	}
	/* From 1000 on the next unit: three digits are enough for each. */
	for (; bytes >> shift >= 1000; i++)
		shift += 10;
	if (i > 0 && bytes >> shift < 10)
		(void)str_fmt(buf, USAGE_SIZE_BYTES, "%u.%u%c", (unsigned int)(bytes >> shift),
			      (unsigned int)((bytes >> (shift - 10)) % 1024 * 10 / 1024), units[i]);
	else
		(void)str_fmt(buf, USAGE_SIZE_BYTES, "%u%c", (unsigned int)(bytes >> shift),
			      units[i]);
	return buf;
}

/* COLUMN(id, heading, the rest of struct table_column): with a blank between them they are 80. */
#define USAGE_COLUMNS(COLUMN)                                                                 \
	COLUMN(USAGE_DYNO, "DYNO", .width = 12, .least = 12, .keep_end = true, .first = true) \
	COLUMN(USAGE_CPU, "CPU %", .width = 6, .right = true)                                 \
	COLUMN(USAGE_MEMORY, "MEM/QUOTA", .width = 9, .right = true)                          \
	COLUMN(USAGE_PERCENT, "MEM %", .width = 5, .right = true, .optional = true)           \
	COLUMN(USAGE_PIDS, "PIDS", .width = 5, .right = true, .optional = true)               \
	COLUMN(USAGE_IO, "IO R/W", .width = 9, .right = true, .optional = true)               \
	COLUMN(USAGE_NET, "NET R/T", .width = 9, .right = true, .optional = true)             \
	COLUMN(USAGE_SCRATCH, "SCRATCH", .width = 9, .right = true, .optional = true)         \
	COLUMN(USAGE_RESTARTS, "RESTARTS", .width = 8, .right = true, .optional = true)

#define COLUMN_ENUM(id, ...) id,
enum usage_column { USAGE_COLUMNS(COLUMN_ENUM) _USAGE_COLUMN_MAX };
#undef COLUMN_ENUM

#define COLUMN_ROW(id, text, ...) [id] = {.heading = (text), __VA_ARGS__},
static const struct table_column columns[] = {USAGE_COLUMNS(COLUMN_ROW)};
#undef COLUMN_ROW

static const char *percent_text(struct arena *arena, uint64_t permille)
{
	if (permille == USAGE_UNKNOWN)
		return "-";
	if (permille >= 10000)
		return arena_fmt(arena, "%llu%%", (unsigned long long)(permille / 10));
	return arena_fmt(arena, "%llu.%u%%", (unsigned long long)(permille / 10),
			 (unsigned int)(permille % 10));
}

/* Five columns, also above the quota. */
static const char *share_text(struct arena *arena, uint64_t permille)
{
	if (permille != USAGE_UNKNOWN && permille >= 1000)
		return arena_fmt(arena, "%llu%%", (unsigned long long)(permille / 10));
	return percent_text(arena, permille);
}

static const char *count_text(struct arena *arena, uint64_t n)
{
	return n == USAGE_UNKNOWN ? "-" : arena_fmt(arena, "%llu", (unsigned long long)n);
}

/* "12M/512M"; one "-" where neither is of use. */
static const char *pair_text(struct arena *arena, uint64_t a, uint64_t b)
{
	char first[USAGE_SIZE_BYTES], second[USAGE_SIZE_BYTES];

	if (a == USAGE_UNKNOWN)
		return "-";
	return arena_fmt(arena, "%s/%s", usage_size(first, a), usage_size(second, b));
}

static enum output_style memory_style(uint64_t permille)
{
	return permille != USAGE_UNKNOWN && permille > 1000 ? STYLE_YELLOW : STYLE_NONE;
}

static void add_row(struct table *t, const struct usage *usage)
{
	const struct dyno_stats *s = &usage->now;
	const uint64_t share = usage_memory_permille(usage);
	struct table_cell *row = table_row(t);
	struct arena *arena = t->arena;

	if (!row)
		return;
	row[USAGE_DYNO].text = usage->label;
	row[USAGE_CPU].text = percent_text(arena, usage_cpu_permille(usage));
	row[USAGE_MEMORY].text = pair_text(arena, s->memory_used_bytes, s->memory_quota_bytes);
	row[USAGE_PERCENT].text = share_text(arena, share);
	row[USAGE_PERCENT].style = memory_style(share);
	row[USAGE_PIDS].text = count_text(arena, s->pids);
	row[USAGE_IO].text = pair_text(arena, s->io_read_bytes, s->io_write_bytes);
	row[USAGE_NET].text = pair_text(arena, s->net_rx_bytes, s->net_tx_bytes);
	row[USAGE_SCRATCH].text = pair_text(arena, s->scratch_bytes, s->scratch_limit_bytes);
	row[USAGE_RESTARTS].text = count_text(arena, s->restarts);
	for (size_t i = 0; i < _USAGE_COLUMN_MAX; i++)
		t->no_memory = t->no_memory || !row[i].text;
}

int usage_table(const struct usage *const *list, size_t n, size_t line, bool color,
		struct arena *arena, struct sbuf *b)
{
	struct table t = {
		.arena = arena, .columns = columns, .n_columns = _USAGE_COLUMN_MAX, .gap = 1};

	for (size_t i = 0; i < n; i++)
		add_row(&t, list[i]);
	return table_print(&t, line, color, b);
}

/* ---- JSON -------------------------------------------------------------------------------------*/

static void json_number(struct sbuf *b, const char *name, uint64_t value)
{
	if (value == USAGE_UNKNOWN)
		json_unknown(b, name);
	else
		json_u64(b, name, value);
}

static void json_percent(struct sbuf *b, const char *name, uint64_t permille)
{
	if (permille == USAGE_UNKNOWN)
		json_unknown(b, name);
	else
		json_tenths(b, name, permille);
}

#define RATE(counter) \
	json_number(b, #counter "_per_s", usage_rate(usage, offsetof(struct dyno_stats, counter)))

void usage_json(struct sbuf *b, const struct usage *usage, uint64_t time_us)
{
	json_open(b, NULL, '{');
	json_str(b, "name", usage->name);
	json_str(b, "app", usage->app);
	json_str(b, "type", usage->type);
	json_str(b, "state", usage->state);
	json_time(b, "time", time_us);
	json_percent(b, "cpu_percent", usage_cpu_permille(usage));
	json_percent(b, "memory_percent", usage_memory_permille(usage));
	RATE(io_read_bytes);
	RATE(io_write_bytes);
	RATE(net_rx_bytes);
	RATE(net_tx_bytes);
#define NUMBER(field) json_number(b, #field, usage->now.field);
	DYNO_STAT_FIELDS(NUMBER)
#undef NUMBER
	json_close(b, '}');
}
