/* SPDX-License-Identifier: Apache-2.0 */
/* dyno_options.c - the settings of a dyno as options. */
#include "cli/dyno_options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"

/* Longest spec. Source: dyno-spec(5) */
#define SPEC_MAX_BYTES (1024U * 1024U)
#define SPEC_FD_PREFIX "fd:"

static const char *const network_choices[] = {
	[DYNO_NET_AUTO] = "auto",
	[DYNO_NET_HOST] = "host",
	[DYNO_NET_NONE] = "none",
	[DYNO_NET_PRIVATE] = "private",
	[DYNO_NET_PRIVATE_APP] = "private:app",
	NULL,
};

#define AT(member, type) OPT_FIELD(struct dyno_options, member, type)

static const struct opt rows[] = {
	{.name = "app",
	 .letter = 'a',
	 .kind = OPT_STRING,
	 .offset = AT(run.app, const char *),
	 .arg = "NAME",
	 .help = "the app's name (from the slug's)"},
	{.name = "name",
	 .kind = OPT_STRING,
	 .offset = AT(run.name, const char *),
	 .arg = "NAME",
	 .help = "the dyno's name, its $DYNO (web.1, run.1234)"},
	{.name = "spec",
	 .kind = OPT_STRING,
	 .offset = AT(spec, const char *),
	 .arg = "FILE|-|fd:N",
	 .help = "settings as JSON; options win",
	 .words = OPT_WORDS_FILE},
	{.name = "env",
	 .letter = 'e',
	 .kind = OPT_LIST,
	 .offset = AT(env, struct opt_list),
	 .arg = "K=V",
	 .help = "a config var; may be repeated"},
	{.name = "env-file",
	 .kind = OPT_LIST,
	 .offset = AT(env_files, struct opt_list),
	 .arg = "FILE",
	 .help = "config vars, before those of -e; may be repeated",
	 .words = OPT_WORDS_FILE},
	{.name = "stack",
	 .kind = OPT_STRING,
	 .offset = AT(run.stack, const char *),
	 .arg = "NAME",
	 .help = "base root file system (host)"},
	{.name = "checksum",
	 .kind = OPT_STRING,
	 .offset = AT(run.checksum, const char *),
	 .arg = "SHA256:HEX",
	 .help = "what the slug must be, else R17"},
	{.name = "scratch",
	 .kind = OPT_PARSED,
	 .offset = AT(scratch, struct value_scratch),
	 .arg = "KIND[:SIZE[:INODES]]",
	 .help = "where writes go, auto, tmpfs or disk, and their limits",
	 .parse = value_scratch},
	{.name = "read-only",
	 .kind = OPT_FLAG,
	 .offset = AT(read_only, bool),
	 .help = "/ is read-only but for /tmp and the like"},
	{.name = "writable",
	 .kind = OPT_LIST,
	 .offset = AT(writable, struct opt_list),
	 .arg = "PATH",
	 .help = "a directory that is not; may be repeated"},
	{.name = "tmpfs",
	 .kind = OPT_LIST,
	 .offset = AT(tmpfs, struct opt_list),
	 .arg = "PATH[:SIZE[:INODES]]",
	 .help = "memory of the dyno's own at PATH (64M)"},
	{.name = "mount",
	 .kind = OPT_LIST,
	 .offset = AT(mounts, struct opt_list),
	 .arg = "SRC:DST[:ro|:rw]",
	 .help = "a file or directory of the host (ro)"},
	{.name = "private-stack",
	 .kind = OPT_FLAG,
	 .offset = AT(private_stack, bool),
	 .help = "no locks on the host's files of the stack"},
	{.name = "size",
	 .kind = OPT_STRING,
	 .offset = AT(run.size, const char *),
	 .arg = "NAME",
	 .help = "what it may use: standard-1x, 2x, none (standard-1x)"},
	{.name = "memory",
	 .kind = OPT_STRING,
	 .offset = AT(run.memory, const char *),
	 .arg = "SIZE",
	 .help = "memory quota, R14 above it"},
	{.name = "memory-hard",
	 .kind = OPT_STRING,
	 .offset = AT(run.memory_hard, const char *),
	 .arg = "SIZE",
	 .help = "hard mark, R15 above it"},
	{.name = "memory-policy",
	 .kind = OPT_STRING,
	 .offset = AT(run.memory_policy, const char *),
	 .arg = "WHAT",
	 .help = "above the quota: soft or hard (soft)"},
	{.name = "swap",
	 .kind = OPT_STRING,
	 .offset = AT(run.swap, const char *),
	 .arg = "SIZE",
	 .help = "what lies between the two"},
	{.name = "cpus",
	 .kind = OPT_STRING,
	 .offset = AT(run.cpus, const char *),
	 .arg = "N",
	 .help = "CPU time, such as 1.5 CPUs"},
	{.name = "cpu-weight",
	 .kind = OPT_STRING,
	 .offset = AT(run.cpu_weight, const char *),
	 .arg = "N",
	 .help = "share of the CPU, 1 to 10000 (100)"},
	{.name = "cpuset",
	 .kind = OPT_STRING,
	 .offset = AT(run.cpuset, const char *),
	 .arg = "LIST",
	 .help = "which CPUs, such as 0-3,8"},
	{.name = "cpu-view",
	 .kind = OPT_STRING,
	 .offset = AT(run.cpu_view, const char *),
	 .arg = "WHAT",
	 .help = "CPUs it is shown: host or quota (host)"},
	{.name = "pids",
	 .kind = OPT_STRING,
	 .offset = AT(run.pids, const char *),
	 .arg = "N",
	 .help = "processes and threads"},
	{.name = "io-weight",
	 .kind = OPT_STRING,
	 .offset = AT(run.io_weight, const char *),
	 .arg = "N",
	 .help = "share of the disks, 1 to 10000"},
	{.name = "io-max",
	 .kind = OPT_LIST,
	 .offset = AT(io_max, struct opt_list),
	 .arg = "DEVICE:KEY=N,...",
	 .help = "bandwidth of a disk; may be repeated"},
	{.name = "nofile",
	 .kind = OPT_STRING,
	 .offset = AT(run.nofile, const char *),
	 .arg = "N",
	 .help = "open files of a process (10000)"},
	{.name = "shm-size",
	 .kind = OPT_STRING,
	 .offset = AT(run.shm_size, const char *),
	 .arg = "SIZE",
	 .help = "/dev/shm (64M)"},
	{.name = "require-limits",
	 .kind = OPT_FLAG,
	 .offset = AT(require_limits, bool),
	 .help = "refuse where a limit cannot be set"},
	{.name = "network",
	 .kind = OPT_CHOICE,
	 .offset = OPT_FIELD_CHOICE(struct dyno_options, run.network),
	 .arg = "KIND",
	 .help = "host, none, private, private:app (auto)",
	 .choices = network_choices},
	{.name = "require-network",
	 .kind = OPT_FLAG,
	 .offset = AT(require_network, bool),
	 .help = "refuse where a private network cannot be had"},
	{.name = "subnet",
	 .kind = OPT_STRING,
	 .offset = AT(run.subnet, const char *),
	 .arg = "RANGE",
	 .help = "addresses of private networks (172.16.0.0/16)"},
	{.name = "egress",
	 .kind = OPT_STRING,
	 .offset = AT(run.egress, const char *),
	 .arg = "WHERE",
	 .help = "all, host, none or ranges, of a private network (all)"},
	{.name = "port",
	 .kind = OPT_PORT,
	 .offset = AT(run.port, uint16_t),
	 .arg = "PORT",
	 .help = "$PORT (a free one)"},
	{.name = "publish",
	 .kind = OPT_LIST,
	 .offset = AT(publish, struct opt_list),
	 .arg = "[ADDR:]PORT[=TYPE]",
	 .help = "a port of the host that leads to it; may be repeated"},
	{.name = "hold",
	 .kind = OPT_DURATION,
	 .offset = AT(run.hold_ms, uint64_t),
	 .arg = "TIME",
	 .help = "clients of that port wait for a dyno (75s)"},
	{.name = "listen-fd",
	 .kind = OPT_LIST,
	 .offset = AT(listen_fds, struct opt_list),
	 .arg = "N[=NAME]",
	 .help = "a listening socket to hand down; may be repeated"},
	{.name = "uid-range",
	 .kind = OPT_STRING,
	 .offset = AT(run.uid_range, const char *),
	 .arg = "FIRST:COUNT",
	 .help = "host user ids that dynos may get"},
	{.name = "boot-timeout",
	 .kind = OPT_DURATION,
	 .offset = AT(run.boot_timeout_ms, uint64_t),
	 .arg = "TIME",
	 .help = "until web must listen on $PORT, else R10 (60s)"},
	{.name = "grace",
	 .kind = OPT_DURATION,
	 .offset = AT(run.grace_ms, uint64_t),
	 .arg = "TIME",
	 .help = "from TERM to KILL at a stop (30s)"},
	{.name = "stop-signal",
	 .kind = OPT_STRING,
	 .offset = AT(run.stop_signal, const char *),
	 .arg = "SIGNAL",
	 .help = "asks the dyno to stop (TERM)"},
	{.name = "stop-scope",
	 .kind = OPT_STRING,
	 .offset = AT(run.stop_scope, const char *),
	 .arg = "WHOM",
	 .help = "who gets it: all, group or main (all)"},
	{.name = "seccomp",
	 .kind = OPT_STRING,
	 .offset = AT(run.seccomp, const char *),
	 .arg = "default|unconfined|FILE",
	 .help = "which system calls it may make",
	 .words = OPT_WORDS_FILE},
	{.name = "seccomp-log",
	 .kind = OPT_FLAG,
	 .offset = AT(seccomp_log, bool),
	 .help = "let refused calls through, logged by the kernel"},
	{.name = "no-receipt",
	 .kind = OPT_FLAG,
	 .offset = AT(no_receipt, bool),
	 .help = "do not look at what was written"},
	{.name = "log-source",
	 .kind = OPT_STRING,
	 .offset = AT(run.log_source, const char *),
	 .arg = "WORD",
	 .help = "tag of dyno's own lines (heroku)"},
	{.name = "log",
	 .kind = OPT_LIST,
	 .offset = AT(logs, struct opt_list),
	 .arg = "URL",
	 .help = "send the lines there too; may be repeated"},
	{.name = "log-fd",
	 .kind = OPT_PARSED,
	 .offset = AT(log_fd, int),
	 .arg = "N",
	 .help = "as --log fd:N",
	 .parse = value_fd},
	{.name = "log-policy",
	 .kind = OPT_STRING,
	 .offset = AT(run.log_policy, const char *),
	 .arg = "WORD",
	 .help = "what a slow reader does: drop-oldest or block"},
	{.name = "log-keep",
	 .kind = OPT_SIZE,
	 .offset = AT(run.log_keep_bytes, uint64_t),
	 .arg = "SIZE",
	 .help = "of the log files of a dyno (64M)"},
	{.name = "log-metrics",
	 .kind = OPT_FLAG,
	 .offset = AT(log_metrics, bool),
	 .help = "log load and memory about every 20 s"},
	{.name = "detach",
	 .letter = 'd',
	 .kind = OPT_FLAG,
	 .offset = AT(detach, bool),
	 .help = "leave it alive, print its name"},
	{.name = "wait",
	 .kind = OPT_FLAG,
	 .offset = AT(wait, bool),
	 .help = "with --detach: until it is up"},
	{.name = "ready-fd",
	 .kind = OPT_PARSED,
	 .offset = AT(ready_fd, int),
	 .arg = "N",
	 .help = "gets READY=1 when all are up",
	 .parse = value_fd},
	{.name = "events-fd",
	 .kind = OPT_PARSED,
	 .offset = AT(run.events_fd, int),
	 .arg = "N",
	 .help = "gets each event, a line of JSON",
	 .parse = value_fd},
	{.name = "pid-file",
	 .kind = OPT_STRING,
	 .offset = AT(pid_file, const char *),
	 .arg = "FILE",
	 .help = "gets the number of dyno's process",
	 .words = OPT_WORDS_FILE},
	{.name = "pidfd-socket",
	 .kind = OPT_STRING,
	 .offset = AT(pidfd_socket, const char *),
	 .arg = "PATH",
	 .help = "gets a pidfd of each monitor",
	 .words = OPT_WORDS_FILE},
	{.name = "quiet",
	 .letter = 'q',
	 .kind = OPT_FLAG,
	 .offset = AT(quiet, bool),
	 .help = "no lines of dyno's own"},
};

