/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "app/status_parts.h"
#include "core/cure.h"
#include "core/health.h"

#define TROUBLE_SENTENCE_MAX 768

static void trouble(json_t *list, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void trouble(json_t *list, const char *fmt, ...)
{
    char text[TROUBLE_SENTENCE_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)json_array_append_new(list, json_text(text));
}

static void trouble_of_agent(const struct core *core, unsigned node, json_t *list)
{
    const char *name = core_name(core, node);
    if (core_report(core, node) == NULL)
        trouble(list,
                "%s: its agent was never heard of since this one started; look at `systemctl "
                "status tandem` there",
                name);
    else
        trouble(list,
                "%s: its agent does not answer for %lld s; look at the host, the network and "
                "`systemctl status tandem` there",
                name, (long long)((core->now_us - core->view[node].at_us) / 1000000));
}

static const char *trouble_health_advice(int health)
{
    switch (health) {
    case HEALTH_DEAD:
        return "its process is gone; see its error log";
    case HEALTH_REFUSED:
        return "its process runs but does not accept connections; see its error log";
    case HEALTH_HUNG:
        return "it accepts connections but does not answer";
    case HEALTH_FULL:
        return "it has no connection left; raise max_connections or find who holds them";
    case HEALTH_DENIED:
        return "it does not let the agent in; check account and password file (accounts.sql of "
               "`tandem init`)";
    case HEALTH_STALLED:
        return "commits do not end; is a standby or the disk stuck?";
    case HEALTH_DISK:
        return "its data directory is full or read-only; make room";
    default:
        return NULL;
    }
}

/* What helps a server that ends by itself whenever it is started. */
static void trouble_start_advice(const struct core *core, unsigned node, char *ret_text,
                                 size_t size)
{
    const char *name = core_name(core, node);
    switch (core_report(core, node)->starts.blame) {
    case STARTS_BLAME_HOST:
        (void)snprintf(ret_text, size,
                       "its host or its settings keep it from starting: mend that, its agent goes "
                       "on trying");
        return;
    case STARTS_BLAME_DATA:
        if (node == core->record.writer)
            (void)snprintf(ret_text, size,
                           "its data is damaged, and it was the last writer: another node has to "
                           "be promoted before its data can be replaced");
        else
            (void)snprintf(ret_text, size, "its data is damaged: `tandem reclone %s` replaces it%s",
                           name,
                           core->cfg->policy.rejoin == CONFIG_REJOIN_AUTO
                               ? "; the leader orders that by itself if nothing stands against it"
                               : "");
        return;
    default:
        (void)snprintf(ret_text, size, "mend what its error log names, its agent goes on trying");
    }
}

static void trouble_of_starts(const struct core *core, unsigned node, json_t *list)
{
    const struct starts *s = &core_report(core, node)->starts;
    const char *log = core->cfg->nodes[node].mysql.error_log;
    char advice[256];
    trouble_start_advice(core, node, advice, sizeof advice);
    trouble(list,
            "%s: mysqld is dead: it ended by itself each of the last %u times it was started%s%s; "
            "see %s there; %s",
            core_name(core, node), s->failed, s->line[0] != '\0' ? ", saying: " : "", s->line,
            log[0] != '\0' ? log : "its error log", advice);
}

static void trouble_of_settings(const struct core *core, unsigned node, json_t *list)
{
    /* These have lines of their own; ENCRYPTED is a choice, `tandem check` tells what it costs. */
    uint32_t bits = core_report(core, node)->facts.settings &
                    ~(uint32_t)(SETTING_ANONYMOUS | SETTING_BY_POSITION | SETTING_ENCRYPTED |
                                SETTING_EVENTS_OFF);
    char names[256] = "";
    size_t used = 0;
    for (unsigned i = 0; status_setting_text(i) != NULL; i++) {
        int n = 0;
        if ((bits & (1u << i)) != 0)
            n = snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? ", " : "",
                         status_setting_text(i));
        used += n > 0 && (size_t)n < sizeof names - used ? (size_t)n : 0;
    }
    if (used > 0)
        trouble(list,
                "%s: its server's settings are not safe (%s); use the my.cnf drop-in of `tandem "
                "init` and restart it",
                core_name(core, node), names);
}

