/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_json.c - reads a policy in the form of container engines: "linux.seccomp" of the OCI
 * runtime specification, with what Docker's and Podman's own profiles add (archMap, includes,
 * excludes, names of errors).
 *
 * It is read strictly: a key that is passed over could be the one that made an entry conditional.
 */
#include <errno.h>
#include <string.h>

#include <jansson.h>
#include <linux/seccomp.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "seccomp/policy.h"

/* Source: include/linux/err.h */
#define MAX_ERRNO 4095

/* So much of a word is shown in an error. */
#define SHOWN "%.60s"

/**
 * struct reader - one profile being read.
 * @closed: of each rule: an entry without conditions has come, later ones have no effect
 */
struct reader {
	const struct policy_host *host;
	struct policy *p;
	struct dyno_err *err;
	bool closed[POLICY_MAX_RULES];
};

/* ---- words ------------------------------------------------------------------------------------ */

/* Whether @value is left out: container engines write null and empty lists for that. */
static bool is_none(json_t *value)
{
	return !value || json_is_null(value);
}

static int check_keys(json_t *object, const char *const *known, struct dyno_err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return err_set(err, ERR_SECCOMP, 0, "it is no object");
	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		while (known[i] && !str_eq(known[i], key))
			i++;
		if (!known[i])
			return err_set(err, ERR_SECCOMP, 0, "unknown key \"" SHOWN "\"", key);
	}
	return 0;
}

/* The number of an error, "errnoRet" as a number before "errno" as a name; EPERM by default. */
static int read_errno(json_t *number, json_t *name, uint32_t *ret, struct dyno_err *err)
{
	int num = EPERM;

	if (!is_none(number)) {
		json_int_t n = json_integer_value(number);

		if (!json_is_integer(number) || n < 0 || n > MAX_ERRNO)
			return err_set(err, ERR_SECCOMP, 0, "the errno is no whole number up to %d",
				       MAX_ERRNO);
		num = (int)n;
	} else if (!is_none(name)) {
		num = json_is_string(name) ? policy_errno(json_string_value(name)) : -ENOENT;
		if (num < 0)
			return err_set(err, ERR_SECCOMP, 0, "no errno \"" SHOWN "\" is known",
				       json_is_string(name) ? json_string_value(name) : "");
	}
	*ret = (uint32_t)num;
	return 0;
}

