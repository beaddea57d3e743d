/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/str.h"
#include "kernel/loopdev.h"
#include "kernel/slot.h"

/* Templates kept; past that all go, as each costs but a run of mkfs. Source: own choice */
#define TEMPLATES_MAX 16

/* "1-<bytes>-<inodes>"; the first number is that of the options below. */
#define TEMPLATE_FMT "1-%llu-%llu"
#define NAME_BYTES   64

/* Each inode in its table, and its share of the root's and the launcher's own.
 * Source: mkfs_argv, "-I" */
#define INODE_TABLE_BYTES 256U
#define INODES_OWN	  64U

/* What ext4 keeps back for itself: the fiftieth part, up to 4096 blocks; bitmaps, descriptors and
 * the superblock.  Source: fs/ext4/super.c, ext4_calculate_resv_clusters(); ext4(5), "layout" */
#define RESERVED_PART	   48U
#define RESERVED_MAX_BYTES (16U << 20)
#define TABLES_PART	   1024U
#define TABLES_BYTES	   (1U << 20)
#define ROUND_BYTES	   (1U << 20)

/* Source: linux/ext4.h of 6.6; the same ioctl and flag as xfs's goingdown */
#define IOC_SHUTDOWN	     _IOR('X', 125, uint32_t)
#define SHUTDOWN_NO_LOGFLUSH 2U

static const char *const mkfs_paths[] = {
	"/usr/sbin/mkfs.ext4",
	"/sbin/mkfs.ext4",
	"/usr/local/sbin/mkfs.ext4",
};

const char *image_mkfs(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mkfs_paths); i++)
		if (faccessat(AT_FDCWD, mkfs_paths[i], X_OK, AT_EACCESS) == 0)
			return mkfs_paths[i];
	return NULL;
}

static int failed(int num, const char *what, struct dyno_err *err)
{
	return err_set(err, ERR_SCRATCH, num, "%s", what);
}

/* The host cannot; @fix says what would change that. */
static int unfit(int num, const char *what, const char *fix, bool *ret_unfit, struct dyno_err *err)
{
	*ret_unfit = true;
	err_set(err, ERR_SCRATCH, num, "%s", what);
	err_hint(err, "%s", fix);
	return -num;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* Return: a file of no name, or -errno. */
static int open_anonymous(int dir_fd)
{
	char name[NAME_BYTES];
	int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd < 0 ? -errno : fd;
	str_fmt(name, sizeof(name), ".%016llx", (unsigned long long)slot_random(UINT64_MAX));
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	(void)unlinkat(dir_fd, name, 0); /* else it stays for whoever looks there */
	return fd;
}

static uint64_t image_bytes(const struct image_plan *plan)
{
	uint64_t reserved = MIN_OF(plan->bytes / RESERVED_PART, (uint64_t)RESERVED_MAX_BYTES);
	uint64_t all = plan->bytes + plan->bytes / TABLES_PART + reserved + TABLES_BYTES +
		       (plan->inodes + INODES_OWN) * INODE_TABLE_BYTES;

	return (all + ROUND_BYTES - 1) / ROUND_BYTES * ROUND_BYTES;
}

/* ---- the template --------------------------------------------------------------------------- */

static int run_mkfs(const char *program, int fd, uint64_t inodes, struct dyno_err *err)
{
	static const char features[] =
		"none,extent,flex_bg,filetype,dir_index,ext_attr,sparse_super2,large_file,"
		"huge_file,dir_nlink,extra_isize,64bit,uninit_bg,large_dir";
	char count[24];
	/* All is said here and nothing left to the host's mke2fs.conf.  No journal, as nothing
	 * survives a crash; tables of inodes are holes, which read as zeroes. */
	const char *const argv[] = {
		program,
		"-q",
		"-F",
		"-b",
		"4096",
		"-I",
		"256",
		"-m",
		"0",
		"-U",
		"clear",
		"-e",
		"remount-ro",
		"-O",
		features,
		"-E",
		"lazy_itable_init=1,nodiscard,packed_meta_blocks=1",
		"-N",
		count,
		"/proc/self/fd/3",
		NULL,
	};
	static const char *const envp[] = {"MKE2FS_CONFIG=/dev/null", NULL};
	const int fds[] = {-1, -1, -1, fd};
	const struct proc_spawn how = {
		.argv = argv, .envp = envp, .fds = fds, .n_fds = ARRAY_SIZE(fds), .exe_fd = -EBADF};
	_cleanup_close_ int pidfd = -EBADF;
	int status = 0;
	int r;

	str_fmt(count, sizeof(count), "%llu", (unsigned long long)inodes);
	r = proc_spawn(&how, &pidfd, err);
	if (r == 0)
		r = proc_wait(pidfd, &status);
	if (r < 0)
		return r;
	if (status == 0)
		return 0;
	err_set(err, ERR_SCRATCH, EINVAL, "make a file system: %s ended with status %d", program,
		status);
	err_hint(err, "choose another size, or --scratch tmpfs");
	return -EINVAL;
}

static int make_filesystem(int fd, uint64_t inodes, bool *ret_unfit, struct dyno_err *err)
{
	const char *program = image_mkfs();

	if (!program)
		return unfit(ENOENT, "make a file system: there is no mkfs.ext4",
			     "apt install e2fsprogs", ret_unfit, err);
	return run_mkfs(program, fd, inodes, err);
}

static void remove_templates(int dir_fd)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	unsigned int n = 0;

	if (dir_open(dir_fd, ".", &dir) < 0)
		return;
	while (dir_next_name(&dir))
		n++;
	rewinddir(dir.stream);
	while (n >= TEMPLATES_MAX && (name = dir_next_name(&dir)))
		(void)unlinkat(dir_fd, name, 0); /* one that stays is one too many */
}

