/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_client.c - the side of those who ask a monitor.  A monitor may be stopped, of another version
 * or killed at any moment: every wait has an end, and every length is looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/ctl_wire.h"

/* How long connect(2) waits for room in the queue of a monitor that does not accept.
 * Source: own choice; a monitor answers within a millisecond */
#define CONNECT_SECONDS 10

/* ---- what both ends share ------------------------------------------------------------------- */

void ctl_address(struct sockaddr_un *ret, int dir_fd)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	/* A re-open by number: the path of a place may be longer than sun_path. */
	str_fmt(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/" CTL_SOCKET_NAME, dir_fd);
}

void ctl_attach(struct msghdr *msg, union ctl_control *control, const int *fds, size_t n)
{
	struct cmsghdr *c = &control->head;

	if (n == 0)
		return;
	*control = (union ctl_control){0};
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	msg->msg_control = control->room;
	msg->msg_controllen = CMSG_SPACE(n * sizeof(int));
}

size_t ctl_detach(struct msghdr *msg, int fds[CTL_FDS_MAX])
{
	size_t n = 0;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* The kernel merges all descriptors of a packet, and the room is for no more. */
		len = MIN_OF(len, (CTL_FDS_MAX - n) * sizeof(int));
		memcpy(fds + n, CMSG_DATA(c), len);
		n += len / sizeof(int);
	}
	return n;
}

void ctl_close_fds(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close_fdp(&fds[i]);
}

/* ---- connecting ----------------------------------------------------------------------------- */

static int connect_to(int fd, const struct sockaddr_un *to)
{
	const struct timeval limit = {.tv_sec = CONNECT_SECONDS};
	int r;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	do
		r = connect(fd, (const struct sockaddr *)to, sizeof(*to));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return 0;
}

