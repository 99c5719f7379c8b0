/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the leader of the term does (docs/design/overview.md). Phases:
 *
 *   follow     not the leader
 *   barrier    elected; everything of earlier terms must be applied first
 *   decide     table `lead`: open here, take over, hand the leadership on, or stay as caretaker
 *   procedure  takeover or reopen of this node
 *   steady     this node is the writer, open; table `writer` decides what is next
 *   handover   closed, the leadership has been transferred or is about to be
 *   caretaker  no lease, no VIP; repairs, and decides anew whenever facts change
 *
 * Repair (core/repair.h) runs beside steady and caretaker, one request per node at a time.
 */
#ifndef TANDEM_CORE_LEAD_H
#define TANDEM_CORE_LEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ending.h"
#include "core/reclone.h"
#include "core/rules.h"
#include "core/slow.h"
#include "core/steps.h"
#include "wire/limits.h"
#include "wire/record.h"
#include "wire/report.h"

struct core;

#define LEAD_COMMANDS_MAX 4

enum lead_phase {
    LEAD_FOLLOW,
    LEAD_BARRIER,
    LEAD_DECIDE,
    LEAD_PROCEDURE,
    LEAD_STEADY,
    LEAD_HANDOVER,
    LEAD_CARETAKER,
    LEAD_PHASE_COUNT
};

enum lead_verdict {
    LEAD_STAY,   /* caretaker */
    LEAD_WAIT,   /* something that decides is about to be known */
    LEAD_ASK,    /* ask the last writer */
    LEAD_BACK,   /* transfer back to it */
    LEAD_REOPEN, /* this node is the writer: open in place */
    LEAD_TAKEOVER,
    LEAD_TRANSFER,
    LEAD_CLEAR_HANDOVER,
    LEAD_START, /* the own server, without opening it */
    LEAD_VERDICT_COUNT
};

enum writer_verdict {
    WRITER_STAY,
    WRITER_RESIGN,  /* close, hand over to the best member */
    WRITER_RESTART, /* close, start mysqld here, reopen */
    WRITER_REOPEN,  /* the server's settings are not those of the record */
    WRITER_SHRINK,
    WRITER_GROW,
    WRITER_SWITCHOVER,
    WRITER_ASIDE, /* close, hand the leadership to who reaches a member that this node does not */
    WRITER_MOVE,  /* MariaDB: a better standby takes the only member's place */
    WRITER_VERDICT_COUNT
};

/* One compare-and-set proposal at a time. */
struct proposal {
    uint64_t id;
    bool pending;
    bool accepted; /* applied, and not refused by the compare-and-set */
    int err;
    struct entry entry;
};

struct repair {
    int ask;   /* outstanding request, ASK_NONE */
    int stage; /* enum repair_stage */
    int64_t not_before_us;
    unsigned failures;
    int64_t extra_since_us; /* it seems to hold transactions of its own since; 0 = no */
    bool rewound;           /* the tail was cut, the server may be started */
    bool undone;       /* its own transactions were taken back: what the record says is to go */
    bool old_error;    /* ... and it was not attached since: the error it tells is of before */
    bool inspected;    /* `evidence` is known: what its binlogs say of its tail */
    uint32_t evidence; /* bits of enum tail_evidence */
    /* What NODE_SALVAGED is worth to this leader (rejoin_is_saved). */
    char saved[GTID_TEXT_MAX]; /* what it held alone when that was last asked to be salvaged */
    bool is_saved;             /* ... and it was */
    bool saved_whole;          /* ... all of it was found */
    struct server_facts seen;  /* as the check read them, before the writer was read */
    uint64_t checked_epoch;    /* it was found to hold nothing that the writer lacks */
    int64_t checked_us;
    bool unsure;         /* what it holds alone may be commits that wait on the writer */
    uint64_t told_epoch; /* of the last complaint in the log */
    uint16_t told_cure;  /* the rule that it named */
    uint32_t purged;     /* sources that lack binlogs that it needs */
    /* Of an applier that gives up at a lock (core/cure.h). */
    char lock_at[GTID_TEXT_MAX]; /* what it had executed when it did so last */
    unsigned lock_starts;        /* it was started again so often there */
    int64_t lock_rest_us;        /* ... and is not until then */
    char state[REASON_TEXT_MAX]; /* for status */
};

struct lead {
    enum lead_phase phase;
    uint64_t next_proposal_id;
    struct proposal proposal;
    int64_t propose_not_before_us; /* the last one failed, or its outcome is not known */
    uint64_t barrier_id;
    int64_t barrier_retry_us; /* it failed: asked for again then; 0 = it has not */
    bool barrier_done;
    int64_t elected_us;
    unsigned told_rule; /* of table `lead`, logged last in this term; 0 = none */

    int ask_writer; /* request to the last writer; ASK_NONE */
    bool writer_asked;
    unsigned backs; /* transfers back in a row */
    int64_t back_window_us;

