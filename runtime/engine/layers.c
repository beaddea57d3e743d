/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/layers.h"

#include <errno.h>

#include <jansson.h>

#include "base/err.h"
#include "base/json.h"

/* ---- the monitor's side --------------------------------------------------------------------- */

static int put_fd(struct ctl_answer *answer, int fd)
{
	if (answer->n_fds == CTL_FDS_MAX)
		return -E2BIG;
	answer->fds[answer->n_fds++] = fd;
	return 0;
}

static int put_source(const struct receipt_source *source, struct ctl_answer *answer)
{
	const struct upper_opts *opts = &source->opts;
	struct sbuf *b = &answer->text;
	int r = put_fd(answer, source->upper_fd);

	json_open(b, NULL, '{');
	json_str(b, "prefix", source->prefix);
	json_bool(b, "userxattr", opts->userxattr);
	json_u64(b, "compare_bytes", opts->compare_bytes);
	json_open(b, "lowers", '[');
	for (size_t i = 0; i < opts->n_lowers && r == 0; i++) {
		json_u64(b, NULL, opts->lowers[i].id_shift);
		r = put_fd(answer, opts->lowers[i].fd);
	}
	json_close(b, ']');
	json_open(b, "hidden", '[');
	for (size_t i = 0; i < opts->n_hidden; i++)
		json_str(b, NULL, opts->hidden[i]);
	json_close(b, ']');
	json_close(b, '}');
	return r;
}

int layers_put(const struct receipt_source *sources, size_t n, struct ctl_answer *answer,
	       struct dyno_err *err)
{
	int r = 0;

	json_open(&answer->text, NULL, '{');
	json_open(&answer->text, "overlays", '[');
	for (size_t i = 0; i < n && r == 0; i++)
		r = put_source(&sources[i], answer);
	json_close(&answer->text, ']');
	json_close(&answer->text, '}');
	return r < 0 ? err_set(err, ERR_INTERNAL, -r, "hand out the dyno's layers") : 0;
}

/* ---- the other one -------------------------------------------------------------------------- */

/**
 * struct getting - an answer being read.
 * @next_fd: the first of @fds that is not given to a source yet
 */
struct getting {
	const int *fds;
	size_t n_fds;
	size_t next_fd;
	struct arena *arena;
};

static void json_freep(json_t **json)
{
	json_decref(*json);
}

static int get_fd(struct getting *g, int *ret)
{
	if (g->next_fd == g->n_fds)
		return -EPROTO;
	*ret = g->fds[g->next_fd++];
	return 0;
}

static int get_lowers(struct getting *g, const json_t *list, struct upper_opts *ret)
{
	const size_t n = json_array_size(list); /* 0 for what is none */
	struct upper_layer *lowers;

	if (n > UPPER_LOWERS_MAX)
		return -EPROTO;
	lowers = arena_calloc(g->arena, n + 1, sizeof(*lowers));
	if (!lowers)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const json_t *shift = json_array_get(list, i);

		if (!json_is_integer(shift) || json_integer_value(shift) < 0 ||
		    json_integer_value(shift) > UINT32_MAX || get_fd(g, &lowers[i].fd) < 0)
			return -EPROTO;
		lowers[i].id_shift = (uint32_t)json_integer_value(shift);
	}
	ret->lowers = lowers;
	ret->n_lowers = n;
	return 0;
}

static int get_hidden(struct getting *g, const json_t *list, struct upper_opts *ret)
{
	const size_t n = json_array_size(list);
	const char **hidden = arena_calloc(g->arena, n + 1, sizeof(*hidden));

	if (!hidden)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text)
			return -EPROTO;
		hidden[i] = arena_strdup(g->arena, text);
		if (!hidden[i])
			return -ENOMEM;
	}
	ret->hidden = hidden;
	ret->n_hidden = n;
	return 0;
}

static int get_source(struct getting *g, const json_t *overlay, struct receipt_source *ret)
{
	const char *prefix = json_string_value(json_object_get(overlay, "prefix"));
	const json_int_t compare = json_integer_value(json_object_get(overlay, "compare_bytes"));
	int r = prefix && compare >= 0 ? get_fd(g, &ret->upper_fd) : -EPROTO;

	if (r < 0)
		return r;
	ret->prefix = arena_strdup(g->arena, prefix);
	if (!ret->prefix)
		return -ENOMEM;
	ret->opts.userxattr = json_is_true(json_object_get(overlay, "userxattr"));
	ret->opts.compare_bytes = (uint64_t)compare;
	r = get_lowers(g, json_object_get(overlay, "lowers"), &ret->opts);
	return r < 0 ? r : get_hidden(g, json_object_get(overlay, "hidden"), &ret->opts);
}

int layers_get(const char *text, size_t len, const int *fds, size_t n_fds, struct arena *arena,
	       struct receipt_source ret[LAUNCH_UPPERS], struct dyno_err *err)
{
	_cleanup_(json_freep) json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *overlays = json_object_get(root, "overlays");
	const size_t n = json_array_size(overlays);
	struct receipt_source sources[LAUNCH_UPPERS] = {0};
	struct getting g = {.fds = fds, .n_fds = n_fds, .arena = arena};
	int r = json_is_array(overlays) && n <= LAUNCH_UPPERS ? 0 : -EPROTO;

	for (size_t i = 0; i < n && r == 0; i++)
		r = get_source(&g, json_array_get(overlays, i), &sources[i]);
	if (r == 0 && g.next_fd != n_fds)
		r = -EPROTO;
	if (r < 0)
		return err_set(err, r == -ENOMEM ? ERR_MEMORY : ERR_MONITOR, -r,
			       "read which layers the dyno has");
	for (size_t i = 0; i < n; i++)
		ret[i] = sources[i];
	return (int)n;
}
