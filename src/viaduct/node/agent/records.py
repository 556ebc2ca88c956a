"""What is kept on the node between runs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

STATE = "var/lib/viaduct/state"
LOCK_WAIT = 30.0

Manifest = dict[str, Any]


def units(manifest: Manifest) -> list[dict[str, Any]]:
    """All units of a manifest."""
    return [unit for wave in manifest["waves"] for unit in wave["units"]]


def write_file(path: Path, content: bytes, mode: int, ids: tuple[int, int] | None = None) -> None:
    """Replace ``path``, in a directory that exists, at once.

    A reader sees the old content or the new, with the right owner and mode.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if ids is not None:
                os.fchown(file.fileno(), *ids)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


class Node:
    """Paths below ``root`` (``/``, except in tests), and the records of former runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / STATE

    def path(self, absolute: str) -> Path:
        """Where the node's file ``absolute`` is."""
        return self.root / absolute.lstrip("/")

    def former(self) -> Manifest:
        """Files and units that are ours: ``{"files": [...], "units": [...]}``."""
        return self._read("manifest.json", {"files": [], "units": []})

    def own(self, files: list[dict[str, Any]], owned_units: list[dict[str, Any]]) -> None:
        """Remember that these are ours."""
        self._write("manifest.json", {"files": files, "units": owned_units})

    def pending(self) -> set[str]:
        """Units that must be restarted still."""
        return set(self._read("pending.json", []))

    def set_pending(self, names: Iterable[str]) -> None:
        """Remember which units must be restarted still."""
        self._write("pending.json", sorted(names))

    def digest(self) -> str | None:
        """Of the state last applied whole."""
        try:
            return (self.state / "digest").read_text().strip() or None
        except OSError:
            return None

    def set_digest(self, digest: str | None) -> None:
        """Remember that a state was applied whole, or that none is."""
        if digest is None:
            (self.state / "digest").unlink(missing_ok=True)
        else:
            write_file(self.state / "digest", f"{digest}\n".encode(), 0o600)

    def _read(self, name: str, default: Any) -> Any:
        try:
            return json.loads((self.state / name).read_text())
        except (OSError, ValueError):
            return default

    def _write(self, name: str, value: object) -> None:
        write_file(self.state / name, json.dumps(value).encode(), 0o600)

    @contextlib.contextmanager
    def locked(self) -> Iterator[bool]:
        """Whether this is the only run. One whose manager has died ends by itself soon, so wait a little."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        deadline = time.monotonic() + float(os.environ.get("VIADUCT_LOCK_WAIT", LOCK_WAIT))
        with (self.state / "lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    if time.monotonic() > deadline:
                        yield False
                        return
                    time.sleep(0.2)
                else:
                    yield True
                    return
