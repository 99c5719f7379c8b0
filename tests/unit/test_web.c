/* SPDX-License-Identifier: Apache-2.0 */
/* What each path answers, and that /metrics tells every row of its table and nothing else. */
#include "app/web_answer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "status_world.h"

/* The answer's body, checked to have that status; free() it. */
static char *asked(struct world *w, const char *path, const char *lag, unsigned status)
{
    const struct metrics_counters n = {
        .elections = 3, .probe_us = 1500, .certificate_known = true, .certificate_days = 77};
    struct http_answer a = web_answer(&w->core, &n, path, lag);
    assert_non_null(a.body);
    if (a.status != status)
        fail_msg("%s answers %u: %s", path, a.status, a.body);
    assert_int_equal(a.length, strlen(a.body));
    return a.body;
}

static void answers(struct world *w, const char *path, const char *lag, unsigned status)
{
    free(asked(w, path, lag, status));
}

/* Seen from a member of the in-sync set, 0 s behind. */
static void test_standby(void **state)
{
    struct world *w = *state;
    w->core.health.state = HEALTH_OK;
    answers(w, "/health", NULL, 200);
    answers(w, "/primary", NULL, 503);
    answers(w, "/standby", NULL, 200);
    answers(w, "/replica", NULL, 200);
    answers(w, "/replica", "0", 200);
    w->core.view[1].report.facts.lag_s = 7;
    answers(w, "/replica", "6s", 503);
    answers(w, "/replica", "7s", 200);
    w->core.view[1].report.facts.lag_s = -1;
    answers(w, "/replica", "1000", 503);
    w->core.record.in_sync = 0;
    answers(w, "/standby", NULL, 503);
    answers(w, "/replica", NULL, 200);
    w->core.record.flags[1] = NODE_QUARANTINED;
    answers(w, "/replica", NULL, 503);
    w->core.health.state = HEALTH_DEAD;
    answers(w, "/health", NULL, 503);
}

static void test_lag_is_checked(void **state)
{
    static const char *const wrong[] = {
        "", "x", "5m", "-1", "5 s", "1000001", "99999999999999999999"};
    struct world *w = *state;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        answers(w, "/replica", wrong[i], 400);
}

/* Only with lease and address; a closed door is no primary, whatever the record says. */
static void test_primary(void **state)
{
    struct world *w = *state;
    struct core *core = &w->core;
    core->health.state = HEALTH_OK;
    core->record.writer = 1;
    core->is_leader = true;
    core->open_term = core->term;
    core->lease_until_us = NOW_US + 1000;
    answers(w, "/primary", NULL, 503);
    core->vip_wanted = true;
    answers(w, "/primary", NULL, 200);
    answers(w, "/replica", NULL, 503);
    core->lease_until_us = NOW_US - 1;
    answers(w, "/primary", NULL, 503);
    core->record.paused = true;
    answers(w, "/primary", NULL, 200);
    core->vip_down_us = NOW_US + 10;
    answers(w, "/primary", NULL, 503);
}

static void test_objects_and_unknown_paths(void **state)
{
    struct world *w = *state;
    char *text = asked(w, "/cluster", NULL, 200);
    assert_non_null(strstr(text, "\"cluster\":\"demo\""));
    free(text);
    text = asked(w, "/history", NULL, 200);
    assert_non_null(strstr(text, "histories"));
    free(text);
    text = asked(w, "/switchover", NULL, 404);
    assert_non_null(strstr(text, "/metrics"));
    free(text);
}

/* ---- metrics ---- */

static double value_of(const char *page, const char *series)
{
    char line[128];
    const char *at;
    (void)snprintf(line, sizeof line, "\n%s ", series);
    at = strstr(page, line);
    if (at == NULL)
        fail_msg("no %s in\n%s", series, page);
    return strtod(at + strlen(line), NULL);
}

static void test_metrics_tell_what_is_at_stake(void **state)
{
    struct world *w = *state;
    char *page;
    w->core.record.in_sync = 0;
    w->core.record.flags[1] = NODE_QUARANTINED;
    w->cfg.policy.durability = CONFIG_DURABILITY_STRICT;
    page = asked(w, "/metrics", NULL, 200);
    assert_true(value_of(page, "tandem_durability_strict") == 1);
    assert_true(value_of(page, "tandem_at_stake_transactions") == 10);
    free(page);
}

static void test_metrics_tell_what_is(void **state)
{
    struct world *w = *state;
    char *page;
    w->core.view[2].report.facts.lag_s = 4;
    page = asked(w, "/metrics", NULL, 200);
    assert_true(value_of(page, "tandem_writer{node=\"m1\"}") == 1);
    assert_true(value_of(page, "tandem_writer{node=\"m2\"}") == 0);
    assert_true(value_of(page, "tandem_role{role=\"standby\"}") == 1);
    assert_true(value_of(page, "tandem_in_sync{node=\"m2\"}") == 1);
    assert_true(value_of(page, "tandem_in_sync_members") == 1);
    assert_true(value_of(page, "tandem_at_stake_transactions") == 0);
    assert_true(value_of(page, "tandem_apply_lag_seconds{node=\"m3\"}") == 4);
    assert_true(isnan(value_of(page, "tandem_apply_lag_seconds{node=\"m1\"}")));
    assert_true(value_of(page, "tandem_behind_transactions{node=\"m4\"}") == 20);
    assert_true(value_of(page, "tandem_server_health{node=\"m1\",health=\"ok\"}") == 1);
    assert_true(value_of(page, "tandem_elections_total") == 3);
    assert_true(value_of(page, "tandem_probe_seconds") == 0.0015);
    assert_true(value_of(page, "tandem_certificate_days") == 77);
    assert_null(strstr(page, "tandem_server_health{node=\"w5\""));
    assert_true(value_of(page, "tandem_vrrp_rejects_total{reason=\"ttl\"}") == 0);
    assert_null(strstr(page, "reason=\"none\""));
    free(page);
}

/* Each row has its head once and at least one value behind it; no line is of another name. */
static void test_metrics_are_those_of_the_table(void **state)
{
    char *page = asked(*state, "/metrics", NULL, 200);
    unsigned row = 0;
    unsigned values = 1;
    char *rest;
    for (char *line = strtok_r(page, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        const struct metric_row *r;
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_true(values > 0);
            values = 0;
            row++;
            continue;
        }
        assert_true(row > 0);
        r = metric_row(row - 1);
        assert_non_null(r);
        if (strncmp(line, "# TYPE ", 7) == 0)
            line += 7;
        else
            values++;
        assert_int_equal(strncmp(line, r->name, strlen(r->name)), 0);
        assert_non_null(
            strchr(r->labels[0] != '\0' && values > 0 ? "{" : " ", line[strlen(r->name)]));
    }
    assert_true(values > 0);
    assert_null(metric_row(row));
    free(page);
}

static void test_labels_are_escaped(void **state)
{
    struct world *w = *state;
    char *page;
    (void)snprintf(w->cfg.cluster, sizeof w->cfg.cluster, "a\"b\\c\nd");
    page = asked(w, "/metrics", NULL, 200);
    assert_non_null(strstr(page, "cluster=\"a\\\"b\\\\c d\""));
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_standby, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lag_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_primary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_objects_and_unknown_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics_tell_what_is_at_stake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics_tell_what_is, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics_are_those_of_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_labels_are_escaped, setup, teardown),
    };
    return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}