    int64_t failed_until_us; /* this node's own promotion failed: not eligible until then */
    unsigned failed_count;
    int64_t transfer_not_before_us[NODES_MAX];
    unsigned transfer_failures[NODES_MAX];
    unsigned go_betweens; /* transfers to who reaches more, since the last open writer */
    unsigned transfer_to;
    unsigned handed_to; /* of the last transfer, until its end is known; NODE_NONE */
    uint64_t handed_epoch;
    int64_t transfer_us;

    struct ending ending;
    unsigned restarts; /* starts of the own server in a row */
    int64_t restart_not_before_us;

    struct proc proc; /* takeover, reopen, switchover, resign, shrink, grow */
    enum writer_verdict
        proc_verdict; /* in steady: which of the table's verdicts proc carries out */
    unsigned target;  /* of grow, switchover, resign */
    uint32_t shrink_mask;
    uint32_t leaving;     /* members that a move takes out: they acknowledge until told otherwise */
    uint32_t told_side;   /* nodes whose replica side was switched on, and not surely off again */
    uint32_t unresolved;  /* grows proposed whose outcome is unknown: they count as members */
    int slots[NODES_MAX]; /* requests of the procedure, by node */
    int slot;             /* the procedure's request to itself */
    int slot2;
    char goal[GTID_TEXT_MAX]; /* the procedure's set: seal, position to reach */
    bool goal_set;
    bool evicted; /* the grow has ended the connections of others */
    bool forced;  /* takeover with accepted loss */
    bool first;   /* takeover of a cluster that never had a writer */

    int64_t bad_since_us[NODES_MAX]; /* a member's state is doubtful since */
    /* Its applier is stopped since (core/parent.h). */
    int64_t idle_since_us[NODES_MAX];
    uint64_t received[NODES_MAX];   /* digest of what it has received, as it reports */
    int64_t received_us[NODES_MAX]; /* it changed last */
    int64_t stall_since_us;         /* commits wait for an acknowledgement since */
    int64_t member_since_us[NODES_MAX];
    int64_t grow_not_before_us[NODES_MAX];
    int64_t fit_since_us[NODES_MAX]; /* it could join the set since, without a break; 0 = it could
                                        not */
    int64_t evict_us;                /* connections of non-members were ended last */
    int64_t count_not_before_us;     /* of the next try to take the wait count down */
    unsigned grow_failures[NODES_MAX];
    int beat; /* outstanding heartbeat write */
    int64_t beat_us;
    int64_t beat_bad_since_us;
    struct slow slow;
    int64_t switch_not_before_us;
    int64_t order_since_us;    /* a switchover is ordered and not begun since */
    int64_t handover_since_us; /* a handover that nobody fulfils is recorded since */

    unsigned n_commands; /* operators' commands that wait for the end of a proposal */
    struct command commands[LEAD_COMMANDS_MAX];

    /* Reopened after a restart with members in the set: what recovery has committed here was
     * acknowledged by nobody, and no client sees it before every member has it, a beat was
     * acknowledged, or the set is empty. */
    bool unproven;
    int64_t unproven_us; /* since */
    bool reprove;        /* after a pause: every member must be proven again */

    int64_t tail_us; /* the last takeover's timeline goes on until repointing is done; 0 = none */
    int64_t tail_started_us;
    struct history tail;

    struct repair repair[NODES_MAX];
    struct reclone reclone[NODES_MAX];
};

extern const struct rule_table lead_table;
extern const struct rule_table writer_table;

void lead_init(struct core *core);
void lead_on_elected(struct core *core, uint64_t term);
void lead_on_deposed(struct core *core);
void lead_on_proposal(struct core *core, uint64_t id, int err);
void lead_on_applied(struct core *core, const struct entry *e, int err);
void lead_on_transfer(struct core *core, bool ok);
void lead_on_promoted(struct core *core); /* somebody was */
void lead_run(struct core *core);

/* The server is being opened by the running procedure. */
bool lead_is_opening(const struct core *core);

/* For the files of the leader only. */
/* False: another proposal is pending, or one has just failed. */
bool lead_propose(struct core *core, struct entry *e);
bool lead_proposal_is_over(const struct core *core);
/* A voter that reaches a possible writer which this node does not; NODE_NONE. */
unsigned lead_go_between(const struct core *core);
struct job lead_job(const struct core *core, int kind); /* with the action deadline */
uint32_t lead_members(const struct core *core);         /* record and unresolved */
unsigned lead_member_count(const struct core *core);
void lead_enter(struct core *core, enum lead_phase phase);
void lead_drop_slots(struct core *core);
void lead_hold_tail(struct core *core, const struct proc *p);
/* Work on another node that belongs to the last takeover. */
void lead_mark_tail(struct core *core, const char *name, unsigned node, int64_t since_us,
                    const char *note);
void lead_transfer(struct core *core, unsigned to);
void lead_clear_handover(struct core *core);

#endif
