/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of certificates and keys: PEM files with messages that name the file, the names a
 * certificate carries, and the time it has left. Used by the transport and by pki.
 */
#ifndef TANDEM_IO_PEER_CERT_H
#define TANDEM_IO_PEER_CERT_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct cert_list {
    gnutls_x509_crt_t *crt;
    unsigned n;
};

/*
 * Load every certificate of a file (at least one; a CA file holds two while the CA is replaced) and
 * an unencrypted key. ERR_NOTFOUND, ERR_PERM, ERR_IO, ERR_FORMAT; `what`, such as "CA certificate",
 * is for the message. The caller releases with cert_list_free and gnutls_x509_privkey_deinit.
 */
int cert_load_list(const char *path, const char *what, struct cert_list *ret_list,
                   struct errmsg *msg) NODISCARD;
void cert_list_free(struct cert_list *list);
int cert_load_key(const char *path, const char *what, gnutls_x509_privkey_t *ret_key,
                  struct errmsg *msg) NODISCARD;

/* O is the cluster (exactly one O, byte for byte). */
bool cert_is_of_cluster(gnutls_x509_crt_t crt, const char *cluster);
/* CN or one of the DNS names is the node, byte for byte; wildcards mean nothing. */
bool cert_is_of_node(gnutls_x509_crt_t crt, const char *node);
/* The subject for a message, at most size - 1 bytes; never empty. */
void cert_subject(gnutls_x509_crt_t crt, char *buf, size_t size);
/* Whole days until the end, rounded down, negative after it. */
int cert_days_left(gnutls_x509_crt_t crt);
int64_t cert_end_s(gnutls_x509_crt_t crt); /* UTC */
/* False while its time has not begun (usually a wrong clock). */
bool cert_has_begun(gnutls_x509_crt_t crt);
bool cert_key_matches(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key);

#endif
