/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/cgroup_text.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "base/util.h"

void cgroup_stat_add(struct cgroup_stat *stat, size_t at, uint64_t n)
{
	uint64_t old;

	memcpy(&old, (char *)stat + at, sizeof(old));
	n = n > UINT64_MAX - old ? UINT64_MAX : old + n;
	memcpy((char *)stat + at, &n, sizeof(n));
}

/* The key named @word, counted into @stat. Return: its bit, 0 where it is not asked for, -EINVAL. */
static int take_number(const char *word, const char *number, const struct cgroup_key *keys,
		       size_t n, struct cgroup_stat *stat)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value;

		if (!str_eq(word, keys[i].word))
			continue;
		if (!number || num_parse_u64(number, UINT64_MAX, &value) < 0)
			return -EINVAL;
		cgroup_stat_add(stat, keys[i].at,
				keys[i].divisor ? value / keys[i].divisor : value);
		return (int)(1U << i);
	}
	return 0;
}

/* Longest line of "WORD NUMBER". Source: workingset_refault_anon and 20 digits are 44. */
#define LINE_BYTES 96

/* Lines of "WORD NUMBER". Return: 0, -EINVAL. */
int cgroup_text_lines(const char *text, const struct cgroup_key *keys, size_t n,
		      struct cgroup_stat *stat)
{
	unsigned int found = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char copy[LINE_BYTES], *line = copy;
		const char *word;
		int r;

		/* A line that is longer is cut and then of another word, or no number. */
		(void)str_fmt(copy, sizeof(copy), "%.*s", (int)MIN_OF(len, sizeof(copy)), text);
		text += len + (text[len] == '\n');
		word = strsep(&line, " ");
		r = take_number(word, line, keys, n, stat);
		if (r < 0)
			return r;
		found |= (unsigned int)r;
	}
	for (size_t i = 0; i < n; i++)
		if (keys[i].needed && (found & (1U << i)) == 0)
			return -EINVAL;
	return 0;
}

/* The words "KEY=NUMBER" of io.stat behind the device. Return: 0, -EINVAL. */
int cgroup_text_io(char *text, const struct cgroup_key *keys, size_t n, struct cgroup_stat *stat)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *word = strsep(&line, " ");

		while ((word = strsep(&line, " "))) {
			const char *key = strsep(&word, "=");

			if (take_number(key, word, keys, n, stat) < 0)
				return -EINVAL;
		}
	}
	return 0;
}

/* Lines of "254:0 Read 4096"; one of all devices together, "Total 4096", ends them.
 * Return: 0, -EINVAL. */
int cgroup_text_io_v1(char *text, size_t reads_at, size_t writes_at, struct cgroup_stat *stat)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		const char *device = strsep(&line, " ");
		const char *what;
		uint64_t n;

		if (str_eq(device, "Total"))
			return 0;
		what = strsep(&line, " ");
		if (!what || !line || num_parse_u64(line, UINT64_MAX, &n) < 0)
			return -EINVAL;
		if (str_eq(what, "Read"))
			cgroup_stat_add(stat, reads_at, n);
		else if (str_eq(what, "Write"))
			cgroup_stat_add(stat, writes_at, n);
	}
	return -EINVAL;
}

/* "12.34" as 1234. Source: psi.rst: always two decimals. */
static int parse_hundredths(char *text, uint32_t *ret)
{
	const char *whole = strsep(&text, ".");
	uint32_t a, b;

	if (!text || strlen(text) != 2 || num_parse_u32(whole, UINT32_MAX / 100 - 1, &a) < 0 ||
	    num_parse_u32(text, 99, &b) < 0)
		return -EINVAL;
	*ret = a * 100 + b;
	return 0;
}

/* One line of a pressure file behind its first word. Return: 0, -EINVAL. */
static int parse_psi_line(char *line, uint32_t *ret_avg10, uint64_t *ret_usec)
{
	bool avg = false, total = false;
	char *word;

	while ((word = strsep(&line, " "))) {
		const char *key = strsep(&word, "=");

		if (str_eq(key, "avg10"))
			avg = word && parse_hundredths(word, ret_avg10) == 0;
		else if (str_eq(key, "total"))
			total = word && num_parse_u64(word, UINT64_MAX, ret_usec) == 0;
	}
	return avg && total ? 0 : -EINVAL;
}

/* Return: 0, -EINVAL. "full" is missing for cpu before 5.13. */
int cgroup_text_psi(char *text, struct cgroup_psi *ret)
{
	struct cgroup_psi psi = {0};
	bool some = false;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		const char *word = strsep(&line, " ");
		int r = 0;

		if (str_eq(word, "some")) {
			r = parse_psi_line(line, &psi.some_avg10, &psi.some_usec);
			some = true;
		} else if (str_eq(word, "full")) {
			r = parse_psi_line(line, &psi.full_avg10, &psi.full_usec);
		}
		if (r < 0)
			return r;
	}
	if (!some)
		return -EINVAL;
	*ret = psi;
	return 0;
}
