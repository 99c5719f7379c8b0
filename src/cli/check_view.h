/* SPDX-License-Identifier: Apache-2.0 */
/* Lays out what `tandem check` found, and sums it up. Shows only what is in the object. */
#ifndef TANDEM_CLI_CHECK_VIEW_H
#define TANDEM_CLI_CHECK_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/* Puts the checks of `local` into `report`, both {"nodes":[...]}: where both know an answer that of
 * the report stays, which is an agent's. */
void check_view_merge(json_t *report, const json_t *local);
/* The worst of all nodes: 0 nothing is wrong, 1 a warning, 2 a fault. */
int check_view_worst(const json_t *report);
/* self: the node whose host this is. all: also what is right, and what is not known. */
void check_view_print(const json_t *report, const char *self, bool all, FILE *out);

#endif
