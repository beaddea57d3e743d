/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_unpack.c - the unpacker's parts without its cage: paths (T01, T07), the form of a slug
 * (C5.1, C5.2), the tree (T02, T04, T06, T10, T13), the ignore file (C5.6 is tested with the
 * packer), and the decompressors with input and output cut at every place (T09).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <zstd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "rootfs/unpack_decode.h"
#include "rootfs/unpack_path.h"
#include "rootfs/unpack_tree.h"

/* ---- paths ---------------------------------------------------------------------------------- */

static void unpack_path_parse__good_name__becomes_canonical(void **state)
{
	static const struct {
		const char *name, *text;
		unsigned int depth;
	} cases[] = {
		{"a", "a", 1},
		{"./a", "a", 1},
		{"a/", "a", 1},
		{".//a///b/./c/", "a/b/c", 3},
		{".", "", 0},
		{"./", "", 0},
		{"...", "...", 1},
		{"..a/b..", "..a/b..", 2},
		{"new\nline", "new\nline", 1},
	};
	struct unpack_path path;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(unpack_path_parse(cases[i].name, &path, NULL), 0);
		assert_string_equal(path.text, cases[i].text);
		assert_int_equal(path.len, strlen(cases[i].text));
		assert_int_equal(path.depth, cases[i].depth);
	}
}

static void unpack_path_parse__way_out__is_refused_T01(void **state)
{
	static const char *const names[] = {"..",   "../x",   "/abs",	"/", "a/../../x",
					    "a/..", "a/../b", "./../x", "",  NULL};
	struct unpack_path path;
	struct dyno_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_true(unpack_path_parse(names[i], &path, &err) < 0);
		assert_int_equal(err.kind, ERR_SLUG_PATH);
	}
}

static void unpack_path_parse__beyond_a_cap__names_it_T07(void **state)
{
	char name[2 * UNPACK_PATH_MAX];
	struct unpack_path path;
	struct dyno_err err;

	(void)state;
	memset(name, 'n', UNPACK_NAME_MAX);
	name[UNPACK_NAME_MAX] = '\0';
	assert_int_equal(unpack_path_parse(name, &path, &err), 0);
	name[UNPACK_NAME_MAX] = 'n';
	name[UNPACK_NAME_MAX + 1] = '\0';
	assert_true(unpack_path_parse(name, &path, &err) < 0);
	assert_int_equal(err.kind, ERR_SLUG_LIMIT);
	assert_non_null(strstr(err.msg, "255"));

	for (size_t i = 0; i < UNPACK_DEPTH_MAX; i++)
		memcpy(name + 2 * i, "d/", 3);
	assert_int_equal(unpack_path_parse(name, &path, &err), 0);
	memcpy(name + 2 * UNPACK_DEPTH_MAX, "d", 2);
	assert_true(unpack_path_parse(name, &path, &err) < 0);
	assert_int_equal(err.kind, ERR_SLUG_LIMIT);
	assert_non_null(strstr(err.msg, "128"));

	for (size_t i = 0; i < UNPACK_PATH_MAX + 1; i++)
		name[i] = i % 200 == 199 ? '/' : 'p';
	name[UNPACK_PATH_MAX] = '\0';
	assert_int_equal(unpack_path_parse(name, &path, &err), 0);
	memcpy(name + UNPACK_PATH_MAX, "p", 2);
	assert_true(unpack_path_parse(name, &path, &err) < 0);
	assert_int_equal(err.kind, ERR_SLUG_LIMIT);
	assert_non_null(strstr(err.msg, "4095"));
}

