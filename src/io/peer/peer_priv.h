/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the transport, for nobody else:
 *   peer.c       start, close, send, the life of a node (up, down)
 *   peer_dial.c  sockets: listening, accepting, dialling with back-off
 *   peer_conn.c  one connection: TLS, frames, deadlines
 *   peer_tls.c   credentials, sessions, who a certificate is
 *   peer_renew.c the files of the certificate: taken up again when they change
 */
#ifndef TANDEM_IO_PEER_PEER_PRIV_H
#define TANDEM_IO_PEER_PEER_PRIV_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "io/peer/peer.h"
#include "io/peer/pki.h"
#include "util/prng.h"

/*
 * TLS 1.3 only, and no more algorithms than the certificates of pki.h and of a CA of the operator's
 * (RSA) need: a short list keeps sessions and handshakes small.
 */
#define PEER_PRIORITY                                                                     \
    "NONE:+VERS-TLS1.3:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:"               \
    "+GROUP-X25519:+GROUP-SECP256R1:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-EDDSA-ED25519:"    \
    "+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256:+COMP-NULL:" \
    "+CTYPE-X509:%DISABLE_TLS13_COMPAT_MODE"

#define PEER_STRANGERS_MAX (2u * NODES_MAX)
#define PEER_REASON_MAX 384
#define PEER_FILES 3 /* CA, certificate, key */

enum conn_state {
    CONN_CONNECTING, /* dialler: waiting for TCP */
    CONN_TLS,        /* handshake */
    CONN_HELLO,      /* waiting for the other side's HELLO */
    CONN_READY,
    CONN_LINGER, /* refused: waiting for the other side to read why */
    CONN_CLOSED  /* handles are closing; nothing may be done any more */
};

/* How a connection ended: decides what is logged. */
enum conn_end {
    CONN_END_LOST,       /* network, silence, orderly close */
    CONN_END_REFUSED,    /* by us */
    CONN_END_REFUSED_US, /* by the other side */
    CONN_END_BROKEN      /* bytes that make no sense */
};

/* Bytes in a row; [start, start + len) of data is in use. */
struct bytes {
    uint8_t *data;
    size_t start;
    size_t len;
    size_t cap;
};

/* What connections are made with; freed with its last user. */
struct peer_credentials {
    gnutls_certificate_credentials_t gnutls;
    unsigned users;
};

/* Tells files from other ones of the same names. */
struct peer_stamp {
    struct {
        uint64_t inode;
        int64_t size;
        int64_t changed_s;
        int64_t changed_ns;
    } file[PEER_FILES];
};

/* What a worker thread found; nobody else touches it meanwhile. */
struct peer_look {
    struct peer_stamp stamp;
    bool changed; /* not the files in use; what follows is of them */
    bool moving;  /* they changed while they were read */
    int err;
    struct errmsg msg;
    struct pki_facts facts;
    gnutls_certificate_credentials_t fresh; /* NULL unless err is 0 */
};

struct peer_renew {
    uv_timer_t timer;
    uv_work_t work;
    bool looking;
    bool again; /* asked for during a look */
    struct peer_look look;
    struct peer_stamp in_use;
    struct peer_stamp seen; /* by the last look that found other files than those in use */
    struct pki_facts facts; /* of the files in use */
    char refused_text[PEER_CERTIFICATE_TEXT_MAX]; /* why the files that lie there are not used */
    char told[PEER_CERTIFICATE_TEXT_MAX];
    int64_t warned_us;
};

struct peer_conn {
    struct peer *peer;
    struct peer_conn *next; /* list of all connections of the peer, newest first */
    struct peer_conn **link;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned handles_open;
    int events; /* what is polled for */
    int fd;
    bool dialled;
    bool record_pending; /* GnuTLS holds a record that the socket did not take yet */
    enum conn_state state;
    unsigned node; /* NODE_NONE until a certificate named it */
    gnutls_session_t tls;
    struct peer_credentials *credentials; /* of tls */
    int64_t state_us;                     /* since when in this state */
    int64_t rx_us;
    int64_t tx_us;
    uint32_t rx_sequence;
    uint32_t tx_sequence;
    struct bytes rx;
    struct bytes tx;
    size_t rx_need; /* bytes that make the next frame whole, 0 if unknown */
    struct frame_hello hello;
    char remote[ADDRESS_TEXT_MAX];
    char refusal[PEER_REASON_MAX]; /* why a certificate was refused, empty otherwise */
};

/* Lets one record a minute through and counts the rest. */
struct peer_limit {
    int64_t last_us; /* 0: never */
    unsigned suppressed;
};

