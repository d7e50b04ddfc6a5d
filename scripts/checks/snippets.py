#!/usr/bin/env python3
"""Code in the documentation is the code in the tree.

usage: snippets.py [--fix] ROOT
A block between `<!-- snippet: FILE -->` and `<!-- end -->` holds FILE whole, in a fenced block. --fix writes it anew.
"""
import pathlib
import re
import sys

BLOCK = re.compile(r"(<!-- snippet: (\S+) -->\n```\w*\n)(.*?)(```\n<!-- end -->)", re.S)


def main(arguments):
    fix = "--fix" in arguments
    root = pathlib.Path([a for a in arguments if a != "--fix"][0])
    bad = False
    for document in sorted(root.glob("*.md")):
        text = document.read_text()
        mended = BLOCK.sub(lambda m: m.group(1) + (root / m.group(2)).read_text() + m.group(4), text)
        if mended != text and fix:
            document.write_text(mended)
        elif mended != text:
            print(f"{document.relative_to(root)}: a snippet differs from its file; scripts/check --fix snippets mends it")
            bad = True
    return 1 if bad else 0


sys.exit(main(sys.argv[1:]))
