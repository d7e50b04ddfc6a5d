"""Draws a report of scripts/bench, JSON on the standard input, as an SVG file: latency by placement of the client,
throughput by transport, and the workloads beside libfuse and tmpfs.

Usage: plot.py FILE.svg < REPORT. Needs matplotlib. What the report does not have is left out.
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9, "font.family": "sans-serif"})

from matplotlib import pyplot, ticker  # noqa: E402

PLACEMENTS = {"stat-same": "client on core 0", "stat-other": "client on core 1", "stat-free": "not pinned",
              "stat-apart": "not pinned, own session"}
BLOCKS = {"read-4k": "read 4 KiB", "write-4k": "write 4 KiB", "read-1m": "read 1 MiB", "write-1m": "write 1 MiB"}
BLOCK_MIB = {"read-4k": 1 / 256, "write-4k": 1 / 256, "read-1m": 1, "write-1m": 1}
WORKLOADS = {"small-one": "small files", "small-two": "two clients", "untar": "untar", "find-cat": "find | cat",
             "find-cat-cold": "cold", "rm-rf": "rm -rf", "git-clone": "git clone"}
LATENCY_SERVERS = {"libfuse-mt-free": ("libfuse 3.14, multi-threaded", "#c44e52"),
                   "libfuse-mt-clone-free": ("the same, cloned descriptors", "#dd8452"),
                   "floor-all": ("floor, dev", "#bbbbbb"), "null-all": ("null, dev", "#55a868"),
                   "floor-uring-all": ("floor, uring", "#777777"), "null-uring-all": ("null, uring", "#4c72b0")}
THROUGHPUT_SERVERS = {"floor-keep": ("floor with memory, dev", "#bbbbbb"), "memfs": ("memfs, dev", "#55a868"),
                      "floor-keep-uring": ("floor with memory, uring", "#777777"),
                      "memfs-uring": ("memfs, uring", "#4c72b0")}
WORKLOAD_SERVERS = {"tmpfs": ("tmpfs", "#777777"), "memfs-cached-all": ("memfs, dev", "#55a868"),
                    "memfs-cached-uring-all": ("memfs, uring", "#4c72b0")}
GIVEN_COLOURS = ("#8172b3", "#937860", "#da8bc3")


def with_given(servers, results, figures):
    """The servers, and those that were given on the command line."""
    names = dict.fromkeys(row["server"] for row in results if row["kind"] == "given" and row["work"] in figures)
    return servers | {name: (name, colour) for name, colour in zip(names, GIVEN_COLOURS, strict=False)}


def series_of(results, figures, servers, value):
    """[(label, colour, values)] of the servers, None for what was not measured; and the names of the figures that were."""
    rows = {(row["work"], row["server"]): row for row in results if "samples" in row}
    names = [figure for figure in figures if any((figure, server) in rows for server in servers)]
    lines = []
    for server, (label, colour) in servers.items():
        values = [value(rows[name, server]) if (name, server) in rows else None for name in names]
        if any(v is not None for v in values):
            lines.append((label, colour, values))
    return lines, [figures[name] for name in names]


def draw(axes, title, unit, lines, groups, base):
    """Bars in groups, from `base` up or down; a value that is missing leaves its place free."""
    width = 0.8 / max(len(lines), 1)
    for number, (label, colour, values) in enumerate(lines):
        at = [(group - 0.4 + (number + 0.5) * width, value) for group, value in enumerate(values) if value is not None]
        axes.bar([x for x, _ in at], [value - base for _, value in at], width * 0.92, base, label=label, color=colour)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylabel(unit)
    axes.set_xticks(range(len(groups)), groups)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


def times_as_fast(row):
    return 1 / row["to_libfuse"] if row["to_libfuse"] else None


def panels(results):
    """(title, unit, lines, groups, where bars begin, the ticks of a logarithmic scale) of what the report has."""
    out = []
    servers = with_given(LATENCY_SERVERS, results, PLACEMENTS)
    out.append(("stat: latency by placement of the client", "µs",
                *series_of(results, PLACEMENTS, servers, lambda row: row["p50_ns"] / 1000), 0, None))
    servers = with_given(THROUGHPUT_SERVERS, results, BLOCKS)
    out.append(("direct I/O on core 0: throughput by transport", "MiB/s",
                *series_of(results, BLOCKS, servers, lambda row: BLOCK_MIB[row["work"]] * row["ops_per_s"]), 0,
                ticker.LogLocator(10, (1, 3))))
    servers = with_given(WORKLOAD_SERVERS, results, WORKLOADS)
    out.append(("workloads: times as fast as a memory file system on libfuse 3.14", "times",
                *series_of(results, WORKLOADS, servers, times_as_fast), 1, ticker.LogLocator(2)))
    return [panel for panel in out if panel[2]]


def main():
    report = json.load(sys.stdin)
    drawn = panels(report["results"])
    if not drawn:
        sys.exit("the report has nothing to draw")
    figure, all_axes = pyplot.subplots(len(drawn), 1, figsize=(8.4, 2.5 * len(drawn)), squeeze=False)
    for axes, (title, unit, lines, groups, base, ticks) in zip(all_axes[:, 0], drawn, strict=True):
        if ticks is not None:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(ticks)
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(ticker.NullLocator())
        draw(axes, title, unit, lines, groups, base)
        if base:
            axes.axhline(base, color="black", linewidth=0.8)
    figure.tight_layout()
    facts = report["machine"]
    figure.text(0.01, 0.002, f"{facts['cpus']} x {facts['cpu']}, Linux {facts['kernel'].split('-')[0]}, {facts['commit']}", fontsize=7,
                color="#666666")
    figure.savefig(sys.argv[1], format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
