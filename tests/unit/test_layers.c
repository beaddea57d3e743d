/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_layers.c - the layers of a dyno on their way from its monitor to one who looks: the same
 * there as here, and an answer that is not of the form is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/errclass.h"
#include "base/str.h"
#include "engine/layers.h"

static const char *const hidden[] = {"tmp", "sys/", "a \"b\""};
static const struct upper_layer root_lowers[] = {{.fd = 11, .id_shift = 0},
						 {.fd = 12, .id_shift = UINT32_MAX}};
static const struct upper_layer app_lowers[] = {{.fd = 14, .id_shift = 100000}};

static const struct receipt_source both[] = {
	{
		.upper_fd = 10,
		.prefix = "/",
		.opts = {.lowers = root_lowers,
			 .n_lowers = 2,
			 .userxattr = true,
			 .hidden = hidden,
			 .n_hidden = 3,
			 .compare_bytes = UINT64_C(1) << 40},
	},
	{
		.upper_fd = 13,
		.prefix = "/app/",
		.opts = {.lowers = app_lowers, .n_lowers = 1},
	},
};

static void assert_same(const struct receipt_source *a, const struct receipt_source *b)
{
	assert_int_equal(a->upper_fd, b->upper_fd);
	assert_string_equal(a->prefix, b->prefix);
	assert_int_equal(a->opts.userxattr, b->opts.userxattr);
	assert_true(a->opts.compare_bytes == b->opts.compare_bytes);
	assert_int_equal(a->opts.n_lowers, b->opts.n_lowers);
	for (size_t i = 0; i < a->opts.n_lowers; i++) {
		assert_int_equal(a->opts.lowers[i].fd, b->opts.lowers[i].fd);
		assert_int_equal(a->opts.lowers[i].id_shift, b->opts.lowers[i].id_shift);
	}
	assert_int_equal(a->opts.n_hidden, b->opts.n_hidden);
	for (size_t i = 0; i < a->opts.n_hidden; i++)
		assert_string_equal(a->opts.hidden[i], b->opts.hidden[i]);
}

static void layers_get__what_was_put__is_the_same(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 2; n++) {
		_cleanup_arena_ struct arena arena = {0};
		struct ctl_answer answer = {0};
		struct receipt_source got[LAUNCH_UPPERS];
		struct dyno_err err;

		assert_int_equal(layers_put(both, n, &answer, &err), 0);
		assert_int_equal(answer.n_fds, n == 0 ? 0 : n == 1 ? 3 : 5);
		assert_int_equal(layers_get(answer.text.data, answer.text.len, answer.fds,
					    answer.n_fds, &arena, got, &err),
				 n);
		for (size_t i = 0; i < n; i++)
			assert_same(&got[i], &both[i]);
		sbuf_done(&answer.text);
	}
}

static void layers_put__too_many_layers__refused(void **state)
{
	static const struct upper_layer lowers[CTL_FDS_MAX] = {{0}};
	const struct receipt_source source = {.prefix = "/",
					      .opts = {.lowers = lowers, .n_lowers = CTL_FDS_MAX}};
	struct ctl_answer answer = {0};
	struct dyno_err err = {0};

	(void)state;
	assert_int_equal(layers_put(&source, 1, &answer, &err), -E2BIG);
	assert_int_equal(err.kind, ERR_INTERNAL);
	sbuf_done(&answer.text);
}

static void layers_get__not_of_the_form__refused(void **state)
{
	static const struct {
		const char *text;
		size_t n_fds;
	} cases[] = {
		{"", 0},
		{"[]", 0},
		{"{}", 0},
		{"{\"overlays\":{}}", 0},
		{"{\"overlays\":[]}", 1},
		{"{\"overlays\":[1]}", 1},
		{"{\"overlays\":[{\"prefix\":\"/\"}]}", 0},
		{"{\"overlays\":[{\"prefix\":\"/\"}]}", 2},
		{"{\"overlays\":[{\"prefix\":1}]}", 1},
		{"{\"overlays\":[{\"prefix\":\"/\",\"compare_bytes\":-1}]}", 1},
		{"{\"overlays\":[{\"prefix\":\"/\",\"lowers\":[0,0]}]}", 2},
		{"{\"overlays\":[{\"prefix\":\"/\",\"lowers\":[-1]}]}", 2},
		{"{\"overlays\":[{\"prefix\":\"/\",\"lowers\":[4294967296]}]}", 2},
		{"{\"overlays\":[{\"prefix\":\"/\",\"lowers\":[\"0\"]}]}", 2},
		{"{\"overlays\":[{\"prefix\":\"/\",\"lowers\":[0,0,0,0,0,0,0,0,0]}]}", 8},
		{"{\"overlays\":[{\"prefix\":\"/\",\"hidden\":[1]}]}", 1},
		{"{\"overlays\":[{\"prefix\":\"/\"},{\"prefix\":\"/\"},{\"prefix\":\"/\"}]}", 3},
		{"{\"overlays\":[],\"overlays\":[]}", 0},
	};
	static const int fds[CTL_FDS_MAX] = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_arena_ struct arena arena = {0};
		struct receipt_source got[LAUNCH_UPPERS];
		struct dyno_err err = {0};

		assert_int_equal(layers_get(cases[i].text, strlen(cases[i].text), fds,
					    cases[i].n_fds, &arena, got, &err),
				 -EPROTO);
		assert_int_equal(err.kind, ERR_MONITOR);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_get__what_was_put__is_the_same),
		cmocka_unit_test(layers_put__too_many_layers__refused),
		cmocka_unit_test(layers_get__not_of_the_form__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
