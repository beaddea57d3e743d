/* SPDX-License-Identifier: Apache-2.0 */
/* bombs.c - hostile bomb fork|thread|vfork: as many tasks as there can be, for ever, whatever asks
 * them to stop.  The first refusal is told: "bomb: refused EAGAIN". */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "base/util.h"
#include "hostile.h"

/* Stack of a thread that only waits. Source: PTHREAD_STACK_MIN of x86-64 */
#define STACK_BYTES 16384U

/* Between two tries once there is no room: the bomb is to be lasting, not loud. */
#define AGAIN_USEC 1000U

/* Shared by all processes of the bomb. */
static unsigned int *told;

static void refused(int num)
{
	char text[64];
	int len;

	if (__atomic_fetch_add(told, 1, __ATOMIC_RELAXED) > 0)
		return;
	len = snprintf(text, sizeof(text), "bomb: refused %s\n", strerrorname_np(num));
	if (write(STDOUT_FILENO, text, (size_t)len) < 0)
		_exit(1); /* nobody would hear of it */
}

static void one_more_process(void)
{
	if (fork() < 0) {
		refused(errno);
		(void)usleep(AGAIN_USEC);
	}
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		(void)pause();
	return arg;
}

static void one_more_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&thread, &attr, wait_for_ever, NULL);
	if (r != 0) {
		refused(r);
		(void)usleep(AGAIN_USEC);
	}
}

/* Children that end at once, by as many parents as there can be. */
static void one_more_vfork(void)
{
	static unsigned int n;
	pid_t pid = ++n % 16 ? vfork() : fork();

	if (pid == 0 && n % 16)
		_exit(0);
	if (pid < 0) {
		refused(errno);
		(void)usleep(AGAIN_USEC);
	}
}

int mode_bomb(char **args)
{
	static const struct {
		const char *name;
		void (*more)(void);
	} kinds[] = {
		{"fork", one_more_process}, {"thread", one_more_thread}, {"vfork", one_more_vfork}};

	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		return 1;
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGCHLD, SIG_IGN);
	for (size_t i = 0; args[0] && i < ARRAY_SIZE(kinds); i++)
		while (str_eq(args[0], kinds[i].name))
			kinds[i].more();
	(void)fputs("usage: hostile bomb fork|thread|vfork\n", stderr);
	return 2;
}
