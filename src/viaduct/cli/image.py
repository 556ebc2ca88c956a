"""``image``: the appliance's images."""

from __future__ import annotations

import subprocess
import sys

import click

from viaduct.cli.application import Application
from viaduct.cli.options import json_option, pass_application


@click.group()
def image() -> None:
    """Build and list the appliance's images."""


@image.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_application
def build(application: Application, arguments: tuple[str, ...]) -> None:
    """Build the appliance. An unchanged recipe rebuilds nothing."""
    from viaduct.services.images import BUILDER_PACKAGES

    parts = application.parts
    parts.machine.check(lab=True, image_built=parts.images.current() is not None)
    missing = parts.machine.missing_packages((BUILDER_PACKAGES,))
    if missing:
        parts.machine.install(missing, "to build the appliance", lambda text: click.echo(text, err=True))
    sys.exit(subprocess.run(parts.images.build_command(*arguments), check=False).returncode)


@image.command("list")
@json_option
@pass_application
def list_images(application: Application, as_json: bool) -> None:
    """List the images in the state directory."""
    images = application.parts.images.all()
    if as_json:
        import json

        rows = [
            {"id": i.id, "version": i.version, "directory": str(i.directory), "current": i.current}
            for i in images
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    if not images:
        click.echo("There is no image yet. Build one with './viaduct image build'.")
    for each in images:
        click.echo(f"{'*' if each.current else ' '} {each.id:<24} {each.version:<10} {each.directory}")
