"""Users in the API."""

from __future__ import annotations

from typing import Any

import strawberry

from dasf_broker.schema.execution.context import Info


@strawberry.type(description="A user of the server.")
class User:
    """A user, of whom the API shows only the name."""

    username: str = strawberry.field(description="The name with which the user logs in.")

    @classmethod
    def of(cls, user: Any) -> User:
        """Return a row of the user model as the API shows it."""
        return cls(username=user.get_username())


@strawberry.type(description="You, the user who sent this request.")
class Viewer:
    is_authenticated: bool = strawberry.field(description="Whether you are authenticated.")
    username: str | None = strawberry.field(
        description="Your user name; null if you are not authenticated."
    )
    is_superuser: bool = strawberry.field(
        description="Whether you are a superuser and have every right."
    )
    can_create_topics: bool = strawberry.field(description="Whether you may create topics.")


async def load_user(info: Info, user_id: str | None) -> User | None:
    """Return a user by the primary key in an event."""
    user = None if user_id is None else await info.context.users.load(user_id)
    return None if user is None else User.of(user)


async def load_users(info: Info, user_ids: frozenset[str]) -> list[User]:
    """Return users by primary key, in the order of their names."""
    found = await info.context.users.load_many(list(user_ids))
    users = [User.of(user) for user in found if user is not None]
    return sorted(users, key=lambda user: user.username)
