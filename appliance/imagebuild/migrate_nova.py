"""Runs inside a build tree with the appliance's environment: migrate nova's databases in one process.

Usage: migrate_nova.py NOVA_CONF. The same as `nova-manage api_db sync`, `cell_v2 map_cell0`, `cell_v2
create_cell` and `db sync --local_cell`, without importing Nova four times. The cells' mappings are
templates, which Nova resolves from the configuration of the host that reads them.
"""

from __future__ import annotations

import sys

from nova import config, context, objects
from nova.cmd.manage import ApiDbCommands, CellV2Commands, DbCommands
from nova.objects.cell_mapping import CellMapping

LOGIN = "{scheme}://{username}:{password}@{hostname}:{port}"
CELL0_UUID = "00000000-0000-0000-0000-000000000000"
CELL1_UUID = "76696164-7563-4000-8000-000000000001"


def main() -> int:
    """Migrate and write the mappings."""
    objects.register_all()
    config.parse_args(["nova-manage", "--config-file", sys.argv[1]])
    if ApiDbCommands().sync():
        return 1
    if CellV2Commands().map_cell0(database_connection=f"{LOGIN}/nova_cell0?{{query}}"):
        return 1
    CellMapping(
        context.get_admin_context(),
        uuid=CELL1_UUID,
        name="cell1",
        transport_url=f"{LOGIN}//",
        database_connection=f"{LOGIN}/{{path}}?{{query}}",
        disabled=False,
    ).create()
    return int(bool(DbCommands().sync(local_cell=True)))


if __name__ == "__main__":
    sys.exit(main())
