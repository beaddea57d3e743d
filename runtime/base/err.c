/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c - making and printing error records, the table of classes and the texts of errno.  It
 * decides nothing: which failure is which class is the caller's knowledge.
 */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

/* The errnos that Linux system calls give in a launcher's life, in words of our own: libc's table
 * goes through the locale machinery, which must not run in a child that shares our memory. */
#define ERRNO_TEXTS(E)                                                             \
	E(EPERM, "operation not permitted")                                        \
	E(ENOENT, "no such file or directory")                                     \
	E(ESRCH, "no such process")                                                \
	E(EINTR, "interrupted by a signal")                                        \
	E(EIO, "input/output error")                                               \
	E(ENXIO, "no such device or address")                                      \
	E(E2BIG, "arguments and environment too long")                             \
	E(ENOEXEC, "not in a format the kernel can execute")                       \
	E(EBADF, "bad file descriptor")                                            \
	E(ECHILD, "no child process")                                              \
	E(EAGAIN, "resource temporarily unavailable")                              \
	E(ENOMEM, "out of memory")                                                 \
	E(EACCES, "permission denied")                                             \
	E(EFAULT, "bad address")                                                   \
	E(ENOTBLK, "not a block device")                                           \
	E(EBUSY, "device or resource busy")                                        \
	E(EEXIST, "file exists")                                                   \
	E(EXDEV, "leads to another file system or out of its tree")                \
	E(ENODEV, "no such device")                                                \
	E(ENOTDIR, "not a directory")                                              \
	E(EISDIR, "is a directory")                                                \
	E(EINVAL, "invalid argument")                                              \
	E(ENFILE, "too many open files on the host")                               \
	E(EMFILE, "too many open files in this process")                           \
	E(ENOTTY, "not a terminal, or the request does not fit the device")        \
	E(ETXTBSY, "executable file is open for writing")                          \
	E(EFBIG, "file too large")                                                 \
	E(ENOSPC, "no space left on device")                                       \
	E(ESPIPE, "cannot seek")                                                   \
	E(EROFS, "read-only file system")                                          \
	E(EMLINK, "too many links")                                                \
	E(EPIPE, "broken pipe")                                                    \
	E(EDOM, "argument out of domain")                                          \
	E(ERANGE, "out of range")                                                  \
	E(EDEADLK, "would deadlock")                                               \
	E(ENAMETOOLONG, "file name too long")                                      \
	E(ENOLCK, "no locks available")                                            \
	E(ENOSYS, "not offered by this kernel")                                    \
	E(ENOTEMPTY, "directory not empty")                                        \
	E(ELOOP, "too many levels of symbolic links, or a link where none may be") \
	E(ENODATA, "no data")                                                      \
	E(ETIME, "timer expired")                                                  \
	E(EPROTO, "protocol error")                                                \
	E(EBADMSG, "bad message")                                                  \
	E(EOVERFLOW, "value too large")                                            \
	E(EILSEQ, "invalid byte sequence")                                         \
	E(EUSERS, "too many users, or namespaces nested too deeply")               \
	E(ENOTSOCK, "not a socket")                                                \
	E(EDESTADDRREQ, "destination address required")                            \
	E(EMSGSIZE, "message too long")                                            \
	E(EPROTOTYPE, "wrong type of protocol for the socket")                     \
	E(ENOPROTOOPT, "protocol not available")                                   \
	E(EPROTONOSUPPORT, "protocol not supported")                               \
	E(EOPNOTSUPP, "operation not supported")                                   \
	E(EAFNOSUPPORT, "address family not supported")                            \
	E(EADDRINUSE, "address already in use")                                    \
	E(EADDRNOTAVAIL, "address not available")                                  \
	E(ENETDOWN, "network is down")                                             \
	E(ENETUNREACH, "network is unreachable")                                   \
	E(ECONNABORTED, "connection aborted")                                      \
	E(ECONNRESET, "connection reset by peer")                                  \
	E(ENOBUFS, "no buffer space available")                                    \
	E(EISCONN, "already connected")                                            \
	E(ENOTCONN, "not connected")                                               \
	E(ETIMEDOUT, "timed out")                                                  \
	E(ECONNREFUSED, "connection refused")                                      \
	E(EHOSTUNREACH, "no route to host")                                        \
	E(EALREADY, "already in progress")                                         \
	E(EINPROGRESS, "in progress")                                              \
	E(ESTALE, "stale file handle")                                             \
	E(EUCLEAN, "file system is damaged")                                       \
	E(EDQUOT, "disk quota exceeded")                                           \
	E(ECANCELED, "cancelled")                                                  \
	E(ENOKEY, "required key not available")                                    \
	E(EKEYREJECTED, "key was rejected")                                        \
	E(ENOTRECOVERABLE, "state not recoverable")

static const char *const errno_texts[] = {
#define ERRNO_ENTRY(num, text) [num] = text,
	ERRNO_TEXTS(ERRNO_ENTRY)
#undef ERRNO_ENTRY
};

