/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of one MySQL or MariaDB server: values only, filled in by the MySQL adapter on the
 * server's own host, carried between agents, judged by the core. Nothing here decides.
 *
 * Texts of transaction sets are kept as text (see wire/gtid.h for the algebra):
 *   executed  everything that is in this server: MySQL @@global.gtid_executed; MariaDB
 * @@gtid_binlog_state (per domain and server id), or @@gtid_slave_pos on a server without log_bin.
 *   received  everything that has reached this server, applied or not: MySQL Retrieved_Gtid_Set
 * united with executed and with what its own commits have in the binlog while they wait for an
 * acknowledgement; MariaDB Gtid_IO_Pos of the channel ("" when there is no channel). applied
 * MariaDB @@gtid_slave_pos; MySQL the same text as executed.
 */
#ifndef TANDEM_WIRE_SERVER_H
#define TANDEM_WIRE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "util/codec.h"
#include "wire/limits.h"

enum server_flavour { SERVER_FLAVOUR_UNKNOWN, SERVER_MARIADB, SERVER_MYSQL, SERVER_FLAVOUR_COUNT };

/*
 * One run of mysqld: the boot of its host, its pid and its start time in clock ticks since boot
 * (/proc/PID/stat, field 22). Two servers with the same incarnation are the same process. All zero:
 * none.
 */
struct incarnation {
    uint8_t boot_id[16];
    uint32_t pid;
    uint64_t start_ticks;
};

bool incarnation_is_none(const struct incarnation *i);
bool incarnation_equal(const struct incarnation *a, const struct incarnation *b);
void incarnation_codec(struct codec *c, struct incarnation *i);

/* What one probe saw; each has another consequence (a server that answers, with whatever, is
 * alive). */
enum probe_outcome {
    PROBE_OK,
    PROBE_TIMEOUT, /* connected or connecting, no answer within the probe's limit: hung, or starting
                    */
    PROBE_REFUSED, /* nobody listens on the socket */
    PROBE_FULL,    /* 1040, 1203, 1226: answers, has no connection left for us */
    PROBE_DENIED,  /* 1045, 1251, 1524, 2059 ...: answers, does not let the agent in */
    PROBE_LOST,    /* the connection broke during the probe */
    PROBE_ERROR,   /* answered with another error */
    PROBE_COUNT
};

/* State of a replication thread. */
enum thread_state { THREAD_STOPPED, THREAD_CONNECTING, THREAD_RUNNING, THREAD_STATE_COUNT };

/* Bits of server_facts.settings: what differs from what S3 and semi-sync need. */
enum server_setting {
    SETTING_LOG_BIN = 1u << 0,             /* log_bin is off */
    SETTING_LOG_REPLICA_UPDATES = 1u << 1, /* log_slave_updates / log_replica_updates is off */
    SETTING_ROW = 1u << 2,                 /* binlog_format is not ROW */
    SETTING_GTID = 1u << 3, /* gtid_mode/enforce_gtid_consistency, or gtid_strict_mode, is off */
    SETTING_SYNC_BINLOG = 1u << 4,    /* sync_binlog is not 1 */
    SETTING_FLUSH_LOG = 1u << 5,      /* innodb_flush_log_at_trx_commit is not 1 */
    SETTING_SYNC_RELAY_LOG = 1u << 6, /* sync_relay_log is not 1 */
    SETTING_RELAY_LOG_RECOVERY =
        1u << 7,                 /* relay_log_recovery is on: a restart drops acknowledged events */
    SETTING_SEMI_SYNC = 1u << 8, /* the semi-sync plugins are not there */
    SETTING_EVENT_SCHEDULER = 1u << 9, /* event_scheduler is on while the server is closed */
    SETTING_ENGINE =
        1u << 10, /* binlog_storage_engine=innodb (MariaDB 12.3) or other refused setup */
    /* MySQL with gtid_mode OFF or OFF_PERMISSIVE, whose transactions have no GTID, and every
     * version that is not managed: what it holds cannot be compared. Never the first writer, never
     * promoted, never attached, and nobody is attached to it. */
    SETTING_ANONYMOUS = 1u << 11,
    SETTING_BY_POSITION = 1u << 12, /* its channel follows by file and position, not by GTID */
    SETTING_ROW_IMAGE = 1u << 13,   /* binlog_row_image leaves columns out: no undo of its rows */
    SETTING_ENCRYPTED = 1u << 14,  /* its binary log is encrypted: no rewind, salvage, undo of it */
    SETTING_EVENTS_OFF = 1u << 15, /* it is open, and events that came by replication do not run */
};

/* The server refuses to tell its agent: MySQL 8.0 and later want XA_RECOVER_ADMIN. Never taken for
 * none. */
#define XA_PREPARED_UNKNOWN UINT32_MAX

struct server_facts {
    int flavour;      /* enum server_flavour */
    uint32_t version; /* 101119 = 10.11.19 */
    char version_text[VERSION_TEXT_MAX];
    uint32_t server_id;
    char server_uuid[UUID_TEXT_MAX]; /* "" on MariaDB */

    bool read_only;        /* both flags where there are two: nobody but replication writes */
    bool source_side;      /* rpl_semi_sync_{master,source}_enabled */
    bool after_sync;       /* wait point */
    bool wait_no_replica;  /* keeps waiting without clients */
    bool timeout_infinite; /* at least 10^9 ms */
    uint32_t wait_count;   /* acknowledgements a commit waits for; 1 where it is not configurable */
    uint32_t clients;      /* connected semi-sync replicas, dead ones included until TCP notices */
    uint32_t wait_sessions; /* sessions waiting for an acknowledgement */
    uint32_t no_tx; /* commits of this run that ended without one; its own agent's, not reported */
    bool replica_side;        /* rpl_semi_sync_{slave,replica}_enabled */
    bool replica_side_active; /* status: the running IO thread acknowledges */

    bool channel; /* a source is configured */
    char source_host[ADDRESS_TEXT_MAX];
    uint16_t source_port;
    int io;  /* enum thread_state */
    int sql; /* enum thread_state (never CONNECTING) */
    uint32_t io_errno;
    uint32_t sql_errno;
    int32_t lag_s;         /* Seconds_Behind; -1 unknown */
    bool drained;          /* everything received is applied */
    bool foreign_channels; /* channels that Tandem did not make exist */

    uint32_t settings;    /* bits of enum server_setting that are wrong */
    bool events_on;       /* event_scheduler */
    uint32_t xa_prepared; /* XA RECOVER rows, as of the start; or XA_PREPARED_UNKNOWN */

    char executed[GTID_TEXT_MAX];
    char received[GTID_TEXT_MAX];
    char applied[GTID_TEXT_MAX];
    char error[DETAIL_TEXT_MAX]; /* last replication error, one line */
};

void server_facts_codec(struct codec *c, struct server_facts *f);

const char *probe_outcome_text(enum probe_outcome outcome);
const char *server_flavour_text(enum server_flavour flavour);

#endif
