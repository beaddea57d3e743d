# SPDX-License-Identifier: Apache-2.0
# tap.awk - what one program or file of tests has told, in one run or in two.
#
#   awk -v label=LABEL -v status1=N [-v status2=N] -f tap.awk FIRST [SECOND]
#
# The first line is "PASSED FAILED SKIPPED FLAKY".  Then each test that counts as failed is named in
# a line that begins with FAILED, and each whose two verdicts differ in one that begins with FLAKY,
# with what was said of it after it, which begins with blanks.
#
# A test that failed in the first run and passed in the second counts as passed; one that failed in
# the second run alone has passed before, and still counts so.  A missing or cut-short plan, a
# status that no failed test explains, or a teardown_file that fails is a failure, also beside failed
# tests: one that is cured only by a second run that tells everything.

# "ok 3 - NAME", "ok 3 NAME # skip WHY", "not ok 5 # SKIP NAME", "not ok 6 NAME # timeout after N s"
function name_of(line)
{
	sub(/^(not )?ok [0-9]+ *(- *)?/, "", line)
	sub(/^# *[Ss][Kk][Ii][Pp] */, "", line)
	sub(/ # *([Ss][Kk][Ii][Pp]|timeout).*/, "", line)
	return line
}

# what a child of the test wrote stands before its verdict
function flush(key, lines,    i)
{
	for (i = said_n > lines ? said_n - lines : 0; i < said_n; i++)
		text[run, key] = text[run, key] "    " substr(said[i], 1, 296) "\n"
	said_n = 0
}

function verdict_is(what,    name, key)
{
	name = name_of($0)
	seen[run, name]++
	key = name SUBSEP seen[run, name]
	verdict[run, key] = what
	count[run, what]++
	line[run, key] = $0
	if (!(key in known)) {
		known[key] = 1
		order[++keys] = key
	}
	told = 0
	if (what == "bad") {
		flush(key, 3)
		told = 1
		last_bad = key
	}
	said_n = 0
	last[run] = $0
}

function end_run()
{
	if (run)
		flush("", 20)
	told = said_n = 0
}

# bats ends with 1 for failed tests, cmocka with their number; a sanitizer has one of its own
function is_explained(run)
{
	return status[run] == 0 || count[run, "bad"] && \
		(status[run] == 1 || status[run] == count[run, "bad"])
}

function tell(word, from, key,    head)
{
	head = line[from, key]
	sub(/^(not )?ok /, "", head)
	out = out substr(word " " label ": " head, 1, 300) "\n" text[from, key]
}

function tell_lost(word, from)
{
	out = out word " " label ": " lost[from] " not told, status " status[from] \
		(last[from] ? ", after: " substr(last[from], 1, 200) : "") "\n" text[from, ""]
}

BEGIN {
	status[1] = status1
	status[2] = status2
}

FNR == 1 { end_run(); run = FILENAME == ARGV[1] ? 1 : 2 }
/^1\.\.[0-9]+/ { plan[run] += substr($1, 4); planned[run] = 1; next }
# no test, and those that have not run for it are not told
/^not ok [0-9]+ (setup|teardown)_file failed/ {
	file_failed[run] = 1
	told = 0
	said[said_n++] = $0
	next
}
# cmocka says "not ok 1 # SKIP"; of bats this is a skipped test whose teardown failed
/^(not )?ok [0-9]+ *(-[^#]*)?# *[Ss][Kk][Ii][Pp]/ { verdict_is("skip"); next }
/^ok .* # skip/ { verdict_is("skip"); next }
/^ok / { verdict_is("ok"); next }
/^not ok / { verdict_is("bad"); next }
told { text[run, last_bad] = text[run, last_bad] "    " substr($0, 1, 296) "\n"; next }
{ said[said_n++] = $0 }

END {
	end_run()
	runs = ARGC - 1
	for (run = 1; run <= runs; run++) {
		lost[run] = plan[run] - count[run, "ok"] - count[run, "bad"] - count[run, "skip"]
		if (lost[run] < 0)
			lost[run] = 0
		if (!lost[run] && (!planned[run] || file_failed[run] || !is_explained(run)))
			lost[run] = 1
	}
	for (i = 1; i <= keys; i++) {
		key = order[i]
		was = verdict[1, key]
		is = runs > 1 ? verdict[2, key] : ""
		if (was == "" && lost[1])
			was = is
		else if (was == "bad" && is == "ok") {
			was = "ok"
			flaky++
			tell("FLAKY", 1, key)
		} else if (was != "" && was != "bad" && is == "bad") {
			flaky++
			tell("FLAKY", 2, key)
		}
		if (was != "")
			sum[was]++
		if (was == "bad")
			tell("FAILED", is == "bad" ? 2 : 1, key)
	}
	if (runs == 1 && lost[1]) {
		sum["bad"] += lost[1]
		tell_lost("FAILED", 1)
	} else if (runs > 1 && lost[1] && lost[2]) {
		sum["bad"] += lost[2]
		tell_lost("FAILED", 2)
	} else if (runs > 1 && (lost[1] || lost[2])) {
		flaky++
		tell_lost("FLAKY", lost[1] ? 1 : 2)
	}
	printf "%d %d %d %d\n%s", sum["ok"], sum["bad"], sum["skip"], flaky, out
}
