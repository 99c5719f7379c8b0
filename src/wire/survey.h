/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `tandem adopt` sees of a running topology that no agent manages yet: of each server the
 * facts that an agent would report (struct server_facts), and what only a beginning needs: where it
 * lies, what else it is called, how far the way to GTID has been gone. Values; filled in by
 * io/mysql (survey.h there), judged by core/adopt.h and core/adopt_gtid.h.
 */
#ifndef TANDEM_WIRE_SURVEY_H
#define TANDEM_WIRE_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/limits.h"
#include "wire/server.h"

#define SURVEY_SERVERS_MAX NODES_MAX
#define SURVEY_LOST_MAX NODES_MAX
#define LOG_FILE_TEXT_MAX 256 /* name of a binlog file, without its directory */

/* gtid_mode of MySQL, in the order in which it is walked through. */
enum survey_mode { MODE_OFF, MODE_OFF_PERMISSIVE, MODE_ON_PERMISSIVE, MODE_ON, SURVEY_MODE_COUNT };
/* enforce_gtid_consistency of MySQL. */
enum survey_enforce { ENFORCE_OFF, ENFORCE_WARN, ENFORCE_ON, SURVEY_ENFORCE_COUNT };

/* A place in a server's own binlog. */
struct log_place {
    char file[LOG_FILE_TEXT_MAX]; /* "" = none */
    uint64_t position;
};

/* A limit of broken handshakes that no host reaches by accident. */
#define SURVEY_CONNECT_ERRORS 1000000

struct survey_server {
    char host[ADDRESS_TEXT_MAX]; /* numeric; where it was reached */
    uint16_t port;
    /* A second address that leads to the same server, "" if none was seen: the first address, a
     * virtual one, or loopback. */
    char other_host[ADDRESS_TEXT_MAX];
    char hostname[NODE_NAME_MAX];
    bool supported; /* the agent knows this version */
    bool read_only; /* read_only alone; facts.read_only wants both flags */
    struct server_facts facts;

    /* Of the default channel. */
    bool by_gtid;
    struct log_place applied_to; /* up to there its source's binlog is applied */
    unsigned channels;           /* all there are */
    char source_user[96];

    struct log_place own; /* end of its own binlog; none if it has none */
    int mode;             /* enum survey_mode; MariaDB: MODE_ON */
    int enforce;          /* enum survey_enforce; MariaDB: ENFORCE_ON */
    uint64_t anonymous;   /* Ongoing_anonymous_transaction_count */
    char purged[GTID_TEXT_MAX];
    char binlog_pos[GTID_TEXT_MAX]; /* MariaDB: gtid_binlog_pos */
    bool can_persist;               /* SET PERSIST */
    /* A host is shut out after so many handshakes in a row that were cut; 0 = never, -1 = not
     * known. */
    int64_t connect_errors;
    bool powers_known;
    char powers[320];   /* statements that take from accounts what opens closed servers; "" */
    int64_t violations; /* statements against GTID consistency in its error log; -1 = not known */

    /* For the cluster file; "" or 0: not known. */
    char socket[PATH_TEXT_MAX];
    char data_dir[PATH_TEXT_MAX];
    char pid_file[PATH_TEXT_MAX];
    char error_log[PATH_TEXT_MAX];
    char log_bin[PATH_TEXT_MAX];
    uint16_t extra_port;
    uint16_t x_port;

    unsigned readers; /* sessions that read its binlog */
    unsigned source;  /* position of the server that it replicates from; NODE_NONE */

    /* The walk's own memory (core/adopt_gtid.h). */
    bool quiet;            /* no anonymous transaction was under way at some moment of it */
    struct log_place mark; /* its binlog's end at a later moment */
};

/* An address that belongs to the topology and was not reached. */
struct survey_lost {
    char host[ADDRESS_TEXT_MAX];
    uint16_t port;
    unsigned seen_by; /* a session from there reads this server's binlog, the port is a guess; or
                         NODE_NONE */
    char why[DETAIL_TEXT_MAX];
};

struct survey {
    struct survey_server servers[SURVEY_SERVERS_MAX];
    unsigned n;
    struct survey_lost lost[SURVEY_LOST_MAX];
    unsigned n_lost;
    bool checked; /* statements against GTID consistency were looked for, and there are none */
};

#endif
