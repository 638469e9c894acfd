"""Print what this image runs on: the Python version, the architecture, and the platform in detail."""

import platform

print(f"Python version: {platform.python_version()}")
print(f"Architecture: {platform.machine()}")
print(f"Platform: {platform.platform()}")
