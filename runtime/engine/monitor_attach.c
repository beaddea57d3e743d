/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_attach.c - clients who look at a dyno's output as it comes, and type its input.
 *
 * Output comes from the pipes whose lines the log has, or from the master of the dyno's terminal,
 * which is read here and stands in no log.  Input goes to that master, or to a pipe that is the
 * command's standard input.  A writer who goes without a word has lost his connection, and the dyno
 * its client (contract 7.6); one who says that he goes has not.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/monitor_internal.h"

/* Source: contract 8.7 */
#define IDLE_MS (UINT64_C(3600) * 1000)
/* Reads of the terminal in one round of the loop. Source: own choice */
#define READS_AT_ONCE 4
/* How long viewers may take for the last of it. Source: own choice, as for the log */
#define LAST_MS 1000U

static void client_lost(struct monitor *m)
{
	mon_event(m, SUP_CLIENT_LOST, 0);
	mon_settle(m);
}

/* ---- idle ----------------------------------------------------------------------------------- */

uint64_t attach_idle_ms(const struct monitor *m)
{
	const uint64_t ms = m->app->opts->idle_timeout_ms;

	return ms ? ms : IDLE_MS;
}

static void on_idle_timer(struct loop *loop, void *data)
{
	struct monitor *m = data;
	const uint64_t at = m->attach.busy_ms + attach_idle_ms(m);

	if (clock_ms() < at)
		loop_timer_arm(loop, m->attach.idle_timer, at);
	else if (viewers_remove_writer(&m->attach.viewers))
		client_lost(m);
}

/* ---- input ---------------------------------------------------------------------------------- */

static void on_input_room(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor *m = data;

	(void)revents;
	loop_remove(loop, fd);
	viewers_input_ready(&m->attach.viewers);
}

/* The first client of a one-off types before the command has its terminal. */
static bool awaits_terminal(struct monitor *m)
{
	const struct slot *slot = mon_front(m);

	return slot && slot->gen.tty.wanted && !slot->started && !slot->failed;
}

static ptrdiff_t on_input(void *data, const char *bytes, size_t len)
{
	struct monitor *m = data;
	const int fd = m->attach.input_fd;
	ssize_t n;

	m->attach.busy_ms = clock_ms();
	if (fd < 0)
		return awaits_terminal(m) ? 0 : -EPIPE;
	n = write(fd, bytes, len);
	if (n >= 0)
		return n;
	if (errno != EAGAIN && errno != EINTR)
		return -errno;
	(void)loop_add(&m->loop, fd, POLLOUT, on_input_room, m); /* else the next byte finds room */
	return 0;
}

static void close_input(struct monitor *m)
{
	loop_remove(&m->loop, m->attach.input_fd);
	close_fdp(&m->attach.input_fd);
}

/* The end of a pipe is the command's to see; a terminal has none. */
static void on_end(void *data)
{
	struct monitor *m = data;

	if (!m->attach.is_tty)
		close_input(m);
}

static void on_gone(void *data, bool writer)
{
	if (writer)
		client_lost(data);
}

/* ---- output --------------------------------------------------------------------------------- */

static void tap(void *data, size_t stream, const char *bytes, size_t len)
{
	struct monitor *m = data;

	m->attach.busy_ms = clock_ms();
	viewers_put(&m->attach.viewers, stream == 0 ? VIEWER_OUT : VIEWER_ERR, bytes, len);
}

/* Return: whether there may be more. */
static bool read_master(struct monitor *m, int fd)
{
	char buf[VIEWERS_FRAME_BYTES];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0)
		tap(m, 0, buf, (size_t)n);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		loop_remove(&m->loop, fd); /* EIO: nobody has the other side open */
	return n > 0;
}

static void on_master(struct loop *loop, int fd, short revents, void *data)
{
	(void)loop;
	(void)revents;
	for (int i = 0; i < READS_AT_ONCE && read_master(data, fd); i++)
		;
}

/* ---- a generation --------------------------------------------------------------------------- */

int attach_init(struct monitor *m)
{
	struct attach *a = &m->attach;

	*a = (struct attach){.input_fd = -EBADF, .idle_timer = -1};
	a->viewers = (struct viewers){
		.loop = &m->loop,
		.on_input = on_input,
		.on_end = on_end,
		.on_gone = on_gone,
		.data = m,
	};
	if (!m->plan->supervised)
		return 0;
	a->idle_timer = loop_timer_add(&m->loop, on_idle_timer, m);
	return a->idle_timer < 0 ? a->idle_timer : 0;
}

int attach_prepare(struct slot *slot, int *ret_stdin, struct dyno_err *err)
{
	struct monitor *m = slot->m;
	int fds[2];

	/* Of a dyno that lives long nobody asks for what is long past. */
	if (m->sup.policy.oneoff) {
		slot->output.tap = tap;
		slot->output.tap_data = m;
	}
	close_input(m);
	if (!m->app->opts->open_stdin || slot->gen.tty.wanted)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, ERR_IO, errno, "make a pipe for the input of %s",
			       m->app->place.dyno);
	*ret_stdin = fds[0];
	m->attach.input_fd = fds[1];
	/* Of this end alone: an app expects its input to block. */
	if (fcntl(fds[1], F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, ERR_IO, errno, "make a pipe that does not block");
	return 0;
}

