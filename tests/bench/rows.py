"""The rows of scripts/bench: which servers are compared, at which work.

A server is one line of SERVERS, a work one line of latency.WORKS or workloads.WORKLOADS: that is all there is to adding
one.
"""

import dataclasses
import pathlib

import latency
import workloads

FILE_BYTES = 64 << 20


@dataclasses.dataclass(frozen=True)
class Server:
    """One file server to be mounted.

    name     as in the table and in --servers
    kind     "floor", "floor-keep" (with memory for the file), "limit" (tmpfs), "libfuse" (the peers), "given" (on the
             command line) or "puffs"; ratios are taken to the best floor of the same transport, where there is one to the
             best that keeps data for a server that does (fill), to the limit and to the best peer
    cores    where its threads run: "0", "all" or "free", "-" when it has none; a work lists which of these it compares
    command  its words; {tests} and {examples} are the folders of the built programs, {cores} the list of all cores.
             The mount point is appended. None for tmpfs.
    file     the file that the works use
    fill     True when that file must be written before it can be read
    works    the works that it can do, None for all
    transport  how requests come from the kernel: "dev" (reads of /dev/fuse) or "uring" (FUSE over io_uring)
    cached   whether the kernel keeps names, attributes and pages (the workloads) or asks for them each time (latencies)
    quick    whether it takes part in --quick
    """

    name: str
    kind: str
    cores: str
    command: str | None
    file: str = "file"
    fill: bool = False
    works: tuple[str, ...] | None = None
    transport: str = "dev"
    cached: bool = False
    quick: bool = True

    def does(self, work):
        """Whether it is compared at that work."""
        return self.cached == work.cached and self.cores in work.cores and (self.works is None or work.name in self.works)


RING = "--loop ring-poll --flags defer --try"
DATA = ("read-4k", "write-4k", "read-1m", "write-1m")
POLICY_WORKS = ("stat-same", "stat-free", "stat-two", "read-4k")
PLACEMENT_WORKS = ("stat-same", "stat-other", "stat-free", "stat-apart", "stat-two")
UNCACHED = "-o attr_timeout=0,entry_timeout=0"
URING_PARAMETER = pathlib.Path("/sys/module/fuse/parameters/enable_uring")


def puffs_rows(name, command, **fields):
    """The rows of one file server of ours: on both transports, each on core 0 and on all cores."""
    return tuple(
        Server(name + suffix, "puffs", cores, f"{command} -f --transport {transport} --cores {cpus}",
               transport=transport, **fields)
        for suffix, cores, cpus, transport in (("", "0", "0", "dev"), ("-all", "all", "{cores}", "dev"),
                                               ("-uring", "0", "0", "uring"), ("-uring-all", "all", "{cores}", "uring")))


def given_row(name, command, cached):
    """The row of a server of the command line; a name that ends in "-uring" says that it is on io_uring."""
    command = command.replace("{", "{{").replace("}", "}}")
    return Server(name, "given", "free" if cached else "all", command, cached=cached, fill=cached,
                  transport="uring" if name.endswith("-uring") else "dev")


def why_no_uring(parameter=URING_PARAMETER):
    """Why servers on FUSE over io_uring cannot be measured here, None when they can."""
    try:
        value = parameter.read_text(encoding="ascii").strip()
    except OSError:
        return "the kernel has no FUSE over io_uring (Linux 6.14 or later has)"
    return None if value in ("Y", "1") else f"FUSE over io_uring is off: echo Y > {parameter}"


SERVERS = (
    Server("floor", "floor", "0", "{tests}/floor_dev --loop read --cores 0"),
    Server("floor-ring", "floor", "0", "{tests}/floor_dev " + RING + " --cores 0", quick=False),
    Server("floor-all", "floor", "all", "{tests}/floor_dev " + RING + " --back-off --cores {cores}"),
    Server("floor-uring", "floor", "0", "{tests}/floor_uring --cores 0", transport="uring"),
    Server("floor-uring-all", "floor", "all", "{tests}/floor_uring --cores {cores}", transport="uring"),
    Server("floor-keep", "floor-keep", "0", "{tests}/floor_dev --loop read --keep --cores 0", works=DATA),
    Server("floor-keep-uring", "floor-keep", "0", "{tests}/floor_uring --keep --cores 0", works=DATA, transport="uring"),
    Server("libfuse-single", "libfuse", "0", "{tests}/peer_libfuse --loop single --core 0"),
    Server("libfuse-mt", "libfuse", "0", "{tests}/peer_libfuse --loop mt --core 0"),
    Server("libfuse-mt-clone", "libfuse", "0", "{tests}/peer_libfuse --loop mt-clone --core 0", quick=False),
    Server("libfuse-single-free", "libfuse", "free", "{tests}/peer_libfuse --loop single", quick=False),
    Server("libfuse-mt-free", "libfuse", "free", "{tests}/peer_libfuse --loop mt"),
    Server("libfuse-mt-clone-free", "libfuse", "free", "{tests}/peer_libfuse --loop mt-clone"),
    *puffs_rows("null", "{tests}/null_puffs " + UNCACHED),
    # The other policies; null itself is per_node.
    *(Server(f"null-uring-all-{policy}", "puffs", "all",
             "{tests}/null_puffs " + UNCACHED + f",policy={policy} -f --transport uring --cores {{cores}}",
             works=POLICY_WORKS, transport="uring", quick=False) for policy in ("serial", "parallel", "home")),
    # The same, scheduled after everybody else: the kernel then lets a caller stay where it is.
    Server("null-uring-all-idle", "puffs", "all",
           "chrt --idle 0 {tests}/null_puffs " + UNCACHED + " -f --transport uring --cores {cores}",
           works=PLACEMENT_WORKS, transport="uring", quick=False),
    *puffs_rows("hello", "{examples}/hello " + UNCACHED, file="hello", works=("stat-same",), quick=False),
    *puffs_rows("memfs", "{examples}/memfs " + UNCACHED, fill=True),
    Server("tmpfs", "limit", "-", None, fill=True, cached=True),
    Server("libfuse-memfs", "libfuse", "0", "{tests}/peer_memfs --loop mt --core 0", fill=True, cached=True),
    Server("libfuse-memfs-free", "libfuse", "free", "{tests}/peer_memfs --loop mt", fill=True, cached=True),
    Server("libfuse-memfs-clone-free", "libfuse", "free", "{tests}/peer_memfs --loop mt-clone", fill=True, cached=True,
           quick=False),
    *puffs_rows("memfs-cached", "{examples}/memfs", fill=True, cached=True),
)

WORKS = (*latency.WORKS, *workloads.WORKLOADS)
