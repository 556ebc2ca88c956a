"""Receiving files over HTTP: streamed to disk, with holes for zeros, complete or not at all."""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path

from aiohttp import web

_BLOCK = 4 << 20
_HOLE = 64 << 10


async def receive(request: web.Request, target: Path) -> int:
    """Write the request's body to ``target``, which appears only when all of it has come.

    Returns the number of bytes. Raises ``OSError`` (disk full), or what aiohttp raises when the client goes
    away; then nothing is left.
    """
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with partial.open("wb") as file:
            size = await _write_body(request, file.fileno())
            file.truncate(size)
        partial.rename(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return size


async def _write_body(request: web.Request, file: int) -> int:
    size, waiting = 0, bytearray()
    async for chunk in request.content.iter_chunked(1 << 20):
        waiting += chunk
        if len(waiting) >= _BLOCK:
            await asyncio.to_thread(_write, file, bytes(waiting), size)
            size += len(waiting)
            waiting.clear()
    await asyncio.to_thread(_write, file, bytes(waiting), size)
    return size + len(waiting)


def _write(file: int, data: bytes, offset: int) -> None:
    """Write ``data``; stretches of zeros become holes."""
    view = memoryview(data)
    for start in range(0, len(data), _HOLE):
        piece = view[start : start + _HOLE]
        if data.count(0, start, start + len(piece)) == len(piece):
            continue
        done = 0
        while done < len(piece):
            done += os.pwrite(file, piece[done:], offset + start + done)


def local_address(request: web.Request) -> str:
    """The address at which the client reached us."""
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return str(name[0]) if name else ""
