#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# dyno run and dyno exec on a terminal: a terminal inside the dyno, and what becomes of the caller's.
# shellcheck disable=SC2016,SC2154 # text for the dyno's bash; variables set by bats
load lib
load dynos

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
			                                              timeout=LIMIT, **how)
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
	put "$dir/none.json" <<<"{\"schema\":1,\"slug\":\"$SHAPES\",\"command\":[\"tty\"],\"tty\":\"none\"}"
	put "$dir/always.json" <<<"{\"schema\":1,\"slug\":\"$SHAPES\",\"command\":[\"tty\"],\"tty\":\"always\"}"
	on_terminal <<-'EOF'
		SPEC = os.environ["dir"]
		for how in ["--spec", SPEC + "/none.json"], ["-T", "--spec", SPEC + "/always.json"]:
		    run("-q", *how).ends(1).expect("^not a tty\r\n$")
		run("-qt", "--spec", SPEC + "/none.json").ends(0).expect("^/dev/pts/0\r\n$")
	EOF
	run -0 dyno run -q --spec "$dir/always.json" </dev/null
	[ "$output" = $'/dev/pts/0\r' ] || lib_seen "a spec that wants one"
	run -0 --separate-stderr dyno run -q "$SHAPES" 'echo "$(tty)"; echo e >&2' </dev/null
	[ "$output" = 'not a tty' ] && [ "$stderr" = e ] || lib_seen "no terminal anywhere"
	run -125 --separate-stderr dyno run -t -T "$SHAPES" true
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

@test "less, vim, top, python and a program of curses: drawn, resized and left (C8.3)" {
	dir=$(app screen)
	export dir
	put "$dir/curse" 755 <<-'EOF'
		#!/usr/bin/python3
		import curses
		def main(screen):
		    screen.timeout(200)  # ncurses misses a signal that comes just before it waits
		    while True:
		        rows, columns = screen.getmaxyx()
		        screen.erase()
		        screen.addstr(0, 0, f"is {rows} by {columns};")
		        screen.refresh()
		        key = screen.getch()
		        if key == ord("q"):
		            return
		curses.wrapper(main)
		raise SystemExit(9)
	EOF
	on_terminal <<-'EOF'
		import shutil
		one = run("--name", "run.1", os.environ["dir"], "bash", rows=30, columns=90)
		one.expect("to up\r\n")
		two = execute("screen/run.1", rows=30, columns=90)
		for t in run("-q", os.environ["dir"], "--", "./curse", rows=30, columns=90), \
		         execute("screen/run.1", "--", "./curse", rows=30, columns=90):
		    t.expect("is 30 by 90;")
		    t.resize(20, 70)
		    t.expect("20.*70")
		    t.type("q")
		    t.ends(9)
		for t in one, two:
		    prompt(t, "./curse; echo s=$?", "is 30 by 90;")
		    t.resize(20, 70)
		    t.expect("20.*70")
		    t.type("q")
		    t.expect("s=9\r\n")
		    t.resize(30, 90)
		    prompt(t, "python3 -q", ">>> ")
		    t.type("6 * 7\r")
		    t.expect("42\r\n.*>>> ")
		    t.type("\x04")
		    if shutil.which("less"):
		        prompt(t, "seq 1000 | less; echo s=$?", "\r\n28\r\n29\r\n:")
		        t.type("G")
		        t.expect("999\r\n.*1000")
		        t.type("q")
		        t.expect("s=0\r\n")
		    if shutil.which("top"):
		        prompt(t, "top -d 100; echo s=$?", "PID.*bash")
		        t.type("q")
		        t.expect("s=0\r\n")
		    if shutil.which("vim"):
		        prompt(t, "vim -u NONE /tmp/$$; cat /tmp/$$", "New.*~")
		        t.type("ihello\x1b:wq\r")
		        t.expect("written.*hello\r\n")
		    prompt(t, "stty -a", "rows 30; columns 90;.* icanon .*echo ")
		for t in two, one:
		    prompt(t, "exit 3", "exit")
		    t.ends(3).restored()
	EOF
}

# What is left of a dyno, a client and its pump: nothing, soon.
@test "the terminal's modes are put back whoever is killed, and nobody stays (T58, C8.2)" {
	on_terminal <<-'EOF'
		def children(pid, name):
		    pids = subprocess.run(["pgrep", "-P", str(pid), "-x", name], capture_output=True, text=True)
		    return [int(p) for p in pids.stdout.split()]
		def gone(pid):
		    try:
		        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] in "ZX"
		    except FileNotFoundError:
		        return True
		def begin():
		    t = run("--name", "run.1", "--grace", "1s", SHAPES, "trap 'echo hung up; exit 4' HUP; "
		            "echo here; while :; do read -t 1000 x || sleep 0.1; done")
		    t.expect("here\r\n")
		    wait_for(t.is_raw)
		    return t, children(t.pid, "dyno-terminal")[0], children(t.pid, "dyno-init")[0]
		def over(*pids):
		    for pid in pids:
		        wait_for(lambda: gone(pid), f"the end of {pid}")
		for whom in range(3):  # dyno, its pump, the dyno's pid 1
		    t, pump, init = begin()
		    os.kill([t.pid, pump, init][whom], signal.SIGKILL)
		    if whom == 1:
		        t.expect("Client connection closed")
		    t.ends([137, 4, 137][whom]).restored()
		    over(pump, init)
		dyno("gc")
		# of exec: the client, its pump
		t, *rest = begin()
		for whom in range(2):
		    e = execute("shapes/run.1", "echo here; exec sleep 1000")
		    e.expect("here\r\n")
		    wait_for(e.is_raw)
		    pump = children(e.pid, "dyno-terminal")[0]
		    os.kill([e.pid, pump][whom], signal.SIGKILL)
		    e.ends([137, 129][whom]).restored()
		    over(pump)
		# a terminal that vanishes is told to the command
		os.close(t.master)
		over(t.pid, *rest)
		os.waitpid(t.pid, 0)
	EOF
}

