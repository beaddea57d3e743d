/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.c - turns a policy (see default.policy for the grammar) into BPF programs as C arrays.
 * A program of the build, not of the runtime: it links libseccomp, and that only for the numbers
 * of system calls.
 *
 *   seccomp-compile POLICY PREFIX PROGRAMS.h RULES.h
 *
 * PROGRAMS.h receives one array of instructions for each architecture; RULES.h the same policy as
 * a plain table of numbers and tests, by which the unit test judges the programs.
 *
 * Theory of operation: the numbers form ranges of equal treatment, a few dozen.  A binary search
 * finds the range in six or seven comparisons, where a list would take hundreds; the kernel runs
 * the filter for every number when it is loaded, so that the depth is what a start pays.  The
 * program is emitted from its end backwards: jumps of BPF lead forwards only, so each target is
 * known when a jump to it is written, and equal endings are shared while they are in reach.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Bounds of a policy; all are checked. */
#define MAX_RULES   512
#define MAX_NUMBERS 1024 /* numbers up to "newest"; Linux 6.17 has 470 */
#define MAX_ALTS    8
#define MAX_TESTS   3
#define MAX_WORDS   4096

/* Reach of a conditional jump. Source: jt and jf of struct sock_filter are 8 bits. */
#define REACH 255

/* Calls of the x32 table have this bit. Source: arch/x86/include/uapi/asm/unistd.h. */
#define X32_BIT 0x40000000U

/* Arguments of a call; from here on numbers mean their upper halves. */
#define ARGS 6

/* A comparison of half an argument: the low half of @arg, or the upper one of @arg - ARGS. */
struct test {
	unsigned int arg;
	uint32_t mask;
	uint32_t value;
};

struct alternative {
	struct test tests[MAX_TESTS];
	unsigned int n;
};

/* What happens to the calls of one line; without alternatives always @then. */
struct rule {
	uint32_t then;
	uint32_t otherwise;
	struct alternative alts[MAX_ALTS];
	unsigned int n_alts;
};

struct call {
	char name[48];
	int number; /* -1: ask libseccomp */
	unsigned int rule;
	unsigned int line;
};

struct policy {
	struct rule rules[MAX_RULES];
	unsigned int n_rules;
	struct call calls[MAX_NUMBERS];
	unsigned int n_calls;
	unsigned int newest;
	/* Rules 0 to 2 are the three general ones. */
};

enum general { RULE_DEFAULT, RULE_BEYOND, RULE_FOREIGN, _RULE_GENERAL_MAX };

