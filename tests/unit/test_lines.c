/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_lines.c - every line of the platform to the character (C6.1, C6.4, C6.7, C6.10, C7.3, C7.5,
 * C8.8, C10.11, table b), and its figures as the settings have them (C0.3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/str.h"
#include "model/lines.h"

#define MB (UINT64_C(1) << 20)

/* What the contract's examples were written with. */
static const struct line_args usual = {
	.from = "starting",
	.to = "up",
	.command = "bundle exec puma -p $PORT",
	.stop_signal = "SIGTERM",
	.text = "bad certificate",
	.uri = "https://logs.example.com/",
	.since = "2026-06-01T12:00:00.123456+00:00",
	.status = 143,
	.port = 25162,
	.bound_port = 8000,
	.count = 7,
	.mem_bytes = 590 * MB,
	.quota_bytes = 512 * MB,
	.boot_timeout_ms = 60000,
	.grace_ms = 30000,
	.launch_timeout_ms = 10000,
	.time_limit_ms = 3600000,
};

static const struct {
	enum line_id id;
	const char *name;
	const char *text;
} published[] = {
	{LINE_STATE, "state", "State changed from starting to up"},
	{LINE_START, "start", "Starting process with command `bundle exec puma -p $PORT`"},
	{LINE_EXITED, "exited", "Process exited with status 143"},
	{LINE_RESTARTING, "restarting", "Restarting"},
	{LINE_CYCLING, "cycling", "Cycling"},
	{LINE_STOP, "stop", "Stopping all processes with SIGTERM"},
	{LINE_KILL, "kill", "Stopping process with SIGKILL"},
	{LINE_KILL_REST, "kill-rest", "Stopping remaining processes with SIGKILL"},
	{LINE_AWAITING, "awaiting", "Awaiting client"},
	{LINE_HANGUP, "hangup", "Client connection closed. Sending SIGHUP to all processes"},
	{LINE_MEMORY, "memory", "Process running mem=590M(115.2%)"},
	{LINE_R10, "R10",
	 "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of "
	 "launch"},
	{LINE_R11, "R11",
	 "Error R11 (Bad bind) -> Process bound to port 8000, should be 25162 (see environment "
	 "variable PORT)"},
	{LINE_R12, "R12",
	 "Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of "
	 "SIGTERM"},
	{LINE_R13, "R13", "Error R13 (Attach error) -> Failed to attach to process"},
	{LINE_R14, "R14", "Error R14 (Memory quota exceeded)"},
	{LINE_R15, "R15", "Error R15 (Memory quota vastly exceeded)"},
	{LINE_R16, "R16",
	 "Error R16 (Detached) -> An attached process is not responding to SIGHUP after its "
	 "external connection was closed."},
	{LINE_R99, "R99",
	 "Error R99 (Platform error) -> Failed to launch the dyno within 10 seconds"},
	{LINE_L10, "L10",
	 "Error L10 (output buffer overflow): 7 messages dropped since "
	 "2026-06-01T12:00:00.123456+00:00."},
	{LINE_L11, "L11",
	 "Error L11 (Tail buffer overflow) -> This tail session dropped 7 messages since "
	 "2026-06-01T12:00:00.123456+00:00."},
	{LINE_L12, "L12", "Error L12: 7 messages dropped since 2026-06-01T12:00:00.123456+00:00."},
	{LINE_L13, "L13", "Error L13: 7 messages lost since 2026-06-01T12:00:00.123456+00:00."},
	{LINE_L14, "L14",
	 "Error L14 (certificate validation): error=\"bad certificate\" "
	 "uri=\"https://logs.example.com/\""},
	{LINE_L15, "L15", "Error L15 (Tail buffer temporarily unavailable)"},
	{LINE_WARNING, "warning", "Warning: bad certificate"},
	{LINE_BOOT_CAUSE, "boot-cause", "Boot timeout: bad certificate"},
	{LINE_HEALTH, "health", "Health check failed 7 times in a row"},
	{LINE_TIME_LIMIT, "time-limit", "Time limit of 3600 seconds is over"},
	{LINE_STRICT, "strict", "Old and new process cannot run at once: bad certificate"},
	{LINE_MEMORY_CAUSE, "memory-cause", "Memory: bad certificate"},
	{LINE_OOM, "oom", "Out of memory: bad certificate"},
};

static void line_format__every_line__is_exact_to_the_character(void **state)
{
	bool seen[_LINE_MAX] = {false};
	char buf[LINE_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(published); i++) {
		size_t n = line_format(published[i].id, &usual, buf, sizeof(buf));

		assert_string_equal(buf, published[i].text);
		assert_int_equal(n, strlen(published[i].text));
		assert_string_equal(line_name(published[i].id), published[i].name);
		assert_false(seen[published[i].id]);
		seen[published[i].id] = true;
	}
	for (size_t i = 0; i < _LINE_MAX; i++)
		assert_true(seen[i]); /* none without its text here */
}

static void line_format__figures__follow_the_settings_C0_3(void **state)
{
	static const struct {
		enum line_id id;
		struct line_args args;
		const char *text;
	} cases[] = {
		{LINE_R10,
		 {.boot_timeout_ms = 90000},
		 "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 90 "
		 "seconds of launch"},
		{LINE_R10,
		 {.boot_timeout_ms = 500},
		 "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 0.5 "
		 "seconds of launch"},
		{LINE_R12,
		 {.grace_ms = 10000, .stop_signal = "SIGINT"},
		 "Error R12 (Exit timeout) -> At least one process failed to exit within 10 "
		 "seconds of SIGINT"},
		{LINE_R12,
		 {.grace_ms = 1005},
		 "Error R12 (Exit timeout) -> At least one process failed to exit within 1.005 "
		 "seconds of SIGTERM"},
		{LINE_R12,
		 {.grace_ms = 0},
		 "Error R12 (Exit timeout) -> At least one process failed to exit within 0 "
		 "seconds of SIGTERM"},
		{LINE_R99,
		 {.launch_timeout_ms = UINT64_MAX},
		 "Error R99 (Platform error) -> Failed to launch the dyno within "
		 "18446744073709551.615 seconds"},
		{LINE_STOP, {.stop_main_only = true}, "Stopping process with SIGTERM"},
		{LINE_STOP, {.stop_signal = "SIGQUIT"}, "Stopping all processes with SIGQUIT"},
		{LINE_EXITED, {.status = 0}, "Process exited with status 0"},
	};
	char buf[LINE_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		(void)line_format(cases[i].id, &cases[i].args, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].text);
	}
}

