/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - lines of dyno-events(7). */
#include "cli/event.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"
#include "cli/output.h"

const char *event_str(const struct event *e, const char *member)
{
	const char *s = json_string_value(json_object_get(e->root, member));

	return s ? s : "";
}

int event_parse(const char *json, struct event *ret)
{
	*ret = (struct event){.name = "", .time = "", .app = "", .dyno = ""};
	ret->root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(ret->root)) {
		json_decref(ret->root);
		ret->root = NULL;
		return -EINVAL;
	}
	ret->name = event_str(ret, "event");
	ret->time = event_str(ret, "time");
	ret->app = event_str(ret, "app");
	ret->dyno = event_str(ret, "dyno");
	return 0;
}

void event_done(struct event *e)
{
	json_decref(e->root);
	*e = (struct event){0};
}

/* Members that an event's own words tell; those of "" are told of every event. */
static const struct {
	const char *event;
	const char *member;
} told[] = {
	{"", "schema"},	       {"", "event"},	   {"", "time"},       {"", "app"},
	{"", "dyno"},	       {"state", "from"},  {"state", "to"},    {"end", "state"},
	{"exit", "exit_code"}, {"exit", "signal"}, {"exit", "reason"},
};

static bool is_told(const struct event *e, const char *member)
{
	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		if (str_eq(told[i].member, member) &&
		    (!*told[i].event || str_eq(told[i].event, e->name)))
			return true;
	}
	return false;
}

static void add_value(struct sbuf *b, json_t *value)
{
	_cleanup_free_ char *text = NULL;

	if (json_is_string(value)) {
		output_add_line(b, json_string_value(value));
		return;
	}
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
	sbuf_adds(b, text ? text : "?");
}

static void add_rest(struct sbuf *b, const struct event *e)
{
	const char *member;
	json_t *value;

	json_object_foreach(e->root, member, value)
	{
		if (is_told(e, member) || json_is_null(value))
			continue;
		sbuf_addc(b, ' ');
		output_add_line(b, member);
		sbuf_addc(b, '=');
		add_value(b, value);
	}
}

static void add_words(struct sbuf *b, const struct event *e)
{
	if (str_eq(e->name, "state")) {
		sbuf_addc(b, ' ');
		output_add_line(b, event_str(e, "from"));
		sbuf_adds(b, " -> ");
		output_add_line(b, event_str(e, "to"));
	} else if (str_eq(e->name, "end")) {
		sbuf_addc(b, ' ');
		output_add_line(b, event_str(e, "state"));
	} else if (str_eq(e->name, "exit")) {
		sbuf_adds(b, " status ");
		add_value(b, json_object_get(e->root, "exit_code"));
		sbuf_adds(b, " (");
		output_add_line(b, event_str(e, "reason"));
		sbuf_addc(b, ')');
	}
}

void event_text(struct sbuf *b, const struct event *e)
{
	output_add_line(b, e->time);
	sbuf_addc(b, ' ');
	output_add_line(b, e->app);
	sbuf_addc(b, '/');
	output_add_line(b, e->dyno);
	sbuf_addc(b, ' ');
	output_add_line(b, e->name);
	if (*event_str(e, "text")) {
		/* a sentence of its own; the rest is for programs */
		sbuf_addc(b, ' ');
		output_add_line(b, event_str(e, "text"));
	} else {
		add_words(b, e);
		add_rest(b, e);
	}
	sbuf_addc(b, '\n');
}
