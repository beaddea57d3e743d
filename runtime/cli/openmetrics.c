/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openmetrics.c - Source: the OpenMetrics specification 1.0: a family is told by TYPE, UNIT and
 * HELP and then its samples, without a gap; a name ends in its unit, and a sample of a counter in
 * "_total" besides; the text ends in "# EOF" and a newline.
 */
#include "cli/openmetrics.h"

#include <string.h>

#include "base/util.h"

#define PREFIX "dyno_"

/**
 * struct family - one number of each dyno.
 * @name: without PREFIX; ends in "_" and @unit where there is one
 * @counter: it only grows, as long as the start lives
 * @unit: "" for a plain number
 * @per_unit: how many of what struct dyno_stats counts make one of @unit: a power of ten
 * @at: offset in struct dyno_stats
 * @help: a sentence
 */
struct family {
	const char *name;
	bool counter;
	const char *unit;
	unsigned int per_unit;
	size_t at;
	const char *help;
};

#define GAUGE(name, unit, per_unit, field, help)                                      \
	{                                                                             \
		name, false, unit, per_unit, offsetof(struct dyno_stats, field), help \
	}
#define COUNTER(name, unit, per_unit, field, help)                                   \
	{                                                                            \
		name, true, unit, per_unit, offsetof(struct dyno_stats, field), help \
	}

#define BYTES	"bytes"
#define SECONDS "seconds"
#define PLAIN	""
#define USEC	1000000U
#define MSEC	1000U

static const struct family families[] = {
	GAUGE("uptime_seconds", SECONDS, MSEC, uptime_ms, "Since the running start was launched."),
	COUNTER("restarts", PLAIN, 1, restarts, "Starts after the first."),
	GAUGE("crashes", PLAIN, 1, crashes, "Crashes in a row."),
	COUNTER("cpu_seconds", SECONDS, USEC, cpu_usec, "CPU time."),
	COUNTER("cpu_user_seconds", SECONDS, USEC, cpu_user_usec, "CPU time of programs."),
	COUNTER("cpu_system_seconds", SECONDS, USEC, cpu_system_usec, "CPU time of the kernel."),
	GAUGE("cpu_quota_seconds", SECONDS, USEC, cpu_quota_usec, "CPU time allowed in a period."),
	GAUGE("cpu_period_seconds", SECONDS, USEC, cpu_period_usec, "Period of the CPU quota."),
	COUNTER("cpu_periods", PLAIN, 1, cpu_periods, "Periods of the CPU quota."),
	COUNTER("cpu_throttled_periods", PLAIN, 1, cpu_throttled,
		"Periods in which the CPU quota was used up."),
	COUNTER("cpu_throttled_seconds", SECONDS, USEC, cpu_throttled_usec,
		"Waited with the CPU quota used up."),
	GAUGE("memory_used_bytes", BYTES, 1, memory_used_bytes, "Memory held against the quota."),
	GAUGE("memory_bytes", BYTES, 1, memory_bytes, "Memory charged, page cache included."),
	GAUGE("memory_peak_bytes", BYTES, 1, memory_peak_bytes, "Most memory charged."),
	GAUGE("memory_anon_bytes", BYTES, 1, memory_anon_bytes, "Memory of processes."),
	GAUGE("memory_shmem_bytes", BYTES, 1, memory_shmem_bytes, "Files in memory."),
	GAUGE("memory_file_bytes", BYTES, 1, memory_file_bytes, "Page cache of files on disk."),
	GAUGE("memory_kernel_bytes", BYTES, 1, memory_kernel_bytes, "Memory of the kernel."),
	GAUGE("memory_swap_bytes", BYTES, 1, memory_swap_bytes, "Memory in swap."),
	GAUGE("memory_quota_bytes", BYTES, 1, memory_quota_bytes,
	      "Memory above which R14 is told."),
	GAUGE("memory_hard_bytes", BYTES, 1, memory_hard_bytes, "Memory above which R15 kills."),
	COUNTER("memory_charged_pages", "pages", 1, memory_pgpgin, "Pages charged."),
	COUNTER("memory_uncharged_pages", "pages", 1, memory_pgpgout, "Pages uncharged."),
	COUNTER("memory_ooms", PLAIN, 1, ooms, "Times that no memory was left."),
	COUNTER("memory_oom_kills", PLAIN, 1, oom_kills, "Processes killed for want of memory."),
	GAUGE("pids", PLAIN, 1, pids, "Processes and threads."),
	GAUGE("pids_peak", PLAIN, 1, pids_peak, "Most processes and threads at once."),
	GAUGE("pids_limit", PLAIN, 1, pids_limit, "Processes and threads allowed."),
	COUNTER("pids_denied", PLAIN, 1, pids_denied, "Forks refused by the limit."),
	COUNTER("io_read_bytes", BYTES, 1, io_read_bytes, "Read from block devices."),
	COUNTER("io_write_bytes", BYTES, 1, io_write_bytes, "Written to block devices."),
	COUNTER("io_reads", PLAIN, 1, io_reads, "Reads from block devices."),
	COUNTER("io_writes", PLAIN, 1, io_writes, "Writes to block devices."),
	COUNTER("cpu_pressure_some_seconds", SECONDS, USEC, cpu_pressure_some_usec,
		"Some tasks waited for a CPU."),
	COUNTER("cpu_pressure_full_seconds", SECONDS, USEC, cpu_pressure_full_usec,
		"All tasks waited for a CPU."),
	COUNTER("memory_pressure_some_seconds", SECONDS, USEC, memory_pressure_some_usec,
		"Some tasks waited for memory."),
	COUNTER("memory_pressure_full_seconds", SECONDS, USEC, memory_pressure_full_usec,
		"All tasks waited for memory."),
	COUNTER("io_pressure_some_seconds", SECONDS, USEC, io_pressure_some_usec,
		"Some tasks waited for a block device."),
	COUNTER("io_pressure_full_seconds", SECONDS, USEC, io_pressure_full_usec,
		"All tasks waited for a block device."),
	COUNTER("net_rx_bytes", BYTES, 1, net_rx_bytes, "Received by its own network."),
	COUNTER("net_rx_packets", "packets", 1, net_rx_packets, "Received by its own network."),
	COUNTER("net_tx_bytes", BYTES, 1, net_tx_bytes, "Sent by its own network."),
	COUNTER("net_tx_packets", "packets", 1, net_tx_packets, "Sent by its own network."),
	GAUGE("scratch_bytes", BYTES, 1, scratch_bytes, "Written to its files."),
	GAUGE("scratch_limit_bytes", BYTES, 1, scratch_limit_bytes, "Room for its files."),
	GAUGE("scratch_inodes", PLAIN, 1, scratch_inodes, "Files and directories written."),
	GAUGE("scratch_limit_inodes", PLAIN, 1, scratch_limit_inodes,
	      "Files and directories that there is room for."),
	GAUGE("shm_bytes", BYTES, 1, shm_bytes, "Written to /dev/shm."),
	GAUGE("shm_limit_bytes", BYTES, 1, shm_limit_bytes, "Room in /dev/shm."),
};

