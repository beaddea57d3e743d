/* SPDX-License-Identifier: Apache-2.0 */
/* facts.c - what a process is: its rights, its filter, and which system calls that refuses. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/str.h"
#include "base/util.h"
#include "hostile.h"

/* Newest call tried. Source: default.policy, newest */
#define LAST_CALL 469
/* How long a call may wait for something, in ms. Source: own choice */
#define CALL_WAIT_MS 200

static const char *const lines_of_status[] = {
	"CapInh:",     "CapPrm:",  "CapEff:",	       "CapBnd:", "CapAmb:",
	"NoNewPrivs:", "Seccomp:", "Seccomp_filters:", "Groups:",
};
static const char *const namespaces[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};

static void tell_status(void)
{
	char line[512];
	FILE *file = fopen("/proc/self/status", "re");
	size_t i;

	while (file && fgets(line, sizeof(line), file))
		for (i = 0; i < ARRAY_SIZE(lines_of_status); i++)
			if (str_starts(line, lines_of_status[i]))
				(void)fputs(line, stdout);
	if (file)
		(void)fclose(file);
}

/* The set that a process could ever have, asked of the kernel one by one. */
static void tell_bounding(void)
{
	unsigned long i;

	for (i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) > 0)
			(void)printf("bounding: %lu\n", i);
}

int mode_facts(char **args)
{
	char link[64];
	char path[64];
	size_t i;
	ssize_t n;

	(void)args;
	tell_status();
	tell_bounding();
	for (i = 0; i < ARRAY_SIZE(namespaces); i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = '\0';
		(void)printf("%s\n", link);
	}
	(void)printf("seccomp mode: %d\n", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
	(void)printf("securebits: %d\n", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	return 0;
}

/* ---- the calls --------------------------------------------------------------------------------*/

/* Those that would take the ground from under the process that makes them. */
static bool spared(long number)
{
	return number == SYS_rt_sigreturn || number == SYS_exit || number == SYS_exit_group
#ifdef SYS_vfork
	       || number == SYS_vfork
#endif
		;
}

/* Return: the errno that a process of its own gets from the call, 0 for none. */
static int errno_of(long number)
{
	int status = 0;
	int waited;
	pid_t pid = fork();

	if (pid == 0) {
		pid_t self = getpid();
		long r;

		errno = 0;
		r = syscall(number, 0, 0, 0, 0, 0, 0);
		if (syscall(SYS_getpid) != self)
			_exit(0); /* it was a fork */
		_exit(r < 0 ? errno : 0);
	}
	for (waited = 0; waited < CALL_WAIT_MS; waited++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
		(void)usleep(1000);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return 0;
}

int mode_syscalls(char **args)
{
	long number;
	int num;

	(void)args;
	for (number = 0; number <= LAST_CALL; number++) {
		_cleanup_free_ char *name = NULL;

		if (spared(number))
			continue;
		(void)fflush(stdout);
		num = errno_of(number);
		if (num != EPERM && num != ENOSYS)
			continue;
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number);
		if (name)
			(void)printf("%s %s\n", name, strerrorname_np(num));
		else if (num == EPERM)
			(void)printf("%ld EPERM\n", number);
	}
	return 0;
}
