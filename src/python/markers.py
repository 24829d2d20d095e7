"""Prints whether environment markers apply to this Python, as pip evaluates them.

Takes a JSON object {markers, extras} on standard input; prints a JSON list of
[marker, boolean] pairs.
"""

import json
import sys

from pip._vendor.packaging.markers import Marker

given = json.load(sys.stdin)
extras = given['extras'] or ['']
sys.stdout.write(
    json.dumps(
        [
            (text, any(Marker(text).evaluate({'extra': extra}) for extra in extras))
            for text in given['markers']
        ]
    )
)
