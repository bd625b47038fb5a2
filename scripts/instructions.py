#!/usr/bin/env python3
"""Counts the instructions of the fast path: posting, arrivals, polling, over a simulated world, by callgrind.

  scripts/instructions.py             prints the table
  scripts/instructions.py --check     and fails if a path has grown by more than 3 % of tests/perf/instructions.json
  scripts/instructions.py --update    and writes that file
  --repeat N    runs it N times and fails unless all count the same, to the digit
  --program P   build/release/tests/perf/softndk_instructions unless told otherwise

What counts is what our layers execute themselves (base's sources aside, which the simulator uses too) and what they
call in base and in libraries; the simulated network and the test itself do not. The baseline has one table for each
compiler: another one's code is another number. Where the C library is another one than the baseline's, its part is left
out of the comparison.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from collections import defaultdict

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASELINE = ROOT / "tests" / "perf" / "instructions.json"
LIMIT = 0.03
# Too small a number moves by more than 3 % for one instruction.
SLACK = 3
OURS = re.compile(r"/src/(?:(?:iwarp|rdma|rnic|provider|ntrt|runtime|verifier)/|base/\w+\.h$)")
OUTSIDE = re.compile(r"/(?:src/(?:sim|io)|tests)/")


class Part:
    """One part of callgrind's output: the cost of each function, its own and that of each call from it."""

    def __init__(self, text):
        self.path = re.search(r"desc: Trigger: Client Request: (.*)", text).group(1)
        self.file_of = {}
        self.own = defaultdict(int)
        self.calls = defaultdict(int)
        obj = file = function = callee_obj = callee = None
        lines = iter(text.splitlines())
        for line in lines:
            word, equals, value = line.partition("=")
            if word == "ob":
                obj = value
            elif word == "fl":
                file = value
            elif word == "fn":
                function = (obj, value)
                self.file_of[function] = file
            elif word == "cob":
                callee_obj = value
            elif word == "cfn":
                callee = (callee_obj or obj, value)
                callee_obj = None
            elif word == "calls":
                self.calls[function, callee] += int(next(lines).split()[1])
            elif line[:1].isdigit() and not equals and function is not None:
                self.own[function] += int(line.split()[1])

    def costs(self, program):
        """By function of ours: [its own instructions, those of what it calls outside the layers]."""

        def is_(pattern, function):
            return function[0] == program and pattern.search(self.file_of.get(function) or "") is not None

        costs = defaultdict(lambda: [0, 0])
        for function, count in self.own.items():
            if is_(OURS, function):
                costs[function[1]][0] += count
        for (caller, callee), count in self.calls.items():
            if is_(OURS, caller) and not is_(OURS, callee) and not is_(OUTSIDE, callee):
                costs[caller[1]][1] += count
        return costs


def run(program):
    """Counts by path: {"ours": per operation, "libraries": ..., "functions": {name: both}}."""
    with tempfile.TemporaryDirectory() as folder:
        # No address and no length of a string differs between two runs: alignments are instructions.
        command = ["setarch", "-R", "env", "-i", "valgrind", "--tool=callgrind", "--collect-atstart=no",
                   "--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={folder}/part", str(program)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            sys.exit(f"instructions: {' '.join(command)}\n{done.stdout}{done.stderr}")
        said = json.loads(done.stdout)
        counts = {}
        for file in pathlib.Path(folder).glob("part.*"):
            part = Part(file.read_text())
            operations = said["operations"][part.path]
            costs = part.costs(str(program))
            counts[part.path] = {
                "ours": round(sum(own for own, _ in costs.values()) / operations, 2),
                "libraries": round(sum(below for _, below in costs.values()) / operations, 2),
                "functions": {name: round((own + below) / operations, 2) for name, (own, below) in
                              sorted(costs.items(), key=lambda item: -sum(item[1])) if own + below > 0},
            }
    ordered = {path: counts[path] for path in said["operations"] if path in counts}
    if len(ordered) != len(said["operations"]):
        sys.exit("instructions: callgrind left no part for some of the paths")
    return said["compiler"], said["libc"], ordered


def total(row, with_libraries=True):
    return row["ours"] + (row["libraries"] if with_libraries else 0)


def grown_functions(now, then):
    names = set(now["functions"]) | set(then["functions"])
    by = {name: now["functions"].get(name, 0) - then["functions"].get(name, 0) for name in names}
    return sorted(((more, name) for name, more in by.items() if more > 0), reverse=True)[:5]


def compare(counts, baseline, same_libc):
    """Prints the table; whether nothing has grown too much."""
    grown, shrunk = [], []
    print(f"{'path':58} {'instructions':>12} {'in libraries':>12} {'baseline':>10} {'':>8}")
    for path, row in counts.items():
        then = baseline.get(path)
        line = f"{path:58} {total(row):12.1f} {row['libraries']:12.1f}"
        if then is None:
            print(line + "        new")
            continue
        here, there = total(row, same_libc), total(then, same_libc)
        print(f"{line} {total(then):10.1f} {(here / there - 1) * 100 if there else 0:+7.1f} %")
        if here > there * (1 + LIMIT) and here > there + SLACK:
            grown.append(path)
        elif here < there * (1 - LIMIT) and here < there - SLACK:
            shrunk.append(path)
    for path in grown:
        print(f"\n{path}: more than {LIMIT:.0%} above the baseline. Functions, with what they call in libraries:")
        for more, name in grown_functions(counts[path], baseline[path]):
            print(f"  {more:+10.1f}  {name}")
    if shrunk:
        print(f"\nless than before by more than {LIMIT:.0%}: {', '.join(shrunk)}.\n"
              "Keep it: scripts/instructions.py --update")
    gone = [path for path in baseline if path not in counts]
    if gone:
        print(f"\nin the baseline, and not measured any more: {', '.join(gone)} (--update)")
    return not grown


def write_baseline(known):
    """A line for each path: so a diff shows which have changed."""
    tables = []
    for compiler, table in sorted(known.items()):
        rows = ",\n".join(f"  {json.dumps(path)}: {json.dumps(row)}" for path, row in table["paths"].items())
        tables.append(f'{json.dumps(compiler)}: {{"libc": {json.dumps(table["libc"])}, "paths": {{\n{rows}}}}}')
    BASELINE.write_text("{" + ",\n".join(tables) + "}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--program", type=pathlib.Path,
                        default=ROOT / "build" / "release" / "tests" / "perf" / "softndk_instructions")
    arguments = parser.parse_args()
    if not arguments.program.exists():
        sys.exit(f"instructions: there is no {arguments.program}: build the release preset, with valgrind installed "
                 "(scripts/deps.sh build test)")
    compiler, libc, counts = run(arguments.program.resolve())
    for _ in range(arguments.repeat - 1):
        if run(arguments.program.resolve())[2] != counts:
            sys.exit("instructions: two runs of one program count differently")
    known = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    baseline = known.get(compiler, {"libc": libc, "paths": {}})
    fine = compare(counts, baseline["paths"], baseline["libc"] == libc)
    if compiler not in known:
        print(f"\nThere is no baseline for {compiler}: nothing was checked. --update makes one.")
    if arguments.update:
        known[compiler] = {"libc": libc, "paths": counts}
        write_baseline(known)
        fine = True
    return 0 if fine or not arguments.check else 1


if __name__ == "__main__":
    sys.exit(main())
