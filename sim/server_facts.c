/* SPDX-License-Identifier: Apache-2.0 */
/* What the adapter reads from a server, as variables and status of each family show it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "sim/world_private.h"

#define VERSION_MYSQL 90700
#define VERSION_MARIADB 101119
#define TORN_PERMILLE 200

/* With error 1236: why the source ends the connection. */
#define ABSENT "connecting slave requested to start from a GTID which is not in the master's binlog"
#define MORE_THAN_ALL "Replica has more GTIDs than the source has, using the source's SERVER_UUID"

static void put_set(const struct gtid_set *set, char *buf)
{
    int err = gtid_format(set, buf, GTID_TEXT_MAX);
    assert(err == 0);
}

static void put_one(bool have, const struct gtid *g, char *buf)
{
    buf[0] = '\0';
    if (have)
        (void)gtid_format_one(g, buf, GTID_TEXT_MAX);
}

static bool is_drained(const struct world *w, const struct server *s, const struct channel *ch)
{
    if (!w->mariadb)
        return gtid_contains(&s->book.set, &ch->retrieved.set);
    if (!ch->have_io_pos)
        return ch->applied == ch->relay.count;
    return s->have_slave_pos && s->slave_pos.number >= ch->io_pos.number;
}

/* MySQL: what it has executed, and what it is just committing (gtid_owned). */
static void facts_own(const struct world *w, unsigned node, char *ret_own)
{
    const struct server *s = &w->host[node].server;
    struct gtid_set all = s->book.set;
    for (unsigned i = s->committed; i < s->binlog.count; i++) {
        struct gtid g = sim_gtid(w, s->binlog.id[i]);
        int err = gtid_add(&all, &g);
        assert(err == 0);
    }
    put_set(&all, ret_own);
}

static void facts_vars(const struct world *w, unsigned node, struct server_facts *f, char *ret_own)
{
    const struct server *s = &w->host[node].server;
    f->flavour = w->mariadb ? SERVER_MARIADB : SERVER_MYSQL;
    f->version = w->mariadb ? VERSION_MARIADB : VERSION_MYSQL;
    f->server_id = s->server_id != 0 ? s->server_id : node + 1;
    if (!w->mariadb)
        (void)snprintf(f->server_uuid, sizeof f->server_uuid, "00000000-0000-0000-0000-%012x",
                       node + 1);
    f->read_only = s->read_only;
    f->source_side = s->source_side;
    f->after_sync = f->wait_no_replica = f->timeout_infinite = true;
    f->wait_count = w->mariadb ? 1 : s->wait_count;
    f->replica_side = s->replica_side;
    f->events_on = s->events_on;
    if (s->relay_log_recovery)
        f->settings |= SETTING_RELAY_LOG_RECOVERY;
    if (s->gtid_off)
        f->settings |= SETTING_ANONYMOUS;
    put_set(&s->book.set, f->executed);
    put_one(w->mariadb && s->have_slave_pos, &s->slave_pos, f->applied);
    /* A domain that never passed through the binlog. */
    if (w->mariadb && gtid_is_empty(&s->book.set))
        memcpy(f->executed, f->applied, sizeof f->executed);
    if (!w->mariadb) {
        memcpy(f->applied, f->executed, sizeof f->applied);
        facts_own(w, node, ret_own);
    }
}

void sim_facts_vars(const struct world *w, unsigned node, struct server_facts *f)
{
    char own[GTID_TEXT_MAX];
    facts_vars(w, node, f, own);
}

void sim_facts_older_vars(struct server_facts *f, const struct server_facts *vars)
{
    f->read_only = vars->read_only;
    f->source_side = vars->source_side;
    f->wait_count = vars->wait_count;
    f->replica_side = vars->replica_side;
    memcpy(f->executed, vars->executed, sizeof f->executed);
    memcpy(f->applied, vars->applied, sizeof f->applied);
}

static void facts_semi(const struct world *w, unsigned node, struct server_facts *f)
{
    const struct server *s = &w->host[node].server;
    const struct channel *ch = &s->channel[0];
    /* The head of the group only; what is not synced does not wait yet. */
    f->wait_sessions = s->n_waiters > 0 && s->binlog.synced > s->committed;
    f->no_tx = s->no_tx;
    f->clients = s->stranger;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        for (unsigned c = 0; c < CHANNELS; c++)
            f->clients += s->dump[i][c].used && s->dump[i][c].semi;
    }
    f->replica_side_active = ch->made && ch->io && ch->io_semi;
}

