/* SPDX-License-Identifier: Apache-2.0 */
#include "raft_cluster.h"

#include <assert.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/raft/raft_dir.h"
#include "io/raft/raft_host.h"

#define KIND_OFFSET 35 /* of a frame's message type, arbiter/raft_codec.h */

struct raft_packet {
    uv_timer_t timer;
    struct raft_cluster *cluster;
    unsigned from;
    unsigned to;
    size_t len;
    struct raft_packet *next;
    uint8_t payload[];
};

int64_t raft_cluster_now_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* --- network --- */

static void packet_closed_cb(uv_handle_t *handle)
{
    struct raft_packet *p = handle->data;
    p->cluster->packets--;
    free(p);
}

static void packet_cb(uv_timer_t *timer)
{
    struct raft_packet *p = timer->data;
    struct raft_member *to = &p->cluster->m[p->to];
    if (to->node != NULL && !p->cluster->cut[p->from][p->to])
        raft_node_receive(to->node, p->from, p->payload, p->len);
    uv_close((uv_handle_t *)timer, packet_closed_cb);
}

static bool is_of_leader(int type)
{
    return type == 1 || type == 5 || type == 6;
}

static int cluster_send(void *data, unsigned to, const void *payload, size_t len)
{
    struct raft_member *m = data;
    struct raft_cluster *c = m->cluster;
    int type = len > KIND_OFFSET ? ((const uint8_t *)payload)[KIND_OFFSET] : 0;
    struct raft_packet *p;
    int rv;
    assert(len <= RAFT_NODE_FRAME_MAX);
    if (is_of_leader(type))
        m->sent_of_leader++;
    if (c->m[to].node == NULL || c->cut[m->self][to])
        return ERR_NET;
    if (c->filter != NULL && c->filter(c, m->self, to, type, payload, len))
        return 0;
    p = calloc(1, sizeof *p + len);
    assert(p != NULL);
    memcpy(p->payload, payload, len);
    p->cluster = c;
    p->from = m->self;
    p->to = to;
    p->len = len;
    if (type == c->hold_type) {
        p->next = c->held;
        c->held = p;
        return 0;
    }
    rv = uv_timer_init(&c->loop, &p->timer);
    assert(rv == 0);
    p->timer.data = p;
    c->packets++;
    rv = uv_timer_start(&p->timer, packet_cb, c->delay_ms, 0);
    assert(rv == 0);
    return 0;
}

void raft_cluster_release(struct raft_cluster *c)
{
    struct raft_packet *p;
    while ((p = c->held) != NULL) {
        c->held = p->next;
        if (c->m[p->to].node != NULL)
            raft_node_receive(c->m[p->to].node, p->from, p->payload, p->len);
        free(p);
    }
}

void raft_cluster_cut(struct raft_cluster *c, unsigned from, unsigned to, bool cut)
{
    c->cut[from][to] = cut;
}

void raft_cluster_isolate(struct raft_cluster *c, unsigned node, bool cut)
{
    for (unsigned i = 0; i < c->n; i++) {
        c->cut[i][node] = cut;
        c->cut[node][i] = cut;
    }
}

/* --- callbacks --- */

static void on_elected(void *data, uint64_t term)
{
    struct raft_member *m = data;
    assert(m->leads == 0);
    m->leads = term;
    m->elections++;
    m->elected_us = raft_cluster_now_us();
}

static void on_deposed(void *data, uint64_t term)
{
    struct raft_member *m = data;
    assert(m->leads == term);
    assert(m->lease_us == 0);
    m->leads = 0;
    m->deposed_us = raft_cluster_now_us();
}

static void on_leader(void *data, uint64_t term, unsigned node)
{
    struct raft_member *m = data;
    (void)term;
    m->leader = node;
}

static void on_lease(void *data, int64_t until_us)
{
    struct raft_member *m = data;
    assert(until_us == 0 || m->leads != 0);
    assert(until_us != m->lease_us);
    m->lease_us = until_us;
    if (until_us > m->lease_max_us)
        m->lease_max_us = until_us;
    if (until_us == 0)
        m->lease_zero_us = raft_cluster_now_us();
    else if (until_us - raft_cluster_now_us() > m->lease_best_us)
        m->lease_best_us = until_us - raft_cluster_now_us();
}

