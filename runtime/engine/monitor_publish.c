/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_publish.c - what forwarders of published ports are told: which start serves, under which
 * address, and when it does no more.
 *
 * Theory of operation.  After each event what every forwarder was told is compared with what is so,
 * and the difference is told: a new start before the old one is taken back, so that there is always
 * one.  A start that is to be stopped is taken back first, and the forwarder's word is waited for, a
 * tenth of a second at most: no client is sent to an app that has just been told to go.  A forwarder
 * that was killed is started anew.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/monitor_internal.h"
#include "forward/proto.h"
#include "kernel/netsock.h"

/* For a forwarder's word before a stop, and at the end. Source: own choice; it takes 50 us */
#define ACK_MS UINT64_C(100)
#define BYE_MS UINT64_C(1000)
/* Until a forwarder that could not be started is tried again. Source: own choice */
#define AGAIN_MS UINT64_C(1000)
/* Packets read at once. Source: own choice */
#define BURST 16

static void on_forwarder(struct loop *loop, int fd, short revents, void *data);

/* ---- telling -------------------------------------------------------------------------------- */

static void hang_up(struct monitor_publish *p)
{
	loop_remove(&p->m->loop, p->fd);
	close_fdp(&p->fd);
	for (size_t i = 0; i < ARRAY_SIZE(p->told); i++)
		p->told[i] = p->draining[i] = 0;
}

