"""The bars: what has to be reached, as a ratio between two contestants of one cell, taken round by round."""
import dataclasses

from suite.figures import median

RAWS = ("raw TCP", "raw TCP, blocking")


@dataclasses.dataclass(frozen=True)
class Bar:
    text: str
    group: str
    cell: str
    contestants: tuple  # the best of them counts: one of ours may be used in more than one way
    references: tuple   # the best of them counts
    metric: str
    relation: str  # "<=", ">="
    limit: float
    allowance: float = 0  # taken off ours first, in the metric's unit
    references_cell: str = ""  # where it is another

    def judge(self, samples):
        """(median of the ratios, lowest, highest, met). None where the run did not measure it."""
        best = max if self.relation == ">=" else min
        ours = samples.best_rounds(self.cell, self.contestants, self.metric, best)
        theirs = samples.best_rounds(self.references_cell or self.cell, self.references, self.metric, best)
        ratios = [(value - self.allowance) / theirs[number] for number, value in ours.items() if theirs.get(number)]
        if not ratios:
            return None
        middle = median(ratios)
        met = middle >= self.limit if self.relation == ">=" else middle <= self.limit
        return middle, min(ratios), max(ratios), met


@dataclasses.dataclass(frozen=True)
class Limit:
    """A bar that is a figure of ours, not a ratio."""
    text: str
    group: str
    cell: str
    contestant: str
    metric: str
    limit: float
    unit: str
    relation: str = "<="

    def judge(self, samples):
        values = list(samples.rounds(self.cell, self.contestant, self.metric).values())
        if not values:
            return None
        middle = median(values)
        return middle, min(values), max(values), middle <= self.limit


def latency_bars():
    for op in ("send", "write"):
        yield Bar(f"64 B ping-pong, spinning: {op} x raw", "latency", "64 B", (f"NDK {op}",), RAWS[:1], "lat_p50_us",
                  "<=", 1.10)
    for where in ("a core each", "same core"):
        for op in ("send", "write"):
            yield Bar(f"64 B ping-pong, blocking, {where}: {op} x raw", "blocking", f"64 B, {where}", (f"NDK {op}",),
                      RAWS[:1], "lat_p50_us", "<=", 1.10)


def rate_bars():
    writes = ("NDK write", "NDK write, deferred")
    yield Bar("64 B writes streamed x framed", "stream", "64 B", writes, ("framed",), "msg_rate_per_s", ">=", 0.7)
    yield Bar("the same, each post by itself (no DEFER)", "stream", "64 B", writes[:1], ("framed",), "msg_rate_per_s",
              ">=", 0.7)
    for peer in ("libfabric msg", "libfabric write", "UCX tag", "UCX put"):
        yield Bar(f"64 B writes streamed x {peer}", "stream", "64 B", writes, (peer,), "msg_rate_per_s", ">=", 10)


def bandwidth_bars():
    for size in ("64 KiB", "1 MiB"):
        for op in ("write", "send"):
            for crc, limit in (("", 0.95), (", CRC", 0.75)):
                yield Bar(f"{size} {op}{crc or ', no CRC'} x raw", "stream", size, (f"NDK {op}{crc}",), RAWS,
                          "bw_avg_mib_s", ">=", limit)
    for size in ("64 KiB", "1 MiB"):
        for op in ("write", "send"):
            yield Bar(f"{size} {op}, no CRC: CPU s/GiB x raw (both asleep until woken)", "notified", size,
                      (f"NDK {op}",), RAWS[:1], "cpu_s_per_gib", "<=", 1.1)
            yield Bar(f"{size} {op}, CRC: CPU s/GiB less 0.1 x raw", "notified", size, (f"NDK {op}, CRC",), RAWS[:1],
                      "cpu_s_per_gib", "<=", 1.1, allowance=0.1)


def read_bars():
    for size in ("8 B", "64 B", "512 B", "4 KiB", "16 KiB", "64 KiB", "256 KiB", "1 MiB", "4 MiB"):
        yield Bar(f"{size} read x write, depth 128", "stream", size, ("NDK read",), ("NDK write",), "bw_avg_mib_s", ">=",
                  0.9)
    for size in ("64 B", "4 KiB", "64 KiB", "1 MiB"):
        yield Bar(f"{size} read x write, depth 16", "depth", f"{size}, depth 16", ("NDK read",), ("NDK write",),
                  "bw_avg_mib_s", ">=", 0.9)
    for size in ("8 B", "64 B", "512 B", "4 KiB", "16 KiB"):
        yield Bar(f"{size} read x UCX get", "stream", size, ("NDK read",), ("UCX get",), "msg_rate_per_s", ">=", 10)
        yield Bar(f"{size} read x UCX get, 128 in flight (ours, not in the list)", "stream", size, ("NDK read",),
                  ("UCX get, 128 in flight",), "msg_rate_per_s", ">=", 1)


def connection_bars():
    for many in ("one", "16"):
        cell = f"20 bytes each way, {many} at a time"
        yield Bar(f"connections/s, {many} at a time x raw with a 20-byte exchange, blocking", "setup", cell, ("NDK",),
                  RAWS[1:], "connections_per_s", ">=", 0.9)
    yield Bar("connections/s, one at a time x libfabric", "setup", "20 bytes each way, one at a time", ("NDK",),
              ("libfabric msg",), "connections_per_s", ">=", 1)
    for op in ("write", "send"):
        yield Bar(f"10,000 connections: CPU an operation x one connection's, 64 B {op}", "scale",
                  "64 B, 10000 connections", (f"NDK {op}, 10000",), (f"NDK {op}, 1",), "cpu_s_per_million", "<=", 1.2)
    for side, metric in (("client", "kib_each"), ("server", "server_kib_each")):
        for count in (1000, 10000):
            yield Limit(f"{count:,} connections: memory each, {side}", "memory", f"{count} idle connections", "NDK",
                        metric, 16, "KiB")


def all_bars():
    return [*latency_bars(), *rate_bars(), *bandwidth_bars(), *read_bars(), *connection_bars()]