struct err_class_info {
	int number;
	int exit_code;
	const char *name;
	const char *text;
};

static const struct err_class_info classes[] = {
#define CLASS_ENTRY(number, enumerator, name, code, text) {number, code, name, text},
	DYNO_ERR_CLASSES(CLASS_ENTRY)
#undef CLASS_ENTRY
};

static const struct err_class_info *class_by_number(unsigned int kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if ((unsigned int)classes[i].number == kind)
			return &classes[i];
	return NULL;
}

static const char *errno_text_or_null(int num)
{
	if (num <= 0 || (size_t)num >= ARRAY_SIZE(errno_texts))
		return NULL;
	return errno_texts[num];
}

int err_set(struct dyno_err *err, enum err_class kind, int num, const char *fmt, ...)
{
	/* Made aside: an argument may point into *err.  All of it is zeroed, since the record is
	 * written as a whole and must not carry bytes of our stack. */
	struct dyno_err e = {.num = num < 0 ? -num : num, .kind = (uint16_t)kind};
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		(void)str_vfmt(e.msg, sizeof(e.msg), fmt, ap);
		va_end(ap);
		*err = e;
	}

	return e.num ? -e.num : -EINVAL;
}

void err_hint(struct dyno_err *err, const char *fmt, ...)
{
	char hint[sizeof(err->hint)] = "";
	va_list ap;

	if (!err)
		return;

	va_start(ap, fmt);
	(void)str_vfmt(hint, sizeof(hint), fmt, ap);
	va_end(ap);
	memcpy(err->hint, hint, sizeof(hint));
}

void err_context(struct dyno_err *err, const char *fmt, ...)
{
	char msg[sizeof(err->msg)] = "";
	va_list ap;
	size_t len;

	if (!err)
		return;

	va_start(ap, fmt);
	len = MIN_OF(str_vfmt(msg, sizeof(msg), fmt, ap), sizeof(msg) - 1);
	va_end(ap);
	(void)str_fmt(msg + len, sizeof(msg) - len, ": %.*s", (int)sizeof(err->msg), err->msg);
	memcpy(err->msg, msg, sizeof(msg));
}

/* Replaces what a terminal would obey: C0, DEL, and the C1 controls in their UTF-8 form. */
static void neutralise(char *text, size_t len, bool keep_newline)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		unsigned char next = i + 1 < len ? (unsigned char)text[i + 1] : 0;

		if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			text[i] = text[i + 1] = '?';
		else if ((c < 0x20 && !(c == '\n' && keep_newline)) || c == 0x7f)
			text[i] = '?';
	}
}

size_t err_format(const struct dyno_err *err, char *buf, size_t size)
{
	const char *text = errno_text_or_null(err->num);
	char number[sizeof("errno -2147483648")];
	size_t len, start;

	if (size == 0)
		return 0;

	/* The record may come from another process: neither text is trusted to end in a NUL. */
	len = MIN_OF(str_fmt(buf, size, "%.*s", (int)sizeof(err->msg), err->msg), size - 1);
	neutralise(buf, len, false);

	if (err->num) {
		(void)str_fmt(number, sizeof(number), "errno %d", err->num);
		len += str_fmt(buf + len, size - len, ": %s", text ? text : number);
		len = MIN_OF(len, size - 1);
	}
	if (err->hint[0]) {
		start = len;
		len += str_fmt(buf + len, size - len, "\nhint: %.*s", (int)sizeof(err->hint),
			       err->hint);
		len = MIN_OF(len, size - 1);
		neutralise(buf + start, len - start, true);
	}

	return len;
}

const char *err_errno_text(int num)
{
	const char *text = errno_text_or_null(num);

	return text ? text : "unknown error";
}

int err_class_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (str_eq(classes[i].name, name))
			return classes[i].number;
	return -ENOENT;
}

const char *err_class_name(unsigned int kind)
{
	const struct err_class_info *c = class_by_number(kind);

	return c ? c->name : "unknown";
}

const char *err_class_text(unsigned int kind)
{
	const struct err_class_info *c = class_by_number(kind);

	return c ? c->text : "a class that this version does not know";
}

int err_class_each(size_t i)
{
	return i < ARRAY_SIZE(classes) ? classes[i].number : -ENOENT;
}

DYNO_PUBLIC const char *dyno_err_class(const struct dyno_err *err)
{
	return err_class_name(err->kind);
}

DYNO_PUBLIC int dyno_err_exit_code(const struct dyno_err *err)
{
	const struct err_class_info *c = class_by_number(err->kind);

	/* A newer child may know more classes than we do: "dyno failed" is then still true. */
	return c ? c->exit_code : 125;
}

DYNO_PUBLIC size_t dyno_err_text(const struct dyno_err *err, char *buf, size_t size)
{
	return err_format(err, buf, size);
}

DYNO_PUBLIC const char *dyno_explain(const char *class_name)
{
	int kind = err_class_find(class_name);

	return kind < 0 ? NULL : err_class_text((unsigned int)kind);
}
