/* SPDX-License-Identifier: Apache-2.0 */
#include "app/status_json.h"

#include <inttypes.h>

#include "app/status_parts.h"
#include "core/health.h"
#include "core/rejoin.h"
#include "core/sets.h"
#include "util/version.h"
#include "wire/tail.h"

#define STATUS_FACTS_OLD_MS 2000

json_t *json_text(const char *text)
{
    json_t *string = json_string(text);
    char clean[GTID_TEXT_MAX];
    if (string != NULL)
        return string;
    (void)snprintf(clean, sizeof clean, "%s", text);
    for (char *p = clean; *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    }
    return json_string(clean);
}

void json_put(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

void json_put_text(json_t *object, const char *key, const char *text)
{
    json_put(object, key, text[0] != '\0' ? json_text(text) : json_null());
}

void json_put_name(json_t *object, const char *key, const struct core *core, unsigned node)
{
    json_put(object, key,
             node < core->cfg->n_nodes ? json_text(core_name(core, node)) : json_null());
}

const char *status_setting_text(unsigned bit)
{
    static const char *const names[] = {
        "log_bin",
        "log_replica_updates",
        "binlog_format",
        "gtid",
        "sync_binlog",
        "innodb_flush_log_at_trx_commit",
        "sync_relay_log",
        "relay_log_recovery",
        "semi-sync",
        "event_scheduler",
        "binlog_storage_engine",
        "anonymous",
        "by-position",
        "binlog_row_image",
        "binlog_encryption",
        "events",
    };
    return bit < sizeof names / sizeof names[0] ? names[bit] : NULL;
}

const char *status_thread_text(int state)
{
    static const char *const texts[THREAD_STATE_COUNT] = {"stopped", "connecting", "running"};
    return state >= 0 && state < THREAD_STATE_COUNT ? texts[state] : "?";
}

bool status_is_replicating(const struct server_facts *f)
{
    return f->channel && f->io == THREAD_RUNNING && f->sql == THREAD_RUNNING;
}

bool status_has_facts(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    return r != NULL && core_is_fresh(core, node) && health_is_good((enum server_health)r->health);
}

bool status_facts_are_old(const struct core *core, unsigned node)
{
    uint32_t limit_ms = 3 * core->cfg->policy.probe_interval_ms + STATUS_FACTS_OLD_MS;
    const struct report *r = core_report(core, node);
    return r != NULL && r->facts_age_ms != UINT32_MAX && r->facts_age_ms > limit_ms;
}

/* The node whose server is at that address, NODE_NONE if it is none of the cluster. */
static unsigned status_source(const struct core *core, const struct server_facts *f)
{
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct config_node *n = &core->cfg->nodes[i];
        if (f->channel && f->source_port == n->mysql.port &&
            strcmp(f->source_host, n->address) == 0)
            return i;
    }
    return NODE_NONE;
}

const char *status_node_state(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    uint32_t flags = core->record.flags[node];
    if (!config_node_has_mysql(core->cfg, node))
        return "witness";
    if ((flags & NODE_QUARANTINED) != 0)
        return "quarantined";
    if (r == NULL || !core_is_fresh(core, node) || r->health == HEALTH_UNKNOWN)
        return "unknown";
    if (!health_is_alive((enum server_health)r->health))
        return "down";
    if (core->record.writer == node)
        return "writer";
    if ((flags & NODE_FORMER) != 0)
        return "former";
    return core->cfg->nodes[node].role == CONFIG_ROLE_CANDIDATE ? "standby" : "replica";
}

static const char *status_tail_class(uint32_t flags)
{
    return (flags & NODE_QUARANTINED) != 0 ? tail_class_id(rejoin_class(flags)) : "";
}

static json_t *status_settings(uint32_t bits)
{
    json_t *list = json_array();
    for (unsigned i = 0; status_setting_text(i) != NULL; i++) {
        if ((bits & (1u << i)) != 0)
            (void)json_array_append_new(list, json_text(status_setting_text(i)));
    }
    return list;
}

