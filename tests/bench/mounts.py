"""Mounting and unmounting of one file server, or of tmpfs, for scripts/bench.

Everything waits at most DEADLINE_S, and a server that does not go by itself is aborted, killed by its pid and detached.
"""

import os
import pathlib
import subprocess
import time

DEADLINE_S = 10
FUSE_CONNECTIONS = pathlib.Path("/sys/fs/fuse/connections")
TMPFS_SIZE = "size=2g"


class MountFailed(Exception):
    """The server did not mount; the text says what it printed."""


def mount_minor(path):
    """The minor device number of what is mounted at `path`, None when nothing is. Never asks the file system."""
    minor = None
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        for line in table:
            fields = line.split()
            if fields[4] == path:
                minor = int(fields[2].split(":")[1])
    return minor


def wait_until(condition):
    """Polls `condition` until it is true or DEADLINE_S passed; whether it became true."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def quietly(words):
    """Runs a command that may fail; whether it succeeded in time."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=DEADLINE_S, check=False)
    except (subprocess.TimeoutExpired, FileNotFoundError):
        return False
    return done.returncode == 0


def unmount(path, lazily):
    """Takes one mount away from `path`; whether that worked."""
    flags = ["-l"] if lazily else []
    if os.geteuid() == 0:
        return quietly(["umount", *flags, path])
    return quietly(["fusermount3", "-u", *(["-z"] if lazily else []), path])


class Mount:
    """A running server and its mount point, a new folder in `base`."""

    def __init__(self, server, words, base):
        self.server = server
        self.words = [*words, str(base / server.name)]
        self.path = self.words[-1]
        self.process = None

    @property
    def file(self):
        return os.path.join(self.path, self.server.file)

    def start(self):
        """Starts the server and waits until it is in the mount table. Raises MountFailed; then nothing is left."""
        os.mkdir(self.path)
        log = open(self.path + ".log", "w+", encoding="utf-8", errors="replace")
        with log:
            # A process group of its own: Ctrl-C reaches the runner, which unmounts in order.
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            process_group=0)
        wait_until(lambda: mount_minor(self.path) is not None or self.process.poll() is not None)
        if mount_minor(self.path) is None:
            self.stop()
            raise MountFailed(f"did not mount; it said: {self.said() or 'nothing'}")

    def said(self):
        """The last lines that the server printed."""
        with open(self.path + ".log", encoding="utf-8", errors="replace") as log:
            return " | ".join(log.read().strip().splitlines()[-5:])

    def abort(self):
        """Aborts the FUSE connection, so that everybody who waits for the server gets an error."""
        minor = mount_minor(self.path)
        if minor is not None:
            try:
                (FUSE_CONNECTIONS / str(minor) / "abort").write_text("1", encoding="ascii")
            except OSError:
                pass  # no fusectl mounted, or not ours: killing the server aborts as well

    def stop(self):
        """Unmounts and ends the server, by force where it does not go by itself. A second call does nothing."""
        if self.process is None:
            return
        if mount_minor(self.path) is not None and not unmount(self.path, lazily=False):
            self.abort()
        for end in (lambda: None, self.process.terminate, self.process.kill):
            end()
            try:
                self.process.wait(DEADLINE_S / 2)
                break
            except subprocess.TimeoutExpired:
                self.abort()
        while mount_minor(self.path) is not None and unmount(self.path, lazily=True):
            pass
        self.process = None
        if mount_minor(self.path) is None:
            os.rmdir(self.path)


class Tmpfs(Mount):
    """The kernel's own memory file system: a mount without a server."""

    def __init__(self, server, base):
        super().__init__(server, [], base)
        self.words = ["mount", "-t", "tmpfs", "-o", TMPFS_SIZE, "tmpfs", self.path]

    def start(self):
        os.mkdir(self.path)
        if not quietly(self.words):
            os.rmdir(self.path)
            raise MountFailed("mounting tmpfs failed (it needs root)")

    def said(self):
        return ""

    def stop(self):
        while mount_minor(self.path) is not None and (unmount(self.path, lazily=False) or unmount(self.path, lazily=True)):
            pass
        if mount_minor(self.path) is None and os.path.isdir(self.path):
            os.rmdir(self.path)
