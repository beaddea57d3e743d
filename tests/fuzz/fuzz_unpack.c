/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_unpack.c - any bytes as an archive, unpacked for real into a directory of tmpfs: nothing
 * may appear beside it, whatever is made must be removable, and every failure has its report.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "rootfs/unpack_tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char top[] = "/dev/shm/dyno-fuzz-unpack.XXXXXX";
	char *made = mkdtemp(top);
	int archive_fd = memfd_create("fuzz", MFD_CLOEXEC);
	int top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct source_file file = {archive_fd, size % 2 ? data : NULL, size};
	struct unpack_tar job = {0};
	struct dyno_err err = {0};
	struct tree tree;
	int root_fd;

	assert(made && archive_fd >= 0 && mkdirat(top_fd, "root", 0700) == 0);
	assert(fd_write_full(archive_fd, data, size) == (ssize_t)size);
	root_fd = openat(top_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_init(&tree, root_fd, -1);
	job.tree = &tree;
	assert(source_open(&file, &job.source, &err) == 0);
	source_start(job.source);
	assert(unpack_tar(&job, &err) == 0 || err.kind != 0);
	source_free(job.source);
	tree_done(&tree);
	assert(path_remove_tree(top_fd, "root") == 0 && rmdir(top) == 0);
	close(root_fd);
	close(top_fd);
	close(archive_fd);
	return 0;
}
