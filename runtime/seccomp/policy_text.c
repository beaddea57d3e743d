/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_text.c - reads dyno's own form of a policy; default.policy has the grammar and uses it.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <linux/seccomp.h>

#include "base/err.h"
#include "base/str.h"
#include "seccomp/policy.h"

#define MAX_WORDS  4096U
#define LINE_BYTES 1024U
/* So much of a word is shown in an error. */
#define SHOWN "%.60s"

/**
 * struct words - the words of one rule, with its continuation lines joined.
 * @failed: @err is set; what is read from then on means nothing
 */
struct words {
	char text[8192];
	const char *at[MAX_WORDS];
	unsigned int n;
	unsigned int next;
	unsigned int line;
	bool failed;
	struct dyno_err *err;
};

/* The first thing that is wrong is told. */
__attribute__((format(printf, 2, 3))) static void wrong(struct words *w, const char *fmt, ...)
{
	char text[DYNO_ERR_MSG_BYTES];
	va_list ap;

	if (w->failed)
		return;
	w->failed = true;
	va_start(ap, fmt);
	(void)str_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)err_set(w->err, ERR_SECCOMP, 0, "line %u: %s", w->line, text);
}

static const char *peek(const struct words *w)
{
	return w->next < w->n ? w->at[w->next] : "";
}

static const char *next(struct words *w)
{
	if (w->next < w->n)
		return w->at[w->next++];
	wrong(w, "the rule ends too early");
	return "";
}

static bool accept(struct words *w, const char *word)
{
	if (w->failed || w->next == w->n || !str_eq(peek(w), word))
		return false;
	w->next++;
	return true;
}

static void expect(struct words *w, const char *word)
{
	if (!accept(w, word))
		wrong(w, "\"" SHOWN "\" where \"%s\" should stand", peek(w), word);
}

static uint32_t read_number(struct words *w, const char *text)
{
	static const char all[] = "0123456789abcdef";
	bool hex = text[0] == '0' && text[1] == 'x';
	const char *digits = hex ? text + 2 : text;
	uint64_t value = 0;

	if (*digits == '\0')
		wrong(w, "a number should stand in place of \"" SHOWN "\"", text);
	for (const char *p = digits; *p && !w->failed; p++) {
		const char *hit = memchr(all, *p, hex ? 16 : 10);

		if (!hit) {
			wrong(w, "\"" SHOWN "\" is not a number", text);
			break;
		}
		value = value * (hex ? 16 : 10) + (uint64_t)(hit - all);
		if (value > UINT32_MAX)
			wrong(w, SHOWN " does not fit into 32 bits", text);
	}
	return (uint32_t)value;
}

static uint32_t read_action(struct words *w)
{
	const char *name;
	int num;

	if (accept(w, "allow"))
		return SECCOMP_RET_ALLOW;
	expect(w, "errno");
	name = next(w);
	num = str_eq(name, "0") ? 0 : policy_errno(name); /* as if it had succeeded */
	if (num < 0)
		wrong(w, "no errno \"" SHOWN "\" is known", name);
	return SECCOMP_RET_ERRNO | ((uint32_t)num & SECCOMP_RET_DATA);
}

static struct policy_test read_test(struct words *w)
{
	struct policy_test test = {.op = POLICY_EQ, .mask = UINT32_MAX};
	const char *arg = next(w);
	bool upper = str_starts(arg, "top") != NULL;

	if ((!upper && !str_starts(arg, "arg")) || arg[3] < '0' || arg[3] > '5' || arg[4] != '\0') {
		wrong(w, "arg0 to arg5 or top0 to top5 should stand in place of \"" SHOWN "\"",
		      arg);
		return test;
	}
	test.arg = (unsigned int)(arg[3] - '0');
	test.half = upper ? POLICY_HIGH : POLICY_LOW;
	if (accept(w, "&"))
		test.mask = read_number(w, next(w));
	expect(w, "==");
	test.value = read_number(w, next(w));
	if (test.value & ~test.mask)
		wrong(w, "0x%llx can never be left by the mask 0x%llx",
		      (unsigned long long)test.value, (unsigned long long)test.mask);
	return test;
}

static void read_clause(struct words *w, struct policy_clause *clause)
{
	do {
		struct policy_test test = read_test(w);

		if (clause->n == POLICY_MAX_TESTS) {
			wrong(w, "more than %u tests joined by \"and\"", POLICY_MAX_TESTS);
			return;
		}
		clause->tests[clause->n++] = test;
	} while (accept(w, "and"));
}

