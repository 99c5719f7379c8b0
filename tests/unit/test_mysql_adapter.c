/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MySQL adapter against real servers: three of the system's MariaDB and, if TANDEM_MYSQL97
 * names one, three of that MySQL. The tests of a group are one story and run in order: node 0 is
 * the first writer, then node 1; node 2 is an asynchronous replica.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mysql_world.h"

#define OFF_LIMIT_US 500000

static void facts_of_a_closed_server(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[0];
    const struct server_facts *f = node_facts_now(n);
    assert_int_equal(f->flavour, w->flavour == FIXTURE_MYSQL ? SERVER_MYSQL : SERVER_MARIADB);
    assert_true(w->flavour == FIXTURE_MYSQL ? f->version >= 90000 : f->version >= 100600);
    assert_int_equal(f->server_id, 1);
    assert_int_equal(strlen(f->server_uuid), w->flavour == FIXTURE_MYSQL ? 36 : 0);
    assert_true(f->read_only);
    assert_false(f->source_side);
    assert_false(f->replica_side);
    assert_false(f->channel);
    assert_true(f->drained);
    assert_false(f->events_on);
    assert_int_equal(f->settings, 0);
    assert_int_equal(f->xa_prepared, 0);
    assert_string_equal(f->executed, "");
    assert_true(incarnation_is_none(&(struct incarnation){0}));
    assert_int_equal(process_incarnation(n->process).pid, n->server.pid);
}

static void changed_settings_are_seen(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[0];
    const struct server_facts *f;
    fixture_sql(&n->server, "SET GLOBAL sync_binlog=7; SET GLOBAL event_scheduler=ON", NULL);
    f = job_simple(n, JOB_FACTS, JOB_DONE);
    assert_int_equal(f->settings, SETTING_SYNC_BINLOG | SETTING_EVENT_SCHEDULER);
    assert_true(f->events_on);
    fixture_sql(&n->server, "SET GLOBAL sync_binlog=1; SET GLOBAL event_scheduler=OFF", NULL);
    f = job_simple(n, JOB_FACTS, JOB_DONE);
    assert_int_equal(f->settings, 0);
}

