/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: two timers of the loop call the node; its directory is opened by libraft's code.
 *
 * Failure modes: the directory is empty, foreign or cannot be read when it is opened: the node
 * reports it and asks again later. libraft 0.22.1 retries a failed write by itself on the wrong
 * timer and then reads freed memory, so its retries are put off for longer than a node waits.
 */
#include "io/raft/raft_host.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "io/raft/raft_dir.h"

#define NEVER_MS (3600u * 1000u)

struct raft_host {
    struct raft_node *node;
    uv_loop_t *loop;
    uv_timer_t soon;
    uv_timer_t retry;
    unsigned handles; /* that are still open */
    unsigned self;
    char dir[PATH_TEXT_MAX];
    char cluster[RAFT_DIR_CLUSTER_MAX];
    struct raft_uv_transport transport;
};

static int64_t host_now_us(void *data)
{
    struct timespec ts;
    (void)data;
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* --- wake-ups --- */

static void soon_cb(uv_timer_t *timer)
{
    struct raft_host *h = timer->data;
    raft_node_wake(h->node);
}

static void host_soon(void *data)
{
    struct raft_host *h = data;
    int rv = uv_timer_start(&h->soon, soon_cb, 0, 0);
    assert(rv == 0);
}

static void retry_cb(uv_timer_t *timer)
{
    struct raft_host *h = timer->data;
    raft_node_retry(h->node);
}

static void host_retry(void *data, int64_t after_ms)
{
    struct raft_host *h = data;
    int rv = after_ms < 0 ? uv_timer_stop(&h->retry)
                          : uv_timer_start(&h->retry, retry_cb, (uint64_t)after_ms, 0);
    assert(rv == 0);
}

/* --- disk --- */

static int host_open(void *data, struct raft_io *io, struct errmsg *msg)
{
    struct raft_host *h = data;
    struct raft_identity id;
    int err = raft_dir_identity(h->dir, &id, msg);
    int rv;
    if (err == 0)
        err = raft_dir_check(h->dir, &id, h->cluster, h->self, msg);
    if (err != 0)
        return err;
    raft_dir_no_transport(&h->transport);
    rv = raft_uv_init(io, h->loop, h->dir, &h->transport);
    if (rv != 0)
        return errmsg_set(msg, rv == RAFT_NOSPACE ? ERR_NOSPC : ERR_IO, "%s",
                          io->errmsg[0] != '\0' ? io->errmsg : raft_strerror(rv));
    raft_uv_set_tracer(io, NULL);
    raft_uv_set_disk_retry(io, NEVER_MS);
    raft_uv_set_segment_size(io, RAFT_BACKEND_RESERVE_BYTES);
    return 0;
}

static void host_close(void *data, struct raft_io *io)
{
    (void)data;
    raft_uv_close(io);
}

static bool host_has_space(void *data, uint64_t bytes)
{
    const struct raft_host *h = data;
    return raft_dir_has_space(h->dir, bytes);
}

/* --- life --- */

static void handle_closed_cb(uv_handle_t *handle)
{
    struct raft_host *h = handle->data;
    struct raft_node *node = h->node;
    if (--h->handles > 0)
        return;
    free(h);
    if (node != NULL)
        raft_node_released(node);
}

static void host_release(void *data)
{
    struct raft_host *h = data;
    uv_close((uv_handle_t *)&h->soon, handle_closed_cb);
    uv_close((uv_handle_t *)&h->retry, handle_closed_cb);
}

static int check_host(const struct raft_host_config *c, unsigned self, struct errmsg *msg)
{
    struct raft_identity id;
    if (strlen(c->dir) >= PATH_TEXT_MAX)
        return errmsg_set(msg, ERR_INVAL, "directory longer than %d characters", PATH_TEXT_MAX - 1);
    if (strlen(c->cluster) >= RAFT_DIR_CLUSTER_MAX)
        return errmsg_set(msg, ERR_INVAL, "cluster name longer than %d characters",
                          RAFT_DIR_CLUSTER_MAX - 1);
    /* One that cannot be read yet is reported by the node. */
    if (raft_dir_identity(c->dir, &id, msg) != 0)
        return 0;
    return raft_dir_check(c->dir, &id, c->cluster, self, msg);
}

static struct raft_host *new_host(const struct raft_host_config *c, unsigned self)
{
    struct raft_host *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->loop = c->loop;
    h->self = self;
    (void)snprintf(h->dir, sizeof h->dir, "%s", c->dir);
    (void)snprintf(h->cluster, sizeof h->cluster, "%s", c->cluster);
    return h;
}

static void start_handles(struct raft_host *h)
{
    int rv = uv_timer_init(h->loop, &h->soon);
    assert(rv == 0);
    rv = uv_timer_init(h->loop, &h->retry);
    assert(rv == 0);
    h->soon.data = h;
    h->retry.data = h;
    h->handles = 2;
}

static uint64_t kernel_seed(unsigned self)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)host_now_us(NULL) + self;
    return seed;
}

int raft_host_start(const struct raft_host_config *host, const struct raft_node_config *node,
                    struct raft_node **ret_node, struct errmsg *msg)
{
    struct raft_node_config config = *node;
    struct raft_host *h;
    int err = raft_node_config_check(node, msg);
    if (err == 0)
        err = check_host(host, node->self, msg);
    if (err != 0)
        return err;
    h = new_host(host, node->self);
    if (h == NULL)
        return ERR_NOMEM;
    start_handles(h);
    config.backend = (struct raft_backend){.data = h,
                                           .where = h->dir,
                                           .now_us = host_now_us,
                                           .soon = host_soon,
                                           .retry = host_retry,
                                           .open = host_open,
                                           .close = host_close,
                                           .has_space = host_has_space,
                                           .release = host_release};
    if (config.seed == 0)
        config.seed = kernel_seed(node->self);
    err = raft_node_start(&config, &h->node, msg);
    if (err != 0) {
        host_release(h);
        return err;
    }
    *ret_node = h->node;
    return 0;
}
