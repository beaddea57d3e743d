/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_host.c - what private networks need of the host once: an address on its loopback, the
 * forwarding of packets, the firewall table.  The table comes last and goes first but for nothing:
 * where it stands all of it does, and its comment is the record of what was changed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/network.h"
#include "kernel/nft.h"
#include "kernel/rtnl.h"
#include "kernel/slot.h"

/* Of whoever makes or removes the host's part, in the run directory. In it stands the namespace in
 * which forwarding was off, for the case that somebody else removes the table with its note. */
#define LOCK_FILE "network"

/* The loopback of every namespace. Source: include/net/net_namespace.h, LOOPBACK_IFINDEX */
#define LOOPBACK_INDEX 1

/* A line is some 120 bytes long. Source: own choice, more links than a host can hold */
#define DEV_MAX_BYTES (16U << 20)

/* Routes of a host that are looked at. Source: own choice; with more a range must be named */
#define ROUTES_MAX 512

/* Two numbers of 64 bits and what is between them. */
#define MARK_BYTES 48

#define FORWARD4   "/proc/sys/net/ipv4/ip_forward"
#define FORWARD6   "/proc/sys/net/ipv6/conf/all/forwarding"

/* The links of dynos that have ended go when the kernel comes to it. Source: own choice */
#define LINKS_WAIT_MS 3000
#define LINKS_LOOK_MS 50

/* A switch of /proc/sys. Return: whether it is there and says @value. */
static bool reads(const char *path, char value)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = '\0';

	return fd >= 0 && read(fd, &c, 1) == 1 && c == value;
}

/* On the loopback, and on links that are made from now on. */
static bool has_ipv6(void)
{
	return reads("/proc/sys/net/ipv6/conf/all/disable_ipv6", '0') &&
	       reads("/proc/sys/net/ipv6/conf/default/disable_ipv6", '0') &&
	       reads("/proc/sys/net/ipv6/conf/lo/disable_ipv6", '0');
}

static int take_lock(int run_fd, struct dyno_err *err)
{
	_cleanup_close_ int fd = slot_open(run_fd, LOCK_FILE);

	if (fd < 0)
		return err_set(err, ERR_RUN_DIR, -fd, "open %s in the run directory", LOCK_FILE);
	if (flock(fd, LOCK_EX) < 0)
		return err_set(err, ERR_RUN_DIR, errno, "lock %s in the run directory", LOCK_FILE);
	return take_fd(&fd);
}

/* Return: 1: the table stands and @ret is filled; 0: there is none; -errno. */
static int read_note(struct netrules_note *ret, struct dyno_err *err)
{
	_cleanup_close_ int fd = nft_open();
	char text[NETRULES_NOTE_BYTES];
	int r = fd < 0 ? fd : nft_comment(fd, NETRULES_TABLE, text, sizeof(text));

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		err_set(err, ERR_NETWORK, -r, "ask for the firewall table inet %s", NETRULES_TABLE);
		err_hint(err, "the kernel needs nf_tables: modprobe nf_tables; or use --network "
			      "host or none");
		return r;
	}
	if (netrules_note_parse(text, ret) == 0)
		return 1;
	err_set(err, ERR_NETWORK, EEXIST, "use the firewall table inet %s, which says \"%s\"",
		NETRULES_TABLE, text);
	err_hint(err, "it is of another version: once no dyno is up, nft delete table inet %s",
		 NETRULES_TABLE);
	return -EEXIST;
}

