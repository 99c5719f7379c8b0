/* SPDX-License-Identifier: Apache-2.0 */
#include "core/release.h"

#include <string.h>

#include "core/core.h"
#include "core/procs.h"
#include "core/sets.h"

#define RELEASE_UNREAD_US 5000000

static bool release_note_equal(const struct release_note *a, const struct release_note *b)
{
    return a->epoch == b->epoch && a->released == b->released && a->no_tx == b->no_tx &&
           incarnation_equal(&a->run, &b->run);
}

void release_restore(struct core *core, const struct release_note *note)
{
    core->release.note = core->release.told = *note;
}

bool release_is_known(const struct core *core)
{
    return core->release.note.released;
}

/* In which a release would matter; 0 = none. */
static uint64_t release_epoch(const struct core *core)
{
    const struct record *r = &core->record;
    const struct release_note *n = &core->release.note;
    const struct promotion *p = record_promotion_after(r, core->self);
    /* The record of an agent that has just started is of the past, and passes through it again. */
    if (!core->confirmed && (n->epoch != 0 || n->released))
        return n->epoch;
    if (r->writer == core->self)
        return lead_members(core) != 0 ? r->epoch : 0;
    if ((r->flags[core->self] & NODE_FORMER) != 0)
        return p != NULL ? p->old_epoch : n->epoch;
    return 0;
}

static void release_found(struct core *core, const char *how)
{
    struct release *x = &core->release;
    if (!x->note.released)
        core_log(core, LOG_LEVEL_WARNING, "commits-released",
                 "commits may have ended here without the acknowledgement of a member epoch=%llu "
                 "why='%s'",
                 (unsigned long long)x->note.epoch, how);
    x->note.released = true;
    x->have_behind = false;
}

static void release_over(struct core *core, const char *why)
{
    if (core->release.note.released)
        core_log(core, LOG_LEVEL_NOTICE, "release-over",
                 "commits that ended without an acknowledgement matter no more epoch=%llu why='%s'",
                 (unsigned long long)core->release.note.epoch, why);
    core->release.note.released = core->release.have_behind = false;
}

/* Of what the record says: which epoch is watched. */
static void release_follow(struct core *core)
{
    struct release_note *n = &core->release.note;
    uint64_t epoch = release_epoch(core);
    if (epoch == n->epoch)
        return;
    /* A note that names no epoch may be about this one. */
    if (n->epoch != 0)
        release_over(core, epoch == 0 ? "nobody is to acknowledge, or it was compared"
                                      : "another epoch began");
    n->epoch = epoch;
    memset(&n->run, 0, sizeof n->run);
    n->no_tx = 0;
}

/* The open server waits for fewer acknowledgements than there are members. */
static bool release_is_under_way(const struct core *core)
{
    const struct server_facts *f = &core->facts;
    unsigned members = lead_member_count(core);
    if (core->record.writer != core->self || f->read_only || members == 0)
        return false;
    return !f->source_side || (f->flavour == SERVER_MYSQL && f->wait_count < members);
}

static void release_look(struct core *core)
{
    struct release *x = &core->release;
    struct release_note *n = &x->note;
    const struct server_facts *f = &core->facts;
    bool first = !incarnation_equal(&n->run, &core->incarnation);
    if (n->epoch == 0)
        return;
    /* A record of the past may name this node the writer, too. */
    if ((core->confirmed || !first) && release_is_under_way(core))
        release_found(core, "the source side is off, or the count is too low");
    else if (!first && f->no_tx != n->no_tx)
        release_found(core, "the server's number of commits without one has changed");
    else if (n->released && !x->have_behind) {
        memcpy(x->behind, sets_received(f), sizeof x->behind);
        x->have_behind = true;
    }
    n->run = core->incarnation;
    n->no_tx = f->no_tx;
}

/* Only while nobody else can be promoted: a MariaDB that has been counts other transactions under
 * the same numbers. */
static bool release_is_on_members(const struct core *core)
{
    return core_may_write(core) && lead_members(core) != 0 &&
           sync_members_have(core, core->release.behind);
}

void release_run(struct core *core)
{
    struct release *x = &core->release;
    release_follow(core);
    if (core->have_facts && core->facts_us != x->looked_us &&
        !incarnation_is_none(&core->incarnation)) {
        x->looked_us = core->facts_us;
        release_look(core);
    }
    if (x->note.released && x->have_behind && release_is_on_members(core))
        release_over(core, "every member has them");
    if (release_note_equal(&x->note, &x->told))
        return;
    x->told = x->note;
    effects_add(core->fx, EFFECT_RELEASE)->u.release = x->note;
}

void release_on_died(struct core *core)
{
    bool answered = core->health.state == HEALTH_FULL || core->health.state == HEALTH_DENIED;
    if (core->release.note.epoch != 0 && answered &&
        core->now_us - core->facts_us > RELEASE_UNREAD_US)
        release_found(core, "the server answered, but its status could not be read");
}