struct peer_node {
    struct peer *peer;
    unsigned index;
    struct peer_conn *out; /* the one that was dialled, in any state but CLOSED and LINGER */
    struct peer_conn *in;  /* READY only */
    uv_timer_t retry;
    unsigned backoff_ms;
    int64_t dialled_us;
    bool up;
    char refusal[PEER_REASON_MAX];
    int64_t other_arbiter_us; /* when it said so last; 0: never */
    struct peer_limit dial_limit;
    struct peer_limit refused_limit;
    struct peer_limit refused_us_limit;
    struct peer_limit broken_limit;
    struct peer_stats stats;
};

struct peer {
    struct peer_config config; /* defaults filled in; texts point to copies below */
    struct peer_callbacks callbacks;
    char cluster[NODE_NAME_MAX];
    char agent_version[VERSION_TEXT_MAX];
    uint64_t cluster_id;
    uint64_t incarnation;
    struct peer_credentials *credentials; /* for new connections */
    gnutls_priority_t priority;
    struct peer_renew renew;
    int listen_fd;
    uint16_t port;
    uv_poll_t listener;
    uv_timer_t accept_retry; /* after running out of descriptors */
    uv_prepare_t prepare;
    uv_check_t check;
    struct prng prng;
    struct peer_node node[NODES_MAX];
    struct peer_conn *conns;
    struct peer_limit stranger_limit;
    struct peer_limit accept_limit;
    unsigned handles_open; /* all, those of connections included */
    bool flush_wanted;
    bool closing;
    peer_close_cb close_cb;
    void *close_data;
};

/* CLOCK_BOOTTIME: a suspended host has been silent. */
int64_t peer_now_us(void);
/* True if a record may be written now; *ret_suppressed is the number left out before it. */
bool peer_limit_pass(struct peer_limit *limit, unsigned *ret_suppressed);
/* Name of a node for a message, "?" for NODE_NONE. */
const char *peer_name(const struct peer *peer, unsigned node);
/* Called by every close callback of a handle; frees the transport with the last one. */
void peer_handle_closed(struct peer *peer);

/* peer.c, called by a connection: the other side's HELLO is in conn->hello. Makes the connection
 * READY, refuses it or closes it. */
void peer_on_hello(struct peer_conn *conn);
/* The connection left `state` for CLOSED or LINGER. Once per connection. */
void peer_on_gone(struct peer_conn *conn, enum conn_state state, enum conn_end end,
                  const char *reason);

/* peer_dial.c */
int peer_listen(struct peer *peer, struct errmsg *msg) NODISCARD;
void peer_listen_start(struct peer *peer);
void peer_on_retry(uv_timer_t *timer);
void peer_on_accept_retry(uv_timer_t *timer);
/* Dials after the back-off. */
void peer_dial_later(struct peer_node *node);
/* Dials now, or as soon as backoff_min_ms have passed since the last attempt. */
void peer_dial_soon(struct peer_node *node);
/* One record a minute that the node cannot be reached. */
void peer_log_dial_failed(struct peer_node *node, const char *reason);

/* peer_conn.c */
/* Takes the socket over, also on failure; dialled_node is NODE_NONE for an accepted one. Returns
 * NULL if out of memory or of descriptors. */
struct peer_conn *peer_conn_open(struct peer *peer, int fd, unsigned dialled_node,
                                 const char *remote);
void peer_conn_ready(struct peer_conn *conn);
__attribute__((format(printf, 3, 4))) void peer_conn_close(struct peer_conn *conn,
                                                           enum conn_end end, const char *fmt, ...);
/* Like close with CONN_END_REFUSED, but gives the other side a moment to read what was sent to it.
 */
__attribute__((format(printf, 2, 3))) void peer_conn_refuse(struct peer_conn *conn, const char *fmt,
                                                            ...);
/* ERR_FULL or ERR_NOMEM. */
int peer_conn_queue(struct peer_conn *conn, enum frame_kind kind, const void *payload,
                    size_t len) NODISCARD;
void peer_conn_flush(struct peer_conn *conn);
void peer_conn_send_hello(struct peer_conn *conn, enum frame_verdict verdict);

/* peer_tls.c */
int peer_tls_init(struct peer *peer, struct errmsg *msg) NODISCARD;
void peer_tls_unload(struct peer *peer);
int peer_tls_open(struct peer_conn *conn) NODISCARD;
/* Reads and checks this node's files. Changes nothing and logs nothing: for a worker thread. The
 * caller owns *ret_credentials. */
int peer_tls_make(const struct peer *peer, struct pki_facts *ret_facts,
                  gnutls_certificate_credentials_t *ret_credentials, struct errmsg *msg) NODISCARD;

/* peer_renew.c */
int peer_renew_load(struct peer *peer, struct errmsg *msg) NODISCARD;
void peer_renew_start(struct peer *peer);
void peer_renew_stop(struct peer *peer);
struct peer_credentials *peer_credentials_use(struct peer_credentials *credentials);
void peer_credentials_drop(struct peer_credentials *credentials); /* NULL is fine */

#endif
