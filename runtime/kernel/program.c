/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/program.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/str.h"
#include "base/util.h"

static const char *const program_dirs[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					   "/usr/bin",	      "/sbin",		"/bin"};

bool program_find(const char *name, char *buf, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(program_dirs); i++) {
		(void)str_fmt(buf, size, "%s/%s", program_dirs[i], name);
		if (faccessat(AT_FDCWD, buf, X_OK, AT_EACCESS) == 0)
			return true;
	}
	return false;
}
