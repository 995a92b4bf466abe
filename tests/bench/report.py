# SPDX-License-Identifier: Apache-2.0
"""What every benchmark writes: each single figure, and what it was measured on. tables.py makes docs/benchmarks.md's tables of it.

A report has `cases`: a list of {group, name, values}. All values are of one `unit`, smaller is better; the first name of a group is what the
others are compared with.
"""
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Those that decide which kernels run.
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    return (done.stdout + done.stderr).strip().split("\n")[0] or None


def machine():
    told = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    has = told.get("flags", told.get("Features", "")).split()
    memory = int(re.search(r"MemTotal: +(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    return {"processor": told.get("model name", platform.machine()), "cores": len(os.sched_getaffinity(0)),
            "instructions": [name for name in INSTRUCTIONS if name in has], "memory_gib": round(memory / 2**20), "kernel": platform.release()}


def commit():
    """Of the tree the benchmark is in; a `+` behind it: with changes."""
    git = lambda *words: subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "include", "tests/bench", "CMakeLists.txt", "cmake")
    return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")


def compiler_of(binary):
    """Of the build the binary lies in."""
    for folder in pathlib.Path(binary).resolve().parents:
        cache = folder / "CMakeCache.txt"
        if cache.exists():
            return first_line(re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache.read_text(), re.MULTILINE)[1], "--version")
    return None


def versions(binary):
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch = None
    mpi = first_line("mpirun", "--version")
    return {"torch": torch, "open_mpi": mpi and mpi.split()[-1], "compiler": compiler_of(binary), "python": platform.python_version()}


class Report:
    """Begin it before anything is measured: it notes the load."""

    def __init__(self, benchmark, unit, binary, **settings):
        self.told = {"benchmark": benchmark, "unit": unit, "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                     "commit": commit(), "load": round(os.getloadavg()[0], 2), "machine": machine(), "versions": versions(binary),
                     "settings": settings, "cases": []}

    def add(self, group, name, values):
        for case in self.told["cases"]:
            if (case["group"], case["name"]) == (group, name):
                case["values"] += [float(f"{value:.5g}") for value in values]
                return
        self.told["cases"].append({"group": group, "name": name, "values": [float(f"{value:.5g}") for value in values]})

    def values(self, group, name):
        return next(case["values"] for case in self.told["cases"] if (case["group"], case["name"]) == (group, name))

    def sort(self, names):
        """Cases that took turns come in any order; the first name is the one that is compared with."""
        self.told["cases"].sort(key=lambda case: names.index(case["name"]))

    def print(self):
        print(head_of(self.told))
        for group in groups_of(self.told):
            for name in names_of(self.told):
                text = cell(self.told, group, name)
                if text:
                    print(f"{group:20} {name:34} {text}")

    def write(self, path):
        if path:
            # A line a case: a newer report differs where it has changed.
            text = json.dumps(self.told, indent=1)
            text = re.sub(r"\[[^][{}]*\]", lambda one: " ".join(one[0].split()), text)
            pathlib.Path(path).write_text(text + "\n")


def unique(items):
    return list(dict.fromkeys(items))


def groups_of(told):
    return unique(case["group"] for case in told["cases"])


def names_of(told):
    return unique(case["name"] for case in told["cases"])


def cell(told, group, name):
    """Median, range, and how many times the first of the group; "" where there is none."""
    of_group = [case for case in told["cases"] if case["group"] == group]
    mine = next((case["values"] for case in of_group if case["name"] == name), None)
    if not mine:
        return ""
    median, digits = statistics.median(mine), 0 if min(mine) >= 100 else 1 if min(mine) >= 10 else 2
    ratio = median / statistics.median(of_group[0]["values"])
    return f"{median:.{digits}f} ({min(mine):.{digits}f}-{max(mine):.{digits}f}), {ratio:.2f}"


def head_of(told):
    box, made = told["machine"], told["versions"]
    settings = ", ".join(f"{name} {value}" for name, value in told["settings"].items())
    return (f"{told['unit']}: median (smallest-largest), times the first row's. {box['processor']}, {box['cores']} cores ({', '.join(box['instructions'])}), "
            f"torch {made['torch']}, Open MPI {made['open_mpi']}, {made['compiler']}; commit {told['commit']}, {told['time'][:10]}, "
            f"load {told['load']} at the start{', ' if settings else ''}{settings}.")
