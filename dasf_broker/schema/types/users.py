"""Users, as far as the broker shows them."""

from __future__ import annotations

from typing import Any

import strawberry

from dasf_broker.schema.execution.context import Info


@strawberry.type(description="Somebody with an account on the server.")
class User:
    """A user: only the name by which others may know them."""

    username: str = strawberry.field(description="The name with which they log in.")

    @classmethod
    def of(cls, user: Any) -> User:
        """Return a row of the user model as the API shows it."""
        return cls(username=user.get_username())


@strawberry.type(description="You: who the server takes the sender of this request for.")
class Viewer:
    is_authenticated: bool = strawberry.field(description="Whether you are logged in.")
    username: str | None = strawberry.field(description="Your name; null if you are anonymous.")
    is_superuser: bool = strawberry.field(description="Whether you may do everything.")
    can_create_topics: bool = strawberry.field(description="Whether you may create topics.")


async def load_user(info: Info, user_id: str | None) -> User | None:
    """Return a user by the primary key that an event carries."""
    user = None if user_id is None else await info.context.users.load(user_id)
    return None if user is None else User.of(user)


async def load_users(info: Info, user_ids: frozenset[str]) -> list[User]:
    """Return users by primary key, in the order of their names."""
    found = await info.context.users.load_many(list(user_ids))
    users = [User.of(user) for user in found if user is not None]
    return sorted(users, key=lambda user: user.username)
