"""The verbs of the broker, which all doors call.

A door decodes a request, makes a :class:`~.caller.Caller`, calls one of these operations, and
encodes the result. They are synchronous functions over Django models; :mod:`.writer` and
:mod:`.subscriptions` are for asynchronous code.
"""
