"""The programs that are measured: how each is started, and what it says in a common vocabulary.

Metrics: lat_*_us (one way for an exchange, both ways for a read), msg_rate_per_s, bw_avg_mib_s, connections_per_s,
client_cpu_s, server_cpu_s, cpu_s_per_gib and cpu_s_per_million (both ends), kib_each, server_kib_each, elapsed_s,
iterations.
"""
import dataclasses
import itertools
import json
import os
import pathlib
import re
import subprocess
import time

from suite import place

LIMIT_S = 60
_ports = itertools.count(20000)


class Failed(Exception):
    """A program did not end well; the text is what it said."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One thing that every contestant does in its own way."""
    name: str
    kind: str  # latency, read_latency, stream, connect, exchange, idle, object
    size: int = 64
    depth: int = 128  # requests in flight; exchange, idle: connections on their way
    connections: int = 1
    wait: str = "spin"  # spin, block
    same_core: bool = False


@dataclasses.dataclass
class Context:
    build: pathlib.Path
    cores: list
    duration_s: float
    round: int
    offset: int  # of the buffers, this round's


def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


def wait_for_listener(port):
    """Until the kernel lists the port as listening, for not every server says so; two seconds at most."""
    wanted = f":{port:04X}"
    for _ in range(400):
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(table, encoding="ascii") as lines:
                if any(fields[1].endswith(wanted) and fields[3] == "0A" for fields in map(str.split, lines)
                       if len(fields) > 3):
                    return
        time.sleep(0.005)


def run_pair(context, cell, port, server, client, environment=None):
    """Starts the server and, once it listens, the client, each on its core. Returns both outputs."""
    server_core, client_core = context.cores[0], context.cores[0 if cell.same_core else 1]
    env = {**os.environ, **(environment or {})}
    pipe = subprocess.PIPE
    with subprocess.Popen(server, stdout=pipe, stderr=pipe, text=True, env=env,
                          preexec_fn=pinned(server_core)) as serving:
        try:
            wait_for_listener(port)
            done = subprocess.run(client, capture_output=True, text=True, env=env, timeout=LIMIT_S,
                                  preexec_fn=pinned(client_core))
            output, errors = serving.communicate(timeout=10)
        except subprocess.TimeoutExpired as error:
            serving.kill()
            raise Failed(f"{' '.join(map(str, client))}: {error}") from error
        if done.returncode != 0 or serving.returncode != 0:
            serving.kill()
            raise Failed(f"{' '.join(map(str, client))}: {done.stderr.strip()[-300:]} | server: {errors.strip()[-300:]}")
    return output, done.stdout


def with_cpu(line):
    """Adds what both ends' processor time comes to for each GiB and each million messages."""
    used = [line.get("client_cpu_s"), line.get("server_cpu_s")]
    count = line.get("iterations")
    if None in used or not count:
        return line
    line["cpu_s_per_million"] = sum(used) / (count / 1e6)
    if line.get("size_bytes"):
        line["cpu_s_per_gib"] = sum(used) / (count * line["size_bytes"] / (1 << 30))
    return line


def with_congestion(context):
    """For programs that cannot be told."""
    return {"LD_PRELOAD": str(context.build / "bench" / "programs" / "libcongestion_preload.so"),
            "BENCH_CONGESTION": place.CONGESTION}


class Ours:
    """A program of bench/programs: the client prints everything, the server's part as `server`."""
    environment = None

    def __init__(self, name, program, *arguments):
        self.name, self.program, self.arguments = name, program, arguments

    def measure(self, context, cell):
        program = context.build / "bench" / "programs" / self.program
        port = next(_ports)
        common = [program, "--port", str(port)]
        client = [*common, *self.arguments, *self.options(context, cell)]
        environment = self.environment(context) if self.environment else None
        _, printed = run_pair(context, cell, port, [*common, "--server"], client, environment)
        line = json.loads(printed)
        served = line.pop("server", {})
        line["client_cpu_s"] = line.pop("cpu_s", None)
        line["server_cpu_s"] = served.get("cpu_s")
        if cell.kind == "idle":
            line["kib_each"] = line["resident_growth_kib"] / cell.connections
            line["server_kib_each"] = served["resident_growth_kib"] / cell.connections
        return with_cpu(line)

    def options(self, context, cell):
        return ["--size", str(cell.size), "--wait", cell.wait, "--duration", str(context.duration_s), "--offset",
                str(context.offset)]


class RawTcp(Ours):
    KINDS = {"latency": "pingpong", "read_latency": "fetch"}

    def __init__(self, name="raw TCP", wait=None):
        super().__init__(name, "tcp_raw")
        self.wait = wait

    def options(self, context, cell):
        if self.wait:
            cell = dataclasses.replace(cell, wait=self.wait)
        return super().options(context, cell) + ["--kind", self.KINDS.get(cell.kind, cell.kind), "--connections",
                                                 str(cell.depth if cell.kind == "exchange" else cell.connections)]


