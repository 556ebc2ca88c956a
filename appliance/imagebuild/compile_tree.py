"""Runs inside a build tree: compile all Python files below a folder.

Some packages ship templates or code for other Python versions that do not compile; Python would not
import them either, so they are listed and skipped.
"""

from __future__ import annotations

import compileall
import sys


def main() -> int:
    """Usage: compile_tree.py FOLDER JOBS."""
    folder, jobs = sys.argv[1], int(sys.argv[2])
    compileall.compile_dir(folder, quiet=1, workers=jobs, maxlevels=50)
    return 0


if __name__ == "__main__":
    sys.exit(main())
