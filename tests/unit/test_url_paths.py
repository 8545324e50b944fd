"""Paths of views and of requests; `tests/hosts/test_url_paths.py` has them in a real project."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path, re_path
from pytest_django import Settings

from dasf_broker.transports.url_paths import UrlPaths, path_below_script


@pytest.mark.parametrize(
    ("setting", "root_path", "requested", "expected"),
    [
        (None, "", "/graphql/", "/graphql/"),
        (None, "/below", "/below/graphql/", "/graphql/"),
        # hypercorn names the path that a proxy removed, and does not put it back.
        (None, "/below", "/graphql/", "/graphql/"),
        (None, "/below", "/belowgraphql/", "/belowgraphql/"),
        ("/below", "", "/below/graphql/", "/graphql/"),
        ("/below/", "", "/below/graphql/", "/graphql/"),
        ("/below", "", "/graphql/", "/graphql/"),
        ("/below", "/other", "/below/graphql/", "/graphql/"),
        ("/below", "", "/below/below/", "/below/"),
    ],
)
def test_path_below_script(
    settings: Settings, setting: str | None, root_path: str, requested: str, expected: str
) -> None:
    """The name of the script is removed once, where it is."""
    settings.FORCE_SCRIPT_NAME = setting
    assert path_below_script({"path": requested, "root_path": root_path}) == expected


def _view(_: HttpRequest) -> HttpResponse:
    raise NotImplementedError


def test_urls_that_include_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django allows it; and an end without `$` takes whatever follows, as in Django."""
    module = ModuleType("recursive_urls")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    module.urlpatterns = [  # type: ignore[attr-defined]
        path("wanted/", _view),
        path("again/", include("recursive_urls")),
        re_path("^open", _view),
        re_path("^closed$", _view),
    ]
    with override_settings(ROOT_URLCONF="recursive_urls"):
        paths = UrlPaths(lambda pattern: pattern.callback is _view)
    for each in ("/wanted/", "/again/wanted/", "/open", "/opened", "/again/opened", "/closed"):
        assert each in paths
    for each in ("/wanted", "/wanted/more", "/", "wanted/", "/closed/", "/closed\n", "/not/open"):
        assert each not in paths
