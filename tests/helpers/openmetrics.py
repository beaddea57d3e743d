#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""openmetrics.py FILE FAMILIES [LABELS...] - whether FILE is OpenMetrics text 1.0, strictly.

FAMILIES is a file with the name of each family that must be there, and none else may be; LABELS are
the label sets that samples have, as app=shop,dyno=web.1.  Prints each family and how many samples
it has.  Of the types only gauge and counter are known.
"""
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
SAMPLE = re.compile(rf"({NAME})\{{({LABEL}(?:,{LABEL})*)\}} (\S+)")
META = re.compile(rf"# (TYPE|UNIT|HELP) ({NAME}) (.+)")


class Family:
    def __init__(self, name):
        self.name, self.meta, self.samples = name, {}, {}

    def take_meta(self, key, value):
        assert key not in self.meta, f"{key} of {self.name} twice"
        assert not self.samples, f"{key} of {self.name} after its samples"
        assert key != "TYPE" or value in ("gauge", "counter"), f"type {value}"
        assert key != "UNIT" or self.name.endswith("_" + value), f"{self.name} in {value}"
        self.meta[key] = value

    def take_sample(self, name, labels, value):
        counter = self.meta["TYPE"] == "counter"
        assert name == self.name + ("_total" if counter else ""), f"sample {name} of {self.name}"
        assert NUMBER.fullmatch(value), f"{name}: {value}"
        assert not counter or float(value) >= 0, f"{name}: {value}"
        assert labels not in self.samples, f"{name} {labels} twice"
        self.samples[labels] = value


def read(text):
    assert text.endswith("\n# EOF\n"), "the end"
    families = {}
    family = None
    for line in text[: -len("# EOF\n")].splitlines():
        meta, sample = META.fullmatch(line), SAMPLE.fullmatch(line)
        assert meta or sample, f"neither metadata nor a sample: {line}"
        if meta and (family is None or meta[2] != family.name):
            assert meta[2] not in families, f"{meta[2]} in two places"
            assert meta[1] == "TYPE", f"{meta[2]} does not begin with its type"
            family = families[meta[2]] = Family(meta[2])
        if meta:
            family.take_meta(meta[1], meta[3])
            continue
        labels = re.findall(LABEL, sample[2])
        assert len({name for name, _ in labels}) == len(labels), f"a label twice: {line}"
        family.take_sample(sample[1], ",".join(f"{n}={v}" for n, v in labels), sample[7])
    return families


def main():
    path, names, *labels = sys.argv[1:]
    with open(path, encoding="utf-8", newline="") as file:
        families = read(file.read())
    with open(names, encoding="utf-8") as file:
        want = file.read().split()
    assert sorted(families) == sorted(want), set(families) ^ set(want)
    for name, family in families.items():
        assert {"TYPE", "HELP"} <= set(family.meta), f"{name} without type or help"
        suffix = [n for n in families if n != name and n == name + "_total"]
        assert not suffix, f"{name} and {suffix}"
        assert set(family.samples) <= set(labels), f"{name}: {set(family.samples)}"
        print(name + ("_total" if family.meta["TYPE"] == "counter" else ""), len(family.samples))


main()
