/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall.h - system calls without a C library, for x86-64 and arm64.  Every call returns the
 * kernel's value: negative errno on failure.
 */
#ifndef DYNO_INIT_SYSCALL_H
#define DYNO_INIT_SYSCALL_H

#include <asm/unistd.h>

#if defined(__x86_64__)

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* Starts fn(arg) in a child on the given stack; the child never returns from here. */
static inline long sys_clone_call(unsigned long flags, void **stack_top, void (*fn)(void *),
				  void *arg)
{
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	void **sp = stack_top;
	long ret;

	*--sp = arg;
	*--sp = (void *)fn;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "pop %%rax\n\t"
			 "pop %%rdi\n\t"
			 "call *%%rax\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "0"((long)__NR_clone), "D"(flags), "S"(sp), "d"(0L), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

static inline long sys_clone_call(unsigned long flags, void **stack_top, void (*fn)(void *),
				  void *arg)
{
	register long x8 __asm__("x8") = __NR_clone;
	register long x0 __asm__("x0") = (long)flags;
	register void **x1 __asm__("x1") = stack_top;
	register long x2 __asm__("x2") = 0;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 0;

	*--x1 = arg;
	*--x1 = (void *)fn;
	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "ldp x9, x0, [sp], #16\n\t"
			 "blr x9\n\t"
			 "brk #0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "x9", "x30", "memory");
	return x0;
}

#else
#error "dyno-init knows x86-64 and arm64"
#endif

#define SYS0(nr)		(sys6(nr, 0, 0, 0, 0, 0, 0))
#define SYS1(nr, a)		(sys6(nr, (long)(a), 0, 0, 0, 0, 0))
#define SYS2(nr, a, b)		(sys6(nr, (long)(a), (long)(b), 0, 0, 0, 0))
#define SYS3(nr, a, b, c)	(sys6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0))
#define SYS4(nr, a, b, c, d)	(sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0))
#define SYS5(nr, a, b, c, d, e) (sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0))

#endif
