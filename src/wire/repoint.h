/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `tandem repoint` sees of the replica and of its new source beyond the survey of a server,
 * and one event of a binary or relay log as SHOW BINLOG EVENTS and SHOW RELAYLOG EVENTS print it.
 * Values; filled in by io/mysql/repoint.h, judged by core/repoint.h and core/repoint_match.h.
 */
#ifndef TANDEM_WIRE_REPOINT_H
#define TANDEM_WIRE_REPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/survey.h"

/* Of the default channel, and of its threads. */
struct repoint_channel {
    struct log_place read;              /* up to there its source's binlog was received */
    char relay_file[LOG_FILE_TEXT_MAX]; /* that the SQL thread is at */
    char source_uuid[UUID_TEXT_MAX];    /* "" where servers have none, or it was never reached */
    uint32_t source_id;                 /* 0 = never reached */
    bool idle;                          /* its SQL thread says that it has read all relay logs */
    bool filters;                       /* replicate-do-db and the like */
};

struct repoint_server {
    struct repoint_channel channel;
    bool binlog_filters; /* binlog-do-db and the like */
    uint32_t workers;    /* parallel appliers; 0 = the SQL thread itself applies */
    bool tolerant;       /* slave_skip_errors, or slave_exec_mode = IDEMPOTENT */
    bool place_in_file;  /* relay_log_info_repository = FILE: not in the transaction's commit */
    bool commit_order;   /* they commit in the source's order */
};

/* One row; the texts belong to the caller. */
struct repoint_event {
    const char *type;
    const char *info;
    uint32_t server_id;
    uint64_t position; /* where it begins in the file that is read */
    uint64_t end;      /* its end in the binlog of the server that wrote it; 0 = it has no place */
};

#endif
