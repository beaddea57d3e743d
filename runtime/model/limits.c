/* SPDX-License-Identifier: Apache-2.0 */
#include "model/limits.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "base/util.h"

/* The kernel's two scales of the same thing, to the nearest; back: limits_weight(). */
#define SHARES_OF_WEIGHT(weight) (((weight)*SIZE_SHARES_PER_X + 50) / LIMITS_WEIGHT_DEFAULT)

/* ---- one value ------------------------------------------------------------------------------ */

/* Refuse a value. @is: what it would have to be */
static int bad_value(enum limit limit, const char *text, const char *is, struct dyno_err *err)
{
	char shown[48];

	(void)err_set(err, ERR_USAGE, 0, "limit %s: \"%s\" is not %s", limits_name(limit),
		      str_escape(shown, sizeof(shown), text), is);
	return -EINVAL;
}

static int parse_range(enum limit limit, const char *text, uint64_t least, uint64_t most,
		       uint64_t *ret, struct dyno_err *err)
{
	uint64_t n;

	if (num_parse_u64(text, most, &n) < 0 || n < least) {
		(void)bad_value(limit, text, "a number in its range", err);
		err_hint(err, "%llu to %llu", (unsigned long long)least, (unsigned long long)most);
		return -EINVAL;
	}
	*ret = n;
	return 0;
}

static int parse_bytes(enum limit limit, const char *text, uint64_t least, uint64_t *ret,
		       struct dyno_err *err)
{
	uint64_t n;

	if (num_parse_size(text, &n) < 0 || n > LIMITS_MEMORY_MAX_BYTES) {
		(void)bad_value(limit, text, "a size such as 512M or 2G", err);
		return -EINVAL;
	}
	if (n < least) {
		char size[16];

		(void)err_set(err, ERR_USAGE, 0, "limit %s: %s is too little", limits_name(limit),
			      text);
		err_hint(err, "%s is the least", num_format_size(size, least));
		return -EINVAL;
	}
	*ret = n;
	return 0;
}

/* "1.5": thousandths. Return: 0 or -EINVAL. */
static int parse_milli(const char *text, uint64_t *ret)
{
	const char *dot = strchr(text, '.');
	size_t whole = dot ? (size_t)(dot - text) : strlen(text);
	size_t digits = dot ? strlen(dot + 1) : 0;
	char head[16], tail[4] = "000";
	uint64_t n, milli;

	if (whole >= sizeof(head) || digits >= sizeof(tail) || (dot && digits == 0))
		return -EINVAL;
	(void)str_fmt(head, sizeof(head), "%.*s", (int)whole, text);
	if (dot)
		memcpy(tail, dot + 1, digits);
	if (num_parse_u64(head, LIMITS_CPUS_MAX_MILLI / 1000, &n) < 0 ||
	    num_parse_u64(tail, 999, &milli) < 0)
		return -EINVAL;
	*ret = n * 1000 + milli;
	return 0;
}

static int set_memory(struct limits *l, const char *text, struct dyno_err *err)
{
	return parse_bytes(LIMIT_MEMORY, text, LIMITS_MEMORY_MIN_BYTES, &l->memory_bytes, err);
}

static int set_memory_hard(struct limits *l, const char *text, struct dyno_err *err)
{
	return parse_bytes(LIMIT_MEMORY_HARD, text, LIMITS_MEMORY_MIN_BYTES, &l->hard_bytes, err);
}

static int set_cpus(struct limits *l, const char *text, struct dyno_err *err)
{
	uint64_t milli;

	if (parse_milli(text, &milli) < 0 || milli > LIMITS_CPUS_MAX_MILLI)
		return bad_value(LIMIT_CPUS, text, "a number of CPUs such as 1.5", err);
	if (milli < LIMITS_CPUS_MIN_MILLI) {
		(void)err_set(err, ERR_USAGE, 0, "limit cpus: %s is too little", text);
		err_hint(err, "0.01 is the least");
		return -EINVAL;
	}
	l->cpu_quota_usec = milli * (SIZE_CPU_PERIOD_USEC / 1000);
	return 0;
}

static int set_cpu_weight(struct limits *l, const char *text, struct dyno_err *err)
{
	uint64_t weight;
	int r = parse_range(LIMIT_CPU_WEIGHT, text, 1, LIMITS_WEIGHT_MAX, &weight, err);

	if (r == 0)
		l->cpu_shares = SHARES_OF_WEIGHT(weight);
	return r;
}

