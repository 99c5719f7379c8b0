/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the MySQL adapter's probe and the watch over the process tell of a real server that lets
 * nobody in, or not the agent, or ends: MariaDB's and, if TANDEM_MYSQL97 names one, that MySQL's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <unistd.h>

#include "mysql_world.h"

static void full_server_is_alive(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[2];
    struct fixture_session *s[40];
    unsigned count = 0;
    unsigned refused = 0;
    node_stop(n);
    /* Until no session that is still ending can free a slot; the last one is for accounts that may
     * administrate, as root may. */
    while (refused < 10) {
        assert_true(count < 40);
        s[count] = fixture_session_try(&n->server, "root", "", 1000);
        if (s[count] == NULL) {
            refused++;
            (void)usleep(20000); /* between two tries; whether it is full is waited for below */
        } else {
            refused = 0;
            count++;
        }
    }
    node_start(n);
    node_until_outcome(n, PROBE_FULL);
    for (unsigned i = 0; i < count; i++)
        fixture_session_close(s[i]);
    node_until_outcome(n, PROBE_OK);
}

static void denied_account_is_told_apart(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[2];
    struct mysql_config c;
    struct errmsg msg;
    node_stop(n);
    node_adapter_config(n, &c);
    (void)snprintf(c.agent_password, sizeof c.agent_password, "wrong");
    assert_int_equal(mysql_adapter_start(&c, &msg, &n->adapter), 0);
    node_until_outcome(n, PROBE_DENIED);
    n->stopped = false;
    mysql_adapter_stop(n->adapter, node_on_stopped, &n->stopped);
    world_until(w, n->stopped);
    node_start(n);
    node_until_outcome(n, PROBE_OK);
}

static void shutdown_by_hand_is_told_from_a_crash(void **state)
{
    struct world *w = *state;
    struct node *n = &w->nodes[2];
    n->died_us = 0;
    fixture_signal(&n->server, SIGTERM);
    world_until(w, n->died_us != 0);
    assert_int_equal(n->end, PROCESS_END_SHUTDOWN);
    fixture_server_kill(&n->server);
    fixture_server_start(&n->server, NULL);
    node_until_outcome(n, PROBE_OK);
    world_until(w, process_incarnation(n->process).pid == (uint32_t)n->server.pid);
    n->died_us = 0;
    fixture_server_kill(&n->server);
    world_until(w, n->died_us != 0);
    assert_int_equal(n->end, PROCESS_END_CRASH);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_server_is_alive),
        cmocka_unit_test(denied_account_is_told_apart),
        cmocka_unit_test(shutdown_by_hand_is_told_from_a_crash),
    };
    return world_run(tests, sizeof tests / sizeof tests[0], /* mysql= */ true);
}
