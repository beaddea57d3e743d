/* SPDX-License-Identifier: Apache-2.0 */
#include "model/memmark.h"

#include <string.h>

#include "base/num.h"
#include "base/str.h"

/* Longest sight: what is further away is not worth a word. Source: own choice */
#define HARD_IN_MAX_MS (UINT64_C(3600) * 1000)

void memmark_init(struct memmark *m, uint64_t quota_bytes, uint64_t hard_bytes)
{
	*m = (struct memmark){.quota_bytes = quota_bytes, .hard_bytes = hard_bytes};
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t memmark_hard_use(const struct memmark_sample *sample)
{
	return add(add(sample->anon_bytes, sample->shmem_bytes), sample->swap_bytes);
}

uint64_t memmark_quota_use(const struct memmark_sample *sample)
{
	/* The scratch is in memory or in swap, never among the processes' own. */
	uint64_t files = add(sample->shmem_bytes, sample->swap_bytes);

	return memmark_hard_use(sample) - MIN_OF(sample->scratch_bytes, files);
}

enum memmark_level memmark_judge(const struct memmark *m, const struct memmark_sample *sample)
{
	if (m->hard_bytes != 0 && memmark_hard_use(sample) > m->hard_bytes)
		return MEMMARK_HARD;
	if (m->quota_bytes != 0 && memmark_quota_use(sample) > m->quota_bytes)
		return MEMMARK_SOFT;
	return MEMMARK_BELOW;
}

/* What the kernel holds against the limit and cannot take back. */
static uint64_t charged(const struct memmark_sample *sample)
{
	return add(memmark_hard_use(sample), sample->kernel_bytes);
}

void memmark_forget(struct memmark *m)
{
	m->n = 0;
	memset(m->files, 0, sizeof(m->files));
}

void memmark_add(struct memmark *m, const struct memmark_sample *sample)
{
	if (m->n > 0 && sample->at_ms < m->past[m->n - 1].at_ms)
		m->n = 0;
	if (m->n == MEMMARK_PAST)
		memmove(&m->past[0], &m->past[1], --m->n * sizeof(m->past[0]));
	m->past[m->n].at_ms = sample->at_ms;
	m->past[m->n++].bytes = charged(sample);
	m->last = *sample;
}

bool memmark_growth(const struct memmark *m, int64_t *ret)
{
	__int128 bytes;
	uint64_t ms;

	if (m->n < 2)
		return false;
	ms = m->past[m->n - 1].at_ms - m->past[0].at_ms;
	if (ms == 0)
		return false;
	bytes = ((__int128)m->past[m->n - 1].bytes - m->past[0].bytes) * 1000 / ms;
	*ret = bytes > INT64_MAX ? INT64_MAX : bytes < INT64_MIN ? INT64_MIN : (int64_t)bytes;
	return true;
}

bool memmark_hard_in(const struct memmark *m, uint64_t *ret_ms)
{
	int64_t growth = 0;
	uint64_t now;
	unsigned __int128 ms;

	if (m->hard_bytes == 0 || !memmark_growth(m, &growth) || growth <= 0)
		return false;
	now = m->past[m->n - 1].bytes;
	ms = now >= m->hard_bytes
		     ? 0
		     : (unsigned __int128)(m->hard_bytes - now) * 1000 / (uint64_t)growth;
	if (ms > HARD_IN_MAX_MS)
		return false;
	*ret_ms = (uint64_t)ms;
	return true;
}

void memmark_file_add(struct memmark *m, const char *prefix, const char *path, uint64_t bytes)
{
	size_t at = MEMMARK_FILES;
	size_t len;

	while (at > 0 && m->files[at - 1].bytes < bytes)
		at--;
	if (at == MEMMARK_FILES)
		return;
	memmove(&m->files[at + 1], &m->files[at], (MEMMARK_FILES - at - 1) * sizeof(m->files[0]));
	m->files[at].bytes = bytes;
	len = str_fmt(m->files[at].path, sizeof(m->files[at].path), "%s", prefix);
	if (len < sizeof(m->files[at].path))
		(void)str_escape(m->files[at].path + len, sizeof(m->files[at].path) - len, path);
}

/* ---- in words -------------------------------------------------------------------------------- */

struct text {
	char *buf;
	size_t size;
	size_t len;
};

_printf_(2, 3) static void put(struct text *t, const char *fmt, ...)
{
	size_t at = MIN_OF(t->len, t->size ? t->size - 1 : 0);
	va_list ap;

	va_start(ap, fmt);
	t->len += str_vfmt(t->buf + at, t->size - at, fmt, ap);
	va_end(ap);
}

static void put_part(struct text *t, const char *what, uint64_t bytes)
{
	char size[16];

	if (bytes != 0)
		put(t, "%s%s %s", t->len ? ", " : "", what, num_format_size(size, bytes));
}

static void put_growth(const struct memmark *m, struct text *t)
{
	char size[16];
	int64_t growth = 0;
	uint64_t ms = 0;

	if (!memmark_growth(m, &growth) || growth <= 0)
		return;
	put(t, "; growing %s a second", num_format_size(size, (uint64_t)growth));
	if (memmark_hard_in(m, &ms))
		put(t, ", hard limit in about %llu s", (unsigned long long)(ms / 1000));
}

size_t memmark_text(const struct memmark *m, char *buf, size_t size)
{
	struct text t = {.buf = buf, .size = size};

	if (size > 0)
		buf[0] = '\0';
	put_part(&t, "processes", m->last.anon_bytes);
	put_part(&t, "files in memory", m->last.shmem_bytes);
	put_part(&t, "swap", m->last.swap_bytes);
	put_growth(m, &t);
	for (size_t i = 0; i < MEMMARK_FILES && m->files[i].bytes != 0; i++) {
		char bytes[16];

		put(&t, "%s%s, %s", i == 0 ? "; biggest " : "; ", m->files[i].path,
		    num_format_size(bytes, m->files[i].bytes));
	}
	return t.len;
}
