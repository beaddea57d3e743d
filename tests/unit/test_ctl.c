/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ctl.c - the control socket: a monitor of a process of its own, and clients that ask, watch,
 * misbehave, go away or never read (T54, T62).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/ctl.h"

#define PLACE	"app/web.1"
#define WAIT_MS 20000U
/* An id that nobody has. */
#define FOREIGN_UID 64321

/* ---- the monitor ---------------------------------------------------------------------------- */

struct monitor {
	struct ctl ctl;
	struct loop loop;
	uint64_t later;
	int kept_fd;
	uint64_t obeyed;
};

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		(void)closedir(dir);
	return n;
}

static uint64_t cpu_ms(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

/* @value events of @scope bytes each, the first eight of which are their number. */
static void emit(struct monitor *m, const struct ctl_request *request)
{
	static char line[CTL_PACKET_BYTES + 16];

	memset(line, 'x', sizeof(line));
	for (int32_t i = 0; i < request->value; i++) {
		char number[9];

		str_fmt(number, sizeof(number), "%08d", i);
		memcpy(line, number, 8);
		ctl_event(&m->ctl, line, MAX_OF(request->scope, 8U));
	}
}

static int handle_exec(struct monitor *m, struct ctl_call *call, struct ctl_answer *answer)
{
	m->later = call->client;
	if (call->n_fds > 0) {
		close_fdp(&m->kept_fd);
		m->kept_fd = take_fd(&call->fds[0]);
	}
	sbuf_addf(&answer->text, "%zu descriptors", call->n_fds);
	return 0;
}

static int handle_signal(struct monitor *m, const struct ctl_call *call, struct dyno_err *err)
{
	struct rlimit limit = {0};

	switch (call->request.value) {
	case 1: /* no descriptor more; ppoll(2) takes no more sources than the limit */
		(void)getrlimit(RLIMIT_NOFILE, &limit);
		limit.rlim_cur = 64;
		while (setrlimit(RLIMIT_NOFILE, &limit) == 0 && fcntl(0, F_DUPFD_CLOEXEC, 3) >= 0)
			;
		return 0;
	case 2:
		(void)getrlimit(RLIMIT_NOFILE, &limit);
		limit.rlim_cur = limit.rlim_max;
		return setrlimit(RLIMIT_NOFILE, &limit);
	case 3:
		ctl_close(&m->ctl);
		m->loop.quit = true;
		return 0;
	case 4:
		return ctl_answer_later(&m->ctl, m->later, 7, NULL);
	case 5: /* deaf */
		return raise(SIGSTOP);
	default:
		return err_set(err, ERR_NOT_FOUND, ESRCH, "find a process for \"%s\"",
			       call->payload);
	}
}

static int handle(void *data, struct ctl_call *call, struct ctl_answer *answer,
		  struct dyno_err *err)
{
	struct monitor *m = data;

	m->obeyed++;
	switch ((enum ctl_verb)call->request.verb) {
	case CTL_STATE:
		sbuf_adds(&answer->text, "state");
		return 0;
	case CTL_INSPECT:
		sbuf_addf(&answer->text, "%u %llu %llu", count_fds(), (unsigned long long)cpu_ms(),
			  (unsigned long long)m->obeyed);
		return 0;
	case CTL_STOP:
		for (int32_t i = 0; i < call->request.value; i++)
			sbuf_addc(&answer->text, 'a');
		return 0;
	case CTL_RESTART:
		emit(m, &call->request);
		return 0;
	case CTL_SIGNAL:
		return handle_signal(m, call, err);
	case CTL_WATCH:
		sbuf_adds(&answer->text, "{\"event\":\"now\"}");
		return 0;
	case CTL_LAYERS:
		answer->fds[0] = m->ctl.dir_fd;
		answer->fds[1] = m->kept_fd;
		answer->n_fds = 2;
		sbuf_adds(&answer->text, "layers");
		return 0;
	case CTL_EXEC:
		return handle_exec(m, call, answer);
	case CTL_EXPLAIN:
	case CTL_STATS:
	case CTL_SWAP:
	case CTL_EXEC_SIGNAL:
	case CTL_EXEC_TTY:
	case CTL_ROOT:
	case CTL_RELEASE:
	case CTL_ATTACH:
	case CTL_ATTACH_SIZE:
	case CTL_DETACH:
	default:
		return err_set(err, ERR_INTERNAL, 0, "a verb that nobody knows came through");
	}
}

static void on_end(struct loop *loop, int fd, short revents, void *data)
{
	(void)fd;
	(void)revents;
	(void)data;
	loop->quit = true;
}

static int be_monitor(int place_fd, int ready_fd, int end_fd)
{
	static struct monitor m = {.kept_fd = -EBADF};
	struct dyno_err err;

	loop_init(&m.loop);
	if (ctl_open(&m.ctl, place_fd, &err) < 0)
		return 1;
	m.kept_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (write(ready_fd, "r", 1) != 1 || loop_add(&m.loop, end_fd, POLLIN, on_end, NULL) < 0 ||
	    ctl_serve(&m.ctl, &m.loop, handle, &m) < 0)
		return 2;
	if (loop_run(&m.loop) < 0)
		return 3;
	ctl_close(&m.ctl);
	close_fdp(&m.kept_fd);
	return fcntl(STDIN_FILENO, F_GETFD) < 0 ? 4 : 0;
}

/* ---- the fixture ---------------------------------------------------------------------------- */

struct fixture {
	char dir[256];
	int run_fd;
	int place_fd;
	int end_fd;
	pid_t pid;
};

static int make_place(struct fixture *f)
{
	/* Deeper than sun_path is long. */
	static const char deep[] = "0123456789012345678901234567890123456789/"
				   "0123456789012345678901234567890123456789/"
				   "0123456789012345678901234567890123456789";
	char path[512];

	str_fmt(f->dir, sizeof(f->dir), "/tmp/dyno-test-ctl.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	str_fmt(path, sizeof(path), "%s/%s/" PLACE, f->dir, deep);
	if (path_mkdir_p(AT_FDCWD, path, 0755) < 0)
		return -1;
	f->place_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	str_fmt(path, sizeof(path), "%s/%s", f->dir, deep);
	f->run_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return f->place_fd < 0 || f->run_fd < 0 ? -1 : 0;
}

static int set_up(void **state)
{
	static struct fixture f;
	int ready[2];
	int end[2];
	char c;

	if (make_place(&f) < 0 || pipe2(ready, O_CLOEXEC) < 0 || pipe2(end, O_CLOEXEC) < 0)
		return -1;
	f.pid = fork();
	if (f.pid == 0) {
		close_fdp(&end[1]);
		exit(be_monitor(f.place_fd, ready[1], end[0]));
	}
	close_fdp(&ready[1]);
	close_fdp(&end[0]);
	f.end_fd = end[1];
	*state = &f;
	if (read(ready[0], &c, 1) != 1)
		return -1;
	close_fdp(&ready[0]);
	return 0;
}

/*
 * Return: the monitor's exit status.  It gets no SIGCONT here, even if it may be stopped: where it
 * is ending already, that would take back the SIGSTOP by which a sanitizer's leak checker stops it,
 * and the checker would wait for that without end.
 */
static int end_monitor(struct fixture *f)
{
	int status = 0;

	close_fdp(&f->end_fd);
	if (f->pid <= 0)
		return 0;
	(void)waitpid(f->pid, &status, 0);
	f->pid = 0;
	return status;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = end_monitor(f);

	close_fdp(&f->place_fd);
	close_fdp(&f->run_fd);
	if (path_remove_tree(tmp_fd, f->dir + STRLEN("/tmp/")) < 0)
		r = -1;
	close_fdp(&tmp_fd);
	return r;
}

static int client(struct fixture *f)
{
	int fd = ctl_connect(f->run_fd, PLACE);

	assert_true(fd >= 0);
	return fd;
}

static int ask(int fd, uint32_t verb, int32_t value, struct sbuf *text, struct dyno_err *err)
{
	const struct ctl_request request = {.verb = verb, .value = value};

	return ctl_ask(fd, &request, NULL, NULL, 0, WAIT_MS, text, NULL, err);
}

/* How many descriptors the monitor has, its CPU time, and requests obeyed. */
static void look(int fd, unsigned long long ret[3])
{
	_cleanup_sbuf_ struct sbuf text = {0};
	char *at;

	assert_int_equal(ask(fd, CTL_INSPECT, 0, &text, NULL), 0);
	at = text.data;
	for (size_t i = 0; i < 3; i++)
		ret[i] = strtoull(at, &at, 10);
}

/* The monitor is alive and has as many descriptors as before. */
static void assert_sane(struct fixture *f, const unsigned long long before[3])
{
	_cleanup_close_ int fd = client(f);
	unsigned long long now[3];

	look(fd, now);
	assert_int_equal(now[0], before[0]);
}

static void look_once(struct fixture *f, unsigned long long ret[3])
{
	_cleanup_close_ int fd = client(f);

	look(fd, ret);
}

/* The next packet as it comes. Return: its length, 0: hung up. */
static size_t next_packet(int fd, struct ctl_answer_head *head, void *payload, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct iovec iov[] = {
		{.iov_base = head, .iov_len = sizeof(*head)},
		{.iov_base = payload, .iov_len = size},
	};
	ssize_t n;

	do {
		assert_int_equal(poll(&p, 1, (int)WAIT_MS), 1);
		n = readv(fd, iov, 2);
	} while (n < 0 && errno == ECONNRESET);
	assert_true(n >= 0);
	return (size_t)n;
}

static void assert_hung_up(int fd)
{
	struct ctl_answer_head head;

	assert_int_equal(next_packet(fd, &head, NULL, 0), 0);
}

/* CTL_FAILED with that errno, then the end. */
static void assert_refused(int fd, int num)
{
	struct ctl_answer_head head;
	struct dyno_err err;

	assert_int_equal(next_packet(fd, &head, &err, sizeof(err)), sizeof(head) + sizeof(err));
	assert_int_equal(head.type, CTL_FAILED);
	assert_int_equal(head.value, -num);
	assert_int_equal(err.kind, ERR_MONITOR);
	assert_int_equal(err.num, num);
	assert_hung_up(fd);
}

/* ---- asking --------------------------------------------------------------------------------- */

static void ctl_ask__one_connection__answered_again_and_again(void **state)
{
	_cleanup_close_ int fd = client(*state);

	for (int i = 0; i < 100; i++) {
		_cleanup_sbuf_ struct sbuf text = {0};

		assert_int_equal(ask(fd, CTL_STATE, 0, &text, NULL), 0);
		assert_string_equal(sbuf_str(&text), "state");
	}
}

static void ctl_ask__payload_and_failure__arrive_whole(void **state)
{
	static const char payload[] = "one two";
	const struct ctl_request request = {
		.verb = CTL_SIGNAL, .value = 99, .len = STRLEN("one two")};
	_cleanup_close_ int fd = client(*state);
	struct dyno_err err = {0};

	assert_int_equal(ctl_ask(fd, &request, payload, NULL, 0, WAIT_MS, NULL, NULL, &err),
			 -ESRCH);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "find a process for \"one two\"");
}

static void ctl_ask__failure_without_err__only_returned(void **state)
{
	_cleanup_close_ int fd = client(*state);

	assert_int_equal(ask(fd, CTL_SIGNAL, 99, NULL, NULL), -ESRCH);
}

static void ctl_ask__unknown_verb__refused_by_name_and_served_on(void **state)
{
	static const uint32_t unknown[] = {0, 19, 31, 32, 33, UINT32_MAX};
	_cleanup_close_ int fd = client(*state);

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		struct dyno_err err = {0};
		char text[32];

		assert_int_equal(ask(fd, unknown[i], 0, NULL, &err), -EOPNOTSUPP);
		assert_int_equal(err.kind, ERR_MONITOR);
		str_fmt(text, sizeof(text), "the request %u", unknown[i]);
		assert_non_null(strstr(err.msg, text));
	}
	assert_int_equal(ask(fd, CTL_STATE, 0, NULL, NULL), 0);
}

