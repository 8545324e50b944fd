"""Identify callers by a token or a Django session."""

from dasf_broker.auth.credentials import Credential, CredentialKind
from dasf_broker.auth.identity import (
    Identity,
    authorization_in,
    identify_request,
    identify_session,
    identify_token,
    user_of_request,
)
from dasf_broker.auth.sessions import session_store, session_user
from dasf_broker.auth.tokens import KEY_MARK, create_token, token_owners

__all__ = [
    "KEY_MARK",
    "Credential",
    "CredentialKind",
    "Identity",
    "authorization_in",
    "create_token",
    "identify_request",
    "identify_session",
    "identify_token",
    "session_store",
    "session_user",
    "token_owners",
    "user_of_request",
]
