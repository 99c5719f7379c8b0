/* SPDX-License-Identifier: Apache-2.0 */
/* The program: gives the commands what their layer may not reach. */
#include <signal.h>

#include "app/adopt.h"
#include "app/agent.h"
#include "app/check_host.h"
#include "app/config_timing.h"
#include "app/copy_child.h"
#include "app/hold.h"
#include "app/repoint.h"
#include "app/salvage_undo.h"
#include "app/server_ask.h"
#include "app/shadow.h"
#include "cli/cli.h"
#include "io/peer/pki.h"

int main(int argc, char **argv)
{
    static const struct cli_services services = {
        .timing_check = config_timing_check,
        .create_ca = pki_create_ca,
        .create_node = pki_create_node,
        .run_agent = agent_main,
        .run_shadow = shadow_main,
        .hold = hold_set,
        .adopt = adopt_run,
        .repoint = repoint_run,
        .server_is_closed = server_ask_is_closed,
        .check_host = check_host,
        .salvage_check = salvage_undo_check,
        .salvage_restore = salvage_undo,
    };
    /* A peer or a reader that went away is a result of the write, not the end of the program. */
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], COPY_CHILD_WORD) == 0)
        return copy_child_main();
    return cli_main(argc, argv, &services, stdout, stderr);
}
