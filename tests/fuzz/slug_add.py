#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""slug_add.py [-t SECONDS] [-n RUNS] [-s SEED] [-d DIR] DYNO SLUG... - the whole unpacker, fuzzed.

Mutations of the tars of sample slugs go through the real `dyno slug add`, as the user who runs
this: root, that is.  Around the store stands a tree of canaries: files, links, directories, set-id
programs, a slug that is in the store already.  It is hashed, contents and all that stat(2) tells but
times of access, before the first run, after every 100 and at the end, and must never change.

A run fails with anything but status 0 or 1, with an error that has no class or that of a helper
that died, when it takes 20 s, when something is left of a slug that was refused, and when what was
unpacked holds anything but plain files, directories and links of one owner.  The first failure
ends it with status 1; its archive is kept in DIR and named, to become a case of the corpus.
"""
import argparse
import gzip
import hashlib
import lzma
import os
import random
import re
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zlib

BLOCK = 512
# A run that takes longer hangs.  Source: own choice; all of a real slug takes a tenth of it.
RUN_SECONDS = 20
LOOK_EVERY = 100
# Members of a mutant, and its bytes: small ones run often.  Source: own choice
MEMBERS_MAX = 60
MEMBER_BYTES_MAX = 16384
KINDS = b"0123456789LKxgSMVADNIX\0"
NUMBERS = [b"\0" * 12, b"77777777777\0", b"00000000001\0", b"-0000000001\0", b"zzzzzzzzzzz\0",
           b"           \0", b"\x80" + b"\0" * 10 + b"\1", b"\xff" * 12, b"\x80" + b"\x7f" * 11,
           b"00000001000\0", b"00000004000\0"]
PAX_KEYS = [b"path", b"linkpath", b"size", b"mtime", b"uid", b"gid", b"mode", b"hdrcharset",
            b"GNU.sparse.major", b"GNU.sparse.minor", b"GNU.sparse.name", b"GNU.sparse.map",
            b"GNU.sparse.realsize", b"GNU.sparse.numblocks", b"SCHILY.xattr.security.capability",
            b"SCHILY.xattr.trusted.overlay.opaque", b"LIBARCHIVE.xattr.user.x", b"SCHILY.acl.access",
            b"SCHILY.fflags", b"SCHILY.dev", b"SCHILY.realsize", b"comment"]


def octal(value, width):
    return b"%0*o\0" % (width - 1, value)


def seal(head):
    """@head with the checksum that it needs."""
    h = bytearray(head)
    h[148:156] = b" " * 8
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


def header(name, kind=b"0", size=0, mode=0o644, link=b"", prefix=b""):
    h = bytearray(BLOCK)
    h[0:100] = name[:100].ljust(100, b"\0")
    h[100:108] = octal(mode & 0o7777777, 8)
    h[108:116] = h[116:124] = octal(0, 8)
    h[124:136] = octal(size, 12)
    h[136:148] = octal(1000000000, 12)
    h[156:157] = kind
    h[157:257] = link[:100].ljust(100, b"\0")
    h[257:265] = b"ustar\00000"
    h[345:500] = prefix[:155].ljust(155, b"\0")
    return seal(h)


def pad(data):
    return data + b"\0" * (-len(data) % BLOCK)


def pax(records, kind):
    out = b""
    for key, value in records:
        body = b" " + key + b"=" + value + b"\n"
        n = len(body) + 1
        while len(b"%d" % n) + len(body) != n:
            n = len(b"%d" % n) + len(body)
        out += b"%d" % n + body
    return header(b"PaxHeader", kind, len(out)) + pad(out)


def long_name(name, kind):
    return header(b"././@LongLink", kind, len(name) + 1) + pad(name + b"\0")


def members_of(path):
    """The tar of a slug as a list of (header, padded data), with their extensions apart."""
    with gzip.open(path) as f:
        data = f.read(1 << 22)
    members = []
    at = 0
    while at + BLOCK <= len(data) and any(data[at:at + BLOCK]):
        size = int(data[at + 124:at + 135].strip(b"\0 ") or b"0", 8)
        end = at + BLOCK + (size + BLOCK - 1) // BLOCK * BLOCK
        if end > len(data):
            break
        if size <= MEMBER_BYTES_MAX:
            members.append((data[at:at + BLOCK], data[at + BLOCK:end]))
        at = end
    return members


class Mutator:
    def __init__(self, rng, seeds, canary):
        self.rng = rng
        self.seeds = seeds
        top = canary.encode()
        up = [b"../" * n for n in (1, 2, 3, 5, 9, 20)]
        self.outside = [top, top + b"/file", top + b"/dir", top + b"/link", top + b"/suid", b"/etc"]
        self.outside += [u + b"canary/file" for u in up] + [u + b"canary" for u in up]
        self.outside += [b"./app/" + u + b"canary/file" for u in up]
        self.outside += [b"/proc/self/root" + top, b"/proc/self/cwd/../canary/file", b"/proc/1/root"]
        self.names = [b"./app/Procfile", b"app", b"./app", b"./app/d", b"./app/d/x", b"./app/l",
                      b"./app/l/file", b"./app/l/dir/new", b".", b"..", b"", b"/", b"./app/.",
                      b"./app/../x", b"./app/.wh..wh..opq", b"./app/.wh.Procfile", b"./root/app/x",
                      b"./app/" + b"n" * 90, b"./app/new\nline", b"complete", b"../complete"]

    def name(self):
        pick = self.rng.random()
        if pick < 0.1:
            return self.rng.choice(self.outside)
        if pick < 0.8:
            return self.rng.choice(self.names)
        return b"./app/" + bytes(self.rng.randrange(256) for _ in range(self.rng.randrange(40)))

    def made(self):
        """One member that a sample does not have."""
        rng = self.rng
        kind = rng.choice([b"0", b"1", b"2", b"2", b"5", b"3", b"4", b"6", b"x", b"g", b"L", b"K"])
        if kind in b"xg":
            records = [(rng.choice(PAX_KEYS), rng.choice([self.name(), b"0", b"-1", b"1" * 30]))
                       for _ in range(rng.randrange(1, 4))]
            return pax(records, kind), b""
        if kind in b"LK":
            return long_name(self.name() * rng.choice([1, 1, 3, 40]), kind), b""
        data = b"evil" if kind == b"0" else b""
        return header(self.name(), kind, len(data), rng.choice([0o644, 0o6777, 0, 0o1777, 0o755]),
                      self.name(), rng.choice([b"", b"", b"..", b"/", b"./app"])), pad(data)

    def trap(self):
        """A link that leads out, and something that would go through it."""
        link = self.rng.choice([b"./app/l", b"./app/d/l", b"./app/Procfile", b"./app"])
        to = self.rng.choice(self.outside)
        kind = self.rng.choice([b"1", b"2", b"2"])
        through = link + self.rng.choice([b"", b"/", b"/file", b"/dir", b"/dir/deep", b"/new"])
        return [(header(link, kind, 0, 0o777, to), b""),
                (header(through, self.rng.choice([b"0", b"5", b"1", b"2"]), 4, 0o6777,
                        self.rng.choice(self.outside)), pad(b"evil"))]

    def bent(self, head):
        """A header with a field changed, its checksum right (most of the time)."""
        h = bytearray(head)
        what = self.rng.randrange(7)
        if what == 0:
            h[0:100] = self.name()[:100].ljust(100, b"\0")
        elif what == 1:
            h[157:257] = self.name()[:100].ljust(100, b"\0")
        elif what == 2:
            h[156] = self.rng.choice(KINDS)
        elif what == 3:
            h[124:136] = self.rng.choice(NUMBERS)
        elif what == 4:
            h[100:108] = octal(self.rng.choice([0, 0o6755, 0o1777, 0o7777777]), 8)
        elif what == 5:
            h[345:500] = self.name()[:155].ljust(155, b"\0")
        else:
            h[self.rng.randrange(BLOCK)] ^= 1 << self.rng.randrange(8)
        return bytes(h) if self.rng.random() < 0.05 else seal(h)

    def tar(self):
        rng = self.rng
        members = list(rng.choice(self.seeds))[:MEMBERS_MAX]
        for _ in range(rng.choice([1, 1, 2, 3, 5, 9])):
            at = rng.randrange(len(members) + 1)
            what = rng.random()
            if what < 0.35:
                members.insert(at, self.made())
            elif what < 0.55:
                members[at:at] = self.trap()
            elif what < 0.85 and at < len(members):
                members[at] = (self.bent(members[at][0]), members[at][1])
            elif what < 0.9 and at < len(members):
                members.insert(at, members[at])
            elif at < len(members):
                other = rng.randrange(len(members))
                members[at], members[other] = members[other], members[at]
        data = b"".join(h + d for h, d in members) + bytes(rng.choice([2, 2, 2, 0, 1]) * BLOCK)
        return self.torn(data) if rng.random() < 0.1 else data

    def torn(self, data):
        """Bytes as bytes: cut, flipped, doubled."""
        rng = self.rng
        b = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 8])):
            at = rng.randrange(len(b)) if b else 0
            what = rng.randrange(4)
            if what == 0:
                del b[at:]
            elif what == 1 and b:
                b[at] ^= 1 << rng.randrange(8)
            elif what == 2:
                b[at:at] = b[at:at + rng.randrange(1, 2000)]
            else:
                del b[at:at + rng.randrange(1, 2000)]
        return bytes(b)

    def archive(self):
        rng = self.rng
        data = self.tar()
        how = rng.random()
        if how < 0.7:
            c = zlib.compressobj(1, zlib.DEFLATED, 31)
            data = c.compress(data) + c.flush()
        elif how < 0.8:
            data = lzma.compress(data, preset=0)
        elif how < 0.85:
            cut = rng.randrange(len(data) + 1)
            data = gzip.compress(data[:cut], 1) + gzip.compress(data[cut:], 1)
        return self.torn(data) if rng.random() < 0.1 else data


def facts(top, without):
    """A hash of the tree at @top; of @without it takes no notice."""
    h = hashlib.sha256()
    for where, dirs, files in os.walk(top):
        dirs.sort()
        dirs[:] = [d for d in dirs if os.path.join(where, d) not in without]
        files = sorted(f for f in files if os.path.join(where, f) not in without)
        for name in [""] + files + [d for d in dirs if os.path.islink(f"{where}/{d}")]:
            path = os.path.join(where, name) if name else where
            st = os.lstat(path)
            h.update(repr((path, st.st_mode, st.st_uid, st.st_gid, st.st_ino,
                           sorted(os.listxattr(path, follow_symlinks=False)))).encode())
            if path != top:  # in which the archives and the run directory come and go
                h.update(repr((st.st_nlink, st.st_size, st.st_mtime_ns, st.st_ctime_ns)).encode())
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    h.update(f.read())
            elif stat.S_ISLNK(st.st_mode):
                h.update(os.readlink(path).encode())
    return h.hexdigest()


def plant(top):
    canary = os.path.join(top, "canary")
    os.makedirs(f"{canary}/dir/deep")
    for name in ("file", "dir/file", "dir/deep/file", "suid"):
        with open(f"{canary}/{name}", "w") as f:
            f.write(f"canary {name}\n")
    os.chmod(f"{canary}/suid", 0o4755)
    os.symlink("dir", f"{canary}/link")
    os.link(f"{canary}/file", f"{canary}/hard")
    return canary


def odd_in(tree):
    """What a stored tree must not hold."""
    owners = set()
    for where, dirs, files in os.walk(tree):
        for path in [where] + [os.path.join(where, n) for n in files + dirs]:
            st = os.lstat(path)
            if path != tree:
                owners.add((st.st_uid, st.st_gid))
            if not (stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode) or stat.S_ISLNK(st.st_mode)):
                return f"{path} is no file, directory or link"
            if st.st_mode & 0o7000 and not stat.S_ISLNK(st.st_mode):
                return f"{path} has mode {st.st_mode:o}"
            odd = [x for x in os.listxattr(path, follow_symlinks=False)
                   if not x.startswith("system.")]
            if odd:
                return f"{path} has {odd}"
    return f"owners {owners}" if len(owners) > 1 else None


class Fuzzer:
    def __init__(self, args):
        self.args = args
        self.top = tempfile.mkdtemp(prefix="dyno-fuzz-add.", dir=args.directory)
        self.data = os.path.join(self.top, "data")
        self.file = os.path.join(self.top, "mutant")
        self.env = {**os.environ, "DYNO_CFG_DATA_DIR": self.data,
                    "DYNO_CFG_RUN_DIR": os.path.join(self.top, "run")}
        canary = plant(self.top)
        self.sibling = self.add(args.slugs[0]).stdout.split(":")[-1].strip()
        seeds = [members_of(path) for path in args.slugs]
        self.mutator = Mutator(random.Random(args.seed), seeds, canary)
        self.own = {self.data, os.path.join(self.top, "run"), self.file}
        self.before = self.canaries()
        self.runs = self.stored = 0
        self.classes = {}

    def dyno(self, *args):
        return subprocess.run([self.args.dyno, *args], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", check=False,
                              timeout=RUN_SECONDS)

    def add(self, path):
        return self.dyno("slug", "add", path)

    def canaries(self):
        slug = os.path.join(self.data, "slugs", "sha256-" + self.sibling)
        files = facts(self.top, self.own)
        return hashlib.sha256((files + facts(slug, set())).encode()).hexdigest()

    def one(self):
        """Return: what is wrong, or None."""
        with open(self.file, "wb") as f:
            f.write(self.mutator.archive())
        try:
            done = self.add(self.file)
        except subprocess.TimeoutExpired:
            return f"no end in {RUN_SECONDS} s"
        if done.returncode == 0:
            return self.look_at(done.stdout.strip())
        error = re.search(r"^dyno: .*\[([a-z.-]+)\]$", done.stderr, re.M | re.S)
        if done.returncode != 1 or not error or error[1] in ("host.helper", "internal"):
            return f"status {done.returncode}: {done.stderr}"
        self.classes[error[1]] = self.classes.get(error[1], 0) + 1
        left = os.listdir(os.path.join(self.data, "tmp"))
        return f"left in tmp: {left}" if left else None

    def look_at(self, digest):
        self.stored += 1
        slug = os.path.join(self.data, "slugs", digest.replace(":", "-"))
        odd = odd_in(os.path.join(slug, "root"))
        if odd or digest.endswith(self.sibling):
            return odd
        done = self.dyno("slug", "verify", "-q", digest)
        if done.returncode == 0:
            done = self.dyno("slug", "rm", digest)
        return None if done.returncode == 0 else f"status {done.returncode}: {done.stderr}"

    def run(self):
        end = time.monotonic() + self.args.seconds
        wrong = None
        while not wrong and time.monotonic() < end and self.runs != self.args.runs:
            wrong = self.one()
            self.runs += 1
            if not wrong and self.runs % LOOK_EVERY == 0 and self.canaries() != self.before:
                wrong = f"a canary has changed within the last {LOOK_EVERY} runs"
        if not wrong and self.canaries() != self.before:
            wrong = "a canary has changed"
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        print(f"seed {self.args.seed}: {self.runs} executions, {self.stored} stored, refused: "
              f"{self.classes}, at most {peak} KiB; canaries "
              f"{'unchanged' if self.canaries() == self.before else 'CHANGED'}")
        if wrong:
            kept = os.path.join(self.args.directory, f"dyno-fuzz-add-{self.args.seed}-{self.runs}")
            shutil.copy(self.file, kept)
            print(f"{kept}: {wrong}", file=sys.stderr)
        shutil.rmtree(self.top)
        return 1 if wrong else 0


def main():
    p = argparse.ArgumentParser(usage=__doc__.split(" - ")[0])
    p.add_argument("-t", dest="seconds", type=float, default=60)
    p.add_argument("-n", dest="runs", type=int, default=-1)
    p.add_argument("-s", dest="seed", type=int, default=random.randrange(1 << 32))
    p.add_argument("-d", dest="directory", default=tempfile.gettempdir())
    p.add_argument("dyno")
    p.add_argument("slugs", nargs="+")
    return Fuzzer(p.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
