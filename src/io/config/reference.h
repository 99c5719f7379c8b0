/* SPDX-License-Identifier: Apache-2.0 */
/* Texts made from the option table: the reference page and a commented cluster file to start with.
 */
#ifndef TANDEM_IO_CONFIG_REFERENCE_H
#define TANDEM_IO_CONFIG_REFERENCE_H

#include <stdio.h>

/* docs/reference/cluster-file.md. */
void reference_write(FILE *out);

/* One option of a new cluster file; the texts are the caller's. */
struct starter_setting {
    const char *block; /* "" = top, "arbiter", ..., "node", "virtual_ipaddress" */
    const char *title; /* of a node or a virtual address; "" otherwise */
    const char *name;
    const char *value; /* a list if it begins with '{' */
};

/* A cluster file with these settings, later ones replacing earlier ones, and every other option as
 * a comment with its default. With a setting of block "vrrp" the arbiter is vrrp, else raft. Nodes
 * and addresses appear in the order of their first setting. Not checked: parse the result. */
void starter_write(const struct starter_setting *settings, unsigned n, FILE *out);

#endif
