"""The verbs of the broker, which all doors call.

A door decodes, makes a :class:`~.caller.Caller`, calls one of these, and encodes what it returns.
They are synchronous functions over Django models; :mod:`.writer` and :mod:`.subscriptions` are
their asynchronous edge.
"""
