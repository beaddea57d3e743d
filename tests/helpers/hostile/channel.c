/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.c - two processes that want to talk without being allowed to: `give KEY` leaves signs of
 * every kind and waits, `look KEY` tells which of them it finds.  Files that both dynos have are
 * locked, watched and leased; that they are the same file on disk must not be felt.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/keyctl.h>

#include "base/str.h"
#include "base/util.h"
#include "hostile.h"

/* Files that two dynos of one slug have alike: of the slug, of the stack, generated, the kernel's. */
static const char *const files[] = {
	"/app/Procfile", "/app/hostile", "/etc/passwd",
	"/etc/profile",	 "/etc/hosts",	 "/usr/bin/env",
	"/usr",		 "/app",	 "/",
	"/proc/version", "/dev/null",	 "/dev/zero",
	"/dev/shm",	 "/tmp",
};

static void found(const char *what, const char *where, bool yes)
{
	(void)printf("%s%s%s: %s\n", what, *where ? " " : "", where, yes ? "possible" : "denied");
	(void)fflush(stdout);
}

static socklen_t abstract(const char *key, struct sockaddr_un *to)
{
	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(to->sun_path + 1, sizeof(to->sun_path) - 1, "hostile.%s", key);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(to->sun_path + 1));
}

static key_t number(const char *key)
{
	return (key_t)strtoul(key, NULL, 10);
}

/* Whether another holds a lock on it that is in the way. */
static bool is_locked(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		(void)close(fd);
	return locked;
}

/* Files that are open for reading alone can bear read locks: one who wants to write sees them. */
static bool is_read_locked(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool locked = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;

	if (fd >= 0)
		(void)close(fd);
	return locked;
}

/* ---- the giver --------------------------------------------------------------------------------*/

static void give_locks(void)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = open(files[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		/* held until this process ends; what cannot be locked is no channel */
		if (fd >= 0) {
			(void)flock(fd, LOCK_EX | LOCK_NB);
			(void)fcntl(fd, F_SETLK, &lock);
		}
	}
}

static void give_names(const char *key)
{
	char name[128];
	struct sockaddr_un to;
	socklen_t len = abstract(key, &to);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&to, len) == 0)
		(void)listen(fd, 1);
	(void)shmget(number(key), 4096, IPC_CREAT | 0666);
	(void)msgget(number(key), IPC_CREAT | 0666);
	(void)semget(number(key), 1, IPC_CREAT | 0666);
	(void)snprintf(name, sizeof(name), "/hostile.%s", key);
	(void)mq_open(name, O_CREAT | O_RDWR, 0666, NULL);
	(void)shm_open(name, O_CREAT | O_RDWR, 0666);
	(void)snprintf(name, sizeof(name), "/tmp/hostile.%s", key);
	(void)open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	(void)snprintf(name, sizeof(name), "/var/tmp/hostile.%s", key);
	(void)open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	(void)snprintf(name, sizeof(name), "/app/hostile.%s", key);
	(void)open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	(void)snprintf(name, sizeof(name), "hostile.%s", key);
	(void)syscall(SYS_add_key, "user", name, "x", 1, KEY_SPEC_USER_KEYRING);
	(void)syscall(SYS_add_key, "user", name, "x", 1, KEY_SPEC_SESSION_KEYRING);
}

/* Tells each of the shared files that somebody opens; its own opening came before. */
static int tell_openings(void)
{
	union {
		struct inotify_event event;
		char space[4096];
	} buf;
	int fd = inotify_init1(IN_CLOEXEC);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		(void)inotify_add_watch(fd, files[i], IN_OPEN | IN_ACCESS);
	(void)puts("given");
	(void)fflush(stdout);
	while (read(fd, &buf, sizeof(buf)) > 0)
		if (buf.event.wd > 0 && buf.event.wd <= (int)ARRAY_SIZE(files))
			found("inotify", files[buf.event.wd - 1], true);
	return 1;
}

int mode_give(char **args)
{
	if (!args[0])
		return 2;
	give_locks();
	give_names(args[0]);
	return tell_openings();
}

/* ---- the finder -------------------------------------------------------------------------------*/

static void look_for_names(const char *key)
{
	static const char *const dirs[] = {"/dev/shm", "/tmp", "/var/tmp", "/app"};
	char name[128];
	struct sockaddr_un to;
	socklen_t len = abstract(key, &to);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t i;

	found("abstract socket", "", connect(fd, (struct sockaddr *)&to, len) == 0);
	found("shm", "", shmget(number(key), 0, 0) >= 0);
	found("msg", "", msgget(number(key), 0) >= 0);
	found("sem", "", semget(number(key), 0, 0) >= 0);
	(void)snprintf(name, sizeof(name), "/hostile.%s", key);
	found("mq", "", mq_open(name, O_RDONLY) >= 0);
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		(void)snprintf(name, sizeof(name), "%s/hostile.%s", dirs[i], key);
		found("file", dirs[i], access(name, F_OK) == 0);
	}
	(void)snprintf(name, sizeof(name), "hostile.%s", key);
	found("key", "", syscall(SYS_request_key, "user", name, NULL, 0) >= 0);
}

int mode_look(char **args)
{
	size_t i;

	if (!args[0])
		return 2;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		found("flock", files[i], is_locked(files[i]));
		found("lock", files[i], is_read_locked(files[i]));
	}
	look_for_names(args[0]);
	return 0;
}
