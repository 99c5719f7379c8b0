/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libraft's life inside a node: started from the disk, watched, closed, started again.
 *
 * Happy path: the first retry comes at once; the disk is this node's; libraft loads its log and
 * ticks until the node is stopped.
 *
 * Failure modes: an empty disk, one that cannot be read, a write that fails or does not end, no
 * space: libraft is closed where it runs, the trouble is reported, and a retry is asked for.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/raft_impl.h"
#include "util/backoff.h"

#define RETRY_MIN_MS 200
#define RETRY_MAX_MS 30000
#define CALM_US 10000000 /* without news a trouble is over, and earlier failures are forgotten */
#define SPACE_EVERY_US 1000000
#define SNAPSHOT_THRESHOLD 1024
#define SNAPSHOT_TRAILING 256
#define INFLIGHT_MAX 16
#define STALLED_US 10000000

_Static_assert(INFLIGHT_MAX *(RAFT_NODE_ENTRY_MAX + 64) + 1024 <= RAFT_NODE_FRAME_MAX,
               "a full pipeline fits into one frame");
_Static_assert(RAFT_NODE_SNAPSHOT_MAX + 2048 <= RAFT_NODE_FRAME_MAX, "a snapshot fits");
_Static_assert(INFLIGHT_MAX <= RAFT_CODEC_ENTRIES_MAX, "the codec takes a full pipeline");

const char *raft_trouble_text(enum raft_trouble trouble)
{
    static const char *const texts[] = {
        [RAFT_TROUBLE_NONE] = "none",
        [RAFT_TROUBLE_SLOW] = "slow-raft-disk",
        [RAFT_TROUBLE_EMPTY] = "empty-raft-directory",
        [RAFT_TROUBLE_STALLED] = "stalled-raft-disk",
        [RAFT_TROUBLE_FULL] = "full-raft-disk",
        [RAFT_TROUBLE_IO] = "raft-io",
        [RAFT_TROUBLE_UNKNOWN_ENTRY] = "unknown-entry",
    };
    return trouble < RAFT_TROUBLE_COUNT ? texts[trouble] : "unknown";
}

static bool has_space(const struct raft_node *node, uint64_t bytes)
{
    return node->cfg.backend.has_space(node->cfg.backend.data, bytes);
}

void raft_life_trouble(struct raft_node *node, enum raft_trouble trouble, const char *text)
{
    bool news = trouble != node->trouble;
    node->trouble = trouble;
    node->trouble_us = raft_now_us(node);
    if (text != node->trouble_text)
        (void)snprintf(node->trouble_text, sizeof node->trouble_text, "%s", text);
    raft_node_publish(node);
    if (!news)
        return;
    if (trouble == RAFT_TROUBLE_NONE)
        LOG(&node->cfg.log, NOTICE, "raft-recovered", "the raft directory works again dir=%s",
            node->cfg.backend.where);
    else
        LOG(&node->cfg.log, ERROR, "raft-trouble", "%s trouble=%s dir=%s", node->trouble_text,
            raft_trouble_text(trouble), node->cfg.backend.where);
    RAFT_CALL(node, on_trouble, trouble, node->trouble_text);
}

void raft_life_fail(struct raft_node *node, enum raft_trouble trouble, const char *fmt, ...)
{
    char text[DETAIL_TEXT_MAX];
    va_list ap;
    if (node->failed)
        return;
    node->failed = true;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (trouble == RAFT_TROUBLE_IO && !has_space(node, RAFT_BACKEND_RESERVE_BYTES))
        trouble = RAFT_TROUBLE_FULL;
    raft_node_refresh(node);
    raft_life_trouble(node, trouble, text);
    raft_node_soon(node);
}

/* --- watching --- */

void raft_life_wrote(struct raft_node *node, int64_t start_us)
{
    int64_t took_us = raft_now_us(node) - start_us;
    char text[DETAIL_TEXT_MAX];
    node->disk_last_us = took_us;
    if (took_us > node->disk_max_us)
        node->disk_max_us = took_us;
    if (took_us <= node->cfg.slow_disk_us ||
        (node->trouble != RAFT_TROUBLE_NONE && node->trouble != RAFT_TROUBLE_SLOW))
        return;
    (void)snprintf(text, sizeof text,
                   "a write took %lld ms, more than %lld ms: elections and commits are slow; give "
                   "the raft directory a disk of its own",
                   (long long)(took_us / 1000), (long long)(node->cfg.slow_disk_us / 1000));
    raft_life_trouble(node, RAFT_TROUBLE_SLOW, text);
}

