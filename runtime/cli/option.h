/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option.h - what a verb takes, as a table, and the one parser that fills the verb's options from
 * the command line, from DYNO_CFG_* variables and from the configuration file.  Help, completion
 * and the machine-readable list are made from the same tables (help.c, completion.c).  It knows no
 * verb and prints nothing.
 */
#ifndef DYNO_CLI_OPTION_H
#define DYNO_CLI_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"

/* Each option is written by its kind into a field of this type:
 * OPT_KIND(enumerator, type of the field, name in the machine-readable list) */
#define OPT_KINDS(OPT_KIND)                          \
	OPT_KIND(OPT_FLAG, bool, "flag")             \
	OPT_KIND(OPT_STRING, const char *, "string") \
	OPT_KIND(OPT_LIST, struct opt_list, "list")  \
	OPT_KIND(OPT_SIZE, uint64_t, "size")         \
	OPT_KIND(OPT_DURATION, uint64_t, "duration") \
	OPT_KIND(OPT_PORT, uint16_t, "port")         \
	OPT_KIND(OPT_CHOICE, unsigned int, "choice") \
	OPT_KIND(OPT_PARSED, any, "parsed")

#define OPT_KIND_ENUM(enumerator, type, name) enumerator,
enum opt_kind { OPT_KINDS(OPT_KIND_ENUM) _OPT_KIND_MAX };
#undef OPT_KIND_ENUM

/** enum opt_words - what the shell may offer for an option's value or for an operand. */
enum opt_words {
	OPT_WORDS_NONE,
	OPT_WORDS_FILE,
	OPT_WORDS_DIR,
	OPT_WORDS_SLUG,	  /* a digest in the store, a file or a directory */
	OPT_WORDS_DIGEST, /* a digest in the store */
	OPT_WORDS_VERB,
	OPT_WORDS_CLASS, /* an error class, or a dyno that lives or has ended */
	OPT_WORDS_DYNO,	 /* a dyno that lives */
	OPT_WORDS_ENDED, /* one that lives or has ended */
};

/** struct opt_list - values of an option that may be repeated, in their order. */
struct opt_list {
	const char **items;
	size_t n;
};

/**
 * struct opt - one option.
 * @name: long name without dashes; the variable's name is DYNO_CFG_ and this in capitals
 * @letter: short name, or 0
 * @kind: how the value is read, and the type of the field
 * @offset: of the field in the verb's options, see OPT_FIELD()
 * @arg: name of the value in the help; NULL for OPT_FLAG
 * @help: one line, lower case, no full stop
 * @choices: of OPT_CHOICE, NULL-terminated; the field receives the index
 * @parse: of OPT_PARSED; sets err with what is wrong with the value
 * @words: what completion offers for the value
 */
struct opt {
	const char *name;
	char letter;
	enum opt_kind kind;
	size_t offset;
	const char *arg;
	const char *help;
	const char *const *choices;
	int (*parse)(const char *value, void *field, struct dyno_err *err);
	enum opt_words words;
};

/* Offset of a member; does not compile when the member is not of the type that the kind writes. */
#define OPT_FIELD(type, member, member_type)                                                       \
	(offsetof(type, member) - 1 +                                                              \
	 sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)NULL)->member), member_type) \
			     ? 1                                                                   \
			     : -1]))
/* The same for OPT_CHOICE, whose field is an enum. */
#define OPT_FIELD_CHOICE(type, member) \
	(offsetof(type, member) - 1 +  \
	 sizeof(char[sizeof(((type *)NULL)->member) == sizeof(unsigned int) ? 1 : -1]))

/** struct opt_table - @n rows that several verbs have. */
struct opt_table {
	const struct opt *items;
	size_t n;
};

/**
 * struct opt_set - all that one verb takes.
 * @verb: its name, for messages: "slug add"
 * @shared: options that it has together with some other verbs, or NULL; the offsets of all are
 *          into the same struct
 * @own, @n_own: the verb's options
 * @common, @n_common: options of every verb
 * @operand_ends: the first operand ends the options (run)
 */
