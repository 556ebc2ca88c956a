"""``status``: how the cloud is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from viaduct.cli.application import Application, choose_cloud
from viaduct.cli.options import json_option, name_option, pass_application

if TYPE_CHECKING:
    from viaduct.model.record import CloudRecord
    from viaduct.services.status import CloudStatus


@click.command()
@name_option
@json_option
@pass_application
def status(application: Application, name: str | None, as_json: bool) -> None:
    """Show nodes, services and addresses of a cloud."""
    records = application.records
    if name is None and len(records.all()) != 1:
        _overview(application, as_json=as_json)
        return
    record = choose_cloud(records, name)
    found = _look(application, record)
    if as_json:
        document = {**found.document(), "runs_under_way": list(application.lock_holders())}
        click.echo(json.dumps(document, indent=2))
    else:
        _show(application, found)


def _look(application: Application, record: CloudRecord) -> CloudStatus:
    from viaduct.errors import PreflightError, VCenterError
    from viaduct.services.status import status as look
    from viaduct.services.status import unreachable

    if record.lab and not application.parts.lab.running():
        from viaduct.errors import LabError

        error = LabError("The lab does not run.", "Start it and the cloud with './viaduct up'.")
        return unreachable(record.spec, error, stopped=True)
    try:
        tools = application.connect(record.site_file, record.lab, record.name)
        return look(tools, record.spec)
    except (VCenterError, PreflightError) as error:
        return unreachable(record.spec, error, stopped=False)


def _overview(application: Application, *, as_json: bool) -> None:
    clouds = application.records.all()
    if as_json:
        rows = [{"name": c.name, "mode": c.spec.mode, "lab": c.lab, "site": str(c.site_file)} for c in clouds]
        click.echo(json.dumps({"clouds": rows, "runs_under_way": list(application.lock_holders())}, indent=2))
        return
    if not clouds:
        click.echo(f"There is no cloud in {application.state_dir} yet. Deploy one with './viaduct up'.")
    for cloud in clouds:
        click.echo(f"{cloud.name:<20} {cloud.spec.mode:<8} {'lab' if cloud.lab else cloud.site_file}")
    if clouds:
        click.echo("\n'./viaduct status --name CLOUD' shows one of them.")
    _say_runs(application)


def _show(application: Application, found: CloudStatus) -> None:
    colour = {"ok": "green", "degraded": "yellow", "unknown": "red"}.get(found.health)
    click.echo(f"Cloud '{found.name}' ({found.mode}): ", nl=False)
    click.secho(found.health, fg=colour, bold=True)
    click.echo(f"  endpoint   {found.endpoint}")
    click.echo(f"  verified   {'yes' if found.verified else 'no'}")
    for node in found.nodes:
        answers = "answers" if node.answers else "does not answer"
        click.echo(
            f"  node       {node.name}: {node.power}, {answers}, state {node.state}, "
            f"{node.management_address} / {node.external_address}"
        )
    for service, up in sorted(found.services.items()):
        click.echo(f"  service    {service}: ", nl=False)
        click.secho("up" if up else "down", fg=None if up else "red")
    for problem in found.problems:
        click.echo(f"  problem    {application.redactor(problem)}")
    _say_runs(application)


def _say_runs(application: Application) -> None:
    for holder in application.lock_holders():
        click.echo(f"  under way  {holder}")
