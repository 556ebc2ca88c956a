"""The lab's command line: ``python -m viaduct_lab --state DIR COMMAND``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from viaduct_lab.host.commands import CommandError
from viaduct_lab.lab.errors import LabError, explained
from viaduct_lab.lab.service import Lab

_Result = TypeVar("_Result")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--state", required=True, type=click.Path(path_type=Path, file_okay=False), help="The lab's folder."
)
@click.pass_context
def cli(context: click.Context, state: Path) -> None:
    """A simulated vSphere data centre whose appliance VMs run as real Linux guests on this machine."""
    context.obj = state


@cli.command()
@click.option(
    "--image",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the appliance image (a template VM).",
)
@click.option("--no-guests", is_flag=True, help="Only simulate VMs: needs no root, makes no network.")
@click.pass_obj
def start(state: Path, image: Path | None, no_guests: bool) -> None:
    """Start the lab, or find it running."""
    changed = _guarded(lambda: Lab(state, click.echo).start(image, guests=not no_guests))
    if not changed:
        click.echo("the lab runs already")
    _summary(_guarded(Lab(state).status))


@cli.command()
@click.option("--keep-guests", is_flag=True, help="End only the vCenter; guests and network stay.")
@click.pass_obj
def stop(state: Path, keep_guests: bool) -> None:
    """Shut the guests down, and end vCenter and network. All state is kept."""
    _guarded(lambda: Lab(state, click.echo).stop(keep_guests=keep_guests))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON (with the password).")
@click.pass_obj
def status(state: Path, as_json: bool) -> None:
    """Show what runs, and how to reach it."""
    found = _guarded(Lab(state).status)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _summary(found)


@cli.command()
@click.pass_obj
def reset(state: Path) -> None:
    """Delete all VMs and datastores and begin again with the default inventory."""
    runs = _guarded(lambda: Lab(state, click.echo).reset())
    click.echo("the lab is as new" + ("" if runs else "; it does not run"))


@cli.command()
@click.pass_obj
def purge(state: Path) -> None:
    """Remove the lab with everything that it made."""
    _guarded(lambda: Lab(state, click.echo).purge())
    click.echo("the lab is gone")


def _summary(found: dict[str, Any]) -> None:
    if not found["exists"]:
        click.echo("there is no lab here")
        return
    vcenter = found["vcenter"]
    guests = ", ".join(f"{g['name'] or g['id']} ({g['state']})" for g in found["guests"])
    lines = {
        "lab": f"{found['id']}, {'running' if found['running'] else 'not running'}",
        "vCenter": vcenter["url"],
        "user": vcenter["user"],
        "password": f"in {Path(found['site']).parent / 'vcenter-password'}",
        "CA": vcenter["ca_file"],
        "site file": found["site"],
        "guests": guests or "none",
    }
    for name, value in lines.items():
        click.echo(f"{name + ':':<11}{value}")


def _guarded(action: Callable[[], _Result]) -> _Result:
    try:
        return action()
    except (LabError, CommandError, OSError) as error:
        shown = error if isinstance(error, LabError) else explained(error)
        click.echo(f"error {shown.code}: {shown.sentence}", err=True)
        click.echo(f"  what to do: {shown.remedy}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    cli(prog_name="viaduct_lab")
