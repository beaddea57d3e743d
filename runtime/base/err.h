/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - making and printing struct dyno_err.  Nothing here allocates; err_set() and err_hint()
 * may be called between clone and exec.
 */
#ifndef DYNO_BASE_ERR_H
#define DYNO_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#include <dyno.h>

#include "base/errclass.h"
#include "base/util.h"

_Static_assert(sizeof(struct dyno_err) == 512, "one packet, far under PIPE_BUF");

/* Room for a whole message as err_format() writes it. */
#define ERR_TEXT_BYTES 1024

/**
 * err_set() - record a failure; report and return in one line.
 * @err: record to fill; NULL is allowed and ignored
 * @kind: class of the failure
 * @num: positive errno of the failed call, 0 where none failed
 * @fmt: "operation object", see str_vfmt() for the conversions; no errno text, no full stop
 *
 * Any earlier content is replaced and the hint emptied.
 * Return: -@num, or -EINVAL where @num is 0, so that the result is always negative.
 * Context: any, [child]
 */
int err_set(struct dyno_err *err, enum err_class kind, int num, const char *fmt, ...)
	_printf_(4, 5);

/** err_hint() - say the next step: a command to run or a setting to change. [child] */
void err_hint(struct dyno_err *err, const char *fmt, ...) _printf_(2, 3);

/** err_context() - put "fmt: " before a message that a lower layer has set. */
void err_context(struct dyno_err *err, const char *fmt, ...) _printf_(2, 3);

/**
 * err_format() - the whole text for people: "msg: errno text\nhint: ..." without a last newline.
 * @buf: at least ERR_TEXT_BYTES, or the text is cut
 *
 * The errno's text stands only where @err has one, the hint only where one was set.  Control bytes
 * become '?', except a newline within the hint: no name from a slug can draw on a terminal or
 * imitate a hint.
 * Return: the length written, without the NUL.
 */
size_t err_format(const struct dyno_err *err, char *buf, size_t size);

/** err_errno_text() - what strerror() says, without its locale machinery; never NULL, "unknown
 * error" where the list has no text. [child] */
const char *err_errno_text(int num);

/** err_class_find() - number of a dotted class name. Return: the number, or -ENOENT. */
int err_class_find(const char *name);

/** err_class_name() / err_class_text() - the dotted name and the explanation; never NULL. */
const char *err_class_name(unsigned int kind);
const char *err_class_text(unsigned int kind);

/** err_class_each() - the i-th class in the list. Return: its number, or -ENOENT past the end. */
int err_class_each(size_t i);

#endif
