"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

pass_application = click.pass_obj

name_option = click.option("--name", metavar="CLOUD", help="The cloud's name (when there are several).")
site_option = click.option(
    "--site",
    "site_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Site file of a vSphere environment; without it, the cloud's own or the lab.",
)
spec_option = click.option(
    "--spec",
    "spec_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Cloud spec to deploy, such as one written by 'spec export'.",
)
mode_option = click.option("--mode", metavar="MODE", help="Layout of a new cloud [default: tiny].")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
