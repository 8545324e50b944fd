"""Documents: parsed, validated and measured once, since clients send the same few over and over.

:mod:`.loading` keeps those that are valid, :mod:`.measure` says how large one is, :mod:`.cost`
what depends on the variables, and :mod:`.limits` what is too much.
"""

from __future__ import annotations

from dasf_broker.schema.documents.errors import InvalidDocumentError
from dasf_broker.schema.documents.loading import (
    Document,
    DocumentCache,
    Operation,
    load_document,
    read_document,
)

__all__ = [
    "Document",
    "DocumentCache",
    "InvalidDocumentError",
    "Operation",
    "load_document",
    "read_document",
]