static void beat_of_a_closed_server_is_refused(void **state)
{
    struct world *w = *state;
    char got[FIXTURE_TEXT_MAX];
    job_beat(&w->nodes[0], 2000, JOB_REFUSED);
    fixture_sql(&w->nodes[0].server,
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='tandem'", got);
    assert_string_equal(got, "0");
    assert_string_equal(node_facts_now(&w->nodes[0])->executed, "");
}

static void open_makes_writable(void **state)
{
    struct world *w = *state;
    struct job job = {.kind = JOB_OPEN, .timeout_ms = 3000, .events = true};
    const struct server_facts *f = job_run(&w->nodes[0], &job, JOB_DONE);
    assert_false(f->read_only);
    assert_true(f->events_on);
    assert_false(f->source_side);
    job.events = false;
    f = job_run(&w->nodes[0], &job, JOB_DONE); /* idempotent */
    assert_false(f->events_on);
    node_insert(&w->nodes[0], "first");
    job_beat(&w->nodes[0], 2000, JOB_DONE);
    job_beat(&w->nodes[0], 2000, JOB_DONE);
    assert_true(strlen(w->nodes[0].job_facts.executed) > 0);
    assert_true(
        world_contains(w, node_facts_now(&w->nodes[0])->executed, w->nodes[0].job_facts.executed));
}

static void attach_follows(void **state)
{
    struct world *w = *state;
    struct job job = job_attach(&w->nodes[0], false);
    const struct server_facts *f;
    for (unsigned i = 1; i < NODES; i++) {
        f = job_run(&w->nodes[i], &job, JOB_DONE);
        assert_true(f->channel);
        assert_string_equal(f->source_host, "127.0.0.1");
        assert_int_equal(f->source_port, w->nodes[0].server.port);
        assert_int_equal(f->io, THREAD_RUNNING);
        assert_int_equal(f->sql, THREAD_RUNNING);
        assert_false(f->replica_side);
        assert_false(f->foreign_channels);
        node_rows_until(&w->nodes[i], "first", "1");
    }
    f = node_facts_now(&w->nodes[1]);
    assert_true(f->drained);
    while (node_facts_now(&w->nodes[1])->lag_s != 0)
        ;
    assert_true(world_contains(w, f->executed, w->nodes[0].facts.executed));
    assert_true(world_position_contains(w, f->received, w->nodes[0].facts.executed));
    assert_string_equal(f->error, "");
    /* idempotent: nothing is restarted */
    (void)job_run(&w->nodes[1], &job, JOB_DONE);
    assert_true(w->nodes[1].job_us < 50000);
}

static void semi_sync_sides(void **state)
{
    struct world *w = *state;
    const struct server_facts *f = job_side(&w->nodes[1], JOB_REPLICA_SIDE, true, JOB_DONE);
    assert_true(f->replica_side && f->replica_side_active);
    f = job_side(&w->nodes[0], JOB_SOURCE_SIDE, true, JOB_DONE);
    assert_true(f->source_side && f->after_sync && f->wait_no_replica && f->timeout_infinite);
    assert_int_equal(f->wait_count, 1);
    while (node_facts_now(&w->nodes[0])->clients != 1)
        ; /* the source counts it when its dump thread has begun */
    job_beat(&w->nodes[0], 2000, JOB_DONE);
    assert_true(world_position_contains(w, node_facts_now(&w->nodes[1])->received,
                                        w->nodes[0].job_facts.executed));
    (void)job_side(&w->nodes[0], JOB_SOURCE_SIDE, true, JOB_DONE);
    if (w->flavour == FIXTURE_MARIADB) {
        struct job two = {.kind = JOB_SOURCE_SIDE, .timeout_ms = 1000, .flag = true, .count = 2};
        (void)job_run(&w->nodes[0], &two, JOB_REFUSED);
    }
}

/* MySQL's thread that reads acknowledgements has just gone to sleep for a second, and new sessions
 * would wait with the statement. */
static void semi_sync_off_does_not_wait(void **state)
{
    struct world *w = *state;
    int64_t best_us = INT64_MAX;
    for (unsigned i = 0; i < 5 && best_us >= OFF_LIMIT_US; i++) {
        (void)job_side(&w->nodes[0], JOB_SOURCE_SIDE, true, JOB_DONE);
        while (node_facts_now(&w->nodes[0])->clients != 1)
            ;
        job_beat(&w->nodes[0], 2000, JOB_DONE);
        assert_false(job_side(&w->nodes[0], JOB_SOURCE_SIDE, false, JOB_DONE)->source_side);
        if (w->nodes[0].job_us < best_us)
            best_us = w->nodes[0].job_us;
    }
    assert_true(best_us < OFF_LIMIT_US);
    (void)job_side(&w->nodes[0], JOB_SOURCE_SIDE, true, JOB_DONE);
    while (node_facts_now(&w->nodes[0])->clients != 1)
        ; /* it has come back */
    job_beat(&w->nodes[0], 2000, JOB_DONE);
}

static void stalled_commit_is_visible_and_released(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[0];
    struct job close = {.kind = JOB_CLOSE, .timeout_ms = 1200};
    struct job open;
    char got[FIXTURE_TEXT_MAX];
    fixture_sql(&w->nodes[1].server, "STOP REPLICA IO_THREAD", NULL);
    job_beat(n, 300, JOB_TIMEOUT);
    assert_in_range(n->job_us, 290000, 450000);
    assert_int_equal(node_facts_now(n)->wait_sessions, 1);
    assert_int_equal(n->outcome, PROBE_OK);
    /* what waits is in the binlog: MariaDB counts it as executed, MySQL as received */
    if (w->flavour == FIXTURE_MYSQL)
        assert_false(world_position_contains(w, node_facts_now(n)->executed, n->facts.received));
    /* the connection was replaced; sessions do not pile up */
    for (int i = 0; i < 12; i++)
        job_beat(n, 300, i == 0 || n->result.outcome == JOB_TIMEOUT ? JOB_TIMEOUT : JOB_FAILED);
    fixture_sql(&n->server,
                "SELECT COUNT(*) FROM information_schema.processlist WHERE "
                "info LIKE 'REPLACE INTO tandem%'",
                got);
    assert_in_range(strtol(got, NULL, 10), 1, 8); /* each ends within two seconds */
    /* CLOSE waits behind the commit and ends in time */
    job_begin(n, &close);
    job_wait(n);
    (void)fprintf(stderr, "# close during a stall: %.1f ms %s\n", (double)n->job_us / 1000,
                  n->result.detail);
    assert_true(n->result.outcome == JOB_FAILED || n->result.outcome == JOB_TIMEOUT);
    assert_true(n->job_us < 1300000);
    assert_int_equal(n->outcome, PROBE_OK);
    open = (struct job){.kind = JOB_OPEN, .timeout_ms = 2000};
    (void)job_run(n, &open, JOB_DONE); /* with the source side off: what waits is released */
    fixture_sql_until(&n->server,
                      "SELECT COUNT(*) FROM information_schema.processlist WHERE "
                      "info LIKE 'REPLACE INTO tandem%'",
                      "0");
    job_beat(n, 2000, JOB_DONE);
    assert_int_equal(node_facts_now(n)->wait_sessions, 0);
    fixture_sql(&w->nodes[1].server, "START REPLICA IO_THREAD", NULL);
    (void)job_side(n, JOB_SOURCE_SIDE, true, JOB_DONE);
    job_beat(n, 2000, JOB_DONE);
}

static void close_is_bounded_and_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[0];
    struct job job = {.kind = JOB_CLOSE, .timeout_ms = 900};
    struct fixture_session *s = fixture_session_open(&n->server, "app", "");
    assert_int_equal(fixture_session_sql(s, "LOCK TABLES app.t WRITE", 1000), 0);
    job_begin(n, &job);
    job_wait(n);
    (void)fprintf(stderr, "# close behind LOCK TABLES: %.1f ms %s %s\n", (double)n->job_us / 1000,
                  job_outcome_text(n->result.outcome), n->result.detail);
    assert_true(n->result.outcome == JOB_FAILED || n->result.outcome == JOB_TIMEOUT);
    assert_true(n->job_us < 950000);
    job = (struct job){.kind = JOB_OPEN, .timeout_ms = 2000};
    (void)job_run(n, &job, JOB_DONE);
    fixture_session_close(s);
    node_insert(n, "after-open"); /* nothing is left that would close it late */
    world_turn_for_ms(w, 300);
    assert_false(node_facts_now(n)->read_only);
}

