"""``env``: variables that point a shell's tools at the cloud."""

from __future__ import annotations

import click

from viaduct.cli.application import Application, choose_cloud
from viaduct.cli.options import name_option, pass_application


@click.command()
@name_option
@pass_application
def env(application: Application, name: str | None) -> None:
    """Print exports for a shell: eval "$(./viaduct env)"."""
    from viaduct.services import access

    record = choose_cloud(application.records, name)
    click.echo(access.exports(access.variables(application.cloud_dir(record.name), record.name)))
