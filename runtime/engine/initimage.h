/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initimage.h - the program that becomes pid 1, carried inside this one.
 */
#ifndef DYNO_INITIMAGE_H
#define DYNO_INITIMAGE_H

#include <stddef.h>

extern const unsigned char initimage_start[];
extern const unsigned char initimage_end[];

/** initimage_bytes() - its size. */
static inline size_t initimage_bytes(void)
{
	return (size_t)(initimage_end - initimage_start);
}

#endif
