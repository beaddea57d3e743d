/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny-syscall - runs a program on a kernel that seems to lack system calls, or to forbid them.
 *
 *   deny-syscall [-a FILE] NAME[,NAME...] ERRNO PROGRAM [ARG...]
 *
 * The named calls fail with ERRNO (ENOSYS, EPERM, ... or a number) in PROGRAM and in all that it
 * starts; with -a from when FILE is there: what PROGRAM did before can have needed them.  A caller
 * who may install a filter without giving up privileges does so, so that what is tested differs in
 * nothing else.  It is not a sandbox.
 *
 * Status: 125 when it cannot do that, else PROGRAM's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/seccomp.h>
#include <seccomp.h>

#include "base/num.h"
#include "base/str.h"
#include "base/util.h"

/* Longest list of names. Source: own choice */
#define NAMES_BYTES 512
/* Source: linux/err.h, MAX_ERRNO */
#define ERRNO_MAX 4095

static const struct {
	const char *name;
	int num;
} errnos[] = {
	{"ENOSYS", ENOSYS}, {"EPERM", EPERM},	{"EACCES", EACCES}, {"EINVAL", EINVAL},
	{"ENOMEM", ENOMEM}, {"EMFILE", EMFILE}, {"EAGAIN", EAGAIN}, {"ENOSPC", ENOSPC},
};

static int errno_number(const char *text)
{
	size_t i;
	uint32_t num;

	for (i = 0; i < ARRAY_SIZE(errnos); i++)
		if (str_eq(text, errnos[i].name))
			return errnos[i].num;
	return num_parse_u32(text, ERRNO_MAX, &num) < 0 || num == 0 ? -EINVAL : (int)num;
}

static int fail(const char *what, int num)
{
	(void)fprintf(stderr, "deny-syscall: %s: %s\n", what, strerror(num));
	return 125;
}

static int deny(scmp_filter_ctx filter, const char *names, uint32_t action)
{
	char copy[NAMES_BYTES];
	char *save = NULL;
	char *name;
	int r;

	if (strlen(names) >= sizeof(copy))
		return -E2BIG;
	memcpy(copy, names, strlen(names) + 1);
	for (name = strtok_r(copy, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		int nr = seccomp_syscall_resolve_name(name);

		/* A misspelt name would deny nothing, and the test would pass. */
		if (nr == __NR_SCMP_ERROR)
			return -ENOENT;
		r = seccomp_rule_add(filter, action, nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- from a moment on ------------------------------------------------------------------------ */

/* Until the last process under the filter has ended. */
static void answer_all(int listener, const char *file, int num)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	while (poll(&p, 1, -1) >= 0 && !(p.revents & POLLHUP)) {
		struct seccomp_notif call = {0};
		struct seccomp_notif_resp answer = {0};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
			continue; /* the caller was killed meanwhile */
		answer.id = call.id;
		if (access(file, F_OK) == 0)
			answer.error = -num;
		else
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

/*
 * The one who answers is not under the filter, so it is begun before; it learns the listener's
 * number from the pipe and finds it in the table of descriptors that the two share until then.
 * It keeps nothing else of the caller's: who waits for an end of file must get it.
 */
static void answerer(int from, const char *file, int num)
{
	int listener;

	if (read(from, &listener, sizeof(listener)) != sizeof(listener) ||
	    unshare(CLONE_FILES) < 0 || dup2(listener, 0) < 0 ||
	    syscall(SYS_close_range, 1U, ~0U, 0) < 0)
		_exit(1);
	(void)setsid();
	answer_all(0, file, num);
	_exit(0);
}

/* Return: where to write the listener's number; -errno. */
static int begin_answerer(const char *file, int num)
{
	int number[2];
	long pid;

	if (pipe2(number, O_CLOEXEC) < 0)
		return -errno;
	pid = syscall(SYS_clone, CLONE_FILES, NULL, NULL, NULL, NULL);
	if (pid == 0)
		answerer(number[0], file, num);
	return pid < 0 ? -errno : number[1];
}

int main(int argc, char **argv)
{
	const char *after = NULL;
	scmp_filter_ctx filter;
	int listener;
	int tell = -EBADF;
	int num;
	int r;

	if (argc > 2 && str_eq(argv[1], "-a")) {
		after = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc < 4)
		return fail("usage: deny-syscall [-a FILE] NAME[,NAME...] ERRNO PROGRAM [ARG...]",
			    EINVAL);
	num = errno_number(argv[2]);
	if (num < 0)
		return fail(argv[2], EINVAL);
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return fail("make a filter", ENOMEM);
	if (after)
		tell = begin_answerer(after, num);
	if (after && tell < 0)
		return fail("begin to answer", -tell);
	r = deny(filter, argv[1], after ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO((unsigned int)num));
	if (r < 0)
		return fail(argv[1], -r);
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, geteuid() != 0);
	if (r == 0)
		r = seccomp_load(filter);
	if (r < 0)
		return fail("load the filter", -r);
	listener = after ? seccomp_notify_fd(filter) : -EBADF;
	if (after && write(tell, &listener, sizeof(listener)) != sizeof(listener))
		return fail("hand over the listener", errno);
	seccomp_release(filter);
	(void)execvp(argv[3], argv + 3);
	return fail(argv[3], errno);
}
