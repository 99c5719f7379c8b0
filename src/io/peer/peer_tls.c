/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials come from peer_renew.c; GnuTLS calls verify_peer() in the middle of each handshake,
 * which decides by the certificate alone whether the other side is a node of this cluster and which
 * one. Failures: own files unusable (start fails with the file's name), foreign certificate refused
 * (the handshake fails, conn->refusal says why).
 */
#include <assert.h>
#include <gnutls/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/peer/cert.h"
#include "io/peer/peer_priv.h"
#include "io/peer/pki.h"

#define PEER_TLS_FLAGS (GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS)

__attribute__((format(printf, 2, 3))) static int refuse(struct peer_conn *conn, const char *fmt,
                                                        ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(conn->refusal, sizeof(conn->refusal), fmt, args);
    va_end(args);
    return -1;
}

/* Chain and time, as far as GnuTLS can say; the remedy for the common cases. */
static int verify_chain(struct peer_conn *conn, gnutls_x509_crt_t crt, const char *subject)
{
    unsigned status = 0;
    gnutls_datum_t text = {NULL, 0};
    int days = cert_days_left(crt);
    int rv = gnutls_certificate_verify_peers2(conn->tls, &status);
    if (rv != 0)
        return refuse(conn, "certificate '%s' cannot be verified: %s", subject,
                      gnutls_strerror(rv));
    if (status == 0)
        return 0;
    if ((status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE)) != 0)
        return refuse(conn, "certificate '%s' was not signed by this cluster's CA", subject);
    if ((status & GNUTLS_CERT_EXPIRED) != 0 && days < 0)
        return refuse(conn,
                      "certificate '%s' expired %d days ago: renew it on its node, or correct the "
                      "clock of one of the hosts",
                      subject, -days);
    if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0)
        return refuse(conn,
                      "certificate '%s' is not valid yet: correct the clock of one of the hosts",
                      subject);
    (void)gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
    rv = refuse(conn, "certificate '%s' was refused: %s", subject,
                text.data != NULL ? (const char *)text.data : "unknown reason");
    gnutls_free(text.data);
    return rv;
}

/* Sets conn->node of an accepted connection, checks that of a dialled one. */
static int verify_names(struct peer_conn *conn, gnutls_x509_crt_t crt, const char *subject)
{
    const struct peer *peer = conn->peer;
    if (!cert_is_of_cluster(crt, peer->cluster))
        return refuse(conn, "certificate '%s' is not of cluster '%s'", subject, peer->cluster);
    if (conn->dialled) {
        if (cert_is_of_node(crt, peer_name(peer, conn->node)))
            return 0;
        return refuse(conn, "certificate '%s' does not name the node '%s' that was dialled",
                      subject, peer_name(peer, conn->node));
    }
    for (unsigned i = 0; i < peer->config.n_nodes; i++) {
        if (!cert_is_of_node(crt, peer->config.node[i].name))
            continue;
        if (i == peer->config.self)
            return refuse(conn, "certificate '%s' is that of this node: a second host uses it",
                          subject);
        conn->node = i;
        return 0;
    }
    return refuse(conn, "certificate '%s' names no node of the cluster file", subject);
}

static int verify_peer(gnutls_session_t tls)
{
    struct peer_conn *conn = gnutls_session_get_ptr(tls);
    unsigned n = 0;
    const gnutls_datum_t *der = gnutls_certificate_get_peers(tls, &n);
    gnutls_x509_crt_t crt;
    char subject[256];
    int rv;
    if (der == NULL || n == 0)
        return refuse(conn, "no certificate was sent");
    if (gnutls_x509_crt_init(&crt) != 0)
        return refuse(conn, "out of memory");
    if (gnutls_x509_crt_import(crt, &der[0], GNUTLS_X509_FMT_DER) != 0) {
        gnutls_x509_crt_deinit(crt);
        return refuse(conn, "certificate cannot be read");
    }
    cert_subject(crt, subject, sizeof(subject));
    rv = verify_chain(conn, crt, subject);
    if (rv == 0)
        rv = verify_names(conn, crt, subject);
    gnutls_x509_crt_deinit(crt);
    return rv;
}

