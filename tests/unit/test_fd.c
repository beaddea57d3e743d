/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_fd.c - transfers that are interrupted, short and refused (T45), files that are none (T16),
 * missing stdio (T22).
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
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/* Much more than a pipe holds (64 KiB), so that every transfer comes in pieces. */
#define STREAM_BYTES 300000

struct dir {
	char path[64];
	int fd;
};

/* fork(2), but the child cannot outlive a test that failed before it was waited for. */
static pid_t fork_tied(void)
{
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(1);
	return pid;
}

static int setup_dir(void **state)
{
	static struct dir d;

	(void)str_fmt(d.path, sizeof(d.path), "/tmp/dyno-test-fd-XXXXXX");
	if (!mkdtemp(d.path))
		return -1;
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &d;
	return d.fd < 0 ? -1 : 0;
}

static int teardown_dir(void **state)
{
	_cleanup_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dir *d = *state;

	close_fdp(&d->fd);
	return path_remove_tree(tmp, d->path + STRLEN("/tmp/"));
}

static void put_file(const struct dir *d, const char *name, const void *data, size_t len)
{
	_cleanup_close_ int fd =
		openat(d->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, data, len), len);
}

/* Descriptors of this process, found by asking for each. */
static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int i = 0; i < 1024; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static unsigned char stream_byte(size_t i)
{
	return (unsigned char)(i * 7 + i / 251);
}

static void wait_child(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A signal every millisecond, with a handler that does not restart calls. */
static void alarms(bool on)
{
	const struct sigaction sa = {.sa_handler = on ? on_alarm : SIG_DFL};
	const struct itimerval it = {.it_interval.tv_usec = on ? 1000 : 0,
				     .it_value.tv_usec = on ? 1000 : 0};

	if (on)
		assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &it, NULL), 0);
	if (!on)
		assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
}

/* The far end of a stream that passes odd amounts with pauses between them. */
static _noreturn_ void dribble(int in, int out)
{
	char buf[8191];

	for (;;) {
		ssize_t n = read(in, buf, sizeof(buf));

		if (n <= 0)
			_exit(n < 0);
		usleep(2000);
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(out, buf + done, (size_t)MIN_OF(n - done, 1000));

			if (w < 0)
				_exit(1);
			done += w;
		}
	}
}

static void fd_transfers__short_and_interrupted__are_whole(void **state)
{
	static unsigned char data[STREAM_BYTES], back[STREAM_BYTES + 1];
	int there[2], here[2];
	pid_t echo, writer;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = stream_byte(i);
	assert_int_equal(pipe2(there, O_CLOEXEC), 0);
	assert_int_equal(pipe2(here, O_CLOEXEC), 0);

	echo = fork_tied();
	if (echo == 0) {
		(void)close(there[1]);
		dribble(there[0], here[1]);
	}
	close_fdp(&there[0]);
	close_fdp(&here[1]);
	writer = fork_tied();
	if (writer == 0) {
		alarms(true);
		_exit(fd_write_full(there[1], data, sizeof(data)) != sizeof(data));
	}
	close_fdp(&there[1]);

	alarms(true);
	assert_int_equal(fd_read_full(here[0], back, sizeof(back)), sizeof(data));
	alarms(false);
	assert_memory_equal(back, data, sizeof(data));
	close_fdp(&here[0]);
	wait_child(writer);
	wait_child(echo);
}

static void fd_write_full__non_blocking__waits_for_room(void **state)
{
	static unsigned char data[STREAM_BYTES], back[STREAM_BYTES];
	int p[2];
	pid_t reader;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(fd_read_full(p[0], back, 1), -EAGAIN);
	reader = fork_tied();
	if (reader == 0) {
		ssize_t n;

		do {
			n = fd_read_full(p[0], back, sizeof(back));
		} while (n == -EAGAIN);
		_exit(n != sizeof(back));
	}
	assert_int_equal(fd_write_full(p[1], data, sizeof(data)), sizeof(data));
	wait_child(reader);
	close_fdp(&p[0]);
	close_fdp(&p[1]);
}

static void fd_read_full__non_blocking__waits_once_begun(void **state)
{
	struct pollfd begun;
	char back[20];
	pid_t writer;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	writer = fork_tied();
	if (writer == 0) {
		if (write(p[1], "0123456789", 10) != 10)
			_exit(1);
		usleep(20000);
		_exit(write(p[1], "abcdefghij", 10) != 10);
	}
	begun = (struct pollfd){.fd = p[0], .events = POLLIN};
	assert_int_equal(poll(&begun, 1, 20000), 1);
	assert_int_equal(fd_read_full(p[0], back, sizeof(back)), sizeof(back));
	assert_memory_equal(back, "0123456789abcdefghij", sizeof(back));
	wait_child(writer);
	close_fdp(&p[0]);
	close_fdp(&p[1]);
}

