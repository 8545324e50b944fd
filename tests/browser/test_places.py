"""The page works wherever its static files are, and whatever its path is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, expect

from tests import services
from tests.acceptance.servers import Site
from tests.browser.console import Console

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.browser.settings"}
MANIFEST = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"

MadeSite = tuple[Site, dict[str, str]]


def test_other_paths(browser: Browser, made_site: MadeSite) -> None:
    """Below a script name, with a STATIC_URL of its own."""
    own = {"STATIC_URL": "files/", "SCRIPT_NAME": "/below"}
    collect(made_site[0], own)
    with opened(browser, made_site, own, path="/below/graphql/") as console:
        try_all(console)
        paths = {urlsplit(url).path for url in console.addresses}
    assert "/below/files/dasf_broker/graphiql/graphql.worker.js" in paths
    assert all(path.startswith("/below/") for path in paths), paths


def test_renamed_files(browser: Browser, made_site: MadeSite) -> None:
    """With a hash in the name of each file."""
    own = {"STATIC_URL": "files/", "STATIC_STORAGE": MANIFEST}
    collect(made_site[0], own)
    with opened(browser, made_site, own) as console:
        try_all(console)
        names = {url.rpartition("/")[2] for url in console.addresses if "/files/" in url}
    assert len(names) == 5
    assert all(len(name.split(".")[-2]) == 12 for name in names), names


def test_another_host(browser: Browser, made_site: MadeSite) -> None:
    """With static files on another host, which no worker may come from directly."""
    port = services.free_port()
    elsewhere = f"http://localhost:{port}/files/"  # to a browser, another host than 127.0.0.1
    own = {"STATIC_URL": elsewhere, "ALLOWED_HOSTS": "127.0.0.1,localhost"}
    collect(made_site[0], own)
    with opened(browser, made_site, own, port=port) as console:
        try_all(console)
        assert console.hosts == {f"127.0.0.1:{port}", f"localhost:{port}"}
        scripts = [url for url in console.addresses if url.endswith(".js")]
    assert scripts
    assert all(url.startswith(elsewhere) for url in scripts)


def collect(site: Site, environment: dict[str, str]) -> None:
    """Collect the static files, as a deployment does."""
    settings = {**site.environment, **environment, **SETTINGS}
    command = ["manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
    Site(site.folder, settings).run(*command)


@contextmanager
def opened(
    browser: Browser,
    made_site: MadeSite,
    environment: dict[str, str],
    *,
    path: str = "/graphql/",
    port: int | None = None,
) -> Iterator[Console]:
    """Start a server with other settings, and open the page there with a token."""
    site, keys = made_site
    settings = {**site.environment, **environment, **SETTINGS}
    with (
        Site(site.folder, settings).server(port=port) as server,
        browser.new_context() as context,
    ):
        console = Console(context, f"http://127.0.0.1:{server.port}{path}").open()
        console.enter_token(keys["worker"])
        expect(console.viewer).to_have_text("worker")
        yield console
        assert console.complaints == []
        assert console.refused == []


def try_all(console: Console) -> None:
    """Try what needs HTTP, the websocket, and each of the workers."""
    console.write("{ nothing }")
    expect(console.mistakes("Operation Editor")).to_be_visible()  # the worker for GraphQL
    console.write_variables("{ wrong")
    expect(console.mistakes("Variables")).to_be_visible()  # for JSON
    console.write_variables('{"topic": "topic"}')
    console.write("{ viewer { username } }")
    console.run()
    console.shows('"username": "worker"')
    console.write('subscription { availability(topic: "topic") { status } }')
    console.run()
    console.shows('"availability": { "status"')
