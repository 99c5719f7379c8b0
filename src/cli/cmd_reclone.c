/* SPDX-License-Identifier: Apache-2.0 */
/* tandem reclone NODE [--from DONOR] [--no-wait] [--cancel] */
#include "cli/copy_order.h"

int cmd_reclone(struct cli *cli)
{
    return copy_order_run(cli, "reclone");
}
