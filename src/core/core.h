/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The brain of one node: core_step(core, event, effects). Pure: no clock, no allocation, no I/O, no
 * log; the same object code runs in the agent and in the simulator.
 *
 * Every node runs the same core in two capacities:
 *   local   guards its own server: health, fence (core/fence.h), requests of the leader
 * (core/local.h), what it may be elected for (core/eligible.h). Always on. leader  while this node
 * leads the arbiter's term (core/lead.h): decides who is the writer, keeps the in-sync set true,
 * repairs every node. All changes of a server, its own included, are requests that the server's own
 * agent carries out.
 *
 * Ownership: the caller allocates struct core (about 1 MiB) and struct effects and passes them in;
 * config must outlive the core. Times are microseconds of CLOCK_BOOTTIME.
 */
#ifndef TANDEM_CORE_CORE_H
#define TANDEM_CORE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ask.h"
#include "core/effect.h"
#include "core/event.h"
#include "core/fence.h"
#include "core/health.h"
#include "core/lead.h"
#include "core/local.h"
#include "core/membership.h"
#include "core/release.h"
#include "core/rules.h"
#include "core/stake.h"
#include "wire/config.h"
#include "wire/record.h"
#include "wire/report.h"

#define CORE_HISTORIES_PENDING_MAX 4

/* What this node knows of another: its last report and whether its agent can be reached. */
struct peer_view {
    bool up;
    bool have;
    int64_t at_us;
    struct report report;
};

struct core {
    const struct cluster_config *cfg;
    unsigned self;
    int64_t now_us;
    int64_t wall_ms;
    int64_t started_us;
    struct effects *fx; /* of the current step; NULL outside */

    struct record record;
    bool rebuilt;   /* the quorum was begun anew from this node: its in-sync set proves nothing, and
                       is emptied before anything is decided; set by the caller at the start */
    bool confirmed; /* since the start of the agent, the record was once as new as a settled
                       leader's */

    uint64_t term; /* highest seen */
    unsigned leader;
    bool is_leader;
    bool doubt;             /* a pair's leader whose membership is not proven (EVENT_DOUBT) */
    int64_t lease_until_us; /* 0 = none */

    struct health health;
    bool have_facts;
    int64_t facts_us;
    struct server_facts facts;
    struct incarnation incarnation;
    /* A shutdown of this server may have acknowledged what nobody else has; until a write of the
     * reopened server has been acknowledged. */
    int64_t stalled_us; /* the agent itself stood still until then */
    bool ended_cleanly;
    int64_t ended_us;

    struct incarnation proven; /* the run whose last write as the writer was acknowledged */
    uint64_t open_term;        /* term in which this node opened its server; 0 = it has not */
    bool lease_known;          /* what an earlier agent left in the kernel was kept or taken back */
    bool vip_wanted;
    int64_t vip_renew_us;
    int64_t vip_down_us;    /* the address is taken down at this time; 0 = no */
    int64_t aside_until_us; /* it has given the leadership away to who reaches a member */
    int64_t aside_again_us; /* not before */
    unsigned asides;        /* since the in-sync set changed */
    uint32_t blocked;       /* nodes whose servers may not reach the local one */
    uint32_t vips;          /* held, as the kernel says */
    bool link_up;
    int rank;
    enum effect_role role;
    struct command by_hand; /* an order to lead, until this node does; id 0 = none */
    int64_t by_hand_us;     /* since */
    bool quitting;
    bool quit_done;
    char trouble[TROUBLE_TEXT_MAX];
    struct clone_report clone;
    struct starts starts;    /* since the server answered last */
    struct host_facts host;  /* for the reports; no decision rests on it */
    uint32_t other_arbiters; /* bit per node whose agent was heard just now with another arbiter */

    struct peer_view view[NODES_MAX]; /* [self] is kept as well */
    uint64_t report_seq;
    int64_t report_us;
    int64_t report_all_us;
    bool report_due;

    struct local local;
    struct fence fence;
    struct asks asks;
    struct lead lead;
    struct membership membership;
    struct stake stake;
    struct release release;

    struct verdict verdict[VERDICT_COUNT];
    unsigned n_pending_histories;
    struct history pending_histories[CORE_HISTORIES_PENDING_MAX];
};

void core_init(struct core *core, const struct cluster_config *cfg, unsigned self, int64_t now_us);

/* Judges one event. Appends to fx (cleared first) what must be done; fx->wake_us is the next tick.
 */
void core_step(struct core *core, const struct event *ev, struct effects *fx);

/* The rule tables by enum verdict_table, for `explain` and for the tests. */
const struct rule_table *core_table(enum verdict_table table);
/* Every table of the core, those of reports first; NULL behind the last. */
const struct rule_table *core_table_any(unsigned i);

/* The one sentence: would a failure of the writer now be safe. Returns true if so. */
bool core_is_safe(const struct core *core, char *ret_text, size_t size);
/* What this node's core is doing, for status. */
const char *core_phase_text(const struct core *core);

/* Shared by the files of core/ only. */
bool core_by_hand(struct core *core, struct command *ret_command);
bool core_is_fresh(const struct core *core,
                   unsigned node);              /* report younger than three heartbeats or 300 ms */
uint32_t core_reaches(const struct core *core); /* nodes whose agents it is in touch with */
bool core_is_member(const struct core *core, unsigned node); /* in the record's in-sync set */
const struct report *core_report(const struct core *core, unsigned node);
const char *core_name(const struct core *core, unsigned node); /* "none" for NODE_NONE */
bool core_may_write(const struct core *core); /* opened in this term, leading, lease valid */
/* Clients are to find their writer here: opened, with a lease and its address; or paused so. */
bool core_is_published(const struct core *core);
void core_log(struct core *core, enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void core_close(struct core *core, const char *why); /* lease, VIP and permission off at once */
void core_set_role(struct core *core, enum effect_role role);
void core_push_history(struct core *core, const struct history *h);

#endif
