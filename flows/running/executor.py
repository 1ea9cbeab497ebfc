"""Where a job is done: in this process, or on Ray workers within a Prefect flow."""

import threading
from dataclasses import dataclass

from flawcast.configs.errors import SettingsError
from flawcast.flows.running.pieces import Job, OnDone, Stage, raise_failed, torch_threads
from flawcast.flows.running.progress import receiving
from flawcast.flows.running.services import services_environment, silence_telemetry, stop_on_sigterm


@dataclass(frozen=True)
class Here:
    """This process, one piece after the other: neither Prefect nor Ray is even imported.

    Every piece has one try: the user sees it fail and can run it again.
    """

    def run(self, job: Job) -> None:
        """Do all stages in order; if a piece fails, the others of its stage are still done.

        Raises:
            FlawcastError: If a piece failed; the results of the others stay.
        """
        turn = threading.Lock()  # pieces may send events from their own threads

        def take(event: object) -> None:
            with turn:
                if job.on_event is not None:
                    job.on_event(event)

        with stop_on_sigterm(), receiving(take):
            for stage in job.stages:
                _do_here(stage, job.on_done)


@dataclass(frozen=True)
class OnRay:
    """Ray workers, as the tasks of one Prefect flow run.

    Prefect and Ray are started if none are configured, and stopped at the end.

    Args:
        address: A running cluster; None starts Ray on this machine.
        workers: Worker processes, if Ray is started.
        cpus: Cores that a running cluster keeps for each task.
        gpus: GPUs that Ray keeps for each task.
    """

    address: str | None
    workers: int
    cpus: float = 1
    gpus: float = 0

    def run(self, job: Job) -> None:
        """Do all stages in order, as `Here.run` does.

        Raises:
            FlawcastError: If a piece failed, or a service does not start.
        """
        silence_telemetry()  # before Prefect and Ray are imported
        with stop_on_sigterm(), services_environment(self.address) as folder:
            from flawcast.flows.running.on_ray import run_flow

            # A Ray of our own has one core for each worker, however many the machine has.
            cpus = 1 if self.address is None else self.cpus
            run_flow(job, self.address, self.workers, cpus, self.gpus, folder)


def place_of(workers: int, address: str | None, fewest: int = 1) -> Here | OnRay:
    """Choose where to work, by the number of workers and the cluster's address.

    Args:
        workers: Ray worker processes; 0 for this process.
        address: A running Ray cluster; None for this machine.
        fewest: With fewer workers than this, work in this process unless an address is given.

    Raises:
        SettingsError: If an address is given but the number of workers is 0.
    """
    if address is None:
        return Here() if workers < max(fewest, 1) else OnRay(None, workers)
    if workers == 0:
        raise SettingsError(
            f"workers: expected at least 1 on the Ray cluster at {address}, got 0, which works in "
            "this process; leave out one of the two"
        )
    return OnRay(address, workers)


def _do_here(stage: Stage, on_done: OnDone) -> None:
    """Do a stage in this process."""
    pieces = stage.pieces()
    on_done(stage.name, 0, len(pieces))
    failed: list[BaseException] = []
    for done, piece in enumerate(pieces, start=1):
        try:
            with torch_threads(stage.threads):
                piece.work()
        except Exception as error:
            failed.append(error)
        on_done(stage.name, done, len(pieces))
    raise_failed(stage, failed, len(pieces))