static void close_and_clients(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[0];
    struct job job = {.kind = JOB_OPEN, .timeout_ms = 3000, .flag = true, .count = 1};
    struct fixture_session *idle = fixture_session_open(&n->server, "app", "");
    struct fixture_session *open = fixture_session_open(&n->server, "app", "");
    const struct server_facts *f;
    (void)job_simple(n, JOB_CLOSE_CLIENTS, JOB_REFUSED);
    assert_int_equal(fixture_session_sql(open, "BEGIN", 1000), 0);
    assert_int_equal(fixture_session_sql(open, "INSERT INTO app.t (v) VALUES ('open')", 1000), 0);
    f = job_simple(n, JOB_CLOSE, JOB_DONE);
    assert_true(f->read_only);
    assert_int_equal(f->wait_sessions, 0);
    f = job_simple(n, JOB_CLOSE_CLIENTS, JOB_DONE);
    assert_int_equal(n->result.count, 2);
    assert_int_equal(f->clients, 1); /* the dump threads live */
    assert_int_not_equal(fixture_session_sql(idle, "SELECT 1", 1000), 0);
    assert_int_not_equal(fixture_session_sql(open, "COMMIT", 1000), 0);
    fixture_session_close(idle);
    fixture_session_close(open);
    (void)job_simple(n, JOB_CLOSE, JOB_DONE); /* idempotent */
    f = job_run(n, &job, JOB_DONE);
    assert_true(f->source_side && !f->read_only);
}

/* Ended, it would commit what nobody has acknowledged. Only MariaDB lets anybody write on a closed
 * server. */
static void client_that_waits_is_not_ended(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[0];
    struct job clients = {.kind = JOB_CLOSE_CLIENTS, .timeout_ms = 300};
    struct job open = {.kind = JOB_OPEN, .timeout_ms = 3000, .flag = true, .count = 1};
    struct fixture_session *admin;
    if (w->flavour == FIXTURE_MYSQL)
        return;
    (void)job_simple(n, JOB_CLOSE, JOB_DONE);
    fixture_sql(&w->nodes[1].server, "STOP REPLICA IO_THREAD", NULL);
    admin = fixture_session_open(&n->server, "root", "");
    fixture_session_send(admin, "INSERT INTO app.t (v) VALUES ('late')");
    fixture_sql_until(&n->server,
                      "SELECT VARIABLE_VALUE FROM information_schema.global_status WHERE "
                      "VARIABLE_NAME='RPL_SEMI_SYNC_MASTER_WAIT_SESSIONS'",
                      "1");
    (void)job_run(n, &clients, JOB_TIMEOUT);
    assert_int_equal(node_facts_now(n)->wait_sessions, 1);
    fixture_sql(&w->nodes[1].server, "START REPLICA IO_THREAD", NULL);
    clients.timeout_ms = 5000;
    assert_int_equal(job_run(n, &clients, JOB_DONE)->wait_sessions, 0);
    assert_int_equal(n->result.count, 1);
    fixture_session_close(admin);
    (void)job_run(n, &open, JOB_DONE);
}

