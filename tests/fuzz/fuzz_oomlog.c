/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_oomlog.c - any bytes as a record of the kernel's log.  What is found fits, has a number, and
 * is of the leaf or the uid that was asked for.
 */
#include <assert.h>
#include <string.h>

#include "kernel/oomlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct oomlog_who who = {.leaf = "a@web.1@1", .uid = 42};
	struct oomlog_kill kill = {.pid = -1};
	char record[OOMLOG_RECORD_BYTES];
	uint64_t us = 7;

	if (size >= sizeof(record))
		return 0;
	memcpy(record, data, size);
	record[size] = '\0';
	if (oomlog_parse(record, &who, &kill, &us) < 0) {
		assert(kill.pid == -1 && us == 7); /* outputs are untouched on failure */
		return 0;
	}
	assert(kill.pid >= 0);
	assert(memchr(kill.comm, '\0', sizeof(kill.comm)));
	assert(memchr(kill.group, '\0', sizeof(kill.group)));
	assert(strstr(record, "/dyno/a@web.1@1,task=") || strstr(record, "UID:42") ||
	       strstr(record, "UID:0"));
	assert(kill.group[0] || kill.limit == OOMLOG_HOST || kill.limit == OOMLOG_GROUP ||
	       kill.limit == OOMLOG_PARENT);
	return 0;
}
