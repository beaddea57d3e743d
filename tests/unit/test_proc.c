/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_proc.c - helper programs: what they inherit (T23, T24), how their failure is told, that
 * they cannot outlive their parent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"

/* Far longer than anything here takes; a process that lives so long was forgotten. */
#define LONG_SLEEP	 "300"

#define OUTPUT_MAX_BYTES 65536

static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int i = 0; i < 1024; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

/* Runs a program to its end. Return: its status; its stdout is in *@ret_out. */
static int run(const char *const *argv, const char *const *envp, struct arena *a, char **ret_out)
{
	int p[2], pidfd = -EBADF, status = -1;
	struct dyno_err err = {0};
	size_t len;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(proc_spawn(&(struct proc_spawn){.argv = argv,
							 .envp = envp,
							 .fds = (int[]){-1, p[1], 2},
							 .n_fds = 3,
							 .exe_fd = -1},
				    &pidfd, &err),
			 0);
	close_fdp(&p[1]);
	assert_int_equal(fd_read_all(p[0], OUTPUT_MAX_BYTES, a, ret_out, &len), 0);
	close_fdp(&p[0]);
	assert_int_equal(proc_wait(pidfd, &status), 0);
	close_fdp(&pidfd);
	return status;
}

static void proc_spawn__program__gets_its_arguments_and_only_its_environment(void **state)
{
	static const char *const argv[] = {"/usr/bin/env", NULL};
	static const char *const echo[] = {"/bin/sh", "-c",  "echo \"$0,$1\"; cat; exit 41",
					   "a",	      "b c", NULL};
	static const char *const envp[] = {"A=1", "B=two words", NULL};
	_cleanup_arena_ struct arena a = {0};
	char *out = NULL;

	(void)state;
	assert_int_equal(run(argv, envp, &a, &out), 0);
	assert_string_equal(out, "A=1\nB=two words\n");
	assert_int_equal(run(argv, NULL, &a, &out), 0);
	assert_string_equal(out, "");
	assert_int_equal(run(echo, NULL, &a, &out), 41);
	assert_string_equal(out, "a,b c\n");
}

static void proc_spawn__failed_exec__is_an_error_and_leaves_nothing(void **state)
{
	static const struct {
		const char *file;
		int num;
	} cases[] = {
		{"/no/such/program", ENOENT},
		{"/etc/passwd", EACCES},
		{"/tmp", EACCES},
		{"no-search-along-a-path", ENOENT},
	};
	unsigned int fds = count_fds();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *argv[] = {cases[i].file, NULL};
		struct dyno_err err = {0};
		char want[64];
		int pidfd = 4711;

		assert_int_equal(
			proc_spawn(&(struct proc_spawn){.argv = argv, .exe_fd = -1}, &pidfd, &err),
			-cases[i].num);
		assert_int_equal(pidfd, 4711);
		assert_int_equal(err.kind, ERR_HELPER);
		assert_int_equal(err.num, cases[i].num);
		(void)str_fmt(want, sizeof(want), "execute %s", cases[i].file);
		assert_string_equal(err.msg, want);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(count_fds(), fds);
}

static void proc_spawn__too_many_descriptors__is_refused(void **state)
{
	static const char *const argv[] = {"/bin/true", NULL};
	int fds[25] = {0}, pidfd = -1;

	(void)state;
	assert_int_equal(proc_spawn(&(struct proc_spawn){.argv = argv,
							 .fds = fds,
							 .n_fds = ARRAY_SIZE(fds),
							 .exe_fd = -1},
				    &pidfd, NULL),
			 -E2BIG);
}

/* T23: a caller with many open descriptors, none of them close-on-exec. */
static void proc_spawn__leaky_caller__passes_none_on(void **state)
{
	static const char *const argv[] = {"/bin/sh", "-c", "echo /proc/self/fd/*", NULL};
	_cleanup_arena_ struct arena a = {0};
	int leaked[200];
	char *out = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(leaked); i++)
		leaked[i] = open("/", O_PATH);
	assert_int_equal(run(argv, NULL, &a, &out), 0);
	for (size_t i = 0; i < ARRAY_SIZE(leaked); i++)
		close_fdp(&leaked[i]);
	/* the fourth is the shell's own, which lists the directory */
	assert_string_equal(out, "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 "
				 "/proc/self/fd/3\n");
}

