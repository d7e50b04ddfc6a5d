#!/usr/bin/env python3
"""Refuses includes that go upward in scripts/layers.txt, and FUSE's words outside its layer.

Usage: layers.py ROOT. Prints FILE:LINE: reason; exit status 1 when there is any.
"""

import glob
import os
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
FUSE_WORD = re.compile(r"\b(nodeid\w*|fuse_\w+|FUSE_\w+)\b")
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
FOLDERS = ("libpuffs", "kmod-shim", "daemon", "examples", "tests")
# Tests of the protocol itself, and peers that speak it, may use its words too.
# kmod-shim/mount/mount_point.cc mounts through libfuse and so calls it by its names.
SPEAKS_FUSE = re.compile(r"^(kmod-shim/(include/puffs/kmod/)?fuse/|kmod-shim/mount/mount_point\.cc|tests/(unit|support)/fuse/"
                         r"|tests/(fuzz|bench|mount|stress)/)")


def read_layers(path):
    """{layer: all layers that it may use}, in the order of the file."""
    below = {}
    for line in open(path, encoding="utf-8"):
        match = re.match(r"^([a-z_]+):(.*)$", line)
        if match:
            direct = match.group(2).split()
            below[match.group(1)] = set(direct).union(*(below[d] for d in direct))
    return below


def read_headers(root):
    """{public header as included: layer}, from the HEADERS of the layers' CMakeLists.txt."""
    owners = {}
    for half in ("libpuffs/src", "kmod-shim"):
        for listing in glob.glob(os.path.join(root, half, "*", "CMakeLists.txt")):
            layer = os.path.basename(os.path.dirname(listing))
            for header in re.findall(r"\bpuffs/[\w/]+\.hh\b", open(listing, encoding="utf-8").read()):
                owners[header] = layer
    return owners


def layer_of_file(path, layers, owners):
    """The layer that a file of the tree belongs to, or None (a test that spans layers)."""
    parts = path.split("/")
    if path.startswith(("libpuffs/include/", "kmod-shim/include/")):
        return layer_of_include("/".join(parts[2:]), layers, owners)
    if path.startswith("libpuffs/src/"):
        return parts[2]
    if parts[0] == "kmod-shim":
        return parts[1]
    if parts[0] == "tests" and len(parts) > 3 and parts[1] in ("unit", "support"):
        return parts[2] if parts[2] in layers else None
    return parts[0] if parts[0] in layers else None


def layer_of_include(name, layers, owners):
    """The layer of an include as written; None when it is not the project's, or has no layer yet."""
    parts = name.split("/")
    if parts[0] == "support" and len(parts) > 2:
        return parts[1] if parts[1] in layers else None
    if parts[0] in layers and len(parts) == 2:  # a private header of a layer of kmod-shim
        return parts[0]
    if parts[0] != "puffs":
        return None
    if name in owners or parts[1] == "kmod":
        return owners.get(name)
    return "mount" if name == "puffs/puffs.hh" else parts[1]


def without_comments_and_strings(text):
    return COMMENT_OR_STRING.sub(lambda m: "\n" * m.group(0).count("\n"), text)


def check_file(root, path, layers, owners):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = file.read()
    own = layer_of_file(path, layers, owners)
    is_test = path.startswith("tests/")
    if own is not None and own not in layers:
        yield f"{path}:1: folder of layer '{own}', which scripts/layers.txt does not have"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        name = match.group(2)
        if path.startswith("libpuffs/") and name.startswith("puffs/kmod/"):
            yield f"{path}:{number}: libpuffs includes '{name}' of kmod-shim"
            continue
        if "../" in name:
            yield f"{path}:{number}: '{name}' climbs out of its folder"
            continue
        other = layer_of_include(name, layers, owners)
        if other is not None and other not in layers:
            yield f"{path}:{number}: '{name}' is of layer '{other}', which scripts/layers.txt does not have"
            continue
        if own is None or other is None or other == own or other in layers[own]:
            continue
        yield f"{path}:{number}: layer '{own}' includes '{name}' of '{other}', which is not below it"
    if not SPEAKS_FUSE.match(path) and not (is_test and own is None):
        for number, line in enumerate(without_comments_and_strings(text).splitlines(), 1):
            match = None if INCLUDE.match(line) else FUSE_WORD.search(line)
            if match:
                yield f"{path}:{number}: '{match.group(0)}' is a word of kmod-shim/fuse only"


def sources(root):
    for folder in FOLDERS:
        for where, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = [f for f in folders if f not in ("build", "fixture")]
            for name in names:
                if name.endswith((".hh", ".cc")):
                    yield os.path.relpath(os.path.join(where, name), root)


def main():
    root = sys.argv[1]
    layers = read_layers(os.path.join(root, "scripts", "layers.txt"))
    owners = read_headers(root)
    bad = [problem for path in sorted(sources(root))
           for problem in check_file(root, path, layers, owners)]
    print("\n".join(bad) + "\n" if bad else "", end="")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
