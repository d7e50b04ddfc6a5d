"""The workloads of scripts/bench: what programs do in a file system that keeps files.

A workload measures one or more figures in a round. A figure is a dict: always "per_s", how much was done in a second;
"seconds" where what is to be done is the same each time; and the seconds of its "parts".
"""

import dataclasses
import json
import os
import shlex
import shutil

import commands
import source_tree

LIMIT_S = 120
DROP_CACHES = "/proc/sys/vm/drop_caches"
MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Site:
    """What the workloads work with.

    tests     folder of the built programs
    small_count  files of the small-file works
    time_ms   length of a work that goes on for a time
    tree      the source tree, None where no work needs one
    first     True in the first repetition: results are compared with what they should be
    """

    tests: str
    small_count: int
    time_ms: int
    tree: source_tree.SourceTree | None = None
    first: bool = False


def need(program, package):
    if shutil.which(program) is None:
        raise commands.Missing(f"{program} is not installed (Debian package {package}; scripts/deps bench)")


def fixed_work(seconds, amount, **more):
    return {"seconds": seconds, "per_s": amount / seconds, **more}


@dataclasses.dataclass(frozen=True)
class Workload:
    """A workload: its name, what it is, the placements of servers that are compared at it; the figures of a round, and the
    unit that they count."""

    name: str
    what: str
    cores: tuple[str, ...]
    cached = True
    unit = "files"

    @property
    def figures(self):
        return {self.name: self.what}

    def check(self):
        """Raises commands.Missing where it cannot be done."""

    def why_not(self):
        """{figure: why it cannot be measured here}."""
        return {}


@dataclasses.dataclass(frozen=True)
class SmallFiles(Workload):
    """Makes, stats, reads and removes files of 1 KiB: one in `share` of the files of the site."""

    clients: str = "any"
    share: int = 1
    size_bytes: int = 1024

    def run(self, mount, site):
        count = site.small_count // self.share
        words = [os.path.join(site.tests, "bench_files"), "--path", mount.path, "--count", str(count),
                 "--size", str(self.size_bytes), "--cores", self.clients]
        parts = json.loads(commands.run(mount, words, LIMIT_S))
        return {self.name: fixed_work(parts.pop("sum"), count, parts=parts)}


@dataclasses.dataclass(frozen=True)
class Tree(Workload):
    """Unpacks an archive, reads all files, once more with cold caches, and removes all."""

    drop_caches: str = DROP_CACHES

    @property
    def figures(self):
        return {"untar": "tar -x of a source tree", "find-cat": "find | xargs cat of that tree, just made",
                "find-cat-cold": "the same after the kernel dropped its caches",
                "rm-rf": "rm -rf of that tree"}

    def check(self):
        for program, package in (("tar", "tar"), ("find", "findutils"), ("diff", "diffutils")):
            need(program, package)

    def why_not(self):
        return {} if os.access(self.drop_caches, os.W_OK) else {"find-cat-cold": f"{self.drop_caches} cannot be written"}

    def drop(self):
        """Makes the kernel forget pages, names and attributes."""
        with open(self.drop_caches, "w", encoding="ascii") as file:
            file.write("3\n")

    def warm_up(self, site):
        """Brings back what is not the mount's: the programs, the archive."""
        source_tree.command("sh", "-c", 'find /dev/null -print0 | xargs -0 cat && rm --version && tar -xOf "$0"',
                            site.tree.archive)

    def run(self, mount, site):
        self.warm_up(site)
        folder = os.path.join(mount.path, "tree")
        os.mkdir(folder)
        find_cat = ["sh", "-c", 'find "$0" -type f -print0 | xargs -0 cat >/dev/null', folder]
        took = {"untar": commands.seconds(mount, ["tar", "-xf", site.tree.archive, "-C", folder], LIMIT_S),
                "find-cat": commands.seconds(mount, find_cat, LIMIT_S)}
        if site.first:
            commands.run(mount, ["diff", "-rq", site.tree.files, folder], LIMIT_S)
        if not self.why_not():
            self.drop()
            self.warm_up(site)
            took["find-cat-cold"] = commands.seconds(mount, find_cat, LIMIT_S)
        took["rm-rf"] = commands.seconds(mount, ["rm", "-rf", folder], LIMIT_S)
        return {name: fixed_work(seconds, site.tree.count) for name, seconds in took.items()}


