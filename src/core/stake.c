/* SPDX-License-Identifier: Apache-2.0 */
#include "core/stake.h"

#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/sets.h"

static bool is_empty(const struct core *core)
{
    return core->record.writer != NODE_NONE && core->record.in_sync == 0;
}

/* An agent that has just started did not see it: the newest change that emptied the set tells. */
static int64_t recorded_since(const struct core *core)
{
    const struct record *r = &core->record;
    for (unsigned i = r->n_histories; i > 0; i--) {
        const struct history *h = &r->histories[i - 1];
        if (strcmp(h->kind, "shrink") == 0 || strcmp(h->kind, "move") == 0 ||
            strcmp(h->kind, "takeover") == 0)
            return h->wall_ms + h->took_us / 1000;
    }
    return core->wall_ms;
}

void stake_watch(struct core *core)
{
    bool starting = !core->confirmed;
    if (!is_empty(core))
        core->stake.since_wall_ms = 0;
    else if (starting)
        core->stake.since_wall_ms = recorded_since(core);
    else if (core->stake.since_wall_ms == 0)
        core->stake.since_wall_ms = core->wall_ms;
}

/* Received counts: what has reached a node can be brought to light. */
static void count(const struct core *core, struct stake_view *v)
{
    unsigned writer = core->record.writer;
    const struct report *w = writer < core->cfg->n_nodes ? core_report(core, writer) : NULL;
    uint64_t least = UINT64_MAX;
    if (w == NULL || w->facts.executed[0] == '\0')
        return;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = i == writer ? NULL : core_report(core, i);
        uint64_t n;
        if (r == NULL || !config_node_has_mysql(core->cfg, i) ||
            (core->record.flags[i] & (NODE_QUARANTINED | NODE_FORMER)) != 0)
            continue;
        n = sets_distance_received(&w->facts, &r->facts);
        if (n < least) {
            least = n;
            v->best = i;
        }
    }
    v->known = least != UINT64_MAX;
    v->transactions = v->known ? least : 0;
}

/* What keeps each standby out of the set; the leader knows what it does about it. */
static void reason(const struct core *core, char *buf, size_t size)
{
    size_t used = 0;
    buf[0] = '\0';
    for (unsigned i = 0; i < core->cfg->n_nodes && used < size; i++) {
        const struct report *r = core_report(core, i);
        const char *state = core->is_leader ? core->lead.repair[i].state : "";
        if (i == core->record.writer || core->cfg->nodes[i].role != CONFIG_ROLE_CANDIDATE)
            continue;
        if ((core->record.flags[i] & NODE_QUARANTINED) != 0)
            state = "quarantined";
        else if ((core->record.flags[i] & NODE_MAINTENANCE) != 0)
            state = "in maintenance";
        else if (r == NULL || !core_is_fresh(core, i))
            state = "its agent does not answer";
        else if (!health_is_good((enum server_health)r->health))
            state = server_health_text(r->health);
        else if (core->is_leader && slow_is_held(core, i))
            state = "commits waited too long for it";
        else if (state[0] == '\0')
            state = "not in the in-sync set yet";
        used += (size_t)snprintf(buf + used, size - used, "%s%s: %s", used > 0 ? ", " : "",
                                 core_name(core, i), state);
    }
    if (used == 0)
        (void)snprintf(buf, size, "there is no other candidate");
}

void stake_look(const struct core *core, struct stake_view *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->best = NODE_NONE;
    if (!is_empty(core))
        return;
    ret->at_stake = true;
    ret->grows = core->cfg->policy.durability != CONFIG_DURABILITY_STRICT;
    ret->since_wall_ms = core->stake.since_wall_ms;
    count(core, ret);
    reason(core, ret->why, sizeof ret->why);
}
