"""Extracts the program uv from its wheel; prints its path.

Arguments: the wheel, and the directory to extract it to.
"""

import os
import sys
import zipfile

wheel, directory = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    [member] = [
        m
        for m in archive.namelist()
        if m.split('/')[-2:] in (['scripts', 'uv'], ['scripts', 'uv.exe'])
    ]
    path = os.path.join(directory, member.split('/')[-1])
    with open(path, 'wb') as program:
        program.write(archive.read(member))
os.chmod(path, 0o755)
sys.stdout.write(path)