/* The namespace of this process as text. */
static void own_namespace(char buf[MARK_BYTES])
{
	struct stat st = {0};

	(void)stat("/proc/self/ns/net", &st); /* 0 is nobody's */
	str_fmt(buf, MARK_BYTES, "%ju:%ju\n", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
}

/* Whether it is we who have switched forwarding on here, since the host was booted. */
static bool forwarding_is_ours(int lock_fd)
{
	char own[MARK_BYTES];
	char kept[MARK_BYTES];
	ssize_t n = pread(lock_fd, kept, sizeof(kept) - 1, 0);

	kept[n > 0 ? n : 0] = '\0';
	own_namespace(own);
	return str_eq(kept, own);
}

static void keep_forwarding(int lock_fd, bool ours)
{
	char own[MARK_BYTES];

	own_namespace(own);
	/* A hint beside the note of the table: without it forwarding stays on. */
	if (ftruncate(lock_fd, 0) == 0 && ours)
		(void)fd_write_full(lock_fd, own, strlen(own));
}

/* ---- making --------------------------------------------------------------------------------- */

int network_choose_pool(int fd, const char *subnet, struct netpool *ret, struct dyno_err *err)
{
	struct netpool routes[ROUTES_MAX];
	int n;

	if (subnet)
		return netpool_parse(subnet, ret, err);
	n = rtnl_routes(fd, routes, ROUTES_MAX);
	if (n < 0)
		return err_set(err, ERR_NETWORK, -n, "list the host's routes");
	if (n <= ROUTES_MAX && netpool_choose(routes, (size_t)n, ret) == 0)
		return 0;
	err_set(err, ERR_NETWORK, EADDRNOTAVAIL,
		"find a range in 172.16.0.0/12 that none of the host's %d routes leads into", n);
	err_hint(err, "name one that is free with --subnet, such as 10.250.0.0/16");
	return -EADDRNOTAVAIL;
}

/* Already there is as good: the maker before may have been killed half-way. */
static int add_host_addresses(int fd, const struct netrules_note *note, struct dyno_err *err)
{
	const uint32_t host = netpool_host(&note->pool);
	const uint32_t be = htonl(host);
	uint8_t host6[16];
	int r = rtnl_add_address(fd, AF_INET, &be, LOOPBACK_INDEX);

	netpool_addr6(host, host6);
	if ((r == 0 || r == -EEXIST) && note->ipv6)
		r = rtnl_add_address(fd, AF_INET6, host6, LOOPBACK_INDEX);
	if (r < 0 && r != -EEXIST)
		return err_set(err, ERR_NETWORK, -r, "give the host an address for its dynos");
	return 0;
}

static void delete_host_addresses(int fd, const struct netrules_note *note)
{
	const uint32_t host = netpool_host(&note->pool);
	const uint32_t be = htonl(host);
	uint8_t host6[16];

	netpool_addr6(host, host6);
	/* What is not there need not go. */
	(void)rtnl_delete_address(fd, AF_INET, &be, LOOPBACK_INDEX);
	if (note->ipv6)
		(void)rtnl_delete_address(fd, AF_INET6, host6, LOOPBACK_INDEX);
}

static int forward(const struct netrules_note *note, const char *value, struct dyno_err *err)
{
	int r;

	if (!note->forward_was_off)
		return 0;
	r = file_write_at(AT_FDCWD, FORWARD4, value);
	return r < 0 ? err_set(err, ERR_NETWORK, -r, "write %s to %s", value, FORWARD4) : 0;
}

static int make_table(const struct netrules_note *note, struct dyno_err *err)
{
	_cleanup_sbuf_ struct sbuf text = {0};

	netrules_host(note, &text);
	if (sbuf_ok(&text) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "write the firewall table");
	return nft_run(text.data, text.len, err);
}

/* @ret may be changed by a failure too. */
static int make(int lock_fd, const char *subnet, struct netrules_note *ret, struct dyno_err *err)
{
	_cleanup_close_ int fd = rtnl_open();
	struct netrules_note note = {
		.forward_was_off = reads(FORWARD4, '0') || forwarding_is_ours(lock_fd),
		.ipv6 = has_ipv6(),
	};
	int r;

	if (fd < 0)
		return err_set(err, ERR_NETWORK, -fd, "open a socket for links");
	note.ipv6_out = note.ipv6 && !reads(FORWARD6, '0');
	r = network_choose_pool(fd, subnet, &note.pool, err);
	if (r < 0)
		return r;
	*ret = note;
	keep_forwarding(lock_fd, note.forward_was_off);
	r = add_host_addresses(fd, &note, err);
	if (r == 0)
		r = forward(&note, "1", err);
	if (r == 0)
		r = make_table(&note, err);
	if (r == 0)
		return 0;
	/* One of another run directory may have been faster, and then all of it is his. */
	if (read_note(ret, NULL) > 0)
		return 0;
	delete_host_addresses(fd, &note);
	(void)forward(&note, "0", NULL); /* the failure before is the one to tell */
	return r;
}

static int check_subnet(const char *subnet, const struct netrules_note *note, struct dyno_err *err)
{
	char is[NETPOOL_CIDR_BYTES];
	struct netpool want;
	int r;

	if (!subnet)
		return 0;
	r = netpool_parse(subnet, &want, err);
	if (r < 0 || (want.base == note->pool.base && want.len == note->pool.len))
		return r;
	err_set(err, ERR_NETWORK, EBUSY, "use the range %s: the dynos of this host use %s", subnet,
		netpool_format(&note->pool, is));
	err_hint(err, "stop those with a private network, then dyno gc --network");
	return -EBUSY;
}

int network_host(int run_fd, const char *subnet, struct netrules_note *ret, struct dyno_err *err)
{
	_cleanup_close_ int lock_fd = -EBADF;
	struct netrules_note note;
	int r = read_note(&note, err);

	if (r == 0) {
		lock_fd = take_lock(run_fd, err);
		if (lock_fd < 0)
			return lock_fd;
		r = read_note(&note, err);
	}
	if (r == 0)
		r = make(lock_fd, subnet, &note, err);
	if (r >= 0)
		r = check_subnet(subnet, &note, err);
	if (r < 0)
		return r;
	*ret = note;
	return 0;
}

/* ---- removing ------------------------------------------------------------------------------- */

/* How many links of dynos there are. Source: proc(5), /proc/net/dev: a line begins with a name */
static int count_links(void)
{
	_cleanup_close_ int fd = open("/proc/self/net/dev", O_RDONLY | O_CLOEXEC);
	_cleanup_arena_ struct arena arena = {0};
	char *text;
	int n = 0;
	int r;

	if (fd < 0)
		return -errno;
	r = fd_read_all(fd, DEV_MAX_BYTES, &arena, &text, NULL);
	if (r < 0)
		return r;
	for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		const char *name = at + strspn(at, " ");

		n += strncmp(name, NETPOOL_LINK_PREFIX, STRLEN(NETPOOL_LINK_PREFIX)) == 0;
	}
	return n;
}

