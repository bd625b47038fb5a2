#!/usr/bin/env python3
"""Compiles the headers of include/wdk as their users would: alone, in many orders, in both languages, with each compiler.

Usage: check_headers.py INCLUDE_WDK_DIR SOURCE_DIR

Checks, each with every compiler that is present (gcc and clang; neither is an error):
  alone      each header by itself, as C and C++, with and without -fshort-wchar, clang also with -fms-extensions
  orders     the orders in which drivers include them, and their reverse
  host       as a source of the library, with the host's socket headers before and after
  standard   in ordinary C++, with the standard library's headers before and after
  snippets   consumer_snippets.c, as C and as kernel C++
  hygiene    no system header comes along but stddef, stdint, stdarg, string and what they include themselves
  widths     R-ABI-01: no declaration uses the host's long or size_t
Prints what failed and exits with 1, or the number of compilations and 0.
"""
import concurrent.futures
import os
import platform
import re
import shutil
import subprocess
import sys

from header_orders import ORDERS, compiler_pairs

WDK, SOURCES = sys.argv[1], sys.argv[2]

WARNINGS = ["-Wall", "-Wextra", "-Werror"]
C_MODES = [["-std=gnu11"], ["-std=gnu17"], ["-std=gnu17", "-fshort-wchar"]]
CXX_MODES = [["-std=c++17"], ["-std=c++20"], ["-std=c++20", "-fshort-wchar"], ["-std=c++17", "-DSOFTNDK_KERNEL_CXX"],
             ["-std=c++20", "-DSOFTNDK_LIBRARY", "-Wpedantic"]]
MS = ["-fms-extensions", "-fshort-wchar"]

HOST = ["sys/types.h", "sys/socket.h", "netinet/in.h", "arpa/inet.h", "sys/user.h", "unistd.h", "stdlib.h", "netdb.h",
        "x86intrin.h" if platform.machine() == "x86_64" else "stdlib.h"]
STANDARD = ["algorithm", "atomic", "chrono", "functional", "iostream", "limits", "map", "memory", "mutex", "optional",
            "regex", "string", "thread", "variant", "vector"]
ALLOWED_SYSTEM = re.compile(r"(stddef|stdint|stdarg|string|strings|features(-time64)?|stdc-predef|"
                            r"sys/cdefs|gnu/stubs(-\w+)?|bits/[\w./-]+|__stddef_max_align_t)\.h$")


def headers():
    found = sorted(name for name in os.listdir(WDK) if name.endswith(".h"))
    detail = sorted("detail/" + name for name in os.listdir(os.path.join(WDK, "detail")) if name.endswith(".h"))
    return found, detail


def source(includes):
    return "".join(f"#include <{name}>\n" for name in includes) + "int softndk_some_declaration;\n"


class Job:
    def __init__(self, name, compiler, arguments, text=None, path=None):
        self.name, self.text = name, text
        self.command = [compiler, *arguments, "-I" + WDK, "-fsyntax-only", path or "-"]

    def run(self):
        done = subprocess.run(self.command, input=self.text, capture_output=True, text=True)
        if done.returncode == 0:
            return None
        return f"{self.name}\n  {' '.join(self.command)}\n{done.stderr[:2000]}"


def c_jobs(name, compiler, is_clang, text):
    modes = C_MODES + ([MS] if is_clang else [])
    return [Job(name, compiler, ["-x", "c", *mode, *WARNINGS], text) for mode in modes]


def cxx_jobs(name, compiler, is_clang, text, modes=None):
    modes = CXX_MODES + ([MS + ["-std=c++17"]] if is_clang else []) if modes is None else modes
    return [Job(name, compiler, ["-x", "c++", *mode, *WARNINGS], text) for mode in modes]


def compile_jobs():
    public, detail = headers()
    for c, cxx, is_clang in compiler_pairs():
        for header in public + detail:
            yield from c_jobs(f"alone: {header}", c, is_clang, source([header]))
            yield from cxx_jobs(f"alone: {header}", cxx, is_clang, source([header]))
        for order in ORDERS:
            yield from c_jobs(f"order: {order}", c, is_clang, source(order))
            yield from cxx_jobs(f"order: {order}", cxx, is_clang, source(order))
        everything = [h for h in public]
        yield from c_jobs("order: all", c, is_clang, source(everything))
        yield from cxx_jobs("order: all", cxx, is_clang, source(everything))
        for order in (HOST + everything, everything + HOST):
            for switch in ("-DSOFTNDK_LIBRARY", "-DSOFTNDK_HOST_SOCKETS"):
                yield Job("host: C", c, ["-x", "c", "-std=gnu17", switch, *WARNINGS], source(order))
                yield from cxx_jobs("host: C++", cxx, is_clang, source(order), [["-std=c++20", switch]])
        for order in (STANDARD + everything, everything + STANDARD):
            yield from cxx_jobs("standard: C++", cxx, is_clang, source(order), [["-std=c++20"], ["-std=c++17"]])
        # What drivers choose to do earns warnings; only errors count here.
        quiet = ["-w"]
        snippets = os.path.join(SOURCES, "consumer_snippets.c")
        for mode in C_MODES + ([MS] if is_clang else []):
            yield Job("snippets: C", c, ["-x", "c", *mode, *quiet], path=snippets)
        for mode in [["-std=c++17"], ["-std=gnu++20", "-fshort-wchar"]] + ([MS + ["-std=c++20"]] if is_clang else []):
            yield Job("snippets: C++", cxx, ["-x", "c++", *mode, "-DSOFTNDK_KERNEL_CXX", *quiet], path=snippets)


def check_hygiene():
    public, _ = headers()
    compiler = "gcc" if shutil.which("gcc") else "clang"
    listed = subprocess.run([compiler, "-x", "c", "-std=gnu17", "-fshort-wchar", "-I" + WDK, "-M", "-"],
                            input=source(public), capture_output=True, text=True, check=True).stdout
    for path in listed.replace("\\\n", " ").split()[1:]:
        if path == "-" or os.path.abspath(path).startswith(os.path.abspath(WDK)) or ALLOWED_SYSTEM.search(path):
            continue
        yield f"hygiene: {path} comes along"


def check_widths():
    public, detail = headers()
    for header in public + detail:
        with open(os.path.join(WDK, header)) as file:
            text = re.sub(r"//[^\n]*|/\*.*?\*/", "", file.read(), flags=re.S)
        for number, line in enumerate(text.split("\n"), 1):
            if line.lstrip().startswith("#"):
                continue
            if re.search(r"(?<!long )\blong\b(?! long)", line):
                yield f"widths: {header}:{number}: the host's long: {line.strip()}"
            if re.search(r"(?<!\()\bsize_t\b(?!\))", line):
                yield f"widths: {header}:{number}: the host's size_t: {line.strip()}"


def main():
    failures = list(check_hygiene()) + list(check_widths())
    jobs = list(compile_jobs())
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        failures += [failure for failure in pool.map(Job.run, jobs) if failure]
    for failure in failures:
        print(failure)
    print(f"{len(jobs)} compilations, {len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
