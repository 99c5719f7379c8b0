/* SPDX-License-Identifier: Apache-2.0 */
/* What really happens: who is the writer, that it is lost, whom the other stack made the writer. */
#include "app/shadow_private.h"

#include <stdio.h>
#include <string.h>

#include "core/eligible.h"
#include "core/sets.h"

static int64_t interval_us(const struct shadow_world *w)
{
    return (int64_t)w->cfg->policy.probe_interval_ms * 1000;
}

static bool is_mysql_without_gtid(const struct server_facts *f)
{
    return f->flavour == SERVER_MYSQL && (f->settings & SETTING_GTID) != 0;
}

/* ---- who is in sync ---- */

static bool is_in_sync(const struct shadow_world *w, unsigned node)
{
    const struct shadow_server *s = &w->nodes[node].server;
    const struct shadow_server *of = &w->nodes[w->holder].server;
    const struct config_node *writer = &w->cfg->nodes[w->holder];
    const struct server_facts *f = &s->seen;
    if (node == w->holder || w->cfg->nodes[node].role != CONFIG_ROLE_CANDIDATE ||
        w->cfg->nodes[node].no_promote || !s->have || !s->answers)
        return false;
    if (!f->channel || f->io != THREAD_RUNNING || f->sql != THREAD_RUNNING ||
        f->source_port != writer->mysql.port || strcmp(f->source_host, writer->address) != 0)
        return false;
    return of->seen.source_side && f->replica_side_active &&
           sets_distance_received(&of->seen, f) <= w->cfg->policy.grow_lag_trx_max;
}

static uint32_t in_sync_now(const struct shadow_world *w)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (w->nodes[i].core != NULL && is_in_sync(w, i))
            mask |= 1u << i;
    }
    /* MariaDB waits for one acknowledgement, whoever gives it: one member. */
    if (w->nodes[w->holder].server.seen.flavour == SERVER_MARIADB && mask != 0)
        mask &= ~mask + 1;
    return mask;
}

/* The real semi-sync acknowledges again: what a grow of the core would have proven. */
static void take_in(struct shadow_world *w)
{
    uint32_t more;
    if (w->state != SHADOW_WATCHING || w->lost || w->holder != w->writer || w->quiet ||
        w->record->in_sync != 0)
        return;
    more = in_sync_now(w);
    for (unsigned i = 0; i < w->cfg->n_nodes && more != 0; i++) {
        struct entry e;
        if ((more & (1u << i)) == 0)
            continue;
        memset(&e, 0, sizeof e);
        e.kind = ENTRY_GROW;
        e.version = w->record->version;
        e.node = (uint8_t)i;
        e.incarnation = w->nodes[i].server.incarnation;
        shadow_server_assume(&w->nodes[i].server, SHADOW_MEMBER, 1);
        w->nodes[w->writer].server.source_side = true;
        shadow_propose(w, &e);
    }
}

/* ---- the loss ---- */

static void lose(struct shadow_world *w)
{
    struct shadow_told t = {.level = LOG_LEVEL_WARNING, .node = w->writer};
    const struct shadow_server *s = &w->nodes[w->writer].server;
    const char *name = shadow_name(w, w->writer);
    w->lost = true;
    w->n_said = 0;
    w->choice = NODE_NONE;
    if (!s->alive)
        shadow_say(w, &t, "shadow-lost", "the writer %s is lost: its mysqld is gone", name);
    else if (!s->answers)
        shadow_say(w, &t, "shadow-lost", "the writer %s is lost: its server does not answer", name);
    else
        shadow_say(w, &t, "shadow-lost",
                   "nobody answers as the writer %s at the virtual address, although its server "
                   "serves: for Tandem that is no reason to take over",
                   name);
}

