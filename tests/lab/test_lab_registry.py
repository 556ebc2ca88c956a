"""The labs of a machine know each other, running or not."""

import os
import threading

import pytest

from viaduct_lab.lab import record, registry, service
from viaduct_lab.lab.errors import Copied
from viaduct_lab.lab.record import LabPaths, LabRecord
from viaduct_lab.lab.registry import Registry

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps the registry")


@pytest.fixture
def known(tmp_path):
    return Registry(tmp_path / "labs")


def lab_in(root, lab_id="ab12", number=70, guests=True):
    root.mkdir(exist_ok=True)
    lab = LabRecord(lab_id, f"10.{number}.0.0/24", f"10.{number}.1.0/24", guests=guests)
    record.save(LabPaths(root), lab)
    return lab


def test_a_lab_that_does_not_run_is_known_to_others(known, tmp_path):
    one = lab_in(tmp_path / "one")
    known.note(one, tmp_path / "one")
    known.note(one, tmp_path / "one")
    assert known.holds(one, tmp_path / "one")
    others = known.neighbours(tmp_path / "two")
    assert [str(n) for n in registry.networks(others)] == ["10.70.0.0/24", "10.70.1.0/24"]
    assert known.neighbours(tmp_path / "one") == ()


@pytest.mark.parametrize("loss", ["folder", "record", "damage", "another lab"])
def test_what_leads_nowhere_is_dropped(known, tmp_path, loss):
    root = tmp_path / "one"
    known.note(lab_in(root), root)
    if loss == "another lab":
        lab_in(root, "cd34", 71)
    elif loss == "damage":
        (root / "lab.json").write_text("{")
    else:
        (root / "lab.json").unlink()
        if loss == "folder":
            root.rmdir()
    assert known.neighbours(tmp_path / "two") == ()
    assert not list((tmp_path / "labs").iterdir())


def test_the_registry_goes_with_the_last_lab(known, tmp_path):
    for name, lab_id in (("one", "ab12"), ("two", "cd34")):
        known.note(lab_in(tmp_path / name, lab_id), tmp_path / name)
    known.forget(tmp_path / "one")
    assert [p.name for p in (tmp_path / "labs").iterdir()] == ["cd34"]
    known.forget(tmp_path / "two")
    known.forget(tmp_path / "two")
    assert not (tmp_path / "labs").exists()


def test_a_folder_that_moved_is_the_same_lab(known, tmp_path):
    one = lab_in(tmp_path / "one")
    known.note(one, tmp_path / "one")
    (tmp_path / "one").rename(tmp_path / "moved")
    assert not known.holds(one, tmp_path / "moved")
    known.note(one, tmp_path / "moved")
    assert known.holds(one, tmp_path / "moved")
    (tmp_path / "link").symlink_to(tmp_path / "moved")
    known.require_own(one, tmp_path / "link")


def test_a_copy_is_refused(known, tmp_path):
    one = lab_in(tmp_path / "one")
    known.note(one, tmp_path / "one")
    with pytest.raises(Copied, match="copy of the one in"):
        known.note(lab_in(tmp_path / "copy"), tmp_path / "copy")
    assert known.holds(one, tmp_path / "one")


def test_choosing_is_one_at_a_time(known, tmp_path):
    inside, order = threading.Event(), []

    def second():
        inside.wait(5)
        with Registry(tmp_path / "labs").choosing():
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with known.choosing():
        inside.set()
        thread.join(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
    assert not (tmp_path / "labs").exists()


def test_a_new_lab_keeps_off_a_stopped_one(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "DIRECTORY", tmp_path / "labs")
    monkeypatch.setattr(service.allocation.secrets, "token_hex", lambda size: next(ids))
    one = lab_in(tmp_path / "one", "0006")
    Registry().note(one, tmp_path / "one")
    monkeypatch.setattr(service.allocation, "machine_routes", lambda besides: ())
    # The first id is the stopped lab's; with the second, 63 further on, the search begins at the same range.
    ids = iter(["0006", "0045"])
    (tmp_path / "two").mkdir()
    two = service.Lab(tmp_path / "two")._noted(None, None, guests=True)
    assert (two.id, two.management) == ("0045", "10.71.0.0/24")
    assert {p.name for p in (tmp_path / "labs").iterdir()} == {"0006", "0045"}


def test_a_copy_cannot_touch_its_original(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "DIRECTORY", tmp_path / "labs")
    monkeypatch.setattr(service, "Fabric", None)  # purging the copy must not even look at the network
    Registry().note(lab_in(tmp_path / "one"), tmp_path / "one")
    lab_in(tmp_path / "copy")
    copy = service.Lab(tmp_path / "copy")
    for command in (copy.stop, copy.reset):
        with pytest.raises(Copied):
            command()
    copy.purge()
    assert not (tmp_path / "copy").exists()
    assert [p.name for p in (tmp_path / "labs").iterdir()] == ["ab12"]
    service.Lab(tmp_path / "gone").purge()
    assert (tmp_path / "labs").exists()