/* Where a file system does not tell holes from zeroes (some in user space), a copy would take as much
 * room as the dyno may. */
static bool tells_holes(int fd, off_t size)
{
	return lseek(fd, 0, SEEK_HOLE) < size;
}

/* Return: the template of that name; -errno where there is none, or none to copy. */
static int open_template(int dir_fd, const char *name, off_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return st.st_size == size && tells_holes(fd, size) ? take_fd(&fd) : -ESTALE;
}

/* On disk before it has its name: after a power loss it is whole or not there.  Where it cannot be
 * kept the next start runs mkfs again. */
static void keep_template(int dir_fd, const char *name, int image, off_t size)
{
	_cleanup_close_ int fd = -EBADF;
	char path[sizeof("/proc/self/fd/-2147483648")];

	if (!tells_holes(image, size))
		return;
	remove_templates(dir_fd);
	fd = open_anonymous(dir_fd);
	if (fd < 0 || fd_copy_sparse(image, fd, size) < 0 || fsync(fd) < 0)
		return;
	str_fmt(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) < 0)
		return;
}

static int open_images(int data_fd, struct dyno_err *err)
{
	int fd;

	if (mkdirat(data_fd, IMAGE_DIR, 0700) < 0 && errno != EEXIST)
		return failed(errno, "make the directory " IMAGE_DIR " of the data directory", err);
	fd = openat(data_fd, IMAGE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return failed(errno, "open the directory " IMAGE_DIR " of the data directory", err);
	return fd;
}

/* Return: the image, open for reading and writing; -errno. */
static int make_image(int data_fd, const struct image_plan *plan, bool *ret_unfit,
		      struct dyno_err *err)
{
	_cleanup_close_ int dir = open_images(data_fd, err);
	const off_t size = (off_t)image_bytes(plan);
	_cleanup_close_ int template = -EBADF;
	_cleanup_close_ int fd = -EBADF;
	char name[NAME_BYTES];
	int r;

	if (dir < 0)
		return dir;
	fd = open_anonymous(dir);
	if (fd < 0)
		return failed(-fd, "make an image for a scratch", err);
	str_fmt(name, sizeof(name), TEMPLATE_FMT, (unsigned long long)plan->bytes,
		(unsigned long long)plan->inodes);
	template = open_template(dir, name, size);
	if (template >= 0) {
		r = fd_copy_sparse(template, fd, size);
		return r < 0 ? failed(-r, "copy an image for a scratch", err) : take_fd(&fd);
	}
	if (ftruncate(fd, size) < 0)
		return failed(errno, "size an image for a scratch", err);
	r = make_filesystem(fd, plan->inodes + INODES_OWN, ret_unfit, err);
	if (r < 0)
		return r;
	keep_template(dir, name, fd, size);
	return take_fd(&fd);
}

/* ---- the mount ------------------------------------------------------------------------------ */

static int mount_device(const char *device, bool *ret_unfit, struct dyno_err *err)
{
	_cleanup_close_ int fs = fsopen("ext4", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 && errno == ENODEV)
		return unfit(ENODEV, "mount an image: the kernel has no ext4", "modprobe ext4",
			     ret_unfit, err);
	if (fs < 0)
		return failed(errno, "open an ext4 by the new mount interface", err);
	/* The kernel would fill the tables of inodes in the background; they are holes already. */
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_FLAG, "noinit_itable", NULL, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return failed(errno, "mount the image of a scratch", err);
	fd = fsmount(fs, FSMOUNT_CLOEXEC,
		     MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
	return fd < 0 ? failed(errno, "mount the image of a scratch", err) : fd;
}

int image_mount(int data_fd, const struct image_plan *plan, bool *ret_unfit, struct dyno_err *err)
{
	char device[LOOPDEV_PATH_BYTES];
	_cleanup_close_ int image = -EBADF;
	_cleanup_close_ int loop = -EBADF;

	if (plan->inodes > plan->bytes / IMAGE_INODE_BYTES) {
		err_set(err, ERR_SCRATCH, EINVAL, "make %llu inodes in %llu bytes",
			(unsigned long long)plan->inodes, (unsigned long long)plan->bytes);
		err_hint(err, "ask for no more than one inode for %u bytes", IMAGE_INODE_BYTES);
		return -EINVAL;
	}
	image = make_image(data_fd, plan, ret_unfit, err);
	if (image < 0)
		return image;
	loop = loopdev_attach(image, device);
	if (loop == -EROFS || loop == -ENOMEM || loop == -EMFILE || loop == -ENFILE)
		return failed(-loop, "attach a loop device", err);
	if (loop < 0)
		return unfit(-loop, "attach a loop device",
			     "modprobe loop; in a container: give it /dev/loop-control and "
			     "/dev/loop*",
			     ret_unfit, err);
	return mount_device(device, ret_unfit, err);
}

void image_drop(int *mount_fd)
{
	_cleanup_close_ int fd = -EBADF;
	uint32_t how = SHUTDOWN_NO_LOGFLUSH;

	if (*mount_fd < 0)
		return;
	fd = openat(*mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)ioctl(fd, IOC_SHUTDOWN, &how); /* else it takes longer */
	close_fdp(&fd);
	close_fdp(mount_fd);
}
