/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "model/execfile.h"

/* Longest name that is quoted. */
#define NAME_TEXT_BYTES 128

/* The first word, as a path below /app. Return: false where it is none. */
static bool app_path(const char *command, char *buf, size_t size)
{
	const char *s = command + strspn(command, " \t");
	const char *rest = str_starts(s, "exec ");
	size_t n;

	if (rest)
		s = rest + strspn(rest, " \t");
	n = strcspn(s, " \t\n;|&<>()$`\"'\\");
	rest = str_starts(s, "/app/");
	if (rest) {
		n -= (size_t)(rest - s);
		s = rest;
	}
	/* Without a slash it is looked up along PATH, which /app is not on. */
	if (n == 0 || n >= size || s[0] == '/' || (!rest && !memchr(s, '/', n)))
		return false;
	str_fmt(buf, size, "%.*s", (int)n, s);
	return true;
}

/* Whether a dyno would find @path: in the app, in the stack, or in what the stack binds. */
static bool exists_inside(const struct slug *slug, const struct stack *stack, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	const char *rest = str_starts(path, "/app/");
	_cleanup_close_ int fd = -EBADF;
	struct stat st;
	size_t i;

	if (rest || path[0] != '/') {
		fd = open_beneath(slug->app_fd, rest ? rest : path, O_PATH, 0);
		return fd >= 0;
	}
	fd = (int)syscall(SYS_openat2, stack->root_fd, path, &how, sizeof(how));
	if (fd >= 0)
		return true;
	/* The links of the skeleton (/bin) lead into bound directories, as they do on the host. */
	for (i = 0; i < stack->n_binds; i++)
		if (stat(path, &st) == 0)
			return true;
	return false;
}

static size_t explain_file(const struct slug *slug, const struct stack *stack, const char *path,
			   int fd, char *buf, size_t size)
{
	unsigned char head[EXECFILE_HEAD_BYTES];
	char needs[NAME_TEXT_BYTES];
	char text[NAME_TEXT_BYTES];
	char name[NAME_TEXT_BYTES];
	char clause[256];
	struct execfile f = {.head = head, .machine = execfile_machine()};
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return 0;
	f.mode = st.st_mode;
	n = S_ISREG(st.st_mode) ? fd_read_full(fd, head, sizeof(head)) : 0;
	if (n < 0)
		return 0;
	f.len = (size_t)n;
	str_escape(name, sizeof(name), path);
	if (execfile_explain(&f, clause, sizeof(clause)))
		return str_fmt(buf, size, "%s %s", name, clause);
	if (execfile_needs(&f, needs, sizeof(needs)) && !exists_inside(slug, stack, needs))
		return str_fmt(buf, size, "%s needs %s, which the dyno does not have", name,
			       str_escape(text, sizeof(text), needs));
	return 0;
}

size_t explain_exec(const struct slug *slug, const struct stack *stack, const char *command,
		    char *buf, size_t size)
{
	_cleanup_close_ int fd = -EBADF;
	char path[PATH_MAX];

	if (size)
		buf[0] = '\0';
	if (!app_path(command, path, sizeof(path)))
		return 0;
	fd = open_beneath(slug->app_fd, path, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return 0;
	return explain_file(slug, stack, path, fd, buf, size);
}
