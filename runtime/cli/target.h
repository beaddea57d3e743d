/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.h - from the operands of a verb and its -a APP to the dynos that are meant.  All of them
 * are found before the verb does anything, so that a slip in the last word leaves the first alone.
 */
#ifndef DYNO_CLI_TARGET_H
#define DYNO_CLI_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "cli/cli.h"

/**
 * struct target_ask - what was asked for, besides the operands: part of a verb's options.
 * @app: -a: words name dynos of this app
 * @all: --all, in place of words
 */
struct target_ask {
	const char *app;
	bool all;
};

/* Rows of a verb's table; its options struct has a member "ask". */
#define TARGET_OPTION_APP(type)                                                 \
	{                                                                       \
		.name = "app", .letter = 'a', .kind = OPT_STRING,               \
		.offset = OPT_FIELD(type, ask.app, const char *), .arg = "APP", \
		.help = "of this app (of every app)",                           \
	}
#define TARGET_OPTION_ALL(type, text)                                                      \
	{                                                                                  \
		.name = "all", .kind = OPT_FLAG, .offset = OPT_FIELD(type, ask.all, bool), \
		.help = (text),                                                            \
	}
#define TARGET_OPTION_QUIET(type, text)                                 \
	{                                                               \
		.name = "quiet", .letter = 'q', .kind = OPT_FLAG,       \
		.offset = OPT_FIELD(type, quiet, bool), .help = (text), \
	}

/**
 * struct target - one dyno that was meant.
 * @info: as it was when it was found; strings live as long as the call
 * @label: its name for people: "web.1", or "shop/web.1" where the list holds several apps
 */
struct target {
	struct dyno_info info;
	const char *label;
};

/** struct target_list - in the order of the words, each dyno once; in the call's arena. */
struct target_list {
	struct target *items;
	size_t n;
	size_t cap;
};

/* A word without an app must not mean dynos of several: the verb changes something. */
#define TARGET_CHANGES (1U << 0)
/* The verb takes exactly one dyno. */
#define TARGET_ONE (1U << 1)
/* Ended dynos too, also where live ones answer to the same word. */
#define TARGET_ENDED (1U << 2)
/* A list: no word means every dyno, and a pattern that fits none is no error. */
#define TARGET_LIST (1U << 3)

/**
 * target_find() - the dynos that words mean.
 * @words, @n: "web.1", "web", "web.*", "APP/web.1", "APP/"
 * @flags: TARGET_*
 * @ret: empty before
 *
 * Unless @flags says otherwise, a word means the live dynos that it fits; where none of those
 * lives, the ended ones.  --all with none is an empty list.
 * Return: 0, or -errno. Errors: ERR_NOT_FOUND with the nearest name; ERR_USAGE for no word, for an
 * app named twice, for a word of several apps or several dynos (see @flags), with their names.
 */
int target_find(struct cli *cli, struct dyno_host *host, const struct target_ask *ask,
		const char *const *words, size_t n, unsigned int flags, struct target_list *ret,
		struct dyno_err *err);

/**
 * target_find_one() - the one dyno that a word means.
 * Return: in the call's arena; NULL with err set: as target_find() with TARGET_ONE.
 */
struct target *target_find_one(struct cli *cli, struct dyno_host *host,
			       const struct target_ask *ask, const char *word,
			       struct dyno_err *err);

/**
 * target_renew() - ask again for one that has ended since it was found.
 * Return: 0, or -errno; where nothing is known of it any more @target stays as it is.
 */
int target_renew(struct cli *cli, struct dyno_host *host, struct target *target,
		 struct dyno_err *err);

/** target_pattern() - what dyno_each() and dyno_events() take for a word, or for none.
 * @ret: NULL: every dyno. Errors: ERR_USAGE. */
int target_pattern(struct cli *cli, const struct target_ask *ask, const char *word,
		   const char **ret, struct dyno_err *err);

/**
 * target_open() - the one live dyno that a word means, connected.
 * @verb: what it is for, "exec"
 * Return: 0; -errno: as target_find_one(), target_need_live(), dyno_open().
 */
int target_open(struct cli *cli, struct dyno_host *host, const struct target_ask *ask,
		const char *word, const char *verb, struct dyno **ret, struct dyno_err *err);

/** target_need_live() - refuse one that has ended. @verb: "restart". Errors: ERR_NOT_FOUND. */
int target_need_live(const struct target *target, const char *verb, struct dyno_err *err);

/** target_need_all_live() - refuse a list that holds an ended one. */
int target_need_all_live(const struct target_list *list, const char *verb, struct dyno_err *err);

#endif
