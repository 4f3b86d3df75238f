"""Dies in the middle of a line."""

import os

os.write(1, b'{"n":1}\n{"n":2}\n{"cut')
os._exit(9)
