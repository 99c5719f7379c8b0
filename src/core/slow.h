/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members for which commits wait too long (policy slow_ack, slow_after). Watched by the leader that
 * is the open writer; table `writer` decides, the ordinary shrink carries it out.
 *
 * A member is slow while two things hold.
 *
 * Commits wait: the writer's heartbeat row took longer than slow_ack to be acknowledged, and at
 * more than half of the last looks sessions waited for an acknowledgement. (A disk of the writer
 * that is slow by itself shows no such sessions.) Ends at half of both.
 *
 * For this member: it is the only one, or did not report within slow_ack as applied what another
 * node had received before. Ends when it does so within half of that. What is applied was synced,
 * and thus acknowledged; what is received may still wait for the standby's disk. So an applier that
 * keeps up clears a member of the blame. Reports are part of that time, so slow_ack must be longer
 * than they take.
 *
 * Its slow time adds up, and time that was not slow takes as much off again, down to nothing. Each
 * time that it is known to be slow it has been for slow_ack, which counts too. With slow_ack and
 * slow_after of it the member leaves, in a moment in which it is slow. So one that is slow without
 * a break leaves slow_after after that was known; one that is slow for the greater part of the time
 * leaves as well, in whatever rhythm; one hiccup that is not long enough costs nobody his place,
 * and is forgotten after as long again. A heartbeat row tells only at its end, or when it is late,
 * what commits were like since it began: until then the time counts for neither. Waits shorter than
 * slow_ack and the interval of the heartbeat together may not be seen.
 *
 * One that has left for this comes back when it was not behind for slow_after without a break,
 * twice as long each time, a minute at most (slow_after, if that is longer). Only what it shows
 * counts: time in which it was not judged is no part of that, and more than slow_ack of it at once
 * is a break. It is forgotten when it has been a member ten times as long. Another leader knows
 * nothing of it and judges anew.
 */
#ifndef TANDEM_CORE_SLOW_H
#define TANDEM_CORE_SLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/limits.h"

struct core;

struct slow {
    char mark[GTID_TEXT_MAX];     /* what some node had received */
    int64_t taken_us;             /* the writer's facts are of then */
    int64_t mark_us;              /* at that time; 0 = none */
    uint32_t reached;             /* nodes that reported having it */
    uint32_t behind;              /* that did not report it as applied in time */
    uint32_t starved;             /* ... and have not even received it */
    uint32_t calm;                /* that are not behind, as they have shown */
    uint32_t slow;                /* members that are slow now */
    bool waits;                   /* commits wait */
    int64_t stepped_us;           /* looked at last; 0 = not yet */
    int64_t beat_us;              /* the last heartbeat row took so long */
    bool beat_ended;              /* since the last look */
    unsigned waiting;             /* looks at which sessions waited, a moving average, of 1000 */
    int64_t looked_us;            /* the facts counted last */
    uint32_t leaving;             /* the shrink that runs is for these */
    int64_t seen_us[NODES_MAX];   /* its report judged last */
    int64_t slow_us[NODES_MAX];   /* slow time, less the time that was not */
    int64_t open_us[NODES_MAX];   /* time that is not known yet to be either */
    int64_t calm_us[NODES_MAX];   /* it has shown to be calm for so long without a break */
    int64_t silent_us[NODES_MAX]; /* it is not judged for so long */
    unsigned drops[NODES_MAX];    /* it left for this so often */
};

/* Once per step of the open writer. */
void slow_watch(struct core *core);
/* The writer's heartbeat row ended, or its time was over, after so long. */
void slow_on_beat(struct core *core, int64_t took_us);
/* Of the members in `mask` that are slow now, and have been for long enough, the one most
 * surely waited for, then the one with the most; NODE_NONE. One at a time: without it the others
 * may be fast enough. */
unsigned slow_member(const struct core *core, uint32_t mask);
/* The shrink that begins is for these; 0: for something else. */
void slow_on_shrink(struct core *core, uint32_t mask);
/* They have left the set. */
void slow_on_left(struct core *core, uint32_t mask);
/* It left for this, and has not kept up for long enough since. */
bool slow_is_held(const struct core *core, unsigned node);
/* Of the last term: nothing of it holds in a new one but who is held back. */
void slow_forget(struct slow *s);

#endif
