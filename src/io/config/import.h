/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keepalived.conf of both nodes of a pair becomes one cluster file. Without further nodes the
 * arbiter is vrrp, as it was; with them it is raft. Every statement of both files gets a fate, so
 * that import_report() can tell of each line what became of it: nothing is dropped in silence.
 *
 * The trees are changed (their fates). Nothing here reads files.
 */
#ifndef TANDEM_IO_CONFIG_IMPORT_H
#define TANDEM_IO_CONFIG_IMPORT_H

#include <stdio.h>

#include "io/config/keepalived_tree.h"
#include "wire/limits.h"

#define IMPORT_SIDES 2

/* A node that Keepalived did not know. */
struct import_extra {
    const char *name;
    const char *address;
    const char *role;
};

struct import_options {
    const char *cluster;                 /* NULL: the name of the instance */
    const char *instance;                /* NULL: the only one there is */
    const char *names[IMPORT_SIDES];     /* NULL: the router_id */
    const char *addresses[IMPORT_SIDES]; /* NULL: mcast_src_ip or unicast_src_ip */
    struct import_extra extra[NODES_MAX - IMPORT_SIDES];
    unsigned n_extra;
};

/* Sets the fates of one file, the other one being unknown. Wrong statements are told on err;
 * ERR_FORMAT if there is one. */
int import_look(struct keepalived_tree *tree, const char *path, const struct import_options *o,
                FILE *err) NODISCARD;
/* Writes the cluster file; it may still be wrong in what neither file says: parse it. ERR_FORMAT:
 * told on err, nothing is written. */
int import_translate(struct keepalived_tree *const trees[IMPORT_SIDES],
                     const char *const paths[IMPORT_SIDES], const struct import_options *o,
                     FILE *out, FILE *err) NODISCARD;
/* One line per statement (a block that is settled as a whole: one for all of it), then the sums. */
void import_report(const struct keepalived_tree *tree, FILE *out);

#endif
