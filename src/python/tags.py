"""Prints, as a JSON list, the tags of the wheels that this Python can install, the best one first."""

import json
import sys

from pip._vendor.packaging.tags import sys_tags

sys.stdout.write(json.dumps([str(tag) for tag in sys_tags()]))