static void ctl_ask__longest_packets__fit_and_no_more(void **state)
{
	const int32_t most = CTL_PACKET_BYTES - (int32_t)sizeof(struct ctl_answer_head);
	_cleanup_close_ int fd = client(*state);
	_cleanup_sbuf_ struct sbuf text = {0};
	_cleanup_free_ char *payload = calloc(1, CTL_PACKET_BYTES);
	struct ctl_request request = {.verb = CTL_STATE};
	struct dyno_err err = {0};

	assert_int_equal(ask(fd, CTL_STOP, most, &text, &err), 0);
	assert_int_equal(text.len, most);
	assert_int_equal(ask(fd, CTL_STOP, most + 1, &text, &err), -EMSGSIZE);
	request.len = CTL_PACKET_BYTES - sizeof(request);
	assert_int_equal(ctl_ask(fd, &request, payload, NULL, 0, WAIT_MS, NULL, NULL, &err), 0);
	request.len++;
	assert_int_equal(ctl_ask(fd, &request, payload, NULL, 0, WAIT_MS, NULL, NULL, &err),
			 -EMSGSIZE);
	assert_int_equal(ask(fd, CTL_STATE, 0, NULL, NULL), 0);
}

static void ctl_ask__descriptors__come_along_both_ways(void **state)
{
	const struct ctl_request request = {.verb = CTL_EXEC};
	struct fixture *f = *state;
	_cleanup_close_ int fd = client(f);
	_cleanup_sbuf_ struct sbuf text = {0};
	int fds[CTL_FDS_MAX] = {f->run_fd, f->place_fd, f->run_fd};
	struct stat a;
	struct stat b;

	assert_int_equal(ctl_ask(fd, &request, NULL, fds, 3, WAIT_MS, &text, NULL, NULL), 0);
	assert_string_equal(sbuf_str(&text), "3 descriptors");
	assert_int_equal(ctl_ask(fd, &(struct ctl_request){.verb = CTL_LAYERS}, NULL, NULL, 0,
				 WAIT_MS, &text, fds, NULL),
			 2);
	assert_int_equal(fstat(f->place_fd, &a), 0);
	assert_int_equal(fstat(fds[0], &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(fstat(f->run_fd, &a), 0);
	assert_int_equal(fstat(fds[1], &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	close_fdp(&fds[0]);
	close_fdp(&fds[1]);
}

static void ctl_ask__descriptors_not_wanted__closed(void **state)
{
	_cleanup_close_ int fd = client(*state);
	const unsigned int before = count_fds();

	assert_int_equal(ask(fd, CTL_LAYERS, 0, NULL, NULL), 2);
	assert_int_equal(count_fds(), before);
}

static void ctl_ask__deaf_monitor__times_out(void **state)
{
	_cleanup_close_ int deaf = client(*state);
	_cleanup_close_ int fd = client(*state);
	const struct ctl_request request = {.verb = CTL_STATE};
	struct fixture *f = *state;
	struct dyno_err err = {0};
	uint64_t began;
	int r;

	assert_int_equal(ask(deaf, CTL_STATE, 0, NULL, NULL), 0);
	assert_int_equal(write(deaf, &(struct ctl_request){.verb = CTL_SIGNAL, .value = 5},
			       sizeof(struct ctl_request)),
			 sizeof(struct ctl_request));
	began = clock_ms();
	r = ctl_ask(fd, &request, NULL, NULL, 0, 50, NULL, NULL, &err);
	/* Before its end, at which a sanitizer stops it for itself and would wait for that in vain. */
	assert_int_equal(waitid(P_PID, (id_t)f->pid, &(siginfo_t){0}, WSTOPPED), 0);
	assert_int_equal(kill(f->pid, SIGCONT), 0);
	assert_int_equal(r, -ETIMEDOUT);
	assert_in_range(clock_ms() - began, 50, WAIT_MS);
	assert_int_equal(err.kind, ERR_MONITOR);
	assert_non_null(strstr(err.hint, "stopped"));
}

static void ctl_connect__nobody_there__told_apart(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = client(f);

	assert_int_equal(ctl_connect(f->run_fd, "app/web.2"), -ENOENT);
	assert_int_equal(ctl_connect(f->run_fd, "app/../.."), -ENOENT);
	assert_int_equal(kill(f->pid, SIGKILL), 0);
	assert_int_not_equal(end_monitor(f), 0);
	assert_int_equal(ctl_connect(f->run_fd, PLACE), -ECONNREFUSED);
	assert_int_equal(ask(fd, CTL_STATE, 0, NULL, NULL), -EPIPE);
}

static void ctl_open__socket_of_a_dead_one__replaced_with_mode_0600(void **state)
{
	struct fixture *f = *state;
	struct ctl ctl = CTL_INIT;
	struct stat st;
	mode_t old = umask(0);

	assert_int_equal(kill(f->pid, SIGKILL), 0);
	assert_int_not_equal(end_monitor(f), 0);
	assert_int_equal(ctl_open(&ctl, f->place_fd, NULL), 0);
	assert_int_equal(umask(old), 0);
	assert_int_equal(fstatat(f->place_fd, CTL_SOCKET_NAME, &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	ctl_close(&ctl);
	ctl_close(&ctl);
	assert_int_equal(fstatat(f->place_fd, CTL_SOCKET_NAME, &st, 0), -1);
}

static void ctl_open__no_place__fails(void **state)
{
	struct fixture *f = *state;
	struct ctl ctl = CTL_INIT;
	struct dyno_err err = {0};
	_cleanup_close_ int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)f;
	assert_int_equal(ctl_open(&ctl, null_fd, &err), -ENOTDIR);
	assert_int_equal(err.kind, ERR_RUN_DIR);
	assert_true(ctl.fd < 0);
}

static void ctl_serve__full_loop__fails(void **state)
{
	struct fixture *f = *state;
	_cleanup_(ctl_close) struct ctl ctl = CTL_INIT;
	static struct loop loop;

	loop_init(&loop);
	assert_int_equal(ctl_open(&ctl, f->place_fd, NULL), 0);
	while (loop_timer_add(&loop, NULL, NULL) >= 0)
		;
	assert_int_equal(ctl_serve(&ctl, &loop, handle, NULL), -ENOSPC);
}

/* ---- monitors of another version, or worse ---------------------------------------------------- */

static void ctl_ask__answer_not_of_the_form__refused(void **state)
{
	static const struct {
		struct ctl_answer_head head;
		size_t len;
		size_t extra;
		int r;
	} cases[] = {
		{{0}, 0, 0, -EPIPE},
		{{.type = CTL_DONE}, 1, 0, -EPROTO},
		{{.type = CTL_DONE}, sizeof(struct ctl_answer_head) - 1, 0, -EPROTO},
		{{.type = CTL_DONE, .len = 1}, sizeof(struct ctl_answer_head), 0, -EPROTO},
		{{.type = CTL_DONE, .len = UINT32_MAX}, sizeof(struct ctl_answer_head), 9, -EPROTO},
		{{.type = CTL_EVENT}, sizeof(struct ctl_answer_head), 0, -EPROTO},
		{{.type = 77}, sizeof(struct ctl_answer_head), 0, -EPROTO},
		{{.type = CTL_FAILED, .value = -1}, sizeof(struct ctl_answer_head), 0, -EPROTO},
		{{.type = CTL_FAILED, .value = 1, .len = 512},
		 sizeof(struct ctl_answer_head),
		 512,
		 -EPROTO},
		{{.type = CTL_FAILED, .value = -4096, .len = 512},
		 sizeof(struct ctl_answer_head),
		 512,
		 -EPROTO},
		{{.type = CTL_FAILED, .value = -5, .len = 512},
		 sizeof(struct ctl_answer_head),
		 512,
		 -5},
		/* a head that has grown by 8 bytes */
		{{.type = CTL_DONE, .len = 4}, sizeof(struct ctl_answer_head), 12, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ctl_request request = {.verb = CTL_STATE};
		_cleanup_sbuf_ struct sbuf text = {0};
		struct dyno_err err = {0};
		char packet[1024];
		int pair[2];

		memset(packet, 'y', sizeof(packet));
		memcpy(packet, &cases[i].head, sizeof(cases[i].head));
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		if (cases[i].len)
			assert_int_equal(send(pair[1], packet, cases[i].len + cases[i].extra, 0),
					 cases[i].len + cases[i].extra);
		assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
		assert_int_equal(ctl_ask(pair[0], &request, NULL, NULL, 0, 1000, &text, NULL, &err),
				 cases[i].r);
		if (cases[i].r == -EPROTO)
			assert_int_equal(err.kind, ERR_MONITOR);
		if (cases[i].r == -5) {
			assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
			assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
		}
		if (cases[i].r == 0)
			assert_string_equal(sbuf_str(&text), "yyyy");
		close_fdp(&pair[0]);
		close_fdp(&pair[1]);
	}
}

static void ctl_read__packet_not_of_the_form__refused(void **state)
{
	static const struct ctl_answer_head long_one = {.type = CTL_EVENT, .len = 9};
	struct ctl_answer_head head;
	char buf[8];
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(ctl_read(pair[0], &head, buf, sizeof(buf)), 0);
	assert_int_equal(write(pair[1], &long_one, sizeof(long_one)), sizeof(long_one));
	assert_int_equal(ctl_read(pair[0], &head, buf, sizeof(buf)), -EPROTO);
	assert_int_equal(write(pair[1], &long_one, 3), 3);
	assert_int_equal(ctl_read(pair[0], &head, buf, sizeof(buf)), -EPROTO);
	assert_int_equal(send(pair[1], "0123456789012345678901234567890", 31, 0), 31);
	assert_int_equal(ctl_read(pair[0], &head, buf, sizeof(buf)), -EPROTO);
	close_fdp(&pair[1]);
	assert_int_equal(ctl_read(pair[0], &head, buf, sizeof(buf)), -EPIPE);
	close_fdp(&pair[0]);
}

/* ---- watching ------------------------------------------------------------------------------- */

static size_t next_event(int fd, struct ctl_answer_head *head, char *buf, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, (int)WAIT_MS), 1);
	assert_int_equal(ctl_read(fd, head, buf, size), 1);
	return head->len;
}

static void ctl_event__watchers__told_and_others_not(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int asking = client(f);
	int watching[3];
	struct ctl_answer_head head;
	char buf[64];

	for (size_t i = 0; i < ARRAY_SIZE(watching); i++) {
		watching[i] = client(f);
		assert_int_equal(ask(watching[i], CTL_WATCH, 0, NULL, NULL), 0);
		(void)next_event(watching[i], &head, buf, sizeof(buf));
		assert_string_equal(buf, "{\"event\":\"now\"}");
	}
	assert_int_equal(ask(asking, CTL_RESTART, 2, NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(watching); i++) {
		(void)next_event(watching[i], &head, buf, sizeof(buf));
		assert_int_equal(head.type, CTL_EVENT);
		assert_string_equal(buf, "00000000");
		(void)next_event(watching[i], &head, buf, sizeof(buf));
		assert_string_equal(buf, "00000001");
		assert_int_equal(ctl_read(watching[i], &head, buf, sizeof(buf)), 0);
		close_fdp(&watching[i]);
	}
	assert_int_equal(ctl_read(asking, &head, buf, sizeof(buf)), 0);
	assert_int_equal(ask(asking, CTL_RESTART, 2, NULL, NULL), 0);
}

static void ctl_event__watched_twice__told_once(void **state)
{
	_cleanup_close_ int watching = client(*state);
	_cleanup_close_ int asking = client(*state);
	struct ctl_answer_head head;
	char buf[64];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask(watching, CTL_WATCH, 0, NULL, NULL), 0);
		(void)next_event(watching, &head, buf, sizeof(buf));
		assert_string_equal(buf, "{\"event\":\"now\"}");
	}
	assert_int_equal(ask(asking, CTL_RESTART, 1, NULL, NULL), 0);
	(void)next_event(watching, &head, buf, sizeof(buf));
	assert_string_equal(buf, "00000000");
	assert_int_equal(ctl_read(watching, &head, buf, sizeof(buf)), 0);
}

/* Reads all that is there; each event is one more than the last, or follows a count of the lost. */
static void count_events(int fd, unsigned int *seen, unsigned int *lost, unsigned int *next)
{
	struct ctl_answer_head head;
	static char buf[CTL_PACKET_BYTES];

	while (ctl_read(fd, &head, buf, sizeof(buf)) == 1) {
		if (head.type == CTL_LOST) {
			assert_true(head.value > 0);
			*lost += (unsigned int)head.value;
			*next += (unsigned int)head.value;
			continue;
		}
		assert_int_equal(head.type, CTL_EVENT);
		if (buf[0] == '{')
			continue;
		buf[8] = '\0';
		assert_int_equal(strtoul(buf, NULL, 10), *next % 4000);
		(*seen)++;
		(*next)++;
	}
}

/* T62: the monitor waits for nobody, and nothing is lost without a word. */
static void ctl_event__slow_watcher__loses_what_it_is_told(void **state)
{
	struct fixture *f = *state;
	const struct ctl_request emit_many = {.verb = CTL_RESTART, .value = 4000, .scope = 400};
	const struct ctl_request emit_one = {.verb = CTL_RESTART, .value = 1, .scope = 400};
	_cleanup_close_ int slow = client(f);
	_cleanup_close_ int asking = client(f);
	unsigned int seen = 0;
	unsigned int lost = 0;
	unsigned int next = 0;

	assert_int_equal(ask(slow, CTL_WATCH, 0, NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			ctl_ask(asking, &emit_many, NULL, NULL, 0, WAIT_MS, NULL, NULL, NULL), 0);
	count_events(slow, &seen, &lost, &next);
	assert_true(seen > 10 && seen < 12000);
	assert_int_equal(lost, 0);
	assert_int_equal(ctl_ask(asking, &emit_one, NULL, NULL, 0, WAIT_MS, NULL, NULL, NULL), 0);
	count_events(slow, &seen, &lost, &next);
	assert_int_equal(seen + lost, 12001);
}

static void ctl_event__longer_than_a_packet__counted_as_lost(void **state)
{
	const struct ctl_request too_long = {
		.verb = CTL_RESTART, .value = 2, .scope = CTL_PACKET_BYTES};
	_cleanup_close_ int watching = client(*state);
	_cleanup_close_ int asking = client(*state);
	struct ctl_answer_head head;
	char buf[64];

	assert_int_equal(ask(watching, CTL_WATCH, 0, NULL, NULL), 0);
	(void)next_event(watching, &head, buf, sizeof(buf));
	assert_int_equal(ctl_ask(asking, &too_long, NULL, NULL, 0, WAIT_MS, NULL, NULL, NULL), 0);
	assert_int_equal(ask(asking, CTL_RESTART, 1, NULL, NULL), 0);
	for (int i = 0; i < 2; i++) {
		(void)next_event(watching, &head, buf, sizeof(buf));
		assert_int_equal(head.type, CTL_LOST);
		assert_int_equal(head.value, 1);
	}
	(void)next_event(watching, &head, buf, sizeof(buf));
	assert_string_equal(buf, "00000000");
}

/* It watches, asks for events and is too slow for them and for its answer. */
static void ctl_event__caused_by_a_watcher__goes_well(void **state)
{
	struct fixture *f = *state;
	const struct ctl_request emit_many = {.verb = CTL_RESTART, .value = 3000, .scope = 1000};
	unsigned long long before[3];
	_cleanup_close_ int fd = -EBADF;
	struct pollfd p = {.events = POLLRDHUP};

	look_once(f, before);
	fd = client(f);
	assert_int_equal(ask(fd, CTL_WATCH, 0, NULL, NULL), 0);
	assert_int_equal(write(fd, &emit_many, sizeof(emit_many)), sizeof(emit_many));
	p.fd = fd;
	assert_int_equal(poll(&p, 1, (int)WAIT_MS), 1);
	assert_sane(f, before);
}

/* ---- answers that come later ------------------------------------------------------------------ */

static void ctl_answer_later__client_there__told(void **state)
{
	_cleanup_close_ int fd = client(*state);
	_cleanup_close_ int other = client(*state);
	struct ctl_answer_head head;
	char buf[64];

	assert_int_equal(ask(fd, CTL_EXEC, 0, NULL, NULL), 0);
	assert_int_equal(ask(other, CTL_SIGNAL, 4, NULL, NULL), 0);
	(void)next_event(fd, &head, buf, sizeof(buf));
	assert_int_equal(head.type, CTL_ENDED);
	assert_int_equal(head.value, 7);
}

static void ctl_answer_later__client_gone__not_mistaken(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int other = client(f);
	_cleanup_close_ int next = -EBADF;
	struct ctl_answer_head head;
	char buf[64];
	int fd = client(f);

	assert_int_equal(ask(fd, CTL_EXEC, 0, NULL, NULL), 0);
	close_fdp(&fd);
	next = client(f); /* has the slot and the number of the former */
	assert_int_equal(ask(next, CTL_STATE, 0, NULL, NULL), 0);
	assert_int_equal(ask(other, CTL_SIGNAL, 4, NULL, NULL), -ENOENT);
	assert_int_equal(ctl_read(next, &head, buf, sizeof(buf)), 0);
}

static void ctl_close__by_a_request__hangs_up_on_all(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = client(f);
	_cleanup_close_ int other = client(f);

	assert_int_equal(ask(other, CTL_STATE, 0, NULL, NULL), 0);
	assert_int_equal(ask(fd, CTL_SIGNAL, 3, NULL, NULL), -EPIPE);
	assert_hung_up(other);
	assert_int_equal(ctl_connect(f->run_fd, PLACE), -ENOENT);
	assert_int_equal(end_monitor(f), 0);
}

/* ---- hostile clients ------------------------------------------------------------------------ */

/* T62 */
static void ctl__packet_not_of_the_form__refused_and_hung_up(void **state)
{
	static const struct {
		struct ctl_request request;
		size_t len;
		int num;
	} cases[] = {
		{{.verb = CTL_STATE}, 1, EBADMSG},
		{{.verb = CTL_STATE}, sizeof(struct ctl_request) - 1, EBADMSG},
		{{.verb = CTL_STATE, .len = 1}, sizeof(struct ctl_request), EBADMSG},
		{{.verb = CTL_STOP, .len = UINT32_MAX}, 4096, EBADMSG},
		{{.verb = CTL_STATE}, CTL_PACKET_BYTES + 1, EMSGSIZE},
		{{.verb = CTL_STATE, .len = CTL_PACKET_BYTES}, CTL_PACKET_BYTES + 1, EMSGSIZE},
	};
	struct fixture *f = *state;
	static char packet[CTL_PACKET_BYTES + 1];
	unsigned long long before[3];

	look_once(f, before);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_close_ int fd = client(f);

		memcpy(packet, &cases[i].request, sizeof(cases[i].request));
		assert_int_equal(send(fd, packet, cases[i].len, 0), cases[i].len);
		assert_refused(fd, cases[i].num);
	}
	assert_sane(f, before);
}

static void ctl__empty_packet__hung_up(void **state)
{
	_cleanup_close_ int fd = client(*state);

	assert_int_equal(send(fd, "", 0, 0), 0);
	assert_hung_up(fd);
}

static void ctl__half_closed__answered_first(void **state)
{
	static const struct ctl_request request = {.verb = CTL_STATE};
	_cleanup_close_ int fd = client(*state);
	struct ctl_answer_head head;
	char text[16];

	assert_int_equal(write(fd, &request, sizeof(request)), sizeof(request));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(next_packet(fd, &head, text, sizeof(text)), sizeof(head) + 5);
	assert_int_equal(head.type, CTL_DONE);
	assert_hung_up(fd);
}

static void ctl__many_requests_at_once__obeyed_in_order(void **state)
{
	_cleanup_close_ int fd = client(*state);
	struct ctl_answer_head head;
	char text[64];

	for (int32_t i = 0; i < 50; i++) {
		const struct ctl_request request = {.verb = CTL_STOP, .value = i};

		assert_int_equal(write(fd, &request, sizeof(request)), sizeof(request));
	}
	for (unsigned int i = 0; i < 50; i++) {
		(void)next_packet(fd, &head, text, sizeof(text));
		assert_int_equal(head.type, CTL_DONE);
		assert_int_equal(head.len, i);
	}
}

static void send_fds(int fd, const struct ctl_request *request, int what, size_t n)
{
	struct iovec iov = {.iov_base = (char *)(uintptr_t)request, .iov_len = sizeof(*request)};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * 253)];
	} control = {0};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
	for (size_t i = 0; i < n; i++)
		memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &what, sizeof(int));
	assert_int_equal(sendmsg(fd, &msg, 0), sizeof(*request));
}

