/* SPDX-License-Identifier: Apache-2.0 */
/* detached.c - dynos that live on when the command that started them has ended. */
#include "cli/detached.h"

#include <errno.h>
#include <poll.h>

#include "base/json.h"
#include "cli/handover.h"
#include "cli/notify.h"

/* ---- what was done ----------------------------------------------------------------------------*/

/* The word in JSON, and how it reads before a name; NULL: it is not worth a line. */
static const struct {
	const char *word;
	const char *text;
} changes[] = {
	[DYNO_STARTED] = {"started", "started"},
	[DYNO_THERE] = {"there", NULL},
	[DYNO_STOPPED] = {"stopping", "stopping"},
};

static void changes_json(struct sbuf *b, const struct fleet *fleet)
{
	json_begin(b);
	json_open(b, "dynos", '[');
	for (size_t i = 0; i < fleet->n; i++) {
		json_open(b, NULL, '{');
		json_str(b, "app", fleet->dynos[i].app);
		json_str(b, "name", fleet->dynos[i].name);
		json_str(b, "change", changes[fleet->dynos[i].change].word);
		json_close(b, '}');
	}
	json_close(b, ']');
	json_end(b);
}

int detached_changes(struct cli *cli, const struct fleet *fleet, bool names, struct dyno_err *err)
{
	struct sbuf *b = &cli->out;

	if (cli_common(cli)->json)
		changes_json(b, fleet);
	for (size_t i = 0; i < fleet->n && !cli_common(cli)->json; i++) {
		const struct fleet_dyno *dyno = &fleet->dynos[i];

		if (names && dyno->change == DYNO_STARTED)
			sbuf_addf(b, "%s\n", dyno->name);
		else if (!names && changes[dyno->change].text)
			sbuf_addf(b, "%s %s\n", changes[dyno->change].text, dyno->name);
	}
	/* Now: what comes next may take its time. */
	progress_clear(&cli->progress);
	return output_stdout(b, err);
}

static void say_others(const struct fleet *fleet)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	for (size_t i = 0; i < fleet->n; i++) {
		if (fleet->dynos[i].change == DYNO_THERE)
			sbuf_addf(&b, "dyno: %s of app %s lives already\n", fleet->dynos[i].name,
				  fleet->dynos[i].app);
	}
	if (b.len > 0)
		output_stderr(&b);
}

/* ---- until they are up ------------------------------------------------------------------------*/

static int crashed(const struct fleet_dyno *dyno, struct dyno_err *err)
{
	const char *state = dyno->state[0] ? dyno->state : "gone";
	int r;

	if (dyno->exit_code >= 0)
		r = err_set(err, ERR_CRASHED, 0, "wait for %s/%s: it is %s (%s, exit status %d)",
			    dyno->app, dyno->name, state, dyno->reason, dyno->exit_code);
	else
		r = err_set(err, ERR_CRASHED, 0, "wait for %s/%s: it is %s", dyno->app, dyno->name,
			    state);
	if (!dyno->ended)
		err_hint(err, "it is started again by and by: dyno ps, dyno stop %s/%s", dyno->app,
			 dyno->name);
	return r;
}

/* Return: 1: all are up; 0: not yet; -errno with err set. */
static int all_up(const struct fleet *fleet, struct dyno_err *err)
{
	for (size_t i = 0; i < fleet->n; i++) {
		const struct fleet_dyno *dyno = &fleet->dynos[i];

		if (dyno->crashed || (dyno->ended && !dyno->up))
			return crashed(dyno, err);
	}
	return fleet_n_up(fleet) == fleet->n;
}

static int wait_up(struct cli *cli, struct fleet *fleet, struct dyno_err *err)
{
	struct pollfd *fds = arena_calloc(&cli->arena, fleet->n + 1, sizeof(*fds));
	int r;

	if (!fds)
		return err_set(err, ERR_MEMORY, ENOMEM, "watch the dynos");
	while ((r = all_up(fleet, err)) == 0) {
		for (size_t i = 0; i < fleet->n; i++)
			fds[i] = (struct pollfd){.fd = fleet->dynos[i].event_fd, .events = POLLIN};
		if (poll(fds, fleet->n, -1) < 0 && errno != EINTR)
			return err_set(err, ERR_IO, errno, "watch the dynos");
		for (size_t i = 0; i < fleet->n; i++) {
			if (fds[i].revents)
				fleet_event(fleet, &fleet->dynos[i]);
		}
	}
	return r;
}

static int wait_and_tell(struct cli *cli, const struct dyno_options *o, struct fleet *fleet,
			 struct dyno_err *err)
{
	_cleanup_(notify_close) struct notify notify = NOTIFY_INIT;
	int r;

	notify_open(&notify, o->ready_fd);
	r = wait_up(cli, fleet, err);
	if (r < 0)
		return r;
	notify_ready(&notify);
	return 0;
}

/* ---- starting ---------------------------------------------------------------------------------*/

static int write_pid(const struct dyno_options *o, const struct fleet *fleet, struct dyno_err *err)
{
	const struct fleet_dyno *dyno = fleet->dynos;
	int r;

	if (fleet->n == 1 && dyno->monitor_pid > 0)
		return handover_pid_file(o->pid_file, dyno->monitor_pid, err);
	if (fleet->n == 1)
		return err_set(err, ERR_NOT_FOUND, 0, "write %s: %s/%s has ended already",
			       o->pid_file, dyno->app, dyno->name);
	r = err_set(err, ERR_USAGE, 0, "write %s: it is for one dyno, and there are %zu",
		    o->pid_file, fleet->n);
	err_hint(err, "name one type, or take --pidfd-socket; they run: see dyno ps");
	return r;
}

static int hand_over(struct cli *cli, const struct dyno_options *o, struct fleet *fleet,
		     struct dyno_err *err)
{
	bool wait = o->wait || o->ready_fd;
	int r = 0;

	if (!wait && !o->pid_file && !o->pidfd_socket)
		return 0;
	r = fleet_connect(fleet, err);
	if (r == 0 && o->pid_file)
		r = write_pid(o, fleet, err);
	if (r == 0 && o->pidfd_socket)
		r = handover_pidfds(o->pidfd_socket, fleet, err);
	if (r == 0 && wait)
		r = wait_and_tell(cli, o, fleet, err);
	return r;
}

int detached_start(struct cli *cli, struct dyno_host *host, const struct dyno_options *o,
		   const struct dyno_start_opts *start, struct dyno_err *err)
{
	_cleanup_fleet_ struct fleet fleet = {.host = host};
	struct dyno_err out_err;
	int r;

	fleet_prepare();
	r = dyno_start(host, start, fleet_add, &fleet, err);

	bool any = r >= 0 || fleet.n > 0;
	int out = any ? detached_changes(cli, &fleet, true, &out_err) : 0;

	if (!o->quiet)
		say_others(&fleet);
	if (r >= 0 && out < 0) {
		*err = out_err;
		r = out;
	}
	if (r >= 0)
		r = fleet_check(&fleet, err);
	return r < 0 ? r : hand_over(cli, o, &fleet, err);
}
