"""The page that a browser gets at the GraphQL endpoint."""

from __future__ import annotations

import importlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client
from pytest_django.fixtures import Settings

import testproject.asgi

PATH = "/graphql/"
SOURCES = Path(__file__).parents[2] / "frontend" / "src"
FOLDER = "dasf_broker/graphiql"


class Page(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))

    def values(self, name: str) -> set[str]:
        """Return what an attribute is anywhere."""
        return {attributes[name] or "" for _, attributes in self.tags if name in attributes}


def test_policy_allows_nothing_but_our_own_files() -> None:
    """The page may load, run and reach nothing but this host's own."""
    assert _get()["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "worker-src 'self'; connect-src 'self' ws://testserver; img-src 'self' data:; "
        "font-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )


def test_browsers_guess_nothing() -> None:
    """Browsers take the page for what the server says that it is."""
    assert _get()["X-Content-Type-Options"] == "nosniff"


def test_policy_names_the_secure_socket() -> None:
    """Over HTTPS the websocket is the secure one."""
    assert "connect-src 'self' wss://testserver;" in _get(secure=True)["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://static.example.org/a/", "https://static.example.org"),
        ("//static.example.org/a/", "static.example.org"),
    ],
)
def test_static_files_may_be_elsewhere(url: str, host: str, settings: Settings) -> None:
    """Wherever STATIC_URL points, the page loads its files from there and may run them."""
    settings.STATIC_URL = url
    response = _get()
    policy = response["Content-Security-Policy"].split("; ")
    assert f"script-src 'self' {host}" in policy
    assert f"style-src 'self' 'unsafe-inline' {host}" in policy
    assert "worker-src 'self' blob:" in policy  # which loads the script from the other host
    assert f"{url}{FOLDER}/main.js" in _page(response).values("src")


def test_nothing_is_inline() -> None:
    """No script, style or handler stands in the page itself: the policy would forbid it."""
    page = _page(_get())
    assert {tag for tag, _ in page.tags}.isdisjoint({"style", "form", "iframe"})
    assert all(attributes.get("src") for tag, attributes in page.tags if tag == "script")
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_every_file_is_there() -> None:
    """What the page names exists, and nothing comes from another host."""
    page = _page(_get())
    workers = {
        page_value
        for name in ("editor", "graphql", "json")
        for page_value in page.values(f"data-{name}-worker")
    }
    linked = (page.values("src") | page.values("href") | workers) - {"data:,"}
    prefix = "/static/"
    assert {url.removeprefix(f"{prefix}{FOLDER}/") for url in linked} == {
        "main.css",
        "main.js",
        "editor.worker.js",
        "graphql.worker.js",
        "json.worker.js",
    }
    assert all(finders.find(url.removeprefix(prefix)) for url in linked)


def test_scripts_and_page_agree() -> None:
    """Elements and texts that the scripts ask for are in the page, and all are used."""
    page = _page(_get())
    sources = "".join(path.read_text(encoding="utf-8") for path in SOURCES.glob("*.js*"))
    assert set(re.findall(r'getElementById\("([^"]+)"\)', sources)) == page.values("id")
    used = {
        "data-text-" + re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
        for name in re.findall(r"texts\.(\w+)", sources)
    }
    given = {name for _, attributes in page.tags for name in attributes}
    assert used == {name for name in given if name.startswith("data-text-")}


def test_the_field_has_a_label() -> None:
    """Whoever does not see the page is told what the field is for."""
    tags = [tag for tag, attributes in _page(_get()).tags if attributes.get("type") != "hidden"]
    assert tags.count("input") == 1
    assert tags[tags.index("input") - 1] == "label"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_staff", [True, False])
def test_administration(stranger: User, is_staff: bool) -> None:
    """Staff find the way to the administration, others do not."""
    stranger.is_staff = is_staff
    stranger.save()
    client = Client()
    client.force_login(stranger)
    page = _page(client.get(PATH, headers={"accept": "text/html"}))
    assert ("/admin/" in page.values("href")) is is_staff


def test_page_speaks_the_language_of_its_visitor(settings: Settings) -> None:
    """The page is rendered in the language that Django chose for the request."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    client = Client(headers={"accept-language": "de"})
    page = client.get(PATH, headers={"accept": "text/html"}).content.decode()
    assert '<html lang="de">' in page


def test_template_can_be_overridden(tmp_path: Path, settings: Settings) -> None:
    """A host's own template of the same name wins."""
    (tmp_path / "dasf_broker").mkdir()
    own = '{% extends "dasf_broker/graphql.html" %}{% block title %}Our broker{% endblock %}'
    (tmp_path / "dasf_broker" / "graphql.html").write_text(own, encoding="utf-8")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    assert "<title>Our broker</title>" in _get().content.decode()


@pytest.mark.django_db(transaction=True)
def test_page_gives_a_session_user_what_a_query_needs(stranger: User) -> None:
    """With the token in the page a logged-in user's query passes; without it, it does not."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(stranger)
    response = client.get(PATH, headers={"accept": "text/html"})
    tags = _page(response).tags
    [token] = [a["value"] for _, a in tags if a.get("name") == "csrfmiddlewaretoken"]
    query = {"query": "{ viewer { username } }"}
    assert token is not None

    refused = client.post(PATH, query, content_type="application/json")
    assert refused.status_code == 403
    answered = client.post(
        PATH, query, content_type="application/json", headers={"x-csrftoken": token}
    )
    assert answered.json() == {"data": {"viewer": {"username": "stranger"}}}


def test_page_is_not_kept_by_caches() -> None:
    """The page holds a visitor's own CSRF token, so no cache may keep it."""
    assert {"no-store", "private"} <= set(_get()["Cache-Control"].split(", "))


@pytest.mark.parametrize(("debug", "status"), [(True, 200), (False, 404)])
async def test_demo_serves_static_files(debug: bool, status: int, settings: Settings) -> None:
    """While debugging, the demo's server has the static files; otherwise somebody else does."""
    settings.DEBUG = debug
    application: Any = importlib.reload(testproject.asgi).application
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application), base_url="http://testserver"
    ) as client:
        response = await client.get(f"/static/{FOLDER}/main.css")
    assert response.status_code == status


def _get(**extra: Any) -> Any:
    response = Client().get(PATH, headers={"accept": "text/html"}, **extra)
    assert response.status_code == 200
    return response


def _page(response: Any) -> Page:
    return Page(response.content.decode())
