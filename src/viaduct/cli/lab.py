"""``lab``: the embedded data centre. Commands are handed to its own program."""

from __future__ import annotations

import subprocess
import sys

import click

from viaduct.cli.application import Application
from viaduct.cli.options import pass_application

PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.group()
def lab() -> None:
    """Start, stop and look at the lab: a simulated vCenter whose control-plane VMs are real guests."""


def _run(application: Application, *arguments: str) -> None:
    command = application.parts.lab.command(*arguments)
    application.close()
    try:
        status = subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


@lab.command(context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_application
def start(application: Application, arguments: tuple[str, ...]) -> None:
    """Start the lab (a no-op when it runs)."""
    from viaduct.errors import ImageError

    application.parts.machine.check(lab=True, image_built=True)
    image = application.parts.images.current()
    if image is None:
        raise ImageError("There is no appliance image yet.", "Build it with './viaduct image build'.")
    _run(application, "start", "--image", str(image.directory), *arguments)


@lab.command(context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_application
def stop(application: Application, arguments: tuple[str, ...]) -> None:
    """Stop the lab with all its guests; 'lab start' brings it back as it was."""
    _run(application, "stop", *arguments)


@lab.command(context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_application
def status(application: Application, arguments: tuple[str, ...]) -> None:
    """Show the lab's vCenter and inventory (--json for programs)."""
    _run(application, "status", *arguments)


@lab.command(context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_application
def reset(application: Application, arguments: tuple[str, ...]) -> None:
    """Empty the lab: a fresh inventory, all VMs gone."""
    _run(application, "reset", *arguments)


@lab.command(context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_application
def purge(application: Application, arguments: tuple[str, ...]) -> None:
    """Remove the lab with all that it left on this machine."""
    _run(application, "purge", *arguments)
