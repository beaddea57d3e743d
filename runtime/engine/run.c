/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - dyno_run(): the app front end.  It finds what is to be run and on what, compiles the
 * spec, and hands launch and supervision to the engine.
 *
 * Everything it takes is in struct run and given back by run_done(), in reverse order; the kernel
 * gives back the same when this process is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include <dyno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/explain.h"
#include "engine/run_internal.h"
#include "kernel/listen.h"
#include "kernel/port.h"
#include "kernel/slot.h"
#include "model/port.h"
#include "model/uidrange.h"

/* Source: contract table (b), R10 and R12 */
#define BOOT_TIMEOUT_MS 60000U
#define GRACE_MS	30000U

/* More descriptors than a launch ever holds. Source: measured 2026-11, 41 on cgroup v1 */
#define LAUNCH_FILES 64U

/* Source: contract 0.8 */
#define LOG_SOURCE "heroku"

/* Source: statfs(2), fuse_i.h; not in linux/magic.h of every release */
#define FUSE_MAGIC 0x65735546

static void run_init(struct run *run, struct dyno_host *host, const struct dyno_run_opts *opts)
{
	*run = (struct run){
		.host = host,
		.opts = opts,
		.rootless = geteuid() != 0,
		.run_fd = -EBADF,
		.entry = STORE_ENTRY_INIT,
		.stack = STACK_INIT,
		.slug = SLUG_INIT,
		.state = STATE_INIT,
		.scratch = SCRATCH_INIT,
		.copy = SCRATCH_INIT,
		.copy_fd = -EBADF,
		.ids_fd = -EBADF,
		.port_fd = -EBADF,
		.host_listen_fd = -EBADF,
	};
	launch_init(&run->launch);
}

static void run_done(struct run *run)
{
	launch_done(&run->launch);
	close_fdp(&run->copy_fd);
	scratch_done(&run->copy);
	scratch_done(&run->scratch);
	if (run->have_cgroups)
		cgroup_host_done(&run->cgroups);
	close_fdp(&run->host_listen_fd);
	close_fdp(&run->port_fd);
	close_fdp(&run->ids_fd);
	state_release(&run->state);
	slug_done(&run->slug);
	stack_done(&run->stack);
	store_entry_done(&run->entry);
	arena_done(&run->arena);
}

/* ---- phases, in order --------------------------------------------------------------------- */

static void mark(struct run *run, const char *name)
{
	struct dyno_timing *t = run->opts->timing;

	if (!t || t->n == DYNO_TIMING_MAX)
		return;
	t->name[t->n] = name;
	t->at_ns[t->n++] = clock_ns();
}

static int name_app(struct run *run, struct dyno_err *err)
{
	const char *given = run->opts->app;
	int r;

	if (given) {
		r = name_check_app(given, err);
		if (r < 0)
			return r;
		str_fmt(run->app, sizeof(run->app), "%s", given);
		return 0;
	}
	r = name_app_from_slug(run->opts->slug, run->app, sizeof(run->app));
	if (r < 0 && run->entry.digest[0])
		r = name_app_from_slug(run->entry.digest, run->app, sizeof(run->app));
	if (r < 0)
		str_fmt(run->app, sizeof(run->app), "app");
	return 0;
}

/*
 * Readable while a signal waits that ends a run.  Nobody takes the signal from it: after a launch
 * the monitor does, before one it is left pending and ends the caller once all is given back.
 */
static int open_cancel(int *ret_fd, struct dyno_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return *ret_fd < 0 ? err_set(err, ERR_IO, errno, "look for signals") : 0;
}

