"""bench/run: see bench/README.md."""
import argparse
import datetime
import json
import pathlib
import sys

from suite import matrix, place, report, rounds

RESULTS = place.ROOT / "bench" / "results"


def parse(arguments, names):
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures NDK beside raw TCP, libfabric and UCX.")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds, shorter measurements")
    parser.add_argument("--only", action="append", metavar="NAME", choices=names,
                        help=f"this group only, keeping the others' results; may be repeated: {', '.join(names)}")
    parser.add_argument("--more", action="store_true", help="add rounds to the results that are there")
    parser.add_argument("--rounds", type=int, help="rounds of each group; 5, with --quick 3")
    parser.add_argument("--duration", type=float, help="seconds a measurement; 0.3, with --quick 0.1")
    parser.add_argument("--cores", help="SERVER,CLIENT; the first two that are allowed")
    parser.add_argument("--preset", default="release", help="CMake preset that is built and measured; release")
    parser.add_argument("--build", type=pathlib.Path, metavar="DIR", help="measure what was built there, and build nothing")
    parser.add_argument("--results", type=pathlib.Path, metavar="DIR", default=RESULTS, help="instead of bench/results")
    parser.add_argument("--strict", action="store_true", help="exit 1 if any program gave up on anything")
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    parser.add_argument("--report", action="store_true", help="only write the report again, from what is in bench/results")
    return parser.parse_args(arguments)


def stored_results(results, groups):
    found = {}
    for group in groups:
        path = results / f"{group.name}.json"
        if path.exists():
            found[group.name] = json.loads(path.read_text())
    return found


def measure(options, groups):
    if not options.no_build and not options.build:
        place.build(options.preset)
    machine = place.describe()
    machine["congestion"] = place.CONGESTION
    cores = place.cores(options.cores)
    if not options.only and not options.more:
        for old in options.results.glob("*.json"):
            old.unlink()
    for group in groups:
        if options.only and group.name not in options.only:
            continue
        path = options.results / f"{group.name}.json"
        before = json.loads(path.read_text()) if options.more and path.exists() else None
        began = datetime.datetime.now(datetime.timezone.utc)
        data = rounds.run(group, min(options.rounds or (3 if options.quick else 5), group.rounds_max),
                          options.duration or (0.1 if options.quick else 0.3),
                          options.build or place.ROOT / "build" / options.preset, cores,
                          before["rounds"] if before else 0)
        data.update({"date": began.isoformat(timespec="seconds"), "cores": cores, "machine": machine,
                     "command": "bench/run " + " ".join(sys.argv[1:])})
        if before:
            data = rounds.added(before, data)
        path.write_text(json.dumps(data, indent=1) + "\n")


def main():
    names = [group.name for group in matrix.groups(False)]
    options = parse(sys.argv[1:], names)
    groups = matrix.groups(options.quick)
    options.results.mkdir(exist_ok=True, parents=True)
    if not options.report:
        measure(options, groups)
    stored = stored_results(options.results, groups)
    if not stored:
        print("bench: nothing has been measured yet", file=sys.stderr)
        return 1
    report.write(options.results, groups, stored)
    print(options.results / "report.html")
    return 1 if options.strict and any(data["failures"] for data in stored.values()) else 0
