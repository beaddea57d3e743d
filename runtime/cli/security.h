/* SPDX-License-Identifier: Apache-2.0 */
/* security.h - dyno inspect --security: what the kernel says of a dyno's confinement. */
#ifndef DYNO_CLI_SECURITY_H
#define DYNO_CLI_SECURITY_H

#include <stdint.h>

#include "cli/cli.h"
#include "cli/target.h"

/**
 * security_show() - the rows of one dyno, as a table or an object of JSON.
 * @pid: of a further process, as the dyno numbers it; 0: none
 * Return: how many hold less than promised, or -errno.
 */
int security_show(struct cli *cli, struct dyno_host *host, const struct target *target,
		  uint32_t pid, struct dyno_err *err);

#endif
