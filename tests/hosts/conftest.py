"""The project's tests are run by processes of their own, as its developers do."""

collect_ignore = ["project"]
