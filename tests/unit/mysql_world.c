/* SPDX-License-Identifier: Apache-2.0 */
#include "mysql_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/gtid.h"

static void print_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void print_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
{
    struct node *n = data;
    va_list ap;
    (void)level;
    (void)fprintf(stderr, "# node %u %s: ", n->server.id, id);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fputc('\n', stderr);
}

static void on_probe(void *data, const struct mysql_probe *probe)
{
    struct node *n = data;
    n->probes++;
    n->outcome = probe->outcome;
    n->stale = probe->stale;
    n->outcome_us = fixture_now_us();
    if (probe->outcome == PROBE_OK && !probe->stale) {
        n->facts = *probe->facts;
        n->fresh++;
    }
}

static void on_job(void *data, uint64_t id, const struct job_result *result,
                   const struct server_facts *facts)
{
    struct node *n = data;
    assert_int_equal(id, n->job_id);
    assert_false(n->job_done);
    n->job_done = true;
    uv_stop(&n->world->loop);
    n->result = *result;
    n->job_facts = *facts;
}

static void on_started(void *data, const struct incarnation *incarnation)
{
    struct node *n = data;
    assert_int_equal(incarnation->pid, n->server.pid);
    mysql_server_started(n->adapter);
}

static void on_died(void *data, const struct incarnation *incarnation, enum process_end end)
{
    struct node *n = data;
    (void)incarnation;
    n->died_us = fixture_now_us();
    n->end = end;
    mysql_server_died(n->adapter);
}

static void on_process_job(void *data, uint64_t id, const struct job_result *result,
                           const struct incarnation *incarnation)
{
    (void)data;
    (void)id;
    (void)result;
    (void)incarnation;
}

void node_on_stopped(void *data)
{
    *(bool *)data = true;
}

void node_adapter_config(struct node *n, struct mysql_config *c)
{
    memset(c, 0, sizeof *c);
    c->loop = &n->world->loop;
    c->log = (struct log){print_log, n};
    (void)snprintf(c->socket, sizeof c->socket, "%.250s", n->server.socket);
    (void)snprintf(c->report_name, sizeof c->report_name, "m%u", n->server.id);
    (void)snprintf(c->agent_user, sizeof c->agent_user, "%s", FIXTURE_AGENT);
    (void)snprintf(c->agent_password, sizeof c->agent_password, "%s", FIXTURE_AGENT_PASSWORD);
    (void)snprintf(c->replication_user, sizeof c->replication_user, "%s", FIXTURE_REPLICATION);
    (void)snprintf(c->replication_password, sizeof c->replication_password, "%s",
                   FIXTURE_REPLICATION_PASSWORD);
    c->probe_interval_ms = PROBE_INTERVAL_MS;
    c->probe_timeout_ms = PROBE_TIMEOUT_MS;
    c->callbacks = (struct mysql_callbacks){n, on_probe, on_job};
}

void node_start(struct node *n)
{
    struct mysql_config c;
    struct process_config p = {.loop = &n->world->loop,
                               .log = {print_log, n},
                               .callbacks = {n, on_started, on_died, NULL, on_process_job}};
    struct errmsg msg;
    node_adapter_config(n, &c);
    assert_int_equal(mysql_adapter_start(&c, &msg, &n->adapter), 0);
    (void)snprintf(p.pid_file, sizeof p.pid_file, "%.250s", n->server.pid_file);
    (void)snprintf(p.data_dir, sizeof p.data_dir, "%.250s", n->server.data_dir);
    (void)snprintf(p.error_log, sizeof p.error_log, "%.250s", n->server.error_log);
    assert_int_equal(process_open(&p, &msg, &n->process), 0);
    n->stopped = false;
    n->process_stopped = false;
}

void node_stop(struct node *n)
{
    mysql_adapter_stop(n->adapter, node_on_stopped, &n->stopped);
    process_close(n->process, node_on_stopped, &n->process_stopped);
    while (!n->stopped || !n->process_stopped)
        (void)uv_run(&n->world->loop, UV_RUN_ONCE);
}

