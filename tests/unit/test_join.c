/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_join.c - a process that joins a dyno is never less confined than the dyno's own, ends with
 * it and with its monitor (T28, T41), and shows tenants nothing of the monitor on its way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/resource.h>

#include "engine/join.h"
#include "livedyno.h"

static const struct live_case cases[] = {
	{.rootless = false},
	{.rootless = false, .directory = true, .private_net = true},
	{.rootless = true},
	{.rootless = true, .disk = true, .private_net = true},
};

static void run_cases(live_fn fn)
{
	size_t skipped = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int status = live_run(&cases[i], fn);

		if (status == LIVE_SKIP) {
			skipped++;
			continue;
		}
		if (status != 0)
			print_error("case %zu: status %d\n", i, status);
		assert_int_equal(status, 0);
	}
	if (skipped == ARRAY_SIZE(cases))
		skip();
}

static const char *const argv_sleep[] = {"sleep", "1000", NULL};
static const char *const env_join[] = {"PATH=/usr/bin:/bin", "JOINED=yes", NULL};

/* ---- driving -------------------------------------------------------------------------------- */

static struct join plan_join(struct live *v, const char *const *argv)
{
	struct join j = JOIN_INIT;

	j.target = &v->launch;
	j.argv = argv;
	j.envp = env_join;
	return j;
}

/* Until it is known whether the command was executed. */
static int join_until_known(struct join *j, struct dyno_err *err)
{
	struct pollfd p = {.fd = j->channel_fd, .events = POLLIN};
	int r = 0;

	while (r == 0) {
		MUST(poll(&p, 1, LIVE_MAX_MS) == 1);
		r = join_result(j, err);
	}
	return r;
}

static struct join must_join(struct live *v, const char *const *argv, int out)
{
	struct join j = plan_join(v, argv);

	j.stdio[1] = j.stdio[2] = out;
	if (join_start(&j, &v->err) < 0 || join_until_known(&j, &v->err) < 0) {
		live_say(&v->err);
		_exit(1);
	}
	return j;
}

