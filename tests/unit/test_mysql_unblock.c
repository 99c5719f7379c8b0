/* SPDX-License-Identifier: Apache-2.0 */
/* UNBLOCK on a real MariaDB that waits for acknowledgements which nobody gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mysql_world.h"

static const char waiting[] = "SELECT COUNT(*) FROM information_schema.processlist WHERE "
                              "state LIKE 'Waiting for semi-sync ACK%'";

static const char held_up[] = "SELECT COUNT(*) FROM information_schema.processlist WHERE "
                              "info LIKE 'INSERT INTO app%' AND command = 'Query'";

static const char written[] = "SELECT SUBSTRING_INDEX(@@global.gtid_binlog_pos, '-', -1)";

static void nothing_waits(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[0];
    struct job open = {.kind = JOB_OPEN, .timeout_ms = 3000, .flag = true, .count = 1};
    struct job job = {.kind = JOB_UNBLOCK, .timeout_ms = 1000};
    (void)job_run(n, &open, JOB_DONE);
    (void)job_run(n, &job, JOB_DONE);
    assert_int_equal(node_facts_now(n)->no_tx, 0);
}

/* One that nobody else has is not let go; one that was received is, and the next waits in its
 * place. */
static void lets_go_what_was_received(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[0];
    struct fixture_session *s[2];
    struct job job = {.kind = JOB_UNBLOCK, .timeout_ms = 1000};
    char before[FIXTURE_TEXT_MAX];
    char both[32];
    fixture_sql(&n->server, written, before);
    memcpy(job.gtid, node_facts_now(n)->executed, sizeof job.gtid);
    for (unsigned i = 0; i < 2; i++) {
        s[i] = fixture_session_open(&n->server, "app", "");
        fixture_session_send(s[i], "INSERT INTO app.t (v) VALUES ('held up')");
        fixture_sql_until(&n->server, held_up, i == 0 ? "1" : "2");
        fixture_sql_until(&n->server, waiting, "1");
    }
    (void)job_run(n, &job, JOB_REFUSED);
    node_rows_until(n, "held up", "0");
    (void)snprintf(both, sizeof both, "%ld", strtol(before, NULL, 10) + 2);
    fixture_sql_until(&n->server, written, both);
    (void)node_facts_now(n);
    memcpy(job.gtid, n->facts.executed, sizeof job.gtid);
    (void)job_run(n, &job, JOB_DONE);
    node_rows_until(n, "held up", "1");
    fixture_sql_until(&n->server, waiting, "1");
    assert_int_equal(node_facts_now(n)->no_tx, 1);
    assert_true(n->facts.source_side);
    memcpy(job.gtid, n->facts.executed, sizeof job.gtid);
    (void)job_run(n, &job, JOB_DONE);
    node_rows_until(n, "held up", "2");
    for (unsigned i = 0; i < 2; i++)
        fixture_session_close(s[i]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_waits),
        cmocka_unit_test(lets_go_what_was_received),
    };
    return world_run(tests, sizeof tests / sizeof tests[0], /* mysql= */ false);
}
