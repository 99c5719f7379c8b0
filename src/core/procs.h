/* SPDX-License-Identifier: Apache-2.0 */
/* The leader's procedures (core/steps.h) and the helpers they share. */
#ifndef TANDEM_CORE_PROCS_H
#define TANDEM_CORE_PROCS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/steps.h"
#include "util/err.h"

struct command;
struct core;
struct entry;
struct job;

extern const struct proc_kind takeover_proc;   /* this node becomes the writer */
extern const struct proc_kind reopen_proc;     /* this node is the writer and opens in place */
extern const struct proc_kind start_proc;      /* its server is started, and no more */
extern const struct proc_kind switchover_proc; /* planned: to lead.target */
extern const struct proc_kind resign_proc;     /* unplanned: to lead.target */
extern const struct proc_kind aside_proc;      /* the leadership alone goes to lead.target */
extern const struct proc_kind shrink_proc;     /* lead.shrink_mask leaves the in-sync set */
extern const struct proc_kind grow_proc;       /* lead.target joins it */
extern const struct proc_kind move_proc;       /* ... in the place of lead.leaving (MariaDB) */

/* takeover.c: the end of this node's own channels. */
struct job takeover_forget_job(const struct core *core);

/* sync.c: who must go, who may come. */
uint32_t sync_surplus(const struct core *core);  /* no members, and acknowledge all the same */
uint32_t sync_kept_out(const struct core *core); /* the kernel refuses their connections */
uint32_t sync_lost_members(struct core *core, uint32_t *ret_may_leave); /* of them */
/* The member for which commits have waited too long, NODE_NONE; and whether it may leave: never the
 * last one under durability = strict, but for another that takes its place. */
unsigned sync_slow_member(struct core *core, bool *ret_may_leave);
bool sync_counts_too_many(const struct core *core); /* more acknowledgements than members */
unsigned sync_grow_candidate(const struct core *core);
/* MariaDB, whose set has one member: who should have its place, NODE_NONE. The one that is ordered
 * to be the writer, at once; else a standby of higher priority, after a time of calm. */
unsigned sync_move_candidate(const struct core *core);
/* MariaDB: an order to make it the writer can be followed by way of the only member's place. */
bool sync_may_replace(const struct core *core, unsigned node);
/* Every member reports, in the run that was proven, that it has received all of `set`: an
 * acknowledgement is not needed to know that, and may have been lost. True of an empty set of
 * members. */
bool sync_members_have(const struct core *core, const char *set);
bool sync_is_leaving(const struct core *core, unsigned node); /* it acknowledges a little longer */
bool sync_has_side(const struct core *core, unsigned node);   /* it may acknowledge */
/* durability = strict: commits wait for members from which nothing comes, and nobody can join. */
bool sync_is_stranded(const struct core *core);
bool sync_is_growing(const struct core *core, unsigned node);
void sync_keep_out(
    struct core *core);             /* refuses who might acknowledge unasked, or was not compared */
void sync_watch(struct core *core); /* heartbeat, stall and doubt clocks */
void sync_watch_fit(struct core *core); /* since when each standby could join */
void sync_grow_ended(struct core *core, bool ok);

/* repair.c */
void repair_run(struct core *core);

/* command.c */
void command_reply(struct core *core, const struct command *m, bool ok, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* An order that may be over a writer of another arbiter; it is answered. Also where nobody leads.
 */
bool command_makes_two(struct core *core, const struct command *m);
void command_run(struct core *core, const struct command *m);
void command_run_waiting(struct core *core);
/* Replies to every waiting command: this node does not lead any more. */
void command_refuse_waiting(struct core *core);

/* Helpers of step functions: one request in lead.slot. */
void proc_ask(struct core *core, const struct job *job);
/* WAIT until it is over, then NEXT, or FAIL with the server's words. */
enum step_verdict proc_await(struct core *core, struct proc *p);
/* The same, and the server's executed set becomes lead.goal. */
enum step_verdict proc_await_goal(struct core *core, struct proc *p);
/* Proposes once, waits for the outcome: NEXT = applied; FAIL otherwise. */
enum step_verdict proc_commit(struct core *core, struct proc *p, struct entry *e);

#endif
