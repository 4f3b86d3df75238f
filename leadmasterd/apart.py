"""Run a function in a short-lived process, where it needs a heavy package.

A long-running process that imported the package for one use would keep it in memory for good, in a fragmented heap.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from leadmasterd.errors import LeadmasterdError
from leadmasterd.text import speak, spoken_language

_T = TypeVar("_T")


def python_module(name: str, *arguments: str) -> list[str]:
    """The command line that runs module `name` of ours with this Python.

    `-P` keeps the current folder off the import path: anybody may have written there, and `-m` would look there first.
    """
    return [sys.executable, "-P", "-m", name, *arguments]


def apart(work: Callable[..., _T], *arguments: object, package: str) -> _T:
    """Call `work(*arguments)` in a new process, and return or raise what it does there.

    `package`: the heavy package that `work` imports. Where it is loaded here already, and where the new process can't
    be started or dies, `work` is called in this process. `work` must be a function of a module; arguments and result
    are pickled. The new process ends when this one ends, however that happens.
    """
    return begun_apart(work, *arguments, package=package)()


def begun_apart(work: Callable[..., _T], *arguments: object, package: str) -> Callable[[], _T]:
    """As `apart`, but do not wait: return a function that waits for the result. Meanwhile the caller can go on."""
    if package in sys.modules:
        return partial(work, *arguments)
    request = pickle.dumps((spoken_language(), work, arguments))
    try:
        process = subprocess.Popen(
            python_module("leadmasterd.apart"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # so that Ctrl-C reaches only this process
        )
    except OSError:
        return partial(work, *arguments)
    assert process.stdin
    with contextlib.suppress(BrokenPipeError):  # it died already; `wait` then does the work here
        process.stdin.write(request)
        process.stdin.flush()

    def wait() -> _T:
        with process:
            assert process.stdin
            assert process.stdout
            answer = process.stdout.read()
            process.stdin.close()
        try:
            result, error = pickle.loads(answer)
        except (EOFError, pickle.UnpicklingError):  # it died: no answer, or only the beginning of one
            return work(*arguments)
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    return wait


def main() -> None:
    """The new process: reads the request on stdin and writes the answer to stdout. Prints go to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # from here on, print writes to stderr
    language, work, arguments = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    speak(language)
    with answers:
        answers.write(pickle.dumps(_answer(work, arguments)))


def _answer(work: Callable[..., object], arguments: tuple[Any, ...]) -> tuple[object, Exception | None]:
    """What `work` returned and None, or None and what it raised.

    Pickling loses the traceback, so an error that shows a defect gets it as a note.
    """
    try:
        return work(*arguments), None
    except Exception as error:  # noqa: BLE001 - the process that asked raises it
        if not isinstance(error, LeadmasterdError):
            error.add_note("".join(traceback.format_exception(error)))
        return None, error.with_traceback(None)


def _end_with_the_parent() -> None:
    """End this process when stdin closes: the process that asked has its answer then, or has died."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
