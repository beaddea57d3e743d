/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - waits for processes to appear in the dyno, and looks through what /proc shows of them
 * for anything that is not the dyno's: the moment when a runtime's own process enters is when its
 * program, its descriptors and its directories could be taken.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "base/util.h"
#include "hostile.h"

/* What a test puts into the environment of the launcher and of the client that joins. */
#define CANARY	      "HOSTILE_CANARY="
#define ENVIRON_BYTES 65536
/* Descriptors looked at. Source: a process of a dyno begins with three */
#define FDS 64

static unsigned long looked;

static void possible(const char *pid, const char *what)
{
	(void)printf("%s of %s: possible\n", what, pid);
	(void)fflush(stdout);
}

/* A directory that is not within this process's root has another "/" above it. */
static void look_at_dir(const char *pid, const char *what)
{
	_cleanup_free_ char *path = NULL;
	struct stat own;
	struct stat its;

	if (asprintf(&path, "/proc/%s/%s/../../../../../../../..", pid, what) < 0)
		return;
	if (stat(path, &its) == 0 && stat("/", &own) == 0 &&
	    (its.st_dev != own.st_dev || its.st_ino != own.st_ino))
		possible(pid, what);
}

/* The image of dyno-init, once it was seen: every dyno runs it, so nobody may change it. */
static int image_fd = -EBADF;

/*
 * A program that is open but has no name here is one from outside.  The one that may be seen, for
 * the moment before it makes itself invisible, is the sealed image of dyno-init.
 */
static void look_at_exe(const char *pid)
{
	char target[4096];
	struct stat its;
	struct stat named;
	_cleanup_free_ char *path = NULL;
	ssize_t n;

	if (asprintf(&path, "/proc/%s/exe", pid) < 0)
		return;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0 || stat(path, &its) < 0)
		return;
	target[n] = '\0';
	if (str_starts(target, "/memfd:dyno-init")) {
		if (image_fd < 0)
			image_fd = open(path, O_RDONLY | O_CLOEXEC);
	} else if (stat(target, &named) < 0 || named.st_dev != its.st_dev ||
		   named.st_ino != its.st_ino) {
		(void)printf("exe of %s, %s: possible\n", pid, target);
	}
}

/* As CVE-2019-5736 did: kept open until nobody runs it, then opened anew for writing. */
static void write_image(void)
{
	char path[64];
	int fd;

	if (image_fd < 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", image_fd);
	(void)usleep(100000);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && (write(fd, "x", 1) >= 0 || ftruncate(fd, 0) == 0))
		(void)puts("image of dyno-init: possible");
}

static void look_at_fds(const char *pid)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	for (fd = 3; fd < FDS; fd++) {
		char what[32];

		(void)snprintf(what, sizeof(what), "fd/%d", fd);
		look_at_dir(pid, what);
	}
}

static void look_at_environ(const char *pid)
{
	static char text[ENVIRON_BYTES];
	_cleanup_free_ char *path = NULL;
	int fd;
	ssize_t n;

	if (asprintf(&path, "/proc/%s/environ", pid) < 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	if (n > 0 && memmem(text, (size_t)n, CANARY, strlen(CANARY)))
		possible(pid, "environ");
	(void)close(fd);
}

static void look_at_all(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9' || atol(e->d_name) == getpid())
			continue;
		looked++;
		look_at_dir(e->d_name, "cwd");
		look_at_dir(e->d_name, "root");
		look_at_exe(e->d_name);
		look_at_fds(e->d_name);
		look_at_environ(e->d_name);
	}
	if (dir)
		(void)closedir(dir);
}

int mode_watch(char **args)
{
	time_t until = time(NULL) + (args[0] ? atol(args[0]) : 1);

	(void)puts("watching");
	(void)fflush(stdout);
	while (time(NULL) < until)
		look_at_all();
	write_image();
	(void)printf("looked: %s\n", looked > 100 ? "often" : "hardly");
	return 0;
}

/* ---- from the host's side ---------------------------------------------------------------------*/

int mode_opened(char **args)
{
	union {
		struct inotify_event event;
		char space[16384];
	} buf;
	struct pollfd p = {.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .events = POLLIN};
	char **paths = args;
	bool seen[256] = {0};
	int status = 0;
	ssize_t n;
	ssize_t at;

	for (; *args && !str_eq(*args, "--"); args++)
		if (inotify_add_watch(p.fd, *args, IN_OPEN | IN_ACCESS) != args - paths + 1) {
			perror(*args);
			return 2;
		}
	if (!*args || args - paths >= (ssize_t)ARRAY_SIZE(seen))
		return 2;

	pid_t pid = fork();

	if (pid == 0) {
		(void)execvp(args[1], args + 1);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	while ((n = read(p.fd, &buf, sizeof(buf))) > 0)
		for (at = 0; at < n;) {
			const struct inotify_event *event =
				(const struct inotify_event *)(const void *)(buf.space + at);

			if (event->wd > 0 && event->wd <= args - paths)
				seen[event->wd - 1] = true;
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	for (at = 0; at < args - paths; at++)
		if (seen[at])
			(void)printf("opened: %s\n", paths[at]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