/* Its output, at most @size - 1 bytes, and its status. */
static int join_and_read(struct live *v, const char *const *argv, char *text, size_t size)
{
	struct join j;
	size_t len = 0;
	ssize_t n;
	int status;
	int ends[2];

	MUST(pipe2(ends, O_CLOEXEC) == 0);
	j = must_join(v, argv, ends[1]);
	MUST(close(ends[1]) == 0);
	while ((n = read(ends[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	MUST(n == 0 && close(ends[0]) == 0);
	MUST(proc_wait(j.pidfd, &status) == 0);
	join_done(&j);
	return status;
}

static void end_dyno(struct live *v)
{
	int status;

	MUST(launch_kill(&v->launch) == 0);
	MUST(proc_wait(v->launch.pidfd, &status) == 0);
	live_done(v);
	/* Whoever has joined was waited for, and the processes in between too. */
	MUST(waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD);
}

static size_t count_fds(void)
{
	size_t n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ---- the same as the main process ----------------------------------------------------------- */

static pid_t main_pid(const struct live *v)
{
	char path[64];
	char text[32] = "";
	int fd;

	str_fmt(path, sizeof(path), "/proc/%d/task/%d/children", v->launch.pid, v->launch.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	MUST(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && close(fd) == 0);
	return (pid_t)strtol(text, NULL, 10);
}

static size_t read_file(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	str_fmt(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	n = fd_read_full(fd, text, size - 1);
	/* A security module that is not there has no attributes. */
	if (n == -EINVAL && str_starts(name, "attr/"))
		n = 0;
	MUST(n >= 0 && close(fd) == 0);
	text[n] = '\0';
	return (size_t)n;
}

static void must_equal_file(pid_t a, pid_t b, const char *name)
{
	char one[8192] = "";
	char two[8192] = "";

	(void)read_file(a, name, one, sizeof(one));
	(void)read_file(b, name, two, sizeof(two));
	if (strcmp(one, two) != 0)
		(void)dprintf(2, "%s:\n%s\n---- joined:\n%s\n", name, one, two);
	MUST(strcmp(one, two) == 0);
}

static void must_equal_link(pid_t a, pid_t b, const char *name)
{
	char path[64];
	char one[256];
	char two[256];
	ssize_t n;

	str_fmt(path, sizeof(path), "/proc/%d/%s", a, name);
	n = readlink(path, one, sizeof(one) - 1);
	MUST(n > 0);
	one[n] = '\0';
	str_fmt(path, sizeof(path), "/proc/%d/%s", b, name);
	n = readlink(path, two, sizeof(two) - 1);
	MUST(n > 0);
	two[n] = '\0';
	if (strcmp(one, two) != 0)
		(void)dprintf(2, "%s: %s, joined %s\n", name, one, two);
	MUST(strcmp(one, two) == 0);
}

/* The lines of a status that are about what a process may do, not about how it does. */
static void pick_status(pid_t pid, char *ret, size_t size)
{
	static const char *const keys[] = {
		"Umask:",	"Uid:",	   "Gid:",	   "Groups:",	      "CapInh:",
		"CapPrm:",	"CapEff:", "CapBnd:",	   "CapAmb:",	      "NoNewPrivs:",
		"Seccomp:",	"SigPnd:", "SigBlk:",	   "SigIgn:",	      "SigCgt:",
		"THP_enabled:", "Cpus_al", "Mems_allowed", "Seccomp_filters", "Speculation",
	};
	char text[8192];
	char *line;
	char *save = NULL;
	size_t found = 0;
	size_t i;

	(void)read_file(pid, "status", text, sizeof(text));
	ret[0] = '\0';
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		for (i = 0; i < ARRAY_SIZE(keys) && !str_starts(line, keys[i]); i++)
			;
		if (i == ARRAY_SIZE(keys))
			continue;
		found++;
		MUST(strlen(ret) + strlen(line) + 2 < size);
		strcat(strcat(ret, line), "\n");
	}
	MUST(found >= 14);
}

static void must_equal_status(pid_t a, pid_t b)
{
	char one[4096];
	char two[4096];

	pick_status(a, one, sizeof(one));
	pick_status(b, two, sizeof(two));
	if (strcmp(one, two) != 0)
		(void)dprintf(2, "status:\n%s---- joined:\n%s", one, two);
	MUST(strcmp(one, two) == 0);
	MUST(strstr(two, "CapBnd:\t0000000000000000\n") && strstr(two, "NoNewPrivs:\t1\n"));
	MUST(strstr(two, "Seccomp:\t2\n"));
}

/* Things that a monitor may have and a dyno must not. */
static void be_privileged(const struct live_case *c)
{
	static const struct rlimit core = {.rlim_cur = 4096, .rlim_max = 4096};
	static const gid_t groups[] = {4, 27};
	int r;

	(void)umask(0);
	MUST(setrlimit(RLIMIT_CORE, &core) == 0);
	if (c->rootless || geteuid() != 0)
		return;
	MUST(setgroups(ARRAY_SIZE(groups), groups) == 0);
	/* Root of a container may not have these. */
	r = file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "-500");
	MUST(r == 0 || r == -EACCES || r == -EPERM);
	r = sched_setscheduler(0, SCHED_RR, &(struct sched_param){.sched_priority = 1});
	MUST(r == 0 || errno == EPERM);
}

static void case_equal(struct live *v, const struct live_case *c)
{
	static const char *const files[] = {
		"cgroup",    "limits",	     "oom_score_adj",	"uid_map",     "gid_map",
		"setgroups", "attr/current", "mountinfo",	"personality", "cpuset",
		"loginuid",  "attr/exec",    "coredump_filter",
	};
	static const char *const links[] = {
		"ns/mnt",
		"ns/pid",
		"ns/pid_for_children",
		"ns/ipc",
		"ns/uts",
		"ns/net",
		"ns/user",
		"ns/cgroup",
		"ns/time",
		"ns/time_for_children",
		"root",
		"cwd",
		"exe",
	};
	struct join j;
	pid_t main;
	size_t i;

	live_make(v, c, argv_sleep);
	live_start(v);
	main = main_pid(v);
	be_privileged(c);
	j = must_join(v, argv_sleep, -1);
	must_equal_status(main, j.pid);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		must_equal_file(main, j.pid, files[i]);
	for (i = 0; i < ARRAY_SIZE(links); i++)
		must_equal_link(main, j.pid, links[i]);
	MUST(sched_getscheduler(j.pid) == sched_getscheduler(main));
	/* No session of the monitor's, nor a terminal that comes with it. */
	MUST(getsid(j.pid) == j.pid && getpgid(j.pid) == j.pid);
	MUST(launch_kill(&v->launch) == 0);
	MUST(proc_wait(j.pidfd, &(int){0}) == 0);
	join_done(&j);
	end_dyno(v);
}

static void join_start__any_dyno__confined_as_its_main_process(void **state)
{
	(void)state;
	run_cases(case_equal);
}

/* ---- command, environment, streams ---------------------------------------------------------- */

static void case_command(struct live *v, const struct live_case *c)
{
	static const char *const argv[] = {
		"bash",
		"-c",
		"echo \"$JOINED $HOME $1 $PWD $(ls /proc/self/fd | tr -d '\\n') "
		"$(readlink /proc/self/fd/0)\" >&2; exit 7",
		"bash",
		"one word",
		NULL};
	char text[256];

	live_make(v, c, argv_sleep);
	live_start(v);
	MUST(join_and_read(v, argv, text, sizeof(text)) == 7);
	if (strcmp(text, "yes  one word /app 0123 /dev/null\n") != 0)
		(void)dprintf(2, "it says %s", text);
	MUST(strcmp(text, "yes  one word /app 0123 /dev/null\n") == 0);
	end_dyno(v);
}

static void join_start__command__has_its_arguments_environment_and_streams(void **state)
{
	(void)state;
	run_cases(case_command);
}

struct bad_command {
	const char *name;
	int kind;
	int num;
};

static void case_bad_commands(struct live *v, const struct live_case *c)
{
	static const struct bad_command bad[] = {
		{"no-such-command", ERR_EXEC_MISSING, ENOENT},
		{"/no/such/command", ERR_EXEC_MISSING, ENOENT},
		{"/etc/passwd", ERR_EXEC_PERM, EACCES},
		{"/app", ERR_EXEC_PERM, EACCES},
	};
	size_t before;
	size_t i;

	live_make(v, c, argv_sleep);
	live_start(v);
	before = count_fds();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *argv[] = {bad[i].name, NULL};
		struct join j = plan_join(v, argv);

		MUST(join_start(&j, &v->err) == 0);
		argv[0] = "what was borrowed was given back";
		MUST(join_until_known(&j, &v->err) == -bad[i].num);
		MUST(v->err.kind == bad[i].kind && v->err.num == bad[i].num);
		MUST(strstr(v->err.msg, bad[i].name));
		MUST(j.pidfd < 0);
		join_done(&j);
	}
	MUST(count_fds() == before);
	end_dyno(v);
}

static void join_result__bad_command__told_as_at_a_start(void **state)
{
	(void)state;
	run_cases(case_bad_commands);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void case_ended(struct live *v, const struct live_case *c)
{
	struct join j;
	size_t before;

	live_make(v, c, argv_sleep);
	live_start(v);
	before = count_fds();
	MUST(proc_kill(v->launch.pidfd, SIGKILL) == 0);
	MUST(poll(&(struct pollfd){.fd = v->launch.pidfd, .events = POLLIN}, 1, LIVE_MAX_MS) == 1);
	j = plan_join(v, argv_sleep);
	MUST(join_start(&j, &v->err) == -ESRCH);
	MUST(v->err.kind == ERR_NOT_FOUND && j.pidfd < 0 && j.channel_fd < 0);
	MUST(count_fds() == before);
	end_dyno(v);
}

static void join_start__ended_dyno__not_found(void **state)
{
	(void)state;
	run_cases(case_ended);
}

static void case_init_dies(struct live *v, const struct live_case *c)
{
	static const char *const stubborn[] = {"bash", "-c", "trap '' TERM HUP INT; sleep 1000",
					       NULL};
	struct join j;
	int status = 0;

	live_make(v, c, argv_sleep);
	live_start(v);
	j = must_join(v, stubborn, -1);
	/* The command alone ends: then so does pid 1, and everybody with it. */
	MUST(kill(main_pid(v), SIGKILL) == 0);
	MUST(poll(&(struct pollfd){.fd = j.pidfd, .events = POLLIN}, 1, LIVE_MAX_MS) == 1);
	MUST(proc_wait(j.pidfd, &status) == 0 && status == 128 + SIGKILL);
	join_done(&j);
	end_dyno(v);
}

static void join_start__dyno_ends__so_does_who_joined_T28(void **state)
{
	(void)state;
	run_cases(case_init_dies);
}

/* The monitor is a process of its own here, to be killed. */
static void case_monitor_dies(struct live *v, const struct live_case *c)
{
	static const char *const stubborn[] = {
		"bash", "-c", "trap '' TERM HUP INT; echo joined; sleep 1000", NULL};
	struct pollfd p = {.events = POLLIN};
	char text[16] = "";
	int ends[2];
	pid_t pid;

	MUST(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		live_make(v, c, argv_sleep);
		live_start(v);
		(void)must_join(v, stubborn, ends[1]);
		(void)pause();
	}
	MUST(close(ends[1]) == 0);
	MUST(read(ends[0], text, sizeof(text)) == (ssize_t)strlen("joined\n"));
	MUST(kill(pid, SIGKILL) == 0);
	/* Its end of the pipe is closed when the last of them is gone. */
	p.fd = ends[0];
	MUST(poll(&p, 1, LIVE_MAX_MS) == 1 && (p.revents & POLLHUP));
	MUST(waitpid(pid, NULL, 0) == pid);
}

static void join_start__monitor_killed__so_is_who_joined_T41(void **state)
{
	(void)state;
	run_cases(case_monitor_dies);
}

/* ---- faults --------------------------------------------------------------------------------- */

#ifdef DYNO_WITH_FAULTS

static unsigned int first_stage(void)
{
	return step_first(&join_parent);
}

static unsigned int last_stage(void)
{
	return step_first(&join_child) + (unsigned int)join_child.n - 1;
}

/* Pid 1 is the only child: nobody is left of a join. */
static void must_have_one_child(const struct live *v)
{
	char text[64] = "";
	char path[40];
	char want[16];

	str_fmt(path, sizeof(path), "task/%d/children", getpid());
	(void)read_file(getpid(), path, text, sizeof(text));
	str_fmt(want, sizeof(want), "%d ", v->launch.pid);
	MUST(strcmp(text, want) == 0);
}

static void case_faults(struct live *v, const struct live_case *c)
{
	unsigned int stage;
	size_t before;

	live_make(v, c, argv_sleep);
	live_start(v);
	before = count_fds();
	for (stage = first_stage(); stage <= last_stage(); stage++) {
		struct join j = plan_join(v, argv_sleep);
		int r;

		v->launch.fault.stage = stage;
		v->launch.fault.num = ENOSPC;
		r = join_start(&j, &v->err);
		if (r == 0)
			r = join_until_known(&j, &v->err);
		join_done(&j);
		if (r != -ENOSPC || v->err.stage != stage)
			live_say(&v->err);
		MUST(r == -ENOSPC && v->err.stage == stage && v->err.kind == ERR_LAUNCH);
		MUST(strstr(v->err.msg, step_name(stage)));
		MUST(count_fds() == before);
		must_have_one_child(v);
	}
	v->launch.fault.stage = 0;
	MUST(join_and_read(v, (const char *const[]){"true", NULL}, (char[8]){0}, 8) == 0);
	end_dyno(v);
}

static void join_start__fault_at_every_step__named_and_nothing_left_T45(void **state)
{
	(void)state;
	run_cases(case_faults);
}

static unsigned int kill_stage;

/* The dyno and who joined hold the pipe; they go on with their steps when the monitor is dead. */
static void case_kill(struct live *v, const struct live_case *c)
{
	struct pollfd p = {.events = POLLIN};
	int status;
	int ends[2];
	pid_t pid;

	MUST(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		struct join j;

		live_make(v, c, argv_sleep);
		v->launch.stdio[1] = ends[1];
		live_start(v);
		MUST(step_fault_arm(&v->launch.fault, &v->err) == 0);
		v->launch.fault.stage = kill_stage;
		j = plan_join(v, argv_sleep);
		j.stdio[1] = ends[1];
		(void)join_start(&j, &v->err);
		(void)pause();
	}
	MUST(close(ends[1]) == 0);
	MUST(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
	p.fd = ends[0];
	MUST(poll(&p, 1, LIVE_MAX_MS) == 1 && (p.revents & POLLHUP));
}

static void join_start__monitor_killed_at_every_step__nobody_lives_on_T41(void **state)
{
	(void)state;
	for (kill_stage = first_stage(); kill_stage <= last_stage(); kill_stage++)
		run_cases(case_kill);
}

/* ---- what tenants see meanwhile -------------------------------------------------------------- */

/* For each number: all that can be had of that process.  It does not stop at what fails, and does
 * most of it by itself: a process for each file takes an emulated machine too long. */
static const char spy_script[] =
	"while read -r p; do cd /proc/$p\n"
	"for f in exe cwd root ns/mnt; do [ ! -e $f ] || echo \"OPEN $f\"; done\n"
	"for f in fd/* fdinfo/* map_files/*; do\n"
	" [[ $f == *'*' ]] || echo \"OPEN ${f%/*}\"; done\n"
	"for f in mem environ maps smaps auxv pagemap; do\n"
	" if exec 9<$f; then echo \"OPEN $f\"; exec 9<&-; fi; done\n"
	"cmp -s mountinfo /proc/self/mountinfo || echo \"OPEN mountinfo\"\n"
	"head -vc65536 [!m]* m[!o]* net/unix | tr -d '\\0'\n"
	"echo DONE; cd /; done 2>/dev/null";

struct spy {
	struct join join;
	int to;
	int from;
};

static struct spy start_spy(struct live *v)
{
	static const char *const argv[] = {"bash", "-c", spy_script, NULL};
	struct spy s;
	int in[2];
	int out[2];

	MUST(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	s.join = plan_join(v, argv);
	s.join.stdio[0] = in[0];
	s.join.stdio[1] = out[1];
	MUST(join_start(&s.join, &v->err) == 0 && join_until_known(&s.join, &v->err) == 1);
	MUST(close(in[0]) == 0 && close(out[1]) == 0);
	s.to = in[1];
	s.from = out[0];
	return s;
}

static void ask_spy(const struct spy *s, pid_t pid, struct sbuf *told)
{
	char text[4096];
	ssize_t n;

	str_fmt(text, sizeof(text), "%d\n", pid);
	MUST(fd_write_full(s->to, text, strlen(text)) > 0);
	told->len = 0;
	do {
		n = read(s->from, text, sizeof(text));
		MUST(n > 0);
		sbuf_add(told, text, (size_t)n);
		MUST(sbuf_ok(told) == 0);
	} while (!str_ends(sbuf_str(told), "DONE\n"));
}

/* As tenants number it. */
static pid_t inner_pid(pid_t pid)
{
	char text[8192];
	const char *line;

	(void)read_file(pid, "status", text, sizeof(text));
	line = strstr(text, "\nNSpid:");
	MUST(line);
	line = strchr(line + STRLEN("\nNSpid:\t"), '\t');
	MUST(line);
	return (pid_t)strtol(line, NULL, 10);
}

/* A path in /tmp, but for sockets of other programs, which all in the host's network see. */
static bool tells_of_tmp(const char *told)
{
	const char *sockets = strstr(told, "==> net/unix <==\n");
	const char *at = strstr(told, "/tmp/");

	return at && (!sockets || at < sockets);
}

/* What a host has and a dyno does not, and the monitor's own. */
static void must_tell_nothing(const char *told, const char *base)
{
	char name[256] = "";
	const char *const secrets[] = {base, "SECRET", name, "OPEN"};
	bool leaks = tells_of_tmp(told);
	size_t i;

	(void)read_file(getpid(), "cmdline", name, sizeof(name));
	MUST(strchr(name, '/'));
	for (i = 0; i < ARRAY_SIZE(secrets); i++)
		leaks |= strstr(told, secrets[i]) != NULL;
	if (leaks) {
		(void)dprintf(2, "one of %s, %s, /tmp is told:\n%s", base, name, told);
		_exit(1);
	}
	/* It did look. */
	MUST(strstr(told, "==> cmdline <==\n") && strstr(told, "==> status <==\n"));
}

static void case_seen(struct live *v, const struct live_case *c)
{
	_cleanup_sbuf_ struct sbuf told = {0};
	unsigned int stage;
	struct spy spy;
	int status;

	MUST(setenv("TEST", "SECRET", 1) == 0);
	live_make(v, c, argv_sleep);
	/* What the filter forbids anyway must not be what protects. */
	v->spec.seccomp = false;
	live_start(v);
	spy = start_spy(v);
	ask_spy(&spy, inner_pid(spy.join.pid), &told);
	MUST(strstr(sbuf_str(&told), "OPEN exe") && strstr(sbuf_str(&told), "OPEN mem"));
	MUST(strstr(sbuf_str(&told), "OPEN fd\n") && strstr(sbuf_str(&told), "OPEN environ"));
	for (stage = step_first(&join_child); stage <= last_stage(); stage++) {
		struct join j = plan_join(v, (const char *const[]){"true", NULL});
		siginfo_t si;

		v->launch.fault = (struct step_fault){.stage = stage, .stop = true, .kill_fd = -1};
		MUST(join_start(&j, &v->err) == 0);
		MUST(waitid(P_PIDFD, (id_t)j.pidfd, &si, WSTOPPED) == 0);
		ask_spy(&spy, inner_pid(j.pid), &told);
		must_tell_nothing(sbuf_str(&told), v->base);
		MUST(proc_kill(j.pidfd, SIGCONT) == 0);
		MUST(join_until_known(&j, &v->err) == 1);
		MUST(proc_wait(j.pidfd, &status) == 0 && status == 0);
		join_done(&j);
	}
	MUST(close(spy.to) == 0 && close(spy.from) == 0);
	MUST(proc_wait(spy.join.pidfd, &status) == 0);
	join_done(&spy.join);
	end_dyno(v);
}

static void join_start__between_birth_and_exec__tenants_see_nothing_T30(void **state)
{
	(void)state;
	run_cases(case_seen);
}

#endif

/* ---- limits ---------------------------------------------------------------------------------- */

static size_t count_inside(const struct live *v)
{
	char want[64];
	char link[64];
	char path[64];
	DIR *dir = opendir("/proc");
	struct dirent *e;
	size_t n = 0;
	ssize_t len;

	str_fmt(path, sizeof(path), "/proc/%d/ns/pid", v->launch.pid);
	len = readlink(path, want, sizeof(want));
	MUST(dir && len > 0);
	while ((e = readdir(dir))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		str_fmt(path, sizeof(path), "/proc/%.10s/ns/pid", e->d_name);
		n += readlink(path, link, sizeof(link)) == len &&
		     memcmp(link, want, (size_t)len) == 0;
	}
	MUST(closedir(dir) == 0);
	return n;
}

/* How many more there is room for depends on who counts; what is asked for is an answer. */
static void case_limit(struct live *v, const struct live_case *c)
{
	static const char *const bomb[] = {"bash", "-c",
					   "while :; do sleep 1000 & done 2>/dev/null", NULL};
	uint64_t until = clock_ms() + LIVE_MAX_MS;
	struct join joins[4];
	size_t joined = 0;
	int r = 0;

	live_make(v, c, bomb);
	live_start(v);
	while (count_inside(v) < v->spec.limits.pids) {
		MUST(clock_ms() < until);
		(void)poll(NULL, 0, 50);
	}
	while (r >= 0 && joined < ARRAY_SIZE(joins)) {
		joins[joined] = plan_join(v, argv_sleep);
		r = join_start(&joins[joined], &v->err);
		if (r == 0)
			r = join_until_known(&joins[joined], &v->err);
		joined += r > 0;
	}
	/* Who has always been the user of a rootless dyno is not counted as he comes. */
	MUST(r == -EAGAIN || (c->rootless && r > 0));
	MUST(r > 0 || (v->err.kind == ERR_HOST_LIMIT && strstr(v->err.hint, "processes")));
	MUST(launch_kill(&v->launch) == 0);
	while (joined > 0) {
		MUST(proc_wait(joins[--joined].pidfd, &(int){0}) == 0);
		join_done(&joins[joined]);
	}
	end_dyno(v);
}

static void join_start__dyno_at_its_limit_of_processes__said_so_T25(void **state)
{
	(void)state;
	run_cases(case_limit);
}

/* ---- hostile files --------------------------------------------------------------------------- */

/* A directory of the host that the monitor holds open is not to be reached through a link. */
static void case_directory(struct live *v, const struct live_case *c)
{
	char command[64];
	char text[64];
	int fd;

	live_make(v, c, argv_sleep);
	live_start(v);
	for (fd = 3; fd < 40; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			MUST(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0);
	v->spec.process.cwd = "/app/link";
	for (fd = 0; fd < 40; fd++) {
		const char *const linker[] = {"sh", "-c", command, NULL};
		struct join j = plan_join(v, (const char *const[]){"true", NULL});

		str_fmt(command, sizeof(command), "ln -sfn /proc/self/fd/%d /app/link", fd);
		v->spec.process.cwd = "/app";
		MUST(join_and_read(v, linker, text, sizeof(text)) == 0);
		v->spec.process.cwd = "/app/link";
		MUST(join_start(&j, &v->err) == 0);
		MUST(join_until_known(&j, &v->err) < 0);
		MUST(v->err.num == ENOENT || v->err.num == ENOTDIR);
		join_done(&j);
	}
	end_dyno(v);
}

static void join_start__directory_is_a_link_to_a_descriptor__refused_T31(void **state)
{
	(void)state;
	run_cases(case_directory);
}

/* Whatever /proc/self/exe is while the command is executed, it is no program of the host, which
 * rootless a tenant may write to: it is the sealed image of dyno-init. */
static void case_interpreter(struct live *v, const struct live_case *c)
{
	static const char *const make[] = {
		"sh", "-c", "printf '#!/proc/self/exe bash\\nsleep 1000' >/app/x; chmod +x /app/x",
		NULL};
	static const char *const argv[] = {"/app/x", NULL};
	char path[40];
	char text[256] = "";
	struct join j;

	live_make(v, c, argv_sleep);
	live_start(v);
	MUST(join_and_read(v, make, text, sizeof(text)) == 0);
	j = must_join(v, argv, -1);
	str_fmt(path, sizeof(path), "/proc/%d/exe", j.pid);
	/* It hides as dyno-init does: only root and the owner of its namespace see it. */
	MUST(readlink(path, text, sizeof(text) - 1) > 0);
	if (!str_starts(text, "/memfd:dyno-init"))
		(void)dprintf(2, "it is %s\n", text);
	MUST(str_starts(text, "/memfd:dyno-init"));
	MUST(launch_kill(&v->launch) == 0);
	MUST(proc_wait(j.pidfd, &(int){0}) == 0);
	join_done(&j);
	end_dyno(v);
}

static void join_start__interpreter_is_proc_self_exe__not_the_hosts_program(void **state)
{
	(void)state;
	run_cases(case_interpreter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(join_start__any_dyno__confined_as_its_main_process),
		cmocka_unit_test(join_start__command__has_its_arguments_environment_and_streams),
		cmocka_unit_test(join_result__bad_command__told_as_at_a_start),
		cmocka_unit_test(join_start__ended_dyno__not_found),
		cmocka_unit_test(join_start__dyno_ends__so_does_who_joined_T28),
		cmocka_unit_test(join_start__monitor_killed__so_is_who_joined_T41),
#ifdef DYNO_WITH_FAULTS
		cmocka_unit_test(join_start__fault_at_every_step__named_and_nothing_left_T45),
		cmocka_unit_test(join_start__monitor_killed_at_every_step__nobody_lives_on_T41),
		cmocka_unit_test(join_start__between_birth_and_exec__tenants_see_nothing_T30),
#endif
		cmocka_unit_test(join_start__dyno_at_its_limit_of_processes__said_so_T25),
		cmocka_unit_test(join_start__directory_is_a_link_to_a_descriptor__refused_T31),
		cmocka_unit_test(join_start__interpreter_is_proc_self_exe__not_the_hosts_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
