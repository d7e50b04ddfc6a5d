"""Puts the tables and the picture of a report of scripts/bench, JSON on the standard input, between the marks in README.md.
What the report does not have is left blank. Without arguments it prints them.

Usage: python3 tests/bench/markdown.py [README.md] < REPORT
"""

import json
import pathlib
import re
import sys

BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
PICTURE = "tests/bench/figures.svg"

REQUESTS = {"stat-same": "`stat`", "read-4k": "4 KiB read", "write-4k": "4 KiB write", "read-1m": "1 MiB read",
            "write-1m": "1 MiB write"}
PINNED_SERVERS = {"floor": "floor on `/dev/fuse`, core 0", "libfuse-single": "libfuse, single loop, core 0",
                  "libfuse-mt": "libfuse, multi-threaded loop, core 0", "null": "`null`, transport dev, core 0",
                  "floor-keep": "floor with memory, core 0", "memfs": "`memfs`, transport dev, core 0",
                  "floor-uring": "floor on io_uring, core 0", "null-uring": "`null`, transport uring, core 0",
                  "floor-keep-uring": "floor with memory on io_uring, core 0",
                  "memfs-uring": "`memfs`, transport uring, core 0", "floor-uring-all": "floor on io_uring, both cores",
                  "null-uring-all": "`null`, transport uring, both cores",
                  "memfs-uring-all": "`memfs`, transport uring, both cores"}
PLACEMENTS = {"stat-same": "client on core 0", "stat-other": "client on core 1", "stat-free": "client not pinned",
              "stat-apart": "the same, a session of its own"}
FREE_SERVERS = {"libfuse-mt-free": "libfuse, multi-threaded loop, not pinned",
                "libfuse-mt-clone-free": "the same with cloned descriptors", "null-all": "`null`, transport dev",
                "null-uring-all": "`null`, transport uring",
                "null-uring-all-idle": "the same under `chrt --idle 0`", "floor-uring-all": "floor on io_uring"}
WORKLOADS = {"small-one": "{small_files:,} small files, one client",
             "small-two": "{small_files:,} small files, two clients", "untar": "untar of {tree_files:,} files",
             "find-cat": "`find \\| xargs cat` of these", "find-cat-cold": "the same, caches dropped",
             "rm-rf": "`rm -rf` of these", "git-clone": "`git clone` of these",
             "fio-randread-1": "4 KiB random reads, depth 1", "fio-randread-16": "4 KiB random reads, depth 16",
             "fio-randwrite-1": "4 KiB random writes, depth 1", "fio-randwrite-16": "4 KiB random writes, depth 16",
             "fio-read-1m": "1 MiB reads", "fio-write-1m": "1 MiB writes"}
WORKLOAD_SERVERS = {"tmpfs": "tmpfs", "libfuse-memfs-free": "libfuse", "libfuse-memfs-clone-free": "libfuse, cloned",
                    "memfs-cached-all": "`memfs`, dev", "memfs-cached-uring-all": "`memfs`, uring"}
MICRO = {"null_operation_parks": "a null operation: enqueue, touser, port, operation, replywait, reply",
         "null_operation_fuse": "the same with the operation map of FUSE", "lwkt_switch": "switch of light threads",
         "token_take_release": "a free token taken and released",
         "message_same_core": "message to a thread on the same core and back",
         "message_cross_core": "message to a thread of another core and back, both awake"}
INSTRUCTIONS = {"null_operation_parks": "parks", "null_operation_fuse": "fuse"}


def table(head, rows):
    """One Markdown table, without rows that are all blank."""
    first, *others = ["| " + " | ".join(row) + " |\n" for row in (head, *(row for row in rows if any(row[1:])))]
    return first + "|" + "---|" * len(head) + "\n" + "".join(others)


def microseconds(row):
    return f"{row['p50_ns'] / 1000:.{0 if row['p50_ns'] >= 100_000 else 1}f}" if row else ""


def a_second(row):
    return f"{row['ops_per_s']:,.0f}" if row else ""


def workload(row):
    """Seconds, or how much was done in one."""
    if not row:
        return ""
    if "seconds" in row:
        return f"{row['seconds']:.3f} s"
    return f"{row['per_s']:,.0f} {'MiB' if row['work'].endswith('1m') else ''}/s"


def times_as_fast(row):
    return f"{1 / row['to_libfuse']:.1f} times as fast" if row and row["to_libfuse"] else ""


def tables(report):
    rows = {(row["work"], row["server"]): row for row in report["results"] if "samples" in row}
    given = {row["server"]: f"`{row['server']}`" for row in report["results"] if row["kind"] == "given"}
    yield table(["us an operation, client on core 0", *REQUESTS.values()],
                [[label, *(microseconds(rows.get((work, server))) for work in REQUESTS)]
                 for server, label in (PINNED_SERVERS | given).items()])
    yield table(["us a `stat`, servers on both cores", *PLACEMENTS.values(), "two clients, stats a second"],
                [[label, *(microseconds(rows.get((work, server))) for work in PLACEMENTS),
                  a_second(rows.get(("stat-two", server)))]
                 for server, label in (FREE_SERVERS | given).items()])
    servers = {name: label for name, label in (WORKLOAD_SERVERS | given).items()
               if any((work, name) in rows for work in WORKLOADS)}
    yield table(["servers and clients not pinned", *servers.values(), "uring beside libfuse"],
                [[label.format(**report), *(workload(rows.get((work, server))) for server in servers),
                  times_as_fast(rows.get((work, "memfs-cached-uring-all")))] for work, label in WORKLOADS.items()])
    times = {row["name"]: f"{row['ns']:.0f} ns" for row in report.get("micro", []) if "ns" in row}
    counts = {row["way"]: f"{row['instructions']:,.0f} instructions" for row in report.get("instructions", [])}
    yield table(["in-process path, `scripts/bench --only micro,instructions`", ""],
                [[label, ", ".join(filter(None, (counts.get(INSTRUCTIONS.get(name)), times.get(name))))]
                 for name, label in MICRO.items()])


def section(report):
    """What stands between the marks."""
    facts = report["machine"]
    kernel = facts["kernel"].split("-")[0]  # without the name of a build
    compiler = re.sub(r" \(.*\)", "", facts["compiler"])
    measured = (f"Measured on {facts['cpus']} CPUs ({facts['cpu']}), Linux {kernel}, {compiler}, libfuse {facts['libfuse']}, "
                f"commit {facts['commit']}: medians of {report['repeat']} repetitions.\n")
    picture = f"![latency by placement, throughput by transport, workloads]({PICTURE})\n"
    return "\n".join((measured, picture, *tables(report)))


def replace(text, report):
    """The text with another section between the marks. Raises ValueError where it has none."""
    begin = text.index(BEGIN) + len(BEGIN)
    return text[:begin] + section(report) + text[text.index(END, begin):]


def main():
    report = json.load(sys.stdin)
    if len(sys.argv) < 2:
        print(section(report), end="")
        return
    readme = pathlib.Path(sys.argv[1])
    readme.write_text(replace(readme.read_text(encoding="utf-8"), report), encoding="utf-8")


if __name__ == "__main__":
    main()
