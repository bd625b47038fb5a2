"""What is measured: groups of cells, and who takes part in each. The first contestant of a group is what the others are
held against."""
import dataclasses

from suite import place
from suite.contestants import Cell, Fabric, Ndk, NdkObjects, Ours, RawTcp, Ucx
from suite.figures import size_text

KIB, MIB = 1 << 10, 1 << 20


@dataclasses.dataclass(frozen=True)
class Group:
    name: str
    title: str
    metric: str
    better: str  # "lower", "higher"
    entries: list  # (cell, contestants)
    also: tuple = ()  # further metrics that have a table
    rounds_max: int = 99


RAW = RawTcp()
RAW_BLOCKING = RawTcp("raw TCP, blocking", wait="block")
FRAMED = Ours("framed", "tcp_framed")
FRAMED_CRC = Ours("framed, CRC", "tcp_framed", "--crc")
FRAMED_COPY = Ours("framed, copied", "tcp_framed", "--small", "copy")
FRAMED_DIRECT = Ours("framed, direct", "tcp_framed", "--receive", "direct")
OPS = ("send", "write", "read")
NDK = {(op, crc): Ndk(f"NDK {op}" + (", CRC" if crc == "on" else ""), op, crc) for op in OPS for crc in ("off", "on")}
DEFER = [Ndk(f"NDK {op}, deferred", op, options=("--defer",)) for op in ("send", "write")]
FABRIC = {kind: Fabric(f"libfabric {kind}", kind) for kind in ("msg", "write", "read")}
UCX = {"tag_lat": Ucx("UCX tag", "tag_lat", 60000), "put_lat": Ucx("UCX put", "ucp_put_lat", 30000),
       "tag_bw": Ucx("UCX tag", "tag_bw", 250000), "put_bw": Ucx("UCX put", "ucp_put_bw", 200000),
       # By itself the tool waits for each get; with -O it does not.
       "get": Ucx("UCX get", "ucp_get", 800), "gets": Ucx("UCX get, 128 in flight", "ucp_get", 150000, "-O", "128")}
PLAIN = [NDK[op, "off"] for op in OPS]


def ucx(*names):
    return [UCX[name] for name in names] if place.has("ucx_perftest") else []


def fabric(*kinds):
    return [FABRIC[kind] for kind in kinds] if place.has("fi_info") else []


def latency(quick):
    sizes = [64, 4 * KIB, 64 * KIB] if quick else [8, 64, 512, 4 * KIB, 64 * KIB, MIB, 4 * MIB]
    entries = []
    for size in sizes:
        entries.append((Cell(size_text(size), "latency", size),
                        [RAW, NDK["send", "off"], NDK["write", "off"], NDK["send", "on"]] + fabric("msg")
                        + ucx("tag_lat", "put_lat")))
        entries.append((Cell(f"{size_text(size)}, fetched", "read_latency", size),
                        [RAW, NDK["read", "off"]] + ucx("get")))
    return Group("latency", "Latency of one exchange, both sides spinning, a core each", "lat_p50_us", "lower", entries,
                 ("lat_p99_us",))


def blocking(quick):
    entries = []
    for same_core in (False, True):
        for size in [64] if quick else [64, 4 * KIB, 64 * KIB]:
            cell = Cell(f"{size_text(size)}, {'same core' if same_core else 'a core each'}", "latency", size,
                        wait="block", same_core=same_core)
            entries.append((cell, [RAW, NDK["send", "off"], NDK["write", "off"]] + fabric("msg")))
    return Group("blocking", "Latency of one exchange, both sides asleep until woken", "lat_p50_us", "lower", entries,
                 ("lat_p99_us",))


def stream(quick):
    sizes = [64, 4 * KIB, 64 * KIB, MIB] if quick else [8, 64, 512, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB]
    entries = []
    for size in sizes:
        # Two ways to handle small payloads on the sending side, two for large ones on the receiving side.
        framed = [FRAMED, FRAMED_COPY] if size <= KIB else [FRAMED, FRAMED_DIRECT, FRAMED_CRC]
        ndk = PLAIN + [NDK[op, "on"] for op in OPS] + (DEFER if size <= 4 * KIB else [])
        entries.append((Cell(size_text(size), "stream", size),
                        [RAW, RAW_BLOCKING] + framed + ndk + fabric("msg", "write", "read")
                        + ucx("tag_bw", "put_bw", "get", "gets")))
    return Group("stream", "One stream of messages, 128 in flight, polled", "bw_avg_mib_s", "higher", entries,
                 ("msg_rate_per_s",))


