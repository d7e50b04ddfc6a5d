#!/usr/bin/env python3
"""scripts/bench gives figures for the floor and the peers, reports what is missing, and leaves no mount behind.

Usage: bench_test.py ROOT BUILD_DIR. Skips (77) where /dev/fuse cannot be opened.
"""

import argparse
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT, BUILD = (os.path.abspath(path) for path in sys.argv[1:3])
del sys.argv[1:3]
sys.dont_write_bytecode = True
SHORT = [f"{ROOT}/scripts/bench", "--no-build", "--build-dir", BUILD, "--repeat", "2", "--time-ms", "20"]
TIMEOUT_S = 90
WORKS = ("stat-same", "stat-other", "stat-free", "stat-two", "read-4k", "write-4k", "read-1m", "write-1m")


def load_bench():
    loader = importlib.machinery.SourceFileLoader("bench", f"{ROOT}/scripts/bench")
    bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
    loader.exec_module(bench)
    return bench


def mounts_below(folder):
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        return [line for line in table if line.split()[4].startswith(folder)]


class BenchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        self.environment = os.environ | {"TMPDIR": self.folder}

    def bench(self, *arguments):
        done = subprocess.run([*SHORT, *arguments], env=self.environment, capture_output=True, text=True,
                              timeout=TIMEOUT_S, check=False)
        self.assertEqual(mounts_below(self.folder), [])
        self.assertEqual(os.listdir(self.folder), [])
        return done

    def child_of(self, process, argument):
        for child in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            if argument in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        return self.fail(f"no child with {argument}")

    def test_every_work_has_figures_of_floor_and_peer(self):
        with tempfile.NamedTemporaryFile() as report:
            done = self.bench("--only", ",".join(WORKS), "--servers", "floor,floor-all,libfuse-single,libfuse-mt-clone-free", "--json", report.name)
            self.assertEqual(done.returncode, 0, done.stderr)
            results = json.load(report)["results"]
        seen = {(row["work"], row["server"]): row for row in results}
        for work in WORKS:
            self.assertEqual(len(seen[work, "floor"]["samples"]), 2)
            self.assertGreater(seen[work, "floor"]["ops_per_s"], 0)
        self.assertGreater(seen["stat-same", "libfuse-single"]["to_floor"], 0)
        self.assertEqual(seen["stat-same", "libfuse-single"]["to_libfuse"], 1)
        self.assertIn("libfuse-mt-clone-free", done.stdout)

    def test_a_server_that_is_not_built_is_reported(self):
        bare = pathlib.Path(self.folder, "bare/tests/bench")
        bare.mkdir(parents=True)
        for name in ("bench_client", "floor_dev"):
            (bare / name).symlink_to(f"{BUILD}/tests/bench/{name}")
        done = subprocess.run([*SHORT, "--build-dir", str(bare.parent.parent), "--only", "stat-same", "--servers",
                               "floor,libfuse-mt"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"not measured: libfuse-mt: missing: tests/bench/peer_libfuse")

    def test_a_process_without_an_autogroup_is_measured_too(self):
        bench = load_bench()
        for text in ("", "/autogroup-7 nice 3\n"):
            autogroup = pathlib.Path(self.folder, "autogroup")
            autogroup.write_text(text, encoding="ascii")
            with bench.priority(os.getpriority(os.PRIO_PROCESS, 0), autogroup):
                pass
            self.assertEqual(autogroup.read_text(encoding="ascii"), text and "3")

    def test_the_kernel_parameter_says_why_uring_cannot_be_measured(self):
        rows = load_bench().rows
        parameter = pathlib.Path(self.folder, "enable_uring")
        self.assertRegex(rows.why_no_uring(parameter), r"the kernel has no FUSE over io_uring")
        parameter.write_text("N\n", encoding="ascii")
        self.assertEqual(rows.why_no_uring(parameter), f"FUSE over io_uring is off: echo Y > {parameter}")
        parameter.write_text("Y\n", encoding="ascii")
        self.assertIsNone(rows.why_no_uring(parameter))

    def test_uring_servers_are_measured_or_the_reason_is_told(self):
        done = self.bench("--only", "stat-same,read-1m", "--servers", "floor-uring,floor-uring-all")
        self.assertEqual(done.returncode, 0, done.stderr)
        why = load_bench().rows.why_no_uring()
        for server, cores in (("floor-uring", "0"), ("floor-uring-all", "all")):
            if why is None:
                self.assertEqual(len(re.findall(rf"  {server} +{cores} +\d", done.stdout)), 2)
            else:
                self.assertIn(f"not measured: {server}: {why}\n", done.stdout)

    def bench_of(self, *servers):
        """A Bench of the named servers at stat-same, in this process; nothing is mounted yet."""
        bench = load_bench()
        args = argparse.Namespace(build_dir=pathlib.Path(BUILD), rows=[s for s in bench.rows.SERVERS if s.name in servers],
                                  works=[w for w in bench.rows.WORKS if w.name == "stat-same"])
        self.assertEqual([row.name for row in args.rows], list(servers))
        return bench.Bench(args, pathlib.Path(self.folder))

    def test_a_uring_server_is_not_started_where_the_kernel_cannot(self):
        bench = self.bench_of("floor-uring", "null-uring", "memfs-uring-all")
        bench.no_uring = "off"
        bench.start_all()
        self.assertEqual(bench.mounts, [])
        self.assertEqual(bench.absent, {"floor-uring": "off", "null-uring": "off", "memfs-uring-all": "off"})
        self.assertFalse(bench.failed)

    def test_ratios_to_the_floor_are_to_that_of_the_same_transport(self):
        bench = self.bench_of("floor", "floor-uring", "libfuse-single", "null", "null-uring", "null-uring-all")
        figures = {"mean_ns": 1, "p90_ns": 1, "p99_ns": 1, "ops_per_s": 1}
        times = {"floor": 10, "floor-uring": 20, "libfuse-single": 15, "null": 30, "null-uring": 30, "null-uring-all": 60}
        for name, time_ns in times.items():
            bench.samples["stat-same", name] = [figures | {"p50_ns": time_ns}]
        rows = {row["server"]: row for row in bench.results()}
        self.assertEqual({name: (row["to_floor"], row["to_libfuse"]) for name, row in rows.items()},
                         {"floor": (1, 10 / 15), "floor-uring": (1, 20 / 15), "libfuse-single": (1.5, 1), "null": (3, 2),
                          "null-uring": (1.5, 2), "null-uring-all": (3, 4)})
        del bench.samples["stat-same", "floor-uring"]
        self.assertIsNone({row["server"]: row for row in bench.results()}["null-uring"]["to_floor"])

    def test_our_servers_have_rows_on_both_transports(self):
        commands = {s.name: s.command for s in load_bench().rows.SERVERS}
        for name in ("null", "hello", "memfs"):
            for suffix in ("", "-all"):
                self.assertIn("--transport dev ", commands[name + suffix])
                self.assertIn("--transport uring ", commands[name + "-uring" + suffix])

    def test_sigterm_unmounts(self):
        with subprocess.Popen([*SHORT, "--repeat", "100000", "--only", "stat-same", "--servers", "floor"],
                              env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bench:
            end = time.monotonic() + TIMEOUT_S
            while not mounts_below(self.folder) and time.monotonic() < end:
                self.assertIsNone(bench.poll())
                time.sleep(0.01)
            self.assertNotEqual(mounts_below(self.folder), [])
            bench.send_signal(signal.SIGTERM)
            self.assertEqual(bench.wait(TIMEOUT_S), 1)
        self.assertEqual(mounts_below(self.folder), [])
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_server_that_dies_is_told_and_the_others_go_on(self):
        with subprocess.Popen([*SHORT, "--repeat", "40", "--only", "stat-same", "--servers", "floor,floor-ring"],
                              env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
            end = time.monotonic() + TIMEOUT_S
            while len(mounts_below(self.folder)) < 2 and time.monotonic() < end:
                self.assertIsNone(bench.poll())
                time.sleep(0.01)
            os.kill(self.child_of(bench, b"--loop\0read"), signal.SIGKILL)
            out, errors = bench.communicate(timeout=TIMEOUT_S)
        self.assertEqual(bench.returncode, 1)
        self.assertRegex(errors, r"bench: floor: stat-same: .*")
        self.assertRegex(out, r"floor-ring +0 +\d")
        self.assertEqual(mounts_below(self.folder), [])


if __name__ == "__main__":
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        print(f"skipped: /dev/fuse: {error.strerror}")
        sys.exit(77)
    unittest.main(verbosity=2)
