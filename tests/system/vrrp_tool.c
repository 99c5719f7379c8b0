/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node of a VRRP pair without a database: the state machine of core/vrrp, the sockets of
 * io/vrrp and the addresses of io/net on a loop, so that the system tests can set it against a
 * Keepalived.
 *
 *     vrrp-tool device=eth0 vrid=100 priority=50 [interval_cs=100] [password=1111] [preempt=0]
 *         [preempt_delay_ms=0] [pseudo_header=0] [own_mac=1]
 *         router=4|6 [version=3] [own=ADDRESS] [peer=ADDRESS]... address=ADDRESS/PREFIX...
 *         [router=...]
 *
 * Orders come from standard input, one a line: faults N, weight N, preempt 0|1, resign, counters,
 * stop (as does its end). Everything that happens is a JSON line on standard output.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <uv.h>

#include "core/vrrp.h"
#include "io/net/net.h"
#include "io/vrrp/vrrp_socket.h"

struct tool;

struct tool_router {
    struct tool *tool;
    unsigned index;
    struct vrrp_socket_options options;
    struct vrrp_socket *socket;
};

struct tool {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_pipe_t input;
    char line[256];
    size_t used;
    struct vrrp vrrp;
    struct vrrp_options options;
    struct tool_router routers[VRRP_ROUTERS_MAX];
    struct net_config net_config;
    struct net *net;
    char device[VRRP_DEVICE_MAX];
    char password[VRRP_PASSWORD_SIZE + 1];
    unsigned vrid;
    bool pseudo_header;
    bool own_mac;
    bool has_macs;
    bool ended;
};

static int64_t now_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void tell(json_t *object)
{
    (void)json_object_set_new(object, "ms", json_integer(now_us() / 1000));
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
    json_decref(object);
}

static _Noreturn void die(const char *what, const char *detail)
{
    (void)fprintf(stderr, "vrrp-tool: %s: %s\n", what, detail);
    exit(1);
}

static void on_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void on_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
{
    char text[ERRMSG_MAX];
    va_list ap;
    (void)data;
    (void)level;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tell(json_pack("{s:s,s:s,s:s}", "event", "log", "id", id, "text", text));
}

/* --- addresses --------------------------------------------------------------------------------*/

static void on_address(void *data, const struct net_result *result)
{
    struct tool *t = data;
    struct errmsg m = ERRMSG_INIT;
    if (result->err != 0)
        tell(json_pack("{s:s,s:s}", "event", "address-failed", "text", result->msg.text));
    else if (t->vrrp.state == VRRP_MASTER && net_announce(t->net, result->vip, &m) != 0)
        tell(json_pack("{s:s,s:s}", "event", "announce-failed", "text", m.text));
}

static void set_addresses(struct tool *t, bool add)
{
    for (unsigned i = 0; i < t->net_config.n_vips; i++) {
        struct net_request rq = {.vip = i, .timeout_ms = 2000, .done = on_address, .data = t};
        int r = add ? net_vip_add(t->net, &rq, /* lifetime_s= */ 0, /* proven_free= */ true)
                    : net_vip_del(t->net, &rq);
        if (r != 0)
            tell(json_pack("{s:s,s:s}", "event", "address-failed", "text", err_text(r)));
    }
}

static void announce(struct tool *t)
{
    for (unsigned i = 0; i < t->net_config.n_vips; i++)
        (void)!net_announce(t->net, i, NULL);
    tell(json_pack("{s:s}", "event", "announce"));
}

/* --- the machine ------------------------------------------------------------------------------*/

static void on_timer(uv_timer_t *timer);

/* As the agent: made for the first word, gone after the last one. */
static void set_macs(struct tool *t, bool up)
{
    struct errmsg m = ERRMSG_INIT;
    int r = 0;
    if (!t->own_mac || t->has_macs == up)
        return;
    t->has_macs = up;
    for (unsigned i = 0; i < t->net_config.n_macvlans; i++) {
        struct vrrp_socket *s = t->routers[i].socket;
        if (up) {
            r = net_macvlan_up(t->net, i, &m);
            r = r != 0 ? r : vrrp_socket_leave_by(s, t->net_config.macvlans[i].name, &m);
        } else {
            r = vrrp_socket_leave_by(s, NULL, &m);
            r = r != 0 ? r : net_macvlan_down(t->net, i, &m);
        }
        if (r != 0)
            tell(json_pack("{s:s,s:s}", "event", "mac-failed", "text", m.text));
    }
}

