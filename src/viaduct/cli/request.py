"""From options to what is asked for: the request, and the site it is for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from viaduct.cli.application import Application

if TYPE_CHECKING:
    from viaduct.planning.request import SpecRequest


def request_of(
    application: Application, spec_file: Path | None, name: str | None, mode: str | None
) -> SpecRequest:
    """The spec file's request with the options on top; its name is always set.

    Raises :class:`viaduct.errors.SpecError`.
    """
    import re

    from viaduct.errors import SpecError
    from viaduct.planning.modes import mode_of
    from viaduct.planning.request import DEFAULT_NAME, NAME_PATTERN
    from viaduct.planning.spec import merge

    request = application.load_request(spec_file)
    if name is None and request.name is None:
        known = application.records.all()
        name = known[0].name if len(known) == 1 else DEFAULT_NAME
    request = merge(request, name=name, mode=mode)
    if not re.fullmatch(NAME_PATTERN, request.name or "") or len(request.name or "") > 40:
        raise SpecError(
            f"'{request.name}' cannot be a cloud's name.",
            "Use at most 40 lower-case letters, digits and hyphens, starting with a letter.",
        )
    mode_of(request.mode)
    return request


def site_of(application: Application, site_file: Path | None, name: str) -> Path | None:
    """The given site file, else that of the cloud called ``name``, else None: the lab."""
    if site_file is not None:
        return site_file
    record = application.records.get(name)
    return record.site_file if record and not record.lab else None
