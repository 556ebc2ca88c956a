"""``python -m viaduct``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit status."""
    from viaduct.app.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