/* The applier is stopped, acknowledged transactions wait in the relay log, the source is gone. */
static void takeover_loses_nothing(void **state)
{
    struct world *w = *state;
    struct node *y = &w->nodes[1];
    struct job open = {.kind = JOB_OPEN, .timeout_ms = 3000};
    const struct server_facts *f;
    char before[GTID_TEXT_MAX];
    int64_t start;
    fixture_sql(&y->server, "STOP REPLICA SQL_THREAD", NULL);
    for (int i = 0; i < 5; i++)
        node_insert(&w->nodes[0], "acked");
    assert_false(node_facts_now(y)->drained);
    (void)job_simple(y, JOB_FORGET, JOB_REFUSED);
    assert_int_equal(node_facts_now(y)->io, THREAD_RUNNING); /* untouched */
    fixture_sql(&y->server, "START REPLICA SQL_THREAD", NULL);
    node_rows_until(y, "acked", "5");
    fixture_sql(&y->server, "STOP REPLICA SQL_THREAD", NULL);
    for (int i = 0; i < 5; i++)
        node_insert(&w->nodes[0], "acked2");
    (void)snprintf(before, sizeof before, "%s", node_facts_now(&w->nodes[0])->executed);
    start = fixture_now_us();
    fixture_server_kill(&w->nodes[0].server);
    (void)uv_run(&w->loop,
                 UV_RUN_NOWAIT); /* told by the kernel, not found by looking now and then */
    assert_true(w->nodes[0].died_us >= start);
    assert_int_equal(w->nodes[0].end, PROCESS_END_CRASH);
    node_until_outcome(&w->nodes[0], PROBE_REFUSED);
    f = job_simple(y, JOB_SEAL, JOB_DONE);
    assert_int_equal(f->io, THREAD_STOPPED);
    assert_int_equal(f->sql, THREAD_RUNNING);
    assert_true(world_position_contains(w, f->received, before));
    f = job_simple(y, JOB_DRAIN, JOB_DONE);
    assert_true(f->drained);
    assert_true(world_contains(w, f->executed, before));
    f = job_simple(y, JOB_SEAL, JOB_DONE); /* idempotent */
    f = job_simple(y, JOB_FORGET, JOB_DONE);
    assert_false(f->channel);
    f = job_simple(y, JOB_FORGET, JOB_DONE);
    f = job_run(y, &open, JOB_DONE);
    assert_false(f->read_only);
    node_rows_until(y, "acked2", "5");
    node_insert(y, "new-epoch");
    job_beat(y, 2000, JOB_DONE);
}

static void former_writer_rejoins(void **state)
{
    struct world *w = *state;
    struct job to_y = job_attach(&w->nodes[1], false);
    const struct server_facts *f;
    int64_t start;
    fixture_server_start(&w->nodes[0].server, NULL);
    start = fixture_now_us();
    node_until_outcome(&w->nodes[0], PROBE_OK);
    (void)fprintf(stderr, "# probe knows the started server after %.1f ms\n",
                  (double)(fixture_now_us() - start) / 1000);
    f = node_facts_now(&w->nodes[0]);
    assert_true(f->read_only);
    assert_false(f->source_side || f->replica_side);
    assert_true(world_contains(w, node_facts_now(&w->nodes[1])->executed, f->executed));
    f = job_run(&w->nodes[0], &to_y, JOB_DONE);
    f = job_run(&w->nodes[2], &to_y, JOB_DONE); /* repoint of a live replica */
    node_rows_until(&w->nodes[0], "new-epoch", "1");
    node_rows_until(&w->nodes[2], "new-epoch", "1");
    node_rows_until(&w->nodes[2], "acked%", "10");
    f = node_facts_now(&w->nodes[0]);
    assert_true(world_contains(w, f->executed, node_facts_now(&w->nodes[1])->executed));
}

