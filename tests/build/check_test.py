#!/usr/bin/env python3
"""scripts/check refuses what each rule forbids, and accepts the same tree without it.

Usage: check_test.py ROOT (of the tree whose scripts/check is tested).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(sys.argv.pop(1))
HEADER = "// {name} - an example.\n#pragma once\n"


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tree)
        subprocess.run(["git", "init", "-q", self.tree], check=True)
        shutil.copy(f"{ROOT}/.clang-format", self.tree)
        os.mkdir(f"{self.tree}/scripts")
        shutil.copy(f"{ROOT}/scripts/layers.txt", f"{self.tree}/scripts")

    def put(self, path, text):
        path = os.path.join(self.tree, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def check(self, rule):
        done = subprocess.run([f"{ROOT}/scripts/check", "--root", self.tree, rule],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def refuses(self, rule, message):
        status, output = self.check(rule)
        self.assertEqual(status, 1, output)
        self.assertIn(message, output)

    def accepts(self, rule):
        status, output = self.check(rule)
        self.assertEqual(status, 0, output)

    def test_include_of_a_layer_below_is_accepted(self):
        self.put("libpuffs/src/lwkt/a.cc", '#include "puffs/base/error.hh"\n')
        self.put("kmod-shim/msgif/a.cc", '#include "puffs/msg/call.hh"\n')
        self.put("examples/a.cc", "#include <puffs/puffs.hh>\n")
        self.accepts("layers")

    def test_include_of_a_layer_above_is_refused(self):
        self.put("libpuffs/src/base/a.cc", '\n#include "puffs/ipi/cpu.hh"\n')
        self.refuses("layers", "libpuffs/src/base/a.cc:2: layer 'base' includes")

    def test_include_of_the_layer_beside_is_refused(self):
        self.put("kmod-shim/msgif/CMakeLists.txt", "puffs_layer(msgif HEADERS ${dir}/puffs/kmod/a.hh)\n")
        self.put("kmod-shim/include/puffs/kmod/a.hh", '#include "puffs/server/node.hh"\n')
        self.refuses("layers", "layer 'msgif' includes 'puffs/server/node.hh' of 'server'")

    def test_header_of_the_kernel_half_has_the_layer_that_lists_it(self):
        self.put("kmod-shim/mount/CMakeLists.txt", "puffs_layer(mount HEADERS ${dir}/puffs/kmod/a.hh)\n")
        self.put("kmod-shim/mount/a.cc", '#include "puffs/kmod/a.hh"\n')
        self.accepts("layers")
        self.put("kmod-shim/fuse/a.cc", '#include "puffs/kmod/a.hh"\n')
        self.refuses("layers", "layer 'fuse' includes 'puffs/kmod/a.hh' of 'mount'")

    def test_test_of_a_layer_is_held_to_its_order(self):
        self.put("tests/unit/base/a_test.cc", '#include "support/lwkt/cores.hh"\n')
        self.refuses("layers", "layer 'base' includes 'support/lwkt/cores.hh' of 'lwkt'")

    def test_libpuffs_that_includes_the_kernel_half_is_refused(self):
        self.put("libpuffs/src/server/a.cc", '#include "puffs/kmod/msgif/park.hh"\n')
        self.refuses("layers", "libpuffs includes")

    def test_include_through_a_parent_folder_is_refused(self):
        self.put("libpuffs/src/base/a.cc", '#include "../ipi/cpu.hh"\n')
        self.refuses("layers", "climbs out")

    def test_words_of_fuse_stay_in_their_layer(self):
        self.put("kmod-shim/fuse/a.cc", "int fuse_in = 1;\n")
        self.put("libpuffs/src/server/a.cc", "int a = 1; // as fuse_in says\n")
        self.accepts("layers")
        self.put("kmod-shim/msgif/a.cc", "int nodeid = 1;\n")
        self.refuses("layers", "kmod-shim/msgif/a.cc:1: 'nodeid'")

    def test_badly_formatted_source_is_refused(self):
        self.put("libpuffs/src/base/a.cc", "int a = 1;\n")
        self.accepts("format")
        self.put("libpuffs/src/base/a.cc", "int  a=1 ;\n")
        self.refuses("format", "a.cc:1:")

    def test_header_must_name_itself_be_installed_and_stand_alone(self):
        path = "libpuffs/include/puffs/base/a.hh"
        listing = "libpuffs/src/base/CMakeLists.txt"
        self.put(path, HEADER.format(name="base/a.hh"))
        self.put(listing, "puffs_layer(base HEADERS ${include}/puffs/base/a.hh)\n")
        self.accepts("headers")
        self.put(path, HEADER.format(name="base/b.hh"))
        self.refuses("headers", "does not open with '// base/a.hh - purpose'")
        self.put(path, HEADER.format(name="base/a.hh") + "std::size_t a();\n")
        self.refuses("headers", "does not compile alone")
        self.put(path, HEADER.format(name="base/a.hh"))
        self.put(listing, "puffs_layer(base)\n")
        self.refuses("headers", "in no layer's HEADERS")

    def test_length_of_files_and_lines_is_limited(self):
        self.put("libpuffs/src/base/a.cc", "//\n" * 500 + "")
        self.put("libpuffs/src/base/b.cc", "// " + "\u00e4" * 117 + "\n")
        self.accepts("length")
        self.put("libpuffs/src/base/a.cc", "//\n" * 501)
        self.refuses("length", "a.cc: 501 lines")
        self.put("libpuffs/src/base/a.cc", "// " + "a" * 118 + "\n")
        self.refuses("length", "a.cc:1:")

    def test_names_that_say_nothing_are_refused(self):
        self.put("libpuffs/src/base/unmanaged.cc", "")
        self.accepts("names")
        self.put("libpuffs/src/base/mount_helper.cc", "")
        self.refuses("names", "mount_helper.cc: 'helper'")

    def test_words_of_unfinished_work_are_refused(self):
        self.put("libpuffs/src/base/a.cc", "// TODO(perf): batch when more than 8 are queued.\n")
        self.accepts("words")
        self.put("libpuffs/src/base/a.cc", "// TODO: finish.\n")
        self.refuses("words", "a.cc:1:")
        self.put("libpuffs/src/base/a.cc", "// Good enough for now.\n")
        self.refuses("words", "a.cc:1:")

    def test_script_that_does_not_parse_is_refused(self):
        self.put("scripts/a", "#!/bin/bash\necho\n")
        self.accepts("scripts")
        self.put("scripts/a", "#!/bin/bash\nif\n")
        self.refuses("scripts", "scripts/a")

    def test_unknown_rule_is_a_usage_error(self):
        self.assertEqual(self.check("nonsense")[0], 2)


if __name__ == "__main__":
    unittest.main()
