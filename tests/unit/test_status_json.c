/* SPDX-License-Identifier: Apache-2.0 */
/* From a core with a known state to what operators are shown. */
#include "app/status_json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "app/status_parts.h"
#include "status_world.h"

static const json_t *node_of(const json_t *o, const char *name)
{
    const json_t *list = json_object_get(o, "nodes");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *n = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(n, "name")), name) == 0)
            return n;
    }
    fail_msg("no node %s", name);
    return NULL;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text != NULL ? text : "(none)";
}

static bool has_trouble(const json_t *status, const char *text)
{
    const json_t *list = json_object_get(status, "troubles");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strstr(json_string_value(json_array_get(list, i)), text) != NULL)
            return true;
    }
    return false;
}

static void test_whole_cluster(void **state)
{
    struct world *w = *state;
    json_t *o = status_json(&w->core);
    const json_t *m1 = node_of(o, "m1");
    const json_t *m4 = node_of(o, "m4");
    assert_string_equal(text_of(o, "cluster"), "demo");
    assert_string_equal(text_of(o, "node"), "m2");
    assert_string_equal(text_of(o, "writer"), "m1");
    assert_string_equal(text_of(o, "leader"), "m1");
    assert_string_equal(text_of(o, "config_digest"), "0000000000000abc");
    assert_true(json_is_true(json_object_get(o, "safe")));
    assert_int_equal(json_integer_value(json_object_get(o, "lease_ms")), 780);
    assert_int_equal(json_integer_value(json_object_get(o, "majority")), 2);
    assert_int_equal(json_array_size(json_object_get(o, "voters")), 3);
    assert_int_equal(json_array_size(json_object_get(o, "troubles")), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(o, "in_sync"), 0)), "m2");
    assert_string_equal(text_of(m1, "state"), "writer");
    assert_true(json_is_true(json_object_get(m1, "vip")));
    assert_false(json_is_true(json_object_get(m1, "in_sync")));
    assert_string_equal(text_of(node_of(o, "m2"), "state"), "standby");
    assert_true(json_is_true(json_object_get(node_of(o, "m2"), "in_sync")));
    assert_string_equal(text_of(m4, "state"), "replica");
    assert_string_equal(text_of(m4, "source"), "m3");
    assert_string_equal(text_of(m4, "source_wanted"), "m3");
    assert_string_equal(text_of(node_of(o, "m3"), "source_wanted"), "m1");
    assert_true(json_is_true(json_object_get(m4, "replicating")));
    assert_int_equal(json_integer_value(json_object_get(m4, "gtid_behind")), 20);
    assert_int_equal(json_integer_value(json_object_get(m4, "lag_s")), 0);
    assert_string_equal(text_of(m4, "server_version"), "10.11.14-MariaDB");
    assert_string_equal(text_of(node_of(o, "w5"), "state"), "witness");
    json_decref(o);
}

static void test_silent_writer(void **state)
{
    struct world *w = *state;
    json_t *o;
    w->core.view[0].up = false;
    w->core.view[0].at_us = NOW_US - 12000000;
    o = status_json(&w->core);
    assert_string_equal(text_of(node_of(o, "m1"), "state"), "unknown");
    assert_string_equal(text_of(node_of(o, "m1"), "health"), "unknown");
    assert_false(json_is_true(json_object_get(node_of(o, "m1"), "vip")));
    assert_false(json_is_true(json_object_get(node_of(o, "m1"), "agent")));
    assert_int_equal(json_integer_value(json_object_get(o, "lease_ms")), 0);
    assert_false(json_is_true(json_object_get(o, "safe")));
    assert_true(has_trouble(o, "m1: its agent does not answer for 12 s"));
    /* Not shown as if it were of now; still known for the price of a forced failover. */
    assert_true(json_is_null(json_object_get(node_of(o, "m3"), "gtid_behind")));
    assert_int_equal(json_integer_value(json_object_get(node_of(o, "m3"), "behind_last_known")),
                     10);
    json_decref(o);
}