/* Restarting the IO thread alone must not throw away what is not applied yet. */
static void replica_side_keeps_the_relay_log(void **state)
{
    struct world *w = *state;
    struct node *x = &w->nodes[0];
    struct fixture_session *s = fixture_session_open(&x->server, "root", "");
    const struct server_facts *f;
    char received[GTID_TEXT_MAX];
    assert_int_equal(fixture_session_sql(s, "FLUSH TABLES app.t WITH READ LOCK", 3000), 0);
    node_insert(&w->nodes[1], "kept");
    node_insert(&w->nodes[1], "kept");
    node_until_received(x, &w->nodes[1]);
    (void)snprintf(received, sizeof received, "%s", x->facts.received);
    assert_false(x->facts.drained);
    f = job_side(x, JOB_REPLICA_SIDE, true, JOB_DONE);
    assert_true(f->replica_side_active);
    assert_true(world_position_contains(w, f->received, received));
    assert_false(f->drained);
    f = job_side(x, JOB_REPLICA_SIDE, false, JOB_DONE);
    assert_false(f->replica_side || f->replica_side_active);
    /* what is in the relay log is applied without the source */
    f = job_simple(x, JOB_SEAL, JOB_DONE);
    assert_false(f->drained);
    fixture_session_close(s);
    f = job_simple(x, JOB_DRAIN, JOB_DONE);
    node_rows_until(x, "kept", "2");
}

static void stopped_threads_with_relay_log_are_not_touched(void **state)
{
    struct world *w = *state;
    struct node *x = &w->nodes[0];
    struct job back = job_attach(&w->nodes[1], false);
    const struct server_facts *f;
    (void)job_run(x, &back, JOB_DONE);
    node_rows_until(x, "kept", "2");
    fixture_sql(&x->server, "STOP REPLICA SQL_THREAD", NULL);
    node_insert(&w->nodes[1], "stopped");
    node_until_received(x, &w->nodes[1]);
    fixture_sql(&x->server, "STOP REPLICA IO_THREAD", NULL);
    (void)node_facts_now(x);
    if (w->flavour == FIXTURE_MARIADB) {
        (void)job_simple(x, JOB_SEAL, JOB_REFUSED);
        (void)job_simple(x, JOB_DRAIN, JOB_FAILED);
        node_rows_until(x, "stopped", "0");
    } else {
        f = job_simple(x, JOB_SEAL, JOB_DONE);
        f = job_simple(x, JOB_DRAIN, JOB_DONE);
        assert_true(f->drained);
    }
    /* to another source: only if that is known to have it */
    back.port = w->nodes[2].server.port;
    if (w->flavour == FIXTURE_MARIADB) {
        (void)job_run(x, &back, JOB_REFUSED);
        (void)snprintf(back.gtid, sizeof back.gtid, "%s", node_facts_now(&w->nodes[2])->executed);
    }
    node_rows_until(&w->nodes[2], "stopped", "1");
    (void)node_facts_now(&w->nodes[2]);
    (void)snprintf(back.gtid, sizeof back.gtid, "%s", w->nodes[2].facts.executed);
    (void)job_run(x, &back, JOB_DONE);
    node_rows_until(x, "stopped", "1");
    back = job_attach(&w->nodes[1], false);
    (void)job_run(x, &back, JOB_DONE);
}

static void detach_keeps_the_channel(void **state)
{
    struct world *w = *state;
    struct job back = job_attach(&w->nodes[1], false);
    const struct server_facts *f = job_simple(&w->nodes[0], JOB_DETACH, JOB_DONE);
    assert_true(f->channel);
    assert_int_equal(f->io, THREAD_STOPPED);
    assert_int_equal(f->sql, THREAD_STOPPED);
    (void)job_simple(&w->nodes[0], JOB_DETACH, JOB_DONE);
    node_insert(&w->nodes[1], "detached");
    (void)job_run(&w->nodes[0], &back, JOB_DONE);
    node_rows_until(&w->nodes[0], "detached", "1");
}

/* What it has received may be gone from its source. */
static void applier_that_gave_up_keeps_its_relay_log(void **state)
{
    struct world *w = *state;
    struct node *x = &w->nodes[0];
    struct job as_it_is = job_attach(&w->nodes[1], false);
    struct fixture_session *s = fixture_session_open(&x->server, "root", "");
    world_give_up_at_locks(w, x, true);
    assert_int_equal(fixture_session_sql(s, "BEGIN", 3000), 0);
    assert_int_equal(fixture_session_sql(s, "SELECT COUNT(*) FROM app.t LOCK IN SHARE MODE", 3000),
                     0);
    node_insert(&w->nodes[1], "locked");
    node_insert(&w->nodes[1], "locked");
    node_until_received(x, &w->nodes[1]);
    world_until(w, node_facts_now(x)->sql == THREAD_STOPPED);
    assert_int_equal(x->facts.sql_errno, 1205);
    fixture_sql(&w->nodes[1].server, "FLUSH BINARY LOGS", NULL);
    node_insert(&w->nodes[1], "after");
    node_until_received(x, &w->nodes[1]);
    node_rows_until(&w->nodes[2], "after", "1");
    fixture_sql(&w->nodes[1].server, "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY", NULL);
    fixture_session_close(s);
    as_it_is.count = 1;
    (void)job_run(x, &as_it_is, JOB_DONE);
    node_rows_until(x, "locked", "2");
    node_rows_until(x, "after", "1");
    world_give_up_at_locks(w, x, false);
}