class Fabric(Ours):
    """`kind`: msg, write or read; with a cell of latency or of connections that is what it measures."""
    KINDS = {"latency": "pingpong", "exchange": "connect"}

    def __init__(self, name, kind):
        super().__init__(name, "fabric_msg")
        self.kind = kind

    def environment(self, context):
        # Naming the provider spares the look at all others, half a second a process.
        return with_congestion(context) | {"FI_PROVIDER": "tcp"}

    def options(self, context, cell):
        return super().options(context, cell) + ["--kind", self.KINDS.get(cell.kind, self.kind), "--depth",
                                                 str(cell.depth)]


class Ndk:
    """ndkperf; `op` send, write or read. `connections`: other than the cell's."""
    MODES = {"latency": "lat", "read_latency": "lat", "stream": "bw", "exchange": "conn", "idle": "conn"}

    def __init__(self, name, op="send", crc="off", options=(), connections=None):
        self.name, self.op, self.crc, self.options, self.connections = name, op, crc, options, connections

    def measure(self, context, cell):
        program = context.build / "tools" / "ndkperf" / "ndkperf"
        port = next(_ports)
        address = ["-ServerAddr", f"127.0.0.1:{port}", "-W", "30", "--json"]
        mode = self.MODES[cell.kind]
        client = [program, "-C", *address, *self.options, "--mode", mode]
        if mode == "conn":
            client += self.connects(cell)
        else:
            client += ["--op", self.op, "--size", str(cell.size), "--duration", str(context.duration_s), "--offset",
                       str(context.offset), "--polled" if cell.wait == "spin" else "--notified"]
        if mode == "bw":
            client += ["--depth", str(cell.depth), "--connections", str(self.connections or cell.connections)]
        settings = {"SOFTNDK_CRC": self.crc, "SOFTNDK_FPDU": "stream", "SOFTNDK_CONGESTION": place.CONGESTION}
        _, printed = run_pair(context, cell, port, [program, "-S", *address], client, settings)
        line = json.loads(printed)["rounds"][0]
        line["client_cpu_s"] = line.pop("cpu_s")
        if cell.kind == "idle":
            line["kib_each"] = line["resident_growth_kib"] / cell.connections
            line["server_kib_each"] = line["server_resident_growth_kib"] / cell.connections
        return with_cpu(line)

    @staticmethod
    def connects(cell):
        held = cell.connections if cell.kind == "idle" else max(cell.connections, cell.depth)
        count = held if cell.kind == "idle" else 2000
        return ["--connections", str(held), "--depth", str(cell.depth), "--iterations", str(count)]


class NdkObjects:
    """ndkperf --mode obj: one process, no peer. The cell's name is the object's."""

    def __init__(self, name="NDK"):
        self.name = name
        self.last = (None, {})  # of a round: one run serves all cells

    def measure(self, context, cell):
        if self.last[0] != context.round:
            program = context.build / "tools" / "ndkperf" / "ndkperf"
            done = subprocess.run([program, "-C", "-ClientIf", "lo", "--mode", "obj", "--json"], capture_output=True,
                                  text=True, timeout=LIMIT_S, preexec_fn=pinned(context.cores[1]))
            if done.returncode != 0:
                raise Failed(f"{program} --mode obj: {done.stderr.strip()[-300:]}")
            self.last = (context.round, {row["object"]: row for row in json.loads(done.stdout)["rounds"]})
        if cell.name not in self.last[1]:
            raise Failed(f"ndkperf does not make a {cell.name}")
        return self.last[1][cell.name]


class Ucx:
    """ucx_perftest, which counts iterations and not seconds."""
    ENVIRONMENT = {"UCX_TLS": "tcp", "UCX_NET_DEVICES": "lo", "UCX_LOG_LEVEL": "error"}

    def __init__(self, name, test, per_second, *options):
        self.name, self.test, self.per_second, self.options = name, test, per_second, options

    def measure(self, context, cell):
        port = next(_ports)
        # `per_second`: of small messages; large ones are bounded by what tcp moves. A wrong guess costs only time.
        rate = min(self.per_second, (self.per_second * 6000) / max(cell.size, 1))
        count = max(20, int(rate * context.duration_s))
        common = ["ucx_perftest", "-p", str(port)]
        client = common + ["127.0.0.1", "-t", self.test, "-s", str(cell.size), "-n", str(count), "-w",
                           str(max(10, count // 20)), *self.options, "-f", "-v"]
        _, printed = run_pair(context, cell, port, common, client, self.ENVIRONMENT | with_congestion(context))
        rows = [line for line in printed.splitlines() if re.fullmatch(r"\s*\d+(,[\d.]+)+", line)]
        if not rows:
            raise Failed(f"{' '.join(client)} printed no figures")
        _, typical, _, overall, _, bandwidth, _, rate = map(float, rows[-1].split(","))
        if "latency" in cell.kind:
            return {"lat_p50_us": typical, "lat_avg_us": overall}
        return {"bw_avg_mib_s": bandwidth, "msg_rate_per_s": rate, "iterations": count, "size_bytes": cell.size}
