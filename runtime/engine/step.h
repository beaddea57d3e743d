/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step.h - a launch is a table of named steps run by one small loop, on each side of clone.  The
 * loop stamps the time, names the step in the error, undoes in reverse order, and is where faults
 * are injected: none of the steps knows of any of that.
 */
#ifndef DYNO_STEP_H
#define DYNO_STEP_H

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

/* The rows of both sides in one numbering: dyno_err.stage is 1 + the index. */
extern const struct step launch_parent_steps[];
extern const size_t launch_parent_n;
extern const struct step launch_child_steps[];
extern const size_t launch_child_n;

/** step_name() - name of a stage as numbered in dyno_err.stage; "" for 0 and unknown ones. */
const char *step_name(unsigned int stage);

/**
 * steps_run() - run a table from its first row.
 * @first_stage: stage number of the first row, from 1
 *
 * Return: 0, or -errno of the failed step, whose number is in @err->stage; nothing is undone.
 * Context: parent, [child]
 */
int steps_run(const struct step *steps, size_t n, unsigned int first_stage, struct launch *launch,
	      struct dyno_err *err);

/** steps_undo() - undo the first @n rows in reverse order. Context: parent */
void steps_undo(const struct step *steps, size_t n, struct launch *launch);

/**
 * struct step_fault - a fault to inject; the zero value is none.
 * @stage: number of the step, 0: none
 * @num: errno to fail with; 0: kill the launcher
 * @kill_fd: a byte written to it kills the launcher, which the child cannot name from its pid
 *           namespace; see step_fault_arm()
 */
struct step_fault {
	unsigned int stage;
	int num;
	int kill_fd;
};

/**
 * step_fault_parse() - "stage:errno" (a number) or "stage:kill", as in DYNO_FAULT.
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