static int set_cpuset(struct limits *l, const char *text, struct dyno_err *err)
{
	return cpulist_parse(text, &l->cpuset) < 0
		       ? bad_value(LIMIT_CPUSET, text, "a list of CPUs such as 0-3,8", err)
		       : 0;
}

static int set_pids(struct limits *l, const char *text, struct dyno_err *err)
{
	return parse_range(LIMIT_PIDS, text, LIMITS_PIDS_MIN, LIMITS_PIDS_MAX, &l->pids, err);
}

static int set_io_weight(struct limits *l, const char *text, struct dyno_err *err)
{
	uint64_t weight;
	int r = parse_range(LIMIT_IO_WEIGHT, text, 1, LIMITS_WEIGHT_MAX, &weight, err);

	if (r == 0)
		l->io_weight = (uint32_t)weight;
	return r;
}

static int set_nofile(struct limits *l, const char *text, struct dyno_err *err)
{
	return parse_range(LIMIT_NOFILE, text, LIMITS_NOFILE_MIN, LIMITS_NOFILE_MAX, &l->nofile,
			   err);
}

static int set_shm(struct limits *l, const char *text, struct dyno_err *err)
{
	return parse_bytes(LIMIT_SHM, text, LIMITS_SHM_MIN_BYTES, &l->shm_bytes, err);
}

/* How a value is read; @has_none: "none" lifts the limit, which is a 0 then. */
static const struct {
	int (*set)(struct limits *l, const char *text, struct dyno_err *err);
	bool has_none;
} setters[_LIMIT_MAX] = {
	[LIMIT_MEMORY] = {set_memory, true},
	[LIMIT_MEMORY_HARD] = {set_memory_hard, true},
	/* swap is a difference: see resolve_memory() */
	[LIMIT_CPUS] = {set_cpus, true},
	[LIMIT_CPU_WEIGHT] = {set_cpu_weight, false},
	[LIMIT_CPUSET] = {set_cpuset, true},
	[LIMIT_PIDS] = {set_pids, true},
	[LIMIT_IO_WEIGHT] = {set_io_weight, true},
	[LIMIT_NOFILE] = {set_nofile, false},
	[LIMIT_SHM] = {set_shm, false},
};

static void lift(struct limits *l, enum limit limit)
{
	switch ((unsigned int)limit) {
	case LIMIT_MEMORY:
		l->memory_bytes = 0;
		break;
	case LIMIT_MEMORY_HARD:
		l->hard_bytes = 0;
		break;
	case LIMIT_CPUS:
		l->cpu_quota_usec = 0;
		break;
	case LIMIT_CPUSET:
		l->cpuset = (struct cpulist){0};
		break;
	case LIMIT_PIDS:
		l->pids = 0;
		break;
	default:
		l->io_weight = 0;
		break;
	}
}

static int set_values(const struct limits_ask *ask, struct limits *l, struct dyno_err *err)
{
	for (enum limit i = 0; i < _LIMIT_MAX; i++) {
		const char *text = ask->text[i];
		bool none;
		int r = 0;

		if (!text || !setters[i].set)
			continue;
		none = setters[i].has_none && str_eq(text, LIMITS_WORD_NONE);
		if (none)
			lift(l, i);
		else
			r = setters[i].set(l, text, err);
		if (r < 0)
			return r;
		l->from[i] = LIMITS_FROM_OPTION;
	}
	return 0;
}

/* ---- memory --------------------------------------------------------------------------------- */

/* @a * @b / @c without overflow; @c is not 0. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	return (uint64_t)((unsigned __int128)a * b / c);
}

static int swap_of_nothing(struct dyno_err *err)
{
	(void)err_set(err, ERR_USAGE, 0, "limit swap: there is no memory quota to add it to");
	err_hint(err, "set --memory, or leave --swap out");
	return -EINVAL;
}

/* The hard mark by swap. @has_hard: it was asked for by itself, too */
static int add_swap(const char *text, bool has_hard, struct limits *l, struct dyno_err *err)
{
	bool none = str_eq(text, LIMITS_WORD_NONE);
	uint64_t swap = 0;
	int r = 0;

	if (l->memory_bytes == 0)
		return swap_of_nothing(err);
	if (!none && !str_eq(text, "0"))
		r = parse_bytes(LIMIT_SWAP, text, 1, &swap, err);
	if (r < 0)
		return r;
	if (has_hard && l->hard_bytes != (none ? 0 : l->memory_bytes + swap)) {
		(void)err_set(err, ERR_USAGE, 0,
			      "limit swap: %s and memory-hard contradict each other", text);
		err_hint(err, "the hard mark is quota and swap together: leave one out");
		return -EINVAL;
	}
	l->hard_bytes = none ? 0 : l->memory_bytes + swap;
	l->from[LIMIT_SWAP] = LIMITS_FROM_OPTION;
	l->from[LIMIT_MEMORY_HARD] = LIMITS_FROM_OPTION;
	return 0;
}

