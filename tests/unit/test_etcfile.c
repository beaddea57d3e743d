/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_etcfile.c - generated files; the profile is read by a real bash (C0.5, C2.14, C3.1-C3.3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "model/etcfile.h"

#define TEXT(s) (s), STRLEN(s)

static void etc_passwd__user__is_u_and_the_uid_C1_10(void **state)
{
	_cleanup_sbuf_ struct sbuf passwd = {0}, group = {0};

	(void)state;
	etc_passwd(&passwd, 47919);
	assert_non_null(strstr(passwd.data, "\nu47919:x:47919:47919:u47919:/app:/bin/bash\n"));
	assert_non_null(str_starts(passwd.data, "root:x:0:0:"));
	etc_group(&group, 47919);
	assert_non_null(strstr(group.data, "\ndyno:x:47919:\nu47919:x:47919:\n")); /* C1.11 */
	assert_non_null(strstr(group.data, "\ntty:x:5:\n"));
}

static void etc_hosts__name__resolves_to_itself_C2_14(void **state)
{
	_cleanup_sbuf_ struct sbuf out = {0};

	(void)state;
	etc_hosts(&out, "4984b568", NULL);
	assert_string_equal(out.data, "127.0.0.1 localhost localhost.localdomain\n"
				      "::1 localhost ip6-localhost ip6-loopback\n"
				      "127.0.1.1 4984b568\n");
	out.len = 0;
	etc_hosts(&out, "x", "172.16.0.2");
	assert_non_null(strstr(out.data, "\n172.16.0.2 x\n"));
	out.len = 0;
	etc_hostname(&out, "x");
	assert_string_equal(out.data, "x\n");
}

static void etc_cgroup_max__limits__as_v2_shows_them_C2_5(void **state)
{
	_cleanup_sbuf_ struct sbuf out = {0};

	(void)state;
	etc_cgroup_max(&out, 256);
	etc_cgroup_max(&out, 0);
	etc_cpu_max(&out, 90000, 100000);
	etc_cpu_max(&out, 0, 100000);
	assert_string_equal(sbuf_str(&out), "256\nmax\n90000 100000\nmax 100000\n");
}

static void etc_memory_limit__bytes__as_v1_shows_them_C2_5(void **state)
{
	_cleanup_sbuf_ struct sbuf out = {0};

	(void)state;
	etc_memory_limit(&out, 536870912);
	assert_string_equal(out.data, "536870912\n");
	out.len = 0;
	etc_memory_limit(&out, 0);
	assert_string_equal(out.data, "9223372036854771712\n");
}

static const struct {
	const char *text;
	size_t len;
	const char *out;
} resolv[] = {
	{TEXT("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.org\n"),
	 "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.org\n"},
	{TEXT("# c\n; c\n\n  nameserver\t1.1.1.1  \r\n"), "nameserver\t1.1.1.1\n"},
	{TEXT("nameserver ::1"), "nameserver ::1\n"},
	{TEXT("nameserver\nnameserverx 1\nevil x\nlookup file\n"), ""},
	{TEXT("nameserver 1\x1b[2J\nsearch a\0b\ndomain c\n"), "domain c\n"},
	{TEXT(""), ""},
};

static void etc_resolv_conf__junk__is_dropped(void **state)
{
	_cleanup_sbuf_ struct sbuf out = {0};
	static char text[ETC_RESOLV_LINE_MAX_BYTES + 2] = "search ";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(resolv); i++) {
		sbuf_done(&out);
		out = (struct sbuf){0};
		etc_resolv_conf(&out, resolv[i].text, resolv[i].len, true);
		assert_string_equal(sbuf_str(&out), resolv[i].out);
	}
	memset(text + 7, 'x', sizeof(text) - 7);
	etc_resolv_conf(&out, text, sizeof(text), true);
	assert_int_equal(out.len, 0);
	etc_resolv_conf(&out, NULL, 0, true); /* no network */
	assert_int_equal(out.len, 0);
}

static void etc_resolv_conf__own_network__has_no_server_on_the_loopback(void **state)
{
	_cleanup_sbuf_ struct sbuf out = {0};
	static const char two[] =
		"nameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver ::1\nsearch a\n";
	static const char none[] = "nameserver  127.0.0.53\nsearch 127.0.0.1\n";

	(void)state;
	etc_resolv_conf(&out, two, sizeof(two) - 1, false);
	assert_string_equal(sbuf_str(&out), "nameserver 192.0.2.1\nsearch a\n");
	assert_true(etc_resolv_reachable(two, sizeof(two) - 1));
	assert_false(etc_resolv_reachable(none, sizeof(none) - 1));
	assert_false(etc_resolv_reachable(NULL, 0));
}

