/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three servers with an adapter and a process watcher each, on one loop: the vocabulary of
 * test_mysql_adapter.c. Whatever does not come in time fails the running test.
 */
#ifndef TANDEM_TESTS_UNIT_MYSQL_WORLD_H
#define TANDEM_TESTS_UNIT_MYSQL_WORLD_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/mysql/mysql.h"
#include "io/sys/process.h"
#include "mysql_fixture.h"

struct CMUnitTest; /* cmocka.h */

#define NODES 3
#define PROBE_INTERVAL_MS 25
#define PROBE_TIMEOUT_MS 400

struct node {
    struct world *world;
    struct fixture_server server;
    struct mysql_adapter *adapter;
    struct process *process;
    bool stopped;
    bool process_stopped;
    struct server_facts facts; /* of the last fresh probe */
    uint64_t probes;
    uint64_t fresh;
    enum probe_outcome outcome;
    int64_t outcome_us;
    bool stale;
    int64_t died_us;
    enum process_end end;
    uint64_t job_id;
    bool job_done;
    struct job_result result;
    struct server_facts job_facts;
    int64_t job_us;
};

struct world {
    uv_loop_t loop;
    enum fixture_flavour flavour;
    struct node nodes[NODES];
};

/* Of a program: the tests run in order with a world of MariaDB, which is their state; if that was
 * well, mysql is set and TANDEM_MYSQL97 names one, again with one of MySQL. What the program
 * returns. */
int world_run(const struct CMUnitTest *tests, size_t n, bool mysql);
/* Lets the loop turn until it holds, and fails after a minute. */
#define world_until(w, condition)                             \
    do {                                                      \
        int64_t world_until_us = fixture_now_us() + 60000000; \
        while (!(condition)) {                                \
            assert_true(fixture_now_us() < world_until_us);   \
            (void)uv_run(&(w)->loop, UV_RUN_NOWAIT);          \
            (void)poll(NULL, 0, 1); /* between two looks */   \
        }                                                     \
    } while (0)
void world_turn_for_ms(struct world *w, unsigned ms);
/* whole (executed of a server) contains part, whatever text of a server that is. */
bool world_contains(struct world *w, const char *whole, const char *part);
/* The same for a position (MariaDB received): per domain, whoever wrote it. */
bool world_position_contains(struct world *w, const char *whole, const char *part);

void node_adapter_config(struct node *n, struct mysql_config *c);
void node_on_stopped(void *data);
void node_start(struct node *n);
void node_stop(struct node *n);
/* Until a probe that began after this call brought fresh facts. */
const struct server_facts *node_facts_now(struct node *n);
void node_until_outcome(struct node *n, enum probe_outcome outcome);
/* Until `replica` has received what `source` had at the call. */
void node_until_received(struct node *replica, struct node *source);
void node_insert(struct node *n, const char *value);
void node_rows_until(struct node *n, const char *value, const char *want);

void job_begin(struct node *n, const struct job *job);
void job_wait(struct node *n);
/* Runs a job that must end with `outcome`; the facts after it. */
const struct server_facts *job_run(struct node *n, const struct job *job, int outcome);
const struct server_facts *job_simple(struct node *n, int kind, int outcome);
const struct server_facts *job_side(struct node *n, int kind, bool flag, int outcome);
/* Its applier: after a second and without another try, or as a server does by itself. */
void world_give_up_at_locks(const struct world *w, struct node *n, bool soon);
struct job job_attach(const struct node *source, bool flag);
void job_beat(struct node *n, uint32_t timeout_ms, int outcome);

/* A process that passes everything on between sockets, but holds back SHOW ... STATUS of the
 * channel while the file `stall` exists. */
pid_t proxy_start(const char *path, const char *socket_path, const char *stall);

#endif
