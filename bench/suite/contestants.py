"""The programs that are measured: how each is started, and what it says in a common vocabulary.

Metrics: lat_*_us (one way for an exchange, both ways for a read), msg_rate_per_s, bw_avg_mib_s, connections_per_s,
client_cpu_s, server_cpu_s, elapsed_s, iterations.
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
    kind: str  # latency, read_latency, stream, connect, exchange
    size: int = 64
    depth: int = 128
    connections: int = 1
    wait: str = "spin"  # spin, block
    same_core: bool = False


@dataclasses.dataclass
class Context:
    build: pathlib.Path
    cores: list
    duration_s: float
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


class Ours:
    """A program of bench/programs: the client prints everything, the server's part as `server`."""

    def __init__(self, name, program, *arguments):
        self.name, self.program, self.arguments = name, program, arguments

    def measure(self, context, cell):
        program = context.build / "bench" / "programs" / self.program
        port = next(_ports)
        common = [program, "--port", str(port)]
        client = [*common, *self.arguments, *self.options(context, cell)]
        _, printed = run_pair(context, cell, port, [*common, "--server"], client)
        line = json.loads(printed)
        line["client_cpu_s"] = line.pop("cpu_s", None)
        line["server_cpu_s"] = line.pop("server", {}).get("cpu_s")
        return line

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
                                                 str(cell.connections)]


class Ndk:
    """ndkperf; `op` send, write or read."""

    def __init__(self, name, op, crc, wait=None):
        self.name, self.op, self.crc, self.wait = name, op, crc, wait

    def measure(self, context, cell):
        program = context.build / "tools" / "ndkperf" / "ndkperf"
        port = next(_ports)
        address = ["-ServerAddr", f"127.0.0.1:{port}", "-W", "30", "--json"]
        mode = "lat" if "latency" in cell.kind else "bw"
        client = [program, "-C", *address, "--op", self.op, "--mode", mode, "--size", str(cell.size), "--duration",
                  str(context.duration_s)]
        if mode == "bw":
            client += ["--depth", str(cell.depth), "--connections", str(cell.connections)]
        client.append("--polled" if cell.wait == "spin" else "--notified")
        settings = {"SOFTNDK_CRC": self.crc, "SOFTNDK_FPDU": "stream", "SOFTNDK_CONGESTION": place.CONGESTION}
        served, printed = run_pair(context, cell, port, [program, "-S", *address], client, settings)
        line = json.loads(printed)["rounds"][0]
        line["client_cpu_s"] = line.get("cpu_s", line["cpu_percent"] / 100 * line["elapsed_s"])
        line["server_cpu_s"] = json.loads(served)["rounds"][0].get("cpu_s")
        return line


def with_congestion(context):
    """For programs that cannot be told."""
    return {"LD_PRELOAD": str(context.build / "bench" / "programs" / "libcongestion_preload.so"),
            "BENCH_CONGESTION": place.CONGESTION}


class Ucx:
    """ucx_perftest, which counts iterations and not seconds."""
    ENVIRONMENT = {"UCX_TLS": "tcp", "UCX_NET_DEVICES": "lo", "UCX_LOG_LEVEL": "error"}

    def __init__(self, name, test, per_second):
        self.name, self.test, self.per_second = name, test, per_second

    def measure(self, context, cell):
        port = next(_ports)
        # `per_second`: of small messages; large ones are bounded by what tcp moves. A wrong guess costs only time.
        rate = min(self.per_second, (self.per_second * 6000) / max(cell.size, 1))
        count = max(20, int(rate * context.duration_s))
        common = ["ucx_perftest", "-p", str(port)]
        client = common + ["127.0.0.1", "-t", self.test, "-s", str(cell.size), "-n", str(count), "-w",
                           str(max(10, count // 20)), "-f", "-v"]
        _, printed = run_pair(context, cell, port, common, client, self.ENVIRONMENT | with_congestion(context))
        rows = [line for line in printed.splitlines() if re.fullmatch(r"\s*\d+(,[\d.]+)+", line)]
        if not rows:
            raise Failed(f"{' '.join(client)} printed no figures")
        _, typical, _, overall, _, bandwidth, _, rate = map(float, rows[-1].split(","))
        if "latency" in cell.kind or self.test.endswith("_lat"):
            return {"lat_p50_us": typical, "lat_avg_us": overall}
        return {"bw_avg_mib_s": bandwidth, "msg_rate_per_s": rate}