static void fd_transfers__errors__are_negative_errno(void **state)
{
	const struct sigaction ign = {.sa_handler = SIG_IGN}, dfl = {.sa_handler = SIG_DFL};
	_cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	char c = 0;
	int p[2];

	(void)state;
	assert_int_equal(fd_read_full(-1, &c, 1), -EBADF);
	assert_int_equal(fd_write_full(full, &c, 1), -ENOSPC);
	assert_int_equal(fd_write_full(full, &c, 0), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	close_fdp(&p[0]);
	assert_int_equal(sigaction(SIGPIPE, &ign, NULL), 0);
	assert_int_equal(fd_write_full(p[1], &c, 1), -EPIPE);
	assert_int_equal(sigaction(SIGPIPE, &dfl, NULL), 0);
	close_fdp(&p[1]);
}

static void close_fdp__any__keeps_errno_and_marks(void **state)
{
	int fd = dup(1), none = -1;

	(void)state;
	errno = ENOTTY;
	close_fdp(&fd);
	close_fdp(&none);
	close_fdp(&fd);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(fd, -EBADF);
	assert_int_equal(none, -EBADF);
	fd = 5;
	assert_int_equal(take_fd(&fd), 5);
	assert_int_equal(fd, -EBADF);
}

static void fd_read_all__around_its_limit__is_exact(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, 100000};
	static char data[100001];
	const struct dir *d = *state;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)stream_byte(i);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const size_t limits[] = {0, sizes[i] - !!sizes[i], sizes[i], sizes[i] + 1,
					 SIZE_MAX};

		put_file(d, "f", data, sizes[i]);
		for (size_t k = 0; k < ARRAY_SIZE(limits); k++) {
			_cleanup_arena_ struct arena a = {0};
			char *text = NULL;
			size_t len = 4711;
			int r = file_read_beneath(d->fd, "f", limits[k], &a, &text, &len);

			if (limits[k] < sizes[i]) {
				assert_int_equal(r, -EFBIG);
				assert_null(text);
				assert_int_equal(len, 4711);
				continue;
			}
			assert_int_equal(r, 0);
			assert_int_equal(len, sizes[i]);
			assert_memory_equal(text, data, len);
			assert_int_equal(text[len], 0);
		}
	}
}

static void fd_read_all__pipe__grows_as_it_comes(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	char *text = NULL;
	size_t len = 0;
	pid_t writer;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	writer = fork_tied();
	if (writer == 0) {
		for (int i = 0; i < 1000; i++) {
			if (fd_write_full(p[1], "0123456789abcdef0123456789abcde\n", 32) != 32)
				_exit(1);
		}
		_exit(0);
	}
	close_fdp(&p[1]);
	assert_int_equal(fd_read_all(p[0], 32000, &a, &text, &len), 0);
	assert_int_equal(len, 32000);
	assert_memory_equal(text + 31968, "0123456789abcdef0123456789abcde\n", 33);
	wait_child(writer);
	close_fdp(&p[0]);
}

