/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orchestrate.c - an orchestrator by <dyno.h>: one thread starts the web dyno of a slug, follows its
 * events, restarts it and stops it, while another lists what lives.
 *
 *   cc -pthread orchestrate.c $(pkg-config --cflags --libs dyno) -o orchestrate
 *   ./orchestrate SLUG [RUN_DIR DATA_DIR]
 *
 * A handle belongs to one thread at a time; two threads have two.
 */
#include <dyno.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define UP_MS	20000
#define STOP_MS 40000
#define LIST_MS 50

struct job {
	const char *slug;
	struct dyno_host_opts where;
	char app[64];
	char dyno[64];
	struct dyno_outcome outcome;
	struct dyno_err err;
	int result;
	atomic_int over;
};

static void on_change(void *data, const char *app, const char *name, enum dyno_change change)
{
	static const char *const words[] = {"started", "there", "stopped"};
	struct job *job = data;

	(void)snprintf(job->app, sizeof(job->app), "%s", app);
	(void)snprintf(job->dyno, sizeof(job->dyno), "%s", name);
	printf("%s %s/%s\n", words[change], app, name);
}

/* An event that says that the dyno is up now; a program with more to ask has a JSON library. */
static int says_up(const char *json)
{
	if (strstr(json, "\"event\":\"now\""))
		return strstr(json, "\"state\":\"up\"") != NULL;
	return strstr(json, "\"event\":\"state\"") && strstr(json, "\"to\":\"up\"");
}

/* Prints events until one says up. */
static int until_up(struct dyno *dyno, struct dyno_err *err)
{
	struct pollfd p = {.fd = dyno_event_fd(dyno, err), .events = POLLIN};
	const char *json;
	int r = p.fd < 0 ? p.fd : 0;

	while (r == 0 && poll(&p, 1, UP_MS) > 0)
		while ((r = dyno_event_next(dyno, &json, err)) == 1) {
			printf("event %s\n", json);
			if (says_up(json))
				return 0;
		}
	if (r < 0)
		return r;
	(void)snprintf(err->msg, sizeof(err->msg), "wait until the dyno is up");
	err->num = ETIMEDOUT;
	return -ETIMEDOUT;
}

static int orchestrate(struct dyno_host *host, struct job *job)
{
	const struct dyno_scale web = {.type = "web", .count = 1};
	const struct dyno_start_opts opts = {
		.dyno = {.slug = job->slug}, .scale = &web, .n_scale = 1};
	struct dyno *dyno = NULL;
	int r = dyno_start(host, &opts, on_change, job, &job->err);

	if (r >= 0)
		r = dyno_open(host, job->app, job->dyno, &dyno, &job->err);
	if (r >= 0)
		r = until_up(dyno, &job->err);
	if (r >= 0)
		r = dyno_restart(dyno, &job->err);
	if (r >= 0)
		r = until_up(dyno, &job->err);
	if (r >= 0)
		r = dyno_stop(dyno, 0, &job->err);
	if (r >= 0)
		r = dyno_wait(dyno, NULL, STOP_MS, &job->outcome, &job->err);
	if (dyno)
		dyno_close(dyno);
	return r;
}

static void *keep(void *data)
{
	struct job *job = data;
	struct dyno_host *host;

	job->result = dyno_host_open(&job->where, &host, &job->err);
	if (job->result == 0) {
		job->result = orchestrate(host, job);
		dyno_host_free(host);
	}
	atomic_store(&job->over, 1);
	return NULL;
}

/* One line whenever the state is another than the last time. */
static int list(void *data, const struct dyno_info *info)
{
	char *last = data;

	if (strcmp(last, info->state) != 0)
		printf("listed %s/%s %s\n", info->app, info->name, info->state);
	(void)snprintf(last, 16, "%s", info->state);
	return 0;
}

static int print_error(const struct dyno_err *err)
{
	char text[1024];

	(void)dyno_err_text(err, text, sizeof(text));
	fprintf(stderr, "orchestrate: %s\n", text);
	return 1;
}

int main(int argc, char **argv)
{
	struct job job = {.slug = argv[argc > 1]};
	struct dyno_host *host;
	struct dyno_err err;
	pthread_t thread;
	char last[16] = "";
	int r = 0;

	if (argc != 2 && argc != 4)
		return 2;
	if (argc == 4)
		job.where = (struct dyno_host_opts){.run_dir = argv[2], .data_dir = argv[3]};
	if (dyno_host_open(&job.where, &host, &err) < 0)
		return print_error(&err);
	if (pthread_create(&thread, NULL, keep, &job) != 0)
		return 1;
	while (!atomic_load(&job.over) && r >= 0) {
		r = dyno_each(host, NULL, 0, list, last, &err);
		(void)poll(NULL, 0, LIST_MS);
	}
	(void)pthread_join(thread, NULL);
	dyno_host_free(host);
	if (r < 0)
		return print_error(&err);
	if (job.result < 0)
		return print_error(&job.err);
	printf("ended %s/%s %s %d\n", job.app, job.dyno, job.outcome.reason, job.outcome.exit_code);
	return 0;
}
