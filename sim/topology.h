/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes of a scenario's cluster, as a cluster file would give them. */
#ifndef TANDEM_SIM_TOPOLOGY_H
#define TANDEM_SIM_TOPOLOGY_H

#include "sim/words.h"
#include "wire/config.h"

/* No nodes, every option at its default. */
void topology_clear(struct cluster_config *cfg);
/* The new node's position. The cluster must not be full. */
unsigned topology_add(struct cluster_config *cfg, const char *name, int role);
/* The default voters: candidates and witnesses, padded with replicas to the next odd number of at
 * least three; fewer than three if there are not enough nodes. */
void topology_default_voters(struct cluster_config *cfg);
/* The words behind `cluster`: m1 candidate 100, m2 replica of m1, m3 witness. The first line of
 * several sets the voters anew. */
int topology_read(struct cluster_config *cfg, const struct words *w, struct errmsg *msg) NODISCARD;
/* The words behind `voters`: m1, m2, m3. */
int topology_read_voters(struct cluster_config *cfg, const struct words *w,
                         struct errmsg *msg) NODISCARD;
/* `arbiter vrrp`: the two candidates have agents, a witness is the arbitration address; the times
 * follow from the interval of the advertisements. */
int topology_make_pair(struct cluster_config *cfg, struct errmsg *msg) NODISCARD;
/* Every option as it is with this profile and arbiter if nothing else is said. */
void topology_standard(struct cluster_config *cfg);
/* 0, or ERR_INVAL: no cluster file could say this. */
int topology_check(const struct cluster_config *cfg, struct errmsg *msg) NODISCARD;
/* "m1 candidate 100, m2 replica of writer". */
void topology_write(const struct cluster_config *cfg, char *buf, unsigned size);
void topology_write_voters(const struct cluster_config *cfg, char *buf, unsigned size);

#endif
