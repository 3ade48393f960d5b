"""The guard of throw-away servers, started by `optionsv4.embedded.guard`."""

import json
import sys
from pathlib import Path

from optionsv4.embedded.guard import hold

hold(Path(sys.argv[1]), json.loads(sys.argv[2]))
