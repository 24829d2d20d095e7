"""Runs pip as it would choose on another machine.

pip compares markers with the machine that it runs on, also under --platform (pypa/pip#10050), so
`colorama; sys_platform == 'win32'` would be missing for Windows; and it takes no sdist with
dependencies there, so that an older version that happens to need none is silently chosen
instead. Both are mended within its process. Build backends run in processes of their own, for
the machine that they are on. See docs/decisions/0006-publish.md.
"""

import json
import runpy
import sys

from pip._internal.cli import cmdoptions
from pip._vendor.packaging import markers

variables = json.loads(sys.argv[1])


def unfit(what):
    sys.exit(
        'ERROR: This pip cannot choose for another machine (%s). Use another version of pip, or run this there.'
        % what
    )


own = markers.default_environment()
markers.default_environment = lambda: dict(own, **variables)
for name, value in variables.items():
    if not markers.Marker('%s == "%s"' % (name, value)).evaluate():
        unfit(name)
if not hasattr(cmdoptions, 'check_dist_restriction'):
    unfit('sdists')
cmdoptions.check_dist_restriction = lambda *args, **kwargs: None
sys.argv[:] = ['pip'] + sys.argv[2:]
runpy.run_module('pip', run_name='__main__', alter_sys=True)