static void etc_resolv_on_loopback__servers__are_told_from_other_words(void **state)
{
	static const char six[] = "nameserver ::1\nnameserver 192.0.2.1\nsearch 127.0.0.1\n";
	static const char four[] = "nameserver ::1\n nameserver 127.0.0.53 \n";

	(void)state;
	assert_true(etc_resolv_on_loopback(four, sizeof(four) - 1));
	assert_false(etc_resolv_on_loopback(six, sizeof(six) - 1));
	assert_false(etc_resolv_on_loopback(NULL, 0));
}

static void etc_hosts_add__name__has_its_address(void **state)
{
	_cleanup_sbuf_ struct sbuf out = {0};

	(void)state;
	etc_hosts_add(&out, "host.dyno.internal", "172.16.0.1");
	assert_string_equal(sbuf_str(&out), "172.16.0.1 host.dyno.internal\n");
}

struct home {
	char path[32];
	int fd;
};

static int home_setup(void **state)
{
	static struct home home;

	(void)str_fmt(home.path, sizeof(home.path), "/tmp/dyno-test-etc.XXXXXX");
	if (!mkdtemp(home.path))
		return -1;
	home.fd = open(home.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = &home;
	return home.fd < 0 ? -1 : mkdirat(home.fd, ".profile.d", 0700);
}

static int home_teardown(void **state)
{
	_cleanup_close_ int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct home *home = *state;

	close_fdp(&home->fd);
	return path_remove_tree(tmp, home->path + STRLEN("/tmp/"));
}

static void put(const struct home *home, const char *name, const char *text)
{
	_cleanup_close_ int fd =
		openat(home->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* What @command prints after @shell has read our profile, as /etc/profile is read at its start. */
static const char *run_shell(const struct home *home, const char *shell, const char *extra,
			     const char *command, struct arena *arena)
{
	const char *script = arena_fmt(arena, ". %s/profile\n%s", home->path, command);
	const char *home_var = arena_fmt(arena, "HOME=%s", home->path);
	const char *locpath = arena_fmt(arena, "LOCPATH=%s/locale", home->path);
	const char *argv[] = {shell, "-c", script, NULL};
	const char *envp[] = {home_var, "PATH=/usr/bin:/bin", locpath, extra, NULL};
	char *out;
	size_t len;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		execve(shell, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
		_exit(126);
	}
	close(fds[1]);
	assert_int_equal(fd_read_all(fds[0], 65536, arena, &out, &len), 0);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return out;
}

static void put_profile(const struct home *home, uint32_t web_concurrency)
{
	_cleanup_sbuf_ struct sbuf out = {0};

	etc_profile(&out, web_concurrency);
	assert_int_equal(sbuf_ok(&out), 0);
	put(home, "profile", out.data);
}

static void etc_profile__scripts__are_sourced_in_c_order_C3_2(void **state)
{
	static const char *const locales[] = {
		NULL,	   "LC_ALL=C.UTF-8",   "LC_ALL=en_US.UTF-8", "LANG=en_US.UTF-8",
		"LC_ALL=", "BASHOPTS=nullglob"};
	_cleanup_arena_ struct arena a = {0};
	struct home *home = *state;

	put_profile(home, 0);
	put(home, ".profile.d/B.sh", "ORDER=\"${ORDER}B\"");
	put(home, ".profile.d/a.sh", "ORDER=\"${ORDER}a\"; export FROM_A=1");
	put(home, ".profile.d/C.sh", "ORDER=\"${ORDER}C[${LC_ALL-unset}]\"");
	put(home, ".profile.d/d.txt", "ORDER=\"${ORDER}never\"");
	put(home, ".profile.d/e f.sh", "ORDER=\"${ORDER}e\"");
	assert_int_equal(mkdirat(home->fd, ".profile.d/dir.sh", 0700), 0);
	assert_int_equal(mkfifoat(home->fd, ".profile.d/fifo.sh", 0700), 0); /* T16: no hang */

	for (size_t i = 0; i < ARRAY_SIZE(locales); i++) {
		const char *lc = locales[i] ? str_starts(locales[i], "LC_ALL=") : NULL;
		const char *want =
			arena_fmt(&a, "BC[%s]ae/%s/", lc ? lc : "unset", lc ? lc : "unset");

		/* bash itself warns of a locale that the machine lacks, before any profile */
		const char *got = run_shell(home, "/bin/bash", locales[i],
					    "echo \"$ORDER/${LC_ALL-unset}/\"", &a);
		assert_non_null(strstr(got, want));
	}
	assert_string_equal(run_shell(home, "/bin/sh", NULL, "echo \"$ORDER\"", &a),
			    "BC[unset]ae\n");
	assert_string_equal(run_shell(home, "/bin/bash", NULL,
				      "echo \"$FROM_A\"; compgen -v | grep -c _dyno; true", &a),
			    "1\n0\n");
}

/* In en_US.UTF-8, made here, "a" comes before "B". */
static void etc_profile__collating_locale__is_put_aside_C3_2(void **state)
{
	static const char make[] = "mkdir ~/locale; localedef -i en_US -f UTF-8 "
				   "~/locale/en_US.UTF-8 >/dev/null 2>&1; true";
	_cleanup_arena_ struct arena a = {0};
	struct home *home = *state;

	put(home, "profile", "");
	put(home, ".profile.d/a.sh", "ORDER=${ORDER}a; cd ~/.profile.d; GLOB=$(echo *)");
	put(home, ".profile.d/B.sh", "ORDER=${ORDER}B");
	(void)run_shell(home, "/bin/bash", NULL, make, &a);
	if (!str_eq(run_shell(home, "/bin/bash", "LC_ALL=en_US.UTF-8", "cd ~/.profile.d; echo *",
			      &a),
		    "a.sh B.sh\n")) {
		print_message("localedef or its sources (package locales) are missing\n");
		arena_done(&a); /* skip() jumps past the cleanup */
		skip();
	}

	put_profile(home, 0);
	assert_string_equal(
		run_shell(home, "/bin/bash", "LC_ALL=en_US.UTF-8", "echo \"$ORDER/$GLOB\"", &a),
		"Ba/a.sh B.sh\n");
	assert_string_equal(
		run_shell(home, "/bin/bash", "LANG=en_US.UTF-8", "echo \"$ORDER/$GLOB\"", &a),
		"Ba/a.sh B.sh\n");
}

static void etc_profile__no_scripts__is_silent(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct home *home = *state;

	put_profile(home, 0);
	assert_string_equal(run_shell(home, "/bin/bash", NULL, "", &a), "");
	assert_string_equal(run_shell(home, "/bin/bash", "SHELLOPTS=nounset", "", &a), "");
	assert_string_equal(run_shell(home, "/bin/sh", NULL, "", &a), "");
}

static void etc_profile__web_concurrency__yields_to_what_is_set_C0_5(void **state)
{
	static const char show[] = "printenv WEB_CONCURRENCY || echo none";
	_cleanup_arena_ struct arena a = {0};
	struct home *home = *state;

	put_profile(home, 2);
	assert_string_equal(run_shell(home, "/bin/bash", NULL, show, &a), "2\n");
	assert_string_equal(run_shell(home, "/bin/bash", "WEB_CONCURRENCY=7", show, &a), "7\n");
	assert_string_equal(run_shell(home, "/bin/bash", "WEB_CONCURRENCY=", show, &a), "\n");
	put(home, ".profile.d/WEB_CONCURRENCY.sh", "export WEB_CONCURRENCY=${WEB_CONCURRENCY:-9}");
	assert_string_equal(run_shell(home, "/bin/bash", NULL, show, &a), "9\n");
	put_profile(home, 0);
	unlinkat(home->fd, ".profile.d/WEB_CONCURRENCY.sh", 0);
	assert_string_equal(run_shell(home, "/bin/bash", NULL, show, &a), "none\n");
}

static void etc_profile__prompt__is_exported_C2_14(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_sbuf_ struct sbuf rc = {0};
	struct home *home = *state;

	put_profile(home, 0);
	assert_string_equal(run_shell(home, "/bin/bash", NULL, "printenv PS1", &a),
			    "\\[\\033[01;34m\\]\\w\\[\\033[00m\\] \\[\\033[01;32m\\]$ "
			    "\\[\\033[00m\\]\n");
	etc_bashrc(&rc);
	assert_non_null(str_starts(rc.data, "PS1='\\[\\033[01;34m\\]\\w"));
}

#define with_home(test) cmocka_unit_test_setup_teardown(test, home_setup, home_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(etc_passwd__user__is_u_and_the_uid_C1_10),
		cmocka_unit_test(etc_hosts__name__resolves_to_itself_C2_14),
		cmocka_unit_test(etc_cgroup_max__limits__as_v2_shows_them_C2_5),
		cmocka_unit_test(etc_memory_limit__bytes__as_v1_shows_them_C2_5),
		cmocka_unit_test(etc_resolv_conf__junk__is_dropped),
		cmocka_unit_test(etc_resolv_conf__own_network__has_no_server_on_the_loopback),
		cmocka_unit_test(etc_resolv_on_loopback__servers__are_told_from_other_words),
		cmocka_unit_test(etc_hosts_add__name__has_its_address),
		with_home(etc_profile__scripts__are_sourced_in_c_order_C3_2),
		with_home(etc_profile__collating_locale__is_put_aside_C3_2),
		with_home(etc_profile__no_scripts__is_silent),
		with_home(etc_profile__web_concurrency__yields_to_what_is_set_C0_5),
		with_home(etc_profile__prompt__is_exported_C2_14),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
