"""In your tests: your service against a running Renderwatch, with a simulator in Magic Hour's place."""

import pytest
from magic_hour import Client

from worker.client.testing import RunningRenderwatch

pytest_plugins = ["worker.client.testing"]  # in your conftest.py


@pytest.fixture
def magic_hour(renderwatch: RunningRenderwatch) -> Client:
    return Client(token="any", base_url=renderwatch.simulator.url)


def test_an_order_is_rendered_and_has_its_final_price(renderwatch: RunningRenderwatch, magic_hour: Client) -> None:
    created = magic_hour.v1.ai_image_generator.create(image_count=2, style={"prompt": "a cat"})
    renderwatch.client.track(created, metadata={"order": 4711})
    project = renderwatch.client.wait("image", created.id, until="settled", timeout=120)
    assert (project.status, project.image_count) == ("complete", 2)
    assert project.credits_charged == project.expected_credits == created.credits_charged


def test_your_code_is_told_what_happened(renderwatch: RunningRenderwatch, magic_hour: Client) -> None:
    created = magic_hour.v1.ai_voice_generator.create(style={"prompt": "Hello", "voice_name": "Elon Musk"})
    events = renderwatch.client.events()
    renderwatch.client.track(created)
    for event in events:
        if (event.project_id, event.type) == (created.id, "project.completed"):
            break
    assert [download.url for download in event.downloads]