/* Node 2 has received more than sealed node 0; the source is out of reach. */
static void level_fetches_the_rest(void **state)
{
    struct world *w = *state;
    struct node *y = &w->nodes[0];
    struct job level = {.kind = JOB_LEVEL,
                        .timeout_ms = 6000,
                        .host = "127.0.0.1",
                        .port = w->nodes[2].server.port};
    struct job back = job_attach(&w->nodes[1], false);
    const struct server_facts *f;
    (void)job_simple(y, JOB_SEAL, JOB_DONE);
    node_insert(&w->nodes[1], "ahead");
    node_insert(&w->nodes[1], "ahead");
    node_rows_until(&w->nodes[2], "ahead", "2");
    f = job_simple(&w->nodes[2], JOB_SEAL, JOB_DONE);
    (void)snprintf(level.gtid, sizeof level.gtid, "%s", f->received);
    (void)job_simple(y, JOB_DRAIN, JOB_DONE);
    f = job_run(y, &level, JOB_DONE);
    assert_true(world_contains(w, f->executed, level.gtid));
    assert_true(f->channel);
    assert_false(f->foreign_channels);
    node_rows_until(y, "ahead", "2");
    (void)job_run(y, &level, JOB_DONE); /* idempotent */
    /* a source that is not there: the channel is removed all the same */
    level.port = 1;
    level.timeout_ms = 900;
    (void)snprintf(level.gtid, sizeof level.gtid, "%s",
                   w->flavour == FIXTURE_MYSQL ? "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"
                                               : "0-9-999999");
    job_begin(y, &level);
    job_wait(y);
    (void)fprintf(stderr, "# level from nobody: %.1f ms %s %s\n", (double)y->job_us / 1000,
                  job_outcome_text(y->result.outcome), y->result.detail);
    assert_true(y->result.outcome == JOB_TIMEOUT || y->result.outcome == JOB_FAILED);
    assert_true(y->job_us < 1000000);
    f = node_facts_now(y);
    assert_true(f->channel);
    fixture_sql_until(&y->server,
                      "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE "
                      "'%econnecting after%'",
                      "0");
    (void)job_run(y, &back, JOB_DONE);
    (void)job_run(&w->nodes[2], &back, JOB_DONE);
}

static void evict_ends_the_dump_thread(void **state)
{
    struct world *w = *state;
    struct job job = {.kind = JOB_EVICT, .timeout_ms = 3000, .host = "127.0.0.1"};
    (void)job_run(&w->nodes[1], &job, JOB_DONE);
    assert_int_equal(w->nodes[1].result.count, 2);
    (void)snprintf(job.host, sizeof job.host, "127.0.0.9");
    (void)job_run(&w->nodes[1], &job, JOB_DONE);
    assert_int_equal(w->nodes[1].result.count, 0);
    node_insert(&w->nodes[1], "evicted");
    node_rows_until(&w->nodes[0], "evicted", "1"); /* they come back after a second */
}

static void blocked_status_is_no_hang(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[2];
    struct mysql_config c;
    struct errmsg msg;
    char path[100];
    char stall[100];
    pid_t proxy;
    uint64_t probes;
    char old[GTID_TEXT_MAX];
    FILE *file;
    (void)snprintf(path, sizeof path, "%.80s/proxy", fixture_dir());
    (void)snprintf(stall, sizeof stall, "%.80s/stall", fixture_dir());
    proxy = proxy_start(path, n->server.socket, stall);
    node_stop(n);
    node_adapter_config(n, &c);
    (void)snprintf(c.socket, sizeof c.socket, "%s", path);
    assert_int_equal(mysql_adapter_start(&c, &msg, &n->adapter), 0);
    (void)node_facts_now(n);
    (void)snprintf(old, sizeof old, "%s", n->facts.executed);
    file = fopen(stall, "w");
    (void)fclose(file);
    world_turn_for_ms(w, 2 * PROBE_INTERVAL_MS);
    node_insert(&w->nodes[1], "while-blocked");
    node_rows_until(n, "while-blocked", "1");
    probes = n->probes;
    n->fresh = 0;
    for (int i = 0; i < 30; i++) {
        world_turn_for_ms(w, 40);
        assert_int_equal(n->outcome, PROBE_OK);
    }
    assert_true(n->probes >= probes + 4);
    assert_int_equal(n->fresh, 0);
    assert_true(n->stale);
    (void)unlink(stall);
    (void)node_facts_now(n);
    assert_string_not_equal(n->facts.executed, old);
    n->stopped = false;
    mysql_adapter_stop(n->adapter, node_on_stopped, &n->stopped);
    world_until(w, n->stopped);
    (void)kill(proxy, SIGKILL);
    (void)waitpid(proxy, NULL, 0);
    node_start(n);
    node_until_outcome(n, PROBE_OK);
}

