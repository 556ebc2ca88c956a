"""``up``: deploy a cloud, or complete it, or find that nothing is to be done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from viaduct.cli.application import Application
from viaduct.cli.options import mode_option, name_option, pass_application, site_option, spec_option

if TYPE_CHECKING:
    from viaduct.services.deploy import Deployed
    from viaduct.services.tools import CloudTools


@click.command()
@site_option
@spec_option
@mode_option
@name_option
@click.option("--no-verify", is_flag=True, help="Do not check the cloud as a tenant at the end.")
@pass_application
def up(
    application: Application,
    site_file: Path | None,
    spec_file: Path | None,
    mode: str | None,
    name: str | None,
    no_verify: bool,
) -> None:
    """Deploy a cloud and verify it.

    Run it again whenever you like: it goes on where it was interrupted, repairs what differs, and ends at
    once when nothing is to be done.
    """
    from viaduct.cli.progress import say_log, shown
    from viaduct.cli.request import request_of, site_of
    from viaduct.services.up import up as bring_up

    request = request_of(application, spec_file, name, mode)
    cloud = request.name or ""
    site_file = site_of(application, site_file, cloud)

    def connect(path: Path, lab: bool) -> CloudTools:
        return application.connect(path, lab, cloud)

    with shown(verbose=application.verbose) as sink, application.run(cloud, "up", sink) as run:
        say_log(application.log_file)
        deployed, tools = bring_up(run, application.parts, site_file, request, connect, verify=not no_verify)
        seconds = run.seconds
    _summarise(application, deployed, tools, seconds)


def _summarise(application: Application, deployed: Deployed, tools: CloudTools, seconds: float) -> None:
    from viaduct.services import access

    spec = deployed.cloud.spec
    url, user, password = application.login_of(tools.site_file)
    took = f"{int(seconds) // 60} min {int(seconds) % 60} s" if seconds >= 60 else f"{seconds:.1f} s"
    done = "is deployed" if deployed.changed else "is as it shall be: nothing to do"
    option = f" --name {spec.name}" if len(application.records.all()) > 1 else ""
    click.echo(f"\nThe cloud '{spec.name}' {done} ({took}).\n")
    rows = [
        ("OpenStack", access.endpoint(deployed.cloud)),
        ("credentials", f"{tools.directory / access.CLOUDS_FILE} (cloud '{spec.name}')"),
        ("CA certificate", str(tools.directory / access.CA_FILE)),
        ("vCenter", url),
        ("  login", f"{user}, password {password}"),
    ]
    for title, value in rows:
        click.echo(f"  {title:<15} {value}")
    click.echo("\nNext:")
    for command, purpose in (
        (f"./viaduct openstack{option} server list", "the upstream client"),
        (f'eval "$(./viaduct env{option})"', "credentials for this shell's own tools"),
        (f"./viaduct status{option}", "nodes, services, addresses"),
        (f"./viaduct node ssh{option} {spec.nodes[0].name}", "log in to the control plane"),
        (f"./viaduct down{option}", "stop it; --purge removes it"),
    ):
        click.echo(f"  {command:<42} # {purpose}")
