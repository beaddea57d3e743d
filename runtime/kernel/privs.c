/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/privs.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "base/err.h"

#include "base/childsafe.h"

/* More capabilities than any kernel has; the loop ends at the first unknown one.
 * Source: _LINUX_CAPABILITY_U32S_3 words of 32 bits, linux/capability.h */
#define CAPS_MAX (_LINUX_CAPABILITY_U32S_3 * 32)

static int drop_bounding(uint64_t keep, struct dyno_err *err)
{
	unsigned long cap;

	for (cap = 0; cap < CAPS_MAX; cap++) {
		if (cap < 64 && (keep & PRIVS_CAP(cap)))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL && cap > CAP_AUDIT_READ)
			return 0; /* past the last one this kernel knows */
		return err_set(err, ERR_LAUNCH, errno, "drop capability %lu from the bounding set",
			       cap);
	}
	return 0;
}

int privs_drop_bounding(struct dyno_err *err)
{
	return drop_bounding(0, err);
}

int privs_keep(uint64_t caps, struct dyno_err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	int r = drop_bounding(caps, err);
	size_t i;

	/* Root of a container may lack CAP_SETPCAP: no_new_privs keeps an exec from regaining too. */
	if (r < 0 && r != -EPERM)
		return r;
	if (syscall(SYS_capget, &head, sets) < 0)
		return err_set(err, ERR_LAUNCH, errno, "read the capability sets");
	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		sets[i].permitted &= (uint32_t)(caps >> (32 * i));
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, sets) < 0)
		return err_set(err, ERR_LAUNCH, errno, "give up capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, ERR_LAUNCH, errno, "set no_new_privs");
	return 0;
}

/* The raw calls: glibc's wrappers would signal threads, and the memory may be the parent's. */
int privs_set_ids(uid_t uid, gid_t gid, bool drop_groups, struct dyno_err *err)
{
	if (drop_groups && syscall(SYS_setgroups, 0, NULL) < 0)
		return err_set(err, ERR_LAUNCH, errno, "give up the supplementary groups");
	if (syscall(SYS_setresgid, gid, gid, gid) < 0)
		return err_set(err, ERR_LAUNCH, errno, "become group %u", gid);
	if (syscall(SYS_setresuid, uid, uid, uid) < 0)
		return err_set(err, ERR_LAUNCH, errno, "become user %u", uid);
	return 0;
}

int privs_die_with_parent(struct dyno_err *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_set(err, ERR_LAUNCH, errno, "ask for SIGKILL at the launcher's end");
	return 0;
}

int privs_clear(struct dyno_err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, ERR_LAUNCH, errno, "set no_new_privs");
	/* The ambient set is a subset of the permitted and inheritable ones: it goes with them. */
	if (syscall(SYS_capset, &head, none) < 0)
		return err_set(err, ERR_LAUNCH, errno, "empty the capability sets");
	return 0;
}
