/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stack.c - the description of the host stack and what is made of it: secrets and special
 * files of the host stay out, whatever is listed; the layer is locked where its files belong to
 * the app's user; and the stack is made once and found again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rootfs/stack.h"
#include "rootfs/stack_internal.h"
#include "rootfs/store_internal.h"

/**
 * struct fixture - a made-up host and an empty layer.
 */
struct fixture {
	char dir[64];
	int host_fd;
	int root_fd;
	struct dyno_err err;
};

static void host_file(const struct fixture *f, const char *path, mode_t mode)
{
	int fd = openat(f->host_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, path, strlen(path)), strlen(path));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	assert_non_null(f);
	(void)umask(022);
	(void)str_fmt(f->dir, sizeof(f->dir), "/tmp/dyno-test-stack.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_mkdir_p(fd, "host/usr/bin", 0755), 0);
	assert_int_equal(path_mkdir_p(fd, "host/etc/ssl/certs/sub", 0755), 0);
	assert_int_equal(path_mkdir_p(fd, "host/etc/ssl/private", 0755), 0);
	assert_int_equal(path_mkdir_p(fd, "host/etc/java-17", 0755), 0);
	assert_int_equal(path_mkdir_p(fd, "host/lib32", 0755), 0);
	assert_int_equal(mkdirat(fd, "root", 0755), 0);
	f->host_fd = openat(fd, "host", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->root_fd = openat(fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(fd);
	assert_int_equal(symlinkat("usr/bin", f->host_fd, "bin"), 0);
	assert_int_equal(symlinkat("../../../usr/x", f->host_fd, "etc/ssl/certs/link"), 0);
	host_file(f, "etc/ssl/certs/ca.crt", 0644);
	host_file(f, "etc/ssl/certs/script", 06755);
	host_file(f, "etc/ssl/certs/secret", 0640);
	host_file(f, "etc/java-17/conf", 0644);
	host_file(f, "etc/shadow", 0640);
	assert_int_equal(fchmodat(f->host_fd, "etc/ssl/certs/sub", 0700, 0), 0);
	host_file(f, "etc/ssl/certs/sub/hidden", 0644);
	assert_int_equal(mkfifoat(f->host_fd, "etc/ssl/certs/fifo", 0644), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close(f->host_fd);
	close(f->root_fd);
	assert_int_equal(path_remove_tree(tmp, f->dir + STRLEN("/tmp/")), 0);
	close(tmp);
	free(f);
	return 0;
}

static const char description[] = "# a comment\n"
				  "\n"
				  "dir 0755 etc\n"
				  "dir 1777 tmp\n"
				  "  dir 0700 root\n"
				  "link var/run /run\n"
				  "top bin\n"
				  "top lib32\n"
				  "top lib64\n"
				  "text etc/nsswitch.conf nsswitch\n"
				  "copy etc/ssl/certs\n"
				  "copy etc/missing\n"
				  "copy etc/shadow\n"
				  "also etc/java-*\n"
				  "also nowhere/x";

static bool exists(int fd, const char *path)
{
	struct stat st;

	return fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static mode_t mode_of(int fd, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

static void stack_build__public_files_only__and_no_secret(void **state)
{
	static const char *const kept_out[] = {
		"etc/shadow",
		"etc/ssl/private",
		"etc/ssl/certs/secret",
		"etc/ssl/certs/sub/hidden",
		"etc/ssl/certs/fifo",
		"lib64",
		"nowhere",
	};
	struct fixture *f = *state;
	char target[64] = "";

	assert_int_equal(stack_build(description, f->host_fd, f->root_fd, false, &f->err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kept_out); i++)
		assert_false(exists(f->root_fd, kept_out[i]));
	assert_int_equal(mode_of(f->root_fd, "tmp"), S_IFDIR | 01777);
	assert_int_equal(mode_of(f->root_fd, "root"), S_IFDIR | 0700);
	assert_int_equal(mode_of(f->root_fd, "lib32"), S_IFDIR | 0755);
	assert_int_equal(mode_of(f->root_fd, "etc/ssl/certs/ca.crt"), S_IFREG | 0644);
	assert_int_equal(mode_of(f->root_fd, "etc/ssl/certs/script"), S_IFREG | 0755);
	assert_int_equal(mode_of(f->root_fd, "etc/java-17/conf"), S_IFREG | 0644);
	assert_true(exists(f->root_fd, "etc/nsswitch.conf"));
	assert_true(readlinkat(f->root_fd, "bin", target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "usr/bin");
	assert_true(exists(f->root_fd, "etc/ssl/certs/link"));
}

static void stack_build__rootless__leaves_nothing_writable(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(stack_build(description, f->host_fd, f->root_fd, true, &f->err), 0);
	assert_int_equal(mode_of(f->root_fd, "."), S_IFDIR | 0555);
	assert_int_equal(mode_of(f->root_fd, "etc"), S_IFDIR | 0555);
	assert_int_equal(mode_of(f->root_fd, "etc/ssl"), S_IFDIR | 0555);
	assert_int_equal(mode_of(f->root_fd, "etc/ssl/certs"), S_IFDIR | 0555);
	assert_int_equal(mode_of(f->root_fd, "etc/ssl/certs/ca.crt"), S_IFREG | 0444);
	assert_int_equal(mode_of(f->root_fd, "etc/nsswitch.conf"), S_IFREG | 0444);
	assert_int_equal(mode_of(f->root_fd, "root"), S_IFDIR | 0500);
	assert_int_equal(mode_of(f->root_fd, "tmp"), S_IFDIR | 01777);
	assert_int_equal(fchmod(f->root_fd, 0755), 0);
}

static void stack_line_next__bad_lines__are_refused(void **state)
{
	static const char *const bad[] = {
		"frobnicate x",
		"dir 0755",
		"dir 0999 x",
		"dir 77777 x",
		"copy",
		"copy two words",
		"link only-one",
		"top a b",
		"copy a-path-that-is-longer-than-a-word-of-a-description-may-be-by-far",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *at = bad[i];
		struct stack_line line;

		assert_int_equal(stack_line_next(&at, &line), -EINVAL);
	}
}

static void stack_host_description__compiled_in__is_of_the_grammar(void **state)
{
	const char *at = stack_host_description();
	struct stack_line line;
	size_t tops = 0;
	int r;

	(void)state;
	while ((r = stack_line_next(&at, &line)) == 1) {
		tops += line.verb == STACK_TOP;
		assert_true(line.path[0] != '/' && !strstr(line.path, ".."));
		assert_null(strstr(line.path, "private"));
		assert_null(strstr(line.path, "shadow"));
	}
	assert_int_equal(r, 0);
	assert_int_equal(tops, 7);
}

static void stack_acquire__host__is_made_once_and_collected_when_stale(void **state)
{
	struct fixture *f = *state;
	struct store store = STORE_INIT;
	struct stack a = STACK_INIT, b = STACK_INIT;
	char data[80], stale[STACK_NAME_BYTES + 16];

	(void)str_fmt(data, sizeof(data), "%s/data", f->dir);
	assert_int_equal(store_open(data, &store, &f->err), 0);
	assert_int_equal(stack_acquire(&store, NULL, &a, &f->err), 0);
	assert_int_equal(stack_acquire(&store, "host", &b, &f->err), 0);
	assert_string_equal(a.name, b.name);
	assert_true(exists(a.root_fd, "etc/nsswitch.conf") && exists(a.root_fd, "app"));
	assert_true(a.n_binds >= 1);
	assert_string_equal(a.binds[0].path, "/usr");
	for (size_t i = 0; i < a.n_binds; i++)
		assert_true(S_ISDIR(mode_of(a.root_fd, a.binds[i].path + 1)));
	stack_done(&b);

	/* A stack of another state of the host goes, once nobody uses it. */
	(void)str_fmt(stale, sizeof(stale), STORE_STACKS "/host-0123456789abcdef");
	assert_int_equal(path_mkdir_p(store.data_fd, stale, 0700), 0);
	assert_int_equal(stack_gc(&store, NULL, NULL, &f->err), 1);
	assert_false(exists(store.data_fd, stale));
	assert_int_equal(stack_gc(&store, NULL, NULL, &f->err), 0);

	assert_true(stack_acquire(&store, "no-such", &b, &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_STACK);
	assert_true(stack_acquire(&store, "../slugs", &b, &f->err) < 0);
	stack_done(&a);
	store_done(&store);
}

#define FIXED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXED(stack_build__public_files_only__and_no_secret),
		FIXED(stack_build__rootless__leaves_nothing_writable),
		cmocka_unit_test(stack_line_next__bad_lines__are_refused),
		cmocka_unit_test(stack_host_description__compiled_in__is_of_the_grammar),
		FIXED(stack_acquire__host__is_made_once_and_collected_when_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
