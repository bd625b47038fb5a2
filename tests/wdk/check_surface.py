#!/usr/bin/env python3
"""Holds the headers to the list of kernel names that drivers meet (tests/data/kernel-surface.tsv).

Usage: check_surface.py INCLUDE_WDK_DIR TABLE [LIBRARY]

Compiles a use of each name, with every compiler that is present, in C and in kernel C++:
  alone    under the one header that the table names for it
  orders   in every order in which drivers include the headers, where that order brings the name's header
  sample   every name of tier 1 in the order of the socket-like sample, which includes no more than that
  absent   a name that the table calls not provided is not there: what is there says so
  linked   every function, against LIBRARY: declared is also exported
  written  every function and macro of tiers 1 and 2 stands in consumer_snippets.c as drivers write it
Prints the names that fail and where, and exits with 1; or the number of compilations and 0.
"""
import collections
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

from header_orders import ORDERS, SAMPLE_ORDER, compiler_pairs

Row = collections.namedtuple("Row", "name tier header kind provided")
FLAGS = ["-fshort-wchar", "-fno-strict-aliasing", "-w"]
C_MODES = [["-std=gnu11"], ["-std=gnu17"]]
CXX_MODES = [["-std=c++17", "-DSOFTNDK_KERNEL_CXX"], ["-std=gnu++20", "-DSOFTNDK_KERNEL_CXX"]]
MS = ["-fms-extensions"]
KINDS = {"type", "function", "constant", "macro", "field", "annotation", "annotation()"}


def read_table(path):
    rows = []
    with open(path) as file:
        for number, line in enumerate(file, 1):
            if line.startswith("#"):
                continue
            row = Row(*line.rstrip("\n").split("\t"))
            if row.tier not in "123" or row.kind not in KINDS or row.provided not in ("yes", "no"):
                raise SystemExit(f"{path}:{number}: {line}")
            rows.append(row)
    twice = [name for name, count in collections.Counter(row.name for row in rows).items() if count > 1]
    if twice:
        raise SystemExit(f"{path}: twice: {' '.join(twice)}")
    return rows


def use_of(row, number):
    """A few lines that compile exactly where the name is there."""
    name, probe = row.name, f"softndk_probe_{number}"
    if row.kind == "type":
        return f"typedef {name} {probe};"
    if row.kind == "constant":
        return f"static inline void {probe}(void) {{ (void)({name}); }}"
    if row.kind == "field":
        structure, field = name.split(".", 1)
        return f"static inline void {probe}({structure}* p) {{ (void)p->{field}; }}"
    if row.kind == "macro":
        return f"#ifndef {name}\n#error no {name}\n#endif"
    if row.kind == "function":  # a few are macros over a function of ours, which is as good
        return f"#ifndef {name}\nvoid* {probe} = (void*)&{name};\n#endif"
    argument = "(a, (>, 0))" if row.kind.endswith("()") else ""
    return f"#ifndef {name}\n#error no {name}\n#endif\nchar {probe}[sizeof(TEXT_OF({name}{argument})) == 1 ? 1 : -1];"


def source(includes, rows):
    text = "".join(f"#include <{name}>\n" for name in includes)
    text += "#undef TEXT_OF\n#undef TEXT_OF_2\n#define TEXT_OF_2(...) #__VA_ARGS__\n#define TEXT_OF(...) TEXT_OF_2(__VA_ARGS__)\n"
    for number, row in enumerate(rows):
        text += f'#line 1 "name:{row.name}"\n{use_of(row, number)}\n'
    return text


def failing_names(compiler, arguments, text):
    """The names whose use is an error; None in it: an error elsewhere."""
    limit = "-ferror-limit=0" if "clang" in compiler else "-fmax-errors=0"
    done = subprocess.run([compiler, *arguments, *FLAGS, limit, "-I" + WDK, "-fsyntax-only", "-"], input=text,
                          capture_output=True, text=True)
    if done.returncode == 0:
        return set(), ""
    names = set(re.findall(r"^name:([\w.]+):\d+(?::\d+)?: (?:fatal )?error", done.stderr, re.M))
    others = re.search(r"^(?!name:)[^\n]*error:[^\n]*", done.stderr, re.M)
    return names | ({None} if others or not names else set()), done.stderr