static void ctl__descriptors_nobody_takes__closed(void **state)
{
	static const struct ctl_request state_request = {.verb = CTL_STATE};
	static const struct ctl_request unknown = {.verb = 1000};
	struct fixture *f = *state;
	unsigned long long before[3];
	struct ctl_answer_head head;
	struct dyno_err err;

	look_once(f, before);
	for (int i = 0; i < 20; i++) {
		_cleanup_close_ int fd = client(f);

		send_fds(fd, &state_request, f->run_fd, CTL_FDS_MAX);
		(void)next_packet(fd, &head, &err, sizeof(err));
		assert_int_equal(head.type, CTL_DONE);
		send_fds(fd, &unknown, f->run_fd, CTL_FDS_MAX);
		(void)next_packet(fd, &head, &err, sizeof(err));
		assert_int_equal(head.type, CTL_FAILED);
	}
	assert_sane(f, before);
}

static void ctl__descriptors_beyond_the_count__refused_and_closed(void **state)
{
	static const struct ctl_request request = {.verb = CTL_EXEC};
	static const size_t counts[] = {CTL_FDS_MAX + 1, CTL_FDS_MAX + 2, 253};
	struct fixture *f = *state;
	unsigned long long before[3];

	look_once(f, before);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		_cleanup_close_ int fd = client(f);

		send_fds(fd, &request, f->run_fd, counts[i]);
		assert_refused(fd, E2BIG);
	}
	assert_sane(f, before);
}

