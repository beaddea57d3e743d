/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreground of `dyno start` against a library of this test: its monitors are children that
 * print, crash, are deaf or cannot be reached, as each case wants them.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/foreground.h"

#define DYNOS_MAX 4
/* Statuses of the process that runs the foreground when it returned an error. */
#define RETURNED_ERROR 77
/* Source: own choice: what takes this long hangs. */
#define HANGS_MS 20000

enum how {
	NONE,
	LIVES,	     /* until it is asked to stop */
	DEAF,	     /* until it is asked to stop at once */
	CRASHES,     /* with status 7, after a moment */
	COMPLETES,   /* after a moment */
	VANISHES,    /* without a record */
	GONE_SOON,   /* crashed with status 9 before anybody could connect */
	UNREACHABLE, /* its monitor refuses connections */
	CANNOT_STOP, /* its monitor refuses to be asked */
	THERE,	     /* lived already */
	FAILS,	     /* is not started */
};

/* What the test, the foreground and the monitors share. */
struct shared {
	struct {
		char state[16];
		char reason[16];
		int exit_code;
		int pid;
		bool ended;
		bool waited_for; /* the foreground knows its outcome */
	} dynos[DYNOS_MAX];
};

static struct shared *shared;
static enum how hows[DYNOS_MAX];
static int sockets[DYNOS_MAX]; /* the foreground's end: events in, stops out */

struct dyno {
	int i;
};

/* ---- monitors ---------------------------------------------------------------------------------*/

static void set_state(int i, const char *state, const char *reason, int exit_code)
{
	str_fmt(shared->dynos[i].state, sizeof(shared->dynos[i].state), "%s", state);
	str_fmt(shared->dynos[i].reason, sizeof(shared->dynos[i].reason), "%s", reason);
	shared->dynos[i].exit_code = exit_code;
}

static void say(int fd, int i, const char *text)
{
	char line[128];
	size_t len = str_fmt(line, sizeof(line),
			     "2026-06-01T12:00:00.123456+00:00 app[web.%d]: %s\n", i, text);

	(void)!write(fd, line, len);
}

static _noreturn_ void end(int i, int log_fd, const char *state, const char *reason, int exit_code)
{
	say(log_fd, i, "bye");
	set_state(i, state, reason, exit_code);
	shared->dynos[i].ended = hows[i] != VANISHES;
	if (hows[i] != VANISHES)
		(void)!write(sockets[i], "e", 1);
	_exit(0);
}

static _noreturn_ void monitor(int i, int fd, int log_fd, int keep_fd)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = keep_fd, .events = POLLIN}};
	char asked = 0;
	sigset_t mask;

	(void)setsid();
	sigemptyset(&mask);
	sigaddset(&mask, SIGPIPE);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	sockets[i] = fd;
	shared->dynos[i].pid = getpid();
	say(log_fd, i, "hi");
	set_state(i, "up", "", -1);
	(void)!write(fd, "u", 1);
	if (hows[i] == GONE_SOON)
		end(i, log_fd, "crashed", "exit", 9);
	if (hows[i] == CRASHES || hows[i] == COMPLETES || hows[i] == VANISHES) {
		(void)poll(NULL, 0, 50);
		if (hows[i] == COMPLETES)
			end(i, log_fd, "complete", "exit", 0);
		end(i, log_fd, "crashed", "exit", 7);
	}
	for (;;) {
		(void)poll(fds, ARRAY_SIZE(fds), -1);
		if (fds[0].revents)
			(void)!read(fd, &asked, 1);
		if (fds[1].revents && hows[i] != DEAF)
			asked = 's';
		if (asked == 'k' || (asked == 's' && hows[i] != DEAF))
			end(i, log_fd, "down", "stop", 143);
		asked = 0;
		fds[1].fd = fds[1].revents ? -1 : keep_fd;
	}
}

