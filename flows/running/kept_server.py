"""A server of our own that is started anew if it ends in the middle of a run."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from flawcast.flows.running import ending

STOP_SECONDS = 10.0
LOOK_SECONDS = 0.5
MOST_STARTS = 3  # after the first; a server that ends that often will do so again


class KeptServer:
    """A server process with a thread that starts it anew on the same port.

    Its clients try again for a minute, so a server that was killed (for want of memory, for
    instance) costs a run only the records of that moment.

    Args:
        start: Starts the server's process.
    """

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._start, self._ending = start, threading.Event()
        self._watch: threading.Thread | None = None
        self.process = start()

    def keep(self) -> None:
        """Watch over the server from now on; it has answered once."""
        if self._watch is None:
            self._watch = threading.Thread(target=self._look, name="server watch", daemon=True)
            self._watch.start()

    def stop(self) -> None:
        """End the server and all processes that it started."""
        self._ending.set()
        if self._watch is not None:
            self._watch.join(STOP_SECONDS)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None:
                break
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)

    def _look(self) -> None:
        """Start the server anew when it has ended by itself."""
        for _ in range(MOST_STARTS):
            while self.process.poll() is None:
                if self._ending.wait(LOOK_SECONDS):
                    return
            if self._ending.is_set() or ending.was_asked():
                return  # what ends a run ends its server, perhaps before we are asked to
            print(  # the display shows it above its bars
                f"flawcast: the Prefect server ended in the middle of the run (exit code "
                f"{self.process.returncode}) and is started anew; its last records may be lost, "
                "the sets are not",
                file=sys.stderr,
            )
            self.process = self._start()
