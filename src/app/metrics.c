/* SPDX-License-Identifier: Apache-2.0 */
#include "app/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/status_parts.h"
#include "core/stake.h"
#include "util/version.h"

#define METRIC_LABELS_MAX 4

enum metric {
#define METRIC(id, type, name, labels, help) METRIC_##id,
#include "app/metrics.def"
#undef METRIC
    METRIC_COUNT
};

static const struct metric_row metric_rows[METRIC_COUNT] = {
#define METRIC(id, type, name, labels, help) [METRIC_##id] = {type, name, labels, help},
#include "app/metrics.def"
#undef METRIC
};

struct page {
    FILE *out;
    enum metric last; /* whose head was written */
};

const struct metric_row *metric_row(unsigned i)
{
    return i < METRIC_COUNT ? &metric_rows[i] : NULL;
}

/* ---- the format ---- */

static void page_label(FILE *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            fputc('\\', out);
        fputc(*value == '\n' ? ' ' : *value, out);
    }
}

static void page_put(struct page *p, enum metric m, const char *const values[METRIC_LABELS_MAX],
                     double number)
{
    const struct metric_row *row = &metric_rows[m];
    const char *label = row->labels;
    if (p->last != m)
        fprintf(p->out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, row->type);
    p->last = m;
    fputs(row->name, p->out);
    for (unsigned i = 0; *label != '\0'; i++) {
        size_t length = strcspn(label, " ");
        assert(i < METRIC_LABELS_MAX && values != NULL && values[i] != NULL);
        fprintf(p->out, "%c%.*s=\"", i == 0 ? '{' : ',', (int)length, label);
        page_label(p->out, values[i]);
        fputc('"', p->out);
        label += length + (label[length] == ' ');
    }
    if (row->labels[0] != '\0')
        fputc('}', p->out);
    if (isnan(number))
        fputs(" NaN\n", p->out);
    else
        fprintf(p->out, " %.15g\n", number);
}

static void page_one(struct page *p, enum metric m, double number)
{
    page_put(p, m, NULL, number);
}

static void page_of(struct page *p, enum metric m, const char *value, double number)
{
    page_put(p, m, (const char *const[METRIC_LABELS_MAX]){value}, number);
}

static void page_mask(struct page *p, enum metric m, const struct core *core, uint32_t mask)
{
    for (unsigned i = 0; i < core->cfg->n_nodes; i++)
        page_of(p, m, core_name(core, i), (mask & (1u << i)) != 0);
}

/* ---- what is told ---- */

static uint32_t bit_of(unsigned node)
{
    return node < NODES_MAX ? 1u << node : 0;
}

static void metrics_of_role(struct page *p, const struct core *core)
{
    static const char *const roles[] = {"writer", "standby",     "replica", "witness",
                                        "former", "quarantined", "down",    "unknown"};
    const char *own = status_node_state(core, core->self);
    page_put(p, METRIC_INFO,
             (const char *const[METRIC_LABELS_MAX]){
                 core->cfg->cluster, core_name(core, core->self), tandem_version(),
                 config_arbiter_type_text(core->cfg->arbiter.type)},
             1);
    for (unsigned i = 0; i < sizeof roles / sizeof *roles; i++)
        page_of(p, METRIC_ROLE, roles[i], strcmp(roles[i], own) == 0);
    page_one(p, METRIC_PRIMARY, core_is_published(core));
    page_mask(p, METRIC_WRITER, core, bit_of(core->record.writer));
    page_mask(p, METRIC_LEADER, core, bit_of(core->leader));
    page_one(p, METRIC_TERM, (double)core->term);
    page_one(p, METRIC_EPOCH, (double)core->record.epoch);
    page_one(p, METRIC_PAUSED, core->record.paused);
    page_one(p, METRIC_LEASE, (double)status_lease_ms(core) / 1000);
}

static void metrics_of_stake(struct page *p, const struct core *core)
{
    char text[DETAIL_TEXT_MAX];
    struct stake_view v;
    stake_look(core, &v);
    page_one(p, METRIC_SAFE, core_is_safe(core, text, sizeof text));
    page_one(p, METRIC_STAKE,
             v.at_stake && !v.known ? (double)NAN : (double)(v.at_stake ? v.transactions : 0));
    page_one(p, METRIC_STAKE_SINCE, v.at_stake ? (double)v.since_wall_ms / 1000 : 0);
    page_mask(p, METRIC_IN_SYNC, core, core->record.in_sync);
    page_one(p, METRIC_IN_SYNC_MEMBERS, __builtin_popcount(core->record.in_sync));
    page_one(p, METRIC_STRICT, core->cfg->policy.durability == CONFIG_DURABILITY_STRICT);
}

