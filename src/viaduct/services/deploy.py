"""Deploying a cloud: observe, plan, carry out, observe again, until nothing is to be done."""

from __future__ import annotations

from dataclasses import dataclass

from viaduct.engine.redact import Redactor
from viaduct.engine.run import Report, Run
from viaduct.model.cloud import Cloud
from viaduct.model.plan import Plan, Step
from viaduct.planning.plan import plan
from viaduct.planning.request import SpecRequest
from viaduct.services.actions import DeployActions, not_settled
from viaduct.services.assemble import assemble, known
from viaduct.services.observe import CloudView, SiteView, desired, look_at_cloud, look_at_site, node_digests
from viaduct.services.tools import CloudTools

MAX_ROUNDS = 4
OBSERVE = Step("observe", "site", "Look at site and cloud")
OBSERVE_AGAIN = Step("observe-again", "site", "Check that nothing is left to do")


@dataclass(frozen=True)
class Seen:
    """The outcome of one look. ``cloud`` is None when nothing of it was made yet (a dry look)."""

    site: SiteView
    view: CloudView
    cloud: Cloud | None
    plan: Plan


@dataclass(frozen=True)
class Deployed:
    """A settled cloud. ``changed``: whether there was anything to do."""

    cloud: Cloud
    changed: bool


def deploy(run: Run, tools: CloudTools, request: SpecRequest, *, verify: bool) -> Deployed:
    """Make the cloud what is asked for. Raises any :class:`viaduct.errors.ViaductError`."""
    changed = False
    for attempt in range(MAX_ROUNDS):
        seen, cloud = _look(run, tools, request, verify=verify, again=attempt > 0)
        if not seen.plan:
            return Deployed(cloud, changed)
        states = {node.name: tools.render(cloud, node) for node in cloud.spec.nodes}
        run.execute(seen.plan, DeployActions(tools, cloud, states).handlers(), then=(OBSERVE_AGAIN,))
        changed = True
    raise not_settled([step.title for step in seen.plan.steps])


def preview(tools: CloudTools, request: SpecRequest, *, verify: bool) -> Seen:
    """What :func:`deploy` would do now. Makes nothing, not even keys."""
    site = look_at_site(tools, request)
    cloud = known(tools, site.spec) if site.record else None
    return _plan(tools, site, cloud, verify=verify)


def _look(
    run: Run, tools: CloudTools, request: SpecRequest, *, verify: bool, again: bool
) -> tuple[Seen, Cloud]:
    found: list[tuple[Seen, Cloud]] = []

    def look(step: Step, report: Report) -> None:
        site = look_at_site(tools, request)
        # Written down before the first VM is made: thereby we know our own after a crash.
        tools.records.save(site.spec, tools.site_file, lab=tools.lab)
        cloud = assemble(tools, site.spec)
        learn_secrets(run.redact, cloud)
        seen = _plan(tools, site, cloud, verify=verify)
        for needed in seen.plan.steps:
            report(f"to do: {needed.title} ({needed.reason})")
        found.append((seen, cloud))

    run.perform(OBSERVE_AGAIN if again else OBSERVE, look)
    return found[-1]


def _plan(tools: CloudTools, site: SiteView, cloud: Cloud | None, *, verify: bool) -> Seen:
    digests = node_digests(tools, cloud) if cloud else {}
    view = look_at_cloud(tools, site, cloud)
    wanted = desired(tools, site.spec, cloud, digests, verify=verify)
    return Seen(site, view, cloud, plan(wanted, view.observed, view.services_down))


def learn_secrets(redact: Redactor, cloud: Cloud) -> None:
    """Let no message show a secret of the cloud."""
    redact.add([*cloud.secrets.values(), cloud.site.vcenter.password, cloud.trust.endpoint.key_pem])
