/* SPDX-License-Identifier: Apache-2.0 */
#include "app/shadow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "app/shadow_world.h"
#include "io/config/secret.h"
#include "io/mysql/mysql.h"
#include "io/sys/log_sink.h"
#include "io/sys/loop_watch.h"
#include "io/vrrp/vrrp_ear.h"
#include "util/version.h"

#define SHADOW_TICK_MS 5

struct shadow_eye {
    struct shadow *shadow;
    unsigned node; /* NODE_NONE: the virtual address */
    struct mysql_adapter *mysql;
    int told; /* outcome of the last probe that was told; -1 = none */
};

struct shadow {
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t sigterm;
    uv_signal_t sigint;
    struct log_sink sink;
    struct log log;
    FILE *record;
    const struct cluster_config *cfg;
    const char *user;
    struct shadow_world *world;
    struct shadow_eye eyes[NODES_MAX + 1];
    struct vrrp_ear *ears[2]; /* NULL: not wanted, or deaf */
    bool stopping;
};

/* ---- out ---- */

static void shadow_write(struct shadow *s, const struct shadow_told *t, int64_t wall_ms)
{
    char when[40], rule[64] = "";
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    size_t n;
    json_t *line;
    if (s->record == NULL)
        return;
    (void)gmtime_r(&seconds, &tm);
    n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(when + n, sizeof when - n, ".%03dZ", (int)(wall_ms % 1000));
    if (t->table != NULL)
        (void)snprintf(rule, sizeof rule, "%s/%u", t->table, t->rule);
    line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "time", when, "level",
                     log_level_text(t->level), "event", t->id, "node",
                     t->node < s->cfg->n_nodes ? s->cfg->nodes[t->node].name : "", "text", t->text,
                     "rule", rule, "why", t->why);
    if (line != NULL && t->lost)
        (void)json_object_set_new(line, "after_ms", json_integer(t->after_us / 1000));
    if (line == NULL || json_dumpf(line, s->record, JSON_COMPACT) != 0 ||
        fputc('\n', s->record) == EOF || fflush(s->record) != 0)
        LOG(&s->log, WARNING, "shadow-record", "the record cannot be written error='%s'",
            strerror(errno));
    json_decref(line);
}

static void shadow_on_told(void *data, const struct shadow_told *t)
{
    struct shadow *s = data;
    char rule[DETAIL_TEXT_MAX + 64] = "", after[40] = "";
    if (t->table != NULL)
        (void)snprintf(rule, sizeof rule, " rule=%s/%u why='%s'", t->table, t->rule, t->why);
    else if (t->why[0] != '\0')
        (void)snprintf(rule, sizeof rule, " why='%s'", t->why);
    if (t->lost)
        (void)snprintf(after, sizeof after, " after_ms=%lld", (long long)(t->after_us / 1000));
    s->log.fn(s->log.data, t->level, t->id, "%s%s%s", t->text, rule, after);
    if (t->level > LOG_LEVEL_DEBUG)
        shadow_write(s, t, clock_wall_ms());
}

/* ---- in ---- */

static void shadow_now(struct shadow *s)
{
    shadow_world_time(s->world, clock_boot_us(), clock_wall_ms());
}

/* What the account may not read, and servers that were never reached, would else be silence. */
static void shadow_tell_probe(struct shadow_eye *eye, const struct mysql_probe *p)
{
    struct shadow *s = eye->shadow;
    const char *name =
        eye->node == NODE_NONE ? "the virtual address" : s->cfg->nodes[eye->node].name;
    if ((int)p->outcome == eye->told)
        return;
    eye->told = (int)p->outcome;
    LOG(&s->log, INFO, "shadow-probe", "%s: probe %s%s%s", name, probe_outcome_text(p->outcome),
        p->detail[0] != '\0' ? ": " : "", p->detail);
}