static int find_slug(struct run *run, struct dyno_err *err)
{
	_cleanup_close_ int cancel_fd = -EBADF;
	struct store_request req = {
		.source = run->opts->slug,
		.checksum = run->opts->checksum,
		.libexec_dir = run->host->libexec_dir,
		.progress = run->host->progress,
		.data = run->host->data,
	};
	int r;

	r = host_run_dir(run->host, &run->run_fd, err);
	if (r < 0)
		return r;
	r = host_store(run->host, &run->store, err);
	if (r == 0)
		r = open_cancel(&cancel_fd, err);
	if (r < 0)
		return r;
	req.cancel_fd = cancel_fd;
	r = store_acquire(run->store, &req, &run->entry, err);
	if (r < 0)
		return r;
	return stack_acquire(run->store, run->opts->stack, &run->stack, err);
}

static int find_command(struct run *run, struct dyno_err *err)
{
	const struct command_input in = {
		.types = &run->slug.types,
		.operands = run->opts->operands,
		.n = run->opts->n_operands,
		.argv_mode = run->opts->argv_mode,
	};
	int r;

	/* An argv needs no types, so a broken Procfile is no hindrance to `-- bash`. */
	r = slug_read(&run->entry, !run->opts->argv_mode, &run->arena, &run->slug, err);
	if (r < 0)
		return r;
	return command_compile(&in, &run->arena, &run->command, err);
}

static int claim_place(struct run *run, struct dyno_err *err)
{
	bool formation = run->command.kind == COMMAND_TYPE;
	bool remains = false;
	int r;

	r = name_app(run, err);
	if (r < 0)
		return r;
	if (run->opts->name) {
		r = name_check_dyno(run->opts->name, err);
		if (r == 0)
			r = state_claim(run->run_fd, run->app, run->opts->name, &run->state,
					&remains, err);
	} else if (formation) {
		r = state_claim_type(run->run_fd, run->app, run->command.type, &run->state,
				     &remains, err);
	} else {
		r = state_claim_oneoff(run->run_fd, run->app, &run->state, &remains, err);
	}
	if (r < 0)
		return r;
	r = state_tag(run->run_fd, run->tag);
	if (r < 0)
		return err_set(err, ERR_RUN_DIR, -r, "look at the run directory");
	state_leaf_name(run->app, run->state.dyno, run->tag, run->leaf_name,
			sizeof(run->leaf_name));
	if (str_fmt(run->run_path, sizeof(run->run_path), "%s/%s/%s", run->host->run_dir, run->app,
		    run->state.dyno) >= sizeof(run->run_path))
		return err_set(err, ERR_RUN_DIR, ENAMETOOLONG, "name the dyno's directory");
	return 0;
}

static int reserve_ids(struct run *run, struct dyno_err *err)
{
	struct uidrange range = UIDRANGE_DEFAULT;
	int r;

	if (run->rootless && run->opts->uid_range) {
		err_set(err, ERR_USAGE, EPERM, "use a range of ids without root");
		err_hint(err, "leave --uid-range out: rootless a dyno has the caller's id alone");
		return -EPERM;
	}
	if (run->rootless)
		return 0;
	if (run->opts->uid_range) {
		r = uidrange_parse(run->opts->uid_range, &range, err);
		if (r < 0)
			return r;
	}
	return ids_reserve(run->run_fd, range.first, uidrange_slots(&range), &run->ids_fd,
			   &run->base, err);
}

static int reserve_port(struct run *run, struct dyno_err *err)
{
	const struct port_want want = {
		.fixed = run->opts->port,
		.first = PORT_FIRST,
		.count = PORT_COUNT,
		.shared = run->opts->network == DYNO_NET_HOST,
	};

	return port_reserve(run->run_fd, &want, &run->port_fd, &run->port, err);
}

/* ---- launch and watch --------------------------------------------------------------------- */

static bool is_slow_fs(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	return fs.f_type == FUSE_MAGIC || fs.f_type == NFS_SUPER_MAGIC ||
	       fs.f_type == SMB_SUPER_MAGIC || fs.f_type == V9FS_MAGIC ||
	       fs.f_type == CEPH_SUPER_MAGIC;
}

