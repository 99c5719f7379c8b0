/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model of one mysqld: what is on its disk, what its sessions and threads do. For sim/ only.
 *
 * A transaction is an object of the world with an identity of its own (its index in struct txns);
 * its GTID is an attribute that a second transaction may carry too, as it happens after a cut tail.
 * What a server really holds (bits of identities) is kept beside what its books say (GTIDs): the
 * difference is what real servers do not see and checkers must.
 *
 * The binlog is an ordered list. Its first `committed` members are committed in the engine; what
 * follows is flushed and waits for acknowledgements (AFTER_SYNC), one waiter each. Recovery commits
 * it, unless the tail was cut before.
 *
 * Facts modelled: relay logs that START, CHANGE and RESET throw away; acknowledgements of any semi-
 * sync client, given per connection and lost with it; the replica side that is read when the IO
 * thread starts; what KILL, SIGTERM and the switched-off source side do to waiting sessions;
 * statements that block behind a stuck commit, and on MariaDB later commits; GTID and auto-position
 * attach of both families.
 */
#ifndef TANDEM_SIM_SERVER_H
#define TANDEM_SIM_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/gtid.h"
#include "wire/job.h"
#include "wire/limits.h"
#include "wire/server.h"

#define WAITERS_MAX 64
#define ORPHANS_MAX 16
#define CHANNELS 2 /* the default one; the second one of LEVEL */
#define TXN_NONE UINT32_MAX

enum txn_kind { TXN_CLIENT, TXN_BEAT, TXN_HAND };

struct txn {
    uint64_t number; /* of its GTID */
    uint8_t server;  /* ... and the node whose uuid or server_id it carries */
    uint8_t kind;    /* enum txn_kind */
    bool acked;      /* somebody was told that it is committed */
    bool read;       /* a client of the writer saw it */
    bool excused;    /* outside what S2 promises: lost by a forced promotion, told by a shutdown,
                        committed by an operator's KILL */
    bool recovered;  /* crash recovery has committed it */
    int64_t made_us;
    uint16_t set;     /* acked: the nodes that had to hold it then, a mask */
    bool at_shutdown; /* MySQL told its client OK while it was being shut down */
    bool given_up;    /* acknowledged or read, and lost by a forced promotion */
    bool salvaged;    /* written to a salvage directory */
    bool anonymous;   /* its server had GTID off: no set of any server has it */
};

struct txns {
    struct txn *list;
    unsigned count;
    unsigned cap;
};

struct bits {
    uint64_t *word;
    unsigned n_words;
};

/* Transactions in order; what lies beyond `synced` is lost with the power. */
struct txn_list {
    uint32_t *id;
    unsigned count;
    unsigned cap;
    unsigned synced;
    unsigned syncing; /* a sync up to here runs, if that is more */
    int64_t sync_us;  /* ... and ends then */
};

/* GTIDs as a server counts them: a set (MySQL) or the last number of each server_id, with the last
 * GTID of all (MariaDB; one domain). */
struct gtid_book {
    struct gtid_set set;           /* MySQL: the set; MariaDB: the state */
    struct bits number[NODES_MAX]; /* MySQL: by server */
    uint64_t last[NODES_MAX];      /* highest number by server */
    bool any;                      /* MariaDB: `pos` is valid */
    struct gtid pos;               /* MariaDB: the last one that was added */
};

enum waiter_kind { WAITER_CLIENT, WAITER_BEAT, WAITER_APPLIER, WAITER_HAND };

/* The session behind a transaction of the binlog that is not committed yet. */
struct waiter {
    uint8_t kind;    /* enum waiter_kind */
    uint8_t session; /* CLIENT: of the world's clients; APPLIER: channel */
};

struct channel {
    bool made;
    unsigned source;
    bool io, sql;
    uint32_t io_errno, sql_errno;
    bool io_semi;   /* the replica side when the IO thread started */
    bool connected; /* as this side believes */
    uint32_t source_pid;
    unsigned cursor;  /* in the source's binlog: what comes next */
    unsigned unheard; /* sent while nothing of ours came through */
    unsigned
        sync_cursor; /* in the source's binlog: what the running sync of the relay log covers */
    int64_t retry_us;
    int64_t seen_us;
    struct txn_list relay;
    unsigned applied;           /* of the relay log */
    unsigned burst;             /* ... up to here it applies now */
    struct gtid_book retrieved; /* MySQL */
    bool have_io_pos;
    struct gtid io_pos; /* MariaDB: Gtid_IO_Pos, in memory only */
};

/* A dump thread on the source. */
struct dump {
    bool used;
    bool semi;
    uint32_t replica_pid;
    unsigned ack_next; /* everything before this index of the binlog is acknowledged in one tick, if
                          the line holds */
    int64_t heard_us;  /* something came from the replica */
};