static void shadow_on_probe(void *data, const struct mysql_probe *p)
{
    struct shadow_eye *eye = data;
    struct shadow *s = eye->shadow;
    bool good = p->outcome == PROBE_OK && p->facts != NULL;
    if (s->stopping)
        return;
    shadow_tell_probe(eye, p);
    shadow_now(s);
    if (eye->node == NODE_NONE) {
        /* Another server may answer there next: nothing that was read holds for it. */
        if (p->outcome != PROBE_OK)
            mysql_server_died(eye->mysql);
        shadow_world_address(s->world, good ? p->facts->server_id : 0);
    } else {
        struct shadow_seen seen = {p->outcome, good ? p->facts : NULL};
        shadow_world_probe(s->world, eye->node, &seen);
    }
}

/* Nothing starts a job, so none ends. */
static void shadow_on_job(void *data, uint64_t id, const struct job_result *result,
                          const struct server_facts *facts)
{
    (void)data;
    (void)id;
    (void)result;
    (void)facts;
}

static bool shadow_is_ours(const struct shadow *s, const struct vrrp_envelope *e,
                           const struct vrrp_packet *p)
{
    struct vrrp_address vip;
    for (unsigned i = 0; i < s->cfg->n_vips; i++) {
        int family = s->cfg->vips[i].family;
        if ((family == AF_INET6) != (e->family == VRRP_IPV6) ||
            inet_pton(family, s->cfg->vips[i].address, vip.bytes) != 1)
            continue;
        for (unsigned k = 0; k < p->n_addresses && k < VRRP_ADDRESSES_MAX; k++) {
            if (memcmp(vip.bytes, p->addresses[k].bytes, vrrp_address_size(e->family)) == 0)
                return true;
        }
    }
    return false;
}

static void shadow_on_advert(void *data, const struct vrrp_envelope *e, const struct vrrp_packet *p)
{
    struct shadow *s = data;
    struct shadow_advert a = {.ipv6 = e->family == VRRP_IPV6, .priority = p->priority};
    if (s->stopping || !shadow_is_ours(s, e, p) ||
        inet_ntop(a.ipv6 ? AF_INET6 : AF_INET, e->source.bytes, a.source, sizeof a.source) == NULL)
        return;
    a.node = config_node_find_address(s->cfg, a.source);
    shadow_now(s);
    shadow_world_vrrp(s->world, &a);
}

/* One for each family that is advertised. */
static void shadow_open_ears(struct shadow *s)
{
    static const enum vrrp_family families[] = {VRRP_IPV4, VRRP_IPV6};
    for (unsigned i = 0; i < sizeof families / sizeof *families; i++) {
        struct errmsg m = ERRMSG_INIT;
        bool wanted = false;
        for (unsigned v = 0; v < s->cfg->n_vips; v++)
            wanted |= (s->cfg->vips[v].family == AF_INET6) == (families[i] == VRRP_IPV6);
        if (wanted &&
            vrrp_ear_start(&s->loop, families[i], shadow_on_advert, s, &m, &s->ears[i]) != 0)
            LOG(&s->log, NOTICE, "shadow-deaf", "advertisements are not heard here error='%s'",
                m.text);
    }
}

static void shadow_on_tick(uv_timer_t *timer)
{
    struct shadow *s = timer->data;
    shadow_now(s);
    shadow_world_tick(s->world);
}

/* ---- end ---- */

static void shadow_closed(void *data)
{
    (void)data;
}

static void shadow_stop(struct shadow *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    for (unsigned i = 0; i <= NODES_MAX; i++) {
        if (s->eyes[i].mysql != NULL)
            mysql_adapter_stop(s->eyes[i].mysql, shadow_closed, s);
    }
    vrrp_ear_stop(s->ears[0]);
    vrrp_ear_stop(s->ears[1]);
    uv_close((uv_handle_t *)&s->tick, NULL);
    uv_close((uv_handle_t *)&s->sigterm, NULL);
    uv_close((uv_handle_t *)&s->sigint, NULL);
}

static void shadow_on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    shadow_stop(handle->data);
}

/* ---- start ---- */

