/* SPDX-License-Identifier: Apache-2.0 */
/* verb_attach.c - dyno attach NAME: look at a one-off that lives by itself, and type in it. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "cli/target.h"
#include "cli/terminal.h"

/* As other tools have it. Source: docker-attach(1) */
#define DETACH_KEYS "ctrl-p,ctrl-q"

struct attach_options {
	struct cli_common common;
	struct target_ask ask;
	bool read_only;
	const char *detach_keys;
};

static const struct opt options[] = {
	TARGET_OPTION_APP(struct attach_options),
	{.name = "read-only",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct attach_options, read_only, bool),
	 .help = "look on, type nothing"},
	{.name = "detach-keys",
	 .kind = OPT_STRING,
	 .offset = OPT_FIELD(struct attach_options, detach_keys, const char *),
	 .arg = "KEYS",
	 .help = "typed in a row they leave it (" DETACH_KEYS ")"},
};

/**
 * struct session - one call.
 * @keys, @n_keys: that detach
 */
struct session {
	struct dyno *dyno;
	struct dyno_attach *attach;
	bool read_only;
	char keys[TERMINAL_KEYS_MAX];
	size_t n_keys;
};

static inline void dyno_closep(struct dyno **dyno)
{
	dyno_close(*dyno);
}

static inline void dyno_attach_freep(struct dyno_attach **attach)
{
	dyno_attach_free(*attach);
}

/* ---- keys -------------------------------------------------------------------------------------*/

/* One key of the list, of @len bytes. Return: the byte that a terminal sends; -EINVAL. */
static int parse_key(const char *word, size_t len)
{
	static const char control[] = "ctrl-";
	const size_t n = sizeof(control) - 1;
	char c;

	if (len == 1)
		return (unsigned char)word[0];
	if (len != n + 1 || strncmp(word, control, n) != 0)
		return -EINVAL;
	c = word[n];
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 1;
	return c >= '@' && c <= '_' ? c - '@' : -EINVAL;
}

static int parse_keys(const char *text, struct session *s, struct dyno_err *err)
{
	const char *word = text;
	int r;

	for (;;) {
		const size_t len = strcspn(word, ",");
		const int key = parse_key(word, len);

		if (key < 0 || s->n_keys == TERMINAL_KEYS_MAX) {
			r = err_set(err, ERR_USAGE, 0, "attach: \"%s\" are no keys", text);
			err_hint(err,
				 "single characters or ctrl- and one, with commas: " DETACH_KEYS);
			return r;
		}
		s->keys[s->n_keys++] = (char)key;
		if (!word[len])
			return 0;
		word += len + 1;
	}
}

/* ---- output -----------------------------------------------------------------------------------*/

static int show_part(void *data, int stream, const char *bytes, size_t len)
{
	const int fd = stream == 1 ? STDOUT_FILENO : STDERR_FILENO;
	char text[96];
	ssize_t n;

	(void)data;
	if (stream == 0) {
		str_fmt(text, sizeof(text),
			"\r\ndyno: %zu bytes were not read in time and are lost\r\n", len);
		bytes = text;
		len = strlen(text);
	}
	n = fd_write_full(fd, bytes, len);
	return n < 0 ? (int)n : 0;
}

static int show(void *data, const char *bytes, size_t len)
{
	const struct session *s = data;

	return dyno_attach_take(s->attach, bytes, len, show_part, NULL);
}

static int resize(void *data, unsigned int rows, unsigned int columns)
{
	const struct session *s = data;

	return s->read_only ? 0 : dyno_attach_resize(s->attach, rows, columns);
}

/* ---- with a terminal --------------------------------------------------------------------------*/

static int serve_terminal(struct session *s, enum terminal_end *ret, struct dyno_err *err)
{
	struct terminal terminal = TERMINAL_INIT;
	const struct terminal_io io = {
		.stream_fd = dyno_attach_fd(s->attach),
		.keep_fd = dyno_attach_control_fd(s->attach),
		.resize = resize,
		.show = show,
		.data = s,
		.detach_keys = s->keys,
		.n_detach_keys = s->n_keys,
		.viewer = s->read_only,
	};
	struct pollfd p = {.events = POLLIN};
	int r = terminal_start(&terminal, &io, err);

	if (r < 0)
		return r;
	p.fd = terminal.pidfd;
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	*ret = terminal_finish(&terminal);
	return 0;
}

/* ---- without ----------------------------------------------------------------------------------*/

