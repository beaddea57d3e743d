/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_policy.c - policies of both forms, by what their programs answer.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/audit.h>

#include "base/err.h"
#include "base/str.h"
#include "seccomp/policy.h"
#include "tests/unit/bpf.h"

#define ALLOW	    SECCOMP_RET_ALLOW
#define REFUSE(num) (SECCOMP_RET_ERRNO | (num))

/* Numbers on x86-64, where every case is compiled for. */
enum {
	NR_READ = 0,
	NR_IOCTL = 16,
	NR_SOCKET = 41,
	NR_CLONE = 56,
	NR_MKDIR = 83,
	NR_PERSONALITY = 135,
	NR_CLONE3 = 435,
	NR_MSEAL = 462,
};

/* A policy compiled for x86-64; the instructions in their order. */
struct made {
	struct policy policy;
	struct policy_numbers numbers;
	struct policy_program program;
	struct sock_filter code[BPF_MAXINSNS];
};

static const struct policy_host host = {.arch = NULL, .kernel_major = 6, .kernel_minor = 1};

static int make(const char *text, struct made *m, struct dyno_err *err)
{
	struct policy_host here = host;
	size_t len = strlen(text);
	int r;

	here.arch = &policy_arches[0];
	memset(m, 0, sizeof(*m));
	r = text[0] == '{' ? policy_read_json(text, len, &here, &m->policy, err)
			   : policy_read_text(text, len, &m->policy, err);
	if (r == 0)
		r = policy_resolve(&m->policy, here.arch, true, &m->numbers, err);
	if (r == 0)
		r = policy_compile(&m->policy, here.arch, &m->numbers, &m->program, err);
	for (unsigned int i = 0; r == 0 && i < m->program.n; i++)
		m->code[i] = m->program.code[m->program.n - 1 - i];
	return r;
}

static uint32_t answer(const struct made *m, uint32_t arch, int nr, const uint64_t args[6])
{
	struct seccomp_data data = {.nr = nr, .arch = arch};
	unsigned int steps = 0;

	memcpy(data.args, args, sizeof(data.args));
	return interpret(m->code, m->program.n, &data, &steps);
}

/* ---- what policies answer --------------------------------------------------------------------- */

#define DENY	     "\"defaultAction\":\"SCMP_ACT_ERRNO\""
#define PERMIT	     "\"defaultAction\":\"SCMP_ACT_ALLOW\""
#define RULES(rules) ",\"syscalls\":[" rules "]}"
#define RULE(name, action, more) \
	"{\"names\":[\"" name "\"],\"action\":\"SCMP_ACT_" action "\"" more "}"
#define ARG(index, value, op) \
	"{\"index\":" #index ",\"value\":" #value ",\"op\":\"SCMP_CMP_" op "\"}"
#define ARGS(args) ",\"args\":[" args "]"
#define HIGH	   (1ULL << 32)

