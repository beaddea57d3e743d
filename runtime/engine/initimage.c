/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/initimage.h"

/* INIT_IMAGE_PATH is given by runtime/init/init.mk. */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	".globl initimage_start\n"
	".hidden initimage_start\n"
	"initimage_start:\n"
	".incbin \"" INIT_IMAGE_PATH "\"\n"
	".globl initimage_end\n"
	".hidden initimage_end\n"
	"initimage_end:\n"
	".popsection\n");
