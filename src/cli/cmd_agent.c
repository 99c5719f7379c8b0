/* SPDX-License-Identifier: Apache-2.0 */
/* tandem agent: the process that runs on every host. */
#include "cli/cli.h"

int cmd_agent(struct cli *cli)
{
    struct cluster_config *c = calloc(1, sizeof *c);
    struct errmsg sentence = ERRMSG_INIT;
    unsigned node;
    int status;
    if (c == NULL)
        return cli_fail(cli, "out of memory");
    status = cli_config(cli, c);
    if (status == CLI_OK)
        status = cli_node(cli, c, &node);
    if (status == CLI_OK && cli->services->timing_check(c, &sentence) != 0)
        status = cli_fail(cli, "%s: %s", cli_config_path(cli), sentence.text);
    if (status == CLI_OK)
        status = cli->services->run_agent(c, node) == 0 ? CLI_OK : CLI_FAILED;
    free(c);
    return status;
}
