/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.c - what a monitor pays for telling the world: an exit record, an event, its state file.
 * The directory to write to is the operand; prints microseconds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/util.h"
#include "engine/record.h"

#define ROUNDS 20000

static const char event[] =
	"{\"event\":\"state\",\"time\":\"2026-06-01T12:00:00.123456+00:00\","
	"\"app\":\"bench\",\"dyno\":\"web.1\",\"from\":\"up\",\"to\":\"crashed\"}";

struct bench {
	struct store store;
	int place_fd;
	struct record record;
};

static int add_record(struct bench *b)
{
	return record_add(&b->store, &b->record, NULL);
}

static int add_event(struct bench *b)
{
	return record_event(&b->store, "bench", event, STRLEN(event));
}

static int write_state(struct bench *b)
{
	return statefile_write(b->place_fd, &b->record.facts);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int measure(struct bench *b, const char *name, int (*fn)(struct bench *b))
{
	static double us[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t began = clock_ns();

		if (fn(b) < 0)
			return -1;
		us[i] = (double)(clock_ns() - began) / 1000;
	}
	qsort(us, ROUNDS, sizeof(us[0]), compare);
	printf("%-12s median %6.1f  p90 %6.1f  p99 %7.1f us\n", name, us[ROUNDS / 2],
	       us[ROUNDS / 10 * 9], us[ROUNDS / 100 * 99]);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench b = {
		.store = STORE_INIT,
		.record.facts.info = {.app = "bench",
				      .name = "web.1",
				      .type = "web",
				      .state = "crashed",
				      .monitor_pid = 12345,
				      .init_pid = 12346,
				      .port = 31742,
				      .address = "127.0.0.1",
				      .exit_code = 1,
				      .reason = "exit",
				      .slug = "/srv/slugs/guestbook.tgz",
				      .command = "bundle exec puma -C config/puma.rb"},
		.record.manifest = "",
	};
	struct dyno_err err;

	if (argc != 2) {
		fprintf(stderr, "usage: record DIRECTORY\n");
		return 2;
	}
	statefile_boot_id(b.record.facts.boot_id);
	b.place_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b.place_fd < 0 || store_open(argv[1], &b.store, &err) < 0 ||
	    measure(&b, "exit record", add_record) < 0 || measure(&b, "event", add_event) < 0 ||
	    measure(&b, "state file", write_state) < 0) {
		perror(argv[1]);
		return 1;
	}
	store_done(&b.store);
	close_fdp(&b.place_fd);
	return 0;
}
