/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.c - dyno_doctor(): the host's probes and dyno's own helper programs, reported one by one.
 * Nothing is left behind but the empty directories in which starts make their control groups.
 */
#include <limits.h>

#include "base/err.h"
#include "base/str.h"
#include "base/util.h"
#include "engine/host.h"
#include "kernel/probe.h"
#include "rootfs/store.h"

static const struct {
	const char *name;
	const char *without;
	enum dyno_verdict verdict;
} helpers[] = {
	{"dyno-unpack", "no slug can be unpacked", DYNO_MISSING},
	{"dyno-seccomp", "no policy of --seccomp can be used", DYNO_FALLBACK},
	{"dyno-pack", "dyno slug pack does not work", DYNO_FALLBACK},
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
	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++) {
		probe_helper(host, i, &result);
		missing += result.verdict == DYNO_MISSING;
		fn(data, helpers[i].name, result.verdict, result.fact, result.fix);
	}
	return missing;
}
