/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_probe.c - reasons for refused user namespaces and missing id ranges as pure tables (T48),
 * and every probe run on the host at hand: each must come back with a complete report (T47).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"
#include "kernel/probe_priv.h"

static void userns_reason__each_cause__its_class(void **state)
{
	static const struct {
		struct userns_facts facts;
		enum err_class want;
		const char *hint;
	} cases[] = {
		/* T48: a sysctl, the limit, AppArmor, a container's filter */
		{{EPERM, 0, 1000, -1, 0, 0, 0}, ERR_USERNS_SYSCTL, "unprivileged_userns_clone=1"},
		{{EPERM, 0, 1000, -1, 0, 0, 1}, ERR_USERNS, "security module"},
		{{ENOSPC, 1, 0, -1, 0, 0, 0}, ERR_USERNS_LIMIT, "max_user_namespaces=15000"},
		{{ENOSPC, 1, 9, 1, 2, 0, 0}, ERR_USERNS_LIMIT, "max_user_namespaces=15000"},
		{{EUSERS, -1, 9, -1, 0, 0, 1}, ERR_USERNS_LIMIT, "max_user_namespaces"},
		{{EPERM, 0, 0, 1, 2, 0, 0}, ERR_USERNS_LIMIT, "max_user_namespaces"},
		{{EPERM, 1, 9, 1, 0, 0, 0}, ERR_USERNS_APPARMOR, "AppArmor"},
		{{EACCES, -1, 9, 1, 0, 0, 0}, ERR_USERNS_APPARMOR, "AppArmor"},
		{{EPERM, -1, 9, 1, 2, 0, 1}, ERR_USERNS_SECCOMP, "seccomp=unconfined"},
		{{EPERM, -1, 9, -1, 2, 0, 0}, ERR_USERNS_SECCOMP, "seccomp=unconfined"},
		{{ENOSYS, -1, 9, -1, 2, 0, 0}, ERR_USERNS_SECCOMP, "seccomp=unconfined"},
		{{EPERM, -1, 9, 1, 2, 1, 0}, ERR_USERNS, "chroot"},
		{{ENOSYS, -1, -1, -1, 0, 0, 0}, ERR_USERNS, "CONFIG_USER_NS"},
		{{EINVAL, -1, -1, -1, 0, 0, 1}, ERR_USERNS, "CONFIG_USER_NS"},
		{{ENOMEM, 1, 9, 0, 0, 0, 0}, ERR_USERNS, "dyno doctor"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_err err = {0};
		int r = probe_userns_reason(&cases[i].facts, &err);

		if (r != -cases[i].facts.num || err.kind != (unsigned int)cases[i].want ||
		    err.num != cases[i].facts.num || !strstr(err.hint, cases[i].hint))
			fail_msg("case %zu: %d, %s, hint \"%s\"", i, r, err_class_name(err.kind),
				 err.hint);
		assert_true(strlen(err.hint) < sizeof(err.hint) - 1); /* not cut */
		assert_int_equal(probe_userns_reason(&cases[i].facts, NULL), r);
	}
}

static void explain_userns__on_this_host__says_something(void **state)
{
	struct dyno_err err = {0};

	(void)state;
	assert_int_equal(probe_explain_userns(EPERM, &err), -EPERM);
	assert_true(err.kind >= ERR_USERNS && err.kind <= ERR_USERNS_SECCOMP);
	assert_true(err.msg[0] != '\0' && err.hint[0] != '\0');
}

/* T48: no range, no helper, a helper without rights. */
static void subids_verdict__each_lack__its_fix(void **state)
{
	static const struct {
		struct subid_facts facts;
		enum dyno_verdict want;
		const char *fact, *fix;
	} cases[] = {
		{{.root = true}, DYNO_OK, "root", ""},
		{{0, 1, 1, 1, 1, 1}, DYNO_OK, "ann", ""},
		{{0, 0, 1, 1, 1, 1}, DYNO_FALLBACK, "/etc/subuid", "usermod --add-subuids"},
		{{0, 1, 0, 1, 1, 1}, DYNO_FALLBACK, "/etc/subgid", "--add-subgids"},
		{{0, 1, 1, 0, 1, 1}, DYNO_FALLBACK, "newuidmap is not", "install uidmap"},
		{{0, 1, 1, 1, 0, 0}, DYNO_FALLBACK, "newgidmap is not", "install uidmap"},
		{{0, 1, 1, 1, 1, 0}, DYNO_FALLBACK, "neither the setuid", "chmod u+s"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct probe_result result = {.verdict = DYNO_WARN};

		probe_subids_verdict(&cases[i].facts, "ann", &result);
		if (result.verdict != cases[i].want || !strstr(result.fact, cases[i].fact) ||
		    !strstr(result.fix, cases[i].fix))
			fail_msg("case %zu: %d, \"%s\", \"%s\"", i, (int)result.verdict,
				 result.fact, result.fix);
	}
}

static void existing_dir__missing_parts__nearest_parent(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{"/proc/self/no-such/thing", "/proc/self"},
		{"/proc", "/proc"},
		{"/no-such-directory-here", "/"},
		{"/proc/version/x", "/proc"},
		{"/", "/"},
		{"relative", "/"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[64];

		probe_existing_dir(cases[i].path, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].want);
	}
}

static int child_ok(const struct probe_ctx *ctx)
{
	(void)ctx;
	return 0;
}

static int child_errno(const struct probe_ctx *ctx)
{
	(void)ctx;
	return -ENODEV;
}

static int child_dies(const struct probe_ctx *ctx)
{
	(void)ctx;
	(void)raise(SIGKILL);
	return 0;
}

static void in_child__result_and_death__come_back(void **state)
{
	(void)state;
	assert_int_equal(probe_in_child(child_ok, NULL), 0);
	assert_int_equal(probe_in_child(child_errno, NULL), -ENODEV);
	assert_int_equal(probe_in_child(child_dies, NULL), -EINTR);
}

static void say_syscall__verdicts__and_fixes(void **state)
{
	struct probe_result result = {0};

	(void)state;
	probe_say_syscall(&result, 0, DYNO_MISSING, "call", "so");
	assert_int_equal(result.verdict, DYNO_OK);
	assert_string_equal(result.fix, "");
	probe_say_syscall(&result, -ENOSYS, DYNO_FALLBACK, "call", "so");
	assert_int_equal(result.verdict, DYNO_FALLBACK);
	assert_non_null(strstr(result.fact, "so"));
	assert_non_null(strstr(result.fix, "kernel"));
	probe_say_syscall(&result, -EPERM, DYNO_MISSING, "call", "so");
	assert_int_equal(result.verdict, DYNO_MISSING);
	assert_non_null(strstr(result.fix, "allow call"));
}

/* Names are told apart by scripts. */
static void table__names__unique_and_plain(void **state)
{
	(void)state;
	for (size_t i = 0; probe_at(i); i++) {
		assert_non_null(probe_at(i)->fn);
		assert_int_equal(strspn(probe_at(i)->name, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(probe_at(i)->name));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(probe_at(i)->name, probe_at(j)->name);
	}
}

static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static ino_t mount_namespace(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/self/ns/mnt", &st), 0);
	return st.st_ino;
}

/* T46, T47, T49: whatever the host has, each probe says a fact; where it is not ok, either a way
 * around (fallback) or what to do. */
static void run__every_probe__complete_report_and_no_trace(void **state)
{
	char dir[] = "/tmp/dyno-test-probe.XXXXXX";
	char data[64];
	struct probe_ctx ctx = {.run_dir = dir, .data_dir = data};
	ino_t ns = mount_namespace();
	unsigned int fds;
	size_t i = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)str_fmt(data, sizeof(data), "%s/data", dir);
	fds = count_fds();

	for (; probe_at(i); i++) {
		struct probe_result result;

		probe_run(probe_at(i), &ctx, &result);
		print_message("%-18s %d %s%s%s\n", probe_at(i)->name, (int)result.verdict,
			      result.fact, result.fix[0] ? " | " : "", result.fix);
		assert_true(result.fact[0] != '\0');
		assert_true(strlen(result.fact) < PROBE_TEXT_BYTES - 1);
		assert_true(result.verdict != DYNO_MISSING || result.fix[0] != '\0');
		assert_true(result.verdict != DYNO_OK || result.fix[0] == '\0');
	}

	assert_true(i > 20);
	assert_int_equal(count_fds(), fds);
	assert_true(mount_namespace() == ns);
	assert_int_equal(rmdir(dir), 0); /* nothing was made in it */
}

static void run__no_directories__missing_by_name(void **state)
{
	static const struct probe_ctx nowhere = {0};
	struct probe_result result;

	(void)state;
	probe_run_dir(&nowhere, &result);
	assert_int_equal(result.verdict, DYNO_MISSING);
	assert_non_null(strstr(result.fix, "XDG_RUNTIME_DIR"));
	probe_data_dir(&nowhere, &result);
	assert_int_equal(result.verdict, DYNO_MISSING);
	assert_non_null(strstr(result.fix, "--data-dir"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(userns_reason__each_cause__its_class),
		cmocka_unit_test(explain_userns__on_this_host__says_something),
		cmocka_unit_test(subids_verdict__each_lack__its_fix),
		cmocka_unit_test(existing_dir__missing_parts__nearest_parent),
		cmocka_unit_test(in_child__result_and_death__come_back),
		cmocka_unit_test(say_syscall__verdicts__and_fixes),
		cmocka_unit_test(table__names__unique_and_plain),
		cmocka_unit_test(run__every_probe__complete_report_and_no_trace),
		cmocka_unit_test(run__no_directories__missing_by_name),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
