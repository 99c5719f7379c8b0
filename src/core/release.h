/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits that ended on the local server, as the writer, without the acknowledgement of the in-sync
 * set: somebody ended the wait by hand (source side off, a short time-out, a smaller count). Their
 * clients were told OK, so when another node is promoted they are no phantoms, although no member
 * has them. Neither a rewind nor the judgement of a tail may take them for "never acknowledged".
 *
 * By itself the server ends no wait: its time-out is practically infinite (core/sync.c sets it), so
 * only a hand can, or a shutdown, which is another fact (ended_cleanly). It shows in two ways,
 * which every look of the agent brings: the number of commits that ended so (no_tx, per run of
 * mysqld) changed while a member was to acknowledge; or the open server waits for fewer than there
 * are.
 *
 * Known from then on until it cannot matter: every member, in its proven run, has received all that
 * the server held at a look after the last release; the set was emptied (who joins later must have
 * everything first, and nobody is promoted clean before); or the node was compared and follows. It
 * is kept in a file (EFFECT_RELEASE), with the run and the number last seen, so that what happened
 * while the agent was away shows in the number when it is back.
 *
 * Not seen: a release within the last look's interval before the server is killed; one while the
 * agent is away, if the server is killed before it is back; KILL of a waiting session, which the
 * server counts as acknowledged. A server that answers others but not the agent for RELEASE_UNREAD
 * before its end proves nothing, and counts as one that has released; one that answers nobody has
 * told nobody anything.
 */
#ifndef TANDEM_CORE_RELEASE_H
#define TANDEM_CORE_RELEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/limits.h"
#include "wire/server.h"

struct core;

/* What survives the agent. All zero: nothing was ever watched. */
struct release_note {
    uint64_t epoch; /* that is watched; 0 = none, or (with `released`) not known which */
    bool released;
    struct incarnation run; /* of mysqld, at the last look; none = not looked at yet */
    uint32_t no_tx;         /* ... and its number */
};

struct release {
    struct release_note note;
    struct release_note told; /* what the file says or is being told */
    int64_t looked_us;        /* facts_us of the last look */
    bool have_behind;
    char behind[GTID_TEXT_MAX]; /* holds all that was released, if have_behind */
};

/* After core_init(), before the first event: what an earlier agent left. A file that cannot be read
 * is a note that says `released`. */
void release_restore(struct core *core, const struct release_note *note);
/* Once per step. */
void release_run(struct core *core);
/* Before the server's facts are forgotten. */
void release_on_died(struct core *core);
/* What this node holds alone may have been acknowledged by a release. */
bool release_is_known(const struct core *core);

#endif
