"""pyVmomi data as text for the database, and back."""

from __future__ import annotations

from typing import Any

from pyVmomi import SoapAdapter

from viaduct_lab.vcenter.core.types import API_VERSION
from viaduct_lab.vcenter.soap.serialize import Serializer, serializer_for

_OPEN = (
    '<val xmlns="urn:vim25" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


def _serializer() -> Serializer:
    return serializer_for(API_VERSION)


def dump(value: Any) -> str:
    """``value`` (data object, typed array, fault, enum or simple value, not None) as XML.

    Raises ``TypeError`` for what the API has no type for.
    """
    text = _serializer().any_value("val", value)
    return _OPEN + text[len("<val") :]


def load(text: str) -> Any:
    """The value that :func:`dump` wrote."""
    return SoapAdapter.Deserialize(text.encode())