static int read_action(json_t *value, json_t *number, json_t *name, uint32_t *ret,
		       struct dyno_err *err)
{
	static const struct {
		const char *name;
		uint32_t action;
	} actions[] = {
		{"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
		{"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
		{"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
		{"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
		{"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
		{"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
		{"SCMP_ACT_LOG", SECCOMP_RET_LOG},
	};
	const char *word = json_string_value(value);
	uint32_t num = 0;
	int r = read_errno(number, name, &num, err);

	if (r < 0)
		return r;
	if (!word)
		return err_set(err, ERR_SECCOMP, 0, "the action is no string");
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!str_eq(actions[i].name, word))
			continue;
		*ret = actions[i].action;
		if (*ret == SECCOMP_RET_ERRNO)
			*ret |= num;
		return 0;
	}
	if (str_eq(word, "SCMP_ACT_NOTIFY") || str_eq(word, "SCMP_ACT_TRACE"))
		return err_set(err, ERR_SECCOMP, 0,
			       "%s leaves the answer to another process, of which there is none",
			       word);
	return err_set(err, ERR_SECCOMP, 0, "no action \"" SHOWN "\" is known", word);
}

/* ---- conditions on the host ------------------------------------------------------------------- */

static bool has_string(json_t *list, const char *word)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (json_is_string(item) && str_eq(json_string_value(item), word))
			return true;
	}
	return false;
}

static int check_list(json_t *list, const char *what, struct dyno_err *err)
{
	json_t *item;
	size_t i;

	if (is_none(list))
		return 0;
	if (!json_is_array(list))
		return err_set(err, ERR_SECCOMP, 0, "\"%s\" is no list", what);
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return err_set(err, ERR_SECCOMP, 0, "\"%s\" is no list of strings", what);
	}
	return 0;
}

/* Return: 1: the kernel is of that version or later; 0: it is not; -EINVAL. */
static int kernel_is(const struct policy_host *host, const char *version, struct dyno_err *err)
{
	const char *dot = strchr(version, '.');
	uint32_t major = 0, minor = 0;
	char first[16];

	if (!dot || (size_t)(dot - version) >= sizeof(first))
		return err_set(err, ERR_SECCOMP, 0, "\"" SHOWN "\" is no kernel version", version);
	(void)str_fmt(first, sizeof(first), "%.*s", (int)(dot - version), version);
	if (num_parse_u32(first, UINT16_MAX, &major) < 0 ||
	    num_parse_u32(dot + 1, UINT16_MAX, &minor) < 0)
		return err_set(err, ERR_SECCOMP, 0, "\"" SHOWN "\" is no kernel version", version);
	if (host->kernel_major != major)
		return host->kernel_major > major;
	return host->kernel_minor >= minor;
}

/* What one of "includes" and "excludes" says of this host. */
struct applies {
	bool arch;
	bool kernel;
	bool caps;
	bool any_arch;
	bool any_kernel;
	bool any_caps;
};

static int read_applies(const struct reader *r, json_t *filter, struct applies *ret)
{
	static const char *const keys[] = {"arches", "caps", "minKernel", NULL};
	json_t *arches = json_object_get(filter, "arches");
	json_t *caps = json_object_get(filter, "caps");
	json_t *kernel = json_object_get(filter, "minKernel");
	int rc;

	*ret = (struct applies){0};
	if (is_none(filter))
		return 0;
	rc = check_keys(filter, keys, r->err);
	if (rc == 0)
		rc = check_list(arches, "arches", r->err);
	if (rc == 0)
		rc = check_list(caps, "caps", r->err);
	if (rc < 0)
		return rc;
	ret->any_arch = json_array_size(arches) > 0;
	ret->arch = has_string(arches, r->host->arch->go_name);
	/* A dyno has none of them. */
	ret->any_caps = json_array_size(caps) > 0;
	if (is_none(kernel))
		return 0;
	if (!json_is_string(kernel))
		return err_set(r->err, ERR_SECCOMP, 0, "\"minKernel\" is no string");
	if (!json_string_value(kernel)[0])
		return 0;
	rc = kernel_is(r->host, json_string_value(kernel), r->err);
	ret->any_kernel = true;
	ret->kernel = rc > 0;
	return MIN_OF(rc, 0);
}

/* Return: 1: the entry is for this host; 0: it is not; -errno. */
static int is_for_us(const struct reader *r, json_t *entry)
{
	struct applies in = {0}, out = {0};
	int rc = read_applies(r, json_object_get(entry, "includes"), &in);

	if (rc == 0)
		rc = read_applies(r, json_object_get(entry, "excludes"), &out);
	if (rc < 0)
		return rc;
	if ((in.any_arch && !in.arch) || (in.any_kernel && !in.kernel) || in.any_caps)
		return 0;
	return !out.arch && !out.kernel;
}

/* ---- conditions on arguments ------------------------------------------------------------------ */

static int read_u64(json_t *value, const char *what, uint64_t *ret, struct dyno_err *err)
{
	*ret = 0;
	if (is_none(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return err_set(err, ERR_SECCOMP, 0, "\"%s\" is no whole number", what);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int find_op(const char *word, struct policy_test *test, struct dyno_err *err)
{
	static const char *const ops[] = {
		[POLICY_EQ] = "SCMP_CMP_EQ", [POLICY_NE] = "SCMP_CMP_NE",
		[POLICY_GT] = "SCMP_CMP_GT", [POLICY_GE] = "SCMP_CMP_GE",
		[POLICY_LT] = "SCMP_CMP_LT", [POLICY_LE] = "SCMP_CMP_LE",
	};

	for (unsigned int i = 0; word && i < ARRAY_SIZE(ops); i++) {
		if (!str_eq(ops[i], word))
			continue;
		test->op = (enum policy_op)i;
		return 0;
	}
	return err_set(err, ERR_SECCOMP, 0, "no comparison \"" SHOWN "\" is known",
		       word ? word : "");
}

static int read_test(json_t *arg, struct policy_test *ret, struct dyno_err *err)
{
	static const char *const keys[] = {"index", "value", "valueTwo", "op", NULL};
	const char *op = json_string_value(json_object_get(arg, "op"));
	uint64_t index = 0, two = 0;
	int r = check_keys(arg, keys, err);

	*ret = (struct policy_test){.op = POLICY_EQ, .half = POLICY_BOTH, .mask = UINT64_MAX};
	if (r == 0)
		r = read_u64(json_object_get(arg, "index"), "index", &index, err);
	if (r == 0)
		r = read_u64(json_object_get(arg, "value"), "value", &ret->value, err);
	if (r == 0)
		r = read_u64(json_object_get(arg, "valueTwo"), "valueTwo", &two, err);
	if (r < 0)
		return r;
	if (index >= POLICY_MAX_TESTS)
		return err_set(err, ERR_SECCOMP, 0, "a call has no argument %llu",
			       (unsigned long long)index);
	ret->arg = (unsigned int)index;
	if (!op || !str_eq(op, "SCMP_CMP_MASKED_EQ"))
		return find_op(op, ret, err);
	/* The mask is the first value, what it must leave the second. */
	ret->mask = ret->value;
	ret->value = two;
	if (ret->value & ~ret->mask)
		return err_set(err, ERR_SECCOMP, 0, "%llu can never be left by the mask %llu",
			       (unsigned long long)two, (unsigned long long)ret->mask);
	return 0;
}

/* ---- entries ---------------------------------------------------------------------------------- */

/**
 * struct entry - what one entry says of its names.
 * @tests, @n: of its arguments
 * @apart: an argument stands there twice: as in other engines each test is enough by itself
 */
struct entry {
	uint32_t action;
	struct policy_test tests[POLICY_MAX_CLAUSES];
	unsigned int n;
	bool apart;
};

static int read_tests(json_t *args, struct entry *e, struct dyno_err *err)
{
	unsigned int seen = 0;
	json_t *arg;
	size_t i;

	if (is_none(args))
		return 0;
	if (!json_is_array(args))
		return err_set(err, ERR_SECCOMP, 0, "\"args\" is no list");
	json_array_foreach(args, i, arg)
	{
		int r;

		if (e->n == POLICY_MAX_CLAUSES)
			return err_set(err, ERR_SECCOMP, 0, "more than %u comparisons",
				       POLICY_MAX_CLAUSES);
		r = read_test(arg, &e->tests[e->n], err);
		if (r < 0)
			return r;
		e->apart |= (seen & (1U << e->tests[e->n].arg)) != 0;
		seen |= 1U << e->tests[e->n++].arg;
	}
	return 0;
}

static struct policy_rule *rule_of(const struct reader *r, const char *name)
{
	struct policy_call *call = policy_find_call(r->p, name, strlen(name));

	if (!call) {
		call = policy_add_call(r->p, name, strlen(name), r->err);
		if (!call)
			return NULL;
		call->rule = r->p->n_rules++;
		r->p->rules[call->rule].otherwise = r->p->rules[POLICY_DEFAULT].otherwise;
	}
	return &r->p->rules[call->rule];
}

static int add_clause(struct policy_rule *rule, const struct policy_test *tests, unsigned int n,
		      uint32_t then, struct dyno_err *err)
{
	struct policy_clause *clause = &rule->clauses[rule->n];

	if (rule->n == POLICY_MAX_CLAUSES)
		return err_set(err, ERR_SECCOMP, 0, "more than %u conditions for one call",
			       POLICY_MAX_CLAUSES);
	memcpy(clause->tests, tests, n * sizeof(*tests));
	clause->n = n;
	clause->then = then;
	rule->n++;
	return 0;
}

static int add_name(struct reader *r, const struct entry *e, const char *name)
{
	struct policy_rule *rule = rule_of(r, name);
	int rc = 0;

	if (!rule)
		return -EINVAL;
	if (r->closed[rule - r->p->rules])
		return 0;
	if (e->n == 0) {
		rule->otherwise = e->action;
		r->closed[rule - r->p->rules] = true;
		return 0;
	}
	if (!e->apart)
		return add_clause(rule, e->tests, e->n, e->action, r->err);
	for (unsigned int i = 0; rc == 0 && i < e->n; i++)
		rc = add_clause(rule, &e->tests[i], 1, e->action, r->err);
	return rc;
}

/* "names", and "name" of older profiles. */
static int add_names(struct reader *r, json_t *entry, const struct entry *e)
{
	json_t *names = json_object_get(entry, "names");
	json_t *name = json_object_get(entry, "name");
	json_t *item;
	size_t i;
	int rc = check_list(names, "names", r->err);

	if (rc == 0 && !is_none(name) && !json_is_string(name))
		rc = err_set(r->err, ERR_SECCOMP, 0, "\"name\" is no string");
	if (rc == 0 && json_array_size(names) == 0 && !json_is_string(name))
		rc = err_set(r->err, ERR_SECCOMP, 0, "it names no call");
	if (rc == 0 && json_is_string(name) && json_string_value(name)[0])
		rc = add_name(r, e, json_string_value(name));
	json_array_foreach(names, i, item)
	{
		if (rc == 0)
			rc = add_name(r, e, json_string_value(item));
	}
	return rc;
}

static int read_entry(struct reader *r, json_t *entry)
{
	static const char *const keys[] = {"names", "name",    "action",   "errnoRet", "errno",
					   "args",  "comment", "includes", "excludes", NULL};
	struct entry e = {0};
	int rc = check_keys(entry, keys, r->err);

	if (rc == 0)
		rc = read_action(json_object_get(entry, "action"),
				 json_object_get(entry, "errnoRet"),
				 json_object_get(entry, "errno"), &e.action, r->err);
	if (rc == 0)
		rc = read_tests(json_object_get(entry, "args"), &e, r->err);
	if (rc == 0)
		rc = is_for_us(r, entry);
	return rc > 0 ? add_names(r, entry, &e) : rc;
}

/* "syscalls[3] (clone, ...)": so that it is found again. */
static void name_entry(json_t *entry, size_t i, struct dyno_err *err)
{
	json_t *name = json_array_get(json_object_get(entry, "names"), 0);

	if (json_is_string(name))
		err_context(err, "syscalls[%zu], \"" SHOWN "\"", i, json_string_value(name));
	else
		err_context(err, "syscalls[%zu]", i);
}

static int read_entries(struct reader *r, json_t *list)
{
	json_t *entry;
	size_t i;

	if (is_none(list))
		return 0;
	if (!json_is_array(list))
		return err_set(r->err, ERR_SECCOMP, 0, "\"syscalls\" is no list");
	json_array_foreach(list, i, entry)
	{
		int rc = read_entry(r, entry);

		if (rc < 0) {
			name_entry(entry, i, r->err);
			return rc;
		}
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Of the flags of a filter only one has no effect here: between clone and exec there is one thread. */
static int check_flags(json_t *flags, struct dyno_err *err)
{
	int r = check_list(flags, "flags", err);
	json_t *flag;
	size_t i;

	json_array_foreach(flags, i, flag)
	{
		if (r == 0 && !str_eq(json_string_value(flag), "SECCOMP_FILTER_FLAG_TSYNC"))
			r = err_set(err, ERR_SECCOMP, 0, "the flag " SHOWN " is not set by dyno",
				    json_string_value(flag));
	}
	return r;
}

/*
 * Numbers that the profile cannot have known are answered as an older kernel would, so that C
 * libraries fall back, unless it allows what it does not name.
 */
static void set_general(struct policy *p, uint32_t action)
{
	bool allows = action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;

	p->rules[POLICY_DEFAULT].otherwise = action;
	p->rules[POLICY_BEYOND].otherwise = allows ? action : SECCOMP_RET_ERRNO | ENOSYS;
	/* The names stand for other numbers there: not even a profile that allows all allows these. */
	p->rules[POLICY_FOREIGN].otherwise = SECCOMP_RET_ERRNO | EPERM;
	p->n_rules = _POLICY_GENERAL_MAX;
}

static int read_profile(struct reader *r, json_t *root)
{
	static const char *const keys[] = {"defaultAction", "defaultErrnoRet", "defaultErrno",
					   "architectures", "archMap",	       "flags",
					   "syscalls",	    "comment",	       NULL};
	uint32_t action = 0;
	int rc = check_keys(root, keys, r->err);

	if (rc == 0)
		rc = check_list(json_object_get(root, "architectures"), "architectures", r->err);
	if (rc == 0)
		rc = check_flags(json_object_get(root, "flags"), r->err);
	if (rc < 0)
		return rc;
	rc = read_action(json_object_get(root, "defaultAction"),
			 json_object_get(root, "defaultErrnoRet"),
			 json_object_get(root, "defaultErrno"), &action, r->err);
	if (rc < 0) {
		err_context(r->err, "defaultAction");
		return rc;
	}
	set_general(r->p, action);
	return read_entries(r, json_object_get(root, "syscalls"));
}

static void free_json(json_t **value)
{
	json_decref(*value);
}

int policy_read_json(const char *text, size_t len, const struct policy_host *host, struct policy *p,
		     struct dyno_err *err)
{
	struct reader r = {.host = host, .p = p, .err = err};
	__attribute__((cleanup(free_json))) json_t *root = NULL;
	json_error_t e = {0};

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if (root)
		return read_profile(&r, root);
	/* The library says nothing where it got no memory to say it of. */
	if (json_error_code(&e) == json_error_out_of_memory || e.text[0] == '\0')
		return err_set(err, ERR_MEMORY, ENOMEM, "parse JSON");
	return err_set(err, ERR_SECCOMP, 0, "line %d, column %d: %s", e.line, e.column, e.text);
}
