"""The use case ``verify``: check a cloud now, whether or not it has changed."""

from __future__ import annotations

from collections.abc import Callable

from viaduct.engine.run import Report, Run
from viaduct.model.cloud import Cloud, CloudSpec
from viaduct.model.plan import Step
from viaduct.planning.plan import VERIFY
from viaduct.services.actions import DeployActions
from viaduct.services.assemble import assemble
from viaduct.services.deploy import learn_secrets
from viaduct.services.tools import CloudTools
from viaduct.services.up import CONNECT


def verify(run: Run, connect: Callable[[], CloudTools], spec: CloudSpec) -> None:
    """Raises :class:`viaduct.errors.VerificationFailed`. The outcome is remembered."""
    step = Step(VERIFY, spec.name, "Verify the cloud as a tenant")
    run.expect([CONNECT, step])
    connected: list[tuple[CloudTools, Cloud]] = []

    def log_in(step: Step, report: Report) -> None:
        tools = connect()
        cloud = assemble(tools, spec)
        learn_secrets(run.redact, cloud)
        connected.append((tools, cloud))

    run.perform(CONNECT, log_in)
    tools, cloud = connected[-1]
    states = {node.name: tools.render(cloud, node) for node in spec.nodes}
    run.perform(step, DeployActions(tools, cloud, states).verify)