void world_turn_for_ms(struct world *w, unsigned ms)
{
    int64_t until = fixture_now_us() + (int64_t)ms * 1000;
    while (fixture_now_us() < until)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
}

/* Until a probe that began after this call brought fresh facts. */
const struct server_facts *node_facts_now(struct node *n)
{
    uint64_t from = n->fresh;
    int64_t until = fixture_now_us() + 10000000;
    while (n->fresh < from + 2) {
        assert_true(fixture_now_us() < until);
        (void)uv_run(&n->world->loop, UV_RUN_ONCE);
    }
    return &n->facts;
}

void node_until_outcome(struct node *n, enum probe_outcome outcome)
{
    int64_t until = fixture_now_us() + 15000000;
    n->probes = 0;
    while (n->probes == 0 || n->outcome != outcome) {
        assert_true(fixture_now_us() < until);
        (void)uv_run(&n->world->loop, UV_RUN_ONCE);
    }
}

void job_begin(struct node *n, const struct job *job)
{
    n->job_done = false;
    n->job_id++;
    n->job_us = fixture_now_us();
    assert_int_equal(mysql_job_start(n->adapter, n->job_id, job), 0);
    assert_false(n->job_done);
}

void job_wait(struct node *n)
{
    while (!n->job_done)
        (void)uv_run(&n->world->loop, UV_RUN_ONCE);
    n->job_us = fixture_now_us() - n->job_us;
}

/* Runs a job; the facts after it. */
const struct server_facts *job_run(struct node *n, const struct job *job, int outcome)
{
    job_begin(n, job);
    job_wait(n);
    (void)fprintf(stderr, "# node %u %s: %s %.1f ms %u %s\n", n->server.id,
                  job_kind_text(job->kind), job_outcome_text(n->result.outcome),
                  (double)n->job_us / 1000, n->result.sql_errno, n->result.detail);
    assert_int_equal(n->result.outcome, outcome);
    return &n->job_facts;
}

const struct server_facts *job_simple(struct node *n, int kind, int outcome)
{
    struct job job = {.kind = kind, .timeout_ms = 5000};
    return job_run(n, &job, outcome);
}

struct job job_attach(const struct node *source, bool flag)
{
    struct job job = {.kind = JOB_ATTACH,
                      .timeout_ms = 8000,
                      .host = "127.0.0.1",
                      .port = source->server.port,
                      .flag = flag};
    return job;
}

const struct server_facts *job_side(struct node *n, int kind, bool flag, int outcome)
{
    struct job job = {.kind = kind, .timeout_ms = 5000, .flag = flag, .count = flag ? 1 : 0};
    return job_run(n, &job, outcome);
}

void job_beat(struct node *n, uint32_t timeout_ms, int outcome)
{
    struct job job = {.kind = JOB_HEARTBEAT, .timeout_ms = timeout_ms, .epoch = 3};
    (void)job_run(n, &job, outcome);
}

void node_insert(struct node *n, const char *value)
{
    char sql[100];
    (void)snprintf(sql, sizeof sql, "INSERT INTO app.t (v) VALUES ('%s')", value);
    fixture_sql(&n->server, sql, NULL);
}

void node_rows_until(struct node *n, const char *value, const char *want)
{
    char sql[100];
    (void)snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM app.t WHERE v LIKE '%s'", value);
    fixture_sql_until(&n->server, sql, want);
}

/* whole (executed of a server) contains part, whatever text of a server that is. */
bool world_contains(struct world *w, const char *whole, const char *part)
{
    enum gtid_flavour f = w->flavour == FIXTURE_MYSQL ? GTID_MYSQL : GTID_MARIADB_STATE;
    struct gtid_set a;
    struct gtid_set b;
    assert_int_equal(gtid_parse(whole, f, &a), 0);
    assert_int_equal(gtid_parse(part, f, &b), 0);
    return gtid_contains(&a, &b);
}

/* The same for a position (MariaDB received): per domain, whoever wrote it. */
bool world_position_contains(struct world *w, const char *whole, const char *part)
{
    bool mysql = w->flavour == FIXTURE_MYSQL;
    struct gtid_set a;
    struct gtid_set b;
    assert_int_equal(gtid_parse(whole, mysql ? GTID_MYSQL : GTID_MARIADB, &a), 0);
    assert_int_equal(gtid_parse(part, mysql ? GTID_MYSQL : GTID_MARIADB_STATE, &b), 0);
    return gtid_contains(&a, &b);
}

/* Until `replica` has received what `source` had at the call. */
void node_until_received(struct node *replica, struct node *source)
{
    char want[GTID_TEXT_MAX];
    int64_t until = fixture_now_us() + 10000000;
    (void)snprintf(want, sizeof want, "%s", node_facts_now(source)->executed);
    while (!world_position_contains(replica->world, node_facts_now(replica)->received, want))
        assert_true(fixture_now_us() < until);
}

/* ---- the proxy ---- */

static void proxy_copy(int client, const char *socket_path, const char *stall)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    char buf[65536];
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%.100s", socket_path);
    if (connect(server, (struct sockaddr *)&sa, sizeof sa) != 0)
        _exit(1);
    for (;;) {
        struct pollfd fds[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
        int from;
        ssize_t n;
        (void)poll(fds, 2, -1);
        from = fds[0].revents != 0 ? client : server;
        n = read(from, buf, sizeof buf - 1);
        if (n <= 0)
            _exit(0);
        buf[n] = '\0';
        if (from == client && n > 5 &&
            (strstr(buf + 5, "SHOW ALL SLAVES") != NULL ||
             strstr(buf + 5, "SHOW REPLICA") != NULL)) {
            /* For as long as the test lets the file be; it ends with the test's process. */
            while (access(stall, F_OK) == 0)
                (void)usleep(5000);
        }
        if (write(from == client ? server : client, buf, (size_t)n) != n)
            _exit(0);
    }
}

pid_t proxy_start(const char *path, const char *socket_path, const char *stall)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    pid_t pid;
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 20), 0);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int client = accept(fd, NULL, NULL);
            if (client >= 0 && fork() == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                proxy_copy(client, socket_path, stall);
            }
            (void)close(client);
        }
    }
    (void)close(fd);
    return pid;
}

/* ---- groups ---- */

static int world_setup(void **state, enum fixture_flavour flavour)
{
    struct world *w = calloc(1, sizeof *w);
    w->flavour = flavour;
    fixture_init(flavour);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    for (unsigned i = 0; i < NODES; i++) {
        w->nodes[i].world = w;
        fixture_server_make(&w->nodes[i].server, i + 1, NULL);
        node_start(&w->nodes[i]);
    }
    *state = w;
    return 0;
}

static int world_teardown(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < NODES; i++)
        node_stop(&w->nodes[i]);
    while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
        ;
    assert_int_equal(uv_loop_close(&w->loop), 0);
    fixture_end();
    free(w);
    return 0;
}

void world_give_up_at_locks(const struct world *w, struct node *n, bool soon)
{
    char sql[160];
    (void)snprintf(sql, sizeof sql,
                   "SET GLOBAL innodb_lock_wait_timeout=%u; SET GLOBAL %s_transaction_retries=%u",
                   soon ? 1u : 50u, w->flavour == FIXTURE_MYSQL ? "replica" : "slave",
                   soon ? 0u : 10u);
    fixture_sql(&n->server, sql, NULL);
    fixture_sql(&n->server, "STOP REPLICA SQL_THREAD; START REPLICA SQL_THREAD", NULL);
}

static int mariadb_setup(void **state)
{
    return world_setup(state, FIXTURE_MARIADB);
}

static int mysql_setup(void **state)
{
    return world_setup(state, FIXTURE_MYSQL);
}

int world_run(const struct CMUnitTest *tests, size_t n, bool mysql)
{
    int failed;
    (void)signal(SIGPIPE, SIG_IGN);
    failed = _cmocka_run_group_tests("mariadb", tests, n, mariadb_setup, world_teardown);
    if (mysql && failed == 0 && getenv("TANDEM_MYSQL97") != NULL)
        failed = _cmocka_run_group_tests("mysql", tests, n, mysql_setup, world_teardown);
    return failed;
}
