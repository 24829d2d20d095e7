"""Runs pip, and makes it choose files as it would on another machine.

Even with --platform, pip compares markers with the machine that it runs on (pypa/pip#10050), so
`colorama; sys_platform == 'win32'` would be missing for Windows. It also rejects sdists with
dependencies, and silently chooses an older version without any. This program patches both in
pip's process. Build backends run in processes of their own, unpatched. See
docs/decisions/0006-publish.md.
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
