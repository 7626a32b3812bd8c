"""The `mixvec` command: what every command shares, from arguments to exit status."""

import os
import sys
from collections.abc import Sequence
from typing import Final

import typer

from codesign.commands.build import build
from codesign.commands.demo import demo
from codesign.commands.embed import embed
from codesign.commands.estimate import estimate
from codesign.commands.evaluate import evaluate
from codesign.commands.explore import explore
from codesign.commands.generate import generate
from codesign.commands.inspect import inspect
from codesign.commands.pack import pack
from codesign.commands.prune import prune
from codesign.commands.regress import regress
from codesign.commands.rtl import rtl
from codesign.commands.run import run
from codesign.commands.sim import sim
from codesign.commands.twin import twin
from codesign.commands.unpack import unpack
from spec.errors import ConfigError, FormatError, LinkError

__all__ = ["app", "main"]

_SUCCESS: Final = 0
_BAD_INPUT: Final = 2
_INTERRUPTED: Final = 130

app = typer.Typer(
    name="mixvec",
    help="Prune transformers into mixed-length vectors and generate the accelerator that runs them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    demo,
    prune,
    pack,
    inspect,
    unpack,
    rtl,
    sim,
    regress,
    estimate,
    evaluate,
    explore,
    embed,
    generate,
    build,
    run,
    twin,
):
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 success, 1 a check failed, 2 bad input.

    Bad input is one sentence on standard error; 130 follows Ctrl-C.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of those of the process.
    """
    try:
        status = app(list(sys.argv[1:] if arguments is None else arguments), "mixvec", standalone_mode=False)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except typer.Abort:
        return _INTERRUPTED
    except typer.TyperException as error:
        return _refuse(_usage(error))
    except BrokenPipeError:
        # The reader of our output has left; Python must not flush into the pipe again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _SUCCESS
    except MemoryError:
        return _refuse("this needs more memory than there is; give a smaller layer or file")
    except (ConfigError, FormatError, LinkError) as error:
        return _refuse(str(error))
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _refuse(f"{name}{error.strerror or error}; check the path and the space left")
    return status if isinstance(status, int) else _SUCCESS


def _usage(error: typer.TyperException) -> str:
    """One sentence from an error in the command line, with the way to the help; help stays as it is."""
    text = error.format_message().rstrip()
    if "\n" in text or "Usage:" in text:
        return text
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "mixvec"
    return f"{text.rstrip('.')}; see `{command} --help`"


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return _BAD_INPUT
