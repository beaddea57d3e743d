/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step.h - a launch is a table of named steps run by one small loop, on each side of clone.  The
 * loop stamps the time, names the step in the error, undoes in reverse order, and is where faults
 * are injected: none of the steps knows of any of that.
 */
#ifndef DYNO_STEP_H
#define DYNO_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

struct launch;

/**
 * struct step - one row.
 * @name: as it stands in errors, timings and DYNO_FAULT
 * @run: does it; returns 0 or -errno with the error set
 * @undo: takes it back, called only after @run succeeded; may be NULL
 */
struct step {
	const char *name;
	int (*run)(struct launch *launch, struct dyno_err *err);
	void (*undo)(struct launch *launch);
};

/** struct step_table - the rows of one process. */
struct step_table {
	const struct step *steps;
	size_t n;
};

/* A start: the two sides of its clone. */
extern const struct step_table launch_parent;
extern const struct step_table launch_child;
/* A join: the monitor, the process in between, the one that joins. */
extern const struct step_table join_parent;
extern const struct step_table join_middle;
extern const struct step_table join_child;

/**
 * step_name() - name of a stage as numbered in dyno_err.stage: from 1, through all tables in the
 * order above.  "" for 0 and for numbers past the last. [child]
 */
const char *step_name(unsigned int stage);

/** step_first() - stage number of the first row of one of these tables. [child] */
unsigned int step_first(const struct step_table *table);

/**
 * steps_run() - run a table from its first row.
 * @first_stage: stage number of the first row, see step_first()
 *
 * Return: 0, or -errno of the failed step, whose number is in @err->stage; nothing is undone.
 * Context: parent, [child]
 */
int steps_run(const struct step_table *table, unsigned int first_stage, struct launch *launch,
	      struct dyno_err *err);

/** steps_undo() - undo the first @n rows in reverse order. Context: parent */
void steps_undo(const struct step_table *table, size_t n, struct launch *launch);

/**
 * struct step_fault - a fault to inject; the zero value is none.
 * @stage: number of the step, 0: none
 * @num: errno to fail with; 0: kill the launcher
 * @stop: the process stops itself (SIGSTOP) before the step, and goes on with it when continued;
 *        not for the child of a start, which is its namespace's pid 1 and immune
 * @kill_fd: a byte written to it kills the launcher, which the child cannot name from its pid
 *           namespace; see step_fault_arm()
 */
struct step_fault {
	unsigned int stage;
	int num;
	bool stop;
	int kill_fd;
};

/**
 * step_fault_parse() - "stage:errno" (a number), "stage:kill" or "stage:stop", as in DYNO_FAULT.
 * Return: 0, or -EINVAL with ERR_USAGE.
 */
int step_fault_parse(const char *text, struct step_fault *ret, struct dyno_err *err);

/**
 * step_fault_arm() - make @fault->kill_fd: the kernel sends SIGKILL to this process when somebody
 * writes to it.  It and its other end stay open until the process ends.
 * Return: 0, or -errno with ERR_IO.
 */
int step_fault_arm(struct step_fault *fault, struct dyno_err *err);

#endif
