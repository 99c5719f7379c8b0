/* SPDX-License-Identifier: Apache-2.0 */
/* What operators and the system see of the agent: log, control socket, hooks, service manager,
 * disk, privileges. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/agent.h"
#include "app/agent_pair.h"
#include "app/check_json.h"
#include "app/status_json.h"
#include "app/status_parts.h"
#include "io/control/control.h"
#include "io/sys/disk.h"
#include "io/sys/hooks.h"
#include "io/sys/log_sink.h"
#include "io/sys/loop_watch.h"
#include "io/sys/notify.h"
#include "io/sys/privileges.h"

#define SURFACE_WAITING_MAX 16
#define SURFACE_DISK_INTERVAL_MIN_MS 250
#define SURFACE_DISK_TIMEOUT_MIN_MS 1000
#define SURFACE_HOOK_GRACE_MS 4000 /* of two scripts of STOP; below WatchdogSec of the unit */
#define SURFACE_SETTLE_MS 10000

/* An operator's command whose reply has not come yet. */
struct surface_waiting {
    uint64_t command;
    uint64_t connection;
};

struct agent_surface {
    struct log_sink sink;
    struct notify notify;
    struct control *control;
    struct hooks *hooks;
    struct disk *disk;
    struct loop_watch watch;
    bool watching;
    uv_timer_t watchdog;
    uv_timer_t settle;
    uv_work_t pool;
    bool timers_open;
    unsigned privileges;
    uint64_t next_command;
    struct surface_waiting waiting[SURFACE_WAITING_MAX];
};

/* ---- the operator ---- */

static struct surface_waiting *surface_slot(struct agent_surface *s, uint64_t command)
{
    for (unsigned i = 0; i < SURFACE_WAITING_MAX; i++) {
        if (s->waiting[i].command == command)
            return &s->waiting[i];
    }
    return NULL;
}

static json_t *surface_command(struct agent *a, uint64_t connection, const json_t *request)
{
    struct errmsg m = ERRMSG_INIT;
    struct surface_waiting *slot = surface_slot(a->surface, 0);
    struct agent_event *e;
    struct command c;
    if (slot == NULL)
        return reply_json(false, "too many commands are waiting for their replies");
    if (command_parse(request, a->cfg, &m, &c) != 0)
        return reply_json(false, m.text);
    c.id = ++a->surface->next_command;
    c.origin = (uint8_t)a->self;
    *slot = (struct surface_waiting){c.id, connection};
    e = agent_event(a, EVENT_COMMAND);
    e->event.from = a->self;
    e->event.u.command = c;
    agent_post(a, e);
    return NULL;
}

static json_t *surface_status(const struct agent *a)
{
    json_t *status = status_json(a->core);
    char stranger[REPLY_TEXT_MAX];
    json_put(status, "certificate", agent_certificate_json(a));
    json_put(status, "vrrp", agent_pair_json(a));
    agent_pair_stranger(a, stranger, sizeof stranger);
    if (stranger[0] != '\0')
        (void)json_array_append_new(json_object_get(status, "troubles"), json_text(stranger));
    for (unsigned i = 0; a->peer != NULL && !a->stopping && i < a->cfg->n_nodes; i++) {
        char text[REPLY_TEXT_MAX];
        if (i == a->self || peer_refusal(a->peer, i)[0] == '\0')
            continue;
        (void)snprintf(text, sizeof text, "%s: the agents refuse each other: %s",
                       a->cfg->nodes[i].name, peer_refusal(a->peer, i));
        (void)json_array_append_new(json_object_get(status, "troubles"), json_text(text));
    }
    return status;
}

static json_t *surface_check(const struct agent *a)
{
    struct check_world w;
    check_of_core(a->core, &w);
    return check_json(&w, UINT32_MAX);
}

static void surface_on_request(void *data, uint64_t connection, const json_t *request)
{
    struct agent *a = data;
    const char *op = json_string_value(json_object_get(request, "op"));
    json_t *reply;
    if (op != NULL && strcmp(op, "status") == 0)
        reply = surface_status(a);
    else if (op != NULL && strcmp(op, "history") == 0)
        reply = history_json(a->core);
    else if (op != NULL && strcmp(op, "explain") == 0)
        reply = explain_json(a->core);
    else if (op != NULL && strcmp(op, "check") == 0)
        reply = surface_check(a);
    else if (op != NULL && strcmp(op, "command") == 0)
        reply = surface_command(a, connection, request);
    else if (op != NULL && strcmp(op, "quorum-rebuild") == 0)
        reply = agent_quorum_rebuild(a, json_is_true(json_object_get(request, "flag")));
    else
        reply = reply_json(false, "unknown request; known: status, history, explain, check, "
                                  "command, quorum-rebuild");
    if (reply != NULL)
        (void)control_reply(a->surface->control, connection, reply);
}

