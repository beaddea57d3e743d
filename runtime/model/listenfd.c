/* SPDX-License-Identifier: Apache-2.0 */
#include "model/listenfd.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

static int no_memory(struct dyno_err *err)
{
	return err_set(err, ERR_MEMORY, ENOMEM, "keep the sockets to listen on");
}

static int not_of_the_form(const char *word, struct dyno_err *err)
{
	char shown[64];

	(void)err_set(err, ERR_USAGE, EINVAL, "listen on \"%s\"",
		      str_escape(shown, sizeof(shown), word));
	err_hint(err, "it is N[=NAME], the number of a descriptor from %d on, such as 3 or 3=web",
		 LISTENFD_FIRST);
	return -EINVAL;
}

/* In LISTEN_FDNAMES a colon stands between two of them. */
static bool is_name(const char *name)
{
	const size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == ':')
			return false;
	return len > 0 && len <= LISTENFD_NAME_MAX;
}

static int parse_one(const char *word, struct arena *arena, int *ret_fd, const char **ret_name,
		     struct dyno_err *err)
{
	const char *equals = strchr(word, '=');
	char *digits = arena_memdup(arena, word, strcspn(word, "="));
	char *name = equals ? arena_strdup(arena, equals + 1) : NULL;
	uint32_t fd;

	if (!digits || (equals && !name))
		return no_memory(err);
	if (num_parse_u32(digits, INT_MAX, &fd) < 0 || fd < LISTENFD_FIRST ||
	    (name && !is_name(name)))
		return not_of_the_form(word, err);
	*ret_fd = (int)fd;
	*ret_name = name;
	return 0;
}

int listenfds_parse(const char *const *words, size_t n, struct arena *arena, struct listenfds *ret,
		    struct dyno_err *err)
{
	struct listenfds fds = {.n = n};

	if (n > LISTENFD_MAX)
		return err_set(err, ERR_USAGE, E2BIG, "listen on more than %u descriptors",
			       LISTENFD_MAX);
	for (size_t i = 0; i < n; i++) {
		const int r = parse_one(words[i], arena, &fds.fds[i], &fds.names[i], err);

		if (r < 0)
			return r;
	}
	*ret = fds;
	return 0;
}

int listenfds_names(const struct listenfds *fds, struct arena *arena, const char **ret,
		    struct dyno_err *err)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	const char *names = NULL;
	bool named = false;

	for (size_t i = 0; i < fds->n; i++) {
		named |= fds->names[i] != NULL;
		if (i > 0)
			sbuf_addc(&b, ':');
		sbuf_adds(&b, fds->names[i] ? fds->names[i] : LISTENFD_NAMELESS);
	}
	if (named) {
		names = sbuf_ok(&b) < 0 ? NULL : arena_strdup(arena, sbuf_str(&b));
		if (!names)
			return no_memory(err);
	}
	*ret = names;
	return 0;
}

int listenfds_words(const struct listenfds *fds, int first, struct arena *arena,
		    const char *const **ret, struct dyno_err *err)
{
	const char **words = arena_calloc(arena, fds->n + 1, sizeof(const char *));

	if (!words)
		return no_memory(err);
	for (size_t i = 0; i < fds->n; i++) {
		const char *name = fds->names[i];

		words[i] = arena_fmt(arena, "%d%s%s", first + (int)i, name ? "=" : "",
				     name ? name : "");
		if (!words[i])
			return no_memory(err);
	}
	*ret = words;
	return 0;
}
