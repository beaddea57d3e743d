/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name.h - names of apps and dynos: they become file names, control groups and values of DYNO, so
 * only [A-Za-z0-9_][A-Za-z0-9_.+-]{0,62} is let in.  No name is looked up here.
 */
#ifndef DYNO_NAME_H
#define DYNO_NAME_H

#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

/* Longest name and its buffer.  Source: a DNS label, RFC 1035 2.3.4; also that of struct
 * dyno_outcome. */
#define NAME_MAX_BYTES 63U
#define NAME_BYTES     64U

/* Longest type name.  Source: Heroku platform API schema, ^[-\w]{1,128}$ (CONTRACT 4.4). */
#define PROC_TYPE_MAX_BYTES 128U

/* Digits of a digest that stand for a name.  Source: as container tools shorten theirs. */
#define NAME_DIGEST_DIGITS 12U

/** name_check_app() - whether @name may name an app. Errors: -EINVAL (ERR_NAME). */
int name_check_app(const char *name, struct dyno_err *err);

/** name_check_dyno() - whether @name may name a dyno, and so be DYNO. Errors: -EINVAL (ERR_NAME). */
int name_check_dyno(const char *name, struct dyno_err *err);

/** name_check_type() - whether @name may name a process type (^[-\w]{1,128}$). Errors: -EINVAL
 * (ERR_NAME). */
int name_check_type(const char *name, struct dyno_err *err);

/**
 * name_app_from_slug() - the default name of the app of a slug.
 * @path: a file (its name without .tgz, .tar, .tar.*), a directory (its name), or "sha256:<hex>" or
 *        64 bare hex digits (their first 12); bytes not allowed become "-",
 *        at the beginning they are dropped
 * @buf: @size bytes, at least NAME_BYTES
 *
 * Return: 0; -ENODATA where @path holds no name ("-", ".", "..", "/"): the caller tries again with
 * the resolved directory or the digest.
 */
int name_app_from_slug(const char *path, char *buf, size_t size);

/**
 * name_format_dyno() - "TYPE.N".
 * @buf: @size bytes, at least NAME_BYTES
 * Errors: -EINVAL (ERR_NAME) where the result is no name of a dyno: the type is too long or begins
 * with "-".
 */
int name_format_dyno(const char *type, uint32_t n, char *buf, size_t size, struct dyno_err *err);

/**
 * name_split_dyno() - "TYPE.N" apart, at the last dot.
 * @type: receives TYPE, @size bytes
 * @ret_n: N, in decimal without leading zeros
 * Return: 0; -EINVAL where @name has not that form, with the outputs untouched.
 */
int name_split_dyno(const char *name, char *type, size_t size, uint32_t *ret_n);

#endif