static const struct arch {
	const char *name;
	uint32_t scmp;
	uint32_t audit;
	uint32_t foreign_from; /* 0: no second table under the same architecture */
} arches[] = {
	{"x86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, X32_BIT},
	{"aarch64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0},
};

static const struct {
	const char *name;
	uint32_t num;
} errnos[] = {
	{"EPERM", EPERM},	    {"ENOSYS", ENOSYS}, {"EACCES", EACCES},
	{"EINVAL", EINVAL},	    {"ENOENT", ENOENT}, {"EAFNOSUPPORT", EAFNOSUPPORT},
	{"EOPNOTSUPP", EOPNOTSUPP}, {"0", 0},
};

__attribute__((noreturn, format(printf, 2, 3))) static void fail(unsigned int line, const char *fmt,
								 ...)
{
	va_list ap;

	if (line)
		(void)fprintf(stderr, "seccomp-compile: line %u: ", line);
	else
		(void)fputs("seccomp-compile: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The words of one rule, with its continuation lines joined. */
struct words {
	char text[8192];
	const char *at[MAX_WORDS];
	unsigned int n;
	unsigned int next;
	unsigned int line;
};

static const char *peek(const struct words *w)
{
	return w->next < w->n ? w->at[w->next] : "";
}

static const char *next(struct words *w)
{
	if (w->next == w->n)
		fail(w->line, "the rule ends too early");
	return w->at[w->next++];
}

static bool accept(struct words *w, const char *word)
{
	if (strcmp(peek(w), word) != 0)
		return false;
	w->next++;
	return true;
}

static void expect(struct words *w, const char *word)
{
	if (!accept(w, word))
		fail(w->line, "\"%s\" where \"%s\" should stand", peek(w), word);
}

static uint32_t read_number(const char *text, unsigned int line)
{
	bool hex = text[0] == '0' && text[1] == 'x';
	const char *digits = hex ? text + 2 : text;
	uint64_t value = 0;

	if (*digits == '\0')
		fail(line, "a number should stand in place of \"%s\"", text);
	for (const char *p = digits; *p; p++) {
		const char *all = "0123456789abcdef";
		const char *hit = memchr(all, *p, hex ? 16 : 10);

		if (!hit)
			fail(line, "\"%s\" is not a number", text);
		value = value * (hex ? 16 : 10) + (uint64_t)(hit - all);
		if (value > UINT32_MAX)
			fail(line, "%s does not fit into 32 bits", text);
	}
	return (uint32_t)value;
}

static uint32_t read_action(struct words *w)
{
	const char *name;

	if (accept(w, "allow"))
		return SECCOMP_RET_ALLOW;
	expect(w, "errno");
	name = next(w);
	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++)
		if (strcmp(errnos[i].name, name) == 0)
			return SECCOMP_RET_ERRNO | errnos[i].num;
	fail(w->line, "no errno \"%s\" is known", name);
}

static struct test read_test(struct words *w)
{
	struct test test = {.mask = UINT32_MAX};
	const char *arg = next(w);
	bool upper = strncmp(arg, "top", 3) == 0;

	if ((!upper && strncmp(arg, "arg", 3) != 0) || arg[3] < '0' || arg[3] > '5' ||
	    arg[4] != '\0')
		fail(w->line, "arg0 to arg5 or top0 to top5 should stand in place of \"%s\"", arg);
	test.arg = (unsigned int)(arg[3] - '0') + (upper ? ARGS : 0);
	if (accept(w, "&"))
		test.mask = read_number(next(w), w->line);
	expect(w, "==");
	test.value = read_number(next(w), w->line);
	if (test.value & ~test.mask)
		fail(w->line, "0x%x can never be left by the mask 0x%x", test.value, test.mask);
	return test;
}

static void read_condition(struct words *w, struct rule *rule)
{
	do {
		struct alternative *alt = &rule->alts[rule->n_alts++];

		if (rule->n_alts > MAX_ALTS)
			fail(w->line, "more than %d alternatives", MAX_ALTS);
		do {
			if (alt->n == MAX_TESTS)
				fail(w->line, "more than %d tests joined by \"and\"", MAX_TESTS);
			alt->tests[alt->n++] = read_test(w);
		} while (accept(w, "and"));
	} while (accept(w, "or"));
	expect(w, "else");
	rule->otherwise = read_action(w);
}

static void read_call(struct policy *p, struct words *w)
{
	struct call *call = &p->calls[p->n_calls];
	const char *word = next(w);
	size_t len = strcspn(word, "=");

	if (p->n_calls == MAX_NUMBERS)
		fail(w->line, "more than %d names", MAX_NUMBERS);
	if (len == 0 || len >= sizeof(call->name))
		fail(w->line, "\"%s\" is not a name", word);
	memcpy(call->name, word, len);
	call->number = word[len] ? (int)read_number(word + len + 1, w->line) : -1;
	call->rule = p->n_rules;
	call->line = w->line;
	for (unsigned int i = 0; i < p->n_calls; i++)
		if (strcmp(p->calls[i].name, call->name) == 0)
			fail(w->line, "%s is named in line %u already", call->name,
			     p->calls[i].line);
	p->n_calls++;
}

static void read_rule(struct policy *p, struct words *w)
{
	static const char *const general[] = {
		[RULE_DEFAULT] = "default",
		[RULE_BEYOND] = "beyond",
		[RULE_FOREIGN] = "foreign",
	};
	struct rule *rule;

	for (unsigned int i = 0; i < ARRAY_SIZE(general); i++) {
		if (!accept(w, general[i]))
			continue;
		p->rules[i].then = read_action(w);
		return;
	}
	if (accept(w, "newest")) {
		p->newest = read_number(next(w), w->line);
		if (p->newest >= MAX_NUMBERS)
			fail(w->line, "newest is above %d", MAX_NUMBERS - 1);
		return;
	}

	if (p->n_rules == MAX_RULES)
		fail(w->line, "more than %d rules", MAX_RULES);
	rule = &p->rules[p->n_rules];
	rule->then = read_action(w);
	while (w->next < w->n && strcmp(peek(w), "if") != 0)
		read_call(p, w);
	if (accept(w, "if"))
		read_condition(w, rule);
	p->n_rules++;
}

static void finish_rule(struct policy *p, struct words *w)
{
	if (w->n == 0)
		return;
	read_rule(p, w);
	if (w->next != w->n)
		fail(w->line, "\"%s\" is left over", peek(w));
	w->n = 0;
	w->next = 0;
	w->text[0] = '\0';
}

static void add_words(struct words *w, const char *line, unsigned int number)
{
	size_t used = w->n ? (size_t)(w->at[w->n - 1] - w->text) + strlen(w->at[w->n - 1]) + 1 : 0;
	char *at = w->text + used;

	if (strlen(line) + 1 > sizeof(w->text) - used)
		fail(number, "the rule is longer than %zu bytes", sizeof(w->text));
	memcpy(at, line, strlen(line) + 1);
	for (char *save = NULL, *word = strtok_r(at, " \t\n", &save); word;
	     word = strtok_r(NULL, " \t\n", &save)) {
		if (w->n == MAX_WORDS)
			fail(number, "more than %d words", MAX_WORDS);
		w->at[w->n++] = word;
	}
}

static void read_policy(const char *path, struct policy *p)
{
	static struct words words;
	char line[1024];
	unsigned int number = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		fail(0, "open %s: %s", path, strerror(errno));
	p->n_rules = _RULE_GENERAL_MAX;

	while (fgets(line, sizeof(line), file)) {
		number++;
		if (!strchr(line, '\n'))
			fail(number, "the line is too long, or its end is missing");
		line[strcspn(line, "#\n")] = '\0';
		if (line[strspn(line, " \t")] == '\0')
			continue;
		if (line[0] != ' ' && line[0] != '\t') {
			finish_rule(p, &words);
			words.line = number;
		}
		add_words(&words, line, number);
	}
	if (ferror(file))
		fail(0, "read %s: %s", path, strerror(errno));
	(void)fclose(file); /* read only */
	finish_rule(p, &words);

	for (unsigned int i = 0; i < _RULE_GENERAL_MAX; i++)
		if (p->rules[i].then == 0)
			fail(0, "%s lacks one of default, beyond, foreign", path);
	if (p->newest == 0)
		fail(0, "%s lacks newest", path);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Which rule each number of an architecture has. */
struct numbers {
	unsigned int rule[MAX_NUMBERS];
	bool named[MAX_NUMBERS];
};

/* Return: the number of a call, -1 where the architecture does not have it. */
static int resolve(const struct call *call, const struct arch *arch)
{
	int number = seccomp_syscall_resolve_name_arch(arch->scmp, call->name);

	if (number == __NR_SCMP_ERROR && call->number < 0)
		fail(call->line, "no call \"%s\" is known: write %s=NUMBER", call->name,
		     call->name);
	if (number >= 0 && call->number >= 0 && number != call->number)
		fail(call->line, "%s is %d on %s, not %d", call->name, number, arch->name,
		     call->number);
	if (number == __NR_SCMP_ERROR)
		return call->number;
	/* Other negative ones are libseccomp's for calls of other architectures. */
	return number < 0 ? -1 : number;
}

static void resolve_all(const struct policy *p, const struct arch *arch, struct numbers *numbers)
{
	memset(numbers, 0, sizeof(*numbers)); /* RULE_DEFAULT */
	for (unsigned int i = 0; i < p->n_calls; i++) {
		const struct call *call = &p->calls[i];
		int number = resolve(call, arch);

		if (number < 0)
			continue;
		if ((unsigned int)number > p->newest)
			fail(call->line, "%s is %d, above newest", call->name, number);
		if (numbers->named[number])
			fail(call->line, "number %d has two names", number);
		numbers->named[number] = true;
		numbers->rule[number] = call->rule;
	}
}

/* ---- emitting, backwards --------------------------------------------------------------------- */

struct program {
	struct sock_filter code[BPF_MAXINSNS]; /* the last instruction first */
	unsigned int n;
};

/* Index of the instruction written. */
static unsigned int emit(struct program *g, uint16_t code, unsigned int jt, unsigned int jf,
			 uint32_t k)
{
	if (g->n == BPF_MAXINSNS)
		fail(0, "the program is longer than %d instructions", BPF_MAXINSNS);
	if (jt > REACH || jf > REACH)
		fail(0, "a jump is out of reach: a bug of this program");
	g->code[g->n] = (struct sock_filter){code, (uint8_t)jt, (uint8_t)jf, k};
	return g->n++;
}

/* Instructions that a jump written next would skip. */
static unsigned int distance(const struct program *g, unsigned int target)
{
	return g->n - target - 1;
}

/*
 * Make sure that @target can be reached from the next two instructions: @target itself, or a copy
 * of an ending, or a far jump, put here.
 */
static unsigned int bring_near(struct program *g, unsigned int target)
{
	const struct sock_filter *to = &g->code[target];

	if (distance(g, target) <= REACH - 2)
		return target;
	if (to->code == (BPF_RET | BPF_K))
		return emit(g, BPF_RET | BPF_K, 0, 0, to->k);
	return emit(g, BPF_JMP | BPF_JA, 0, 0, distance(g, target));
}

/* An ending, shared with an earlier one where that is near. */
static unsigned int emit_return(struct program *g, uint32_t value)
{
	for (unsigned int i = g->n; i > 0 && distance(g, i - 1) <= REACH - 2; i--)
		if (g->code[i - 1].code == (BPF_RET | BPF_K) && g->code[i - 1].k == value)
			return i - 1;
	return emit(g, BPF_RET | BPF_K, 0, 0, value);
}

/* if (A cmp k) goto yes; else goto no; */
static unsigned int emit_branch(struct program *g, uint16_t cmp, uint32_t k, unsigned int yes,
				unsigned int no)
{
	yes = bring_near(g, yes);
	no = bring_near(g, no);
	return emit(g, (uint16_t)(BPF_JMP | cmp | BPF_K), distance(g, yes), distance(g, no), k);
}

/* A load falls through to what was emitted last: nothing may come between. */
static unsigned int emit_load(struct program *g, size_t offset)
{
	return emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static unsigned int emit_test(struct program *g, const struct test *t, unsigned int yes,
			      unsigned int no)
{
	(void)emit_branch(g, BPF_JEQ, t->value, yes, no);
	if (t->mask != UINT32_MAX)
		(void)emit(g, BPF_ALU | BPF_AND | BPF_K, 0, 0, t->mask);
	/* The low half comes first: both architectures are little-endian. */
	return emit_load(g, offsetof(struct seccomp_data, args) + t->arg % ARGS * sizeof(uint64_t) +
				    t->arg / ARGS * sizeof(uint32_t));
}

/* The place that decides by a rule. */
static unsigned int emit_rule(struct program *g, const struct rule *rule)
{
	unsigned int no, yes;

	if (rule->n_alts == 0)
		return emit_return(g, rule->then);

	no = emit_return(g, rule->otherwise);
	for (unsigned int a = rule->n_alts; a-- > 0;) {
		const struct alternative *alt = &rule->alts[a];

		yes = emit_return(g, rule->then);
		for (unsigned int t = alt->n; t-- > 0;)
			yes = emit_test(g, &alt->tests[t], yes, no);
		no = yes; /* the alternative before goes on here when it fails */
	}
	return no;
}

/* A stretch of numbers, up to where the next begins, under one rule. */
struct range {
	uint32_t from;
	unsigned int rule;
};

static unsigned int find_ranges(const struct policy *p, const struct arch *arch,
				const struct numbers *numbers, struct range *ranges)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i <= p->newest; i++)
		if (n == 0 || ranges[n - 1].rule != numbers->rule[i])
			ranges[n++] = (struct range){i, numbers->rule[i]};
	ranges[n++] = (struct range){p->newest + 1, RULE_BEYOND};
	if (arch->foreign_from)
		ranges[n++] = (struct range){arch->foreign_from, RULE_FOREIGN};
	return n;
}

/* Rules of equal effect are one: lines of a policy are for its readers. */
static unsigned int canonical(const struct policy *p, unsigned int rule)
{
	for (unsigned int i = 0; i < rule; i++)
		if (p->rules[i].n_alts == 0 && p->rules[rule].n_alts == 0 &&
		    p->rules[i].then == p->rules[rule].then)
			return i;
	return rule;
}

static unsigned int emit_search(struct program *g, const struct policy *p,
				const struct range *ranges, unsigned int n)
{
	unsigned int half = n / 2;
	unsigned int low, high;

	if (n == 1)
		return emit_rule(g, &p->rules[ranges[0].rule]);
	high = emit_search(g, p, ranges + half, n - half);
	low = emit_search(g, p, ranges, half);
	return emit_branch(g, BPF_JGE, ranges[half].from, high, low);
}

static void compile(const struct policy *p, const struct arch *arch, struct numbers *numbers,
		    struct program *g)
{
	static struct range ranges[MAX_NUMBERS + 2];
	unsigned int n, search, foreign;

	for (unsigned int i = 0; i <= p->newest; i++)
		numbers->rule[i] = canonical(p, numbers->rule[i]);
	n = find_ranges(p, arch, numbers, ranges);

	search = emit_search(g, p, ranges, n);
	foreign = emit_return(g, p->rules[RULE_FOREIGN].then);
	/* The load of the number falls through to the root of the search. */
	if (search != g->n - 1)
		(void)emit(g, BPF_JMP | BPF_JA, 0, 0, distance(g, search));
	search = emit_load(g, offsetof(struct seccomp_data, nr));
	(void)emit_branch(g, BPF_JEQ, arch->audit, search, foreign);
	(void)emit_load(g, offsetof(struct seccomp_data, arch));
}

/* ---- writing --------------------------------------------------------------------------------- */

static FILE *create(const char *path, const char *policy)
{
	FILE *out = fopen(path, "we");

	if (!out)
		fail(0, "create %s: %s", path, strerror(errno));
	(void)fprintf(out, "/* Made from %s by seccomp-compile. */\n", policy);
	return out;
}

static void finish(FILE *out, const char *path)
{
	if (ferror(out) || fclose(out) != 0)
		fail(0, "write %s: %s", path, strerror(errno));
}

static void write_program(FILE *out, const char *prefix, const struct arch *arch,
			  const struct program *g)
{
	(void)fprintf(out, "\nstatic const struct sock_filter %s_%s[%u] = {\n", prefix, arch->name,
		      g->n);
	for (unsigned int i = g->n; i-- > 0;)
		(void)fprintf(out, "\t{ 0x%02x, %u, %u, 0x%x },\n", (unsigned int)g->code[i].code,
			      (unsigned int)g->code[i].jt, (unsigned int)g->code[i].jf,
			      g->code[i].k);
	(void)fputs("};\n", out);
}

static void write_rule(FILE *out, const struct rule *rule)
{
	(void)fprintf(out, "0x%x, 0x%x, %u, {", rule->then, rule->otherwise, rule->n_alts);
	for (unsigned int a = 0; a < rule->n_alts; a++) {
		(void)fprintf(out, " { %u, {", rule->alts[a].n);
		for (unsigned int t = 0; t < rule->alts[a].n; t++)
			(void)fprintf(out, " { %u, 0x%x, 0x%x },", rule->alts[a].tests[t].arg,
				      rule->alts[a].tests[t].mask, rule->alts[a].tests[t].value);
		(void)fputs(" } },", out);
	}
	(void)fputs(" }", out);
}

/* Each number as the policy's text has it: before ranges, sharing and jumps. */
static void write_rules(FILE *out, const char *prefix, const struct policy *p,
			const struct arch *arch, const struct numbers *numbers)
{
	(void)fprintf(out, "\n#define %s_newest_%s %uU\n", prefix, arch->name, p->newest);
	(void)fprintf(out, "#define %s_beyond_%s 0x%xU\n", prefix, arch->name,
		      p->rules[RULE_BEYOND].then);
	(void)fprintf(out, "#define %s_foreign_%s 0x%xU\n", prefix, arch->name,
		      p->rules[RULE_FOREIGN].then);
	(void)fprintf(out, "static const struct seccomp_rule %s_rules_%s[%u] = {\n", prefix,
		      arch->name, p->newest + 1);
	for (unsigned int i = 0; i <= p->newest; i++) {
		(void)fputs("\t{ ", out);
		write_rule(out, &p->rules[numbers->rule[i]]);
		(void)fputs(" },\n", out);
	}
	(void)fputs("};\n", out);
}

int main(int argc, char **argv)
{
	static struct policy policy;
	static struct numbers numbers;
	static struct program program;
	FILE *programs, *rules;

	if (argc != 5)
		fail(0, "usage: seccomp-compile POLICY PREFIX PROGRAMS.h RULES.h");
	read_policy(argv[1], &policy);
	programs = create(argv[3], argv[1]);
	rules = create(argv[4], argv[1]);

	for (size_t i = 0; i < ARRAY_SIZE(arches); i++) {
		program.n = 0;
		resolve_all(&policy, &arches[i], &numbers);
		write_rules(rules, argv[2], &policy, &arches[i], &numbers);
		compile(&policy, &arches[i], &numbers, &program);
		write_program(programs, argv[2], &arches[i], &program);
	}

	finish(programs, argv[3]);
	finish(rules, argv[4]);
	return 0;
}
