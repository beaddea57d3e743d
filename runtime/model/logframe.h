/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logframe.h - a record of a log in the forms that others read: syslog's, Logplex's, journald's and
 * JSON.  Pure.  All append to @b and take a record that logline_parse() has taken apart.
 */
#ifndef DYNO_LOGFRAME_H
#define DYNO_LOGFRAME_H

#include <stdbool.h>

#include "base/logline.h"
#include "base/str.h"

/* PRI of what the app prints, and of the platform's lines. Source: contract 10.7: local7.info,
 * local0.info */
#define LOGFRAME_PRI_APP    190U
#define LOGFRAME_PRI_SYSTEM 134U

/**
 * logframe_syslog() - one message in the form of RFC 5424, as contract 10.6 has it.
 * @token: stands as the host's name
 * @counted: its length before it, for a stream (RFC 6587); else it is a datagram
 */
void logframe_syslog(struct sbuf *b, const struct logline *record, const char *token, bool counted);

/** logframe_logplex() - one frame of an HTTPS drain's body (contract 10.5). */
void logframe_logplex(struct sbuf *b, const struct logline *record);

/** logframe_journal() - one datagram for journald, in its native form. */
void logframe_journal(struct sbuf *b, const struct logline *record, const char *app);

/** logframe_text() - the record as a line for people, without the marks of a log. */
void logframe_text(struct sbuf *b, const struct logline *record);

#endif
