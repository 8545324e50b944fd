"""Count the bytes of a result while its fields are resolved, and stop when they are too many."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii
from typing import Any

from graphql import GraphQLError, GraphQLLeafType, Undefined
from graphql.execution.executor import CollectedErrors
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from dasf_broker import app_settings
from dasf_broker.domain.sizes import json_size, text_size
from dasf_broker.exceptions import ResultTooLargeError

#: Bytes that are counted for each field besides its name and its text or JSON: the punctuation
#: around it, and a number.
FIELD = 32

#: Types whose values are always short.
_SHORT = {bool, float}


class CountingExecutor(StrawberryGraphQLCoreExecutionContext):
    """An executor that refuses a result with more than ``DASF_MAX_RESULT_SIZE`` bytes.

    It is refused as a whole: from there on no field is resolved, and the only error is that of the
    refusal.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._begin_result()

    def build_per_event_executor(self, payload: Any) -> Any:
        """Return the executor for one event of a subscription."""
        executor: Any = super().build_per_event_executor(payload)
        executor._begin_result()
        return executor

    def _begin_result(self) -> None:
        self._most: int = app_settings.DASF_MAX_RESULT_SIZE
        #: Bytes that the result may still take; negative when it was refused.
        self._left = self._most
        self._refusal: ResultTooLargeError | None = None
        #: The sizes of JSON values by their identity: several aliases may have the same value.
        self._sizes: dict[int, tuple[Any, int]] = {}

    def execute_field(
        self,
        parent_type: Any,
        source: Any,
        field_details_list: Any,
        path: Any,
        position_context: Any,
    ) -> Any:
        """Do as graphql-core, and count the field."""
        self._left -= FIELD + len(path.key)
        if self._left < 0:
            raise self._refused()
        return super().execute_field(
            parent_type, source, field_details_list, path, position_context
        )

    def complete_leaf_value(self, return_type: GraphQLLeafType, result: Any) -> Any:  # type: ignore[override]
        """Return a leaf as it is written, and count its bytes."""
        value: Any = return_type.coerce_output_value(result)
        if value is None or value is Undefined:
            super().complete_leaf_value(return_type, result)  # raises
        kind = type(value)
        if kind is str:
            self._left -= len(encode_basestring_ascii(value))
        elif kind is int:
            self._left -= value.bit_length() // 3  # about its digits: JSON has numbers of any size
        elif kind not in _SHORT:
            self._left -= self._size_of(value)
        if self._left < 0:
            raise self._refused()
        return value

    def handle_field_error(
        self, raw_error: Exception, return_type: Any, field_details_list: Any, path: Any
    ) -> None:
        """Add an error to the result, and count its bytes; pass on a refusal."""
        cause = raw_error.original_error if isinstance(raw_error, GraphQLError) else raw_error
        if isinstance(cause, ResultTooLargeError):
            raise self._refused(cause)
        text = raw_error.message if isinstance(raw_error, GraphQLError) else str(raw_error)
        self._left -= text_size(text) + json_size(path.as_list()) + FIELD
        if self._left < 0:
            raise self._refused()
        super().handle_field_error(raw_error, return_type, field_details_list, path)

    def build_response(self, data: Any) -> Any:
        """Return the result, or the refusal alone."""
        if self._left < 0:
            self.collected_errors = CollectedErrors()
            self.collected_errors.add(self._refused(), None)
            data = None
        return super().build_response(data)

    def _refused(self, cause: ResultTooLargeError | None = None) -> GraphQLError:
        """Return the error of the whole operation: it has no path."""
        if self._refusal is None:
            cause = cause or ResultTooLargeError(self._most - self._left, self._most)
            # Without the frames in which it was raised: they hold what was resolved.
            self._refusal = cause.with_traceback(None)
            self._left = -1
        return GraphQLError(str(self._refusal), original_error=self._refusal)

    def _size_of(self, value: Any) -> int:
        known = self._sizes.get(id(value))
        if known is None:
            # The value is kept, so that no other one gets its identity.
            known = self._sizes[id(value)] = value, json_size(value)
        return known[1]
