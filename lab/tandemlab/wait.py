# SPDX-License-Identifier: Apache-2.0
"""The ways in which lab and tests wait: look, until it is there or its time is over; or look whether it stays, for so long."""
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


def stays(condition, for_s, what, interval_s=0.05):
    """Looks for so long whether condition() holds all the time; LabError as soon as it does not. For what must not happen, and for a fault
    that lasts as long as it was drawn: there the time itself is what is waited for."""
    end = time.monotonic() + for_s
    while True:
        if not condition():
            raise LabError(f"no more: {what}")
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(interval_s, left))