static void test_troubles(void **state)
{
    struct world *w = *state;
    struct report *m3 = &w->core.view[2].report;
    struct report *m4 = &w->core.view[3].report;
    json_t *o;
    w->core.record.flags[1] = NODE_QUARANTINED | NODE_SALVAGED;
    (void)snprintf(w->core.record.why[1], sizeof w->core.record.why[1], "holds 0-1-120");
    m3->config_digest = 0xdef;
    m3->health = HEALTH_FULL;
    m4->facts.sql = THREAD_STOPPED;
    m4->facts.sql_errno = 1062;
    m4->facts.settings = SETTING_SYNC_BINLOG | SETTING_ROW;
    /* Not UTF-8: an error text in latin1. */
    (void)snprintf(m4->facts.error, sizeof m4->facts.error, "Duplicate entry 'M\xfcller'");
    w->core.record.paused = true;
    w->core.leader = NODE_NONE;
    o = status_json(&w->core);
    assert_false(has_trouble(o, "m4: does not reach"));
    assert_true(has_trouble(o, "tandem resume"));
    assert_true(has_trouble(o, "no leader is known here"));
    assert_true(has_trouble(o, "m2: quarantined: holds 0-1-120"));
    assert_true(has_trouble(o, "m3: its cluster file differs"));
    assert_true(has_trouble(o, "m3: mysqld is full: it has no connection left"));
    assert_true(
        has_trouble(o, "m4: replication stopped with error 1062: Duplicate entry 'M?ller'"));
    assert_true(has_trouble(o, "(binlog_format, sync_binlog)"));
    assert_string_equal(text_of(node_of(o, "m2"), "state"), "quarantined");
    assert_string_equal(json_string_value(json_array_get(json_object_get(o, "config_differs"), 0)),
                        "m3");
    assert_int_equal(json_array_size(json_object_get(node_of(o, "m4"), "settings")), 2);
    json_decref(o);
}

/* A pair whose other host advertises without an agent, and one whose other host is silent. */
static void test_stranger_in_a_pair(void **state)
{
    struct world *w = *state;
    char text[512];
    w->cfg.arbiter.type = CONFIG_ARBITER_VRRP;
    w->cfg.vrrp.advert_interval_ms = 1000;
    status_pair_stranger(&w->core, 900000, text, sizeof text);
    assert_string_equal(text, "");
    w->core.view[0].up = false;
    status_pair_stranger(&w->core, 900000, text, sizeof text);
    assert_non_null(strstr(text, "m1: advertises the virtual address, and no agent answers there"));
    assert_non_null(strstr(text, "both may write"));
    status_pair_stranger(&w->core, 5000001, text, sizeof text);
    assert_string_equal(text, "");
}

static void test_source_is_not_reached(void **state)
{
    struct world *w = *state;
    struct server_facts *f = &w->core.view[3].report.facts;
    json_t *o;
    f->io = THREAD_CONNECTING;
    f->io_errno = 2003;
    (void)snprintf(f->error, sizeof f->error, "cannot connect");
    o = status_json(&w->core);
    assert_true(has_trouble(o, "m4: does not reach its source, error 2003: cannot connect"));
    assert_false(has_trouble(o, "stopped"));
    json_decref(o);
}

static void test_vip_troubles(void **state)
{
    struct world *w = *state;
    json_t *o;
    w->core.view[0].report.vips = 0;
    w->core.view[2].report.vips = 1;
    w->core.view[3].report.vips = 1;
    w->core.view[3].report.term = 6;
    o = status_json(&w->core);
    assert_true(has_trouble(o, "m1: is the writer and lacks a virtual address"));
    assert_true(has_trouble(o, "m3: holds a virtual address and is not the writer"));
    assert_false(has_trouble(o, "m4: holds a virtual address"));
    json_decref(o);
}

static void test_nothing_known_yet(void **state)
{
    struct world *w = *state;
    json_t *o;
    char *text;
    core_init(&w->core, &w->cfg, 1, 1000);
    o = status_json(&w->core);
    assert_true(json_is_null(json_object_get(o, "writer")));
    assert_true(json_is_null(json_object_get(o, "leader")));
    assert_string_equal(text_of(node_of(o, "m1"), "state"), "unknown");
    assert_true(has_trouble(o, "m1: its agent was never heard of"));
    text = json_dumps(o, JSON_COMPACT);
    assert_non_null(text);
    free(text);
    json_decref(o);
}

