"""Celery ignores what it does not know: these tests do not."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from inspect import signature
from typing import Any, Final

import pytest
from amqp import Connection as AmqpConnection
from celery import Celery
from celery.app.amqp import AMQP
from celery.app.defaults import NAMESPACES, flatten
from kombu.transport.redis import Channel as RedisChannel
from kombu.transport.redis import SentinelChannel

from tests.support.processes import ROOT
from worker.tasks import names

BROKERS: Final = {
    "redis": "redis://127.0.0.1:6379/0",
    "rediss": "rediss://127.0.0.1:6379/0",
    "sentinel": "sentinel://127.0.0.1:26379;sentinel://127.0.0.1:26380",
    "amqp": "amqp://guest:guest@127.0.0.1:5672//",
    "amqps": "amqps://guest:guest@127.0.0.1:5671//",
}
TASKS: Final = {names.TRACK, names.CONFIRM, names.DISPATCH, names.CHECK, names.DELIVER, names.LEARN, names.MAINTENANCE}
QUEUES: Final = {names.INTAKE, names.CONFIRMATIONS, names.CHECKS, names.DELIVERIES, names.UPKEEP}

OPTIONS: Final[dict[str, Any]] = dict(flatten(NAMESPACES))  # by name, all that Celery knows

# Loads the configuration in a process of its own, because it follows from the environment, and prints what came of it.
LOAD: Final = """
import json, celeryconfig
from celery.signals import celeryd_init
from worker.app import app
app.loader.import_default_modules()
celeryd_init.send(sender=None)
print(json.dumps({
    "written": {name: value for name, value in vars(celeryconfig).items() if not name.startswith("_")},
    "loaded": {name: app.conf[name] for name in dir(celeryconfig) if name in app.conf},
    "tasks": {name: {option: getattr(task, option) for option in (
        "acks_late", "reject_on_worker_lost", "ignore_result", "time_limit", "soft_time_limit", "serializer")}
        for name, task in app.tasks.items() if not name.startswith("celery.")},
    "routes": {name: app.amqp.router.route({}, name)["queue"].name for name in app.tasks},
    "read": {name: queue.queue_arguments for name, queue in app.amqp.queues.consume_from.items()},
}, default=str))
"""


def _load(broker: str, **more: str) -> Any:  # noqa: ANN401  what came out of JSON
    variables = {"CELERY_BROKER_URL": BROKERS[broker], "PATH": os.environ["PATH"], **more}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOAD],
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=list(BROKERS))
def broker(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def loaded(broker: str) -> Mapping[str, Any]:
    """What Celery makes of celeryconfig.py with this broker."""
    configuration: Mapping[str, Any] = _load(broker)
    return configuration


def _settings(loaded: Mapping[str, Any]) -> dict[str, Any]:
    imported = {"Any", "Final", "NoBackoff", "Queue", "Retry", "get_settings", "split_tls"}
    imported |= {name for name in vars(names) if name.isupper()}
    return {name: value for name, value in loaded["written"].items() if name not in imported}


def test_celery_knows_every_setting(loaded: Mapping[str, Any]) -> None:
    assert set(_settings(loaded)) - set(OPTIONS) == set()
    assert set(_settings(loaded)) <= set(loaded["loaded"])


def test_every_setting_has_a_value_of_the_type_that_celery_expects(loaded: Mapping[str, Any]) -> None:
    types: dict[str, tuple[type, ...]] = {"bool": (bool,), "int": (int,), "float": (int, float), "string": (str,)}
    wrong = {
        name: value
        for name, value in _settings(loaded).items()
        if value is not None
        and name != "broker_use_ssl"  # a bool by its type, and options by its documentation
        and not isinstance(value, types.get(OPTIONS[name].type, (object,)))
    }
    assert wrong == {}


def test_every_task_has_a_name_of_ours_and_a_queue_that_workers_read(loaded: Mapping[str, Any]) -> None:
    assert set(loaded["tasks"]) == TASKS
    assert {name: queue for name, queue in loaded["routes"].items() if name in TASKS} == {
        names.TRACK: names.INTAKE,
        names.DISPATCH: names.UPKEEP,
        names.CHECK: names.CHECKS,
        names.DELIVER: names.DELIVERIES,
        names.CONFIRM: names.CONFIRMATIONS,
        names.LEARN: names.UPKEEP,
        names.MAINTENANCE: names.UPKEEP,
    }
    assert set(loaded["read"]) == QUEUES


def test_celerys_own_tasks_go_to_a_queue_that_workers_read(loaded: Mapping[str, Any]) -> None:
    assert set(loaded["routes"].values()) <= QUEUES


def test_every_task_is_acknowledged_late_and_bounded_in_time(loaded: Mapping[str, Any]) -> None:
    lease = 60
    for options in loaded["tasks"].values():
        assert options["acks_late"] is True
        assert options["reject_on_worker_lost"] is True
        assert options["ignore_result"] is True
        assert options["serializer"] == "json"
    assert loaded["loaded"]["task_time_limit"] > loaded["loaded"]["task_soft_time_limit"] > lease


def test_nothing_but_json_is_read_or_written(loaded: Mapping[str, Any]) -> None:
    assert loaded["loaded"]["accept_content"] == ["json"]
    assert loaded["loaded"]["task_serializer"] == "json"


def test_the_transport_knows_every_transport_option(broker: str, loaded: Mapping[str, Any]) -> None:
    options = set(loaded["loaded"]["broker_transport_options"])
    if broker == "sentinel":
        assert options <= set(SentinelChannel.from_transport_options)
        assert {"socket_timeout", "sentinel_kwargs", "master_name"} <= options
    elif broker.startswith("redis"):
        assert options <= set(RedisChannel.from_transport_options)
    else:
        assert options <= set(signature(AmqpConnection.__init__).parameters)
    assert options


def test_a_message_is_given_to_another_worker_only_after_every_task_is_over() -> None:
    loaded = _load("redis")["loaded"]

    assert loaded["broker_transport_options"]["visibility_timeout"] > loaded["task_time_limit"]


def test_a_lease_of_any_length_is_over_before_the_message_is_given_to_another_worker() -> None:
    loaded = _load("redis", RENDERWATCH_LEASE_SECONDS="3600")["loaded"]

    assert loaded["broker_transport_options"]["visibility_timeout"] > loaded["task_time_limit"]


@pytest.mark.parametrize("queue", [names.INTAKE, names.CONFIRMATIONS])
def test_other_services_and_workers_declare_the_queues_alike(loaded: Mapping[str, Any], queue: str) -> None:
    other = Celery("other", set_as_current=False)
    declared = other.amqp.queues[queue]

    assert loaded["read"][queue] == declared.queue_arguments


def test_the_queues_of_our_own_are_replicated_on_rabbitmq() -> None:
    read = _load("amqp")["read"]

    assert {name for name, arguments in read.items() if arguments == {"x-queue-type": "quorum"}} == QUEUES - {
        names.INTAKE,
        names.CONFIRMATIONS,
    }


def test_beat_sends_tasks_that_exist_with_options_that_exist(loaded: Mapping[str, Any]) -> None:
    sends = set(signature(Celery.send_task).parameters) | set(signature(AMQP.as_task_v2).parameters)
    for entry in loaded["loaded"]["beat_schedule"].values():
        assert set(entry) <= {"task", "schedule", "options", "args", "kwargs"}
        assert entry["task"] in TASKS
        assert set(entry.get("options", ())) <= sends


def test_an_operators_transport_options_win(broker: str) -> None:
    loaded = _load(broker, RENDERWATCH_BROKER_TRANSPORT_OPTIONS='{"socket_timeout": 9}')["loaded"]

    assert loaded["broker_transport_options"]["socket_timeout"] == 9