@test "below an interactive shell: stopped and continued, a storm of resizes, killed, cut off (T58)" {
	on_terminal <<-'EOF'
		def pids(*how):
		    return [int(p) for p in subprocess.run(["pgrep", *how], capture_output=True).stdout.split()]
		def shown(t, what):  # at the dyno's prompt
		    t.expect(what)
		    t.expect(r"\$ (\x1b\[[0-9;]*[mK])*$")
		RUN = " ".join([*DYNO, "run", "-q", SHAPES])
		t = Terminal(["bash", "--norc", "-i"], env={"PS1": "outer> "})
		t.expect("outer> ")
		t.type(f"{RUN} bash\r")
		shown(t, "")
		os.killpg(pids("-P", str(t.pid), "-x", "dyno")[0], signal.SIGTSTP)
		t.expect("Stopped.*outer> ")
		t.type("echo in $((3 + 4))\r")
		t.expect("in 7\r\n.*outer> ")
		t.type("fg\r\r")
		shown(t, "bash\r\n")
		t.type("echo in $DYNO\r")
		shown(t, r"in run\.\d+\r\n")
		for i in range(300):
		    t.resize(20 + i % 50, 60 + i % 77)
		t.resize(44, 111)
		# each change is a signal, and the last one tells the size
		t.type("until [ \"$(stty size)\" = '44 111' ]; do :; done; echo is $((4 + 5))\r")
		shown(t, "is 9\r\n")
		t.type("exit 9\r")
		t.expect("outer> ")
		t.type("echo s=$?\r")
		t.expect("s=9\r\n")
		for name in "dyno", "dyno-terminal", None:
		    t.expect("outer> ")
		    t.type(f"{RUN} 'echo he''re; exec sleep 1000'; echo s=$?\r")
		    t.expect("here\r\n")
		    wait_for(t.is_raw)
		    dyno = pids("-P", str(t.pid), "-x", "dyno")[0]
		    all = [t.pid, dyno, *pids("-P", str(dyno))]
		    if not name:
		        break
		    os.kill(dyno if name == "dyno" else pids("-P", str(dyno), "-x", name)[0], signal.SIGKILL)
		    t.expect("s=(137|129)\r\n.*outer> ")
		    t.type("stty -a\r")
		    t.expect(" icanon.* echo ")
		os.close(t.master)
		os.waitpid(t.pid, 0)
		wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in all), f"the end of {all}")
	EOF
	dyno gc >/dev/null
}

@test "stopped clients keep nobody from ending: dyno stop ends in time, and its terminal is put back (C7.1)" {
	on_terminal <<-'EOF'
		t = run("--name", "run.1", "-q", SHAPES, "trap 'echo bye; exit 6' TERM; echo here; "
		        "while :; do sleep 0.1; done")
		t.expect("here\r\n")
		e = execute("shapes/run.1", "trap '' HUP; echo here; exec sleep 1000")
		e.expect("here\r\n")
		wait_for(e.is_raw)
		pumps = subprocess.run(["pgrep", "-P", f"{t.pid},{e.pid}", "-x", "dyno-terminal"],
		                       capture_output=True, text=True).stdout.split()
		assert len(pumps) == 2, pumps
		for pid in [e.pid, *map(int, pumps)]:
		    os.kill(pid, signal.SIGSTOP)
		stopped = dyno("stop", "shapes/run.1")
		assert stopped.returncode == 0, stopped
		t.ends(6).restored()
		t.expect("bye\r\n")
		os.kill(e.pid, signal.SIGCONT)
		assert e.wait() in (137, 143)
		e.restored()
	EOF
}

@test "a command that ^Z stops and nobody could continue goes on; ^D and ^C reach it (C8.2)" {
	on_terminal <<-'EOF'
		for begin in lambda: run("-q", SHAPES, "--", "cat"), lambda: execute("shapes/run.1", "--", "cat"):
		    keeper = run("--name", "run.1", "-q", SHAPES, "echo here; exec sleep 1000")
		    keeper.expect("here")
		    t = begin()
		    t.type("one\r")
		    t.expect("one\r\none\r\n")
		    t.type("\x1a")
		    t.type("two\r")
		    t.expect("two\r\n.*two\r\n")
		    t.type("\x04")
		    t.ends(0).restored()
		    t = begin()
		    t.type("one\r")
		    t.expect("one\r\none\r\n")
		    t.type("\x03")
		    t.ends(130).restored()
		    keeper.type("\x03")
		    keeper.ends(130).restored()
	EOF
}

