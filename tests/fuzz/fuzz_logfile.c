/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_logfile.c - any bytes as the two files of a log: as many lines are read backwards as forwards,
 * and forwards from any of them the rest.  Inputs are no longer than LOGFILE_LINE_BYTES, so that no
 * line comes in pieces.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "engine/logfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A directory without the log: both files are final, and none follows. */
static int dir_fd = -1;

static int make_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert(fd >= 0 && fd_write_full(fd, data, size) == (ssize_t)size);
	return fd;
}

static struct logfile make_log(const uint8_t *data, size_t size, size_t split)
{
	struct logfile file = LOGFILE_INIT;

	file.name[0] = '?';
	file.fd = make_file(data, split);
	file.next_fd = make_file(data + split, size - split);
	return file;
}

static size_t count_forwards(struct logfile *file)
{
	size_t n = 0;

	assert(logfile_look(dir_fd, file) == 0);
	while (logfile_next(dir_fd, file) > 0)
		n++;
	logfile_done(file);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct logback back;
	size_t split = size > 0 ? data[0] * size / 256 : 0, some = size > 1 ? data[1] : 0;
	bool torn = split < size && data[size - 1] != '\n'; /* told forwards alone */
	struct logfile file;
	size_t lines, n = 0;

	if (dir_fd < 0)
		dir_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = make_log(data, size, split);
	lines = count_forwards(&file);
	file = make_log(data, size, split);
	assert(logback_begin(&file, &back) == 0);
	while (n < some && logback_next(&back) > 0)
		n++;
	assert(n == some || n + torn == lines);
	logfile_seek(&file, back.line_fd, back.line_at);
	assert(count_forwards(&file) == n + torn);
	return 0;
}