static int on_apply(void *data, uint64_t index, uint64_t term, const void *bytes, size_t len)
{
    struct raft_member *m = data;
    uint64_t value = 0;
    assert(index > m->index && term > 0 && len >= sizeof value);
    memcpy(&value, bytes, sizeof value);
    m->index = index;
    m->count++;
    m->hash = m->hash * 1099511628211u + value;
    return 0;
}

static int on_snapshot_take(void *data, void *buf, size_t size, size_t *ret_len)
{
    struct raft_member *m = data;
    uint64_t state[2] = {m->count, m->hash};
    assert(size >= sizeof state);
    memcpy(buf, state, sizeof state);
    *ret_len = sizeof state;
    return 0;
}

static int on_snapshot_restore(void *data, uint64_t index, const void *bytes, size_t len)
{
    struct raft_member *m = data;
    uint64_t state[2];
    assert(len == sizeof state && index > m->index);
    memcpy(state, bytes, sizeof state);
    m->index = index;
    m->count = state[0];
    m->hash = state[1];
    m->restores++;
    return 0;
}

static void on_proposal(void *data, uint64_t id, int err, uint64_t index)
{
    struct raft_member *m = data;
    assert(id < CLUSTER_PROPOSALS_MAX && m->result[id] == 1);
    /* Applied here before it is answered. */
    assert(err != 0 || index > 0);
    m->result[id] = err;
    m->answers[id]++;
}

static void on_transfer(void *data, enum arbiter_transfer_outcome outcome)
{
    struct raft_member *m = data;
    m->outcome = outcome;
    m->transfers++;
}

static void on_trouble(void *data, enum raft_trouble trouble, const char *text)
{
    struct raft_member *m = data;
    assert(text != NULL && trouble < RAFT_TROUBLE_COUNT);
    m->trouble = trouble;
    m->troubles[trouble]++;
}

static void PRINTF_LIKE(4, 5)
    cluster_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
{
    struct raft_member *m = data;
    char text[512];
    va_list ap;
    (void)level;
    if (strcmp(id, "raft-log-lost") == 0)
        m->lost_logged++;
    if (!m->cluster->verbose)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "# %10.3f node %u %s: %s\n", (double)raft_cluster_now_us() / 1000,
                  m->self, id, text);
}

/* --- life --- */

static void make_root(struct raft_cluster *c)
{
    const char *base = getenv("TANDEM_RAFT_DIR");
    if (base == NULL)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(c->root, sizeof c->root, "%s/tandem-raft-XXXXXX", base);
    if (mkdtemp(c->root) == NULL)
        abort();
}

void raft_cluster_open(struct raft_cluster *c, unsigned n, uint32_t voters,
                       const struct arbiter_timing *timing)
{
    int err = uv_loop_init(&c->loop);
    assert(err == 0);
    c->n = n;
    c->voters = voters;
    c->timing = *timing;
    c->delay_ms = 1;
    c->next_id = 1;
    c->verbose = getenv("TANDEM_RAFT_VERBOSE") != NULL;
    make_root(c);
    for (unsigned i = 0; i < n; i++) {
        struct raft_member *m = &c->m[i];
        struct raft_dir_seed seed = {
            .dir = m->dir, .cluster = "test", .self = i, .n_nodes = n, .voters = voters};
        struct errmsg msg = ERRMSG_INIT;
        m->cluster = c;
        m->self = i;
        m->rank = ARBITER_RANK_NONE;
        m->entry_format = 1;
        (void)snprintf(m->dir, sizeof m->dir, "%.200s/n%u", c->root, i);
        err = raft_dir_bootstrap(&seed, &msg);
        if (err != 0)
            (void)fprintf(stderr, "# %s\n", msg.text);
        assert(err == 0);
    }
}

