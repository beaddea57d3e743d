/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app.h - what is to be run, found out once and good for every start of one dyno: the slug and the
 * stack, held by their locks, the command, the dyno's name and its place.  What differs from start
 * to start (ids, port, root) is a generation's.
 */
#ifndef DYNO_APP_H
#define DYNO_APP_H

#include <limits.h>
#include <stdbool.h>

#include <dyno.h>

#include "base/arena.h"
#include "engine/filter.h"
#include "engine/host.h"
#include "engine/mountset.h"
#include "engine/slug.h"
#include "engine/state.h"
#include "kernel/cgroup.h"
#include "model/command.h"
#include "model/limits.h"
#include "model/listenfd.h"
#include "model/name.h"
#include "model/netrules.h"
#include "model/publish.h"
#include "model/supervise.h"
#include "rootfs/stack.h"
#include "rootfs/store.h"

/* Source: contract 0.8 */
#define APP_LOG_SOURCE "heroku"

/* Limits that cannot be had, as far as one warning does not tell them all. */
#define APP_WARNINGS_MAX 4

/**
 * struct app - all of one dyno that outlives its starts.
 * @opts: settings, borrowed; those of a spec are merged in
 * @formation: a process type that is kept up; else a one-off, which completes
 * @sockets: those of --listen-fd, borrowed from whoever started this process
 * @web: `up` means that $PORT is listened on
 * @publish, @n_publish: ports of the host that lead to it
 * @mounts: those that the caller asks for, sources open
 * @limits: what it may use, checked and good for every start
 * @size_line: of a size that is not the table's: all of it, as in dyno-sizes(5); else NULL
 * @warnings, @n_warnings: what of it cannot be had here, to be told once
 * @network: the one it has, never DYNO_NET_AUTO
 * @no_network: why that is the host's though a private one was meant, to be told once; else NULL
 * @network_note, @network_fresh: what the host's firewall table says, good for the start that comes
 * next
 * @cpus: those of the host that dynos are spread over, where a setting asks for CPUs
 * @slow_layers: a layer, or such a source, is on a file system that may block for long
 * @name: of the app
 * @tag: see state_tag()
 * @run_path: the dyno's own directory
 * @stop_signal, @stop_scope: how it is asked to go
 * @filter: the system calls it may make
 * @log_source: tag of the platform's lines
 */
struct app {
	struct dyno_host *host;
	const struct dyno_run_opts *opts;
	struct arena arena;
	bool rootless;
	int run_fd;
	struct store *store;
	struct store_entry entry;
	struct listenfds sockets;
	struct publish publish[PUBLISH_MAX];
	size_t n_publish;
	struct mountplans mounts;
	struct stack stack;
	struct slug slug;
	struct command command;
	bool formation;
	bool web;
	bool slow_layers;
	struct limits limits;
	struct cpulist cpus;
	const char *size_line;
	const char *warnings[APP_WARNINGS_MAX];
	size_t n_warnings;
	enum dyno_network network;
	const char *no_network;
	struct netrules_note network_note;
	bool network_fresh;
	struct cgroup_host cgroups;
	bool have_cgroups;
	int stop_signal;
	uint32_t stop_scope;
	struct filter filter;
	const char *log_source;

	char name[NAME_BYTES];
	char tag[STATE_TAG_BYTES];
	char run_path[PATH_MAX];
	struct state place;
};

/** app_init() - nothing found yet. @opts: borrowed until app_done() */
void app_init(struct app *app, struct dyno_host *host, const struct dyno_run_opts *opts);

/**
 * app_find_limits() - the size and what is set besides become @limits.
 * Errors: ERR_USAGE: a size that nobody knows, a value that is none, a contradiction, a line of a
 * file of sizes; ERR_IO; ERR_MEMORY.
 */
int app_find_limits(struct app *app, struct dyno_err *err);

/**
 * app_check_limits() - open the control groups, and whether they have what @limits need; with
 * --require-limits they must have.
 * @kept: the dyno is kept up, so that what it does to disks is counted
 * Errors: ERR_LIMITS; ERR_MEMORY.
 */
int app_check_limits(struct app *app, bool kept, struct dyno_err *err);

/**
 * app_find_network() - the network that the dyno has: a private one that was not asked for by name
 * falls back to the host's where it cannot be had, with a warning or, with --require-network, not.
 * Without root one that was asked for does too.
 * Errors: ERR_USAGE: an egress of the host's network, or --require-network of another than a private
 * one; those of network_host(), network_user_check() and pasta_usable(); ERR_MEMORY.
 */
int app_find_network(struct app *app, struct dyno_err *err);

/** app_is_private() - whether it has an address of its own. */
bool app_is_private(const struct app *app);

/** app_port_is_hosts() - whether its $PORT is one of the host's: in the host's network, or taken
 * there for a private one that pasta connects. */
bool app_port_is_hosts(const struct app *app);

/**
 * app_find_slug() - find the limits, look at the sockets, open what is to be mounted, acquire slug and stack.  Errors:
 * those of app_find_limits(), listenfds_parse(), mountset_open(), store_acquire(), stack_acquire(),
 * ERR_RUN_DIR, ERR_STORE_IO.
 */
int app_find_slug(struct app *app, struct dyno_err *err);

/** app_find_command() - read the slug's types and compile the command.
 * Errors: those of slug_read(), command_compile(), filter_find(), ERR_USAGE for a stop signal or
 * scope. */
int app_find_command(struct app *app, struct dyno_err *err);

/** app_find_name() - the app's name: as given, or from the slug's. Errors: ERR_NAME. */
int app_find_name(struct app *app, struct dyno_err *err);

/**
 * app_claim_place() - take the place of a dyno that is wanted once: under the name that it was given,
 * as the type's next one, or as a one-off.
 * Errors: those of state_claim().
 */
int app_claim_place(const struct app *app, const struct command *command, struct state *ret,
		    bool *ret_remains, struct dyno_err *err);

/**
 * app_claim() - take the dyno's place, and clear away what a dead monitor left there.
 * Errors: those of state_claim().
 */
int app_claim(struct app *app, struct dyno_err *err);

/**
 * app_adopt() - the place is held already, by the lock on @dir_fd, which becomes the app's; it may
 * come before all others.  Errors: ERR_NAME, ERR_RUN_DIR.
 */
int app_adopt(struct app *app, const char *dyno, int dir_fd, struct dyno_err *err);

/**
 * app_policy() - how the dyno is kept, from its settings.
 * @supervised: false: a run in the foreground, which is never restarted
 * Errors: ERR_USAGE for a word that means nothing.
 */
int app_policy(const struct app *app, bool supervised, struct sup_policy *ret,
	       struct dyno_err *err);

/** app_done() - give everything back, the place last; half-found ones are fine. */
void app_done(struct app *app);

#endif
