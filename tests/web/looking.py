"""Reading pages as a person does: tiles, links and rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from lxml import html


@dataclass(frozen=True)
class Link:
    """A link whose text is a number, and where it leads."""

    number: int
    href: str


def number_in(text: str) -> int:
    """The first number of a text, however its thousands are set apart."""
    found = re.search(r"\d[\d\u202f,]*", text)
    assert found, text
    return int(re.sub(r"[\u202f,]", "", found[0]))


def look(client: httpx.Client, path: str) -> Any:  # noqa: ANN401  lxml has no types
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.text[-1000:])
    return html.fromstring(answer.text)


def tiles(client: httpx.Client, path: str) -> dict[str, tuple[str, str]]:
    """The number and the small print of each tile, by its label."""
    found = look(client, path).xpath("//*[contains(concat(' ', @class, ' '), ' tile ')]")
    return {
        _text(each, "span[@class='label']"): (_text(each, "strong"), _text(each, "span[@class='muted']"))
        for each in found
    }


def link_of(client: httpx.Client, path: str, label: str) -> str:
    """Where a tile leads."""
    (found,) = look(client, path).xpath(f"//a[contains(@class, 'tile')][span[text() = '{label}']]/@href")
    return str(found)


def _text(element: Any, path: str) -> str:  # noqa: ANN401  lxml has no types
    (found,) = element.xpath(f".//{path}")
    return re.sub(r"\s+", " ", found.text_content().replace("\u202f", "")).strip()


def count_rows(client: httpx.Client, path: str) -> int:
    """How many rows the list of a page has, on this page and the following ones."""
    shown = look(client, path)
    table, card = "//main//table[contains(@class, 'rows') and not(contains(@class, 'sums'))]", "//section"
    count = len(shown.xpath(f"{table}/tbody/tr | {card}[contains(@class, 'account')]"))
    following = [each.get("href") for each in shown.xpath("//nav[@class='pages']/a[contains(., 'Next')]")]
    return count + (count_rows(client, following[0]) if following else 0)


def number_links(client: httpx.Client, path: str) -> Iterator[Link]:
    """The links of a page's content whose text is a number."""
    for each in look(client, path).xpath("//main//a"):
        text = each.text_content().strip()
        if re.fullmatch(r"\d[\d\u202f]*", text):
            yield Link(number_in(text), each.get("href"))
