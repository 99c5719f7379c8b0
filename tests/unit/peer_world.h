/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes of one process for tests of the transport: a loop per node (a loop that is not run is a
 * stopped process), certificates in a temporary directory, ports that stay reserved while nobody
 * listens, everything that the callbacks and the log said.
 */
#ifndef TANDEM_TESTS_UNIT_PEER_WORLD_H
#define TANDEM_TESTS_UNIT_PEER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/peer/peer.h"
#include "io/peer/pki.h"

#define WORLD_NODES 3u
#define WORLD_DEADLINE_MS 10000
#define WORLD_LOG_MAX 16384

struct world;

struct world_node {
    struct world *world;
    unsigned index;
    uv_loop_t loop;
    bool stopped; /* its loop is not run */
    struct peer *peer;
    bool closed;
    struct peer_config config;
    char files[3][PATH_MAX];
    unsigned ups[WORLD_NODES];
    unsigned downs[WORLD_NODES];
    unsigned frames[WORLD_NODES];
    struct frame_hello hello[WORLD_NODES];
    char reason[WORLD_NODES][512];
    char received[WORLD_NODES][256]; /* first byte of each frame */
    size_t biggest_len;
    uint64_t biggest_sum;
    char log[WORLD_LOG_MAX];
    bool echo;
    bool close_on_frame;
};

struct world {
    char dir[64];
    void *user; /* the test's own */
    void (*on_certificate)(void *data, const struct peer_certificate *c);
    int reserved[WORLD_NODES];
    uint16_t port[WORLD_NODES];
    struct world_node node[WORLD_NODES];
};

static const char *const world_names[WORLD_NODES] = {"m1", "m2", "m3"};

static inline int64_t world_now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

__attribute__((format(printf, 4, 5))) static inline void
world_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
{
    struct world_node *n = data;
    size_t used = strlen(n->log);
    va_list args;
    (void)level;
    used += (size_t)snprintf(n->log + used, WORLD_LOG_MAX - used, "%s: ", id);
    assert_true(used < WORLD_LOG_MAX);
    va_start(args, fmt);
    used += (size_t)vsnprintf(n->log + used, WORLD_LOG_MAX - used, fmt, args);
    va_end(args);
    assert_true(used < WORLD_LOG_MAX - 1);
    (void)snprintf(n->log + used, WORLD_LOG_MAX - used, "\n");
}

static inline unsigned world_log_count(const struct world_node *n, const char *text)
{
    unsigned count = 0;
    for (const char *p = strstr(n->log, text); p != NULL; p = strstr(p + 1, text))
        count++;
    return count;
}

static inline uint64_t world_sum(const uint8_t *data, size_t len)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + data[i];
    return sum;
}

static inline void world_on_closed(void *data)
{
    struct world_node *n = data;
    n->closed = true;
    n->peer = NULL;
}

static inline void world_close_node(struct world_node *n)
{
    n->closed = false;
    peer_close(n->peer, world_on_closed, n);
    n->peer = NULL;
}

static inline void world_on_frame(void *data, unsigned from, enum frame_kind kind,
                                  const uint8_t *payload, size_t len)
{
    struct world_node *n = data;
    size_t used = strlen(n->received[from]);
    n->frames[from]++;
    if (len > n->biggest_len) {
        n->biggest_len = len;
        n->biggest_sum = world_sum(payload, len);
    }
    if (len > 0 && used < sizeof(n->received[from]) - 1)
        n->received[from][used] = (char)payload[0];
    if (n->echo && kind == FRAME_REQUEST)
        assert_int_equal(peer_send(n->peer, from, FRAME_ANSWER, payload, len), 0);
    if (n->close_on_frame)
        world_close_node(n);
}

static inline void world_on_up(void *data, unsigned node, const struct frame_hello *hello)
{
    struct world_node *n = data;
    assert_int_equal(n->ups[node], n->downs[node]); /* strictly in turn */
    n->ups[node]++;
    n->hello[node] = *hello;
}

static inline void world_on_down(void *data, unsigned node, const char *reason)
{
    struct world_node *n = data;
    n->downs[node]++;
    assert_int_equal(n->ups[node], n->downs[node]);
    (void)snprintf(n->reason[node], sizeof(n->reason[node]), "%s", reason);
}

/* Bound and not listening: the kernel gives the port to nobody else, and a node may listen on it.
 */
static inline int world_reserve_port(uint16_t *ret_port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

static inline void world_use_files(struct world_node *n, const char *dir, const char *name)
{
    (void)snprintf(n->files[0], PATH_MAX, "%s/ca.pem", dir);
    (void)snprintf(n->files[1], PATH_MAX, "%s/%s.pem", dir, name);
    (void)snprintf(n->files[2], PATH_MAX, "%s/%s.key", dir, name);
    n->config.ca_file = n->files[0];
    n->config.cert_file = n->files[1];
    n->config.key_file = n->files[2];
}

static inline void world_make_pki(const char *dir)
{
    struct errmsg msg = ERRMSG_INIT;
    assert_int_equal(pki_create_ca(dir, "demo", &msg), 0);
    for (unsigned i = 0; i < WORLD_NODES; i++)
        assert_int_equal(pki_create_node(dir, "demo", world_names[i], "127.0.0.1", &msg), 0);
}

/* A certificate of the world's CA with chosen times, in days from now. */
static inline void world_make_certificate(const struct world *w, const char *name, int from_days,
                                          int to_days)
{
    char path[PATH_MAX];
    gnutls_datum_t pem;
    gnutls_x509_crt_t ca;
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t ca_key;
    FILE *f;
    assert_int_equal(gnutls_x509_crt_init(&ca), 0);
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    assert_int_equal(gnutls_x509_privkey_init(&ca_key), 0);
    (void)snprintf(path, sizeof(path), "%s/ca.pem", w->dir);
    assert_int_equal(gnutls_load_file(path, &pem), 0);
    assert_int_equal(gnutls_x509_crt_import(ca, &pem, GNUTLS_X509_FMT_PEM), 0);
    gnutls_free(pem.data);
    (void)snprintf(path, sizeof(path), "%s/ca.key", w->dir);
    assert_int_equal(gnutls_load_file(path, &pem), 0);
    assert_int_equal(gnutls_x509_privkey_import(ca_key, &pem, GNUTLS_X509_FMT_PEM), 0);
    gnutls_free(pem.data);
    (void)snprintf(path, sizeof(path), "%s/%s.pem", w->dir, name);
    assert_int_equal(gnutls_load_file(path, &pem), 0);
    assert_int_equal(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM), 0);
    gnutls_free(pem.data);
    (void)gnutls_x509_crt_set_activation_time(crt, time(NULL) + 86400 * from_days);
    (void)gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 86400 * to_days - 60);
    assert_int_equal(gnutls_x509_crt_sign2(crt, ca, ca_key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(pem.data, 1, pem.size, f), pem.size);
    assert_int_equal(fclose(f), 0);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(ca);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(ca_key);
}

/* n_nodes in everybody's cluster file; nothing is started. */
static inline void world_init_node(struct world *w, unsigned i, unsigned n_nodes)
{
    struct world_node *n = &w->node[i];
    struct peer_config *c = &n->config;
    n->world = w;
    n->index = i;
    n->closed = true;
    assert_int_equal(uv_loop_init(&n->loop), 0);
    c->loop = &n->loop;
    c->log = (struct log){world_log, n};
    c->self = i;
    c->n_nodes = n_nodes;
    c->cluster = "demo";
    c->agent_version = "1.2.3";
    c->config_digest = 100 + i;
    c->connect_timeout_ms = 500;
    c->handshake_timeout_ms = 500;
    c->idle_timeout_ms = 400;
    c->ping_interval_ms = 50;
    for (unsigned j = 0; j < n_nodes; j++) {
        (void)snprintf(c->node[j].name, NODE_NAME_MAX, "%s", world_names[j]);
        (void)snprintf(c->node[j].address, ADDRESS_TEXT_MAX, "127.0.0.1");
        c->node[j].port = w->port[j];
    }
    world_use_files(n, w->dir, world_names[i]);
}