struct opt_set {
	const char *verb;
	const struct opt_table *shared;
	const struct opt *own;
	size_t n_own;
	const struct opt *common;
	size_t n_common;
	bool operand_ends;
};

/* All options of a verb together; bits of a word remember which are set. */
#define OPT_SET_MAX 128
#define OPT_BIT(i)  ((unsigned __int128)1 << (i))

/**
 * struct opt_operands - what was not an option.
 * @items: in the command line's order; with @operand_ends all that stood from the first operand on
 * @help: -h or --help was met: nothing else was read after it
 */
struct opt_operands {
	const char *const *items;
	size_t n;
	bool help;
};

/**
 * struct opt_parser - fills one options struct from several sources, the strongest first: what a
 * source has set, a later one leaves alone.
 * @set: borrowed
 * @target: the options struct, borrowed
 * @arena: holds lists and copies
 * @known: whether a name from the environment or the file is an option of another verb; a name of
 *         none is an error, since a limit that is misspelt must not go unnoticed
 * @done: options set by earlier sources, bit i for opt_at(set, i)
 * @now: options set by the source being read
 */
struct opt_parser {
	const struct opt_set *set;
	void *target;
	struct arena *arena;
	bool (*known)(const char *name);
	unsigned __int128 done;
	unsigned __int128 now;
};

/** opt_count() - options of a set, of each kind. */
size_t opt_count(const struct opt_set *set);

/** opt_at() - the @i-th option of a set: the shared, its own, the common ones. */
const struct opt *opt_at(const struct opt_set *set, size_t i);

/** opt_find() - index of the option with the long name @name of @len bytes. Return: or -ENOENT. */
int opt_find(const struct opt_set *set, const char *name, size_t len);

/** opt_is_set() - whether the option @name of the set has been set by any source. */
bool opt_is_set(const struct opt_parser *p, const char *name);

#define OPT_ENV_PREFIX "DYNO_CFG_"
/* Longest long name with its NUL: "--" and it fit a column of the help. */
#define OPT_NAME_BYTES 32

/** opt_env_name() - "DYNO_CFG_BOOT_TIMEOUT" for "boot-timeout".
 * @buf: STRLEN(OPT_ENV_PREFIX) + OPT_NAME_BYTES bytes
 * Return: @buf. */
char *opt_env_name(const char *name, char *buf);

/** opt_kind_name() - "flag", "string" …: for the machine-readable list. */
const char *opt_kind_name(enum opt_kind kind);

/**
 * opt_parse_argv() - the strongest source.
 * @argv: NULL-terminated, after the verb; borrowed as long as the options are used
 *
 * `--opt=value`, `--opt value`, `-o value`, `-ovalue`; flags may be joined (-qv) and take
 * `--flag=no`.  `--` ends the options; `-` is an operand.
 * Return: 0; -EINVAL (ERR_USAGE) for what does not fit the set; -ENOMEM.
 */
int opt_parse_argv(struct opt_parser *p, const char *const *argv, struct opt_operands *ret,
		   struct dyno_err *err);

/**
 * opt_parse_environ() - DYNO_CFG_* variables; empty ones count as not set.  A list's variable holds
 * one value a line.
 * @envp: NULL-terminated "K=V", borrowed as long as the options are used
 * Return: 0; -EINVAL (ERR_USAGE) for a bad value or name; -ENOMEM.
 */
int opt_parse_environ(struct opt_parser *p, const char *const *envp, struct dyno_err *err);

/**
 * opt_parse_config() - the weakest source: lines of `option-name = value`, blank ones, and ones
 * that begin with "#"; a list's name may stand on several lines.
 * @path: for messages
 * @text: NUL-terminated; cut up in place, borrowed as long as the options are used
 * Return: 0; -EINVAL (ERR_USAGE) with the line's number; -ENOMEM.
 */
int opt_parse_config(struct opt_parser *p, const char *path, char *text, struct dyno_err *err);

#endif