/* A leader that was lost with the command never replies. */
static void surface_on_gone(void *data, uint64_t connection)
{
    struct agent *a = data;
    for (unsigned i = 0; i < SURFACE_WAITING_MAX; i++) {
        struct surface_waiting *slot = &a->surface->waiting[i];
        if (slot->command != 0 && slot->connection == connection)
            slot->command = 0;
    }
}

void agent_surface_reply(struct agent *a, const struct reply *r)
{
    struct surface_waiting *slot = surface_slot(a->surface, r->id);
    if (slot == NULL || r->id == 0)
        return;
    (void)control_reply(a->surface->control, slot->connection, reply_json(r->ok, r->text));
    slot->command = 0;
}

void agent_surface_role(struct agent *a, enum effect_role role)
{
    char status[128];
    if (a->surface->hooks != NULL)
        hooks_state(a->surface->hooks, effect_role_text(role));
    (void)snprintf(status, sizeof status, "%s, writer is %s", effect_role_text(role),
                   core_name(a->core, a->core->record.writer));
    (void)notify_status(&a->surface->notify, status);
}

/* ---- the system ---- */

static void surface_on_stall(void *data, int64_t stall_us)
{
    struct agent *a = data;
    struct agent_event *e = agent_event(a, EVENT_STALL);
    LOG(&a->log, WARNING, "stall", "the agent stood still stall_us=%lld", (long long)stall_us);
    e->event.u.stall_us = stall_us;
    agent_post(a, e);
}

void agent_surface_look(struct agent *a)
{
    if (a->surface != NULL && a->surface->watching)
        loop_watch_look(&a->surface->watch);
}

static void surface_on_disk(void *data, enum disk_state state)
{
    struct agent *a = data;
    /* A server whose writes do not end commits nothing, whatever it answers. */
    a->disk_full = state != DISK_OK && state != DISK_ERROR;
    a->disk_trouble[0] = '\0';
    if (state != DISK_OK)
        (void)snprintf(a->disk_trouble, sizeof a->disk_trouble, "data directory: %s",
                       disk_state_text(state));
    agent_told_trouble(a);
}

static void surface_on_watchdog(uv_timer_t *timer)
{
    struct agent *a = timer->data;
    (void)notify_watchdog(&a->surface->notify);
}

