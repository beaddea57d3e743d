/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outlet.c - what a drain of lines writes to: a descriptor of the caller's, or the file that bears
 * a name.  A pipe's description is left as it is: it belongs to the caller too.
 *
 * Theory of operation.  Several helpers, one of each dyno, may write to one file, turn it over,
 * and meet somebody who renames or empties it (logrotate).  Each locks the file that it has open
 * for the time of a batch, and writes only if the name still leads there; else it lets go and
 * opens what bears the name now.  So a line is in one file, and whole.
 *
 * A turn begins when the file gets number 0, in nobody's place: that is the one step in which two
 * who met a stranger could be at once.  Who has the lock of number 0 ends the turn: older files go
 * one number up, onto the oldest, then number 0 gets number 1.  A turn whose helper was killed is
 * ended by the next one, and a gap that it left in the numbers is filled.
 *
 * The lock is one of fcntl(2): only who may write to the file can take it.  Of a file that was
 * opened here it belongs to its description; a caller's description is shared with the helpers of
 * other dynos, and the lock belongs to the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "drain/drain.h"

#define FILE_MODE 0640
/* Of somebody who renames a file again and again. Source: own choice */
#define OPEN_TRIES 16
/* Between tries to turn over a file that cannot be. Source: own choice */
#define TURN_RETRY_MS 10000U

