/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.c - waiting for and signalling processes by pidfd: a number that cannot be re-used under
 * us, unlike a pid.  Starting them is in spawn.c.
 */
#include "base/proc.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The base of an exit status that stands for a signal, as shells have it. */
#define STATUS_SIGNAL_BASE 128

int proc_wait(int pidfd, int *ret_status)
{
	siginfo_t si = {0};

	/* __WALL: a child that has not come to its exec may have another exit signal. */
	while (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED | __WALL) < 0)
		if (errno != EINTR)
			return -errno;

	*ret_status = si.si_code == CLD_EXITED ? si.si_status : STATUS_SIGNAL_BASE + si.si_status;
	return 0;
}

int proc_peek_signal(int pidfd)
{
	siginfo_t si = {0};

	while (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED | WNOWAIT | __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return si.si_code == CLD_EXITED ? 0 : si.si_status;
}

int proc_kill(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}
