/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_cgroup.c - any bytes as /proc/self/mountinfo and /proc/self/cgroup, parted by a NUL.  What
 * is found must be usable: absolute places, and no tree without one.
 */
#include <assert.h>
#include <string.h>

#include "kernel/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *mounts = (const char *)data;
	const char *nul = size ? memchr(data, '\0', size) : NULL;
	size_t mounts_len = nul ? (size_t)(nul - mounts) : size;
	const char *self = nul ? nul + 1 : mounts;
	size_t self_len = nul ? size - mounts_len - 1 : 0;
	struct cgroup_layout layout;

	memset(&layout, 'x', sizeof(layout));
	if (cgroup_layout_find(mounts, mounts_len, self, self_len, &layout) < 0) {
		assert(layout.mount[0][0] == 'x'); /* outputs are untouched on failure */
		return 0;
	}
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		assert(memchr(layout.mount[t], '\0', sizeof(layout.mount[t])));
		assert(memchr(layout.own[t], '\0', sizeof(layout.own[t])));
		assert(layout.own[t][0] == '\0' || layout.own[t][0] == '/');
		assert(layout.mount[t][0] == '\0' || layout.mount[t][0] == '/');
	}
	return 0;
}
