#!/usr/bin/env python3
"""clang-tidy 19 over the sources of a tree, each in the way the clang preset compiles it.

Usage: tidy.py ROOT [PART...]   only sources whose path contains one of the parts

A source is analysed again only when something changed that can change the answer: its preprocessed text, the checks, or
clang-tidy itself. The proofs of clean sources are kept in ROOT/build/tidy-cache.
"""

import concurrent.futures
import glob
import hashlib
import json
import os
import shlex
import subprocess
import sys

TIDY = "clang-tidy-19"


def configure(root):
    """The commands of build/clang, after bringing its configuration up to date."""
    done = subprocess.run(["cmake", "--preset", "clang"], cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    with open(f"{root}/build/clang/compile_commands.json", encoding="utf-8") as file:
        return {os.path.normpath(entry["file"]): entry for entry in json.load(file)}


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
    done = subprocess.run([TIDY, "--quiet", "-p", f"{root}/build/clang", path], capture_output=True, text=True)
    if done.returncode != 0:
        return done.stdout or done.stderr
    if proof is not None:
        with open(proof, "w", encoding="utf-8"):
            pass
    return done.stdout


def main():
    root = os.path.abspath(sys.argv[1])
    parts = sys.argv[2:]
    commands = configure(root)
    tracked = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.cc"],
                             cwd=root, capture_output=True, text=True, check=True).stdout.split()
    paths = [p for p in tracked if os.path.join(root, p) in commands]
    if parts:
        paths = [p for p in paths if any(part in p for part in parts)]
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
