"""Runs pip like `python -m pip`, which would however run a pip.py in the working directory.

WHEELHOUSE_BUILD_LOG names a log file for the pips that this one starts for its build environments.
PIP_LOG would do that, but this pip would use it as well, and then hide the output of failing builds.
So PIP_LOG is set only after this pip has read its options, when it configures its logging.
"""

import logging.config
import os
import runpy

log = os.environ.pop('WHEELHOUSE_BUILD_LOG', None)
if log:
    configure = logging.config.dictConfig

    def configure_and_log(config):
        os.environ['PIP_LOG'] = log
        return configure(config)

    logging.config.dictConfig = configure_and_log
runpy.run_module('pip', run_name='__main__', alter_sys=True)
