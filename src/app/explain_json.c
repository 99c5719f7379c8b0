/* SPDX-License-Identifier: Apache-2.0 */
/* `explain`: the rule tables, what each node's core decided by them last, and why a node may not be
 * the writer. `history`: what was decided before. */
#include "app/status_json.h"
#include "app/status_parts.h"

/* Names of the facts of a mask. */
static json_t *facts_json(const struct rule_table *t, uint32_t mask)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < t->n_facts; i++) {
        if ((mask & (1u << i)) != 0)
            (void)json_array_append_new(list, json_text(t->fact_names[i]));
    }
    return list;
}

static json_t *rule_json(const struct rule_table *t, const struct rule *r)
{
    json_t *o = json_object();
    json_put(o, "id", json_integer(r->id));
    json_put(o, "text", json_text(r->text));
    json_put(o, "verdict", json_text(t->verdict_names[r->verdict]));
    json_put(o, "need", facts_json(t, r->need));
    json_put(o, "forbid", facts_json(t, r->forbid));
    return o;
}

static json_t *table_json(const struct rule_table *t)
{
    json_t *o = json_object();
    json_t *rules = json_array();
    for (unsigned i = 0; i < t->n_rules; i++)
        (void)json_array_append_new(rules, rule_json(t, &t->rules[i]));
    json_put(o, "name", json_text(t->name));
    json_put(o, "rules", rules);
    return o;
}

