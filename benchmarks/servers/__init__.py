"""The applications that the broker is compared with, run by the same server and flags."""