static void surface_start_watchdog(struct agent *a)
{
    int64_t every_us = notify_watchdog_interval_us(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
    (void)uv_timer_init(&a->loop, &a->surface->watchdog);
    a->surface->watchdog.data = a;
    if (every_us > 0)
        (void)uv_timer_start(&a->surface->watchdog, surface_on_watchdog, 0,
                             (uint64_t)every_us / 1000);
}

static int surface_open_hooks(struct agent *a, struct errmsg *m)
{
    const struct config_hooks *c = &a->node->hooks;
    const struct hooks_config hc = {.loop = &a->loop,
                                    .log = a->log,
                                    .script = c->notify,
                                    .of_state = {{"MASTER", c->notify_master},
                                                 {"BACKUP", c->notify_backup},
                                                 {"FAULT", c->notify_fault},
                                                 {"STOP", c->notify_stop}},
                                    .state_file = c->notify_state_file,
                                    .type = c->notify_type,
                                    .name = c->notify_name[0] != '\0' ? c->notify_name
                                                                      : a->cfg->cluster,
                                    .priority = a->node->priority,
                                    .timeout_ms = c->notify_timeout_ms};
    return hooks_open(&hc, m, &a->surface->hooks);
}

/* As soon as a server that hangs, but a write that waits for its turn for a second is still nothing
 * but a slow one (docs/design/fence.md). */
static uint32_t surface_disk_timeout_ms(const struct config_policy *p)
{
    uint64_t ms = (uint64_t)p->probe_timeout_ms * p->probe_fall;
    if (ms > UINT32_MAX)
        return UINT32_MAX;
    return ms < SURFACE_DISK_TIMEOUT_MIN_MS ? SURFACE_DISK_TIMEOUT_MIN_MS : (uint32_t)ms;
}

static int surface_open_disk(struct agent *a, struct errmsg *m)
{
    uint32_t interval_ms = a->cfg->policy.probe_interval_ms;
    const struct disk_config dc = {.loop = &a->loop,
                                   .log = a->log,
                                   .directory = a->node->mysql.data_dir,
                                   .free_min_mb = a->cfg->policy.disk_free_min_mb,
                                   .interval_ms = interval_ms < SURFACE_DISK_INTERVAL_MIN_MS
                                                      ? SURFACE_DISK_INTERVAL_MIN_MS
                                                      : interval_ms,
                                   .timeout_ms = surface_disk_timeout_ms(&a->cfg->policy),
                                   .on_state = surface_on_disk,
                                   .data = a};
    if (!config_node_has_mysql(a->cfg, a->self))
        return 0;
    return disk_open(&dc, m, &a->surface->disk);
}

int agent_surface_open(struct agent *a, struct errmsg *m)
{
    const struct log_sink_config lc = {.level = a->cfg->log_level,
                                       .cluster = a->cfg->cluster,
                                       .node = a->node->name,
                                       .fd = STDERR_FILENO,
                                       .journal_stream = getenv("JOURNAL_STREAM")};
    struct control_config cc = {.loop = &a->loop, .run_dir = a->node->run_dir};
    const struct control_callbacks cb = {a, surface_on_request, surface_on_gone};
    int err;
    a->surface = calloc(1, sizeof *a->surface);
    if (a->surface == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    log_sink_open(&a->surface->sink, &lc);
    a->log = cc.log = log_sink_log(&a->surface->sink);
    notify_open(&a->surface->notify, getenv("NOTIFY_SOCKET"));
    loop_watch_start(&a->surface->watch, &a->loop,
                     (int64_t)a->cfg->arbiter.election_timeout_ms * 500, surface_on_stall, a);
    a->surface->watching = true;
    surface_start_watchdog(a);
    (void)uv_timer_init(&a->loop, &a->surface->settle);
    a->surface->settle.data = a;
    a->surface->timers_open = true;
    err = control_open(&cc, &cb, m, &a->surface->control);
    if (err == 0)
        err = surface_open_hooks(a, m);
    if (err == 0)
        err = surface_open_disk(a, m);
    return err;
}

static void surface_no_work(uv_work_t *work)
{
    (void)work;
}

static void surface_on_settled(uv_timer_t *timer)
{
    struct agent *a = timer->data;
    privileges_settle(a->surface->privileges, &a->log);
}

/* The pool's threads exist now, so all threads get the same priority. */
static void surface_pool_ready(uv_work_t *work, int status)
{
    struct agent *a = work->data;
    unsigned wanted = PRIVILEGE_OOM;
    (void)status;
    wanted |= a->cfg->policy.realtime ? (unsigned)PRIVILEGE_REALTIME : 0u;
    wanted |= a->cfg->policy.memlock ? (unsigned)PRIVILEGE_MEMLOCK : 0u;
    if (a->stopping)
        return;
    a->surface->privileges = privileges_apply(wanted, &a->log);
    agent_host_start(a, wanted, a->surface->privileges);
    (void)uv_timer_start(&a->surface->settle, surface_on_settled, SURFACE_SETTLE_MS, 0);
}

void agent_surface_ready(struct agent *a)
{
    a->surface->pool.data = a;
    (void)uv_queue_work(&a->loop, &a->surface->pool, surface_no_work, surface_pool_ready);
    (void)notify_ready(&a->surface->notify, "started");
}

static void surface_closed(void *data)
{
    struct agent *a = data;
    a->closing--;
}

void agent_surface_close(struct agent *a)
{
    struct agent_surface *s = a->surface;
    if (s == NULL)
        return;
    (void)notify_stopping(&s->notify, "stopping");
    notify_close(&s->notify);
    a->closing += (unsigned)(s->control != NULL) + (unsigned)(s->hooks != NULL) +
                  (unsigned)(s->disk != NULL) + (unsigned)s->watching;
    if (s->control != NULL)
        control_close(s->control, surface_closed, a);
    if (s->hooks != NULL)
        hooks_close(s->hooks, SURFACE_HOOK_GRACE_MS, surface_closed, a);
    if (s->disk != NULL)
        disk_close(s->disk, surface_closed, a);
    if (s->watching)
        loop_watch_close(&s->watch, surface_closed, a);
    if (s->timers_open) {
        uv_close((uv_handle_t *)&s->watchdog, NULL);
        uv_close((uv_handle_t *)&s->settle, NULL);
    }
}

void agent_surface_free(struct agent *a)
{
    if (a->surface != NULL)
        log_sink_close(&a->surface->sink);
    free(a->surface);
}
