/* SPDX-License-Identifier: Apache-2.0 */
#include "app/hold.h"

#include <stdlib.h>
#include <uv.h>

#include "app/agent.h"
#include "io/net/net.h"

#define HOLD_LOOK_MS 3000

struct hold {
    uv_timer_t limit;
    bool ready; /* what addresses there are is known */
};

static void hold_on_net(void *data, const struct net_event *e)
{
    struct hold *h = data;
    if (e->type == NET_EVENT_READY)
        h->ready = true;
}

static void hold_on_limit(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* Addresses are told by the kernel while the loop turns. */
static int hold_look(uv_loop_t *loop, struct hold *h, struct net *net, struct errmsg *m)
{
    (void)uv_timer_init(loop, &h->limit);
    (void)uv_timer_start(&h->limit, hold_on_limit, HOLD_LOOK_MS, 0);
    while (!h->ready && uv_is_active((uv_handle_t *)&h->limit))
        (void)uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&h->limit, NULL);
    if (!h->ready)
        return errmsg_set(m, ERR_TIMEOUT, "the kernel does not tell this host's addresses");
    if (!net_vip_is_present(net, 0))
        return errmsg_set(m, ERR_STATE,
                          "the virtual address is not on this host: only the writer's host may be "
                          "held");
    return 0;
}

static int hold_change(struct net *net, bool off, struct errmsg *m)
{
    int err;
    if (off)
        return net_table_remove(net, m);
    err = net_table_install(net, /* reset= */ false, m);
    if (err == ERR_EXISTS)
        err = net_table_install(net, /* reset= */ true, m);
    return err != 0 ? err : net_lease_set(net, NET_LEASE_FOREVER, m);
}

int hold_set(const struct cluster_config *cfg, unsigned self, bool off, struct errmsg *m)
{
    struct net_config *nc = calloc(1, sizeof *nc);
    struct hold h = {.ready = false};
    struct net *net = NULL;
    uv_loop_t loop;
    struct net_options o = {.loop = &loop, .config = nc, .on_event = hold_on_net, .data = &h};
    int err;
    if (nc == NULL || uv_loop_init(&loop) != 0) {
        free(nc);
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    }
    agent_fill_net(cfg, self, nc);
    err = net_start(&o, m, &net);
    free(nc);
    if (err == 0 && !off)
        err = hold_look(&loop, &h, net, m);
    if (err == 0)
        err = hold_change(net, off, m);
    net_stop(net, NULL, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    return err;
}