static void hang_is_a_timeout_and_ends(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[2];
    struct job side = {.kind = JOB_REPLICA_SIDE, .timeout_ms = 300};
    int64_t start;
    (void)node_facts_now(n);
    fixture_signal(&n->server, SIGSTOP);
    start = fixture_now_us();
    node_until_outcome(n, PROBE_TIMEOUT);
    assert_in_range(n->outcome_us - start, 0, (PROBE_TIMEOUT_MS + PROBE_INTERVAL_MS + 60) * 1000);
    (void)job_run(n, &side, JOB_TIMEOUT);
    assert_true(n->job_us < 360000);
    node_until_outcome(n, PROBE_TIMEOUT);
    fixture_signal(&n->server, SIGCONT);
    node_until_outcome(n, PROBE_OK);
    (void)node_facts_now(n);
    side.timeout_ms = 3000;
    (void)job_run(n, &side, JOB_DONE);
}

/* S10: what an older life of the agent left behind is gone before the first action. */
static void older_action_session_is_killed(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[1];
    struct fixture_session *lock = fixture_session_open(&n->server, "root", "");
    struct fixture_session *old = NULL;
    struct job close = {.kind = JOB_CLOSE, .timeout_ms = 3000};
    node_stop(n);
    old = fixture_session_open(&n->server, FIXTURE_AGENT, FIXTURE_AGENT_PASSWORD);
    assert_int_equal(fixture_session_sql(old, "SELECT GET_LOCK('tandem_action', 0)", 1000), 0);
    assert_int_equal(fixture_session_sql(old, "SET SESSION lock_wait_timeout=100", 1000), 0);
    assert_int_equal(fixture_session_sql(lock, "LOCK TABLES app.t WRITE", 1000), 0);
    fixture_session_send(old, w->flavour == FIXTURE_MYSQL ? "SET GLOBAL super_read_only=1"
                                                          : "SET GLOBAL read_only=1");
    world_turn_for_ms(w, 100);
    node_start(n);
    job_begin(n, &close);
    world_turn_for_ms(w, 300);
    fixture_session_close(lock);
    job_wait(n);
    assert_int_equal(n->result.outcome, JOB_DONE); /* ours got through, the old one did not */
    assert_int_not_equal(fixture_session_sql(old, "SELECT 1", 1000), 0);
    fixture_session_close(old);
    close.kind = JOB_OPEN;
    (void)job_run(n, &close, JOB_DONE);
}

/* The source's host swallows packets: the IO thread hangs in connect(). */
static void seal_does_not_wait_for_a_vanished_source(void **state)
{
    struct world *w = *state;
    struct node *x = &w->nodes[0];
    struct job back = job_attach(&w->nodes[1], false);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fill[4];
    int64_t limit_us;
    char sql[300];
    assert_int_equal(bind(listener, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &n), 0);
    for (int i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&sa, n);
    }
    (void)snprintf(sql, sizeof sql,
                   w->flavour == FIXTURE_MYSQL
                       ? "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_PORT=%u; START REPLICA"
                       : "STOP SLAVE; CHANGE MASTER TO MASTER_PORT=%u; START SLAVE",
                   ntohs(sa.sin_port));
    fixture_sql(&x->server, sql, NULL);
    world_turn_for_ms(w, 300);
    assert_int_equal(node_facts_now(x)->io, THREAD_CONNECTING);
    (void)job_simple(x, JOB_SEAL, JOB_DONE);
    /* MySQL signals the hanging thread, waits two seconds, and signals again; KILL does not help.
     * In MariaDB 11 no signal helps: slave_net_timeout. */
    limit_us = x->facts.flavour == SERVER_MYSQL ? 2500000 : 1000000;
    assert_true(x->job_us < (x->facts.version >= 110000 ? 4500000 : limit_us));
    assert_int_equal(x->outcome, PROBE_OK);
    for (int i = 0; i < 4; i++)
        (void)close(fill[i]);
    (void)close(listener);
    (void)job_run(x, &back, JOB_DONE);
}

