"""``spec``: a cloud's description, to be kept and deployed again."""

from __future__ import annotations

from pathlib import Path

import click

from viaduct.cli.application import Application, choose_cloud
from viaduct.cli.options import name_option, pass_application


@click.group()
def spec() -> None:
    """Export a cloud's spec; 'up --spec FILE' deploys it again."""


@spec.command()
@name_option
@click.option("--portable", is_flag=True, help="Leave out addresses, so that it fits another site.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default="-")
@pass_application
def export(application: Application, name: str | None, portable: bool, file: Path) -> None:
    """Write the cloud's spec to FILE [default: standard output]. It holds no secret."""
    record = choose_cloud(application.records, name)
    with click.open_file(str(file), "w") as out:
        out.write(application.dump_spec(record.spec, portable=portable))
