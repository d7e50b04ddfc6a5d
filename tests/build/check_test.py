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

    def check(self, rule, *options):
        done = subprocess.run([f"{ROOT}/scripts/check", "--root", self.tree, *options, rule],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def refuses(self, rule, message, *options):
        status, output = self.check(rule, *options)
        self.assertEqual(status, 1, output)
        self.assertIn(message, output)

    def accepts(self, rule, *options):
        status, output = self.check(rule, *options)
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

    # A tree with a header, two sources that include it by way of another, and one that does not; all committed. Its
    # clang-tidy says which source it is given, refuses those that hold the word "bad", and notes them in tidy.log.
    def put_tidy_tree(self):
        self.put("bin/clang-tidy-19", """#!/bin/bash
[ "$1" = --version ] && exit
source=${!#}
echo "${source##*/}" >>"%s/tidy.log"
! grep -n bad "$source"
""" % self.tree)
        os.chmod(f"{self.tree}/bin/clang-tidy-19", 0o755)
        os.environ["PATH"], path = f"{self.tree}/bin:{os.environ['PATH']}", os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        self.put(".gitignore", "/build/\n/tidy.log\n")
        self.put(".clang-tidy", "")
        self.put("CMakePresets.json", """{"version": 6, "configurePresets": [{
            "name": "clang", "binaryDir": "${sourceDir}/build/clang", "generator": "Ninja"}]}""")
        self.put("CMakeLists.txt", """cmake_minimum_required(VERSION 3.25)
            project(a LANGUAGES CXX)
            set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
            add_library(a OBJECT a/one.cc a/two.cc b/three.cc)
            target_include_directories(a PRIVATE .)
            add_subdirectory(b)""")
        self.put("b/CMakeLists.txt", "")
        self.put("a/low.hh", "")
        self.put("a/high.hh", '#include "a/low.hh"\n')
        self.put("a/one.cc", '#include "high.hh"\n')
        self.put("a/two.cc", "#include <a/high.hh>\n")
        self.put("b/three.cc", "")
        self.commit("base")

    def commit(self, message):
        for words in (["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a", "commit", "-q", "-m", message]):
            subprocess.run(["git", "-C", self.tree, *words], check=True)

    def analysed(self):
        path = f"{self.tree}/tidy.log"
        if not os.path.exists(path):
            return []
        with open(path) as file:
            names = sorted(file.read().split())
        os.remove(path)
        return names

    def test_clean_source_is_analysed_again_only_when_its_text_changed(self):
        self.put_tidy_tree()
        self.put("a/two.cc", '#include <a/high.hh>\n// bad\n')
        self.refuses("tidy", "2:// bad")
        self.assertEqual(self.analysed(), ["one.cc", "three.cc", "two.cc"])
        self.put("a/two.cc", "#include <a/high.hh>\n")
        self.put("b/three.cc", "int three;\n")
        self.accepts("tidy")
        self.assertEqual(self.analysed(), ["three.cc", "two.cc"])

    def test_tidy_since_a_revision_looks_at_what_changes_can_touch(self):
        self.put_tidy_tree()
        self.put("b/three.cc", "// bad\n")
        self.commit("three")
        self.accepts("tidy", "--since", "HEAD")
        self.assertEqual(self.analysed(), [])
        self.put("a/low.hh", "int low();\n")
        self.accepts("tidy", "--since", "HEAD")
        self.assertEqual(self.analysed(), ["one.cc", "two.cc"])
        self.refuses("tidy", "1:// bad", "--since", "HEAD~1")
        self.assertEqual(self.analysed(), ["three.cc"])

    def test_tidy_since_a_revision_follows_the_build_and_the_checks(self):
        self.put_tidy_tree()
        self.put("b/CMakeLists.txt", "# changed\n")
        self.accepts("tidy", "--since", "HEAD")
        self.assertEqual(self.analysed(), ["three.cc"])
        self.put(".clang-tidy", "# changed\n")
        self.accepts("tidy", "--since", "HEAD")
        self.assertEqual(self.analysed(), ["one.cc", "three.cc", "two.cc"])

    def test_tidy_since_no_revision_is_refused(self):
        self.put_tidy_tree()
        self.refuses("tidy", "nonsense", "--since", "nonsense")

    def test_script_that_does_not_parse_is_refused(self):
        self.put("scripts/a", "#!/bin/bash\necho\n")
        self.accepts("scripts")
        self.put("scripts/a", "#!/bin/bash\nif\n")
        self.refuses("scripts", "scripts/a")

    def test_unknown_rule_is_a_usage_error(self):
        self.assertEqual(self.check("nonsense")[0], 2)


if __name__ == "__main__":
    unittest.main()