/* Sources that are each other's targets: every order must arrive as it was named. */
static void proc_spawn__crossed_descriptors__arrive_in_order(void **state)
{
	static const char *const argv[] = {
		"/bin/sh", "-c", "for i in 3 4 5 6; do readlink /proc/self/fd/$i; done", NULL};
	static const char *const files[] = {"/", "/usr", "/etc", "/tmp"};
	static const char want[] = "/tmp\n/etc\n/usr\n/\n";
	_cleanup_arena_ struct arena a = {0};
	int p[2], dirs[4], fds[7] = {-1, 0, 2}, pidfd = -EBADF, status = -1;
	char *out = NULL;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		dirs[i] = open(files[i], O_PATH | O_CLOEXEC);
		assert_true(dirs[i] >= 3);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		fds[3 + i] = dirs[3 - i];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fds[1] = p[1];
	assert_int_equal(proc_spawn(&(struct proc_spawn){.argv = argv,
							 .fds = fds,
							 .n_fds = ARRAY_SIZE(fds),
							 .exe_fd = -1},
				    &pidfd, NULL),
			 0);
	close_fdp(&p[1]);
	assert_int_equal(fd_read_all(p[0], OUTPUT_MAX_BYTES, &a, &out, &len), 0);
	close_fdp(&p[0]);
	assert_string_equal(out, want);
	assert_int_equal(proc_wait(pidfd, &status), 0);
	close_fdp(&pidfd);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		assert_int_equal(fcntl(dirs[i], F_GETFD), FD_CLOEXEC); /* ours are as they were */
		close_fdp(&dirs[i]);
	}
}

static void proc_spawn__stdio_closed__is_dev_null(void **state)
{
	static const char *const argv[] = {
		"/bin/sh", "-c", "readlink /proc/self/fd/0 && readlink /proc/$$/fd/2", NULL};
	_cleanup_arena_ struct arena a = {0};
	int p[2], pidfd = -EBADF, status = -1;
	char *out = NULL;
	size_t len;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(proc_spawn(&(struct proc_spawn){.argv = argv,
							 .fds = (int[]){-1, p[1]},
							 .n_fds = 2,
							 .exe_fd = -1},
				    &pidfd, NULL),
			 0);
	close_fdp(&p[1]);
	assert_int_equal(fd_read_all(p[0], OUTPUT_MAX_BYTES, &a, &out, &len), 0);
	close_fdp(&p[0]);
	assert_string_equal(out, "/dev/null\n/dev/null\n");
	assert_int_equal(proc_wait(pidfd, &status), 0);
	assert_int_equal(status, 0);
	close_fdp(&pidfd);
}