static void say(struct monitor_publish *p, const struct forward_msg *msg)
{
	/* What it cannot take it has no use for: a new one is told all of it. */
	if (p->fd >= 0 && send(p->fd, msg, sizeof(*msg), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		hang_up(p);
}

/* The place of a generation among those that were told, or a free one (0). Return: NULL: none. */
static uint32_t *find(uint32_t *gens, uint32_t gen)
{
	for (size_t i = 0; i < MONITOR_PUBLISH_GENS; i++)
		if (gens[i] == gen)
			return &gens[i];
	return NULL;
}

static void forget(uint32_t *gens, uint32_t gen)
{
	uint32_t *at = find(gens, gen);

	if (at)
		*at = 0;
}

static bool is_inside(const struct slot *slot)
{
	return slot->gen.app->network != DYNO_NET_HOST;
}

/* Where nothing is known of what it listens on: as a client on the same host would. */
static void default_address(const struct slot *slot, struct sockaddr_storage *ret,
			    uint32_t *ret_len)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(slot->gen.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	memcpy(ret, &at, sizeof(at));
	*ret_len = sizeof(at);
}

/* A socket that has its name but no listener costs nothing: as many as asked for are made. */
static void send_sockets(struct monitor_publish *p, const struct slot *slot, int family, size_t n)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * FORWARD_FDS_MAX)];
	} control = {0};
	struct forward_msg packet = {
		.type = FORWARD_SOCKETS, .gen = slot->gen.id, .value = (uint64_t)family};
	struct iovec iov = {.iov_base = &packet, .iov_len = sizeof(packet)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[FORWARD_FDS_MAX];

	n = MIN_OF(n, (size_t)FORWARD_FDS_MAX);
	if (netsock_open_many(slot->gen.launch.listen_fd, family, fds, n) < 0)
		n = 0; /* an empty packet: the forwarder asks again a little later */
	if (n > 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	if (sendmsg(p->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		hang_up(p);
	while (n > 0)
		close_fdp(&fds[--n]);
}

static void tell_up(struct monitor_publish *p, struct slot *slot)
{
	uint32_t *free_place = find(p->told, 0);
	struct forward_msg msg = {
		.type = FORWARD_UP,
		.gen = slot->gen.id,
		.flags = is_inside(slot) ? FORWARD_INSIDE : 0,
		.at = slot->at,
		.at_len = slot->at_len,
	};

	if (find(p->told, slot->gen.id) || !free_place)
		return;
	if (!msg.at_len)
		default_address(slot, &msg.at, &msg.at_len);
	*free_place = slot->gen.id;
	say(p, &msg);
}

/* ---- hearing -------------------------------------------------------------------------------- */

static struct slot *slot_of(struct monitor *m, uint32_t gen)
{
	for (size_t i = 0; i < ARRAY_SIZE(m->slots); i++)
		if (m->slots[i].used && m->slots[i].gen.id == gen)
			return &m->slots[i];
	return NULL;
}

static void give_sockets(struct monitor_publish *p, const struct forward_msg *msg)
{
	const struct slot *slot = slot_of(p->m, msg->gen);

	if (slot && find(p->told, msg->gen) && slot->gen.launch.listen_fd >= 0)
		send_sockets(p, slot, slot->at_len ? slot->at.ss_family : AF_INET,
			     (size_t)MIN_OF(msg->value, (uint64_t)FORWARD_FDS_MAX));
}

/* Return: 1: a word was heard; 0: none now; -EPIPE: it has gone. @ret_ack: of which start */
static int hear(struct monitor_publish *p, uint32_t *ret_ack)
{
	struct forward_msg msg;
	ssize_t n = p->fd < 0 ? 0 : recv(p->fd, &msg, sizeof(msg), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < (ssize_t)sizeof(msg)) {
		hang_up(p);
		return -EPIPE;
	}
	if (msg.type == FORWARD_WANT)
		give_sockets(p, &msg);
	else if (msg.type == FORWARD_IDLE)
		forget(p->draining, msg.gen);
	else if (msg.type == FORWARD_ACK)
		*ret_ack = msg.gen;
	return 1;
}

static void wait_for_ack(struct monitor_publish *p, uint32_t gen)
{
	const uint64_t until_ms = clock_ms() + ACK_MS;
	uint32_t ack = 0;

	while (p->fd >= 0 && ack != gen) {
		struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};
		uint64_t now_ms = clock_ms();

		if (now_ms >= until_ms || poll(&poll_fd, 1, (int)(until_ms - now_ms)) == 0)
			return; /* it is stopped, or the host is busy: the dyno does not wait */
		(void)hear(p, &ack); /* what has gone has no client to send either */
	}
}

static void tell_down(struct monitor_publish *p, uint32_t gen)
{
	const struct forward_msg msg = {.type = FORWARD_DOWN, .gen = gen};
	uint32_t *place = find(p->draining, 0);

	forget(p->told, gen);
	if (place)
		*place = gen;
	say(p, &msg);
	wait_for_ack(p, gen);
}

/* ---- what is so ----------------------------------------------------------------------------- */

static void tell_coming(struct monitor_publish *p)
{
	const uint64_t hold_ms = p->m->app->opts->hold_ms;
	const uint64_t by_ms = clock_ms() + (hold_ms ? hold_ms : PUBLISH_HOLD_MS);
	const bool coming = sup_coming(&p->m->sup, by_ms);
	const struct forward_msg msg = {.type = FORWARD_COMING, .value = coming};

	if (p->fd < 0 || (p->coming_told && p->coming == coming))
		return;
	p->coming_told = true;
	p->coming = coming;
	say(p, &msg);
}

static void sync_one(struct monitor_publish *p)
{
	struct monitor *m = p->m;

	if (p->fd < 0)
		return;
	tell_coming(p);
	for (size_t i = 0; i < ARRAY_SIZE(m->slots); i++)
		if (m->slots[i].used && !m->slots[i].exited &&
		    sup_serves(&m->sup, m->slots[i].gen.id))
			tell_up(p, &m->slots[i]);
	for (size_t i = 0; i < ARRAY_SIZE(p->told); i++)
		if (p->told[i] && !sup_serves(&m->sup, p->told[i]))
			tell_down(p, p->told[i]);
}

void publish_sync(struct monitor *m)
{
	for (size_t i = 0; i < m->app->n_publish; i++)
		sync_one(&m->publish[i]);
}

uint32_t publish_drained(const struct monitor *m)
{
	const uint32_t gen = m->sup.side.id;

	if (!sup_drains(&m->sup, gen))
		return 0;
	for (size_t i = 0; i < m->app->n_publish; i++)
		for (size_t k = 0; k < MONITOR_PUBLISH_GENS; k++)
			if (m->publish[i].told[k] == gen || m->publish[i].draining[k] == gen)
				return 0;
	return gen;
}

/* ---- coming and going ----------------------------------------------------------------------- */

static int attach(struct monitor_publish *p, struct dyno_err *err)
{
	struct app *app = p->m->app;
	const struct publish_ask ask = {
		.run_fd = app->run_fd,
		.libexec_dir = app->host->libexec_dir,
		.app = app->name,
		.dyno = app->place.dyno,
		.hold_ms = app->opts->hold_ms,
	};

	p->coming_told = false;
	return publish_open(&ask, p->plan, &p->fd, err);
}

static int serve(struct monitor_publish *p)
{
	return loop_add(&p->m->loop, p->fd, POLLIN, on_forwarder, p);
}

/* Return: whether it is there again. */
static bool attach_again(struct monitor_publish *p)
{
	char text[DYNO_ERR_MSG_BYTES + 64], where[PUBLISH_TEXT_BYTES];
	struct dyno_err err = {0};
	int r = attach(p, &err);

	if (r == 0 && serve(p) == 0) {
		p->warned = false;
		return true;
	}
	hang_up(p);
	if (!p->warned) {
		(void)str_fmt(text, sizeof(text), "port %s is not published any more: %s",
			      publish_where(p->plan, where), err.msg);
		tell_warning(p->m, text);
	}
	p->warned = true;
	loop_timer_arm(&p->m->loop, p->m->publish_timer, clock_ms() + AGAIN_MS);
	return false;
}

static void on_forwarder(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor_publish *p = data;
	uint32_t ignored;
	int r = 1;

	(void)loop;
	(void)fd;
	(void)revents;
	for (int i = 0; i < BURST && r > 0; i++)
		r = hear(p, &ignored);
	if (p->fd < 0)
		(void)attach_again(p);
	mon_settle(p->m);
}

static void on_again(struct loop *loop, void *data)
{
	struct monitor *m = data;

	(void)loop;
	for (size_t i = 0; i < m->app->n_publish; i++)
		if (m->publish[i].fd < 0)
			(void)attach_again(&m->publish[i]);
	mon_settle(m);
}

static int list_ports(struct monitor *m, struct dyno_err *err)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	char where[PUBLISH_TEXT_BYTES];

	for (size_t i = 0; i < m->app->n_publish; i++)
		sbuf_addf(&b, "%s%s", i ? "," : "", publish_where(&m->app->publish[i], where));
	m->published = sbuf_ok(&b) < 0 ? NULL : arena_strdup(&m->app->arena, sbuf_str(&b));
	return m->published ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "keep the published ports");
}