@test "with a terminal nothing is weaker, and nothing is put into the caller's (T31, T32, T33)" {
	dir=$(app weak)
	export dir
	put "$dir/look" 755 <<-'EOF'
		#!/usr/bin/python3
		import fcntl, os, termios
		for line in open("/proc/self/status"):
		    if line.split(":")[0] in ("Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
		                              "NoNewPrivs", "Seccomp", "Seccomp_filters"):
		        print(line.strip())
		for name in sorted(os.listdir("/proc/self/ns")):
		    print(name, os.readlink("/proc/self/ns/" + name))
		print(sorted(f for f in os.listdir("/proc/self/fd") if int(f) < 100 and os.path.exists(f"/proc/self/fd/{f}")))
		# TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD
		for request, value in (0x5412, b"x"), (0x541c, b"\2\0\0\0"), (0x541d, b""), (0x5423, b"\1\0\0\0"):
		    try:
		        fcntl.ioctl(0, request, value)
		        print("TAKEN", hex(request))
		    except OSError as e:
		        print(hex(request), e.strerror)
		for path in "/proc/sys/kernel/core_pattern", "/proc/1/oom_score_adj", "/dev/pts/9", "/proc/sysrq-trigger":
		    try:
		        os.open(path, os.O_WRONLY)
		        print("OPENED", path)
		    except OSError:
		        pass
	EOF
	on_terminal <<-'EOF'
		t = run("--name", "run.1", "-q", os.environ["dir"], "./look; echo here; exec sleep 1000")
		t.expect("here\r\n")
		wanted = t.text().split("here\r\n")[0]
		assert wanted.count("Operation not permitted") == 4, wanted
		assert "CapEff:\t0000000000000000" in wanted and "NoNewPrivs:\t1" in wanted, wanted
		assert "TAKEN" not in wanted and "OPENED" not in wanted, wanted
		e = execute("weak/run.1", "--", "./look").ends(0)
		assert e.text() == wanted, (e.text(), wanted)
		t.type("\x03")
		t.ends(130)
		# a policy that keeps dyno-init from it: said, where the command would be stopped for ever
		open(TMP + "/policy", "w").write('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": '
		                                 '[{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO"}]}')
		os.chmod(TMP + "/policy", 0o644)
		t = run("-q", "--seccomp", TMP + "/policy", SHAPES, "--", "cat").ends(126)
		t.expect("policy of --seccomp must allow")
		t.restored()
	EOF
}

@test "every byte and every status, with a terminal: short ones, long ones, input from a pipe (T57)" {
	local rounds
	rounds=$(loops 10000)
	export ROUNDS=$((rounds > 20 ? rounds : 20))
	on_terminal <<-'EOF'
		k = run("--name", "run.1", "-q", SHAPES, "echo here; exec sleep 1000")
		k.expect("here")
		for n in range(int(os.environ["ROUNDS"])):
		    begin = (lambda *a: run("-q", SHAPES, *a)) if n % 2 else \
		            (lambda *a: execute("shapes/run.1", *a))
		    t = begin("--", "sh", "-c", f"echo hi {n}; exit {n % 100}").ends(n % 100)
		    assert t.text() == f"hi {n}\r\n", (n, t.text())
		    os.close(t.master)  # there are only so many
		lines = "".join(f"{i}\r\n" for i in range(1, 50001))
		for t in run("-q", SHAPES, "--", "seq", "50000"), execute("shapes/run.1", "--", "seq", "50000"):
		    t.ends(0)
		    assert t.text() == lines, len(t.text())
		# a line of the platform comes after what was printed before it
		for n in range(5):
		    run(SHAPES, "seq 9999; echo last").ends(0).expect(
		        r"up\r\n1\r\n2\r\n.*\r\n9999\r\nlast\r\n[^\n]* \| Process exited with status 0\r\n[^\n]*complete\r\n$")
		# whoever goes on in the background does not keep the client
		t = execute("shapes/run.1", "(trap '' HUP; while :; do echo more; sleep 0.1; done) & echo end; exit 8")
		t.ends(8).expect("end\r\n")
		# input that is no terminal; its end is told
		r = dyno("run", "-qt", SHAPES, "--", "sh", "-c", "stty -echo; echo go; cat; tty", input=b"a\nb")
		assert r.returncode == 0 and r.stdout.endswith(b"go\r\na\r\nb/dev/pts/0\r\n"), r
		r = dyno("run", "-qT", SHAPES, "--", "sh", "-c", "cat; echo x >&2", input=b"a\nb")
		assert (r.stdout, r.stderr, r.returncode) == (b"a\nb", b"x\n", 0), r
		k.type("\x03")
		k.ends(130)
	EOF
}
