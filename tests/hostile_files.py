"""Files that harm the process that reads them, each in a way of its own.

No real file is known to do so for long: what does is mended where it is read. So a module that Python loads
at its start lets the reading processes, and no others, do what the first word of a file's body says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from builders import write_article

_CUSTOMIZE = """
import sys

if "feedserver.indexing.reader_process" in sys.orig_argv:
    import ctypes, os, signal, time
    from feedserver.indexing import readings

    class Panic(BaseException):
        pass

    def spin():
        while True:
            pass

    def eat():
        held = []
        while True:
            held.append(bytearray(50_000_000))

    def deep():
        return deep() + 1

    def fail():
        raise ValueError("a secret of the file")

    def panic():
        raise Panic("a secret of the file")

    HARM = {
        b"KILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
        b"SEGV": lambda: ctypes.string_at(0),
        b"ABORT": os.abort,
        b"EXIT": lambda: os._exit(7),
        b"STOP": lambda: os.kill(os.getpid(), signal.SIGSTOP),
        b"SLEEP": lambda: time.sleep(3600),
        b"SPIN": spin,
        b"EAT": eat,
        b"DEEP": deep,
        b"FAIL": fail,
        b"PANIC": panic,
    }
    honest = readings.read_article

    def read_article(raw, *arguments):
        words = raw.rpartition(b"---\\n")[2].split()
        if words and words[0] in HARM:
            HARM[words[0]]()
        reading = honest(raw, *arguments)
        if words and words[0] == b"SURROGATE":
            import msgspec
            article = msgspec.structs.replace(reading.article, title="\\ud800")
            reading = msgspec.structs.replace(reading, article=article)
        return reading

    readings.read_article = read_article
"""

# Commands that end a process, each with a part of the reason in the finding; and commands that raise.
DEADLY: Mapping[str, str] = {
    "KILL": "signal SIGKILL",
    "SEGV": "signal SIGSEGV",
    "ABORT": "signal SIGABRT",
    "EXIT": "exit status 7",
    "STOP": "it did not go on for",
    "SLEEP": "it did not go on for",
    "SPIN": "s of CPU",
    "EAT": "MB of memory",
}
FAILING: Mapping[str, str] = {
    "DEEP": "RecursionError",
    "FAIL": "ValueError",
    "PANIC": "Panic",
    "SURROGATE": "Unicode",
}


def harmful_environment(folder: Path) -> dict[str, str]:
    """The environment in which files do harm; `folder` is a new one for the module."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_CUSTOMIZE, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def write_harmful(folder: Path, harm: str, path: str = "") -> Path:
    """An article that does harm when it is read."""
    return write_article(folder, path or f"{harm.lower()}.md", title=f"Does {harm}", body=harm)
