#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mktar.py NAME > FILE - one archive of the torture list, made by name; without NAME, the names.

Headers are written by hand where Python's tarfile would refuse or repair what is asked for.
"""
import bz2
import gzip
import io
import lzma
import struct
import sys
import zlib

BLOCK = 512
PROCFILE = (b"./app/Procfile", b"web: ./server\n")


def octal(value, width):
    return b"%0*o\0" % (width - 1, value)


def header(name, size=0, kind=b"0", mode=0o644, link=b"", mtime=1000000000, uid=0, gid=0,
           uname=b"root", gname=b"root", size_field=None, magic=b"ustar\0" + b"00", prefix=b"",
           mtime_field=None, major=0, minor=0):
    h = bytearray(BLOCK)
    h[0:100] = name[:100].ljust(100, b"\0")
    h[100:108] = octal(mode, 8)
    h[108:116] = uid if isinstance(uid, bytes) else octal(uid, 8)
    h[116:124] = gid if isinstance(gid, bytes) else octal(gid, 8)
    h[124:136] = size_field or octal(size, 12)
    h[136:148] = mtime_field or octal(mtime, 12)
    h[148:156] = b" " * 8
    h[156:157] = kind
    h[157:257] = link[:100].ljust(100, b"\0")
    h[257:265] = magic
    h[265:297] = uname.ljust(32, b"\0")
    h[297:329] = gname.ljust(32, b"\0")
    h[329:337] = octal(major, 8)
    h[337:345] = octal(minor, 8)
    h[345:500] = prefix[:155].ljust(155, b"\0")
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


def pad(data):
    return data + b"\0" * (-len(data) % BLOCK)


def member(name, data=b"", **kw):
    return header(name, size=len(data), **kw) + pad(data)


def directory(name, mode=0o755, **kw):
    return header(name, kind=b"5", mode=mode, **kw)


def symlink(name, to):
    return header(name, kind=b"2", mode=0o777, link=to)


def hardlink(name, to):
    return header(name, kind=b"1", link=to)


def pax(kind=b"x", **records):
    out = b""
    for key, value in records.items():
        key = key.replace("__", ".").encode()
        value = value if isinstance(value, bytes) else str(value).encode()
        body = b" " + key + b"=" + value + b"\n"
        n = len(body) + 1
        while len(b"%d" % n) + len(body) != n:
            n = len(b"%d" % n) + len(body)
        out += b"%d" % n + body
    return header(b"PaxHeader", size=len(out), kind=kind) + pad(out)


def gnu_long(name, kind=b"L"):
    data = name + b"\0"
    return header(b"././@LongLink", size=len(data), kind=kind, magic=b"ustar  \0") + pad(data)


END = b"\0" * (2 * BLOCK)


def tar(*parts, end=END):
    return b"".join(parts) + end


def app(*parts):
    """A slug in Heroku's form that would be good but for @parts."""
    return tar(directory(b"./app/"), member(*PROCFILE), *parts)


def gz(data, level=6):
    return gzip.compress(data, level, mtime=0)


def bomb(total=1 << 30):
    """1 GiB of zeros from 1 MiB."""
    out = io.BytesIO()
    c = zlib.compressobj(9, zlib.DEFLATED, 31)
    out.write(c.compress(header(b"./app/zeros", size=total)))
    zeros = bytes(1 << 20)
    for _ in range(total >> 20):
        out.write(c.compress(zeros))
    out.write(c.compress(END) + c.flush())
    return out.getvalue()


