#!/usr/bin/env python3
"""clang-tidy 19 over the sources of a tree, each in the way the clang preset compiles it.

Usage: tidy.py ROOT [--since REV] [PART...]

--since REV   only sources that a change since the branch left REV can touch: theirs, that of a header that they include at
              any depth, of a CMakeLists.txt above them. What is not committed counts.
PART          only sources whose path contains one of the parts

A source is analysed again only when something changed that can change the answer: its preprocessed text, the checks, or
clang-tidy itself. The proofs of clean sources are kept in ROOT/build/tidy-cache.
"""

import argparse
import concurrent.futures
import glob
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

TIDY = "clang-tidy-19"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', re.MULTILINE)


def configure(root):
    """The commands of build/clang, after bringing its configuration up to date."""
    done = subprocess.run(["cmake", "--preset", "clang"], cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    with open(f"{root}/build/clang/compile_commands.json", encoding="utf-8") as file:
        return {os.path.normpath(entry["file"]): entry for entry in json.load(file)}


def git(root, *words):
    """The lines that git prints."""
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout.split("\n")[:-1]


def listed(root, *patterns):
    return git(root, "ls-files", "--cached", "--others", "--exclude-standard", *patterns)


def changed_since(root, revision):
    return set(git(root, "diff", "--name-only", "--merge-base", revision)
               + git(root, "ls-files", "--others", "--exclude-standard"))


def includes(root):
    """Of each file of the tree, those that it includes: the one beside it, else all whose path ends so."""
    files = [f for f in listed(root, "*.hh", "*.cc") if os.path.exists(f"{root}/{f}")]
    known = set(files)
    ends = {}
    for file in files:
        at = len(file)
        while at > 0:
            at = file.rfind("/", 0, at)
            ends.setdefault(file[at + 1 :], []).append(file)
    found = {}
    for file in files:
        with open(f"{root}/{file}", encoding="utf-8") as text:
            names = INCLUDE.findall(text.read())
        beside = {name: os.path.join(os.path.dirname(file), name) for name in names}
        found[file] = [meant for name in names
                       for meant in ([beside[name]] if beside[name] in known else ends.get(name, []))]
    return found


def touched(root, paths, revision):
    """Those of the paths whose answer may differ since the branch left the revision."""
    changed = changed_since(root, revision)
    if any(c == "CMakePresets.json" or c.endswith((".clang-tidy", ".cmake")) for c in changed):
        return paths
    folders = tuple(os.path.dirname(c) for c in changed if os.path.basename(c) == "CMakeLists.txt")
    includers = {}
    for file, names in includes(root).items():
        for name in names:
            includers.setdefault(name, []).append(file)
    reached = set()
    ahead = list(changed)
    while ahead:
        file = ahead.pop()
        if file not in reached:
            reached.add(file)
            ahead += includers.get(file, [])
    return [p for p in paths if p in reached or any(p.startswith(f + "/") or f == "" for f in folders)]


def checks_digest(root):
    """What the answers depend on besides the source."""
    digest = hashlib.sha256(subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout)
    for config in sorted(glob.glob(f"{root}/**/.clang-tidy", recursive=True) + [f"{root}/.clang-tidy"]):
        with open(config, "rb") as file:
            digest.update(file.read())
    return digest.digest()


def proof_of(root, entry, checks):
    """Where the proof that this source is clean would be; None when it does not preprocess."""
    words = shlex.split(entry["command"])
    words = [w for w in words if w != "-c" and not w.endswith("ccache")]
    if "-o" in words:
        at = words.index("-o")
        del words[at : at + 2]
    # Comments count: NOLINT is one.
    text = subprocess.run(words + ["-E", "-CC"], cwd=entry["directory"], capture_output=True)
    if text.returncode != 0:
        return None
    digest = hashlib.sha256(checks + entry["command"].encode() + text.stdout).hexdigest()
    return f"{root}/build/tidy-cache/{digest}"


def analyse(root, path, entry, checks):
    """What clang-tidy says against the source; empty when it is clean."""
    proof = proof_of(root, entry, checks)
    if proof is not None and os.path.exists(proof):
        return ""
    done = subprocess.run([TIDY, "--quiet", "-p", f"{root}/build/clang", path], cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        return done.stdout or done.stderr
    if proof is not None:
        with open(proof, "w", encoding="utf-8"):
            pass
    return done.stdout


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("root", type=os.path.abspath)
    options.add_argument("--since")
    options.add_argument("parts", nargs="*")
    wanted = options.parse_args()
    root = wanted.root
    commands = configure(root)
    paths = [p for p in listed(root, "*.cc") if os.path.join(root, p) in commands]
    if wanted.since is not None:
        paths = touched(root, paths, wanted.since)
    if wanted.parts:
        paths = [p for p in paths if any(part in p for part in wanted.parts)]
    os.makedirs(f"{root}/build/tidy-cache", exist_ok=True)
    checks = checks_digest(root)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(analyse, root, p, commands[os.path.join(root, p)], checks) for p in paths]
        for job in jobs:
            said = job.result()
            if said.strip():
                print(said.rstrip(), flush=True)
                bad += 1
    print(f"tidy: {len(paths)} sources, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
