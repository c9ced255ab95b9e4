"""The official SDK, pointed at the simulator, must not notice the difference."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from magic_hour import Client  # type: ignore[import-untyped] # the SDK has no py.typed

from worker.simulator import Simulator, SimulatorOptions, running_simulator

ALL_COMPLETE = SimulatorOptions(time_scale=500, failure_rate=0, cancel_rate=0, correction_rate=1)


@pytest.fixture(autouse=True)
def _quick_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGIC_HOUR_POLL_INTERVAL", "0.01")
    # The SDK downloads with a client of its own, which would use a proxy from the environment.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with running_simulator(ALL_COMPLETE) as simulator:
        yield simulator


@pytest.fixture
def sdk(sim: Simulator) -> Iterator[Client]:
    with httpx.Client(trust_env=False) as http:
        yield Client(token="any", base_url=sim.url, httpx_client=http)  # noqa: S106 - no secret: any key is accepted


def test_a_video_from_create_to_file(sim: Simulator, sdk: Client, tmp_path: Path) -> None:
    created = sdk.v1.text_to_video.create(end_seconds=15, style={"prompt": "a dog in the rain"}, name="Rain")
    assert created.credits_charged == created.estimated_frame_cost == 450
    done = sdk.v1.video_projects.check_result(created.id, True, True, str(tmp_path))  # noqa: FBT003 - the SDK's order
    assert (done.status, done.type_, done.name, done.error) == ("complete", "TEXT_TO_VIDEO", "Rain", None)
    assert done.credits_charged == done.total_frame_cost == 15 * done.fps != 450
    assert (tmp_path / "output.mp4").read_bytes() == b"simulated output.mp4\n"
    [record] = sim.record()
    assert [change["status"] for change in record["timeline"]] == ["queued", "rendering", "complete"]
    assert record["final"]["credits_charged"] == done.credits_charged


def test_images_from_create_to_files(sdk: Client, tmp_path: Path) -> None:
    created = sdk.v1.ai_image_generator.create(image_count=2, style={"prompt": "a cat"})
    assert created.credits_charged == created.frame_cost
    done = sdk.v1.image_projects.check_result(created.id, True, True, str(tmp_path))  # noqa: FBT003 - the SDK's order
    assert (done.status, done.image_count, done.credits_charged) == ("complete", 2, created.credits_charged)
    assert {file.name for file in tmp_path.iterdir()} == {"output-1.png", "output-2.png"}


def test_an_audio_from_create_to_file(sdk: Client, tmp_path: Path) -> None:
    created = sdk.v1.ai_voice_generator.create(style={"prompt": "Hello", "voice_name": "Elon Musk"})
    done = sdk.v1.audio_projects.check_result(created.id, True, True, str(tmp_path))  # noqa: FBT003 - the SDK's order
    assert (done.status, done.credits_charged) == ("complete", created.credits_charged)
    assert done.downloaded_paths == [str(tmp_path / "output.mp3")]


def test_the_account_and_a_deletion(sdk: Client) -> None:
    created = sdk.v1.text_to_video.create(end_seconds=5, style={"prompt": "a dog"})
    assert sdk.v1.account.list().credits > 0
    sdk.v1.video_projects.delete(id=created.id)
    assert sdk.v1.video_projects.get(id=created.id).enabled is False


def test_failed_and_canceled_projects_are_understood() -> None:
    options = SimulatorOptions(time_scale=1e6, failure_rate=0.5, cancel_rate=0.5, late_refund_rate=0, no_refund_rate=0)
    with running_simulator(options) as sim, httpx.Client(trust_env=False) as http:
        sdk = Client(token="any", base_url=sim.url, httpx_client=http)  # noqa: S106 - no secret: any key is accepted
        ends = {
            (shown.status, shown.error is not None, shown.credits_charged)
            for project in sim.create(20, "/v1/face-swap")
            for shown in [sdk.v1.video_projects.check_result(project.id, True, False)]  # noqa: FBT003 - the SDK's order
        }
    assert ends == {("error", True, 0), ("canceled", False, 0)}