static void send_advert(struct tool *t, const struct vrrp_effect *f)
{
    struct errmsg m = ERRMSG_INIT;
    if (f->priority != VRRP_PRIORITY_RELEASE)
        set_macs(t, true);
    if (vrrp_socket_send(t->routers[f->router].socket, f->priority, &m) != 0)
        tell(json_pack("{s:s,s:s}", "event", "send-failed", "text", m.text));
}

static void carry_out(struct tool *t, const struct vrrp_effect *f)
{
    switch (f->type) {
    case VRRP_EFFECT_TAKE:
        set_addresses(t, true);
        break;
    case VRRP_EFFECT_RELEASE:
        set_addresses(t, false);
        break;
    case VRRP_EFFECT_SEND:
        send_advert(t, f);
        break;
    case VRRP_EFFECT_ANNOUNCE:
        announce(t);
        break;
    case VRRP_EFFECT_CHANGED:
        tell(json_pack("{s:s,s:s,s:s,s:s}", "event", "state", "from", vrrp_state_text(f->from),
                       "to", vrrp_state_text(f->to), "cause", vrrp_cause_text(f->cause)));
        break;
    }
}

static void step(struct tool *t, struct vrrp_event event)
{
    struct vrrp_effects e;
    int64_t deadline, left_us;
    event.now_us = now_us();
    vrrp_step(&t->vrrp, &event, &e);
    for (unsigned i = 0; i < e.n; i++)
        carry_out(t, &e.list[i]);
    if (t->vrrp.state != VRRP_MASTER)
        set_macs(t, false);
    deadline = vrrp_deadline_us(&t->vrrp);
    left_us = deadline - now_us();
    if (deadline == 0)
        (void)uv_timer_stop(&t->timer);
    else
        (void)uv_timer_start(&t->timer, on_timer, left_us > 0 ? (uint64_t)left_us / 1000 + 1 : 0,
                             0);
}

static void on_timer(uv_timer_t *timer)
{
    struct tool *t = timer->data;
    for (unsigned i = 0; i < t->options.n_routers; i++)
        vrrp_socket_drain(t->routers[i].socket);
    step(t, (struct vrrp_event){.type = VRRP_EVENT_TIMER});
}

static void on_packet(void *data, const struct vrrp_envelope *e, const struct vrrp_packet *p)
{
    struct tool_router *r = data;
    step(r->tool, (struct vrrp_event){.type = VRRP_EVENT_ADVERT,
                                      .router = r->index,
                                      .priority = p->priority,
                                      .interval_cs = p->interval_cs,
                                      .source = e->source});
}

/* --- orders -----------------------------------------------------------------------------------*/

static void tell_counters(const struct tool *t)
{
    json_t *routers = json_array();
    for (unsigned i = 0; i < t->options.n_routers; i++) {
        const struct vrrp_counters *c = vrrp_socket_counters(t->routers[i].socket);
        json_t *rejected = json_object();
        for (unsigned k = 1; k < VRRP_REJECT_COUNT; k++)
            (void)json_object_set_new(rejected, vrrp_reject_id(k),
                                      json_integer((json_int_t)c->rejected[k]));
        (void)json_array_append_new(
            routers, json_pack("{s:I,s:I,s:I,s:o}", "accepted", (json_int_t)c->accepted, "sent",
                               (json_int_t)c->sent, "send_errors", (json_int_t)c->send_errors,
                               "rejected", rejected));
    }
    tell(json_pack("{s:s,s:o}", "event", "counters", "routers", routers));
}

/* The loop goes on until the addresses are off. */
static void on_end(uv_timer_t *timer)
{
    struct tool *t = timer->data;
    for (unsigned i = 0; i < t->options.n_routers; i++)
        vrrp_socket_stop(t->routers[i].socket, NULL, NULL);
    net_stop(t->net, NULL, NULL);
    uv_close((uv_handle_t *)&t->timer, NULL);
}

static void end(struct tool *t)
{
    if (t->ended)
        return;
    t->ended = true;
    step(t, (struct vrrp_event){.type = VRRP_EVENT_STOP});
    uv_close((uv_handle_t *)&t->input, NULL);
    (void)uv_timer_start(&t->timer, on_end, 100, 0);
}