static void watch_writes(struct raft_node *node, int64_t now_us)
{
    int64_t oldest_us = node->put.busy ? node->put.start_us : now_us;
    for (const struct raft_write *w = node->writes; w != NULL; w = w->next)
        if (w->start_us < oldest_us)
            oldest_us = w->start_us;
    if (now_us - oldest_us > node->cfg.stalled_disk_us)
        raft_life_fail(
            node,
            has_space(node, RAFT_BACKEND_RESERVE_BYTES) ? RAFT_TROUBLE_STALLED : RAFT_TROUBLE_FULL,
            "a write has not ended within %lld ms", (long long)((now_us - oldest_us) / 1000));
}

/* A disk keeps a reserve ready; libraft's own says nowhere when it could not make one. */
static void watch_space(struct raft_node *node, int64_t now_us)
{
    node->space_us = now_us;
    if (node->io.capacity >= RAFT_BACKEND_RESERVE_BYTES / 1024) {
        node->low_us = 0;
        return;
    }
    if (node->low_us == 0)
        node->low_us = now_us;
    if (!has_space(node, 2 * RAFT_BACKEND_RESERVE_BYTES))
        raft_life_fail(node, RAFT_TROUBLE_FULL, "no space left for the raft log");
    else if (now_us - node->low_us > node->cfg.stalled_disk_us)
        raft_life_fail(node, RAFT_TROUBLE_IO, "no file for the raft log can be made");
}

void raft_life_watch(struct raft_node *node, int64_t now_us)
{
    if (node->trouble == RAFT_TROUBLE_SLOW && now_us - node->trouble_us > CALM_US)
        raft_life_trouble(node, RAFT_TROUBLE_NONE, "");
    if (node->failures > 0 && now_us - node->up_us > CALM_US)
        node->failures = 0;
    watch_writes(node, now_us);
    if (!node->failed && now_us - node->space_us > SPACE_EVERY_US)
        watch_space(node, now_us);
}

/* --- starting --- */

static void retry_in(struct raft_node *node, int64_t ms)
{
    node->cfg.backend.retry(node->cfg.backend.data, ms);
}

static void retry_later(struct raft_node *node)
{
    int64_t pause_ms = backoff(RETRY_MIN_MS, RETRY_MAX_MS, node->failures);
    node->failures++;
    retry_in(node, pause_ms);
}

static void closed_cb(struct raft *raft)
{
    struct raft_node *node = raft->data;
    node->closed = true;
    raft_node_soon(node);
}

static void close_library(struct raft_node *node)
{
    node->phase = RAFT_PHASE_CLOSING;
    node->closed = false;
    raft_node_refresh(node);
    raft_node_transfer_lost(node);
    raft_close(&node->raft, closed_cb);
}

static void forget_the_run(struct raft_node *node, int64_t now_us)
{
    uint64_t seed = prng_next(&node->vote.prng);
    arbiter_vote_init(&node->vote, &node->cfg.timing, seed, now_us);
    node->vote.rank = node->rank;
    arbiter_lease_init(&node->lease, &node->cfg.timing, node->cfg.self);
    memset(&node->transfer, 0, sizeof node->transfer);
    memset(node->echo, 0, sizeof node->echo);
    memset(&node->receiving, 0, sizeof node->receiving);
    memset(&node->put, 0, sizeof node->put);
    memset(&node->snapshot_read, 0, sizeof node->snapshot_read);
    node->failed = false;
    node->halted = false;
    node->stepping_down = false;
    node->load_index = 0;
    node->low_us = 0;
    node->up_us = now_us;
}

static unsigned ms_of(int64_t us)
{
    return (unsigned)(us / 1000);
}

static int init_library(struct raft_node *node, struct errmsg *msg)
{
    struct raft *r = &node->raft;
    int64_t t_us = node->cfg.timing.election_timeout_us;
    int err = node->cfg.backend.open(node->cfg.backend.data, &node->io, msg);
    int rv;
    if (err != 0)
        return err;
    raft_io_decorate(node);
    raft_fsm_init(node);
    rv = raft_init(r, &node->io, &node->fsm, raft_node_id(node->cfg.self),
                   node->address[node->cfg.self]);
    if (rv != 0) {
        err = errmsg_set(msg, rv == RAFT_NOSPACE ? ERR_NOSPC : ERR_IO, "%s",
                         node->io.errmsg[0] != '\0' ? node->io.errmsg : raft_strerror(rv));
        node->cfg.backend.close(node->cfg.backend.data, &node->io);
        return err;
    }
    r->data = node;
    r->tracer = NULL;
    r->legacy.step_cb = raft_node_step_cb;
    /* In this order: libraft silently triples T = 150 when the heartbeat is 15 already. */
    raft_set_election_timeout(r, ms_of(t_us));
    raft_set_heartbeat_timeout(r, ms_of(node->cfg.timing.heartbeat_us));
    raft_set_install_snapshot_timeout(r, ms_of(5 * t_us) > 1000 ? ms_of(5 * t_us) : 1000);
    raft_set_pre_vote(r, true);
    raft_set_max_inflight_entries(r, INFLIGHT_MAX);
    /* 0: otherwise a new leader fails, half converted, when most disks are full. */
    raft_set_capacity_threshold(r, 0);
    raft_set_snapshot_threshold(r, node->cfg.snapshot_threshold);
    raft_set_snapshot_trailing(r, node->cfg.snapshot_trailing);
    return 0;
}

