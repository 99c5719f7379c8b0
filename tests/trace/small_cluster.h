/* SPDX-License-Identifier: Apache-2.0 */
/* What the traces of guards share: a small cluster, whose nodes m1, m2, m3 vote, and questions to
 * it. */
#ifndef TANDEM_TESTS_TRACE_SMALL_CLUSTER_H
#define TANDEM_TESTS_TRACE_SMALL_CLUSTER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/world.h"

enum { M1, M2, M3, M4 };

/* Tells the story when a condition does not hold. */
#define check(w, cond)             \
    do {                           \
        if (!(cond)) {             \
            world_dump(w);         \
            fail_msg("%s", #cond); \
        }                          \
    } while (0)

/* Two candidates, of which m1 is preferred, and a replica. */
void small_cluster(struct cluster_config *cfg);
void small_cluster_add(struct cluster_config *cfg, int role, uint32_t priority);
/* Runs until m1 is the writer, all others follow, all candidates are in sync, and clients write.
 * cfg must outlive the world. */
struct world *small_cluster_start(const struct cluster_config *cfg);
struct world *small_cluster_start_seed(const struct cluster_config *cfg, uint64_t seed);
/* No promise was broken. */
void small_cluster_finish(struct world *w);

/* Conditions for world_until(). data: the node, an unsigned. */
bool small_cluster_is_written(struct world *w, void *data);
bool small_cluster_is_no_member(struct world *w, void *data);
bool small_cluster_is_quarantined(struct world *w, void *data);
bool small_cluster_is_salvaged(struct world *w, void *data);
bool small_cluster_is_under_m1(struct world *w, void *data);
/* That node is the writer, and all is well. */
bool small_cluster_is_settled(struct world *w, void *data);

#endif