static const json_t *verdict_of(const json_t *node_json, const char *table)
{
    const json_t *list = json_object_get(node_json, "verdicts");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (strcmp(text_of(v, "table"), table) == 0)
            return v;
    }
    fail_msg("no verdict of %s", table);
    return NULL;
}

/* Whatever the rules are: the one that fired is named, and each before it says what kept it. */
static void test_explain(void **state)
{
    struct world *w = *state;
    const struct rule_table *t = core_table(VERDICT_FENCE);
    uint32_t facts = 0;
    const struct rule *fired = rules_decide(t, facts);
    const json_t *v;
    const json_t *passed;
    json_t *o;
    w->core.verdict[VERDICT_WRITER] = (struct verdict){core_table(VERDICT_WRITER)->rules[0].id, 0};
    w->core.verdict[VERDICT_FENCE] = (struct verdict){fired->id, facts};
    w->core.view[2].report.verdict[VERDICT_FENCE] =
        (struct verdict){t->rules[t->n_rules - 1].id, UINT32_MAX >> (32 - t->n_facts)};
    (void)snprintf(w->core.view[1].report.ineligible_why, REASON_TEXT_MAX, "too old");
    w->core.view[1].report.eligible = ELIGIBLE_NONE;
    o = explain_json(&w->core);
    assert_int_equal(json_array_size(json_object_get(o, "tables")), VERDICT_COUNT);
    v = verdict_of(node_of(o, "m2"), "fence");
    assert_int_equal(json_integer_value(json_object_get(v, "rule")), fired->id);
    assert_string_equal(text_of(v, "text"), fired->text);
    assert_true(json_is_true(json_object_get(v, "current")));
    assert_true(json_is_null(json_object_get(verdict_of(node_of(o, "m2"), "lead"), "rule")));
    /* m2 does not lead: what it judged as a leader is of an earlier term. */
    assert_false(json_is_true(json_object_get(verdict_of(node_of(o, "m2"), "writer"), "current")));
    v = verdict_of(node_of(o, "m3"), "fence");
    passed = json_object_get(v, "passed");
    assert_int_equal(json_array_size(passed), t->n_rules - 1);
    for (size_t i = 0; i < json_array_size(passed); i++) {
        const json_t *p = json_array_get(passed, i);
        assert_int_equal(json_integer_value(json_object_get(p, "id")), t->rules[i].id);
        assert_int_equal(json_array_size(json_object_get(p, "missing")), 0);
        assert_int_equal(json_array_size(json_object_get(p, "present")),
                         (size_t)__builtin_popcount(t->rules[i].forbid));
    }
    assert_string_equal(text_of(node_of(o, "m2"), "why_not"), "too old");
    assert_string_equal(text_of(node_of(o, "m3"), "why_not"),
                        "it is a replica, only a candidate may be the writer");
    assert_true(json_is_true(json_object_get(node_of(o, "m1"), "promotable")));
    json_decref(o);
}

static void test_history(void **state)
{
    struct world *w = *state;
    struct history *h = &w->core.record.histories[0];
    const struct rule_table *t = core_table(VERDICT_LEAD);
    const json_t *one;
    json_t *o;
    w->core.record.n_histories = 1;
    *h = (struct history){.kind = "takeover",
                          .outcome = "done",
                          .term = 8,
                          .wall_ms = 1700000000123,
                          .took_us = 412300,
                          .from = 0,
                          .to = 1,
                          .rule = t->rules[0].id,
                          .why = "a, b",
                          .n_steps = 1};
    (void)snprintf(h->table, sizeof h->table, "%s", t->name);
    h->steps[0] = (struct history_step){.at_us = 10, .took_us = 20, .node = 1, .name = "seal"};
    o = history_json(&w->core);
    one = json_array_get(json_object_get(o, "histories"), 0);
    assert_string_equal(text_of(one, "kind"), "takeover");
    assert_string_equal(text_of(one, "from"), "m1");
    assert_string_equal(text_of(one, "to"), "m2");
    assert_string_equal(text_of(one, "rule_text"), t->rules[0].text);
    assert_int_equal(json_integer_value(json_object_get(one, "wall_ms")), 1700000000123);
    one = json_array_get(json_object_get(one, "steps"), 0);
    assert_string_equal(text_of(one, "node"), "m2");
    assert_string_equal(text_of(one, "name"), "seal");
    json_decref(o);
}

