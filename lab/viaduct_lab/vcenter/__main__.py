"""``python -m viaduct_lab.vcenter --config file.json``."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import uvloop

from viaduct_lab.config import VCenterConfig
from viaduct_lab.vcenter.server import serve


def main() -> int:
    """Run the server; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m viaduct_lab.vcenter", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file of VCenterConfig")
    parser.add_argument("--verbose", action="store_true", help="log debug messages")
    args = parser.parse_args()
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        config = VCenterConfig.load(args.config)
        uvloop.run(serve(config))
    except (OSError, KeyError, TypeError, ValueError) as error:
        print(f"vCenter cannot start: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
