/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs - time commands against each other on a machine that has other things to do.
 *
 * Every round runs each command once, in a random order of its own, so that whatever slows the
 * machine down falls on all of them alike; the ratios of the 10th percentiles are what to compare.
 * Wall time and CPU are of the whole process with all it waited for.
 *
 *   pairs [-n ROUNDS] [-w WARMUP] [-p PAUSE_MS] [-s SEED] [-o FILE] [-e] LIST
 *
 * LIST holds one command a line, NAME, a tab, and words separated by blanks; no shell is between.
 * With -p each run is a lone start: the machine rests before it, and what a loop hides is seen.
 * -o writes every single time, "round,name,wall_us,cpu_us"; -e lets the commands' stderr through,
 * which is dropped like their stdout otherwise.  The first command is the base of the
 * ratios.  The status is 1 when any run failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/util.h"

#define COMMANDS_MAX   32
#define WORDS_MAX      64
#define LINE_MAX_BYTES 4096
#define ROUNDS_MAX     1000000

struct sample {
	uint64_t wall_us;
	uint64_t cpu_us;
};

struct command {
	char *name;
	char *argv[WORDS_MAX + 1];
	struct sample *samples;
	uint64_t failed;
	int status; /* of the last failure */
};

struct bench {
	uint64_t rounds, warmup, pause_ms, seed;
	const char *list, *raw;
	bool stderr_too;
	struct command commands[COMMANDS_MAX];
	size_t n;
};

