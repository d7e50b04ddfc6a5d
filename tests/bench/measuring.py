"""One run of scripts/bench: starts the servers, measures them in turn, and stops them."""

import dataclasses
import os
import random
import shlex
import shutil
import subprocess
import sys

import commands
import latency
import mounts
import results
import rows
import runtime_figures
import source_tree
import workloads

FILL_MS = 100


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured: repetitions, milliseconds of a work that goes on for a time, files of the workloads."""

    repeat: int
    time_ms: int
    tree_files: int
    small_files: int


FULL = Size(repeat=5, time_ms=300, tree_files=2000, small_files=10000)
QUICK = Size(repeat=1, time_ms=60, tree_files=200, small_files=1000)


class Bench:
    """servers, works: rows of rows.py; base: a new folder for the mounts."""

    def __init__(self, build_dir, servers, works, size, base):
        self.build_dir = build_dir
        self.servers = servers
        self.works = works
        self.size = size
        self.base = base
        self.mounts = []
        self.no_uring = rows.why_no_uring()
        self.absent = {}  # server, work or figure: why it is not measured
        self.failed = False
        self.results = results.Results()
        self.without_mount = {}  # "micro", "instructions": their rows

    def command(self, server):
        places = {"tests": self.build_dir / "tests" / "bench", "examples": self.build_dir / "examples",
                  "cores": ",".join(str(core) for core in sorted(os.sched_getaffinity(0)))}
        return shlex.split(server.command.format(**places))

    def fail(self, name, why):
        self.failed = True
        self.absent[name] = why
        print(f"bench: {name}: {why}", file=sys.stderr)

    def why_not(self, server):
        """Why the server cannot be started here, None when it can."""
        if server.command is None:
            return None if os.geteuid() == 0 else "mounting tmpfs needs root"
        if server.transport == "uring" and self.no_uring is not None:
            return self.no_uring
        program = self.command(server)[0]
        return None if shutil.which(program) else f"missing: {os.path.relpath(program, self.build_dir)} is not built"

    def start(self, server):
        mount = mounts.Tmpfs(server, self.base) if server.command is None else \
            mounts.Mount(server, self.command(server), self.base)
        self.mounts.append(mount)
        try:
            mount.start()
            if server.fill:
                latency.client(mount, self.site.tests, f"--work stat --count 1 --create-bytes {rows.FILE_BYTES}", FILL_MS)
        except (mounts.MountFailed, RuntimeError) as error:
            self.fail(server.name, str(error))

    def start_all(self):
        """Prepares what the works need and starts every server that is compared at one of them."""
        for work in self.works:
            try:
                work.check()
                self.absent |= work.why_not()
            except commands.Missing as error:
                self.absent[work.name] = f"missing: {error}"
        self.works = [work for work in self.works if work.name not in self.absent]
        wants_tree = any(isinstance(work, (workloads.Tree, workloads.Clone)) for work in self.works)
        self.site = workloads.Site(
            tests=str(self.build_dir / "tests" / "bench"), small_count=self.size.small_files, time_ms=self.size.time_ms,
            tree=source_tree.SourceTree(self.base, self.size.tree_files) if wants_tree else None)
        for server in self.servers:
            if any(server.does(work) for work in self.works):
                why = self.why_not(server)
                if why is None:
                    self.start(server)
                else:
                    self.absent[server.name] = why

    def stop_all(self):
        for mount in self.mounts:
            mount.stop()

    def measure_one(self, work, mount, site):
        try:
            for figure, sample in work.run(mount, site).items():
                self.results.add(figure, mount.server, sample)
        except (RuntimeError, OSError) as error:
            self.fail(mount.server.name, f"{work.name}: {error}; it said: {mount.said() or 'nothing'}")

    def measure(self):
        for repetition in range(self.size.repeat):
            site = dataclasses.replace(self.site, first=repetition == 0)
            for work in self.works:
                able = [m for m in self.mounts if m.server.does(work) and m.server.name not in self.absent]
                # Another order each time, the same in every run: nobody always follows the same neighbour.
                for mount in random.Random(repetition).sample(able, len(able)):
                    self.measure_one(work, mount, site)
            if sys.stderr.isatty():
                print(f"\rrepetition {repetition + 1} of {self.size.repeat}", end="", file=sys.stderr)
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def measure_without_mount(self, names, quick):
        for name in names:
            try:
                if name == "micro":
                    self.without_mount[name] = runtime_figures.micro(self.build_dir, quick)
                else:
                    self.without_mount[name] = runtime_figures.instructions(self.build_dir)
            except commands.Missing as error:
                self.absent[name] = f"missing: {error}"
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                self.fail(name, str(error))

    def rows(self):
        return self.results.rows(self.works, self.servers)
