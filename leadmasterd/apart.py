"""Work in a short-lived process: for what needs a package once that a long-running process should not keep.

What was imported stays in memory, and what it made leaves holes there.
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
    """The command that runs a module of ours in a process of its own.

    `-P`: nothing is imported from the current folder, which may be anybody's; `-m` alone would look there first.
    """
    return [sys.executable, "-P", "-m", name, *arguments]


def apart(work: Callable[..., _T], *arguments: object, package: str) -> _T:
    """What `work(*arguments)` returns or raises, in a process of its own that imports `package` in our stead.

    Where the package is loaded anyway, and where no process can be started or it is killed, it is done here. `work` is
    a module's function; what goes in and out is pickled. The process ends with ours, however that ends.
    """
    return begun_apart(work, *arguments, package=package)()


def begun_apart(work: Callable[..., _T], *arguments: object, package: str) -> Callable[[], _T]:
    """Begin that work, and return a function that waits for its result: the caller can do something else meanwhile."""
    if package in sys.modules:
        return partial(work, *arguments)
    request = pickle.dumps((spoken_language(), work, arguments))
    try:
        process = subprocess.Popen(
            python_module("leadmasterd.apart"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us
        )
    except OSError:
        return partial(work, *arguments)
    assert process.stdin
    with contextlib.suppress(BrokenPipeError):  # it has said why on stderr, or was killed
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
        except (EOFError, pickle.UnpicklingError):  # nothing, or only its beginning
            return work(*arguments)
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    return wait


def main() -> None:
    """The process: a request on stdin, the answer on stdout. What `work` prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    language, work, arguments = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    speak(language)
    with answers:
        answers.write(pickle.dumps(_answer(work, arguments)))


def _answer(work: Callable[..., object], arguments: tuple[Any, ...]) -> tuple[object, Exception | None]:
    try:
        return work(*arguments), None
    except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
        if not isinstance(error, LeadmasterdError):
            error.add_note("".join(traceback.format_exception(error)))
        return None, error.with_traceback(None)


def _end_with_the_parent() -> None:
    """The other end of stdin closes with it."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