static void metrics_of_servers(struct page *p, const struct core *core)
{
    const struct cluster_config *c = core->cfg;
    for (unsigned i = 0; i < c->n_nodes; i++) {
        for (int h = 0; h < HEALTH_COUNT && config_node_has_mysql(c, i); h++) {
            const struct report *r = core_report(core, i);
            int now = r != NULL && core_is_fresh(core, i) ? r->health : HEALTH_UNKNOWN;
            page_put(
                p, METRIC_HEALTH,
                (const char *const[METRIC_LABELS_MAX]){core_name(core, i), server_health_text(h)},
                h == now);
        }
    }
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (config_node_has_mysql(c, i))
            page_of(p, METRIC_REPLICATING, core_name(core, i),
                    status_has_facts(core, i) &&
                        status_is_replicating(&core_report(core, i)->facts));
    }
    for (unsigned i = 0; i < c->n_nodes; i++) {
        bool known = status_has_facts(core, i) && core_report(core, i)->facts.lag_s >= 0;
        if (config_node_has_mysql(c, i))
            page_of(p, METRIC_LAG, core_name(core, i),
                    known ? core_report(core, i)->facts.lag_s : (double)NAN);
    }
}

static void metrics_of_nodes(struct page *p, const struct core *core)
{
    const struct cluster_config *c = core->cfg;
    uint32_t up = 0, quarantined = 0, maintenance = 0;
    for (unsigned i = 0; i < c->n_nodes; i++) {
        up |= i == core->self || core->view[i].up ? 1u << i : 0;
        quarantined |= (core->record.flags[i] & NODE_QUARANTINED) != 0 ? 1u << i : 0;
        maintenance |= (core->record.flags[i] & NODE_MAINTENANCE) != 0 ? 1u << i : 0;
    }
    page_mask(p, METRIC_AGENT_UP, core, up);
    metrics_of_servers(p, core);
    for (unsigned i = 0; i < c->n_nodes; i++) {
        json_t *behind = status_distance(core, i);
        if (config_node_has_mysql(c, i))
            page_of(p, METRIC_BEHIND, core_name(core, i),
                    json_is_integer(behind) ? (double)json_integer_value(behind) : (double)NAN);
        json_decref(behind);
    }
    page_mask(p, METRIC_QUARANTINED, core, quarantined);
    page_mask(p, METRIC_MAINTENANCE, core, maintenance);
}

static void metrics_of_agent(struct page *p, const struct core *core,
                             const struct metrics_counters *n)
{
    json_t *troubles = status_troubles(core);
    page_one(p, METRIC_TROUBLES, (double)json_array_size(troubles));
    json_decref(troubles);
    page_one(p, METRIC_CONFIG_DIFFERS, __builtin_popcount(status_config_differs(core)));
    page_one(p, METRIC_WAITING, core->have_facts ? core->facts.wait_sessions : (double)NAN);
    page_one(p, METRIC_CLIENTS, core->have_facts ? core->facts.clients : (double)NAN);
    page_one(p, METRIC_BEAT, core->is_leader ? (double)core->lead.slow.beat_us / 1e6 : 0);
    page_one(p, METRIC_CERTIFICATE, n->certificate_known ? n->certificate_days : (double)NAN);
    page_one(p, METRIC_PROBE, (double)n->probe_us / 1e6);
    page_one(p, METRIC_PROBE_MAX, (double)n->probe_max_us / 1e6);
    for (int i = 0; i < PROBE_COUNT; i++)
        page_of(p, METRIC_PROBES, probe_outcome_text(i), (double)n->probes[i]);
    page_one(p, METRIC_ELECTIONS, (double)n->elections);
    page_one(p, METRIC_PROMOTIONS, (double)n->promotions);
    page_one(p, METRIC_STALLS, (double)n->stalls);
    for (unsigned i = VRRP_REJECT_NONE + 1; i < VRRP_REJECT_COUNT; i++)
        page_of(p, METRIC_REJECTS, vrrp_reject_id(i), (double)n->vrrp_rejects[i]);
    page_one(p, METRIC_STARTED, (double)n->started_wall_ms / 1000);
}

char *metrics_text(const struct core *core, const struct metrics_counters *counters,
                   size_t *ret_length)
{
    char *text = NULL;
    struct page p = {.last = METRIC_COUNT};
    p.out = open_memstream(&text, ret_length);
    if (p.out == NULL)
        return NULL;
    metrics_of_role(&p, core);
    metrics_of_stake(&p, core);
    metrics_of_nodes(&p, core);
    metrics_of_agent(&p, core, counters);
    if (fclose(p.out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
