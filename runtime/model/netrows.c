/* SPDX-License-Identifier: Apache-2.0 */
#include "model/netrows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/num.h"
#include "base/str.h"

/* "sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode": what
 * follows is of no interest. Source: proc(5) */
#define ROW_WORDS 10
/* "Num RefCount Protocol Flags Type St Inode Path". Source: proc(5) */
#define UNIX_WORDS 7
/* Flags of a socket that takes connections. Source: linux/net.h, __SO_ACCEPTCON */
#define UNIX_LISTENS 0x10000U

struct word {
	const char *at;
	size_t len;
};

/* The words of a line, at most @max. Return: how many; @rest: what is behind them. */
static size_t take_words(const char *line, const char *end, struct word *words, size_t max,
			 const char **rest)
{
	size_t n = 0;

	while (n < max) {
		while (line < end && *line == ' ')
			line++;
		if (line == end)
			break;
		words[n].at = line;
		while (line < end && *line != ' ')
			line++;
		words[n].len = (size_t)(line - words[n].at);
		n++;
	}
	while (line < end && *line == ' ')
		line++;
	*rest = line;
	return n;
}

static bool read_hex(const char *at, size_t len, uint32_t *ret)
{
	static const char digits[] = "0123456789ABCDEF";
	uint32_t value = 0;

	if (len == 0 || len > 8)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char *digit = at[i] ? strchr(digits, at[i]) : NULL;

		if (!digit)
			return false;
		value = value << 4 | (uint32_t)(digit - digits);
	}
	*ret = value;
	return true;
}

static bool read_decimal(const struct word *word, uint32_t *ret)
{
	char text[12];

	if (word->len >= sizeof(text))
		return false;
	memcpy(text, word->at, word->len);
	text[word->len] = '\0';
	return num_parse_u32(text, UINT32_MAX, ret) == 0;
}

/* "0100007F:1388": the address as words of the machine's own order, each of 8 digits. */
static bool read_address(const struct word *word, int family, uint8_t addr[16], uint16_t *port)
{
	size_t n = family == AF_INET6 ? 4 : 1;
	uint32_t part;

	if (word->len != 8 * n + 5 || word->at[8 * n] != ':')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!read_hex(word->at + 8 * i, 8, &part))
			return false;
		memcpy(addr + 4 * i, &part, sizeof(part));
	}
	if (!read_hex(word->at + 8 * n + 1, 4, &part))
		return false;
	*port = (uint16_t)part;
	return true;
}

static bool read_row(const char *line, const char *end, int family, struct netrow *row)
{
	struct word words[ROW_WORDS];
	const char *rest;
	uint32_t state;

	*row = (struct netrow){.family = family};
	if (take_words(line, end, words, ROW_WORDS, &rest) < ROW_WORDS ||
	    !read_address(&words[1], family, row->addr, &row->port) ||
	    !read_address(&words[2], family, row->peer, &row->peer_port) ||
	    !read_hex(words[3].at, words[3].len, &state) || state > UINT8_MAX ||
	    !read_decimal(&words[9], &row->inode))
		return false;
	row->state = (uint8_t)state;
	return true;
}

/* The end of the line at @at. */
static const char *line_end(const char *at)
{
	return at + strcspn(at, "\n");
}

int netrows_next(const char **at, int family, struct netrow *ret)
{
	while (**at) {
		const char *line = *at;
		const char *end = line_end(line);
		struct netrow row;

		*at = *end ? end + 1 : end;
		if (read_row(line, end, family, &row)) {
			*ret = row;
			return 1;
		}
	}
	return 0;
}

static bool read_unix(const char *line, const char *end, struct netrow_unix *row)
{
	struct word words[UNIX_WORDS];
	const char *rest;
	uint32_t flags;
	size_t len;

	if (take_words(line, end, words, UNIX_WORDS, &rest) < UNIX_WORDS || rest == end ||
	    !read_hex(words[3].at, words[3].len, &flags) || !read_decimal(&words[6], &row->inode))
		return false;
	len = MIN_OF((size_t)(end - rest), sizeof(row->path) - 1);
	memcpy(row->path, rest, len);
	row->path[len] = '\0';
	row->listens = (flags & UNIX_LISTENS) != 0;
	return true;
}

int netrows_next_unix(const char **at, struct netrow_unix *ret)
{
	while (**at) {
		const char *line = *at;
		const char *end = line_end(line);
		struct netrow_unix row;

		*at = *end ? end + 1 : end;
		if (read_unix(line, end, &row)) {
			*ret = row;
			return 1;
		}
	}
	return 0;
}

char *netrows_text(int family, const uint8_t *addr, uint16_t port, char buf[NETROWS_TEXT_BYTES])
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(family, addr, text, sizeof(text)); /* "?" stays for other families */
	(void)str_fmt(buf, NETROWS_TEXT_BYTES, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text,
		      port);
	return buf;
}
