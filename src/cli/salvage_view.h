/* SPDX-License-Identifier: Apache-2.0 */
/* Salvages for people: what cli/salvage_dir.h reads, as a table and as a page. */
#ifndef TANDEM_CLI_SALVAGE_VIEW_H
#define TANDEM_CLI_SALVAGE_VIEW_H

#include <stdio.h>

#include <jansson.h>

/* One line each, then for each that cannot be restored why. `list` is not empty. */
void salvage_view_list(const json_t *list, FILE *out);
/* Everything the manifest says, and its transactions. */
void salvage_view_one(const json_t *salvage, FILE *out);

#endif
