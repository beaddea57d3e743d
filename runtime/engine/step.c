/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/step.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "base/util.h"
#include "engine/launch.h"

static const struct step_table *const tables[] = {
	&launch_parent, &launch_child, &join_parent, &join_middle, &join_child,
};

const char *step_name(unsigned int stage)
{
	size_t row = (size_t)stage - 1; /* of 0 a number past every table */
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		if (row < tables[i]->n)
			return tables[i]->steps[row].name;
		row -= tables[i]->n;
	}
	return "";
}

unsigned int step_first(const struct step_table *table)
{
	unsigned int stage = 1;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tables) && tables[i] != table; i++)
		stage += (unsigned int)tables[i]->n;
	return stage;
}

/* A child with memory of its own stamps at the same time, to the same page: each takes a row. */
static void stamp(struct dyno_timing *timing, const char *name)
{
	unsigned int n;

	if (!timing)
		return;
	n = __atomic_fetch_add(&timing->n, 1, __ATOMIC_RELAXED);
	if (n >= DYNO_TIMING_MAX) {
		(void)__atomic_fetch_sub(&timing->n, 1, __ATOMIC_RELAXED); /* no row was taken */
		return;
	}
	timing->name[n] = name;
	timing->at_ns[n] = clock_ns();
}

#ifdef DYNO_WITH_FAULTS
/*
 * The step has not run yet.  A kill goes on afterwards on purpose: what a child does that has
 * lost its launcher is what the tests want to see.
 */
static int inject(const struct step_fault *fault, unsigned int stage, struct dyno_err *err)
{
	if (fault->stage != stage)
		return 0;
	if (fault->stop) {
		(void)syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP); /* to itself: allowed */
		return 0;
	}
	if (fault->num)
		return err_set(err, ERR_LAUNCH, fault->num, "injected fault");
	if (write(fault->kill_fd, "", 1) != 1)
		return err_set(err, ERR_LAUNCH, errno, "kill the launcher");
	return 0;
}
#else
static int inject(const struct step_fault *fault, unsigned int stage, struct dyno_err *err)
{
	(void)fault;
	(void)stage;
	(void)err;
	return 0;
}
#endif

int steps_run(const struct step_table *table, unsigned int first_stage, struct launch *launch,
	      struct dyno_err *err)
{
	size_t i;
	int r;

	for (i = 0; i < table->n; i++) {
		const struct step *step = &table->steps[i];
		unsigned int stage = first_stage + (unsigned int)i;

		r = inject(&launch->fault, stage, err);
		if (r == 0)
			r = step->run(launch, err);
		if (r < 0) {
			/* A step that reports for another process names that one's. */
			if (!err->stage)
				err->stage = (uint16_t)stage;
			return r;
		}
		stamp(launch->timing, step->name);
	}
	return 0;
}

void steps_undo(const struct step_table *table, size_t n, struct launch *launch)
{
	while (n-- > 0)
		if (table->steps[n].undo)
			table->steps[n].undo(launch);
}

static int fault_stage(const char *name, size_t len)
{
	unsigned int stage;

	for (stage = 1; step_name(stage)[0]; stage++) {
		const char *s = step_name(stage);
		size_t i;

		for (i = 0; i < len && s[i] == name[i] && s[i]; i++)
			;
		if (i == len && s[i] == '\0')
			return (int)stage;
	}
	return -ENOENT;
}

int step_fault_parse(const char *text, struct step_fault *ret, struct dyno_err *err)
{
	const char *colon = __builtin_strchr(text, ':');
	uint32_t num = 0;
	bool stop;
	int stage;

	if (!colon)
		return err_set(err, ERR_USAGE, EINVAL,
			       "DYNO_FAULT is STAGE:ERRNO, STAGE:kill or STAGE:stop");
	stage = fault_stage(text, (size_t)(colon - text));
	if (stage < 0)
		return err_set(err, ERR_USAGE, EINVAL, "DYNO_FAULT names no step of a launch: %s",
			       text);
	stop = str_eq(colon + 1, "stop");
	if (!stop && !str_eq(colon + 1, "kill") &&
	    (num_parse_u32(colon + 1, 4095, &num) < 0 || num == 0))
		return err_set(err, ERR_USAGE, EINVAL, "DYNO_FAULT has a bad errno: %s", text);
	ret->stage = (unsigned int)stage;
	ret->num = (int)num;
	ret->stop = stop;
	return 0;
}

int step_fault_arm(struct step_fault *fault, struct dyno_err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, ERR_IO, errno, "make a pipe");
	if (fcntl(ends[0], F_SETOWN, getpid()) < 0 || fcntl(ends[0], F_SETSIG, SIGKILL) < 0 ||
	    fcntl(ends[0], F_SETFL, O_ASYNC) < 0) {
		int num = errno;

		(void)close(ends[0]); /* never used */
		(void)close(ends[1]);
		return err_set(err, ERR_IO, num, "ask for a signal on a pipe");
	}
	fault->kill_fd = ends[1];
	return 0;
}