static int parse(const struct world *w, const char *text, struct errmsg *msg, struct command *ret)
{
    json_t *request = json_loads(text, 0, NULL);
    int err = command_parse(request, &w->cfg, msg, ret);
    json_decref(request);
    return err;
}

static void test_command_parse(void **state)
{
    struct world *w = *state;
    struct errmsg msg = ERRMSG_INIT;
    struct command m;
    assert_int_equal(parse(w, "{\"kind\":\"switchover\",\"node\":\"m2\"}", &msg, &m), 0);
    assert_int_equal(m.kind, COMMAND_SWITCHOVER);
    assert_int_equal(m.node, 1);
    assert_false(m.flag);
    assert_int_equal(parse(w, "{\"kind\":\"failover\",\"node\":null,\"flag\":true}", &msg, &m), 0);
    assert_int_equal(m.kind, COMMAND_FAILOVER);
    assert_int_equal(m.node, NODE_NONE);
    assert_true(m.flag);
    assert_int_equal(parse(w, "{\"kind\":\"no-promote\",\"node\":\"m1\"}", &msg, &m), 0);
    assert_int_equal(parse(w, "{\"kind\":\"data-replaced\",\"node\":\"m1\"}", &msg, &m), 0);
    assert_int_equal(m.kind, COMMAND_DATA_REPLACED);
    assert_int_equal(parse(w, "{\"kind\":\"data-replaced\"}", &msg, &m), ERR_INVAL);
    assert_int_equal(parse(w, "{\"kind\":\"maintenance\",\"flag\":true}", &msg, &m), ERR_INVAL);
    assert_int_equal(parse(w, "{\"kind\":\"switchover\",\"node\":\"zz\"}", &msg, &m), ERR_INVAL);
    assert_string_equal(msg.text, "'zz' is no node of cluster 'demo'; see `tandem status`");
    assert_int_equal(parse(w, "{\"kind\":\"invalid\"}", &msg, &m), ERR_INVAL);
    assert_int_equal(parse(w, "{\"kind\":7}", &msg, &m), ERR_INVAL);
    assert_int_equal(parse(w, "{}", &msg, &m), ERR_INVAL);
}

static void test_events_that_do_not_run(void **state)
{
    struct world *w = *state;
    json_t *o;
    w->core.view[0].report.facts.settings = SETTING_EVENTS_OFF;
    o = status_json(&w->core);
    assert_true(has_trouble(o, "m1: events that came to it by replication do not run there"));
    assert_true(has_trouble(o, "status LIKE '%SIDE_DISABLED'"));
    assert_false(has_trouble(o, "settings are not safe"));
    json_decref(o);
}

static void test_old_figures(void **state)
{
    struct world *w = *state;
    json_t *o;
    w->cfg.policy.probe_interval_ms = 500;
    w->core.view[2].report.facts_age_ms = 3000;
    o = status_json(&w->core);
    assert_true(json_is_false(json_object_get(node_of(o, "m3"), "facts_old")));
    json_decref(o);
    w->core.view[2].report.facts_age_ms = 12000;
    o = status_json(&w->core);
    assert_true(json_is_true(json_object_get(node_of(o, "m3"), "facts_old")));
    assert_true(has_trouble(o, "m3: what is shown of its server is 12 s old"));
    json_decref(o);
}

static void lose_the_standby(struct world *w)
{
    w->core.record.in_sync = 0;
    w->core.wall_ms = 1700000000000;
    w->core.confirmed = true;
    stake_watch(&w->core);
    w->core.record.flags[1] = NODE_QUARANTINED;
}

