"""``plan``: what ``up`` would do now."""

from __future__ import annotations

from pathlib import Path

import click

from viaduct.cli.application import Application
from viaduct.cli.options import (
    json_option,
    mode_option,
    name_option,
    pass_application,
    site_option,
    spec_option,
)


@click.command()
@site_option
@spec_option
@mode_option
@name_option
@json_option
@click.option(
    "--export",
    "export_file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write the completed spec to a file ('-': standard output).",
)
@click.option("--no-verify", is_flag=True, help="Plan without the final verification.")
@pass_application
def plan(
    application: Application,
    site_file: Path | None,
    spec_file: Path | None,
    mode: str | None,
    name: str | None,
    as_json: bool,
    export_file: Path | None,
    no_verify: bool,
) -> None:
    """Show what 'up' would do now. Changes nothing."""
    from viaduct.cli.request import request_of, site_of
    from viaduct.services.deploy import preview

    request = request_of(application, spec_file, name, mode)
    cloud = request.name or ""
    site_file = site_of(application, site_file, cloud)
    lab = site_file is None
    path = site_file or application.parts.lab.site_file
    if lab and not application.parts.lab.running():
        _forecast(application, cloud, request.mode, as_json=as_json, verify=not no_verify)
        return
    tools = application.connect(path, lab, cloud)
    seen = preview(tools, request, verify=not no_verify)
    if export_file is not None:
        with click.open_file(str(export_file), "w") as file:
            file.write(application.dump_spec(seen.site.spec, portable=False))
        return
    _show(cloud, [(s.action, s.target, s.title, s.reason) for s in seen.plan.steps], as_json=as_json)


def _forecast(application: Application, cloud: str, mode: str, *, as_json: bool, verify: bool) -> None:
    from viaduct.planning.modes import mode_of
    from viaduct.planning.plan import forecast
    from viaduct.services.up import BUILD_IMAGE, START_LAB

    parts = application.parts
    steps = [(START_LAB.action, START_LAB.target, START_LAB.title, "it does not run")]
    if parts.images.current() is None:
        steps.insert(0, (BUILD_IMAGE.action, BUILD_IMAGE.target, BUILD_IMAGE.title, "there is none yet"))
    names = tuple(layout.name for layout in mode_of(mode).nodes)
    steps += [(s.action, s.target, s.title, "") for s in forecast(cloud, names, verify=verify).steps]
    if not as_json:
        click.echo("The lab does not run, so its vCenter cannot be asked: this is a forecast.")
    _show(cloud, steps, as_json=as_json)


def _show(cloud: str, steps: list[tuple[str, str, str, str]], *, as_json: bool) -> None:
    if as_json:
        import json

        keys = ("action", "target", "title", "reason")
        click.echo(json.dumps({"cloud": cloud, "steps": [dict(zip(keys, s, strict=True)) for s in steps]}))
        return
    if not steps:
        click.echo(f"The cloud '{cloud}' is as it shall be: nothing to do.")
        return
    click.echo(f"To make the cloud '{cloud}' as it shall be, {len(steps)} step(s):")
    for number, (_, _, title, reason) in enumerate(steps, 1):
        click.echo(f"  {number:>2}. {title}" + (f"  ({reason})" if reason else ""))