void raft_cluster_start(struct raft_cluster *c, unsigned node)
{
    struct raft_member *m = &c->m[node];
    struct errmsg msg = ERRMSG_INIT;
    struct raft_host_config host = {.loop = &c->loop, .dir = m->dir, .cluster = "test"};
    struct raft_node_config config = {
        .log = {.fn = cluster_log, .data = m},
        .self = node,
        .n_nodes = c->n,
        .timing = c->timing,
        .entry_format = m->entry_format,
        .seed = 1000 + node,
        .slow_disk_us = c->slow_disk_us != 0 ? c->slow_disk_us : 60000000,
        .stalled_disk_us = c->stalled_disk_us,
        .snapshot_threshold = c->snapshot_threshold,
        .snapshot_trailing = c->snapshot_trailing,
        .callbacks = {.data = m,
                      .send = cluster_send,
                      .on_elected = on_elected,
                      .on_deposed = on_deposed,
                      .on_leader = on_leader,
                      .on_lease = on_lease,
                      .on_apply = on_apply,
                      .on_snapshot_take = on_snapshot_take,
                      .on_snapshot_restore = on_snapshot_restore,
                      .on_proposal = on_proposal,
                      .on_transfer = on_transfer,
                      .on_trouble = on_trouble},
    };
    int err;
    assert(m->node == NULL && m->leads == 0);
    m->index = m->count = m->hash = 0;
    m->restores = 0;
    m->lease_us = 0;
    m->leader = NODE_NONE;
    m->trouble = RAFT_TROUBLE_NONE;
    m->start_us = raft_cluster_now_us();
    err = raft_host_start(&host, &config, &m->node, &msg);
    if (err != 0)
        (void)fprintf(stderr, "# %s\n", msg.text);
    assert(err == 0);
}

void raft_cluster_start_all(struct raft_cluster *c, const unsigned *rank)
{
    for (unsigned i = 0; i < c->n; i++) {
        c->m[i].rank = rank[i];
        raft_cluster_start(c, i);
        if (rank[i] == 0)
            raft_node_set_rank(c->m[i].node, 0);
    }
}

void raft_cluster_rank(struct raft_cluster *c)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->m[i].node != NULL)
            raft_node_set_rank(c->m[i].node, c->m[i].rank);
}

static void stopped_cb(void *data)
{
    struct raft_member *m = data;
    m->cluster->stopping--;
    assert(m->leads == 0 && m->lease_us == 0);
    for (unsigned id = 0; id < CLUSTER_PROPOSALS_MAX; id++)
        assert(m->result[id] != 1);
}

static bool none_stopping(struct raft_cluster *c, void *data)
{
    (void)data;
    return c->stopping == 0;
}

