/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent.h"
#include "app/agent_pair.h"
#include "app/agent_remote.h"

#include <assert.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "io/config/config_file.h"
#include "io/store/undo_text.h"
#include "io/sys/loop_watch.h"
#include "util/version.h"

#define AGENT_MALLOC_LIMIT (128 * 1024)

int64_t agent_now_us(void)
{
    return clock_boot_us();
}

struct agent_event *agent_event(struct agent *a, enum event_kind kind)
{
    /* Not cleared: the payload is large, and each maker fills in what its kind has. */
    struct agent_event *e = malloc(sizeof *e);
    (void)a;
    if (e == NULL)
        abort();
    e->next = NULL;
    e->event.kind = kind;
    e->event.from = NODE_NONE;
    return e;
}

static void agent_step(struct agent *a, struct event *ev)
{
    int64_t now_us = agent_now_us();
    ev->now_us = now_us;
    ev->wall_ms = clock_wall_ms();
    agent_web_on_event(a, ev);
    core_step(a->core, ev, a->effects);
    agent_cut_watch(a);
    agent_carry_out(a, a->effects);
    if (!a->stopping) {
        int64_t wait_us = a->effects->wake_us - now_us;
        (void)uv_timer_start(&a->tick, a->tick.timer_cb,
                             wait_us > 1000 ? (uint64_t)wait_us / 1000 : 1, 0);
    }
}

void agent_post(struct agent *a, struct agent_event *e)
{
    if (!a->stepping)
        agent_surface_look(a);
    *a->last = e;
    a->last = &e->next;
    if (a->stepping)
        return;
    a->stepping = true;
    while (a->first != NULL) {
        struct agent_event *now = a->first;
        a->first = now->next;
        if (a->first == NULL)
            a->last = &a->first;
        /* The adapters are closing or gone: there is nobody left to carry out what the core wants.
         */
        if (!a->stopping)
            agent_step(a, &now->event);
        free(now);
    }
    a->stepping = false;
}

/* Heard, or not heard for long enough. */
static void agent_told_arbiters(struct agent *a)
{
    struct agent_event *e;
    uint32_t others = 0;
    for (unsigned i = 0; a->peer != NULL && !a->stopping && i < a->cfg->n_nodes; i++)
        others |= i != a->self && peer_has_other_arbiter(a->peer, i) ? 1u << i : 0;
    if (others == a->other_arbiters)
        return;
    a->other_arbiters = others;
    e = agent_event(a, EVENT_ARBITERS);
    e->event.u.other_arbiters = others;
    agent_post(a, e);
}

static void agent_on_tick(uv_timer_t *timer)
{
    struct agent *a = timer->data;
    agent_told_arbiters(a);
    agent_jobs_on_time(a);
    agent_release_on_time(a);
    agent_post(a, agent_event(a, EVENT_TICK));
}

void agent_told_trouble(struct agent *a)
{
    struct agent_event *e = agent_event(a, EVENT_TROUBLE);
    const char *text = a->arbiter_trouble[0] != '\0' ? a->arbiter_trouble
                       : a->disk_trouble[0] != '\0'  ? a->disk_trouble
                                                     : a->certificate_trouble;
    (void)snprintf(e->event.u.trouble, sizeof e->event.u.trouble, "%s", text);
    agent_post(a, e);
}

/* ---- end ---- */

static void agent_closed(void *data)
{
    struct agent *a = data;
    assert(a->closing > 0);
    a->closing--;
}

static void agent_net_closed(void *data)
{
    agent_closed(data);
}

/* The order of 5.2: what speaks first, the addresses with it; the tables last, when the server is
 * closed. A server that is still writable keeps its door closed behind the table. */
static void agent_close_net(struct agent *a)
{
    struct errmsg m = ERRMSG_INIT;
    bool open = a->core->have_facts && !a->core->facts.read_only;
    if (a->net == NULL)
        return;
    if (!open && !a->core->record.paused && net_table_remove(a->net, &m) != 0)
        LOG(&a->log, WARNING, "table-failed",
            "the kernel lease's tables could not be removed error='%s'", m.text);
    net_stop(a->net, agent_net_closed, a);
}

void agent_stop(struct agent *a)
{
    if (a->stopping)
        return;
    a->stopping = true;
    LOG(&a->log, NOTICE, "agent-stops", "agent stops");
    a->closing += (unsigned)(a->peer != NULL) + (unsigned)(a->raft != NULL) +
                  (unsigned)(a->mysql != NULL) + (unsigned)(a->process != NULL) +
                  (unsigned)(a->net != NULL) + (unsigned)(a->clone != NULL);
    if (a->raft != NULL)
        raft_node_stop(a->raft, agent_closed, a);
    agent_arbiter_stop(a);
    if (a->peer != NULL)
        peer_close(a->peer, agent_closed, a);
    if (a->mysql != NULL)
        mysql_adapter_stop(a->mysql, agent_closed, a);
    if (a->process != NULL)
        process_close(a->process, agent_closed, a);
    if (a->clone != NULL)
        agent_clone_close(a, agent_closed);
    if (a->store != NULL)
        rewind_job_cancel(a->store);
    agent_close_net(a);
    agent_surface_close(a);
    agent_web_close(a, agent_closed);
    uv_close((uv_handle_t *)&a->tick, NULL);
    uv_close((uv_handle_t *)&a->sigterm, NULL);
    uv_close((uv_handle_t *)&a->sigint, NULL);
    agent_certificate_close(a);
    agent_host_close(a);
    agent_quorum_close(a);
}