def many(count):
    out = io.BytesIO()
    c = zlib.compressobj(1, zlib.DEFLATED, 31)
    out.write(c.compress(directory(b"./app/")))
    for i in range(count):
        if i % 4096 == 0:
            out.write(c.compress(directory(b"./app/%d/" % (i // 4096))))
        out.write(c.compress(header(b"./app/%d/%d" % (i // 4096, i))))
    out.write(c.compress(END) + c.flush())
    return out.getvalue()


def zstd_raw(data):
    """A zstd frame of raw blocks: no compressor needed."""
    out = b"\x28\xb5\x2f\xfd" + b"\xa0" + struct.pack("<I", len(data))
    blocks = [data[i:i + 65536] for i in range(0, len(data), 65536)] or [b""]
    for i, block in enumerate(blocks):
        last = i == len(blocks) - 1
        out += struct.pack("<I", (len(block) << 3) | last)[:3] + block
    return out


def sparse_gnu(real_size):
    h = bytearray(header(b"./app/sparse", size=0, kind=b"S", magic=b"ustar  \0"))
    h[345:500] = bytes(155)
    h[386:398] = octal(0, 12)
    h[398:410] = octal(0, 12)
    h[483:495] = real_size
    h[148:156] = b" " * 8
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


def base256(value, width):
    return b"\x80" + value.to_bytes(width - 1, "big", signed=value < 0)


DEEP = b"./app/" + b"d/" * 100000
GOOD = app(directory(b"./app/bin/"), member(b"./app/bin/run", b"#!/bin/sh\n", mode=0o755),
           symlink(b"./app/current", b"bin"), member(b"./app/data", b"x" * 100000))
ROOT = tar(directory(b"./"), member(b"./Procfile", b"web: ./server\n"), directory(b"./app/"),
           member(b"./app/models.rb", b"class A; end\n"), member(b"./config.ru", b"run A\n"))

CASES = {
    # What must unpack.
    "good": lambda: gz(GOOD),
    "good-plain": lambda: GOOD,
    "good-xz": lambda: lzma.compress(GOOD),
    "good-zstd": lambda: zstd_raw(GOOD),
    "root-form": lambda: gz(ROOT),
    "root-form-nodot": lambda: gz(tar(member(b"Procfile", b"web: x\n"), member(b"app/a", b"a"))),
    "heroku-strays": lambda: gz(app(member(b"./stray", b"s"), member(b"etc/passwd", b"root"))),
    "heroku-nodirs": lambda: gz(tar(member(b"app/Procfile", b"web: x\n"),
                                    member(b"app/a/b/c", b"c"))),
    # T01: paths that lead outside.
    "t01-dotdot": lambda: gz(app(member(b"../x", b"evil"))),
    "t01-absolute": lambda: gz(app(member(b"/tmp/dyno-t01", b"evil"))),
    "t01-inner": lambda: gz(app(member(b"./app/a/../../../x", b"evil"))),
    "t01-harmless": lambda: gz(app(member(b"./app/a/../b", b"evil"))),
    # T02: through a link.
    "t02-link": lambda: gz(app(symlink(b"./app/d", b"/etc"), member(b"./app/d/dyno-t02", b"x"))),
    "t02-inside": lambda: gz(app(directory(b"./app/real/"), symlink(b"./app/d", b"real"),
                                 member(b"./app/d/x", b"x"))),
    "t02-app-link": lambda: gz(tar(symlink(b"./app", b"/etc"), member(b"./app/dyno-t02", b"x"))),
    # T03: chains and loops.
    "t03-inert": lambda: gz(app(symlink(b"./app/loop", b"loop"),
                                *[symlink(b"./app/l%d" % i, b"l%d" % (i + 1)) for i in range(50)])),
    "t03-traversed": lambda: gz(app(symlink(b"./app/loop", b"loop"),
                                    member(b"./app/loop/x", b"x"))),
    # T04: hard links.
    "t04-outside": lambda: gz(app(hardlink(b"./app/x", b"../../etc/shadow"))),
    "t04-absolute": lambda: gz(app(hardlink(b"./app/x", b"/etc/shadow"))),
    "t04-unseen": lambda: gz(app(hardlink(b"./app/x", b"./app/later"),
                                 member(b"./app/later", b"x"))),
    "t04-symlink": lambda: gz(app(symlink(b"./app/s", b"/etc/shadow"),
                                  hardlink(b"./app/x", b"./app/s"))),
    "t04-through": lambda: gz(app(symlink(b"./app/s", b"/etc"),
                                  hardlink(b"./app/x", b"./app/s/shadow"))),
    "t04-directory": lambda: gz(app(directory(b"./app/d/"), hardlink(b"./app/x", b"./app/d"))),
    "t04-good": lambda: gz(app(member(b"./app/a", b"one"), hardlink(b"./app/b", b"./app/a"),
                               hardlink(b"./app/a", b"./app/a"))),
    # T05: special files.
    "t05-char": lambda: gz(app(header(b"./app/null", kind=b"3", major=1, minor=3))),
    "t05-block": lambda: gz(app(header(b"./app/sda", kind=b"4", major=8, minor=0))),
    "t05-fifo": lambda: gz(app(header(b"./app/fifo", kind=b"6"))),
    # T06: bits, attributes, whiteouts.
    "t06-bits": lambda: gz(app(
        member(b"./app/suid", b"x", mode=0o6755), directory(b"./app/sticky/", mode=0o3777),
        pax(SCHILY__xattr__user__overlay__whiteout="y",
            SCHILY__xattr__trusted__overlay__opaque="y",
            SCHILY__xattr__security__capability=b"\1\0\0\2\xff\xff\xff\xff" + bytes(12)),
        member(b"./app/attrs", b"x"),
        member(b"./app/.wh.Procfile", b""), member(b"./app/.wh..wh..opq", b""))),
    # T07: caps.
    "t07-bomb": bomb,
    "t07-many": lambda: many(1000100),
    "t07-deep": lambda: gz(app(pax(path=DEEP[:1000000]), directory(b"x"))),
    "t07-depth": lambda: gz(app(pax(path=b"./app/" + b"d/" * 200), directory(b"x"))),
    "t07-name": lambda: gz(app(pax(path=b"./app/" + b"n" * 256), member(b"x", b"x"))),
    "t07-path": lambda: gz(app(pax(path=b"./app/" + (b"n" * 200 + b"/") * 21), directory(b"x"))),
    # T08: sizes that lie.
    "t08-sparse": lambda: gz(app(sparse_gnu(base256((1 << 63) - 1, 12)))),
    "t08-negative": lambda: gz(app(header(b"./app/x", size_field=base256(-1, 12)))),
    "t08-base256": lambda: gz(app(header(b"./app/x", size_field=base256(1 << 62, 12)))),
    "t08-octal": lambda: gz(app(header(b"./app/x", size_field=b"77777777777\0"))),
    "t08-garbage": lambda: gz(app(header(b"./app/x", size_field=b"zzzzzzzzzzz\0"))),
    "t08-short": lambda: gz(tar(directory(b"./app/"), member(*PROCFILE),
                                header(b"./app/x", size=1 << 20), b"only this", end=b"")),
    # T09: damaged or foreign files.
    "t09-truncated": lambda: gz(GOOD)[:-20],
    "t09-half": lambda: gz(GOOD)[:len(gz(GOOD)) // 2],
    "t09-garbage": lambda: gz(GOOD) + b"garbage after the end",
    "t09-magic-garbage": lambda: gz(GOOD) + b"\x1f\x8bgarbage after the end",
    "t09-zeros": lambda: gz(GOOD) + bytes(1024),
    "t09-members": lambda: gz(GOOD[:700]) + gz(GOOD[700:]),
    "t09-crc": lambda: gz(GOOD)[:-8] + b"\0\0\0\0" + gz(GOOD)[-4:],
    "t09-flipped": lambda: (lambda d: d[:60] + bytes([d[60] ^ 0xff]) + d[61:])(gz(GOOD)),
    "t09-zip": lambda: b"PK\3\4" + bytes(600),
    "t09-bzip2": lambda: bz2.compress(GOOD),
    "t09-html": lambda: b"<!DOCTYPE html><title>404</title>" + b" " * 600,
    "t09-text": lambda: b"this is not an archive\n" * 40,
    "t09-short": lambda: b"hi\n",
    "t09-empty": lambda: b"",
    "t09-empty-gzip": lambda: gz(b""),
    "t09-no-members": lambda: gz(END),
    "t09-tar-truncated": lambda: GOOD[:-90000],
    "t09-tar-no-end": lambda: gz(tar(directory(b"./app/"), member(*PROCFILE), end=b"")
                                 + member(b"./app/x", b"y" * BLOCK)),
    "t09-tar-garbage": lambda: gz(GOOD + b"z" * 600),
    "t09-xz-truncated": lambda: lzma.compress(GOOD)[:-20],
    "t09-xz-garbage": lambda: lzma.compress(GOOD) + b"garbage!",
    "t09-zstd-truncated": lambda: zstd_raw(GOOD)[:-20],
    "t09-zstd-garbage": lambda: zstd_raw(GOOD) + b"garbage!",
    # T10: names twice and odd names.
    "t10-twice": lambda: gz(app(member(b"./app/a", b"first"), member(b"./app/a", b"second"))),
    "t10-file-dir": lambda: gz(app(member(b"./app/a", b"x"), directory(b"./app/a/"))),
    "t10-file-parent": lambda: gz(app(member(b"./app/a", b"x"), member(b"./app/a/b", b"x"))),
    "t10-dir-file": lambda: gz(app(directory(b"./app/a/"), member(b"./app/a", b"x"))),
    "t10-dir-link": lambda: gz(app(directory(b"./app/a/"), member(b"./app/a/x", b"x"),
                                   symlink(b"./app/a", b"/etc"), member(b"./app/a/y", b"y"))),
    "t10-link-twice": lambda: gz(app(symlink(b"./app/l", b"a"), symlink(b"./app/l", b"b"))),
    "t10-linked-twice": lambda: gz(app(member(b"./app/a", b"one"), hardlink(b"./app/b", b"app/a"),
                                       member(b"./app/a", b"two"))),
    "t10-empty-name": lambda: gz(app(member(b"", b"x"))),
    "t10-dots": lambda: gz(app(directory(b"."), directory(b"./"), directory(b"./app/./"))),
    "t10-dotdot": lambda: gz(app(directory(b".."))),
    "t10-slashes": lambda: gz(app(member(b".//app///a//b", b"x"))),
    "t10-dot-file": lambda: gz(app(member(b"./", b"x", kind=b"0"))),
    "t10-bytes": lambda: gz(app(member(b"./app/new\nline", b"x"), member(b"./app/\x1b[31mred", b"x"),
                                member(b"./app/back\\slash", b"x"),
                                member(b"./app/latin\xe9", b"x"),
                                member("./app/ütf8-é".encode(), b"x"),
                                pax(path="./app/påx-é-€".encode()), member(b"x", b"x"))),
    "t10-escape": lambda: gz(app(header(b"./app/\x1b]0;title\x07", kind=b"6"))),
    # T11: owners.
    "t11-owners": lambda: gz(app(
        member(b"./app/a", b"x", uid=base256(1 << 31, 8), gid=base256(-1, 8), uname=b"nosuchuser",
               gname=b"nosuchgroup"),
        pax(uid="99999999999999999999", gid="-5"), member(b"./app/b", b"x"))),
    # T12: extended headers.
    "t12-twice": lambda: gz(app(pax(path=b"./app/one"), pax(path=b"./app/two"),
                                member(b"x", b"x"))),
    "t12-size": lambda: gz(app(pax(size=3), header(b"./app/x", size=0), pad(b"abc"))),
    "t12-global": lambda: gz(app(pax(b"g", comment="c", mtime="5"), member(b"./app/x", b"x"))),
    "t12-bomb": lambda: gz(app(header(b"PaxHeader", size=1 << 30, kind=b"x"),
                               bytes(4 << 20))),
    "t12-longlink": lambda: gz(app(gnu_long(b"./app/" + b"l" * 200), member(b"./app/short", b"x"))),
    "t12-longlink-bomb": lambda: gz(app(gnu_long(b"./app/" + b"l" * (4 << 20)),
                                        member(b"./app/short", b"x"))),
    # T13: modes and times.
    "t13-mode0": lambda: gz(app(directory(b"./app/d/", mode=0), member(b"./app/d/f", b"x", mode=0))),
    "t13-mtime": lambda: gz(app(member(b"./app/far", b"x",
                                       mtime_field=base256(300000000000 * 31556952, 12)),
                                pax(mtime="-99999999999999999"), member(b"./app/past", b"x"))),
}


def main():
    if len(sys.argv) != 2:
        print("\n".join(CASES))
        return 0
    if sys.argv[1] not in CASES:
        print(f"mktar.py: no archive {sys.argv[1]}", file=sys.stderr)
        return 2
    sys.stdout.buffer.write(CASES[sys.argv[1]]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
