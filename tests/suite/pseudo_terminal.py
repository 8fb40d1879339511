"""A terminal for a command: what a person would see, colours included."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from dataclasses import dataclass


@dataclass
class Shown:
    """What a terminal showed, and the exit code."""

    text: str
    code: int


def run(command: list[str], environment: dict[str, str], *, columns: int) -> Shown:
    """Runs a command whose standard output is a terminal of a given width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:
        pass  # Linux tells the end of a terminal by an error.
    finally:
        os.close(ours)
    process.communicate(timeout=60)
    return Shown(shown.decode().replace("\r\n", "\n"), process.returncode)
