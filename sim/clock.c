/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/clock.h"

#include <assert.h>

#define MILLION 1000000

void sim_clock_init(struct sim_clock *c, int64_t true_us, int64_t local_us, int ppm)
{
    assert(ppm > -MILLION);
    *c = (struct sim_clock){.true_us = true_us, .local_us = local_us, .ppm = ppm};
}

int64_t sim_clock_local(const struct sim_clock *c, int64_t true_us)
{
    int64_t passed_us = true_us - c->true_us;
    return c->local_us + passed_us + passed_us * c->ppm / MILLION;
}

void sim_clock_bend(struct sim_clock *c, int64_t true_us, int ppm)
{
    sim_clock_init(c, true_us, sim_clock_local(c, true_us), ppm);
}

int64_t sim_clock_true(const struct sim_clock *c, int64_t local_us)
{
    int64_t passed_us, true_us;
    if (local_us == INT64_MAX)
        return INT64_MAX;
    passed_us = local_us - c->local_us;
    true_us = c->true_us + passed_us - passed_us * c->ppm / (MILLION + c->ppm);
    while (sim_clock_local(c, true_us) < local_us)
        true_us++;
    while (sim_clock_local(c, true_us - 1) >= local_us)
        true_us--;
    return true_us;
}