static void spawn(int i, const struct dyno_start_opts *opts)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		_exit(99);

	if (fork() == 0) {
		int log_fd = dup(opts->log_fd), keep_fd = dup(opts->keep_fd), fd = dup(sv[1]);

		/* What execve would close, above all the other end of the pipe that keeps it. */
		for (int k = 3; k < 200; k++) {
			if (k != log_fd && k != keep_fd && k != fd)
				(void)close(k);
		}
		monitor(i, fd, log_fd, keep_fd);
	}
	(void)close(sv[1]);
	sockets[i] = sv[0];
}

/* ---- the library ------------------------------------------------------------------------------*/

int dyno_start(struct dyno_host *host, const struct dyno_start_opts *opts, dyno_change_fn fn,
	       void *data, struct dyno_err *err)
{
	char name[16];
	int n = 0;

	(void)host;
	for (int i = 0; i < DYNOS_MAX && hows[i]; i++) {
		str_fmt(name, sizeof(name), "web.%d", i);
		if (hows[i] == FAILS)
			return err_set(err, ERR_HELPER, ENOENT, "start %s", name);
		if (hows[i] != THERE)
			spawn(i, opts);
		fn(data, "app", name, hows[i] == THERE ? DYNO_THERE : DYNO_STARTED);
		n += hows[i] != THERE;
	}
	for (int i = 0; i < DYNOS_MAX && hows[i]; i++)
		while (hows[i] == GONE_SOON && !shared->dynos[i].ended)
			(void)poll(NULL, 0, 1);
	return n;
}

int dyno_open(struct dyno_host *host, const char *app, const char *name, struct dyno **ret,
	      struct dyno_err *err)
{
	int i = name[4] - '0';

	(void)host;
	(void)app;
	if (shared->dynos[i].ended)
		return err_set(err, ERR_NOT_FOUND, 0, "open %s", name);
	if (hows[i] == UNREACHABLE)
		return err_set(err, ERR_MONITOR, ETIMEDOUT, "open %s", name);
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return err_set(err, ERR_MEMORY, ENOMEM, "open %s", name);
	(*ret)->i = i;
	return 0;
}

void dyno_close(struct dyno *dyno)
{
	free(dyno);
}

int dyno_event_fd(struct dyno *dyno, struct dyno_err *err)
{
	(void)err;
	return sockets[dyno->i];
}

int dyno_event_next(struct dyno *dyno, const char **ret_json, struct dyno_err *err)
{
	static char json[128];
	char byte = 0;
	ssize_t n = recv(sockets[dyno->i], &byte, 1, MSG_DONTWAIT);

	(void)err;
	str_fmt(json, sizeof(json), "{\"event\":\"%s\",\"state\":\"%s\"}",
		byte == 'e' ? "end" : "now", shared->dynos[dyno->i].state);
	*ret_json = json;
	return n > 0 ? 1 : n == 0 ? -EPIPE : errno == EAGAIN ? 0 : -errno;
}

static int info_of(int i, bool live, dyno_info_fn fn, void *data)
{
	const struct dyno_info info = {
		.app = "app",
		.name = "web",
		.type = "web",
		.state = shared->dynos[i].state,
		.live = live,
		.monitor_pid = shared->dynos[i].pid,
		.exit_code = shared->dynos[i].exit_code,
		.reason = shared->dynos[i].reason[0] ? shared->dynos[i].reason : NULL,
	};

	return fn(data, &info);
}

int dyno_state(struct dyno *dyno, dyno_info_fn fn, void *data, struct dyno_err *err)
{
	(void)err;
	return info_of(dyno->i, true, fn, data);
}

int dyno_each(struct dyno_host *host, const char *pattern, unsigned int flags, dyno_info_fn fn,
	      void *data, struct dyno_err *err)
{
	int i = pattern[strlen("app/web.")] - '0';

	(void)host;
	(void)flags;
	(void)err;
	return shared->dynos[i].ended ? info_of(i, false, fn, data) : 0;
}