/* The rules that came before the one that fired, and what kept each of them from firing. */
static json_t *passed_json(const struct rule_table *t, const struct verdict *v)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < t->n_rules && t->rules[i].id != v->rule; i++) {
        const struct rule *r = &t->rules[i];
        json_t *o = json_object();
        json_put(o, "id", json_integer(r->id));
        json_put(o, "text", json_text(r->text));
        json_put(o, "verdict", json_text(t->verdict_names[r->verdict]));
        json_put(o, "missing", facts_json(t, r->need & ~v->facts));
        json_put(o, "present", facts_json(t, r->forbid & v->facts));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *verdict_json(const struct rule_table *t, const struct verdict *v, bool current)
{
    const struct rule *r = v->rule != 0 ? rules_find(t, v->rule) : NULL;
    json_t *o = json_object();
    json_put(o, "table", json_text(t->name));
    json_put(o, "rule", r != NULL ? json_integer(r->id) : json_null());
    if (r == NULL)
        return o;
    json_put(o, "current", json_boolean(current));
    json_put(o, "verdict", json_text(t->verdict_names[r->verdict]));
    json_put(o, "text", json_text(r->text));
    json_put(o, "facts", facts_json(t, v->facts));
    json_put(o, "passed", passed_json(t, v));
    return o;
}

/* Why this node cannot be made the writer now; "" if it can, or is. */
static void explain_why_not(const struct core *core, unsigned node, char *ret_text, size_t size)
{
    const struct report *r = core_report(core, node);
    const char *state = core->is_leader ? core->lead.repair[node].state : "";
    ret_text[0] = '\0';
    if (core->cfg->nodes[node].role != CONFIG_ROLE_CANDIDATE)
        (void)snprintf(ret_text, size, "it is a %s, only a candidate may be the writer",
                       config_role_text(core->cfg->nodes[node].role));
    else if (r == NULL || !core_is_fresh(core, node))
        (void)snprintf(ret_text, size, "its agent does not answer");
    else if (r->eligible == ELIGIBLE_NONE)
        (void)snprintf(ret_text, size, "%s%s%s",
                       r->ineligible_why[0] != '\0' ? r->ineligible_why : "it offers nothing",
                       state[0] != '\0' ? "; being repaired: " : "", state);
}

/* A node judges `lead` and `writer` only while it leads; what is left of an earlier term is
 * history. */
static bool explain_is_current(const struct core *core, unsigned node, enum verdict_table table)
{
    if (!core_is_fresh(core, node))
        return false;
    switch (table) {
    case VERDICT_LEAD:
        return core->leader == node;
    case VERDICT_WRITER:
        return core->leader == node && core->record.writer == node;
    default:
        return true;
    }
}

static json_t *explain_node(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    json_t *verdicts = json_array();
    char why[DETAIL_TEXT_MAX];
    json_t *o = json_object();
    explain_why_not(core, node, why, sizeof why);
    json_put(o, "name", json_text(core_name(core, node)));
    json_put(o, "writer", json_boolean(core->record.writer == node));
    json_put(o, "known", json_boolean(r != NULL));
    json_put(o, "fresh", json_boolean(r != NULL && core_is_fresh(core, node)));
    json_put(o, "promotable", json_boolean(why[0] == '\0'));
    json_put_text(o, "why_not", why);
    if (r != NULL) {
        json_put(o, "eligible", json_text(eligibility_text(r->eligible)));
        json_put_text(o, "phase", node == core->self ? core_phase_text(core) : r->phase);
    }
    for (unsigned i = 0; r != NULL && i < VERDICT_COUNT; i++) {
        enum verdict_table table = (enum verdict_table)i;
        const struct verdict *v = node == core->self ? &core->verdict[i] : &r->verdict[i];
        (void)json_array_append_new(
            verdicts, verdict_json(core_table(table), v, explain_is_current(core, node, table)));
    }
    json_put(o, "verdicts", verdicts);
    return o;
}

json_t *explain_json(const struct core *core)
{
    json_t *o = json_object();
    json_t *tables = json_array();
    json_t *nodes = json_array();
    char safe[DETAIL_TEXT_MAX];
    json_put(o, "cluster", json_text(core->cfg->cluster));
    json_put(o, "node", json_text(core_name(core, core->self)));
    json_put_name(o, "leader", core, core->leader);
    json_put_name(o, "writer", core, core->record.writer);
    json_put(o, "safe", json_boolean(core_is_safe(core, safe, sizeof safe)));
    json_put(o, "safe_text", json_text(safe));
    for (unsigned i = 0; i < VERDICT_COUNT; i++)
        (void)json_array_append_new(tables, table_json(core_table((enum verdict_table)i)));
    for (unsigned i = 0; i < core->cfg->n_nodes; i++)
        (void)json_array_append_new(nodes, explain_node(core, i));
    json_put(o, "tables", tables);
    json_put(o, "nodes", nodes);
    return o;
}

/* ---- history ---- */

static const char *history_rule_text(const struct history *h)
{
    for (unsigned i = 0; i < VERDICT_COUNT; i++) {
        const struct rule_table *t = core_table((enum verdict_table)i);
        const struct rule *r =
            strcmp(t->name, h->table) == 0 && h->rule != 0 ? rules_find(t, h->rule) : NULL;
        if (r != NULL)
            return r->text;
    }
    return "";
}

static json_t *history_step_json(const struct core *core, const struct history_step *s)
{
    json_t *o = json_object();
    json_put(o, "at_us", json_integer(s->at_us));
    json_put(o, "took_us", json_integer(s->took_us));
    json_put_name(o, "node", core, s->node);
    json_put(o, "name", json_text(s->name));
    json_put_text(o, "note", s->note);
    return o;
}

static json_t *history_one(const struct core *core, const struct history *h)
{
    json_t *o = json_object();
    json_t *steps = json_array();
    json_put(o, "kind", json_text(h->kind));
    json_put(o, "outcome", json_text(h->outcome));
    json_put(o, "term", json_integer((json_int_t)h->term));
    json_put(o, "wall_ms", json_integer(h->wall_ms));
    json_put(o, "took_us", json_integer(h->took_us));
    json_put_name(o, "from", core, h->from);
    json_put_name(o, "to", core, h->to);
    json_put_text(o, "table", h->table);
    json_put(o, "rule", h->rule != 0 ? json_integer(h->rule) : json_null());
    json_put_text(o, "rule_text", history_rule_text(h));
    json_put_text(o, "why", h->why);
    for (unsigned i = 0; i < h->n_steps; i++)
        (void)json_array_append_new(steps, history_step_json(core, &h->steps[i]));
    json_put(o, "steps", steps);
    return o;
}

json_t *history_json(const struct core *core)
{
    json_t *o = json_object();
    json_t *list = json_array();
    json_put(o, "cluster", json_text(core->cfg->cluster));
    json_put(o, "node", json_text(core_name(core, core->self)));
    for (unsigned i = 0; i < core->record.n_histories; i++)
        (void)json_array_append_new(list, history_one(core, &core->record.histories[i]));
    json_put(o, "histories", list);
    return o;
}
