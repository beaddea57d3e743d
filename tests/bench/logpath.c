/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logpath DIR COMMAND... - run a command as a dyno's app and log its output to files below DIR, by
 * the monitor's own loop, pipes and sink, until it has ended.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "engine/output.h"

static void on_end(struct loop *loop, int fd, short revents, void *data)
{
	(void)revents;
	if (proc_wait(fd, data) < 0)
		*(int *)data = 1;
	loop->quit = true;
}

static int run(char *const *argv, struct output *o, struct loop *loop, struct dyno_err *err)
{
	const int fds[3] = {-1, o->child_fd[0], o->child_fd[1]};
	const struct proc_spawn how = {
		.argv = (const char *const *)argv, .fds = fds, .n_fds = 3, .exe_fd = -1};
	_cleanup_close_ int pidfd = -EBADF;
	int status = 1;

	if (proc_spawn(&how, &pidfd, err) < 0 || output_started(o) < 0 ||
	    loop_add(loop, pidfd, POLLIN, on_end, &status) < 0 || loop_run(loop) < 0)
		return 1;
	output_drain(o, 1000);
	return status;
}

int main(int argc, char **argv)
{
	struct dyno_err err = {0};
	struct sink sink = SINK_INIT;
	struct output o = OUTPUT_INIT;
	struct store store = STORE_INIT;
	struct loop loop;
	char text[ERR_TEXT_BYTES];
	int status = 1;

	(void)signal(SIGPIPE, SIG_IGN);
	loop_init(&loop);
	if (argc < 3 || store_open(argv[1], &store, &err) < 0 ||
	    sink_open_files(&sink, &store, "bench", "web.1", &err) < 0 ||
	    output_open(&o, &loop, &sink, "web.1", &err) < 0 ||
	    (status = run(argv + 2, &o, &loop, &err)) != 0 || sink.dropped > 0) {
		(void)err_format(&err, text, sizeof(text));
		fprintf(stderr, "logpath: status %d, %llu lines lost, %s\n", status,
			(unsigned long long)sink.dropped, text);
		status = status ? status : 1;
	}
	output_close(&o);
	sink_close(&sink);
	store_done(&store);
	return status;
}