static void unpack_form__members__tell_where_the_app_is_C5_1_C5_2(void **state)
{
	static const struct {
		const char *names[6]; /* a directory ends in a slash */
		bool heroku;
	} cases[] = {
		{{"./app/", "./app/Procfile", "./app/x"}, true},
		{{"app/Procfile"}, true},
		{{"app/"}, true},
		{{"./", "./app/", "./app/Procfile", "./stray"}, true},
		{{"./stray", "./app/.profile.d/x"}, true},
		{{"./app/models.rb", "./Procfile"}, false},
		{{"./Procfile", "./app/", "./app/Procfile"}, false},
		{{"app/x", "config.ru"}, false},
		{{"app/x", ".release"}, false},
		{{"app"}, false},
		{{"application/x"}, false},
		{{"Procfile"}, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unpack_form form = {0};

		for (size_t k = 0; cases[i].names[k]; k++) {
			const char *name = cases[i].names[k];
			struct unpack_path path;

			assert_int_equal(unpack_path_parse(name, &path, NULL), 0);
			unpack_form_note(&form, &path, name[strlen(name) - 1] == '/');
		}
		assert_int_equal(unpack_form_is_heroku(&form), cases[i].heroku);
	}
}

/* ---- the tree ------------------------------------------------------------------------------- */

/**
 * struct fixture - a tree in a fresh directory with a canary beside it.
 */
struct fixture {
	char dir[64];
	int dir_fd;
	int root_fd;
	struct tree tree;
	struct dyno_err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)umask(0);
	(void)str_fmt(f->dir, sizeof(f->dir), "/tmp/dyno-test-unpack.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(f->dir_fd, "root", 0700), 0);
	assert_int_equal(mkdirat(f->dir_fd, "canary", 0700), 0);
	f->root_fd = openat(f->dir_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_init(&f->tree, f->root_fd, -1);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	tree_done(&f->tree);
	(void)path_remove_tree(f->dir_fd, "root");
	(void)unlinkat(f->dir_fd, "canary", AT_REMOVEDIR);
	close(f->root_fd);
	close(f->dir_fd);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

static struct unpack_path parsed(const char *name)
{
	struct unpack_path path;

	assert_int_equal(unpack_path_parse(name, &path, NULL), 0);
	return path;
}

static int put_dir(struct fixture *f, const char *name, mode_t mode)
{
	struct unpack_path path = parsed(name);

	return tree_dir(&f->tree, &path, mode, &f->err);
}

static int put_link(struct fixture *f, const char *name, const char *target)
{
	struct unpack_path path = parsed(name);

	return tree_symlink(&f->tree, &path, target, &f->err);
}

static int put_hardlink(struct fixture *f, const char *name, const char *target)
{
	struct unpack_path path = parsed(name), to = parsed(target);

	return tree_hardlink(&f->tree, &path, &to, &f->err);
}

static int put_file(struct fixture *f, const char *name, mode_t mode, const char *text)
{
	struct unpack_path path = parsed(name);
	int fd;
	int r = tree_file(&f->tree, &path, mode, &fd, &f->err);

	if (r < 0)
		return r;
	assert_int_equal(fd_write_full(fd, text, strlen(text)), strlen(text));
	close(fd);
	return tree_file_note(&f->tree, &path, mode, strlen(text), 0, &f->err);
}

static mode_t mode_of(const struct fixture *f, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(f->root_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static void assert_text(const struct fixture *f, const char *name, const char *text)
{
	int fd = openat(f->root_fd, name, O_RDONLY | O_CLOEXEC);
	char got[64] = "";

	assert_true(fd >= 0);
	assert_true(fd_read_full(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	assert_string_equal(got, text);
}

static void tree__through_a_link__is_refused_T02_T03(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(put_link(f, "d", "../canary"), 0);
	assert_true(put_file(f, "d/x", 0644, "evil") < 0);
	assert_int_equal(f->err.kind, ERR_SLUG_PATH);
	assert_true(put_dir(f, "d/e", 0755) < 0);
	assert_true(put_link(f, "d/l", "x") < 0);
	assert_true(put_dir(f, "d", 0755) < 0);
	assert_int_equal(f->err.kind, ERR_SLUG_DUPLICATE);
	assert_int_equal(put_link(f, "loop", "loop"), 0);
	assert_true(put_file(f, "loop/x", 0644, "") < 0);
	assert_int_equal(f->err.num, ELOOP);

	/* A directory that is open in the chain cannot become a link under it. */
	assert_int_equal(put_file(f, "real/x", 0644, "x"), 0);
	assert_true(put_link(f, "real", "../canary") < 0);
	assert_int_equal(put_file(f, "real/y", 0644, "y"), 0);
	assert_int_equal(fstatat(f->dir_fd, "canary/x", &st, 0), -1);
	assert_int_equal(fstatat(f->dir_fd, "canary/y", &st, 0), -1);
}

static void tree_hardlink__only_to_files_unpacked_before_T04(void **state)
{
	static const char *const bad[] = {"missing", "dir",    "link", "dir/missing",
					  "link/x",  "file/x", "."};
	struct fixture *f = *state;
	struct stat a, b;

	assert_int_equal(put_file(f, "file", 0644, "one"), 0);
	assert_int_equal(put_dir(f, "dir", 0755), 0);
	assert_int_equal(put_link(f, "link", "file"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(put_hardlink(f, "new", bad[i]) < 0);
		assert_int_equal(f->err.kind, ERR_SLUG_LINK);
	}
	assert_int_equal(put_hardlink(f, "a/b/c", "file"), 0);
	assert_int_equal(put_hardlink(f, "file", "a/b/c"), 0);
	assert_int_equal(fstatat(f->root_fd, "file", &a, 0), 0);
	assert_int_equal(fstatat(f->root_fd, "a/b/c", &b, 0), 0);
	assert_true(a.st_ino == b.st_ino);

	/* A file named again is a new one; its other name keeps the old. */
	assert_int_equal(put_file(f, "file", 0644, "two"), 0);
	assert_text(f, "file", "two");
	assert_text(f, "a/b/c", "one");
}

static void tree__modes__keep_what_the_owner_needs_T06_T13(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put_dir(f, "zero", 0), 0);
	assert_int_equal(put_file(f, "zero/file", 0, "x"), 0);
	assert_int_equal(mode_of(f, "zero"), 0700);
	assert_int_equal(mode_of(f, "zero/file"), 0600);
	assert_int_equal(put_file(f, "suid", 06755, "x"), 0);
	assert_int_equal(mode_of(f, "suid"), 0755);
	assert_int_equal(put_dir(f, "sticky", 07777), 0);
	assert_int_equal(mode_of(f, "sticky"), 0777);
	assert_int_equal(put_file(f, "implied/x", 0644, ""), 0);
	assert_int_equal(mode_of(f, "implied"), 0755);
	assert_int_equal(put_dir(f, "implied", 0750), 0);
	assert_int_equal(mode_of(f, "implied"), 0750);
}

static void tree__two_kinds_of_one_name__are_refused_T10(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put_file(f, "file", 0644, "x"), 0);
	assert_int_equal(put_dir(f, "dir", 0755), 0);
	assert_int_equal(put_link(f, "link", "a"), 0);
	assert_true(put_dir(f, "file", 0755) < 0);
	assert_int_equal(f->err.kind, ERR_SLUG_DUPLICATE);
	assert_true(put_file(f, "file/x", 0644, "") < 0);
	assert_int_equal(f->err.kind, ERR_SLUG_DUPLICATE);
	assert_true(put_file(f, "dir", 0644, "") < 0);
	assert_true(put_file(f, "link", 0644, "") < 0);
	assert_true(put_link(f, "file", "x") < 0);
	assert_true(put_hardlink(f, "dir", "file") < 0);
	assert_true(put_file(f, ".", 0644, "") < 0);
	assert_int_equal(f->err.kind, ERR_SLUG_DUPLICATE);
	assert_int_equal(put_link(f, "link", "b"), 0);
}

static void tree__chain_of_directories__follows_the_members(void **state)
{
	static const char *const names[] = {"a/b/c/1", "a/b/2",	 "a/bc/3", "a/b/c/d/4",
					    "5",       "a/b/c6", "a/b/c/7"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(put_file(f, names[i], 0644, names[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_text(f, names[i], names[i]);
}

/* ---- decompressors -------------------------------------------------------------------------- */

#define PLAIN_BYTES  100000
#define PACKED_BYTES (2 * PLAIN_BYTES)

/**
 * struct memory_io - input from memory in pieces of @step, output into memory in rooms of @room.
 */
struct memory_io {
	const uint8_t *in;
	size_t in_len, at, step;
	uint8_t out[PLAIN_BYTES * 2 + 1];
	size_t out_len, room;
};

static ssize_t memory_read(void *data, const uint8_t **ret, struct dyno_err *err)
{
	struct memory_io *m = data;
	size_t n = MIN_OF(m->step, m->in_len - m->at);

	(void)err;
	*ret = m->in + m->at;
	m->at += n;
	return (ssize_t)n;
}

static int memory_write(void *data, size_t used, uint8_t **ret, size_t *ret_room,
			struct dyno_err *err)
{
	struct memory_io *m = data;

	m->out_len += used;
	*ret = m->out + m->out_len;
	*ret_room = MIN_OF(m->room, sizeof(m->out) - m->out_len);
	return *ret_room ? 0 : err_set(err, ERR_SLUG_LIMIT, EFBIG, "too long");
}

/* Text that compresses, but not to nothing. */
static void fill(uint8_t *plain)
{
	uint32_t x = 1;

	for (size_t i = 0; i < PLAIN_BYTES; i++) {
		x = x * 1103515245 + 12345;
		plain[i] = (uint8_t)("abcdefgh\n"[(x >> 16) % 9]);
	}
}

static size_t pack(enum decode_format format, const uint8_t *plain, size_t len, uint8_t *packed)
{
	struct isal_zstream *gz; /* 80 KiB */
	size_t n = 0;

	if (format == DECODE_ZSTD)
		return ZSTD_compress(packed, PACKED_BYTES, plain, len, 3);
	if (format == DECODE_XZ) {
		assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, plain, len,
							 packed, &n, PACKED_BYTES),
				 LZMA_OK);
		return n;
	}
	gz = malloc(sizeof(*gz));
	assert_non_null(gz);
	isal_deflate_stateless_init(gz);
	gz->gzip_flag = IGZIP_GZIP;
	gz->end_of_stream = 1;
	gz->next_in = (uint8_t *)(uintptr_t)plain;
	gz->avail_in = (uint32_t)len;
	gz->next_out = packed;
	gz->avail_out = PACKED_BYTES;
	assert_int_equal(isal_deflate_stateless(gz), COMP_OK);
	n = gz->total_out;
	free(gz);
	return n;
}

static const enum decode_format formats[] = {DECODE_GZIP, DECODE_ZSTD, DECODE_XZ};

static int decode(struct memory_io *m, enum decode_format format, struct dyno_err *err)
{
	struct decode_io io = {memory_read, memory_write, m};

	m->at = 0;
	m->out_len = 0;
	return decode_run(format, &io, err);
}

static void decode_run__any_pieces__gives_the_same_T09(void **state)
{
	static const struct {
		size_t step, room;
	} cases[] = {
		{1, 1000}, {7, 4096}, {4096, 77}, {PACKED_BYTES, 1}, {PACKED_BYTES, PLAIN_BYTES}};
	struct memory_io *m = calloc(1, sizeof(*m));
	uint8_t *plain = malloc(PLAIN_BYTES), *packed = malloc(2 * PACKED_BYTES);

	(void)state;
	fill(plain);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		/* Two members with padding behind: one stream. */
		size_t n = pack(formats[i], plain, 60000, packed);

		n += pack(formats[i], plain + 60000, PLAIN_BYTES - 60000, packed + n);
		if (formats[i] != DECODE_ZSTD) {
			memset(packed + n, 0, 8);
			n += 8;
		}
		m->in = packed;
		m->in_len = n;
		for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
			m->step = cases[k].step;
			m->room = cases[k].room;
			assert_int_equal(decode(m, formats[i], NULL), 0);
			assert_int_equal(m->out_len, PLAIN_BYTES);
			assert_memory_equal(m->out, plain, PLAIN_BYTES);
		}
	}
	free(m);
	free(plain);
	free(packed);
}

static void decode_run__cut_anywhere__is_truncated_T09(void **state)
{
	struct memory_io *m = calloc(1, sizeof(*m));
	uint8_t *plain = malloc(PLAIN_BYTES), *packed = malloc(PACKED_BYTES);
	struct dyno_err err;

	(void)state;
	fill(plain);
	m->room = 5000;
	m->step = 3000;
	m->in = packed;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		size_t n = pack(formats[i], plain, 20000, packed);

		for (size_t cut = 1; cut < n; cut += cut < 64 || cut + 64 > n ? 1 : 97) {
			m->in_len = cut;
			assert_true(decode(m, formats[i], &err) < 0);
			assert_int_equal(err.kind, ERR_SLUG_TRUNCATED);
		}
		memcpy(packed + n, "garbage", 7);
		m->in_len = n + 7;
		assert_true(decode(m, formats[i], &err) < 0);
		assert_int_equal(err.kind, ERR_SLUG_FORMAT);
		assert_non_null(strstr(err.msg, "foreign"));
	}
	free(m);
	free(plain);
	free(packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpack_path_parse__good_name__becomes_canonical),
		cmocka_unit_test(unpack_path_parse__way_out__is_refused_T01),
		cmocka_unit_test(unpack_path_parse__beyond_a_cap__names_it_T07),
		cmocka_unit_test(unpack_form__members__tell_where_the_app_is_C5_1_C5_2),
		cmocka_unit_test_setup_teardown(tree__through_a_link__is_refused_T02_T03, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(tree_hardlink__only_to_files_unpacked_before_T04,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(tree__modes__keep_what_the_owner_needs_T06_T13,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(tree__two_kinds_of_one_name__are_refused_T10,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(tree__chain_of_directories__follows_the_members,
						set_up, tear_down),
		cmocka_unit_test(decode_run__any_pieces__gives_the_same_T09),
		cmocka_unit_test(decode_run__cut_anywhere__is_truncated_T09),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
