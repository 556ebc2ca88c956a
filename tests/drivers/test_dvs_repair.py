"""The repair: what is decided, and what is done about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dvs_groups import CLOUD, DB, OLD, WEB, MemoryNetworks, MemorySwitch, standing, wanted
from hypothesis import given
from hypothesis import strategies as st

from viaduct_drivers.neutron.errors import DvsError
from viaduct_drivers.neutron.portgroup import FoundPortGroup, WantedPortGroup
from viaduct_drivers.neutron.reconcile import clean, repair
from viaduct_drivers.neutron.repair import DUPLICATE, ORPHAN, Action, Create, Delete, Report, Update, plan

web, db, old = wanted(WEB, "web", 1001), wanted(DB, "db", 1002), wanted(OLD, "old", 1003)
by_hand = standing(old, mark=None, description="made by hand", in_use=False)
foreign = standing(old, cloud="c2", mark=None)
foreign = replace(foreign, mark=standing(old, cloud="c2").mark, moid="dvportgroup-f")
twin = standing(web, moid="dvportgroup-twin", name="copy of web")


@pytest.mark.parametrize(
    ("shall", "found", "actions"),
    [
        pytest.param([], [], (), id="nothing"),
        pytest.param([web], [standing(web)], (), id="as wanted"),
        pytest.param([web], [], (Create(web),), id="missing"),
        pytest.param(
            [web],
            [standing(web, vlan=7)],
            (Update(standing(web, vlan=7), web, ("vlan",)),),
            id="wrong vlan",
        ),
        pytest.param(
            [web],
            [standing(web, vlan=None, name="x", in_use=True)],
            (Update(standing(web, vlan=None, name="x", in_use=True), web, ("name", "vlan")),),
            id="trunk and renamed, in use",
        ),
        pytest.param(
            [web],
            [standing(web, port_security=False, blocked=True)],
            (Update(standing(web, port_security=False, blocked=True), web, ("port_security", "blocked")),),
            id="loosened and blocked",
        ),
        pytest.param([], [standing(old)], (Delete(standing(old), ORPHAN),), id="orphan"),
        pytest.param(
            [],
            [standing(old, in_use=True)],
            (Report(standing(old, in_use=True), ORPHAN),),
            id="orphan in use",
        ),
        pytest.param([], [by_hand], (), id="made by hand"),
        pytest.param([old], [by_hand], (Create(old),), id="made by hand, not taken for ours"),
        pytest.param([], [foreign], (), id="another cloud's"),
        pytest.param([web], [twin, standing(web)], (Delete(twin, DUPLICATE),), id="twin"),
        pytest.param(
            [web],
            [replace(twin, in_use=True), standing(web)],
            (
                Delete(standing(web), DUPLICATE),
                Update(replace(twin, in_use=True), web, ("name",)),
            ),
            id="the twin is the one in use",
        ),
        pytest.param(
            [web],
            [replace(twin, in_use=True), standing(web, in_use=True)],
            (Report(replace(twin, in_use=True), DUPLICATE),),
            id="both in use",
        ),
        pytest.param(
            [web, db],
            [standing(old), standing(db, vlan=1)],
            (Delete(standing(old), ORPHAN), Update(standing(db, vlan=1), db, ("vlan",)), Create(web)),
            id="all at once, in order",
        ),
    ],
)
def test_plan(shall: list[WantedPortGroup], found: list[FoundPortGroup], actions: tuple[Action, ...]) -> None:
    assert plan(CLOUD, shall, found) == actions
    assert plan(CLOUD, shall, reversed(found)) == actions


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[WantedPortGroup], list[FoundPortGroup]]:
    """Networks, and a switch on which anything may have happened to their port groups and to others."""
    ids = [str(value) for value in draw(st.lists(st.uuids(), max_size=6, unique=True))]
    groups = [wanted(i, draw(st.sampled_from(["a", "b", ""])), draw(st.integers(0, 4094))) for i in ids]
    shall = [group for group in groups if draw(st.booleans())]
    found = []
    for number, group in enumerate(groups):
        for copy in range(draw(st.integers(0, 3))):
            found.append(
                standing(
                    group,
                    cloud=draw(st.sampled_from([CLOUD, "c2"])),
                    in_use=draw(st.booleans()),
                    vlan=draw(st.sampled_from([group.vlan, 5, None])),
                    moid=f"dvportgroup-{number}{copy}",
                )
            )
            if draw(st.booleans()):
                found[-1] = replace(found[-1], mark=None)
    return shall, found


@given(situations())
def test_a_repair_settles_and_touches_only_ours(
    situation: tuple[list[WantedPortGroup], list[FoundPortGroup]],
) -> None:
    shall, found = situation
    switch = MemorySwitch(*found)
    # The memory switch renames nothing by itself, so uniqueness of names needs no care here.
    outcomes = repair(CLOUD, switch, MemoryNetworks(*shall))

    others = [group for group in found if group.mark is None or group.mark.cloud != CLOUD]
    assert [switch.groups[group.moid] for group in others] == others
    for group in shall:
        assert switch.find(group.network_id) is not None
    assert all(switch.groups[g.moid].in_use for g in found if g.in_use)
    # What is left to do is only what needs a person.
    left = plan(CLOUD, shall, switch.port_groups())
    assert all(isinstance(action, Report) for action in left)
    assert clean(outcomes) == (not left)


def test_outcomes_tell_what_was_done() -> None:
    switch = MemorySwitch(standing(old), standing(db, vlan=1, in_use=True))
    networks = MemoryNetworks(web, db)
    planned = repair(CLOUD, switch, networks, dry_run=True)
    assert [(o.action, o.result) for o in planned] == [
        ("delete", "planned"),
        ("update", "planned"),
        ("create", "planned"),
    ]
    assert set(switch.groups) == {standing(old).moid, standing(db).moid}

    done = repair(CLOUD, switch, networks)
    assert [o.line().split(None, 2)[:2] for o in done] == [
        ["done", "delete"],
        ["done", "update"],
        ["done", "create"],
    ]
    assert done[1].detail == "vlan: 1 -> 1002"
    assert done[1].as_dict()["network_id"] == DB
    assert clean(done)
    assert repair(CLOUD, switch, networks) == []


def test_a_network_that_appears_meanwhile_keeps_its_port_group() -> None:
    switch = MemorySwitch(standing(old))

    class Late(MemoryNetworks):
        def all(self) -> list[WantedPortGroup]:
            return []

    outcomes = repair(CLOUD, switch, Late(old))
    assert [o.result for o in outcomes] == ["skipped"]
    assert switch.find(OLD) is not None


def test_a_network_that_vanishes_meanwhile_gets_none() -> None:
    class Gone(MemoryNetworks):
        def get(self, network_id: str) -> WantedPortGroup | None:
            return None

    switch = MemorySwitch(standing(db, vlan=1))
    outcomes = repair(CLOUD, switch, Gone(web, db))
    assert [o.result for o in outcomes] == ["skipped", "skipped"]
    assert switch.find(WEB) is None


def test_one_failure_does_not_stop_the_rest() -> None:
    class Refuses(MemorySwitch):
        def delete(self, found: FoundPortGroup) -> None:
            raise DvsError("vCenter refused: no permission")

    switch = Refuses(standing(old))
    outcomes = repair(CLOUD, switch, MemoryNetworks(web))
    assert [(o.action, o.result) for o in outcomes] == [("delete", "failed"), ("create", "done")]
    assert outcomes[0].detail == "vCenter refused: no permission"
    assert not clean(outcomes)
