/* SPDX-License-Identifier: Apache-2.0 */
/* How `tandem status` looks: from the agent's JSON (src/app/status_json.h) to text. */
#ifndef TANDEM_CLI_STATUS_VIEW_H
#define TANDEM_CLI_STATUS_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/* Unknown and missing members are shown as "-": agent and command may be of two versions. */
void status_view_print(const json_t *status, bool colours, FILE *out);

#endif