static int shadow_open_eye(struct shadow *s, unsigned slot, unsigned node,
                           const char *password_file, struct errmsg *m)
{
    struct shadow_eye *eye = &s->eyes[slot];
    const struct config_node *n = &s->cfg->nodes[node == NODE_NONE ? 0 : node];
    const char *host =
        node == NODE_NONE ? s->cfg->vips[config_client_vip(s->cfg)].address : n->address;
    const char *path = password_file != NULL ? password_file : n->mysql.agent_password_file;
    struct mysql_config mc = {.loop = &s->loop, .port = n->mysql.port, .on_demand = true};
    int err = secret_read(path, mc.agent_password, sizeof mc.agent_password, m);
    eye->shadow = s;
    eye->node = node;
    eye->told = -1;
    (void)snprintf(mc.host, sizeof mc.host, "%s", host);
    (void)snprintf(mc.agent_user, sizeof mc.agent_user, "%s",
                   s->user != NULL ? s->user : n->mysql.agent_user);
    mc.probe_interval_ms = s->cfg->policy.probe_interval_ms;
    mc.probe_timeout_ms = s->cfg->policy.probe_timeout_ms;
    mc.callbacks = (struct mysql_callbacks){eye, shadow_on_probe, shadow_on_job};
    err = err != 0 ? err : mysql_adapter_start(&mc, m, &eye->mysql);
    explicit_bzero(mc.agent_password, sizeof mc.agent_password);
    return err;
}

static void shadow_open_loop(struct shadow *s)
{
    (void)uv_timer_init(&s->loop, &s->tick);
    (void)uv_signal_init(&s->loop, &s->sigterm);
    (void)uv_signal_init(&s->loop, &s->sigint);
    s->tick.data = s->sigterm.data = s->sigint.data = s;
    (void)uv_signal_start(&s->sigterm, shadow_on_signal, SIGTERM);
    (void)uv_signal_start(&s->sigint, shadow_on_signal, SIGINT);
    (void)uv_timer_start(&s->tick, shadow_on_tick, SHADOW_TICK_MS, SHADOW_TICK_MS);
}

static int shadow_open(struct shadow *s, const char *password_file, const char *record,
                       struct errmsg *m)
{
    int err = 0;
    if (s->cfg->n_vips == 0)
        return errmsg_set(m, ERR_INVAL,
                          "the cluster file has no virtual address: who answers there is the "
                          "writer");
    s->world = shadow_world_open(s->cfg, shadow_on_told, s);
    if (s->world == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    shadow_now(s);
    if (record != NULL && (s->record = fopen(record, "ae")) == NULL)
        return errmsg_set(m, ERR_IO, "'%s' cannot be written: %s", record, strerror(errno));
    for (unsigned i = 0; i < s->cfg->n_nodes && err == 0; i++) {
        if (config_node_has_mysql(s->cfg, i))
            err = shadow_open_eye(s, i, i, password_file, m);
    }
    return err != 0 ? err : shadow_open_eye(s, NODES_MAX, NODE_NONE, password_file, m);
}

int shadow_main(const struct cluster_config *cfg, const char *user, const char *password_file,
                const char *record)
{
    const struct log_sink_config lc = {.level = cfg->log_level,
                                       .cluster = cfg->cluster,
                                       .node = "shadow",
                                       .fd = STDERR_FILENO,
                                       .journal_stream = getenv("JOURNAL_STREAM")};
    struct errmsg m = ERRMSG_INIT;
    struct shadow *s = calloc(1, sizeof *s);
    int err;
    if (s == NULL || uv_loop_init(&s->loop) != 0) {
        free(s);
        return 1;
    }
    s->cfg = cfg;
    s->user = user;
    log_sink_open(&s->sink, &lc);
    s->log = log_sink_log(&s->sink);
    shadow_open_loop(s);
    err = shadow_open(s, password_file, record, &m);
    if (err != 0) {
        LOG(&s->log, ERROR, "shadow-not-started", "the shadow cannot start error='%s'", m.text);
        shadow_stop(s);
    } else {
        LOG(&s->log, NOTICE, "shadow-started", "watches %u nodes, and does nothing version=%s",
            cfg->n_nodes, tandem_version());
        shadow_open_ears(s);
    }
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&s->loop);
    shadow_world_close(s->world);
    if (s->record != NULL)
        (void)fclose(s->record);
    log_sink_close(&s->sink);
    free(s);
    return err == 0 ? 0 : 1;
}
