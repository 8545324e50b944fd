"""The URLs of the demo."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

#: Only clients on this machine: the demo runs in debug mode.
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Places:
    """The URLs of a server on this machine."""

    port: int

    @property
    def graphql(self) -> str:
        """The URL of GraphQL over HTTP."""
        return f"http://{HOST}:{self.port}{reverse('dasf_broker:graphql')}"

    @property
    def websocket(self) -> str:
        """The URL of GraphQL over websockets."""
        return "ws" + self.graphql.removeprefix("http")

    @property
    def admin(self) -> str | None:
        """The URL of the admin, if the project has it."""
        try:
            return f"http://{HOST}:{self.port}{reverse('admin:index')}"
        except NoReverseMatch:
            return None
