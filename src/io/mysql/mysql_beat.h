/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heartbeat row: one session, one beat at a time. A beat waits for the semi-sync replicas like
 * any commit. At its deadline it is left to itself and the connection is replaced; sessions do not
 * pile up in the server, because the next beat waits at most one second for the row's lock.
 */
#ifndef TANDEM_IO_MYSQL_MYSQL_BEAT_H
#define TANDEM_IO_MYSQL_MYSQL_BEAT_H

#include "io/mysql/mysql.h"
#include "io/mysql/mysql_conn.h"

struct mysql_adapter;

enum beat_state {
    BEAT_IDLE,
    BEAT_BEGIN, /* waits for the loop */
    BEAT_OPEN,
    BEAT_SETTINGS,
    BEAT_CHECK, /* from here to TABLE: only when the table is missing */
    BEAT_SCHEMA,
    BEAT_TABLE,
    BEAT_WRITE,
    BEAT_READ
};

struct mysql_beat {
    struct mysql_adapter *adapter;
    struct mysql_conn conn;
    uv_timer_t timer;
    enum beat_state state;
    bool stopping;
    bool made; /* this beat has tried to make the table */
    uint64_t id;
    uint32_t row; /* 0: the usual one */
    uint64_t epoch;
    uint64_t seq;
    int64_t deadline_us;
    const char *abort_detail; /* while mysql_beat_abort runs */
    int abort_outcome;
};

void mysql_beat_init(struct mysql_beat *beat, struct mysql_adapter *adapter);
int mysql_beat_start(struct mysql_beat *beat, uint64_t id, const struct job *job) NODISCARD;
void mysql_beat_abort(struct mysql_beat *beat, int outcome, const char *detail);
void mysql_beat_stop(struct mysql_beat *beat, void (*fn)(void *data), void *data);
#define MYSQL_BEAT_HANDLES 2

#endif
