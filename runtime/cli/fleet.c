/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet.c - the dynos that one command has started.  An event only says that something is new; what
 * a dyno is is asked of its monitor, so that a lost event does no harm.  Only its last state is
 * taken from an event, since nobody can be asked then.
 */
#include "cli/fleet.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/event.h"

/* How long the record of an end may take to be found, after its monitor has hung up or while it is
 * about to leave. Source: own choice, far above what it takes */
#define RECORD_MS      2000U
#define RECORD_LOOK_MS 10U

/* Status for a dyno of which nothing is known but that it is gone. Source: DESIGN, exit codes */
#define STATUS_LOST 125

void fleet_prepare(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur >= lim.rlim_max)
		return;
	lim.rlim_cur = lim.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim); /* what cannot be opened then is said there */
}

void fleet_add(void *data, const char *app, const char *name, enum dyno_change change)
{
	struct fleet *fleet = data;
	struct fleet_dyno *dynos = reallocarray(fleet->dynos, fleet->n + 1, sizeof(*fleet->dynos));

	if (!dynos) {
		fleet->failed = true;
		return;
	}
	fleet->dynos = dynos;

	struct fleet_dyno *dyno = &dynos[fleet->n++];

	*dyno = (struct fleet_dyno){.change = change, .event_fd = -EBADF, .exit_code = -1};
	str_fmt(dyno->app, sizeof(dyno->app), "%s", app);
	str_fmt(dyno->name, sizeof(dyno->name), "%s", name);
}

int fleet_check(const struct fleet *fleet, struct dyno_err *err)
{
	return fleet->failed ? err_set(err, ERR_MEMORY, ENOMEM, "keep the names of the dynos") : 0;
}

/* ---- one dyno ---------------------------------------------------------------------------------*/

static int take_info(void *data, const struct dyno_info *info)
{
	struct fleet_dyno *dyno = data;

	str_fmt(dyno->state, sizeof(dyno->state), "%s", info->state);
	str_fmt(dyno->reason, sizeof(dyno->reason), "%s", info->reason ? info->reason : "");
	str_fmt(dyno->published, sizeof(dyno->published), "%s",
		info->published ? info->published : "");
	dyno->exit_code = info->exit_code;
	dyno->monitor_pid = info->live ? info->monitor_pid : 0;
	dyno->up = str_eq(dyno->state, "up") || str_eq(dyno->state, "complete");
	dyno->crashed = str_eq(dyno->state, "crashed") || str_eq(dyno->state, "failed") ||
			(!dyno->up && info->crashes > 0);
	return 0;
}

static void disconnect(struct fleet_dyno *dyno)
{
	dyno_close(dyno->watch);
	dyno_close(dyno->ask);
	dyno->watch = dyno->ask = NULL;
	dyno->event_fd = -EBADF;
}

static int take_record(void *data, const struct dyno_info *info)
{
	if (info->live)
		return 0;
	(void)take_info(data, info);
	return 1;
}

/* Of a dyno that ended before it could be asked: its monitor may not have left its place yet. */
static void find_record(struct fleet *fleet, struct fleet_dyno *dyno)
{
	char pattern[2 * FLEET_NAME_BYTES];
	struct dyno_err ignored;

	str_fmt(pattern, sizeof(pattern), "%s/%s", dyno->app, dyno->name);
	for (unsigned int ms = 0; ms < RECORD_MS; ms += RECORD_LOOK_MS) {
		if (dyno_each(fleet->host, pattern, DYNO_EACH_ENDED, take_record, dyno, &ignored))
			return;
		(void)poll(NULL, 0, (int)RECORD_LOOK_MS);
	}
}

/* Without an answer it counts as lost. */
static void mark_ended(struct fleet *fleet, struct fleet_dyno *dyno)
{
	struct dyno_outcome out;
	struct dyno_err ignored;

	dyno->ended = true;
	dyno->up = dyno->crashed = false;
	dyno->state[0] = dyno->reason[0] = '\0';
	dyno->exit_code = -1;
	if (!dyno->last_state[0] || dyno_wait(dyno->ask, NULL, RECORD_MS, &out, &ignored) != 1) {
		find_record(fleet, dyno);
	} else {
		str_fmt(dyno->state, sizeof(dyno->state), "%s", dyno->last_state);
		str_fmt(dyno->reason, sizeof(dyno->reason), "%s", out.reason);
		dyno->exit_code = out.exit_code;
		dyno->up = str_eq(dyno->state, "complete");
	}
	disconnect(dyno);
}

