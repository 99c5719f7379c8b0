/* SPDX-License-Identifier: Apache-2.0 */
#include "util/backoff.h"

#include <assert.h>

int64_t backoff(int64_t first, int64_t max, unsigned failures)
{
    int64_t rest = first;
    assert(first > 0 && first <= max);
    for (unsigned i = 0; i < failures; i++) {
        if (rest > max / 2)
            return max;
        rest *= 2;
    }
    return rest;
}
