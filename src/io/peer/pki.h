/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster's own certificate authority and the certificates of its nodes, made with GnuTLS, no
 * external tool. ECDSA P-256 throughout: handshakes cost the agents' loop well below a millisecond.
 *
 * Files in `dir` (created with mode 0755 if missing): ca.pem, ca.key, NODE.pem, NODE.key;
 * certificates mode 0644, keys 0600, each written whole or not at all (temporary file, fsync,
 * rename). The key is written before its certificate, so a certificate that exists has its key.
 * ca.key is needed only to make further node certificates: it does not belong on the nodes.
 *
 * A node certificate carries O = cluster, CN = node, and as alternative names the node's name and,
 * if it is a literal, its address. It may be used as client and server. It begins a day in the
 * past, because hosts that are being set up often have a wrong clock.
 *
 * These functions block (files, random numbers): for commands, not for the agent's loop.
 */
#ifndef TANDEM_IO_PEER_PKI_H
#define TANDEM_IO_PEER_PKI_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define PKI_CA_DAYS 3650
#define PKI_NODE_DAYS 730
#define PKI_WARN_DAYS 30

/* A new CA. ERR_EXISTS: ca.pem is there already and stays untouched. ERR_INVAL, ERR_IO, ERR_AUTH.
 */
int pki_create_ca(const char *dir, const char *cluster, struct errmsg *msg) NODISCARD;
/*
 * A certificate of one node, signed by the CA in dir. address may be NULL. ERR_EXISTS: NODE.pem is
 * there already (remove it to renew). ERR_NOTFOUND: no CA in dir.
 */
int pki_create_node(const char *dir, const char *cluster, const char *node, const char *address,
                    struct errmsg *msg) NODISCARD;

struct pki_files {
    const char *ca;
    const char *cert;
    const char *key;
};

/* Days are rounded down; negative after the end. */
struct pki_facts {
    int ca_days;
    int cert_days;
    int64_t ca_end_s; /* UTC */
    int64_t cert_end_s;
    bool has_begun; /* false: valid in the future only, most likely a wrong clock */
};

/*
 * Checks what an agent would use: files readable, key belongs to the certificate, certificate is of
 * this CA, cluster and node, key not readable by others. Being expired is no error here but
 * negative days: the caller decides. ERR_NOTFOUND, ERR_IO, ERR_FORMAT (not PEM), ERR_AUTH (does not
 * fit), ERR_PERM (mode of the key); the message names the file and the remedy.
 */
int pki_check(const struct pki_files *files, const char *cluster, const char *node,
              struct pki_facts *ret_facts, struct errmsg *msg) NODISCARD;

#endif
