/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util.h - the few macros that every file may use: cleanup attributes, hand-over of ownership,
 * array lengths.  No functions with effects live here.
 */
#ifndef DYNO_UTIL_H
#define DYNO_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define _cleanup_(f)	__attribute__((cleanup(f)))
#define _unused_	__attribute__((unused))
#define _noreturn_	__attribute__((noreturn))
#define _printf_(f, a)	__attribute__((format(printf, f, a)))
#define DYNO_PUBLIC	__attribute__((visibility("default"))) /* a symbol of dyno.h */
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define STRLEN(literal) (sizeof(literal) - 1)
#define MIN_OF(a, b)	((a) < (b) ? (a) : (b))
#define MAX_OF(a, b)	((a) > (b) ? (a) : (b))

/* Whether the address sanitizer watches: gcc says so by a macro, clang by a feature. */
#if defined(__SANITIZE_ADDRESS__)
#define DYNO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DYNO_ASAN 1
#endif
#endif
#ifndef DYNO_ASAN
#define DYNO_ASAN 0
#endif

#define STRINGIFY_(x) #x
#define STRINGIFY(x)  STRINGIFY_(x)

/* take_ptr() - hand a pointer over: yields the value and leaves NULL behind. */
#define take_ptr(p)                   \
	__extension__({               \
		__auto_type _p = (p); \
		__auto_type _v = *_p; \
		*_p = NULL;           \
		_v;                   \
	})

static inline void free_ptrp(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(free_ptrp)

#endif
