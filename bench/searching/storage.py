"""Where a study lies: a file in the search's folder, or a server that several machines share."""

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
"""A server that does not answer for so long is told as unreachable."""
LOCKED_S = 60
"""SQLite lets one write at a time: how long the others wait for their turn."""
HEARTBEATS = 6
"""So many in the time after which a worker is given up."""

GONE = (OperationalError, InterfaceError, StorageInternalError)
"""What drivers and Optuna raise where the connection is lost."""

RETRY_OF = "retry_of"
"""User attribute of a trial that was given out again: the number of the one whose worker was lost."""

optuna.logging.set_verbosity(optuna.logging.ERROR)  # the search tells its trials itself


def open_storage(url: str, *, lost_after_s: int) -> RDBStorage:
    """The storage behind Optuna's URL, with a heartbeat that gives a lost worker's trial out again.

    Raises:
        ConfigError: the URL is none, or its driver is not installed.
        RunError: nothing answers within CONNECT_S, or what does refuses us.
    """
    parsed = _url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    arguments: dict[str, Any] = {"timeout": LOCKED_S} if sqlite else {"connect_timeout": CONNECT_S}
    try:
        with quiet():
            return RDBStorage(
                parsed.render_as_string(hide_password=False),
                engine_kwargs={"connect_args": arguments, "pool_pre_ping": True},
                heartbeat_interval=max(1, lost_after_s // HEARTBEATS),
                grace_period=lost_after_s,
                heartbeat_stale_trial_callback=give_out_again,
            )
    except NoSuchModuleError:
        raise ConfigError(
            "is no database: in others Optuna can't tell when a worker is lost",
            record="storage",
            value=shown(url),
            hint="write e.g. postgresql://USER@HOST:5432/BASE or sqlite:////PATH/study.db",
        ) from None
    except ImportError as error:
        raise ConfigError(
            f"its driver is not installed: {error}",
            record="storage",
            value=shown(url),
            hint="for PostgreSQL: pip install 'bench-detectors[postgresql]'",
        ) from None
    except (SQLAlchemyError, OptunaError, RuntimeError) as error:
        raise unreachable(url, error) from None


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """What a storage says that is gone in the middle of a search, as a RunError."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        gone = next((cause for cause in _causes(error) if isinstance(cause, GONE)), None)
        if gone is None:
            raise
        raise unreachable(url, gone) from error


def _causes(error: BaseException | None) -> Iterator[Exception]:
    """The error and what it came from: over a lost connection Optuna stumbles once more as it cleans up."""
    while isinstance(error, Exception):
        yield error
        error = error.__cause__ or error.__context__


def unreachable(url: str, error: Exception) -> RunError:
    """The first line of what the driver says; Optuna wraps it."""
    cause = error.__cause__ if isinstance(error, OptunaError) and error.__cause__ else error
    words = str(getattr(cause, "orig", None) or cause).strip()
    return RunError(
        f"the storage can't be reached: {words.splitlines()[0] if words else type(cause).__name__}",
        record="storage",
        value=shown(url),
        hint="see that the server runs and lets you in; what is stored there stays, "
        "and bench search --resume SEARCH goes on with it",
    )


def shown(url: str) -> str:
    """Without the password: it belongs in no file and on no screen."""
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


def give_out_again(study: optuna.Study, lost: FrozenTrial) -> None:
    """Enqueue the setting of a trial whose worker was lost; the next that asks gets it."""
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
    """Heartbeats, groups and liars are experimental to Optuna, which says so each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            "is no URL of a storage",
            record="storage",
            value="(not shown: it may hold a password)",
            hint="write e.g. postgresql://USER@HOST:5432/BASE or sqlite:////PATH/study.db",
        ) from None
    plain = parsed.drivername in ("postgresql", "postgres")
    if plain and importlib.util.find_spec("psycopg2") is None:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed
