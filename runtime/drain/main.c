/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dyno-drain - takes the lines of one dyno from its monitor and sends them to where --log says.  It
 * is the one program of dyno that speaks TLS and HTTP, in a process of its own, so that nothing on
 * a network can hold up a monitor, and what is found in a library does not reach one.
 *
 * Descriptors: a socket of the monitor's, a page that both have, and those that "fd:N" means; see
 * drainpage.h.  The monitor sends what to do, as lines of NAME=VALUE and an empty one, and then records.  Back come lines for the
 * dyno's log; the first is "+" where all was opened, or the failure.  The end of the socket is the
 * end of the program, after a while in which it sends what it has.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/util.h"
#include "drain/drain.h"
#include "kernel/privs.h"
#include "kernel/seccomp.h"
#include "model/drainpage.h"

/* What the monitor says at first, and how much is read at once. Source: sixteen URLs */
#define CONFIG_BYTES ((LOGURL_MAX + 2U) * LOGURL_BYTES)
#define INPUT_BYTES  (128U * 1024U)
/* Records that are taken before the drains are asked to go on. */
#define TAKE_AT_ONCE (RING_RECORDS / 4)
/* How long what is left is tried to be sent at the end. Source: own choice, a request */
#define FLUSH_MS 5000U
/* The longest wait: nothing needs it, but a clock may stand still. */
#define WAIT_MAX_MS 60000U

/* @page: of the monitor and this program, see drainpage.h
 * @eof: all that the monitor had to say was read
 * @input, @len: read and not yet taken */
struct program {
	struct drain_shared shared;
	struct drain drains[LOGURL_MAX];
	size_t n;
	struct drain_page *page;
	bool eof;
	struct arena arena;
	size_t len;
	char input[INPUT_BYTES];
};

/* ---- what to do ------------------------------------------------------------------------------ */

static const struct drain_kind *kind_of(enum logurl_kind kind)
{
	static const struct drain_kind *const kinds[] = {
		[LOGURL_FILE] = &drain_file,	[LOGURL_JSON] = &drain_file,
		[LOGURL_FD] = &drain_file,	[LOGURL_JOURNALD_SOCKET] = &drain_datagram,
		[LOGURL_UDP] = &drain_datagram, [LOGURL_TCP] = &drain_stream,
		[LOGURL_TLS] = &drain_stream,	[LOGURL_HTTPS] = &drain_https,
	};

	_Static_assert(ARRAY_SIZE(kinds) == _LOGURL_KIND_MAX, "each kind has its drain");
	return kinds[kind];
}

static int add_drain(struct program *p, const char *text, struct dyno_err *err)
{
	struct drain *d = &p->drains[p->n];
	int r;

	if (p->n == LOGURL_MAX)
		return err_set(err, ERR_USAGE, E2BIG, "log to more than %u places", LOGURL_MAX);
	*d = (struct drain){.shared = &p->shared, .fd = -EBADF, .poll_fd = -1};
	r = logurl_parse(text, &p->arena, &d->url, err);
	if (r < 0)
		return r;
	d->kind = kind_of(d->url.kind);
	d->token = logurl_token(&d->url, p->shared.app, d->token_buf);
	p->n++;
	/* A number to begin with is all that it is. */
	if (getrandom(d->frame, sizeof(d->frame), GRND_NONBLOCK) < 0)
		d->frame[0] = clock_ns();
	return d->kind->open ? d->kind->open(d, err) : 0;
}

static int take_setting(struct program *p, char *line, struct dyno_err *err)
{
	char *value = strchr(line, '=');

	if (!value)
		return err_set(err, ERR_INTERNAL, EPROTO, "read what to do");
	*value++ = '\0';
	if (str_eq(line, "app"))
		p->shared.app = value;
	else if (str_eq(line, "dyno"))
		p->shared.dyno = value;
	else if (str_eq(line, "source"))
		p->shared.platform = value;
	else if (str_eq(line, "block"))
		p->shared.block = true;
	else if (str_eq(line, "log"))
		return add_drain(p, value, err);
	return 0;
}

/* Return: the configuration, and nothing of what follows; NULL: the monitor is gone. */
static char *read_config(struct arena *arena)
{
	char *text = arena_alloc(arena, CONFIG_BYTES + 1);
	size_t len = 0;

	while (text && len < CONFIG_BYTES && read(DRAIN_FD_FEED, text + len, 1) == 1) {
		len++;
		text[len] = '\0';
		if (len >= 2 && text[len - 1] == '\n' && text[len - 2] == '\n')
			return text;
	}
	return NULL;
}

