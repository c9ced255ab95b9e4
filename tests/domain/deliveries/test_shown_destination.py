import pytest

from worker.domain.deliveries.shown_destination import is_shown_form, shown_destination

SLACK = "https://hooks.example/services/T000/SECRET"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        (SLACK, "https://hooks.example/services/…"),
        ("https://hooks.example:8443/SECRET", "https://hooks.example:8443/…"),
        ("https://hooks.example/secret", "https://hooks.example/…"),
        ("https://hooks.example/S3CRET/secret", "https://hooks.example/…"),
        ("http://[::1]:8080/hooks/secret", "http://[::1]:8080/hooks/…"),
        ("https://hooks.example//secret", "https://hooks.example/…"),
    ],
)
def test_of_a_url_the_path_is_not_shown(name: str, start: str) -> None:
    shown = shown_destination(name)
    assert shown.startswith(start)
    assert len(shown) == len(start) + 8
    assert "secret" not in shown.lower()
    assert is_shown_form(shown)


@pytest.mark.parametrize("name", ["celery:studio.on_render?queue=studio", "https://hooks.example/"])
def test_what_holds_no_path_is_shown_as_it_is(name: str) -> None:
    assert shown_destination(name) == name
    assert not is_shown_form(name)


def test_two_urls_of_one_host_look_different() -> None:
    assert shown_destination(SLACK) != shown_destination(SLACK + "2")
