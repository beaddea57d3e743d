/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.c - dyno_doctor(): the host's probes and dyno's own helper programs, reported one by one.
 * Nothing is left behind but the empty directories in which starts make their control groups.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/util.h"
#include "engine/host.h"
#include "engine/network.h"
#include "kernel/loopdev.h"
#include "kernel/nft.h"
#include "kernel/pasta.h"
#include "kernel/probe.h"
#include "kernel/projquota.h"
#include "rootfs/image.h"
#include "rootfs/store.h"

static const struct {
	const char *name;
	const char *without;
	enum dyno_verdict verdict;
} helpers[] = {
	{"dyno-unpack", "no slug can be unpacked", DYNO_MISSING},
	{"dyno-seccomp", "no policy of --seccomp can be used", DYNO_FALLBACK},
	{"dyno-pack", "dyno slug pack does not work", DYNO_FALLBACK},
	{"dyno-drain", "no lines can be sent elsewhere with --log", DYNO_FALLBACK},
};

static void probe_helper(const struct dyno_host *host, size_t i, struct probe_result *ret)
{
	char path[PATH_MAX];

	*ret = (struct probe_result){.verdict = DYNO_OK};
	if (store_helper_find(host->libexec_dir, helpers[i].name, path, sizeof(path), NULL) == 0) {
		(void)str_fmt(ret->fact, sizeof(ret->fact), "%s", path);
		return;
	}
	ret->verdict = helpers[i].verdict;
	(void)str_fmt(ret->fact, sizeof(ret->fact), "not found; %s", helpers[i].without);
	(void)str_fmt(ret->fix, sizeof(ret->fix), "make install, or keep it beside dyno");
}

/* What would make a limit cheaper, by the file system it is for. */
static const char *quota_fix(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC)
		return "unmounted: tune2fs -O quota,project -Q prjquota DEVICE; then mount with "
		       "prjquota";
	if (fstatfs(fd, &fs) == 0 && fs.f_type == XFS_SUPER_MAGIC)
		return "mount it with prjquota";
	return "keep --data-dir on an ext4 or xfs mounted with prjquota";
}