static void trouble_of_gtid(const struct core *core, unsigned node, json_t *list)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    if ((f->settings & SETTING_ANONYMOUS) != 0)
        trouble(list,
                "%s: its transactions have no GTID (%s), so that what it holds cannot be compared: "
                "it is neither promoted nor attached; %s",
                core_name(core, node), f->version_text,
                (f->settings & SETTING_ENGINE) != 0
                    ? "upgrade it to a version that is managed"
                    : "`tandem adopt --gtid` turns GTID on while the servers run");
    else if ((f->settings & SETTING_BY_POSITION) != 0 && node != core->record.writer)
        trouble(list,
                "%s: follows by file and position; the leader lets it follow by GTID once it was "
                "compared with the writer",
                core_name(core, node));
}

static void trouble_of_replication(const struct core *core, unsigned node, json_t *list)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    const char *name = core_name(core, node);
    if (node == core->record.writer)
        return;
    if (f->sql_errno != 0 || (f->io_errno != 0 && f->io == THREAD_STOPPED))
        trouble(list, "%s: replication stopped with error %u: %s", name,
                f->sql_errno != 0 ? f->sql_errno : f->io_errno, f->error);
    else if (f->io_errno != 0)
        trouble(list, "%s: does not reach its source, error %u: %s", name, f->io_errno, f->error);
    else if (core->record.writer != NODE_NONE && !status_is_replicating(f))
        trouble(list, "%s: does not replicate (io %s, sql %s)%s%s", name, status_thread_text(f->io),
                status_thread_text(f->sql), core->lead.repair[node].state[0] != '\0' ? ": " : "",
                core->lead.repair[node].state);
    if (f->foreign_channels)
        trouble(list,
                "%s: has replication channels that Tandem did not make; remove them (RESET REPLICA "
                "ALL FOR CHANNEL ...)",
                name);
}

static void trouble_of_events(const struct core *core, unsigned node, json_t *list)
{
    if ((core_report(core, node)->facts.settings & SETTING_EVENTS_OFF) == 0)
        return;
    trouble(list,
            "%s: events that came to it by replication do not run there; see which (SELECT "
            "event_schema, event_name, definer FROM information_schema.events WHERE status LIKE "
            "'%%SIDE_DISABLED'), and for each there ALTER DEFINER=... EVENT ... ENABLE, or "
            "DISABLE if it is not to run",
            core_name(core, node));
}

static void trouble_of_server(const struct core *core, unsigned node, json_t *list)
{
    const struct report *r = core_report(core, node);
    const char *name = core_name(core, node);
    const char *advice = trouble_health_advice(r->health);
    if (cure_does_not_start(r))
        trouble_of_starts(core, node, list);
    else if (advice != NULL)
        trouble(list, "%s: mysqld is %s: %s", name, server_health_text(r->health), advice);
    if (r->trouble[0] != '\0')
        trouble(list, "%s: %s", name, r->trouble);
    if (!status_has_facts(core, node))
        return;
    trouble_of_settings(core, node, list);
    trouble_of_events(core, node, list);
    trouble_of_gtid(core, node, list);
    if (core->is_leader && !core_is_member(core, node) && slow_is_held(core, node))
        trouble(list,
                "%s: left the in-sync set because commits waited for it (slow_ack, slow_after); it "
                "comes back when it keeps up: look at its disk, its load and the line to it",
                name);
    if ((core->record.flags[node] & NODE_QUARANTINED) == 0)
        trouble_of_replication(core, node, list);
    if (status_facts_are_old(core, node))
        trouble(
            list,
            "%s: what is shown of its server is %u s old: it answers, but its status statements "
            "are held up, by a lock or a replication thread that does not stop; SHOW "
            "PROCESSLIST there",
            name, r->facts_age_ms / 1000);
    if (r->facts.xa_prepared == XA_PREPARED_UNKNOWN)
        trouble(
            list,
            "%s: its agent's account may not ask for prepared XA transactions, so the server is "
            "not rewound when it returns; run the grants of accounts.sql there "
            "(XA_RECOVER_ADMIN)",
            name);
    else if (r->facts.xa_prepared > 0)
        trouble(
            list,
            "%s: %u prepared XA transactions were left behind; XA RECOVER there, then commit or "
            "roll back each",
            name, r->facts.xa_prepared);
}