static int check_hard(const struct limits *l, struct dyno_err *err)
{
	char hard[16], quota[16];

	if (l->hard_bytes == 0 || l->hard_bytes >= l->memory_bytes)
		return 0;
	(void)err_set(err, ERR_USAGE, 0, "limit memory-hard: %s is below the quota of %s",
		      num_format_size(hard, l->hard_bytes),
		      num_format_size(quota, l->memory_bytes));
	err_hint(err, "set --memory to that or less");
	return -EINVAL;
}

/* The quota as the hard mark, whatever the size says. */
static int harden(const struct limits_ask *ask, struct limits *l, struct dyno_err *err)
{
	const char *policy = ask->memory_policy;

	if (!policy || str_eq(policy, "soft"))
		return 0;
	if (!str_eq(policy, "hard")) {
		(void)err_set(err, ERR_USAGE, 0, "memory policy: \"%s\" is none", policy);
		err_hint(err, "soft or hard");
		return -EINVAL;
	}
	if ((ask->text[LIMIT_MEMORY_HARD] || ask->text[LIMIT_SWAP]) &&
	    l->hard_bytes != l->memory_bytes) {
		(void)err_set(err, ERR_USAGE, 0,
			      "memory policy: hard and a hard mark beyond the quota contradict "
			      "each other");
		err_hint(err, "leave out --memory-policy, or --memory-hard and --swap");
		return -EINVAL;
	}
	if (l->memory_bytes == 0)
		return 0;
	l->hard_bytes = l->memory_bytes;
	l->from[LIMIT_SWAP] = LIMITS_FROM_OPTION;
	l->from[LIMIT_MEMORY_HARD] = LIMITS_FROM_OPTION;
	return 0;
}

static int resolve_memory(const struct limits_ask *ask, const struct dyno_size *size,
			  struct limits *l, struct dyno_err *err)
{
	bool quota = ask->text[LIMIT_MEMORY] != NULL;
	bool hard = ask->text[LIMIT_MEMORY_HARD] != NULL;
	int r;

	if (quota && !hard) {
		l->hard_bytes = l->memory_bytes;
		if (l->memory_bytes && size->ram_bytes)
			l->hard_bytes = scale(l->memory_bytes, size->hard_bytes, size->ram_bytes);
		l->from[LIMIT_MEMORY_HARD] = LIMITS_FROM_OPTION;
	}
	if (ask->text[LIMIT_SWAP]) {
		r = add_swap(ask->text[LIMIT_SWAP], hard, l, err);
		if (r < 0)
			return r;
	} else if (quota || hard) {
		l->from[LIMIT_SWAP] = LIMITS_FROM_OPTION;
	}
	r = harden(ask, l, err);
	return r < 0 ? r : check_hard(l, err);
}

/* ---- disks ---------------------------------------------------------------------------------- */

static int bad_io(const char *text, struct dyno_err *err)
{
	(void)bad_value(LIMIT_IO_MAX, text, "of the form DEVICE:KEY=VALUE,...", err);
	err_hint(err, "such as 8:0:rbps=10M,wiops=100; keys are rbps, wbps, riops, wiops");
	return -EINVAL;
}

/* One "rbps=10M" of @len bytes. */
static int set_rate(struct limits_io *io, const char *text, size_t len)
{
	const struct {
		const char *key;
		uint64_t *value;
		bool bytes;
	} keys[] = {
		{"rbps=", &io->rbps, true},
		{"wbps=", &io->wbps, true},
		{"riops=", &io->riops, false},
		{"wiops=", &io->wiops, false},
	};
	char word[40];

	if (len >= sizeof(word))
		return -EINVAL;
	(void)str_fmt(word, sizeof(word), "%.*s", (int)len, text);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = str_starts(word, keys[i].key);
		uint64_t n = 0;
		int r;

		if (!value)
			continue;
		r = keys[i].bytes ? num_parse_size(value, &n)
				  : num_parse_u64(value, UINT32_MAX, &n);
		if (r < 0 || n == 0 || *keys[i].value != 0)
			return -EINVAL;
		*keys[i].value = n;
		return 0;
	}
	return -EINVAL;
}

