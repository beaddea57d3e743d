/* SPDX-License-Identifier: Apache-2.0 */
#include "model/procfacts.h"

#include <errno.h>
#include <string.h>

#include <linux/capability.h>

#include "base/num.h"
#include "base/util.h"

#define NUMBER_BYTES 24 /* 64 bits in decimal, and more */

const char *procfacts_field(const char *status, const char *name, size_t *ret_len)
{
	const char *line = status;

	for (;;) {
		const char *rest = str_starts(line, name);

		if (rest && *rest == ':') {
			rest++;
			rest += strspn(rest, " \t");
			*ret_len = strcspn(rest, "\n");
			return rest;
		}
		line = strchr(line, '\n');
		if (!line)
			return NULL;
		line++;
	}
}

/* One number up to a blank; @at is moved behind it. */
static int take_decimal(const char **at, uint64_t max, uint64_t *ret)
{
	char text[NUMBER_BYTES];
	size_t len;

	*at += strspn(*at, " \t");
	len = strcspn(*at, " \t\n");
	if (len == 0 || len >= sizeof(text))
		return -EINVAL;
	memcpy(text, *at, len);
	text[len] = '\0';
	*at += len;
	return num_parse_u64(text, max, ret);
}

static int take_hex(const char *at, uint64_t *ret)
{
	uint64_t value = 0;
	size_t n;

	for (n = 0; at[n] && !strchr(" \t\n", at[n]); n++) {
		const char *digits = "0123456789abcdef";
		const char *digit = strchr(digits, at[n]);

		if (!digit || n == 16)
			return -EINVAL;
		value = value << 4 | (uint64_t)(digit - digits);
	}
	if (n == 0)
		return -EINVAL;
	*ret = value;
	return 0;
}

int procfacts_u64(const char *status, const char *name, unsigned int base, uint64_t *ret)
{
	size_t len;
	const char *at = procfacts_field(status, name, &len);

	if (!at)
		return -ENOENT;
	return base == 16 ? take_hex(at, ret) : take_decimal(&at, UINT64_MAX, ret);
}

int procfacts_ids(const char *status, const char *name, uint32_t ret[4])
{
	size_t len;
	const char *at = procfacts_field(status, name, &len);
	uint32_t ids[4];

	if (!at)
		return -ENOENT;
	for (size_t i = 0; i < 4; i++) {
		uint64_t id;
		int r = take_decimal(&at, UINT32_MAX, &id);

		if (r < 0)
			return -EINVAL;
		ids[i] = (uint32_t)id;
	}
	memcpy(ret, ids, sizeof(ids));
	return 0;
}

/* Source: capabilities(7) */
static const char *const cap_names[] = {
	[CAP_CHOWN] = "chown",
	[CAP_DAC_OVERRIDE] = "dac_override",
	[CAP_DAC_READ_SEARCH] = "dac_read_search",
	[CAP_FOWNER] = "fowner",
	[CAP_FSETID] = "fsetid",
	[CAP_KILL] = "kill",
	[CAP_SETGID] = "setgid",
	[CAP_SETUID] = "setuid",
	[CAP_SETPCAP] = "setpcap",
	[CAP_LINUX_IMMUTABLE] = "linux_immutable",
	[CAP_NET_BIND_SERVICE] = "net_bind_service",
	[CAP_NET_BROADCAST] = "net_broadcast",
	[CAP_NET_ADMIN] = "net_admin",
	[CAP_NET_RAW] = "net_raw",
	[CAP_IPC_LOCK] = "ipc_lock",
	[CAP_IPC_OWNER] = "ipc_owner",
	[CAP_SYS_MODULE] = "sys_module",
	[CAP_SYS_RAWIO] = "sys_rawio",
	[CAP_SYS_CHROOT] = "sys_chroot",
	[CAP_SYS_PTRACE] = "sys_ptrace",
	[CAP_SYS_PACCT] = "sys_pacct",
	[CAP_SYS_ADMIN] = "sys_admin",
	[CAP_SYS_BOOT] = "sys_boot",
	[CAP_SYS_NICE] = "sys_nice",
	[CAP_SYS_RESOURCE] = "sys_resource",
	[CAP_SYS_TIME] = "sys_time",
	[CAP_SYS_TTY_CONFIG] = "sys_tty_config",
	[CAP_MKNOD] = "mknod",
	[CAP_LEASE] = "lease",
	[CAP_AUDIT_WRITE] = "audit_write",
	[CAP_AUDIT_CONTROL] = "audit_control",
	[CAP_SETFCAP] = "setfcap",
	[CAP_MAC_OVERRIDE] = "mac_override",
	[CAP_MAC_ADMIN] = "mac_admin",
	[CAP_SYSLOG] = "syslog",
	[CAP_WAKE_ALARM] = "wake_alarm",
	[CAP_BLOCK_SUSPEND] = "block_suspend",
	[CAP_AUDIT_READ] = "audit_read",
	[CAP_PERFMON] = "perfmon",
	[CAP_BPF] = "bpf",
	[CAP_CHECKPOINT_RESTORE] = "checkpoint_restore",
};

