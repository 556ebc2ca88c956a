#!/usr/bin/env python3
"""Build the appliance: `python3 appliance/build.py --state DIR`. An unchanged recipe rebuilds nothing."""

from __future__ import annotations

import argparse
import datetime
import errno
import os
import sys
import time
from pathlib import Path

from imagebuild import preflight
from imagebuild.errors import BuildError, log_tail
from imagebuild.pipeline import Build, Options
from imagebuild.progress import Reporter
from imagebuild.prune import prune
from imagebuild.store import Store, remove

RECIPE = Path(__file__).resolve().parent


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Build the Viaduct appliance image.")
    default = os.environ.get("VIADUCT_STATE", "/var/lib/viaduct")
    parser.add_argument("--state", type=Path, default=Path(default), help=f"state directory ({default})")
    parser.add_argument(
        "--drivers",
        default=str(RECIPE.parent / "drivers"),
        help="folder of the viaduct-drivers distribution, or 'none'",
    )
    parser.add_argument("--mirror", help="Debian mirror (default: this machine's own)")
    parser.add_argument("--security-mirror", help="Debian security mirror (default: this machine's own)")
    parser.add_argument(
        "--refresh", action="store_true", help="take the mirror's newest Debian packages (security updates)"
    )
    parser.add_argument(
        "--prune", action="store_true", help="afterwards remove old images and layers that nothing uses"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each event")
    return parser.parse_args(argv)


def options_from(args: argparse.Namespace) -> Options:
    """The build's options; raises BuildError for a drivers folder that is none."""
    drivers = None if args.drivers == "none" else Path(args.drivers).resolve()
    if drivers is not None and not (drivers / "pyproject.toml").is_file():
        raise BuildError(
            "E_NO_DRIVERS",
            f"{drivers} holds no Python distribution (pyproject.toml).",
            "Name the folder with --drivers, or build without our drivers: --drivers none.",
        )
    return Options(args.state.absolute(), RECIPE, drivers, args.mirror, args.security_mirror)


def as_build_error(failure: BuildError | OSError, state: Path) -> BuildError:
    """The failure as the user should see it: a full disk shows in many ways, and has one remedy."""
    if isinstance(failure, BuildError) and failure.code in ("E_DISK", "E_DISK_FULL"):
        return failure
    log = failure.log if isinstance(failure, BuildError) else None
    if not preflight.has_room(state) or (isinstance(failure, OSError) and failure.errno == errno.ENOSPC):
        return BuildError(
            "E_DISK_FULL",
            f"The disk of {state} ran full while the appliance was built.",
            "Free some space, or choose another state directory (--state); the next build goes on from here.",
            log,
        )
    if isinstance(failure, BuildError):
        return failure
    return BuildError(
        "E_IO", f"The machine refused: {failure}.", "See the message; the build can be repeated."
    )


def build(store: Store, options: Options, reporter: Reporter) -> Path:
    """Build under the store's lock; a failure leaves no half-made layer. Returns the image's folder."""
    try:
        return Build(store, options, reporter).run()
    except (BuildError, OSError) as failure:
        # Judged while the disk is as full as it was: what is removed below may have been too much for it.
        raise as_build_error(failure, store.state) from failure
    finally:
        for path in store.leftovers():
            remove(path)


def main(argv: list[str]) -> int:
    """Build and report; returns the process's exit status."""
    args = arguments(argv)
    os.umask(0o022)
    reporter = Reporter(args.json)
    begin = time.monotonic()
    try:
        options = options_from(args)
        preflight.check(options.state)
        store = Store(options.state)

        def waiting() -> None:
            reporter.emit("lock", "Waiting for another build of the appliance", "started")

        with store.locked(waiting):
            if args.refresh:
                store.refresh_packages(datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
            image = build(store, options, reporter)
            if args.prune:
                for path in prune(store):
                    reporter.emit("prune", f"Removed {path.name}", "done")
    except (BuildError, OSError) as failure:
        error = as_build_error(failure, args.state)
        details = {"code": error.code, "remedy": error.remedy, "log": str(error.log or "")}
        seconds = time.monotonic() - begin
        reporter.emit("image", f"{error.code}: {error.message}", "failed", seconds, details)
        _explain(error)
        return 1
    except KeyboardInterrupt:
        reporter.emit("image", "Interrupted; the next build goes on from here", "failed")
        return 130
    reporter.emit("image", f"Appliance image {image}", "done", time.monotonic() - begin)
    return 0


def _explain(error: BuildError) -> None:
    """Write a failure for people to standard error: the log's end, the sentence, the remedy."""
    for line in log_tail(error.log):
        print(f"  | {line}", file=sys.stderr)
    print(f"error {error.code}: {error.message}\n  what to do: {error.remedy}", file=sys.stderr)
    if error.log is not None:
        print(f"  log: {error.log}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