/* The data directory, or what it would be made in. */
static int open_data(const char *data_dir)
{
	char path[PATH_MAX];

	probe_existing_dir(data_dir, path, sizeof(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* How --scratch disk is limited, see scratch_make(). */
static void probe_disk_limit(const struct dyno_host *host, struct probe_result *ret)
{
	static const char nothing[] = "nothing limits what dynos write to disk";
	_cleanup_close_ int fd = open_data(host->data_dir);
	const char *fix = fd < 0 ? "" : quota_fix(fd);
	int r;

	*ret = (struct probe_result){.verdict = DYNO_WARN};
	if (geteuid() != 0) {
		(void)str_fmt(ret->fact, sizeof(ret->fact), "%s: not root", nothing);
		(void)str_fmt(ret->fix, sizeof(ret->fix), "use --scratch tmpfs");
		return;
	}
	if (fd >= 0 && projquota_enforced(fd) > 0) {
		ret->verdict = DYNO_OK;
		(void)str_fmt(ret->fact, sizeof(ret->fact), "project quota of %s", host->data_dir);
		return;
	}
	r = loopdev_usable();
	if (r == 0 && image_mkfs()) {
		ret->verdict = DYNO_FALLBACK;
		(void)str_fmt(ret->fact, sizeof(ret->fact),
			      "no project quota; a file system in a file for each start");
		(void)str_fmt(ret->fix, sizeof(ret->fix), "%s", fix);
		return;
	}
	(void)str_fmt(ret->fact, sizeof(ret->fact), "%s: no project quota, %s", nothing,
		      r < 0 ? "no loop device" : "no mkfs.ext4");
	(void)str_fmt(ret->fix, sizeof(ret->fix), "%s; or %s", fix,
		      r < 0 ? "modprobe loop" : "apt install e2fsprogs");
}

/* What a foreign firewall drops is dropped, whatever ours accepts: it has to be told of dynos. */
static void tell_dropping(const struct nft_chain *c, int n, struct probe_result *ret)
{
	char rule[PROBE_TEXT_BYTES];

	ret->verdict = DYNO_WARN;
	(void)str_fmt(ret->fact, sizeof(ret->fact), "chain %s of table %s %s drops %s%s", c->name,
		      c->family, c->table,
		      c->forward ? "what dynos send out" : "what dynos send to the host",
		      n > 1 ? ", and there are more such chains" : "");
	(void)str_fmt(rule, sizeof(rule), "insert rule %s %s %s", c->family, c->table, c->name);
	(void)str_fmt(ret->fix, sizeof(ret->fix), "nft '%s iifname \"dyno-*\" accept%s%s%s'", rule,
		      c->forward ? "; " : "", c->forward ? rule : "",
		      c->forward ? " oifname \"dyno-*\" accept" : "");
}

/* What it takes has rows of its own, pasta and tun. */
static void probe_user_network(struct probe_result *ret)
{
	struct dyno_err err = {0};

	if (pasta_usable(&err) == 0) {
		ret->verdict = DYNO_OK;
		(void)str_fmt(ret->fact, sizeof(ret->fact), "by pasta, where it is asked for");
		return;
	}
	ret->verdict = DYNO_FALLBACK;
	(void)str_fmt(ret->fact, sizeof(ret->fact), "%s: host or none only", err.msg);
	(void)str_fmt(ret->fix, sizeof(ret->fix), "%s", err.hint);
}

/* What --network private needs. */
static void probe_network(struct probe_result *ret)
{
	struct nft_chain chain;
	const char *path = "";
	_cleanup_close_ int program = nft_program(&path);
	_cleanup_close_ int fd = nft_open();
	int n;

	*ret = (struct probe_result){.verdict = DYNO_WARN};
	if (geteuid() != 0) {
		probe_user_network(ret);
		return;
	}
	if (program < 0) {
		(void)str_fmt(ret->fact, sizeof(ret->fact), "no program nft: host or none only");
		(void)str_fmt(ret->fix, sizeof(ret->fix), "apt install nftables");
		return;
	}
	n = fd < 0 ? fd : nft_dropping(fd, &chain, 1);
	if (n < 0) {
		(void)str_fmt(ret->fact, sizeof(ret->fact), "no nf_tables: host or none only: %s",
			      err_errno_text(-n));
		(void)str_fmt(ret->fix, sizeof(ret->fix), "modprobe nf_tables");
		return;
	}
	if (network_host_lost()) {
		(void)str_fmt(ret->fact, sizeof(ret->fact),
			      "the table inet " NETRULES_TABLE
			      " was removed while dynos are up: they "
			      "are not kept apart, and have no way out");
		(void)str_fmt(ret->fix, sizeof(ret->fix),
			      "start or restart any dyno with --network private");
		return;
	}
	if (n > 0) {
		tell_dropping(&chain, n, ret);
		return;
	}
	ret->verdict = DYNO_OK;
	(void)str_fmt(ret->fact, sizeof(ret->fact), "%s; no foreign firewall drops by default",
		      path);
}

int dyno_doctor(struct dyno_host *host, dyno_doctor_fn fn, void *data, struct dyno_err *err)
{
	const struct probe_ctx ctx = {
		.run_dir = host->run_dir,
		.data_dir = host->data_dir,
		.libexec_dir = host->libexec_dir,
	};
	const struct probe *probe;
	struct probe_result result;
	int missing = 0;

	(void)err; /* what a host lacks is a finding; nothing else can fail */
	for (size_t i = 0; (probe = probe_at(i)) != NULL; i++) {
		probe_run(probe, &ctx, &result);
		missing += result.verdict == DYNO_MISSING;
		fn(data, probe->name, result.verdict, result.fact, result.fix);
	}
	probe_disk_limit(host, &result);
	fn(data, "disk-limit", result.verdict, result.fact, result.fix);
	probe_network(&result);
	fn(data, "private-network", result.verdict, result.fact, result.fix);
	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++) {
		probe_helper(host, i, &result);
		missing += result.verdict == DYNO_MISSING;
		fn(data, helpers[i].name, result.verdict, result.fact, result.fix);
	}
	return missing;
}