void procfacts_caps(struct sbuf *b, uint64_t set)
{
	const char *comma = "";

	if (set == 0) {
		sbuf_adds(b, "none");
		return;
	}
	for (unsigned int cap = 0; cap < 64; cap++) {
		if (!(set >> cap & 1))
			continue;
		if (cap < ARRAY_SIZE(cap_names))
			sbuf_addf(b, "%s%s", comma, cap_names[cap]);
		else
			sbuf_addf(b, "%s%u", comma, cap);
		comma = ",";
	}
}

/* ---- id maps -------------------------------------------------------------------------------- */

struct map_line {
	uint64_t inside;
	uint64_t outside;
	uint64_t count;
};

/* Return: whether there was a line; @at is moved behind it. */
static bool next_line(const char **at, struct map_line *ret)
{
	if (!**at || take_decimal(at, UINT32_MAX, &ret->inside) < 0 ||
	    take_decimal(at, UINT32_MAX, &ret->outside) < 0 ||
	    take_decimal(at, UINT32_MAX, &ret->count) < 0)
		return false;
	*at += strcspn(*at, "\n");
	*at += **at == '\n';
	return true;
}

int procfacts_inside(const char *map, uint32_t outside, uint32_t *ret)
{
	struct map_line line;

	while (next_line(&map, &line)) {
		if (outside < line.outside || outside - line.outside >= line.count)
			continue;
		*ret = (uint32_t)(line.inside + (outside - line.outside));
		return 0;
	}
	return -ENOENT;
}

bool procfacts_maps_root(const char *map)
{
	uint32_t inside;

	return procfacts_inside(map, 0, &inside) == 0;
}

/* ---- mounts --------------------------------------------------------------------------------- */

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
	       s[2] <= '7';
}

/* "\040" and its like, in place.  A NUL is in no path, and stays as it is written. */
static void unescape(char *s)
{
	char *out = s;

	while (*s) {
		int value = 0;

		if (*s == '\\' && is_octal(s + 1))
			value = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
		if (value > 0) {
			*out++ = (char)value;
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* The next word of a line, NULL past its end. */
static char *take_word(char **at)
{
	char *word = *at;
	char *end;

	if (!word || !*word)
		return NULL;
	end = word + strcspn(word, " ");
	*at = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

/* id, parent, major:minor, root, point, options, any number of tags, "-", type, source, options */
static int read_mount(char *line, struct procfacts_mount *ret)
{
	char *words[6], *fs, *source, *super, *word;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		words[i] = take_word(&line);
		if (!words[i])
			return -EINVAL;
	}
	do
		word = take_word(&line);
	while (word && !str_eq(word, "-"));
	fs = take_word(&line);
	source = take_word(&line);
	super = take_word(&line);
	if (!fs || !source || !super)
		return -EINVAL;
	unescape(words[3]);
	unescape(words[4]);
	unescape(fs);
	unescape(source);
	*ret = (struct procfacts_mount){
		.root = words[3],
		.point = words[4],
		.options = words[5],
		.fs = fs,
		.source = source,
		.super = super,
	};
	return 0;
}

int procfacts_mount(char **cursor, struct procfacts_mount *ret)
{
	char *line = *cursor;
	char *end;
	int r;

	if (!line || !*line)
		return 0;
	end = strchr(line, '\n');
	*cursor = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	r = read_mount(line, ret);
	return r < 0 ? r : 1;
}

bool procfacts_has(const char *options, const char *word)
{
	size_t len = strlen(word);

	while (*options) {
		size_t n = strcspn(options, ",");

		if (n == len && memcmp(options, word, len) == 0)
			return true;
		options += n;
		options += *options == ',';
	}
	return false;
}