const struct opt_table dyno_option_table = {.items = rows, .n = ARRAY_SIZE(rows)};

/* ---- the spec ---------------------------------------------------------------------------------*/

/* A pipe that has a name waits for its writer, perhaps for ever: it is the caller's to open. */
static int open_spec_file(const char *path, struct dyno_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, ERR_IO, errno, "open the spec %s", path);
	if (S_ISREG(st.st_mode))
		return take_fd(&fd);
	err_set(err, ERR_IO, EINVAL, "read the spec %s: it is no regular file", path);
	err_hint(
		err,
		"give it on standard input with --spec -, or on a descriptor with --spec " SPEC_FD_PREFIX
		"N");
	return -EINVAL;
}

/* Return: a descriptor of the caller's own, or -errno with err set. */
static int open_spec(const char *spec, struct dyno_err *err)
{
	const char *number = str_starts(spec, SPEC_FD_PREFIX);
	uint32_t from = STDIN_FILENO;
	int fd;

	if (number && num_parse_u32(number, INT_MAX, &from) < 0)
		return err_set(err, ERR_USAGE, 0, "--spec: \"%s\" is not of the form fd:N", spec);

	if (!number && !str_eq(spec, "-"))
		return open_spec_file(spec, err);
	fd = fcntl((int)from, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return fd < 0 ? err_set(err, ERR_IO, errno, "open the spec %s", spec) : fd;
}

static int read_spec(struct cli *cli, struct dyno_options *o, struct dyno_err *err)
{
	_cleanup_close_ int fd = open_spec(o->spec, err);
	size_t len;
	char *text;

	if (fd < 0)
		return fd;

	int r = fd_read_all(fd, SPEC_MAX_BYTES, &cli->arena, &text, &len);

	if (r < 0)
		return err_set(err, ERR_IO, -r, "read the spec %s", o->spec);
	if (memchr(text, '\0', len))
		return err_set(err, ERR_SPEC, 0, "the spec %s holds a NUL byte", o->spec);
	o->run.spec = text;
	return 0;
}

/* ---- the rest ---------------------------------------------------------------------------------*/

static int check_fd(const char *option, int fd, struct dyno_err *err)
{
	int flags = fd ? fcntl(fd, F_GETFL) : O_WRONLY;

	if (flags < 0)
		return err_set(err, ERR_USAGE, errno, "%s %d", option, fd);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return err_set(err, ERR_USAGE, 0, "%s %d: it is not open for writing", option, fd);
	return 0;
}

static int check_sources(const struct cli *cli, const struct dyno_options *o, struct dyno_err *err)
{
	const struct verb *verb = cli->verb;
	int r = 0;

	if (!o->run.slug && !o->spec)
		r = err_set(err, ERR_USAGE, 0, "%s: an operand is missing: dyno %s %s", verb->name,
			    verb->name, verb->operands);
	else if (o->run.slug && o->spec && str_eq(o->run.slug, "-") && str_eq(o->spec, "-"))
		r = err_set(err, ERR_USAGE, 0, "%s: slug and spec both from standard input",
			    verb->name);
	if (r < 0)
		err_hint(err, "dyno help %s shows what it takes", verb->name);
	return r;
}

/* --log-fd is one more --log. */
static int take_logs(struct cli *cli, struct dyno_options *o, struct dyno_err *err)
{
	const char **logs;
	int r = check_fd("--log-fd", o->log_fd, err);

	o->run.logs = o->logs.items;
	o->run.n_logs = o->logs.n;
	if (r < 0 || !o->log_fd)
		return r;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
	logs = arena_calloc(&cli->arena, o->logs.n + 1, sizeof(*logs));
	if (logs)
		logs[o->logs.n] = arena_fmt(&cli->arena, "fd:%d", o->log_fd);
	if (!logs || !logs[o->logs.n])
		return err_set(err, ERR_MEMORY, ENOMEM, "keep where the lines go");
	for (size_t i = 0; i < o->logs.n; i++)
		logs[i] = o->logs.items[i];
	o->run.logs = logs;
	o->run.n_logs = o->logs.n + 1;
	return 0;
}

int dyno_options_take(struct cli *cli, struct dyno_options *o, struct dyno_err *err)
{
	int r = check_sources(cli, o, err);

	if (r == 0)
		r = check_fd("--events-fd", o->run.events_fd, err);
	if (r == 0)
		r = check_fd("--ready-fd", o->ready_fd, err);
	if (r == 0 && o->wait && !o->detach)
		r = err_set(err, ERR_USAGE, 0, "%s: --wait goes with --detach", cli->verb->name);
	if (r == 0 && o->spec)
		r = read_spec(cli, o, err);
	if (r == 0)
		r = take_logs(cli, o, err);
	if (r < 0)
		return r;

	o->run.env = o->env.items;
	o->run.n_env = o->env.n;
	o->run.env_files = o->env_files.items;
	o->run.n_env_files = o->env_files.n;
	o->run.scratch = o->scratch.kind;
	o->run.scratch_bytes = o->scratch.bytes;
	o->run.scratch_inodes = o->scratch.inodes;
	o->run.no_receipt = o->no_receipt;
	o->run.read_only = o->read_only;
	o->run.writable = o->writable.items;
	o->run.n_writable = o->writable.n;
	o->run.tmpfs = o->tmpfs.items;
	o->run.n_tmpfs = o->tmpfs.n;
	o->run.mounts = o->mounts.items;
	o->run.n_mounts = o->mounts.n;
	o->run.private_stack = o->private_stack;
	o->run.seccomp_log = o->seccomp_log;
	o->run.log_metrics = o->log_metrics;
	o->run.io_max = o->io_max.items;
	o->run.n_io_max = o->io_max.n;
	o->run.require_limits = o->require_limits;
	o->run.require_network = o->require_network;
	o->run.publish = o->publish.items;
	o->run.n_publish = o->publish.n;
	o->run.listen_fds = o->listen_fds.items;
	o->run.n_listen_fds = o->listen_fds.n;
	return 0;
}
