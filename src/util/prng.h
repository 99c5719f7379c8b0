/* SPDX-License-Identifier: Apache-2.0 */
/* Small seeded generator (splitmix64) for jitter and simulation; never for secrets. */
#ifndef TANDEM_UTIL_PRNG_H
#define TANDEM_UTIL_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t state;
};

uint64_t prng_next(struct prng *p);
/* Uniform in [0, bound); bound > 0. */
uint64_t prng_below(struct prng *p, uint64_t bound);

#endif
