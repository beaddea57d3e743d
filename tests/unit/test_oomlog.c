/* SPDX-License-Identifier: Apache-2.0 */
/* test_oomlog.c - records of the kernel's log: whose limit, who was killed, and names that lie. */
#include "kernel/oomlog.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"

#define LEAF	 "shop@web.1@1.0a"
#define HEAD	 "6,4711,24538967443,-;"
#define KILL	 "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0"
#define MINE	 ",task_memcg=/dyno/" LEAF
#define DEED	 "Memory cgroup out of memory: Killed process "
#define MINE_UID ", UID:4242"

static const struct oomlog_who who = {.leaf = LEAF, .uid = 4242};

static void parse__records__limit_and_victim(void **state)
{
	static const struct {
		const char *record;
		int want;
		enum oomlog_limit limit;
		const char *group;
		const char *comm;
		int pid;
	} cases[] = {
		{HEAD KILL ",oom_memcg=/dyno/" LEAF MINE ",task=node,pid=99,uid=5\n SUBSYSTEM=x\n",
		 0, OOMLOG_OWN, "/dyno/" LEAF, "node", 99},
		{HEAD KILL ",oom_memcg=/dyno" MINE ",task=node,pid=99,uid=5\n", 0, OOMLOG_PARENT,
		 "/dyno", "node", 99},
		{HEAD KILL ",oom_memcg=/a.slice" MINE ",task=node,pid=99,uid=5", 0, OOMLOG_PARENT,
		 "/a.slice", "node", 99},
		{HEAD KILL ",global_oom" MINE ",task=ruby,pid=7,uid=5\n", 0, OOMLOG_HOST, "",
		 "ruby", 7},
		/* below a group of another one's */
		{HEAD KILL ",oom_memcg=/x/dyno/" LEAF ",task_memcg=/x/dyno/" LEAF
			   ",task=a,pid=1,uid=0\n",
		 0, OOMLOG_OWN, "/x/dyno/" LEAF, "a", 1},
		/* names of the tenant's choosing */
		{HEAD KILL ",global_oom" MINE ",task=a,pid=1,uid=0,pid=7,uid=5\n", 0, OOMLOG_HOST,
		 "", "a,pid=1,uid=0", 7},
		{HEAD KILL ",global_oom" MINE ",task=,task_memcg=/x,pid=7,uid=5\n", 0, OOMLOG_HOST,
		 "", ",task_memcg=/x", 7},
		{HEAD KILL ",global_oom" MINE ",task=,oom_memcg=/x,pid=7,uid=5\n", 0, OOMLOG_HOST,
		 "", ",oom_memcg=/x", 7},
		{HEAD KILL ",global_oom" MINE ",task=\\x0a,pid=7,uid=5\n", 0, OOMLOG_HOST, "",
		 "\\x0a", 7},
		{HEAD KILL ",global_oom" MINE ",task=,pid=7,uid=5\n", 0, OOMLOG_HOST, "", "", 7},
		/* the deed alone: known by the uid */
		{HEAD DEED "99 (node) total-vm:1kB, anon-rss:2kB" MINE_UID " pgtables:1kB\n", 0,
		 OOMLOG_GROUP, "", "node", 99},
		{HEAD "Out of memory: Killed process 99 (node) total-vm:1kB" MINE_UID "\n", 0,
		 OOMLOG_HOST, "", "node", 99},
		{HEAD DEED "99 (a) total-vm:) total-vm:1kB" MINE_UID "\n", 0, OOMLOG_GROUP, "",
		 "a) total-vm:", 99},
		{HEAD DEED "99 (, UID:4242) total-vm:1kB, UID:5\n", -ENOENT, 0, NULL, NULL, 0},
		{HEAD DEED "99 (node) total-vm:1kB, UID:5\n", -ENOENT, 0, NULL, NULL, 0},
		{HEAD DEED "99 (node) total-vm:1kB, UID:4294967295\n", -ENOENT, 0, NULL, NULL, 0},
		{HEAD DEED "99 (node) total-vm:1kB, UID:x\n", -EINVAL, 0, NULL, NULL, 0},
		{HEAD DEED "99 (node) total-vm:1kB\n", -EINVAL, 0, NULL, NULL, 0},
		{HEAD DEED "99 node) total-vm:1kB" MINE_UID "\n", -EINVAL, 0, NULL, NULL, 0},
		{HEAD DEED "99) total-vm:1kB" MINE_UID "\n", -EINVAL, 0, NULL, NULL, 0},
		{HEAD DEED "99999999999 (a) total-vm:1kB" MINE_UID "\n", -EINVAL, 0, NULL, NULL, 0},
		{HEAD DEED "", -EINVAL, 0, NULL, NULL, 0},
		/* of others, or of something else */
		{HEAD KILL ",global_oom,task_memcg=/dyno/" LEAF "0,task=a,pid=7,uid=5\n", -ENOENT,
		 0, NULL, NULL, 0},
		{HEAD KILL ",global_oom,task_memcg=/b,task=a,pid=7,uid=5\n", -ENOENT, 0, NULL, NULL,
		 0},
		{HEAD "x" KILL MINE ",task=a,pid=7,uid=5\n", -ENOENT, 0, NULL, NULL, 0},
		{HEAD "Memory cgroup stats for /dyno/" LEAF ":\n", -ENOENT, 0, NULL, NULL, 0},
		/* cut, or damaged */
		{"", -EINVAL, 0, NULL, NULL, 0},
		{"6,1,2", -EINVAL, 0, NULL, NULL, 0},
		{"6;" KILL MINE ",task=a,pid=7,uid=5\n", -EINVAL, 0, NULL, NULL, 0},
		{"6,1,x,-;" KILL MINE ",task=a,pid=7,uid=5\n", -EINVAL, 0, NULL, NULL, 0},
		{HEAD KILL MINE ",task=a,pid=7", -EINVAL, 0, NULL, NULL, 0},
		{HEAD KILL MINE ",task=a,uid=7\n", -EINVAL, 0, NULL, NULL, 0},
		{HEAD KILL MINE ",task=a,pid=x,uid=7\n", -EINVAL, 0, NULL, NULL, 0},
		{HEAD KILL MINE ",task=a,pid=99999999999,uid=7\n", -EINVAL, 0, NULL, NULL, 0},
		{HEAD KILL MINE ",task=a,pid=1111111111111111111111111111,uid=7\n", -EINVAL, 0,
		 NULL, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct oomlog_kill kill = {.pid = -1};
		uint64_t us = 0;
		int r = oomlog_parse(cases[i].record, &who, &kill, &us);

		if (r != cases[i].want)
			fail_msg("case %zu: %d", i, r);
		if (r < 0) {
			assert_int_equal(kill.pid, -1);
			continue;
		}
		if (kill.limit != cases[i].limit || !str_eq(kill.group, cases[i].group) ||
		    !str_eq(kill.comm, cases[i].comm) || kill.pid != cases[i].pid)
			fail_msg("case %zu: %d \"%s\" \"%s\" %d", i, (int)kill.limit, kill.group,
				 kill.comm, kill.pid);
		assert_int_equal(us, 24538967443);
	}
}

/* Cut anywhere: an error or what is there, and nothing beyond it is read (under the sanitizer). */
static void parse__cut_at_each_byte__no_harm(void **state)
{
	static const char *const texts[] = {
		HEAD KILL ",oom_memcg=/dyno/" LEAF MINE ",task=node,pid=99,uid=5\n",
		HEAD DEED "99 (node) total-vm:1kB, anon-rss:2kB" MINE_UID " pgtables:1kB\n",
	};

	(void)state;
	for (size_t n = 0; n < strlen(texts[0]); n++) {
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
			size_t len = MIN_OF(n, strlen(texts[i]));
			char *cut = test_malloc(len + 1);
			struct oomlog_kill kill;
			uint64_t us;

			memcpy(cut, texts[i], len);
			cut[len] = '\0';
			(void)oomlog_parse(cut, &who, &kill, &us);
			test_free(cut);
		}
	}
}

/* The log as the host has it, if it lets us: none of its records is of a leaf that never was. */
static void find__leaf_that_never_was__enoent(void **state)
{
	_cleanup_close_ int fd = oomlog_open();
	const struct oomlog_who never = {.leaf = "never@was.1@1", .uid = OOMLOG_NO_UID};
	struct oomlog_kill kill;

	(void)state;
	if (fd < 0) {
		print_message("the log of the kernel is closed to us: %d\n", fd);
		skip();
		return;
	}
	assert_int_equal(oomlog_find(fd, &never, false, 0, &kill), -ENOENT);
	assert_int_equal(oomlog_find(fd, &never, true, 0, &kill), -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__records__limit_and_victim),
		cmocka_unit_test(parse__cut_at_each_byte__no_harm),
		cmocka_unit_test(find__leaf_that_never_was__enoent),
	};

	return cmocka_run_group_tests_name("oomlog", tests, NULL, NULL);
}