static void trouble_of_node(const struct core *core, unsigned node, json_t *list)
{
    uint32_t flags = core->record.flags[node];
    const char *name = core_name(core, node);
    if ((flags & NODE_RECLONE) != 0)
        trouble(list,
                "%s: its data is being replaced; take that back with `tandem reclone %s "
                "--cancel`",
                name, name);
    else if ((flags & NODE_QUARANTINED) != 0)
        trouble(list,
                "%s: quarantined: %s. %s; it is not used until its data is replaced: `tandem "
                "reclone %s`",
                name, core->record.why[node],
                (flags & NODE_SALVAGED) != 0
                    ? "What it holds alone was saved on its host, below state_dir"
                    : "What it holds alone is not saved yet",
                name);
    if ((flags & NODE_MAINTENANCE) != 0) {
        trouble(list, "%s: in maintenance; end it with `tandem maintenance %s off`", name, name);
        return;
    }
    if (core_report(core, node) == NULL || !core_is_fresh(core, node))
        trouble_of_agent(core, node, list);
    else if (config_node_has_mysql(core->cfg, node))
        trouble_of_server(core, node, list);
    else if (core_report(core, node)->trouble[0] != '\0')
        trouble(list, "%s: %s", name, core_report(core, node)->trouble);
}

static void trouble_of_config(const struct core *core, json_t *list)
{
    uint32_t differs = status_config_differs(core);
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if ((differs & (1u << i)) != 0)
            trouble(list,
                    "%s: its cluster file differs from the one of %s; copy one of them to all "
                    "nodes, check it (`tandem config check`) and restart the agents one by one",
                    core_name(core, i), core_name(core, core->self));
    }
}

/* The quorum is changed by an operator's order alone, the file says what was meant. */
static void trouble_of_membership(const struct core *core, json_t *list)
{
    for (unsigned i = 0; i < core->cfg->n_nodes && core->membership.members != 0; i++) {
        bool removed = (core->record.flags[i] & NODE_MAINTENANCE) != 0;
        const char *name = core_name(core, i);
        if (!membership_is_member(core, i) && !removed)
            trouble(list, "%s: is in the cluster file and not in the quorum: `tandem node add %s`",
                    name, name);
        else if (membership_is_member(core, i) &&
                 membership_is_voter(core, i) != config_node_is_voter(core->cfg, i))
            trouble(list, "%s: %s, the cluster file says otherwise: `tandem node add %s`", name,
                    membership_is_voter(core, i) ? "votes" : "does not vote", name);
    }
}

static void trouble_of_vip(const struct core *core, json_t *list)
{
    const struct report *w =
        core->record.writer < core->cfg->n_nodes ? core_report(core, core->record.writer) : NULL;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        /* A report of before the handover is not held against the node. */
        if (r != NULL && core_is_fresh(core, i) && r->vips != 0 && i != core->record.writer &&
            r->term >= core->record.epoch)
            trouble(list, "%s: holds a virtual address and is not the writer", core_name(core, i));
    }
    if (w != NULL && core_is_fresh(core, core->record.writer) && w->open && core->cfg->n_vips > 0 &&
        w->vips != (core->cfg->n_vips >= 32 ? UINT32_MAX : (1u << core->cfg->n_vips) - 1))
        trouble(list,
                "%s: is the writer and lacks a virtual address; look at its device and its "
                "agent's log",
                core_name(core, core->record.writer));
}

json_t *status_troubles(const struct core *core)
{
    json_t *list = json_array();
    if (core->record.paused)
        trouble(list, "the cluster is paused: no failure is answered; end it with `tandem resume`");
    if (core->leader == NODE_NONE && config_is_pair(core->cfg))
        trouble(list,
                "no leader is known here: neither host may lead, or they are about to decide");
    else if (core->leader == NODE_NONE)
        trouble(list,
                "no leader is known here: there is no majority of the voters, or an election is "
                "under way; %u voters must reach each other",
                membership_majority(core));
    if (status_pair_is_alone(core))
        trouble(
            list,
            "writes go on without a standby: what is acknowledged now is lost if %s is lost, and "
            "%s does not take over by itself",
            core_name(core, core->record.writer), core_name(core, 1u - core->record.writer));
    if (core->record.handover != NODE_NONE)
        trouble(list, "a %s to %s is recorded and not done yet",
                core->record.handover_forced ? "forced failover" : "switchover",
                core_name(core, core->record.handover));
    trouble_of_config(core, list);
    trouble_of_membership(core, list);
    trouble_of_vip(core, list);
    for (unsigned i = 0; i < core->cfg->n_nodes; i++)
        trouble_of_node(core, i, list);
    return list;
}
