/* SPDX-License-Identifier: Apache-2.0 */
/* What `tandem repoint` was asked for; read from the command line by cmd_repoint.c, carried out by
 * app/repoint.h. Texts live as long as the command. */
#ifndef TANDEM_CLI_REPOINT_ORDER_H
#define TANDEM_CLI_REPOINT_ORDER_H

#include "cli/adopt_order.h"

struct repoint_order {
    struct adopt_place replica;
    struct adopt_place to;
    const char *user;
    char password[ADOPT_PASSWORD_MAX];
    bool dry_run;
    unsigned wait_s;
};

#endif