static int connect_one(struct fleet *fleet, struct fleet_dyno *dyno, struct dyno_err *err)
{
	int r = dyno_open(fleet->host, dyno->app, dyno->name, &dyno->watch, err);

	if (r == 0)
		r = dyno_open(fleet->host, dyno->app, dyno->name, &dyno->ask, err);
	if (r == 0)
		r = dyno_event_fd(dyno->watch, err);
	if (r >= 0) {
		dyno->event_fd = r;
		r = dyno_state(dyno->ask, take_info, dyno, err);
	}
	if (r >= 0)
		return 0;

	disconnect(dyno);
	return r;
}

int fleet_connect(struct fleet *fleet, struct dyno_err *err)
{
	int result = 0;

	for (size_t i = 0; i < fleet->n; i++) {
		struct fleet_dyno *dyno = &fleet->dynos[i];
		struct dyno_err one = {0};
		int r = dyno->ask || dyno->ended ? 0 : connect_one(fleet, dyno, &one);

		if (r == 0)
			continue;
		mark_ended(fleet, dyno);
		if (result == 0 && one.kind != ERR_NOT_FOUND && r != -EPIPE && r != -ECONNRESET) {
			*err = one;
			result = r;
		}
	}
	return result;
}

static void note_end(struct fleet_dyno *dyno, const char *json)
{
	_cleanup_event_ struct event event = {0};

	if (event_parse(json, &event) == 0 && str_eq(event.name, "end"))
		str_fmt(dyno->last_state, sizeof(dyno->last_state), "%s",
			event_str(&event, "state"));
}

void fleet_event(struct fleet *fleet, struct fleet_dyno *dyno)
{
	struct dyno_err ignored;
	const char *json;
	int r;

	while ((r = dyno_event_next(dyno->watch, &json, &ignored)) > 0)
		note_end(dyno, json);

	/* A monitor that does not answer has ended, which its events tell next. */
	if (r == 0)
		(void)dyno_state(dyno->ask, take_info, dyno, &ignored);
	else
		mark_ended(fleet, dyno);
}

int fleet_bad_status(const struct fleet_dyno *dyno)
{
	if (!dyno->ended || str_eq(dyno->state, "complete") || str_eq(dyno->state, "down"))
		return 0;
	if (dyno->exit_code < 0 || str_eq(dyno->reason, "launch"))
		return STATUS_LOST;
	return dyno->exit_code;
}

int fleet_monitor_pidfd(struct fleet_dyno *dyno, struct dyno_err *err)
{
	int pid = dyno->monitor_pid;
	_cleanup_close_ int fd = pid > 0 ? pidfd_open(pid, 0) : -EBADF;

	if (fd < 0)
		return err_set(err, ERR_NOT_FOUND, pid > 0 ? errno : ESRCH,
			       "open the monitor of %s/%s", dyno->app, dyno->name);

	/* It answers after the descriptor was made: the number was still its own. */
	int r = dyno_state(dyno->ask, take_info, dyno, err);

	if (r < 0)
		return r;
	if (dyno->monitor_pid != pid)
		return err_set(err, ERR_MONITOR, 0, "the monitor of %s/%s changed its number",
			       dyno->app, dyno->name);
	return take_fd(&fd);
}

/* ---- all of them ------------------------------------------------------------------------------*/

size_t fleet_stop(struct fleet *fleet, bool at_once)
{
	size_t failed = 0;

	for (size_t i = 0; i < fleet->n; i++) {
		struct dyno_err ignored;

		if (fleet->dynos[i].ask && dyno_stop(fleet->dynos[i].ask, at_once, &ignored) < 0)
			failed++;
	}
	return failed;
}

size_t fleet_n_live(const struct fleet *fleet)
{
	size_t n = 0;

	for (size_t i = 0; i < fleet->n; i++)
		n += !fleet->dynos[i].ended;
	return n;
}

size_t fleet_n_up(const struct fleet *fleet)
{
	size_t n = 0;

	for (size_t i = 0; i < fleet->n; i++)
		n += fleet->dynos[i].up;
	return n;
}

void fleet_done(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
		disconnect(&fleet->dynos[i]);
	free(fleet->dynos);
	fleet->dynos = NULL;
	fleet->n = 0;
}