static void test_what_is_at_stake(void **state)
{
    struct world *w = *state;
    json_t *o = status_json(&w->core);
    const json_t *stake = json_object_get(o, "at_stake");
    assert_int_equal(json_integer_value(json_object_get(stake, "transactions")), 0);
    assert_string_equal(text_of(stake, "text"), "nothing");
    json_decref(o);
    lose_the_standby(w); /* what nobody else has; m3 lacks the fewest */
    o = status_json(&w->core);
    stake = json_object_get(o, "at_stake");
    assert_int_equal(json_integer_value(json_object_get(stake, "transactions")), 10);
    assert_string_equal(text_of(stake, "best"), "m3");
    assert_string_equal(text_of(stake, "text"),
                        "the loss of m1 would lose up to 10 transactions since 2023-11-14 22:13:20 "
                        "UTC, because no standby is in sync: m2: quarantined");
    json_decref(o);
    /* It stays since then, and is over with a member. */
    w->core.wall_ms += 5000;
    stake_watch(&w->core);
    assert_int_equal(w->core.stake.since_wall_ms, 1700000000000);
    w->core.record.in_sync = 2;
    stake_watch(&w->core);
    assert_int_equal(w->core.stake.since_wall_ms, 0);
}

/* A promotion empties the set under strict as well; only is nothing added then. */
static void test_what_is_at_stake_under_strict(void **state)
{
    struct world *w = *state;
    const json_t *stake;
    json_t *o;
    w->cfg.policy.durability = CONFIG_DURABILITY_STRICT;
    o = status_json(&w->core);
    assert_string_equal(text_of(json_object_get(o, "at_stake"), "text"), "nothing");
    json_decref(o);
    lose_the_standby(w);
    o = status_json(&w->core);
    stake = json_object_get(o, "at_stake");
    assert_int_equal(json_integer_value(json_object_get(stake, "transactions")), 10);
    assert_true(json_is_false(json_object_get(stake, "grows")));
    assert_string_equal(text_of(stake, "text"),
                        "the loss of m1 would lose up to 10 transactions, because no standby is in "
                        "sync since 2023-11-14 22:13:20 UTC: m2: quarantined; nothing is added "
                        "under strict, commits wait");
    json_decref(o);
    /* Nobody tells what it has. */
    w->core.view[2].report.facts.flavour = SERVER_FLAVOUR_UNKNOWN;
    w->core.view[3].report.facts.flavour = SERVER_FLAVOUR_UNKNOWN;
    o = status_json(&w->core);
    stake = json_object_get(o, "at_stake");
    assert_true(json_is_null(json_object_get(stake, "transactions")));
    assert_non_null(strstr(text_of(stake, "text"), "m1 would lose what it alone holds"));
    json_decref(o);
}

static void test_quorum_and_file_differ(void **state)
{
    struct world *w = *state;
    json_t *o;
    w->core.membership.voters = 1u << 0 | 1u << 1 | 1u << 2;
    w->core.membership.members = 1u << 0 | 1u << 1 | 1u << 2 | 1u << 4;
    o = status_json(&w->core);
    assert_true(has_trouble(o, "m3: votes, the cluster file says otherwise: `tandem node add m3`"));
    assert_true(has_trouble(o, "m4: is in the cluster file and not in the quorum"));
    assert_true(has_trouble(o, "w5: does not vote, the cluster file says otherwise"));
    assert_true(json_is_true(json_object_get(node_of(o, "m3"), "voter")));
    assert_true(json_is_false(json_object_get(node_of(o, "m4"), "member")));
    json_decref(o);
    w->core.record.flags[3] = NODE_MAINTENANCE; /* removed */
    o = status_json(&w->core);
    assert_false(has_trouble(o, "m4: is in the cluster file"));
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_cluster, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_troubles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_source_is_not_reached, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stranger_in_a_pair, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vip_troubles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_known_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_explain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_history, setup, teardown),
        cmocka_unit_test_setup_teardown(test_command_parse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events_that_do_not_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_figures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_at_stake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_at_stake_under_strict, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quorum_and_file_differ, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