/**
 * struct plain - streams of which none is a terminal of the one-off's.
 * @in, @from, @to: what was read and not sent
 * @reads: standard input has more
 */
struct plain {
	struct session *s;
	int fd;
	bool reads;
	char in[4096];
	size_t from;
	size_t to;
};

static void read_input(struct plain *p)
{
	const ssize_t n = read(STDIN_FILENO, p->in, sizeof(p->in));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		p->reads = false;
		(void)shutdown(p->fd, SHUT_WR); /* it has ended: as good */
		return;
	}
	p->from = 0;
	p->to = (size_t)n;
}

static void send_input(struct plain *p)
{
	const ssize_t n =
		send(p->fd, p->in + p->from, p->to - p->from, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		p->from += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		p->from = p->to; /* its end is read next */
}

/* Return: 1: there may be more; 0: the end; -errno. */
static int take_output(struct plain *p)
{
	char buf[4096];
	const ssize_t n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT);
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : 0;
	r = n > 0 ? show(p->s, buf, (size_t)n) : 0;
	return r < 0 ? r : n > 0;
}

static int serve_plain(struct session *s, struct dyno_err *err)
{
	struct plain p = {
		.s = s,
		.fd = dyno_attach_fd(s->attach),
		.reads = !s->read_only && dyno_attach_input(s->attach) == DYNO_ATTACH_PIPE,
	};
	int r = 1;

	while (r > 0) {
		const bool waits = p.from < p.to;
		struct pollfd fds[] = {
			{.fd = p.fd, .events = (short)(POLLIN | (waits ? POLLOUT : 0))},
			{.fd = p.reads && !waits ? STDIN_FILENO : -1, .events = POLLIN},
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return err_set(err, ERR_IO, errno, "wait for the dyno");
		if (fds[1].revents)
			read_input(&p);
		if (p.from < p.to)
			send_input(&p);
		if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
			r = take_output(&p);
	}
	return r < 0 ? err_set(err, ERR_IO, -r, "show the output") : 0;
}

/* ---- the whole --------------------------------------------------------------------------------*/

static int end_status(struct session *s, struct dyno_err *err)
{
	struct dyno_outcome out = {0};
	const int r = dyno_wait(s->dyno, NULL, 0, &out, err);

	return r < 0 ? r : out.exit_code;
}

static int serve(struct session *s, struct dyno_err *err)
{
	enum terminal_end end = TERMINAL_ENDED;
	int r;

	if (dyno_attach_input(s->attach) == DYNO_ATTACH_TTY)
		r = serve_terminal(s, &end, err);
	else
		r = serve_plain(s, err);
	if (r < 0)
		return r;
	if (end == TERMINAL_ENDED)
		return end_status(s, err);
	if (end == TERMINAL_LOST)
		return err_set(err, ERR_IO, EIO, "show the output");
	return dyno_attach_leave(s->attach, err);
}

static int attach_main(struct cli *cli, struct dyno_err *err)
{
	const struct attach_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	_cleanup_(dyno_closep) struct dyno *dyno = NULL;
	_cleanup_(dyno_attach_freep) struct dyno_attach *attach = NULL;
	struct session s = {.read_only = o->read_only};
	int r = parse_keys(o->detach_keys ? o->detach_keys : DETACH_KEYS, &s, err);

	if (r == 0)
		r = cli_host_open(cli, &host, err);
	if (r == 0)
		r = target_open(cli, host, &o->ask, cli->operands.items[0], "attach", &dyno, err);
	if (r == 0)
		r = dyno_attach(dyno, o->read_only, &attach, err);
	if (r < 0)
		return r;
	s.dyno = dyno;
	s.attach = attach;
	return serve(&s, err);
}

const struct verb verb_attach = {
	.name = "attach",
	.operands = "NAME",
	.summary = "look at a one-off that was detached, and type in it",
	.text = "NAME is run.1234 or APP/run.1234, of dyno run --detach.  What it prints is shown, from\n"
		"the last 64 KiB on; what is typed is its input, where it has a terminal (--tty) or an\n"
		"input (--interactive).  One types, others look on.  The keys leave it as it is; its\n"
		"end is that of this command, with its status.\n",
	CLI_OPTIONS(options, struct attach_options),
	.min_operands = 1,
	.max_operands = 1,
	.words = OPT_WORDS_DYNO,
	.own_status = true,
	.main = attach_main,
};
