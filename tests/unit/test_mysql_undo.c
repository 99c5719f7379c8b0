/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What refuses an undo on a real server, and what it leaves behind then: three of the system's
 * MariaDB and, if TANDEM_MYSQL97 names one, three of that MySQL. The tests of a group are one
 * story: node 0 is opened as the writer, node 1 follows it, node 2 is closed and alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <signal.h>

#include "mysql_world.h"
#include "wire/undo.h"

/* Takes the binlog off the session, checks, works on, and puts back. */
static struct undo_script script_checking(char *text, size_t size, enum undo_reason reason,
                                          const char *check, struct undo_step steps[4])
{
    const char *const sql[4] = {"SET SESSION sql_log_bin=0", check, "SET GLOBAL connect_timeout=77",
                                "SET GLOBAL max_connect_errors=78"};
    size_t used = 0;
    for (unsigned i = 0; i < 4; i++) {
        steps[i] = (struct undo_step){used, strlen(sql[i]), UNDO_REASON_OK, 0};
        assert_true(used + steps[i].size < size);
        memcpy(text + used, sql[i], steps[i].size + 1);
        used += steps[i].size + 1;
    }
    steps[1].reason = reason;
    steps[1].expect = 1;
    return (struct undo_script){
        .text = text, .steps = steps, .n_steps = 4, .n_work = 3, .groups = 5};
}

static void undo(struct node *n, enum undo_reason reason, const char *check, int outcome,
                 const char *said)
{
    char text[512], got[FIXTURE_TEXT_MAX];
    struct undo_step steps[4];
    struct undo_script script = script_checking(text, sizeof text, reason, check, steps);
    struct job job = {.kind = JOB_UNDO, .timeout_ms = 5000};
    fixture_sql(&n->server, "SET GLOBAL connect_timeout=10; SET GLOBAL max_connect_errors=100",
                NULL);
    n->job_done = false;
    assert_int_equal(mysql_undo_start(n->adapter, ++n->job_id, &job, &script), 0);
    job_wait(n);
    (void)fprintf(stderr, "# undo: %s\n", n->result.detail);
    assert_int_equal(n->result.outcome, outcome);
    assert_int_equal(n->result.count, outcome == JOB_DONE ? 5 : 0);
    if (strstr(n->result.detail, said) == NULL)
        fail_msg("'%s' does not say '%s'", n->result.detail, said);
    fixture_sql(&n->server, "SELECT @@global.connect_timeout", got);
    assert_string_equal(got, outcome == JOB_DONE ? "77" : "10");
    /* What puts the server back is run whenever anything was, and only then. */
    fixture_sql(&n->server, "SELECT @@global.max_connect_errors", got);
    assert_string_equal(got, reason == UNDO_REASON_WRITABLE ? "100" : "78");
}

static void undo_refused_before_it_begins(struct node *n, const char *because)
{
    undo(n, UNDO_REASON_WRITABLE, "SELECT 1", JOB_REFUSED, because);
    assert_int_equal(strncmp(n->result.detail, "undo-writable: ", 15), 0);
}

static void undo_is_refused_by_what_it_sees(void **state)
{
    struct world *w = *state;
    undo(&w->nodes[2], UNDO_REASON_NOT_UNDONE, "SELECT 1", JOB_DONE, "");
    undo(&w->nodes[2], UNDO_REASON_NOT_UNDONE, "SELECT 0", JOB_REFUSED, "undo-not-undone: ");
    undo(&w->nodes[2], UNDO_REASON_FOLLOWED, "SELECT 2", JOB_REFUSED, "undo-followed: ");
    undo(&w->nodes[2], UNDO_REASON_SET, "SELECT NULL", JOB_REFUSED, "undo-set: ");
    undo(&w->nodes[2], UNDO_REASON_OK, "SELECT nonsense FROM", JOB_REFUSED, "undo-server: ");
}

static void undo_wants_a_closed_server(void **state)
{
    struct world *w = *state;
    (void)job_side(&w->nodes[2], JOB_SOURCE_SIDE, true, JOB_DONE);
    undo_refused_before_it_begins(&w->nodes[2], "source side is on");
    (void)job_side(&w->nodes[2], JOB_SOURCE_SIDE, false, JOB_DONE);
    undo(&w->nodes[2], UNDO_REASON_NOT_UNDONE, "SELECT 1", JOB_DONE, "");
    fixture_sql(&w->nodes[2].server,
                w->flavour == FIXTURE_MYSQL ? "SET GLOBAL super_read_only=0"
                                            : "SET GLOBAL read_only=0",
                NULL);
    undo_refused_before_it_begins(&w->nodes[2], "read_only is off");
    fixture_sql(&w->nodes[2].server,
                w->flavour == FIXTURE_MYSQL ? "SET GLOBAL super_read_only=1"
                                            : "SET GLOBAL read_only=1",
                NULL);
}

static void undo_of_a_replica_is_refused(void **state)
{
    struct world *w = *state;
    struct job open = {.kind = JOB_OPEN, .timeout_ms = 3000};
    struct job attach = job_attach(&w->nodes[0], false);
    (void)job_run(&w->nodes[0], &open, JOB_DONE);
    undo_refused_before_it_begins(&w->nodes[0], "read_only is off");
    (void)job_run(&w->nodes[1], &attach, JOB_DONE);
    undo_refused_before_it_begins(&w->nodes[1], "replication thread runs");
}

/* A privilege counts from the next connection on. */
static void xa_privilege(struct node *n, const char *statement)
{
    struct fixture_session *session = fixture_session_open(&n->server, "root", "");
    const char *const statements[] = {"SET sql_log_bin=0", "SET GLOBAL super_read_only=0",
                                      "SET GLOBAL read_only=0", statement,
                                      "SET GLOBAL super_read_only=1"};
    node_stop(n);
    for (unsigned i = 0; i < sizeof statements / sizeof statements[0]; i++)
        assert_int_equal(fixture_session_sql(session, statements[i], 10000), 0);
    fixture_session_close(session);
    node_start(n);
}

/* Whoever may not ask does not know, and does not rewind or undo. MariaDB lets everybody ask. */
static void prepared_transactions_that_are_not_told_are_not_none(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[2];
    if (w->flavour != FIXTURE_MYSQL) {
        assert_int_equal(job_simple(n, JOB_FACTS, JOB_DONE)->xa_prepared, 0);
        return;
    }
    xa_privilege(n, "REVOKE XA_RECOVER_ADMIN ON *.* FROM tandem@localhost");
    assert_int_equal(node_facts_now(n)->xa_prepared, XA_PREPARED_UNKNOWN);
    assert_int_equal(job_simple(n, JOB_FACTS, JOB_DONE)->xa_prepared, XA_PREPARED_UNKNOWN);
    undo_refused_before_it_begins(n, "XA_RECOVER_ADMIN");
    xa_privilege(n, "GRANT XA_RECOVER_ADMIN ON *.* TO tandem@localhost");
    assert_int_equal(node_facts_now(n)->xa_prepared, 0);
    undo(n, UNDO_REASON_NOT_UNDONE, "SELECT 1", JOB_DONE, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(undo_is_refused_by_what_it_sees),
        cmocka_unit_test(undo_wants_a_closed_server),
        cmocka_unit_test(undo_of_a_replica_is_refused),
        cmocka_unit_test(prepared_transactions_that_are_not_told_are_not_none),
    };
    return world_run(tests, sizeof tests / sizeof tests[0], /* mysql= */ true);
}