json_t *status_distance(const struct core *core, unsigned node)
{
    unsigned writer = core->record.writer;
    uint64_t n;
    if (writer >= core->cfg->n_nodes || !status_has_facts(core, writer) ||
        !status_has_facts(core, node))
        return json_null();
    n = sets_distance(&core_report(core, writer)->facts, &core_report(core, node)->facts);
    return n == UINT64_MAX ? json_null() : json_integer((json_int_t)n);
}

/* The same from whatever was heard last, however old: what a forced failover would cost. */
static json_t *status_distance_last_known(const struct core *core, unsigned node)
{
    unsigned writer = core->record.writer;
    uint64_t n = UINT64_MAX;
    if (writer < core->cfg->n_nodes && core_report(core, writer) != NULL &&
        core_report(core, node) != NULL && core_report(core, writer)->facts.executed[0] != '\0')
        n = sets_distance(&core_report(core, writer)->facts, &core_report(core, node)->facts);
    return n == UINT64_MAX ? json_null() : json_integer((json_int_t)n);
}

/* What the server itself says; of servers that answer only. */
static void status_put_facts(json_t *o, const struct core *core, unsigned node)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    json_put_text(o, "server_version", f->version_text);
    json_put(o, "read_only", json_boolean(f->read_only));
    json_put_name(o, "source", core, status_source(core, f));
    json_put_text(o, "source_host", f->channel ? f->source_host : "");
    json_put(o, "io", json_text(status_thread_text(f->io)));
    json_put(o, "sql", json_text(status_thread_text(f->sql)));
    json_put(o, "replicating", json_boolean(status_is_replicating(f)));
    json_put(o, "lag_s", f->lag_s < 0 ? json_null() : json_integer(f->lag_s));
    json_put_text(o, "error", f->error);
    json_put_text(o, "executed", f->executed);
    json_put(o, "semi_sync",
             json_pack("{s:b,s:b,s:i,s:i,s:i}", "source_side", f->source_side, "replica_side",
                       f->replica_side, "clients", (int)f->clients, "wait_sessions",
                       (int)f->wait_sessions, "count", (int)f->wait_count));
    json_put(o, "settings", status_settings(f->settings));
    json_put(o, "facts_age_ms", json_integer(core_report(core, node)->facts_age_ms));
    json_put(o, "facts_old", json_boolean(status_facts_are_old(core, node)));
}

/* How far the copying of its data is. */
static void status_put_copy(json_t *o, const struct core *core, const struct clone_report *r)
{
    json_t *copy;
    uint32_t left_s = clone_left_s(r);
    if (r->state == CLONE_NONE)
        return;
    copy = json_object();
    json_put(copy, "state", json_text(clone_state_text(r->state)));
    json_put_name(copy, "peer", core, r->peer);
    json_put(copy, "bytes", json_integer((json_int_t)r->bytes));
    json_put(copy, "bytes_total", json_integer((json_int_t)r->bytes_total));
    json_put(copy, "rate_kib", json_integer(r->rate_kib));
    json_put(copy, "left_s", left_s == UINT32_MAX ? json_null() : json_integer(left_s));
    json_put_text(copy, "error", r->error);
    json_put(o, "copy", copy);
}

static void status_put_report(json_t *o, const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    int64_t age_us = node == core->self ? 0 : core->now_us - core->view[node].at_us;
    json_put(o, "age_ms", json_integer(age_us > 0 ? age_us / 1000 : 0));
    json_put_text(o, "agent_version", r->agent_version);
    json_put(o, "health",
             json_text(server_health_text(core_is_fresh(core, node) ? r->health : HEALTH_UNKNOWN)));
    json_put(o, "eligible", json_text(eligibility_text(r->eligible)));
    json_put_text(o, "ineligible_why", r->ineligible_why);
    json_put_text(o, "phase", r->phase);
    json_put_text(o, "trouble", r->trouble);
    json_put(o, "vip", json_boolean(core_is_fresh(core, node) && r->vips != 0));
    json_put(o, "open", json_boolean(core_is_fresh(core, node) && r->open));
    json_put(o, "link_up", json_boolean(r->link_up));
    status_put_copy(o, core, &r->clone);
}

