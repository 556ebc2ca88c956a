"""``openstack``: the upstream client, pointed at the cloud."""

from __future__ import annotations

import os

import click

from viaduct.cli.application import Application, choose_cloud
from viaduct.cli.options import pass_application


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    add_help_option=False,
)
@click.option("--name", metavar="CLOUD", help="The cloud's name (when there are several).")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_application
def openstack(application: Application, name: str | None, arguments: tuple[str, ...]) -> None:
    """Run the upstream OpenStack client against the cloud."""
    from viaduct.services import access

    record = choose_cloud(application.records, name)
    values = access.variables(application.cloud_dir(record.name), record.name)
    command = access.client_command(arguments)
    foreign = {key for key in os.environ if key.startswith("OS_")}
    environment = {k: v for k, v in os.environ.items() if k not in foreign} | values
    application.close()
    os.execve(command[0], command, environment)  # noqa: S606
