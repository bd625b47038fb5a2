#!/usr/bin/env python3
"""Keeps allocations and system calls of the library in places that can be made to fail (docs/fallible-calls.md).

src/ has no exceptions, so what throws when memory is short ends the process: neither `new` nor a container, string or
function object of the standard library is used, nor an allocation or a system call that goes past base/alloc.h. The
simulator is exempt: it is the test, not what is tested. So is what the table below names, with its reason."""
import pathlib
import re
import sys

EXEMPT = {
    "base/alloc.cpp": {"posix_memalign", "mmap"},  # this is the place
    "ntrt/pool.cpp": {"malloc", "posix_memalign"},  # behind fault_injected("pool"); the pool keeps its own account
    "io/thread_context.cpp": {"new"},  # nothrow: see "What cannot fail" in docs/fallible-calls.md
    "net/executor.cpp": {"pthread_create"},  # behind fault_injected("thread")
    "net/processor.cpp": {"pthread_create"},
    "net/host.cpp": {"getifaddrs", "if_nametoindex"},  # behind their names
    "net/sys.cpp": {"SYS_"},  # this is the place
    "ntrt/host_file.cpp": {"SYS_"},  # and for files, behind "file" and "file write"
}
STANDARD = ("vector string basic_string map multimap unordered_map unordered_set deque list forward_list set multiset "
            "function move_only_function any queue priority_queue stack make_unique make_shared allocate_shared "
            "shared_ptr to_string format thread jthread async promise future regex stringstream ostringstream "
            "istringstream fstream ifstream ofstream filesystem locale stable_sort inplace_merge").split()
CALLS = ("malloc calloc realloc strdup strndup asprintf aligned_alloc memalign posix_memalign mmap mremap "
         "pthread_create getifaddrs if_nametoindex getaddrinfo timerfd_create signalfd pipe2 mlock fork").split()
TOKEN = re.compile(r"std::(?P<std>%s)\b(?!_)|(?<![\w.>:])(?:::)?(?P<call>%s)\s*\(|\b(?P<sys>SYS_)\w|"
                   r"(?P<new>(?<!operator )\bnew\b)(?P<placement> \()?" % ("|".join(STANDARD), "|".join(CALLS)))


def findings(path, text):
    text = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)
    text = re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    text = re.sub(r"^[ \t]*#[^\n]*", "", text, flags=re.M)
    for match in TOKEN.finditer(text):
        name = match["std"] or match["call"] or match["sys"] or match["new"]
        if match["placement"] and "nothrow" not in text[match.end() : match.end() + 16]:
            continue  # into memory that is there
        if name not in EXEMPT.get(path, ()):
            yield text.count("\n", 0, match.start()) + 1, match.group().strip()


def main():
    root = pathlib.Path(__file__).resolve().parent.parent / "src"
    files = [f for f in sorted(root.rglob("*")) if f.suffix in (".h", ".cpp") and f.relative_to(root).parts[0] != "sim"]
    bad = 0
    for file in files:
        path = str(file.relative_to(root))
        for line, what in findings(path, file.read_text()):
            print(f"src/{path}:{line}: {what}: may fail, and nothing could be told (docs/fallible-calls.md)")
            bad += 1
    if not bad:
        print(f"{len(files)} files: every allocation and system call can be made to fail")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