static json_t *status_node(const struct core *core, unsigned node)
{
    const struct config_node *n = &core->cfg->nodes[node];
    const struct record *r = &core->record;
    uint32_t flags = r->flags[node];
    json_t *o = json_object();
    json_put(o, "name", json_text(n->name));
    json_put(o, "role", json_text(config_role_text(n->role)));
    json_put(o, "priority", json_integer(n->priority));
    json_put(o, "address", json_text(n->address));
    json_put(o, "voter", json_boolean(membership_is_voter(core, node)));
    json_put(o, "member", json_boolean(membership_is_member(core, node)));
    json_put(o, "state", json_text(status_node_state(core, node)));
    json_put(o, "in_sync", json_boolean(core_is_member(core, node)));
    json_put(o, "agent", json_boolean(node == core->self || core->view[node].up));
    json_put(o, "maintenance", json_boolean((flags & NODE_MAINTENANCE) != 0));
    json_put(o, "no_promote", json_boolean((flags & NODE_NO_PROMOTE) != 0 || n->no_promote));
    json_put(o, "no_promote_ordered", json_boolean((flags & NODE_NO_PROMOTE) != 0));
    json_put(o, "quarantined", json_boolean((flags & NODE_QUARANTINED) != 0));
    json_put(o, "salvaged", json_boolean((flags & NODE_SALVAGED) != 0));
    json_put(o, "reclone", json_boolean((flags & NODE_RECLONE) != 0));
    json_put(o, "copy", json_null());
    json_put_text(o, "extra_class", status_tail_class(flags));
    json_put(o, "rejoin_ordered", json_boolean((flags & NODE_REJOIN) != 0));
    json_put(o, "discard_ordered", json_boolean((flags & NODE_DISCARD) != 0));
    json_put(o, "undo_refused", json_boolean((flags & NODE_UNDO_REFUSED) != 0));
    json_put(o, "unproven", json_boolean((flags & NODE_UNPROVEN) != 0));
    json_put_text(o, "why", r->why[node]);
    json_put_text(o, "repair", core->is_leader ? core->lead.repair[node].state : "");
    if (n->role == CONFIG_ROLE_REPLICA)
        json_put_name(o, "source_wanted", core, n->source == NODE_NONE ? r->writer : n->source);
    json_put(o, "gtid_behind", status_distance(core, node));
    json_put(o, "behind_last_known", status_distance_last_known(core, node));
    json_put(o, "vip", json_false());
    json_put(o, "replicating", json_false());
    if (core_report(core, node) != NULL)
        status_put_report(o, core, node);
    if (status_has_facts(core, node))
        status_put_facts(o, core, node);
    return o;
}

int64_t status_lease_ms(const struct core *core)
{
    unsigned writer = core->record.writer;
    int64_t left_us;
    if (core->is_leader) {
        left_us = core->lease_until_us - core->now_us;
        return core->lease_until_us != 0 && left_us > 0 ? left_us / 1000 : 0;
    }
    if (writer >= core->cfg->n_nodes || core_report(core, writer) == NULL)
        return 0;
    left_us = (int64_t)core_report(core, writer)->lease_ms * 1000 -
              (core->now_us - core->view[writer].at_us);
    return left_us > 0 ? left_us / 1000 : 0;
}

static json_t *status_names(const struct core *core, uint32_t mask)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if ((mask & (1u << i)) != 0)
            (void)json_array_append_new(list, json_text(core_name(core, i)));
    }
    return list;
}

uint32_t status_config_differs(const struct core *core)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if (i != core->self && r != NULL && r->config_digest != core->cfg->digest)
            mask |= 1u << i;
    }
    return mask;
}

static uint32_t status_voters(const struct core *core)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++)
        mask |= membership_is_voter(core, i) ? 1u << i : 0;
    return mask;
}

static json_t *status_vips(const struct core *core)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < core->cfg->n_vips; i++)
        (void)json_array_append_new(list, json_text(core->cfg->vips[i].address));
    return list;
}