static const struct {
	const char *text;
	int nr;
	uint64_t args[6];
	uint32_t want;
} cases[] = {
	/* what is named, what is not, what nobody knew */
	{"{" DENY RULES(RULE("read", "ALLOW", "")), NR_READ, {0}, ALLOW},
	{"{" DENY RULES(RULE("clone3", "ALLOW", "")), NR_READ, {0}, REFUSE(EPERM)},
	{"{" DENY RULES(RULE("read", "ALLOW", "")), NR_MKDIR, {0}, REFUSE(ENOSYS)},
	{"{" PERMIT RULES(RULE("read", "ERRNO", "")), NR_READ, {0}, REFUSE(EPERM)},
	{"{" PERMIT RULES(RULE("read", "ERRNO", "")), NR_MKDIR, {0}, ALLOW},
	{"{" PERMIT "}", NR_READ, {0}, ALLOW},
	{"{" PERMIT ",\"syscalls\":null,\"architectures\":[\"SCMP_ARCH_X86\"],\"archMap\":null}",
	 NR_READ,
	 {0},
	 ALLOW},
	/* a call that the build's libseccomp may not know */
	{"{" DENY RULES(RULE("mseal", "ALLOW", "")), NR_MSEAL, {0}, ALLOW},
	/* actions */
	{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":2" RULES(
		 RULE("mseal", "ALLOW", "")),
	 NR_READ,
	 {0},
	 REFUSE(ENOENT)},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"errnoRet\":38")), NR_READ, {0}, REFUSE(ENOSYS)},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"errno\":\"EINVAL\"")),
	 NR_READ,
	 {0},
	 REFUSE(EINVAL)},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"errnoRet\":1,\"errno\":\"EINVAL\"")),
	 NR_READ,
	 {0},
	 REFUSE(EPERM)},
	{"{" PERMIT RULES(RULE("read", "KILL", "")), NR_READ, {0}, SECCOMP_RET_KILL_THREAD},
	{"{" PERMIT RULES(RULE("read", "KILL_PROCESS", "")),
	 NR_READ,
	 {0},
	 SECCOMP_RET_KILL_PROCESS},
	{"{" PERMIT RULES(RULE("read", "TRAP", "")), NR_READ, {0}, SECCOMP_RET_TRAP},
	{"{" PERMIT RULES(RULE("read", "LOG", "")), NR_READ, {0}, SECCOMP_RET_LOG},
	{"{\"defaultAction\":\"SCMP_ACT_LOG\"" RULES(RULE("read", "ALLOW", "")),
	 NR_MKDIR,
	 {0},
	 SECCOMP_RET_LOG},
	{"{" PERMIT
	 ",\"syscalls\":[{\"name\":\"read\",\"action\":\"SCMP_ACT_ERRNO\",\"args\":[]}]}",
	 NR_READ,
	 {0},
	 REFUSE(EPERM)},
	/* comparisons: both halves, without sign */
	{"{" DENY RULES(RULE("socket", "ALLOW", ARGS(ARG(0, 40, "NE")))), NR_SOCKET, {2}, ALLOW},
	{"{" DENY RULES(RULE("socket", "ALLOW", ARGS(ARG(0, 40, "NE")))),
	 NR_SOCKET,
	 {40},
	 REFUSE(EPERM)},
	{"{" DENY RULES(RULE("socket", "ALLOW", ARGS(ARG(0, 40, "NE")))),
	 NR_SOCKET,
	 {HIGH | 40},
	 ALLOW},
	{"{" DENY RULES(RULE("socket", "ALLOW", ARGS(ARG(5, 7, "EQ")))),
	 NR_SOCKET,
	 {0, 0, 0, 0, 0, 7},
	 ALLOW},
	{"{" DENY RULES(RULE("socket", "ALLOW", ARGS(ARG(5, 7, "EQ")))),
	 NR_SOCKET,
	 {0, 0, 0, 0, 0, HIGH | 7},
	 REFUSE(EPERM)},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "GT")))),
	 NR_IOCTL,
	 {0, HIGH + 1},
	 REFUSE(EPERM)},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "GT")))),
	 NR_IOCTL,
	 {0, HIGH + 2},
	 ALLOW},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "GT")))),
	 NR_IOCTL,
	 {0, 2 * HIGH},
	 ALLOW},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "GT")))),
	 NR_IOCTL,
	 {0, 9},
	 REFUSE(EPERM)},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "GE")))),
	 NR_IOCTL,
	 {0, HIGH + 1},
	 ALLOW},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "GE")))),
	 NR_IOCTL,
	 {0, HIGH},
	 REFUSE(EPERM)},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "LT")))),
	 NR_IOCTL,
	 {0, HIGH},
	 ALLOW},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "LT")))),
	 NR_IOCTL,
	 {0, HIGH + 1},
	 REFUSE(EPERM)},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "LT")))),
	 NR_IOCTL,
	 {0, 0xffffffff},
	 ALLOW},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "LE")))),
	 NR_IOCTL,
	 {0, HIGH + 1},
	 ALLOW},
	{"{" DENY RULES(RULE("ioctl", "ALLOW", ARGS(ARG(1, 4294967297, "LE")))),
	 NR_IOCTL,
	 {0, UINT64_MAX},
	 REFUSE(EPERM)},
	/* a mask, and what it must leave: flags of namespaces */
	{"{" DENY RULES(RULE("clone", "ALLOW", ARGS(ARG(0, 2114060288, "MASKED_EQ")))),
	 NR_CLONE,
	 {0x11},
	 ALLOW},
	{"{" DENY RULES(RULE("clone", "ALLOW", ARGS(ARG(0, 2114060288, "MASKED_EQ")))),
	 NR_CLONE,
	 {0x10000011},
	 REFUSE(EPERM)},
	{"{" DENY RULES(RULE("clone", "ALLOW",
			     ARGS("{\"index\":0,\"value\":12884901888,\"valueTwo\":4294967296,"
				  "\"op\":\"SCMP_CMP_MASKED_EQ\"}"))),
	 NR_CLONE,
	 {HIGH | 5},
	 ALLOW},
	{"{" DENY RULES(RULE("clone", "ALLOW",
			     ARGS("{\"index\":0,\"value\":12884901888,\"valueTwo\":4294967296,"
				  "\"op\":\"SCMP_CMP_MASKED_EQ\"}"))),
	 NR_CLONE,
	 {2 * HIGH},
	 REFUSE(EPERM)},
	/* all of an entry, unless an argument stands there twice */
	{"{" DENY RULES(RULE("socket", "ALLOW", ARGS(ARG(0, 1, "EQ") "," ARG(1, 2, "EQ")))),
	 NR_SOCKET,
	 {1, 2},
	 ALLOW},
	{"{" DENY RULES(RULE("socket", "ALLOW", ARGS(ARG(0, 1, "EQ") "," ARG(1, 2, "EQ")))),
	 NR_SOCKET,
	 {1, 3},
	 REFUSE(EPERM)},
	{"{" DENY RULES(RULE("socket", "ALLOW", ARGS(ARG(0, 1, "EQ") "," ARG(0, 2, "EQ")))),
	 NR_SOCKET,
	 {2},
	 ALLOW},
	{"{" DENY RULES(RULE("socket", "ALLOW", ARGS(ARG(0, 1, "EQ") "," ARG(0, 2, "EQ")))),
	 NR_SOCKET,
	 {3},
	 REFUSE(EPERM)},
	/* several entries: the first that applies */
	{"{" DENY RULES(RULE("personality", "ALLOW", ARGS(ARG(0, 0, "EQ"))) "," RULE(
		 "personality", "ALLOW", ARGS(ARG(0, 8, "EQ")))),
	 NR_PERSONALITY,
	 {8},
	 ALLOW},
	{"{" DENY RULES(RULE("personality", "ALLOW", ARGS(ARG(0, 0, "EQ"))) "," RULE(
		 "personality", "ALLOW", ARGS(ARG(0, 8, "EQ")))),
	 NR_PERSONALITY,
	 {9},
	 REFUSE(EPERM)},
	{"{" DENY RULES(RULE("socket", "ERRNO", ",\"errnoRet\":22" ARGS(ARG(0, 16, "EQ"))) "," RULE(
		 "socket", "ALLOW", "")),
	 NR_SOCKET,
	 {16},
	 REFUSE(EINVAL)},
	{"{" DENY RULES(RULE("socket", "ERRNO", ",\"errnoRet\":22" ARGS(ARG(0, 16, "EQ"))) "," RULE(
		 "socket", "ALLOW", "")),
	 NR_SOCKET,
	 {2},
	 ALLOW},
	{"{" PERMIT RULES(RULE("socket", "ERRNO", "") "," RULE("socket", "ALLOW", "")),
	 NR_SOCKET,
	 {2},
	 REFUSE(EPERM)},
	/* entries for others */
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"includes\":{\"arches\":[\"s390x\"]}")),
	 NR_READ,
	 {0},
	 ALLOW},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"includes\":{\"arches\":[\"arm\",\"amd64\"]}")),
	 NR_READ,
	 {0},
	 REFUSE(EPERM)},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"excludes\":{\"arches\":[\"amd64\"]}")),
	 NR_READ,
	 {0},
	 ALLOW},
	{"{" DENY RULES(
		 RULE("clone3", "ALLOW", ",\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}") "," RULE(
			 "clone3", "ERRNO",
			 ",\"errnoRet\":38,\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}")),
	 NR_CLONE3,
	 {0},
	 REFUSE(ENOSYS)},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"includes\":{\"minKernel\":\"4.8\"}")),
	 NR_READ,
	 {0},
	 REFUSE(EPERM)},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"includes\":{\"minKernel\":\"6.1\"}")),
	 NR_READ,
	 {0},
	 REFUSE(EPERM)},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"includes\":{\"minKernel\":\"6.2\"}")),
	 NR_READ,
	 {0},
	 ALLOW},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"excludes\":{\"minKernel\":\"5.0\"}")),
	 NR_READ,
	 {0},
	 ALLOW},
	/* dyno's own form */
	{"newest 469\ndefault errno EPERM\nbeyond errno ENOSYS\nforeign errno EPERM\n"
	 "allow read\n  mkdir # more\n",
	 NR_MKDIR,
	 {0},
	 ALLOW},
	{"newest 469\ndefault errno EPERM\nbeyond errno ENOSYS\nforeign errno EPERM\n"
	 "errno ENOTTY ioctl if arg1 & 0xff == 0x12 or arg0 == 1 and arg1 == 2 else allow",
	 NR_IOCTL,
	 {1, HIGH | 2},
	 REFUSE(ENOTTY)},
	{"newest 469\ndefault errno EPERM\nbeyond errno ENOSYS\nforeign errno EPERM\n",
	 470,
	 {0},
	 REFUSE(ENOSYS)},
};

