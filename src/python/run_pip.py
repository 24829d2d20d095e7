"""Runs pip like `python -m pip`, which would run a pip.py of the working directory instead."""

import runpy

runpy.run_module('pip', run_name='__main__', alter_sys=True)
