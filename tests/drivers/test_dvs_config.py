"""The section [viaduct_dvs]."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config import cfg

from viaduct_drivers.neutron import config
from viaduct_drivers.neutron.errors import ConfigurationError

GOOD = {
    "host_ip": "vc.example.org",
    "host_username": "viaduct",
    "host_password": "s3cret",
    "datacenter": "DC",
    "switch": "dvs",
    "physical_network": "dvs",
    "cloud": "c1",
}


def _read(tmp_path: Path, values: dict[str, str]) -> config.DvsOptions:
    file = tmp_path / "ml2_conf.ini"
    file.write_text("[viaduct_dvs]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()))
    conf = cfg.ConfigOpts()
    conf(args=[], default_config_files=[str(file)])
    return config.read(conf)


def test_defaults(tmp_path: Path) -> None:
    options = _read(tmp_path, GOOD)
    assert (options.host_port, options.insecure, options.ca_file) == (443, False, None)
    assert options.name_prefix == "c1"
    assert options.repair_on_start
    assert "s3cret" not in repr(options)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_is_missing_is_named(tmp_path: Path, name: str) -> None:
    values = {key: value for key, value in GOOD.items() if key != name}
    with pytest.raises(ConfigurationError, match=rf"lacks {name}:"):
        _read(tmp_path, values)


def test_a_cloud_that_could_not_be_recognised(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'my cloud'"):
        _read(tmp_path, GOOD | {"cloud": "my cloud"})
