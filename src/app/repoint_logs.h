/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the logs of a replica's new source by SQL, as far as core/repoint_match.h wants them: of
 * both so many of the last files that the comparison has its groups.
 * Blocks; some seconds for a gigabyte.
 */
#ifndef TANDEM_APP_REPOINT_LOGS_H
#define TANDEM_APP_REPOINT_LOGS_H

#include "app/sql_session.h"
#include "core/repoint.h"
#include "core/repoint_match.h"

struct group_list {
    struct match_group *groups;
    size_t n;
    size_t max;
};

struct repoint_logs {
    struct match_reader relay;
    struct match_reader binlog;
    struct group_list relay_groups;
    struct group_list binlog_groups;
    char (*files)[LOG_FILE_TEXT_MAX]; /* of the binlog, the oldest first */
    uint32_t n_files;
    uint64_t log_end; /* of the last of them */
};

/* *logs may be uninitialised; give it to repoint_logs_free() whatever comes out. ERR_*: *msg. */
int repoint_logs_read(struct sql_session *session, const struct repoint *state,
                      struct repoint_logs *logs, struct errmsg *msg) NODISCARD;
void repoint_logs_free(struct repoint_logs *logs);

#endif