static _noreturn_ void die(const char *what)
{
	fprintf(stderr, "pairs: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* xorshift64*: the order must be fair, not secret, and the same for the same seed. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717U;
}

static void add_command(struct bench *b, char *line)
{
	struct command *c = &b->commands[b->n];
	char *words = strchr(line, '\t');
	char *save = NULL;
	size_t n = 0;

	if (!words || b->n == COMMANDS_MAX) {
		errno = EINVAL;
		die(line);
	}
	*words++ = '\0';
	c->name = strdup(line);
	for (char *w = strtok_r(words, " \t\n", &save); w && n < WORDS_MAX;
	     w = strtok_r(NULL, " \t\n", &save))
		c->argv[n++] = strdup(w);
	c->samples = calloc(b->rounds, sizeof(*c->samples));
	if (!c->name || !c->samples || n == 0)
		die(line);
	b->n++;
}

static void read_list(struct bench *b)
{
	char line[LINE_MAX_BYTES];
	FILE *f = fopen(b->list, "re");

	if (!f)
		die(b->list);
	while (fgets(line, sizeof(line), f))
		if (*line != '#' && *line != '\n')
			add_command(b, line);
	fclose(f);
	if (b->n == 0) {
		errno = ENODATA;
		die(b->list);
	}
}

static uint64_t micros(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

static struct sample run_once(struct command *c, const posix_spawn_file_actions_t *quiet)
{
	uint64_t began = clock_ns();
	struct rusage usage;
	struct sample s;
	pid_t pid;
	int status;
	int r = posix_spawnp(&pid, c->argv[0], quiet, NULL, c->argv, environ);

	if (r) {
		errno = r;
		die(c->argv[0]);
	}
	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			die("wait4");
	s.wall_us = (clock_ns() - began) / 1000;
	s.cpu_us = micros(&usage.ru_utime) + micros(&usage.ru_stime);
	if (status) {
		c->failed++;
		c->status = status;
	}
	return s;
}

static void rest(uint64_t ms)
{
	struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

	if (ms)
		nanosleep(&t, NULL); /* a little less rest does no harm */
}

static void run_round(struct bench *b, uint64_t round, const posix_spawn_file_actions_t *quiet)
{
	size_t order[COMMANDS_MAX];

	for (size_t i = 0; i < b->n; i++)
		order[i] = i;
	for (size_t i = b->n - 1; i > 0; i--) {
		size_t j = next_random(&b->seed) % (i + 1);
		size_t other = order[i];

		order[i] = order[j];
		order[j] = other;
	}
	for (size_t i = 0; i < b->n; i++) {
		struct command *c = &b->commands[order[i]];
		struct sample s;

		rest(b->pause_ms);
		s = run_once(c, quiet);
		if (round >= b->warmup)
			c->samples[round - b->warmup] = s;
	}
}

static void write_raw(const struct bench *b)
{
	FILE *f = fopen(b->raw, "we");

	if (!f)
		die(b->raw);
	fprintf(f, "round,name,wall_us,cpu_us\n");
	for (uint64_t k = 0; k < b->rounds; k++)
		for (size_t i = 0; i < b->n; i++)
			fprintf(f, "%" PRIu64 ",%s,%" PRIu64 ",%" PRIu64 "\n", k,
				b->commands[i].name, b->commands[i].samples[k].wall_us,
				b->commands[i].samples[k].cpu_us);
	if (fclose(f))
		die(b->raw);
}

static int by_wall(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return x->wall_us < y->wall_us ? -1 : x->wall_us > y->wall_us;
}

static bool print_row(const struct command *c, const struct command *base, uint64_t n)
{
	const struct sample *s = c->samples, *first = base->samples;
	uint64_t cpu = 0, base_cpu = 0;

	for (uint64_t i = 0; i < n; i++) {
		cpu += s[i].cpu_us;
		base_cpu += first[i].cpu_us;
	}
	printf("%-28s %8.2f %8.2f %8.2f %8.2f  %7.2f %7.2f %7.2f\n", c->name,
	       (double)s[n / 10].wall_us / 1e3, (double)s[n / 2].wall_us / 1e3,
	       (double)s[n * 95 / 100].wall_us / 1e3, (double)cpu / (double)n / 1e3,
	       (double)s[n / 10].wall_us / (double)first[n / 10].wall_us,
	       (double)s[n / 2].wall_us / (double)first[n / 2].wall_us,
	       base_cpu ? (double)cpu / (double)base_cpu : 0.0);
	if (c->failed)
		printf("    failed %" PRIu64 " times, last wait status 0x%x\n", c->failed,
		       c->status);
	return c->failed == 0;
}

static bool print_table(struct bench *b)
{
	bool good = true;

	for (size_t i = 0; i < b->n; i++)
		qsort(b->commands[i].samples, b->rounds, sizeof(struct sample), by_wall);
	printf("%" PRIu64 " rounds%s; milliseconds; ratios to the first line\n", b->rounds,
	       b->pause_ms ? ", lone starts" : "");
	printf("%-28s %8s %8s %8s %8s  %7s %7s %7s\n", "", "p10", "median", "p95", "cpu", "p10",
	       "median", "cpu");
	for (size_t i = 0; i < b->n; i++)
		good &= print_row(&b->commands[i], &b->commands[0], b->rounds);
	return good;
}

static uint64_t number(const char *text)
{
	uint64_t n;

	if (num_parse_u64(text, ROUNDS_MAX, &n) < 0) {
		errno = EINVAL;
		die(text);
	}
	return n;
}

static void parse(struct bench *b, int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "n:w:p:s:o:e")) > 0) {
		if (o == 'n')
			b->rounds = number(optarg);
		else if (o == 'w')
			b->warmup = number(optarg);
		else if (o == 'p')
			b->pause_ms = number(optarg);
		else if (o == 's')
			b->seed = number(optarg);
		else if (o == 'o')
			b->raw = optarg;
		else if (o == 'e')
			b->stderr_too = true;
		else
			exit(2);
	}
	if (optind + 1 != argc || b->rounds == 0) {
		fprintf(stderr, "usage: pairs [-n ROUNDS] [-w WARMUP] [-p PAUSE_MS] [-s SEED] "
				"[-o FILE] [-e] LIST\n");
		exit(2);
	}
	b->list = argv[optind];
	if (b->seed == 0)
		b->seed = clock_ns() | 1;
}

int main(int argc, char **argv)
{
	struct bench b = {.rounds = 100, .warmup = 3};
	posix_spawn_file_actions_t quiet;

	parse(&b, argc, argv);
	read_list(&b);
	if (posix_spawn_file_actions_init(&quiet) ||
	    posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0) ||
	    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0) ||
	    (!b.stderr_too && posix_spawn_file_actions_adddup2(&quiet, 1, 2)))
		die("posix_spawn_file_actions");
	for (uint64_t k = 0; k < b.warmup + b.rounds; k++)
		run_round(&b, k, &quiet);
	posix_spawn_file_actions_destroy(&quiet);
	if (b.raw)
		write_raw(&b);
	return print_table(&b) ? 0 : 1;
}