/* A semi-sync replica whose source accepts connections and does not answer. */
static void seal_does_not_wait_for_a_hung_source(void **state)
{
    struct world *w = *state;
    struct node *x = &w->nodes[0];
    struct job member = job_attach(&w->nodes[1], true);
    struct job back = job_attach(&w->nodes[1], false);
    const struct server_facts *f = job_run(x, &member, JOB_DONE);
    assert_true(f->replica_side_active);
    fixture_signal(&w->nodes[1].server, SIGSTOP);
    node_until_outcome(&w->nodes[1], PROBE_TIMEOUT);
    f = job_simple(x, JOB_SEAL, JOB_DONE);
    assert_int_equal(f->io, THREAD_STOPPED);
    assert_int_equal(f->io_errno, 0);
    assert_true(f->replica_side);
    assert_true(x->job_us < (x->facts.version >= 110000 ? 1500000 : 500000));
    fixture_signal(&w->nodes[1].server, SIGCONT);
    node_until_outcome(&w->nodes[1], PROBE_OK);
    (void)job_run(x, &back, JOB_DONE);
}

/* A session of the agent's account that no agent of this process has. */
static void seal_kills_foreign_agent_sessions(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[1];
    struct fixture_session *other =
        fixture_session_open(&n->server, FIXTURE_AGENT, FIXTURE_AGENT_PASSWORD);
    uint64_t probes = n->probes;
    (void)job_simple(n, JOB_SEAL, JOB_DONE);
    assert_int_not_equal(fixture_session_sql(other, "SELECT 1", 1000), 0);
    fixture_session_close(other);
    job_beat(n, 1000, JOB_DONE); /* ours live */
    world_turn_for_ms(w, 3 * PROBE_INTERVAL_MS);
    assert_true(n->probes > probes);
    assert_int_equal(n->outcome, PROBE_OK);
}

static void abort_frees_the_queue(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[1];
    struct fixture_session *lock = fixture_session_open(&n->server, "root", "");
    struct job job = {.kind = JOB_CLOSE, .timeout_ms = 20000};
    assert_int_equal(fixture_session_sql(lock, "LOCK TABLES app.t WRITE", 1000), 0);
    job_begin(n, &job);
    world_turn_for_ms(w, 100);
    mysql_jobs_abort(n->adapter);
    assert_true(n->job_done);
    assert_int_equal(n->result.outcome, JOB_TIMEOUT);
    fixture_session_close(lock);
    job.kind = JOB_OPEN;
    (void)job_run(n, &job, JOB_DONE);
    world_turn_for_ms(w, 200);
    assert_false(node_facts_now(n)->read_only);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_of_a_closed_server),
        cmocka_unit_test(changed_settings_are_seen),
        cmocka_unit_test(beat_of_a_closed_server_is_refused),
        cmocka_unit_test(open_makes_writable),
        cmocka_unit_test(attach_follows),
        cmocka_unit_test(semi_sync_sides),
        cmocka_unit_test(semi_sync_off_does_not_wait),
        cmocka_unit_test(stalled_commit_is_visible_and_released),
        cmocka_unit_test(close_is_bounded_and_leaves_nothing),
        cmocka_unit_test(close_and_clients),
        cmocka_unit_test(client_that_waits_is_not_ended),
        cmocka_unit_test(takeover_loses_nothing),
        cmocka_unit_test(former_writer_rejoins),
        cmocka_unit_test(replica_side_keeps_the_relay_log),
        cmocka_unit_test(stopped_threads_with_relay_log_are_not_touched),
        cmocka_unit_test(detach_keeps_the_channel),
        cmocka_unit_test(applier_that_gave_up_keeps_its_relay_log),
        cmocka_unit_test(level_fetches_the_rest),
        cmocka_unit_test(evict_ends_the_dump_thread),
        cmocka_unit_test(blocked_status_is_no_hang),
        cmocka_unit_test(hang_is_a_timeout_and_ends),
        cmocka_unit_test(older_action_session_is_killed),
        cmocka_unit_test(seal_does_not_wait_for_a_vanished_source),
        cmocka_unit_test(seal_does_not_wait_for_a_hung_source),
        cmocka_unit_test(seal_kills_foreign_agent_sessions),
        cmocka_unit_test(abort_frees_the_queue),
    };
    return world_run(tests, sizeof tests / sizeof tests[0], /* mysql= */ true);
}
