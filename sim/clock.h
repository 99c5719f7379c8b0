/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's monotonic clock as a line over true time: where it began, and how much faster or slower
 * it goes. It never jumps; a change of its rate bends it. Microseconds.
 */
#ifndef TANDEM_SIM_CLOCK_H
#define TANDEM_SIM_CLOCK_H

#include <stdint.h>

struct sim_clock {
    int64_t true_us; /* of the last bend */
    int64_t local_us;
    int ppm; /* parts per million too fast since then; > -1000000 */
};

void sim_clock_init(struct sim_clock *c, int64_t true_us, int64_t local_us, int ppm);
void sim_clock_bend(struct sim_clock *c, int64_t true_us, int ppm);
/* true_us is not before the last bend. */
int64_t sim_clock_local(const struct sim_clock *c, int64_t true_us);
/* When the clock first shows that time, or something later; before the last bend it is an
 * estimate. INT64_MAX stays that. */
int64_t sim_clock_true(const struct sim_clock *c, int64_t local_us);

#endif