static void order(struct tool *t, const char *line)
{
    char word[32] = "";
    int value = 0;
    (void)sscanf(line, "%31s %d", word, &value);
    if (strcmp(word, "faults") == 0)
        step(t, (struct vrrp_event){.type = VRRP_EVENT_FAULTS, .faults = (unsigned)value});
    else if (strcmp(word, "weight") == 0)
        step(t, (struct vrrp_event){.type = VRRP_EVENT_WEIGHT, .weight = value});
    else if (strcmp(word, "preempt") == 0)
        step(t, (struct vrrp_event){.type = VRRP_EVENT_PREEMPT, .preempt = value != 0});
    else if (strcmp(word, "resign") == 0)
        step(t, (struct vrrp_event){.type = VRRP_EVENT_RESIGN});
    else if (strcmp(word, "counters") == 0)
        tell_counters(t);
    else if (strcmp(word, "stop") == 0)
        end(t);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct tool *t = handle->data;
    (void)size;
    *buf = uv_buf_init(t->line + t->used, (unsigned)(sizeof t->line - 1 - t->used));
}

static void on_input(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct tool *t = stream->data;
    char *newline;
    (void)buf;
    if (n < 0) {
        end(t);
        return;
    }
    t->used += (size_t)n;
    t->line[t->used] = '\0';
    while (!t->ended && (newline = strchr(t->line, '\n')) != NULL) {
        *newline = '\0';
        order(t, t->line);
        t->used -= (size_t)(newline + 1 - t->line);
        memmove(t->line, newline + 1, t->used + 1);
    }
}

/* --- options ----------------------------------------------------------------------------------*/

static struct vrrp_address parse_address(const char *text)
{
    struct vrrp_address a = {{0}};
    if (inet_pton(strchr(text, ':') != NULL ? AF_INET6 : AF_INET, text, a.bytes) != 1)
        die("no address", text);
    return a;
}

static void add_address(struct tool *t, struct vrrp_expect *x, const char *text)
{
    struct net_vip *vip = &t->net_config.vips[t->net_config.n_vips++];
    const char *slash = strchr(text, '/');
    if (slash == NULL || x->n_addresses == VRRP_ADDRESSES_MAX || t->net_config.n_vips == VIPS_MAX)
        die("address", text);
    (void)snprintf(vip->address, sizeof vip->address, "%.*s", (int)(slash - text), text);
    (void)snprintf(vip->device, sizeof vip->device, "%s", t->device);
    vip->prefix = (uint8_t)strtoul(slash + 1, NULL, 10);
    x->addresses[x->n_addresses++] = parse_address(vip->address);
}

static void add_router(struct tool *t, const char *value)
{
    struct tool_router *r = &t->routers[t->options.n_routers];
    r->tool = t;
    r->index = t->options.n_routers++;
    r->options.expect.family = strcmp(value, "6") == 0 ? VRRP_IPV6 : VRRP_IPV4;
    r->options.expect.version = 3;
}

static bool router_option(struct tool *t, const char *key, const char *value)
{
    struct vrrp_expect *x;
    if (strcmp(key, "router") == 0) {
        add_router(t, value);
        return true;
    }
    if (t->options.n_routers == 0)
        return false;
    x = &t->routers[t->options.n_routers - 1].options.expect;
    if (strcmp(key, "version") == 0)
        x->version = (uint8_t)strtoul(value, NULL, 10);
    else if (strcmp(key, "own") == 0)
        x->own = parse_address(value);
    else if (strcmp(key, "peer") == 0)
        x->peers[x->n_peers++] = parse_address(value);
    else if (strcmp(key, "address") == 0)
        add_address(t, x, value);
    else
        return false;
    return true;
}

static bool common_option(struct tool *t, const char *key, const char *value)
{
    unsigned long number = strtoul(value, NULL, 10);
    if (strcmp(key, "device") == 0)
        (void)snprintf(t->device, sizeof t->device, "%s", value);
    else if (strcmp(key, "password") == 0)
        (void)snprintf(t->password, sizeof t->password, "%s", value);
    else if (strcmp(key, "vrid") == 0)
        t->vrid = (unsigned)number;
    else if (strcmp(key, "priority") == 0)
        t->options.priority = (uint8_t)number;
    else if (strcmp(key, "interval_cs") == 0)
        t->options.interval_cs = (uint16_t)number;
    else if (strcmp(key, "preempt") == 0)
        t->options.preempt = number != 0;
    else if (strcmp(key, "preempt_delay_ms") == 0)
        t->options.preempt_delay_ms = (uint32_t)number;
    else if (strcmp(key, "pseudo_header") == 0)
        t->pseudo_header = number != 0;
    else if (strcmp(key, "own_mac") == 0)
        t->own_mac = number != 0;
    else
        return false;
    return true;
}

