/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to io/config: from the tree of texts to the struct, and the checks of the struct, with
 * the lines that the messages name.
 */
#ifndef TANDEM_IO_CONFIG_CONFIG_FILL_H
#define TANDEM_IO_CONFIG_CONFIG_FILL_H

#include "io/config/config_errors.h"
#include "io/config/config_tree.h"
#include "io/config/option.h"
#include "wire/config.h"

#define CONFIG_ROWS_MAX 128

struct config_value {
    unsigned line; /* 0: default */
    bool own;      /* set in the node's own block */
    bool bad;      /* was refused and reported; holds the default */
};

/* What is known of the file besides its value. */
struct config_origin {
    unsigned node_line[NODES_MAX]; /* end of the block */
    unsigned vip_line[VIPS_MAX];
    unsigned arbiter_line;
    unsigned vrrp_line;                           /* end of the block; 0: there is none */
    struct config_value cluster[CONFIG_ROWS_MAX]; /* by position in the option table */
    struct config_value node[NODES_MAX][CONFIG_ROWS_MAX];
    struct config_value vip[VIPS_MAX][CONFIG_ROWS_MAX];
    bool cluster_bad; /* something was refused: rules between options may mislead */
};

void config_fill(const struct config_tree *t, struct cluster_config *c, struct config_origin *from,
                 struct config_errors *errors);
void config_check(struct cluster_config *c, const struct config_origin *from,
                  struct config_errors *errors);

/* Line of a node's option by its name in a node block; the block's if it has no line. */
unsigned config_node_line(const struct config_origin *from, unsigned node, const char *node_name);
const struct config_value *config_node_value(const struct config_origin *from, unsigned node,
                                             const char *node_name);
unsigned config_cluster_line(const struct config_origin *from, const char *block, const char *name);

#endif
