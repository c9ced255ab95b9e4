from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.values import texts
from worker.domain.intake.identifiers import is_account_name, is_api_key, is_project_id


@pytest.mark.parametrize("id_", ["cmuh8q75q0101k101fvgj9518", "cuid-example", "A_b-1234", "x" * 8, "x" * 64])
def test_a_project_id_is_letters_digits_and_dashes(id_: str) -> None:
    assert is_project_id(id_)


@pytest.mark.parametrize(
    "id_", ["", "x" * 7, "x" * 65, "../account", "cuid example", "cuid-example?a=1", "cuid-example\n", "cüid-example"]
)
def test_anything_else_is_no_project_id(id_: str) -> None:
    assert not is_project_id(id_)


@given(texts | st.from_regex(r"[\w.~/?#%-]{8,64}"))
def test_a_project_id_means_itself_in_a_url(text: str) -> None:
    assert not is_project_id(text) or quote(text, safe="") == text


@pytest.mark.parametrize("name", ["default", "a", "0", "team-a_1", "x" * 63])
def test_an_account_name_is_lower_case(name: str) -> None:
    assert is_account_name(name)


@pytest.mark.parametrize("name", ["", "Team", "-a", "_a", "a b", "a\n", "ä", "x" * 64])
def test_anything_else_is_no_account_name(name: str) -> None:
    assert not is_account_name(name)


@given(texts)
def test_an_api_key_is_what_a_header_carries(text: str) -> None:
    assert is_api_key(text) == (text != "" and all("!" <= character <= "~" for character in text))