/* T62 */
static void ctl__client_that_never_reads__hung_up_and_others_served(void **state)
{
	static const struct ctl_request request = {.verb = CTL_STOP, .value = 100000};
	struct fixture *f = *state;
	_cleanup_close_ int fd = client(f);
	_cleanup_close_ int other = client(f);
	int sent = 0;

	while (send(fd, &request, sizeof(request), MSG_NOSIGNAL) >= 0) {
		assert_true(++sent < 10000);
		assert_int_equal(ask(other, CTL_STATE, 0, NULL, NULL), 0);
	}
	assert_true(errno == EPIPE || errno == ECONNRESET);
	assert_true(sent >= 1);
}

/* T62 */
static void ctl__thousand_connections__each_has_a_definite_answer(void **state)
{
	struct fixture *f = *state;
	unsigned long long before[3];
	int fds[1000];
	int served = 0;

	look_once(f, before);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = client(f);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		struct dyno_err err = {0};
		int r = ask(fds[i], CTL_STATE, 0, NULL, &err);

		served += r == 0;
		if (r == 0)
			continue;
		assert_int_equal(r, -EBUSY);
		assert_int_equal(err.kind, ERR_MONITOR);
		assert_non_null(strstr(err.hint, "32"));
	}
	assert_int_equal(served, CTL_CLIENTS_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close_fdp(&fds[i]);
	for (int i = 0; i < 1000; i++)
		assert_sane(f, before);
}

