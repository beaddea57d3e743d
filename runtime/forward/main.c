/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dyno-forward - stands behind one published port of the host.  A monitor, or dyno start, starts it
 * with the port bound already, and it gives up every right it has before it looks at a client.  It
 * ends when the last monitor has hung up.
 *
 * argv: dyno-forward APP SOCKET_NAME; descriptors: see forward/proto.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "forward/forward.h"
#include "kernel/privs.h"

/* Events of one round. Source: own choice */
#define EVENTS_MAX 128

/* The sleep of a round is cut: epoll_wait(2) does not count a suspend, deadlines do. */
#define SLEEP_MAX_MS UINT64_C(60000)

int watch(struct forward *f, int fd, uint32_t events, struct source *source)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void set_listening(struct forward *f, bool on)
{
	struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = &f->port_source};

	if (f->ending || f->listening == on)
		return;
	f->listening = on;
	(void)epoll_ctl(f->epoll_fd, EPOLL_CTL_MOD, f->port_fd, &event); /* it is registered */
}

void end_port(struct forward *f)
{
	if (f->ending)
		return;
	f->ending = true;
	f->end_at_ms = clock_ms() + FORWARD_DRAIN_MS;
	/* The port before the name: who finds no forwarder may bind at once. */
	close_fdp(&f->port_fd);
	(void)unlinkat(f->run_fd, f->socket_name, 0);
	close_fdp(&f->control_fd);
	clients_serve(f);
}

static bool is_over(const struct forward *f, uint64_t now_ms)
{
	return f->ending && (f->n_conns == 0 || now_ms >= f->end_at_ms);
}

static uint64_t next_deadline(struct forward *f, uint64_t now_ms)
{
	uint64_t at_ms = clients_due(f, now_ms);

	if (f->paused_until_ms && now_ms >= f->paused_until_ms) {
		f->paused_until_ms = 0;
		set_listening(f, f->n_conns < f->max_conns);
	}
	if (f->paused_until_ms)
		at_ms = MIN_OF(at_ms, f->paused_until_ms);
	if (f->ending || !f->met)
		at_ms = MIN_OF(at_ms, f->end_at_ms);
	return at_ms;
}

static void pump_more(struct forward *f)
{
	struct conn_list again = TAILQ_HEAD_INITIALIZER(again);
	struct conn *conn;

	TAILQ_CONCAT(&again, &f->more, more);
	while ((conn = TAILQ_FIRST(&again))) {
		TAILQ_REMOVE(&again, conn, more);
		conn->queued = false;
		if (conn->state != CONN_DEAD)
			pump(f, conn);
	}
}

static void one_round(struct forward *f)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now_ms = clock_ms();
	uint64_t at_ms = TAILQ_EMPTY(&f->more) ? next_deadline(f, now_ms) : now_ms;
	uint64_t ms = at_ms > now_ms ? MIN_OF(at_ms - now_ms, SLEEP_MAX_MS) : 0;
	int n = epoll_wait(f->epoll_fd, events, EVENTS_MAX, (int)ms);

	for (int i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;

		source->fn(f, source, events[i].events);
	}
	pump_more(f);
	if (!f->met && clock_ms() >= f->end_at_ms)
		end_port(f);
	free_conns(f);
	free_peers(f);
}

static void raise_files(struct forward *f)
{
	struct rlimit lim = {.rlim_cur = 1024};

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim); /* else there are fewer clients at once */
		(void)getrlimit(RLIMIT_NOFILE, &lim); /* it could be read a moment ago */
	}
	f->max_conns = 1;
	if (lim.rlim_cur > FORWARD_SPARE_FDS + FORWARD_CONN_FDS)
		f->max_conns = (lim.rlim_cur - FORWARD_SPARE_FDS) / FORWARD_CONN_FDS;
	f->max_conns = MIN_OF(f->max_conns, (size_t)FORWARD_CONNS_MAX);
}

static int prepare(struct forward *f)
{
	TAILQ_INIT(&f->peers);
	TAILQ_INIT(&f->gone_peers);
	TAILQ_INIT(&f->starts);
	TAILQ_INIT(&f->more);
	for (size_t i = 0; i < ARRAY_SIZE(f->conns); i++)
		TAILQ_INIT(&f->conns[i]);
	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll_fd < 0)
		return -errno;
	f->end_at_ms = clock_ms() + FORWARD_FIRST_MS;
	f->listening = true;
	f->port_source.fn = on_port;
	f->control_source.fn = on_control;
	if (watch(f, f->port_fd, EPOLLIN, &f->port_source) < 0 ||
	    watch(f, f->control_fd, EPOLLIN, &f->control_source) < 0)
		return -EIO;
	return 0;
}

/* It makes no file, no process and no namespace: nothing of the caller's rights is of use to it. */
static int give_up(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct dyno_err ignored;

	if (sigaction(SIGPIPE, &ignore, NULL) < 0)
		return -errno;
	/* A monitor has no right to this any more, and no_new_privs does the same. */
	if (geteuid() == 0)
		(void)privs_drop_bounding(&ignored);
	return privs_clear(&ignored);
}

static int forward_main(char **argv)
{
	struct forward f = {
		.app = argv[1],
		.socket_name = argv[2],
		.port_fd = FORWARD_FD_PORT,
		.control_fd = FORWARD_FD_CONTROL,
		.run_fd = FORWARD_FD_RUN,
	};

	raise_files(&f);
	if (give_up() < 0 || prepare(&f) < 0)
		return 1;
	while (!is_over(&f, clock_ms()))
		one_round(&f);
	return 0;
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc != 3 || fcntl(FORWARD_FD_RUN, F_GETFD) < 0)
		return 2; /* not for people */
	/* A child of nobody who would have to reap it: it outlives whoever was first to need it. */
	pid = fork();
	if (pid != 0)
		_exit(pid < 0 ? 1 : 0);
	for (int fd = FORWARD_FD_PORT; fd < _FORWARD_FD_MAX; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* open, or there was nothing to hand over */
	(void)setsid();				      /* a new child leads no group: cannot fail */
	(void)prctl(PR_SET_NAME, "dyno-forward");     /* execveat leaves a number there */
	return chdir("/") < 0 ? 1 : forward_main(argv);
}