int ctl_connect(int run_fd, const char *place)
{
	_cleanup_close_ int dir_fd =
		openat(run_fd, place, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int fd = -EBADF;
	struct sockaddr_un to;
	int r;

	if (dir_fd < 0)
		return -errno;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ctl_address(&to, dir_fd);
	r = connect_to(fd, &to);
	return r < 0 ? r : take_fd(&fd);
}

/* ---- asking --------------------------------------------------------------------------------- */

/**
 * struct asking - one request under way.
 * @buf: CTL_PACKET_BYTES for the answer
 * @payload, @len: of the answer, within @buf
 */
struct asking {
	int fd;
	uint64_t until_ms;
	struct ctl_answer_head head;
	char *buf;
	const char *payload;
	size_t len;
	int fds[CTL_FDS_MAX];
	size_t n_fds;
};

static void asking_done(struct asking *a)
{
	ctl_close_fds(a->fds, a->n_fds);
	free(a->buf);
}

/* Return: 0, -ETIMEDOUT, -errno. */
static int wait_until(const struct asking *a, short events)
{
	struct pollfd p = {.fd = a->fd, .events = events};

	for (;;) {
		uint64_t now = clock_ms();
		uint64_t left = now < a->until_ms ? a->until_ms - now : 0;
		int r = poll(&p, 1, (int)MIN_OF(left, (uint64_t)INT32_MAX));

		if (r > 0)
			return 0;
		if (r == 0 && clock_ms() >= a->until_ms)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

/* A monitor that has hung up may have said why before: that is for the reader to find. */
static int send_request(struct asking *a, const struct msghdr *msg)
{
	for (;;) {
		int r;

		if (sendmsg(a->fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_until(a, POLLOUT);
		if (r < 0)
			return r;
	}
}

/* The payload is the end of a packet, so that a head that has grown is understood. */
static int take_apart(struct asking *a, ssize_t n, int flags)
{
	size_t rest = (size_t)n - sizeof(a->head);

	if (flags & MSG_CTRUNC)
		return -EMFILE;
	if ((size_t)n < sizeof(a->head) || (flags & MSG_TRUNC) || a->head.len > rest)
		return -EPROTO;
	a->len = a->head.len;
	a->payload = a->buf + (rest - a->len);
	return 0;
}

/* Return: 0; -EPIPE: hung up; -EAGAIN; -errno. */
static int receive_answer(struct asking *a)
{
	union ctl_control control;
	struct iovec iov[] = {
		{.iov_base = &a->head, .iov_len = sizeof(a->head)},
		{.iov_base = a->buf, .iov_len = CTL_PACKET_BYTES},
	};
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = ARRAY_SIZE(iov),
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	ssize_t n = recvmsg(a->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	/* A reset is told before what came ahead of it, and once. */
	if (n < 0 && (errno == ECONNRESET || errno == EINTR))
		return -EAGAIN;
	if (n < 0)
		return -errno;
	a->n_fds = ctl_detach(&msg, a->fds);
	return n == 0 ? -EPIPE : take_apart(a, n, msg.msg_flags);
}

static int exchange(struct asking *a, const struct msghdr *msg)
{
	int r = send_request(a, msg);

	while (r == 0) {
		r = wait_until(a, POLLIN);
		if (r == 0)
			r = receive_answer(a);
		if (r != -EAGAIN)
			break;
		r = 0;
	}
	return r;
}

static int ask_failed(int r, struct dyno_err *err)
{
	if (r == -EPIPE) {
		err_set(err, ERR_MONITOR, EPIPE, "ask the monitor, which has hung up");
		err_hint(err, "the dyno has ended meanwhile: see `dyno ps --all`");
		return r;
	}
	err_set(err, ERR_MONITOR, -r, "ask the monitor");
	if (r == -EPROTO)
		err_hint(err, "it is of another version of dyno: restart the dyno");
	if (r == -ETIMEDOUT)
		err_hint(err, "is it stopped? `dyno ps` has its process id");
	return r;
}

/* What a monitor says of a failure: its text is not trusted to end, nor its number to be one. */
static int hear_failure(const struct asking *a, struct dyno_err *err)
{
	struct dyno_err said;

	if (a->len < sizeof(said) || a->head.value >= 0 || a->head.value < -4095)
		return ask_failed(-EPROTO, err);
	memcpy(&said, a->payload, sizeof(said));
	said.msg[sizeof(said.msg) - 1] = '\0';
	said.hint[sizeof(said.hint) - 1] = '\0';
	if (err)
		*err = said;
	return a->head.value;
}

static int hand_over(struct asking *a, struct sbuf *ret_text, int *ret_fds, struct dyno_err *err)
{
	size_t n = a->n_fds;

	if (ret_text) {
		sbuf_add(ret_text, a->payload, a->len);
		if (sbuf_ok(ret_text) < 0)
			return err_set(err, ERR_MEMORY, ENOMEM, "keep the monitor's answer");
	}
	if (ret_fds) {
		memcpy(ret_fds, a->fds, n * sizeof(*ret_fds));
		a->n_fds = 0;
	}
	return (int)n;
}

int ctl_ask(int fd, const struct ctl_request *request, const void *payload, const int *fds,
	    size_t n_fds, uint64_t timeout_ms, struct sbuf *ret_text, int *ret_fds,
	    struct dyno_err *err)
{
	_cleanup_(asking_done) struct asking a = {.fd = fd, .until_ms = clock_ms() + timeout_ms};
	struct ctl_request head = *request;
	char *body = (char *)(uintptr_t)payload; /* only read from */
	struct iovec iov[] = {
		{.iov_base = &head, .iov_len = sizeof(head)},
		{.iov_base = body, .iov_len = head.len},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};
	union ctl_control control;
	int r;

	if (n_fds > CTL_FDS_MAX || head.len > CTL_PACKET_BYTES - sizeof(head))
		return err_set(err, ERR_MONITOR, EMSGSIZE, "ask the monitor");
	a.buf = malloc(CTL_PACKET_BYTES);
	if (!a.buf)
		return err_set(err, ERR_MEMORY, ENOMEM, "ask the monitor");
	ctl_attach(&msg, &control, fds, n_fds);
	r = exchange(&a, &msg);
	if (r < 0)
		return ask_failed(r, err);
	if (a.head.type == CTL_FAILED)
		return hear_failure(&a, err);
	return a.head.type == CTL_DONE ? hand_over(&a, ret_text, ret_fds, err)
				       : ask_failed(-EPROTO, err);
}

/* ---- listening ------------------------------------------------------------------------------ */

int ctl_read_fd(int fd, struct ctl_answer_head *ret, char *buf, size_t size, int *ret_fd)
{
	struct ctl_answer_head head;
	struct iovec iov[] = {
		{.iov_base = &head, .iov_len = sizeof(head)},
		{.iov_base = buf, .iov_len = size - 1},
	};
	union ctl_control control;
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};
	int fds[CTL_FDS_MAX] = {-EBADF};
	size_t rest;
	ssize_t n;

	do {
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	rest = ctl_detach(&msg, fds);
	if (rest > 1)
		ctl_close_fds(fds + 1, rest - 1);
	*ret_fd = fds[0];
	rest = (size_t)n - sizeof(head);
	if ((size_t)n < sizeof(head) || (msg.msg_flags & MSG_TRUNC) || head.len > rest) {
		close_fdp(ret_fd);
		return -EPROTO;
	}
	memmove(buf, buf + (rest - head.len), head.len);
	buf[head.len] = '\0';
	*ret = head;
	return 1;
}

int ctl_read(int fd, struct ctl_answer_head *ret, char *buf, size_t size)
{
	_cleanup_close_ int none = -EBADF; /* what nobody has asked for is closed */

	return ctl_read_fd(fd, ret, buf, size, &none);
}
