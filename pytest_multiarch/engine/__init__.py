"""What builds and runs an image: the only floor that touches Docker.

docker and testcontainers are imported inside functions only, so that an unused plugin costs nothing at start-up.
"""