/* T16: whatever lies where a small file should be, the answer comes at once and is an error. */
static void file_read_beneath__not_a_file__is_refused(void **state)
{
	static const struct {
		const char *name;
		int want;
	} cases[] = {
		{"fifo", -EINVAL},    {"sub", -EINVAL},	       {"sock", -EINVAL},
		{"missing", -ENOENT}, {"to-zero", -EXDEV},     {"to-proc", -EXDEV},
		{"up", -EXDEV},	      {"/etc/passwd", -EXDEV}, {"../x", -EXDEV},
		{"loop", -ELOOP},     {"huge", -EFBIG},	       {"f/x", -ENOTDIR},
	};
	const struct dir *d = *state;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int huge = -EBADF;
	unsigned int fds;

	put_file(d, "f", "x", 1);
	(void)str_fmt(sa.sun_path, sizeof(sa.sun_path), "%s/sock", d->path);
	assert_int_equal(bind(sock, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(mkfifoat(d->fd, "fifo", 0600), 0);
	assert_int_equal(mkdirat(d->fd, "sub", 0700), 0);
	assert_int_equal(symlinkat("/dev/zero", d->fd, "to-zero"), 0);
	assert_int_equal(symlinkat("/proc/self/environ", d->fd, "to-proc"), 0);
	assert_int_equal(symlinkat("..", d->fd, "up"), 0);
	assert_int_equal(symlinkat("loop", d->fd, "loop"), 0);
	huge = openat(d->fd, "huge", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(huge, INT64_C(1) << 32), 0); /* sparse */

	fds = count_fds();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_arena_ struct arena a = {0};
		char *text = NULL;
		size_t len = 0;

		assert_int_equal(file_read_beneath(d->fd, cases[i].name, 65536, &a, &text, &len),
				 cases[i].want);
		assert_null(text);
	}
	assert_int_equal(count_fds(), fds);
}

/* T45: no descriptor left for us, and afterwards none lost. */
static void file_read_beneath__no_descriptors__fails_clean(void **state)
{
	const struct dir *d = *state;
	_cleanup_arena_ struct arena a = {0};
	struct rlimit before, none;
	unsigned int fds;
	char *text;

	put_file(d, "f", "x", 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	fds = count_fds();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(file_read_beneath(d->fd, "f", 10, &a, &text, NULL), -EMFILE);
	assert_int_equal(fd_memfd_sealed("x", "x", 1), -EMFILE);
	assert_int_equal(file_write_at(d->fd, "f", "x"), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(file_read_beneath(d->fd, "f", 10, &a, &text, NULL), 0);
	assert_string_equal(text, "x");
}

static void file_write_at__existing_only__in_one_write(void **state)
{
	const struct dir *d = *state;
	_cleanup_arena_ struct arena a = {0};
	char *text = NULL;

	put_file(d, "f", "12345", 5);
	assert_int_equal(file_write_at(d->fd, "f", "ab"), 0);
	assert_int_equal(file_read_beneath(d->fd, "f", 10, &a, &text, NULL), 0);
	assert_string_equal(text, "ab345");
	assert_int_equal(file_write_at(d->fd, "none", "ab"), -ENOENT);
	assert_int_equal(file_write_at(AT_FDCWD, "/dev/full", "ab"), -ENOSPC);
}

static void fd_memfd_sealed__made__cannot_be_changed(void **state)
{
	static char data[STREAM_BYTES];
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	_cleanup_close_ int fd = fd_memfd_sealed("image", data, sizeof(data));
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & seals, seals);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, sizeof(data));
	assert_true(st.st_mode & 0100);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
}

/* T22: each of the eight sets of missing descriptors. */
static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Return: bit n for each open descriptor n from 0 to 31 after fd_close_others(). */
static uint32_t left_open(const int *keep, size_t n)
{
	uint32_t open_fds = 0;
	int status, pair[2], list[8];
	pid_t pid;

	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	pid = fork_tied();
	if (pid == 0) {
		for (int fd = 0; fd < 32; fd++)
			if (fd != pair[1])
				(void)dup2(pair[0], fd);
		if (pair[1] != 30 && dup2(pair[1], 30) < 0)
			_exit(1);
		memcpy(list, keep, n * sizeof(*list));
		list[n] = 30;
		if (fd_close_others(list, n + 1) < 0)
			_exit(1);
		for (int fd = 0; fd < 32; fd++)
			open_fds |= (uint32_t)is_open(fd) << fd;
		_exit(write(30, &open_fds, sizeof(open_fds)) != (ssize_t)sizeof(open_fds));
	}
	(void)close(pair[1]);
	assert_int_equal(fd_read_full(pair[0], &open_fds, sizeof(open_fds)), sizeof(open_fds));
	(void)close(pair[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return open_fds;
}

static void fd_close_others__kept_in_any_order__stay(void **state)
{
	static const struct {
		int keep[6];
		size_t n;
		uint32_t left;
	} cases[] = {
		{{0}, 0, 0},
		{{3}, 1, 1U << 3},
		{{29, 31, 7, 8}, 4, 1U << 29 | 1U << 31 | 1U << 7 | 1U << 8},
		{{-9, 5, -1, 5, 2, 0}, 6, 1U << 5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(left_open(cases[i].keep, cases[i].n),
				 cases[i].left | 1U << 30 | 7U);
}

static void fd_ensure_stdio__any_set_closed__is_filled(void **state)
{
	(void)state;
	for (int set = 0; set < 8; set++) {
		pid_t pid = fork_tied();

		if (pid == 0) {
			struct stat null, st;

			(void)stat("/dev/null", &null);
			for (int i = 0; i < 3; i++)
				if (set & 1 << i)
					(void)close(i);
			if (fd_ensure_stdio() != 0)
				_exit(1);
			for (int i = 0; i < 3; i++) {
				if (fstat(i, &st) < 0 || fcntl(i, F_GETFD) != 0)
					_exit(2);
				if ((set & 1 << i) && st.st_rdev != null.st_rdev)
					_exit(3);
			}
			_exit(0);
		}
		wait_child(pid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fd_transfers__short_and_interrupted__are_whole),
		cmocka_unit_test(fd_write_full__non_blocking__waits_for_room),
		cmocka_unit_test(fd_read_full__non_blocking__waits_once_begun),
		cmocka_unit_test(fd_transfers__errors__are_negative_errno),
		cmocka_unit_test(close_fdp__any__keeps_errno_and_marks),
		cmocka_unit_test_setup_teardown(fd_read_all__around_its_limit__is_exact, setup_dir,
						teardown_dir),
		cmocka_unit_test(fd_read_all__pipe__grows_as_it_comes),
		cmocka_unit_test_setup_teardown(file_read_beneath__not_a_file__is_refused,
						setup_dir, teardown_dir),
		cmocka_unit_test_setup_teardown(file_read_beneath__no_descriptors__fails_clean,
						setup_dir, teardown_dir),
		cmocka_unit_test_setup_teardown(file_write_at__existing_only__in_one_write,
						setup_dir, teardown_dir),
		cmocka_unit_test(fd_memfd_sealed__made__cannot_be_changed),
		cmocka_unit_test(fd_close_others__kept_in_any_order__stay),
		cmocka_unit_test(fd_ensure_stdio__any_set_closed__is_filled),
	};

	return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}
