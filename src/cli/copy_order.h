/* SPDX-License-Identifier: Apache-2.0 */
/* What `reclone` and `join` share: the order, and watching it until it is done. */
#ifndef TANDEM_CLI_COPY_ORDER_H
#define TANDEM_CLI_COPY_ORDER_H

#include <jansson.h>

#include "cli/cli.h"

/* kind: of the command as the leader knows it. The exit status. */
int copy_order_run(struct cli *cli, const char *kind);

/* How far the copying of that node's data is; "" if there is none. Returns buf. */
const char *copy_text(const json_t *node, char *buf, size_t size);

enum copy_verdict { COPY_GOES_ON, COPY_DONE, COPY_TAKEN_BACK };

/* What a look at the node says. began: the order was seen in the record before; copied: and its
 * copy in place. */
enum copy_verdict copy_judge(const json_t *node, bool began, bool copied);

#endif