static void find_cgroups(struct run *run)
{
	struct dyno_err ignored;

	/* Without control groups a dyno still runs; doctor says what is missing. */
	run->have_cgroups = cgroup_host_open(CGROUP_ROOT, &run->cgroups, &ignored) == 0;
}

static void plan_launch(struct run *run)
{
	struct launch *l = &run->launch;

	l->spec = &run->spec;
	l->run_path = run->run_path;
	l->rootless = run->rootless;
	l->base = run->base;
	l->cgroups = run->have_cgroups ? &run->cgroups : NULL;
	l->leaf_name = run->leaf_name;
	l->want_listen_fd = run->plan.web && run->opts->network != DYNO_NET_HOST;
	l->slow_layers = is_slow_fs(run->slug.layer_fd) || is_slow_fs(run->stack.root_fd);
	l->timing = run->opts->timing;
}

static void plan_monitor(struct run *run)
{
	/* The release phase runs in a one-off (contract 8.10). */
	bool formation = run->command.kind == COMMAND_TYPE && !str_eq(run->command.type, "release");
	bool shared = run->opts->network == DYNO_NET_HOST;

	run->plan = (struct monitor_plan){
		.dyno = run->state.dyno,
		.command = run->command.text,
		.formation = formation,
		.web = formation && str_eq(run->command.type, "web"),
		.port = run->port,
		.listen_fd = -EBADF,
		.listen_uid = LISTEN_ANY_UID,
		.explain = !shared || !run->rootless,
		.boot_timeout_ms =
			run->opts->boot_timeout_ms ? run->opts->boot_timeout_ms : BOOT_TIMEOUT_MS,
		.grace_ms = run->opts->grace_ms ? run->opts->grace_ms : GRACE_MS,
		.log = run->opts->log,
		.log_data = run->opts->data,
		.log_source = run->opts->log_source ? run->opts->log_source : LOG_SOURCE,
	};
	if (!run->plan.web || !shared)
		return;
	run->plan.listen_uid = run->rootless ? geteuid() : run->base + run->uid;
	if (listen_probe_open(&run->host_listen_fd) == 0)
		run->plan.listen_fd = run->host_listen_fd;
}

#ifdef DYNO_WITH_FAULTS
static int plan_fault(struct run *run, struct dyno_err *err)
{
	const char *text = getenv("DYNO_FAULT");
	int r;

	if (!text)
		return 0;
	r = step_fault_parse(text, &run->launch.fault, err);
	if (r < 0)
		return r;
	return step_fault_arm(&run->launch.fault, err);
}
#else
static int plan_fault(struct run *run, struct dyno_err *err)
{
	(void)run;
	(void)err;
	return 0;
}
#endif