static void policy_compile__each_policy__answers_as_it_says(void **state)
{
	struct made *m = calloc(1, sizeof(*m));
	struct dyno_err err;

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t got;

		if (make(cases[i].text, m, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.msg);
		got = answer(m, AUDIT_ARCH_X86_64, cases[i].nr, cases[i].args);
		if (got != cases[i].want)
			fail_msg("case %zu: %s: %#x, not %#x", i, cases[i].text, got,
				 cases[i].want);
		/* Whatever a policy allows, it is not said of another machine's numbers. */
		assert_int_equal(answer(m, AUDIT_ARCH_I386, cases[i].nr, cases[i].args),
				 REFUSE(EPERM));
		assert_int_equal(
			answer(m, AUDIT_ARCH_X86_64, cases[i].nr | 0x40000000, cases[i].args),
			REFUSE(EPERM));
	}
	free(m);
}

static void policy_compile__every_name_with_conditions__stays_in_reach(void **state)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	struct made *m = calloc(1, sizeof(*m));
	const uint64_t hit[6] = {5 * HIGH | 3}, miss[6] = {5 * HIGH | 4};
	struct dyno_err err;

	(void)state;
	assert_non_null(m);
	sbuf_adds(&b, "{" DENY ",\"syscalls\":[");
	for (unsigned int i = 0; i < 15; i++)
		sbuf_addf(&b,
			  "%s{\"names\":[\"read\",\"ioctl\",\"socket\",\"clone\",\"mkdir\","
			  "\"personality\",\"clone3\",\"mseal\"],\"action\":\"SCMP_ACT_ALLOW\","
			  "\"args\":[{\"index\":0,\"value\":%llu,\"op\":\"SCMP_CMP_EQ\"}]}",
			  i ? "," : "", (unsigned long long)(5 * HIGH | (i == 14 ? 3 : 100 + i)));
	sbuf_adds(&b, "]}");
	if (make(sbuf_str(&b), m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(m->program.n > 300);
	assert_int_equal(answer(m, AUDIT_ARCH_X86_64, NR_READ, hit), ALLOW);
	assert_int_equal(answer(m, AUDIT_ARCH_X86_64, NR_READ, miss), REFUSE(EPERM));
	assert_int_equal(answer(m, AUDIT_ARCH_X86_64, NR_MSEAL, hit), ALLOW);
	assert_int_equal(answer(m, AUDIT_ARCH_X86_64, NR_MSEAL, miss), REFUSE(EPERM));
	free(m);
}

static void policy_resolve__unknown_names__are_counted_and_named(void **state)
{
	struct made *m = calloc(1, sizeof(*m));
	struct dyno_err err;

	(void)state;
	assert_non_null(m);
	assert_int_equal(
		make("{" PERMIT
		     ",\"syscalls\":[{\"names\":[\"nosuch\",\"read\",\"nor_this\",\"chown32\"],"
		     "\"action\":\"SCMP_ACT_ERRNO\"}]}",
		     m, &err),
		0);
	assert_int_equal(m->numbers.unknown, 2);
	assert_string_equal(m->numbers.unknown_names, "nosuch, nor_this");
	/* the build does not pass over them */
	assert_int_equal(policy_resolve(&m->policy, &policy_arches[0], false, &m->numbers, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "no call \"nosuch\" is known"));
	free(m);
}

/* ---- policies that cannot be used ------------------------------------------------------------- */

#define OWN "newest 9\ndefault errno EPERM\nbeyond errno ENOSYS\nforeign errno EPERM\n"

static const struct {
	const char *text;
	const char *says;
} wrong[] = {
	{"{", "line 1, column 1"},
	{"{}", "defaultAction: the action is no string"},
	{"{\"defaultAction\":\"SCMP_ACT_MAYBE\"}", "no action \"SCMP_ACT_MAYBE\" is known"},
	{"{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "there is none"},
	{"{" PERMIT ",\"listenerPath\":\"/run/x\"}", "unknown key \"listenerPath\""},
	{"{" PERMIT "," PERMIT "}", "duplicate"},
	{"{" PERMIT ",\"defaultErrnoRet\":4096}", "up to 4095"},
	{"{" PERMIT ",\"flags\":[\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"]}", "is not set by dyno"},
	{"{" PERMIT ",\"architectures\":\"x\"}", "\"architectures\" is no list"},
	{"{" PERMIT ",\"syscalls\":{}}", "\"syscalls\" is no list"},
	{"{" PERMIT RULES("7"), "syscalls[0]: it is no object"},
	{"{" PERMIT RULES(RULE("read", "ALLOW", "") "," RULE("mkdir", "ALOW", "")),
	 "syscalls[1], \"mkdir\": no action \"SCMP_ACT_ALOW\" is known"},
	{"{" PERMIT RULES("{\"action\":\"SCMP_ACT_ERRNO\"}"), "it names no call"},
	{"{" PERMIT RULES("{\"names\":[7],\"action\":\"SCMP_ACT_ERRNO\"}"), "no list of strings"},
	{"{" PERMIT RULES("{\"names\":[\"\"],\"action\":\"SCMP_ACT_ERRNO\"}"),
	 "\"\" is not a name"},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"arg\":[]")), "unknown key \"arg\""},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"errno\":\"EWHAT\"")), "no errno \"EWHAT\""},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"args\":7")), "\"args\" is no list"},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ARGS(ARG(6, 0, "EQ")))), "has no argument 6"},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ARGS(ARG(0, -1, "EQ")))), "no whole number"},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ARGS(ARG(0, 1, "IS")))), "no comparison"},
	{"{" PERMIT RULES(RULE("read", "ERRNO",
			       ARGS("{\"index\":0,\"value\":1,\"valueTwo\":2,"
				    "\"op\":\"SCMP_CMP_MASKED_EQ\"}"))),
	 "can never be left"},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"includes\":{\"minKernel\":\"six\"}")),
	 "\"six\" is no kernel version"},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"includes\":{\"cap\":[]}")),
	 "unknown key \"cap\""},
	{"{" PERMIT RULES(RULE("read", "ERRNO", ",\"excludes\":{\"caps\":7}")),
	 "\"caps\" is no list"},
	{"", "lacks one of default, beyond, foreign"},
	{"default allow\nbeyond allow\nforeign allow\n", "lacks newest"},
	{"newest 4096\n", "line 1: newest is above"},
	{OWN "allow read\nallow read\n", "line 6: read is named in line 5 already"},
	{OWN "allow\n  mkdir\n", "is 83, above newest"},
	{OWN "alow read\n", "line 5: \"alow\" where \"errno\" should stand"},
	{OWN "errno EWHAT read\n", "no errno \"EWHAT\" is known"},
	{OWN "errno\n", "line 5: the rule ends too early"},
	{OWN "allow read if arg7 == 0 else errno EPERM\n", "arg0 to arg5"},
	{OWN "allow read if arg0 == 0\n", "where \"else\" should stand"},
	{OWN "allow read if arg0 == 0x else errno EPERM\n", "a number should stand"},
	{OWN "allow read if arg0 == 9z else errno EPERM\n", "is not a number"},
	{OWN "allow read if arg0 == 4294967296 else errno EPERM\n", "does not fit into 32 bits"},
	{OWN "allow read if arg0 & 1 == 2 else errno EPERM\n", "can never be left"},
	{OWN "allow read if arg0 == 1 else errno EPERM more\n", "\"more\" is left over"},
	{OWN "allow read=5\n", "read is 0 on x86_64, not 5"},
	{OWN "allow =5\n", "is not a name"},
};

