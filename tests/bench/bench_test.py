#!/usr/bin/env python3
"""scripts/bench gives figures for the floor and the peers, reports what is missing, and leaves no mount behind.

Usage: bench_test.py ROOT BUILD_DIR. Skips (77) where /dev/fuse cannot be opened.
"""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
import xml.etree.ElementTree

ROOT, BUILD = (os.path.abspath(path) for path in sys.argv[1:3])
del sys.argv[1:3]
sys.dont_write_bytecode = True
sys.path.insert(0, f"{ROOT}/tests/bench")

import commands  # noqa: E402
import machine  # noqa: E402
import markdown  # noqa: E402
import measuring  # noqa: E402
import mounts  # noqa: E402
import results  # noqa: E402
import rows  # noqa: E402
import runtime_figures  # noqa: E402
import source_tree  # noqa: E402
import workloads  # noqa: E402

SHORT = [f"{ROOT}/scripts/bench", "--no-build", "--build-dir", BUILD, "--repeat", "2", "--time-ms", "20"]
TIMEOUT_S = 90
WORKS = ("stat-same", "stat-other", "stat-free", "stat-apart", "stat-two", "read-4k", "write-4k", "read-1m", "write-1m")


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

    def results_of(self, *arguments):
        """{(work, server): row} of a run that succeeds."""
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder, "report.json")
            done = self.bench("--json", str(report), *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            found = json.loads(report.read_text(encoding="utf-8"))["results"]
        return {(row["work"], row["server"]): row for row in found}

    def child_of(self, process, argument):
        for child in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            if argument in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        return self.fail(f"no child with {argument}")

    def test_every_work_has_figures_of_floor_and_peer(self):
        seen = self.results_of("--only", ",".join(WORKS), "--servers",
                               "floor,floor-all,libfuse-single,libfuse-mt-clone-free")
        for work in WORKS:
            self.assertEqual(len(seen[work, "floor"]["samples"]), 2)
            self.assertGreater(seen[work, "floor"]["ops_per_s"], 0)
        self.assertGreater(seen["stat-same", "libfuse-single"]["to_floor"], 0)
        self.assertEqual(seen["stat-same", "libfuse-single"]["to_libfuse"], 1)
        self.assertGreater(seen["stat-free", "libfuse-mt-clone-free"]["ops_per_s"], 0)

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
        for text in ("", "/autogroup-7 nice 3\n"):
            autogroup = pathlib.Path(self.folder, "autogroup")
            autogroup.write_text(text, encoding="ascii")
            with machine.priority(os.getpriority(os.PRIO_PROCESS, 0), autogroup):
                pass
            self.assertEqual(autogroup.read_text(encoding="ascii"), text and "3")

    def test_a_client_apart_has_a_session_of_its_own(self):
        place = PlainFolder(self.folder)
        for apart in (False, True):
            session = int(commands.run(place, ["sh", "-c", "cut -d' ' -f6 /proc/$$/stat"], TIMEOUT_S, apart))
            self.assertEqual(session != os.getsid(0), apart)

    def test_a_figure_over_its_limit_is_marked(self):
        rows_of = [{"way": "parks", "instructions": count, "limit": 1500} for count in (1500, 1501)]
        with unittest.mock.patch("builtins.print") as said:
            runtime_figures.print_instructions(rows_of)
        _, kept, broken = (call.args[0] for call in said.call_args_list)
        self.assertNotIn("over", kept)
        self.assertTrue(broken.endswith("1500  over"), broken)

    def test_the_kernel_parameter_says_why_uring_cannot_be_measured(self):
        parameter = pathlib.Path(self.folder, "enable_uring")
        self.assertRegex(rows.why_no_uring(parameter), r"the kernel has no FUSE over io_uring")
        parameter.write_text("N\n", encoding="ascii")
        self.assertEqual(rows.why_no_uring(parameter), f"FUSE over io_uring is off: echo Y > {parameter}")
        parameter.write_text("Y\n", encoding="ascii")
        self.assertIsNone(rows.why_no_uring(parameter))

    def test_uring_servers_are_measured_or_the_reason_is_told(self):
        done = self.bench("--only", "stat-same,read-1m", "--servers", "floor-uring,floor-uring-all")
        self.assertEqual(done.returncode, 0, done.stderr)
        why = rows.why_no_uring()
        for server, cores in (("floor-uring", "0"), ("floor-uring-all", "all")):
            if why is None:
                self.assertEqual(len(re.findall(rf"  {server} +{cores} +\d", done.stdout)), 2)
            else:
                self.assertIn(f"not measured: {server}: {why}\n", done.stdout)

    def bench_of(self, *servers):
        """A Bench of the named servers at stat-same, in this process; nothing is mounted yet."""
        chosen = [server for server in rows.SERVERS if server.name in servers]
        self.assertEqual([row.name for row in chosen], list(servers))
        works = [work for work in rows.WORKS if work.name == "stat-same"]
        return measuring.Bench(pathlib.Path(BUILD), chosen, works, measuring.QUICK, pathlib.Path(self.folder))

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
            bench.results.samples["stat-same", name] = [figures | {"p50_ns": time_ns}]
        found = {row["server"]: row for row in bench.rows()}
        self.assertEqual({name: (row["to_floor"], row["to_libfuse"]) for name, row in found.items()},
                         {"floor": (1, 10 / 15), "floor-uring": (1, 20 / 15), "libfuse-single": (1.5, 1), "null": (3, 2),
                          "null-uring": (1.5, 2), "null-uring-all": (3, 4)})
        del bench.results.samples["stat-same", "floor-uring"]
        self.assertIsNone({row["server"]: row for row in bench.rows()}["null-uring"]["to_floor"])

    def test_the_floor_of_a_server_that_keeps_data_keeps_data(self):
        names = ("floor", "floor-keep", "null", "memfs", "memfs-uring")
        servers = [server for server in rows.SERVERS if server.name in names]
        found = results.Results()
        for server, time_ns in zip(servers, (10, 20, 30, 40, 50), strict=True):
            found.add("read-1m", server, {"p50_ns": time_ns})
        works = [work for work in rows.WORKS if work.name == "read-1m"]
        self.assertEqual([row["to_floor"] for row in found.rows(works, servers)], [1, 2, 3, 2, None])

    def test_a_floor_with_memory_gives_back_what_was_written(self):
        for name, command in (("dev", "floor_dev"), ("uring", "floor_uring")):
            why = rows.why_no_uring() if name == "uring" else None
            if why is not None:
                self.skipTest(why)
            server = rows.Server(name, "floor-keep", "0", "")
            mount = mounts.Mount(server, [f"{BUILD}/tests/bench/{command}", "--keep", "--file-bytes", "65536"],
                                 pathlib.Path(self.folder))
            mount.start()
            self.addCleanup(mount.stop)
            for offset, data in ((0, b"first"), (61440, b"end" * 2000)):
                with open(mount.file, "r+b") as file:
                    file.seek(offset)
                    file.write(data)
                with open(mount.file, "rb") as file:
                    file.seek(offset)
                    self.assertEqual(file.read(len(data)), data[:65536 - offset], command)
            mount.stop()

    def test_our_servers_have_rows_on_both_transports(self):
        words = {s.name: s.command for s in rows.SERVERS}
        for name in ("null", "hello", "memfs", "memfs-cached"):
            for suffix in ("", "-all"):
                self.assertIn("--transport dev ", words[name + suffix])
                self.assertIn("--transport uring ", words[name + "-uring" + suffix])

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

    def test_small_files_have_figures_of_all_sides(self):
        servers = ["libfuse-memfs-free", "memfs-cached-all", *(["tmpfs"] if os.geteuid() == 0 else [])]
        seen = self.results_of("--quick", "--only", "small-one,small-two", "--servers", ",".join(servers))
        for work in ("small-one", "small-two"):
            self.assertEqual(seen[work, "libfuse-memfs-free"]["to_libfuse"], 1)
            for server in servers:
                row = seen[work, server]
                self.assertEqual(len(row["samples"]), 2)
                self.assertEqual(set(row["parts"]), {"create", "stat", "read", "unlink"})
                for sample in row["samples"]:
                    self.assertAlmostEqual(sum(sample["parts"].values()), sample["seconds"], places=4)
                    self.assertAlmostEqual(sample["per_s"] * sample["seconds"], measuring.QUICK.small_files)

    def test_a_server_of_the_command_line_is_measured_beside_ours(self):
        seen = self.results_of("--only", "stat-same", "--servers", "floor",
                               "--peer", f"mine={shlex.quote(BUILD)}/tests/bench/floor_dev --loop read --cores 0")
        self.assertEqual(seen["stat-same", "mine"]["kind"], "given")
        self.assertGreater(seen["stat-same", "mine"]["to_floor"], 0)

    def test_the_plot_is_drawn_or_the_reason_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            plot = pathlib.Path(folder, "plot.svg")
            done = self.bench("--only", "stat-same", "--servers", "floor-all", "--plot", str(plot))
            self.assertEqual(done.returncode, 0, done.stderr)
            if "not drawn" in done.stdout:
                self.assertRegex(done.stdout, r"not drawn: .*plot\.svg: .*matplotlib")
                self.assertFalse(plot.exists())
            else:
                text = "".join(xml.etree.ElementTree.parse(plot).getroot().itertext())
                self.assertIn("floor, dev", text)
                self.assertIn("client on core 0", text)

    def test_wrong_arguments_are_refused(self):
        for wrong in (["--peer", "nameless"], ["--peer", "floor=/bin/true"], ["--repeat", "0"], ["--only", "sleep"],
                      ["--servers", "nobody"]):
            self.assertEqual(self.bench(*wrong).returncode, 2, wrong)

    def test_a_client_that_cannot_work_fails(self):
        done = subprocess.run([f"{BUILD}/tests/bench/bench_files", "--path", "/proc/none", "--cores", "any,any"],
                              capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("mkdir", done.stderr)


class PlainFolder:
    """Stands for a mount: a folder of an ordinary file system."""

    def __init__(self, path):
        self.path = path
        self.file = os.path.join(path, "file")
        self.aborted = False

    def abort(self):
        self.aborted = True


class WorkloadTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.base = folder.name
        self.mount = PlainFolder(os.path.join(self.base, "mount"))
        os.mkdir(self.mount.path)
        self.site = workloads.Site(f"{BUILD}/tests/bench", small_count=50, time_ms=20,
                                   tree=source_tree.SourceTree(self.base, 50), first=True)

    def work(self, kind):
        return next(work for work in workloads.WORKLOADS if isinstance(work, kind))

    def run_tree(self, drop):
        return dataclasses.replace(self.work(workloads.Tree), drop_caches=str(drop)).run(self.mount, self.site)

    def spoil(self):
        """Now the source files are not what the archive and the repository have."""
        next(pathlib.Path(self.site.tree.files).rglob("*.c")).write_text("spoilt")

    def test_the_tree_is_unpacked_read_and_removed(self):
        drop = pathlib.Path(self.base, "drop_caches")
        drop.touch()
        figures = self.run_tree(drop)
        self.assertEqual(list(figures), list(self.work(workloads.Tree).figures))
        self.assertEqual(drop.read_text(), "3\n")
        self.assertEqual(os.listdir(self.mount.path), [])
        for figure in figures.values():
            self.assertAlmostEqual(figure["per_s"] * figure["seconds"], 50)

    def test_without_the_right_to_drop_caches_there_is_no_cold_figure(self):
        work = dataclasses.replace(self.work(workloads.Tree), drop_caches=f"{self.base}/none/drop_caches")
        self.assertEqual(list(work.why_not()), ["find-cat-cold"])
        self.assertEqual(list(work.run(self.mount, self.site)), ["untar", "find-cat", "rm-rf"])

    def test_a_tree_that_is_not_what_was_unpacked_fails(self):
        self.spoil()
        with self.assertRaisesRegex(RuntimeError, "diff"):
            self.run_tree(f"{self.base}/none/drop_caches")

    def test_the_repository_is_cloned(self):
        figures = self.work(workloads.Clone).run(self.mount, self.site)
        self.assertGreater(figures["git-clone"]["seconds"], 0)
        self.assertEqual(os.listdir(self.mount.path), [])

    def test_the_source_tree_is_the_same_each_time(self):
        def whole(tree):
            return {path.relative_to(tree.files): path.read_bytes() for path in pathlib.Path(tree.files).rglob("*.c")}

        other = os.path.join(self.base, "other")
        os.mkdir(other)
        self.assertEqual(len(whole(self.site.tree)), 50)
        self.assertEqual(whole(self.site.tree), whole(source_tree.SourceTree(other, 50)))

    def fake_program(self, name, text):
        program = pathlib.Path(self.base, "bin", name)
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return unittest.mock.patch.dict(os.environ, PATH=f"{program.parent}:{os.environ['PATH']}")

    def test_fio_is_asked_for_the_work_and_its_bytes_are_counted(self):
        pathlib.Path(self.mount.file).write_bytes(b"x" * 8192)
        report = json.dumps({"jobs": [{"read": {"bw_bytes": 0, "clat_ns": {}},
                                       "write": {"bw_bytes": 40960, "clat_ns": {"percentile": {"99.000000": 7}}}}]})
        work = next(work for work in workloads.WORKLOADS if work.name == "fio-randwrite-16")
        with self.fake_program("fio", f"echo \"$@\" >{self.base}/asked; echo '{report}'"):
            self.assertEqual(work.run(self.mount, self.site), {"fio-randwrite-16": {"per_s": 10, "p99_ns": 7}})
        asked = pathlib.Path(self.base, "asked").read_text().split()
        for word in ("--rw=randwrite", "--iodepth=16", "--bs=4096", "--size=8192", "--direct=1",
                     f"--filename={self.mount.file}"):
            self.assertIn(word, asked)

    def test_what_is_missing_is_named_with_its_package(self):
        with unittest.mock.patch.dict(os.environ, PATH=self.base):
            for kind, package in ((workloads.Fio, "fio"), (workloads.Clone, "git"), (workloads.Tree, "tar")):
                with self.assertRaisesRegex(commands.Missing, f"not installed .Debian package {package};"):
                    self.work(kind).check()
            bench = measuring.Bench(pathlib.Path(BUILD), [], [self.work(workloads.Fio)], measuring.QUICK,
                                    pathlib.Path(self.base))
            bench.start_all()
        self.assertRegex(bench.absent["fio-randread-1"], "fio is not installed")
        self.assertEqual((bench.works, bench.failed), ([], False))

    def test_a_command_that_does_not_come_back_is_killed_and_its_mount_aborted(self):
        with self.assertRaisesRegex(RuntimeError, "sleep did not come back"):
            commands.run(self.mount, ["sleep", "1000"], 0.1)
        self.assertTrue(self.mount.aborted)
        with self.assertRaisesRegex(RuntimeError, "false ended with 1"):
            commands.run(self.mount, ["false"], TIMEOUT_S)

    def test_medians_are_taken_of_parts_too(self):
        samples = [{"per_s": n, "parts": {"read": n * 10}} for n in (3, 1, 2)]
        self.assertEqual(results.median_of(samples), {"per_s": 2, "parts": {"read": 20}})
        self.assertEqual(results.median_of([{"per_s": 1, "p99_ns": None}, {"per_s": 3, "p99_ns": 1}]), {"per_s": 2})

    def test_more_done_in_a_second_is_a_lower_ratio(self):
        names = ("tmpfs", "libfuse-memfs-free", "memfs-cached-all")
        servers = [server for server in rows.SERVERS if server.name in names]
        found = results.Results()
        for server, per_s in zip(servers, (400, 100, 200), strict=True):
            found.add("small-one", server, {"per_s": per_s})
        ratios = {row["server"]: (row["to_limit"], row["to_libfuse"])
                  for row in found.rows([self.work(workloads.SmallFiles)], servers)}
        self.assertEqual(ratios, {"tmpfs": (1, 0.25), "libfuse-memfs-free": (4, 1), "memfs-cached-all": (2, 0.5)})

    def test_the_tables_for_the_documentation_have_what_was_measured(self):
        def row(work, server, **fields):
            return {"work": work, "server": server, "kind": "puffs", "samples": [{}], **fields}

        report = {"small_files": 1000, "tree_files": 200, "instructions": [{"way": "parks", "instructions": 1500.4}],
                  "micro": [{"name": "null_operation_parks", "ns": 130.2}], "results": [
                      row("stat-same", "null-all", p50_ns=14400), row("stat-two", "null-all", ops_per_s=109000.0),
                      row("small-one", "tmpfs", seconds=0.1, per_s=1e4, to_libfuse=0.25),
                      row("small-one", "memfs-cached-uring-all", seconds=0.2, per_s=5e3, to_libfuse=0.5),
                      row("fio-read-1m", "tmpfs", per_s=4000.0, to_libfuse=None)]}
        pinned, free, work, runtime = markdown.tables(report)
        self.assertEqual(len(pinned.splitlines()), 2)
        self.assertIn("| `null`, transport dev | 14.4 |  |  |  | 109,000 |\n", free)
        self.assertEqual(work.splitlines()[2:], [
            "| 1,000 small files, one client | 0.100 s | 0.200 s | 2.0 times as fast |",
            "| 1 MiB reads | 4,000 MiB/s |  |  |"])
        self.assertIn("| 1,500 instructions, 130 ns |\n", runtime)
        report |= {"repeat": 5, "machine": dict.fromkeys(("cpus", "cpu", "kernel", "compiler", "libfuse", "commit"), "x")}
        text = markdown.replace(f"before\n{markdown.BEGIN}old\n{markdown.END}after\n", report)
        self.assertEqual(text, f"before\n{markdown.BEGIN}{markdown.section(report)}{markdown.END}after\n")
        self.assertIn(work, text)
        with self.assertRaises(ValueError):
            markdown.replace("no marks\n", report)


if __name__ == "__main__":
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        print(f"skipped: /dev/fuse: {error.strerror}")
        sys.exit(77)
    unittest.main(verbosity=2)