static int check_days(const char *what, const char *file, int days, struct errmsg *msg)
{
    if (days < 0)
        return errmsg_set(msg, ERR_AUTH,
                          "%s '%s' expired %d days ago: create a new one ('tandem init'), or "
                          "correct the clock of this host",
                          what, file, -days);
    return 0;
}

static int read_files(const struct peer_config *c, gnutls_certificate_credentials_t credentials)
{
    int rv = gnutls_certificate_set_x509_trust_file(credentials, c->ca_file, GNUTLS_X509_FMT_PEM);
    if (rv > 0)
        rv = gnutls_certificate_set_x509_key_file(credentials, c->cert_file, c->key_file,
                                                  GNUTLS_X509_FMT_PEM);
    return rv;
}

int peer_tls_make(const struct peer *peer, struct pki_facts *ret_facts,
                  gnutls_certificate_credentials_t *ret_credentials, struct errmsg *msg)
{
    const struct peer_config *c = &peer->config;
    struct pki_files files = {.ca = c->ca_file, .cert = c->cert_file, .key = c->key_file};
    gnutls_certificate_credentials_t credentials;
    struct pki_facts facts;
    int rv = pki_check(&files, peer->cluster, c->node[c->self].name, &facts, msg);
    if (rv == 0)
        rv = check_days("certificate", files.cert, facts.cert_days, msg);
    if (rv == 0)
        rv = check_days("CA certificate", files.ca, facts.ca_days, msg);
    if (rv != 0)
        return rv;
    if (gnutls_certificate_allocate_credentials(&credentials) != 0)
        return errmsg_set(msg, ERR_NOMEM, "out of memory");
    rv = read_files(c, credentials);
    if (rv < 0) {
        gnutls_certificate_free_credentials(credentials);
        return errmsg_set(msg, ERR_AUTH, "certificate '%s' cannot be used: %s", c->cert_file,
                          gnutls_strerror(rv));
    }
    gnutls_certificate_set_verify_function(credentials, verify_peer);
    *ret_facts = facts;
    *ret_credentials = credentials;
    return 0;
}

int peer_tls_init(struct peer *peer, struct errmsg *msg)
{
    int rv = gnutls_priority_init(&peer->priority, PEER_PRIORITY, NULL);
    if (rv != 0)
        return errmsg_set(msg, ERR_AUTH, "TLS cannot be set up: %s", gnutls_strerror(rv));
    return peer_renew_load(peer, msg);
}

void peer_tls_unload(struct peer *peer)
{
    peer_credentials_drop(peer->credentials);
    if (peer->priority != NULL)
        gnutls_priority_deinit(peer->priority);
    peer->credentials = NULL;
    peer->priority = NULL;
}

int peer_tls_open(struct peer_conn *conn)
{
    /* A client whose certificate is of another CA would stay silent about it without FORCE. */
    unsigned role = conn->dialled ? GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT : GNUTLS_SERVER;
    int rv;
    assert(conn->tls == NULL);
    rv = gnutls_init(&conn->tls, role | PEER_TLS_FLAGS);
    if (rv != 0) {
        conn->tls = NULL;
        return ERR_NOMEM;
    }
    gnutls_session_set_ptr(conn->tls, conn);
    gnutls_transport_set_int(conn->tls, conn->fd);
    gnutls_certificate_server_set_request(conn->tls, GNUTLS_CERT_REQUIRE);
    rv = gnutls_priority_set(conn->tls, conn->peer->priority);
    conn->credentials = peer_credentials_use(conn->peer->credentials);
    if (rv == 0)
        rv = gnutls_credentials_set(conn->tls, GNUTLS_CRD_CERTIFICATE, conn->credentials->gnutls);
    return rv == 0 ? 0 : ERR_NOMEM;
}
