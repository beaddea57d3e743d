/* SPDX-License-Identifier: Apache-2.0 */
/* app_network.c - which network a dyno has: what was asked for, and what can be had of it. */
#include <errno.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/app.h"
#include "engine/network.h"

DYNO_PUBLIC enum dyno_network dyno_network_meant(enum dyno_network asked)
{
	if (asked != DYNO_NET_AUTO)
		return asked;
	return geteuid() == 0 ? DYNO_NET_PRIVATE : DYNO_NET_HOST;
}

DYNO_PUBLIC int dyno_port_is_hosts(enum dyno_network asked)
{
	const enum dyno_network meant = dyno_network_meant(asked);

	return meant == DYNO_NET_HOST || (geteuid() != 0 && meant == DYNO_NET_PRIVATE);
}

bool app_is_private(const struct app *app)
{
	return app->network == DYNO_NET_PRIVATE || app->network == DYNO_NET_PRIVATE_APP;
}

bool app_port_is_hosts(const struct app *app)
{
	return dyno_port_is_hosts(app->network);
}

static int find_private(struct app *app, struct dyno_err *err)
{
	int r;

	if (app->rootless) {
		r = network_user_check(app->opts, err);
		return r < 0 ? r : pasta_usable(err);
	}
	r = network_host(app->run_fd, app->opts->subnet, &app->network_note, err);
	app->network_fresh = r == 0;
	return r;
}

/*
 * Whoever has named it, or says of it what the host's network cannot do, gets no other.  But for a
 * caller without root, whose host may well have nothing that makes one.
 */
static bool may_be_hosts(const struct app *app, const struct dyno_err *why)
{
	const struct dyno_run_opts *o = app->opts;
	const bool named =
		o->network != DYNO_NET_AUTO && !(app->rootless && o->network == DYNO_NET_PRIVATE);

	return !named && !o->require_network && !o->egress && !o->subnet &&
	       (why->kind == ERR_NETWORK || why->kind == ERR_HELPER);
}

/* What failed and what mends it, in one line. */
static int fall_back(struct app *app, const struct dyno_err *why, struct dyno_err *err)
{
	char what[ERR_TEXT_BYTES];
	struct dyno_err no_hint = *why;

	no_hint.hint[0] = '\0';
	(void)err_format(&no_hint, what, sizeof(what));
	app->network = DYNO_NET_HOST;
	app->no_network = arena_fmt(&app->arena, "the dyno has the host's network: %s%s%s", what,
				    why->hint[0] ? "; " : "", why->hint);
	return app->no_network ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "keep a warning");
}

/* The environment may name the one and the caller the other: neither is to be guessed away. */
static int err_not_private(const struct app *app, struct dyno_err *err)
{
	err_set(err, ERR_USAGE, 0, "require a private network of a dyno that is to have %s",
		app->network == DYNO_NET_HOST ? "the host's" : "none");
	err_hint(err, "leave out --require-network, or have --network private");
	return -EINVAL;
}

int app_find_network(struct app *app, struct dyno_err *err)
{
	const struct dyno_run_opts *o = app->opts;
	struct dyno_err why = {0};
	int r;

	app->network = dyno_network_meant(o->network);
	if (o->network == DYNO_NET_AUTO && o->require_network)
		app->network = DYNO_NET_PRIVATE;
	if (app->network == DYNO_NET_HOST && o->egress) {
		err_set(err, ERR_USAGE, 0, "limit the egress of a dyno in the host's network");
		err_hint(err, "it needs a network of its own: --network private, as root");
		return -EINVAL;
	}
	if (!app_is_private(app))
		return o->require_network ? err_not_private(app, err) : 0;
	r = find_private(app, &why);
	if (r == 0)
		return 0;
	if (may_be_hosts(app, &why))
		return fall_back(app, &why, err);
	if (err)
		*err = why;
	return r;
}
