"""Arrays survive JSON to the last bit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchbed.packed_array import pack, unpack


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float64"])
@pytest.mark.parametrize("shape", [(0, 4), (3, 5), (1,)])
def test_round_trip_through_json_text(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    back = unpack(json.loads(json.dumps(pack(array))))
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


def test_big_endian_and_strided_arrays_keep_their_values() -> None:
    array = np.arange(12, dtype=">i8").reshape(3, 4)[:, ::2]
    assert np.array_equal(unpack(pack(array)), array)


def test_bytes_that_do_not_fit_the_shape_are_refused() -> None:
    packed = pack(np.zeros((2, 2), np.int64))
    packed["shape"] = [3, 3]
    with pytest.raises(ValueError, match="reshape"):
        unpack(packed)