def depth(quick):
    sizes = [64, 64 * KIB] if quick else [64, 4 * KIB, 64 * KIB, MIB]
    entries = [(Cell(f"{size_text(size)}, depth {deep}", "stream", size, depth=deep),
                [RAW] + PLAIN + (fabric("msg", "write", "read") if not quick else []))
               for size in sizes for deep in (1, 16, 128)]
    return Group("depth", "One stream by requests in flight, polled (raw TCP has no such thing)", "bw_avg_mib_s",
                 "higher", entries)


def notified(quick):
    sizes = [64, 64 * KIB, MIB] if quick else [64, 4 * KIB, 64 * KIB, MIB]
    entries = [(Cell(size_text(size), "stream", size, wait="block"),
                [RAW] + PLAIN + [NDK["send", "on"], NDK["write", "on"]]) for size in sizes]
    return Group("notified", "One stream of messages, 128 in flight, both sides asleep until woken", "bw_avg_mib_s",
                 "higher", entries, ("cpu_s_per_gib", "cpu_s_per_million"))


def connections(quick):
    sizes = [64] if quick else [64, 64 * KIB]
    counts = [1, 256] if quick else [1, 2, 16, 256]
    entries = [(Cell(f"{size_text(size)}, {count} connections", "stream", size, depth=16, connections=count),
                [RAW] + PLAIN) for size in sizes for count in counts]
    return Group("connections", "Streams side by side, 16 in flight on each, polled", "msg_rate_per_s", "higher",
                 entries, ("cpu_s_per_million",))


def setup(quick):
    ndk = Ndk("NDK")
    entries = [(Cell("connect, close", "connect"), [RAW, RAW_BLOCKING]),
               (Cell("20 bytes each way, one at a time", "exchange", depth=1),
                [RAW, RAW_BLOCKING, ndk] + fabric("msg")),
               (Cell("20 bytes each way, 16 at a time", "exchange", depth=16), [RAW, RAW_BLOCKING, ndk])]
    return Group("setup", "Connections set up and taken down, a second", "connections_per_s", "higher", entries,
                 ("client_cpu_s", "server_cpu_s"))


def memory(quick):
    entries = [(Cell(f"{count} idle connections", "idle", depth=16, connections=count), [RAW, Ndk("NDK")])
               for count in ([1000] if quick else [256, 1000, 10000])]
    return Group("memory", "Resident memory of the client for each idle connection, KiB (the kernel's is not in it)",
                 "kib_each", "lower", entries, ("server_kib_each",), rounds_max=3)


def scale(quick):
    count = 1000 if quick else 10000
    who = []
    for op in ("write", "send"):
        who += [Ndk(f"NDK {op}, 1", op), Ndk(f"NDK {op}, {count}", op, connections=count)]
    entries = [(Cell(f"{size_text(size)}, {count} connections", "stream", size, depth=16, connections=count),
                [RAW] + who) for size in [64]]
    return Group("scale", f"Cost of an operation on {count} connections beside that on one, polled: processor seconds "
                 "of both ends a million", "cpu_s_per_million", "lower", entries, ("msg_rate_per_s",), rounds_max=3)


def objects(quick):
    who = [NdkObjects()]
    names = ("NDK_PD", "NDK_CQ", "NDK_SRQ", "NDK_QP", "NDK_MW", "NDK_CONNECTOR", "NDK_LISTENER", "NDK_MR",
             "registration of 4 KiB", "registration of 64 KiB", "registration of 1 MiB")
    entries = [(Cell(name, "object"), who) for name in names]
    return Group("objects", "What objects cost to make, us", "create_p50_us", "lower", entries,
                 ("create_p99_us", "close_p50_us", "resident_bytes_each"))


def groups(quick):
    return [make(quick) for make in (latency, blocking, stream, depth, notified, connections, setup, memory, scale,
                                     objects)]
