"""The command `flawcast`: each subcommand parses, calls one function and prints.

Nothing heavy is imported before the signals are handled: a command may be stopped at any moment.
"""

from flawcast.flows.running import ending


def main() -> None:
    """Run the command line; a request to end it is exit code 130 and one line."""
    with ending.interruptible_process():
        try:
            from flawcast.flows.commands.line import run

            run()
        except KeyboardInterrupt:
            ending.leave()
        except BaseException as end:
            # Ray's own handler of SIGTERM exits with the signal's number, while Ray starts.
            if ending.was_asked() or (isinstance(end, SystemExit) and end.code == 15):
                ending.leave()
            raise
