"""``log``: what earlier runs did."""

from __future__ import annotations

import click

from viaduct.cli.application import Application
from viaduct.cli.options import pass_application


@click.command()
@click.argument("run", required=False)
@click.option("--limit", default=10, show_default=True, help="How many runs to list.")
@pass_application
def log(application: Application, run: str | None, limit: int) -> None:
    """List the latest runs, or show the events of one RUN ('last': the latest)."""
    from viaduct.cli.progress import line_of
    from viaduct.errors import InputError

    runs = application.latest_runs(200 if run else limit)
    if run is None:
        for each in runs:
            error = f"  {each.error}" if each.error else ""
            click.echo(f"{each.id}  {each.cloud:<16} {each.command:<14} {each.state}{error}")
        return
    chosen = runs[0] if run == "last" and runs else next((r for r in runs if r.id == run), None)
    if chosen is None:
        raise InputError(f"There is no run '{run}'.", "'./viaduct log' lists them.")
    click.echo(
        f"{chosen.command} of '{chosen.cloud}', {chosen.started_at:%Y-%m-%d %H:%M:%S} UTC: {chosen.state}"
    )
    for event in application.events_of(chosen.id):
        text = line_of(event)
        if text:
            click.echo(f"{event.at:%H:%M:%S}  {text}")
    click.echo(f"All of it: {application.state_dir / 'log' / f'{chosen.id}.jsonl'}")
