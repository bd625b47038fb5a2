"""Medians, spreads and paired ratios. A sample is one run of one program: group, cell, contestant, round, metrics."""
import statistics


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def spread(values):
    """How far the values lie apart: the distance of the quartiles over the median. None for fewer than three."""
    values = sorted(v for v in values if v is not None)
    if len(values) < 3:
        return None
    middle = statistics.median(values)
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return (third - first) / middle if middle else None


class Samples:
    """What a group's rounds gave, by cell and contestant."""

    def __init__(self, samples):
        self.by_place = {}
        for sample in samples:
            place = self.by_place.setdefault((sample["cell"], sample["contestant"]), {})
            place[sample["round"]] = sample["metrics"]

    def cells(self):
        return list(dict.fromkeys(cell for cell, _ in self.by_place))

    def contestants(self, cell=None):
        return list(dict.fromkeys(who for where, who in self.by_place if cell in (None, where)))

    def rounds(self, cell, contestant, metric):
        """Value by round; rounds that failed, and metrics that a program does not have, are missing."""
        found = self.by_place.get((cell, contestant), {})
        return {number: metrics[metric] for number, metrics in found.items() if metrics.get(metric) is not None}

    def median(self, cell, contestant, metric):
        return median(self.rounds(cell, contestant, metric).values())

    def spread(self, cell, contestant, metric):
        return spread(self.rounds(cell, contestant, metric).values())

    def best_rounds(self, cell, contestants, metric, best):
        """Of each round the best of what these contestants reached in it."""
        result = {}
        for who in contestants:
            for number, value in self.rounds(cell, who, metric).items():
                result[number] = best(result[number], value) if number in result else value
        return result

    def ratios(self, cell, contestant, reference, metric):
        """Of each round in which both ran: the contestant's value over the reference's."""
        theirs = self.rounds(cell, reference, metric)
        return [value / theirs[number] for number, value in self.rounds(cell, contestant, metric).items()
                if theirs.get(number)]


def size_text(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"