int dyno_wait(struct dyno *dyno, const char *state, uint64_t timeout_ms, struct dyno_outcome *ret,
	      struct dyno_err *err)
{
	assert(!state && timeout_ms > 0);
	shared->dynos[dyno->i].waited_for = true;
	if (hows[dyno->i] == VANISHES)
		return err_set(err, ERR_MONITOR, EPIPE, "wait for it");
	*ret = (struct dyno_outcome){.exit_code = shared->dynos[dyno->i].exit_code,
				     .reason = shared->dynos[dyno->i].reason};
	return 1;
}

int dyno_stop(struct dyno *dyno, int at_once, struct dyno_err *err)
{
	if (hows[dyno->i] == CANNOT_STOP)
		return err_set(err, ERR_MONITOR, EIO, "stop it");
	return write(sockets[dyno->i], at_once ? "k" : "s", 1) == 1 ? 0 : -EPIPE;
}

/* ---- cases ------------------------------------------------------------------------------------*/

struct result {
	int status;
	char out[4096];
	char err[4096];
};

/* The foreground, and its output so far. */
struct front {
	pid_t pid;
	struct {
		int fd;
		size_t len;
		char text[4096];
	} said[2]; /* standard output and error */
};

static _noreturn_ void run(const int *out, const int *errors, const struct foreground_plan *plan)
{
	struct cli cli = {0};
	struct dyno_err err = {0};
	sigset_t mask;
	int r;

	(void)dup2(out[1], STDOUT_FILENO);
	(void)dup2(errors[1], STDERR_FILENO);
	(void)close(out[0]);
	(void)close(out[1]);
	(void)close(errors[0]);
	(void)close(errors[1]);
	sigemptyset(&mask);
	sigaddset(&mask, SIGPIPE);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	r = foreground_start(&cli, NULL, plan, &err);
	arena_done(&cli.arena);
	_exit(r < 0 ? RETURNED_ERROR : r);
}

/* Every monitor ends with the foreground: this waits for as long as one has not. */
static void reap(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, 0);
	while (pid > 0 || errno == EINTR);
	assert_int_equal(errno, ECHILD);
}

static void begin(const enum how *how, const struct foreground_plan *plan, struct front *ret)
{
	int out[2], errors[2];

	memset(shared, 0, sizeof(*shared));
	memset(ret, 0, sizeof(*ret));
	memcpy(hows, how, sizeof(hows));
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(errors, O_CLOEXEC), 0);
	ret->pid = fork();
	if (ret->pid == 0)
		run(out, errors, plan);
	(void)close(out[1]);
	(void)close(errors[1]);
	ret->said[0].fd = out[0];
	ret->said[1].fd = errors[0];
}

/* Reads what comes next, for 10 ms at most. Return: 0 when both ends are closed. */
static int hear(struct front *f)
{
	struct pollfd fds[] = {{.fd = f->said[0].fd, .events = POLLIN},
			       {.fd = f->said[1].fd, .events = POLLIN}};

	assert_true(poll(fds, ARRAY_SIZE(fds), 10) >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		size_t room = sizeof(f->said[i].text) - 1 - f->said[i].len;
		ssize_t n;

		if (!fds[i].revents)
			continue;
		n = read(f->said[i].fd, f->said[i].text + f->said[i].len, room);
		assert_true(n >= 0);
		f->said[i].len += (size_t)n;
		if (n == 0)
			close_fdp(&f->said[i].fd);
	}
	return f->said[0].fd >= 0 || f->said[1].fd >= 0;
}

#define hear_until(f, condition)                                       \
	do {                                                           \
		for (unsigned int turns = 0; !(condition); turns++) {  \
			assert_true(turns < HANGS_MS / 10 && hear(f)); \
		}                                                      \
	} while (0)

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