json_t *status_json(const struct core *core)
{
    const struct cluster_config *c = core->cfg;
    char safe[DETAIL_TEXT_MAX];
    char digest[24];
    char guarantee[2 * DETAIL_TEXT_MAX];
    bool is_safe = core_is_safe(core, safe, sizeof safe);
    json_t *o = json_object();
    json_t *nodes = json_array();
    json_put(o, "cluster", json_text(c->cluster));
    json_put(o, "node", json_text(core_name(core, core->self)));
    json_put(o, "version", json_text(tandem_version()));
    json_put(o, "wall_ms", json_integer(core->wall_ms));
    json_put(o, "paused", json_boolean(core->record.paused));
    json_put_name(o, "writer", core, core->record.writer);
    json_put_name(o, "leader", core, core->leader);
    json_put(o, "term", json_integer((json_int_t)core->term));
    json_put(o, "epoch", json_integer((json_int_t)core->record.epoch));
    json_put(o, "lease_ms", json_integer(status_lease_ms(core)));
    json_put(o, "in_sync", status_names(core, core->record.in_sync));
    json_put(o, "safe", json_boolean(is_safe));
    json_put(o, "safe_text", json_text(safe));
    json_put(o, "at_stake", stake_json(core));
    json_put(o, "durability", json_text(config_durability_text(c->policy.durability)));
    (void)snprintf(digest, sizeof digest, "%016" PRIx64, c->digest);
    json_put(o, "config_digest", json_text(digest));
    json_put(o, "config_differs", status_names(core, status_config_differs(core)));
    json_put_name(o, "handover", core, core->record.handover);
    json_put(o, "handover_forced", json_boolean(core->record.handover_forced));
    json_put(o, "arbiter", json_text(config_arbiter_type_text(c->arbiter.type)));
    if (config_is_pair(c)) {
        status_pair_guarantee(core, guarantee, sizeof guarantee);
        json_put(o, "guarantee", json_text(guarantee));
    }
    json_put(o, "voters", status_names(core, status_voters(core)));
    json_put(o, "majority", json_integer(membership_majority(core)));
    json_put(o, "vips", status_vips(core));
    for (unsigned i = 0; i < c->n_nodes; i++)
        (void)json_array_append_new(nodes, status_node(core, i));
    json_put(o, "nodes", nodes);
    json_put(o, "troubles", status_troubles(core));
    return o;
}

json_t *reply_json(bool ok, const char *text)
{
    json_t *o = json_object();
    json_put(o, "ok", json_boolean(ok));
    json_put(o, "text", json_text(text));
    return o;
}

/* ---- requests ---- */

static int command_kind(const char *text)
{
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(command_kind_text(i), text) == 0)
            return i;
    }
    return -1;
}

static bool command_needs_node(int kind)
{
    return kind >= COMMAND_MAINTENANCE;
}

static int command_parse_donor(const char *name, const struct cluster_config *cfg,
                               struct errmsg *msg, struct command *m)
{
    unsigned donor = name != NULL ? config_node_find(cfg, name) : NODE_NONE;
    if (name == NULL)
        return 0;
    if (donor == NODE_NONE)
        return errmsg_set(msg, ERR_INVAL, "'%s' is no node of cluster '%s'; see `tandem status`",
                          name, cfg->cluster);
    m->donor = (uint8_t)(donor + 1);
    return 0;
}

int command_parse(const json_t *request, const struct cluster_config *cfg, struct errmsg *msg,
                  struct command *ret_command)
{
    const char *kind = json_string_value(json_object_get(request, "kind"));
    const char *name = json_string_value(json_object_get(request, "node"));
    struct command m = {.node = NODE_NONE, .kind = kind != NULL ? command_kind(kind) : -1};
    m.flag = json_is_true(json_object_get(request, "flag"));
    if (m.kind < 0)
        return errmsg_set(msg, ERR_INVAL, "unknown command '%s'", kind != NULL ? kind : "");
    if (name != NULL) {
        unsigned node = config_node_find(cfg, name);
        if (node == NODE_NONE)
            return errmsg_set(msg, ERR_INVAL,
                              "'%s' is no node of cluster '%s'; see `tandem status`", name,
                              cfg->cluster);
        m.node = (uint8_t)node;
    }
    if (name == NULL && command_needs_node(m.kind))
        return errmsg_set(msg, ERR_INVAL, "say which node");
    if (command_parse_donor(json_string_value(json_object_get(request, "from")), cfg, msg, &m) != 0)
        return ERR_INVAL;
    *ret_command = m;
    return 0;
}
