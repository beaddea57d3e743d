/* SPDX-License-Identifier: Apache-2.0 */
/* event.h - one line of dyno-events(7): what stands in it, and the same as a sentence for people. */
#ifndef DYNO_CLI_EVENT_H
#define DYNO_CLI_EVENT_H

#include "base/str.h"

struct json_t;

/**
 * struct event - a line that was read; ended by event_done().
 * @root: all of it
 * @name, @time, @app, @dyno: what every event has; "" where it is missing
 */
struct event {
	struct json_t *root;
	const char *name;
	const char *time;
	const char *app;
	const char *dyno;
};

/** event_parse() - read a line. Return: 0; -EINVAL: it is no JSON object, and @ret is empty. */
int event_parse(const char *json, struct event *ret);
void event_done(struct event *e);
#define _cleanup_event_ _cleanup_(event_done)

/** event_str() - a member that is a string. Return: borrowed; "" where it is none. */
const char *event_str(const struct event *e, const char *member);

/** event_text() - "TIME shop/web.1 state up -> crashed reason=exit" and a newline. */
void event_text(struct sbuf *b, const struct event *e);

#endif