static void proc_spawn__exe_fd__is_executed_in_place_of_the_path(void **state)
{
	static const char *const argv[] = {"a-name-that-is-no-file", "-c", "exit 7", NULL};
	_cleanup_close_ int exe = open("/bin/sh", O_PATH | O_CLOEXEC);
	int pidfd = -EBADF, status = -1;

	(void)state;
	assert_int_equal(
		proc_spawn(&(struct proc_spawn){.argv = argv, .exe_fd = exe}, &pidfd, NULL), 0);
	assert_int_equal(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(proc_wait(pidfd, &status), 0);
	assert_int_equal(status, 7);
	close_fdp(&pidfd);
}

/* Hex mask of one line of /proc/self/status. */
static const char *status_line(const char *status, const char *key)
{
	const char *at = strstr(status, key);

	assert_non_null(at);
	return at + strlen(key);
}

/* T24: everything ignored and everything blocked, the numbers included that libc hides. */
static _noreturn_ void spawn_with_bad_signals(int out)
{
	static const char *const argv[] = {"/bin/cat", "/proc/self/status", NULL};
	const uint64_t all = ~UINT64_C(0);
	const uint64_t ignore[4] = {1}; /* SIG_IGN, in the kernel's struct */
	int pidfd = -EBADF, status = -1;

	for (long sig = 1; sig <= 64; sig++)
		(void)syscall(SYS_rt_sigaction, sig, ignore, NULL, 8);
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
	if (proc_spawn(
		    &(struct proc_spawn){
			    .argv = argv, .fds = (int[]){-1, out, 2}, .n_fds = 3, .exe_fd = -1},
		    &pidfd, NULL) < 0)
		_exit(1);
	/* SIGCHLD is ignored: the kernel keeps no status, and says so */
	_exit(proc_wait(pidfd, &status) == -ECHILD ? 0 : 2);
}

static void proc_spawn__new_session__is_the_child_s_where_asked_for(void **state)
{
	/* pid, comm, state, parent, group, session. Source: proc(5) */
	static const char *const argv[] = {
		"/bin/sh", "-c", "read -r line </proc/$$/stat; set -- $line; [ \"$1\" = \"$6\" ]",
		NULL};
	int pidfd = -1;
	int status = -1;

	(void)state;
	for (int asked = 0; asked < 2; asked++) {
		const struct proc_spawn how = {.argv = argv, .exe_fd = -1, .new_session = asked};

		assert_int_equal(proc_spawn(&how, &pidfd, NULL), 0);
		assert_int_equal(proc_wait(pidfd, &status), 0);
		assert_int_equal(status, !asked);
		(void)close(pidfd);
	}
}
static void proc_spawn__signals_ignored_and_blocked__are_reset(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	char *out = NULL;
	int p[2], status;
	size_t len;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		spawn_with_bad_signals(p[1]);
	close_fdp(&p[1]);
	assert_int_equal(fd_read_all(p[0], OUTPUT_MAX_BYTES, &a, &out, &len), 0);
	close_fdp(&p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_non_null(str_starts(status_line(out, "SigBlk:\t"), "0000000000000000\n"));
	assert_non_null(str_starts(status_line(out, "SigIgn:\t"), "0000000000000000\n"));
}

static void on_usr1(int sig)
{
	(void)sig;
}

/* The child shares our memory while it resets signals; ours must be as they were. */
static void proc_spawn__afterwards__the_caller_s_signals_are_untouched(void **state)
{
	static const char *const argv[] = {"/bin/true", NULL};
	const struct sigaction sa = {.sa_handler = on_usr1};
	struct sigaction now;
	sigset_t mine, mask, before;
	int pidfd = -EBADF, status = -1;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
	(void)sigemptyset(&mine);
	(void)sigaddset(&mine, SIGUSR2);
	assert_int_equal(sigprocmask(SIG_SETMASK, &mine, &before), 0);
	assert_int_equal(proc_spawn(&(struct proc_spawn){.argv = argv, .exe_fd = -1}, &pidfd, NULL),
			 0);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, &mask), 0);
	assert_int_equal(sigismember(&mask, SIGUSR2), 1);
	assert_int_equal(sigismember(&mask, SIGUSR1), 0);
	assert_int_equal(sigaction(SIGUSR1, NULL, &now), 0);
	assert_ptr_equal(now.sa_handler, on_usr1);
	assert_int_equal(proc_wait(pidfd, &status), 0);
	assert_int_equal(status, 0);
	close_fdp(&pidfd);
}

static void proc_spawn__parent_killed__child_dies_too(void **state)
{
	static const char *const argv[] = {"/bin/sleep", LONG_SLEEP, NULL};
	int p[2], status;
	struct pollfd gone;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		int pidfd = -EBADF;

		/* the write end lives in the helper: its end is the end of the stream */
		if (proc_spawn(&(struct proc_spawn){.argv = argv,
						    .fds = (int[]){-1, p[1], 2},
						    .n_fds = 3,
						    .exe_fd = -1},
			       &pidfd, NULL) < 0)
			_exit(1);
		(void)kill(getpid(), SIGKILL);
	}
	close_fdp(&p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	gone = (struct pollfd){.fd = p[0], .events = POLLIN};
	assert_int_equal(poll(&gone, 1, 20000), 1);
	assert_int_equal(read(p[0], &c, 1), 0);
	close_fdp(&p[0]);
}

