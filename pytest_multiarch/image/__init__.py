"""What an image IS: read from its registry, without running anything and without Docker."""
