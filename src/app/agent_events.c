/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters' callbacks to events. */
#include <stdio.h>
#include <string.h>

#include "app/agent.h"
#include "app/agent_pair.h"
#include "io/config/secret.h"
#include "util/version.h"

/* ---- peers ---- */

static int agent_decode(struct event *ev, enum frame_kind kind, const uint8_t *payload, size_t len)
{
    struct codec c = codec_decoder(payload, len);
    switch (kind) {
    case FRAME_REQUEST:
        memset(&ev->u.request, 0, sizeof ev->u.request);
        request_codec(&c, &ev->u.request);
        break;
    case FRAME_ANSWER:
        memset(&ev->u.answer, 0, sizeof ev->u.answer);
        answer_codec(&c, &ev->u.answer);
        break;
    case FRAME_REPORT:
        memset(&ev->u.report, 0, sizeof ev->u.report);
        report_codec(&c, &ev->u.report);
        break;
    case FRAME_COMMAND:
        memset(&ev->u.command, 0, sizeof ev->u.command);
        command_codec(&c, &ev->u.command);
        break;
    default:
        memset(&ev->u.reply, 0, sizeof ev->u.reply);
        reply_codec(&c, &ev->u.reply);
    }
    return codec_finish_tail(&c);
}

static enum event_kind agent_frame_event(enum frame_kind kind)
{
    switch (kind) {
    case FRAME_REQUEST:
        return EVENT_REQUEST;
    case FRAME_ANSWER:
        return EVENT_ANSWER;
    case FRAME_REPORT:
        return EVENT_REPORT;
    case FRAME_COMMAND:
        return EVENT_COMMAND;
    default:
        return EVENT_REPLY;
    }
}

static void agent_on_frame(void *data, unsigned from, enum frame_kind kind, const uint8_t *payload,
                           size_t len)
{
    struct agent *a = data;
    struct agent_event *e;
    if (kind == FRAME_RAFT) {
        agent_arbiter_frame(a, from, payload, len);
        return;
    }
    e = agent_event(a, agent_frame_event(kind));
    e->event.from = from;
    if (agent_decode(&e->event, kind, payload, len) != 0) {
        LOG(&a->log, WARNING, "frame-malformed",
            "frame could not be read from=%s kind=%s bytes=%zu", a->cfg->nodes[from].name,
            frame_kind_name(kind), len);
        free(e);
        return;
    }
    agent_post(a, e);
}

static void agent_on_peer(struct agent *a, unsigned node, bool up)
{
    struct agent_event *e = agent_event(a, EVENT_PEER);
    agent_quorum_on_peer(a, node, up);
    e->event.from = node;
    e->event.u.peer_up = up;
    agent_post(a, e);
    agent_arbiter_peer(a, node, up);
}

static void agent_on_up(void *data, unsigned node, const struct frame_hello *hello)
{
    struct agent *a = data;
    LOG(&a->log, INFO, "peer-up", "agent is connected node=%s version=%s", a->cfg->nodes[node].name,
        hello->agent);
    if (hello->config_digest != a->cfg->digest)
        LOG(&a->log, WARNING, "config-differs",
            "the cluster file of the node differs from this one's; make them identical node=%s",
            a->cfg->nodes[node].name);
    agent_on_peer(a, node, true);
}

static void agent_on_down(void *data, unsigned node, const char *reason)
{
    struct agent *a = data;
    LOG(&a->log, NOTICE, "peer-down", "agent is not connected node=%s reason='%s'",
        a->cfg->nodes[node].name, reason);
    agent_on_peer(a, node, false);
}

