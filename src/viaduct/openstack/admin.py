"""The cloud as its administrator sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from viaduct.errors import CloudError
from viaduct.model.cloud import Cloud
from viaduct.openstack import catalog, flavors, readiness
from viaduct.openstack.connection import connect, text, told_as

Report = Callable[[str], None]

_PAUSE = 1.0
"""Seconds between questions: OpenStack's APIs have no long poll."""


class OpenStackAdmin:
    """Implements :class:`viaduct.services.ports.OpenStack`. ``ca_file``: PEM file with the cloud's CA.

    Nothing is asked before the first method is called.
    """

    def __init__(self, cloud: Cloud, ca_file: Path) -> None:
        self._cloud = cloud
        self._ca_file = ca_file
        self._connection: Any = None

    def wait_for_identity(self, timeout: float) -> None:
        from keystoneauth1.exceptions import ClientException
        from openstack.exceptions import SDKException

        deadline = time.monotonic() + timeout
        while True:
            try:
                self._connected().authorize()
                return
            except (ClientException, SDKException, OSError) as problem:
                last = problem
            if time.monotonic() + _PAUSE >= deadline:
                raise CloudError(
                    f"The cloud's identity service does not answer after {timeout:.0f} s: {text(last)}.",
                    "Look at keystone and haproxy on the node: './viaduct node ssh NAME', then journalctl.",
                ) from last
            time.sleep(_PAUSE)

    def register(self, cloud: Cloud, report: Report) -> None:
        with told_as("check its catalog"):
            catalog.check(self._connected())
        with told_as("complete its catalog"):
            if catalog.ensure_legacy_volume(self._connected()):
                report("offered block storage under its older type, too")
        with told_as("make the default flavors"):
            made = flavors.ensure(self._connected())
        if made:
            report(f"made flavors {', '.join(made)}")

    def services_up(self) -> Mapping[str, bool]:
        with told_as("list its services"):
            connection = self._connected()
            return {
                **readiness.states(connection.compute.services()),
                **readiness.states(connection.block_storage.services()),
            }

    def wait_for_services(self, cloud: Cloud, timeout: float, report: Report) -> None:
        deadline = time.monotonic() + timeout
        told: tuple[str, ...] = ()
        while True:
            pending = self._pending()
            if not pending:
                return
            if pending != told:
                report(f"waiting for {', '.join(pending)}")
                told = pending
            if time.monotonic() >= deadline:
                raise CloudError(
                    f"Not ready after {timeout:.0f} s: {', '.join(pending)}.",
                    "Look at these services on the node: './viaduct node ssh NAME', then journalctl -u UNIT.",
                )
            time.sleep(_PAUSE)

    def close(self) -> None:
        """Close the connection's sockets."""
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = connect(
                self._cloud, self._ca_file, "admin", "admin", self._cloud.secrets["admin_password"]
            )
        return self._connection

    def _pending(self) -> tuple[str, ...]:
        """What is still missing; an API that does not answer yet is one of these."""
        try:
            pending = readiness.waiting_for(self.services_up())
            if pending:
                return pending
            with told_as("list its hypervisors"):
                if not list(self._connected().compute.hypervisors()):
                    return ("a hypervisor in its cell",)
                if not self._has_capacity():
                    return ("a hypervisor in placement",)
            with told_as("list its networks"):
                list(self._connected().network.networks(limit=1))
            with told_as("list its images"):
                list(self._connected().image.images(limit=1))
        except CloudError as problem:
            return (problem.sentence,)
        return ()

    def _has_capacity(self) -> bool:
        placement = self._connected().placement
        return any(
            readiness.has_capacity(placement.resource_provider_inventories(provider))
            for provider in placement.resource_providers()
        )