static void policy_read__what_cannot_be_used__is_named(void **state)
{
	struct made *m = calloc(1, sizeof(*m));

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct dyno_err err = {0};

		if (make(wrong[i].text, m, &err) >= 0)
			fail_msg("%s was taken", wrong[i].text);
		if (err.kind != ERR_SECCOMP || !strstr(err.msg, wrong[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", wrong[i].text, err.msg,
				 wrong[i].says);
	}
	free(m);
}

static void policy_compile__more_than_the_kernel_takes__is_refused(void **state)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	struct made *m = calloc(1, sizeof(*m));
	struct dyno_err err = {0};

	(void)state;
	assert_non_null(m);
	sbuf_adds(&b, "{" DENY ",\"syscalls\":[");
	for (unsigned int i = 0; i < 16; i++) {
		sbuf_addf(&b, "%s{\"names\":[", i ? "," : "");
		/* neighbours must differ, or they would be one range */
		for (unsigned int k = 0; k < 40; k++) {
			static const char *const names[] = {
				"read",	   "open",	  "stat",	"lstat",
				"lseek",   "mprotect",	  "brk",	"rt_sigprocmask",
				"pread64", "readv",	  "access",	"select",
				"mremap",  "mincore",	  "shmget",	"shmctl",
				"dup2",	   "nanosleep",	  "alarm",	"getpid",
				"socket",  "accept",	  "recvfrom",	"recvmsg",
				"bind",	   "getsockname", "socketpair", "getsockopt",
				"fork",	   "execve",	  "wait4",	"uname",
				"semop",   "shmdt",	  "msgsnd",	"msgctl",
				"flock",   "fdatasync",	  "ftruncate",	"getcwd"};

			sbuf_addf(&b, "%s\"%s\"", k ? "," : "", names[k]);
		}
		sbuf_addf(&b, "],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[");
		for (unsigned int a = 0; a < 6; a++)
			sbuf_addf(&b, "%s{\"index\":%u,\"value\":%u,\"op\":\"SCMP_CMP_GT\"}",
				  a ? "," : "", a, i * 10 + a);
		sbuf_adds(&b, "]}");
	}
	sbuf_adds(&b, "]}");
	assert_int_equal(make(sbuf_str(&b), m, &err), -E2BIG);
	assert_int_equal(err.kind, ERR_SECCOMP);
	free(m);
}

static void policy_add_call__one_name_too_many__is_refused(void **state)
{
	struct policy *p = calloc(1, sizeof(*p));
	struct dyno_err err = {0};
	char name[16];

	(void)state;
	assert_non_null(p);
	for (unsigned int i = 0; i < POLICY_MAX_NUMBERS; i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		assert_non_null(policy_add_call(p, name, strlen(name), &err));
	}
	assert_ptr_equal(policy_find_call(p, name, strlen(name)),
			 &p->calls[POLICY_MAX_NUMBERS - 1]);
	assert_null(policy_find_call(p, "c", 1));
	assert_null(policy_add_call(p, "more", 4, &err));
	assert_int_equal(err.kind, ERR_SECCOMP);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy_compile__each_policy__answers_as_it_says),
		cmocka_unit_test(policy_compile__every_name_with_conditions__stays_in_reach),
		cmocka_unit_test(policy_resolve__unknown_names__are_counted_and_named),
		cmocka_unit_test(policy_read__what_cannot_be_used__is_named),
		cmocka_unit_test(policy_compile__more_than_the_kernel_takes__is_refused),
		cmocka_unit_test(policy_add_call__one_name_too_many__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
