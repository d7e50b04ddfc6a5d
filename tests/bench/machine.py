"""What scripts/bench measures on: facts of the machine and the tree, and the priority of what it runs."""

import contextlib
import datetime
import os
import pathlib
import platform
import re
import subprocess


def output_of(words, folder, timeout_s=30):
    """What a command prints in that folder, "" when it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=True, cwd=folder)
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def cpu_pressure():
    """Share of time in which some task waited for a core, of the last 10 s, in percent; None where unknown."""
    with contextlib.suppress(OSError):
        match = re.search(r"some avg10=([\d.]+)", pathlib.Path("/proc/pressure/cpu").read_text(encoding="ascii"))
        return float(match.group(1)) if match else None
    return None


def facts(root, build_dir):
    """What the figures were measured on."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    cache = build_dir / "CMakeCache.txt"
    settings = cache.read_text(encoding="utf-8") if cache.exists() else ""
    compiler = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", settings, re.M)
    version = output_of([compiler.group(1), "--version"], root).splitlines() if compiler else []
    dirty = "+changes" if output_of(["git", "status", "--porcelain"], root) else ""
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "kernel": platform.release(),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "compiler": version[0] if version else "unknown",
        "libfuse": output_of(["pkg-config", "--modversion", "fuse3"], root) or "unknown",
        "commit": (output_of(["git", "rev-parse", "--short", "HEAD"], root) or "unknown") + dirty,
        "load": os.getloadavg()[0],
        "cpu_pressure_percent": cpu_pressure(),
    }


@contextlib.contextmanager
def priority(nice, autogroup=pathlib.Path("/proc/self/autogroup")):
    """Raises the priority of this process and what it starts; where the kernel schedules by session, the session's too,
    and puts that back at the end. Yields the nice value in force."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except PermissionError:
        yield os.getpriority(os.PRIO_PROCESS, 0)
        return
    before = []  # "/autogroup-N nice M"; empty for a process that has been in no session of its own since boot
    with contextlib.suppress(OSError):
        before = autogroup.read_text(encoding="ascii").split()
        if before:
            autogroup.write_text(str(nice), encoding="ascii")
    try:
        yield nice
    finally:
        if before:
            with contextlib.suppress(OSError):
                autogroup.write_text(before[-1], encoding="ascii")
