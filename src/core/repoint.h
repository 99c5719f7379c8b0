/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May a replica be put under another server, and by what: `tandem repoint`, for topologies that no
 * agent manages yet (table `repoint`). By GTID where both have it, after a comparison of sets.
 * Without GTID by file and position, found by core/repoint_match.h; this table says whether the
 * logs of the new source can be compared at all. Pure: who carries it out looks at both servers,
 * asks here, does what the verdict says, and looks again.
 */
#ifndef TANDEM_CORE_REPOINT_H
#define TANDEM_CORE_REPOINT_H

#include "core/rules.h"
#include "wire/repoint.h"

/* Positions in struct repoint. */
enum repoint_who { REPOINT_REPLICA, REPOINT_SOURCE, REPOINT_SERVERS };

enum repoint_verdict {
    REPOINT_REFUSE,  /* a human has to change something first */
    REPOINT_REBUILD, /* refused for good: only a copy of the new source's data makes it a replica */
    REPOINT_DONE,    /* it follows that server already */
    REPOINT_DRAIN,   /* stop its IO thread, and let it apply what it has */
    REPOINT_GTID,    /* stop it, compare once more, let it follow by GTID */
    REPOINT_MATCH,   /* read the new source's logs: match_decide() */
    REPOINT_VERDICT_COUNT
};

extern const struct rule_table repoint_table;

struct repoint {
    /* Both servers; the source of servers[REPOINT_REPLICA] is REPOINT_SOURCE, whatever it follows
     * now, so that the comparisons of core/adopt_gtid.h are with the new source. */
    const struct survey *survey;
    struct repoint_server more[REPOINT_SERVERS];
    bool drained; /* the replica receives nothing, and has applied all whole transactions it has, or
                     its SQL thread was stopped */
};

/* *ret_facts: what the rule saw. */
const struct rule *repoint_decide(const struct repoint *r, uint32_t *ret_facts);

/* The channel's source is that server: by what its source said of itself, else by its address. */
bool repoint_follows(const struct repoint *r, enum repoint_who who, enum repoint_who whom);

#endif