void raft_cluster_stop(struct raft_cluster *c, unsigned node)
{
    struct raft_member *m = &c->m[node];
    struct raft_node *old = m->node;
    bool stopped;
    assert(old != NULL);
    m->node = NULL;
    c->stopping++;
    raft_node_stop(old, stopped_cb, m);
    stopped = raft_cluster_until(c, none_stopping, NULL, 20000);
    assert(stopped);
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    char child[2 * PATH_TEXT_MAX];
    if (dir == NULL) {
        (void)unlink(path);
        return;
    }
    while ((e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        (void)snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        remove_tree(child);
    }
    (void)closedir(dir);
    (void)rmdir(path);
}

void raft_cluster_close(struct raft_cluster *c)
{
    int rv;
    for (unsigned i = 0; i < c->n; i++)
        if (c->m[i].node != NULL)
            raft_cluster_stop(c, i);
    raft_cluster_release(c);
    rv = uv_run(&c->loop, UV_RUN_DEFAULT);
    assert(rv == 0 && c->packets == 0);
    rv = uv_loop_close(&c->loop);
    assert(rv == 0);
    remove_tree(c->root);
}

/* --- running --- */

static void alarm_cb(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

bool raft_cluster_until(struct raft_cluster *c, bool (*cond)(struct raft_cluster *c, void *data),
                        void *data, int64_t timeout_ms)
{
    uv_timer_t alarm;
    bool late = false, met = false;
    int rv = uv_timer_init(&c->loop, &alarm);
    assert(rv == 0);
    alarm.data = &late;
    uv_update_time(&c->loop);
    rv = uv_timer_start(&alarm, alarm_cb, (uint64_t)timeout_ms, 0);
    assert(rv == 0);
    while (!(met = cond(c, data)) && !late)
        (void)uv_run(&c->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&alarm, NULL);
    (void)uv_run(&c->loop, UV_RUN_NOWAIT);
    return met;
}

static bool time_is_over(struct raft_cluster *c, void *data)
{
    (void)c;
    return raft_cluster_now_us() >= *(int64_t *)data;
}

void raft_cluster_run(struct raft_cluster *c, int64_t us)
{
    int64_t end_us = raft_cluster_now_us() + us;
    (void)raft_cluster_until(c, time_is_over, &end_us, us / 1000 + 1000);
}

unsigned raft_cluster_leader(const struct raft_cluster *c)
{
    unsigned leader = NODE_NONE;
    for (unsigned i = 0; i < c->n; i++)
        if (c->m[i].leads != 0 && (leader == NODE_NONE || c->m[i].leads > c->m[leader].leads))
            leader = i;
    return leader;
}

uint64_t raft_cluster_propose(struct raft_cluster *c, unsigned node, uint64_t value)
{
    uint64_t id = c->next_id++;
    assert(id < CLUSTER_PROPOSALS_MAX);
    c->m[node].result[id] = 1;
    raft_node_propose(c->m[node].node, id, 1, &value, sizeof value);
    return id;
}

uint64_t raft_cluster_barrier(struct raft_cluster *c, unsigned node)
{
    uint64_t id = c->next_id++;
    assert(id < CLUSTER_PROPOSALS_MAX);
    c->m[node].result[id] = 1;
    raft_node_barrier(c->m[node].node, id);
    return id;
}

/* --- conditions --- */

bool raft_cluster_someone_leads(struct raft_cluster *c, void *data)
{
    (void)data;
    return raft_cluster_leader(c) != NODE_NONE;
}

bool raft_cluster_another_leads(struct raft_cluster *c, void *data)
{
    for (unsigned i = 0; i < c->n; i++)
        if (i != *(unsigned *)data && c->m[i].leads != 0)
            return true;
    return false;
}

bool raft_cluster_is_deposed(struct raft_cluster *c, void *data)
{
    return c->m[*(unsigned *)data].leads == 0;
}

bool raft_cluster_has_lease(struct raft_cluster *c, void *data)
{
    return c->m[*(unsigned *)data].lease_us != 0;
}

bool raft_cluster_has_no_lease(struct raft_cluster *c, void *data)
{
    return c->m[*(unsigned *)data].lease_us == 0;
}

bool raft_cluster_all_have(struct raft_cluster *c, void *data)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->m[i].node != NULL && c->m[i].count != *(uint64_t *)data)
            return false;
    return true;
}

static bool leader_has_lease(struct raft_cluster *c, void *data)
{
    *(unsigned *)data = raft_cluster_leader(c);
    return *(unsigned *)data != NODE_NONE && c->m[*(unsigned *)data].lease_us != 0;
}

unsigned raft_cluster_elect(struct raft_cluster *c)
{
    unsigned leader = NODE_NONE;
    if (!raft_cluster_until(c, leader_has_lease, &leader, CLUSTER_WAIT_MS))
        return NODE_NONE;
    raft_cluster_rank(c);
    return leader;
}

struct answer {
    unsigned node;
    uint64_t id;
};

static bool is_answered(struct raft_cluster *c, void *data)
{
    const struct answer *a = data;
    return c->m[a->node].result[a->id] != 1;
}

int raft_cluster_answer(struct raft_cluster *c, unsigned node, uint64_t id)
{
    struct answer a = {node, id};
    if (!raft_cluster_until(c, is_answered, &a, CLUSTER_WAIT_MS))
        return ERR_TIMEOUT;
    assert(c->m[node].answers[id] == 1);
    return c->m[node].result[id];
}

int raft_cluster_commit(struct raft_cluster *c, unsigned node, uint64_t value)
{
    return raft_cluster_answer(c, node, raft_cluster_propose(c, node, value));
}
