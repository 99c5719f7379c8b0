/* SPDX-License-Identifier: Apache-2.0 */
/* Many seeds: what fails is shrunk and printed as a scenario, with the command that repeats it. */
#ifndef TANDEM_SIM_SWARM_H
#define TANDEM_SIM_SWARM_H

#include <stdbool.h>
#include <stdint.h>

struct swarm_options {
    bool pairs; /* sim/pair_plan.h draws, else sim/plan.h */
    uint64_t first, last;
    unsigned jobs;
    bool shrink;
};

/* Number of seeds that failed. The output is the same whatever the number of jobs. */
unsigned swarm_run(const struct swarm_options *options);
/* The scenario of the first seed and its story. True if it passed. */
bool swarm_trace(const struct swarm_options *options);

#endif
