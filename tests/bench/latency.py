"""The latencies of scripts/bench: one kind of request at a time, by bench_client, while the kernel keeps nothing."""

import dataclasses
import json
import os
import shlex

import commands

WARM_UP_MS_MAX = 100
SLACK_S = 20


def client(mount, tests, options, time_ms, apart=False):
    """The medians that bench_client prints. Raises RuntimeError; after a timeout the mount is aborted."""
    words = [os.path.join(tests, "bench_client"), "--path", mount.file, "--time-ms", str(time_ms), "--warmup-ms",
             str(min(WARM_UP_MS_MAX, time_ms)), *shlex.split(options)]
    return json.loads(commands.run(mount, words, time_ms / 1000 + SLACK_S, apart))["median"]


@dataclasses.dataclass(frozen=True)
class Work:
    """One kind of work of the client: its options, the placements of servers that are compared at it, and whether the client
    is in a session of its own, which Linux schedules as a group of its own (autogroup, see sched(7)). Servers and other
    clients share the session of the bench."""

    name: str
    what: str
    options: str
    cores: tuple[str, ...]
    apart: bool = False
    cached = False

    @property
    def figures(self):
        return {self.name: self.what}

    def check(self):
        """Needs nothing that could be missing."""

    def why_not(self):
        return {}

    def run(self, mount, site):
        return {self.name: client(mount, site.tests, self.options, site.time_ms, self.apart)}


EVERYWHERE = ("0", "all", "free")
PINNED = ("0", "all")

WORKS = (
    Work("stat-same", "stat, timeouts 0, client on core 0", "--work stat --cores 0", EVERYWHERE),
    Work("stat-other", "stat, timeouts 0, client on core 1", "--work stat --cores 1", EVERYWHERE),
    Work("stat-free", "stat, timeouts 0, client not pinned", "--work stat --cores any", EVERYWHERE),
    Work("stat-apart", "the same from a session of its own", "--work stat --cores any", EVERYWHERE, apart=True),
    Work("stat-two", "stat, timeouts 0, two clients not pinned", "--work stat --cores any,any", EVERYWHERE),
    Work("read-4k", "4 KiB direct reads, client on core 0", "--work read --size 4096 --cores 0", PINNED),
    Work("write-4k", "4 KiB direct writes, client on core 0", "--work write --size 4096 --cores 0", PINNED),
    Work("read-1m", "1 MiB direct reads, client on core 0", "--work read --size 1048576 --cores 0", PINNED),
    Work("write-1m", "1 MiB direct writes, client on core 0", "--work write --size 1048576 --cores 0", PINNED),
)
