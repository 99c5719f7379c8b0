/* SPDX-License-Identifier: Apache-2.0 */
#include "io/peer/peer_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/peer/cert.h"
#include "io/peer/peer_priv.h"

#define PIECE_ALIVE 0xffffffffu
#define PIECE_END 0u
#define ERROR_TEXT_MAX 240u
#define HANDSHAKE_SHARE 3 /* of open_ms: a stranger may take that much of a listener's time */

struct peer_stream {
    int fd;
    gnutls_session_t tls;
    gnutls_certificate_credentials_t credentials;
    char cluster[NODE_NAME_MAX];
    char other[NODE_NAME_MAX];
    char refusal[PEER_REASON_MAX];
};

static int stream_address(const struct peer_stream_config *c, struct sockaddr_storage *ret_addr,
                          socklen_t *ret_len, struct errmsg *m)
{
    memset(ret_addr, 0, sizeof *ret_addr);
    *ret_len = sizeof(struct sockaddr_in);
    if (uv_ip4_addr(c->address, c->port, (struct sockaddr_in *)ret_addr) == 0)
        return 0;
    *ret_len = sizeof(struct sockaddr_in6);
    if (uv_ip6_addr(c->address, c->port, (struct sockaddr_in6 *)ret_addr) == 0)
        return 0;
    return errmsg_set(m, ERR_INVAL, "'%s' is no address", c->address);
}

/* Waits for one event on a descriptor until the deadline; false: it did not come. */
static bool stream_wait(int fd, short events, int64_t until_us)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int64_t left_ms = (until_us - peer_now_us()) / 1000;
        int rc = left_ms < 0 ? 0 : poll(&p, 1, (int)(left_ms < 60000 ? left_ms : 60000));
        if (rc > 0)
            return true;
        if (left_ms < 0 || (rc < 0 && errno != EINTR))
            return false;
    }
}

/* ---- who it is ---- */

static int stream_verify(gnutls_session_t tls)
{
    struct peer_stream *s = gnutls_session_get_ptr(tls);
    unsigned n = 0;
    unsigned status = 0;
    const gnutls_datum_t *der = gnutls_certificate_get_peers(tls, &n);
    gnutls_x509_crt_t crt;
    char subject[256] = "none";
    bool is_right = false;
    if (der == NULL || n == 0 || gnutls_x509_crt_init(&crt) != 0) {
        (void)snprintf(s->refusal, sizeof s->refusal, "no certificate was sent");
        return -1;
    }
    if (gnutls_x509_crt_import(crt, &der[0], GNUTLS_X509_FMT_DER) == 0) {
        cert_subject(crt, subject, sizeof subject);
        is_right = gnutls_certificate_verify_peers2(tls, &status) == 0 && status == 0 &&
                   cert_is_of_cluster(crt, s->cluster) && cert_is_of_node(crt, s->other);
    }
    gnutls_x509_crt_deinit(crt);
    if (!is_right)
        (void)snprintf(s->refusal, sizeof s->refusal,
                       "certificate '%s' is not that of node '%s' of cluster '%s'", subject,
                       s->other, s->cluster);
    return is_right ? 0 : -1;
}

static int stream_new(const struct peer_stream_config *c, struct peer_stream **ret_stream,
                      struct errmsg *m)
{
    struct peer_stream *s = calloc(1, sizeof *s);
    int rv;
    if (s == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    s->fd = -1;
    (void)snprintf(s->cluster, sizeof s->cluster, "%s", c->cluster);
    (void)snprintf(s->other, sizeof s->other, "%s", c->other);
    rv = gnutls_certificate_allocate_credentials(&s->credentials);
    if (rv == 0)
        rv =
            gnutls_certificate_set_x509_trust_file(s->credentials, c->ca_file, GNUTLS_X509_FMT_PEM);
    if (rv > 0)
        rv = gnutls_certificate_set_x509_key_file(s->credentials, c->cert_file, c->key_file,
                                                  GNUTLS_X509_FMT_PEM);
    if (rv < 0) {
        peer_stream_close(s);
        return errmsg_set(m, ERR_AUTH, "certificate '%s' cannot be used: %s", c->cert_file,
                          gnutls_strerror(rv));
    }
    gnutls_certificate_set_verify_function(s->credentials, stream_verify);
    *ret_stream = s;
    return 0;
}

void peer_stream_close(struct peer_stream *s)
{
    if (s == NULL)
        return;
    if (s->tls != NULL)
        gnutls_deinit(s->tls);
    if (s->credentials != NULL)
        gnutls_certificate_free_credentials(s->credentials);
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s);
}

