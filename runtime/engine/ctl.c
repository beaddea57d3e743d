/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.c - the monitor's side.  Theory of operation: every call on a client's socket is non-blocking.
 * A request is read whole into the one packet buffer and answered before the next is looked at, one
 * a client and round of the loop, so that nobody is starved.  Nothing is queued here: what a client
 * does not read waits in the kernel, in a send buffer of bounded size; beyond it a watcher loses
 * events, which are counted, and everybody else is hung up on.  A client whose packets are not of
 * the form is told so and hung up on as well.
 */
#include "engine/ctl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "engine/ctl_wire.h"

/* Connections that wait for a busy monitor. Source: own choice; further ones wait in connect(2) */
#define BACKLOG 128
/* Connections accepted in one round of the loop. Source: own choice */
#define ACCEPT_BURST 16
/* How long none are accepted when the process or the host has no descriptor left. Source: own
 * choice, a human does not feel it and a loop does not spin */
#define ACCEPT_PAUSE_MS		   100

#define VERB_BIT(number, id, name) | (1U << (number))
static const uint32_t known_verbs = 0 CTL_VERBS(VERB_BIT);

/* ---- clients -------------------------------------------------------------------------------- */

static struct ctl_client *find_client(struct ctl *ctl, int fd)
{
	for (size_t i = 0; i < CTL_CLIENTS_MAX; i++)
		if (ctl->clients[i].fd == fd)
			return &ctl->clients[i];
	return NULL;
}

static void drop(struct ctl *ctl, struct ctl_client *client)
{
	if (ctl->loop)
		loop_remove(ctl->loop, client->fd);
	close_fdp(&client->fd);
	*client = (struct ctl_client){.fd = -EBADF};
}