static void read_options(struct tool *t, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals == NULL)
            die("option", argv[i]);
        *equals = '\0';
        if (!common_option(t, argv[i], equals + 1) && !router_option(t, argv[i], equals + 1))
            die("option", argv[i]);
    }
    if (t->options.n_routers == 0)
        die("option", "no router");
}

/* --- life -------------------------------------------------------------------------------------*/

static void start_router(struct tool *t, struct tool_router *r)
{
    struct vrrp_expect *x = &r->options.expect;
    static const struct vrrp_address none;
    struct errmsg m = ERRMSG_INIT;
    if (vrrp_address_compare(&x->own, &none) == 0 &&
        vrrp_socket_find_own(t->device, x->family, &x->own) != 0)
        die("no address of its own on", t->device);
    x->vrid = (uint8_t)t->vrid;
    x->interval_cs = t->options.interval_cs;
    if (x->version == 2 && t->password[0] != '\0') {
        x->auth_type = VRRP_AUTH_PASSWORD;
        memcpy(x->password, t->password, VRRP_PASSWORD_SIZE);
    }
    r->options.loop = &t->loop;
    r->options.log = (struct log){on_log, t};
    r->options.pseudo_header = t->pseudo_header;
    r->options.own_mac = t->own_mac;
    r->options.on_packet = on_packet;
    r->options.data = r;
    memcpy(r->options.device, t->device, sizeof r->options.device);
    t->options.routers[r->index].version = x->version;
    t->options.routers[r->index].own = x->own;
    if (vrrp_socket_start(&r->options, &m, &r->socket) != 0)
        die("socket", m.text);
}

/* What an earlier run left behind goes before the first word is said. */
static void on_net(void *data, const struct net_event *event)
{
    struct tool *t = data;
    if (event->type != NET_EVENT_READY)
        return;
    set_addresses(t, false);
    t->has_macs = t->own_mac;
    set_macs(t, false);
    step(t, (struct vrrp_event){.type = VRRP_EVENT_START});
}

static void add_macs(struct tool *t)
{
    struct net_config *c = &t->net_config;
    for (unsigned i = 0; t->own_mac && i < t->options.n_routers; i++) {
        unsigned family = t->routers[i].options.expect.family;
        struct net_macvlan *x = &c->macvlans[c->n_macvlans++];
        *x = (struct net_macvlan){
            .mac = {0, 0, 0x5e, 0, family == VRRP_IPV6 ? 2 : 1, (uint8_t)t->vrid}};
        (void)snprintf(x->name, sizeof x->name, "vrrp%u.%u", family, t->vrid & 255);
        memcpy(x->parent, t->device, sizeof x->parent);
        for (unsigned k = 0; k < c->n_vips; k++) {
            if ((strchr(c->vips[k].address, ':') != NULL) == (family == VRRP_IPV6))
                memcpy(c->vips[k].macvlan, x->name, sizeof x->name);
        }
    }
}

static void start_net(struct tool *t)
{
    struct net_options o = {.loop = &t->loop,
                            .log = {on_log, t},
                            .config = &t->net_config,
                            .on_event = on_net,
                            .data = t};
    struct errmsg m = ERRMSG_INIT;
    (void)snprintf(t->net_config.table, sizeof t->net_config.table, "tandem_vrrp_tool");
    t->net_config.ports[t->net_config.n_ports++] = 3306;
    add_macs(t);
    if (net_start(&o, &m, &t->net) != 0)
        die("network", m.text);
}

int main(int argc, char **argv)
{
    struct tool *t = calloc(1, sizeof *t);
    int rc;
    if (t == NULL)
        die("memory", "none");
    t->options = (struct vrrp_options){.interval_cs = 100, .preempt = true};
    t->pseudo_header = true;
    read_options(t, argc, argv);
    (void)uv_loop_init(&t->loop);
    (void)uv_timer_init(&t->loop, &t->timer);
    (void)uv_pipe_init(&t->loop, &t->input, 0);
    t->timer.data = t->input.data = t;
    if (uv_pipe_open(&t->input, 0) != 0)
        die("standard input", "not a pipe");
    for (unsigned i = 0; i < t->options.n_routers; i++)
        start_router(t, &t->routers[i]);
    vrrp_init(&t->vrrp, &t->options);
    (void)uv_read_start((uv_stream_t *)&t->input, on_alloc, on_input);
    start_net(t);
    (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&t->loop);
    free(t);
    return rc == 0 ? 0 : 1;
}