static int map_page(struct program *p, struct dyno_err *err)
{
	void *page =
		mmap(NULL, sizeof(*p->page), PROT_READ | PROT_WRITE, MAP_SHARED, DRAIN_FD_PAGE, 0);

	if (page == MAP_FAILED)
		return err_set(err, ERR_INTERNAL, errno, "share a page with the monitor");
	p->page = page;
	return close(DRAIN_FD_PAGE) < 0 ? err_set(err, ERR_INTERNAL, errno, "close the page") : 0;
}

static int configure(struct program *p, struct dyno_err *err)
{
	char *line = read_config(&p->arena);
	int r = map_page(p, err);

	p->shared.feed_fd = DRAIN_FD_FEED;
	p->shared.app = p->shared.dyno = "";
	p->shared.platform = "heroku";
	if (!line)
		return err_set(err, ERR_INTERNAL, EPROTO, "read what to do");
	while (r == 0 && *line != '\n') {
		char *next = strchr(line, '\n') + 1;

		next[-1] = '\0';
		r = take_setting(p, line, err);
		line = next;
	}
	return r;
}

/* ---- records --------------------------------------------------------------------------------- */

/* Under "block" nothing may be displaced: what is slowest has to have taken it. */
static bool is_full(const struct program *p)
{
	const struct ring *ring = &p->shared.ring;

	if (!p->shared.block || ring->next == 0)
		return false;
	if (ring->next - ring->first < RING_RECORDS && ring->bytes + INPUT_BYTES < RING_BYTES)
		return false;
	for (size_t i = 0; i < p->n; i++)
		if (p->drains[i].seq <= ring->first)
			return true;
	return false;
}

static void service_all(struct program *p)
{
	const uint64_t now = clock_ms();
	uint64_t settled = p->n > 0 ? UINT64_MAX : 0;

	for (size_t i = 0; i < p->n; i++) {
		p->drains[i].kind->service(&p->drains[i], now);
		drain_tell(&p->drains[i], now);
		settled = MIN_OF(settled, drain_through(&p->drains[i]));
	}
	__atomic_store_n(&p->page->settled, settled, __ATOMIC_RELAXED);
}

/* Return: whether a record was taken from the input. */
static bool take_record(struct program *p, size_t *io_from)
{
	const char *text = p->input + *io_from;
	const char *end = memchr(text, '\n', p->len - *io_from);

	if (!end || is_full(p))
		return false;
	ring_add(&p->shared.ring, text, (size_t)(end - text),
		 drain_stands_for(text, (size_t)(end - text)));
	*io_from += (size_t)(end + 1 - text);
	return true;
}

/* Return: whether there were any: nobody has looked at them yet. */
static bool take_records(struct program *p)
{
	size_t from = 0, n = 0;

	while (take_record(p, &from))
		if (++n % TAKE_AT_ONCE == 0)
			service_all(p);
	/* No record is so long: the monitor is not what it was. */
	if (from == 0 && p->len == sizeof(p->input) && !memchr(p->input, '\n', p->len))
		p->len = 0;
	memmove(p->input, p->input + from, p->len - from);
	p->len -= from;
	return from > 0;
}

static void read_feed(struct program *p)
{
	ssize_t n;

	if (p->len == sizeof(p->input))
		return;
	n = recv(DRAIN_FD_FEED, p->input + p->len, sizeof(p->input) - p->len, MSG_DONTWAIT);
	if (n > 0)
		p->len += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		p->eof = true;
}

/* Of a monitor that has ended nothing is read to the end while no drain takes what there is. */
static bool is_monitor_gone(const struct program *p)
{
	struct pollfd feed = {.fd = DRAIN_FD_FEED};

	return p->eof || (p->len == sizeof(p->input) && poll(&feed, 1, 0) > 0);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void wait_for_any(struct program *p, uint64_t until_ms)
{
	struct curl_waitfd fds[LOGURL_MAX + 1];
	const uint64_t now = clock_ms();
	uint64_t wake = MIN_OF(until_ms, now + WAIT_MAX_MS);
	unsigned int n = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct drain *d = &p->drains[i];

		wake = MIN_OF(wake, d->wake_ms);
		if (d->poll_fd >= 0)
			fds[n++] = (struct curl_waitfd){.fd = d->poll_fd, .events = d->poll_events};
	}
	if (!p->eof && p->len < sizeof(p->input))
		fds[n++] = (struct curl_waitfd){.fd = DRAIN_FD_FEED, .events = CURL_WAIT_POLLIN};
	else if (!p->shared.closing) /* its end is heard without being asked for */
		fds[n++] = (struct curl_waitfd){.fd = DRAIN_FD_FEED};
	(void)curl_multi_poll(p->shared.multi, fds, n, wake > now ? (int)(wake - now) : 0, NULL);
}