static void read_condition(struct words *w, struct policy_rule *rule)
{
	uint32_t then = rule->otherwise;

	do {
		if (rule->n == POLICY_MAX_CLAUSES) {
			wrong(w, "more than %u alternatives", POLICY_MAX_CLAUSES);
			return;
		}
		rule->clauses[rule->n].then = then;
		read_clause(w, &rule->clauses[rule->n++]);
	} while (accept(w, "or"));
	expect(w, "else");
	rule->otherwise = read_action(w);
}

static void read_call(struct policy *p, struct words *w)
{
	const char *word = next(w);
	size_t len = strcspn(word, "=");
	struct policy_call *call = policy_find_call(p, word, len);
	struct dyno_err err;

	if (call) {
		wrong(w, "%s is named in line %u already", call->name, call->line);
		return;
	}
	call = policy_add_call(p, word, len, &err);
	if (!call) {
		wrong(w, "%s", err.msg);
		return;
	}
	if (word[len])
		call->number = (int)(read_number(w, word + len + 1) & INT32_MAX);
	call->rule = p->n_rules;
	call->line = w->line;
}

static bool read_general(struct policy *p, struct words *w)
{
	static const char *const general[] = {
		[POLICY_DEFAULT] = "default",
		[POLICY_BEYOND] = "beyond",
		[POLICY_FOREIGN] = "foreign",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(general); i++) {
		if (!accept(w, general[i]))
			continue;
		p->rules[i].otherwise = read_action(w);
		return true;
	}
	if (!accept(w, "newest"))
		return false;
	p->newest = read_number(w, next(w));
	if (p->newest >= POLICY_MAX_NUMBERS)
		wrong(w, "newest is above %u", POLICY_MAX_NUMBERS - 1);
	return true;
}

static void read_rule(struct policy *p, struct words *w)
{
	struct policy_rule *rule = &p->rules[p->n_rules];

	if (read_general(p, w))
		return;
	if (p->n_rules == POLICY_MAX_RULES) {
		wrong(w, "more than %u rules", POLICY_MAX_RULES - _POLICY_GENERAL_MAX);
		return;
	}
	rule->otherwise = read_action(w);
	while (!w->failed && w->next < w->n && !str_eq(peek(w), "if"))
		read_call(p, w);
	if (accept(w, "if"))
		read_condition(w, rule);
	p->n_rules++;
}

static void finish_rule(struct policy *p, struct words *w)
{
	if (w->n == 0 || w->failed)
		return;
	read_rule(p, w);
	if (w->next != w->n)
		wrong(w, "\"" SHOWN "\" is left over", peek(w));
	w->n = 0;
	w->next = 0;
	w->text[0] = '\0';
}

static void add_words(struct words *w, const char *line)
{
	size_t used = w->n ? (size_t)(w->at[w->n - 1] - w->text) + strlen(w->at[w->n - 1]) + 1 : 0;
	char *at = w->text + used;

	if (strlen(line) + 1 > sizeof(w->text) - used) {
		wrong(w, "the rule is longer than %zu bytes", sizeof(w->text));
		return;
	}
	memcpy(at, line, strlen(line) + 1);
	for (char *save = NULL, *word = strtok_r(at, " \t", &save); word;
	     word = strtok_r(NULL, " \t", &save)) {
		if (w->n == MAX_WORDS) {
			wrong(w, "more than %u words", MAX_WORDS);
			return;
		}
		w->at[w->n++] = word;
	}
}

/* One line without its end. */
static void read_line(struct policy *p, struct words *w, const char *text, size_t len,
		      unsigned int number)
{
	char line[LINE_BYTES];

	if (len >= sizeof(line) || memchr(text, '\0', len)) {
		w->line = number;
		wrong(w, "the line is too long, or holds a NUL");
		return;
	}
	memcpy(line, text, len);
	line[len] = '\0';
	line[strcspn(line, "#")] = '\0';
	if (line[strspn(line, " \t")] == '\0')
		return;
	if (line[0] != ' ' && line[0] != '\t') {
		finish_rule(p, w);
		if (!w->failed)
			w->line = number;
	}
	if (!w->failed)
		add_words(w, line);
}

int policy_read_text(const char *text, size_t len, struct policy *p, struct dyno_err *err)
{
	struct words w = {.err = err};
	unsigned int number = 1;
	size_t at = 0;

	p->n_rules = _POLICY_GENERAL_MAX;
	for (; at < len && !w.failed; number++) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - (text + at)) : len - at;

		read_line(p, &w, text + at, n, number);
		at += n + 1;
	}
	finish_rule(p, &w);
	if (w.failed)
		return -EINVAL;
	for (unsigned int i = 0; i < _POLICY_GENERAL_MAX; i++)
		if (p->rules[i].otherwise == 0)
			return err_set(err, ERR_SECCOMP, 0,
				       "it lacks one of default, beyond, foreign");
	if (p->newest == 0)
		return err_set(err, ERR_SECCOMP, 0, "it lacks newest");
	return 0;
}