static void start_failed(struct raft_node *node, int err, const char *detail)
{
    if (err == ERR_NOTFOUND)
        raft_life_trouble(node, RAFT_TROUBLE_EMPTY,
                          "the raft directory holds no log: this node stays silent until it is "
                          "made a member (tandem init, once)");
    else
        raft_life_trouble(node, err == ERR_NOSPC ? RAFT_TROUBLE_FULL : RAFT_TROUBLE_IO,
                          detail[0] != '\0' ? detail : err_text(err));
}

static void run_library(struct raft_node *node)
{
    char detail[DETAIL_TEXT_MAX];
    int rv;
    node->phase = RAFT_PHASE_UP;
    rv = raft_start(&node->raft);
    node->load_index = 0;
    if (rv != 0) {
        (void)snprintf(detail, sizeof detail, "%s", raft_errmsg(&node->raft));
        node->failed = true;
        start_failed(node,
                     rv == RAFT_NOTFOUND  ? ERR_NOTFOUND
                     : rv == RAFT_NOSPACE ? ERR_NOSPC
                                          : ERR_IO,
                     detail);
        raft_node_soon(node);
        return;
    }
    if (raft_current_term(&node->raft) < node->durable_term) {
        raft_life_fail(node, RAFT_TROUBLE_IO,
                       "the raft directory went back in time: term %llu was written, %llu is read",
                       (unsigned long long)node->durable_term, raft_current_term(&node->raft));
        return;
    }
    LOG(&node->cfg.log, INFO, "raft-started", "read the raft log term=%llu last_index=%llu",
        raft_current_term(&node->raft), raft_last_index(&node->raft));
    watch_space(node, raft_now_us(node));
    if (!node->failed && !node->halted && node->trouble != RAFT_TROUBLE_NONE)
        raft_life_trouble(node, RAFT_TROUBLE_NONE, "");
    raft_node_refresh(node);
}

void raft_node_retry(struct raft_node *node)
{
    struct errmsg msg = ERRMSG_INIT;
    int err;
    assert(node->phase == RAFT_PHASE_DOWN && !node->stopping);
    forget_the_run(node, raft_now_us(node));
    err = init_library(node, &msg);
    if (err == 0) {
        run_library(node);
        return;
    }
    start_failed(node, err, msg.text);
    retry_later(node);
}

/* --- the whole life --- */

void raft_life_init(struct raft_node *node)
{
    if (node->cfg.slow_disk_us == 0)
        node->cfg.slow_disk_us = node->cfg.timing.election_timeout_us / 2;
    if (node->cfg.stalled_disk_us == 0)
        node->cfg.stalled_disk_us = STALLED_US;
    if (node->cfg.snapshot_threshold == 0)
        node->cfg.snapshot_threshold = SNAPSHOT_THRESHOLD;
    if (node->cfg.snapshot_trailing == 0)
        node->cfg.snapshot_trailing = SNAPSHOT_TRAILING;
    retry_in(node, 0);
}

void raft_node_released(struct raft_node *node)
{
    raft_node_stop_cb cb = node->stop_cb;
    void *data = node->stop_data;
    raft_proposals_cancel(node); /* those made since */
    free(node);
    if (cb != NULL)
        cb(data);
}

void raft_life_run(struct raft_node *node)
{
    if (node->phase == RAFT_PHASE_CLOSING && node->closed) {
        node->cfg.backend.close(node->cfg.backend.data, &node->io);
        assert(node->writes == NULL && !node->put.busy && node->n_sends == 0);
        node->phase = RAFT_PHASE_DOWN;
        if (!node->stopping)
            retry_later(node);
    }
    if (node->phase == RAFT_PHASE_UP && (node->failed || node->stopping))
        close_library(node);
    if (node->phase == RAFT_PHASE_DOWN && node->stopping) {
        raft_proposals_cancel(node);
        node->phase = RAFT_PHASE_GONE;
        node->cfg.backend.release(node->cfg.backend.data);
    }
}

void raft_life_stop(struct raft_node *node)
{
    retry_in(node, -1);
    raft_node_soon(node);
}