static void facts_status(const struct world *w, unsigned node, struct server_facts *f,
                         const char *own)
{
    const struct server *s = &w->host[node].server;
    const struct channel *ch = &s->channel[0];
    struct gtid_set all;
    int err;
    f->channel = ch->made;
    f->source_host[0] = f->received[0] = f->error[0] = '\0';
    f->source_port = 0;
    f->io = f->sql = THREAD_STOPPED;
    f->io_errno = f->sql_errno = 0;
    f->lag_s = -1;
    f->drained = true;
    for (unsigned c = 0; c < CHANNELS; c++)
        f->drained = f->drained && (!s->channel[c].made || is_drained(w, s, &s->channel[c]));
    if (ch->made) {
        memcpy(f->source_host, w->cfg->nodes[ch->source].address, sizeof f->source_host);
        f->source_port = w->cfg->nodes[ch->source].mysql.port;
        f->io = !ch->io ? THREAD_STOPPED : ch->connected ? THREAD_RUNNING : THREAD_CONNECTING;
        f->sql = ch->sql ? THREAD_RUNNING : THREAD_STOPPED;
        f->io_errno = ch->io_errno;
        f->sql_errno = ch->sql_errno;
        if (ch->io_errno == 1236)
            (void)snprintf(f->error, sizeof f->error, "%s", w->mariadb ? ABSENT : MORE_THAN_ALL);
        f->lag_s = 0;
    }
    if (w->mariadb) {
        put_one(ch->made && ch->have_io_pos, &ch->io_pos, f->received);
        return;
    }
    err = gtid_parse(own, GTID_MYSQL, &all);
    assert(err == 0);
    for (unsigned c = 0; c < CHANNELS; c++) {
        if (s->channel[c].made) {
            err = gtid_union(&all, &s->channel[c].retrieved.set, &all);
            assert(err == 0);
        }
    }
    put_set(&all, f->received);
}

/* SHOW ... STATUS waits behind a STOP that waits: then the channel's part stays as it was. */
void sim_facts(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    char own[GTID_TEXT_MAX];
    if (!h->have_facts)
        memset(&h->facts, 0, sizeof h->facts);
    h->facts.settings = 0;
    facts_vars(w, node, &h->facts, own);
    facts_semi(w, node, &h->facts);
    if (!h->have_facts || !sim_statement_waits(w, node, SQL_STOP))
        facts_status(w, node, &h->facts, own);
    h->have_facts = true;
}

bool sim_facts_read(struct world *w, unsigned node, struct facts_reading *r)
{
    struct host *h = &w->host[node];
    if (r->stage == 0 && !sim_chance(w, TORN_PERMILLE)) {
        sim_facts(w, node);
        return true;
    }
    switch (r->stage++) {
    case 0:
        r->facts = h->facts;
        r->facts.settings = 0;
        facts_vars(w, node, &r->facts, r->own);
        return false;
    case 1:
        facts_semi(w, node, &r->facts);
        return false;
    default:
        if (!h->have_facts || !sim_statement_waits(w, node, SQL_STOP))
            facts_status(w, node, &r->facts, r->own);
        h->facts = r->facts;
        h->have_facts = true;
        r->stage = 0;
        return true;
    }
}

void sim_probe(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    struct event *ev;
    bool answers = sim_answers(&h->server);
    if ((w->now_us < h->probe_us && h->probing.stage == 0) || !config_node_has_mysql(w->cfg, node))
        return;
    if (answers && !sim_facts_read(w, node, &h->probing))
        return;
    h->probing.stage = 0;
    h->probe_us = w->now_us + (int64_t)h->process->cfg->policy.probe_interval_ms * 1000;
    ev = sim_event(EVENT_PROBE);
    if (answers) {
        ev->u.probe.outcome = PROBE_OK;
        ev->u.probe.disk_full = h->server.disk_full;
        ev->u.probe.have_facts = true;
        ev->u.probe.facts = h->facts;
    } else {
        ev->u.probe.outcome = h->server.up && !h->server.starting ? PROBE_TIMEOUT : PROBE_REFUSED;
    }
    sim_post(w, node, ev, 1000);
}