static void watch_writer(struct shadow_world *w)
{
    const struct shadow_server *s = w->writer == NODE_NONE ? NULL : &w->nodes[w->writer].server;
    int64_t limit_us = (int64_t)w->cfg->policy.probe_timeout_ms * 1000 + 2 * interval_us(w);
    if (s == NULL || w->state == SHADOW_LOOKING)
        return;
    if (s->answers && s->have && w->holder == w->writer && w->state == SHADOW_WATCHING) {
        bool was = w->lost;
        struct shadow_told t = {.level = LOG_LEVEL_NOTICE, .node = w->writer};
        if (was)
            shadow_say(w, &t, "shadow-back", "the writer %s is back by itself",
                       shadow_name(w, w->writer));
        w->lost = false;
        w->good_us = w->now_us;
        w->left = s->seen;
        w->left_known = true;
        return;
    }
    if (!w->lost && (!s->alive || w->now_us - w->good_us > limit_us))
        lose(w);
}

/* ---- what the other stack made of it ---- */

/* What the new writer lacks of what the old one was last seen to have. */
static void tell_lacking(struct shadow_world *w, unsigned node, char *buf, size_t size)
{
    const struct server_facts *f = &w->nodes[node].server.seen;
    uint64_t lacks;
    if (!w->left_known || is_mysql_without_gtid(f)) {
        (void)snprintf(buf, size, "what it lacks cannot be told: its transactions have no GTIDs");
        return;
    }
    lacks = sets_distance(&w->left, f);
    if (lacks == UINT64_MAX)
        (void)snprintf(buf, size, "what it lacks cannot be told");
    else if (lacks == 0)
        (void)snprintf(buf, size, "it has all that %s was last seen to have",
                       shadow_name(w, w->writer));
    else
        (void)snprintf(buf, size, "it lacks at least %llu transactions that %s had",
                       (unsigned long long)lacks, shadow_name(w, w->writer));
}

static void tell_opinion(struct shadow_world *w, unsigned node, char *buf, size_t size)
{
    char why[REASON_TEXT_MAX];
    if (w->choice == node)
        (void)snprintf(buf, size, "Tandem would have promoted it too, after %lld ms",
                       (long long)(w->choice_us / 1000));
    else if (w->choice != NODE_NONE)
        (void)snprintf(buf, size, "Tandem would have promoted %s, after %lld ms",
                       shadow_name(w, w->choice), (long long)(w->choice_us / 1000));
    else if (w->nodes[w->writer].server.answers)
        (void)snprintf(buf, size, "Tandem would not have: the server of %s serves",
                       shadow_name(w, w->writer));
    else if (eligible_self(w->nodes[node].core, why) < ELIGIBLE_MEMBER)
        (void)snprintf(buf, size, "Tandem would not have: %s", why);
    else
        (void)snprintf(buf, size, "Tandem had not decided yet");
}

static void judge(struct shadow_world *w, unsigned node)
{
    struct shadow_told t = {.level = LOG_LEVEL_WARNING, .node = node};
    char lacking[160], opinion[160];
    if (node == w->writer) {
        tell_opinion(w, node, opinion, sizeof opinion);
        t.level = LOG_LEVEL_NOTICE;
        shadow_say(w, &t, "shadow-compared", "%s serves again at the virtual address%s%s",
                   shadow_name(w, node), w->choice != NODE_NONE ? "; " : "",
                   w->choice != NODE_NONE ? opinion : "");
        return;
    }
    tell_lacking(w, node, lacking, sizeof lacking);
    tell_opinion(w, node, opinion, sizeof opinion);
    shadow_say(w, &t, "shadow-compared", "the other stack made %s the writer; %s. %s",
               shadow_name(w, node), lacking, opinion);
}

static bool is_settled(const struct shadow_world *w)
{
    const struct shadow_server *s = w->holder == NODE_NONE ? NULL : &w->nodes[w->holder].server;
    return s != NULL && s->have && s->answers && !s->seen.read_only &&
           w->now_us - w->holder_us >= 2 * interval_us(w) &&
           w->now_us - s->seen_us <= interval_us(w) * 4;
}

static void settle(struct shadow_world *w)
{
    bool same = w->state == SHADOW_WATCHING && w->holder == w->writer;
    if (!is_settled(w) || (same && !w->lost))
        return;
    /* A server that went on needs no new beginning; another run of it does. */
    if (same &&
        w->nodes[w->writer].server.incarnation.pid == w->nodes[w->writer].core->incarnation.pid)
        return;
    if (w->writer != NODE_NONE)
        judge(w, w->holder);
    w->lost = false;
    w->n_said = 0;
    w->choice = NODE_NONE;
    w->good_us = w->now_us;
    shadow_anchor(w, w->holder, in_sync_now(w));
    shadow_tell_writer(w);
}