static void agent_on_signal(uv_signal_t *signal, int number)
{
    struct agent *a = signal->data;
    LOG(&a->log, NOTICE, "agent-asked-to-stop", "asked to stop signal=%d", number);
    if (a->core->quitting) {
        agent_stop(a);
        return;
    }
    agent_post(a, agent_event(a, EVENT_QUIT));
}

/* ---- start ---- */

/* Fixed limits: by itself malloc raises them to the largest piece that was ever freed (the rules'
 * compiler frees 2 MiB), and then keeps what the start took, and stacks of which little is used. */
static void agent_bound_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, AGENT_MALLOC_LIMIT);
    (void)mallopt(M_TRIM_THRESHOLD, AGENT_MALLOC_LIMIT);
}

static int agent_init(struct agent *a, const struct cluster_config *cfg, unsigned self,
                      struct errmsg *m)
{
    memset(a, 0, sizeof *a);
    a->cfg = cfg;
    a->self = self;
    a->node = &cfg->nodes[self];
    a->last = &a->first;
    a->core = malloc(sizeof *a->core);
    a->effects = malloc(sizeof *a->effects);
    a->applied = malloc(sizeof *a->applied);
    a->store = calloc(1, sizeof *a->store);
    a->wire = malloc(AGENT_WIRE_MAX);
    if (a->core == NULL || a->effects == NULL || a->applied == NULL || a->store == NULL ||
        a->wire == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    record_init(a->applied);
    core_init(a->core, cfg, self, agent_now_us());
    if (uv_loop_init(&a->loop) != 0)
        return errmsg_set(m, ERR_IO, "event loop cannot be made");
    (void)uv_timer_init(&a->loop, &a->tick);
    (void)uv_signal_init(&a->loop, &a->sigterm);
    (void)uv_signal_init(&a->loop, &a->sigint);
    a->tick.data = a->sigterm.data = a->sigint.data = a;
    (void)uv_signal_start(&a->sigterm, agent_on_signal, SIGTERM);
    (void)uv_signal_start(&a->sigint, agent_on_signal, SIGINT);
    agent_certificate_open(a);
    agent_host_open(a);
    agent_quorum_init(a);
    (void)uv_timer_start(&a->tick, agent_on_tick, 1, 0);
    return 0;
}

static void agent_free(struct agent *a)
{
    while (a->first != NULL) {
        struct agent_event *e = a->first;
        a->first = e->next;
        free(e);
    }
    agent_pair_free(a);
    agent_remotes_free(a);
    agent_web_free(a);
    free(a->core);
    free(a->effects);
    free(a->applied);
    undo_script_free(a->undo_script);
    free(a->store);
    free(a->wire);
}

/* Nobody may ever run `tandem config check` on this host. */
static void agent_log_doubts(const struct agent *a)
{
    struct config_errors doubts;
    config_errors_init(&doubts);
    config_check_local(a->cfg, a->self, &doubts);
    for (unsigned i = 0; i < doubts.n; i++)
        LOG(&a->log, WARNING, "config-doubtful", "%s", doubts.list[i].text);
}

int agent_main(const struct cluster_config *cfg, unsigned self)
{
    struct errmsg m = ERRMSG_INIT;
    struct agent *a;
    int err;
    agent_bound_memory();
    a = malloc(sizeof *a);
    err = a == NULL ? errmsg_set(&m, ERR_NOMEM, "out of memory") : agent_init(a, cfg, self, &m);
    if (a == NULL)
        return 1;
    if (err == 0)
        err = agent_surface_open(a, &m);
    if (err == 0)
        err = agent_web_open(a, &m);
    if (err == 0) {
        agent_release_open(a);
        a->stepping = true; /* events of the start wait until everything is there */
        err = config_is_pair(cfg) ? 0 : agent_open_raft(a, &m);
        if (err == 0)
            err = agent_start_adapters(a, &m);
        if (err == 0)
            err = config_is_pair(cfg) ? agent_start_pair(a, &m) : agent_start_raft(a, &m);
        a->stepping = false;
    }
    if (err != 0) {
        LOG(&a->log, ERROR, "agent-not-started", "agent cannot start error='%s'", m.text);
        agent_stop(a);
    } else {
        LOG(&a->log, NOTICE, "agent-started", "agent started version=%s node=%s cluster=%s",
            tandem_version(), a->node->name, cfg->cluster);
        agent_log_doubts(a);
        agent_surface_ready(a);
        agent_post(a, agent_event(a, EVENT_TICK));
    }
    (void)uv_run(&a->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&a->loop) != 0)
        LOG(&a->log, ERROR, "handles-left", "handles are left in the event loop");
    agent_surface_free(a);
    agent_clone_free(a);
    agent_free(a);
    free(a);
    return err == 0 ? 0 : 1;
}
