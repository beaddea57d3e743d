/* SPDX-License-Identifier: Apache-2.0 */
#include "model/name.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "model/text.h"

#define DIGEST_PREFIX "sha256:"
#define DIGEST_DIGITS 64U

static bool is_name_char(char c)
{
	return text_is_word(c) || c == '.' || c == '+' || c == '-';
}

static int check(const char *name, const char *what, struct dyno_err *err)
{
	size_t len = strnlen(name, NAME_MAX_BYTES + 1);
	bool good = len > 0 && len <= NAME_MAX_BYTES && text_is_word(name[0]);
	char shown[NAME_BYTES];

	for (size_t i = 1; good && i < len; i++)
		good = is_name_char(name[i]);
	if (good)
		return 0;

	(void)err_set(err, ERR_NAME, 0, "name the %s \"%s\"", what,
		      str_escape(shown, sizeof(shown), name));
	err_hint(err,
		 "a name has 1 to %u letters, digits, \"_\", \".\", \"+\" and \"-\", and begins "
		 "with a letter, a digit or \"_\"",
		 NAME_MAX_BYTES);
	return -EINVAL;
}

int name_check_app(const char *name, struct dyno_err *err)
{
	return check(name, "app", err);
}

int name_check_dyno(const char *name, struct dyno_err *err)
{
	return check(name, "dyno", err);
}

int name_check_type(const char *name, struct dyno_err *err)
{
	size_t len = strnlen(name, PROC_TYPE_MAX_BYTES + 1);
	bool good = len > 0 && len <= PROC_TYPE_MAX_BYTES;
	char shown[NAME_BYTES];

	for (size_t i = 0; good && i < len; i++)
		good = text_is_word(name[i]) || name[i] == '-';
	if (good)
		return 0;
	(void)err_set(err, ERR_NAME, 0, "name the process type \"%s\"",
		      str_escape(shown, sizeof(shown), name));
	err_hint(err, "a type has 1 to %u letters, digits, \"_\" and \"-\"", PROC_TYPE_MAX_BYTES);
	return -EINVAL;
}

/* The length of @s without .tgz, .tar or .tar.<anything>. */
static size_t stem_len(const char *s, size_t len)
{
	if (len >= 4 &&
	    (memcmp(s + len - 4, ".tgz", 4) == 0 || memcmp(s + len - 4, ".tar", 4) == 0))
		return len - 4;
	for (size_t i = len; i-- > 0;)
		if (s[i] == '.')
			return i >= 4 && memcmp(s + i - 4, ".tar", 4) == 0 ? i - 4 : len;
	return len;
}

static size_t hex_span(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && text_hex(s[n]) >= 0)
		n++;
	return n;
}

/* A whole digest makes a poor name: its first digits tell slugs apart. */
static size_t shorten_digest(const char *s, size_t len)
{
	return len == DIGEST_DIGITS && hex_span(s, len) == len ? NAME_DIGEST_DIGITS : len;
}

int name_app_from_slug(const char *path, char *buf, size_t size)
{
	const char *s;
	size_t len, n = 0;

	if (strncasecmp(path, DIGEST_PREFIX, STRLEN(DIGEST_PREFIX)) == 0) {
		s = path + STRLEN(DIGEST_PREFIX);
		len = MIN_OF(hex_span(s, strlen(s)), NAME_DIGEST_DIGITS);
	} else {
		s = path_basename(path, &len);
		len = shorten_digest(s, stem_len(s, len));
	}

	while (len > 0 && !text_is_word(*s)) {
		s++;
		len--;
	}
	len = MIN_OF(len, MIN_OF(size - 1, NAME_MAX_BYTES));
	if (len == 0)
		return -ENODATA;
	for (; n < len; n++)
		buf[n] = is_name_char(s[n]) ? s[n] : '-';
	buf[n] = '\0';
	return 0;
}

int name_format_dyno(const char *type, uint32_t n, char *buf, size_t size, struct dyno_err *err)
{
	char name[NAME_BYTES + 1]; /* one more, so that a name too long is seen as such */
	int rc;

	(void)str_fmt(name, sizeof(name), "%s.%u", type, n);
	rc = name_check_dyno(name, err);
	if (rc < 0)
		return rc;
	(void)str_fmt(buf, size, "%s", name);
	return 0;
}

int name_split_dyno(const char *name, char *type, size_t size, uint32_t *ret_n)
{
	const char *dot = strrchr(name, '.');
	size_t len = dot ? (size_t)(dot - name) : 0;
	uint32_t n;

	if (len == 0 || len >= size)
		return -EINVAL;
	if ((dot[1] == '0' && dot[2] != '\0') || num_parse_u32(dot + 1, UINT32_MAX, &n) < 0)
		return -EINVAL;

	memcpy(type, name, len);
	type[len] = '\0';
	*ret_n = n;
	return 0;
}
