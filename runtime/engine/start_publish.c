/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start_publish.c - the forwarders of the ports that a formation publishes, made ready before its
 * monitors come to them; see start_internal.h.
 */
#include "engine/start_internal.h"

#include <errno.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

static bool is_asked_for(const struct start *s, const char *type)
{
	for (size_t i = 0; i < s->opts.n_scale; i++)
		if (s->opts.scale[i].count > 0 && str_eq(s->opts.scale[i].type, type))
			return true;
	return false;
}

/*
 * Where the dyno's own $PORT is one of the host's it is not free, though nobody has it yet.  Whether
 * it is one is known once the dyno's network is.
 */
static int pass_own_port(struct start *s, struct publish *p, struct dyno_err *err)
{
	int r;

	if (!p->search || p->port != s->opts.dyno.port || p->port == UINT16_MAX)
		return 0;
	r = app_find_network(&s->app, err);
	if (r == 0 && app_port_is_hosts(&s->app))
		p->port++;
	return r;
}

/* Its forwarder is kept until the dyno's monitors have come to it. */
static int publish_one(struct start *s, const char *word, const char **ret, struct dyno_err *err)
{
	const struct publish_ask ask = {
		.run_fd = s->app.run_fd,
		.libexec_dir = s->host->libexec_dir,
		.app = s->app.name,
		.hold_ms = s->opts.dyno.hold_ms,
	};
	const struct proc_type *type;
	char where[PUBLISH_TEXT_BYTES];
	struct publish p;
	int r = publish_parse(word, &p, err);

	/* The first free port is a wish; one by number is an order that must mean something. */
	if (r == 0 && !p.search)
		r = proc_types_require(&s->app.slug.types, p.type, &type, err);
	if (r < 0 || !is_asked_for(s, p.type))
		return r;
	if (s->n_keepers == PUBLISH_MAX)
		return err_set(err, ERR_USAGE, E2BIG, "publish more than %u ports", PUBLISH_MAX);
	r = pass_own_port(s, &p, err);
	if (r < 0)
		return r;
	r = publish_open(&ask, &p, &s->keepers[s->n_keepers], err);
	if (r < 0)
		return r;
	s->n_keepers++;
	*ret = arena_fmt(&s->arena, "%s=%s", publish_where(&p, where), p.type);
	return *ret ? 0 : start_no_memory(err);
}

/* Every monitor is told of the port that was found, not of the search. */
int start_publish(struct start *s, struct dyno_err *err)
{
	struct dyno_run_opts *o = &s->opts.dyno;
	const char **words;
	int r = 0;

	if (o->n_publish == 0)
		return 0;
	words = arena_calloc(&s->arena, o->n_publish, sizeof(*words));
	if (!words)
		return start_no_memory(err);
	for (size_t i = 0; r == 0 && i < o->n_publish; i++) {
		words[i] = o->publish[i];
		if (!publish_is_off(words[i]))
			r = publish_one(s, words[i], &words[i], err);
	}
	o->publish = words;
	return r;
}

void start_end_keepers(struct start *s)
{
	while (s->n_keepers > 0)
		close_fdp(&s->keepers[--s->n_keepers]);
}
