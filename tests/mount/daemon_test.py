#!/usr/bin/env python3
"""puffsd with real file servers: what its file names is mounted and answers, a dead server's mount goes away, and nothing
stays mounted after SIGTERM; for root, and for an ordinary user through fusermount3.

Usage: daemon_test.py PUFFSD PUFFSCTL HELLO MEMFS. Skips (77) where /dev/fuse cannot be opened.
"""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

PUFFSD, PUFFSCTL, HELLO, MEMFS = (os.path.abspath(path) for path in sys.argv[1:5])
del sys.argv[1:5]
TIMEOUT_S = 30
NOBODY = 65534


def mounts_below(folder):
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        return sorted(line.split()[4] for line in table if line.split()[4].startswith(folder))


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


class MountedDaemonTest(unittest.TestCase):
    user = {}

    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(self.clean_up)
        self.socket = f"{self.folder}/socket"
        self.hello, self.memfs = f"{self.folder}/hello", f"{self.folder}/memfs"
        os.mkdir(self.hello)
        os.mkdir(self.memfs)
        self.config = f"{self.folder}/puffsd.toml"
        with open(self.config, "w", encoding="utf-8") as file:
            for server, mountpoint in ((HELLO, self.hello), (MEMFS, self.memfs)):
                file.write(f'[[mount]]\nserver = "{server}"\nmountpoint = "{mountpoint}"\n')
        self.daemon = None

    def clean_up(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            self.daemon.wait()
        for mountpoint in mounts_below(self.folder):
            subprocess.run(["umount", "-l", mountpoint], check=False)
        shutil.rmtree(self.folder)

    def wait(self, what, condition):
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"waited too long: {what}")
            time.sleep(0.01)

    def start(self):
        self.daemon = subprocess.Popen([PUFFSD, "--socket", self.socket, "--config", self.config], **self.user)
        self.wait("the mounts settle", lambda: [mount["state"] for mount in self.list()] not in
                  ([], ["starting"], ["starting"] * 2, ["starting", "running"], ["running", "starting"]))
        self.assertEqual([(mount["mountpoint"], mount["state"]) for mount in self.list()],
                         [(self.hello, "running"), (self.memfs, "running")])

    def ctl(self, *arguments):
        return subprocess.run([PUFFSCTL, "--socket", self.socket, *arguments], capture_output=True, text=True,
                              timeout=TIMEOUT_S, check=False, **self.user)

    def list(self):
        done = self.ctl("list", "--json")
        return json.loads(done.stdout)["mounts"] if done.returncode == 0 else []

    def command(self, *words):
        return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=True, **self.user).stdout

    def both_serve(self):
        self.assertEqual(mounts_below(self.folder), [self.hello, self.memfs])
        self.assertTrue(self.command("cat", f"{self.hello}/hello"))
        self.command("sh", "-c", f"echo words > {self.memfs}/file")
        self.assertEqual(self.command("cat", f"{self.memfs}/file"), "words\n")

    def test_two_mounts_are_served_and_gone_after_sigterm(self):
        self.start()
        self.both_serve()
        shown = self.ctl("list").stdout
        self.assertIn(self.hello, shown)
        self.assertIn(self.memfs, shown)
        servers = children_of(self.daemon.pid)
        self.assertEqual(len(servers), 2)
        self.daemon.terminate()
        self.assertEqual(self.daemon.wait(timeout=TIMEOUT_S), 0)
        self.assertEqual(mounts_below(self.folder), [])
        for server in servers:
            self.assertFalse(os.path.exists(f"/proc/{server}"))

    def test_killed_server_is_reported_and_its_mount_detached(self):
        self.start()
        victim = self.list()[0]["pid"]
        os.kill(victim, signal.SIGKILL)
        self.wait("the death is seen", lambda: self.list()[0]["state"] == "failed")
        dead, other = self.list()
        self.assertEqual((dead["failure"]["code"], dead["last_exit"]["signal"]), ("died", signal.SIGKILL))
        self.assertEqual(other["state"], "running")
        self.assertEqual(mounts_below(self.folder), [self.memfs])
        self.assertEqual(os.listdir(self.hello), [])
        self.assertEqual(self.ctl("mount", HELLO, self.hello).returncode, 0)
        self.both_serve()

    def hold_a_file_open(self):
        """A process that has a file of the memfs open until it is killed."""
        holder = subprocess.Popen(["sh", "-c", f"exec 3> {self.memfs}/open; echo open; exec sleep 60"],
                                  stdout=subprocess.PIPE, text=True, **self.user)
        self.addCleanup(holder.communicate)
        self.addCleanup(holder.kill)
        self.assertEqual(holder.stdout.readline(), "open\n")
        return holder

    def test_killed_server_with_open_files_is_detached(self):
        self.start()
        self.hold_a_file_open()
        os.kill(self.list()[1]["pid"], signal.SIGKILL)
        self.wait("the death is seen", lambda: self.list()[1]["state"] == "failed")
        self.assertEqual(mounts_below(self.folder), [self.hello])

    def test_servers_of_a_killed_daemon_detach_what_is_in_use(self):
        self.start()
        servers = children_of(self.daemon.pid)
        holder = self.hold_a_file_open()
        self.daemon.kill()
        self.daemon.wait()
        self.wait("the mounts are gone", lambda: mounts_below(self.folder) == [])
        self.assertTrue(any(os.path.exists(f"/proc/{server}") for server in servers))
        holder.kill()
        self.wait("the servers are gone", lambda: not any(os.path.exists(f"/proc/{server}") for server in servers))

    def test_umount_of_one_leaves_the_other(self):
        self.start()
        done = self.ctl("umount", self.hello)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(mounts_below(self.folder), [self.memfs])
        self.assertEqual([mount["mountpoint"] for mount in self.list()], [self.memfs])

    def unmounted_and_mounted_by_somebody_else(self, *unmount):
        """The daemon gets no time in between, and the kernel may give the same numbers to the new mount."""
        self.daemon.send_signal(signal.SIGSTOP)
        try:
            self.command(*unmount, self.memfs)
            self.command(HELLO, self.memfs)
        finally:
            self.daemon.send_signal(signal.SIGCONT)

    def stays_somebody_elses(self):
        self.wait("it is seen", lambda: self.list()[1]["state"] == "stopped")
        self.assertEqual(self.command("ls", self.memfs), "hello\n")
        self.assertEqual(self.ctl("umount", self.memfs).returncode, 0)
        self.assertEqual(self.command("ls", self.memfs), "hello\n")
        self.command("fusermount3", "-u", self.memfs)

    def test_mount_of_somebody_else_in_the_place_of_ours_is_left_alone(self):
        self.start()
        self.unmounted_and_mounted_by_somebody_else("fusermount3", "-u")
        self.stays_somebody_elses()

    def test_mount_of_somebody_else_in_the_place_of_ours_in_use_is_left_alone(self):
        self.start()
        holder = self.hold_a_file_open()
        self.unmounted_and_mounted_by_somebody_else("fusermount3", "-u", "-z")
        holder.kill()
        self.stays_somebody_elses()

    def test_unmounted_by_somebody_else_is_stopped_not_failed(self):
        self.start()
        subprocess.run(["umount", self.hello], timeout=TIMEOUT_S, check=True)
        self.wait("it is seen", lambda: self.list()[0]["state"] == "stopped")
        self.assertEqual(self.ctl("mount", HELLO, self.hello).returncode, 0)


@unittest.skipIf(os.geteuid() != 0, "needs root to be somebody else")
class OrdinaryUserTest(MountedDaemonTest):
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def setUp(self):
        super().setUp()
        for path in (self.folder, self.hello, self.memfs):
            os.chown(path, NOBODY, NOBODY)
        mode = stat.S_IMODE(os.stat("/dev/fuse").st_mode)
        if mode != 0o666:  # distributions make it so
            os.chmod("/dev/fuse", 0o666)
            self.addCleanup(os.chmod, "/dev/fuse", mode)


if __name__ == "__main__":
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        print("skipped: /dev/fuse cannot be opened")
        sys.exit(77)
    unittest.main(verbosity=2)