static void stream_hang_up(struct peer_stream *s)
{
    if (s->tls != NULL)
        gnutls_deinit(s->tls);
    if (s->fd >= 0)
        (void)close(s->fd);
    s->tls = NULL;
    s->fd = -1;
}

/* The socket of a session times out by itself: reads and writes block no longer than that. */
static void stream_limit(int fd, unsigned ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (int)(ms % 1000) * 1000};
    int user_ms = (int)ms;
    int flags = fcntl(fd, F_GETFL);
    (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof user_ms);
}

static int stream_handshake(struct peer_stream *s, const struct peer_stream_config *c,
                            unsigned role, struct errmsg *m)
{
    bool accepts = (role & GNUTLS_SERVER) != 0;
    int rv = gnutls_init(&s->tls, role | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);
    if (rv != 0) {
        s->tls = NULL;
        return errmsg_set(m, ERR_NOMEM, "TLS: %s", gnutls_strerror(rv));
    }
    stream_limit(s->fd, c->idle_ms);
    /* Of all of it: the socket's own limit begins anew with each byte. */
    gnutls_handshake_set_timeout(s->tls, accepts ? c->open_ms / HANDSHAKE_SHARE : c->open_ms);
    gnutls_session_set_ptr(s->tls, s);
    gnutls_transport_set_int(s->tls, s->fd);
    gnutls_certificate_server_set_request(s->tls, GNUTLS_CERT_REQUIRE);
    rv = gnutls_priority_set_direct(s->tls, PEER_PRIORITY, NULL);
    if (rv == 0)
        rv = gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, s->credentials);
    while (rv == 0 && (rv = gnutls_handshake(s->tls)) != 0) {
        if (rv != GNUTLS_E_INTERRUPTED && rv != GNUTLS_E_WARNING_ALERT_RECEIVED)
            break;
        rv = 0;
    }
    if (rv == 0)
        return 0;
    if (s->refusal[0] != '\0')
        return errmsg_set(m, ERR_AUTH, "%s", s->refusal);
    return errmsg_set(m, rv == GNUTLS_E_TIMEDOUT ? ERR_TIMEOUT : ERR_AUTH, "TLS with node '%s': %s",
                      s->other, gnutls_strerror(rv));
}

/* ---- opening ---- */

