#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# dyno run and dyno exec on a terminal: a terminal inside the dyno, and what becomes of the caller's.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

setup() {
	lib_setup
	dynos_setup
}

# on_terminal: Python on standard input, with Terminal of helpers/terminal.py, and run(...) and
# execute(...), which are dyno run and dyno exec on one
on_terminal() {
	{
		cat <<-'EOF'
			import os, signal, subprocess
			from terminal import *
			DYNO = os.environ["TEST_USER"].split() + [os.environ["DYNO"]]
			SHAPES, TMP = os.environ["TEST_SHAPES"], os.environ["BATS_TEST_TMPDIR"]
			def run(*args, **how): return Terminal([*DYNO, "run", *args], **how)
			def execute(*args, **how): return Terminal([*DYNO, "exec", *args], **how)
			def dyno(*args, **how): return subprocess.run([*DYNO, *args], capture_output=True,
			                                              text=True, timeout=LIMIT, **how)
			def prompt(t, command, shown):
			    t.expect(r"\$ (\x1b\[[0-9;]*[mK])*$")
			    t.type(command + "\r")
			    t.expect(shown)
		EOF
		cat
	} >"$BATS_TEST_TMPDIR/script.py"
	TEST_USER="${user[*]}" TEST_SHAPES=$SHAPES PYTHONPATH=$TOP/tests/helpers \
		PYTHONDONTWRITEBYTECODE=1 python3 "$BATS_TEST_TMPDIR/script.py"
}

@test "a one-off on a terminal has one of its own; a process type, -T and a pipe have none (C1.4, C8.3)" {
	dir=$(app -t 'job: cut -d" " -f7,8 /proc/self/stat; [ ! -t 3 ]' tty)
	export dir
	on_terminal <<-'EOF'
		t = run("-q", SHAPES, "tty; stty size; cut -d' ' -f7,8 /proc/self/stat; echo $COLUMNS $TERM; "
		        "readlink /proc/self/fd/[012]; ls -l /dev/pts/0; exit 7", rows=33, columns=99).ends(7)
		t.restored()
		t.expect("^/dev/pts/0\r\n33 99\r\n34816 2\r\n99 xterm\r\n(/dev/pts/0\r\n){3}crw--w---- 1 u[0-9]+ ")
		t = run("-q", SHAPES, "--", "sh", "-c", "cut -d' ' -f5-8 /proc/$$/stat").ends(0)
		t.expect("^2 1 34816 2\r\n$")
		for args in ["-q", os.environ["dir"], "job"], ["-qT", os.environ["dir"], "job"]:
		    run(*args).ends(0).expect("^0 -1\r\n$")
		run("-qt", os.environ["dir"], "job").ends(0).expect("^34816 2\r\n$")
		# standard error that is no terminal stays apart
		t = run("-q", SHAPES, "echo out; echo err >&2; tty <&2", stderr=TMP + "/err").ends(1)
		t.expect("^out\r\nnot a tty\r\n$")
		assert open(TMP + "/err").read() == "err\n"
	EOF
	run -0 --separate-stderr dyno run -q "$SHAPES" 'echo "$(tty)"; echo e >&2' </dev/null
	[ "$output" = 'not a tty' ] && [ "$stderr" = e ] || lib_seen "no terminal anywhere"
	run -125 --separate-stderr dyno run -t -T "$SHAPES" true
	assert_error usage
	run -125 --separate-stderr dyno run -t -d "$SHAPES" true
	assert_error usage
}

@test "bash on a terminal: keys, jobs, the window's size and the status, in run and in exec (C8.2, C8.3)" {
	dir=$(app keys)
	export dir
	# one process without handlers: who is stopped between vfork and exec stops its parent for good
	put "$dir/job" 755 <<-'EOF'
		#!/usr/bin/python3
		import signal as s
		s.signal(s.SIGINT, s.SIG_DFL)
		taken = {s.SIGCONT, s.SIGQUIT}
		s.pthread_sigmask(s.SIG_BLOCK, taken)
		print("ready", flush=True)
		while s.sigwait(taken) != s.SIGQUIT:
		    print("continued", flush=True)
		raise SystemExit(5)
	EOF
	on_terminal <<-'EOF'
		def use(t):
		    prompt(t, "stty size; echo $COLUMNS", "33 99\r\n99\r\n")
		    t.resize(40, 120)
		    prompt(t, "stty size; echo $COLUMNS", "40 120\r\n120\r\n")
		    prompt(t, "./job", "ready\r\n")
		    t.type("\x1a")
		    t.expect("Stopped")
		    prompt(t, "fg", "continued\r\n")
		    t.type("\x03")
		    prompt(t, "echo s=$?", "s=130\r\n")
		    prompt(t, "./job; echo s=$?", "ready\r\n")
		    t.type("\x1c")
		    t.expect("s=5\r\n")
		    prompt(t, "echo g''o; cat; echo s=$?", "go\r\n")
		    t.type("words\r\x04")
		    t.expect("words\r\n.*words\r\n.*s=0\r\n")
		    prompt(t, "(exit 42)", "42")
		    t.expect(r"\$ ")
		    t.type("\x04")
		    t.ends(42).restored()
		one = run("--name", "run.1", os.environ["dir"], "bash", rows=33, columns=99)
		one.expect("to up\r\n")
		two = execute("keys/run.1", rows=33, columns=99)
		prompt(two, "tty; cut -d' ' -f6-8 /proc/$$/stat", r"/dev/pts/1\r\n(\d+) 34817 \d+\r\n")
		use(two)
		use(one)
	EOF
}
