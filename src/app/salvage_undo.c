/* SPDX-License-Identifier: Apache-2.0 */
#include "app/salvage_undo.h"

#include "io/store/salvage_restore.h"

static int undo(const struct config_node *n, const char *dir, struct errmsg *text,
                int (*work)(const struct salvage_place *p, struct errmsg *text))
{
    char index[PATH_TEXT_MAX + 8] = "";
    const struct salvage_place place = {
        .dir = dir, .data_dir = n->mysql.data_dir, .binlog_index = index};
    if (n->mysql.log_bin[0] != '\0')
        (void)snprintf(index, sizeof index, "%s.index", n->mysql.log_bin);
    return work(&place, text);
}

int salvage_undo_check(const struct config_node *n, const char *dir, struct errmsg *ret_why)
{
    return undo(n, dir, ret_why, salvage_restore_check);
}

int salvage_undo(const struct config_node *n, const char *dir, struct errmsg *ret_text)
{
    return undo(n, dir, ret_text, salvage_restore);
}
