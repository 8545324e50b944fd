"""How the broker is reached: the doors that speak HTTP and websockets."""
