/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_privs.c - what a monitor of root keeps of root's rights. */
#include "engine/monitor.h"

#include <unistd.h>

#include <linux/capability.h>

#include "kernel/oomlog.h"
#include "kernel/privs.h"

/*
 * What launches, joins and looks at a dyno take.  Ids of tenants are written into maps; mounts,
 * namespaces and control groups are made; files of other owners are read, copied and removed;
 * processes of other users are looked at and killed; limits are raised to what the plan says.
 * CAP_SETPCAP is not among them: a dyno's process gives up its bounding set in its own namespace.
 */
#define MONITOR_CAPS                                                                           \
	(PRIVS_CAP(CAP_CHOWN) | PRIVS_CAP(CAP_DAC_OVERRIDE) | PRIVS_CAP(CAP_DAC_READ_SEARCH) | \
	 PRIVS_CAP(CAP_FOWNER) | PRIVS_CAP(CAP_FSETID) | PRIVS_CAP(CAP_KILL) |                 \
	 PRIVS_CAP(CAP_SETGID) | PRIVS_CAP(CAP_SETUID) | PRIVS_CAP(CAP_NET_BIND_SERVICE) |     \
	 PRIVS_CAP(CAP_NET_ADMIN) | PRIVS_CAP(CAP_SYS_CHROOT) | PRIVS_CAP(CAP_SYS_PTRACE) |    \
	 PRIVS_CAP(CAP_SYS_ADMIN) | PRIVS_CAP(CAP_SYS_RESOURCE) | PRIVS_CAP(CAP_MKNOD))

int monitor_give_up(int *ret_oomlog_fd, struct dyno_err *err)
{
	*ret_oomlog_fd = oomlog_open(); /* without it a victim has no name */
	return geteuid() == 0 ? privs_keep(MONITOR_CAPS, err) : 0;
}
