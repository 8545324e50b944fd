"""What the broker is compared with, served by the same server with the same flags."""