static void line_format__memory__is_rounded_and_never_overflows_C10_11(void **state)
{
	static const struct {
		uint64_t mem;
		uint64_t quota;
		const char *text;
	} cases[] = {
		{512 * MB, 512 * MB, "Process running mem=512M(100.0%)"},
		{512 * MB + 1, 512 * MB, "Process running mem=512M(100.0%)"},
		{1029 * MB, 512 * MB, "Process running mem=1029M(201.0%)"},
		{MB / 2, MB, "Process running mem=1M(50.0%)"},
		{0, 512 * MB, "Process running mem=0M(0.0%)"},
		{512 * MB, 0, "Process running mem=512M(0.0%)"},
		{UINT64_MAX, UINT64_MAX, "Process running mem=17592186044416M(100.0%)"},
	};
	char buf[LINE_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct line_args args = {.mem_bytes = cases[i].mem, .quota_bytes = cases[i].quota};

		(void)line_format(LINE_MEMORY, &args, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].text);
	}
}

static void line_format__odd_callers__get_a_bounded_text(void **state)
{
	char small[16];

	(void)state;
	assert_int_equal(line_format(LINE_R14, NULL, small, sizeof(small)), 33);
	assert_string_equal(small, "Error R14 (Memo");
	assert_int_equal(line_format(LINE_STATE, NULL, small, sizeof(small)), 23);
	assert_int_equal(line_format((enum line_id)_LINE_MAX, NULL, small, sizeof(small)), 0);
	assert_string_equal(small, "");
	assert_string_equal(line_name((enum line_id)_LINE_MAX), "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_format__every_line__is_exact_to_the_character),
		cmocka_unit_test(line_format__figures__follow_the_settings_C0_3),
		cmocka_unit_test(line_format__memory__is_rounded_and_never_overflows_C10_11),
		cmocka_unit_test(line_format__odd_callers__get_a_bounded_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
