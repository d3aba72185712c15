"""Integer arrays inside JSON: small, exact, and readable by anything that has zlib and base64."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack(array: NDArray[Any]) -> dict[str, Any]:
    """An array as `{"dtype", "shape", "zlib_base64"}`, little-endian, C order."""
    content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    data = base64.b64encode(zlib.compress(content.tobytes(), 9)).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "zlib_base64": data}


def unpack(packed: dict[str, Any]) -> NDArray[Any]:
    """The array that `pack` was given.

    Raises:
        ValueError: the bytes do not make an array of that type and shape.
    """
    dtype = np.dtype(packed["dtype"]).newbyteorder("<")
    try:
        content = zlib.decompress(base64.b64decode(packed["zlib_base64"]))
    except zlib.error as error:
        raise ValueError(f"packed bytes are damaged: {error}") from error
    return np.frombuffer(content, dtype).reshape(packed["shape"]).astype(dtype.newbyteorder("="))