static int stream_listen(const struct peer_stream_config *c, int *ret_fd, struct errmsg *m)
{
    struct sockaddr_storage addr;
    socklen_t len;
    int on = 1;
    int err = stream_address(c, &addr, &len, m);
    int fd;
    if (err != 0)
        return err;
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errmsg_set(m, ERR_NET, "socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, 4) != 0) {
        err = errmsg_set(m, ERR_NET, "cannot listen on %s port %u: %s; see arbiter.copy_port",
                         c->address, c->port, strerror(errno));
        (void)close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

int peer_stream_accept(const struct peer_stream_config *c, void (*listening)(void *data),
                       void *data, struct peer_stream **ret_stream, struct errmsg *m)
{
    int64_t until_us = peer_now_us() + (int64_t)c->open_ms * 1000;
    struct peer_stream *s = NULL;
    int fd = -1;
    int err = stream_new(c, &s, m);
    if (err == 0)
        err = stream_listen(c, &fd, m);
    if (err == 0)
        listening(data);
    while (err == 0) {
        if (!stream_wait(fd, POLLIN, until_us)) {
            err = errmsg_set(m, ERR_TIMEOUT, "node '%s' did not come within %u s%s%s", c->other,
                             c->open_ms / 1000,
                             s->refusal[0] != '\0' ? "; somebody else did: " : "", s->refusal);
            break;
        }
        s->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (s->fd >= 0 && stream_handshake(s, c, GNUTLS_SERVER, m) == 0)
            break;
        stream_hang_up(s);
    }
    if (fd >= 0)
        (void)close(fd);
    if (err == 0)
        *ret_stream = s;
    else
        peer_stream_close(s);
    return err;
}

static int stream_dial(struct peer_stream *s, const struct peer_stream_config *c, struct errmsg *m)
{
    struct sockaddr_storage addr;
    socklen_t len;
    int failure = 0;
    socklen_t size = sizeof failure;
    int err = stream_address(c, &addr, &len, m);
    if (err != 0)
        return err;
    s->fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return errmsg_set(m, ERR_NET, "socket: %s", strerror(errno));
    if (connect(s->fd, (struct sockaddr *)&addr, len) != 0) {
        failure = errno;
        if (failure == EINPROGRESS &&
            stream_wait(s->fd, POLLOUT, peer_now_us() + (int64_t)c->open_ms * 1000))
            (void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    }
    if (failure == 0)
        return 0;
    return errmsg_set(m, ERR_NET, "node '%s' cannot be reached at %s port %u: %s", c->other,
                      c->address, c->port,
                      failure == EINPROGRESS ? "no answer" : strerror(failure));
}

int peer_stream_connect(const struct peer_stream_config *c, struct peer_stream **ret_stream,
                        struct errmsg *m)
{
    struct peer_stream *s = NULL;
    int err = stream_new(c, &s, m);
    if (err == 0)
        err = stream_dial(s, c, m);
    if (err == 0)
        err = stream_handshake(s, c, GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT, m);
    if (err == 0)
        *ret_stream = s;
    else
        peer_stream_close(s);
    return err;
}

/* ---- bytes ---- */

static int stream_broken(ssize_t rv, struct errmsg *m)
{
    if (rv == GNUTLS_E_AGAIN)
        return errmsg_set(m, ERR_NET, "the other node is silent");
    return errmsg_set(m, ERR_NET, "the connection was lost: %s",
                      rv == 0 ? "closed" : gnutls_strerror((int)rv));
}

static int stream_write(struct peer_stream *s, const void *data, size_t len, struct errmsg *m)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t rv = gnutls_record_send(s->tls, at, len);
        if (rv == GNUTLS_E_INTERRUPTED)
            continue;
        if (rv <= 0)
            return stream_broken(rv, m);
        at += rv;
        len -= (size_t)rv;
    }
    return 0;
}

static int stream_read(struct peer_stream *s, void *data, size_t len, struct errmsg *m)
{
    uint8_t *at = data;
    while (len > 0) {
        ssize_t rv = gnutls_record_recv(s->tls, at, len);
        if (rv == GNUTLS_E_INTERRUPTED)
            continue;
        if (rv <= 0)
            return stream_broken(rv, m);
        at += rv;
        len -= (size_t)rv;
    }
    return 0;
}

static int stream_head(struct peer_stream *s, uint32_t value, struct errmsg *m)
{
    uint8_t head[4];
    for (unsigned i = 0; i < sizeof head; i++)
        head[i] = (uint8_t)(value >> (8 * i));
    return stream_write(s, head, sizeof head, m);
}

static int stream_read_head(struct peer_stream *s, uint32_t *ret_value, struct errmsg *m)
{
    uint8_t head[4];
    int err = stream_read(s, head, sizeof head, m);
    *ret_value = 0;
    for (unsigned i = 0; err == 0 && i < sizeof head; i++)
        *ret_value |= (uint32_t)head[i] << (8 * i);
    return err;
}

int peer_stream_send(struct peer_stream *s, const void *data, size_t len, struct errmsg *m)
{
    int err = stream_head(s, (uint32_t)len, m);
    return err == 0 ? stream_write(s, data, len, m) : err;
}

int peer_stream_send_alive(struct peer_stream *s, struct errmsg *m)
{
    return stream_head(s, PIECE_ALIVE, m);
}

int peer_stream_send_end(struct peer_stream *s, const char *error, struct errmsg *m)
{
    size_t len = strnlen(error, ERROR_TEXT_MAX);
    int err = stream_head(s, PIECE_END, m);
    if (err == 0)
        err = stream_head(s, (uint32_t)len, m);
    if (err == 0)
        err = stream_write(s, error, len, m);
    if (err == 0)
        (void)gnutls_bye(s->tls, GNUTLS_SHUT_WR);
    return err;
}

static int stream_end(struct peer_stream *s, struct errmsg *m)
{
    char text[ERROR_TEXT_MAX + 1] = "";
    uint32_t len = 0;
    int err = stream_read_head(s, &len, m);
    if (err == 0 && len > ERROR_TEXT_MAX)
        return errmsg_set(m, ERR_FORMAT, "the stream makes no sense");
    if (err == 0)
        err = stream_read(s, text, len, m);
    if (err == 0 && len > 0)
        return errmsg_set(m, ERR_STATE, "the donor gave up: %s", text);
    return err;
}

int peer_stream_receive(struct peer_stream *s, void *buf, size_t *ret_len, struct errmsg *m)
{
    uint32_t len = PIECE_ALIVE;
    int err = 0;
    while (err == 0 && len == PIECE_ALIVE)
        err = stream_read_head(s, &len, m);
    if (err != 0)
        return err;
    *ret_len = len;
    if (len == PIECE_END)
        return stream_end(s, m);
    if (len > PEER_STREAM_PIECE_MAX)
        return errmsg_set(m, ERR_FORMAT, "the stream makes no sense");
    return stream_read(s, buf, len, m);
}
