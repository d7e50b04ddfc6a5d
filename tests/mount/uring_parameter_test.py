#!/usr/bin/env python3
"""uring_parameter: one kernel parameter for several test runs, some of which are interrupted."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("uring_parameter")


class Run:
    """A test run: a process that starts the script, as ctest does."""

    def __init__(self, *files):
        self.files = " ".join(str(file) for file in files)
        self.shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def does(self, what):
        self.shell.stdin.write(f"{SCRIPT} {what} {self.files}; echo status $?\n")
        self.shell.stdin.flush()
        return self.shell.stdout.readline()

    def dies(self):
        self.shell.kill()
        self.ends()

    def ends(self):
        self.shell.communicate()


class UringParameter(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.parameter = pathlib.Path(folder.name, "parameter")
        self.parameter.write_text("N\n", encoding="ascii")
        self.state = pathlib.Path(folder.name, "state")

    def run_that_wants_it(self):
        run = Run(self.parameter, self.state)
        self.addCleanup(run.ends)
        self.assertEqual(run.does("on"), "status 0\n")
        self.assertEqual(self.value(), "Y")
        return run

    def value(self):
        return self.parameter.read_text(encoding="ascii").strip()

    def test_it_is_put_back_as_it_was(self):
        for before in "N", "Y":
            self.parameter.write_text(before, encoding="ascii")
            self.assertEqual(self.run_that_wants_it().does("restore"), "status 0\n")
            self.assertEqual(self.value(), before)

    def test_it_stays_on_while_another_run_wants_it(self):
        first, second = self.run_that_wants_it(), self.run_that_wants_it()
        first.does("restore")
        self.assertEqual(self.value(), "Y")
        second.does("restore")
        self.assertEqual(self.value(), "N")

    def test_a_run_that_was_interrupted_does_not_count_and_what_was_before_it_is_kept(self):
        self.run_that_wants_it().dies()
        self.assertEqual(self.value(), "Y")
        self.run_that_wants_it().does("restore")
        self.assertEqual(self.value(), "N")

    def test_a_process_with_the_number_of_one_that_is_gone_does_not_count(self):
        run = self.run_that_wants_it()
        lines = self.state.read_text(encoding="ascii").splitlines()
        self.state.write_text("\n".join([*lines, "1 999999999999", ""]), encoding="ascii")
        run.does("restore")
        self.assertEqual(self.value(), "N")

    def test_to_restore_twice_or_without_need_does_nothing(self):
        run = self.run_that_wants_it()
        run.does("restore")
        self.parameter.write_text("Y", encoding="ascii")
        self.assertEqual(run.does("restore"), "status 0\n")
        self.assertEqual(self.value(), "Y")

    def test_a_kernel_that_has_it_not_is_told(self):
        self.parameter.unlink()
        run = Run(self.parameter, self.state)
        self.addCleanup(run.ends)
        self.assertRegex(run.does("on"), "^skipped: this kernel has no FUSE over io_uring")
        self.assertEqual(run.shell.stdout.readline(), "status 77\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