/* ---- inputs ---- */

static void server_ends(struct shadow_world *w, unsigned node)
{
    struct shadow_server *s = &w->nodes[node].server;
    struct event ev = {.kind = EVENT_SERVER_DIED, .from = NODE_NONE};
    if (!s->alive)
        return;
    s->alive = s->have = false;
    memset(&s->incarnation, 0, sizeof s->incarnation);
    ev.u.server.cleanly = false;
    shadow_post(w, node, &ev);
}

static void server_begins(struct shadow_world *w, unsigned node)
{
    struct shadow_node *n = &w->nodes[node];
    struct event ev = {.kind = EVENT_SERVER_STARTED, .from = NODE_NONE};
    if (n->server.alive)
        return;
    n->server.alive = true;
    n->server.incarnation.pid = ++n->runs;
    ev.u.server.incarnation = n->server.incarnation;
    ev.u.server.cleanly = false;
    shadow_post(w, node, &ev);
}

void shadow_world_probe(struct shadow_world *w, unsigned node, const struct shadow_seen *seen)
{
    struct shadow_server *s = &w->nodes[node].server;
    struct event ev = {.kind = EVENT_PROBE, .from = NODE_NONE};
    if (w->nodes[node].core == NULL)
        return;
    if (seen->outcome == PROBE_REFUSED)
        server_ends(w, node);
    else if (seen->outcome != PROBE_TIMEOUT && seen->outcome != PROBE_LOST)
        server_begins(w, node);
    s->answers = seen->outcome == PROBE_OK;
    if (s->answers && seen->facts != NULL) {
        s->rests = s->have && strcmp(s->seen.executed, seen->facts->executed) == 0;
        s->seen = *seen->facts;
        s->have = true;
        s->seen_us = w->now_us;
    }
    ev.u.probe =
        (struct event_probe){.outcome = seen->outcome, .have_facts = s->answers && s->have};
    shadow_server_facts(s, &ev.u.probe.facts);
    if (w->state == SHADOW_WATCHING && s->alive)
        shadow_post(w, node, &ev);
    watch_writer(w);
    take_in(w);
    shadow_run(w);
    settle(w);
}

void shadow_world_address(struct shadow_world *w, uint32_t server_id)
{
    unsigned holder = NODE_NONE;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        const struct shadow_server *s = &w->nodes[i].server;
        if (server_id != 0 && w->nodes[i].core != NULL && s->seen.server_id == server_id)
            holder = i;
    }
    if (holder != w->holder)
        w->holder_us = w->now_us;
    w->holder = holder;
    watch_writer(w);
    settle(w);
}

void shadow_world_vrrp(struct shadow_world *w, const struct shadow_advert *a)
{
    struct shadow_told t = {.level = LOG_LEVEL_NOTICE, .node = a->node};
    char *master = w->master[a->ipv6];
    bool same = strcmp(master, a->source) == 0;
    char who[ADDRESS_TEXT_MAX + 64];
    if (a->node != NODE_NONE)
        (void)snprintf(who, sizeof who, "%s", shadow_name(w, a->node));
    else
        (void)snprintf(who, sizeof who, "%s, an address of no node,", a->source);
    if (a->priority == 0 && same)
        shadow_say(w, &t, "shadow-vrrp", "%s gives up being the Master by VRRP", who);
    else if (a->priority != 0 && !same)
        shadow_say(w, &t, "shadow-vrrp", "%s is the Master by VRRP, with priority %u", who,
                   a->priority);
    if (a->priority != 0)
        (void)snprintf(master, ADDRESS_TEXT_MAX, "%s", a->source);
    else if (same)
        master[0] = '\0';
}

unsigned shadow_world_writer(const struct shadow_world *w)
{
    return w->writer;
}

enum shadow_state shadow_world_state(const struct shadow_world *w)
{
    return w->state;
}

uint32_t shadow_world_in_sync(const struct shadow_world *w)
{
    return w->state == SHADOW_LOOKING ? 0 : w->record->in_sync;
}