/* Requests, packets and descriptors by chance, on connections that come and go. */
static void ctl__packets_by_chance__never_harm(void **state)
{
	struct fixture *f = *state;
	static char packet[2048];
	unsigned long long before[3];
	uint32_t x = 2463534242U;

	look_once(f, before);
	for (int i = 0; i < 300; i++) {
		_cleanup_close_ int fd = client(f);

		for (int j = 0; j < 20; j++) {
			struct ctl_request request;
			ssize_t n;

			for (size_t k = 0; k < sizeof(packet); k++) {
				x ^= x << 13; /* xorshift32, always the same numbers */
				x ^= x >> 17;
				x ^= x << 5;
				packet[k] = (char)x;
			}
			memcpy(&request, packet, sizeof(request));
			request.verb = x >> 8 & 15;
			request.value &= 7;
			request.len &= 1023;
			/* not those that end the monitor, or its descriptors for good */
			if (request.verb == CTL_SIGNAL)
				request.value = 9;
			memcpy(packet, &request, sizeof(request));
			n = send(fd, packet, x >> 16 & 2047, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n < 0)
				break;
		}
	}
	assert_sane(f, before);
}

static void ctl__no_descriptor_left__accepts_later_and_does_not_spin(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int first = client(f);
	_cleanup_close_ int second = -EBADF;
	const struct ctl_request request = {.verb = CTL_STATE};
	struct dyno_err err = {0};
	unsigned long long before[3];
	unsigned long long after[3];

	look(first, before);
	assert_int_equal(ask(first, CTL_SIGNAL, 1, NULL, NULL), 0);
	second = client(f);
	assert_int_equal(ctl_ask(second, &request, NULL, NULL, 0, 500, NULL, NULL, &err),
			 -ETIMEDOUT);
	assert_int_equal(ask(first, CTL_SIGNAL, 2, NULL, NULL), 0);
	look(first, after);
	assert_true(after[1] - before[1] < 250);
	assert_int_equal(ask(second, CTL_STATE, 0, NULL, NULL), 0);
}

