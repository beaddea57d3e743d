/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_command.c - words separated by newlines as operands, the first byte chooses the mode.
 */
#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "model/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_type items[] = {{"web", "puma", 1}, {"w", "rake work", 2}};
	struct proc_types types = {items, ARRAY_SIZE(items)};
	_cleanup_arena_ struct arena a = {0};
	const char *words[64];
	struct command_input in = {&types, words, 0, size > 0 && (data[0] & 1)};
	char *text = arena_memdup(&a, data, size), *save = NULL;
	struct command cmd;
	struct dyno_err err;

	for (char *w = strtok_r(text, "\n", &save); w && in.n < ARRAY_SIZE(words);
	     w = strtok_r(NULL, "\n", &save))
		words[in.n++] = w;
	if (command_compile(&in, &a, &cmd, &err) < 0)
		return 0;

	assert(cmd.shell != in.argv_mode && cmd.argv[0] && *cmd.text);
	assert(!cmd.shell || (str_eq(cmd.argv[3], cmd.text) && !cmd.argv[4]));
	for (size_t i = 0; in.argv_mode && i < in.n; i++)
		assert(str_eq(cmd.argv[i], words[i]));
	assert((cmd.kind == COMMAND_ONEOFF) == str_eq(cmd.type, "run"));
	return 0;
}
