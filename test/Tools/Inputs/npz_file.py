"""npz_file.py OUT.npz NAME:DESCR:SHAPE…: arrays of zeros, ones, twos, …"""

import math
import struct
import sys
import zipfile

CODES = {"f4": "f", "f8": "d", "i8": "q", "i4": "i"}

with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for argument in sys.argv[2:]:
        name, descr, sizes = argument.split(":")
        shape = tuple(int(size) for size in sizes.split(",") if size)
        header = repr({"descr": "<" + descr, "fortran_order": False, "shape": shape})
        header += " " * (-(len(header) + 11) % 64) + "\n"
        count = math.prod(shape)
        values = struct.pack(f"<{count}{CODES[descr]}", *range(count))
        data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
        archive.writestr(name + ".npy", data + values)
