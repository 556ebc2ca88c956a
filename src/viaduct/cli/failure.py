"""Errors as people read them: what happened, what to do, where to look."""

from __future__ import annotations

import errno
import textwrap

import click

from viaduct.cli.application import Application
from viaduct.errors import PreflightError, StateError, VCenterUntrusted, ViaductError


def explain(error: ViaductError, application: Application | None, *, verbose: bool) -> None:
    """Write an error to standard error: its details, sentence, remedy and the log's place."""
    hide = application.redactor if application else str
    for line in hide(error.detail).rstrip().splitlines()[-(400 if verbose else 40) :]:
        click.echo(f"  | {line}", err=True)
    if isinstance(error, PreflightError):
        for sentence, remedy in error.problems:
            _say(error.code, hide(sentence), hide(remedy))
    else:
        _say(error.code, hide(error.sentence), hide(error.remedy))
    if isinstance(error, VCenterUntrusted):
        click.echo(f"  presented thumbprint (SHA-256): {error.thumbprint}", err=True)
    if application and application.log_file:
        click.echo(f"  log: {application.log_file}", err=True)


def of_the_disk(error: OSError) -> StateError | None:
    """What an error of a disk means to a person; None for any other error."""
    where = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StateError(
            f"The disk is full: {where} could not be written.",
            "Free some space, then run the same command again: it goes on where it was.",
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StateError(
            f"{where} may not be written: {error.strerror}.",
            "Run as root, or choose another state directory (--state DIR).",
        )
    return None


def explain_crash(trace: str, application: Application | None) -> None:
    """Apologise for a defect; the traceback goes to a log file, not to the terminal."""
    if application:
        trace = application.redactor(trace)
    last = trace.strip().splitlines()[-1]
    path = application.note_crash(trace) if application else None
    click.secho("error VIADUCT-999: ", fg="red", bold=True, nl=False, err=True)
    click.echo(f"Viaduct itself failed; this is a defect of ours, sorry ({last[:200]}).", err=True)
    if path:
        click.echo("  what to do: run the command again; if it repeats, report it with this file:", err=True)
        click.echo(f"  log: {path}", err=True)
    else:
        click.echo(trace, err=True)


def _say(code: str, sentence: str, remedy: str) -> None:
    click.secho(f"error {code}: ", fg="red", bold=True, nl=False, err=True)
    click.echo(sentence, err=True)
    if remedy:
        wrapped = textwrap.fill(remedy, 110, initial_indent="  what to do: ", subsequent_indent="  ")
        click.echo(wrapped, err=True)