void attach_started(struct slot *slot)
{
	struct monitor *m = slot->m;
	const int fd = slot->gen.launch.tty_fd;

	if (fd < 0 || !m->plan->supervised)
		return;
	m->attach.is_tty = true;
	close_input(m);
	/* A descriptor of its own, which the loop can wait for by itself. */
	m->attach.input_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ||
	    loop_add(&m->loop, fd, POLLIN, on_master, m) < 0)
		tell_warning(m, "the dyno's terminal cannot be read: nothing of it is shown");
	viewers_input_ready(&m->attach.viewers);
}

void attach_drain(struct slot *slot)
{
	const int fd = slot->gen.launch.tty_fd;

	if (fd < 0 || !slot->m->plan->supervised)
		return;
	while (read_master(slot->m, fd))
		;
	loop_remove(&slot->m->loop, fd);
}

void attach_done(struct monitor *m)
{
	close_input(m);
	viewers_done(&m->attach.viewers, LAST_MS);
}

void attach_never_came(struct slot *slot, enum sup_reason reason)
{
	const char *dyno = slot->m->app->place.dyno;

	if (reason == SUP_BY_ATTACH)
		slot->failed = err_set(&slot->err, ERR_NOT_ATTACHED, ETIMEDOUT,
				       "run the command of %s: no client came in time (R13)", dyno);
	else
		slot->failed = err_set(&slot->err, ERR_LAUNCH_LOST, EINTR,
				       "launch %s: stopped before its client came", dyno);
	slot->exit_code = dyno_err_exit_code(&slot->err);
}

/* ---- requests ------------------------------------------------------------------------------- */

static int refuse(const struct monitor *m, int r, struct dyno_err *err)
{
	const char *dyno = m->app->place.dyno;

	if (r == -EBUSY) {
		err_set(err, ERR_ATTACHED, EBUSY, "attach to %s: another types in it", dyno);
		err_hint(err, "--read-only looks on");
	} else if (r == -ENOSPC) {
		err_set(err, ERR_MONITOR, ENOSPC, "attach to %s", dyno);
		err_hint(err, "%u look on already: end one of them", VIEWERS_MAX);
	} else {
		err_set(err, ERR_MEMORY, -r, "attach to %s", dyno);
	}
	return r;
}

static int check(struct monitor *m, const struct ctl_call *call, struct dyno_err *err)
{
	const char *dyno = m->app->place.dyno;

	if (!m->plan->supervised) {
		err_set(err, ERR_USAGE, EOPNOTSUPP, "attach to %s: it has its caller's streams",
			dyno);
		err_hint(err, "dyno run --detach starts one that can be attached to");
		return -EOPNOTSUPP;
	}
	if (!m->sup.policy.oneoff) {
		err_set(err, ERR_USAGE, EOPNOTSUPP, "attach to %s: it is no one-off", dyno);
		err_hint(err, "dyno logs -f %s shows what it prints", dyno);
		return -EOPNOTSUPP;
	}
	if (call->n_fds != 1 || viewers_has(&m->attach.viewers, call->client))
		return err_set(err, ERR_MONITOR, EINVAL, "attach to %s", dyno);
	/* Who comes while it is launched for the first client is as welcome. */
	if (m->sup.policy.await_ms && m->sup.front.state == SUP_STARTING)
		return 0;
	return mon_need_running(m, err) ? 0 : -ESRCH;
}

static const char *input_word(struct monitor *m)
{
	if (m->attach.is_tty || awaits_terminal(m))
		return "tty";
	return m->attach.input_fd >= 0 ? "pipe" : "none";
}

/* What was awaited: it is launched on a terminal of this client's size. */
static void client_came(struct monitor *m, const struct ctl_call *call)
{
	struct slot *slot = mon_front(m);

	if (slot && sup_awaits(&m->sup) && call->request.value) {
		slot->gen.tty.rows = (unsigned short)((uint32_t)call->request.value >> 16);
		slot->gen.tty.columns = (unsigned short)((uint32_t)call->request.value & 0xffff);
	}
	mon_event(m, SUP_CLIENT_BACK, 0);
}

int attach_request(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		   struct dyno_err *err)
{
	const bool writer = !(call->request.scope & CTL_ATTACH_READ_ONLY);
	int r = check(m, call, err);

	if (r < 0)
		return r;
	r = viewers_add(&m->attach.viewers, take_fd(&call->fds[0]), call->client, writer);
	if (r < 0)
		return refuse(m, r, err);
	if (writer) {
		client_came(m, call);
		m->attach.busy_ms = clock_ms();
		loop_timer_arm(&m->loop, m->attach.idle_timer,
			       m->attach.busy_ms + attach_idle_ms(m));
	}
	sbuf_adds(&answer->text, input_word(m));
	return 0;
}

int attach_resize(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		  struct dyno_err *err)
{
	const struct winsize size = {
		.ws_row = (unsigned short)((uint32_t)call->request.value >> 16),
		.ws_col = (unsigned short)((uint32_t)call->request.value & 0xffff),
	};

	(void)answer;
	(void)err;
	if (m->attach.is_tty && viewers_has(&m->attach.viewers, call->client))
		(void)ioctl(m->attach.input_fd, TIOCSWINSZ, &size); /* it has ended: as good */
	return 0;
}

int attach_leave(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer,
		 struct dyno_err *err)
{
	(void)answer;
	(void)err;
	viewers_remove(&m->attach.viewers, call->client);
	return 0;
}