void publish_init(struct monitor *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(m->publish); i++)
		m->publish[i] = (struct monitor_publish){.m = m, .fd = -EBADF};
}

int publish_prepare(struct monitor *m, struct dyno_err *err)
{
	int r = 0;

	if (m->app->n_publish == 0)
		return 0;
	m->publish_timer = loop_timer_add(&m->loop, on_again, m);
	if (m->publish_timer < 0)
		return err_set(err, ERR_INTERNAL, ENOSPC, "watch the time");
	for (size_t i = 0; r == 0 && i < m->app->n_publish; i++) {
		m->publish[i].plan = &m->app->publish[i];
		r = attach(&m->publish[i], err);
	}
	return r < 0 ? r : list_ports(m, err);
}

int publish_serve(struct monitor *m)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->app->n_publish; i++)
		r = serve(&m->publish[i]);
	return r;
}

/* Who waits for the dyno's end may rely on it that the port is free, if this was the last one. */
void publish_end(struct monitor *m)
{
	const struct forward_msg bye = {.type = FORWARD_BYE};

	for (size_t i = 0; i < m->app->n_publish; i++)
		say(&m->publish[i], &bye);
	for (size_t i = 0; i < m->app->n_publish; i++) {
		struct monitor_publish *p = &m->publish[i];
		const uint64_t until_ms = clock_ms() + BYE_MS;
		uint32_t ignored;
		int r = 0;

		while (p->fd >= 0 && r >= 0 && clock_ms() < until_ms) {
			struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};

			if (poll(&poll_fd, 1, (int)BYE_MS) == 0)
				break;
			r = hear(p, &ignored);
		}
		if (p->fd >= 0)
			hang_up(p);
	}
}

void publish_json(const struct monitor *m, struct sbuf *b)
{
	json_open(b, "published", '[');
	for (size_t i = 0; i < m->app->n_publish; i++) {
		const struct publish *p = &m->app->publish[i];

		json_open(b, NULL, '{');
		json_str(b, "address", p->address[0] ? p->address : NULL);
		json_u64(b, "port", p->port);
		json_str(b, "type", p->type);
		json_bool(b, "connected", m->publish[i].fd >= 0);
		json_close(b, '}');
	}
	json_close(b, ']');
}
