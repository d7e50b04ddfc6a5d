"""The rows of scripts/bench: which servers are compared, at which work.

A server is one line of SERVERS, a work one line of WORKS: that is all there is to adding one.
"""

import dataclasses
import pathlib

FILE_BYTES = 64 << 20


@dataclasses.dataclass(frozen=True)
class Server:
    """One file server to be mounted.

    name     as in the table and in --servers
    kind     "floor", "libfuse" (the peers) or "puffs"; ratios are taken to the best floor of the same transport and to
             the best peer
    cores    where its threads run: "0", "all" or "free"; a work lists which of these it compares
    command  its words; {tests} and {examples} are the folders of the built programs, {cores} the list of all cores.
             The mount point is appended.
    file     the file that the works use
    fill     True when that file must be written before it can be read
    works    the works that it can do, None for all
    transport  how requests come from the kernel: "dev" (reads of /dev/fuse) or "uring" (FUSE over io_uring)
    """

    name: str
    kind: str
    cores: str
    command: str
    file: str = "file"
    fill: bool = False
    works: tuple[str, ...] | None = None
    transport: str = "dev"


@dataclasses.dataclass(frozen=True)
class Work:
    """One kind of work of the client: its options, and the placements of servers that are compared at it."""

    name: str
    what: str
    options: str
    cores: tuple[str, ...]


RING = "--loop ring-poll --flags defer --try"
STATS = ("stat-same", "stat-other", "stat-free", "stat-two")
URING_PARAMETER = pathlib.Path("/sys/module/fuse/parameters/enable_uring")


def puffs_rows(name, command, **fields):
    """The rows of one file server of ours: on both transports, each on core 0 and on all cores."""
    uncached = "-o attr_timeout=0,entry_timeout=0"
    return tuple(
        Server(name + suffix, "puffs", cores, f"{command} -f --transport {transport} --cores {cpus} {uncached}",
               transport=transport, **fields)
        for suffix, cores, cpus, transport in (("", "0", "0", "dev"), ("-all", "all", "{cores}", "dev"),
                                               ("-uring", "0", "0", "uring"), ("-uring-all", "all", "{cores}", "uring")))


def why_no_uring(parameter=URING_PARAMETER):
    """Why servers on FUSE over io_uring cannot be measured here, None when they can."""
    try:
        value = parameter.read_text(encoding="ascii").strip()
    except OSError:
        return "the kernel has no FUSE over io_uring (Linux 6.14 or later has)"
    return None if value in ("Y", "1") else f"FUSE over io_uring is off: echo Y > {parameter}"


SERVERS = (
    Server("floor", "floor", "0", "{tests}/floor_dev --loop read --cores 0"),
    Server("floor-ring", "floor", "0", "{tests}/floor_dev " + RING + " --cores 0"),
    Server("floor-all", "floor", "all", "{tests}/floor_dev " + RING + " --back-off --cores {cores}"),
    Server("floor-uring", "floor", "0", "{tests}/floor_uring --cores 0", transport="uring"),
    Server("floor-uring-all", "floor", "all", "{tests}/floor_uring --cores {cores}", transport="uring"),
    Server("libfuse-single", "libfuse", "0", "{tests}/peer_libfuse --loop single --core 0"),
    Server("libfuse-mt", "libfuse", "0", "{tests}/peer_libfuse --loop mt --core 0"),
    Server("libfuse-mt-clone", "libfuse", "0", "{tests}/peer_libfuse --loop mt-clone --core 0"),
    Server("libfuse-single-free", "libfuse", "free", "{tests}/peer_libfuse --loop single"),
    Server("libfuse-mt-free", "libfuse", "free", "{tests}/peer_libfuse --loop mt"),
    Server("libfuse-mt-clone-free", "libfuse", "free", "{tests}/peer_libfuse --loop mt-clone"),
    *puffs_rows("null", "{tests}/null_puffs"),
    *puffs_rows("hello", "{examples}/hello", file="hello", works=STATS),
    *puffs_rows("memfs", "{examples}/memfs", fill=True),
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
