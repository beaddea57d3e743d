#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stats-screen.py [--once] DYNO - looks at `dyno stats` as a terminal of 80 x 10 and then 50 x 3 does.

Nothing may flicker (no clearing before a frame) and nothing of the terminal may be switched.  With
--once it must end by itself after one plain table.
"""
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

# As long as a machine that is slow and busy may take.
SECONDS = 30
SEQUENCE = re.compile(rb"\033\[([0-9;?]*)([A-Za-z])")


def resize(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_until(fd, seen, done):
    """Until done(seen), or the other side has gone. Return: whether done."""
    until = time.monotonic() + SECONDS
    while not done(seen):
        assert time.monotonic() < until, bytes(seen)
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:
            return False
        if not data:
            return False
        seen += data
    return True


def frames(seen):
    """The whole ones, as lines without sequences, each frame from "home" to "clear what is below"."""
    return [SEQUENCE.sub(b"", part).replace(b"\r", b"").decode().splitlines()
            for part in re.findall(rb"\033\[H(.*?)\033\[J", seen, re.S)]


def look(fd, pid):
    seen = bytearray()
    assert read_until(fd, seen, lambda s: len(frames(s)) >= 2), bytes(seen)
    # what was there is scrolled away before the first frame, and never again
    assert seen.replace(b"\r", b"").startswith(b"\n" * 10 + b"\033[H"), bytes(seen)
    for kind in SEQUENCE.findall(seen):
        assert kind in ((b"", b"H"), (b"", b"K"), (b"", b"J")), kind
    for frame in frames(seen):
        assert len(frame) == 3 and frame[0].startswith("DYNO "), frame
        assert all(len(line) == 80 for line in frame), frame
    assert frames(seen)[0][1].startswith("sleeper.1 "), seen
    assert frames(seen)[0][2].startswith("worker.1 "), seen
    resize(fd, 50, 4)
    assert read_until(fd, seen, lambda s: len(frames(s)[-1][0]) <= 50), bytes(seen)
    frame = frames(seen)[-1]
    assert [line.split()[0] for line in frame] == ["DYNO", "sleeper.1", "worker.1"], frame
    resize(fd, 50, 3)
    os.write(fd, b"\x03")
    assert not read_until(fd, seen, lambda s: False)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status


def look_once(fd, pid):
    seen = bytearray()
    assert not read_until(fd, seen, lambda s: False)
    _, status = os.waitpid(pid, 0)
    assert status == 0 and b"\033[H" not in seen and len(seen.splitlines()) == 3, bytes(seen)


def main():
    once = sys.argv[1] == "--once"
    pid, fd = pty.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        resize(1, 80, 10)
        os.environ["NO_COLOR"] = "1"
        os.execvp(sys.argv[-1], [sys.argv[-1], "stats", "-a", "shop"])
    (look_once if once else look)(fd, pid)


main()
