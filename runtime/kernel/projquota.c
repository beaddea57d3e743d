/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/projquota.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/dqblk_xfs.h>
#include <linux/fs.h>

#include "base/util.h"
#include "kernel/slot.h"

/* Source: include/uapi/asm-generic/unistd.h; the same number on every architecture. */
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
/* Source: include/uapi/linux/quota.h; <sys/quota.h> of older C libraries lacks it. */
#ifndef PRJQUOTA
#define PRJQUOTA 2
#endif

/* Numbers tried before giving up: with 65536 of them two dynos seldom meet. Source: own choice */
#define CLAIM_TRIES 64

static int quota_call(int fd, int command, uint32_t id, void *data)
{
	unsigned int cmd = (unsigned int)QCMD((unsigned int)command, PRJQUOTA);

	return syscall(SYS_quotactl_fd, fd, cmd, id, data) < 0 ? -errno : 0;
}

int projquota_enforced(int fd)
{
	struct fs_quota_statv stat = {.qs_version = FS_QSTATV_VERSION1};
	int r = quota_call(fd, Q_XGETQSTATV, 0, &stat);

	/* No quota at all, none that is on, or none in this kernel. */
	if (r == -ENOTTY || r == -EINVAL || r == -ESRCH || r == -EOPNOTSUPP || r == -ENODEV ||
	    r == -ENOTBLK || r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	return (stat.qs_flags & FS_QUOTA_PDQ_ACCT) && (stat.qs_flags & FS_QUOTA_PDQ_ENFD);
}

/* Whether nothing counts towards the number, and no limit is set. */
static int is_free(int fd, uint32_t id)
{
	struct if_dqblk q = {0};
	int r = quota_call(fd, Q_GETQUOTA, id, &q);

	if (r == -ENOENT)
		return 1; /* xfs: never used */
	if (r < 0)
		return r;
	return !q.dqb_curspace && !q.dqb_curinodes && !q.dqb_bhardlimit && !q.dqb_ihardlimit &&
	       !q.dqb_bsoftlimit && !q.dqb_isoftlimit;
}

static int set_project(int fd, uint32_t id)
{
	struct fsxattr attr;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0)
		return -errno;
	attr.fsx_projid = id;
	attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attr) < 0 ? -errno : 0;
}

static int set_limits(int fd, uint32_t id, uint64_t bytes, uint64_t inodes)
{
	struct if_dqblk q = {
		.dqb_bhardlimit = bytes / QIF_DQBLKSIZE + (bytes % QIF_DQBLKSIZE != 0),
		.dqb_ihardlimit = inodes,
		.dqb_valid = QIF_LIMITS,
	};

	return quota_call(fd, Q_SETQUOTA, id, &q);
}

/* The directory counts from here on, so that nobody else finds the number free. */
static int take(int dir_fd, uint32_t id, uint64_t bytes, uint64_t inodes)
{
	int r = set_project(dir_fd, id);

	return r < 0 ? r : set_limits(dir_fd, id, bytes, inodes);
}

int projquota_claim(int dir_fd, uint64_t bytes, uint64_t inodes)
{
	unsigned int tries;

	for (tries = 0; tries < CLAIM_TRIES; tries++) {
		uint32_t id = PROJQUOTA_FIRST + (uint32_t)slot_random(PROJQUOTA_COUNT);
		int r = is_free(dir_fd, id);

		if (r > 0)
			return take(dir_fd, id, bytes, inodes);
		if (r < 0)
			return r;
	}
	return -EUSERS;
}

uint32_t projquota_id(int dir_fd)
{
	struct fsxattr attr;

	if (ioctl(dir_fd, FS_IOC_FSGETXATTR, &attr) < 0)
		return 0; /* a file system without projects */
	if (attr.fsx_projid < PROJQUOTA_FIRST ||
	    attr.fsx_projid - PROJQUOTA_FIRST >= PROJQUOTA_COUNT)
		return 0;
	return attr.fsx_projid;
}

void projquota_release(int fd, uint32_t id)
{
	if (id)
		(void)set_limits(fd, id, 0, 0); /* what keeps its limit is passed by */
}
