"""Plans as a table: what is -> what is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

import fakes
from viaduct.model.observed import NodeVm, Observed
from viaduct.planning.digests import cloud_digest, incarnation
from viaduct.planning.plan import Desired, forecast, plan
from viaduct.planning.teardown import remove, stop

DESIRED = Desired(
    spec=fakes.spec(),
    node_digests={"node1": "wanted"},
    catalog="catalog",
    cloud=cloud_digest({"node1": "wanted"}, "catalog"),
    folder="Viaduct/viaduct",
    template=fakes.TEMPLATE,
)


def vm(power: str = "poweredOn", host_key: str = "key", uuid: str = "5000", **known: bool) -> NodeVm:
    known = {"identified": True, **known}
    return NodeVm("viaduct", "node1", "viaduct-node1", "vm-1", power, host_key=host_key, uuid=uuid, **known)


def observed(
    node: NodeVm | None = None,
    *,
    digest: str | None = None,
    answers: bool = False,
    registered: bool = False,
    verified: bool = False,
    folder: bool = True,
) -> Observed:
    nodes: Mapping[str, NodeVm] = {"node1": node} if node else {}
    return Observed(
        facts=fakes.facts(),
        folder_exists=folder,
        nodes=nodes,
        node_digests={"node1": digest} if digest else {},
        reachable=frozenset({"node1"} if answers else ()),
        registered=incarnation("catalog", nodes) if registered else None,
        verified=incarnation(DESIRED.cloud, nodes) if verified else None,
    )


END = ["register-catalog", "wait-services", "verify"]
BOOT = ["identify-node", "power-on-node", "wait-node", "apply-state", *END]
WHOLE = {"digest": "wanted", "answers": True, "registered": True, "verified": True}
OLD_VERIFICATION = incarnation("another cloud", {"node1": vm()})

TABLE = [
    ("nothing there", observed(folder=False), (), ["ensure-folder", "clone-node", *BOOT]),
    ("folder there", observed(), (), ["clone-node", *BOOT]),
    ("cloned only", observed(vm("poweredOff", "", identified=False)), (), BOOT),
    ("identified, never started", observed(vm("poweredOff", "")), (), BOOT[1:]),
    (
        "switched off, and so without its host key",
        observed(vm("poweredOff", ""), registered=True, verified=True),
        (),
        ["power-on-node", "wait-node", "apply-state", "wait-services"],
    ),
    (
        "booting again",
        observed(vm(host_key=""), registered=True, verified=True),
        (),
        ["wait-node", "apply-state", "wait-services"],
    ),
    ("booting for the first time", observed(vm(host_key="")), (), ["wait-node", "apply-state", *END]),
    ("up, no state", observed(vm(), answers=True), (), ["apply-state", *END]),
    ("state, no catalog", observed(vm(), digest="wanted", answers=True), (), END),
    (
        "not verified",
        observed(vm(), digest="wanted", answers=True, registered=True),
        (),
        ["verify"],
    ),
    ("whole", observed(vm(), **WHOLE), (), []),  # type: ignore[arg-type]
    (
        "old state",
        observed(vm(), digest="old", answers=True, registered=True),
        (),
        ["apply-state", "wait-services", "verify"],
    ),
    (
        "unit not running",
        observed(vm(), answers=True, registered=True, verified=True),
        (),
        ["apply-state", "wait-services"],
    ),
    (
        "powered off",
        observed(vm("poweredOff"), registered=True, verified=True),
        (),
        ["power-on-node", "wait-node", "apply-state", "wait-services"],
    ),
    (
        "suspended",
        observed(vm("suspended"), registered=True, verified=True),
        (),
        ["power-on-node", "wait-node", "apply-state", "wait-services"],
    ),
    (
        "does not answer",
        observed(vm(), registered=True, verified=True),
        (),
        ["wait-node", "apply-state", "wait-services"],
    ),
    (
        "service down",
        observed(vm(), **WHOLE),  # type: ignore[arg-type]
        ("nova-compute@node1",),
        ["wait-services"],
    ),
]


@pytest.mark.parametrize(("name", "seen", "down", "actions"), TABLE, ids=[row[0] for row in TABLE])
def test_plan(name: str, seen: Observed, down: tuple[str, ...], actions: list[str]) -> None:
    found = plan(DESIRED, seen, down)
    assert [step.action for step in found.steps] == actions
    assert len({step.id for step in found.steps}) == len(found.steps)
    assert all(step.reason for step in found.steps)


def test_catalog_of_an_earlier_vm_does_not_count() -> None:
    earlier = incarnation("catalog", {"node1": vm(uuid="of another clone")})
    seen = observed(vm(), digest="wanted", answers=True)
    seen = Observed(**{**vars(seen), "registered": earlier, "verified": OLD_VERIFICATION})
    assert [step.action for step in plan(DESIRED, seen).steps] == END


def test_losing_the_databases_is_said() -> None:
    def reason(registered: str | None) -> str:
        steps = plan(DESIRED, replace(observed(), registered=registered), ()).steps
        return next(step.reason for step in steps if step.action == "clone-node")

    assert "databases" not in reason(None)
    assert "the cloud's databases with it: OpenStack starts empty" in reason("an earlier catalog")


def test_forecast_is_the_plan_of_an_empty_site() -> None:
    first = plan(DESIRED, observed(folder=False))
    guessed = forecast("viaduct", ("node1",), verify=True)
    assert [step.id for step in guessed.steps] == [step.id for step in first.steps]


def test_teardown() -> None:
    nodes = {"node1": vm(), "node2": NodeVm("viaduct", "node2", "viaduct-node2", "vm-2", "poweredOff")}
    assert [s.id for s in stop("viaduct", nodes, lab=True).steps] == ["shut-down-node:node1", "stop-lab:lab"]
    assert [s.id for s in remove("viaduct", nodes, folder="V/v", known=True, lab=True).steps] == [
        "delete-node:node2",
        "delete-node:node1",
        "delete-folder:viaduct",
        "forget-cloud:viaduct",
        "purge-lab:lab",
    ]
    assert not remove("viaduct", {}, folder=None, known=False, lab=False)
