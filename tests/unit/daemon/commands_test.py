#!/usr/bin/env python3
"""puffsd and puffsctl as their users see them: configuration, output, exit statuses, signals. The file servers are fake.

Usage: commands_test.py PUFFSD PUFFSCTL FAKE_SERVER
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PUFFSD, PUFFSCTL, FAKE = (os.path.abspath(path) for path in sys.argv[1:4])
del sys.argv[1:4]
TIMEOUT_S = 30
NOBODY = 65534


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class CommandsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        os.chmod(self.folder, 0o755)
        self.socket = f"{self.folder}/socket"
        self.daemon = None

    def path(self, name):
        return f"{self.folder}/{name}"

    def config(self, *mounts, head=""):
        text = f'socket = "{self.socket}"\nserver_dirs = ["{os.path.dirname(FAKE)}"]\n{head}\n'
        for where, how in mounts:
            os.makedirs(self.path(where), exist_ok=True)
            text += f'[[mount]]\nserver = "{os.path.basename(FAKE)}"\nsource = "{how}"\nmountpoint = "{self.path(where)}"\n'
        with open(self.path("puffsd.toml"), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path("puffsd.toml")

    def wait(self, what, condition):
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"waited too long: {what}")
            time.sleep(0.01)

    def start(self, *mounts, head="", **options):
        log = open(self.path("log"), "w+", encoding="utf-8")
        self.addCleanup(log.close)
        self.log = log
        self.daemon = subprocess.Popen([PUFFSD, "--config", self.config(*mounts, head=head)], stderr=log, **options)
        self.addCleanup(self.end)
        self.wait("puffsd answers", lambda: self.ctl("status").returncode == 0)
        self.wait("the mounts settle", lambda: len(self.list()) == len(mounts) and
                  all(mount["state"] != "starting" for mount in self.list()))

    def end(self):
        if self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()

    def stop(self, number=signal.SIGTERM):
        self.daemon.send_signal(number)
        return self.daemon.wait(timeout=TIMEOUT_S)

    def ctl(self, *arguments, **options):
        return subprocess.run([PUFFSCTL, "--socket", self.socket, *arguments], capture_output=True, text=True,
                              timeout=TIMEOUT_S, check=False, **options)

    def list(self):
        return json.loads(self.ctl("list", "--json").stdout)["mounts"]

    def logged(self):
        self.log.seek(0)
        return self.log.read()

    def refused(self, status, text, *arguments, **options):
        done = self.ctl(*arguments, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn(text, done.stderr)
        self.assertTrue(done.stderr.startswith("puffsctl: "), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_two_mounts_of_the_file_are_served_shown_and_stopped(self):
        self.start(("a", "serve"), ("b", "serve"))
        mounts = self.list()
        self.assertEqual([mount["state"] for mount in mounts], ["running", "running"])
        lines = self.ctl("list").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["MOUNTPOINT", "SERVER", "SOURCE", "STATE", "PID", "SINCE"])
        self.assertEqual(lines[1].split()[:5], [self.path("a"), "fake_server", "serve", "running", str(mounts[0]["pid"])])
        self.assertEqual(lines[2].split()[0], self.path("b"))

        os.kill(mounts[0]["pid"], signal.SIGKILL)
        self.wait("the death is seen", lambda: self.list()[0]["state"] == "failed")
        self.assertEqual(self.list()[0]["last_exit"]["signal"], 9)
        self.assertIn("killed by signal 9 (KILL)", self.ctl("list").stdout.splitlines()[1])
        self.assertEqual(self.list()[1]["state"], "running")

        self.assertEqual(self.stop(), 0)
        self.assertFalse(alive(mounts[1]["pid"]))
        self.assertFalse(os.path.exists(self.socket))

    def test_each_of_the_three_signals_stops_it(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number):
                self.start(("a", "serve"))
                server = self.list()[0]["pid"]
                self.assertEqual(self.stop(number), 0)
                self.assertFalse(alive(server))

    def test_second_signal_does_not_wait_for_a_stubborn_server(self):
        self.start(("a", "stubborn"), head="stop_timeout_ms = 3600000")
        server = self.list()[0]["pid"]
        self.daemon.send_signal(signal.SIGTERM)
        self.wait("it is stopping", lambda: self.list()[0]["state"] == "stopping")
        self.assertEqual(self.stop(), 0)
        self.assertFalse(alive(server))

    def test_servers_do_not_outlive_a_killed_daemon(self):
        self.start(("a", "serve"))
        server = self.list()[0]["pid"]
        self.stop(signal.SIGKILL)
        self.wait("the server ends", lambda: not alive(server))
        self.start(("a", "serve"))  # the socket that was left behind is no obstacle

    def test_failed_mounts_of_the_file_are_shown_and_the_others_served(self):
        self.start(("a", "die"), ("b", "serve"))
        failed, running = self.list()
        self.assertEqual((failed["state"], running["state"]), ("failed", "running"))
        self.assertEqual(failed["failure"]["code"], "start_failed")
        self.assertIn("cannot open the box", self.ctl("list").stdout)
        self.assertIn(f"[{self.path('a')}] cannot open the box", self.logged())
        self.assertEqual(self.ctl("umount", self.path("a")).returncode, 0)
        self.assertEqual(len(self.list()), 1)

    def test_mount_and_umount(self):
        self.start()
        os.mkdir(self.path("real"))
        os.symlink("real", self.path("link"))
        done = self.ctl("mount", "-o", "ro,x=1", "--cores", "0", "--log-level", "debug", "fake_server", "arguments", "link",
                        cwd=self.folder)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(self.list()[0]["mountpoint"], self.path("real"))
        words = ["-f", "-o", "ro,x=1", "--cores=0", "--log-level=debug", "--ready-fd=3", "arguments", self.path("real")]
        self.wait("the log has the last argument", lambda: f"[{self.path('real')}] [{words[-1]}]" in self.logged())
        printed = [line.split("] [", 1)[1][:-1] for line in self.logged().splitlines() if "] [" in line]
        self.assertEqual(printed, words)
        status = self.ctl("status", "link", cwd=self.folder).stdout
        self.assertRegex(status, r"(?m)^state: +running$")
        self.assertEqual(self.ctl("umount", "link", cwd=self.folder).returncode, 0)
        self.assertEqual(self.list(), [])

    def test_failures_have_one_line_and_a_status(self):
        self.start()
        os.mkdir(self.path("m"))
        self.refused(1, "the moon is full", "mount", FAKE, "refuse", self.path("m"))
        self.refused(1, "no executable file named nofs", "mount", "nofs", self.path("m"))
        self.refused(2, "cores: not a list", "mount", "--cores", "x", FAKE, self.path("m"))
        self.refused(2, "cores: not a list", "mount", "--cores", "", FAKE, self.path("m"))
        self.refused(2, "root directory", "mount", FAKE, "/")
        self.refused(5, "no mount at " + self.path("m"), "umount", self.path("m"))
        self.refused(5, "no mount at", "status", self.path("m"))
        self.refused(2, "unknown subcommand 'fly'", "fly")
        self.refused(2, "mountpoint is required", "umount")
        for usage in ([], ["fly"], ["mount", "one"], ["mount", "1", "2", "3", "4"], ["umount"], ["list", "x"]):
            with self.subTest(usage):
                self.assertEqual(self.ctl(*usage).returncode, 2)

    def test_no_daemon(self):
        self.refused(3, "no puffsd listens on " + self.socket, "list")

    def test_status_of_the_daemon(self):
        self.start(("a", "serve"))
        status = json.loads(self.ctl("--json", "status").stdout)["daemon"]
        self.assertEqual((status["pid"], status["uid"], status["mounts"]), (self.daemon.pid, os.geteuid(), {"running": 1}))

    @unittest.skipIf(os.geteuid() != 0, "needs root to be somebody else")
    def test_other_users_may_look_but_not_touch(self):
        self.start(("a", "serve"))
        self.assertIn("running", self.ctl("list", user=NOBODY).stdout)
        self.refused(4, f"user {NOBODY} may not umount", "umount", self.path("a"), user=NOBODY)
        self.refused(4, f"user {NOBODY} may not mount", "mount", FAKE, self.path("b"), user=NOBODY)
        self.assertEqual(self.list()[0]["state"], "running")
        self.stop()
        self.start(("a", "serve"), head='others = "nothing"')
        self.refused(4, f"user {NOBODY} may do nothing here", "list", user=NOBODY)
        self.stop()
        self.start(("a", "serve"), head=f"allow_uids = [{NOBODY}]")
        self.assertEqual(self.ctl("umount", self.path("a"), user=NOBODY).returncode, 0)

    def idle_clients(self, count, user):
        """Connects as this user, and returns what each was told; those that were told nothing stay connected."""
        told = []
        for _ in range(count):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.settimeout(0.1)
            os.seteuid(user)  # whom puffsd sees
            try:
                client.connect(self.socket)
            finally:
                os.seteuid(0)
            try:
                told.append(client.recv(4096).decode())
            except TimeoutError:
                told.append("")
        return told

    @unittest.skipIf(os.geteuid() != 0, "needs root to be somebody else")
    def test_other_users_leave_room_for_those_who_may_do_everything(self):
        self.start()
        told = self.idle_clients(6, NOBODY)
        self.assertEqual(told[:4], [""] * 4)
        for line in told[4:]:
            self.assertIn(f"4 clients of user {NOBODY} are connected already", line)
        for user in (NOBODY - 1, NOBODY - 2, NOBODY - 3):
            self.assertEqual(self.idle_clients(4, user), [""] * 4)
        self.assertIn("16 clients of ordinary users are connected already", self.idle_clients(1, NOBODY - 4)[0])
        self.assertEqual(self.ctl("list").returncode, 0)
        self.assertEqual(self.idle_clients(16, 0), [""] * 16)
        self.assertIn("32 clients are connected already", self.idle_clients(1, 0)[0])

    @unittest.skipIf(os.geteuid() != 0, "needs root to be somebody else")
    def test_users_who_may_do_nothing_take_no_room(self):
        self.start(head='others = "nothing"')
        for line in self.idle_clients(32, NOBODY):
            self.assertEqual(json.loads(line)["error"]["code"], "denied")
        self.assertEqual(self.ctl("list").returncode, 0)

    @unittest.skipIf(os.geteuid() != 0, "needs root to be somebody else")
    def test_ordinary_user_has_a_daemon_of_their_own(self):
        runtime = self.path("runtime")
        os.mkdir(runtime, 0o700)
        os.chown(runtime, NOBODY, NOBODY)
        environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": runtime}
        self.daemon = subprocess.Popen([PUFFSD], env=environment, user=NOBODY, group=NOBODY, extra_groups=[],
                                       stderr=subprocess.DEVNULL)
        self.addCleanup(self.end)
        self.wait("the socket is there", lambda: os.path.exists(f"{runtime}/puffsd.sock"))
        mountpoint = f"{runtime}/m"
        for arguments in (["mount", FAKE, "serve", mountpoint], ["list"], ["umount", mountpoint]):
            done = subprocess.run([PUFFSCTL, *arguments], env=environment, user=NOBODY, capture_output=True, text=True,
                                  timeout=TIMEOUT_S, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.stop(), 0)

    def test_bad_configuration_is_refused_with_its_line(self):
        with open(self.path("bad.toml"), "w", encoding="utf-8") as file:
            file.write('socket = "/s"\nspeed = 9\n')
        for extra in ([], ["--check"]):
            done = subprocess.run([PUFFSD, "--config", self.path("bad.toml"), *extra], capture_output=True, text=True,
                                  timeout=TIMEOUT_S, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr, f"puffsd: {self.path('bad.toml')}:2: unknown key 'speed'\n")
        good = subprocess.run([PUFFSD, "--check", "--config", self.config(("a", "serve"))], timeout=TIMEOUT_S, check=False)
        self.assertEqual(good.returncode, 0)

    def test_second_daemon_on_a_socket_is_refused(self):
        self.start(("a", "serve"))
        second = subprocess.run([PUFFSD, "--config", self.path("puffsd.toml")], capture_output=True, text=True,
                                timeout=TIMEOUT_S, check=False)
        self.assertEqual(second.returncode, 1)
        self.assertIn("another puffsd serves " + self.socket, second.stderr)
        self.assertEqual(self.list()[0]["state"], "running")

    def test_wrong_usage_of_the_daemon_has_one_line_with_its_name(self):
        for usage, text in ((["--fly"], "--fly"), (["--config"], "--config"), (["--log-level", "loud"], "loud")):
            with self.subTest(usage):
                done = subprocess.run([PUFFSD, *usage], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"\Apuffsd: .*" + text + r".*; see --help\n\Z")

    def test_help_and_version(self):
        for program in (PUFFSD, PUFFSCTL):
            for option, text in (("--help", "Exit status:"), ("--version", os.path.basename(program) + " ")):
                done = subprocess.run([program, option], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
                self.assertEqual(done.returncode, 0)
                self.assertIn(text, done.stdout)
            self.assertEqual(subprocess.run([program, "--no-such"], capture_output=True, timeout=TIMEOUT_S,
                                            check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
