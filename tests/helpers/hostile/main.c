/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   hostile calls|sockets|files      one line an attempt: "NAME: denied ERRNO" or "NAME: possible"
 *   hostile syscalls                 names of the system calls that fail with EPERM or ENOSYS when
 *                                    all of their arguments are 0
 *   hostile facts                    capabilities, filter, namespaces of this process
 *   hostile writable DIR...          files below that can be opened for writing
 *   hostile watch SECONDS            looks into each process that appears for what is not the dyno's
 *   hostile give KEY | look KEY      leaves signs of every kind; finds those of another process
 *   hostile bomb fork|thread|vfork   makes tasks for ever, tells the first refusal
 *   hostile opened PATH... -- WORD...   runs a command, tells which paths were opened meanwhile
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "base/util.h"
#include "hostile.h"

/* Longest attempt, in seconds. Source: own choice */
#define ATTEMPT_SECONDS 5U

int result(long r)
{
	return r < 0 ? -errno : 0;
}

static void tell(const char *name, int status)
{
	if (WIFSIGNALED(status))
		(void)printf("%s: killed SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		(void)printf("%s: possible\n", name);
	else
		(void)printf("%s: denied %s\n", name, strerrorname_np(WEXITSTATUS(status)));
}

static int run_attempts(const struct attempt *attempt)
{
	int status;

	for (; attempt->name; attempt++) {
		(void)fflush(stdout);

		pid_t pid = fork();

		if (pid < 0) {
			perror("hostile: fork");
			return 1;
		}
		if (pid == 0) {
			(void)alarm(ATTEMPT_SECONDS);

			int r = attempt->try();

			if (attempt_sibling > 0)
				(void)kill(attempt_sibling, SIGKILL); /* it may be gone */
			_exit(-r);
		}
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		tell(attempt->name, status);
	}
	return 0;
}

static int mode_calls(char **args)
{
	(void)args;
	return run_attempts(call_attempts);
}

static int mode_sockets(char **args)
{
	(void)args;
	return run_attempts(socket_attempts);
}

static int mode_files(char **args)
{
	(void)args;
	return run_attempts(file_attempts);
}

static const struct {
	const char *name;
	int (*run)(char **args);
} modes[] = {
	{"calls", mode_calls},	 {"sockets", mode_sockets},   {"files", mode_files},
	{"facts", mode_facts},	 {"syscalls", mode_syscalls}, {"writable", mode_writable},
	{"watch", mode_watch},	 {"give", mode_give},	      {"look", mode_look},
	{"opened", mode_opened}, {"bomb", mode_bomb},
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc > 1 && i < ARRAY_SIZE(modes); i++)
		if (str_eq(argv[1], modes[i].name))
			return modes[i].run(argv + 2);
	(void)fputs("usage: hostile MODE [ARG...]\n", stderr);
	return 2;
}
