"""What is measured: groups of cells, and who takes part in each. The first contestant of a group is what the others are
held against."""
import dataclasses

from suite import place
from suite.contestants import Cell, Ndk, Ours, RawTcp, Ucx
from suite.figures import size_text

KIB, MIB = 1 << 10, 1 << 20


@dataclasses.dataclass(frozen=True)
class Group:
    name: str
    title: str
    metric: str
    better: str  # "lower", "higher"
    entries: list  # (cell, contestants)


RAW = RawTcp()
RAW_BLOCKING = RawTcp("raw TCP, blocking", wait="block")
FRAMED = Ours("framed", "tcp_framed")
FRAMED_CRC = Ours("framed, CRC", "tcp_framed", "--crc")
FRAMED_COPY = Ours("framed, copied", "tcp_framed", "--small", "copy")
FRAMED_DIRECT = Ours("framed, direct", "tcp_framed", "--receive", "direct")
NDK = {(op, crc): Ndk(f"NDK {op}" + (", CRC" if crc == "on" else ""), op, crc)
       for op in ("send", "write", "read") for crc in ("off", "on")}
UCX = {"tag_lat": Ucx("UCX tag", "tag_lat", 60000), "put_lat": Ucx("UCX put", "ucp_put_lat", 30000),
       "tag_bw": Ucx("UCX tag", "tag_bw", 250000), "put_bw": Ucx("UCX put", "ucp_put_bw", 200000),
       "get": Ucx("UCX get", "ucp_get", 800)}


def peers(*names):
    return [UCX[name] for name in names] if place.has("ucx_perftest") else []


def latency(quick):
    sizes = [64, 4 * KIB, 64 * KIB] if quick else [8, 64, 512, 4 * KIB, 64 * KIB, MIB, 4 * MIB]
    entries = []
    for size in sizes:
        entries.append((Cell(size_text(size), "latency", size),
                        [RAW, NDK["send", "off"], NDK["write", "off"], NDK["send", "on"]] + peers("tag_lat", "put_lat")))
        entries.append((Cell(f"{size_text(size)}, fetched", "read_latency", size),
                        [RAW, NDK["read", "off"]] + peers("get")))
    return Group("latency", "Latency of one exchange, both sides spinning, a core each", "lat_p50_us", "lower", entries)


def blocking(quick):
    entries = []
    for same_core in (False, True):
        for size in [64] if quick else [64, 4 * KIB, 64 * KIB]:
            cell = Cell(f"{size_text(size)}, {'same core' if same_core else 'a core each'}", "latency", size,
                        wait="block", same_core=same_core)
            entries.append((cell, [RAW, NDK["send", "off"], NDK["write", "off"]]))
    return Group("blocking", "Latency of one exchange, both sides asleep until woken", "lat_p50_us", "lower", entries)


def stream(quick):
    sizes = [64, 4 * KIB, 64 * KIB, MIB] if quick else [8, 64, 512, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB]
    raw = [RAW, RAW_BLOCKING, FRAMED]
    who = [NDK[op, crc] for crc in ("off", "on") for op in ("send", "write", "read")]
    who += peers("tag_bw", "put_bw", "get")
    entries = []
    for size in sizes:
        # Two ways to handle small payloads on the sending side, two for large ones on the receiving side.
        other_framed = [FRAMED_COPY] if size <= KIB else [FRAMED_DIRECT, FRAMED_CRC]
        entries.append((Cell(size_text(size), "stream", size), raw + other_framed + who))
    return Group("stream", "One stream of messages, 128 in flight", "bw_avg_mib_s", "higher", entries)


def groups(quick):
    return [make(quick) for make in (latency, blocking, stream)]
