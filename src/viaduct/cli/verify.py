"""``verify``: check a cloud as its tenant would use it."""

from __future__ import annotations

import click

from viaduct.cli.application import Application, choose_cloud
from viaduct.cli.options import name_option, pass_application


@click.command()
@name_option
@pass_application
def verify(application: Application, name: str | None) -> None:
    """Use a cloud as a tenant would, and look in vCenter at each step."""
    from viaduct.cli.progress import say_log, shown
    from viaduct.services.verification import verify as check

    record = choose_cloud(application.records, name)
    with (
        shown(verbose=application.verbose) as sink,
        application.run(record.name, "verify", sink) as run,
    ):
        say_log(application.log_file)
        check(run, lambda: application.connect(record.site_file, record.lab, record.name), record.spec)
        seconds = run.seconds
    click.echo(f"The cloud '{record.name}' works for its tenants ({seconds:.1f} s).")