static int agent_start_peer(struct agent *a, struct errmsg *m)
{
    struct peer_config *pc = calloc(1, sizeof *pc);
    const struct peer_callbacks cb = {
        a, agent_on_frame, agent_on_up, agent_on_down, agent_on_generation, agent_on_certificate};
    int err;
    if (pc == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    pc->loop = &a->loop;
    pc->log = a->log;
    pc->self = a->self;
    /* Those without an agent come last in the file. */
    for (unsigned i = 0; i < a->cfg->n_nodes && config_node_has_agent(a->cfg, i); i++) {
        pc->n_nodes = i + 1;
        memcpy(pc->node[i].name, a->cfg->nodes[i].name, sizeof pc->node[i].name);
        memcpy(pc->node[i].address, a->cfg->nodes[i].address, sizeof pc->node[i].address);
        pc->node[i].port = a->cfg->nodes[i].arbiter_port;
    }
    pc->cluster = a->cfg->cluster;
    pc->agent_version = tandem_version();
    pc->config_digest = a->cfg->digest;
    pc->generation = a->quorum.generation;
    pc->joins = a->quorum.joins;
    pc->arbiter = config_is_pair(a->cfg) ? FRAME_ARBITER_VRRP : FRAME_ARBITER_RAFT;
    pc->ca_file = a->node->tls.ca;
    pc->cert_file = a->node->tls.cert;
    pc->key_file = a->node->tls.key;
    err = peer_start(pc, &cb, &a->peer, m);
    free(pc);
    return err;
}

/* ---- mysqld ---- */

static void agent_on_probe(void *data, const struct mysql_probe *probe)
{
    struct agent *a = data;
    struct agent_event *e = agent_event(a, EVENT_PROBE);
    struct event_probe *p = &e->event.u.probe;
    p->outcome = probe->outcome;
    p->sql_errno = probe->sql_errno;
    p->have_facts = probe->outcome == PROBE_OK && probe->facts != NULL;
    p->disk_full = a->disk_full;
    agent_web_on_probe(a, probe->latency_us);
    if (p->have_facts)
        p->facts = *probe->facts;
    agent_post(a, e);
    agent_jobs_on_probe(a, probe->outcome);
}

static void agent_on_sql_job(void *data, uint64_t id, const struct job_result *result,
                             const struct server_facts *facts)
{
    struct agent *a = data;
    struct agent_event *e = agent_event(a, EVENT_JOB);
    agent_seal_ended(a, id);
    agent_clone_on_sql_job(a, id, result);
    agent_undo_ended(a, id);
    e->event.u.job.id = id;
    e->event.u.job.result = *result;
    e->event.u.job.have_facts = facts->flavour != SERVER_FLAVOUR_UNKNOWN;
    e->event.u.job.facts = *facts;
    agent_post(a, e);
}

static void agent_on_started(void *data, const struct incarnation *incarnation)
{
    struct agent *a = data;
    struct agent_event *e = agent_event(a, EVENT_SERVER_STARTED);
    e->event.u.server.incarnation = *incarnation;
    agent_post(a, e);
    mysql_server_started(a->mysql);
}

static void agent_tell_death(struct agent *a, enum process_end end)
{
    struct agent_event *e = agent_event(a, EVENT_SERVER_DIED);
    /* An end of unknown kind may have been a shutdown, which may have acknowledged alone. */
    e->event.u.server.cleanly = end != PROCESS_END_CRASH;
    agent_post(a, e);
}

static void agent_on_absent(void *data, enum process_end end)
{
    agent_tell_death(data, end);
}

static void agent_on_died(void *data, const struct incarnation *incarnation, enum process_end end)
{
    struct agent *a = data;
    (void)incarnation;
    agent_tell_death(a, end);
    mysql_server_died(a->mysql);
    agent_jobs_on_death(a);
}

static void agent_on_process_job(void *data, uint64_t id, const struct job_result *result,
                                 const struct incarnation *incarnation)
{
    (void)incarnation;
    agent_jobs_on_process(data, id, result);
}

static int agent_start_mysql(struct agent *a, struct errmsg *m)
{
    const struct config_mysql *c = &a->node->mysql;
    struct mysql_config mc = {.loop = &a->loop, .log = a->log, .port = c->port};
    int err;
    (void)snprintf(mc.socket, sizeof mc.socket, "%s", c->socket);
    (void)snprintf(mc.host, sizeof mc.host, "%s", a->node->address);
    (void)snprintf(mc.report_name, sizeof mc.report_name, "%s", a->node->name);
    (void)snprintf(mc.agent_user, sizeof mc.agent_user, "%s", c->agent_user);
    (void)snprintf(mc.replication_user, sizeof mc.replication_user, "%s", c->replication_user);
    err = secret_read(c->agent_password_file, mc.agent_password, sizeof mc.agent_password, m);
    if (err == 0)
        err = secret_read(c->replication_password_file, mc.replication_password,
                          sizeof mc.replication_password, m);
    mc.probe_interval_ms = a->cfg->policy.probe_interval_ms;
    mc.probe_timeout_ms = a->cfg->policy.probe_timeout_ms;
    mc.callbacks = (struct mysql_callbacks){a, agent_on_probe, agent_on_sql_job};
    return err != 0 ? err : mysql_adapter_start(&mc, m, &a->mysql);
}

static int agent_start_process(struct agent *a, struct errmsg *m)
{
    const struct config_mysql *c = &a->node->mysql;
    struct process_config pc = {.loop = &a->loop, .log = a->log};
    agent_cut_load(a);
    (void)snprintf(pc.pid_file, sizeof pc.pid_file, "%s", c->pid_file);
    (void)snprintf(pc.data_dir, sizeof pc.data_dir, "%s", c->data_dir);
    (void)snprintf(pc.error_log, sizeof pc.error_log, "%s", c->error_log);
    (void)snprintf(pc.start_command, sizeof pc.start_command, "%s", c->start_command);
    (void)snprintf(pc.start_output, sizeof pc.start_output, "%.*s/start.log",
                   (int)sizeof pc.start_output - 16, a->node->run_dir);
    pc.callbacks = (struct process_callbacks){a, agent_on_started, agent_on_died, agent_on_absent,
                                              agent_on_process_job};
    return process_open(&pc, m, &a->process);
}

/* ---- network ---- */

static void agent_reinstall_table(struct agent *a)
{
    struct errmsg m = ERRMSG_INIT;
    LOG(&a->log, ERROR, "table-lost",
        "somebody removed the kernel lease's tables, they are installed again");
    if (net_table_install(a->net, /* reset= */ true, &m) != 0)
        LOG(&a->log, ERROR, "table-failed",
            "the kernel lease's tables cannot be installed error='%s'", m.text);
    else if (a->lease_until_us > agent_now_us() &&
             net_lease_set(a->net, a->lease_until_us, &m) != 0)
        LOG(&a->log, ERROR, "lease-failed", "kernel lease could not be set again error='%s'",
            m.text);
    agent_block(a, a->blocked);
}

/* The addresses may be on several devices. */
static bool agent_links_are_up(const struct agent *a)
{
    for (unsigned i = 0; i < a->cfg->n_vips; i++) {
        if (!net_link_is_up(a->net, i))
            return false;
    }
    return true;
}

static void agent_on_net(void *data, const struct net_event *ne)
{
    struct agent *a = data;
    struct agent_event *e;
    bool up;
    switch (ne->type) {
    case NET_EVENT_VIP_PRESENT:
    case NET_EVENT_VIP_GONE:
        e = agent_event(a, EVENT_VIP);
        e->event.u.vip.index = ne->vip;
        e->event.u.vip.present = ne->type == NET_EVENT_VIP_PRESENT;
        agent_post(a, e);
        return;
    case NET_EVENT_LINK_UP:
    case NET_EVENT_LINK_DOWN:
        e = agent_event(a, EVENT_LINK);
        up = agent_links_are_up(a);
        e->event.u.link_up = up;
        agent_post(a, e);
        agent_arbiter_link(a, up);
        return;
    case NET_EVENT_TABLE_LOST:
        agent_reinstall_table(a);
        return;
    default:
        return;
    }
}

/* Every door of the server: who comes by another one than the first must not get in either. */
static void agent_fill_ports(const struct cluster_config *c, unsigned self, struct net_config *nc)
{
    const struct config_mysql *m = &c->nodes[self].mysql;
    const uint16_t ports[] = {m->port, m->extra_port, m->x_port};
    for (unsigned i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        bool again = false;
        for (unsigned k = 0; k < nc->n_ports; k++)
            again |= nc->ports[k] == ports[i];
        if (ports[i] != 0 && !again && config_node_has_mysql(c, self))
            nc->ports[nc->n_ports++] = ports[i];
    }
}

/* One device per virtual router (RFC 9568 7.3). */
static void agent_fill_macvlans(const struct cluster_config *c, struct net_config *nc)
{
    for (unsigned i = 0; c->vrrp.virtual_mac && i < c->n_vips; i++) {
        uint8_t kind = c->vips[i].family == AF_INET6 ? 2 : 1;
        struct net_macvlan x = {.mac = {0, 0, 0x5e, 0, kind, (uint8_t)config_vip_router(c, i)}};
        unsigned k = 0;
        agent_macvlan_name(c, i, x.name);
        memcpy(x.parent, c->vips[i].device, sizeof x.parent);
        memcpy(nc->vips[i].macvlan, x.name, sizeof x.name);
        while (k < nc->n_macvlans && strcmp(nc->macvlans[k].name, x.name) != 0)
            k++;
        if (k == nc->n_macvlans)
            nc->macvlans[nc->n_macvlans++] = x;
    }
}

void agent_fill_net(const struct cluster_config *c, unsigned self, struct net_config *nc)
{
    const struct config_node *node = &c->nodes[self];
    bool port = node->role == CONFIG_ROLE_CANDIDATE && c->policy.lease_scope == CONFIG_LEASE_PORT;
    size_t n =
        (size_t)snprintf(nc->table, sizeof nc->table, "tandem_%.*s", NET_TABLE_MAX - 8, c->cluster);
    for (size_t i = 0; i < n; i++) {
        bool word = (nc->table[i] >= 'a' && nc->table[i] <= 'z') ||
                    (nc->table[i] >= 'A' && nc->table[i] <= 'Z') ||
                    (nc->table[i] >= '0' && nc->table[i] <= '9');
        nc->table[i] = word ? nc->table[i] : '_';
    }
    for (unsigned i = 0; i < c->n_vips; i++) {
        memcpy(nc->vips[i].address, c->vips[i].address, sizeof nc->vips[i].address);
        nc->vips[i].prefix = c->vips[i].prefix;
        memcpy(nc->vips[i].device, c->vips[i].device, sizeof nc->vips[i].device);
        memcpy(nc->vips[i].label, c->vips[i].label, sizeof nc->vips[i].label);
        nc->vips[i].held_only = !c->vips[i].accept;
    }
    nc->n_vips = c->n_vips;
    agent_fill_macvlans(c, nc);
    nc->scope = port ? NET_SCOPE_PORT : NET_SCOPE_VIP;
    agent_fill_ports(c, self, nc);
    for (unsigned i = 0; i < c->n_nodes; i++)
        memcpy(nc->members[i], c->nodes[i].address, sizeof nc->members[i]);
    nc->n_members = c->n_nodes;
    memcpy(nc->own_address, node->address, sizeof nc->own_address);
}

static int agent_start_net(struct agent *a, struct errmsg *m)
{
    struct net_config *nc = calloc(1, sizeof *nc);
    struct net_options o = {
        .loop = &a->loop, .log = a->log, .config = nc, .on_event = agent_on_net, .data = a};
    int err;
    if (nc == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    agent_fill_net(a->cfg, a->self, nc);
    err = net_start(&o, m, &a->net);
    free(nc);
    if (err == 0)
        err = net_table_install(a->net, /* reset= */ false, m);
    if (err == ERR_EXISTS)
        err = net_table_install(a->net, /* reset= */ true, m);
    return err;
}

int agent_start_adapters(struct agent *a, struct errmsg *m)
{
    int err = agent_start_net(a, m);
    if (err == 0 && config_node_has_mysql(a->cfg, a->self)) {
        err = agent_start_mysql(a, m);
        if (err == 0)
            err = agent_start_process(a, m);
        if (err == 0)
            err = agent_clone_open(a, m);
    }
    if (err == 0)
        err = agent_start_peer(a, m);
    return err;
}