static int set_io(const char *text, struct limits_io *ret, struct dyno_err *err)
{
	const char *colon = strrchr(text, ':');
	struct limits_io io = {.device = text};

	if (!colon || colon == text)
		return bad_io(text, err);
	io.device_len = (size_t)(colon - text);
	for (const char *at = colon + 1;; at++) {
		size_t len = strcspn(at, ",");

		if (set_rate(&io, at, len) < 0)
			return bad_io(text, err);
		at += len;
		if (!*at)
			break;
	}
	*ret = io;
	return 0;
}

static int resolve_io(const struct limits_ask *ask, struct limits *l, struct dyno_err *err)
{
	if (ask->n_io_max > LIMITS_IO_MAX)
		return err_set(err, ERR_USAGE, E2BIG, "limit io-max: %u devices are the most",
			       LIMITS_IO_MAX);
	for (; l->n_io < ask->n_io_max; l->n_io++) {
		int r = set_io(ask->io_max[l->n_io], &l->io[l->n_io], err);

		if (r < 0)
			return r;
		l->from[LIMIT_IO_MAX] = LIMITS_FROM_OPTION;
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int resolve_cpus(const struct limits_ask *ask, const struct cpulist *host, struct limits *l,
			struct dyno_err *err)
{
	const char *view = ask->cpu_view;

	if (host && !cpulist_within(&l->cpuset, host)) {
		char there[64];

		(void)err_set(err, ERR_USAGE, 0, "limit cpuset: the host has no CPUs %s",
			      ask->text[LIMIT_CPUSET]);
		err_hint(err, "those online are %s", cpulist_format(host, there, sizeof(there)));
		return -EINVAL;
	}
	if (!view || str_eq(view, "host"))
		return 0;
	if (!str_eq(view, "quota")) {
		(void)err_set(err, ERR_USAGE, 0, "CPU view: \"%s\" is none", view);
		err_hint(err, "host or quota");
		return -EINVAL;
	}
	l->cpu_view = LIMITS_VIEW_QUOTA;
	return 0;
}

static void from_size(struct limits *l, enum limit limit, bool has)
{
	l->from[limit] = has ? LIMITS_FROM_SIZE : LIMITS_FROM_NOBODY;
}

void limits_of_size(const struct dyno_size *size, struct limits *ret)
{
	struct limits l = {
		.size = size->name,
		.memory_bytes = size->ram_bytes,
		.hard_bytes = size->hard_bytes,
		.pids = size->process_limit,
		.cpu_shares = size->cpu_shares,
		.cpu_quota_usec = size->cpu_quota_usec,
		.cores = size->cores,
		.nofile = LIMITS_NOFILE_DEFAULT,
		.shm_bytes = LIMITS_SHM_DEFAULT_BYTES,
	};

	from_size(&l, LIMIT_MEMORY, size->ram_bytes > 0);
	from_size(&l, LIMIT_MEMORY_HARD, size->hard_bytes > 0);
	from_size(&l, LIMIT_SWAP, size->hard_bytes > 0);
	from_size(&l, LIMIT_CPUS, size->cpu_quota_usec > 0);
	from_size(&l, LIMIT_CPU_WEIGHT, size->cpu_shares > 0);
	from_size(&l, LIMIT_PIDS, size->process_limit > 0);
	l.from[LIMIT_NOFILE] = LIMITS_FROM_DEFAULT;
	l.from[LIMIT_SHM] = LIMITS_FROM_DEFAULT;
	*ret = l;
}

int limits_resolve(const struct limits_ask *ask, const struct dyno_size *size,
		   const struct cpulist *host, struct limits *ret, struct dyno_err *err)
{
	struct limits l;
	int r;

	limits_of_size(size, &l);
	r = set_values(ask, &l, err);
	if (r == 0)
		r = resolve_memory(ask, size, &l, err);
	if (r == 0)
		r = resolve_cpus(ask, host, &l, err);
	if (r == 0)
		r = resolve_io(ask, &l, err);
	if (r < 0)
		return r;
	*ret = l;
	return 0;
}
