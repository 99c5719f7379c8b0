# SPDX-License-Identifier: Apache-2.0
"""The one way in which lab and tests wait for something: look, until it is there or its time is over."""
import time

from .layout import LabError


def wait_until(condition, timeout_s, what, interval_s=0.05):
    """Returns the first true value of condition(); LabError names what did not come. The pause is the interval between two looks, and
    nothing is taken for done because it has passed."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"not within {timeout_s} s: {what}")
        time.sleep(interval_s)
