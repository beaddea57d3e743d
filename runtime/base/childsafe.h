/* SPDX-License-Identifier: Apache-2.0 */
/*
 * childsafe.h - the last include of a file whose functions run between clone and exec.  There the
 * memory may be the parent's (CLONE_VM) and no lock or buffer of libc may be touched.
 */
#ifndef DYNO_CHILDSAFE_H
#define DYNO_CHILDSAFE_H

#pragma GCC poison malloc calloc realloc free strdup asprintf
#pragma GCC poison printf fprintf snprintf vsnprintf puts fputs fopen fclose fflush
#pragma GCC poison exit atexit abort getenv setenv opendir readdir

#endif
