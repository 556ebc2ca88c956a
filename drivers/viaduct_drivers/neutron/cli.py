"""The command `viaduct-dvs-repair`: compare the distributed switch with Neutron and repair it.

It reads Neutron's database, as the API server does, so it needs neither a running API nor credentials of
a user, and sees every project's networks at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Final

from oslo_config import cfg

from viaduct_drivers.neutron import config
from viaduct_drivers.neutron.errors import DvsError
from viaduct_drivers.neutron.reconcile import Outcome, clean, repair
from viaduct_drivers.neutron.switch import DistributedSwitch

OK: Final = 0
NOT_REPAIRED: Final = 1
CANNOT_RUN: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns 0 if all is as wanted (now), 1 if something is not, 2 if nothing could be done."""
    options, neutron_arguments = _parser().parse_known_args(argv)
    try:
        outcomes = _run(neutron_arguments, dry_run=options.dry_run)
    except (DvsError, cfg.Error) as error:
        return _cannot_run(error)
    except Exception as error:
        # oslo.db is known only where Neutron is installed.
        if not type(error).__module__.startswith(("oslo_db", "sqlalchemy")):
            raise
        return _cannot_run(f"Neutron's database: {error}")
    _show(outcomes, as_json=options.json, dry_run=options.dry_run)
    return OK if clean(outcomes) else NOT_REPAIRED


def _cannot_run(reason: object) -> int:
    print(f"viaduct-dvs-repair: {reason}", file=sys.stderr)
    return CANNOT_RUN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="viaduct-dvs-repair",
        description="Compare the port groups of the distributed switch with Neutron's networks and repair.",
        epilog="Other options, as --config-file, are Neutron's.",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, change nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _run(neutron_arguments: Sequence[str], *, dry_run: bool) -> list[Outcome]:
    # Neutron takes seconds to import; --help shall not.
    from neutron.common import config as neutron_config
    from oslo_db import options as database_options

    from viaduct_drivers.neutron.database import NetworkDatabase

    neutron_config.register_common_config_options()
    cfg.CONF(args=list(neutron_arguments), project="neutron", prog="viaduct-dvs-repair")
    database_options.set_defaults(cfg.CONF)
    dvs = config.read(cfg.CONF)
    switch = DistributedSwitch(dvs)
    try:
        return repair(dvs.cloud, switch, NetworkDatabase(dvs), dry_run=dry_run)
    finally:
        switch.close()


def _show(outcomes: list[Outcome], *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        print(json.dumps({"dry_run": dry_run, "outcomes": [o.as_dict() for o in outcomes]}, indent=2))
        return
    for outcome in outcomes:
        print(outcome.line())
    if not outcomes:
        print("nothing to do: the distributed switch and Neutron agree")


if __name__ == "__main__":
    sys.exit(main())
