/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The salvages of one node as values: each directory below STATE_DIR/salvage with its manifest
 * (written by io/store/salvage.h). Reads; changes nothing.
 */
#ifndef TANDEM_CLI_SALVAGE_DIR_H
#define TANDEM_CLI_SALVAGE_DIR_H

#include <jansson.h>

#include "cli/cli.h"

#define SALVAGE_DIR_PATH_MAX (2 * PATH_TEXT_MAX)

/*
 * One salvage. JSON object with name, path, complete, bytes, restorable, why_not (null if it is),
 * manifest (null if there is none), and out of that: node, epoch, created, kind, why, class
 * (tail_class_id), transactions (a number), gtids ("first and N more"). The caller owns it. NULL:
 * no such directory, or *ret_why says what is wrong.
 */
json_t *salvage_dir_read(const struct cli *cli, const struct config_node *n, const char *name,
                         struct errmsg *ret_why);
/* All of them, by name, which is by time. An empty array if nothing was ever salvaged. NULL with
 * *ret_why if the directory cannot be read. */
json_t *salvage_dir_list(const struct cli *cli, const struct config_node *n,
                         struct errmsg *ret_why);

#endif
