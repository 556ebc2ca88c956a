"""Entry of the command line: runs a command and turns every ending into words and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from viaduct.cli.application import Application, Factory
from viaduct.cli.failure import explain, explain_crash, of_the_disk
from viaduct.cli.root import viaduct
from viaduct.errors import InputError, ViaductError

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
INTERRUPTED_TEXT = "Interrupted. Nothing is lost: run the same command again and it completes."


def main(factory: Factory, arguments: list[str] | None = None) -> int:
    """Run a command line; returns its exit status."""
    made: list[Application] = []
    verbose = False

    def remember(state: Path | None, is_verbose: bool) -> Application:
        nonlocal verbose
        verbose = is_verbose
        made.append(factory(state, is_verbose))
        return made[-1]

    # Being asked to end is the same as Ctrl-C: the run is marked, children are ended.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        viaduct.main(args=arguments, prog_name="./viaduct", standalone_mode=False, obj=remember)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"\n{INTERRUPTED_TEXT}", err=True)
        return INTERRUPTED
    except ViaductError as error:
        explain(error, made[-1] if made else None, verbose=verbose)
        return BAD_INPUT if isinstance(error, InputError) else FAILED
    except BrokenPipeError:
        # The reader of our output has gone (| head): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        told = of_the_disk(error)
        if told is None:
            explain_crash(traceback.format_exc(), made[-1] if made else None)
        else:
            explain(told, made[-1] if made else None, verbose=verbose)
        return FAILED
    except Exception:
        explain_crash(traceback.format_exc(), made[-1] if made else None)
        return FAILED
    return OK


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt
