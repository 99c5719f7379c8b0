/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "io/mysql/mysql_internal.h"

#define PROBE_MS_MIN 10

static bool is_numeric_address(const char *host)
{
    unsigned char buf[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, buf) == 1 || inet_pton(AF_INET6, host, buf) == 1;
}

static int adapter_check(const struct mysql_config *c, struct errmsg *m)
{
    /* sun_path of a unix socket's address */
    if (strlen(c->socket) >= 108)
        return errmsg_set(m, ERR_INVAL, "socket path '%s' is longer than 107 bytes", c->socket);
    if (c->socket[0] == '\0' && (!is_numeric_address(c->host) || c->port == 0))
        return errmsg_set(m, ERR_INVAL,
                          "without a socket host '%s' must be a numeric address and "
                          "port must be given",
                          c->host);
    if (c->agent_user[0] == '\0')
        return errmsg_set(m, ERR_INVAL, "agent user is empty");
    if (c->probe_interval_ms < PROBE_MS_MIN || c->probe_timeout_ms < PROBE_MS_MIN)
        return errmsg_set(m, ERR_INVAL, "probe interval and timeout must be at least %d ms",
                          PROBE_MS_MIN);
    return 0;
}

int mysql_adapter_start(const struct mysql_config *config, struct errmsg *ret_errmsg,
                        struct mysql_adapter **ret_adapter)
{
    struct mysql_adapter *a;
    int rc = adapter_check(config, ret_errmsg);
    if (rc != 0)
        return rc;
    a = calloc(1, sizeof *a);
    if (a == NULL)
        return errmsg_set(ret_errmsg, ERR_NOMEM, "MySQL adapter");
    a->config = *config;
    a->login = (struct mysql_login){a->config.socket, a->config.host, a->config.port,
                                    a->config.agent_user, a->config.agent_password};
    a->xa_due = true;
    mysql_actor_init(&a->actor, a);
    mysql_beat_init(&a->beat, a);
    mysql_prober_init(&a->prober, a);
    *ret_adapter = a;
    return 0;
}

void mysql_adapter_handle_closed(void *data)
{
    struct mysql_adapter *a = data;
    void (*stopped)(void *) = a->stopped;
    void *stopped_data = a->stopped_data;
    assert(a->closing > 0);
    if (--a->closing > 0)
        return;
    explicit_bzero(&a->config, sizeof a->config);
    free(a);
    stopped(stopped_data);
}

void mysql_adapter_stop(struct mysql_adapter *a, void (*done)(void *data), void *data)
{
    assert(a->closing == 0);
    a->stopped = done;
    a->stopped_data = data;
    a->closing = MYSQL_PROBER_HANDLES + MYSQL_ACTOR_HANDLES + MYSQL_BEAT_HANDLES;
    mysql_prober_stop(&a->prober, mysql_adapter_handle_closed, a);
    mysql_actor_stop(&a->actor, mysql_adapter_handle_closed, a);
    mysql_beat_stop(&a->beat, mysql_adapter_handle_closed, a);
}

void mysql_adapter_complete(struct mysql_adapter *a, uint64_t id, const struct job_result *result)
{
    a->config.callbacks.on_job(a->config.callbacks.data, id, result, &a->facts);
}

void mysql_adapter_alive(struct mysql_adapter *a)
{
    mysql_actor_warm(&a->actor);
}

void mysql_probe_now(struct mysql_adapter *a)
{
    mysql_prober_now(&a->prober);
}

const struct server_facts *mysql_adapter_facts(const struct mysql_adapter *a)
{
    return a->have_facts ? &a->facts : NULL;
}

int mysql_job_start(struct mysql_adapter *a, uint64_t id, const struct job *job)
{
    bool address = job->kind == JOB_ATTACH || job->kind == JOB_LEVEL || job->kind == JOB_EVICT;
    if (job->kind <= JOB_NONE || job->kind >= JOB_COUNT || job->timeout_ms == 0)
        return ERR_INVAL;
    if (address && !is_numeric_address(job->host))
        return ERR_INVAL;
    if (job_executor(job->kind) == JOB_EXECUTOR_BEAT)
        return mysql_beat_start(&a->beat, id, job);
    if (job_executor(job->kind) != JOB_EXECUTOR_SQL)
        return ERR_INVAL;
    return mysql_actor_start(&a->actor, id, job);
}

int mysql_undo_start(struct mysql_adapter *a, uint64_t id, const struct job *job,
                     const struct undo_script *script)
{
    if (job->kind != JOB_UNDO || job->timeout_ms == 0)
        return ERR_INVAL;
    a->actor.script = script;
    return mysql_actor_start(&a->actor, id, job);
}

void mysql_jobs_abort(struct mysql_adapter *a)
{
    mysql_actor_abort(&a->actor, JOB_TIMEOUT, "aborted");
}

/* Nothing that was known of one run of a server holds for the next. */
static void adapter_forget(struct mysql_adapter *a)
{
    memset(&a->server, 0, sizeof a->server);
    memset(&a->facts, 0, sizeof a->facts);
    a->have_facts = false;
    a->settings_us = 0;
    a->events_us = 0;
    a->xa_due = true;
    a->change_seq++;
}

void mysql_server_started(struct mysql_adapter *a)
{
    /* While a probe of the new server is already under way, what it has read is right. */
    if (!a->have_facts)
        adapter_forget(a);
    mysql_prober_server_started(&a->prober);
}

void mysql_server_died(struct mysql_adapter *a)
{
    adapter_forget(a);
    mysql_actor_abort(&a->actor, JOB_FAILED, "server process died");
    mysql_beat_abort(&a->beat, JOB_FAILED, "server process died");
    mysql_prober_server_died(&a->prober);
}
