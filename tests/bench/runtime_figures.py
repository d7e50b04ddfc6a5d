"""The figures of scripts/bench that need no mount: microbenchmarks of the runtime, instructions of a null operation.

The limits are those of design.md, section 9, and of the issues that set them.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import commands

MICRO_TIMEOUT_S = 300
CALLGRIND_TIMEOUT_S = 300
COUNTS = (2000, 6000)

MICRO_LIMITS_NS = {
    "lwkt_switch": 30,
    "token_take_release": 10,
    "message_same_core": 60,
    "message_cross_core": 400,
    "null_operation_parks": 300,
}
INSTRUCTION_LIMITS = {"parks": 1500}


def program(folder, name):
    path = folder / "tests" / "bench" / name
    if not os.access(path, os.X_OK):
        raise commands.Missing(f"tests/bench/{name} is not built")
    return str(path)


def micro(build_dir, quick):
    """[{name, ns, limit_ns}]: medians over the repetitions of each microbenchmark: of the time that its thread ran, and of
    the time that passed where two cores work together."""
    words = [program(build_dir, "bench_micro"), "--benchmark_format=json", "--benchmark_report_aggregates_only=true",
             f"--benchmark_repetitions={3 if quick else 9}", f"--benchmark_min_time={0.05 if quick else 0.2}"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MICRO_TIMEOUT_S,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"bench_micro ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    rows = []
    for row in json.loads(done.stdout)["benchmarks"]:
        name = row["run_name"].split("/")[0]
        if row.get("error_occurred"):
            rows.append({"name": name, "absent": row["error_message"]})
        elif row.get("aggregate_name") == "median":
            rows.append({"name": name, "ns": row["real_time" if row["run_name"].endswith("/real_time") else "cpu_time"],
                         "limit_ns": MICRO_LIMITS_NS.get(name)})
    return rows


def callgrind_total(words):
    """Instructions of one run of a program."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "out")
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CALLGRIND_TIMEOUT_S,
                              check=False)
        match = re.search(r"^(?:totals|summary): (\d+)", out.read_text(encoding="utf-8"), re.M) if out.exists() else None
    if done.returncode != 0 or match is None:
        raise RuntimeError(f"callgrind of {' '.join(words)} failed: {done.stderr.strip()[-500:]}")
    return int(match.group(1))


def instructions(build_dir):
    """[{way, instructions, limit}] of one null operation: the difference of two runs, so that start and end cancel."""
    counter = program(build_dir, "count_operations")
    if shutil.which("valgrind") is None:
        raise commands.Missing("valgrind is not installed")
    rows = []
    for way in ("parks", "parks_timed", "fuse"):
        few, many = (callgrind_total([counter, way, str(count)]) for count in COUNTS)
        rows.append({"way": way, "instructions": (many - few) / (COUNTS[1] - COUNTS[0]),
                     "limit": INSTRUCTION_LIMITS.get(way)})
    return rows


def limit(value, most):
    """The column of the limit, and a word where it is not kept."""
    return f"{most or '-':>8}" + ("  over" if most and value > most else "")


def print_micro(rows):
    print(f"\nmicro: microbenchmarks of the runtime\n  {'name':<28}{'ns':>9}{'limit':>8}")
    for row in rows:
        if "absent" in row:
            print(f"  {row['name']:<28}{row['absent']}")
        else:
            print(f"  {row['name']:<28}{row['ns']:9.1f}{limit(row['ns'], row['limit_ns'])}")


def print_instructions(rows):
    print(f"\ninstructions: a null operation on the in-process path, by callgrind\n  {'way':<28}{'count':>9}{'limit':>8}")
    for row in rows:
        print(f"  {row['way']:<28}{row['instructions']:9.0f}{limit(row['instructions'], row['limit'])}")
