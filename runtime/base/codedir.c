/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codedir.c - where this code was loaded from.
 */
#include <errno.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/proc.h"
#include "base/util.h"

/* An address to look for, and the name of the object that has it. */
struct search {
	ElfW(Addr) address;
	const char *name;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *search = data;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		ElfW(Addr) at = search->address - (info->dlpi_addr + segment->p_vaddr);

		if (segment->p_type != PT_LOAD || at >= segment->p_memsz)
			continue;
		search->name = info->dlpi_name;
		return 1;
	}
	return 0;
}

int proc_code_dir(char *buf, size_t size)
{
	struct search search = {.address = (ElfW(Addr))proc_code_dir, .name = ""};
	size_t len;

	/* The program itself is the object without a name. */
	(void)dl_iterate_phdr(look_at, &search);
	if (search.name[0] == '\0') {
		ssize_t n = readlink("/proc/self/exe", buf, size);

		if (n < 0)
			return -errno;
		len = (size_t)n;
	} else {
		if (search.name[0] != '/')
			return -ENOENT;
		len = strlen(search.name);
		memcpy(buf, search.name, MIN_OF(len, size));
	}
	if (len >= size)
		return -ENAMETOOLONG;
	buf[len] = '\0';
	buf[path_basename(buf, &len) - buf] = '\0';
	return 0;
}