/* Rootless the child has its own memory: its times come through a shared page. */
static void share_timing(struct run *run)
{
	void *page;

	if (!run->rootless || !run->opts->timing)
		return;
	page = mmap(NULL, sizeof(*run->shared_timing), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return;
	run->shared_timing = page;
	*run->shared_timing = *run->opts->timing;
	run->launch.timing = run->shared_timing;
}

static void unshare_timing(struct run *run)
{
	if (!run->shared_timing)
		return;
	*run->opts->timing = *run->shared_timing;
	(void)munmap(run->shared_timing, sizeof(*run->shared_timing)); /* our own mapping */
	run->shared_timing = NULL;
}

/* The kernel and bash say that a file cannot be executed; the file itself says why. */
static void explain_end(struct run *run, int r, const struct dyno_outcome *out,
			struct dyno_err *err)
{
	const char *command = run->command.shell ? run->command.text : run->command.argv[0];
	char text[512];

	if (r < 0 && err->kind != ERR_EXEC_PERM && err->kind != ERR_EXEC_MISSING)
		return;
	if (r == 0 && !(run->command.shell && (out->exit_code == 126 || out->exit_code == 127)))
		return;
	if (explain_exec(&run->slug, &run->stack, command, text, sizeof(text)) == 0)
		return;
	if (r < 0)
		err_hint(err, "%s", text);
	else
		monitor_warn(&run->plan, text);
}

/* The child knows a failed call; only here is known what the user can choose instead. */
static void hint_scratch(const struct run *run, struct dyno_err *err)
{
	if (run->copy.path)
		err_hint(err, "keep slugs where ids can be mapped, with --data-dir on ext4 or xfs");
	else if (run->scratch.path)
		err_hint(err, "choose another place with --data-dir, or --scratch tmpfs");
	else
		err_hint(err, "give the dyno more room: --scratch tmpfs:SIZE:INODES");
}

static int launch_once(struct run *run, int signal_fd, struct dyno_outcome *ret,
		       struct dyno_err *err)
{
	int r;

	plan_launch(run);
	r = plan_fault(run, err);
	if (r < 0)
		return r;
	share_timing(run);
	r = launch_start(&run->launch, err);
	if (r == 0)
		r = monitor_run(&run->plan, &run->launch, signal_fd, ret, err);
	unshare_timing(run);
	return r;
}

/* The fallback for an app on a file system that takes no id map; the second try is the last. */
static int launch_on_copy(struct run *run, int signal_fd, struct dyno_outcome *ret,
			  struct dyno_err *err)
{
	int r;

	monitor_warn(&run->plan, "the file system of the slug takes no id map: "
				 "its files are copied for this start");
	launch_done(&run->launch);
	launch_init(&run->launch);
	r = run_copy_layer(run, err);
	return r < 0 ? r : launch_once(run, signal_fd, ret, err);
}

static int launch_and_watch(struct run *run, int signal_fd, struct dyno_outcome *ret,
			    struct dyno_err *err)
{
	__attribute__((uninitialized)) char text[LINE_BYTES];
	int r;

	monitor_line(
		&run->plan, LINE_START,
		&(struct line_args){.command = str_escape(text, sizeof(text), run->command.text)});
	r = launch_once(run, signal_fd, ret, err);
	if (r < 0 && err->kind == ERR_IDMAP)
		r = launch_on_copy(run, signal_fd, ret, err);
	explain_end(run, r, ret, err);
	if (r < 0) {
		if (err->kind == ERR_SCRATCH && !err->hint[0])
			hint_scratch(run, err);
		if (err->stage)
			err_context(err, "launch step %s", step_name(err->stage));
		monitor_line(&run->plan, LINE_STATE,
			     &(struct line_args){.from = "starting", .to = "crashed"});
	}
	return r;
}

/**
 * struct caller - what a run changes of the process, to be put back.
 * @umask: directories and files get the modes that their makers name
 * @files: see raise_files()
 */
struct caller {
	sigset_t mask;
	mode_t umask;
	struct rlimit files;
};

/* Signals that end or interest an app; the rest keep their meaning for this process. */
static int take_signals(sigset_t *old, int *ret_fd, struct dyno_err *err)
{
	static const int taken[] = {SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGTERM};
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(taken); i++)
		sigaddset(&set, taken[i]);
	if (sigprocmask(SIG_BLOCK, &set, old) < 0)
		return err_set(err, ERR_IO, errno, "block signals");
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (*ret_fd < 0)
		return err_set(err, ERR_IO, errno, "take over the signals");
	return 0;
}

/*
 * The caller's `ulimit -n` is for its own files: it is raised as far as may be while the run lasts.
 * The command has a limit of its own.
 */
static void raise_files(struct rlimit *old)
{
	struct rlimit lim = {.rlim_cur = LAUNCH_FILES, .rlim_max = LAUNCH_FILES};

	if (getrlimit(RLIMIT_NOFILE, old) < 0 || old->rlim_cur >= LAUNCH_FILES)
		return;
	if (old->rlim_max >= LAUNCH_FILES)
		lim.rlim_max = old->rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) == 0)
		return;
	lim.rlim_cur = lim.rlim_max = old->rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim); /* the launch says what it could not open */
}