/* Whether the dynos are as a case wants them when its first signal comes. */
static bool is_settled(const struct front *f)
{
	size_t his = 0;
	bool fails = false;

	for (int i = 0; i < DYNOS_MAX && hows[i]; i++) {
		if (hows[i] == CRASHES && !shared->dynos[i].waited_for)
			return false;
		his += hows[i] != THERE && hows[i] != FAILS;
		fails |= hows[i] == FAILS;
	}
	return count(f->said[0].text, "hi\n") + count(f->said[0].text, "\"hi\"") >= his &&
	       (!fails || strstr(f->said[1].text, "stopping"));
}

/* Whether the first signal has done all that it can. */
static bool is_stopping(const struct front *f)
{
	for (int i = 0; i < DYNOS_MAX && hows[i]; i++)
		if (hows[i] == LIVES && !shared->dynos[i].waited_for)
			return false;
	return strstr(f->said[1].text, "stopping") != NULL;
}

/* Until it has ended. */
static void finish(struct front *f, struct result *ret)
{
	int status = 0;

	for (unsigned int turns = 0; hear(f); turns++)
		assert_true(turns < HANGS_MS / 10);
	memcpy(ret->out, f->said[0].text, sizeof(ret->out));
	memcpy(ret->err, f->said[1].text, sizeof(ret->err));
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	ret->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	reap();
}

/* The foreground with the signals, each when the one before has been obeyed. */
static void foreground(const enum how *how, const struct foreground_plan *plan, const int *signals,
		       size_t n_signals, struct result *ret)
{
	struct front f;

	begin(how, plan, &f);
	for (size_t i = 0; i < n_signals; i++) {
		hear_until(&f, i == 0 ? is_settled(&f) : is_stopping(&f));
		assert_int_equal(kill(f.pid, signals[i]), 0);
	}
	finish(&f, ret);
}

static void foreground_start__ends__give_status_and_every_line(void **state)
{
	static const struct {
		enum how how[DYNOS_MAX];
		int signals[3];
		size_t n_signals;
		int status;
		const char *err; /* in standard error; NULL: that is empty */
		size_t byes;
	} cases[] = {
		{{LIVES, LIVES}, {SIGINT}, 1, 0, "stopping 2 dynos; once more", 2},
		{{LIVES}, {SIGTERM}, 1, 0, "stopping 1 dyno; once more", 1},
		{{LIVES}, {SIGHUP}, 1, 0, "stopping 1 dyno;", 1},
		{{DEAF, LIVES}, {SIGINT, SIGINT}, 2, 0, "ending 1 dyno at once", 2},
		{{DEAF}, {SIGQUIT}, 1, 0, "ending 1 dyno at once", 1},
		{{COMPLETES, COMPLETES}, {0}, 0, 0, NULL, 2},
		{{COMPLETES, CRASHES}, {0}, 0, 7, NULL, 2},
		{{CRASHES, LIVES}, {SIGINT}, 1, 0, "stopping 1 dyno;", 2},
		{{VANISHES}, {0}, 0, 125, NULL, 1},
		{{GONE_SOON, COMPLETES}, {0}, 0, 9, NULL, 2},
		{{CANNOT_STOP, LIVES}, {SIGINT}, 1, 0, "stopping 2 dynos;", 2},
		{{THERE}, {0}, 0, 0, "web.0 of app app lives already", 0},
		{{THERE, COMPLETES}, {0}, 0, 0, "web.0 of app app lives already", 1},
		{{FAILS}, {0}, 0, RETURNED_ERROR, NULL, 0},
		{{LIVES, FAILS}, {0}, 0, RETURNED_ERROR, "stopping 1 dyno;", 1},
		{{DEAF, FAILS}, {SIGINT}, 1, RETURNED_ERROR, "ending 1 dyno at once", 1},
		{{LIVES, UNREACHABLE}, {0}, 0, RETURNED_ERROR, "stopping 1 dyno;", 2},
	};
	static const struct foreground_plan plan = {.view = {.form = LOGVIEW_RECORD}};
	struct result result;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		foreground(cases[i].how, &plan, cases[i].signals, cases[i].n_signals, &result);
		if (result.status != cases[i].status ||
		    count(result.out, ": bye\n") != cases[i].byes ||
		    (cases[i].err ? !strstr(result.err, cases[i].err) : result.err[0] != '\0'))
			fail_msg("case %zu: status %d\n%s%s", i, result.status, result.out,
				 result.err);
	}
}

