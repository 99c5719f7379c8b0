/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small worlds, searched to the end: a procedure runs once without a fault and its effects are
 * counted; then it runs again for every effect, every node and every kind of fault, with the fault
 * put in right behind that effect, between two of one step too. Later the fault ends. Whatever the
 * moment, the promises hold and the cluster is whole again.
 *
 * A case is a scenario; what fails is printed as one.
 */
#ifndef TANDEM_SIM_EXPLORE_H
#define TANDEM_SIM_EXPLORE_H

#include <stdbool.h>
#include <stdio.h>

struct explore_options {
    const char *procedure; /* NULL: all of them */
    bool tap;
    unsigned jobs; /* processes at a time */
};

/* Number of procedures, times worlds, with a case that failed; -1: no procedure of that name. */
int explore_run(const struct explore_options *options);
/* "takeover, switchover, ..." */
void explore_list(FILE *f);

#endif
