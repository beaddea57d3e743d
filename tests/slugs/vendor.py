#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Vendor installed Debian Python packages, with what they depend on, into an app tree.

usage: vendor.py TARGET PACKAGE...

Copies the modules of every package of the closure to TARGET and the commands of the named ones to
TARGET/bin.  Only files that a package owns are taken, so that nothing local to the build machine
gets into the slug, and the byte code is compiled with hashes in place of times, so that it stays
valid in an archive without times and the result is the same on every machine.
"""
import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys

MODULES = "/usr/lib/python3/dist-packages/"
PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")


def installed_packages():
    """What each installed package needs (lists of alternatives), and who provides what."""
    fields = "${db:Status-Status}\t${Package}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
    listing = subprocess.run(["dpkg-query", "-W", "-f", fields], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    depends, providers = {}, {}
    for line in listing.splitlines():
        status, name, needs, provides = line.split("\t")
        if status != "installed":
            continue
        depends[name] = [[PACKAGE_NAME.match(one.strip()).group() for one in need.split("|")]
                         for need in needs.split(",") if need.strip()]
        for virtual in PACKAGE_NAME.findall(re.sub(r"\([^)]*\)", "", provides)):
            providers.setdefault(virtual, name)
    return depends, providers


def files_of(package):
    out = subprocess.run(["dpkg", "-L", package], check=True, text=True, stdout=subprocess.PIPE)
    return [path for path in out.stdout.splitlines()
            if os.path.isfile(path) or os.path.islink(path)]


def closure(names, depends, providers):
    """The named packages and all they need that hold Python modules, in the order found."""
    found, queue = {}, list(names)
    while queue:
        name = queue.pop(0)
        name = name if name in depends else providers.get(name)
        if name is None or name in found:
            continue
        files = files_of(name)
        if name not in names and not any(path.startswith(MODULES) for path in files):
            continue  # the interpreter, libc and other parts of the stack
        found[name] = files
        for alternatives in depends[name]:
            queue += [a for a in alternatives if a in depends or a in providers][:1]
    return found


def copy(path, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(path):  # a link out of the modules, such as Babel's locale data
        shutil.copytree(path, target)
    else:
        shutil.copy(path, target)


def main(target, *names):
    depends, providers = installed_packages()
    missing = [name for name in names if name not in depends]
    if missing:
        sys.exit(f"vendor: not installed: {' '.join(missing)} (make deps installs them)")
    shutil.rmtree(target, ignore_errors=True)
    for package, files in closure(names, depends, providers).items():
        for path in files:
            if path.startswith(MODULES) and not path.endswith(".pyc"):
                copy(path, os.path.join(target, path[len(MODULES):]))
            elif package in names and path.startswith("/usr/bin/"):
                copy(path, os.path.join(target, "bin", os.path.basename(path)))
    compileall.compile_dir(target, quiet=2, stripdir=target, prependdir="/app/vendor", maxlevels=20,
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: vendor.py TARGET PACKAGE...")
    main(*sys.argv[1:])
