# SPDX-License-Identifier: Apache-2.0
"""A terminal with a program on it, for tests: what a person sees, types and does to its window.

    t = Terminal(["dyno", "run", ...])     the program leads a session on a terminal of its own
    t.expect("text|regex"), t.type("ls\\r"), t.resize(50, 132), t.wait() -> status, t.restored()

What does not come within LIMIT seconds fails, with all that was seen.
"""
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

LIMIT = int(os.environ.get("TERMINAL_LIMIT", "40"))


class Terminal:
    def __init__(self, argv, rows=24, columns=80, env=None, stderr=None, keep=False):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = self.modes()
        self.argv, self.seen, self.at = argv, b"", 0
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
                for fd in range(3):
                    os.dup2(self.slave, fd)
                if stderr:
                    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
                os.closerange(3, 256)
                os.execvpe(argv[0], argv, {**os.environ, "TERM": "xterm", **(env or {})})
            finally:
                os._exit(127)
        if not keep:  # else the terminal hangs up only with this program
            os.close(self.slave)
            self.slave = None

    def modes(self):
        return termios.tcgetattr(self.master)[:4]

    def restored(self):
        until = time.monotonic() + LIMIT
        while self.modes() != self.before:
            if time.monotonic() > until:
                self.fail(f"modes {self.modes()}, they were {self.before}")
            time.sleep(0.01)

    def is_raw(self):
        return not self.modes()[3] & termios.ICANON

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def fail(self, what):
        print(f"{' '.join(self.argv[-6:])}: {what}\nseen: {self.seen!r}", file=sys.stderr)
        os.kill(self.pid, signal.SIGKILL)
        sys.exit(1)

    def read(self, until):
        """More of what is shown. False at the end, or at that time."""
        left = max(until - time.monotonic(), 0)
        if not select.select([self.master], [], [], left)[0]:
            return False
        try:
            more = os.read(self.master, 65536)
        except OSError as e:
            if e.errno != errno.EIO:
                raise
            more = b""
        self.seen += more
        return bool(more)

    def expect(self, pattern, limit=LIMIT):
        """The next place where it matches; what was before it is not looked at again."""
        until = time.monotonic() + limit
        wanted = re.compile(pattern.encode(), re.S)
        while True:
            match = wanted.search(self.seen, self.at)
            if match:
                self.at = match.end()
                return match
            if not self.read(until):
                self.fail(f"in vain: {pattern}")

    def type(self, text):
        data = text.encode()
        while data:
            data = data[os.write(self.master, data):]

    def wait(self, limit=LIMIT):
        """Its exit status, 128 + n after signal n, when all it wrote was read."""
        until = time.monotonic() + limit
        done = 0
        while not done:
            # a short while, since the end of a process is no output
            if not self.read(time.monotonic() + 0.01):
                done, status = os.waitpid(self.pid, os.WNOHANG)
            if time.monotonic() > until:
                self.fail("it does not end")
        while self.read(time.monotonic()):
            pass
        return os.waitstatus_to_exitcode(status) % 256 if status & 0x7f == 0 \
            else 128 + (status & 0x7f)

    def text(self):
        return self.seen.decode(errors="replace")

    def ends(self, status):
        got = self.wait()
        if got != status:
            self.fail(f"status {got}, expected {status}")
        return self


def wait_for(condition, what="a condition"):
    until = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"in vain: {what}")
        time.sleep(0.01)
