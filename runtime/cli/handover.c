/* SPDX-License-Identifier: Apache-2.0 */
/* handover.c - what a supervisor outside is handed. */
#include "cli/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/outfile.h"

/* How long the receiver may take for each message. Source: own choice */
#define SEND_TIMEOUT_S 10

/* A pid, a newline and the NUL. */
#define PID_BYTES 16

int handover_pid_file(const char *path, int pid, struct dyno_err *err)
{
	_cleanup_(outfile_done) struct outfile file = {.fd = -EBADF};
	char text[PID_BYTES];
	int r = outfile_open(&file, path, true, err);

	if (r < 0)
		return r;

	size_t len = str_fmt(text, sizeof(text), "%d\n", pid);
	ssize_t n = fd_write_full(file.fd, text, len);

	if (n < 0)
		return err_set(err, ERR_IO, (int)-n, "write %s", path);
	return outfile_commit(&file, err);
}

void handover_pid_file_remove(const char *path, int pid)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char text[PID_BYTES], found[PID_BYTES] = "";
	struct stat st;

	str_fmt(text, sizeof(text), "%d\n", pid);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    fd_read_full(fd, found, sizeof(found) - 1) < 0 || !str_eq(found, text))
		return;
	(void)unlink(path); /* a file that stays names a process that is gone, which can be seen */
}

/* Return: a descriptor, or -errno with err set. */
static int connect_to(const char *path, struct dyno_err *err)
{
	struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, ERR_IO, ENAMETOOLONG, "connect to %s", path);
	memcpy(addr.sun_path, path, strlen(path));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(err, ERR_IO, errno, "connect to %s", path);
	return take_fd(&fd);
}

static int send_one(int fd, const struct fleet_dyno *dyno, int pidfd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char text[2 * FLEET_NAME_BYTES];
	struct iovec iov = {.iov_base = text};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};

	iov.iov_len = str_fmt(text, sizeof(text), "%s/%s\n", dyno->app, dyno->name);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &pidfd, sizeof(int));
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int handover_pidfds(const char *path, struct fleet *fleet, struct dyno_err *err)
{
	_cleanup_close_ int fd = connect_to(path, err);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < fleet->n; i++) {
		struct fleet_dyno *dyno = &fleet->dynos[i];
		int r;

		if (dyno->ended)
			continue;

		_cleanup_close_ int pidfd = fleet_monitor_pidfd(dyno, err);

		if (pidfd < 0)
			return pidfd;
		r = send_one(fd, dyno, pidfd);
		if (r < 0)
			return err_set(err, ERR_IO, -r, "send the pidfd of %s/%s to %s", dyno->app,
				       dyno->name, path);
	}
	return 0;
}
