/* SPDX-License-Identifier: Apache-2.0 */
#include "model/bootcause.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/num.h"
#include "base/str.h"
#include "base/util.h"

/* One that runs has been busy if it has used this part of its time: less may be an event that is
 * handled just now. Source: own choice */
#define BUSY_PART 4
/* Port of name servers. Source: RFC 1035 4.2.1 */
#define DOMAIN_PORT 53

/* ---- texts of /proc --------------------------------------------------------------------------- */

static int take_u64(const char **at, uint64_t *ret)
{
	char text[24];
	size_t len;

	*at += strspn(*at, " ");
	len = strcspn(*at, " \n");
	if (len == 0 || len >= sizeof(text))
		return -EINVAL;
	memcpy(text, *at, len);
	text[len] = '\0';
	*at += len;
	return num_parse_u64(text, UINT64_MAX, ret);
}

static bool skip_words(const char **at, unsigned int n)
{
	for (; n > 0; n--) {
		*at += strspn(*at, " ");
		if (!**at)
			return false;
		*at += strcspn(*at, " \n");
	}
	return true;
}

/* The name may hold anything; its end is the last ")". Source: proc(5), fields 3, 14, 15 and 52 */
int bootcause_read_stat(const char *text, unsigned int ticks, struct boot_task *ret)
{
	const char *at = strrchr(text, ')');
	uint64_t user, system, status = 0;
	char state;

	if (!at || at[1] != ' ' || !at[2] || ticks == 0)
		return -EINVAL;
	state = at[2];
	at += 3;
	if (!skip_words(&at, 10) || take_u64(&at, &user) < 0 || take_u64(&at, &system) < 0)
		return -EINVAL;
	/* Zero to those who may not know it. */
	if (state == 'Z' && (!skip_words(&at, 36) || take_u64(&at, &status) < 0))
		return -EINVAL;
	ret->state = state;
	ret->cpu_ms = (user + system) * 1000 / ticks;
	ret->wait_status = (int)(status & 0xffff);
	return 0;
}

struct call_row {
	long number;
	enum boot_call call;
	bool has_fd;
};

/* Source: syscalls(2); those of old are missing where an architecture came later */
static const struct call_row calls[] = {
	{SYS_read, BOOT_CALL_READ, true},	 {SYS_readv, BOOT_CALL_READ, true},
	{SYS_pread64, BOOT_CALL_READ, true},	 {SYS_recvfrom, BOOT_CALL_READ, true},
	{SYS_recvmsg, BOOT_CALL_READ, true},	 {SYS_connect, BOOT_CALL_CONNECT, true},
	{SYS_flock, BOOT_CALL_LOCK, true},	 {SYS_fcntl, BOOT_CALL_LOCK, true},
	{SYS_openat, BOOT_CALL_OPEN, false},	 {SYS_ppoll, BOOT_CALL_POLL, false},
	{SYS_pselect6, BOOT_CALL_POLL, false},	 {SYS_epoll_pwait, BOOT_CALL_POLL, false},
	{SYS_nanosleep, BOOT_CALL_SLEEP, false}, {SYS_clock_nanosleep, BOOT_CALL_SLEEP, false},
	{SYS_wait4, BOOT_CALL_CHILD, false},	 {SYS_waitid, BOOT_CALL_CHILD, false},
#ifdef SYS_open
	{SYS_open, BOOT_CALL_OPEN, false},
#endif
#ifdef SYS_poll
	{SYS_poll, BOOT_CALL_POLL, false},
#endif
#ifdef SYS_select
	{SYS_select, BOOT_CALL_POLL, false},
#endif
#ifdef SYS_epoll_wait
	{SYS_epoll_wait, BOOT_CALL_POLL, false},
#endif
};

/* "0x5": what a descriptor can be, nothing more. */
static int read_fd(const char *at)
{
	static const char digits[] = "0123456789abcdef";
	int value = 0;

	at += strspn(at, " ");
	if (at[0] != '0' || at[1] != 'x')
		return -1;
	for (at += 2; *at && !strchr(" \n", *at); at++) {
		const char *digit = strchr(digits, *at);

		if (!digit || value > 0xffffff)
			return -1;
		value = value * 16 + (int)(digit - digits);
	}
	return value;
}

/* "0 0x3 0x7f... ": the number and its arguments; "running"; "-1 ..." outside of any call. */
void bootcause_read_call(const char *text, struct boot_task *ret)
{
	uint64_t number;

	ret->call = BOOT_CALL_UNKNOWN;
	ret->fd = -1;
	if (take_u64(&text, &number) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if ((uint64_t)calls[i].number != number)
			continue;
		ret->call = calls[i].call;
		if (calls[i].has_fd)
			ret->fd = read_fd(text);
		return;
	}
}