static int as_foreigner(int run_fd)
{
	static const struct ctl_request request = {.verb = CTL_STATE};
	_cleanup_close_ int fd = -EBADF;
	struct dyno_err err = {0};

	if (setresuid(FOREIGN_UID, FOREIGN_UID, FOREIGN_UID) < 0)
		return 1;
	fd = ctl_connect(run_fd, PLACE);
	if (fd < 0)
		return 2;
	if (ctl_ask(fd, &request, NULL, NULL, 0, WAIT_MS, NULL, NULL, &err) != -EPERM)
		return 3;
	return err.kind == ERR_MONITOR ? 0 : 4;
}

static void ctl__user_of_another_id__refused(void **state)
{
	struct fixture *f = *state;
	pid_t pid;
	int status;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(fchmodat(f->place_fd, CTL_SOCKET_NAME, 0777, 0), 0);
	pid = fork();
	if (pid == 0)
		_exit(as_foreigner(f->run_fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ctl_ask__one_connection__answered_again_and_again),
		TEST(ctl_ask__payload_and_failure__arrive_whole),
		TEST(ctl_ask__failure_without_err__only_returned),
		TEST(ctl_ask__unknown_verb__refused_by_name_and_served_on),
		TEST(ctl_ask__longest_packets__fit_and_no_more),
		TEST(ctl_ask__descriptors__come_along_both_ways),
		TEST(ctl_ask__descriptors_not_wanted__closed),
		TEST(ctl_ask__deaf_monitor__times_out),
		TEST(ctl_connect__nobody_there__told_apart),
		TEST(ctl_open__socket_of_a_dead_one__replaced_with_mode_0600),
		TEST(ctl_open__no_place__fails),
		TEST(ctl_serve__full_loop__fails),
		cmocka_unit_test(ctl_ask__answer_not_of_the_form__refused),
		cmocka_unit_test(ctl_read__packet_not_of_the_form__refused),
		TEST(ctl_event__watchers__told_and_others_not),
		TEST(ctl_event__watched_twice__told_once),
		TEST(ctl_event__slow_watcher__loses_what_it_is_told),
		TEST(ctl_event__longer_than_a_packet__counted_as_lost),
		TEST(ctl_event__caused_by_a_watcher__goes_well),
		TEST(ctl_answer_later__client_there__told),
		TEST(ctl_answer_later__client_gone__not_mistaken),
		TEST(ctl_close__by_a_request__hangs_up_on_all),
		TEST(ctl__packet_not_of_the_form__refused_and_hung_up),
		TEST(ctl__empty_packet__hung_up),
		TEST(ctl__half_closed__answered_first),
		TEST(ctl__many_requests_at_once__obeyed_in_order),
		TEST(ctl__descriptors_nobody_takes__closed),
		TEST(ctl__descriptors_beyond_the_count__refused_and_closed),
		TEST(ctl__client_that_never_reads__hung_up_and_others_served),
		TEST(ctl__thousand_connections__each_has_a_definite_answer),
		TEST(ctl__packets_by_chance__never_harm),
		TEST(ctl__no_descriptor_left__accepts_later_and_does_not_spin),
		TEST(ctl__user_of_another_id__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