/* Return: 0; -EAGAIN: it has not read enough; -errno. */
static int send_packet(int fd, const struct ctl_answer_head *head, const void *payload,
		       const int *fds, size_t n_fds)
{
	char *body = (char *)(uintptr_t)payload; /* only read from */
	struct iovec iov[] = {
		{.iov_base = (char *)(uintptr_t)head, .iov_len = sizeof(*head)},
		{.iov_base = body, .iov_len = head->len},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};
	union ctl_control control;
	ssize_t n;

	if (head->len > CTL_PACKET_BYTES - sizeof(*head))
		return -EMSGSIZE;
	ctl_attach(&msg, &control, fds, n_fds);
	do
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int send_failure(int fd, int value, const struct dyno_err *err)
{
	const struct ctl_answer_head head = {
		.type = CTL_FAILED, .value = value, .len = sizeof(*err)};

	return send_packet(fd, &head, err, NULL, 0);
}

/* ---- requests ------------------------------------------------------------------------------- */

static int check_form(const struct msghdr *msg, size_t n, struct ctl_call *call,
		      struct dyno_err *err)
{
	size_t rest = n - sizeof(call->request);

	if (msg->msg_flags & MSG_CTRUNC)
		return err_set(err, ERR_MONITOR, E2BIG, "take a request with its descriptors");
	if (msg->msg_flags & MSG_TRUNC)
		return err_set(err, ERR_MONITOR, EMSGSIZE, "take a request");
	if (n < sizeof(call->request) || call->request.len > rest)
		return err_set(err, ERR_MONITOR, EBADMSG, "take a request");
	/* The payload is the end of a packet, so that a head that has grown is understood. */
	call->payload += rest - call->request.len;
	return 0;
}

/* Return: 1; 0: none, or the client is gone; -errno: not of the form. */
static int receive(struct ctl *ctl, struct ctl_client *client, struct ctl_call *call,
		   struct dyno_err *err)
{
	union ctl_control control;
	struct iovec iov[] = {
		{.iov_base = &call->request, .iov_len = sizeof(call->request)},
		{.iov_base = ctl->packet, .iov_len = CTL_PACKET_BYTES - sizeof(call->request)},
	};
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = ARRAY_SIZE(iov),
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	ssize_t n = recvmsg(client->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0)
		call->n_fds = ctl_detach(&msg, call->fds);
	if (n <= 0) { /* an empty packet cannot be told from the end, and is no request */
		drop(ctl, client);
		return 0;
	}
	call->client = client->id;
	call->payload = ctl->packet;
	r = check_form(&msg, (size_t)n, call, err);
	if (r < 0)
		return r;
	ctl->packet[(size_t)n - sizeof(call->request)] = '\0';
	return 1;
}

static int obey(struct ctl *ctl, struct ctl_call *call, struct ctl_answer *answer,
		struct dyno_err *err)
{
	const uint32_t verb = call->request.verb;
	int r;

	if (verb >= 32 || !(known_verbs & (1U << verb))) {
		r = err_set(err, ERR_MONITOR, EOPNOTSUPP, "obey the request %u", verb);
		err_hint(err, "the monitor is of another version of dyno: restart the dyno");
		return r;
	}
	r = ctl->fn(ctl->data, call, answer, err);
	if (r < 0)
		return r;
	if (sbuf_ok(&answer->text) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "answer a request");
	if (answer->text.len > CTL_PACKET_BYTES - sizeof(struct ctl_answer_head))
		return err_set(err, ERR_MONITOR, EMSGSIZE, "answer a request");
	return 0;
}

static int send_answer(struct ctl_client *client, uint32_t verb, const struct ctl_answer *answer)
{
	struct ctl_answer_head head = {.type = CTL_DONE};
	int r;

	if (verb != CTL_WATCH) {
		head.len = (uint32_t)answer->text.len;
		return send_packet(client->fd, &head, sbuf_str(&answer->text), answer->fds,
				   answer->n_fds);
	}
	r = send_packet(client->fd, &head, "", NULL, 0);
	head.type = CTL_EVENT;
	head.len = (uint32_t)answer->text.len;
	if (r == 0)
		r = send_packet(client->fd, &head, sbuf_str(&answer->text), NULL, 0);
	client->watches = r == 0;
	return r;
}

static void serve_request(struct ctl *ctl, struct ctl_client *client, struct ctl_call *call)
{
	struct ctl_answer answer = {0};
	struct dyno_err err = {0};
	const uint64_t id = client->id;
	int r = obey(ctl, call, &answer, &err);

	/* What it caused may have been an event that this client could not take. */
	if (client->id == id) {
		if (r < 0)
			r = send_failure(client->fd, r, &err);
		else
			r = send_answer(client, call->request.verb, &answer);
		if (r < 0)
			drop(ctl, client);
	}
	sbuf_done(&answer.text);
}

static void on_client(struct loop *loop, int fd, short revents, void *data)
{
	struct ctl *ctl = data;
	struct ctl_client *client = find_client(ctl, fd);
	struct ctl_call call = {0};
	struct dyno_err err = {0};
	int r;

	(void)loop;
	(void)revents; /* a hang-up is read like the rest */
	if (!client)
		return;
	r = receive(ctl, client, &call, &err);
	if (r > 0)
		serve_request(ctl, client, &call);
	if (r < 0) {
		(void)send_failure(fd, r, &err); /* it may listen or not: it is left alone now */
		drop(ctl, client);
	}
	ctl_close_fds(call.fds, call.n_fds);
}

/* ---- connections ---------------------------------------------------------------------------- */

static int check_peer(int fd, struct dyno_err *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_set(err, ERR_MONITOR, errno, "tell who connects");
	if (peer.uid != 0 && peer.uid != geteuid())
		return err_set(err, ERR_MONITOR, EPERM, "obey the user %u", peer.uid);
	return 0;
}

static int busy(struct dyno_err *err)
{
	int r = err_set(err, ERR_MONITOR, EBUSY, "connect to the dyno's monitor");

	err_hint(err, "it has %u connections, as many as it takes: end some of them",
		 CTL_CLIENTS_MAX);
	return r;
}

/* Whether nothing more can come from a client. */
static bool has_left(const struct ctl_client *client)
{
	char c;
	ssize_t n = recv(client->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* A free slot, if need be of a client that has left without having been heard yet. */
static struct ctl_client *find_slot(struct ctl *ctl)
{
	struct ctl_client *slot = find_client(ctl, -EBADF);

	if (slot)
		return slot;
	for (size_t i = 0; i < CTL_CLIENTS_MAX; i++)
		if (has_left(&ctl->clients[i]))
			drop(ctl, &ctl->clients[i]);
	return find_client(ctl, -EBADF);
}

static int admit(struct ctl *ctl, int *fd, struct dyno_err *err)
{
	/* One packet of full size must fit, whatever the host's default is. */
	const int room = CTL_PACKET_BYTES;
	struct ctl_client *slot;
	int r = check_peer(*fd, err);

	if (r < 0)
		return r;
	slot = find_slot(ctl);
	if (!slot)
		return busy(err);
	if (setsockopt(*fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) < 0)
		return err_set(err, ERR_MONITOR, errno, "set up a connection");
	if (loop_add(ctl->loop, *fd, POLLIN, on_client, ctl) < 0)
		return busy(err);
	*slot = (struct ctl_client){.fd = take_fd(fd), .id = ++ctl->next_id};
	return 0;
}

/* Return: 1: there may be more; 0: none; -errno. */
static int accept_one(struct ctl *ctl)
{
	_cleanup_close_ int fd = accept4(ctl->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct dyno_err err = {0};
	int r;

	if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
		return 1;
	if (fd < 0)
		return errno == EAGAIN ? 0 : -errno;
	r = admit(ctl, &fd, &err);
	if (r < 0)
		(void)send_failure(fd, r, &err); /* closed next, read or not */
	return 1;
}

static void on_listen(struct loop *loop, int fd, short revents, void *data)
{
	struct ctl *ctl = data;
	int r = 1;

	(void)revents;
	for (int i = 0; i < ACCEPT_BURST && r > 0; i++)
		r = accept_one(ctl);
	if (r < 0) {
		loop_remove(loop, fd);
		loop_timer_arm(loop, ctl->timer, clock_ms() + ACCEPT_PAUSE_MS);
	}
}

static void on_pause_over(struct loop *loop, void *data)
{
	struct ctl *ctl = data;

	if (ctl->fd >= 0 && loop_add(loop, ctl->fd, POLLIN, on_listen, ctl) < 0)
		loop_timer_arm(loop, ctl->timer, clock_ms() + ACCEPT_PAUSE_MS);
}

/* ---- the whole ------------------------------------------------------------------------------ */

int ctl_open(struct ctl *ctl, int dir_fd, struct dyno_err *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int num = errno;
	_cleanup_free_ char *packet = malloc(CTL_PACKET_BYTES);
	struct sockaddr_un at;

	if (!packet)
		return err_set(err, ERR_MEMORY, ENOMEM, "make the control socket of the dyno");
	if (fd < 0)
		return err_set(err, ERR_IO, num, "make a socket");
	ctl_address(&at, dir_fd);
	/* The place is the caller's alone: what stands there is of a dead monitor. */
	(void)unlinkat(dir_fd, CTL_SOCKET_NAME, 0);
	/* bind(2) gives the file the mode of the socket, less the umask. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_set(err, ERR_RUN_DIR, errno, "make the control socket of the dyno");

	*ctl = CTL_INIT;
	for (size_t i = 0; i < CTL_CLIENTS_MAX; i++)
		ctl->clients[i].fd = -EBADF;
	ctl->packet = take_ptr(&packet);
	ctl->fd = take_fd(&fd);
	ctl->dir_fd = dir_fd;
	return 0;
}

int ctl_serve(struct ctl *ctl, struct loop *loop, ctl_fn fn, void *data)
{
	int timer = loop_timer_add(loop, on_pause_over, ctl);

	if (timer < 0)
		return timer;
	ctl->loop = loop;
	ctl->timer = timer;
	ctl->fn = fn;
	ctl->data = data;
	return loop_add(loop, ctl->fd, POLLIN, on_listen, ctl);
}

static int tell(struct ctl_client *client, const char *json, size_t len)
{
	struct ctl_answer_head head = {.type = CTL_LOST, .value = (int32_t)client->lost};
	int r = client->lost ? send_packet(client->fd, &head, "", NULL, 0) : 0;

	if (r < 0)
		return r;
	client->lost = 0;
	head = (struct ctl_answer_head){.type = CTL_EVENT, .len = (uint32_t)len};
	return send_packet(client->fd, &head, json, NULL, 0);
}

static bool is_passing(int r)
{
	return r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM || r == -EMSGSIZE;
}

void ctl_event(struct ctl *ctl, const char *json, size_t len)
{
	for (size_t i = 0; ctl->fd >= 0 && i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &ctl->clients[i];
		int r = client->watches ? tell(client, json, len) : 0;

		if (is_passing(r))
			client->lost += client->lost < INT32_MAX;
		else if (r < 0)
			drop(ctl, client);
	}
}

/* To a client that is still there, and reads what it is sent. Return: 0; -ENOENT. */
static int send_to(struct ctl *ctl, uint64_t client, const struct ctl_answer_head *head,
		   const void *payload, const int *fds, size_t n_fds)
{
	for (size_t i = 0; ctl->fd >= 0 && i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *c = &ctl->clients[i];

		if (c->fd < 0 || c->id != client)
			continue;
		if (send_packet(c->fd, head, payload, fds, n_fds) == 0)
			return 0;
		drop(ctl, c);
	}
	return -ENOENT;
}

int ctl_answer_later(struct ctl *ctl, uint64_t client, int32_t value, const struct dyno_err *err)
{
	const struct ctl_answer_head head = {
		.type = CTL_ENDED, .value = value, .len = err ? sizeof(*err) : 0};

	return send_to(ctl, client, &head, err, NULL, 0);
}

int ctl_hand_over(struct ctl *ctl, uint64_t client, int fd)
{
	const struct ctl_answer_head head = {.type = CTL_TTY};

	return send_to(ctl, client, &head, NULL, &fd, 1);
}

void ctl_hang_up(struct ctl *ctl)
{
	for (size_t i = 0; i < CTL_CLIENTS_MAX; i++)
		if (ctl->clients[i].fd >= 0)
			drop(ctl, &ctl->clients[i]);
}

void ctl_hide(struct ctl *ctl)
{
	if (ctl->dir_fd < 0)
		return;
	(void)unlinkat(ctl->dir_fd, CTL_SOCKET_NAME, 0); /* the place goes with all in it */
	ctl->dir_fd = -EBADF;
}

void ctl_close(struct ctl *ctl)
{
	if (ctl->fd < 0)
		return;
	ctl_hide(ctl);
	for (size_t i = 0; i < CTL_CLIENTS_MAX; i++)
		drop(ctl, &ctl->clients[i]);
	if (ctl->loop) {
		loop_remove(ctl->loop, ctl->fd);
		loop_timer_disarm(ctl->loop, ctl->timer);
	}
	close_fdp(&ctl->fd);
	free(ctl->packet);
	*ctl = CTL_INIT;
}