static bool has_name(const struct drain *d)
{
	return d->url.kind != LOGURL_FD;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* A file that is turned over is the one of its name: a link would get the number in its place. */
static int open_path(const struct drain *d)
{
	const int follow = d->url.size_bytes > 0 ? O_NOFOLLOW : 0;
	int fd = open(d->url.path,
		      O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | follow,
		      FILE_MODE);

	return fd < 0 ? -errno : fd;
}

/* Takes @io_fd in place of what was open. */
static int take(struct drain *d, int *io_fd)
{
	struct stat st;

	if (fstat(*io_fd, &st) < 0)
		return -errno;
	if (d->url.size_bytes > 0 && !S_ISREG(st.st_mode))
		return -EINVAL;
	close_fdp(&d->fd);
	d->fd = take_fd(io_fd);
	d->is_regular = S_ISREG(st.st_mode);
	d->is_socket = S_ISSOCK(st.st_mode);
	d->dev = (uint64_t)st.st_dev;
	d->ino = st.st_ino;
	d->fresh = has_name(d) && d->is_regular;
	d->torn = false;
	return 0;
}

int outlet_open(struct drain *d, struct dyno_err *err)
{
	_cleanup_close_ int fd = has_name(d) ? open_path(d) : fcntl(d->url.fd, F_DUPFD_CLOEXEC, 3);
	int r = fd < 0 && !has_name(d) ? -errno : fd;

	if (r >= 0)
		r = take(d, &fd);
	if (r == -ELOOP || r == -EINVAL)
		return err_set(err, ERR_IO, 0, "log to %s: only a file can be turned over",
			       d->url.shown);
	return r < 0 ? err_set(err, ERR_IO, -r, "open the log %s", d->url.shown) : 0;
}

static bool is_ours(const struct drain *d, const struct stat *st)
{
	return st->st_dev == d->dev && st->st_ino == d->ino;
}

/* Who was killed, or met a full disk, may have left half a line.  What cannot be read has none. */
static bool ends_in_a_line(const struct drain *d)
{
	_cleanup_close_ int fd = open(d->url.path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char last;

	if (fd < 0 || fstat(fd, &st) < 0 || !is_ours(d, &st) || st.st_size == 0)
		return true;
	return pread(fd, &last, 1, st.st_size - 1) != 1 || last == '\n';
}

/* ---- locks and writes ------------------------------------------------------------------------ */

static int set_lock(const struct drain *d, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(d->fd, has_name(d) ? F_OFD_SETLK : F_SETLK, &lock) < 0 ? -errno : 0;
}

/* Return: 0, also where no lock can be had at all; -EBUSY. */
static int lock(struct drain *d)
{
	int r;

	if (d->locked || (d->is_regular && !has_name(d)))
		return 0; /* a file that is open already is the caller's to lock */
	r = set_lock(d, F_WRLCK);
	if (r == 0)
		d->locked = true;
	return r == -EAGAIN || r == -EACCES ? -EBUSY : 0;
}

void outlet_unlock(struct drain *d)
{
	if (d->locked)
		(void)set_lock(d, F_UNLCK); /* it was ours */
	d->locked = false;
}

ssize_t outlet_write(const struct drain *d, const char *text, size_t len)
{
	struct pollfd p = {.fd = d->fd, .events = POLLOUT};
	ssize_t n;

	if (d->is_socket) {
		n = send(d->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (!d->is_regular) {
		/* Where there is room there is room for PIPE_BUF. */
		if (poll(&p, 1, 0) == 0)
			return -EAGAIN;
		n = write(d->fd, text, MIN_OF(len, (size_t)PIPE_BUF));
	} else {
		n = write(d->fd, text, len);
	}
	return n < 0 ? -errno : n == 0 ? -EIO : n;
}

static int end_torn(struct drain *d)
{
	ssize_t n;

	if (d->fresh)
		d->torn = !ends_in_a_line(d);
	d->fresh = false;
	if (!d->torn)
		return 0;
	n = outlet_write(d, "\n", 1);
	if (n < 0)
		return (int)n;
	d->torn = false;
	return 0;
}

/* ---- turning over ---------------------------------------------------------------------------- */

static void number_of(const struct drain *d, unsigned int n, char buf[PATH_MAX])
{
	(void)str_fmt(buf, PATH_MAX, "%s.%u", d->url.path, n);
}

static bool is_there(const struct drain *d, unsigned int n)
{
	char path[PATH_MAX];
	struct stat st;

	number_of(d, n, path);
	return lstat(path, &st) == 0;
}

static int give_number(const struct drain *d, unsigned int from, unsigned int to)
{
	char old[PATH_MAX], new[PATH_MAX];

	number_of(d, from, old);
	number_of(d, to, new);
	return rename(old, new) < 0 && errno != ENOENT ? -errno : 0;
}

/* The files below the first number that is free go one up, or all of them onto the last. */
static int move_up(const struct drain *d)
{
	const unsigned int last = d->url.count - 1;
	unsigned int n = 1;
	int r = 0;

	while (n < last && is_there(d, n))
		n++;
	for (; r == 0 && n > 0; n--)
		r = give_number(d, n - 1, n);
	return r;
}

/* Return: 0; -EBUSY: somebody else is at it, or still writes to it; -errno. */
static int end_turn(const struct drain *d)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = -EBADF;
	char path[PATH_MAX];
	struct stat is, st;

	number_of(d, 0, path);
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (is_ours(d, &st))
		return move_up(d);
	fd = open(path, O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EBUSY : -errno;
	if (fcntl(fd, F_OFD_SETLK, &whole) < 0 && (errno == EAGAIN || errno == EACCES))
		return -EBUSY;
	if (fstat(fd, &is) < 0 || lstat(path, &st) < 0 || is.st_dev != st.st_dev ||
	    is.st_ino != st.st_ino)
		return -EBUSY;
	return move_up(d);
}

/* Takes the file away from its name. Return: 0; -EEXIST: another turn has not ended; -errno. */
static int begin_turn(const struct drain *d)
{
	char path[PATH_MAX];

	number_of(d, 0, path);
	if (renameat2(AT_FDCWD, d->url.path, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	/* A file system that knows no such flag has to do without. */
	if (errno == EINVAL && !is_there(d, 0) && rename(d->url.path, path) == 0)
		return 0;
	return errno == EINVAL ? -EEXIST : -errno;
}

/* Return: 0: the name leads elsewhere; -EBUSY: another turn has not ended yet; -errno. */
static int turn_over(const struct drain *d)
{
	int r;

	if (strlen(d->url.path) + STRLEN(".100") >= PATH_MAX)
		return -ENAMETOOLONG;
	r = begin_turn(d);
	if (r == -EEXIST) {
		r = end_turn(d);
		if (r == 0)
			r = begin_turn(d);
	}
	if (r == -ENOENT)
		return 0; /* a stranger was faster */
	if (r < 0)
		return r == -EEXIST ? -EBUSY : r;
	r = end_turn(d);
	return r == -EBUSY ? 0 : r; /* what is begun the next turn ends */
}

/* The file goes on to grow: better than a line that is lost. */
static void turn_failed(struct drain *d, int num, uint64_t now_ms)
{
	char text[DRAIN_NOTE_BYTES];

	d->turn_ms = now_ms + TURN_RETRY_MS;
	if (d->told)
		return;
	(void)str_fmt(text, sizeof(text), "the log %s cannot be turned over and grows: %s",
		      d->url.path, err_errno_text(num));
	d->told = drain_warn(d, text);
}

static bool is_full(const struct drain *d, const struct stat *st, size_t more, uint64_t now_ms)
{
	const uint64_t size = (uint64_t)st->st_size;

	return d->url.size_bytes > 0 && size > 0 && size + more > d->url.size_bytes &&
	       now_ms >= d->turn_ms;
}

/* Whether nobody will ever see what is written to it. */
static bool is_removed(const struct drain *d)
{
	struct stat st;

	return fstat(d->fd, &st) == 0 && st.st_nlink == 0;
}

/* What bears the name now; made where there is none. @mode: of one that was turned over, or 0 */
static int open_anew(struct drain *d, mode_t mode)
{
	_cleanup_close_ int fd = open_path(d);

	if (fd < 0)
		return fd;
	if (mode != 0)
		(void)fchmod(fd, mode); /* who may not has made it with one that will do */
	outlet_unlock(d);
	return take(d, &fd);
}

int outlet_ready(struct drain *d, size_t more, uint64_t now_ms)
{
	for (unsigned int tries = 0;; tries++) {
		int r = lock(d);
		mode_t mode = 0;
		struct stat st;

		/* In the middle of a batch it goes on where it began. */
		if (r < 0 || d->out_from > 0)
			return r;
		r = end_torn(d);
		if (r < 0 || !has_name(d) || !d->is_regular || tries == OPEN_TRIES)
			return r;
		if (stat(d->url.path, &st) == 0 && is_ours(d, &st)) {
			if (!is_full(d, &st, more, now_ms))
				return 0;
			r = turn_over(d);
			if (r == -EBUSY) {
				outlet_unlock(d);
				return r;
			}
			if (r < 0)
				turn_failed(d, -r, now_ms);
			else
				d->told = false;
			mode = st.st_mode & 0777;
		}
		r = open_anew(d, mode);
		if (r < 0)
			return is_removed(d) ? r : 0; /* else the old one goes on */
	}
}
