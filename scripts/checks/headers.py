#!/usr/bin/env python3
"""Public headers: the first line names the file and its purpose, a layer installs it, and it compiles alone.

Usage: headers.py ROOT. Prints FILE:LINE: reason; exit status 1 when there is any.
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

INCLUDE_DIRS = ("libpuffs/include", "kmod-shim/include")
FIRST_LINE = re.compile(r"^// ([a-z0-9_/]+\.hh) - \S")


def headers(root):
    for folder in INCLUDE_DIRS:
        for where, _, names in sorted(os.walk(os.path.join(root, folder))):
            for name in sorted(names):
                if name.endswith(".hh"):
                    yield os.path.relpath(os.path.join(where, name), root)


def check_text(root, path):
    lines = open(os.path.join(root, path), encoding="utf-8").read().splitlines() or [""]
    match = FIRST_LINE.match(lines[0])
    named = path.split("/include/", 1)[1]  # puffs/ipi/ipiq.hh is named ipi/ipiq.hh
    if not match or match.group(1) not in (named, named.split("/", 1)[1]):
        yield f"{path}:1: does not open with '// {named.split('/', 1)[1]} - purpose'"
    if "#pragma once" not in lines:
        yield f"{path}:1: no #pragma once"


def check_installed(root, paths):
    """A header that no puffs_layer() lists is not installed. A half without any layer yet has nothing to list."""
    for include_dir in INCLUDE_DIRS:
        half = include_dir.split("/")[0]
        declared = {}  # folder of a layer: its CMakeLists.txt
        for where, _, names in os.walk(os.path.join(root, half)):
            if "CMakeLists.txt" in names:
                text = open(os.path.join(where, "CMakeLists.txt"), encoding="utf-8").read()
                declared[os.path.basename(where)] = text if "puffs_layer(" in text else ""
        for path in (p for p in paths if p.startswith(include_dir)):
            named = path.split("/include/", 1)[1]
            parts = named.split("/")
            owner = [parts[1]] if parts[1] in declared else [d for d in declared if d != half]
            if not all(declared[d] for d in owner):
                continue
            if not any(re.search(r"[/\s(]" + re.escape(named) + r"[\s)]", declared[d]) for d in owner):
                yield f"{path}:1: in no layer's HEADERS, so it is not installed"


def compiler(root):
    """The compiler and its flags; through ccache where there is one, for a header seldom changes."""
    packages = subprocess.run(["pkg-config", "--cflags", "fuse3", "liburing", "spdlog"],
                              capture_output=True, text=True, check=True).stdout.split()
    launcher = ["ccache"] if shutil.which("ccache") else []
    return (launcher + ["g++", "-std=c++23", "-Wall", "-Wextra", "-Wshadow", "-Wconversion",
                        "-Wswitch-enum", "-Wnon-virtual-dtor", "-Werror"]
            + [f"-I{root}/{d}" for d in INCLUDE_DIRS] + packages)


def check_compiles(root, path, command):
    named = path.split("/include/", 1)[1]
    alone = f"{root}/build/headers/{named.replace('/', '_')}.cc"
    text = f'#include "{named}"\n'
    if not os.path.exists(alone) or open(alone, encoding="utf-8").read() != text:
        with open(alone, "w", encoding="utf-8") as file:
            file.write(text)
    done = subprocess.run(command + ["-c", alone, "-o", alone + ".o"], capture_output=True, text=True)
    return [] if done.returncode == 0 else [f"{path}:1: does not compile alone", done.stderr.rstrip()]


def main():
    root = os.path.abspath(sys.argv[1])
    paths = list(headers(root))
    bad = [problem for path in paths for problem in check_text(root, path)]
    bad += check_installed(root, paths)
    command = compiler(root)
    os.makedirs(f"{root}/build/headers", exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for problems in pool.map(lambda path: check_compiles(root, path, command), paths):
            bad += problems
    print("\n".join(bad) + "\n" if bad else "", end="")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
