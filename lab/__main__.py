"""Let ``python3 -m lab`` run, or say which Python it takes."""

import sys

# Before any other import: an older Python could not read the modules behind it.
if sys.version_info < (3, 10):  # noqa: UP036 - the lab runs with whatever `python3` is
    sys.exit("lab: Python 3.10 or newer is needed, this is %d.%d: %s" % (*sys.version_info[:2], sys.executable))  # noqa: UP031

from lab.commands import main

sys.exit(main(sys.argv[1:]))
