"""The storage of studies: a file in the search's folder, or a server that several machines share."""

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, OptunaError, StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, NoSuchModuleError, OperationalError, SQLAlchemyError

from bench.errors import BenchError, ConfigError, RunError

CONNECT_S = 10
"""Seconds after which a server counts as unreachable."""
LOCKED_S = 60
"""Seconds that a writer waits for SQLite's lock."""
HEARTBEATS_UNTIL_LOST = 6
"""Missed heartbeats after which a worker counts as lost."""

CONNECTION_ERRORS = (OperationalError, InterfaceError, StorageInternalError)
"""Raised by drivers and Optuna when the connection is lost."""

RETRY_OF = "retry_of"
"""User attribute of a requeued trial: the number of the one whose worker was lost."""

optuna.logging.set_verbosity(optuna.logging.ERROR)  # the search reports its trials itself


def open_storage(url: str, *, lost_after_s: int) -> RDBStorage:
    """The storage behind Optuna's URL, with a heartbeat that requeues a lost worker's trial.

    Raises:
        ConfigError: the URL is invalid, or its driver is not installed.
        RunError: no server answers within CONNECT_S, or access is refused.
    """
    parsed = _url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    arguments: dict[str, Any] = {"timeout": LOCKED_S} if sqlite else {"connect_timeout": CONNECT_S}
    try:
        with quiet():
            return RDBStorage(
                parsed.render_as_string(hide_password=False),
                engine_kwargs={"connect_args": arguments, "pool_pre_ping": True},
                heartbeat_interval=max(1, lost_after_s // HEARTBEATS_UNTIL_LOST),
                grace_period=lost_after_s,
                heartbeat_stale_trial_callback=requeue,
            )
    except NoSuchModuleError:
        raise ConfigError(
            "is not a database; Optuna can detect lost workers only in databases",
            record="storage",
            value=without_password(url),
            hint="for example postgresql://USER@HOST:5432/BASE or sqlite:////PATH/study.db",
        ) from None
    except ImportError as error:
        raise ConfigError(
            f"its driver is not installed: {error}",
            record="storage",
            value=without_password(url),
            hint="for PostgreSQL: pip install 'bench-detectors[postgresql]'",
        ) from None
    except (SQLAlchemyError, OptunaError, RuntimeError) as error:
        raise unreachable(url, error) from None


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turn a connection that is lost during a search into a RunError."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        lost = next((cause for cause in _causes(error) if isinstance(cause, CONNECTION_ERRORS)), None)
        if lost is None:
            raise
        raise unreachable(url, lost) from error


def _causes(error: BaseException | None) -> Iterator[Exception]:
    """The error and its causes: after a lost connection, Optuna's clean-up fails once more."""
    while isinstance(error, Exception):
        yield error
        error = error.__cause__ or error.__context__


def unreachable(url: str, error: Exception) -> RunError:
    """With the first line of the driver's message, which Optuna wraps."""
    cause = error.__cause__ if isinstance(error, OptunaError) and error.__cause__ else error
    message = str(getattr(cause, "orig", None) or cause).strip()
    return RunError(
        f"the storage can't be reached: {message.splitlines()[0] if message else type(cause).__name__}",
        record="storage",
        value=without_password(url),
        hint="check that the server runs and grants access; what is stored there is kept, "
        "and bench search --resume SEARCH continues",
    )


def without_password(url: str) -> str:
    """The URL without its password, for files and screens."""
    try:
        whole = make_url(url)
    except ArgumentError:
        return "(no URL)"
    bare = URL.create(
        whole.drivername,
        username=whole.username,
        host=whole.host,
        port=whole.port,
        database=whole.database,
        query=whole.query,
    )
    return bare.difference_update_query(["password"]).render_as_string()


def requeue(study: optuna.Study, lost: FrozenTrial) -> None:
    """Enqueue the setting of a trial whose worker was lost, for the next free worker."""
    study.add_trial(
        create_trial(
            state=TrialState.WAITING,
            params=lost.params,
            distributions=lost.distributions,
            system_attrs={key: value for key, value in lost.system_attrs.items() if key == "fixed_params"},
            user_attrs={RETRY_OF: lost.number},
        )
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's warnings that heartbeats, groups and constant liars are experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            "is not the URL of a storage",
            record="storage",
            value="(not shown: it may hold a password)",
            hint="for example postgresql://USER@HOST:5432/BASE or sqlite:////PATH/study.db",
        ) from None
    plain = parsed.drivername in ("postgresql", "postgres")
    if plain and importlib.util.find_spec("psycopg2") is None:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed
