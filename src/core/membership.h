/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who belongs to the quorum: what the arbiter says about it, and the operator's orders to change it
 * (`tandem node add|remove`). The leader judges an order by what it knows of the nodes, and the
 * arbiter carries it out as changes of one node at a time; the reply comes when that has ended.
 *
 * The cluster file says what a node is to be, for all nodes alike; `add` makes it that: it receives
 * the log, and votes if the file says so. `remove` takes it out of the quorum, and marks it as
 * being in maintenance, so that nothing repairs it or waits for it. Neither touches a server.
 */
#ifndef TANDEM_CORE_MEMBERSHIP_H
#define TANDEM_CORE_MEMBERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/record.h"
#include "wire/report.h"

struct core;

/* What a node is made. In the order of raft_node.h's enum raft_membership. */
enum membership_wanted { MEMBERSHIP_NONE, MEMBERSHIP_LEARNER, MEMBERSHIP_VOTER };

#define MEMBERSHIP_TIMEOUT_US 20000000 /* for a node to receive the log before it may vote */

struct membership {
    uint32_t voters;  /* as the arbiter says; 0 = not told yet */
    uint32_t members; /* voters, and who else receives the log; 0 = not told yet */
    bool pending;     /* an order is being carried out */
    uint64_t id;
    enum membership_wanted wanted;
    struct command command;
    int64_t started_us;
    int64_t wall_ms;
};

/* Until the arbiter has told, those of the cluster file. */
bool membership_is_voter(const struct core *core, unsigned node);
bool membership_is_member(const struct core *core, unsigned node);
unsigned membership_voter_count(const struct core *core);
unsigned membership_majority(const struct core *core);
unsigned
membership_voters_up(const struct core *core); /* that this node reaches, itself included */

void membership_on_members(struct core *core, uint32_t voters, uint32_t members);
void membership_command(struct core *core, const struct command *m);
void membership_on_change(struct core *core, uint64_t id, int err);
void membership_on_deposed(struct core *core);

/* A leader whose quorum was rebuilt first empties the in-sync set: whether its members still were
 * members is known to those only who are given up. False: not yet. */
bool membership_is_settled(struct core *core);
void membership_on_applied(struct core *core, const struct entry *e, int err);

/* What stands against an order; NULL if nothing. The leader's view. */
const char *membership_add_obstacle(const struct core *core, unsigned node, char *buf, size_t size);
const char *membership_remove_obstacle(const struct core *core, unsigned node, char *buf,
                                       size_t size);

#endif