static int caller_take(struct caller *caller, int *ret_signal_fd, struct dyno_err *err)
{
	int r = take_signals(&caller->mask, ret_signal_fd, err);

	if (r < 0)
		return r;
	caller->umask = umask(022);
	raise_files(&caller->files);
	return 0;
}

static void caller_give_back(const struct caller *caller)
{
	if (caller->files.rlim_cur < LAUNCH_FILES)
		(void)setrlimit(RLIMIT_NOFILE, &caller->files); /* lower than now */
	(void)umask(caller->umask);
	(void)sigprocmask(SIG_SETMASK, &caller->mask, NULL); /* the mask of a moment ago */
}

static int prepare(struct run *run, struct dyno_err *err)
{
	static int (*const phases[])(struct run *, struct dyno_err *) = {
		find_slug,   find_command, claim_place,
		reserve_ids, reserve_port, run_make_environment,
	};
	static const char *const names[] = {"slug", "procfile", "name",
					    "ids",  "port",	"environment"};
	size_t i;
	int r;

	_Static_assert(ARRAY_SIZE(phases) == ARRAY_SIZE(names), "each phase has a name");
	for (i = 0; i < ARRAY_SIZE(phases); i++) {
		r = phases[i](run, err);
		if (r < 0)
			return r;
		mark(run, names[i]);
	}
	find_cgroups(run);
	r = scratch_make(run->store,
			 &(struct scratch_want){
				 .kind = run->opts->scratch,
				 .bytes = run->opts->scratch_bytes,
				 .inodes = run->opts->scratch_inodes,
				 .rootless = run->rootless,
				 .name = run->leaf_name,
			 },
			 &run->arena, &run->scratch, err);
	if (r == 0)
		r = run_make_spec(run, err);
	if (r < 0)
		return r;
	plan_monitor(run);
	mark(run, "plan");
	return 0;
}

/* The caller gets times that begin with the run. */
static void rebase_timing(struct dyno_timing *t)
{
	unsigned int i;

	if (!t)
		return;
	for (i = t->n; i-- > 0;)
		t->at_ns[i] -= t->at_ns[0];
}

/* A wrong slug is told in the app's log too; it has no dyno's name yet but a wanted one. */
static void log_wrong_slug(const struct run *run, const struct dyno_err *err)
{
	const char *source = run->opts->log_source ? run->opts->log_source : LOG_SOURCE;

	if (err->kind == ERR_SLUG_DIGEST && run->opts->log)
		run->opts->log(run->opts->data, source, run->opts->name ? run->opts->name : "run",
			       err->msg);
}

DYNO_PUBLIC int dyno_run(struct dyno_host *host, const struct dyno_run_opts *opts,
			 struct dyno_outcome *ret, struct dyno_err *err)
{
	_cleanup_close_ int signal_fd = -EBADF;
	struct dyno_outcome out = {.reason = "exit"};
	struct run run;
	struct caller caller;
	int r;

	run_init(&run, host, opts);
	run.size = size_find(SIZE_DEFAULT);
	mark(&run, "begin");
	r = caller_take(&caller, &signal_fd, err);
	if (r < 0)
		return r;
	r = prepare(&run, err);
	if (r < 0)
		log_wrong_slug(&run, err);
	else
		r = launch_and_watch(&run, signal_fd, &out, err);
	if (r == 0) {
		str_fmt(out.app, sizeof(out.app), "%s", run.app);
		str_fmt(out.dyno, sizeof(out.dyno), "%s", run.state.dyno);
		out.port = run.port;
		*ret = out;
	}
	mark(&run, "ended");
	run_done(&run);
	mark(&run, "removed");
	rebase_timing(opts->timing);
	caller_give_back(&caller);
	return r;
}
