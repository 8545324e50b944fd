"""The demo behind ``manage.py quickstart``: a broker with live data on this machine."""