/* T45: neither a descriptor nor a process to be had. */
static void proc_spawn__limits_of_the_host__fail_clean(void **state)
{
	static const char *const argv[] = {"/bin/true", NULL};
	struct rlimit before, few;
	unsigned int fds = count_fds();
	struct dyno_err err = {0};
	int pidfd = -1, r;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	r = proc_spawn(&(struct proc_spawn){.argv = argv, .exe_fd = -1}, &pidfd, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(err.kind, ERR_HELPER);
	assert_string_equal(err.msg, "start /bin/true");
	assert_int_equal(count_fds(), fds);
}

static void proc_wait__signal__is_128_and_its_number(void **state)
{
	static const char *const argv[] = {"/bin/sleep", LONG_SLEEP, NULL};
	int pidfd = -EBADF, status = -1;

	(void)state;
	assert_int_equal(proc_spawn(&(struct proc_spawn){.argv = argv, .exe_fd = -1}, &pidfd, NULL),
			 0);
	assert_int_equal(proc_kill(pidfd, 0), 0);
	assert_int_equal(proc_kill(pidfd, SIGTERM), 0);
	assert_int_equal(proc_wait(pidfd, &status), 0);
	assert_int_equal(status, 128 + SIGTERM);
	assert_int_equal(proc_kill(pidfd, SIGTERM), -ESRCH);
	assert_int_equal(proc_wait(pidfd, &status), -ECHILD);
	close_fdp(&pidfd);
	assert_int_equal(proc_kill(-1, SIGTERM), -EBADF);
}

static void proc_code_dir__program__is_where_its_file_is(void **state)
{
	char exe[4096], dir[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	(void)state;
	assert_true(n > 0);
	exe[n] = '\0';
	assert_int_equal(proc_code_dir(dir, sizeof(dir)), 0);
	n = (ssize_t)strlen(dir);
	assert_int_equal(dir[n - 1], '/');
	assert_memory_equal(exe, dir, (size_t)n);
	assert_null(strchr(exe + n, '/'));
	/* the whole path passes through the buffer */
	assert_int_equal(proc_code_dir(dir, strlen(exe) + 1), 0);
	assert_int_equal(proc_code_dir(dir, strlen(exe)), -ENAMETOOLONG);
	assert_int_equal(proc_code_dir(dir, 1), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proc_spawn__program__gets_its_arguments_and_only_its_environment),
		cmocka_unit_test(proc_spawn__failed_exec__is_an_error_and_leaves_nothing),
		cmocka_unit_test(proc_spawn__too_many_descriptors__is_refused),
		cmocka_unit_test(proc_spawn__leaky_caller__passes_none_on),
		cmocka_unit_test(proc_spawn__crossed_descriptors__arrive_in_order),
		cmocka_unit_test(proc_spawn__stdio_closed__is_dev_null),
		cmocka_unit_test(proc_spawn__exe_fd__is_executed_in_place_of_the_path),
		cmocka_unit_test(proc_spawn__new_session__is_the_child_s_where_asked_for),
		cmocka_unit_test(proc_spawn__signals_ignored_and_blocked__are_reset),
		cmocka_unit_test(proc_spawn__afterwards__the_caller_s_signals_are_untouched),
		cmocka_unit_test(proc_spawn__parent_killed__child_dies_too),
		cmocka_unit_test(proc_spawn__limits_of_the_host__fail_clean),
		cmocka_unit_test(proc_wait__signal__is_128_and_its_number),
		cmocka_unit_test(proc_code_dir__program__is_where_its_file_is),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
