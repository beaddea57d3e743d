/* SPDX-License-Identifier: Apache-2.0 */
/* dynos_attach.c - the public functions on the output and input of a one-off that lives by itself. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/dynos.h"
#include "engine/ttywish.h"
#include "engine/viewers.h"

/* A monitor answers between two events of its loop. Source: own choice, above the longest launch */
#define ATTACH_MS 15000U
#define LEAVE_MS  5000

/**
 * struct dyno_attach - one client.
 * @control_fd: the connection that asked for it
 * @fd: frames one way, input the other
 * @head, @n_head: of the frame at hand, as far as it has come
 * @left: bytes of it that have not come
 */
struct dyno_attach {
	struct dyno *dyno;
	int control_fd;
	int fd;
	enum dyno_attach_input input;
	struct viewer_frame head;
	size_t n_head;
	size_t left;
};

static enum dyno_attach_input input_of(const char *word)
{
	if (str_eq(word, "tty"))
		return DYNO_ATTACH_TTY;
	return str_eq(word, "pipe") ? DYNO_ATTACH_PIPE : DYNO_ATTACH_NONE;
}

static int32_t size_word(unsigned int rows, unsigned int columns)
{
	return (int32_t)((rows & 0xffff) << 16 | (columns & 0xffff));
}

/* A one-off that has awaited its client is launched on a terminal of this size. */
static int32_t own_size(void)
{
	static const int own[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
	struct launch_tty tty;
	struct winsize size;

	ttywish_find(DYNO_TTY_ALWAYS, own, &tty, &size);
	return size_word(size.ws_row, size.ws_col);
}

static int ask(struct dyno_attach *a, int read_only, int theirs, struct dyno_err *err)
{
	const struct ctl_request request = {
		.verb = CTL_ATTACH,
		.scope = read_only ? CTL_ATTACH_READ_ONLY : 0,
		.value = own_size(),
	};
	struct dyno *dyno = a->dyno;
	_cleanup_sbuf_ struct sbuf text = {0};
	int r = ctl_ask(a->control_fd, &request, NULL, &theirs, 1, ATTACH_MS, &text, NULL, err);

	if (r == -EPIPE)
		return dynos_not_found(dyno->host, dyno->app, dyno->name, err);
	if (r < 0)
		return r;
	a->input = input_of(sbuf_str(&text));
	return 0;
}

static int attach(struct dyno_attach *a, int read_only, struct dyno_err *err)
{
	_cleanup_close_ int theirs = -EBADF;
	int pair[2];

	a->control_fd = dynos_connect(a->dyno, err);
	if (a->control_fd < 0)
		return a->control_fd;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, ERR_IO, errno, "make a pair of sockets");
	a->fd = pair[0];
	theirs = pair[1];
	return ask(a, read_only, theirs, err);
}

DYNO_PUBLIC int dyno_attach(struct dyno *dyno, int read_only, struct dyno_attach **ret,
			    struct dyno_err *err)
{
	struct dyno_attach *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep a connection");
	*a = (struct dyno_attach){.dyno = dyno, .control_fd = -EBADF, .fd = -EBADF};
	r = attach(a, read_only, err);
	if (r < 0)
		dyno_attach_free(a);
	else
		*ret = a;
	return r;
}

DYNO_PUBLIC int dyno_attach_fd(const struct dyno_attach *attach)
{
	return attach->fd;
}

DYNO_PUBLIC int dyno_attach_control_fd(const struct dyno_attach *attach)
{
	return attach->control_fd;
}

DYNO_PUBLIC enum dyno_attach_input dyno_attach_input(const struct dyno_attach *attach)
{
	return attach->input;
}

/* Return: bytes of the head that were taken. */
static size_t take_head(struct dyno_attach *a, const char *bytes, size_t len)
{
	const size_t n = MIN_OF(len, sizeof(a->head) - a->n_head);

	memcpy((char *)&a->head + a->n_head, bytes, n);
	a->n_head += n;
	return n;
}

/* A head has come. Return: 0; what @fn returned; -EPROTO. */
static int begin_frame(struct dyno_attach *a, dyno_attach_fn fn, void *data)
{
	a->left = a->head.len;
	if (a->head.stream == VIEWER_LOST) {
		a->n_head = a->left = 0;
		return fn(data, 0, NULL, a->head.len);
	}
	return a->head.stream == VIEWER_OUT || a->head.stream == VIEWER_ERR ? 0 : -EPROTO;
}

DYNO_PUBLIC int dyno_attach_take(struct dyno_attach *a, const char *bytes, size_t len,
				 dyno_attach_fn fn, void *data)
{
	size_t n;
	int r = 0;

	while (len > 0 && r == 0) {
		if (a->n_head < sizeof(a->head)) {
			n = take_head(a, bytes, len);
			if (a->n_head == sizeof(a->head))
				r = begin_frame(a, fn, data);
		} else {
			n = MIN_OF(len, a->left);
			r = fn(data, a->head.stream == VIEWER_OUT ? 1 : 2, bytes, n);
			a->left -= n;
		}
		if (a->n_head == sizeof(a->head) && a->left == 0)
			a->n_head = 0;
		bytes += n;
		len -= n;
	}
	return r;
}

/* The answers are nobody's: none says more than that it was heard. */
static int say(const struct dyno_attach *a, const struct ctl_request *request)
{
	return send(a->control_fd, request, sizeof(*request), MSG_DONTWAIT | MSG_NOSIGNAL) < 0
		       ? -errno
		       : 0;
}

DYNO_PUBLIC int dyno_attach_resize(struct dyno_attach *a, unsigned int rows, unsigned int columns)
{
	const struct ctl_request request = {
		.verb = CTL_ATTACH_SIZE,
		.value = size_word(rows, columns),
	};

	return say(a, &request);
}

DYNO_PUBLIC int dyno_attach_leave(struct dyno_attach *a, struct dyno_err *err)
{
	const struct ctl_request request = {.verb = CTL_DETACH};
	struct pollfd p = {.fd = a->fd, .events = POLLIN};
	char buf[VIEWERS_FRAME_BYTES];
	int r = say(a, &request);

	/* Its end is the answer: one that came from here could be heard before the word. */
	while (r == 0 && poll(&p, 1, LEAVE_MS) == 1 &&
	       recv(a->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	return r < 0 ? err_set(err, ERR_MONITOR, -r, "leave %s/%s", a->dyno->app, a->dyno->name)
		     : 0;
}

DYNO_PUBLIC void dyno_attach_free(struct dyno_attach *a)
{
	if (!a)
		return;
	close_fdp(&a->fd);
	close_fdp(&a->control_fd);
	free(a);
}
