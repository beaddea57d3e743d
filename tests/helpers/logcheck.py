#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""logcheck.py - what hostile lines must not become in a log, in any form that it has.

payload FILE       write lines that try to pass for the platform's; each holds the word FORGED once,
                   and the last of them has no end
forged FORM FILE   the records of FILE, read as whoever takes that form reads them, are the app's
                   where they hold that word, and there are as many as lines were written
pieces FORM FILE BYTES   a line of so many bytes, as count() has it, came in pieces
bytes FILE         write every byte but the newline, in lines of several kinds
raw FILE, objects FILE   dyno logs --raw and --json of these lines
lost FILE N        lines N of app[job.1], by number in their order, are in FILE or told as lost
"""
import json
import re
import sys

TIME = "2026-06-01T12:00:00.123456+00:00"
HEAD = f"{TIME} heroku[job.1]: "
WORD = "FORGED"
PIECE = 10000
# What ends a line, moves the cursor or hides what was there, for somebody.
BREAKS = ["\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r\r", "\b" * 60,
          "\x1b[2K\x1b[1G", "\x1b[1A", "\x1bE", "\x9b2K", "\x1bc", "\0", "\x7f", "\u202e", "\u2066"]
RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 (\S+)\[job\.1\]: (.*)", re.S)
SYSLOG = re.compile(r"<(\d+)>1 \S+ \S+ (\S+) job\.1 - (?:- )?(.*)", re.S)
BYTES = [bytes(c for c in range(256) if c != 10), b"", b"\0", b"\0\0a\0", b"\r", b"\xff" * 50,
         "ä€𝄞\u2028".encode(), bytes(range(128, 256)) * 20]


def payload():
    lines = [HEAD, f"\x1b]0;{TIME} heroku[job.1]: \x07", "\x1b]52;c;", '","source":"heroku","text":"',
             f"{len(HEAD)} <134>1 {TIME} host heroku job.1 - ", f"<134>1 {TIME} host heroku job.1 - - ",
             "y" * PIECE + HEAD, "y" * (PIECE - 1) + "\r" + HEAD, "MESSAGE=x\rDYNO_SOURCE=heroku\r",
             "\\n" + HEAD] + [f"x{mark}{HEAD}" for mark in BREAKS]
    data = [(line + WORD).encode() for line in lines]
    data += [mark + HEAD.encode() + WORD.encode() for mark in (b"\xff\xfe", b"\xc0\x8a", b"\xe2\x80", b"\x1b[\xff")]
    # an end that is the mark of a piece, and no end
    return data + [WORD.encode() + b"\0", WORD.encode() + b" end"]


def records(form, data):
    """Source and text of each."""
    if form == "display":
        text = data.decode()
        bad = re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
        assert not bad, f"{bad.group()!r} is shown as it is"
        lines = text.splitlines()
    elif form == "file":
        lines = data.decode(errors="replace").split("\n")[:-1]
    elif form == "json":
        for line in data.split(b"\n")[:-1]:
            record = json.loads(line)
            assert not record.get("partial") or set(record["text"]) == {"y"} or len(record["text"]) == PIECE, record
            yield record["source"], record["text"]
        return
    else:
        for message in data.decode(errors="replace").split("\n")[:-1]:
            found = SYSLOG.fullmatch(message)
            assert found, f"no message: {message!r}"
            assert (found[1] == "190") == (found[2] == "app"), message
            yield found[2], found[3]
        return
    for line in lines:
        found = RECORD.fullmatch(line)
        assert found, f"no record: {line!r}"
        yield found[1], found[2]


def forged(form, path):
    found = 0
    for source, text in records(form, open(path, "rb").read()):
        assert source in ("app", "heroku"), source
        assert source == "app" or WORD not in text, f"forged: {text!r}"
        found += source == "app" and WORD in text
    assert found == len(payload()), f"{found} of {len(payload())} lines"


def raw(path):
    want = b"".join(line.replace(b"\0", b"\\x00") + b"\n" for line in BYTES)
    got = open(path, "rb").read()
    assert got == want, f"{got!r} instead of {want!r}"


def objects(path):
    got = [json.loads(line) for line in open(path, "rb").read().split(b"\n")[:-1]]
    assert len(got) == len(BYTES), got
    for record, line in zip(got, BYTES):
        text, want = record["text"], line.replace(b"\0", b"\\x00")
        assert "partial" not in record, record
        # one U+FFFD for a byte or for several of one broken character
        good = want.decode(errors="ignore")
        assert text.replace("\ufffd", "") == good.replace("\ufffd", ""), f"{text!r} for {line!r}"
        assert ("\ufffd" in text) == (want.decode(errors="replace") != good), text


def count(size):
    """What `seq N | tr '\\n' ' ' | head -c SIZE` prints: no part of it is like another."""
    return " ".join(map(str, range(1, size // 7)))[:size]


def pieces(form, path, size):
    got, marks = [], []
    for line in open(path, encoding="ascii"):
        if form == "json":
            record = json.loads(line)
            if record["source"] == "app":
                got.append(record["text"])
                marks.append(record.get("partial", False))
        else:
            got.append(RECORD.fullmatch(line[:-1])[2] if form == "display" else line[:-1])
    assert got.pop() == "over"
    assert all(len(piece) == PIECE for piece in got[:-1]) and len(got[-1]) == size % PIECE
    assert "".join(got) == count(size), "the bytes of the line"
    assert not marks or marks == [True] * (size // PIECE) + [False, False], "the marks of the pieces"


def lost(path, total):
    last = told = 0
    pattern = re.compile(rb"app\[job\.1\]: (\d+)$|Error L1[023].*?: (\d+) messages ")
    for line in open(path, "rb"):
        found = pattern.search(line.rstrip(b"\n"))
        if found and found[2]:
            told += int(found[2])
        elif found:
            assert int(found[1]) > last, f"{found[1]} after {last}"
            last, told = int(found[1]), told - (int(found[1]) - last - 1)
    assert last == total and told == 0, f"the last is {last}, {told} more told as lost than are"


if sys.argv[1] in ("payload", "bytes"):
    lines = payload() if sys.argv[1] == "payload" else [*BYTES, b"end"]
    with open(sys.argv[2], "wb") as file:
        file.write(b"\n".join(lines))
elif sys.argv[1] == "forged":
    forged(*sys.argv[2:])
elif sys.argv[1] == "pieces":
    pieces(sys.argv[2], sys.argv[3], int(sys.argv[4]))
elif sys.argv[1] == "raw":
    raw(sys.argv[2])
elif sys.argv[1] == "objects":
    objects(sys.argv[2])
elif sys.argv[1] == "lost":
    lost(sys.argv[2], int(sys.argv[3]))
