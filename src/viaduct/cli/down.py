"""``down``: stop a cloud, or remove it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from viaduct.cli.application import Application, choose_cloud
from viaduct.cli.options import name_option, pass_application

if TYPE_CHECKING:
    from viaduct.model.plan import Plan
    from viaduct.model.record import CloudRecord
    from viaduct.services.tools import CloudTools

CACHES = ("images", "venv", "cache")
"""What a removal may keep: it costs minutes to make again, and holds nothing of a cloud."""


@click.command()
@name_option
@click.option("--purge", is_flag=True, help="Remove the cloud and all its state, the lab included.")
@click.option("--keep-images", is_flag=True, help="With --purge: keep the built appliance images.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before removing.")
@pass_application
def down(application: Application, name: str | None, purge: bool, keep_images: bool, yes: bool) -> None:
    """Stop clouds, and the lab with them; 'up' brings them back.

    With --purge, remove them: nodes, folder, keys, records. What tenants made on a vSphere of your own
    (servers, volumes, port groups) is theirs and stays: delete it first with the OpenStack client.
    """
    records = [choose_cloud(application.records, name)] if name else list(application.records.all())
    others = [record for record in application.records.all() if record not in records]
    lab = application.parts.lab.exists and not any(record.lab for record in others)
    lab = lab and (not others or any(record.lab for record in records))
    if purge and not yes:
        _confirm(application, [record.name for record in records], lab=lab)
    targets: list[CloudRecord | None] = [*records] or [None]
    for target in targets:
        last = target is targets[-1]
        _one(application, target, purge=purge, lab=lab and last)
    if purge and not others:
        _remove_state(application, keep=CACHES if keep_images else ())
        return
    names = ", ".join(f"'{record.name}'" for record in records) or "Nothing"
    click.echo(f"{names} {'removed' if purge else 'stopped'}{', and the lab' if lab else ''}.")


def _confirm(application: Application, names: list[str], *, lab: bool) -> None:
    what = f"the cloud(s) {', '.join(names)}" if names else "what is left"
    if lab:
        what += f", the lab, and everything in {application.state_dir}"
    if not sys.stdin.isatty():
        raise click.UsageError(f"This removes {what}. Confirm it with --yes.")
    click.confirm(f"Remove {what}?", abort=True)


def _one(application: Application, record: CloudRecord | None, *, purge: bool, lab: bool) -> None:
    from viaduct.cli.progress import say_log, shown
    from viaduct.planning.request import DEFAULT_NAME
    from viaduct.services.destroy import TeardownActions

    name = record.name if record else DEFAULT_NAME
    command = "down --purge" if purge else "down"
    with shown(verbose=application.verbose) as sink, application.run(name, command, sink) as run:
        say_log(application.log_file)
        tools = _tools(application, record) if record else None
        actions = TeardownActions(
            tools, application.parts.lab, application.records, application.cloud_dir(name)
        )
        plan = _plan(tools, name, known=record is not None, purge=purge, lab=lab)
        run.execute(plan, actions.handlers())


def _plan(tools: CloudTools | None, name: str, *, known: bool, purge: bool, lab: bool) -> Plan:
    from viaduct.services.destroy import remove_plan, stop_plan

    if purge:
        return remove_plan(tools, name, known=known, lab=lab)
    return stop_plan(tools, name, lab=lab)


def _tools(application: Application, record: CloudRecord) -> CloudTools | None:
    """None when the cloud is on a lab that does not run: then nothing of it runs either."""
    if record.lab and not application.parts.lab.running():
        return None
    return application.connect(record.site_file, record.lab, record.name)


def _remove_state(application: Application, *, keep: tuple[str, ...]) -> None:
    from viaduct.errors import StateError
    from viaduct.services.destroy import remove_state

    holders = application.lock_holders()
    if holders:
        raise StateError(f"Another run is under way: {holders[0]}.", "Wait until it ends, then try again.")
    state_dir: Path = application.state_dir
    application.close()
    # Our own environment lies in there: load nothing and write no bytecode from here on.
    sys.dont_write_bytecode = True
    remove_state(state_dir, keep=keep)
    kept = f", except {', '.join(keep)}" if keep else ""
    click.echo(f"Removed, with everything in {state_dir}{kept}.")
