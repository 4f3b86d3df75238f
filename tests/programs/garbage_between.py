"""Prints two good lines with garbage between them."""

import os

os.write(1, b'{"n":1}\nDevTools listening\n\xff\xfe\x00\n\n\r\n{"n":2}\n')
