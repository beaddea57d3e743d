/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c - tells whoever started the command how far its dynos are. */
#include "cli/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/output.h"

#define READY "READY=1\n"

/* Longest datagram sent. Source: own choice; a status is a short line */
#define TEXT_BYTES 256

/* "/run/systemd/notify", or "@name" in the abstract name space.  False: of neither form. */
static bool make_address(const char *name, struct sockaddr_un *addr, socklen_t *ret_len)
{
	size_t len = strlen(name);

	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(addr->sun_path))
		return false;
	memcpy(addr->sun_path, name, len);
	if (name[0] == '@')
		addr->sun_path[0] = '\0';
	/* The length of an abstract name is part of it; that of a path counts its NUL. */
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
	return true;
}

/* Return: a descriptor, or -errno. */
static int open_socket(const char *name)
{
	struct sockaddr_un addr;
	socklen_t len;

	if (!make_address(name, &addr, &len))
		return -EINVAL;

	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, len) < 0)
		return -errno;
	return take_fd(&fd);
}

/* The variable may have been inherited by chance: that is worth a line, and no refusal. */
static void warn(const char *name, int num)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	sbuf_adds(&b, "dyno: reach NOTIFY_SOCKET ");
	output_add_line(&b, name);
	sbuf_addf(&b, ": %s; the service manager is not told\n", err_errno_text(num));
	output_stderr(&b);
}

void notify_open(struct notify *notify, int ready_fd)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*notify = (struct notify){.socket_fd = -EBADF, .ready_fd = ready_fd};
	/* It is for this process alone: whoever else held it would keep its reader waiting. */
	if (ready_fd > STDERR_FILENO)
		(void)fcntl(ready_fd, F_SETFD, FD_CLOEXEC); /* it is open */
	if (!name || !*name)
		return;
	notify->socket_fd = open_socket(name);
	if (notify->socket_fd < 0)
		warn(name, -notify->socket_fd);
}

/* A manager that does not listen any more is no reason to disturb the dynos. */
static void tell(const struct notify *notify, const char *text, int flags)
{
	if (notify->socket_fd >= 0)
		(void)send(notify->socket_fd, text, strlen(text), MSG_NOSIGNAL | flags);
}

void notify_ready(struct notify *notify)
{
	if (notify->ready)
		return;
	notify->ready = true;
	tell(notify, READY, 0); /* must arrive, as long as that may take */
	if (notify->ready_fd) {
		(void)fd_write_full(notify->ready_fd, READY, STRLEN(READY)); /* as above */
		if (notify->ready_fd > STDERR_FILENO)
			close_fdp(&notify->ready_fd);
		notify->ready_fd = 0;
	}
}

void notify_status(const struct notify *notify, const char *text)
{
	char line[TEXT_BYTES];

	str_fmt(line, sizeof(line), "STATUS=%s\n", text);
	tell(notify, line, MSG_DONTWAIT);
}

void notify_stopping(const struct notify *notify)
{
	tell(notify, "STOPPING=1\n", MSG_DONTWAIT);
}

void notify_close(struct notify *notify)
{
	close_fdp(&notify->socket_fd);
}