bool bootcause_socket(const struct netrow *row, bool udp, uint16_t port, struct boot_socket *ret)
{
	if (udp && row->peer_port == DOMAIN_PORT)
		ret->link = BOOT_LINK_RESOLVING;
	else if (udp && row->port == port && row->peer_port == 0)
		ret->link = BOOT_LINK_UDP;
	else if (!udp && row->state == TCP_SYN_SENT)
		ret->link = BOOT_LINK_CONNECTING;
	else if (!udp && row->state == TCP_ESTABLISHED)
		ret->link = BOOT_LINK_CONNECTED;
	else
		return false;
	ret->inode = row->inode;
	(void)netrows_text(row->family, row->peer, row->peer_port, ret->text);
	return true;
}

/* ---- from the facts to a cause ---------------------------------------------------------------- */

/* A cause, and the thread or socket that it was seen at. */
struct found {
	enum boot_cause cause;
	const struct boot_task *task;
	const struct boot_socket *socket;
};

static const struct boot_socket *find_link(const struct boot_facts *f, enum boot_link link)
{
	for (size_t i = 0; i < f->n_sockets; i++)
		if (f->sockets[i].link == link)
			return &f->sockets[i];
	return NULL;
}

/* The connection whose answer a thread waits for: what it reads, or any that its process has. */
static const struct boot_socket *find_peer(const struct boot_facts *f, const struct boot_task *task)
{
	char object[32];

	if (task->call != BOOT_CALL_READ && task->call != BOOT_CALL_POLL)
		return NULL;
	for (size_t i = 0; i < f->n_sockets; i++) {
		const struct boot_socket *s = &f->sockets[i];

		if (s->link != BOOT_LINK_CONNECTED && s->link != BOOT_LINK_RESOLVING)
			continue;
		if (task->call == BOOT_CALL_POLL && s->pid == task->pid)
			return s;
		(void)str_fmt(object, sizeof(object), "socket:[%u]", s->inode);
		if (task->call == BOOT_CALL_READ && str_eq(object, task->object))
			return s;
	}
	return NULL;
}

static enum boot_cause cause_of_call(const struct boot_task *task)
{
	switch (task->call) {
	case BOOT_CALL_LOCK:
		return BOOT_CAUSE_LOCK;
	case BOOT_CALL_READ:
		return task->fd == 0 ? BOOT_CAUSE_STDIN : BOOT_CAUSE_READ;
	case BOOT_CALL_OPEN:
		return BOOT_CAUSE_OPEN;
	case BOOT_CALL_SLEEP:
		return BOOT_CAUSE_SLEEP;
	case BOOT_CALL_CHILD:
		return BOOT_CAUSE_NONE; /* the child tells more */
	case BOOT_CALL_CONNECT:
	case BOOT_CALL_POLL:
	case BOOT_CALL_UNKNOWN:
		break;
	}
	return BOOT_CAUSE_IDLE;
}

static struct found look_at_task(const struct boot_facts *f, const struct boot_task *task)
{
	struct found found = {.task = task};

	switch (task->state) {
	case 'T':
	case 't':
		found.cause = BOOT_CAUSE_STOPPED;
		return found;
	case 'D':
		found.cause = BOOT_CAUSE_DEVICE;
		return found;
	case 'Z':
	case 'X':
		found.cause = task->wait_status ? BOOT_CAUSE_ENDED : BOOT_CAUSE_NONE;
		return found;
	case 'R':
		found.cause =
			task->cpu_ms >= f->age_ms / BUSY_PART ? BOOT_CAUSE_BUSY : BOOT_CAUSE_NONE;
		return found;
	default:
		break;
	}
	found.socket = find_peer(f, task);
	if (found.socket)
		found.cause = found.socket->link == BOOT_LINK_RESOLVING ? BOOT_CAUSE_RESOLVING
									: BOOT_CAUSE_ANSWER;
	else
		found.cause = cause_of_call(task);
	return found;
}

/* The surest wins, of equals the one that was seen first. */
static void offer(struct found *best, const struct found *other)
{
	if (other->cause < best->cause)
		*best = *other;
}

static void offer_link(const struct boot_facts *f, enum boot_link link, enum boot_cause cause,
		       struct found *best)
{
	struct found found = {.cause = cause, .socket = find_link(f, link)};

	if (found.socket)
		offer(best, &found);
}

static struct found find_cause(const struct boot_facts *f)
{
	struct found best = {.cause = BOOT_CAUSE_NONE};

	if (f->holder && *f->holder)
		offer(&best, &(struct found){.cause = BOOT_CAUSE_HELD});
	if (f->before && *f->before && !f->listens)
		offer(&best, &(struct found){.cause = BOOT_CAUSE_LEFT});
	offer_link(f, BOOT_LINK_CONNECTING, BOOT_CAUSE_CONNECTING, &best);
	offer_link(f, BOOT_LINK_UDP, BOOT_CAUSE_UDP, &best);
	offer_link(f, BOOT_LINK_UNIX, BOOT_CAUSE_UNIX, &best);
	for (size_t i = 0; i < f->n_tasks; i++) {
		struct found found = look_at_task(f, &f->tasks[i]);

		offer(&best, &found);
	}
	if (f->listens && best.cause > BOOT_CAUSE_CONNECTING)
		best = (struct found){.cause = BOOT_CAUSE_NONE};
	return best;
}

