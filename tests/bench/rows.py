"""The rows of scripts/bench: which servers are compared, at which work.

A server is one line of SERVERS, a work one line of WORKS: that is all there is to adding one.
"""

import dataclasses

FILE_BYTES = 64 << 20


@dataclasses.dataclass(frozen=True)
class Server:
    """One file server to be mounted.

    name     as in the table and in --servers
    kind     "floor", "libfuse" (the peers) or "puffs"; ratios are taken to the best row of the first two
    cores    where its threads run: "0", "all" or "free"; a work lists which of these it compares
    command  its words; {tests} and {examples} are the folders of the built programs, {cores} the list of all cores.
             The mount point is appended.
    file     the file that the works use
    fill     True when that file must be written before it can be read
    works    the works that it can do, None for all
    """

    name: str
    kind: str
    cores: str
    command: str
    file: str = "file"
    fill: bool = False
    works: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Work:
    """One kind of work of the client: its options, and the placements of servers that are compared at it."""

    name: str
    what: str
    options: str
    cores: tuple[str, ...]


UNCACHED = "-o attr_timeout=0,entry_timeout=0"
RING = "--loop ring-poll --flags defer --try"
STATS = ("stat-same", "stat-other", "stat-free", "stat-two")

SERVERS = (
    Server("floor", "floor", "0", "{tests}/floor_dev --loop read --cores 0"),
    Server("floor-ring", "floor", "0", "{tests}/floor_dev " + RING + " --cores 0"),
    Server("floor-all", "floor", "all", "{tests}/floor_dev " + RING + " --back-off --cores {cores}"),
    Server("libfuse-single", "libfuse", "0", "{tests}/peer_libfuse --loop single --core 0"),
    Server("libfuse-mt", "libfuse", "0", "{tests}/peer_libfuse --loop mt --core 0"),
    Server("libfuse-mt-clone", "libfuse", "0", "{tests}/peer_libfuse --loop mt-clone --core 0"),
    Server("libfuse-single-free", "libfuse", "free", "{tests}/peer_libfuse --loop single"),
    Server("libfuse-mt-free", "libfuse", "free", "{tests}/peer_libfuse --loop mt"),
    Server("libfuse-mt-clone-free", "libfuse", "free", "{tests}/peer_libfuse --loop mt-clone"),
    Server("null", "puffs", "0", "{tests}/null_puffs -f --cores 0 " + UNCACHED),
    Server("null-all", "puffs", "all", "{tests}/null_puffs -f --cores {cores} " + UNCACHED),
    Server("hello", "puffs", "0", "{examples}/hello -f --cores 0 " + UNCACHED, file="hello", works=STATS),
    Server("hello-all", "puffs", "all", "{examples}/hello -f --cores {cores} " + UNCACHED, file="hello", works=STATS),
    Server("memfs", "puffs", "0", "{examples}/memfs -f --cores 0 " + UNCACHED, fill=True),
    Server("memfs-all", "puffs", "all", "{examples}/memfs -f --cores {cores} " + UNCACHED, fill=True),
)

WORKS = (
    Work("stat-same", "stat, timeouts 0, client on core 0", "--work stat --cores 0", ("0", "all")),
    Work("stat-other", "stat, timeouts 0, client on core 1", "--work stat --cores 1", ("0", "all", "free")),
    Work("stat-free", "stat, timeouts 0, client not pinned", "--work stat --cores any", ("0", "all", "free")),
    Work("stat-two", "stat, timeouts 0, two clients not pinned", "--work stat --cores any,any", ("0", "all", "free")),
    Work("read-4k", "4 KiB direct reads, client on core 0", "--work read --size 4096 --cores 0", ("0", "all")),
    Work("write-4k", "4 KiB direct writes, client on core 0", "--work write --size 4096 --cores 0", ("0", "all")),
    Work("read-1m", "1 MiB direct reads, client on core 0", "--work read --size 1048576 --cores 0", ("0", "all")),
    Work("write-1m", "1 MiB direct writes, client on core 0", "--work write --size 1048576 --cores 0", ("0", "all")),
)
