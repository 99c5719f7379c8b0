/* SPDX-License-Identifier: Apache-2.0 */
/* tandem join NODE [--from DONOR] [--no-wait] [--yes] */
#include "cli/copy_order.h"

int cmd_join(struct cli *cli)
{
    return copy_order_run(cli, "join");
}
