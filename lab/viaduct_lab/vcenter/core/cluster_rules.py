"""DRS rules and groups: how a reconfiguration changes a cluster's configuration. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.types import vim


def apply_cluster_spec(config: Any, spec: Any, *, modify: bool, next_key: Callable[[], int]) -> None:
    """Change ``config`` (``ClusterConfigInfoEx``) as ``spec`` (``ClusterConfigSpecEx``) asks.

    With ``modify`` unset parts of ``spec`` stay as they are; without it they go back to defaults, as in
    ``ReconfigureComputeResource_Task``. ``config`` is untouched if a fault is raised:
    ``InvalidArgument`` for unknown rules, groups and duplicate names.
    """
    if not modify:
        config = _reset(config)
    groups = _changed_groups(list(config.group), list(getattr(spec, "groupSpec", ())))
    rules = _changed_rules(list(config.rule), list(getattr(spec, "rulesSpec", ())), next_key)
    _check_rule_groups(rules, groups)
    config.group, config.rule = groups, rules
    _merge(config, spec, "drsConfig")
    _merge(config, spec, "dasConfig")
    _merge(config, spec, "dpmConfig", "dpmConfigInfo")
    if getattr(spec, "vmSwapPlacement", None) is not None:
        config.vmSwapPlacement = spec.vmSwapPlacement
    _apply_overrides(config, spec, "drsVmConfigSpec", "drsVmConfig")
    _apply_overrides(config, spec, "dasVmConfigSpec", "dasVmConfig")


def default_config() -> Any:
    """The configuration of a new cluster: DRS fully automated, HA on, no rules."""
    return vim.cluster.ConfigInfoEx(
        vmSwapPlacement="vmDirectory",
        drsConfig=vim.cluster.DrsConfigInfo(
            enabled=True,
            enableVmBehaviorOverrides=True,
            defaultVmBehavior="fullyAutomated",
            vmotionRate=3,
        ),
        dasConfig=vim.cluster.DasConfigInfo(
            enabled=True,
            vmMonitoring="vmMonitoringDisabled",
            hostMonitoring="enabled",
            failoverLevel=1,
            admissionControlEnabled=True,
        ),
        drsVmConfig=[],
        dasVmConfig=[],
        rule=[],
        group=[],
    )


def _reset(config: Any) -> Any:
    fresh = default_config()
    for info in config._GetPropertyList():
        setattr(config, info.name, getattr(fresh, info.name))
    return config


def _changed_groups(groups: list[Any], specs: list[Any]) -> list[Any]:
    for spec in specs:
        name = spec.removeKey if spec.operation == "remove" else getattr(spec.info, "name", None)
        if not name:
            raise faults.invalid_argument("spec.groupSpec")
        known = [index for index, group in enumerate(groups) if group.name == name]
        if spec.operation == "add":
            if known:
                raise faults.invalid_argument("spec.groupSpec", f"There is a group {name} already.")
            groups.append(spec.info)
            continue
        if not known:
            raise faults.invalid_argument("spec.groupSpec", f"There is no group {name}.")
        if spec.operation == "remove":
            del groups[known[0]]
        else:
            groups[known[0]] = spec.info
    return groups


def _changed_rules(rules: list[Any], specs: list[Any], next_key: Callable[[], int]) -> list[Any]:
    for spec in specs:
        if spec.operation == "add":
            rules.append(_new_rule(rules, spec.info, next_key))
            continue
        key = spec.removeKey if spec.operation == "remove" else getattr(spec.info, "key", None)
        known = [index for index, rule in enumerate(rules) if rule.key == key]
        if not known:
            raise faults.invalid_argument("spec.rulesSpec", f"There is no rule {key}.")
        if spec.operation == "remove":
            del rules[known[0]]
        else:
            rules[known[0]] = _edited_rule(rules[known[0]], spec.info)
    return rules


def _new_rule(rules: list[Any], info: Any, next_key: Callable[[], int]) -> Any:
    if info is None or not info.name:
        raise faults.invalid_argument("spec.rulesSpec.info.name")
    if any(rule.name == info.name for rule in rules):
        raise faults.invalid_argument("spec.rulesSpec.info.name", f"There is a rule {info.name} already.")
    info.key = next_key()
    info.ruleUuid = info.ruleUuid or str(uuid.uuid4())
    info.status = "green"
    info.enabled = True if info.enabled is None else info.enabled
    info.mandatory = bool(info.mandatory)
    info.userCreated = True if info.userCreated is None else info.userCreated
    info.inCompliance = True
    return info


def _edited_rule(old: Any, new: Any) -> Any:
    for info in new._GetPropertyList():
        value = getattr(new, info.name)
        if value is None or value == []:
            setattr(new, info.name, getattr(old, info.name, None) or value)
    return new


def _check_rule_groups(rules: list[Any], groups: list[Any]) -> None:
    names = {group.name for group in groups}
    for rule in rules:
        for field in ("vmGroupName", "affineHostGroupName", "antiAffineHostGroupName"):
            name = getattr(rule, field, None)
            if name and name not in names:
                raise faults.invalid_argument(
                    "spec.rulesSpec", f"Rule {rule.name} names the group {name}, which is missing."
                )


def _merge(config: Any, spec: Any, name: str, target: str | None = None) -> None:
    new = getattr(spec, name, None)
    if new is None:
        return
    old = getattr(config, target or name)
    if old is None:
        setattr(config, target or name, new)
        return
    for info in new._GetPropertyList():
        value = getattr(new, info.name)
        if value is not None and value != []:
            setattr(old, info.name, value)


def _apply_overrides(config: Any, spec: Any, spec_name: str, name: str) -> None:
    values = list(getattr(config, name))
    for change in getattr(spec, spec_name, None) or ():
        key = change.removeKey if change.operation == "remove" else change.info.key
        values = [value for value in values if value.key != key]
        if change.operation != "remove":
            values.append(change.info)
    setattr(config, name, values)
