"""``node``: the control plane's nodes."""

from __future__ import annotations

import os
import shutil

import click

from viaduct.cli.application import Application, choose_cloud
from viaduct.cli.options import name_option, pass_application


@click.group()
def node() -> None:
    """List the control plane's nodes, or log in to one."""


@node.command("list")
@name_option
@pass_application
def list_nodes(application: Application, name: str | None) -> None:
    """List the nodes with their addresses and VMs."""
    record = choose_cloud(application.records, name)
    tools = application.connect(record.site_file, record.lab, record.name)
    vms = {vm.node: vm for vm in tools.vsphere.nodes(record.name)}
    for each in record.spec.nodes:
        vm = vms.get(each.name)
        where = f"{vm.name} ({vm.reference}) {vm.power}" if vm else "no VM"
        click.echo(f"{each.name:<16} {each.management_address!s:<16} {each.external_address!s:<16} {where}")


@node.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@name_option
@click.argument("node_name", metavar="NAME")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@pass_application
def ssh(application: Application, name: str | None, node_name: str, command: tuple[str, ...]) -> None:
    """Log in to a node as root, or run a COMMAND there."""
    from viaduct.errors import PreflightError
    from viaduct.services.nodes import login_command

    if shutil.which("ssh") is None:
        problem = "This machine has no OpenSSH client.", "Install it: apt-get install openssh-client."
        raise PreflightError((problem,))
    record = choose_cloud(application.records, name)
    tools = application.connect(record.site_file, record.lab, record.name)
    arguments = [*login_command(tools, record.spec, node_name), *command]
    application.close()
    os.execvp(arguments[0], arguments)  # noqa: S606