static inline struct world *world_open(unsigned n_nodes)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/tandem-peer-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    world_make_pki(w->dir);
    for (unsigned i = 0; i < WORLD_NODES; i++)
        w->reserved[i] = world_reserve_port(&w->port[i]);
    for (unsigned i = 0; i < WORLD_NODES; i++)
        world_init_node(w, i, n_nodes);
    return w;
}

static inline void world_start(struct world *w, unsigned i)
{
    static const struct peer_callbacks template = {
        .on_frame = world_on_frame, .on_up = world_on_up, .on_down = world_on_down};
    struct peer_callbacks callbacks = template;
    struct errmsg msg = ERRMSG_INIT;
    struct world_node *n = &w->node[i];
    callbacks.data = n;
    callbacks.on_certificate = w->on_certificate;
    memset(n->ups, 0, sizeof(n->ups));
    memset(n->downs, 0, sizeof(n->downs));
    if (peer_start(&n->config, &callbacks, &n->peer, &msg) != 0)
        fail_msg("node %u: %s", i, msg.text);
    n->closed = false;
}

/* One turn of every loop that is not stopped; waits a little if none has anything to do. */
static inline void world_turn(struct world *w)
{
    struct pollfd fds[WORLD_NODES];
    nfds_t n = 0;
    int timeout_ms = 20;
    for (unsigned i = 0; i < WORLD_NODES; i++) {
        int left;
        if (w->node[i].stopped)
            continue;
        (void)uv_run(&w->node[i].loop, UV_RUN_NOWAIT);
        left = uv_backend_timeout(&w->node[i].loop);
        if (left >= 0 && left < timeout_ms)
            timeout_ms = left;
        fds[n++] = (struct pollfd){.fd = uv_backend_fd(&w->node[i].loop), .events = POLLIN};
    }
    (void)poll(fds, n, timeout_ms);
}

#define WORLD_UNTIL(w, condition)                                         \
    do {                                                                  \
        int64_t end_ms_ = world_now_ms() + WORLD_DEADLINE_MS;             \
        while (!(condition)) {                                            \
            if (world_now_ms() > end_ms_)                                 \
                fail_msg("never came: %s\n%s", #condition, world_all(w)); \
            world_turn(w);                                                \
        }                                                                 \
    } while (0)

/* Everything that was logged, for a failed wait. Not freed: the test is over. */
static inline const char *world_all(const struct world *w)
{
    char *text = calloc(WORLD_NODES, WORLD_LOG_MAX);
    assert_non_null(text);
    for (unsigned i = 0; i < WORLD_NODES; i++)
        (void)snprintf(text + strlen(text), WORLD_LOG_MAX, "%s:\n%s", world_names[i],
                       w->node[i].log);
    return text;
}

static inline void world_run_ms(struct world *w, int64_t duration_ms)
{
    int64_t end_ms = world_now_ms() + duration_ms;
    while (world_now_ms() < end_ms)
        world_turn(w);
}

static inline bool world_linked(const struct world *w, unsigned a, unsigned b)
{
    return peer_is_up(w->node[a].peer, b) && peer_is_up(w->node[b].peer, a);
}

static inline void world_stop(struct world *w, unsigned i)
{
    if (w->node[i].peer != NULL)
        world_close_node(&w->node[i]);
    w->node[i].stopped = false;
    WORLD_UNTIL(w, w->node[i].closed);
}

static inline void world_remove_dir(const char *path)
{
    char file[PATH_MAX];
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        if (unlink(file) != 0)
            world_remove_dir(file);
    }
    (void)closedir(dir);
    assert_int_equal(rmdir(path), 0);
}

/* Every loop must be empty: nothing was leaked, nothing left running. */
static inline void world_close(struct world *w)
{
    for (unsigned i = 0; i < WORLD_NODES; i++)
        world_stop(w, i);
    for (unsigned i = 0; i < WORLD_NODES; i++) {
        assert_int_equal(uv_run(&w->node[i].loop, UV_RUN_NOWAIT), 0);
        assert_int_equal(uv_loop_close(&w->node[i].loop), 0);
        (void)close(w->reserved[i]);
    }
    world_remove_dir(w->dir);
    free(w);
}

static inline int world_send(struct world *w, unsigned from, unsigned to, const char *text)
{
    return peer_send(w->node[from].peer, to, FRAME_RAFT, text, strlen(text));
}

#endif
