/* SPDX-License-Identifier: Apache-2.0 */
/* io/store/salvage_restore for the commands: paths of a node of the cluster file. */
#ifndef TANDEM_APP_SALVAGE_UNDO_H
#define TANDEM_APP_SALVAGE_UNDO_H

#include "util/err.h"
#include "wire/config.h"

/* As salvage_restore_check() and salvage_restore(); `dir` is the directory of one salvage. */
int salvage_undo_check(const struct config_node *n, const char *dir, struct errmsg *ret_why);
int salvage_undo(const struct config_node *n, const char *dir, struct errmsg *ret_text);

#endif
