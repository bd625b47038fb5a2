"""Runs a group: round after round, and in each round everybody in turn, so that what drifts drifts for all."""
import sys
import time

from suite.contestants import Context, Failed

# Where a buffer lies within its page decides how fast it is copied, so each round has it elsewhere. 16 is inside the
# window in which this processor family copies badly, the others are not.
OFFSETS = (0, 64, 16, 1000, 2048)


def run(group, rounds, duration_s, build, cores, first=0, progress=sys.stderr):
    """Samples of all rounds. A contestant that fails is noted and not asked for that cell again."""
    samples, given_up = [], {}
    began = time.monotonic()
    for number in range(first, first + rounds):
        context = Context(build, cores, duration_s, number, OFFSETS[number % len(OFFSETS)])
        for cell, contestants in group.entries:
            # Who comes first has a colder machine: it is somebody else each round.
            turn = number % len(contestants)
            for who in contestants[turn:] + contestants[:turn]:
                if (cell.name, who.name) in given_up:
                    continue
                started = time.monotonic()
                try:
                    metrics = who.measure(context, cell)
                except Failed as error:
                    given_up[cell.name, who.name] = str(error)
                    print(f"bench: {group.name}: {cell.name}: {who.name} gave up: {error}", file=progress)
                    continue
                samples.append({"cell": cell.name, "contestant": who.name, "round": number,
                                "offset_bytes": context.offset, "took_s": round(time.monotonic() - started, 3), "metrics": metrics})
        print(f"bench: {group.name}: round {number + 1} of {first + rounds} at {time.monotonic() - began:.0f} s", file=progress)
    return {
        "schema": 1, "group": group.name, "rounds": rounds, "duration_s": duration_s,
        "cells": {cell.name: {"size_bytes": cell.size, "depth": cell.depth, "connections": cell.connections,
                              "kind": cell.kind, "wait": cell.wait} for cell, _ in group.entries},
        "failures": [{"cell": cell, "contestant": who, "text": text} for (cell, who), text in given_up.items()],
        "samples": samples,
    }


def added(data, more):
    """One run's rounds after another's."""
    cells = {**data["cells"], **more["cells"]}
    return {**more, "cells": cells, "rounds": data["rounds"] + more["rounds"], "samples": data["samples"] + more["samples"],
            "failures": data["failures"] + more["failures"]}