enum statement_kind {
    SQL_NONE,
    SQL_START_IO,
    SQL_START_SQL,
    SQL_START,
    SQL_STOP_IO,
    SQL_STOP,
    SQL_RESET_ALL,
    SQL_CHANGE,
    SQL_SLAVE_POS, /* MariaDB: gtid_slave_pos = what `text` says */
    SQL_LEVEL_CHANGE,
    SQL_LEVEL_START,
    SQL_LEVEL_STOP,
    SQL_LEVEL_RESET,
    SQL_READ_ONLY_ON,
    SQL_READ_ONLY_OFF,
    SQL_SOURCE_SIDE,
    SQL_REPLICA_SIDE,
    SQL_KILL_DUMP,
    SQL_KILL_CLIENTS,
    SQL_KILL_WAITER,
    SQL_COUNT
};

enum statement_state { STATEMENT_FREE, STATEMENT_SENT, STATEMENT_OK, STATEMENT_ERROR };

/* One statement of an action session; it may outlive the job and the agent that sent it. */
struct sql_statement {
    int state; /* enum statement_state */
    int kind;  /* enum statement_kind */
    bool flag;
    uint32_t count;
    unsigned node; /* CHANGE, KILL_DUMP */
    uint64_t term;
    bool open;   /* part of JOB_OPEN */
    bool leased; /* the arbiter's lease lasted when its job began */
    bool killed;
    int64_t at_us;        /* it reaches the server */
    int64_t lock_us;      /* it gives up waiting for a lock; 0 = it does not wait */
    struct gtid position; /* SLAVE_POS */
    bool have_position;
};

/* A copy of another server's data beside a server's own, on its disk. */
struct copy {
    int state; /* enum clone_state */
    unsigned donor;
    int64_t at_us;        /* RECEIVING: it is whole then, if the donor still answers */
    struct txn_list data; /* READY */
    bool differs;         /* ... and as the donor's does, it differs from the binlog */
    struct txn_list old;  /* from PLACED on: what was there before */
};

struct server {
    /* the process */
    bool up, hung, starting;
    bool cleanly; /* how it ended */
    bool closed;  /* its last binlog file, in order, and no start has come as far as to a new one */
    uint32_t pid;
    int64_t ready_us;
    int64_t recover_us;
    int64_t die_us; /* it dies during its start; 0 = no */
    bool by_agent;  /* this run was started by the agent's job */

    /* variables */
    bool mariadb;
    bool read_only, source_side, replica_side;
    uint32_t wait_count;
    bool events_on;

    /* the configuration file */
    bool relay_log_recovery;
    bool gtid_off;
    uint32_t server_id; /* 0 = that of its place in the cluster file */

    /* the disk */
    struct txn_list binlog;
    unsigned committed;
    unsigned file_start;  /* where the last binlog file begins */
    unsigned file_before; /* ... and the one of the run before */
    struct bits data;
    uint64_t data_hash; /* of `data`: two servers hold the same */
    uint64_t book_hash; /* of the GTIDs of `data` */
    struct gtid_book book;
    bool have_slave_pos;
    struct gtid slave_pos; /* MariaDB */
    struct channel channel[CHANNELS];
    struct copy copy;
    bool differs; /* rows were changed past the binlog: the next transaction does not fit */
    bool cut;     /* the tail was cut since it ran last */
    uint32_t cut_count, rollbacks;

    /* sessions */
    unsigned n_waiters;
    int64_t head_us; /* the oldest of them is the oldest since */
    uint32_t no_tx;  /* commits of this run that ended without an acknowledgement */
    struct waiter waiter[WAITERS_MAX];
    struct dump dump[NODES_MAX][CHANNELS];
    /* Everything before this index of the binlog was acknowledged by that node. The source keeps it
     * when the connection ends, and counts it when the wait count goes down; only switching the
     * source side off forgets it. */
    unsigned acked[NODES_MAX];
    /* A semi-sync replica of somebody else's, which is no node: a little slower than the nodes. */
    bool stranger;
    unsigned stranger_has, stranger_acked; /* as `acked` */
    int64_t stranger_us;
    struct sql_statement orphan[ORPHANS_MAX];
    bool gate;          /* read_only waits: new commits wait behind it */
    int64_t closing_us; /* by hand: it waits until then; 0 = nobody closes it */
    uint32_t beat_txn;

    /* faults */
    bool busy;          /* cannot be made read-only */
    bool locked;        /* the applier waits for a session's lock in vain */
    bool slow;          /* the SQL threads apply now and then */
    bool slow_io;       /* the IO thread receives now and then */
    unsigned fetch_max; /* transactions that its IO threads receive in a millisecond; 0 = as ever */
    unsigned look_ms;   /* between the first and the last statement of a look at it */
    bool slow_start;
    int64_t sync_us; /* a sync of binlog or relay log takes so long */
    bool disk_full;  /* nothing is written; it waits for space, and does not start */
    bool damaged;    /* it does not start, because of what its files hold */
    bool by_hand;    /* an operator changed what only the core may: until the core sets it again */
};

#endif