static int wait_for_links(void)
{
	const struct timespec pause = {.tv_nsec = LINKS_LOOK_MS * 1000000L};
	int n = count_links();

	for (int ms = 0; n > 0 && ms < LINKS_WAIT_MS; ms += LINKS_LOOK_MS) {
		(void)nanosleep(&pause, NULL); /* sooner does no harm */
		n = count_links();
	}
	return n;
}

static int remove_all(const struct netrules_note *note, struct dyno_err *err)
{
	static const char text[] = "delete table inet " NETRULES_TABLE "\n";
	_cleanup_close_ int fd = rtnl_open();
	int r;

	if (fd < 0)
		return err_set(err, ERR_NETWORK, -fd, "open a socket for links");
	delete_host_addresses(fd, note);
	r = forward(note, "0", err);
	return r < 0 ? r : nft_run(text, sizeof(text) - 1, err);
}

/* Dynos of this run directory hold their addresses, whose links need not be waited for. */
static bool has_dynos(int run_fd, const struct netpool *pool)
{
	_cleanup_close_ int fd = slot_open(run_fd, SLOT_FILE_ADDRESSES);

	return fd >= 0 && slot_taken(fd, pool->base, netpool_count(pool) + 3) > 0;
}

int network_host_remove(int run_fd, struct dyno_err *err)
{
	_cleanup_close_ int lock_fd = take_lock(run_fd, err);
	struct netrules_note note;
	int n;
	int r = lock_fd < 0 ? lock_fd : read_note(&note, err);

	if (r <= 0)
		return r;
	n = has_dynos(run_fd, &note.pool) ? count_links() : wait_for_links();
	if (n < 0)
		return err_set(err, ERR_NETWORK, -n, "list the host's links");
	if (n > 0) {
		err_set(err, ERR_NETWORK, EBUSY,
			"remove the firewall table: %d dynos with a "
			"private network are up",
			n);
		err_hint(err, "stop them first: see dyno ps");
		return -EBUSY;
	}
	r = remove_all(&note, err);
	if (r < 0)
		return r;
	keep_forwarding(lock_fd, false);
	return 1;
}

bool network_host_lost(void)
{
	struct netrules_note note;

	return read_note(&note, NULL) == 0 && count_links() > 0;
}
