"""The bars: what has to be reached, as a ratio between two contestants of one cell, taken round by round."""
import dataclasses

from suite.figures import median

RAWS = ("raw TCP", "raw TCP, blocking")


@dataclasses.dataclass(frozen=True)
class Bar:
    text: str
    group: str
    cell: str
    contestant: str
    references: tuple  # the best of them counts
    metric: str
    relation: str  # "<=", ">="
    limit: float

    def judge(self, samples):
        """(median of the ratios, lowest, highest, met). None where the run did not measure it."""
        best = max if self.relation == ">=" else min
        ratios = samples.ratios(self.cell, self.contestant, self.references, self.metric, best)
        if not ratios:
            return None
        middle = median(ratios)
        met = middle >= self.limit if self.relation == ">=" else middle <= self.limit
        return middle, min(ratios), max(ratios), met


def all_bars():
    bars = []
    for op in ("send", "write"):
        bars.append(Bar(f"64 B ping-pong, spinning: {op}", "latency", "64 B", f"NDK {op}", RAWS[:1], "lat_p50_us", "<=", 1.10))
    for where in ("a core each", "same core"):
        bars.append(Bar(f"64 B ping-pong, blocking, {where}: send", "blocking", f"64 B, {where}", "NDK send", RAWS[:1],
                        "lat_p50_us", "<=", 1.10))
    bars.append(Bar("64 B writes, streamed, against framed", "stream", "64 B", "NDK write", ("framed",),
                    "msg_rate_per_s", ">=", 0.7))
    for peer in ("UCX tag", "UCX put", "libfabric msg", "libfabric write"):
        bars.append(Bar(f"64 B writes, streamed, against {peer}", "stream", "64 B", "NDK write", (peer,),
                        "msg_rate_per_s", ">=", 10))
    for size in ("64 KiB", "1 MiB"):
        for op in ("write", "send"):
            for crc, limit in (("", 0.95), (", CRC", 0.75)):
                bars.append(Bar(f"{size} {op}{crc or ', no CRC'}", "stream", size, f"NDK {op}{crc}", RAWS,
                                "bw_avg_mib_s", ">=", limit))
    for size in ("64 B", "4 KiB", "64 KiB", "1 MiB"):
        bars.append(Bar(f"{size} read against write", "stream", size, "NDK read", ("NDK write",), "bw_avg_mib_s", ">=", 0.9))
    for size in ("64 B", "4 KiB"):
        bars.append(Bar(f"{size} read against UCX get", "stream", size, "NDK read", ("UCX get",), "msg_rate_per_s", ">=", 10))
    return bars
