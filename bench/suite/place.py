"""Where the programs run: on which cores, built from what."""
import os
import pathlib
import platform
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONGESTION = "cubic"


def cores(wanted):
    """The server's core and the client's."""
    allowed = sorted(os.sched_getaffinity(0))
    if wanted:
        return [int(core) for core in wanted.split(",")]
    return [allowed[0], allowed[1 % len(allowed)]]


def build(preset):
    subprocess.run(["cmake", "--preset", preset, "-DSOFTNDK_BENCH=ON"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", preset, "--target", "softndk_bench_programs", "ndkperf"],
                   cwd=ROOT, check=True)


def output_of(*command):
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def describe():
    """The machine and the tree, for the report."""
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return {
        "kernel": f"{platform.system()} {platform.release()}",
        "processor": model,
        "cpus": os.cpu_count(),
        "commit": output_of("git", "describe", "--always", "--dirty", "--abbrev=10"),
        "libfabric": output_of("fi_info", "--version").splitlines()[0:1],
        "ucx": output_of("ucx_info", "-v").splitlines()[0:1],
    }


def has(program):
    return shutil.which(program) is not None