bool openmetrics_tells(size_t at)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (families[i].at == at)
			return true;
	}
	return false;
}

static void add_head(struct sbuf *b, const char *name, bool counter, const char *unit,
		     const char *help)
{
	sbuf_addf(b, "# TYPE " PREFIX "%s %s\n", name, counter ? "counter" : "gauge");
	if (*unit)
		sbuf_addf(b, "# UNIT " PREFIX "%s %s\n", name, unit);
	sbuf_addf(b, "# HELP " PREFIX "%s %s\n", name, help);
}

static void add_escaped(struct sbuf *b, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n') {
			sbuf_adds(b, "\\n");
			continue;
		}
		if (*value == '"' || *value == '\\')
			sbuf_addc(b, '\\');
		sbuf_addc(b, *value);
	}
}

static void add_labels(struct sbuf *b, const struct usage *usage)
{
	sbuf_adds(b, "{app=\"");
	add_escaped(b, usage->app);
	sbuf_adds(b, "\",dyno=\"");
	add_escaped(b, usage->name);
	sbuf_adds(b, "\",type=\"");
	add_escaped(b, usage->type);
	sbuf_adds(b, "\"} ");
}

/* With as many decimals as the power of ten has noughts. */
static void add_value(struct sbuf *b, uint64_t value, unsigned int per_unit)
{
	sbuf_addf(b, "%llu", (unsigned long long)(value / per_unit));
	if (per_unit == USEC)
		sbuf_addf(b, ".%06u", (unsigned int)(value % per_unit));
	else if (per_unit == MSEC)
		sbuf_addf(b, ".%03u", (unsigned int)(value % per_unit));
	sbuf_addc(b, '\n');
}

static void add_family(struct sbuf *b, const struct family *f, const struct usage *const *list,
		       size_t n)
{
	add_head(b, f->name, f->counter, f->unit, f->help);
	for (size_t i = 0; i < n; i++) {
		uint64_t value;

		memcpy(&value, (const char *)&list[i]->now + f->at, sizeof(value));
		if (value == USAGE_UNKNOWN)
			continue;
		sbuf_addf(b, PREFIX "%s%s", f->name, f->counter ? "_total" : "");
		add_labels(b, list[i]);
		add_value(b, value, f->per_unit);
	}
}

void openmetrics_add(struct sbuf *b, const struct usage *const *list, size_t n)
{
	add_head(b, "up", false, PLAIN, "Whether the dyno is up.");
	for (size_t i = 0; i < n; i++) {
		sbuf_adds(b, PREFIX "up");
		add_labels(b, list[i]);
		sbuf_addf(b, "%d\n", str_eq(list[i]->state, "up"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		add_family(b, &families[i], list, n);
	sbuf_adds(b, "# EOF\n");
}
