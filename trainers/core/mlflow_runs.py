"""A training run as a run of MLflow, through MLflow's own client (the extra ``mlflow``).

The folder of the training run remembers which MLflow run is its own, so that a resumed one goes on
there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cagexplain
from cagexplain.common.documents import read_json
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import write_json
from trainers.core.result import RESULT, read_result

OPTION: Final = "--track"
RUN: Final = "mlflow.json"
"""File, in the folder of a training run, with the id of its run of MLflow."""
EXPERIMENT: Final = "cagexplain"
"""Of new runs, unless MLflow's variable MLFLOW_EXPERIMENT_NAME names another one."""

_FORM: Final = "mlflow:"
_PATIENCE: Final = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""How long a server that does not answer is waited for, unless the user says it: MLflow's own
defaults hold a training up for minutes."""
_ARTEFACTS: Final = ("config.json", "metrics.parquet", "ckpt.pt", "last.pt", RESULT)
_PARAMETERS_AT_ONCE: Final = 100
_REMEDY: Final = f"Start the server or correct {OPTION}; without {OPTION} the run needs none"


@dataclass(frozen=True)
class Remembered:
    """What `RUN` holds.

    Attributes:
        run_id: of the run of MLflow.
    """

    run_id: str


def location(track: str) -> str:
    """The tracking URI in ``mlflow:URI``.

    Raises:
        UsageError: it has another form.
    """
    form, uri = track[: len(_FORM)], track[len(_FORM) :]
    if form != _FORM or not uri:
        raise UsageError(
            f"{track!r} names no tracker",
            where=OPTION,
            remedy="Give mlflow:URI, such as mlflow:http://127.0.0.1:5000 or "
            "mlflow:sqlite:///mlflow.db",
        )
    return uri


def require(track: str, folder: Path | None = None) -> None:
    """Notice before any training that it could not be tracked.

    Args:
        track: as `location` takes it.
        folder: of a run that is to be resumed.

    Raises:
        UsageError: the form is another one, or MLflow is not installed.
        CagexplainError: nothing answers there, or what answers does not know the run.
    """
    uri = location(track)
    try:
        import mlflow  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "MLflow is not installed",
            where=OPTION,
            remedy=f"Install the extra: pip install -e '.[mlflow]'; or leave {OPTION} out",
        ) from error
    try:
        client = _client(uri)
        run_id = None if folder is None else remembered(folder)
        with _reached():
            _experiment(client)
            if run_id is not None:
                client.get_run(run_id)
    except OSError as error:
        raise CagexplainError(
            f"MLflow cannot track there: {error}", where=track, remedy=_REMEDY
        ) from error


def remembered(folder: Path) -> str | None:
    """Id of the MLflow run of a training run; None if it has none.

    Raises:
        CagexplainError: the file is damaged.
    """
    path = folder / RUN
    if not path.exists():
        return None
    remedy = f"Remove the file: then {OPTION} begins a new run of MLflow"
    return read_json(path, Remembered, "file of a run of MLflow", remedy=remedy).run_id


def require_own(track: str, folder: Path | None) -> str:
    """The id of the MLflow run of a folder, once it is known to be there.

    Args:
        track: as `location` takes it.
        folder: of a training run; None if there is none.

    Raises:
        UsageError: it has no run of MLflow; and see `require`.
        CagexplainError: see `require`.
    """
    require(track, folder)
    run_id = None if folder is None else remembered(folder)
    if run_id is None:
        raise UsageError(
            f"there is no {RUN} beside the policy, so it has no run of MLflow",
            where=OPTION,
            remedy=f"Give a checkpoint that was trained with {OPTION}, or leave {OPTION} out",
        )
    return run_id


def add_report(
    track: str,
    run_id: str,
    name: str,
    files: Sequence[Path],
    numbers: dict[str, float],
    tags: dict[str, str],
) -> None:
    """Add a report to a run of MLflow.

    Args:
        track: as `location` takes it.
        run_id: of the run.
        name: of the report: the folder of its artefacts, and what its metrics begin with.
        files: to send.
        numbers, tags: by name.

    Raises:
        OSError: MLflow cannot be reached.
    """
    client = _client(location(track))
    with _reached():
        for number, value in numbers.items():
            client.log_metric(run_id, f"{name}/{number}", value)
        for tag, text in tags.items():
            client.set_tag(run_id, tag, text)
        for file in files:
            client.log_artifact(run_id, str(file), name)


class MlflowRun:
    """A run of MLflow: settings as parameters, metrics by step, at the end files as artefacts.

    A new one is made, or that of the folder goes on. Metrics that it lacks are sent at once; what
    it has already is not sent again.

    Args:
        track: as `location` takes it.
        folder: of the training run.
        settings: by name.
        rows: metrics of the rounds so far, by name; "steps" says when.

    Raises:
        OSError: MLflow cannot be reached; so do the methods.
    """

    def __init__(
        self,
        track: str,
        folder: Path,
        settings: dict[str, Any],
        rows: Sequence[tuple[int, dict[str, float]]],
    ) -> None:
        self._folder, self._last = folder, 0
        self._client = _client(location(track))
        run_id = remembered(folder)
        if run_id is None:
            run_id = self._begin(settings)
        else:
            with _reached():
                self._client.update_run(run_id, status="RUNNING")
                history = self._client.get_metric_history(run_id, "return")
            self._last = max((metric.step for metric in history), default=0)
        self.run_id = run_id
        for step, scalars in rows:
            self.add(step, scalars)

    def _begin(self, settings: dict[str, Any]) -> str:
        from mlflow.entities import Param

        params = [Param(name, str(value)) for name, value in settings.items()]
        with _reached():
            run = self._client.create_run(
                _experiment(self._client),
                run_name="/".join(self._folder.resolve().parts[-2:]),
                tags={"cagexplain": cagexplain.__version__},
            )
            run_id = str(run.info.run_id)
            for first in range(0, len(params), _PARAMETERS_AT_ONCE):
                part = params[first : first + _PARAMETERS_AT_ONCE]
                self._client.log_batch(run_id, params=part)
        write_json(self._folder / RUN, {"run_id": run_id})
        return run_id

    def add(self, step: int, scalars: dict[str, float]) -> None:
        """Send the metrics of a round, unless they are there."""
        if step > self._last:
            self._send(step, scalars)
            self._last = step

    def close(self) -> None:
        """Send the files; the run is FINISHED with its result, and KILLED until it is resumed."""
        result = read_result(self._folder)
        if result is not None:
            self._send(result.steps, {"final_mean": result.final_mean})
        with _reached():
            for name in _ARTEFACTS:
                if (self._folder / name).is_file():
                    self._client.log_artifact(self.run_id, str(self._folder / name))
            self._client.set_terminated(self.run_id, "KILLED" if result is None else "FINISHED")

    def _send(self, step: int, scalars: dict[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        with _reached():
            self._client.log_batch(
                self.run_id, [Metric(name, value, now, step) for name, value in scalars.items()]
            )


def _client(uri: str) -> Any:
    import logging

    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    with _reached():
        from mlflow.tracking import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.ERROR)  # its notes would tear the progress bar
        return MlflowClient(tracking_uri=uri)


def _experiment(client: Any) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    experiment = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if experiment is None else experiment.experiment_id)


@contextmanager
def _reached() -> Iterator[None]:
    """Whatever MLflow, its stores and its transport raise, as an `OSError` of one line."""
    try:
        yield
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ConnectionError(lines[0]) from error
