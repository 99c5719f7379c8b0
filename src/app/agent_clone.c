/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs on copies: orders to the copying process, its lines back into reports. */
#include <stdio.h>
#include <string.h>

#include "app/agent.h"
#include "app/copy_child.h"
#include "io/clone/clone_dir.h"
#include "io/clone/clone_job.h"
#include "io/config/secret.h"

#define RATE_WINDOW_US 3000000

struct agent_clone {
    struct clone_job *job;
    struct clone_report report;
    int kind; /* of the running process; enum copy_kind */
    uint64_t
        waiting; /* the core's job that ends with it (GIVE: when somebody may come); 0 = none */
    uint64_t adopting;       /* the running ADOPT on the server */
    struct copy_order *next; /* to be begun when the present process has ended */
    uint64_t next_id;
    int64_t window_us;
    uint64_t window_bytes;
};

static void agent_clone_tell(struct agent *a)
{
    struct agent_event *e = agent_event(a, EVENT_CLONE);
    e->event.u.clone = a->clone->report;
    agent_post(a, e);
}

static void agent_clone_done(struct agent *a, int outcome, uint32_t count, const char *detail)
{
    struct job_result r;
    uint64_t id = a->clone->waiting;
    if (id == 0)
        return;
    a->clone->waiting = 0;
    memset(&r, 0, sizeof r);
    r.outcome = outcome;
    r.count = count;
    (void)snprintf(r.detail, sizeof r.detail, "%s", detail);
    agent_job_done(a, id, &r);
}

static void agent_clone_rate(struct agent_clone *c)
{
    int64_t now_us = agent_now_us();
    int64_t passed_us = now_us - c->window_us;
    if (c->window_us != 0 && passed_us < RATE_WINDOW_US && c->report.rate_kib != 0)
        return;
    if (c->window_us != 0 && passed_us > 0 && c->report.bytes >= c->window_bytes)
        c->report.rate_kib =
            (uint32_t)((c->report.bytes - c->window_bytes) * 1000000 / 1024 / (uint64_t)passed_us);
    c->window_us = now_us;
    c->window_bytes = c->report.bytes;
}

static void agent_clone_on_line(void *data, const char *line)
{
    struct agent *a = data;
    struct agent_clone *c = a->clone;
    struct clone_report before = c->report;
    if (!clone_line(&c->report, line)) {
        LOG(&a->log, WARNING, "copy-line", "the copying process says what nobody knows line='%s'",
            line);
        return;
    }
    if (c->report.state == CLONE_FAILED) {
        LOG(&a->log, ERROR, "copy-failed", "the copying process failed error='%s'",
            c->report.error);
        /* Of the data here it says something only if a copy was being made. */
        if (c->kind != COPY_TAKE && c->kind != COPY_TAKE_SERVER) {
            agent_clone_done(a, JOB_FAILED, 0, c->report.error);
            c->report = before;
            if (c->kind == COPY_GIVE)
                clone_report_init(&c->report);
        }
    }
    if (c->kind == COPY_GIVE && c->report.state == CLONE_GIVING)
        agent_clone_done(a, JOB_DONE, (uint32_t)(c->report.bytes_total >> 20), "");
    agent_clone_rate(c);
    agent_clone_tell(a);
}

static void agent_clone_begin(struct agent *a, const struct copy_order *o, uint64_t id);

/* It holds passwords. */
static void agent_clone_drop(struct copy_order *o)
{
    if (o != NULL)
        explicit_bzero(o, sizeof *o);
    free(o);
}

static void agent_clone_on_end(void *data, int status)
{
    struct agent *a = data;
    struct agent_clone *c = a->clone;
    char why[DETAIL_TEXT_MAX];
    int state = c->report.state;
    (void)snprintf(why, sizeof why, "the copying process ended with status %d", status);
    agent_clone_done(a, status == 0 ? JOB_DONE : JOB_FAILED, 0, status == 0 ? "" : why);
    if (state == CLONE_RECEIVING || state == CLONE_PREPARING) {
        c->report.state = CLONE_FAILED;
        (void)snprintf(c->report.error, sizeof c->report.error, "%s", why);
    } else if (state == CLONE_GIVING) {
        clone_report_init(&c->report);
    }
    agent_clone_tell(a);
    if (c->next != NULL) {
        struct copy_order *o = c->next;
        c->next = NULL;
        agent_clone_begin(a, o, c->next_id);
        agent_clone_drop(o);
    }
}

/* ---- orders ---- */

static void agent_clone_text(char *ret_text, size_t size, const char *text)
{
    (void)snprintf(ret_text, size, "%s", text);
}

static int agent_clone_fill(struct agent *a, struct copy_order *o, int kind, struct errmsg *m)
{
    const struct config_mysql *my = &a->node->mysql;
    int err;
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->kind = kind;
    o->tls = a->node->tls;
    agent_clone_text(o->cluster, sizeof o->cluster, a->cfg->cluster);
    agent_clone_text(o->self, sizeof o->self, a->node->name);
    agent_clone_text(o->data_dir, sizeof o->data_dir, my->data_dir);
    agent_clone_text(o->log_bin, sizeof o->log_bin, my->log_bin);
    agent_clone_text(o->error_log, sizeof o->error_log, my->error_log);
    agent_clone_text(o->work_dir, sizeof o->work_dir, a->node->state_dir);
    agent_clone_text(o->socket, sizeof o->socket, my->socket);
    agent_clone_text(o->copy_command, sizeof o->copy_command, my->copy_command);
    agent_clone_text(o->user, sizeof o->user, my->agent_user);
    agent_clone_text(o->replication_user, sizeof o->replication_user, my->replication_user);
    o->rate_mb = a->cfg->policy.reclone_rate_mb;
    o->free_min_mb = a->cfg->policy.disk_free_min_mb;
    o->timeout_ms = a->cfg->policy.reclone_timeout_ms;
    err = secret_read(my->agent_password_file, o->password, sizeof o->password, m);
    if (err == 0)
        err = secret_read(my->replication_password_file, o->replication_password,
                          sizeof o->replication_password, m);
    return err;
}