static void foreground_start__third_signal__does_not_wait(void **state)
{
	static const enum how how[DYNOS_MAX] = {DEAF};
	static const struct foreground_plan plan = {.view = {.form = LOGVIEW_RECORD}};
	struct front f;
	int status;

	/* A monitor that does not answer: it is stopped as a process. */
	(void)state;
	begin(how, &plan, &f);
	hear_until(&f, is_settled(&f));
	assert_true(shared->dynos[0].pid > 0);
	assert_int_equal(kill(shared->dynos[0].pid, SIGSTOP), 0);
	assert_int_equal(kill(f.pid, SIGINT), 0);
	hear_until(&f, strstr(f.said[1].text, "stopping"));
	assert_int_equal(kill(f.pid, SIGINT), 0);
	hear_until(&f, strstr(f.said[1].text, "ending 1 dyno"));
	assert_int_equal(kill(f.pid, SIGINT), 0);
	assert_int_equal(waitpid(f.pid, &status, 0), f.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 128 + SIGINT);
	assert_int_equal(kill(shared->dynos[0].pid, SIGKILL), 0);
	reap();
	close_fdp(&f.said[0].fd);
	close_fdp(&f.said[1].fd);
}

static void foreground_start__quiet_and_json__show_what_was_asked_for(void **state)
{
	static const enum how how[DYNOS_MAX] = {LIVES};
	static const int signals[] = {SIGINT};
	struct foreground_plan plan = {.view = {.form = LOGVIEW_JSON}, .quiet = true};
	struct result result;

	(void)state;
	foreground(how, &plan, signals, 1, &result);
	assert_int_equal(result.status, 0);
	assert_string_equal(result.err, "");
	assert_int_equal(count(result.out, "\"text\":\"bye\"}\n"), 1);
}

/* Whoever reads only the first line has no use for the rest. */
static void foreground_start__reader_has_gone__stops_the_dynos(void **state)
{
	static const enum how how[DYNOS_MAX] = {LIVES, LIVES};
	static const struct foreground_plan plan = {.view = {.form = LOGVIEW_RECORD}};
	struct result result;
	struct front f;

	(void)state;
	begin(how, &plan, &f);
	close_fdp(&f.said[0].fd);
	finish(&f, &result);
	assert_int_equal(result.status, 0);
}

static void foreground_start__pid_file__is_there_meanwhile(void **state)
{
	static const enum how how[DYNOS_MAX] = {COMPLETES};
	char path[64];
	struct foreground_plan plan = {.view = {.form = LOGVIEW_RECORD}, .pid_file = path};
	struct result result;

	(void)state;
	str_fmt(path, sizeof(path), "/tmp/dyno-test-pid.%d", getpid());
	foreground(how, &plan, NULL, 0, &result);
	assert_int_equal(result.status, 0);
	assert_int_equal(access(path, F_OK), -1);
	plan.pid_file = "/no/such/directory/pid";
	foreground(how, &plan, NULL, 0, &result);
	assert_int_equal(result.status, RETURNED_ERROR);
	plan.pid_file = NULL;
	plan.pidfd_socket = "/no/such/socket";
	foreground((const enum how[DYNOS_MAX]){LIVES}, &plan, NULL, 0, &result);
	assert_int_equal(result.status, RETURNED_ERROR);
	assert_int_equal(count(result.out, ": bye\n"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreground_start__ends__give_status_and_every_line),
		cmocka_unit_test(foreground_start__third_signal__does_not_wait),
		cmocka_unit_test(foreground_start__quiet_and_json__show_what_was_asked_for),
		cmocka_unit_test(foreground_start__reader_has_gone__stops_the_dynos),
		cmocka_unit_test(foreground_start__pid_file__is_there_meanwhile),
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