def languages(c, cxx, is_clang):
    for mode in C_MODES + ([MS + ["-std=gnu17"]] if is_clang else []):
        yield c, ["-x", "c", *mode]
    for mode in CXX_MODES + ([MS + CXX_MODES[0]] if is_clang else []):
        yield cxx, ["-x", "c++", *mode]


def headers_of(order):
    """Which of our headers an order brings along."""
    compiler = compiler_pairs()[0][0]
    text = "".join(f"#include <{name}>\n" for name in order)
    listed = subprocess.run([compiler, "-x", "c", *FLAGS, "-I" + WDK, "-M", "-"], input=text, capture_output=True,
                            text=True, check=True).stdout
    root = os.path.abspath(WDK) + "/"
    paths = (os.path.abspath(path) for path in listed.replace("\\\n", " ").split()[1:])
    return {path[len(root):] for path in paths if path.startswith(root)}


def places(provided):
    """(what it is called, includes, names to be there)"""
    for header in sorted({row.header for row in provided}):
        yield f"alone: {header}", [header], [row for row in provided if row.header == header]
    for order in ORDERS:
        brought = headers_of(order)
        yield f"order: {' '.join(order)}", order, [row for row in provided if row.header in brought]
    yield "sample", SAMPLE_ORDER, [row for row in provided if row.tier == "1"]


def compile_place(job):
    title, (compiler, arguments), includes, rows = job
    names, errors = failing_names(compiler, arguments, source(includes, rows))
    if not names:
        return None
    listed = " ".join(sorted(name for name in names if name))
    return f"{title}\n  {compiler} {' '.join(arguments)}: {listed or errors[:2000]}"


def compile_absent(job):
    (compiler, arguments), includes, rows = job
    names, _ = failing_names(compiler, arguments, source(includes, rows))
    there = {row.name for row in rows} - names
    return there and f"absent: provided after all: {' '.join(sorted(there))} ({compiler} {' '.join(arguments)})"


def check_linked(provided, library):
    functions = [row for row in provided if row.kind == "function"]
    text = source(sorted({row.header for row in functions}), functions) + "int main(void) { return 0; }\n"
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run([compiler_pairs()[0][0], "-x", "c", "-std=gnu17", *FLAGS, "-I" + WDK, "-", "-x", "none", library,
                               "-o", os.path.join(directory, "linked")], input=text, capture_output=True, text=True)
    missing = sorted(set(re.findall(r"undefined reference to [`']([^']+)'", done.stderr)))
    if done.returncode != 0:
        yield "linked: declared but not exported: " + (" ".join(missing) or done.stderr[:2000])


def check_written(provided):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "consumer_snippets.c")) as file:
        words = set(re.findall(r"\w+", file.read()))
    missing = [row.name for row in provided
               if row.tier in "12" and row.kind not in ("type", "constant", "field") and row.name not in words]
    if missing:
        yield "written: not in consumer_snippets.c: " + " ".join(missing)


def main():
    rows = read_table(TABLE)
    provided = [row for row in rows if row.provided == "yes"]
    absent = [row for row in rows if row.provided == "no"]
    missing = sorted({row.header for row in provided if not os.path.exists(os.path.join(WDK, row.header))})
    if missing:
        raise SystemExit(f"no header {' '.join(missing)}")
    all_languages = [language for pair in compiler_pairs() for language in languages(*pair)]
    jobs = [(title, language, includes, wanted) for title, includes, wanted in places(provided)
            for language in all_languages]
    everything = sorted(name for name in os.listdir(WDK) if name.endswith(".h"))
    absent_jobs = [(language, everything, absent) for language in all_languages]
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        failures = [failure for failure in pool.map(compile_place, jobs) if failure]
        failures += [failure for failure in pool.map(compile_absent, absent_jobs) if failure]
    failures += check_written(provided)
    if len(sys.argv) > 3:
        failures += check_linked(provided, sys.argv[3])
    for failure in failures:
        print(failure)
    tiers = collections.Counter(row.tier for row in provided)
    print(f"{len(jobs) + len(absent_jobs)} compilations, {len(failures)} failures; names of tier 1: {tiers['1']}, "
          f"2: {tiers['2']}, 3: {tiers['3']}, not provided: {len(absent)}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    WDK, TABLE = sys.argv[1], sys.argv[2]
    main()