static void agent_clone_begin(struct agent *a, const struct copy_order *o, uint64_t id)
{
    struct agent_clone *c = a->clone;
    struct errmsg m = ERRMSG_INIT;
    if (clone_job_start(c->job, COPY_CHILD_WORD, o, sizeof *o, &m) != 0) {
        agent_job_failed(a, id, m.text);
        return;
    }
    c->kind = o->kind;
    c->waiting = id;
    c->window_us = 0;
    if (o->kind != COPY_TAKE && o->kind != COPY_TAKE_SERVER)
        return;
    /* That it has begun is all that is waited for; the rest is in the reports. */
    clone_report_init(&c->report);
    c->report.state = CLONE_RECEIVING;
    c->report.bytes_total = o->expected;
    c->report.peer = (uint8_t)config_node_find(a->cfg, o->other);
    agent_clone_done(a, JOB_DONE, 0, "");
    agent_clone_tell(a);
}

/* CLEAR ends what is under way, and begins when that has ended. */
static void agent_clone_after(struct agent *a, const struct copy_order *o, uint64_t id)
{
    struct agent_clone *c = a->clone;
    if (c->next != NULL) {
        agent_job_failed(a, id, "the copying process is being ended");
        return;
    }
    c->next = malloc(sizeof *c->next);
    if (c->next == NULL) {
        agent_job_failed(a, id, "out of memory");
        return;
    }
    *c->next = *o;
    c->next_id = id;
    clone_job_kill(c->job);
}

static void agent_clone_peer(struct agent *a, struct copy_order *o, const struct job *job)
{
    if (job->kind != JOB_DONATE && job->kind != JOB_FETCH)
        return;
    agent_clone_text(o->other, sizeof o->other,
                     job->count < a->cfg->n_nodes ? a->cfg->nodes[job->count].name : "");
    agent_clone_text(o->address, sizeof o->address,
                     job->kind == JOB_DONATE ? a->node->address : job->host);
    o->port = job->kind == JOB_DONATE ? a->node->copy_port : job->port;
    o->expected = job->epoch;
}

void agent_clone_job(struct agent *a, uint64_t id, const struct job *job)
{
    struct copy_order *o = calloc(1, sizeof *o);
    struct errmsg m = ERRMSG_INIT;
    int kind = job->kind == JOB_DONATE  ? COPY_GIVE
               : job->kind == JOB_FETCH ? (job->flag ? COPY_TAKE_SERVER : COPY_TAKE)
               : job->kind == JOB_PLACE ? COPY_PLACE
                                        : COPY_CLEAR;
    if (o == NULL) {
        agent_job_failed(a, id, "out of memory");
        return;
    }
    if (agent_clone_fill(a, o, kind, &m) != 0) {
        agent_job_failed(a, id, m.text);
    } else {
        agent_clone_peer(a, o, job);
        o->old = !job->flag        ? CLONE_OLD_REMOVED
                 : job->count == 0 ? CLONE_OLD_STAYS
                                   : CLONE_OLD_KEPT;
        if (kind == COPY_CLEAR && clone_job_is_busy(a->clone->job))
            agent_clone_after(a, o, id);
        else
            agent_clone_begin(a, o, id);
    }
    agent_clone_drop(o);
}

/* ---- the server's part ---- */

void agent_clone_adopts(struct agent *a, uint64_t id)
{
    a->clone->adopting = id;
}

/* Noted on disk as well: after a restart of the agent it is not done once more. */
void agent_clone_on_sql_job(struct agent *a, uint64_t id, const struct job_result *result)
{
    struct agent_clone *c = a->clone;
    struct copy_order *o;
    struct errmsg m = ERRMSG_INIT;
    if (c->adopting == 0 || c->adopting != id)
        return;
    c->adopting = 0;
    if (result->outcome != JOB_DONE)
        return;
    c->report.state = CLONE_ADOPTED;
    agent_clone_tell(a);
    o = calloc(1, sizeof *o);
    if (o == NULL || clone_job_is_busy(c->job) || agent_clone_fill(a, o, COPY_ADOPTED, &m) != 0)
        LOG(&a->log, WARNING, "copy-not-noted",
            "that the copy's position was adopted is not noted on disk");
    else
        agent_clone_begin(a, o, 0);
    agent_clone_drop(o);
}

/* ---- life ---- */

int agent_clone_open(struct agent *a, struct errmsg *m)
{
    const struct clone_job_callbacks callbacks = {a, agent_clone_on_line, agent_clone_on_end};
    struct clone_dir d;
    struct errmsg ignored = ERRMSG_INIT;
    a->clone = calloc(1, sizeof *a->clone);
    if (a->clone == NULL || clone_job_open(&a->loop, &callbacks, &a->clone->job) != 0)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    clone_report_init(&a->clone->report);
    /* Without a data directory there is nothing beside it. */
    if (clone_dir_find(a->node->mysql.data_dir, &d, &ignored) == 0)
        clone_dir_look(&d, &a->clone->report);
    agent_clone_tell(a);
    return 0;
}

void agent_clone_close(struct agent *a, void (*done)(void *data))
{
    clone_job_close(a->clone->job, done, a);
    a->clone->job = NULL;
}

void agent_clone_free(struct agent *a)
{
    if (a->clone != NULL)
        agent_clone_drop(a->clone->next);
    free(a->clone);
    a->clone = NULL;
}
