"""Tests of the search: what is found, in which order, page by page, and what is not."""

from __future__ import annotations

import pytest

from registry.search import PAGE, describe_package
from skillpkg.names import Namespace, Version
from skillpkg.package import pack
from tests.registry.conftest import Site
from tests.registry.test_publish import code
from tests.worker.estate import skill_files

PATH = "/v1/search"


def published(site: Site, name: str, description: str, version: str = "1.0.0") -> None:
    files = skill_files(name, description=description)
    site.estate.publish(pack(files, namespace=Namespace("jsmith"), version=Version(version)))


def found(site: Site, query: str) -> list[str]:
    answer = site.client.get(PATH, query_string={"q": query})
    assert answer.status_code == 200
    return [package["name"] for package in answer.get_json()["packages"]]


def test_packages_are_found_by_name_and_by_what_they_say_names_first(site: Site) -> None:
    published(site, "invoice-reader", "Reads scanned papers.")
    published(site, "papers", "Sorts letters into folders.")
    published(site, "weather", "Tells whether it rains.")
    assert found(site, "papers") == ["papers", "invoice-reader"]
    assert found(site, "invoice") == ["invoice-reader"]
    assert found(site, "folder sorting") == ["papers"]
    assert found(site, "raining") == ["weather"]
    assert found(site, "papers -letters") == ["invoice-reader"]
    assert found(site, "jsmith") == ["invoice-reader", "papers", "weather"]
    assert found(site, "nothing of this") == []


def test_newest_description_counts_and_what_is_yanked_is_not_found(site: Site) -> None:
    published(site, "weather", "Tells whether it rains.")
    published(site, "weather", "Tells whether it snows.", "1.1.0")
    assert (found(site, "rain"), found(site, "snow")) == ([], ["weather"])
    site.estate.superuser("UPDATE versions SET status = 'yanked' WHERE version = '1.0.0'")
    assert found(site, "snow") == ["weather"]
    site.estate.superuser("UPDATE versions SET status = 'blocked'")
    assert found(site, "snow") == []


def test_pages_show_each_package_once_while_others_come(site: Site) -> None:
    published(site, "seed", "Sows seeds.")
    with site.estate.connect("skreg_vet") as connection:
        for number in range(2 * PAGE + 3):
            describe_package(connection, namespace="jsmith", name=f"seed-{number:03}", description="Sows seeds.")
    site.estate.superuser("ALTER TABLE versions DISABLE TRIGGER ALL")
    site.estate.superuser("ALTER TABLE versions DROP CONSTRAINT versions_submission_id_key")
    site.estate.superuser(
        "INSERT INTO versions (namespace, name, version, submission_id, sha256, size)"
        " SELECT t.namespace, t.name, v.version, v.submission_id, v.sha256, v.size FROM package_texts t, versions v"
        " WHERE t.name LIKE 'seed-%%'"
    )
    names: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        query = {"q": "seeds"} | ({} if cursor is None else {"cursor": cursor})
        page = site.client.get(PATH, query_string=query).get_json()
        names += [package["name"] for package in page["packages"]]
        cursor = page["cursor"]
        if cursor is None:
            break
        assert len(page["packages"]) == PAGE
        site.estate.superuser("DELETE FROM versions WHERE name = 'seed-000'")
    assert len(names) == len(set(names)) == 2 * PAGE + 4


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"q": ""},
        {"q": "  "},
        {"q": "x" * 201},
        {"q": "a\0b"},
        {"q": "a", "cursor": ""},
        {"q": "a", "cursor": "nonsense"},
        {"q": "a", "cursor": "\u00e9"},
        {"q": "a", "cursor": "MS4yLjMvYWEvYg=="},  # 1.2.3/aa/b
        {"q": "a", "cursor": "MC41L2FhL2InOy0t"},  # 0.5/aa/b';--
    ],
)
def test_query_or_cursor_that_is_none_is_refused(site_once: Site, query: dict[str, str]) -> None:
    assert code(site_once.client.get(PATH, query_string=query)) == (400, "REG-QUERY")


@pytest.mark.parametrize("query", ["'; DROP TABLE versions; --", "\\", "((", "a & | b", '"', ":*", "-", "\u202e"])
def test_odd_words_find_nothing_and_break_nothing(site_once: Site, query: str) -> None:
    assert found(site_once, query) == []
