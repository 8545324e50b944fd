"""Where the demo is found."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

#: Nobody from outside: the demo runs in debug mode.
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Places:
    """The URLs of a server on this machine."""

    port: int

    @property
    def graphql(self) -> str:
        """Where GraphQL is spoken over HTTP."""
        return f"http://{HOST}:{self.port}{reverse('dasf_broker:graphql')}"

    @property
    def websocket(self) -> str:
        """Where it is spoken over websockets."""
        return "ws" + self.graphql.removeprefix("http")

    @property
    def admin(self) -> str | None:
        """Where the admin is, if the project has it."""
        try:
            return f"http://{HOST}:{self.port}{reverse('admin:index')}"
        except NoReverseMatch:
            return None
