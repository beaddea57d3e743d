/* SPDX-License-Identifier: Apache-2.0 */
#include "base/signame.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "base/util.h"

/* Source: signal(7); the C library moves SIGRTMIN, so the kernel's 34 is what kill(1) prints */
#define RT_FIRST 34

static const struct {
	const char *name;
	int number;
} names[] = {
	{"HUP", SIGHUP},   {"INT", SIGINT},	  {"QUIT", SIGQUIT}, {"ILL", SIGILL},
	{"TRAP", SIGTRAP}, {"ABRT", SIGABRT},	  {"BUS", SIGBUS},   {"FPE", SIGFPE},
	{"KILL", SIGKILL}, {"USR1", SIGUSR1},	  {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
	{"PIPE", SIGPIPE}, {"ALRM", SIGALRM},	  {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT},
	{"CHLD", SIGCHLD}, {"CONT", SIGCONT},	  {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},
	{"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},	  {"URG", SIGURG},   {"XCPU", SIGXCPU},
	{"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
	{"IO", SIGIO},	   {"PWR", SIGPWR},	  {"SYS", SIGSYS},   {"RTMIN", RT_FIRST},
};

static int by_name(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(names[i].name, word) == 0)
			return names[i].number;
	return 0;
}

static int by_number(const char *text, unsigned int first)
{
	uint64_t n;

	if (num_parse_u64(text, SIGNAME_MAX - first, &n) < 0)
		return 0;
	return (int)(first + n);
}

int signame_parse(const char *text, struct dyno_err *err)
{
	const char *word = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	int sig;

	if (strncasecmp(word, "RTMIN+", 6) == 0)
		sig = by_number(word + 6, RT_FIRST);
	else
		sig = by_name(word);
	if (sig == 0 && word == text)
		sig = by_number(text, 0);
	if (sig > 0)
		return sig;
	err_set(err, ERR_USAGE, 0, "no signal \"%s\"", text);
	err_hint(err, "a name as TERM, HUP, USR1, or a number from 1 to %d", SIGNAME_MAX);
	return -EINVAL;
}

char *signame_text(int sig, char buf[SIGNAME_BYTES])
{
	size_t i;

	str_fmt(buf, SIGNAME_BYTES, "signal %d", sig);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].number == sig)
			str_fmt(buf, SIGNAME_BYTES, "SIG%s", names[i].name);
	return buf;
}