@dataclasses.dataclass(frozen=True)
class Clone(Workload):
    """Clones a local repository of the source tree."""

    def check(self):
        need("git", "git")

    def run(self, mount, site):
        place = os.path.join(mount.path, "clone")
        git = {"env": source_tree.git_environment()}
        # The program and the repository are in memory for whoever comes first, too.
        source_tree.command(*source_tree.GIT, "-C", site.tree.repository(), "cat-file", "--batch-all-objects", "--batch", **git)
        took = commands.seconds(mount, [*source_tree.GIT, "clone", "-q", site.tree.repository(), place], LIMIT_S, **git)
        if site.first and commands.run(mount, [*source_tree.GIT, "-C", place, "status", "--porcelain"], LIMIT_S, **git):
            raise RuntimeError("the clone is not the repository")
        commands.run(mount, ["rm", "-rf", place], LIMIT_S)
        return {self.name: fixed_work(took, site.tree.count)}


@dataclasses.dataclass(frozen=True)
class Fio(Workload):
    """Direct reads or writes of the mount's file for a time, by fio."""

    way: str = "randread"
    block_bytes: int = 4096
    depth: int = 1

    @property
    def unit(self):
        return "MiB" if self.block_bytes >= MIB else "op"

    def check(self):
        need("fio", "fio")

    def run(self, mount, site):
        # psync waits for each request as read(2) does; only asynchronous requests can be more than one.
        engine = "psync" if self.depth == 1 else "libaio"
        size_bytes = os.stat(mount.file).st_size
        options = (f"--name={self.name} --filename={shlex.quote(mount.file)} --rw={self.way} --bs={self.block_bytes} "
                   f"--direct=1 --ioengine={engine} --iodepth={self.depth} --size={size_bytes} --norandommap --randrepeat=1 "
                   f"--time_based --runtime={site.time_ms}ms --fallocate=none --thread --output-format=json")
        out = commands.run(mount, ["fio", *shlex.split(options)], site.time_ms / 1000 + LIMIT_S)
        job = json.loads(out)["jobs"][0]["write" if "write" in self.way else "read"]
        return {self.name: {"per_s": job["bw_bytes"] / (MIB if self.unit == "MiB" else self.block_bytes),
                            "p99_ns": job["clat_ns"].get("percentile", {}).get("99.000000")}}


NOT_PINNED = ("all", "free", "-")
ON_CORE_0 = ("0", "-")

WORKLOADS = (
    SmallFiles("small-one", "small files, one client, not pinned", NOT_PINNED),
    SmallFiles("small-two", "small files, two clients, not pinned", NOT_PINNED, "any,any"),
    SmallFiles("small-same", "small files, server and client on core 0", ON_CORE_0, "0", 4),
    SmallFiles("small-other", "small files, server on core 0, client on core 1", ON_CORE_0, "1", 4),
    Tree("tree", "a source tree: tar -x, find | xargs cat, rm -rf", NOT_PINNED),
    Clone("git-clone", "git clone of a local repository of a source tree", NOT_PINNED),
    Fio("fio-randread-1", "4 KiB direct random reads, depth 1", NOT_PINNED, "randread"),
    Fio("fio-randread-16", "4 KiB direct random reads, depth 16", NOT_PINNED, "randread", depth=16),
    Fio("fio-randwrite-1", "4 KiB direct random writes, depth 1", NOT_PINNED, "randwrite"),
    Fio("fio-randwrite-16", "4 KiB direct random writes, depth 16", NOT_PINNED, "randwrite", depth=16),
    Fio("fio-read-1m", "1 MiB direct sequential reads", NOT_PINNED, "read", MIB),
    Fio("fio-write-1m", "1 MiB direct sequential writes", NOT_PINNED, "write", MIB),
)
