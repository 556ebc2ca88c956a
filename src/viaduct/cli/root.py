"""The root command and its lazily loaded verbs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from viaduct import __version__

VERBS = {
    "up": "viaduct.cli.up:up",
    "plan": "viaduct.cli.plan:plan",
    "status": "viaduct.cli.status:status",
    "verify": "viaduct.cli.verify:verify",
    "down": "viaduct.cli.down:down",
    "openstack": "viaduct.cli.openstack:openstack",
    "env": "viaduct.cli.env:env",
    "node": "viaduct.cli.node:node",
    "lab": "viaduct.cli.lab:lab",
    "image": "viaduct.cli.image:image",
    "spec": "viaduct.cli.spec:spec",
    "log": "viaduct.cli.log:log",
}


class LazyGroup(click.Group):
    """A group that imports a verb's module only when that verb is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(VERBS)}."
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="VIADUCT_STATE",
    help="Directory of all state [default: VIADUCT_STATE, else /var/lib/viaduct].",
)
@click.option("--verbose", "-v", is_flag=True, help="Tell more: progress within steps, details of errors.")
@click.version_option(__version__, prog_name="viaduct")
@click.pass_context
def viaduct(ctx: click.Context, state: Path | None, verbose: bool) -> None:
    """Viaduct carries OpenStack over vSphere.

    './viaduct up' deploys a cloud: on a described vSphere with --site FILE, else on its own lab.
    """
    factory: Any = ctx.obj
    application = factory(state, verbose)
    ctx.obj = application
    ctx.call_on_close(application.close)
    ctx.meta["viaduct.verbose"] = verbose