/* ---- in words --------------------------------------------------------------------------------- */

#define SECONDS(ms) (unsigned long long)((ms) / 1000), (unsigned long long)((ms) / 100 % 10)

static void tell_end(const struct boot_task *task, char *text)
{
	int status = task->wait_status;
	bool by_signal = WIFSIGNALED(status);

	str_fmt(text, BOOT_CAUSE_BYTES, "process %u (%s) has ended %s %d, and the others go on",
		task->pid, task->name, by_signal ? "by signal" : "with status",
		by_signal ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* What was expected stands in the sentence of now already. */
static void tell_before(const char *before, char *text)
{
	const char *end = strstr(before, ", expected");

	str_fmt(text, BOOT_CAUSE_BYTES, "it was %.*s before, and has closed that",
		(int)(end ? end - before : (ptrdiff_t)strlen(before)), before);
}

static void tell_task(enum boot_cause cause, const struct boot_facts *f,
		      const struct boot_task *task, char *text)
{
	const char *what = cause == BOOT_CAUSE_STOPPED	? "is stopped by a signal"
			   : cause == BOOT_CAUSE_DEVICE ? "waits for a disk or another device"
			   : cause == BOOT_CAUSE_STDIN	? "waits for its standard input"
			   : cause == BOOT_CAUSE_SLEEP	? "sleeps"
			   : cause == BOOT_CAUSE_OPEN	? "waits in open, as of a pipe that nobody "
							  "else opens"
			   : cause == BOOT_CAUSE_LOCK	? "waits for the lock on"
			   : cause == BOOT_CAUSE_READ	? "waits for what it reads from"
							: "waits, and for no client";
	bool of_object = cause == BOOT_CAUSE_LOCK || cause == BOOT_CAUSE_READ;

	if (cause == BOOT_CAUSE_BUSY)
		str_fmt(text, BOOT_CAUSE_BYTES,
			"process %u (%s) is still busy: %llu.%llu s of CPU time in %llu.%llu s",
			task->pid, task->name, SECONDS(task->cpu_ms), SECONDS(f->age_ms));
	else if (of_object)
		str_fmt(text, BOOT_CAUSE_BYTES, "process %u (%s) %s %s", task->pid, task->name,
			what, task->object[0] ? task->object : "a file");
	else
		str_fmt(text, BOOT_CAUSE_BYTES, "process %u (%s) %s", task->pid, task->name, what);
}

static void tell_peer(enum boot_cause cause, const struct boot_socket *s, char *text)
{
	const char *what = cause == BOOT_CAUSE_CONNECTING  ? "waits in connect to"
			   : cause == BOOT_CAUSE_RESOLVING ? "waits for the name server"
							   : "waits for an answer of";

	str_fmt(text, BOOT_CAUSE_BYTES, "process %u (%s) %s %s", s->pid, s->name, what, s->text);
}

enum boot_cause bootcause_tell(const struct boot_facts *f, char ret[BOOT_CAUSE_BYTES])
{
	static const struct boot_socket none;
	const struct found found = find_cause(f);
	/* A cause that is a socket's has it. */
	const struct boot_socket *socket = found.socket ? found.socket : &none;

	ret[0] = '\0';
	switch (found.cause) {
	case BOOT_CAUSE_HELD:
		str_fmt(ret, BOOT_CAUSE_BYTES, "$PORT is taken by %s, outside of the dyno",
			f->holder);
		break;
	case BOOT_CAUSE_LEFT:
		tell_before(f->before, ret);
		break;
	case BOOT_CAUSE_UDP:
		str_fmt(ret, BOOT_CAUSE_BYTES,
			"process %u (%s) has bound $PORT over UDP, and web is TCP", socket->pid,
			socket->name);
		break;
	case BOOT_CAUSE_UNIX:
		str_fmt(ret, BOOT_CAUSE_BYTES, "process %u (%s) listens on the unix socket %s only",
			socket->pid, socket->name, socket->text);
		break;
	case BOOT_CAUSE_CONNECTING:
	case BOOT_CAUSE_RESOLVING:
	case BOOT_CAUSE_ANSWER:
		tell_peer(found.cause, socket, ret);
		break;
	case BOOT_CAUSE_ENDED:
		tell_end(found.task, ret);
		break;
	case BOOT_CAUSE_STOPPED:
	case BOOT_CAUSE_LOCK:
	case BOOT_CAUSE_BUSY:
	case BOOT_CAUSE_DEVICE:
	case BOOT_CAUSE_STDIN:
	case BOOT_CAUSE_READ:
	case BOOT_CAUSE_OPEN:
	case BOOT_CAUSE_SLEEP:
	case BOOT_CAUSE_IDLE:
		tell_task(found.cause, f, found.task, ret);
		break;
	case BOOT_CAUSE_NONE:
		break;
	}
	return found.cause;
}
