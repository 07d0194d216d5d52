"""``python -m stretto`` is the command ``stretto``."""

import sys

from stretto.cli.main import main

sys.exit(main())
