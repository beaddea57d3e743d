/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs_watch.c - one descriptor that says when the logs of an app may have more.  The kernel tells
 * of writes and of new names in their directory; a timer makes up for a kernel that tells nothing,
 * as on a network file system, for the lack of a watch, and for a directory that has been replaced.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/logs.h"

/* How often is looked beside what the kernel tells, and how often where it tells nothing.
 * Source: own choice */
#define LOOK_S	1
#define POLL_NS 200000000

#define WATCHED (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR)

static bool add(int epoll_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* The first time at once: what was written before there was a watch is not told of. */
static void arm(const struct dyno_log *log)
{
	struct itimerspec when = {.it_value.tv_nsec = 1};

	if (log->inotify_fd >= 0)
		when.it_interval.tv_sec = LOOK_S;
	else
		when.it_interval.tv_nsec = POLL_NS;
	(void)timerfd_settime(log->timer_fd, 0, &when, NULL); /* cannot fail with such times */
}

void logs_watch_dir(struct dyno_log *log)
{
	char path[32];

	if (log->inotify_fd < 0)
		return;
	str_fmt(path, sizeof(path), "/proc/self/fd/%d", log->dir_fd);
	if (inotify_add_watch(log->inotify_fd, path, WATCHED) >= 0)
		return;
	close_fdp(&log->inotify_fd);
	arm(log);
}

DYNO_PUBLIC int dyno_log_fd(struct dyno_log *log, struct dyno_err *err)
{
	_cleanup_close_ int epoll_fd = -EBADF;

	if (log->epoll_fd >= 0)
		return log->epoll_fd;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd >= 0 && log->timer_fd < 0)
		log->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (epoll_fd < 0 || log->timer_fd < 0 || !add(epoll_fd, log->timer_fd))
		return err_set(err, ERR_IO, errno, "watch the logs of the app %s", log->app);
	log->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (log->inotify_fd >= 0 && !add(epoll_fd, log->inotify_fd))
		close_fdp(&log->inotify_fd);
	log->epoll_fd = take_fd(&epoll_fd);
	arm(log);
	logs_watch_dir(log);
	return log->epoll_fd;
}

static void read_inotify(struct dyno_log *log)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n;

	while ((n = read(log->inotify_fd, buf, sizeof(buf))) > 0) {
		const char *p = buf;

		while (p < buf + n) {
			const struct inotify_event *event = (const void *)p;

			if (event->mask != IN_MODIFY)
				log->look = true;
			p += sizeof(*event) + event->len;
		}
	}
}

void logs_watch_read(struct dyno_log *log)
{
	uint64_t ticks;

	if (log->epoll_fd < 0) {
		log->look = true;
		return;
	}
	if (read(log->timer_fd, &ticks, sizeof(ticks)) > 0)
		log->look = true;
	if (log->inotify_fd >= 0)
		read_inotify(log);
}
