"""`python -m reactor_kernel.cli` is `reactor`."""

import sys

from reactor_kernel.cli import main

sys.exit(main())