static void run_transfers(struct program *p)
{
	int running, left;
	const CURLMsg *msg;

	(void)curl_multi_perform(p->shared.multi, &running); /* each transfer tells its own end */
	while ((msg = curl_multi_info_read(p->shared.multi, &left))) {
		const CURLcode code = msg->data.result;
		char *data = NULL;
		struct drain *d;

		if (msg->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &data); /* is set */
		d = (struct drain *)(void *)data;
		d->kind->done(d, code);
	}
}

static bool is_done(const struct program *p)
{
	const uint64_t none = p->shared.ring.next;

	if (!p->eof || p->len > 0)
		return false;
	/* Whose certificate is bad will not have a good one in a moment. */
	for (size_t i = 0; i < p->n; i++)
		if (!p->drains[i].bad_cert && (p->drains[i].busy || p->drains[i].seq < none))
			return false;
	return true;
}

/* Those that wait for their next try have it now. Return: when all is over. */
static uint64_t begin_end(struct program *p)
{
	p->shared.closing = true;
	for (size_t i = 0; i < p->n; i++)
		p->drains[i].retry_at_ms = 0;
	return clock_ms() + FLUSH_MS;
}

static void run(struct program *p)
{
	uint64_t until = UINT64_MAX;

	while (!is_done(p) && clock_ms() < until) {
		wait_for_any(p, until);
		if (!p->eof)
			read_feed(p);
		if (!p->shared.closing && is_monitor_gone(p))
			until = begin_end(p);
		(void)take_records(p); /* all are served below */
		run_transfers(p);
		/* What is taken once there is room again must not wait for the next event. */
		do
			service_all(p);
		while (take_records(p));
	}
	for (size_t i = 0; i < p->n; i++) {
		p->drains[i].kind->close(&p->drains[i]);
		sbuf_done(&p->drains[i].out);
	}
}

/* ---- the process ----------------------------------------------------------------------------- */

/* Passwords of drains are in here: no core, no debugger, no capability, and the calls of an app. */
static int confine(struct dyno_err *err)
{
	static const struct rlimit no_core;
	int r;

	if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0)
		return err_set(err, ERR_LAUNCH, errno, "confine the helper for logs");
	r = privs_clear(err);
	if (r < 0)
		return r;
	r = seccomp_profile_load(SECCOMP_PROFILE_DEFAULT);
	/* A kernel without filters is no reason to lose lines. */
	return r < 0 && r != -EINVAL && r != -ENOSYS
		       ? err_set(err, ERR_LAUNCH, -r, "confine the helper for logs")
		       : 0;
}

/* Whoever ends a whole group of processes means the monitor: this one ends behind it. */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)sigaction(ignored[i], &ignore, NULL); /* cannot fail for these */
}

static void answer(const struct dyno_err *err)
{
	char text[ERR_TEXT_BYTES + 1] = "+";
	size_t len = 1;

	if (err) {
		(void)err_format(err, text, ERR_TEXT_BYTES); /* what is too long is cut */
		len = strcspn(text, "\n");		     /* the hint is the monitor's */
	}
	text[len] = '\n';
	(void)send(DRAIN_FD_FEED, text, len + 1, MSG_NOSIGNAL); /* who has gone needs none */
}

int main(void)
{
	struct program *p = calloc(1, sizeof(*p));
	struct dyno_err err = {0};
	pid_t pid;

	if (!p)
		return 1;
	(void)umask(022);
	if (configure(p, &err) < 0) {
		answer(&err);
		return 1;
	}
	/* A child of nobody who would have to reap it. */
	pid = fork();
	if (pid != 0)
		_exit(pid < 0 ? 1 : 0);
	(void)setsid(); /* a new child leads no group: cannot fail */
	(void)prctl(PR_SET_NAME, "dyno-drain");
	if (chdir("/") < 0)
		return 1;
	ignore_signals();
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		p->shared.multi = curl_multi_init();
	if (!p->shared.multi)
		(void)err_set(&err, ERR_MEMORY, ENOMEM, "prepare the helper for logs");
	if (!p->shared.multi || confine(&err) < 0) {
		answer(&err);
		return 1;
	}
	answer(NULL);
	run(p);
	(void)curl_multi_cleanup(p->shared.multi);
	curl_global_cleanup();
	ring_done(&p->shared.ring);
	arena_done(&p->arena);
	free(p);
	return 0;
}
